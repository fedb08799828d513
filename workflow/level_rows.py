"""Rows and clips of one value in all dimensions: they correlate with nothing.

Nothing is on in an event space, or sound is silent. The design holds such a row
standardised and rounded, so it comes back as noise of the size of the rounding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..decoding.rows import average_windows

Floats = NDArray[np.floating]
SPREAD = 8  # roundings: of the design, of repeats, and of what it was made from
SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Which rows of one side have a target that is level.

    Parameters
    ----------
    rows : array of bool, shape (n_rows,)
        Rows that have one value in all dimensions.
    clips : tuple of str
        Clips whose mean over rows has.
    """

    rows: NDArray[np.bool_]
    clips: tuple[str, ...]

    def apart(self, labels: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Return which rows are of clips that can be told apart."""
        return ~np.isin(labels, self.clips)


def find_level(T: Floats, rounding: Floats, labels: NDArray[np.str_]) -> Level:
    """Return which rows and clips have one value in all dimensions, but for rounding.

    Parameters
    ----------
    T : array of shape (n_rows, n_dimensions)
        A target, in its own units.
    rounding : array of shape (n_rows, n_dimensions)
        By how much a value may have been changed by rounding.
    labels : array of str, shape (n_rows,)
        The clip of each row.
    """
    most = SPREAD * rounding.max(axis=1, keepdims=True)
    means, clips = average_windows(T, labels)
    most_of_clip, _ = average_windows(most, labels)
    level = np.ptp(means, axis=1) <= most_of_clip[:, 0]
    return Level(np.ptp(T, axis=1) <= most[:, 0], tuple(clips[level].tolist()))


def level_notes(level: Level, labels: NDArray[np.str_]) -> list[str]:
    """Return what is not identified since its target is level."""
    notes, n_clips = [], len(np.unique(labels))
    if level.clips:
        some = ", ".join(level.clips[:SHOWN])
        more = ", ..." if len(level.clips) > SHOWN else ""
        notes.append(
            f"{len(level.clips)} of {n_clips} test clips have the same value in all "
            "dimensions that are decoded (nothing is on, or sound is silent), which "
            f"correlates with nothing. They are not identified: {some}{more}."
        )
    others = level.apart(labels)
    n_rows = int((level.rows & others).sum())
    if n_rows:
        notes.append(
            f"{n_rows} of {int(others.sum())} test rows of clips that are identified "
            "have the same value in all dimensions that are decoded. They are not "
            "identified as windows, and have their part in the mean of their clip."
        )
    return notes
