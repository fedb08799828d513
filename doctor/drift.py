"""Whether sound and responses stay in step from the start of a run to its end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .stretches import FEWEST_BLOCKS, Common
from .verdict import Finding

Floats = NDArray[np.floating]
ASIDE = 3  # steps, as far as responses remember


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """What stretches of a run add to r, and how much a later lag would add.

    Parameters
    ----------
    at_lag : array of shape (n_blocks,)
        At the lag that all runs have in common.
    later : array of shape (n_blocks,)
        Some steps later, less as many earlier.
    by_third : array of shape (3, n_shifts)
        At every shift, in the first, the middle and the last third.
    """

    at_lag: Floats
    later: Floats
    by_third: Floats


def judge_drift(at: Common, tr_s: float, subject: str, level: float) -> Finding:
    """Return whether the best lag of runs moves between their start and their end.

    In each stretch of time, r some steps later less r as many earlier tells to which
    side responses lie off the common lag. Over runs in step it has no trend beside
    that of r itself. All runs are judged together: one by itself is too short.

    Parameters
    ----------
    at : Common
    tr_s : float
    subject : str
    level : float
        Probability of a false alarm.
    """
    found = {
        str(run): _stretches(at.at_shifts(run), at.shifts)
        for run in at.courses
        if at.rows(run).sum() >= FEWEST_BLOCKS * at.block
    }
    if not found:
        text = f"{subject}: its runs are too short for {FEWEST_BLOCKS} stretches."
        return Finding("shift-drift", "not made", text, (subject,))
    per_volume = sum(float(one.later.sum()) for one in found.values())
    ratio = per_volume / sum(float(one.at_lag.sum()) for one in found.values())
    off = {run: one.later - ratio * one.at_lag for run, one in found.items()}
    if trend_p(list(off.values())) < level:
        seconds = _by_third(list(found.values()), at, tr_s)
        text = (
            f"{subject}: the lag of the responses changes within runs: they fit best "
            f"{seconds[0]:g} s after the sound in the first third, {seconds[2]:g} s in "
            "the last. A TR that is off by 1 % does that over a few minutes."
        )
        values = {"first_third_s": seconds[0], "last_third_s": seconds[2]}
        return Finding("shift-drift", "failed", text, (subject,), values)
    text = f"{subject}: the lag stays from start to end in {len(found)} runs."
    return Finding("shift-drift", "passed", text, (subject,))


def _stretches(parts: Floats, shifts: NDArray[np.integer]) -> Stretches:
    middle = int(np.flatnonzero(shifts == 0)[0])
    thirds = [third.mean(axis=1) for third in np.array_split(parts, 3, axis=1)]
    later = parts[middle + ASIDE] - parts[middle - ASIDE]
    return Stretches(parts[middle], later, np.stack(thirds))


def trend_p(runs: list[Floats]) -> float:
    """Return p (of two sides) that values have no common slope within runs.

    Examples
    --------
    >>> trend_p([np.array([1.0, 2.1, 2.9]), np.array([7.0, 8.1, 8.9])]) < 0.01
    True
    """
    times = [np.linspace(-0.5, 0.5, len(one)) for one in runs]
    t, y = np.concatenate(times), np.concatenate([one - one.mean() for one in runs])
    slope = (t @ y) / (t @ t)
    free = len(y) - len(runs) - 1
    rest = float(((y - slope * t) ** 2).sum())
    if free < 1 or not rest > 0:
        return 1.0
    error = np.sqrt(rest / free / (t @ t))
    return float(2 * stats.t.sf(abs(slope / error), free))


def _by_third(runs: list[Stretches], at: Common, tr_s: float) -> list[float]:
    """Return the lag at which each third of runs fits best, in s."""
    mean = np.mean([one.by_third for one in runs], axis=0)
    best = at.lag + at.shifts[mean.argmax(axis=1)]
    return [float(lag) for lag in (best * tr_s).round(6)]
