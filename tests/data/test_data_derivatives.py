"""Tests of finding what fMRIPrep wrote, in the layouts of its versions."""

import json

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.types import Run
from brain2music.data.confounds import read_confounds
from brain2music.data.derivatives import find_scans, parse_space, refuse_raw
from brain2music.data.recordings import open_derivatives
from brain2music.data.sidecars import read_timing

PREP = "derivatives/fmriprep"
SPACES = {"volume": "MNI152NLin2009cAsym", "surface": "fsnative", "cifti": "fsLR:91k"}


def open_all(root, space, subject="01", **options):
    return open_derivatives(root, subject, derivatives=PREP, space=space, **options)


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("old", [False, True, "20.1"])
@pytest.mark.parametrize("session", [None, "a"])
def test_the_same_columns_come_through_every_road(
    tmp_path, Fmriprep, rng, kind, old, session
):
    writer = Fmriprep(tmp_path, old=old)
    Y = {k: rng.standard_normal((20 + k, 12)).astype("f4") for k in (10, 2)}
    for k, values in Y.items():
        writer.write(kind, "01", ("music", k), values, session=session)
    opening = open_all(tmp_path, SPACES[kind])
    recording = opening.recording
    runs = [Run("music", "2", session), Run("music", "10", session)]
    assert list(recording.runs) == runs
    for run in runs:
        values = recording.read(run)
        measured = ~np.isnan(values).all(axis=0)
        assert_array_equal(values[:, measured], Y[int(run.run)])
        assert recording.n_samples(run) == len(values)
        assert recording.tr_s(run) == 1.5
        assert recording.timing(run).start_s == 0.75
        assert opening.confounds[run].name.startswith(opening.images[run][0].name[:13])
        blocks = list(recording.blocks(run))
        assert_array_equal(np.vstack([rows for _, rows in blocks]), values)


def test_several_files_of_a_run_are_listed_and_none_is_picked(fmriprep, rng):
    Y = rng.standard_normal((20, 12))
    stem = fmriprep.stem("01", ("music", 1))
    fmriprep._volume(stem, Y)
    fmriprep._volume(stem, Y, space="space-MNI152NLin2009cAsym")
    fmriprep._volume(stem, Y, space="echo-1_space-MNI152NLin2009cAsym")
    root = fmriprep.root
    with pytest.raises(InputError, match=r"3 files fit .*Say which") as error:
        find_scans(root, PREP, "01", "MNI152NLin2009cAsym")
    for word in (
        "sub-01_task-music_run-1_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold",
        "'MNI152NLin2009cAsym:echo-none:res-2'",
        "'MNI152NLin2009cAsym:echo-1:res-none'",
    ):
        assert word in str(error.value)
    for line, name in (
        ("MNI152NLin2009cAsym:echo-none:res-2", "_res-2_desc-preproc"),
        ("MNI152NLin2009cAsym:echo-1:res-none", "_echo-1_space"),
    ):
        (scan,) = find_scans(root, PREP, "01", line).values()
        assert name in scan.paths[0].name
        assert scan.mask is not None
        assert ("res-2" in scan.mask.name) == ("res-2" in line)


def test_a_space_that_is_not_there_is_named_with_those_that_are(fmriprep, rng):
    fmriprep.write("volume", "01", ("music", 1), rng.standard_normal((20, 12)))
    fmriprep.write("cifti", "01", ("music", 1), rng.standard_normal((20, 12)))
    with pytest.raises(
        MissingFileError,
        match=r"no run in the space 'MNI152NLin2009'.*MNI152NLin2009cAsym:res-2, "
        r"fsLR:den-91k\. Did you mean 'MNI152NLin2009cAsym:res-2'",
    ):
        find_scans(fmriprep.root, PREP, "01", "MNI152NLin2009")


def test_a_run_without_the_space_is_missed(fmriprep, rng):
    fmriprep.write("volume", "01", ("music", 1), rng.standard_normal((20, 12)))
    fmriprep.write("cifti", "01", ("music", 2), rng.standard_normal((20, 12)))
    with pytest.raises(MissingFileError, match="task-music_run-1 has derivatives"):
        find_scans(fmriprep.root, PREP, "01", "fsLR")


