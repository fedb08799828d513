"""Models of subsets of the feature spaces, and predictions of held-out training runs.

What a partition of variance and a stack need beside the models of `evaluate`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix
from ..core.device import use_backend
from ..core.ridge.axes import BandAxes
from ..core.ridge.banded import RidgeFit, fit_banded_ridge
from ..core.ridge.checks import check_data
from ..core.ridge.design import centred_axes
from ..core.ridge.fold_gram import FoldGram
from ..core.ridge.stream import Columns, as_columns, check_voxels
from ..core.types import Band
from .layers import columns_of
from .result import RidgeSettings
from .streamed import HERE, Job, Place, check_job, each_chunk

Subset = tuple[str, ...]


def predict_subsets(  # noqa: PLR0913 - those of `fit_models`, and the subsets
    X_train: ArrayLike,
    Y_train: ArrayLike | Columns,
    X_test: ArrayLike,
    *,
    bands: Sequence[Band],
    subsets: Sequence[Subset],
    folds: ArrayLike,
    settings: RidgeSettings,
    advance: Callable[[int], object] | None = None,
    place: Place = HERE,
    axes: Mapping[str, BandAxes] | None = None,
) -> dict[Subset, Floats]:
    """Fit a joint model of each subset of bands, and predict the test runs.

    Each subset's factorisations are made once, and voxels are worked on chunk by chunk.
    A band is put on its axes once, for all subsets.

    Parameters
    ----------
    X_train : array of shape (n_train, n_columns)
    Y_train : array of shape (n_train, n_voxels)
        Any array that gives some of its columns, such as a mapped file.
    X_test : array of shape (n_test, n_columns)
    bands : sequence of Band
        In the order of the columns.
    subsets : sequence of tuple of str
        Names of the bands of each model, such as `analysis.partition.subsets_of` gives.
    folds : array of int, shape (n_train,)
    settings : RidgeSettings
    advance : callable, optional
        Called with the number of voxels done; n_voxels for each subset in all.
    place : Place
        Whether chunks go to workers, and where the predictions lie; their name is that
        of the subset, joined by '+'.
    axes : dict of str to BandAxes, optional
        Those of `band_axes`; made if None.

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
    Y = as_columns(Y_train)
    check_voxels(Y, settings.n_voxels_batch, "Y_train")
    for subset in subsets:
        _columns(bands, subset)
    widths = [band.n_columns for band in bands]
    check_data(X_train.shape, Y.shape, np.asarray(folds), widths)
    if axes is None:
        used = {name for subset in subsets for name in subset}
        axes = band_axes(X_train, Y, bands=bands, names=used, settings=settings)

    def fit(subset: Subset) -> Any:
        job = _job(X_train, X_test, bands, subset, folds, settings)
        job = _on(job, axes)
        dtype = check_job(job, {"": Y}, place)
        shape = (len(X_test), Y.shape[1])
        target: Any = place.make("+".join(subset), shape, dtype)
        for (_, part), predicted in each_chunk(
            job, {"": Y}, dtype, place, predict_chunk
        ):
            target[..., part] = predicted
            if advance is not None:
                advance(part.stop - part.start)
        return target

    # One after the other: each has columns of its own, a copy of a part of X.
    return {subset: fit(subset) for subset in subsets}


def band_axes(
    X_train: Floats,
    Y_train: Columns,
    *,
    bands: Sequence[Band],
    names: Collection[str],
    settings: RidgeSettings,
) -> dict[str, BandAxes]:
    """Return the axes of some of the bands, which all models with a band share.

    Parameters
    ----------
    X_train, Y_train, bands, settings
        As in `predict_subsets`; of the responses, the precision is looked at.
    names : collection of str
        Of the bands that are wanted.

    Returns
    -------
    axes : dict of str to BandAxes
        Empty where himalaya's solver is asked for, which has none.
    """
    if settings.solver == "himalaya":
        return {}
    precision = np.result_type(X_train, Y_train.dtype).name
    made = {}
    for band in bands:
        if band.name in names:
            columns, _ = _columns(bands, (band.name,))
            with use_backend(settings.backend):
                made[band.name] = centred_axes(
                    X_train[:, columns],
                    dtype=precision,
                    tolerance=settings.levers.tolerance,
                )
    return made


