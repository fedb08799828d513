"""Tests of responses in NIfTI images."""

import json
import warnings

import nibabel as nib
import numpy as np
import pytest
from nilearn.masking import apply_mask
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.types import Run
from brain2music.data import volumes
from brain2music.data.recordings import open_recording

SHAPE = (5, 4, 3)
AFFINE = np.array(
    [[-2, 0, 0, 90], [0, 2, 0.1, -126], [0, -0.1, 2, -72], [0, 0, 0, 1.0]]
)


def write_run(folder, run, values, *, affine=AFFINE, unit="sec", ending="nii", tr=1.5):
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", unit)
    image.header.set_zooms((*image.header.get_zooms()[:3], tr))
    path = folder / f"sub-1_run-{run}.{ending}"
    nib.save(image, path)
    return path


@pytest.fixture
def mask(rng):
    return rng.random(SHAPE) < 0.6


@pytest.fixture
def folder(tmp_path, mask):
    nib.save(
        nib.Nifti1Image(mask.astype(np.uint8), AFFINE), tmp_path / "sub-1_mask.nii"
    )
    return tmp_path


def volumes_of(rng, n_samples=7):
    return rng.standard_normal((*SHAPE, n_samples)).astype(np.float32)


def open_images(folder, ending="nii"):
    return open_recording(
        folder,
        "1",
        responses=f"sub-{{subject}}_run-{{run}}.{ending}",
        mask="sub-{subject}_mask.nii",
    )


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_voxels_equal_those_that_nilearn_takes(folder, mask, rng, ending, monkeypatch):
    monkeypatch.setattr(volumes, "BLOCK_BYTES", 3 * 8 * mask.size)  # 3 volumes a block
    values = volumes_of(rng)
    path = write_run(folder, 1, values, ending=ending)
    recording = open_images(folder, ending)
    Y = recording.read(Run("", "1"))
    expected = apply_mask(
        str(path), str(folder / "sub-1_mask.nii"), ensure_finite=False
    )
    assert Y.dtype == np.float32
    assert_array_equal(Y, expected)
    assert_array_equal(Y, values[mask].T)
    assert recording.n_samples(Run("", "1")) == 7


def test_the_space_says_where_each_voxel_lies(folder, mask, rng):
    write_run(folder, 1, volumes_of(rng))
    space = open_images(folder).space
    assert (space.kind, space.name, space.shape) == (
        *("volume", "grid of sub-1_mask.nii"),
        SHAPE,
    )
    assert_array_equal(space.index, np.flatnonzero(mask.ravel()))
    assert space.ids == tuple(map(str, space.index))
    assert_allclose(space.affine, AFFINE, atol=1e-6)


def test_integers_are_scaled_as_the_header_says(folder, mask, rng):
    values = volumes_of(rng) * 100
    image = nib.Nifti1Image(values, AFFINE)
    image.set_data_dtype(np.int16)
    nib.save(image, folder / "sub-1_run-1.nii")
    Y = open_images(folder).read(Run("", "1"))
    assert_allclose(Y, values[mask].T, atol=0.02)


def test_nan_inside_the_mask_is_left_to_cleaning(folder, mask, rng):
    values = volumes_of(rng)
    values[mask, 2] = np.nan
    write_run(folder, 1, values)
    assert np.isnan(open_images(folder).read(Run("", "1"))[2]).all()


def test_runs_are_sorted_and_files_named_with_the_mask(folder, rng):
    for run in (10, 2):
        write_run(folder, run, volumes_of(rng, n_samples=run))
    recording = open_images(folder)
    assert [recording.n_samples(run) for run in recording.runs] == [2, 10]
    assert [path.name for path in recording.files] == [
        "sub-1_run-2.nii",
        "sub-1_run-10.nii",
        "sub-1_mask.nii",
    ]


@pytest.mark.parametrize(
    ("unit", "tr", "expected"),
    [("sec", 1.5, 1.5), ("msec", 800, 0.8), ("unknown", 1.5, None), ("sec", 0, None)],
)
def test_the_tr_is_read_in_its_unit_or_not_at_all(folder, rng, unit, tr, expected):
    write_run(folder, 1, volumes_of(rng), unit=unit, tr=tr)
    assert open_images(folder).tr_s(Run("", "1")) == expected


def test_header_and_sidecar_must_agree_on_the_tr(folder, rng):
    write_run(folder, 1, volumes_of(rng), ending="nii.gz")
    sidecar = folder / "sub-1_run-1.json"
    sidecar.write_text(json.dumps({"RepetitionTime": 1.5004}))
    assert open_images(folder, "nii.gz").tr_s(Run("", "1")) == 1.5004
    sidecar.write_text(json.dumps({"RepetitionTime": 2.0}))
    with pytest.raises(
        InputError, match=r"sub-1, run-1: .*TR of 1\.5 s, its sidecar 2"
    ):
        open_images(folder, "nii.gz")


