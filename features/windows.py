"""Windows over a clip: where they start and end, and means of frames under them.

A window is half open, [start, end). Ordinary windows lie inside the clip: the first
begins with it, and each begins `step_s` after the one before. Causal windows end with
each step of the clip and look back from there; before the clip there was silence.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix

# Borders of clips are written to 10 ms: a clip may be short by this share of a window.
SLACK = 0.01


@dataclass(frozen=True, slots=True)
class Windows:
    """How long windows are, how far apart, and whether they look back only.

    Parameters
    ----------
    window_s, step_s : float
        Length of a window, and time from one to the next, in seconds.
    causal : bool
        Whether window k ends at (k + 1) * step_s, so that nothing that comes later
        has a part in it; else it starts at k * step_s.
    """

    window_s: float
    step_s: float
    causal: bool = False

    def __post_init__(self) -> None:
        times = np.array([self.window_s, self.step_s])
        if not (np.isfinite(times).all() and (times > 0).all()):
            raise InputError(
                f"window_s={self.window_s} and step_s={self.step_s}: expected seconds "
                "above 0."
            )


def windows_of(
    n_points: int, rate_hz: float, *, window_s: float, step_s: float, causal: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the windows over one clip start and end, in points.

    Parameters
    ----------
    n_points : int
        Length of the clip.
    rate_hz : float
        Points (of a waveform) or frames per second.
    window_s, step_s, causal
        As in `Windows`.

    Returns
    -------
    starts, ends : int64 array of shape (n_windows,)
        All windows have the same number of points. Starts below 0 belong to causal
        windows that begin before the clip: that part is silence. An end may lie behind
        the clip by up to 1 % of a window (15 ms of 1.5 s), which makes up for borders
        that were rounded: that part is silence as well.

    Raises
    ------
    InputError
        If the clip is shorter than one window, or than one step of causal windows.

    Examples
    --------
    The windows of the paper, in a clip of 15 s at 1000 Hz:

    >>> clip = {"n_points": 15_000, "rate_hz": 1000, "step_s": 1.5, "causal": False}
    >>> [len(windows_of(**clip, window_s=s)[0]) for s in (10, 5, 1.5)]
    [4, 7, 10]
    """
    windows = Windows(window_s, step_s, causal)
    n_windows = _count(n_points / rate_hz, windows)
    length, step = round(window_s * rate_hz), step_s * rate_hz
    if length < 1:
        raise InputError(
            f"a window of {window_s:g} s holds no point at {rate_hz:g} Hz. Use a "
            "longer window_s."
        )
    if causal:
        ends = np.round(np.arange(1, n_windows + 1) * step).astype(np.int64)
        return ends - length, ends
    starts = np.round(np.arange(n_windows) * step).astype(np.int64)
    return starts, starts + length