def stack_bands(
    X_train: ArrayLike,
    Y_train: ArrayLike | Columns,
    *,
    bands: Sequence[Band],
    folds: ArrayLike,
    settings: RidgeSettings,
    advance: Callable[[int], object] | None = None,
    place: Place = HERE,
    axes: Mapping[str, BandAxes] | None = None,
) -> Floats:
    """Return the convex mixture of the bands' own models that suits each voxel best.

    It is chosen on the training folds, from held-out predictions at each band's best
    penalty, which cost nothing beyond the search for that penalty. It is always our
    solver that does it.

    Parameters
    ----------
    X_train, Y_train, bands, folds, settings, place, axes
        As in `predict_subsets`.
    advance : callable, optional
        Called with the number of voxels done; n_voxels in all.

    Returns
    -------
    shares : array of shape (n_bands, n_voxels)
        At least 0; each voxel's add up to 1. NaN for a voxel that is flat in a fold.

    Raises
    ------
    InputError
        If there are fewer than two bands, or the shapes do not fit together.
    """
    X = as_matrix(X_train, "X_train")
    Y = as_columns(Y_train)
    if len(bands) < 2:
        raise InputError(
            f"{len(bands)} band to stack: a mixture needs at least two. Pass more."
        )
    check_voxels(Y, settings.n_voxels_batch, "Y_train")
    # Joint has no part in it: one candidate, no search of its own.
    levers = replace(settings.levers, n_refined=0, margin=None)
    ours = replace(settings, solver="fold-gram", n_candidates=1, levers=levers)
    job = _on(_job(X, X[:0], bands, tuple(b.name for b in bands), folds, ours), axes)
    dtype = check_job(job, {"": Y}, place)
    shares = np.empty((len(bands), Y.shape[1]), dtype)
    for (_, part), found in each_chunk(job, {"": Y}, dtype, place, share_chunk):
        shares[:, part] = found
        if advance is not None:
            advance(part.stop - part.start)
    return shares


def predict_chunk(job: Job, engine: FoldGram | None, Y: Floats) -> Floats:
    """Return joint's predictions of the test runs, of one chunk of voxels."""
    if engine is not None:
        model = engine.fit(Y.astype(engine.design.dtype, copy=False)).model()
        return job.X_test @ model.weights + model.intercept
    search = job.settings.search(len(job.bands))
    fit = fit_banded_ridge(
        job.X_train, Y, widths=job.widths, folds=job.folds, search=search
    )
    return _predict(job.X_test, fit)


def share_chunk(job: Job, engine: FoldGram | None, Y: Floats) -> Floats:
    """Return the shares of the bands' own models, of one chunk of voxels."""
    if engine is None:  # `stack_bands` asks for ours
        raise InputError("himalaya's solvers do not stack. Use 'fold-gram'.")
    names = {k: a for k, a in job.asides().items() if k != "plain"}
    searched = engine.fit(Y.astype(engine.design.dtype, copy=False), names)
    return searched.stack(list(names))[0]


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


def _job(
    X: Floats,
    X_test: Floats,
    bands: Sequence[Band],
    subset: Subset,
    folds: ArrayLike,
    settings: RidgeSettings,
) -> Job:
    """Return a fit of some of the bands alone."""
    columns, widths = _columns(bands, subset)
    chosen = tuple(Band(n, w) for n, w in zip(subset, widths, strict=True))
    return Job(X[:, columns], X_test[:, columns], chosen, np.asarray(folds), settings)


def _on(job: Job, axes: Mapping[str, BandAxes] | None) -> Job:
    """Return a job with the axes of its bands, as far as they are known."""
    if not axes:
        return job
    missing = [band.name for band in job.bands if band.name not in axes]
    if missing:
        raise InputError(
            f"axes hold {', '.join(axes)}, and not {', '.join(missing)}. Make them "
            "with `band_axes`, of all bands that are fitted."
        )
    return replace(job, axes=BandAxes.of([axes[band.name] for band in job.bands]))


def _columns(
    bands: Sequence[Band], subset: Subset
) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], list[int]]:
    """Return the columns of the named bands, and how many each has."""
    place = {band.name: number for number, band in enumerate(bands)}
    unknown = [name for name in subset if name not in place]
    if unknown or not subset or len(set(subset)) < len(subset):
        raise InputError(
            f"the subset ({', '.join(subset)}) must name some of the bands, each once: "
            f"{', '.join(place)}."
        )
    wanted = [place[name] for name in subset]
    return columns_of(bands, wanted), [bands[k].n_columns for k in wanted]


def _predict(X: Floats, fit: RidgeFit) -> Floats:
    return X @ fit.weights + fit.intercept
