"""Failures of timing, planted in a clean study: the right check fails, and names it."""

from dataclasses import replace

import numpy as np
import pytest

from brain2music.core.store import ResponseStore

pytestmark = pytest.mark.slow
SHIFT, DOOR = {"only": ["shift"]}, {"only": ["saved"]}  # the door is always looked at


def warped(values, rate):
    """Return responses as volumes that come `rate` times as far apart sample them."""
    times = np.arange(len(values))
    at = np.clip(times * rate, 0, len(values) - 1)
    return np.stack([np.interp(at, times, column) for column in values.T], axis=1)


@pytest.mark.plants(1, "shift-lag")
def test_runs_that_all_begin_too_early_have_a_lag_that_blood_cannot_have(made, tools):
    """Mode 1: six volumes were cut from every run, and no onset was moved."""
    for run, values in made.Y.items():
        made.Y[run] = np.roll(values, -6, axis=0)
    _, failed = tools.examined(made.write(), **SHIFT)
    (found,) = failed["shift-lag"]
    assert found.values["lag_s"] in (-4.5, -3.0)  # two delays are planted
    assert found.where == ("sub-01",)


@pytest.mark.parametrize("rate", [0.99, 1.01])
@pytest.mark.plants(1, "shift-drift")
def test_a_tr_that_is_off_by_one_percent_moves_the_lag_within_runs(made, tools, rate):
    """Mode 1."""
    for run, values in made.Y.items():
        made.Y[run] = warped(values, rate)
    _, failed = tools.examined(made.write(), **SHIFT)
    assert set(failed) == {"shift-drift"}
    (found,) = failed["shift-drift"]
    moved_s = found.values["last_third_s"] - found.values["first_third_s"]
    assert np.sign(moved_s) == np.sign(1 - rate)
    assert "TR" in found.found


@pytest.mark.plants(1, "inputs")
def test_a_header_with_another_tr_is_named_with_its_run(made, tools, Fmriprep):
    """Mode 1."""
    path, writer = tools.as_scans(made, Fmriprep, "volume")
    writer.tr_s = 1.515
    key = ("Training", "5")
    writer.write("volume", "01", key, made.Y[key][:, :12])
    _, failed = tools.examined(path, **DOOR)
    assert set(failed) == {"inputs"}
    assert failed["inputs"][0].where == ("sub-01", "task-Training_run-5")
    assert "TR 1.515 s" in failed["inputs"][0].found


@pytest.mark.parametrize("odd", [("5",), ("2", "5")])
@pytest.mark.plants(2, "reference-time")
def test_slice_timing_of_one_run_that_is_another_is_named(made, tools, Fmriprep, odd):
    """Mode 2: the runs that are like most are not named."""
    path, writer = tools.as_scans(made, Fmriprep, "volume")
    for run in odd:
        values = made.Y["Training", run][:, :12]
        writer.write("volume", "01", ("Training", run), values, StartTime=0.0)
    _, failed = tools.examined(path, **DOOR)
    assert set(failed) == {"reference-time"}
    runs = [f"task-Training_run-{run}" for run in odd]
    assert failed["reference-time"][0].where == ("sub-01", *runs)


@pytest.mark.plants(3, "swapped-runs")
def test_runs_that_are_all_one_too_far_are_found_by_their_order(made, tools):
    """Mode 3: the responses of each training run stand under the events of the next."""
    runs = [run for run in made.Y if run[0] == "Training"]
    moved = {
        run: made.Y[before]
        for before, run in zip(runs, runs[1:] + runs[:1], strict=True)
    }
    made.Y |= moved
    _, failed = tools.examined(made.write(), **SHIFT)
    (found,) = failed["swapped-runs"]
    assert "stimuli move back by 1 runs" in found.found
    assert "task-Training_run-2 with the stimulus of task-Training_run-1" in found.found
    assert len(found.where) == 1 + len(runs)


@pytest.mark.plants(3, "swapped-runs")
def test_a_run_that_was_written_backwards_is_named(made, tools):
    """Mode 3."""
    key = ("Training", "4")
    made.Y[key] = made.Y[key][::-1]
    _, failed = tools.examined(made.write(), **SHIFT)
    (found,) = failed["swapped-runs"]
    assert found.where == ("sub-01", "task-Training_run-4")
    assert "backwards" in found.found


@pytest.mark.plants(3, "swapped-runs")
def test_runs_that_were_all_written_backwards_are_found(made, tools):
    """Mode 3."""
    for run, values in made.Y.items():
        made.Y[run] = values[::-1]
    _, failed = tools.examined(made.write(), **SHIFT)
    (found,) = failed["swapped-runs"]
    assert "each run is taken backwards" in found.found


@pytest.mark.plants(3, "run-order")
def test_runs_that_are_stacked_by_their_names_are_found(made, tools, monkeypatch):
    """Mode 3, a fault of ours: rows are those of another order than X has."""

    def stacked(self, side, columns):
        ordered = tuple(sorted(self.runs, key=lambda one: one.name))
        return right(replace(self, runs=ordered), side, columns)

    right = ResponseStore._stacked
    monkeypatch.setattr(ResponseStore, "_stacked", stacked)
    _, failed = tools.examined(made.write(), only=["invariance"])
    assert set(failed) == {"run-order"}
    assert failed["run-order"][0].where == ("sub-01",)
