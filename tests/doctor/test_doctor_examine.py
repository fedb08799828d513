"""The doctor on whole studies: a clean one passes, a planted failure is named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from brain2music import load_study, run
from brain2music.core.checks import InputError
from brain2music.doctor import oracle
from brain2music.doctor.catalogue import CARDS
from brain2music.doctor.examine import examine
from brain2music.doctor.level import LEVEL
from brain2music.doctor.page import write_page
from brain2music.doctor.static import judge_notes
from brain2music.doctor.verdict import Finding, make_verdict
from brain2music.features.design import Standardised
from brain2music.workflow import prepare


def failed(verdict):
    return {one.key for one in verdict.failed}


def of(verdict, key):
    return [one for one in verdict.findings if one.key == key]


@pytest.fixture(scope="module")
def clean(make, tmp_path_factory):
    """Return a clean study's file, its verdict and where it lies; read only."""
    folder = tmp_path_factory.mktemp("clean")
    path = make(folder / "data").write()
    return path, examine(load_study(path), folder / "out"), folder / "out"


def test_a_clean_study_has_no_failed_check(clean):
    _, verdict, _ = clean
    assert failed(verdict) == set()
    assert verdict.exit_code == 0
    assert {"passed", "not made", "shown"} == {one.status for one in verdict.findings}


def test_each_check_is_made_or_says_why_not(clean):
    _, verdict, _ = clean
    assert {one.key for one in verdict.findings} == set(CARDS)
    assert all(one.found for one in verdict.findings)


def test_planted_signals_come_back_in_their_space(clean):
    _, verdict, _ = clean
    (signal,) = of(verdict, "planted-signal")
    assert signal.values["r"] > 0.8
    assert 0.6 < signal.values["size"] < 1.2


def test_the_verdict_is_written_for_people_and_for_programs(clean):
    _, verdict, out = clean
    page = (out / "doctor/index.html").read_text()
    assert "A study to &lt;doctor&gt;" in page
    assert "<doctor>" not in page
    whole = json.loads((out / "doctor/verdict.json").read_text())
    assert whole["exit_code"] == 0
    assert len(whole["findings"]) == len(verdict.findings)


@pytest.mark.slow
@pytest.mark.plants(1, "shift-run")
def test_a_shifted_run_is_named(made, tmp_path):
    key = ("Training", "3")
    made.Y[key] = np.roll(made.Y[key], 4, axis=0)
    verdict = examine(load_study(made.write()), tmp_path / "out", only=["shift"])
    assert failed(verdict) == {"shift-run"}
    assert verdict.failed[0].where == ("sub-01", "task-Training_run-3")
    assert verdict.failed[0].values["volumes_off"] in (3, 4)  # two delays are planted
    assert verdict.exit_code == 3


@pytest.mark.slow
@pytest.mark.plants(3, "swapped-runs")
def test_swapped_runs_are_named(made, tmp_path):
    a, b = ("Training", "2"), ("Training", "5")
    made.Y[a], made.Y[b] = made.Y[b], made.Y[a]
    verdict = examine(load_study(made.write()), tmp_path / "out", only=["shift"])
    assert "swapped-runs" in failed(verdict)
    (found,) = of(verdict, "swapped-runs")
    assert found.where == ("sub-01", "task-Training_run-2", "task-Training_run-5")


@pytest.mark.slow
@pytest.mark.plants(14, "dead-voxels")
@pytest.mark.plants(15, "dead-voxels")
def test_a_voxel_that_is_dead_in_one_run_is_named_with_the_run(made, tmp_path):
    made.Y["Training", "4"][:, 3] = 7.0
    verdict = examine(load_study(made.write()), tmp_path / "out")
    assert failed(verdict) == {"dead-voxels"}
    assert "task-Training_run-4" in verdict.failed[0].where


@pytest.mark.slow
@pytest.mark.plants(15, "odd-run")
def test_a_run_that_varies_far_more_is_named(made, tmp_path):
    key = ("Training", "4")
    made.Y[key] = 100 + 20 * (made.Y[key] - 100)
    verdict = examine(load_study(made.write()), tmp_path / "out")
    assert "odd-run" in failed(verdict)
    assert any("task-Training_run-4" in one.where for one in verdict.failed)


