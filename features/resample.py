"""From events and frames at their own times to one row per sample (TR)."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from ..core.checks import Floats, InputError, as_matrix, check_choice

Measure = Literal["on", "mean", "sum"]
MEASURES: tuple[Measure, ...] = ("on", "mean", "sum")

# Onsets and durations are sums of rounded decimals: a shorter overlap is no overlap.
SHORTEST_S = 1e-9


class UncoveredError(InputError):
    """Samples that no value covers, although a mean needs one in each.

    `found` says which, without what to do: the caller may know that better.
    """

    def __init__(self, found: str) -> None:
        super().__init__(
            f"{found} Cover those times, or say with `empty` which value they get."
        )
        self.found = found


def average_to_tr(
    onset_s: ArrayLike,
    duration_s: ArrayLike,
    values: ArrayLike,
    *,
    n_samples: int,
    tr_s: float,
    measure: Measure,
    empty: float | None = None,
    name: str = "events",
) -> Floats:
    """Return one row per sample from values that each hold for some time.

    Values hold over [onset, onset + duration); sample k covers [k * tr_s, (k + 1) *
    tr_s). What lies before the first or after the last sample has no part in any row.

    Parameters
    ----------
    onset_s, duration_s : array of shape (n_events,)
        In seconds, 0 at the start of the first sample. In any order; events may
        overlap.
    values : array of shape (n_events, n_columns)
        Ignored by 'on', which makes a single column.
    n_samples, tr_s : int, float
        Number of samples (volumes) of the run, and seconds from one to the next.
    measure : 'mean', 'sum' or 'on'
        'mean': mean over the covered part of the sample, weighted by time. 'sum':
        integral over the sample divided by `tr_s`; events that overlap add up, and a
        sample without events is 0. 'on': share of the sample, from 0 to 1, that at
        least one event covers. An event of no duration covers no time: only 'sum'
        takes it, and adds its whole value to the sample that holds its onset.
    empty : float, optional
        What 'mean' puts in samples that no event covers. None refuses them.
    name : str
        What the errors call these events.

    Returns
    -------
    rows : float64 array of shape (n_samples, n_columns)

    Raises
    ------
    InputError
        If times or values do not fit together, or, for 'mean', if a sample is not
        covered by any event.

    Examples
    --------
    >>> values = [[1.0], [3.0]]
    >>> average_to_tr([0, 1], [1, 3], values, n_samples=2, tr_s=2, measure="mean")
    array([[2.],
           [3.]])
    """
    check_choice(measure, f"measure of {name}", MEASURES)
    onset, duration = check_times(onset_s, duration_s, name)
    check_grid(n_samples, tr_s)
    if measure == "on":
        return _share_covered(onset, duration, n_samples, tr_s, name)[:, None]
    values = as_matrix(values, f"values of {name}")
    if len(values) != len(onset):
        raise InputError(
            f"{name}: {len(onset)} onsets but {len(values)} rows of values. Give one "
            "row of values for each event."
        )
    if measure == "sum":
        overlap = overlap_s(onset, duration, n_samples=n_samples, tr_s=tr_s)
        return overlap @ values / tr_s + _impulses(
            onset, duration, values, n_samples, tr_s
        )
    _refuse_instants(duration, measure, name)
    overlap = overlap_s(onset, duration, n_samples=n_samples, tr_s=tr_s)
    return weighted_mean(overlap @ values, overlap.sum(axis=1), empty, tr_s, name)


def overlap_s(
    onset_s: Floats, duration_s: Floats, *, n_samples: int, tr_s: float
) -> csr_array:
    """Return for how many seconds each event covers each sample.

    Parameters
    ----------
    onset_s, duration_s : array of shape (n_events,)
        In seconds from the start of the first sample.
    n_samples, tr_s : int, float
        The grid of samples.

    Returns
    -------
    overlap : sparse float64 array of shape (n_samples, n_events)

    Examples
    --------
    >>> times = np.array([0.5]), np.array([2.0])
    >>> overlap_s(*times, n_samples=3, tr_s=1.0).toarray().ravel()
    array([0.5, 1. , 0.5])
    """
    stop_s = onset_s + duration_s
    first = np.clip(np.floor(onset_s / tr_s), 0, n_samples).astype(np.int64)
    last = np.clip(np.ceil(stop_s / tr_s), 0, n_samples).astype(np.int64)
    n_bins = np.maximum(last - first, 0)
    event = np.repeat(np.arange(len(onset_s)), n_bins)
    before = np.cumsum(n_bins) - n_bins
    sample = np.arange(n_bins.sum()) - np.repeat(before - first, n_bins)
    start = np.maximum(onset_s[event], sample * tr_s)
    seconds = np.minimum(stop_s[event], (sample + 1) * tr_s) - start
    held = seconds > SHORTEST_S
    shape = (n_samples, len(onset_s))
    return csr_array((seconds[held], (sample[held], event[held])), shape=shape)


def weighted_mean(
    totals: Floats, seconds: Floats, empty: float | None, tr_s: float, name: str
) -> Floats:
    """Return totals over time divided by the time covered, sample by sample.

    Parameters
    ----------
    totals : array of shape (n_samples, n_columns)
        Sums of value times seconds.
    seconds : array of shape (n_samples,)
        Sums of seconds. Samples with 0 get `empty`, or are refused if it is None.
    empty : float or None
    tr_s : float
    name : str
        What the error calls what was averaged.

    Raises
    ------
    UncoveredError
        If a sample is not covered and `empty` is None.
    """
    bare = np.flatnonzero(seconds == 0)
    if len(bare) and empty is None:
        first = ", ".join(map(str, bare[:5]))
        raise UncoveredError(
            f"{name}: nothing covers {len(bare)} of {len(seconds)} samples, the first "
            f"of them {first} (from {bare[0] * tr_s:g} s). A mean needs a value in "
            "each sample."
        )
    rows = np.full(totals.shape, np.nan if empty is None else empty, np.float64)
    covered = np.broadcast_to(seconds[:, None] > 0, totals.shape)
    return np.divide(totals, seconds[:, None], out=rows, where=covered)


def check_times(
    onset_s: ArrayLike, duration_s: ArrayLike, name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return onsets and durations as float64 vectors of one length, all finite."""
    onset, duration = (np.asarray(t, np.float64) for t in (onset_s, duration_s))
    if onset.ndim != 1 or onset.shape != duration.shape:
        raise InputError(
            f"{name}: onsets of shape {onset.shape} and durations of shape "
            f"{duration.shape}. Give one of each per event, in seconds."
        )
    bad = np.flatnonzero(~(np.isfinite(onset) & np.isfinite(duration)))
    if len(bad):
        raise InputError(
            f"{name}: {len(bad)} of {len(onset)} events without a finite onset and "
            f"duration, the first at row {bad[0]}. Fill them in or leave those out."
        )
    if (duration < 0).any():
        raise InputError(
            f"{name}: {int((duration < 0).sum())} negative durations, the first at row "
            f"{int(np.argmax(duration < 0))}. Durations are seconds from the onset."
        )
    return onset, duration


