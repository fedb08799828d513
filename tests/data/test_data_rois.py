"""Tests of regions of interest."""

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.types import Space
from brain2music.data.rois import rois_from_atlas, rois_from_labels, rois_from_masks

VERTICES = np.array([7, 2, 0, 11])
SURFACE = Space("surface", "m", ("7", "2", "0", "11"), index=VERTICES, shape=(12,))
LABELS = Space("labels", "labels", ("1", "2", "14", "278"))
AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])
GRID = (4, 3, 2)


def mask_of(*places, n=12):
    mask = np.zeros(n, bool)
    mask[list(places)] = True
    return mask


@pytest.fixture
def masks(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "rois.npz", **arrays)
        return tmp_path / "rois.npz"

    return save


def test_masks_of_the_whole_mesh_are_cut_to_the_columns(masks):
    path = masks(core=mask_of(0, 7), belt=mask_of(2, 3, 4), none=mask_of(5))
    rois, notes = rois_from_masks(path, SURFACE)
    assert list(rois) == ["core", "belt"]
    assert rois["core"].tolist() == [True, False, True, False]
    assert rois["belt"].tolist() == [False, True, False, False]
    assert "only the number of places ties these masks" in notes[0]
    assert "1 of 3 ROIs reach beyond the recording" in notes[1]
    assert "belt keeps 1 of 3" in notes[1]
    assert notes[2].endswith("are left out: none.")


def test_masks_over_the_columns_are_taken_as_they_stand(masks):
    rois, notes = rois_from_masks(masks(a=mask_of(1, n=4)), SURFACE, mesh="m")
    assert rois["a"].tolist() == [False, True, False, False]
    assert notes == []
    rois, _ = rois_from_masks(masks(a=mask_of(3, n=4)), LABELS)
    assert rois["a"].tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (mask_of(1, n=5), r"shape \(5,\), .* 4 columns and \(12,\) places in m"),
        (np.ones(12), "must be boolean, got float64"),
        (mask_of(5), "none of its 1 ROIs holds a column"),
    ],
)
def test_masks_that_cannot_be_laid_on_the_columns_are_refused(masks, mask, words):
    with pytest.raises(InputError, match=words):
        rois_from_masks(masks(a=mask), SURFACE)


def test_a_file_of_masks_must_be_there_and_whole(tmp_path, masks):
    with pytest.raises(MissingFileError, match="no ROI masks"):
        rois_from_masks(tmp_path / "none.npz", SURFACE)
    path = masks(a=mask_of(0))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="cannot be read"):
        rois_from_masks(path, SURFACE)
    np.savez(path, a=np.array([object()]), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        rois_from_masks(path, SURFACE)


def test_each_label_is_an_roi_of_its_own():
    rois, notes = rois_from_labels(LABELS, None)
    assert list(rois) == ["1", "2", "14", "278"]
    assert_array_equal(list(rois.values()), np.eye(4, dtype=bool))
    assert notes == []


def test_each_place_of_a_volume_is_no_roi():
    space = Space("volume", "T1w", ("0", "1"), np.arange(2), (2, 1, 1), np.eye(4))
    with pytest.raises(InputError, match=r"each_label is for tables of labels"):
        rois_from_labels(space, None)


def test_a_label_that_one_subject_lacks_is_noted():
    rois, notes = rois_from_labels(LABELS, {"core": ["278", "13", "1"], "v": ["2"]})
    assert rois["core"].tolist() == [True, False, False, True]
    assert rois["v"].tolist() == [False, True, False, False]
    assert len(notes) == 1
    assert "'core': 1 of 3 labels are not in the recording" in notes[0]
    assert notes[0].endswith(": 13.")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["13", "15"], r"'core': none of its labels .*: 13, 15\."),
        ([13], "Put numbers in quotes"),
        ("13", "list of labels as text"),
        ([], "list of labels as text"),
    ],
)
def test_an_roi_without_a_label_here_is_refused(labels, words):
    with pytest.raises(InputError, match=words):
        rois_from_labels(LABELS, {"core": labels})


@pytest.fixture
def atlas(tmp_path, rng):
    """Write an atlas and its names; return their paths, its values and a space."""
    values = rng.choice([0, 1, 2, 300, 7], size=GRID)
    values.flat[[0, 5, 10, 15]] = [1, 2, 300, 7]
    index = np.array([0, 1, 5, 10, 11, 15, 20])
    space = Space(
        "volume",
        "mask",
        tuple(map(str, index)),
        index=index,
        shape=GRID,
        affine=AFFINE,
    )
    names = tmp_path / "names.tsv"
    names.write_text("name\tindex\nSTG\t300\nHG\t1\nV1\t2\nnone\t9\nbackground\t0\n")

    def save(array=values, affine=AFFINE, dtype=np.int32):
        image = nib.Nifti1Image(array.astype(dtype), affine)
        nib.save(image, tmp_path / "atlas.nii.gz")
        return tmp_path / "atlas.nii.gz", names, space

    return save, values, names


def test_regions_are_named_by_number_and_not_by_order(atlas):
    save, values, _ = atlas
    path, names, space = save()
    rois, notes = rois_from_atlas(path, names, space)
    assert list(rois) == ["STG", "HG", "V1"]
    for name, number in {"STG": 300, "HG": 1, "V1": 2}.items():
        assert_array_equal(rois[name], values.ravel()[space.index] == number)
    assert "1 of 4 ROIs hold no column of this recording" in " ".join(notes)
    assert notes[-1].endswith("make no ROI: 7.")


def test_0_is_no_region_whether_it_is_named_or_not(atlas):
    save, _, names = atlas
    with_name = rois_from_atlas(*save())
    names.write_text(names.read_text().replace("background\t0\n", ""))
    rois, notes = rois_from_atlas(*save())
    assert list(rois) == list(with_name[0])
    assert notes == with_name[1]


def test_an_atlas_on_another_grid_is_refused(atlas):
    save, values, _ = atlas
    moved = AFFINE.copy()
    moved[2, 3] = 1
    with pytest.raises(InputError, match="same shape as the mask mask but another aff"):
        rois_from_atlas(*save(affine=moved))
    with pytest.raises(InputError, match=r"grid is \(3, 4, 2\)"):
        rois_from_atlas(*save(values.transpose(1, 0, 2)))


def test_numbers_that_the_file_cannot_hold_are_suspected(atlas):
    save, _, _ = atlas
    with pytest.raises(InputError, match=r"stored as uint8, up to 255, .* up to 300"):
        rois_from_atlas(*save(dtype=np.uint8))


def test_an_atlas_that_was_interpolated_is_refused(atlas):
    save, values, _ = atlas
    with pytest.raises(InputError, match="nearest neighbour"):
        rois_from_atlas(*save(values + 0.5, dtype=np.float32))


def test_an_atlas_needs_a_volume(atlas):
    path, names, _ = atlas[0]()
    with pytest.raises(InputError, match="these are surface"):
        rois_from_atlas(path, names, SURFACE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id\tname\n1\ta\n", "'index' and 'name' are needed"),
        ("index\tname\n1\ta\n1\tb\n", "index stands twice: 1"),
        ("index\tname\n1\ta\n2\ta\n", "name stands twice: a"),
        ("index\tname\n1.5\ta\n", "got index '1.5'"),
        ("index\tname\n1\t\n", "empty name"),
    ],
)
def test_the_names_of_an_atlas_must_be_clear(atlas, text, words):
    save, _, names = atlas
    names.write_text(text)
    with pytest.raises(InputError, match=words):
        rois_from_atlas(*save())