def test_one_hemisphere_is_no_surface(fmriprep, rng):
    _, right = fmriprep.write("surface", "01", ("m", 1), rng.standard_normal((20, 12)))
    right.unlink()
    with pytest.raises(MissingFileError, match="both hemispheres are needed"):
        find_scans(fmriprep.root, PREP, "01", "fsnative")


def test_without_derivatives_it_says_what_to_run_first(tmp_path):
    with pytest.raises(
        MissingFileError,
        match=r"Run first: fmriprep .* --participant-label 01 --output-spaces T1w",
    ):
        find_scans(tmp_path, PREP, "01", "T1w")
    with pytest.raises(MissingFileError, match="--cifti-output"):
        find_scans(tmp_path, PREP, "01", "fsLR")


def test_a_raw_scan_is_told_from_a_derivative(tmp_path):
    raw = tmp_path / "sub-01/func/sub-01_task-music_bold.nii.gz"
    refuse_raw(tmp_path, raw)  # no BIDS data set: nobody says that it is raw
    description = tmp_path / "dataset_description.json"
    description.write_text(json.dumps({"Name": "x"}))
    with pytest.raises(InputError, match=r"is a raw scan: .*Run first: fmriprep"):
        refuse_raw(tmp_path, raw)
    refuse_raw(tmp_path, raw.with_name("sub-01_task-music_desc-preproc_bold.nii.gz"))
    refuse_raw(tmp_path, tmp_path / "derivatives/x/sub-01_task-music_bold.nii.gz")
    description.write_text(json.dumps({"DatasetType": "derivative"}))
    refuse_raw(tmp_path, raw)
    own = tmp_path / "rawdata/dataset_description.json"
    own.parent.mkdir()
    own.write_text(json.dumps({"DatasetType": "raw"}))
    with pytest.raises(InputError, match=r"^rawdata/sub-01/.* is a raw scan"):
        refuse_raw(tmp_path, own.parent / raw.relative_to(tmp_path))


def test_runs_that_no_rule_asks_for_have_no_part(fmriprep, rng):
    Y = rng.standard_normal((20, 12))
    for run in (("music", 1), ("rest", 1)):
        fmriprep.write("volume", "01", run, Y)
    place = (fmriprep.root, PREP, "01", SPACES["volume"])
    assert len(find_scans(*place)) == 2
    (run_,) = find_scans(*place, rules=[{"task": "music"}])
    assert run_.task == "music"


def test_one_run_under_two_labels_is_refused(fmriprep, rng):
    for label in ("1", "01"):
        fmriprep.write("volume", "01", ("music", label), rng.standard_normal((20, 12)))
    with pytest.raises(InputError, match="goes by task-music_run-01 and"):
        find_scans(fmriprep.root, PREP, "01", SPACES["volume"])


def test_the_grid_of_each_run_is_no_space_of_several(fmriprep, rng):
    for run in (("music", 1), ("music", 2)):
        for path in fmriprep.write("volume", "01", run, rng.standard_normal((20, 12))):
            name = path.name.replace("_space-MNI152NLin2009cAsym_res-2", "")
            path.rename(path.with_name(name))
    with pytest.raises(InputError, match="grid of each run by itself"):
        find_scans(fmriprep.root, PREP, "01", "boldref")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("inflated", "is a shape of a surface and no space"),
        ("T1w:2", "cannot be read"),
        ("", "cannot be read"),
        ("T1w:res-", "cannot be read"),
        ("../T1w", "cannot be read"),
    ],
)
def test_a_line_that_is_no_space_is_refused(line, words):
    with pytest.raises(InputError, match=words):
        parse_space(line)


def test_voxels_must_be_in_the_brain_in_every_run(fmriprep, rng):
    for k in (1, 2):
        fmriprep.write("volume", "01", ("m", k), rng.standard_normal((20, 12)))
    (mask,) = fmriprep.folder.glob("**/*run-2_*mask.nii.gz")
    image = nib.load(mask)
    values = np.asarray(image.dataobj).copy()
    values.ravel()[[0, 1]] = [0, 1]  # one out, another in
    nib.save(nib.Nifti1Image(values, image.affine), mask)
    recording = open_all(fmriprep.root, SPACES["volume"]).recording
    assert recording.space.ids == tuple(map(str, range(2, 24, 2)))
    assert recording.space.name == "MNI152NLin2009cAsym"
    assert (
        "2 of 13 voxels are in the brain masks of some runs only"
        in (recording.notes[0])
    )