def check_grid(n_samples: int, tr_s: float) -> None:
    """Raise unless a run has at least one sample, and a TR above 0 seconds."""
    if n_samples < 1 or not (np.isfinite(tr_s) and tr_s > 0):
        raise InputError(
            f"a run needs at least 1 sample and a TR above 0 s, got n_samples="
            f"{n_samples} and tr_s={tr_s}."
        )


def _share_covered(
    onset: Floats, duration: Floats, n_samples: int, tr_s: float, name: str
) -> Floats:
    _refuse_instants(duration, "on", name)
    order = np.argsort(onset, kind="stable")
    start, stop = onset[order], np.maximum.accumulate((onset + duration)[order])
    # Each event keeps what none before it covers, so that no moment counts twice.
    start[1:] = np.maximum(start[1:], stop[:-1])
    left = np.maximum(stop - start, 0)
    return overlap_s(start, left, n_samples=n_samples, tr_s=tr_s).sum(axis=1) / tr_s


def _impulses(
    onset: Floats, duration: Floats, values: Floats, n_samples: int, tr_s: float
) -> Floats:
    rows = np.zeros((n_samples, values.shape[1]))
    sample = np.floor((onset + SHORTEST_S) / tr_s)
    at_once = (duration == 0) & (sample >= 0) & (sample < n_samples)
    np.add.at(rows, sample[at_once].astype(np.int64), values[at_once])
    return rows


def _refuse_instants(duration: Floats, measure: str, name: str) -> None:
    if (duration == 0).any():
        raise InputError(
            f"{name}: {int((duration == 0).sum())} of {len(duration)} events have no "
            f"duration, the first at row {int(np.argmax(duration == 0))}; measure "
            f"{measure!r} needs time. Give them a duration, or use measure 'sum', "
            "which counts such events whole."
        )
