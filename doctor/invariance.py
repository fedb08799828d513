"""What must change nothing: test rows, order, batches, precision, another process."""

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.stats import correlation
from ..core.threads import limit_threads
from ..core.types import Run, Split
from ..study import Study
from ..workflow.alignment import Aligned, align
from ..workflow.opening import Opened, open_subject
from ..workflow.prepare import build_features
from .sampled import Sampled, read_sample
from .trial import Design, Read, Responses, build, clean, fit, remembering
from .verdict import Finding, Status

Floats = NDArray[np.floating]
SAME = 1e-4  # largest difference of r that another order of sums may make
SAME_PRECISION = 5e-3
SAME_BACKEND = 1e-3
SAME_PROCESS = 1e-6
FEW = 40  # voxels that are fitted again and again


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What the checks of one subject start from.

    Parameters
    ----------
    study : Study
    aligned : Aligned
        With few voxels.
    design : Design
    responses : Responses
    predictions : array of shape (n_test, n_valid)
    alone : array of shape (n_bands, n_test, n_valid)
    read : callable
        Gives a feature space for each run.
    sampled : Sampled
        The voxels: the recording of `aligned`.
    """

    study: Study
    aligned: Aligned
    design: Design
    responses: Responses
    predictions: Floats
    alone: Floats
    read: Read
    sampled: Sampled

    @property
    def name(self) -> str:
        """The subject as messages name it."""
        return self.aligned.opened.name

    @property
    def train(self) -> Floats:
        """Training responses of valid voxels."""
        return self.responses.train[:, self.responses.valid]

    @property
    def test(self) -> Floats:
        """Test responses of valid voxels."""
        return self.responses.test[:, self.responses.valid]

    def r_of(self, predictions: Floats) -> Floats:
        """Return r of predictions of the valid voxels."""
        return correlation(self.test, predictions)


def check_test_spike(case: Case) -> Finding:
    """Return whether anything of training changes with the test runs."""
    opened = case.aligned.opened
    test = set(opened.split.test)
    there = spiked(test, case.read)
    X = build(case.study, case.aligned, there).train
    _, _, _, _, moments = build_features(case.study, case.aligned, read=there)
    _, _, _, _, before = build_features(case.study, case.aligned, read=case.read)
    sampled = case.sampled
    spikes = {run: _spike(sampled.read(run)) for run in test}
    other = replace(sampled, added={**sampled.added, **spikes})
    Y = clean(case.study, _with(case.aligned, other)).train
    wrong = []
    if not np.array_equal(X, case.design.train):
        wrong.append("training features")
    same = all(
        np.array_equal(a, b)
        for name in before
        for a, b in zip(before[name], moments[name], strict=True)
    )
    if not same:
        wrong.append("means and scales of features")
    if not np.array_equal(Y, case.responses.train, equal_nan=True):
        wrong.append("training responses")
    if wrong:
        found = f"{case.name}: spikes in test runs change {' and '.join(wrong)}."
        return Finding("test-spike", "failed", found, (case.name,))
    found = f"{case.name}: spikes in test runs change no bit of training."
    return Finding("test-spike", "passed", found, (case.name,))


def check_voxel_order(case: Case) -> Finding:
    """Return whether the order of voxels, and their batches, change a score."""
    order = np.random.default_rng(0).permutation(case.train.shape[1])
    rows = case.responses.train_rows
    moved = fit(
        case.study,
        case.aligned,
        case.design,
        case.train[:, order],
        rows,
        n_voxels_batch=7,
    )
    r = np.empty(len(order))
    r[order] = correlation(case.test[:, order], moved.predictions)
    return _compare(case, "voxel-order", r, "another order of voxels, 7 at a time,")


def check_run_order(case: Case) -> Finding:
    """Return whether the order in which runs are read changes a score."""
    turned = _turned(case.aligned.opened)
    aligned = align(case.study, turned, case.aligned.lag_s)
    responses = clean(case.study, aligned)
    design = build(case.study, aligned)
    Y = responses.train[:, responses.valid]
    made = fit(case.study, aligned, design, Y, responses.train_rows)
    r = correlation(responses.test[:, responses.valid], made.predictions)
    return _compare(case, "run-order", r, "reading the runs from last to first")


def check_precision(case: Case) -> Finding:
    """Return whether float64 gives the same scores."""
    other: Literal["float32", "float64"]
    other = "float32" if case.study.encoding.precision == "float64" else "float64"
    double = replace(case.study, encoding=replace(case.study.encoding, precision=other))
    design = build(double, case.aligned, case.read)
    Y = case.train.astype(other)
    made = fit(double, case.aligned, design, Y, case.responses.train_rows)
    r = case.r_of(made.predictions)
    return _compare(case, "precision", r, other, SAME_PRECISION)


def check_backend(case: Case) -> Finding:
    """Return whether numpy gives the same scores as the study's own library or GPU."""
    machine = case.study.machine
    if machine.backend == "numpy":
        why = f"{case.name}: the study computes with numpy, and on no GPU."
        return Finding("backend", "not made", why, (case.name,))
    other = replace(case.study, machine=replace(machine, backend="numpy"))
    rows = case.responses.train_rows
    made = fit(other, case.aligned, case.design, case.train, rows)
    r = case.r_of(made.predictions)
    return _compare(case, "backend", r, f"numpy for {machine.backend}", SAME_BACKEND)


