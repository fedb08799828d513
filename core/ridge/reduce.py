"""Fewer rows that say the same: what a ridge search needs of each fold.

A fold's training rows enter ridge only through X'X and X'Y, and its validation rows
only through sums of squares. A QR decomposition keeps both in at most as many rows as
X has columns, so a search over many penalties need not carry all samples along. The
losses are the same, up to rounding.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class ReducedRows:
    """Rows of all folds, one below the other, and which are whose.

    Parameters
    ----------
    X : array of shape (n_rows, n_columns)
    Y : array of shape (n_rows, n_voxels)
    splits : list of (training rows, validation rows)
        One pair per fold. Both are centred on the means of the fold's training
        samples, so that no intercept is needed.
    """

    X: Floats
    Y: Floats
    splits: list[tuple[NDArray[np.intp], NDArray[np.intp]]]


def reduce_folds(X: Floats, Y: Floats, folds: NDArray) -> ReducedRows:
    """Return rows whose ridge fits and mean squared losses are those of the folds.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
    Y : array of shape (n_samples, n_voxels)
    folds : array of shape (n_samples,)
        Fold of each sample; each fold is held out once.
    """
    Xs, Ys, splits, n_rows = [], [], [], 0
    for fold in np.unique(folds):
        train, held = folds != fold, folds == fold
        X_mean, Y_mean = _mean(X[train]), _mean(Y[train])
        pieces = (
            reduce_training(X[train] - X_mean, Y[train] - Y_mean),
            reduce_validation(X[held] - X_mean, Y[held] - Y_mean),
        )
        rows = []
        for X_piece, Y_piece in pieces:
            rows.append(np.arange(n_rows, n_rows + len(X_piece)))
            n_rows += len(X_piece)
            Xs.append(X_piece)
            Ys.append(Y_piece)
        splits.append((rows[0], rows[1]))
    return ReducedRows(np.concatenate(Xs), np.concatenate(Ys), splits)


def reduce_training(X: Floats, Y: Floats) -> tuple[Floats, Floats]:
    """Return at most n_columns rows with the same X'X and X'Y."""
    if len(X) <= X.shape[1]:
        return X, Y
    Q, R = np.linalg.qr(X)
    return R, Q.T @ Y


def reduce_validation(X: Floats, Y: Floats) -> tuple[Floats, Floats]:
    """Return at most n_columns + 1 rows with the same mean squared loss.

    The last row holds, for each voxel, what no weights could explain.
    """
    n_samples, n_columns = X.shape
    if n_samples <= n_columns + 1:
        return X, Y
    Q, R = np.linalg.qr(X)
    Y_within = Q.T @ Y
    rest = np.sqrt(((Y - Q @ Y_within) ** 2).sum(axis=0, keepdims=True))
    share = np.sqrt((n_columns + 1) / n_samples).astype(X.dtype)
    X_rows = np.concatenate([R, np.zeros_like(R[:1])])
    return X_rows * share, np.concatenate([Y_within, rest]) * share


def _mean(array: Floats) -> Floats:
    return array.mean(axis=0, dtype=np.float64).astype(array.dtype)
