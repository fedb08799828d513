"""Stacking: the mixture of the feature spaces' own models that predicts best.

Each feature space has its own model; a voxel's weights, not below 0 and with a sum of
1, mix their predictions. They are chosen on predictions of training samples that the
models had not seen.
"""

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix
from ..core.ridge.stacking import convex_weights
from ..core.stats import r2_parts, varies

MOST_SPACES = 6
N_VOXELS_BATCH = 4096


def stack_weights(Y_train: ArrayLike, held_out: ArrayLike) -> Floats:
    """Return the weights that mix held-out predictions with the least squared error.

    The weights minimise w' C w on the simplex, with C the mean products of the models'
    errors.

    Parameters
    ----------
    Y_train : array of shape (n_samples, n_voxels)
        Training responses.
    held_out : array of shape (n_models, n_samples, n_voxels)
        Each model's predictions of every sample, from folds without it.

    Returns
    -------
    weights : array of shape (n_models, n_voxels)
        Not below 0, with a sum of 1. NaN for a voxel that never varies.

    Raises
    ------
    InputError
        If the shapes do not fit together, there are more than 6 models, or a number
        is NaN or infinite.

    References
    ----------
    Breiman, L. (1996). Stacked regressions. Machine Learning 24. Lin, R., Naselaris,
    T., Kay, K. & Wehbe, L. (2024). Stacked regressions and structured variance
    partitioning for interpretable brain maps. NeuroImage 298.
    """
    Y, P = as_matrix(Y_train, "Y_train"), np.asarray(held_out)
    if P.ndim != 3 or P.shape[1:] != Y.shape or not 1 <= len(P) <= MOST_SPACES:
        raise InputError(
            f"held_out has shape {P.shape} and Y_train {Y.shape}, expected (n_models, "
            f"n_samples, n_voxels), with 1 to {MOST_SPACES} models, and (n_samples, "
            "n_voxels)."
        )
    for number, prediction in enumerate(P):
        as_matrix(prediction, f"held_out of model {number}")
    weights = np.full((len(P), Y.shape[1]), np.nan)
    used = np.flatnonzero(varies(Y))
    for start in range(0, len(used), N_VOXELS_BATCH):
        batch = used[start : start + N_VOXELS_BATCH]
        errors = Y[:, batch].astype(np.float64) - P[..., batch]
        C = np.einsum("ktv,ltv->klv", errors, errors) / len(Y)
        none = np.zeros_like(C[0])
        weights[:, batch] = convex_weights(C, none, none[0])[0]
    return weights


def stack(weights: ArrayLike, predictions: ArrayLike) -> Floats:
    """Return each model's part of the stack's prediction: its weight times its own.

    Parameters
    ----------
    weights : array of shape (n_models, n_voxels)
    predictions : array of shape (n_models, n_samples, n_voxels)
        Of the test samples.

    Returns
    -------
    parts : array of shape (n_models, n_samples, n_voxels)
        Their sum is the stack's prediction.
    """
    weights, predictions = np.asarray(weights), np.asarray(predictions)
    if weights.shape != predictions.shape[::2]:
        raise InputError(
            f"weights has shape {weights.shape} and predictions {predictions.shape}, "
            "expected (n_models, n_voxels) and (n_models, n_samples, n_voxels)."
        )
    return weights[:, None] * predictions


def stacked_r2(Y_test: ArrayLike, parts: ArrayLike) -> tuple[Floats, Floats]:
    """Return what each model adds to the stack's r2, and the stack's r2.

    The product measure, as for the joint model: the first sum to the second, but for
    what a wrong mean of the prediction costs.

    Returns
    -------
    r2_of_parts : array of shape (n_models, n_voxels)
    r2 : array of shape (n_voxels,)
    """
    Y, parts = np.asarray(Y_test), np.asarray(parts)
    shares, offset = r2_parts(Y, parts, np.zeros(Y.shape[1]))
    return shares, shares.sum(axis=0) + offset
