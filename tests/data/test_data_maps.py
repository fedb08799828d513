"""Tests of map files: to the bit, where they came from, left on the left."""

import json

import nibabel as nib
import numpy as np
import pytest
from nilearn.masking import apply_mask
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.types import Space
from brain2music.data.maps import map_problem, read_map, write_map
from brain2music.data.recordings import open_derivatives

SPACES = {"volume": "MNI152NLin2009cAsym", "surface": "fsnative", "cifti": "fsLR"}
LABELS = {"sub": "01", "stat": "r", "desc": "jointAll"}


def space_of(fmriprep, kind, Y):
    fmriprep.write(kind, "01", ("m", 1), Y)
    return open_derivatives(
        fmriprep.root, "01", derivatives="derivatives/fmriprep", space=SPACES[kind]
    ).recording


def write(folder, values, space):
    return write_map(folder, LABELS, values, space, name="joint all, r", facts={"a": 1})


@pytest.mark.parametrize("kind", SPACES)
def test_a_map_comes_back_to_the_bit(fmriprep, tmp_path, rng, kind):
    space = space_of(fmriprep, kind, rng.standard_normal((20, 12))).space
    values = rng.standard_normal(space.n_voxels).astype("f4")
    values[:6] = [np.nan, 0.0, -0.0, 1e-42, np.float32(1) / 3, -np.inf]
    paths = write(tmp_path / "maps", values, space)
    again = read_map(paths, space)
    assert again.tobytes() == values.tobytes()
    for path in paths:
        sidecar = json.loads(
            path.with_name(path.name.split(".")[0] + ".json").read_text()
        )
        assert sidecar["Space"] == SPACES[kind]
        assert sidecar["a"] == 1


def test_headers_say_what_a_map_is(fmriprep, tmp_path, rng):
    heads = {}
    for kind in ("volume", "cifti"):
        space = space_of(fmriprep, kind, rng.standard_normal((20, 12))).space
        (path,) = write(tmp_path / kind, np.zeros(space.n_voxels), space)
        heads[kind] = nib.load(path)
    codes = [int(heads["volume"].header[key]) for key in ("sform_code", "qform_code")]
    assert codes == [4, 4]  # MNI
    assert int(heads["cifti"].nifti_header["intent_code"]) == 3006
    assert heads["cifti"].nifti_header.get_intent()[2] == "ConnDenseScalar"


def test_names_are_those_of_bids_derivatives(fmriprep, tmp_path, rng):
    names = {}
    for kind in SPACES:
        space = space_of(fmriprep, kind, rng.standard_normal((20, 12))).space
        paths = write(tmp_path / kind, np.zeros(space.n_voxels), space)
        names[kind] = [path.name for path in paths]
    end = "stat-r_desc-jointAll_statmap"
    assert names == {
        "volume": [f"sub-01_space-MNI152NLin2009cAsym_{end}.nii.gz"],
        "surface": [
            f"sub-01_hemi-{side}_space-fsnative_{end}.shape.gii" for side in "LR"
        ],
        "cifti": [f"sub-01_space-fsLR_{end}.dscalar.nii"],
    }


def test_left_is_left_in_a_volume(fmriprep, tmp_path, rng):
    """The blob is planted by its place in mm, and found by nibabel in mm."""
    recording = space_of(fmriprep, "volume", rng.standard_normal((20, 12)))
    (path,) = fmriprep.folder.glob("**/*preproc_bold.nii.gz")
    image = nib.load(path)
    places = np.moveaxis(np.indices(image.shape[:3]), 0, -1)
    x = nib.affines.apply_affine(image.affine, places)[..., 0]
    data = np.asarray(image.dataobj) * np.where(x < x.mean(), 10, 0.1)[..., None]
    nib.save(nib.Nifti1Image(data.astype("f4"), image.affine, image.header), path)
    spread = recording.read(recording.runs[0]).std(axis=0)
    (file,) = write(tmp_path, spread, recording.space)
    found = nib.load(file)
    assert_array_equal(found.affine, image.affine)
    values = np.asarray(found.dataobj)
    loud = np.argwhere(values > 3)
    assert len(loud) >= 3
    assert (nib.affines.apply_affine(found.affine, loud)[:, 0] < x.mean()).all()
    (mask,) = fmriprep.folder.glob("**/*mask.nii.gz")
    assert_array_equal(apply_mask(found, nib.load(mask), ensure_finite=False), spread)