def test_a_mask_of_another_run_on_another_grid_is_refused(fmriprep, rng):
    for k in (1, 2):
        fmriprep.write("volume", "01", ("m", k), rng.standard_normal((20, 12)))
    (mask,) = fmriprep.folder.glob("**/*run-2_*mask.nii.gz")
    image = nib.load(mask)
    moved = image.affine.copy()
    moved[:3, 3] += 1
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved), mask)
    with pytest.raises(InputError, match=r"same shape .* another affine"):
        open_all(fmriprep.root, SPACES["volume"])


def test_grey_matter_is_resampled_and_cut_at_a_half(fmriprep, rng):
    fmriprep.write("volume", "01", ("m", 1), rng.standard_normal((20, 12)))
    recording = open_all(fmriprep.root, SPACES["volume"]).recording
    whole = np.zeros(24)
    whole[recording.space.index] = np.linspace(0, 1, 12)
    path = fmriprep.folder / (
        "sub-01/anat/sub-01_space-MNI152NLin2009cAsym_res-2_label-GM_probseg.nii.gz"
    )
    path.parent.mkdir()
    image = nib.Nifti1Image(whole.reshape(3, 4, 2).astype("f4"), recording.space.affine)
    nib.save(image, path)
    grey = open_all(fmriprep.root, SPACES["volume"], mask="grey-matter").recording
    assert grey.space.ids == recording.space.ids[6:]
    assert "6 of 12 voxels are at least half grey matter" in grey.notes[0]
    path.unlink()
    with pytest.raises(MissingFileError, match=r"label-GM_probseg.*found none"):
        open_all(fmriprep.root, SPACES["volume"], mask="grey-matter")


def test_smoothing_is_nilearns_and_off_by_default(fmriprep, rng):
    from nilearn.image import smooth_img
    from nilearn.masking import apply_mask

    (path,) = fmriprep.write("volume", "01", ("m", 1), rng.standard_normal((20, 12)))
    (mask,) = fmriprep.folder.glob("**/*mask.nii.gz")
    smooth = open_all(fmriprep.root, SPACES["volume"], fwhm_mm=4.0).recording
    expected = apply_mask(smooth_img(str(path), 4.0), str(mask))
    np.testing.assert_allclose(smooth.read(smooth.runs[0]), expected, rtol=1e-5)
    fmriprep.write("surface", "01", ("m", 1), rng.standard_normal((20, 12)))
    with pytest.raises(InputError, match="fwhm_mm smooths volumes"):
        open_all(fmriprep.root, "fsnative", fwhm_mm=4.0)


def test_header_and_sidecar_must_agree_on_the_tr_in_every_road(fmriprep, rng):
    for kind, space in SPACES.items():
        fmriprep.write(
            kind, "01", ("m", 1), rng.standard_normal((20, 12)), RepetitionTime=2.0
        )
        with pytest.raises(InputError, match=r"says a TR of 1\.5 s, its sidecar 2"):
            open_all(fmriprep.root, space)


def test_a_start_time_after_the_volume_is_refused(fmriprep, rng):
    fmriprep.write("cifti", "01", ("m", 1), rng.standard_normal((20, 12)), StartTime=9)
    with pytest.raises(InputError, match=r"StartTime in .* is 9; .*to the TR \(1\.5\)"):
        open_all(fmriprep.root, "fsLR")


def test_the_medial_wall_is_known_and_can_be_left_out(fmriprep, rng, write_gifti):
    Y = rng.standard_normal((20, 12))
    fmriprep.write("surface", "01", ("m", 1), Y)
    with pytest.raises(InputError, match=r"what is cortex on fsnative is not known"):
        open_all(fmriprep.root, "fsnative", mask="cortex")
    anat = fmriprep.folder / "sub-01/anat"
    anat.mkdir()
    masks = {"L": np.ones(8, "f4"), "R": np.ones(6, "f4")}
    masks["L"][[3, 5]] = masks["R"][2] = 0
    for side, mask in masks.items():
        path = anat / f"sub-01_hemi-{side}_desc-cortex_mask.label.gii"
        write_gifti(path, mask[None], side)
    whole = open_all(fmriprep.root, "fsnative").recording
    assert np.flatnonzero(whole.outside).tolist() == [3, 5, 10]
    cut = open_all(fmriprep.root, "fsnative", mask="cortex").recording
    assert cut.space.ids == tuple(str(k) for k in range(14) if k not in (3, 5, 10))
    run = cut.runs[0]
    assert_array_equal(cut.read(run), whole.read(run)[:, cut.space.index])
    with pytest.raises(InputError, match="is no volume"):
        open_all(fmriprep.root, "fsnative", mask="grey-matter")


