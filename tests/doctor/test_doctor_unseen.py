"""What was not looked at is not passed: it is not made, and the verdict says why."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from brain2music import load_study, run
from brain2music.core.types import Run
from brain2music.data import matrices
from brain2music.doctor import nulls, subject
from brain2music.doctor.attempt import attempt
from brain2music.doctor.catalogue import CARDS
from brain2music.doctor.confounds import check_confounds
from brain2music.doctor.courses import Course
from brain2music.doctor.examine import examine
from brain2music.doctor.look import OF_OPENING, OF_RESPONSES, Look, less_usual
from brain2music.doctor.saved import check_saved
from brain2music.doctor.shared import check_shared
from brain2music.doctor.shift import check_shifts
from brain2music.doctor.static import OF_INPUTS, judge_looks
from brain2music.doctor.subject import OF_SUBJECT
from brain2music.doctor.verdict import Finding
from brain2music.workflow import leakage
from brain2music.workflow.alignment import align
from brain2music.workflow.opening import open_subject
from brain2music.workflow.responses import store_responses

DOOR = {"only": ["saved"]}


def states(verdict):
    found = {}
    for one in verdict.findings:
        found.setdefault(one.key, set()).add(one.status)
    return found


def test_nothing_of_a_subject_that_cannot_be_opened_is_passed(made, tools):
    path = made.write()
    (path.parent / "bold/sub-01_task-Test_run-2.npy").unlink()
    verdict, failed = tools.examined(path)
    assert set(failed) == {"inputs"}
    assert states(verdict)["inputs"] == {"failed"}
    assert "passed" not in {one.status for one in verdict.findings}
    assert set(states(verdict)) == set(CARDS)
    (sides,) = [one for one in verdict.findings if one.key == "sides"]
    assert "sub-01: it does not fit together" in sides.found


def test_a_value_that_is_no_number_leaves_every_check_of_the_subject_unmade(
    made, tools
):
    made.Y["Training", "2"][5, 3] = np.nan
    verdict, failed = tools.examined(made.write(), only=["shift"])
    assert set(failed) == {"inputs"}
    found = states(verdict)
    assert found["inputs"] == {"failed"}
    for key in (*OF_RESPONSES, *OF_SUBJECT):
        if CARDS[key].kind in ("static", "shift"):
            assert found[key] == {"not made"}, key
    assert found["event-end"] == {"passed"}  # events were read


def test_arrays_say_nothing_of_sides_times_and_cortex(made, tools):
    verdict, failed = tools.examined(made.write(), **DOOR)
    found = states(verdict)
    assert failed == {}
    for key in ("sides", "header-tr", "reference-time", "medial-wall"):
        assert found[key] == {"not made"}, key
    for key in ("inputs", "event-end", "dead-voxels", "odd-run", "repeats"):
        assert found[key] == {"passed"}, key


def test_images_say_of_sides_and_tr(made, tools):
    verdict, _ = tools.examined(tools.as_images(made), **DOOR)
    found = states(verdict)
    assert found["sides"] == found["header-tr"] == {"passed"}
    assert found["medial-wall"] == {"not made"}


def test_a_study_without_events_says_nothing_of_their_end(made, tools):
    path = tools.edit(
        made.write(),
        ('events = "events/task-{task}_run-{run}_events.tsv"\n', ""),
        ('clip = "{genre}.{track}"\n', ""),
        ('per = "clip"', f'per = "run"\nrate_hz = {1 / 1.5!r}'),
        ("music.npz", "{task}_{run}.npy"),
        ("timbre.npz", "{task}_{run}.npy"),
    )
    for (task, run_), values in made.Y.items():
        np.save(path.parent / f"features/{task}_{run_}.npy", values[:, :3])
    verdict, failed = tools.examined(path, **DOOR)
    assert failed == {}
    assert states(verdict)["event-end"] == states(verdict)["repeats"] == {"not made"}


def test_what_one_subject_shows_is_not_said_of_another():
    unseen = {"sides": "no image."}
    looks = [Look("sub-01", ("note",)), Look("sub-02", unseen=unseen)]
    sides = [one for one in judge_looks(looks) if one.key == "sides"]
    assert [(one.status, one.where) for one in sides] == [
        ("passed", ("sub-01",)),
        ("not made", ("sub-02",)),
    ]
    assert sides[1].found == "sub-02: no image."
    assert {one.status for one in judge_looks([])} == set()
    assert set(OF_INPUTS) == {*OF_OPENING, *OF_RESPONSES}


def test_of_two_runs_none_is_told_to_be_odd(made):
    from brain2music.doctor.look import _unseen_in_responses

    recording = SimpleNamespace(outside=np.zeros(3, bool))
    opened = SimpleNamespace(recording=recording, runs=(1, 2))
    study = load_study(made.write())
    kept = replace(study, responses=replace(study.responses, repeats="keep"))
    assert dict(_unseen_in_responses(kept, opened)) == {
        "odd-run": "it has 2 runs; 3 are needed to compare.",
        "repeats": "responses.repeats is 'keep': none are averaged.",
    }


@pytest.mark.slow
def test_responses_alone_say_nothing_of_penalties_and_ceilings(made):
    study = load_study(made.write())
    out = study.root.parent / "out"
    run(study, out, stage="responses")
    found = {one.key: one.status for one in check_saved(study, out)}
    assert found["stale"] == "passed"
    for key in ("grid-ends", "above-ceiling", "ceiling-table", "pools", "prior"):
        assert found[key] == "not made", key


@pytest.mark.slow
def test_a_model_without_its_scores_is_named_and_no_crash(made):
    study = load_study(made.write())
    out = study.root.parent / "out"
    run(study, out, stage="tables")
    (out / "models/sub-01/cv_scores.npy").unlink()
    found = [one for one in check_saved(study, out) if one.key == "grid-ends"]
    assert [one.status for one in found] == ["not made"]
    assert "cv_scores.npy" in found[0].found


def test_an_error_in_a_check_is_said_and_keeps_no_other_back():
    def check():
        yield Finding("controls", "shown", "before")
        raise np.linalg.LinAlgError("Singular matrix")

    found = list(attempt(["controls", "confounds"], check, "sub-01"))
    assert [(one.key, one.status) for one in found] == [
        ("controls", "shown"),
        ("confounds", "not made"),
    ]
    assert found[1].found == "sub-01: it stopped with LinAlgError: Singular matrix"


def test_inputs_that_fail_behind_the_door_are_not_passed_as_well(
    made, tools, monkeypatch
):
    def stops(*_args, **_options):
        raise ValueError("zero-size array")

    monkeypatch.setattr(subject, "make_case", stops)
    verdict, failed = tools.examined(made.write(), only=["null"])
    assert set(failed) == {"inputs"}
    assert states(verdict)["inputs"] == {"failed"}
    assert failed["inputs"][0].found == (
        "sub-01: it stopped with ValueError: zero-size array"
    )
    assert states(verdict)["noise-features"] == {"not made"}


def test_a_check_of_a_subject_that_stops_leaves_a_verdict(made, tools, monkeypatch):
    def stops(*_args, **_options):
        raise ValueError("attempt to get argmax of an empty sequence")

    monkeypatch.setattr(nulls, "show_controls", stops)
    verdict, failed = tools.examined(made.write(), only=["null"])
    assert failed == {}
    assert states(verdict)["controls"] == {"not made"}
    assert states(verdict)["shuffled-test"] == {"passed"}


def courses(n, n_runs=6):
    rng = np.random.default_rng(0)
    runs = [Run("Training", str(k)) for k in range(n_runs)]
    return {
        run: Course(
            rng.standard_normal((n, 3)), rng.standard_normal((n, 9)), np.arange(n)
        )
        for run in runs
    }


def test_a_tr_too_long_for_any_lag_of_blood_is_said():
    made = courses(400)
    found = list(check_shifts(made, tuple(made), 12.0, subject="sub-01", level=0.5))
    (lag,) = [one for one in found if one.key == "shift-lag"]
    assert lag.status == "not made"
    assert "no whole number of volumes lies between 1.5 and 10.5 s" in lag.found


def test_runs_that_are_shorter_than_the_shifts_are_named():
    made = courses(10)
    found = list(check_shifts(made, tuple(made), 1.5, subject="sub-01", level=0.01))
    assert {one.status for one in found} == {"not made"}
    assert "task-Training_run-0" in found[0].where
    assert "too short to be moved by 6 volumes to both sides" in found[0].found


def test_confounds_that_never_vary_are_said(monkeypatch):
    from brain2music.doctor import confounds

    made = courses(50)
    tables = {run: np.ones((50, 2)) for run in made}
    monkeypatch.setattr(confounds, "_read", lambda *_: tables)
    study = SimpleNamespace(all_delays=lambda: (1, 2))
    found = list(check_confounds(study, SimpleNamespace(name="sub-01"), made))
    assert [one.status for one in found] == ["not made"]
    assert "none of its confounds varies" in found[0].found


@pytest.mark.slow
def test_times_that_sidecars_say_are_in_order_once_they_are_taken(
    made, tools, Fmriprep
):
    path, writer = tools.as_scans(made, Fmriprep, "volume")
    key = ("Training", "5")
    writer.write("volume", "01", key, made.Y[key][:, :12], StartTime=0.3)
    tools.edit(
        path,
        ("[responses]", '[responses]\nreference_time = "sidecar"'),
        ('per = "clip"', 'per = "clip"\nempty = 0'),
    )
    verdict, failed = tools.examined(path, **DOOR)
    assert failed == {}
    assert states(verdict)["reference-time"] == {"passed"}


def test_runs_that_were_not_corrected_stay_different_by_their_sidecars():
    study = SimpleNamespace(responses=SimpleNamespace(reference_time="sidecar"))
    note = "sub-01: slice timing differs between runs, so some are shifted. b: "
    same = note + "corrected to 0.75 s; the other 7 runs: corrected to 0 s."
    other = note + "not corrected to 0 s; the other 7 runs: corrected to 0 s."
    assert less_usual(study, (same, other)) == [other]


@pytest.mark.plants(14, "dead-voxels")
def test_vertices_that_were_not_measured_in_one_run_are_named(made, tools, Fmriprep):
    path, writer = tools.as_scans(made, Fmriprep, "surface")
    key = ("Training", "5")
    values = made.Y[key][:, :12].copy()
    values[:, 3:8] = np.nan
    writer.write("surface", "01", key, values)
    _, failed = tools.examined(path, **DOOR)
    assert set(failed) == {"dead-voxels"}
    (found,) = failed["dead-voxels"]
    assert found.where == ("sub-01", "task-Training_run-5")
    assert "5 of 14 vertices were not measured in this run" in found.found


def test_what_is_read_at_the_door_is_not_read_again(made, tools, monkeypatch):
    opened = []

    def count(path, *args):
        opened.append(path)
        return right(path, *args)

    right = matrices._opened
    monkeypatch.setattr(matrices, "_opened", count)
    path = made.write()
    study = load_study(path)
    store_responses(study, align(study, open_subject(study, "01")), None)
    n_once = len(opened)
    _, failed = tools.examined(path, only=["shift", "null", "oracle"])
    assert failed == {}
    assert len(opened) == 2 * n_once


def test_nothing_is_begun_once_the_minutes_are_over(made, monkeypatch):
    monkeypatch.setattr(subject, "make_case", None)  # would be called
    study = load_study(made.write())
    verdict = examine(study, made.folder.parent / "out", minutes=1e-6)
    late = {one.key for one in verdict.findings if "minutes were over" in one.found}
    assert late >= set(OF_SUBJECT)
    assert states(verdict)["dead-voxels"] == {"passed"}  # the door, whatever it takes


SOUND = """
[features.loud]
kind = "loudness"
path = "sound/{genre}.{track}"

