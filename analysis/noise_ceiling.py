"""How much of each voxel's response a perfect model could explain."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError

N_VOXELS_BATCH = 2048


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
        If `responses` is not 3D, has fewer than two repeats, or is infinite.

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
    responses = _check(responses)
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

    Raises
    ------
    InputError
        If fewer than one repeat was averaged.

    Examples
    --------
    >>> largest_r(np.array([0.5, 1.0, -0.1]), n_repeats=1).round(3)
    array([0.707, 1.   ,   nan])
    """
    if n_repeats < 1:
        raise InputError(
            f"n_repeats is {n_repeats}: what was scored is the mean of 1 repeat or "
            "more."
        )
    share = np.asarray(share, dtype=np.float64)
    known = np.where(share >= 0, share, np.nan)
    return np.sqrt(n_repeats * known / (1 + (n_repeats - 1) * known))


def normalise_scores(r: ArrayLike, ceiling: ArrayLike) -> Floats:
    """Return scores as shares of the largest that a model can reach.

    To be shown beside the raw scores, never instead: where the ceiling is low, its
    error makes these wide. Not clipped: above 1 where a score exceeds its ceiling.

    Parameters
    ----------
    r : array of shape (n_voxels,)
    ceiling : array of shape (n_voxels,)
        As from `largest_r`, for the same mean of repeats that r was scored on.

    Returns
    -------
    share : array of shape (n_voxels,)
        NaN where the ceiling is NaN or 0.

    Examples
    --------
    >>> normalise_scores([0.3, 0.3], [0.6, np.nan])
    array([0.5, nan])
    """
    r, ceiling = np.asarray(r, np.float64), np.asarray(ceiling, np.float64)
    if r.shape != ceiling.shape:
        raise InputError(
            f"r has shape {r.shape} and ceiling {ceiling.shape}. Give the ceiling of "
            "each score."
        )
    out = np.full(r.shape, np.nan)
    return np.divide(r, ceiling, out=out, where=ceiling > 0)


def jackknife_explainable_variance(
    responses: NDArray[np.floating], blocks: ArrayLike
) -> Floats:
    """Return the explainable variance without each block in turn.

    Parameters
    ----------
    responses : array of shape (n_repeats, n_samples, n_voxels)
        As for `explainable_variance`.
    blocks : array of int, shape (n_samples,)
        Block of each sample, numbered from 0: a clip, since neighbouring samples are
        alike and say less than their number.

    Returns
    -------
    shares : array of shape (n_blocks, n_voxels)
        Give them, or their mean over a ROI's voxels, to `jackknife_error`. NaN where a
        voxel never varies in what is left.

    Raises
    ------
    InputError
        If the shapes do not fit together, or there are fewer than 3 blocks.

    References
    ----------
    Efron, B. & Stein, C. (1981). The jackknife estimate of variance. Annals of
    Statistics 9.
    """
    responses, blocks = _check(responses), np.asarray(blocks)
    n_samples, n_voxels = responses.shape[1:]
    sizes = np.bincount(blocks) if blocks.shape == (n_samples,) else np.zeros(1)
    if len(sizes) < 3 or (sizes == 0).any():
        raise InputError(
            f"blocks has shape {blocks.shape} for {n_samples} samples. Number at least "
            "3 blocks from 0 without gaps; use block_of_row or block_of_clip."
        )
    order = np.argsort(blocks, kind="stable")
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    shares = np.full((len(sizes), n_voxels), np.nan)
    for start in range(0, n_voxels, N_VOXELS_BATCH):
        batch = slice(start, start + N_VOXELS_BATCH)
        Y = responses[:, order, batch].astype(np.float64)
        Y -= Y.mean(axis=1, keepdims=True)
        shares[:, batch] = _without_each(Y, starts, n_samples - sizes)
    return shares


def jackknife_error(left_out: ArrayLike) -> Floats:
    """Return the standard error from values that leave out one block each.

    sqrt((n - 1) / n sum((value - mean)^2)) over the n blocks.

    Parameters
    ----------
    left_out : array of shape (n_blocks, ...)

    Returns
    -------
    standard_error : array of shape (...)

    Raises
    ------
    InputError
        If there are fewer than two values.

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 4.0, 7.0])
    >>> means = (x.sum() - x) / 3
    >>> np.isclose(jackknife_error(means), x.std(ddof=1) / 2)
    np.True_
    """
    left_out = np.asarray(left_out, np.float64)
    n = len(left_out) if left_out.ndim else 0
    if n < 2:
        raise InputError(
            f"left_out has shape {left_out.shape}: an error needs 2 blocks or more, "
            "each left out in turn. Use shorter blocks, or more test data."
        )
    return np.sqrt((n - 1) * left_out.var(axis=0))


def _without_each(Y: Floats, starts: NDArray, n_left: NDArray) -> Floats:
    """Return the explainable variance without each block; blocks begin at `starts`."""
    n_repeats = len(Y)

    def left(values: Floats) -> Floats:
        sums = np.add.reduceat(values, starts, axis=-2)
        return sums.sum(axis=-2, keepdims=True) - sums

    n = n_left[:, None]
    mean = Y.mean(axis=0)
    total = left((Y**2).sum(axis=0)) - (left(Y) ** 2).sum(axis=0) / n
    of_mean = left(mean**2) - left(mean) ** 2 / n
    signal = (n_repeats**2 * of_mean - total) / (n_repeats - 1)
    # What rounding leaves of a constant is not a variance.
    alive = total > 1e-12 * (Y**2).sum(axis=(0, 1))
    return np.divide(signal, total, out=np.full_like(total, np.nan), where=alive)


def _check(responses: NDArray[np.floating]) -> NDArray[np.floating]:
    responses = np.asarray(responses)
    if responses.ndim != 3 or len(responses) < 2:
        raise InputError(
            "explainable_variance needs responses of shape (n_repeats >= 2, n_samples, "
            f"n_voxels), got {responses.shape}. Stack the repeats on the first axis, "
            "before averaging them."
        )
    if np.isinf(responses).any():
        n_bad = int(np.isinf(responses).any(axis=(0, 1)).sum())
        raise InputError(
            f"responses are infinite in {n_bad} of {responses.shape[2]} voxels. Mask "
            "those out first."
        )
    return responses