def window_times(
    duration_s: float, windows: Windows
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return start and end of each window in seconds from the clip's onset.

    Causal windows may start before 0.

    Examples
    --------
    >>> window_times(15.0, Windows(10.0, 1.5))[0]
    array([0. , 1.5, 3. , 4.5])
    >>> window_times(3.0, Windows(10.0, 1.5, causal=True))[0]
    array([-8.5, -7. ])
    """
    return window_borders(_count(duration_s, windows), windows)


def window_borders(
    n_windows: int, windows: Windows
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return start and end of the first windows of a clip, in seconds from its onset.

    Examples
    --------
    >>> window_borders(2, Windows(10.0, 1.5))[1]
    array([10. , 11.5])
    """
    steps = np.arange(n_windows, dtype=np.float64)
    if windows.causal:
        ends = (steps + 1) * windows.step_s
        return ends - windows.window_s, ends
    starts = steps * windows.step_s
    return starts, starts + windows.window_s


def window_notes(durations_s: ArrayLike, windows: Windows) -> list[str]:
    """Return what should be known of windows over clips of these lengths.

    Returns
    -------
    notes : list of str
        How many causal windows begin before their clip, and how many clips end with
        sound that no window holds. Empty if there is nothing to say.
    """
    silent, total, uncovered = 0, 0, 0
    for duration_s in np.asarray(durations_s, dtype=np.float64).ravel():
        starts, ends = window_times(duration_s, windows)
        silent, total = silent + int((starts < 0).sum()), total + len(starts)
        uncovered += int(ends[-1] < duration_s - 1e-3)
    notes = []
    if silent:
        notes.append(
            f"{silent} of {total} causal windows of {windows.window_s:g} s begin "
            "before their clip; that part of them is silence."
        )
    if uncovered:
        notes.append(
            f"{uncovered} clips end with sound that no whole window of "
            f"{windows.window_s:g} s, stepped by {windows.step_s:g} s, holds."
        )
    return notes


def cut_windows(
    waveform: NDArray[np.floating], rate_hz: float, windows: Windows
) -> NDArray[np.float32]:
    """Return the windows of one waveform, silent where they reach beyond it.

    Returns
    -------
    pieces : float32 array of shape (n_windows, n_points_of_a_window)
    """
    starts, ends = windows_of(
        len(waveform),
        rate_hz,
        window_s=windows.window_s,
        step_s=windows.step_s,
        causal=windows.causal,
    )
    ahead, behind = max(-int(starts[0]), 0), max(int(ends[-1]) - len(waveform), 0)
    padded = np.pad(np.asarray(waveform, dtype=np.float32), (ahead, behind))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, ends[0] - starts[0])
    return pieces[starts + ahead]


def window_mean(frames: ArrayLike, frame_rate_hz: float, windows: Windows) -> Floats:
    """Return the mean of a clip's frames over each window.

    Parameters
    ----------
    frames : array of shape (n_frames, n_features)
        Frame k holds from k / frame_rate_hz to (k + 1) / frame_rate_hz.
    frame_rate_hz : float
        Frames per second.
    windows : Windows
        A frame that lies partly in a window counts by that part. A causal window that
        begins before the clip is the mean of what it has of the clip.

    Returns
    -------
    means : float64 array of shape (n_windows, n_features)

    Raises
    ------
    InputError
        If frames are not finite, or cover less than one window.

    Examples
    --------
    >>> window_mean([[0.0], [1.0], [2.0], [3.0]], 1.0, Windows(2.0, 1.0)).ravel()
    array([0.5, 1.5, 2.5])
    """
    frames = as_matrix(frames, "frames").astype(np.float64)
    starts, ends = window_times(len(frames) / frame_rate_hz, windows)
    # The integral of a step function is linear between the frames' borders.
    integral = np.zeros((len(frames) + 1, frames.shape[1]))
    np.cumsum(frames, axis=0, out=integral[1:])
    low = np.clip(starts * frame_rate_hz, 0, len(frames))
    high = np.clip(ends * frame_rate_hz, 0, len(frames))
    return (_between(integral, high) - _between(integral, low)) / (high - low)[:, None]


def _between(integral: Floats, position: NDArray[np.floating]) -> Floats:
    """Return rows of `integral` at positions that may lie between two rows."""
    below = np.minimum(position.astype(np.int64), len(integral) - 2)
    part = (position - below)[:, None]
    return integral[below] * (1 - part) + integral[below + 1] * part


def _count(duration_s: float, windows: Windows) -> int:
    """Return the number of whole windows, or say that the clip holds none."""
    what = "step" if windows.causal else "window"
    needed_s = windows.step_s if windows.causal else windows.window_s
    spare_s = duration_s + SLACK * needed_s - needed_s
    if not spare_s >= 0:
        raise InputError(
            f"a clip of {duration_s:g} s is shorter than one {what} of {needed_s:g} s. "
            f"Shorten {what}_s, or leave the clip out."
        )
    return int(spare_s / windows.step_s) + 1
