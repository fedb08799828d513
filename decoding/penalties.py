"""Penalties by the correlation on held-out folds, and ridge at given penalties."""

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats
from ..core.ridge.search import splits_of
from ..core.stats import correlation, varies
from .folded import FoldedRidge, first_best, informative


def choose_by_r(
    X: Floats, T: Floats, folds: NDArray, alphas: tuple[float, ...]
) -> Floats:
    """Return each dimension's penalty with the largest mean correlation over folds.

    The squared error of a weakly decodable dimension is least near a constant
    prediction, whatever the correlation there; everything that decoding is scored by
    is a correlation, which has no scale.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
        Standardised responses.
    T : array of shape (n_samples, n_dimensions)
        Each dimension varies in each fold.
    folds : array of int, shape (n_samples,)
    alphas : tuple of float

    Returns
    -------
    chosen : array of shape (n_dimensions,)
        Of equal correlations (to 1e-9), that of the smallest penalty: all penalties of
        a single column are equal. A fold in which all columns are constant tells
        nothing.
    """
    if FoldedRidge.suits(X.shape, T.shape[1], folds):
        return FoldedRidge(X, T, folds).choose_by_r(np.asarray(alphas))
    tried = np.sort(np.asarray(alphas, dtype=np.float64))
    total = np.zeros((len(tried), T.shape[1]))
    for train, held in splits_of(folds):
        if not varies(X[held]).any():
            continue
        spectrum = Spectrum(X[train], T[train])
        for number, alpha in enumerate(tried):
            weights, _ = spectrum.ridge(np.full(T.shape[1], alpha))
            total[number] += informative(correlation(T[held], X[held] @ weights))
    return first_best(tried, total)


def ridge_at(X: Floats, T: Floats, alphas: Floats) -> tuple[Floats, Floats]:
    """Return weights (n_columns, n_dimensions) and intercepts at given penalties."""
    return Spectrum(X, T).ridge(alphas)


class Spectrum:
    """Eigenvectors of centred rows, of columns or of samples where they are fewer."""

    def __init__(self, X: Floats, T: Floats) -> None:
        self.X_mean, self.T_mean = X.mean(axis=0), T.mean(axis=0)
        X, T = X - self.X_mean, T - self.T_mean
        self.is_wide = X.shape[1] > X.shape[0]
        values, self.vectors = np.linalg.eigh(X @ X.T if self.is_wide else X.T @ X)
        # Rounding leaves eigenvalues of a singular matrix a little below 0.
        self.values = np.maximum(values, 0)[:, None]
        self.turned = self.vectors.T @ (T if self.is_wide else X.T @ T)
        self.X = X

    def ridge(self, alphas: Floats) -> tuple[Floats, Floats]:
        """Return weights and intercepts, as `ridge_at`."""
        weights = self.vectors @ (self.turned / (self.values + alphas))
        if self.is_wide:
            weights = self.X.T @ weights
        return weights, self.T_mean - self.X_mean @ weights
