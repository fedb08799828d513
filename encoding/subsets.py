"""Models of subsets of the feature spaces, and predictions of held-out training runs.

What a partition of variance and a stack need beside the models of `evaluate`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix
from ..core.ridge.banded import RidgeFit, fit_banded_ridge
from ..core.types import Band
from .evaluate import RidgeSettings

Subset = tuple[str, ...]


def predict_subsets(
    X_train: ArrayLike,
    Y_train: ArrayLike,
    X_test: ArrayLike,
    *,
    bands: Sequence[Band],
    subsets: Sequence[Subset],
    folds: ArrayLike,
    settings: RidgeSettings,
    advance: Callable[[int], object] | None = None,
) -> dict[Subset, Floats]:
    """Fit a joint model of each subset of bands, and predict the test runs.

    Parameters
    ----------
    X_train : array of shape (n_train, n_columns)
    Y_train : array of shape (n_train, n_voxels)
    X_test : array of shape (n_test, n_columns)
    bands : sequence of Band
        In the order of the columns.
    subsets : sequence of tuple of str
        Names of the bands of each model, such as `analysis.partition.subsets_of` gives.
    folds : array of int, shape (n_train,)
    settings : RidgeSettings
    advance : callable, optional
        Called with the number of voxels done; n_voxels for each subset in all.

    Returns
    -------
    predictions : dict of subset to array of shape (n_test, n_voxels)
        With the intercept.

    Raises
    ------
    InputError
        If a subset names no band, or one that is not there.
    """
    X_train, X_test = as_matrix(X_train, "X_train"), as_matrix(X_test, "X_test")
    out = {}
    for subset in subsets:
        columns, widths = _columns(bands, subset)
        fit = fit_banded_ridge(
            X_train[:, columns],
            Y_train,
            widths=widths,
            folds=folds,
            search=settings.search(len(widths)),
            advance=advance,
        )
        out[subset] = _predict(X_test[:, columns], fit)
    return out


def predict_held_out(
    X_train: ArrayLike,
    Y_train: ArrayLike,
    *,
    bands: Sequence[Band],
    folds: ArrayLike,
    settings: RidgeSettings,
    advance: Callable[[int], object] | None = None,
) -> Floats:
    """Predict each training fold by each band's own model, fitted on the other folds.

    The penalty, too, is chosen on the other folds alone, so at least three are needed.
    The test runs are not asked for.

    Parameters
    ----------
    X_train : array of shape (n_train, n_columns)
    Y_train : array of shape (n_train, n_voxels)
    bands : sequence of Band
    folds : array of int, shape (n_train,)
    settings : RidgeSettings
    advance : callable, optional
        Called with the number of voxels done; n_voxels * n_bands * n_folds in all.

    Returns
    -------
    predictions : array of shape (n_bands, n_train, n_voxels)

    Raises
    ------
    InputError
        If there are fewer than three folds, or a voxel never varies outside of one.
    """
    X, Y = as_matrix(X_train, "X_train"), as_matrix(Y_train, "Y_train")
    folds = np.asarray(folds)
    names = np.unique(folds)
    if len(names) < 3:
        raise InputError(
            f"{len(names)} folds: predicting one by a penalty chosen on the others "
            "takes at least 3. Set encoding.folds to 3 or more."
        )
    out = np.empty((len(bands), *Y.shape), np.result_type(X, Y))
    for place, band in enumerate(bands):
        columns, widths = _columns(bands, (band.name,))
        for fold in names:
            inside = folds == fold
            fit = fit_banded_ridge(
                X[~inside][:, columns],
                Y[~inside],
                widths=widths,
                folds=folds[~inside],
                search=settings.search(1),
                advance=advance,
            )
            out[place, inside] = _predict(X[inside][:, columns], fit)
    return out


def _columns(
    bands: Sequence[Band], subset: Subset
) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], list[int]]:
    """Return the columns of the named bands, and how many each has."""
    edges = np.cumsum([0, *(band.n_columns for band in bands)])
    place = {band.name: number for number, band in enumerate(bands)}
    unknown = [name for name in subset if name not in place]
    if unknown or not subset or len(set(subset)) < len(subset):
        raise InputError(
            f"the subset ({', '.join(subset)}) must name some of the bands, each once: "
            f"{', '.join(place)}."
        )
    pieces = [np.arange(edges[place[n]], edges[place[n] + 1]) for n in subset]
    return np.concatenate(pieces), [len(piece) for piece in pieces]


def _predict(X: Floats, fit: RidgeFit) -> Floats:
    return X @ fit.weights + fit.intercept
