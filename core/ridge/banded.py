"""Banded ridge: one penalty per band and voxel, chosen on held-out folds.

Here stand the checks, the choice of the cheaper of two forms, the scale and the
intercept; the search over candidates and penalties is in `search.py`.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import as_matrix, check_choice
from ..device import use_backend
from ..stats import varies
from .checks import check_data, check_search
from .fold_gram import open_fold_gram
from .search import Form, Search, solve_kernel, solve_primal, splits_of
from .searched import Model
from .stream import chunks

Floats = NDArray[np.floating]

FORMS = ("auto", "primal", "kernel")
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-1, 7, 9))


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """Weights for each voxel, and the penalties that its held-out folds chose.

    Parameters
    ----------
    weights : array of shape (n_columns, n_voxels)
        In units of Y per unit of X.
    intercept : array of shape (n_voxels,)
    band_weights : array of shape (n_bands, n_voxels)
        The chosen candidate; each voxel's weights add up to 1.
    alphas : array of shape (n_voxels,)
        The chosen penalty.
    cv_scores : array of shape (n_voxels,)
        1 - loss / loss of the training mean, where each loss is the squared error's
        mean over the samples of a fold, then over folds. The best of all that was
        tried, hence above 0 a little for noise. NaN for a constant voxel.
    form : 'primal' or 'kernel'
        That of all bands together.
    at_low_end, at_high_end : array of bool, shape (n_voxels,)
        Whether the smallest or the largest penalty was chosen. Both are False if
        only one was given.
    counts : dict of str to int
        Voxels by what became of them, as `Searched.counts` names it: how many went
        on after the first candidates, for how many the grid of penalties was widened,
        and how many were masked because they hold nothing to fit. Empty for
        'himalaya'.
    """

    weights: Floats
    intercept: Floats
    band_weights: Floats
    alphas: Floats
    cv_scores: Floats
    form: str
    at_low_end: NDArray[np.bool_]
    at_high_end: NDArray[np.bool_]
    counts: dict[str, int] = field(default_factory=dict)


def fit_banded_ridge(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    widths: Sequence[int],
    folds: ArrayLike,
    search: Search,
    advance: Callable[[int], object] | None = None,
) -> RidgeFit:
    """Fit a linear model with one penalty per band and voxel, and an intercept.

    Each voxel takes the candidate and the penalty with the smallest squared error on
    held-out folds, and is then fitted to all samples. One band is plain ridge.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
        Design, delays already applied. float32 stays float32, if Y is so too.
    Y : array of shape (n_samples, n_voxels)
        Responses. Their unit does not matter to the choice.
    widths : sequence of int
        Number of columns of each band, in order.
    folds : array of int, shape (n_samples,)
        Fold of each sample: groups of whole runs.
    search : Search
        The penalties and candidates.
    advance : callable, optional
        Called after each batch with the number of voxels that it held.

    Returns
    -------
    fit : RidgeFit

    Raises
    ------
    InputError
        If the shapes do not fit together, there are fewer than two folds, or a
        penalty or candidate is not one.

    References
    ----------
    Dupre la Tour, T., Eickenberg, M., Nunez-Elizalde, A. O. & Gallant, J. L. (2022).
    Feature-space selection with banded ridge regression. NeuroImage 264.
    """
    X, Y, folds = as_matrix(X, "X"), as_matrix(Y, "Y"), np.asarray(folds)
    check_data(X.shape, Y.shape, folds, widths)
    dtype = np.result_type(X, Y)
    X, Y = X.astype(dtype, copy=False), Y.astype(dtype, copy=False)
    search = check_search(search, len(widths), dtype)
    form = choose_form(search.form, *X.shape)
    if search.solver == "fold-gram":
        return _fit_fold_gram(X, Y, widths, folds, search, advance)
    return _fit_batches(X, Y, widths, folds, replace(search, form=form), advance)


def choose_form(form: Form, n_samples: int, n_columns: int) -> Form:
    """Return 'primal' or 'kernel': as asked, or the smaller system for 'auto'."""
    check_choice(form, "form", FORMS)
    if form != "auto":
        return form
    return "primal" if n_columns <= n_samples else "kernel"


def _fit_fold_gram(
    X: Floats,
    Y: Floats,
    widths: Sequence[int],
    folds: NDArray,
    search: Search,
    advance: Callable[[int], object] | None,
) -> RidgeFit:
    dtype = np.dtype(Y.dtype).name
    models, counts = [], Counter[str]()
    # What does not fit into memory is made once, too, and not again for each batch.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        engine = open_fold_gram(
            X,
            widths=widths,
            folds=folds,
            search=search,
            dtype=dtype,
            folder=Path(folder),
        )
        engine.factors.share = False
        size = search.n_voxels_batch
        engine.sample(Y, search.levers.n_sampled, seed=0, n_voxels_batch=size)
        for part in chunks(Y.shape[1], size):
            fitted = engine.fit(Y[:, part])
            models.append(fitted.model())
            counts.update(fitted.counts)
            if advance is not None:
                advance(part.stop - part.start)
    joined = {
        name: np.concatenate([getattr(model, name) for model in models], axis=-1)
        for name in Model.__dataclass_fields__
    }
    return RidgeFit(
        weights=joined["weights"],
        intercept=joined["intercept"],
        band_weights=joined["band_weights"].astype(dtype),
        alphas=joined["alphas"],
        cv_scores=joined["cv_scores"],
        form=engine.form_of(np.ones(len(widths))),
        at_low_end=joined["at_low"],
        at_high_end=joined["at_high"],
        counts=dict(counts),
    )


def _fit_batches(
    X: Floats,
    Y: Floats,
    widths: Sequence[int],
    folds: NDArray,
    search: Search,
    advance: Callable[[int], object] | None,
) -> RidgeFit:
    X_mean, Y_mean, scale = _mean(X), _mean(Y), _scale(Y)
    X = X - X_mean
    solve = solve_primal if search.form == "primal" else solve_kernel
    n_voxels = Y.shape[1]
    weights = np.empty((X.shape[1], n_voxels), Y.dtype)
    band_weights = np.empty((len(widths), n_voxels), Y.dtype)
    alphas, scores = np.empty(n_voxels), np.empty(n_voxels)
    with use_backend("numpy"):
        for batch in _batches(n_voxels, search):
            Y_batch = Y[:, batch] - Y_mean[batch]
            Y_batch /= scale[batch]
            found = solve(X, Y_batch, widths, folds, search)
            np.multiply(found.weights, scale[batch], out=weights[:, batch])
            band_weights[:, batch], alphas[batch] = found.band_weights, found.alphas
            scores[batch] = _against_mean(found.loss, Y_batch, folds)
            if advance is not None:
                advance(Y_batch.shape[1])
    searched = len(set(search.alphas)) > 1
    return RidgeFit(
        weights=weights,
        intercept=Y_mean - X_mean @ weights,
        band_weights=band_weights,
        alphas=alphas,
        cv_scores=scores,
        form=search.form,
        at_low_end=(alphas == min(search.alphas)) & searched,
        at_high_end=(alphas == max(search.alphas)) & searched,
    )


def _against_mean(loss: Floats, Y: Floats, folds: NDArray) -> Floats:
    """Return 1 - loss / loss of predicting each fold by its training mean."""
    of_mean = np.zeros(Y.shape[1])
    splits = splits_of(folds)
    for train, held in splits:
        mean = Y[train].mean(axis=0, dtype=np.float64)
        of_mean += ((Y[held] - mean) ** 2).mean(axis=0) / len(splits)
    ratio = np.full(len(of_mean), np.nan)
    return 1 - np.divide(loss, of_mean, out=ratio, where=varies(Y) & (of_mean > 0))


def _scale(Y: Floats) -> Floats:
    """Return each column's standard deviation, or 1 where it is constant.

    The search compares losses to within the rounding of 1, so Y is put on that scale.
    """
    sd = Y.std(axis=0, dtype=np.float64)
    return np.where(varies(Y) & (sd > 0), sd, 1).astype(Y.dtype)


def _mean(array: Floats) -> Floats:
    return array.mean(axis=0, dtype=np.float64).astype(array.dtype)


def _batches(n_voxels: int, search: Search) -> list[slice]:
    size = search.n_voxels_batch
    if size is None or search.form == "kernel":  # himalaya cuts those batches itself
        size = n_voxels
    return [slice(start, start + size) for start in range(0, n_voxels, size)]