[encoding]
"""


def test_sounds_that_are_not_compared_are_said_and_tracks_are_compared(
    made, tools, tmp_path, monkeypatch
):
    path = made.write()
    opened = [open_subject(load_study(path), "01")]
    loud = ("[encoding]\n", SOUND), ('["music", "timbre"]', '["music", "loud"]')
    study = load_study(tools.edit(path, *loud))
    monkeypatch.setattr(leakage, "_print_of", None)  # would be called for each sound
    check = partial(check_shared, study, opened, tmp_path, lambda *_: None)
    (found,) = check(silent="the minutes were over.")
    assert (found.key, found.status) == ("shared-clips", "not made")
    assert "the sound of clips was not compared: the minutes were over" in found.found
    clips = sorted(made.features)
    table = pd.DataFrame({"clip": clips, "track": clips})
    table.to_csv(path.parent / "tracks.csv", index=False)
    tracks = ("[features.music]", '[stimuli]\ntable = "tracks.csv"\n\n[features.music]')
    study = load_study(tools.edit(path, tracks))
    unheard, said = check_shared(study, opened, tmp_path, print, silent="not asked.")
    assert (unheard.status, said.status) == ("not made", "passed")
    assert said.found == "nothing is shared, by tracks.csv."


@pytest.mark.slow
def test_how_the_doctor_fits_is_said_where_a_run_does_not(made, tools):
    verdict, _ = tools.examined(made.write(), **DOOR)
    assert verdict.about["fits"].startswith("exact, with 6 divisions")
    himalaya = ("[encoding]\n", '[encoding]\nsolver = "himalaya"\n')
    verdict, _ = tools.examined(tools.edit(made.write(), himalaya), **DOOR)
    assert "so himalaya itself is not tested" in verdict.about["fits"]
    windows = (
        '[alignment]\nrows = "windows"\nlag_s = [3, 4.5]\nwindow_s = 3\n\n[encoding]'
    )
    delays = ("delays = [2, 3, 4]\n", ""), ("[encoding]", windows)
    verdict, _ = tools.examined(tools.edit(made.write(), *delays), **DOOR)
    assert "windows at the longest lag, 4.5 s" in verdict.about["fits"]
