"""Column-wise statistics: correlation, R2, and their parts per band.

All take `(n_samples, n_voxels)` and return `(n_voxels,)`, computed in float64. A
voxel without variance has no score: it comes back as NaN, never as 0.
"""

import numpy as np
from numpy.typing import NDArray

from .checks import InputError

Floats = NDArray[np.floating]


def correlation(Y: Floats, Y_hat: Floats) -> Floats:
    """Return Pearson's r of each column of `Y` with the same column of `Y_hat`.

    Examples
    --------
    >>> Y = np.array([[1.0], [2.0], [4.0]])
    >>> correlation(Y, 3 * Y + 1).round(6)
    array([1.])
    """
    return correlation_parts(Y, Y_hat[None])[0]


def r2_score(Y: Floats, Y_hat: Floats) -> Floats:
    """Return the share of each column's variance around its mean that is predicted.

    1 - sum((Y - Y_hat)^2) / sum((Y - mean(Y))^2); below 0 where the mean would do
    better.

    Examples
    --------
    >>> Y = np.array([[1.0], [2.0], [3.0]])
    >>> r2_score(Y, np.full_like(Y, 2.0))
    array([0.])
    """
    _check_pair(Y, Y_hat)
    Y, Y_hat = np.asarray(Y, np.float64), np.asarray(Y_hat, np.float64)
    total = ((Y - Y.mean(axis=0)) ** 2).sum(axis=0)
    return 1 - _divide(((Y - Y_hat) ** 2).sum(axis=0), total, varies(Y))


def correlation_parts(Y: Floats, parts: Floats) -> Floats:
    """Return what each part of a prediction adds to its correlation with `Y`.

    The product measure: the parts' scores sum to the correlation of the summed
    prediction. Constant shifts of a part change nothing.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
    parts : array of shape (n_parts, n_samples, n_voxels)
        The parts whose sum is the prediction, such as one per band.

    Returns
    -------
    r_parts : array of shape (n_parts, n_voxels)

    References
    ----------
    Dupre la Tour, T., Eickenberg, M., Nunez-Elizalde, A. O. & Gallant, J. L. (2022).
    Feature-space selection with banded ridge regression. NeuroImage 264.
    """
    _check_pair(Y, parts[0])
    Y, parts = np.asarray(Y, np.float64), np.asarray(parts, np.float64)
    Y_centred = Y - Y.mean(axis=0)
    whole = parts.sum(axis=0)
    norm = np.sqrt((Y_centred**2).sum(axis=0))
    norm = norm * np.sqrt(((whole - whole.mean(axis=0)) ** 2).sum(axis=0))
    return _divide(
        np.einsum("psv,sv->pv", parts, Y_centred), norm, varies(Y) & varies(whole)
    )


def r2_parts(Y: Floats, parts: Floats, intercept: Floats) -> tuple[Floats, Floats]:
    """Return what each part of a prediction adds to its R2, and the offset's cost.

    With Y, the parts p_b and their sum p centred over these samples, part b adds
    sum(p_b * (2 Y - p)) / sum(Y^2). The mean of the prediction need not be the mean
    of Y; what that costs, -n (mean(Y) - mean(p))^2 / sum(Y^2), is the offset. Parts
    and offset together are the R2 of the prediction.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
    parts : array of shape (n_parts, n_samples, n_voxels)
    intercept : array of shape (n_voxels,)
        What is added to the parts' sum to make the prediction.

    Returns
    -------
    parts : array of shape (n_parts, n_voxels)
    offset : array of shape (n_voxels,)
        0 where the means agree, else negative.
    """
    _check_pair(Y, parts[0])
    Y, parts = np.asarray(Y, np.float64), np.asarray(parts, np.float64)
    Y_centred = Y - Y.mean(axis=0)
    parts_centred = parts - parts.mean(axis=1, keepdims=True)
    error = 2 * Y_centred - parts_centred.sum(axis=0)
    total = (Y_centred**2).sum(axis=0)
    gap = Y.mean(axis=0) - (parts.sum(axis=0).mean(axis=0) + intercept)
    shares = _divide(np.einsum("psv,sv->pv", parts_centred, error), total, varies(Y))
    return shares, _divide(-len(Y) * gap**2, total, varies(Y))


def varies(Y: Floats) -> NDArray[np.bool_]:
    """Return which columns hold more than one value.

    Asked of the values and not of their variance, which rounding can leave above 0
    in a constant column.
    """
    return (Y[:1] != Y).any(axis=0)


def _divide(top: Floats, bottom: Floats, where: NDArray[np.bool_]) -> Floats:
    out = np.full(np.broadcast(top, bottom).shape, np.nan)
    return np.divide(top, bottom, out=out, where=where & (bottom > 0))


def _check_pair(Y: Floats, Y_hat: Floats) -> None:
    if Y.shape != Y_hat.shape or Y.ndim != 2:
        raise InputError(
            f"Y has shape {Y.shape} and its prediction {Y_hat.shape}; both must be "
            "(n_samples, n_voxels) over the same samples and voxels."
        )
