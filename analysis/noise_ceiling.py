"""How much of each voxel's response a perfect model could explain."""

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError


def explainable_variance(responses: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the share of each voxel's variance that repeats have in common.

    A response is read as a signal, the same in every repeat of the stimulus, plus a
    noise that is independent between repeats. The signal's variance is then the mean
    covariance between two different repeats. Whatever else repeats share, such as a
    slow drift at the same place of every run, counts as signal.

    Parameters
    ----------
    responses : array of shape (n_repeats, n_samples, n_voxels)
        Responses to one stimulus, aligned sample by sample (TR by TR). Any unit.

    Returns
    -------
    share : array of shape (n_voxels,)
        1 where the repeats are identical and 0 on average where they share nothing.
        Not clipped: a voxel of noise alone falls below 0 as well as above, and
        clipping would lift every mean over voxels. NaN where a voxel never varies.

    Raises
    ------
    InputError
        If `responses` is not 3D, or has fewer than two repeats.

    References
    ----------
    Sahani, M. & Linden, J. F. (2003). How linear are auditory cortical responses?
    Advances in Neural Information Processing Systems 15.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((300, 1))
    >>> explainable_variance(np.stack([signal, signal])).round(3)
    array([1.])
    """
    responses = np.asarray(responses)
    if responses.ndim != 3 or len(responses) < 2:
        raise InputError(
            "explainable_variance needs responses of shape (n_repeats >= 2, n_samples, "
            f"n_voxels), got {responses.shape}. Stack the repeats on the first axis, "
            "before averaging them."
        )
    # The values are asked, not their variance, which rounding can leave above 0.
    varies = (responses != responses[:, :1]).any(axis=(0, 1))
    n_repeats = len(responses)
    centred = responses - responses.mean(axis=1, keepdims=True, dtype=np.float64)
    total = (centred**2).mean(axis=(0, 1))
    of_mean = (centred.mean(axis=0) ** 2).mean(axis=0)
    signal = (n_repeats * of_mean - total) / (n_repeats - 1)
    return np.divide(signal, total, out=np.full_like(total, np.nan), where=varies)


def largest_r(share: NDArray[np.floating], n_repeats: int) -> NDArray[np.floating]:
    """Return the largest correlation that a model can reach with a mean of repeats.

    sqrt(n EV / (1 + (n - 1) EV)), with EV the explainable variance of one repeat and
    n the number of repeats that were averaged.

    Parameters
    ----------
    share : array of shape (n_voxels,)
        Explainable variance of single repeats.
    n_repeats : int
        How many were averaged into what is scored; 1 for single repeats.

    Returns
    -------
    r : array of shape (n_voxels,)
        NaN where `share` is below 0: no ceiling can be told there.

    Examples
    --------
    >>> largest_r(np.array([0.5, 1.0, -0.1]), n_repeats=1).round(3)
    array([0.707, 1.   ,   nan])
    """
    share = np.asarray(share, dtype=np.float64)
    known = np.where(share >= 0, share, np.nan)
    return np.sqrt(n_repeats * known / (1 + (n_repeats - 1) * known))
