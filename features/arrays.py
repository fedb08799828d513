"""Features that the user computed elsewhere: a series per run, or a table of clips."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix, check_choice, nearest
from .archives import entry, load_arrays, rate_of, stored_arrays
from .clip_tables import ClipFeatures, check_rate, read_clip_table, some
from .resample import (
    UncoveredError,
    average_to_tr,
    check_grid,
    check_times,
    overlap_s,
    weighted_mean,
)
from .tables import read_numbers
from .windows import Windows, window_borders

__all__ = [
    "ClipFeatures",
    "clips_to_tr",
    "read_clip_table",
    "read_series",
    "series_to_tr",
]


def read_series(path: str | Path, *, rate_hz: float) -> Floats:
    """Read the features of one run, frame by frame.

    Parameters
    ----------
    path : path of a .npy, .npz, .csv or .zarr
        An array of shape (n_frames, n_features); in .npz or a .zarr group under the
        name 'features', in .csv below a header line of names.
    rate_hz : float
        Frames per second, which must be that of the file if it holds 'rate_hz'.

    Returns
    -------
    series : array of shape (n_frames, n_features)
        In the file's own precision; float64 from text and from whole numbers.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it cannot be read as such an array, has NaN or infinity, or another rate.
    """
    path = stored_arrays(path)
    check_rate(rate_hz, f"rate_hz of {path.name}")
    if path.suffix == ".csv":
        return as_matrix(read_numbers(path)[1], path.name)
    arrays = load_arrays(path)
    rate_of(arrays, path, rate_hz)
    return as_matrix(entry(arrays, "features", path), path.name)


def series_to_tr(
    series: ArrayLike,
    *,
    rate_hz: float,
    n_samples: int,
    tr_s: float,
    beyond: str = "refuse",
    name: str = "series",
) -> tuple[Floats, list[str]]:
    """Return the mean of a series over each sample (TR).

    Parameters
    ----------
    series : array of shape (n_frames, n_features)
        Frame k holds from k / rate_hz to (k + 1) / rate_hz seconds after the start of
        the run's first sample.
    rate_hz : float
        Frames per second.
    n_samples, tr_s : int, float
        Number of samples (volumes) of the run, and seconds from one to the next.
    beyond : 'refuse' or 'cut'
        What to do with a series that ends more than half a TR after the last sample.
    name : str
        What errors and notes call the series, with its run.

    Returns
    -------
    rows : float64 array of shape (n_samples, n_features)
    notes : list of str
        How much was cut.

    Raises
    ------
    InputError
        If the series ends before the last sample begins, or too late.
    """
    check_choice(beyond, "beyond", ("refuse", "cut"))
    check_grid(n_samples, tr_s)
    check_rate(rate_hz, f"rate_hz of {name}")
    series = as_matrix(series, name)
    lasts_s, end_s = len(series) / rate_hz, n_samples * tr_s
    notes = []
    if lasts_s - end_s > tr_s / 2:
        found = (
            f"{name}: {lasts_s:g} s of frames for {n_samples} samples ({end_s:g} s)."
        )
        if beyond == "refuse":
            raise InputError(
                f"{found} Check rate_hz and that both belong to the same run; if they "
                "do, set `beyond` to 'cut' to leave out what comes after."
            )
        notes.append(f"{found} The last {lasts_s - end_s:g} s are cut.")
    n_frames = len(series)
    try:
        rows = average_to_tr(
            np.arange(n_frames) / rate_hz,
            np.full(n_frames, 1 / rate_hz),
            series,
            n_samples=n_samples,
            tr_s=tr_s,
            measure="mean",
            name=name,
        )
    except UncoveredError as error:
        raise InputError(
            f"{error.found} The series lasts {lasts_s:g} s, the run {end_s:g} s: check "
            "rate_hz, and that both belong to the same run."
        ) from error
    return rows, notes


def clips_to_tr(
    table: ClipFeatures,
    onset_s: ArrayLike,
    duration_s: ArrayLike,
    clips: Sequence[str],
    *,
    n_samples: int,
    tr_s: float,
    empty: float | None = None,
    name: str = "clips",
) -> Floats:
    """Return the mean of the clips' features over each sample (TR) of a run.

    Frames stand at the onset of their clip, and hold until the clip ends. Windows may
    overlap: a sample takes the mean of those that cover it, weighted by how long each
    does. What lies before the first or after the last sample has no part in any row.

    Parameters
    ----------
    table : ClipFeatures
    onset_s, duration_s : array of shape (n_events,)
        When each clip is heard, in seconds from the start of the run's first sample.
    clips : sequence of str, length n_events
        Which clip is heard.
    n_samples, tr_s : int, float
        Number of samples (volumes) of the run, and seconds from one to the next.
    empty : float, optional
        The value of samples without a clip. None refuses such samples.
    name : str
        What the errors call the feature space, with its run.

    Returns
    -------
    rows : float64 array of shape (n_samples, n_features)

    Raises
    ------
    InputError
        If a clip is not in the table, the frames of the table last half a TR shorter
        or longer than a clip, its windows are too few or too many for it, or a sample
        has no clip.

    Examples
    --------
    >>> table = ClipFeatures(("a", "b"), np.array([[[1.0]], [[5.0]]]))
    >>> clips_to_tr(table, [0, 3], [3, 3], ["b", "a"], n_samples=3, tr_s=2.0).ravel()
    array([5., 3., 1.])
    """
    check_grid(n_samples, tr_s)
    onset, duration = check_times(onset_s, duration_s, name)
    if len(clips) != len(onset):
        raise InputError(f"{name}: {len(onset)} onsets but {len(clips)} clips.")
    place = _places(table, clips, name)
    check_lengths(table, duration, clips, tr_s, name)
    totals = np.zeros((n_samples, table.values.shape[2]))
    seconds = np.zeros(n_samples)
    for k, row in enumerate(place):
        times = _frame_times(table, onset[k], duration[k])
        overlap = overlap_s(*times, n_samples=n_samples, tr_s=tr_s)
        totals += overlap @ table.values[row]
        seconds += overlap.sum(axis=1)
    return weighted_mean(totals, seconds, empty, tr_s, name)


def _frame_times(
    table: ClipFeatures, onset_s: float, duration_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return onsets and durations of a clip's rows, cut where it begins and ends."""
    n_rows = table.values.shape[1]
    if table.windows is not None:
        start, end = window_borders(n_rows, table.windows)
        if table.windows.causal:  # it has heard up to its end: nothing earlier has
            start = end - table.windows.step_s
        start, end = np.clip(start, 0, duration_s), np.clip(end, 0, duration_s)
        return onset_s + start, end - start
    if table.rate_hz is None:
        return np.array([onset_s]), np.array([duration_s])
    start = np.arange(n_rows) / table.rate_hz
    return onset_s + start, np.clip(duration_s - start, 0, 1 / table.rate_hz)


