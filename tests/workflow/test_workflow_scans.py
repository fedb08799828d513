"""Tests of a whole study on fMRIPrep's outputs: volume, surface and CIFTI alike."""

import json
import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music import load_study, run
from brain2music.core import store as store_module
from brain2music.core.checks import InputError
from brain2music.core.saved import read_rows
from brain2music.core.store import open_store
from brain2music.data import cleaning
from brain2music.data.cleaning import Cleaning, clean_run
from brain2music.study import StudyError
from brain2music.workflow.alignment import align
from brain2music.workflow.check import check_study
from brain2music.workflow.opening import open_subject

SPACES = {"volume": "MNI152NLin2009cAsym", "surface": "fsnative", "cifti": "fsLR"}


@pytest.fixture
def scans(tmp_path, write_study, write_fmriprep):
    """Return a function that writes the small study as fMRIPrep's outputs."""

    def write(kind, *, responses="", **options):
        path, writer = write_fmriprep(write_study(tmp_path / kind), kind, **options)
        text = path.read_text().replace("[responses]", f"[responses]\n{responses}")
        path.write_text(text)
        return path, writer

    return write


def joint_r(result, subject="01"):
    table = result.voxel_scores.query("model == 'joint' and score == 'r'")
    return table.loc[table["subject"] == subject, "value"].to_numpy()


@pytest.fixture
def plain(tmp_path, write_study):
    path = write_study(tmp_path / "plain")
    return run(load_study(path), tmp_path / "out", stage="tables")


@pytest.mark.parametrize("kind", SPACES)
def test_the_three_roads_give_the_scores_of_the_plain_matrix(
    scans, plain, tmp_path, kind
):
    path, _ = scans(kind)
    result = run(load_study(path), tmp_path / f"out-{kind}", stage="tables")
    for subject in ("01", "02"):
        r = joint_r(result, subject)
        measured = np.isfinite(r)
        assert measured.sum() == 12
        assert_allclose(r[measured], joint_r(plain, subject), atol=1e-6)
    notes = "\n".join(result.notes)
    assert ("2 of 14 vertices were not measured" in notes) == (kind == "surface")
    assert "volumes stand for 0.75 s after they begin" in notes
    store = open_store(result.out / "responses/sub-01")
    assert store.space.name == SPACES[kind]
    assert store.valid_runs.shape == (5, store.n_voxels)
    assert set(store.test_rows()["n_repeats"]) == {2}


