"""Tests of ROIs from label files of surfaces and of grayordinates."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from nibabel.freesurfer import write_annot
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.types import Part, Space
from brain2music.data.grayordinates import axis_space
from brain2music.data.label_rois import (
    keep_rois,
    rois_from_dlabel,
    rois_from_hemispheres,
)
from brain2music.data.rois import rois_from_atlas
from brain2music.data.surfaces import mesh_space

LEFT = np.array([0, 7, 7, 3, 3, 3, 0, 12])
RIGHT = np.array([3, 3, 0, 7, 7, 7])
NAMES = {0: "???", 7: "A1", 3: "belt", 12: "V1"}  # not in the order of the numbers


def write_labels(path, values, side, *, names=NAMES, dtype="NIFTI_TYPE_INT32"):
    table = nib.gifti.GiftiLabelTable()
    for key, name in names.items():
        label = nib.gifti.GiftiLabel(key, 0.5, 0.5, 0.5, 1.0)
        label.label = name
        table.labels.append(label)
    stored = values.astype({"NIFTI_TYPE_UINT8": "u1"}.get(dtype, "i4"))
    array = nib.gifti.GiftiDataArray(stored, "NIFTI_INTENT_LABEL", dtype)
    structure = {"L": "CortexLeft", "R": "CortexRight"}[side]
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    nib.save(nib.GiftiImage(darrays=[array], labeltable=table, meta=meta), path)


@pytest.fixture
def space():
    return mesh_space("fsnative", [8, 6], ("left faces", "right faces"))


@pytest.fixture
def pair(tmp_path):
    paths = (tmp_path / "hemi-L_atlas.label.gii", tmp_path / "hemi-R_atlas.label.gii")
    write_labels(paths[0], LEFT, "L")
    write_labels(paths[1], RIGHT, "R")
    return paths


def expected(number, side):
    left = number == LEFT if side == "left" else np.zeros(8, bool)
    right = number == RIGHT if side == "right" else np.zeros(6, bool)
    return np.concatenate([left, right])


def check(rois):
    assert set(rois) == {"left A1", "left belt", "left V1", "right A1", "right belt"}
    for name, mask in rois.items():
        side, label = name.split()
        number = {label: key for key, label in NAMES.items()}[label]
        assert_array_equal(mask, expected(number, side))


def test_gifti_labels_are_joined_by_their_number(pair, space):
    rois, notes = rois_from_hemispheres(pair, space, mesh="fsnative")
    check(rois)
    assert notes == []


def test_packed_gifti_is_the_same(pair, space):
    packed = []
    for path in pair:
        packed.append(path.with_name(path.name + ".gz"))
        packed[-1].write_bytes(gzip.compress(path.read_bytes()))
    check(rois_from_hemispheres(packed, space, mesh="fsnative")[0])
    packed[0].write_bytes(packed[0].read_bytes()[:60])
    with pytest.raises(InputError, match="cannot be unpacked"):
        rois_from_hemispheres(packed, space, mesh="fsnative")


def test_freesurfer_annotations_are_the_same(tmp_path, space):
    names = ["unknown", "V1", "A1", "belt"]
    colours = np.array([[k * 40, 9 * k, 200 - k, 0, 0] for k in range(1, 5)])
    place = {0: 0, 12: 1, 7: 2, 3: 3}
    paths = (tmp_path / "lh.aparc.annot", tmp_path / "rh.aparc.annot")
    for path, values in zip(paths, (LEFT, RIGHT), strict=True):
        indices = np.array([place[int(v)] for v in values])
        write_annot(path, indices, colours, names, fill_ctab=True)
    check(rois_from_hemispheres(paths, space, mesh="fsnative")[0])
    with pytest.raises(InputError, match=r"rh\.aparc\.annot is named as the right"):
        rois_from_hemispheres(paths[::-1], space, mesh="fsnative")


def test_a_code_of_no_region_is_no_region(tmp_path, space):
    """Not of the next one in the table, as a search by order would have it."""
    names = ["unknown", "V1", "A1", "belt"]
    colours = np.array([[k * 40, 9 * k, 200 - k, 0, 0] for k in range(1, 5)])
    paths = (tmp_path / "lh.x.annot", tmp_path / "rh.x.annot")
    for path, n in zip(paths, (len(LEFT), len(RIGHT)), strict=True):
        write_annot(path, np.full(n, 2), colours, names, fill_ctab=True)
    content = bytearray(paths[0].read_bytes())
    content[4 + 8 * 1 + 4 : 4 + 8 * 1 + 8] = (12345).to_bytes(4, "big")
    paths[0].write_bytes(bytes(content))
    rois, notes = rois_from_hemispheres(paths, space, mesh="fsnative")
    assert set(rois) == {"left A1", "right A1"}
    here = np.array([str(i) == "1" for i in space.ids])
    assert not rois["left A1"][here].any()
    assert any("12345" in note or "no name" in note for note in notes)


def test_columns_that_the_recording_lacks_are_counted(pair):
    whole = mesh_space("fsnative", [8, 6])
    index = np.array([13, 2, 5, 0])
    ids = tuple(map(str, index))
    cut = Space("surface", "fsnative", ids, index, (14,), parts=whole.parts)
    rois, notes = rois_from_hemispheres(pair, cut, mesh="fsnative")
    assert rois["right A1"].tolist() == [True, False, False, False]
    assert rois["left A1"].tolist() == [False, True, False, False]
    assert "left A1 keeps 1 of 2" in notes[0]
    assert "are left out: left V1, right belt" in notes[1]


def test_another_mesh_is_refused_by_name_size_and_faces(pair, space):
    with pytest.raises(InputError, match="of the mesh 'fsaverage5', the responses of"):
        rois_from_hemispheres(pair, space, mesh="fsaverage5")
    with pytest.raises(InputError, match=r"labels 8 vertices, .* has 9"):
        rois_from_hemispheres(pair, mesh_space("m", [9, 6]), mesh="m")
    faces = ("left faces", "other faces")
    with pytest.raises(InputError, match="as many vertices but other faces"):
        rois_from_hemispheres(pair, space, mesh="fsnative", topology=faces)
    same = ("left faces", "right faces")
    check(rois_from_hemispheres(pair, space, mesh="fsnative", topology=same)[0])


def test_swapped_hemispheres_are_refused(pair, tmp_path):
    space = mesh_space("m", [6, 8])
    with pytest.raises(InputError, match=r"Swap rois\.left and rois\.right"):
        rois_from_hemispheres(pair[::-1], space, mesh="m")
    plain = [tmp_path / "a.label.gii", tmp_path / "b.label.gii"]
    for path, other in zip(plain, pair[::-1], strict=True):
        path.write_bytes(other.read_bytes())
    with pytest.raises(InputError, match="name says left, but the file says CortexR"):
        rois_from_hemispheres(plain, space, mesh="m")


def test_labels_that_overflow_their_type_are_refused(pair, space):
    names = {key * 40: name for key, name in NAMES.items()}
    values = LEFT * 40
    write_labels(pair[0], values, "L", names=names)
    assert "left V1" in rois_from_hemispheres(pair, space, mesh="fsnative")[0]
    write_labels(pair[0], values, "L", names=names, dtype="NIFTI_TYPE_UINT8")
    with pytest.raises(InputError, match=r"stored as uint8, up to 255, .* up to 480"):
        rois_from_hemispheres(pair, space, mesh="fsnative")


def test_numbers_without_a_name_are_said(pair, space):
    write_labels(pair[0], np.where(LEFT == 12, 99, LEFT), "L")
    rois, notes = rois_from_hemispheres(pair, space, mesh="fsnative")
    assert "left V1" not in rois
    assert "1 numbers have no name and make no ROI: 99" in notes[0]


def test_a_name_that_stands_twice_is_refused(pair, space):
    write_labels(pair[0], LEFT, "L", names={**NAMES, 3: "A1"})
    with pytest.raises(InputError, match="'left A1' stands twice"):
        rois_from_hemispheres(pair, space, mesh="fsnative")


def test_responses_without_hemispheres_take_no_label_files(pair):
    labels = Space("labels", "fsnative", ("1",))
    with pytest.raises(InputError, match="need responses whose hemispheres are known"):
        rois_from_hemispheres(pair, labels, mesh="fsnative")


def test_missing_and_broken_files_are_named(pair, space, tmp_path):
    with pytest.raises(MissingFileError, match="no labels at"):
        rois_from_hemispheres(
            [tmp_path / "lh.x.annot", pair[1]], space, mesh="fsnative"
        )
    (tmp_path / "lh.x.annot").write_bytes(b"xx")
    with pytest.raises(InputError, match=r"cannot be read as \.annot"):
        rois_from_hemispheres(
            [tmp_path / "lh.x.annot", pair[1]], space, mesh="fsnative"
        )


def write_dlabel(path, brain, values, *, names=NAMES, dtype="f4"):
    table = {key: (name, (0.5, 0.5, 0.5, 1.0)) for key, name in names.items()}
    axes = (nib.cifti2.LabelAxis(["atlas"], [table]), brain)
    image = nib.Cifti2Image(values[None].astype(dtype), axes)
    image.nifti_header.set_data_dtype(dtype)
    nib.save(image, path)


def test_cifti_labels_are_joined_by_structure_and_place(tmp_path, brain_models):
    space = axis_space(brain_models, "fsLR")
    values = np.array([7, 7, 0, 3, 3, 3, 7, 12, 0, 12, 12, 7])
    path = tmp_path / "atlas.dlabel.nii"
    order = np.r_[9:12, 5:9, 0:5]  # the labels' own order of structures
    write_dlabel(path, brain_models[order], values[order])
    rois, notes = rois_from_dlabel(path, space)
    assert list(rois) == ["belt", "A1", "V1"]
    for number, name in NAMES.items():
        if number:
            assert_array_equal(rois[name], values == number)
    assert notes == []


def test_cifti_labels_of_another_density_or_grid_are_refused(tmp_path, brain_models):
    space = axis_space(brain_models, "fsLR")
    path = tmp_path / "atlas.dlabel.nii"
    models = nib.cifti2.BrainModelAxis
    write_dlabel(path, models.from_surface([0, 1], 9, "CortexLeft"), np.array([7, 3]))
    with pytest.raises(InputError, match="CORTEX_LEFT has 9 vertices, in the respon"):
        rois_from_dlabel(path, space)
    voxel = np.array([[0, 1, 0]])
    other = models(
        "thalamus_left", voxel=voxel, affine=np.eye(4), volume_shape=(3, 4, 2)
    )
    write_dlabel(path, other, np.array([7]))
    with pytest.raises(InputError, match="THALAMUS_LEFT lie on another grid"):
        rois_from_dlabel(path, space)
    with pytest.raises(InputError, match="these responses are surface"):
        rois_from_dlabel(path, mesh_space("m", [3, 3]))


def test_cifti_labels_must_be_whole_and_fit_their_type(tmp_path, brain_models):
    space = axis_space(brain_models, "fsLR")
    path = tmp_path / "atlas.dlabel.nii"
    write_dlabel(path, brain_models, np.full(12, 6.5))
    with pytest.raises(InputError, match="not whole"):
        rois_from_dlabel(path, space)
    names = {0: "???", 7: "A1", 300: "far"}
    write_dlabel(path, brain_models, np.full(12, 7), names=names, dtype="u1")
    with pytest.raises(InputError, match="stored as uint8, up to 255"):
        rois_from_dlabel(path, space)


def test_named_rois_are_kept_in_their_order():
    rois = {name: np.ones(1, bool) for name in ("a", "belt", "c")}
    assert list(keep_rois(rois, ["c", "a"])) == ["c", "a"]
    with pytest.raises(InputError, match="Did you mean 'belt'"):
        keep_rois(rois, ["bel"])


def test_an_atlas_of_another_template_is_refused(tmp_path):
    names = tmp_path / "names.tsv"
    names.write_text("index\tname\n1\tA1\n")
    path = tmp_path / "tpl-MNI152NLin6Asym_res-02_dseg.nii"
    nib.save(nib.Nifti1Image(np.ones((2, 3, 4), np.int32), np.eye(4)), path)
    ids = tuple(map(str, range(24)))
    grid = (np.arange(24), (2, 3, 4), np.eye(4))
    other = Space("volume", "MNI152NLin2009cAsym", ids, *grid)
    with pytest.raises(InputError, match="is of the space MNI152NLin6Asym, the resp"):
        rois_from_atlas(path, names, other)
    same = Space("volume", "MNI152NLin6Asym", ids, *grid)
    assert rois_from_atlas(path, names, same)[0]["A1"].all()


def test_a_part_has_as_many_places_as_the_space():
    with pytest.raises(InputError, match="its parts hold 2 places"):
        Space(
            "surface",
            "m",
            ("0",),
            np.array([0]),
            (3,),
            parts=(Part("left", (2,), np.arange(2)),),
        )
