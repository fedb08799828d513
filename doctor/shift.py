"""Whether each run is in step with its stimulus.

A model with a single delay (several would make a plateau) is fitted on all training
runs but one, and the run left out is scored with its stimulus moved against it by -6
to +6 volumes, or as many steps of several volumes where TRs are short. Voxels are
those that the other runs predict best, by models that have not met the run.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core.types import Run
from .courses import Course, common_rows, moments_at
from .drift import judge_drift
from .pairing import find_order, judge_swaps
from .stretches import (
    FEWEST_BLOCKS,
    Common,
    lag_curve,
    t_test,
)
from .verdict import Curve, Finding, Status

Floats = NDArray[np.floating]
REACH = 6  # steps
STEP_S = 1.5  # a step has at least as many volumes as make this
PLAUSIBLE_S = (1.5, 10.5)  # of a peak: from a first rise to 15 s of music held
BLOCK_S = 20.0
OF_RUNS = ("shift-run", "swapped-runs", "shift-drift")


def check_shifts(
    courses: Mapping[Run, Course],
    train: Sequence[Run],
    tr_s: float,
    *,
    subject: str,
    level: float,
) -> Iterator[Finding]:
    """Yield what the shifts of one subject's runs say.

    Parameters
    ----------
    courses : dict of Run to Course
        Training runs and test runs.
    train : sequence of Run
    tr_s : float
    subject : str
        As messages name the subject.
    level : float
        Probability of a false alarm in each of the four checks.
    """
    keys, shifts = ("shift-lag", *OF_RUNS), steps(tr_s)
    long = {r: c for r, c in courses.items() if common_rows(c, shifts).sum() > 1}
    short = [str(run) for run in courses if run not in long]
    if short:
        why = (
            f"{subject}: {', '.join(short)} are too short to be moved by {shifts[-1]} "
            "volumes to both sides."
        )
        yield Finding("shift-run", "not made", why, (subject, *short))
    courses, train = long, tuple(run for run in train if run in long)
    if len(train) < 3:
        why = (
            f"{subject} has {len(train)} training runs that are long enough; 3 are "
            "needed to compare."
        )
        yield from (Finding(key, "not made", why, (subject,)) for key in keys)
        return
    block = max(1, round(BLOCK_S / tr_s))
    at_lag = {int(lag): moments_at(courses, train, int(lag)) for lag in shifts}
    curve = lag_curve(courses, train, at_lag, block)
    if len(curve) < FEWEST_BLOCKS:
        why = f"{subject}: training runs make {len(curve)} stretches of time."
        yield from (Finding(key, "not made", why, (subject,)) for key in keys)
        return
    best = int(curve.mean(axis=0).argmax())
    lag = int(shifts[best])
    yield _judge_lag(curve, shifts * tr_s, subject, level)
    if t_test(curve[:, best]) > level / len(shifts):
        yield from _without_lag(courses, train, tr_s, subject, level)
        return
    at = Common(courses, train, at_lag[lag], lag, (shifts, block))
    yield from judge_runs(at, tr_s, subject, level)
    yield judge_swaps(at, subject, level / 2)  # find_order has the other half
    yield judge_drift(at, tr_s, subject, level)


def _without_lag(
    courses: Mapping[Run, Course],
    train: tuple[Run, ...],
    tr_s: float,
    subject: str,
    level: float,
) -> Iterator[Finding]:
    """Yield what can be said of runs where none is predicted as it stands."""
    why = (
        f"{subject}: features with a single delay do not predict the training runs "
        "left out, at any shift, so no run can be told to be in step."
    )
    block = max(1, round(BLOCK_S / tr_s))
    found = find_order(courses, train, tr_s, subject, level / 2, block)
    for key in OF_RUNS:
        if key == "swapped-runs" and found is not None:
            yield found
        else:
            yield Finding(key, "not made", why, (subject,))


def steps(tr_s: float) -> NDArray[np.integer]:
    """Return the shifts that are tried, in volumes: 6 steps to each side.

    Examples
    --------
    >>> steps(2.0)[[0, -1]], steps(0.5)[[0, -1]]
    (array([-6,  6]), array([-18,  18]))
    """
    return np.arange(-REACH, REACH + 1) * max(1, round(STEP_S / tr_s))


def _judge_lag(curve: Floats, lags_s: Floats, subject: str, level: float) -> Finding:
    mean = curve.mean(axis=0)
    best = int(mean.argmax())
    lag_s = float(lags_s[best])
    inside = (lags_s >= PLAUSIBLE_S[0]) & (lags_s <= PLAUSIBLE_S[1])
    if not inside.any():
        found = (
            f"{subject}: no whole number of volumes lies between {PLAUSIBLE_S[0]:g} "
            f"and {PLAUSIBLE_S[1]:g} s."
        )
        return Finding("shift-lag", "not made", found, (subject,))
    values = {"lag_s": lag_s, "r": float(mean[best])}
    drawn = Curve(
        f"{subject}, training runs", tuple(lags_s.tolist()), tuple(mean.tolist()), lag_s
    )
    if t_test(curve[:, best]) > level / len(lags_s):
        found = (
            f"{subject}: no shift of {lags_s[0]:g} to {lags_s[-1]:g} s predicts the "
            "runs left out, so no lag can be told."
        )
        return Finding("shift-lag", "not made", found, (subject,), values, (drawn,))
    if inside[best]:
        found = f"{subject}: responses follow the features by {lag_s:g} s."
        return Finding("shift-lag", "passed", found, (subject,), values, (drawn,))
    other = np.flatnonzero(inside)[mean[inside].argmax()]
    found = (
        f"{subject}: responses fit the features best {lag_s:g} s after them "
        f"(r {mean[best]:.3f}), and at {lags_s[other]:g} s with r "
        f"{mean[other]:.3f}. Expected {PLAUSIBLE_S[0]:g} to {PLAUSIBLE_S[1]:g} s."
    )
    sure = t_test(curve[:, best] - curve[:, other]) < level / len(lags_s)
    status: Status = "failed" if sure else "not made"
    return Finding("shift-lag", status, found, (subject,), values, (drawn,))


def judge_runs(
    at: Common, tr_s: float, subject: str, level: float
) -> Iterator[Finding]:
    """Yield the runs whose own best shift is another one than the common lag."""
    shifts = at.shifts
    far = np.abs(shifts) > np.diff(shifts)[0]  # one step off is no other peak
    level /= len(at.courses) * far.sum()
    short, bad = [], False
    curves = []
    for run in at.courses:
        if at.rows(run).sum() < FEWEST_BLOCKS * at.block:
            short.append(str(run))
            continue
        parts = at.at_shifts(run)
        curve = at.curve(run, parts, tr_s)
        gain = parts[far] - parts[shifts == 0]
        if min(t_test(one) for one in gain) >= level:
            curves.append(curve)
            continue
        bad = True
        shift = int(shifts[far][gain.mean(axis=1).argmax()])
        r = dict(zip(shifts.tolist(), curve.r, strict=True))
        found = (
            f"{subject}, {run}: its responses fit its stimulus best when they are "
            f"taken {shift:+d} volumes from the lag of the other runs (r "
            f"{r[shift]:.3f} against {r[0]:.3f})."
        )
        values = {"volumes_off": float(shift)}
        where = (subject, str(run))
        yield Finding("shift-run", "failed", found, where, values, (curve,))
    if len(short) == len(at.courses):
        found = f"{subject}: its runs are too short for {FEWEST_BLOCKS} stretches."
        yield Finding("shift-run", "not made", found, (subject,))
    elif curves:
        which = "the other " if bad else ""
        found = (
            f"{subject}: none of {which}{len(curves)} runs fits another shift better."
        )
        if short:
            found += f" Too short to tell: {', '.join(short)}."
        yield Finding("shift-run", "passed", found, (subject,), curves=tuple(curves))