@pytest.mark.parametrize("kind", ["surface", "cifti"])
def test_left_is_left_on_a_mesh(fmriprep, tmp_path, rng, kind):
    recording = space_of(fmriprep, kind, rng.standard_normal((20, 12)))
    files = sorted(fmriprep.folder.glob("**/*bold.func.gii")) or sorted(
        fmriprep.folder.glob("**/*.dtseries.nii")
    )
    left = nib.load(files[0])
    if kind == "surface":
        for array in left.darrays:
            array.data = array.data * np.float32(10)
        nib.save(left, files[0])
    else:
        axis = left.header.get_axis(1)
        gain = np.where(axis.name == "CIFTI_STRUCTURE_CORTEX_LEFT", 10, 1)
        scaled = (np.asarray(left.dataobj) * gain).astype("f4")
        nib.save(nib.Cifti2Image(scaled, left.header), files[0])
    spread = recording.read(recording.runs[0]).std(axis=0)
    paths = write(tmp_path, spread, recording.space)
    if kind == "surface":
        sides = [nib.load(path) for path in paths]
        assert sides[0].meta["AnatomicalStructurePrimary"] == "CortexLeft"
        assert "hemi-L" in paths[0].name
        assert np.nanmin(sides[0].agg_data()) > 3
        assert np.nanmax(sides[1].agg_data()) < 3
    else:
        found = nib.load(paths[0])
        names = found.header.get_axis(1).name
        loud = np.asarray(found.dataobj)[0] > 3
        assert set(names[loud]) == {"CIFTI_STRUCTURE_CORTEX_LEFT"}
        assert "CIFTI_STRUCTURE_CORTEX_LEFT" not in names[~loud]


def test_a_map_of_another_place_is_not_read(fmriprep, tmp_path, rng):
    volume = space_of(fmriprep, "volume", rng.standard_normal((20, 12))).space
    (path,) = write(tmp_path, np.zeros(12), volume)
    image = nib.load(path)
    moved = image.affine.copy()
    moved[0, 3] += 2
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved), path)
    with pytest.raises(InputError, match="another affine"):
        read_map([path], volume)
    surface = space_of(fmriprep, "surface", rng.standard_normal((20, 12))).space
    left, right = write(tmp_path, np.zeros(14), surface)
    with pytest.raises(InputError, match="file says CortexRight"):
        read_map([right, left], surface)
    cifti = space_of(fmriprep, "cifti", rng.standard_normal((20, 12))).space
    (path,) = write(tmp_path, np.zeros(12), cifti)
    image = nib.load(path)
    brain = image.header.get_axis(1)[np.r_[5:9, 0:5, 9:12]]
    other = nib.Cifti2Image(image.get_fdata(), (image.header.get_axis(0), brain))
    nib.save(other, path)
    with pytest.raises(InputError, match="has other grayordinates"):
        read_map([path], cifti)


def test_spaces_without_places_have_no_files(tmp_path):
    labels = Space("labels", "Shen", ("1", "2"))
    unknown = Space("surface", "own", ("0", "1"), np.arange(2), (2,))
    assert "the tables hold their values" in map_problem(labels)
    assert "where the hemispheres of the mesh 'own' meet" in map_problem(unknown)
    with pytest.raises(InputError, match="no position"):
        write(tmp_path, [1, 2], labels)


def test_one_value_per_column(fmriprep, tmp_path, rng):
    space = space_of(fmriprep, "cifti", rng.standard_normal((20, 12))).space
    with pytest.raises(InputError, match=r"shape \(11,\), and .* has 12 columns"):
        write(tmp_path, np.zeros(11), space)
