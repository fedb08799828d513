"""Tests of what is said at the door: before anything is read or fitted."""

import numpy as np
import pandas as pd
import pytest

from brain2music import check_study, load_study, run
from brain2music.core.checks import InputError


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return load_study(path)


@pytest.fixture
def refuses(tmp_path):
    """See a study refused with these words by `run` and `check`, and nothing made."""

    def call(study, words):
        with pytest.raises(InputError, match=words):
            run(study, tmp_path / "out")
        assert not list((tmp_path / "out").glob("*/sub-*"))
        problems = check_study(study).problems
        assert any(words.split(".*")[0] in problem for problem in problems)
        assert len(set(problems)) == len(problems)

    return call


def test_a_clip_in_training_and_test_is_refused_unless_allowed(
    study_file, tmp_path, refuses
):
    events = study_file.parent / "events"
    table = pd.read_csv(events / "task-Training_run-2_events.tsv", sep="\t")
    other = pd.read_csv(events / "task-Test_run-1_events.tsv", sep="\t")
    other.loc[[3, 6], ["genre", "track"]] = table.loc[2, ["genre", "track"]].to_list()
    other.to_csv(events / "task-Test_run-1_events.tsv", sep="\t", index=False)
    study = load_study(study_file)
    refuses(study, "1 clips are heard in training and in test")
    study = edit(study_file, "tr_s = 1.5", 'tr_s = 1.5\nshared_clips = "allow"')
    assert run(study, tmp_path / "out", stage="features").made


def test_a_delay_or_lead_in_that_leaves_no_row_is_refused(study_file, refuses):
    study = edit(study_file, "lead_in_s = 12", "lead_in_s = 84")
    refuses(study, "no row of the train")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (None, "no file .*truth.csv"),
        ({"region": ["a"], "planted": ["b"]}, "truth.csv lacks the column roi"),
        ({"roi": ["nowhere"], "planted": ["b"]}, "analysis.planted names none"),
        ({"roi": ["all voxels"], "planted": ["b"]}, "analysis.planted has 'b' planted"),
    ],
)
def test_a_wrong_table_of_what_was_planted_is_refused(
    study_file, refuses, table, words
):
    if table:
        path = study_file.parent / "truth.csv"
        pd.DataFrame(table).to_csv(path, index=False)
    refuses(edit(study_file, "[analysis]", '[analysis]\nplanted = "truth.csv"'), words)


def test_files_outside_the_data_set_are_refused(study_file, refuses):
    study = edit(study_file, "[analysis]", '[rois]\nmasks = "../m.npz"\n\n[analysis]')
    refuses(study, "leaves the data set's folder")


def test_folders_of_the_user_are_refused_before_the_work(study_file, tmp_path):
    mine = tmp_path / "out/figures/mine.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(InputError, match=r"brain2music did not make it"):
        run(load_study(study_file), tmp_path / "out")
    assert mine.read_text() == "mine"
    assert not (tmp_path / "out/responses").exists()


def test_nan_in_the_last_subject_stops_before_the_first_is_fitted(study_file, tmp_path):
    file = study_file.parent / "npy/sub-02.npy"
    Y = np.load(file)
    Y[100, 2] = np.inf
    np.save(file, Y)
    study = load_study(study_file)
    with pytest.raises(InputError, match=r"sub-02.*NaN or infinity"):
        run(study, tmp_path / "out")
    assert not (tmp_path / "out/models").exists()
    assert any("sub-02" in p and "NaN" in p for p in check_study(study).problems)


def test_what_is_left_out_is_counted(study_file, tmp_path):
    study = edit(
        study_file,
        'train = { task = "Training" }',
        'train = { task = "Training", run = ["1", "2"] }',
    )
    notes = run(study, tmp_path / "out", stage="responses").notes
    assert any("1 recorded runs are in neither training nor test" in n for n in notes)
    assert any("32 of 224 volumes are not kept" in note for note in notes)


