"""Whether the features of a run reach into the rows of another run."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.types import Run
from ..study import Study, changed
from ..workflow.alignment import Aligned
from ..workflow.prepare import build_features
from .invariance import Case, spiked
from .trial import Read
from .verdict import Finding

REACHED = 0.1  # of a mark of 1, more than the mean over rows that fills run starts


def check_walls(case: Case) -> Finding:
    """Return whether the features of a run reach into the rows of another run.

    Test runs are spiked in the study's own features. What is scaled by training rows
    changes with each training run, so there features are marks alone: 1 in the middle
    of every second run and -1 at its end, and no scale.
    """
    run = _reaching_test(case) or _reaching(case)
    runs, name = case.aligned.opened.runs, case.name
    if run is not None:
        found = f"{name}: features of {run} reach into rows of other runs."
        return Finding("run-walls", "failed", found, (name, str(run)))
    found = f"{name}: none of {len(runs)} runs reaches into another run."
    return Finding("run-walls", "passed", found, (name,))


def _reaching_test(case: Case) -> Run | None:
    """Return a test run that changes rows of other runs by a bit, if there is one."""
    study = replace(case.study, responses=replace(case.study.responses, repeats="keep"))
    rows = case.aligned.rows
    names = rows.loc[rows["side"] == "test", "run_name"].to_numpy()
    train, test, *_ = build_features(study, case.aligned, read=case.read)
    for run in case.aligned.opened.split.test:
        there = spiked({run}, case.read)
        X, X_test, *_ = build_features(study, case.aligned, read=there)
        others = names != str(run)
        if not np.array_equal(X, train):
            return run
        if not np.array_equal(X_test[others], test[others]):
            return run
    return None


def _reaching(case: Case) -> Run | None:
    """Return a run whose marks are met in rows of other runs, if there is one."""
    study, runs = _unscaled(case.study), case.aligned.opened.runs
    for half in (runs[::2], runs[1::2]):
        if _meets(study, case, set(half)):
            found = [run for run in half if _meets(study, case, {run})]
            return found[0] if found else half[0]
    return None


def _unscaled(study: Study) -> Study:
    features = {
        name: replace(space, standardise="none", n_components=None)
        for name, space in study.features.items()
    }
    responses = replace(study.responses, repeats="keep")
    return changed(study, features=features, responses=responses)


def _meets(study: Study, case: Case, marked: set[Run]) -> bool:
    """Return whether marks of some runs are met in rows of the others."""
    rows = case.aligned.rows
    names = {str(run) for run in marked}
    here = rows["run_name"].isin(names).to_numpy()
    test = (rows["side"] == "test").to_numpy()
    X, X_test, *_ = build_features(study, case.aligned, read=_marks(marked, case.read))
    others = X[~here[~test]], X_test[~here[test]]
    return any(bool((np.abs(one) > REACHED).any()) for one in others)


def _marks(runs: set[Run], whole: Read) -> Read:
    """Return a reader of feature spaces that are 0 but for marks in some runs."""

    def read(study: Study, aligned: Aligned, name: str, *more: object) -> tuple:
        layers, notes = whole(study, aligned, name, *more)
        marks = {
            layer: [
                _mark(values) if run in runs else np.zeros_like(values)
                for run, values in zip(aligned.opened.runs, each, strict=True)
            ]
            for layer, each in layers.items()
        }
        return marks, notes

    return read


def _mark(values: NDArray[np.floating]) -> NDArray[np.floating]:
    out = np.zeros_like(values)
    out[len(out) // 2], out[-1] = 1, -1
    return out