def _places(table: ClipFeatures, clips: Sequence[str], name: str) -> list[int]:
    place = {clip: k for k, clip in enumerate(table.clips)}
    lacking = sorted({str(clip) for clip in clips if clip not in place})
    if lacking:
        raise InputError(
            f"{name}: {len(lacking)} clips that are heard are not in the table of "
            f"{len(place)} clips: {some(lacking)}. Known are such as "
            f"{some(sorted(place), 3)}.{nearest(lacking[0], place)}"
        )
    return [place[clip] for clip in clips]


def check_lengths(
    table: ClipFeatures,
    duration: Floats,
    clips: Sequence[str],
    tr_s: float,
    name: str,
) -> None:
    """Raise unless a table's rows last as long as each clip, to half a TR."""
    n_rows = table.values.shape[1]
    if table.windows is not None:
        _check_windows(table.windows, n_rows, duration, clips, tr_s, name)
    if table.rate_hz is None:
        return
    lasts_s = n_rows / table.rate_hz
    for clip, seconds in zip(clips, duration, strict=True):
        if abs(lasts_s - seconds) > tr_s / 2 + 1e-9:
            raise InputError(
                f"{name}: clip {clip!r} is heard for {seconds:g} s, but its "
                f"{n_rows} frames at {table.rate_hz:g} Hz last {lasts_s:g} s. Check "
                "rate_hz, and compute the features on exactly the piece that was "
                "heard."
            )


def _check_windows(
    windows: Windows,
    n_rows: int,
    duration: Floats,
    clips: Sequence[str],
    tr_s: float,
    name: str,
) -> None:
    """Raise unless one window more would run past the end of each clip."""
    end_s = float(window_borders(n_rows, windows)[1][-1])
    for clip, seconds in zip(clips, duration, strict=True):
        spare_s, slack_s = seconds - end_s, tr_s / 2 + 1e-9
        if not -slack_s <= spare_s < windows.step_s + slack_s:
            raise InputError(
                f"{name}: clip {clip!r} is heard for {seconds:g} s, but its {n_rows} "
                f"windows of {windows.window_s:g} s, stepped by {windows.step_s:g} s, "
                f"end at {end_s:g} s. Check window_s and step_s, and compute the "
                "features on exactly the piece that was heard."
            )