def test_a_run_that_goes_on_after_its_last_event_is_told(study_file):
    path = study_file.parent / "events/task-Test_run-2_events.tsv"
    table = pd.read_csv(path, sep="\t")
    table[["onset", "duration"]] /= 2
    table.to_csv(path, sep="\t", index=False)
    found = check_study(load_study(study_file))
    assert "the last event ends 42 s before the volumes do (42 of 84 s)" in str(found)


def test_kept_repeats_are_one_block_and_have_their_ceiling(study_file, tmp_path):
    averaged = run(load_study(study_file), tmp_path / "mean", stage="tables")
    study = edit(study_file, "lead_in_s", 'repeats = "keep"\nlead_in_s')
    kept = run(study, tmp_path / "kept", stage="tables")
    ceilings = [
        pd.read_csv(result.out / "tables/ceilings.csv", dtype={"subject": str})
        for result in (averaged, kept)
    ]
    columns = ["n_repeats", "explainable_variance"]
    pd.testing.assert_frame_equal(ceilings[0][columns], ceilings[1][columns])
    assert (ceilings[0]["largest_r"] > ceilings[1]["largest_r"]).all()
    assert any("intervals rest on" in note for note in kept.notes)


def test_one_subject_says_that_the_others_are_left_out(finished, tmp_path):
    study, _ = finished
    both = run(study, tmp_path / "out", stage="tables")
    assert set(both.roi_scores["subject"]) == {"01", "02"}
    one = run(study, tmp_path / "out", subjects=["01"])
    assert set(one.roi_scores["subject"]) == {"01"}
    page = one.report.read_text()
    assert "hold 01 alone; run without --subject for 02 as well" in page
    assert "sub-02" not in page.split('<h2 id="truth">')[0]


def test_dollars_in_names_are_drawn_as_they_are(finished, tmp_path):
    study, _ = finished
    path = study.folder / "dollars.toml"
    text = (study.folder / "study.toml").read_text()
    path.write_text(text.replace('"made up"', '"made $\\\\frac{$ up"'))
    result = run(load_study(path), tmp_path / "out")
    assert (result.out / "figures/roi_comparison.pdf").exists()


def test_check_predicts_memory_of_the_right_order(study_file):
    lines = str(check_study(load_study(study_file)))
    assert "expected, to a factor of three: about 1 s of fitting with 1" in lines
    assert (
        "memory while it fits: 0.30 GB; while test runs are scored: about 0.3 GB"
        in lines
    )
    assert "check --time measures" not in lines  # nothing is left out
    levers = "compression_tolerance = 0.01\nracing_margin = 0.003\n"
    edit(study_file, "[encoding]\n", f"[encoding]\n{levers}")
    lines = str(check_study(load_study(study_file)))
    assert ", and less with compression and racing (check --time measures it)" in lines


def test_a_missing_feature_file_is_not_taken_for_missing_responses(study_file):
    (study_file.parent / "features/music.npz").unlink()
    found = check_study(load_study(study_file))
    assert any("1 of 1 feature files are missing" in p for p in found.problems)
    assert "no responses yet" not in str(found)


def test_rois_may_be_files_of_each_subject(study_file, tmp_path):
    folder = study_file.parent
    for subject, n in (("01", 3), ("02", 5)):
        np.savez(folder / f"rois-{subject}.npz", a=np.arange(12) < n)
    study = edit(
        study_file, "[analysis]", '[rois]\nmasks = "rois-{subject}.npz"\n\n[analysis]'
    )
    done = run(study, tmp_path / "out", stage="tables")
    sizes = done.roi_scores.groupby("subject")["n_voxels"].unique()
    assert {s: n.tolist() for s, n in sizes.items()} == {"01": [3], "02": [5]}
    np.savez(folder / "rois-02.npz", a=np.arange(12) < 7)
    done = run(study, tmp_path / "out", stage="tables")
    assert "tables" in done.made
