"""Stacking: one ridge per band, and how much of each goes into a voxel's prediction.

A cheap second opinion beside the joint model: the bands' models are fitted alone, and
their held-out predictions mixed with weights of at least 0 that add up to 1.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from himalaya.backend import get_backend
from numpy.typing import NDArray

from ..checks import InputError
from .responses import Turned

Floats = NDArray[np.float64]

MAX_BANDS = 10


def stack(
    turned: Sequence[Turned], alphas: Sequence[NDArray[np.floating]]
) -> tuple[Floats, Floats]:
    """Return the mixture of bands that predicts the held-out folds best.

    Parameters
    ----------
    turned : sequence of Turned
        The same responses on the eigenvectors of each band alone.
    alphas : sequence of arrays of shape (n_voxels,)
        The penalty of each band and voxel.

    Returns
    -------
    shares : array of shape (n_bands, n_voxels)
        At least 0; each voxel's add up to 1.
    loss : array of shape (n_voxels,)
        Of the mixture: the squared error's mean over the samples of a fold, then over
        folds. Its shares were chosen on the same folds.

    Raises
    ------
    InputError
        If there are more than 10 bands.

    References
    ----------
    Breiman, L. (1996). Stacked regressions. Machine Learning 24, 49-64.
    """
    if len(turned) > MAX_BANDS:
        raise InputError(
            f"stacking mixes at most {MAX_BANDS} bands, got {len(turned)}. Leave it "
            "off, or join feature spaces."
        )
    responses = turned[0].responses
    n_bands, n_voxels = len(turned), responses.n_voxels
    products = np.zeros((n_bands, n_bands, n_voxels))
    with_Y = np.zeros((n_bands, n_voxels))
    for fold, rows in enumerate(responses.design.held):
        share = 1 / ((rows.stop - rows.start) * len(responses.design.held))
        Y = responses.rows(rows) - responses.means[fold]
        parts = [one.predict(fold, a) for one, a in zip(turned, alphas, strict=True)]
        for one in range(n_bands):
            with_Y[one] += share * _dot(parts[one], Y)
            for other in range(one + 1):
                product = share * _dot(parts[one], parts[other])
                products[one, other] += product
                if other < one:
                    products[other, one] += product
    return convex_weights(products, with_Y, responses.null)


def convex_weights(
    products: Floats, with_Y: Floats, null: Floats
) -> tuple[Floats, Floats]:
    """Return weights on the simplex that make null - 2 w'q + w'Pw smallest.

    Each set of bands is solved under the sum alone, and the best solution without a
    negative weight is kept: exact, for few bands.

    Parameters
    ----------
    products : array of shape (n_bands, n_bands, n_voxels)
        P of each voxel.
    with_Y : array of shape (n_bands, n_voxels)
        q of each voxel.
    null : array of shape (n_voxels,)

    Returns
    -------
    weights : array of shape (n_bands, n_voxels)
    value : array of shape (n_voxels,)
        What was made smallest.

    Examples
    --------
    >>> P, q = np.eye(2)[:, :, None], np.array([[0.5], [0.3]])
    >>> weights, _ = convex_weights(P, q, np.ones(1))
    >>> weights.ravel()
    array([0.6, 0.4])
    """
    n_bands, n_voxels = with_Y.shape
    weights = np.zeros((n_bands, n_voxels))
    lowest = np.full(n_voxels, np.inf)
    for size in range(1, n_bands + 1):
        for chosen in combinations(range(n_bands), size):
            found = _on_the_plane(products, with_Y, chosen)
            fits = np.einsum(
                "bv,bcv,cv->v", found, products[np.ix_(chosen, chosen)], found
            )
            value = null - 2 * (found * with_Y[list(chosen)]).sum(axis=0) + fits
            better = (found >= 0).all(axis=0) & (value < lowest)
            lowest[better] = value[better]
            weights[:, better] = 0
            weights[np.ix_(chosen, better)] = found[:, better]
    return weights, lowest


def _on_the_plane(products: Floats, with_Y: Floats, chosen: tuple[int, ...]) -> Floats:
    """Return the best weights of these bands that add up to 1, of any sign."""
    size, n_voxels = len(chosen), with_Y.shape[1]
    if size == 1:
        return np.ones((1, n_voxels))
    system = np.zeros((n_voxels, size + 1, size + 1))
    system[:, :size, :size] = products[np.ix_(chosen, chosen)].transpose(2, 0, 1)
    scale = np.trace(system, axis1=1, axis2=2)[:, None] / size
    unit = np.where(scale > 0, scale, 1)
    system[:, :size, size] = system[:, size, :size] = unit
    right = np.concatenate([with_Y[list(chosen)].T, unit], axis=1)
    # Predictions that never vary, or are alike, have many answers: take the smallest.
    return (np.linalg.pinv(system, hermitian=True) @ right[:, :, None])[:, :size, 0].T


def _dot(one: Any, other: Any) -> Floats:
    product = (one * other).sum(0)
    return np.asarray(get_backend().to_numpy(product), dtype=np.float64)