@pytest.mark.slow
@pytest.mark.plants(1, "event-end")
def test_events_that_end_long_before_the_volumes_are_named(made, tmp_path):
    key = ("Training", "1")
    made.events[key] = made.events[key].iloc[:10]
    path = made.write()
    path.write_text(path.read_text().replace('"clip"\n', '"clip"\nempty = 0\n'))
    verdict = examine(load_study(path), tmp_path / "out", only=["saved"])
    assert "event-end" in failed(verdict)
    assert "task-Training_run-1" in of(verdict, "event-end")[0].where


@pytest.mark.slow
@pytest.mark.plants(8, "shared-clips", "noise-features", "permuted-clips")
def test_clips_that_are_heard_on_both_sides_leak_and_are_found(made, tmp_path):
    """Test runs play training clips, and their responses are copies of training."""
    source, key = ("Training", "1"), ("Test", "1")
    made.events[key] = made.events[source].copy()
    made.Y[key] = made.Y[source].copy()
    made.events["Test", "2"] = made.events["Training", "2"].copy()
    made.Y["Test", "2"] = made.Y["Training", "2"].copy()
    path = made.write()
    text = path.read_text().replace("simulated", 'shared_clips = "allow"\nsimulated')
    path.write_text(text)
    verdict = examine(load_study(path), tmp_path / "out", only=["null"])
    assert {"shared-clips", "noise-features", "permuted-clips"} <= failed(verdict)
    (shared,) = of(verdict, "shared-clips")
    clips = set(
        made.events[source]["genre"] + "." + made.events[source]["track"].astype(str)
    )
    assert set(shared.where) & clips


def test_an_input_that_cannot_be_read_is_a_failed_check_and_no_crash(made, tmp_path):
    path = made.write()
    (path.parent / "bold/sub-01_task-Test_run-2.npy").unlink()
    verdict = examine(load_study(path), tmp_path / "out")
    assert failed(verdict) == {"inputs"}
    assert "run-2" in verdict.failed[0].found


@pytest.mark.slow
@pytest.mark.plants(5, "test-spike")
def test_features_standardised_on_test_rows_are_found(made, tmp_path, monkeypatch):
    """A fault of ours: moments that are made from all rows."""

    def standardise(runs, training, **options):
        every = [np.ones_like(keep) for keep in training]
        made = right(runs, every, **options)
        return Standardised(made.runs, made.mean, made.shift, made.scale)

    right = prepare.standardise
    monkeypatch.setattr(prepare, "standardise", standardise)
    verdict = examine(load_study(made.write()), tmp_path / "out", only=["invariance"])
    assert "test-spike" in failed(verdict)


@pytest.mark.slow
@pytest.mark.plants(4, "run-walls")
def test_delays_that_cross_runs_are_found(made, tmp_path, monkeypatch):
    """A fault of ours: all runs are delayed as if they were one."""

    def build_design(bands, spaces, *, fills, dtype):
        joined = [[np.concatenate(runs)] for runs in spaces]
        return right(bands, joined, fills=fills, dtype=dtype)

    right = prepare.build_design
    monkeypatch.setattr(prepare, "build_design", build_design)
    verdict = examine(load_study(made.write()), tmp_path / "out", only=["invariance"])
    assert "run-walls" in failed(verdict)
    assert of(verdict, "run-walls")[0].where == ("sub-01", "task-Test_run-1")


@pytest.mark.slow
@pytest.mark.plants(4, "run-walls")
def test_a_delay_that_crosses_between_two_training_runs_is_found(
    made, tmp_path, monkeypatch
):
    """A fault of ours: the third run's end stands at the start of the fourth."""

    def build_design(bands, spaces, *, fills, dtype):
        X = right(bands, spaces, fills=fills, dtype=dtype)
        edges = np.cumsum([0, *map(len, spaces[0])])
        n, first = spaces[0][2].shape[1], edges[3]
        X[first + 1, :n] = spaces[0][2][-1]
        return X

    right = prepare.build_design
    monkeypatch.setattr(prepare, "build_design", build_design)
    verdict = examine(load_study(made.write()), tmp_path / "out", only=["invariance"])
    assert "run-walls" in failed(verdict)
    (found,) = of(verdict, "run-walls")
    assert found.where == ("sub-01", "task-Training_run-3")


def test_the_minutes_are_kept_and_what_was_left_out_is_said(made, tmp_path):
    verdict = examine(load_study(made.write()), tmp_path / "out", minutes=1e-6)
    late = [one for one in verdict.findings if "minutes were over" in one.found]
    assert len(late) >= 15
    assert all(one.status == "not made" for one in late)
    with pytest.raises(InputError, match="expected > 0"):
        examine(load_study(made.write()), tmp_path / "out", minutes=0)