def test_the_medial_wall_of_the_template_is_known_in_part(fmriprep, rng):
    stem = fmriprep.stem("01", ("m", 1))
    fmriprep.write_confounds(stem, 10)
    for side in "LR":
        path = stem.with_name(f"{stem.name}_hemi-{side}_space-fsaverage5_bold.func.gii")
        values = rng.standard_normal((10, 10242)).astype("f4")
        arrays = [nib.gifti.GiftiDataArray(row) for row in values]
        nib.save(nib.GiftiImage(darrays=arrays), path)
    recording = open_all(fmriprep.root, "fsaverage5").recording
    assert recording.space.shape == (20484,)
    assert 500 < recording.outside[:10242].sum() < 888  # within the medial wall
    assert 500 < recording.outside[10242:].sum() < 881
    with pytest.raises(InputError, match=r"--medial-surface-nan"):
        open_all(fmriprep.root, "fsaverage5", mask="cortex")


def test_other_kinds_of_images_are_taken_only_when_asked_for(fmriprep, rng):
    Y = rng.standard_normal((20, 12))
    (path,) = fmriprep.write("volume", "01", ("m", 1), Y)
    other = path.with_name(path.name.replace("preproc", "smoothAROMAnonaggr"))
    other.write_bytes(path.read_bytes())
    (scan,) = find_scans(fmriprep.root, PREP, "01", SPACES["volume"]).values()
    assert scan.paths == (path,)
    line = f"{SPACES['volume']}:desc-smoothAROMAnonaggr"
    (scan,) = find_scans(fmriprep.root, PREP, "01", line).values()
    assert scan.paths == (other,)
    assert scan.mask is not None


def test_aroma_files_are_read_by_default(fmriprep, rng):
    """Their confounds are gone already; the table says which volumes are steady."""
    run = ("music", 1)
    (path,) = fmriprep.write("volume", "01", run, rng.standard_normal((20, 12)))
    name = path.name.replace("desc-preproc", "desc-smoothAROMAnonaggr")
    aroma = path.rename(path.with_name(name))
    table = fmriprep.write_confounds(fmriprep.stem("01", run), 20, dummies=(0,))
    line = f"{SPACES['volume']}:desc-smoothAROMAnonaggr"
    opening = open_all(fmriprep.root, line)
    assert opening.recording.read(Run("music", "1")).shape == (20, 12)
    found, _ = read_confounds(
        [aroma], table, 20, groups=(), censor="dummies", options={}, name="run"
    )
    assert found.values.shape == (20, 0)
    assert np.flatnonzero(~found.used).tolist() == [0]


def test_nan_is_refused_and_not_smoothed_into_its_neighbours(fmriprep, rng):
    Y = rng.standard_normal((20, 12))
    Y[3, 5] = np.nan
    fmriprep.write("volume", "01", ("music", 1), Y)
    recording = open_all(fmriprep.root, SPACES["volume"], fwhm_mm=3.0).recording
    with pytest.raises(InputError, match="infinity in 1 voxels, which smoothing"):
        recording.read(recording.runs[0])


def test_a_sidecar_of_the_whole_task_is_inherited(fmriprep, rng):
    (path,) = fmriprep.write(
        "volume", "01", ("music", 1), rng.standard_normal((20, 12))
    )
    path.with_name(path.name.replace(".nii.gz", ".json")).unlink()
    (fmriprep.root / "dataset_description.json").write_text('{"Name": "x"}')
    assert read_timing(path).tr_s is None
    other = fmriprep.folder / "task-rest_bold.json"
    other.write_text(json.dumps({"RepetitionTime": 9.0}))
    ours = fmriprep.folder / "task-music_bold.json"
    ours.write_text(json.dumps({"RepetitionTime": 1.5}))
    assert read_timing(path).tr_s == 1.5
