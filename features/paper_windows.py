"""The alignment of the paper: windows of sound, each with the mean of its scans.

A clip gives several vectors, one for each window that is stepped through it, by one TR
in the paper: 4 windows of 10 s, 7 of 5 s, 10 of 1.5 s or a single one of 15 s from a
clip of 15 s. Each vector meets one response: the mean of the scans in its window,
moved on by a lag, since blood is slower than sound. (The paper names no lag.)

Which scans are in a window is a setting, `scans`:

- 'middle', the default: those whose middle lies in it. 10 s at a TR of 1.5 s hold
  seven scans, as the paper lists them (0-1.5 s to 9-10.5 s).
- 'overlap': those of which any part lies in it. Seven, too, if the window starts with
  a scan; one more than 'middle' for 5 s (4 against 3).
- 'inside': those that lie in it as a whole. Six for 10 s.
- a number: that many, from the first whose middle is not before the window's start.
  5 is what the paper's text says of 10 s, against its own list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix, check_choice
from ..core.rows import average_rows
from .resample import check_grid, check_times

SLACK_S = 1e-6  # times are sums of rounded decimals
Scans = Literal["middle", "overlap", "inside"] | int
RULES = ("middle", "overlap", "inside")
COLUMNS = ("presentation", "window", "start_s", "end_s", "first_sample", "n_scans")


@dataclass(frozen=True, slots=True)
class Windowing:
    """Length and step of the windows of one feature space, in seconds."""

    window_s: float
    step_s: float

    def __post_init__(self) -> None:
        if not (self.window_s > 0 and self.step_s > 0):
            raise InputError(
                f"a window of {self.window_s:g} s stepped by {self.step_s:g} s: both "
                "must be above 0."
            )


PAPER_WINDOWS: Mapping[str, Windowing] = {
    "mulan-music": Windowing(10.0, 1.5),
    "mulan-text": Windowing(15.0, 1.5),
    "w2v-bert": Windowing(5.0, 1.5),
    "soundstream": Windowing(1.5, 1.5),
}


@dataclass(frozen=True, slots=True, eq=False)
class ResponseWindows:
    """The windows of one run, and which samples each takes.

    Parameters
    ----------
    table : DataFrame
        A row per window: `presentation` (place of the clip in the run's list),
        `window` (its number in the clip), `start_s` and `end_s` (of the sound, from
        the start of the run), `first_sample`, `n_scans`.
    samples : tuple of array of int
        Rows of the run's responses that each window takes.
    n_dropped : int
        Windows that would run past the last volume, or begin before the first.
    """

    table: pd.DataFrame
    samples: tuple[NDArray[np.int64], ...]
    n_dropped: int


def windows_per_clip(clip_s: float, window_s: float, step_s: float) -> int:
    """Return how many windows fit into a clip.

    Raises
    ------
    InputError
        If none does.

    Examples
    --------
    >>> [windows_per_clip(15, window_s, 1.5) for window_s in (10, 5, 1.5, 15)]
    [4, 7, 10, 1]
    """
    windowing = Windowing(window_s, step_s)
    if clip_s < window_s - SLACK_S:
        raise InputError(
            f"a window of {window_s:g} s does not fit into a clip of {clip_s:g} s. Use "
            "a shorter window, or leave the clip out."
        )
    return int((clip_s - window_s + SLACK_S) / windowing.step_s) + 1


def response_windows(
    onset_s: ArrayLike,
    duration_s: ArrayLike,
    *,
    windowing: Windowing,
    tr_s: float,
    lag_s: float,
    n_samples: int,
    scans: Scans = "middle",
) -> tuple[ResponseWindows, list[str]]:
    """Return the windows of one run's clips, with the samples of each.

    Parameters
    ----------
    onset_s, duration_s : array of shape (n_clips,)
        Of the clips of the run, in seconds from the start of the first sample.
    windowing : Windowing
        Of the feature space.
    tr_s : float
    lag_s : float
        How far the response comes after the sound. 0 or above.
    n_samples : int
        Volumes of the run.
    scans : 'middle', 'overlap', 'inside' or int
        As this module's docstring says.

    Returns
    -------
    windows : ResponseWindows
        Windows whose scans, moved on by the lag, are not all in the run are dropped:
        at a lag of 4.5 s the last clip of a run that ends with it keeps 1 window of
        10 s out of 4.
    notes : list of str
        How many were dropped.

    Raises
    ------
    InputError
        If a clip is shorter than a window, a window holds no scan, or none is left.
    """
    check_grid(n_samples, tr_s)
    onset, duration = check_times(onset_s, duration_s, "clips")
    if not lag_s >= 0:
        raise InputError(
            f"lag_s is {lag_s}; the response cannot come before the sound."
        )
    rows, samples, n_all = [], [], 0
    for place, (start_s, clip_s) in enumerate(zip(onset, duration, strict=True)):
        n = windows_per_clip(clip_s, windowing.window_s, windowing.step_s)
        n_all += n
        for k in range(n):
            begin_s = start_s + k * windowing.step_s
            end_s = begin_s + windowing.window_s
            held = scans_in(begin_s + lag_s, end_s + lag_s, tr_s=tr_s, scans=scans)
            last_s = max(end_s + lag_s, (held[-1] + 0.5) * tr_s)
            if held[0] >= 0 and last_s <= n_samples * tr_s + SLACK_S:
                rows.append((place, k, begin_s, end_s, held[0], len(held)))
                samples.append(held)
    n_dropped = n_all - len(rows)
    if not rows:
        raise InputError(
            f"no window of {windowing.window_s:g} s at a lag of {lag_s:g} s lies in a "
            f"run of {n_samples * tr_s:g} s. Check onsets, TR and lag."
        )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    notes = [
        f"{n_dropped} of {n_all} windows of {windowing.window_s:g} s at a lag of "
        f"{lag_s:g} s run past the volumes of the run and are dropped."
    ]
    windows = ResponseWindows(table, tuple(samples), n_dropped)
    return windows, notes if n_dropped else []


def scans_in(
    start_s: float, end_s: float, *, tr_s: float, scans: Scans = "middle"
) -> NDArray[np.int64]:
    """Return the samples in a window of time, sample k from k * tr_s on.

    Parameters
    ----------
    start_s, end_s : float
        The window, the end not in it. It need not lie within a run.
    tr_s, scans
        As in `response_windows`.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> [len(scans_in(0, 10, tr_s=1.5, scans=s)) for s in ("middle", "inside", 5)]
    [7, 6, 5]
    """
    if isinstance(scans, bool) or not isinstance(scans, int):
        check_choice(str(scans), "scans", RULES)
    # In units of the TR; the middle of sample k is k + 1 / 2.
    start, end, slack = start_s / tr_s, end_s / tr_s, SLACK_S / tr_s
    first = np.ceil(start - 0.5 - slack)
    if scans == "middle":
        stop = np.ceil(end - 0.5 - slack)
    elif scans == "overlap":
        first, stop = np.floor(start + slack), np.ceil(end - slack)
    elif scans == "inside":
        first, stop = np.ceil(start - slack), np.floor(end + slack)
    else:
        stop = first + int(scans)
    if stop <= first:
        raise InputError(
            f"no scan lies in a window from {start_s:g} to {end_s:g} s by the rule "
            f"{scans!r} at a TR of {tr_s:g} s. Use a longer window or 'overlap'."
        )
    return np.arange(first, stop, dtype=np.int64)


def average_scans(Y: Floats, windows: ResponseWindows) -> Floats:
    """Return the mean response in each window.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
        One run, all its volumes.
    windows : ResponseWindows

    Returns
    -------
    means : array of shape (n_windows, n_voxels)
        Made in float64, returned in the type of `Y`.
    """
    Y = as_matrix(Y, "Y")
    needed = max(int(held[-1]) for held in windows.samples) + 1
    if len(Y) < needed:
        raise InputError(
            f"Y has {len(Y)} samples, but the windows reach sample {needed - 1}. Give "
            "all volumes of the run, the first included."
        )
    means = [Y[held].mean(axis=0, dtype=np.float64) for held in windows.samples]
    return np.stack(means).astype(Y.dtype)


def average_repeats(
    values: Floats, clips: Sequence[str], numbers: ArrayLike
) -> tuple[Floats, pd.DataFrame]:
    """Return the mean over the repeats of each window of each clip.

    Parameters
    ----------
    values : array of shape (n_rows, n_columns)
        Responses or features of windows, runs stacked.
    clips : sequence of str
        Clip of each row.
    numbers : array of int, shape (n_rows,)
        Number of the window in its clip. A window that was dropped from one repeat
        is averaged over the repeats that have it.

    Returns
    -------
    means : array of shape (n_windows, n_columns)
        In order of first appearance.
    table : DataFrame
        `clip`, `window` and `n_repeats` of each row.

    Examples
    --------
    >>> means, table = average_repeats(np.array([[1.0], [3.0]]), ["a", "a"], [0, 0])
    >>> means[0, 0], table["n_repeats"].tolist()
    (np.float64(2.0), [2])
    """
    rows = pd.DataFrame({"clip": list(clips), "window": np.asarray(numbers)})
    if len(rows) != len(values):
        raise InputError(
            f"{len(values)} rows of values for {len(rows)} windows. Give a clip and a "
            "number for each row."
        )
    group = rows.groupby(["clip", "window"], sort=False).ngroup().to_numpy()
    table = rows.drop_duplicates(ignore_index=True)
    return average_rows(values, group), table.assign(n_repeats=np.bincount(group))


def joint_windows(
    vectors: Mapping[str, Floats],
    windowings: Mapping[str, Windowing],
    *,
    clip_s: float,
    step_s: float,
    window_s: float = 10.0,
) -> dict[str, NDArray[np.float64]]:
    """Bring all feature spaces of one clip to one window, so that one model takes all.

    Parameters
    ----------
    vectors : mapping of feature space to array of shape (n_vectors, n_features)
        All windows of one clip, as `windowings` has them.
    windowings : mapping of feature space to Windowing
        Frames at a rate are windows of 1 / rate that step by 1 / rate.
    clip_s : float
        Length of the clip.
    step_s : float
        Of the joint window; one TR in the paper.
    window_s : float
        Of the joint window: 10 s, the longest of the paper's windows on sound, so
        that no space is used at a finer grain than it has.

    Returns
    -------
    joint : dict of feature space to array of shape (n_windows, n_features)
        The mean of the vectors whose own windows lie in the joint window; for a space
        with longer windows (a caption's), of those that cover it.

    Raises
    ------
    InputError
        If vectors do not match their windowing, or a joint window has none.
    """
    n_windows = windows_per_clip(clip_s, window_s, step_s)
    joint = {}
    for name, given in vectors.items():
        own, values = windowings[name], as_matrix(given, f"vectors of {name}")
        n_own = windows_per_clip(clip_s, own.window_s, own.step_s)
        if len(values) != n_own:
            raise InputError(
                f"{name} has {len(values)} vectors, but {n_own} windows of "
                f"{own.window_s:g} s fit into a clip of {clip_s:g} s. Check the clip's "
                "length and the space's window."
            )
        starts = np.arange(n_own) * own.step_s
        held = [
            _matching(starts, own, k * step_s, window_s, name) for k in range(n_windows)
        ]
        joint[name] = np.stack([values[h].mean(axis=0, dtype=np.float64) for h in held])
    return joint


def alignment_table(
    windowings: Mapping[str, Windowing],
    *,
    clip_s: float,
    tr_s: float,
    lag_s: float,
    scans: Scans = "middle",
) -> pd.DataFrame:
    """Return which seconds of sound meet which volumes, for each feature space.

    Parameters
    ----------
    windowings : mapping of feature space to Windowing
        Such as `PAPER_WINDOWS`.
    clip_s, tr_s, lag_s, scans
        As in `response_windows`.

    Returns
    -------
    table : DataFrame
        A row per feature space and window, for a clip that starts with a volume:
        `feature_space`, `window`, `sound_from_s`, `sound_to_s` (from the clip's
        onset), `first_volume`, `last_volume` (0 is the volume at the onset),
        `volumes_from_s`, `volumes_to_s`, `n_scans`, and `after_clip_s`: how long the
        run must go on after the clip for this window to be kept.
    """
    rows = []
    for name, own in windowings.items():
        for k in range(windows_per_clip(clip_s, own.window_s, own.step_s)):
            start_s, end_s = k * own.step_s, k * own.step_s + own.window_s
            held = scans_in(start_s + lag_s, end_s + lag_s, tr_s=tr_s, scans=scans)
            rows.append(
                {
                    "feature_space": name,
                    "window": k,
                    "sound_from_s": start_s,
                    "sound_to_s": end_s,
                    "first_volume": held[0],
                    "last_volume": held[-1],
                    "volumes_from_s": held[0] * tr_s,
                    "volumes_to_s": (held[-1] + 1) * tr_s,
                    "n_scans": len(held),
                    "after_clip_s": max(end_s + lag_s - clip_s, 0.0),
                }
            )
    return pd.DataFrame(rows)


def _matching(
    starts: Floats, own: Windowing, begin_s: float, window_s: float, name: str
) -> NDArray[np.bool_]:
    ends, end_s = starts + own.window_s, begin_s + window_s
    if own.window_s <= window_s + SLACK_S:
        match = (starts >= begin_s - SLACK_S) & (ends <= end_s + SLACK_S)
    else:
        match = (starts <= begin_s + SLACK_S) & (ends >= end_s - SLACK_S)
    if not match.any():
        raise InputError(
            f"{name}: none of its windows of {own.window_s:g} s matches the joint "
            f"window from {begin_s:g} to {end_s:g} s. Choose a longer joint window, or "
            "step that space more finely."
        )
    return match