def test_one_kind_of_checks_can_be_asked_for(made, tmp_path):
    study = load_study(made.write())
    verdict = examine(study, tmp_path / "out", only=["shift"])
    kinds = {CARDS[one.key].kind for one in verdict.findings}
    assert kinds == {"static", "shift"}
    assert verdict.about["kinds of checks"] == "static, shift"
    assert of(verdict, "shift-lag")[0].status == "passed"
    with pytest.raises(InputError, match="Did you mean 'shift'"):
        examine(study, tmp_path / "out", only=["shifts"])


def test_the_heaviest_failure_stands_first():
    findings = [
        Finding("grid-ends", "failed", "light"),
        Finding("folds", "passed", "fine"),
        Finding("swapped-runs", "failed", "heavy"),
        Finding("repeats", "not made", "unknown"),
    ]
    ordered = make_verdict("t", findings, {}).findings
    assert [one.found for one in ordered] == ["heavy", "light", "unknown", "fine"]


def test_text_of_the_data_is_escaped_on_the_page(tmp_path):
    finding = Finding("inputs", "failed", "<script>alert(1)</script>", ("<b>x</b>",))
    write_page(make_verdict("<i>", [finding], {}), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script>" not in page
    assert "<b>x" not in page


def test_levels_share_one_in_a_hundred():
    assert LEVEL == 0.01


def test_a_signal_that_is_lost_is_missed_although_the_voxels_have_their_own(
    make, tmp_path, monkeypatch
):
    """A fault of ours: what was added is taken out again before the fit."""

    def clean(study, aligned):
        recording = aligned.opened.recording
        opened = replace(aligned.opened, recording=replace(recording, added={}))
        return right(study, replace(aligned, opened=opened))

    right = oracle.clean
    monkeypatch.setattr(oracle, "clean", clean)
    study = load_study(make(tmp_path / "data", strength=3.0).write())
    verdict = examine(study, tmp_path / "out", only=["oracle"])
    assert {"planted-signal", "planted-band"} <= failed(verdict)


@pytest.mark.plants(14, "inputs")
def test_a_value_that_is_no_number_is_a_failed_check_and_no_crash(made, tmp_path):
    made.Y["Training", "2"][5, 3] = np.nan
    verdict = examine(load_study(made.write()), tmp_path / "out")
    assert "inputs" in failed(verdict)
    assert "task-Training_run-2" in verdict.failed[0].where


@pytest.mark.slow
@pytest.mark.plants(25, "stale")
def test_results_are_read_and_none_is_changed(made, tmp_path):
    """Not even where the study no longer asks for some of them."""
    study = load_study(made.write())
    out = tmp_path / "out"
    run(study, out)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    assert of(examine(study, out), "stale")[0].status == "passed"
    other = replace(study, encoding=replace(study.encoding, n_candidates=4))
    (found,) = of(examine(other, out), "stale")
    assert found.status == "failed"
    assert "models/sub-01" in found.where
    (out / "decoding/sub-01").mkdir(parents=True)
    (out / "decoding/sub-01/kept.txt").write_text("of another day")
    examine(other, out)
    after = {p: p.stat().st_mtime_ns for p in before if "doctor" not in p.parts}
    assert after == {p: t for p, t in before.items() if "doctor" not in p.parts}
    assert (out / "decoding/sub-01/kept.txt").exists()


@pytest.mark.parametrize(
    ("note", "key", "status"),
    [
        ("sub-01, run-2: 1 of 900 voxels never vary in this run;", "dead-voxels", 0),
        ("sub-01, run-2: 90 of 900 voxels never vary in this run;", "dead-voxels", 1),
        (
            "sub-01, run-1: the last event ends 12 s before the volumes do "
            "(588 of 600 s). Is the TR right?",
            "event-end",
            0,
        ),
        (
            "sub-01, run-1: the last event ends 120 s before the volumes do "
            "(480 of 600 s). Is the TR right?",
            "event-end",
            1,
        ),
    ],
)
def test_what_clean_studies_have_is_shown_and_more_fails(note, key, status):
    (found,) = judge_notes([note])
    assert found.key == key
    assert found.status == ("shown", "failed")[status]