@pytest.mark.parametrize(
    ("flip", "codes", "said"),
    [(-1, (1, 1), True), (1, (1, 1), False), (-1, (1, 0), False), (-1, (0, 1), False)],
)
def test_a_header_that_tells_left_apart_in_two_ways_is_told(
    folder, rng, flip, codes, said
):
    """Only where both transforms are in use."""
    path = write_run(folder, 1, volumes_of(rng))
    image = nib.load(path, mmap=False)
    image.set_sform(AFFINE, codes[0])
    image.set_qform(AFFINE @ np.diag([flip, 1, 1, 1]), codes[1])
    who = "sub-1, run-1 (sub-1_run-1.nii)"
    notes = volumes.side_notes(image, who)
    assert [note.startswith(who) for note in notes] == [True] * said
    nib.save(image, path)
    if codes == (1, 1):
        assert open_images(folder).notes == notes


def test_a_tr_of_1500_s_is_not_believed(folder, rng):
    write_run(folder, 1, volumes_of(rng), tr=1500)
    with pytest.raises(InputError, match="milliseconds"):
        open_images(folder)


def test_a_shortened_image_is_found_at_the_door(folder, rng):
    path = write_run(folder, 1, volumes_of(rng))
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    words = f"expected {len(whole)} bytes, found {len(whole) - 100} bytes"
    with pytest.raises(InputError, match=f"sub-1, run-1: .*{words}"):
        open_images(folder)


def test_a_shortened_compressed_image_is_found_when_read(folder, rng):
    path = write_run(folder, 1, volumes_of(rng, n_samples=90), ending="nii.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    recording = open_images(folder, "nii.gz")
    expected = 352 + 60 * 90 * 4
    with pytest.raises(
        InputError,
        match=rf"sub-1, run-1: .*expected {expected} bytes when unpacked, fou",
    ):
        recording.read(Run("", "1"))


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_a_file_that_is_no_image_is_refused(folder, ending):
    (folder / f"sub-1_run-1.{ending}").write_bytes(b"not an image")
    with pytest.raises(InputError, match="expected a NIfTI header"):
        open_images(folder, ending)


def test_a_link_to_nothing_says_fetch(folder):
    (folder / "sub-1_run-1.nii.gz").symlink_to(folder / "annex")
    with pytest.raises(MissingFileError, match="datalad get"):
        open_images(folder, "nii.gz")


def test_the_grid_must_be_the_masks_and_not_only_its_shape(folder, rng):
    write_run(folder, 1, volumes_of(rng))
    moved = AFFINE.copy()
    moved[0, 3] += 2
    write_run(folder, 2, volumes_of(rng), affine=moved)
    with pytest.raises(
        InputError, match=r"run-2 .*same shape .* another affine: .*up to 2 mm"
    ):
        open_images(folder)


def test_a_flipped_grid_of_the_same_shape_is_refused(folder, rng):
    flipped = AFFINE.copy()
    flipped[0] = [2, 0, 0, 82]  # the same places, voxels counted from the other side
    write_run(folder, 1, volumes_of(rng), affine=flipped)
    with pytest.raises(InputError, match="another affine"):
        open_images(folder)


def test_another_shape_is_refused(folder, rng):
    write_run(folder, 1, rng.standard_normal((4, 5, 3, 7)).astype(np.float32))
    with pytest.raises(InputError, match=r"grid is \(4, 5, 3\), .* is \(5, 4, 3\)"):
        open_images(folder)


def test_a_run_has_four_dimensions_and_real_numbers(folder, rng):
    path = folder / "sub-1_run-1.nii"
    nib.save(nib.Nifti1Image(volumes_of(rng)[..., 0], AFFINE), path)
    with pytest.raises(InputError, match="a run is a 4D image"):
        open_images(folder)
    nib.save(nib.Nifti1Image(volumes_of(rng).astype(np.complex64), AFFINE), path)
    with pytest.raises(InputError, match="no real numbers"):
        open_images(folder)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.zeros(SHAPE), "1 values from 0 to 0"),
        (np.linspace(0, 1, 60).reshape(SHAPE), "60 values from 0 to 1"),
        (np.full(SHAPE, np.nan), "NaN or infinity"),
        (np.ones((*SHAPE, 2)), "must be 3D"),
    ],
)
def test_a_mask_has_two_values(folder, rng, values, words):
    write_run(folder, 1, volumes_of(rng))
    image = nib.Nifti1Image(values.astype(np.float32), AFFINE)
    nib.save(image, folder / "sub-1_mask.nii")
    with pytest.raises(InputError, match=f"mask of sub-1: .*{words}"):
        open_images(folder)


def test_files_are_closed_after_reading(folder, rng):
    write_run(folder, 1, volumes_of(rng), ending="nii.gz")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_images(folder, "nii.gz").read(Run("", "1"))
    assert not [w for w in caught if issubclass(w.category, ResourceWarning)]