def check_second_process(case: Case) -> Finding:
    """Return whether another process comes to the same numbers, from the files on."""
    opened = case.aligned.opened
    columns = case.sampled.columns
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            work = pool.submit(
                _again, case.study, opened.subject, columns, case.aligned.lag_s
            )
            r = work.result()
    except BrokenProcessPool:
        why = (
            f"{case.name}: no second process can be started from here. In a script, "
            'call it under `if __name__ == "__main__":`.'
        )
        return Finding("second-process", "not made", why, (case.name,))
    return _compare(case, "second-process", r, "a second process", SAME_PROCESS)


def _again(
    study: Study, subject: str, columns: NDArray[np.integer], lag_s: float
) -> Floats:
    opened = open_subject(study, subject)
    sampled = read_sample(opened.recording, columns)
    aligned = align(study, replace(opened, recording=sampled), lag_s)
    with limit_threads(study.machine.threads):
        case = make_case(study, aligned, sampled)
    return case.r_of(case.predictions)


def make_case(
    study: Study, aligned: Aligned, sampled: Sampled, read: Read | None = None
) -> Case:
    """Clean, build and fit the voxels of `aligned`'s recording."""
    read = read or remembering()
    responses, design = clean(study, aligned), build(study, aligned, read)
    Y = responses.train[:, responses.valid]
    made = fit(study, aligned, design, Y, responses.train_rows)
    return Case(
        study,
        aligned,
        design,
        responses,
        made.predictions,
        made.alone,
        read,
        sampled,
    )


def _compare(case: Case, key: str, r: Floats, what: str, most: float = SAME) -> Finding:
    before = case.r_of(case.predictions)
    off = float(np.nanmax(np.abs(r - before)))
    same = off <= most and bool((np.isnan(r) == np.isnan(before)).all())
    found = (
        f"{case.name}: {what} changes {'no r by more than' if same else 'r by'} "
        f"{off:.1g}."
    )
    status: Status = "passed" if same else "failed"
    return Finding(key, status, found, (case.name,), {"largest_difference": off})


def spiked(runs: set[Run], whole: Read) -> Read:
    """Return a reader of feature spaces whose values are spiked in some runs."""

    def read(study: Study, aligned: Aligned, name: str, *more: object) -> tuple:
        layers, notes = whole(study, aligned, name, *more)
        changed = {
            layer: [
                _spike(values) + values if run in runs else values
                for run, values in zip(aligned.opened.runs, each, strict=True)
            ]
            for layer, each in layers.items()
        }
        return changed, notes

    return read


def _spike(values: Floats) -> Floats:
    """Return a spike in the middle row and in the last of a run.

    Columns that were not measured (NaN) stay so.
    """
    out = np.zeros_like(values)
    size = 100 * (1 + np.nanmax(np.abs(values)))
    out[len(out) // 2] = size
    out[-1] = -size
    return out


def _with(aligned: Aligned, recording: Sampled) -> Aligned:
    return replace(aligned, opened=replace(aligned.opened, recording=recording))


def _turned(opened: Opened) -> Opened:
    split = opened.split
    turned = Split(split.train[::-1], split.test[::-1], split.folds)
    rows = [opened.rows[opened.rows_of(run)] for run in turned.train + turned.test]
    return replace(opened, split=turned, rows=pd.concat(rows, ignore_index=True))
