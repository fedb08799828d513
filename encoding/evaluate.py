"""The models of one subject: fitted on training runs, scored on the test runs once.

Four models answer different questions. 'joint' has all bands, each with its own
penalty; 'part' is what each band adds to joint's score (product measure), with the
cost of a wrong mean as 'offset'; 'alone' has one band and nothing else; 'plain' has
all columns under one penalty.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix, check_same_samples
from ..core.ridge.stream import Columns, as_columns, check_voxels
from ..core.stats import correlation, correlation_parts, r2_parts, r2_score
from ..core.types import Band
from .result import EncodingResult, Key, RidgeSettings
from .streamed import HERE, Job, Place, fit_subjects

__all__ = [
    "EncodingResult",
    "RidgeSettings",
    "count_fits",
    "fit_models",
    "score_models",
]


def fit_models(
    X_train: ArrayLike,
    Y_train: ArrayLike | Columns,
    X_test: ArrayLike,
    *,
    bands: Sequence[Band],
    folds: ArrayLike,
    settings: RidgeSettings,
    advance: Callable[[int], object] | None = None,
    place: Place = HERE,
) -> EncodingResult:
    """Fit joint, alone and plain on the training runs, and predict the test runs.

    The test responses are not asked for: nothing here could have seen them.

    Parameters
    ----------
    X_train : array of shape (n_train, n_columns)
    Y_train : array of shape (n_train, n_voxels)
        Voxels that vary; mask the others out before. Any array that gives some of its
        columns, such as a mapped file: it is read chunk by chunk.
    X_test : array of shape (n_test, n_columns)
    bands : sequence of Band
        In the order of the columns.
    folds : array of int, shape (n_train,)
        Fold of each training sample: groups of whole runs.
    settings : RidgeSettings
    advance : callable, optional
        Called as the work goes on with the number of voxels done; over all models
        they add up to n_voxels * `count_fits(n_bands)`.
    place : Place
        Whether chunks go to workers, and where factorisations and results lie.

    Returns
    -------
    result : EncodingResult

    Raises
    ------
    InputError
        If the shapes do not fit together, a voxel never varies, or a band's name
        comes twice.
    """
    X_train, X_test = as_matrix(X_train, "X_train"), as_matrix(X_test, "X_test")
    Y = as_columns(Y_train)
    _check(X_train, Y, X_test, bands)
    check_voxels(Y, settings.n_voxels_batch, "Y_train")
    job = Job(X_train, X_test, tuple(bands), np.asarray(folds), settings)
    return fit_subjects(job, {"": Y}, place=place, advance=advance)[""]


def score_models(
    predictions: Mapping[Key, Floats], intercept: ArrayLike, Y_test: ArrayLike
) -> dict[Key, dict[str, Floats]]:
    """Return 'r' and 'r2' per voxel of each (model, feature space).

    The parts, with 'offset', sum to the scores of ('joint', 'all'). The offset is
    what it costs that the prediction's mean is not the mean of the test responses: 0
    for r, which does not see it, and never above 0 for R2.

    Parameters
    ----------
    predictions : dict of (model, feature space) to array of shape (n_test, n_voxels)
        As from `EncodingResult.by_model`; the parts without the intercept.
    intercept : array of shape (n_voxels,)
        Of the joint model.
    Y_test : array of shape (n_test, n_voxels)

    Returns
    -------
    scores : dict of (model, feature space) to {'r': (n_voxels,), 'r2': (n_voxels,)}
        NaN where a voxel or its prediction never varies.
    """
    Y_test = as_matrix(Y_test, "Y_test")
    check_same_samples(Y_test=Y_test, predictions=predictions["joint", "all"])
    scores: dict[Key, dict[str, Floats]] = {
        key: {"r": correlation(Y_test, p), "r2": r2_score(Y_test, p)}
        for key, p in predictions.items()
        if key[0] != "part"
    }
    names = [name for model, name in predictions if model == "part"]
    parts = np.stack([predictions["part", name] for name in names])
    r = correlation_parts(Y_test, parts)
    r2, offset = r2_parts(Y_test, parts, np.asarray(intercept))
    for name, r_band, r2_band in zip(names, r, r2, strict=True):
        scores["part", name] = {"r": r_band, "r2": r2_band}
    no_change = np.where(np.isnan(r.sum(axis=0)), np.nan, 0.0)
    scores["part", "offset"] = {"r": no_change, "r2": offset}
    return scores


def count_fits(n_bands: int) -> int:
    """Return how many ridge fits `fit_models` makes for `n_bands` bands."""
    return 1 if n_bands == 1 else n_bands + 2


def _check(X: Floats, Y: Columns, X_test: Floats, bands: Sequence[Band]) -> None:
    if len(Y.shape) != 2 or Y.shape[0] != len(X):
        raise InputError(
            f"X_train has {len(X)} samples (TRs), Y_train has shape {Y.shape}. Trim "
            "the same TRs from the start and end of every run, in both."
        )
    names = [band.name for band in bands]
    if len(set(names)) < len(names) or {"all", "offset"} & set(names):
        raise InputError(
            f"the bands are named {', '.join(names)}. Each needs a name of its own, "
            "and 'all' and 'offset' mean something else in the tables; rename them."
        )
    total = sum(band.n_columns for band in bands)
    if not X.shape[1] == X_test.shape[1] == total:
        raise InputError(
            f"X_train has {X.shape[1]} columns, X_test {X_test.shape[1]} and the bands "
            f"{total}. Build both with the same bands and delays."
        )