def test_reading_in_blocks_through_the_disk_changes_no_digit(
    scans, tmp_path, monkeypatch
):
    path, _ = scans("volume")
    first = run(load_study(path), tmp_path / "a", stage="responses")
    monkeypatch.setattr(store_module, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(cleaning.column_blocks, "__defaults__", (5,))
    second = run(load_study(path), tmp_path / "b", stage="responses")
    for subject in ("01", "02"):
        one, two = (
            open_store(r.out / f"responses/sub-{subject}") for r in (first, second)
        )
        assert_array_equal(one.train(), two.train())
        assert_array_equal(one.test(), two.test())


def test_confounds_and_censored_volumes_reach_rows_folds_and_design(scans, tmp_path):
    path, writer = scans(
        "volume",
        responses='confounds = ["motion"]\ncensor = "scrub"\n'
        'confound_options = { motion = "basic", scrub = 0 }',
    )
    stem = writer.stem("01", ("Training", "2"))
    writer.write_confounds(stem, 56, moved=(20, 33))
    writer.write_confounds(writer.stem("01", ("Test", "1")), 56, moved=(30,))
    result = run(load_study(path), tmp_path / "out", stage="tables")
    store = open_store(result.out / "responses/sub-01")
    rows = store.train_rows()
    second = rows[rows["run_name"] == "task-Training_run-2"]
    assert sorted(set(range(8, 56)) - set(second["sample"])) == [20, 33]
    assert len(store.train()) == len(rows) == 3 * 48 - 2
    assert len(np.load(result.out / "features/sub-01/X_train.npy")) == len(rows)
    assert set(store.test_rows()["n_repeats"]) == {1, 2}
    notes = "\n".join(result.notes)
    assert "2 of 56 volumes are censored" in notes
    assert "unequal numbers of repeats, 1 to 2" in notes
    assert "6 confounds are regressed out" in notes


def test_delays_look_at_the_volumes_before_a_censored_one(scans, tmp_path):
    path, writer = scans(
        "volume", responses='censor = "scrub"\nconfound_options = { scrub = 0 }'
    )
    free = run(load_study(path), tmp_path / "free", stage="features")
    writer.write_confounds(writer.stem("01", ("Training", "2")), 56, moved=(20,))
    cut = run(load_study(path), tmp_path / "cut", stage="features")
    tables = [read_rows(r.out / "responses/sub-01/train_rows.csv") for r in (free, cut)]
    rows = tables[0]
    gone = (rows["run_name"] == "task-Training_run-2") & (rows["sample"] == 20)
    X_free, X_cut = (
        np.load(r.out / "features/sub-01/X_train.npy") for r in (free, cut)
    )
    # Scale and mean are of the kept rows: up to that, the rows are the same.
    expected, found = X_free[~gone.to_numpy()], X_cut
    fit = np.polynomial.polynomial.polyfit(expected[:, 0], found[:, 0], 1)
    assert_allclose(fit[0] + fit[1] * expected[:, 0], found[:, 0], atol=1e-10)


def test_dummies_are_dropped_by_default_and_can_be_kept(scans, tmp_path):
    path, writer = scans("cifti")
    text = path.read_text().replace("lead_in_s = 12", "lead_in_s = 0")
    path.write_text(text)
    writer.write_confounds(writer.stem("01", ("Training", "1")), 56, dummies=(0, 1))
    result = run(load_study(path), tmp_path / "out", stage="responses")
    rows = read_rows(result.out / "responses/sub-01/train_rows.csv")
    first = rows[rows["run_name"] == "task-Training_run-1"]
    assert first["sample"].tolist() == list(range(2, 56))
    path.write_text(text.replace("[responses]", '[responses]\ncensor = "none"'))
    result = run(load_study(path), tmp_path / "out", stage="responses")
    assert len(read_rows(result.out / "responses/sub-01/train_rows.csv")) == 3 * 56


@pytest.mark.parametrize("how", ["session", "train", "none", "run"])
def test_zscores_by_run_session_or_training_rows(scans, tmp_path, how):
    sessions = {("Training", "1"): "a", ("Training", "2"): "b"}
    sessions |= {("Training", "10"): "b", ("Test", "1"): "a", ("Test", "2"): "b"}
    path, _ = scans("volume", sessions=sessions)
    path.write_text(path.read_text().replace("detrend", f'zscore = "{how}"\ndetrend'))
    # The events are not of a session: one table serves the run of any.
    result = run(load_study(path), tmp_path / "out", stage="responses")
    store = open_store(result.out / "responses/sub-02")
    matrix = np.load(path.parent / "npy/sub-02.npy")
    settings = Cleaning(1.5, "linear", n_drop_start=8, zscore="none")
    order = [("Training", "1"), ("Training", "2"), ("Training", "10")]
    order += [("Test", "1"), ("Test", "2")]
    table = pd.read_csv(path.parent / "runs.csv", dtype=str)
    clean = {}
    for task, label in order:
        here = ((table["task"] == task) & (table["run"] == label)).to_numpy()
        clean[task, label] = clean_run(matrix[here], settings, name="x")[0]
    for one in store.runs:
        label = re.search(r"task-(\w+)_run-(\w+)", one.name).groups()
        ours = sessions[label]
        basis = {
            "run": [label],
            "none": [],
            "train": order[:3],
            "session": [k for k in order[:3] if sessions[k] == ours],
        }[how]
        expected = clean[label].astype(float)
        if basis:
            rows = np.vstack([clean[k] for k in basis]).astype(float)
            expected = (expected - rows.mean(axis=0)) / rows.std(axis=0)
        assert_allclose(store.run(one.name), expected, atol=2e-5)


def test_a_session_without_training_runs_cannot_be_scaled(scans):
    sessions = {("Training", "1"): "a", ("Training", "2"): "b", ("Training", "10"): "b"}
    sessions |= {("Test", "1"): "a", ("Test", "2"): "c"}
    path, _ = scans("volume", sessions=sessions)
    path.write_text(path.read_text().replace("detrend", 'zscore = "session"\ndetrend'))
    with pytest.raises(InputError, match="Test_run-2 is of a session without"):
        open_subject(load_study(path), "01")


def test_test_rows_change_no_scale_of_training(scans, tmp_path):
    path, writer = scans("volume", responses='zscore = "train"')
    before = run(load_study(path), tmp_path / "a", stage="responses")
    noise = np.random.default_rng(5).standard_normal((56, 12))
    writer.write("volume", "01", ("Test", "2"), 1000 * noise)
    after = run(load_study(path), tmp_path / "b", stage="responses")
    one, two = (open_store(r.out / "responses/sub-01") for r in (before, after))
    assert_array_equal(one.train(), two.train())
    assert np.abs(two.repeats()).max() > 100


def test_half_a_tr_off_is_reported_and_so_are_runs_that_differ(scans):
    path, writer = scans("volume", StartTime=0.0)
    notes = "\n".join(check_study(load_study(path)).lines)
    assert "0.75 s (0.50 TR) before the middle of the TR" in notes
    Y = np.random.default_rng(0).standard_normal((56, 12))
    writer.write("volume", "01", ("Test", "2"), Y, StartTime=None)
    notes = "\n".join(check_study(load_study(path)).lines)
    assert "does not say to which time (StartTime)" in notes
    assert "slice timing differs between runs, so some are shifted" in notes


def test_a_wrong_tr_or_cut_volumes_are_refused(scans):
    path, writer = scans("volume")
    path.write_text(path.read_text().replace("tr_s = 1.5", "tr_s = 2.0"))
    assert "the recording says TR 1.5 s" in check_study(load_study(path)).problems[0]
    path.write_text(path.read_text().replace("tr_s = 2.0", "tr_s = 1.5"))
    Y = np.random.default_rng(0).standard_normal((52, 12))
    writer.write("volume", "01", ("Training", "1"), Y)
    problems = check_study(load_study(path)).problems
    assert "volumes were cut from the images without moving the onsets" in problems[0]


def test_raw_scans_are_refused_unless_allowed(tmp_path, write_study):
    path = write_study(tmp_path / "raw", road="images")
    folder = path.parent
    (folder / "dataset_description.json").write_text('{"Name": "x"}')
    for file in list((folder / "nii").glob("sub-*")):
        subject, rest = file.name.split("_", 1)
        place = folder / subject / "func"
        place.mkdir(parents=True, exist_ok=True)
        file.rename(place / f"{subject}_{rest}")
    text = path.read_text().replace(
        '"nii/sub-{subject}_', '"sub-{subject}/func/sub-{subject}_'
    )
    path.write_text(text)
    with pytest.raises(InputError, match=r"is a raw scan: .*Run first: fmriprep"):
        run(load_study(path), tmp_path / "out", stage="responses")
    path.write_text(text.replace("tr_s =", 'unprocessed = "allow"\ntr_s ='))
    assert run(load_study(path), tmp_path / "out", stage="responses").made


def test_an_empty_derivatives_folder_says_what_to_run(scans):
    path, writer = scans("volume")
    writer.folder.rename(writer.folder.with_name("gone"))
    problems = check_study(load_study(path)).problems
    assert "Run first: fmriprep" in problems[0]
    assert "--output-spaces MNI152NLin2009cAsym" in problems[0]


def test_a_filled_medial_wall_is_reported(scans, tmp_path, write_gifti):
    path, writer = scans("surface")
    for subject in ("01", "02"):
        anat = writer.folder / f"sub-{subject}/anat"
        anat.mkdir()
        for side, n in (("L", 8), ("R", 6)):
            mask = (np.arange(n) > 0).astype("f4")  # the first vertex is no cortex
            name = f"sub-{subject}_hemi-{side}_desc-cortex_mask.label.gii"
            write_gifti(anat / name, mask[None], side)
    notes = run(load_study(path), tmp_path / "out", stage="responses").notes
    assert any("2 vertices of the medial wall hold values" in note for note in notes)
    path.write_text(path.read_text().replace("tr_s =", 'mask = "cortex"\ntr_s ='))
    result = run(load_study(path), tmp_path / "cut", stage="responses")
    assert not any("medial wall hold" in note for note in result.notes)
    assert open_store(result.out / "responses/sub-01").n_voxels == 12


def test_a_vertex_that_is_nan_in_part_is_refused(scans):
    path, writer = scans("surface")
    Y = np.random.default_rng(0).standard_normal((56, 12))
    Y[7, 3] = np.nan
    writer.write("surface", "01", ("Training", "1"), Y)
    problems = check_study(load_study(path)).problems
    assert "NaN or infinity in 1 of 14 columns (column 4" in problems[0]


def test_a_voxel_that_is_bad_in_one_run_is_reported_and_kept(scans, tmp_path):
    path, writer = scans("volume")
    Y = np.load(path.parent / "npy/sub-01.npy")[56:112].astype(float)
    Y[:, 4] = 20 + 50 * (Y[:, 4] - 20)
    Y[:, 9] = 20 + 0.01 * (Y[:, 9] - 20)
    writer.write("volume", "01", ("Training", "2"), Y)
    result = run(load_study(path), tmp_path / "out", stage="responses")
    text = "task-Training_run-2: 2 of 12 voxels vary 5 times more or less than in most"
    assert sum(text in note for note in result.notes) == 1
    store = open_store(result.out / "responses/sub-01")
    assert store.valid.all()
    spread = np.load(store.folder / "spread_runs.npy")
    np.testing.assert_allclose(spread[1], Y[8:].std(axis=0), rtol=1e-4)


def test_the_reference_time_of_the_volumes_can_move_the_clips(scans, tmp_path):
    """Moved by the sidecar is the same as onsets moved by hand."""
    path, _ = scans("volume", responses='reference_time = "sidecar"', StartTime=1.5)
    text = path.read_text()
    opened = open_subject(load_study(path), "01")
    events = opened.events[opened.runs[0]]
    assert events["onset"].tolist()[:2] == [-0.75, 11.25]
    assert any(
        "unless responses.reference_time is 'sidecar'" in n for n in opened.notes
    )
    moved = run(load_study(path), tmp_path / "moved", stage="features")
    for file in (path.parent / "events").glob("*.tsv"):
        table = pd.read_csv(file, sep="\t")
        table.assign(onset=table["onset"] - 0.75).to_csv(file, sep="\t", index=False)
    path.write_text(text.replace('reference_time = "sidecar"\n', ""))
    by_hand = run(load_study(path), tmp_path / "by-hand", stage="features")
    for side in ("train", "test"):
        one, two = (
            np.load(r.out / f"features/sub-01/X_{side}.npy") for r in (moved, by_hand)
        )
        assert_array_equal(one, two)
    series = text.replace(
        'kind = "category"\ncolumn', 'kind = "events"\npath = "x.tsv"\ncolumns'
    )
    series = series.replace(
        'columns = "genre"', 'columns = [{ name = "on", measure = "on" }]'
    )
    path.write_text(series)
    with pytest.raises(InputError, match=r"features\.genre is read for the whole run"):
        load_study(path)


def test_a_reference_time_that_nobody_says_is_refused(scans):
    path, _ = scans("cifti", responses='reference_time = "sidecar"', StartTime=None)
    assert "the sidecar has no StartTime" in check_study(load_study(path)).problems[0]


def test_what_changes_responses_makes_them_again(scans, tmp_path):
    path, writer = scans("volume", responses='confounds = ["motion"]')
    run(load_study(path), tmp_path / "out", stage="responses")
    table = writer.stem("01", ("Training", "1"))
    facts = table.with_name(f"{table.name}_desc-confounds_timeseries.json")
    facts.write_text('{"a_comp_cor_00": {"Mask": "CSF"}}')
    done = run(load_study(path), tmp_path / "out", stage="responses")
    assert done.made == ("responses/sub-01",)
    (sidecar,) = table.parent.glob(f"{table.name}_*_bold.json")
    said = json.loads(sidecar.read_text()) | {"StartTime": 0.5}
    sidecar.write_text(json.dumps(said))
    done = run(load_study(path), tmp_path / "out", stage="responses")
    assert done.made == ("responses/sub-01",)
    assert any("0.5 s after they begin" in note for note in done.notes)


def test_links_to_files_of_one_name_are_told_apart(write_study, tmp_path):
    path = write_study(tmp_path / "data", road="images")
    folder = path.parent
    pattern = "linked/sub-{subject}/task-{task}_run-{run}/bold.nii.gz"
    for file in (folder / "nii").glob("sub-*_bold.nii.gz"):
        subject, task, label, _ = file.name.split("_")
        place = folder / f"linked/{subject}/{task}_{label}"
        place.mkdir(parents=True)
        kept = tmp_path / f"store/{file.name.removesuffix('.gz')}/bold.nii.gz"
        kept.parent.mkdir(parents=True)
        file.rename(kept)
        (place / "bold.nii.gz").symlink_to(kept)
    old = "nii/sub-{subject}_task-{task}_run-{run}_bold.nii.gz"
    path.write_text(path.read_text().replace(old, pattern))
    run(load_study(path), tmp_path / "out", stage="responses")
    kept = tmp_path / "store/sub-01_task-Training_run-1_bold.nii/bold.nii.gz"
    image = nib.load(kept)
    turned = np.asanyarray(image.dataobj)[..., ::-1].copy()
    nib.save(nib.Nifti1Image(turned, image.affine, image.header), kept)
    done = run(load_study(path), tmp_path / "out", stage="responses")
    assert done.made == ("responses/sub-01",)


def test_a_reference_time_keeps_the_first_clip_of_windows(scans):
    path, writer = scans("volume", responses='reference_time = "sidecar"')
    for file in writer.folder.rglob("*_bold.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"StartTime": 0.76}))
    text = path.read_text().replace("delays = [1, 2]\n", "")
    windows = '[alignment]\nrows = "windows"\nwindow_s = 6\n\n[encoding]\n'
    path.write_text(text.replace("[encoding]\n", windows))
    aligned = align(load_study(path), open_subject(load_study(path), "01"))
    train = aligned.rows[aligned.rows["side"] == "train"]
    assert train.groupby("run_name")["presentation"].nunique().tolist() == [6, 6, 6]


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        ("confound_options = { fd_threshold = 0.2 }", "has no effect without"),
        ('zscore = "x"', "zscore"),
    ],
)
def test_keys_of_scans_without_effect_are_refused(scans, responses, message):
    path, _ = scans("volume", responses=responses)
    with pytest.raises(StudyError, match=message):
        load_study(path)
