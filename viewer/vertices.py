"""What can be asked of one vertex: the course of its weights, and its clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.types import Band
from ..features.design import split_delays

Floats = NDArray[np.floating]
N_CLIPS = 3  # strongest, and as many weakest


def delay_norms(weights: Floats, band: Band) -> Floats:
    """Return the Euclidean norm of a band's weights at each delay.

    Parameters
    ----------
    weights : array of shape (n_delays * n_features, n_voxels)
        Rows of one band, in the order of the design.
    band : Band

    Returns
    -------
    norms : array of shape (n_delays, n_voxels)
    """
    split = split_delays(np.asarray(weights, dtype=np.float64), band)
    return np.sqrt((split**2).sum(axis=1))


@dataclass(frozen=True, eq=False)
class Extremes:
    """The clips that a model predicts strongest and weakest, in each voxel.

    Parameters
    ----------
    which : array of int, shape (n_shown, n_voxels)
        Places in the list of clips: strongest first, then weakest first. 0 in voxels
        without a prediction.
    values : array of shape (n_shown, n_voxels)
        The mean prediction over the rows of that clip; NaN in voxels without one.
    """

    which: NDArray[np.integer]
    values: Floats


def clip_names(clips: Sequence[str]) -> list[str]:
    """Return each clip once, in the order of its first row; '' is no clip."""
    return [name for name in dict.fromkeys(clips) if name]


def extreme_clips(
    predictions: Floats, clips: Sequence[str], *, n: int = N_CLIPS
) -> Extremes:
    """Find the clips of the largest and of the smallest mean prediction.

    Parameters
    ----------
    predictions : array of shape (n_samples, n_voxels)
        Of the test rows, all presentations of a clip among them.
    clips : sequence of str
        Clip of each row; rows of '' count for none.
    n : int
        How many of each kind; fewer where there are fewer than twice as many clips,
        so that none is both.
    """
    names, rows = clip_names(clips), np.asarray(clips, dtype=object)
    means = np.stack(
        [
            np.asarray(predictions[rows == name], np.float64).mean(axis=0)
            for name in names
        ]
    )
    n = min(n, len(names) // 2)
    order = np.argsort(means, axis=0, kind="stable")
    which = np.concatenate([order[::-1][:n], order[:n]])
    values = np.take_along_axis(means, which, axis=0)
    none = ~np.isfinite(means).all(axis=0)
    which[:, none], values[:, none] = 0, np.nan
    return Extremes(which, values)
