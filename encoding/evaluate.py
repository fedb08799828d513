"""The models of one subject: fitted on training runs, scored on the test runs once.

Four models answer different questions. 'joint' has all bands, each with its own
penalty; 'part' is what each band adds to joint's score (product measure), with the
cost of a wrong mean as 'offset'; 'alone' has one band and nothing else; 'plain' has
all columns under one penalty.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix, check_same_samples
from ..core.ridge.banded import ALPHAS, RidgeFit, fit_banded_ridge
from ..core.ridge.candidates import structured_candidates
from ..core.ridge.search import Form, Search
from ..core.stats import correlation, correlation_parts, r2_parts, r2_score
from ..core.types import Band

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RidgeSettings:
    """What the ridge models of a study try.

    Parameters
    ----------
    alphas : tuple of float
        Penalties tried for each voxel.
    n_candidates : int
        Divisions of the penalty over the bands that the joint model tries.
    seed : int
        Seed of those divisions that are drawn.
    form : 'auto', 'primal' or 'kernel'
    n_voxels_batch : int, optional
        Voxels worked on at once; memory, and not results, depends on it.
    """

    alphas: tuple[float, ...] = ALPHAS
    n_candidates: int = 20
    seed: int = 0
    form: Form = "auto"
    n_voxels_batch: int | None = None

    def search(self, n_bands: int) -> Search:
        """Return what a model with `n_bands` bands tries."""
        candidates = structured_candidates(n_bands, self.n_candidates, self.seed)
        return Search(self.alphas, candidates, self.form, self.n_voxels_batch)


@dataclass(frozen=True, slots=True)
class EncodingResult:
    """What was learnt on the training runs, and the predictions of the test runs.

    Parameters
    ----------
    weights : array of shape (n_columns, n_voxels)
        Of the joint model, as are the intercept and the choices below.
    intercept : array of shape (n_voxels,)
    predictions : array of shape (n_test, n_voxels)
        Test responses predicted by joint: the sum of `parts`, plus the intercept.
    parts : array of shape (n_bands, n_test, n_voxels)
        Each band's part of `predictions`, without the intercept.
    alone : array of shape (n_bands, n_test, n_voxels)
        Predictions of each band's own model.
    plain : array of shape (n_test, n_voxels)
    band_weights : array of shape (n_bands, n_voxels)
    alphas : array of shape (n_voxels,)
    cv_scores : array of shape (n_voxels,)
        Share of variance explained on held-out training folds, for the best choice.
    alone_cv_scores : array of shape (n_bands, n_voxels)
        The same of each band's own model.
    grid_ends : dict of str to (float, float)
        For each fitted model ('joint', 'plain', 'alone BAND'), the share of voxels
        that chose the smallest and the largest penalty. Voxels without signal choose
        the largest; many at the smallest mean that the grid is too narrow.
    """

    weights: Floats
    intercept: Floats
    predictions: Floats
    parts: Floats
    alone: Floats
    plain: Floats
    band_weights: Floats
    alphas: Floats
    cv_scores: Floats
    alone_cv_scores: Floats
    grid_ends: dict[str, tuple[float, float]]

    def by_model(self, bands: Sequence[Band]) -> dict[Key, Floats]:
        """Return the test predictions by (model, feature space)."""
        names = [band.name for band in bands]
        return {
            ("joint", "all"): self.predictions,
            ("plain", "all"): self.plain,
            **{("alone", n): a for n, a in zip(names, self.alone, strict=True)},
            **{("part", n): p for n, p in zip(names, self.parts, strict=True)},
        }


def fit_models(
    X_train: ArrayLike,
    Y_train: ArrayLike,
    X_test: ArrayLike,
    *,
    bands: Sequence[Band],
    folds: ArrayLike,
    settings: RidgeSettings,
    advance: Callable[[int], object] | None = None,
) -> EncodingResult:
    """Fit joint, alone and plain on the training runs, and predict the test runs.

    The test responses are not asked for: nothing here could have seen them.

    Parameters
    ----------
    X_train : array of shape (n_train, n_columns)
    Y_train : array of shape (n_train, n_voxels)
        Voxels that vary; mask the others out before.
    X_test : array of shape (n_test, n_columns)
    bands : sequence of Band
        In the order of the columns.
    folds : array of int, shape (n_train,)
        Fold of each training sample: groups of whole runs.
    settings : RidgeSettings
    advance : callable, optional
        Called as the work goes on with the number of voxels done; over all models
        they add up to n_voxels * `count_fits(n_bands)`.

    Returns
    -------
    result : EncodingResult

    Raises
    ------
    InputError
        If the shapes do not fit together, a voxel never varies, or a band's name
        comes twice.
    """
    X_train, Y_train = as_matrix(X_train, "X_train"), as_matrix(Y_train, "Y_train")
    X_test = as_matrix(X_test, "X_test")
    _check(X_train, Y_train, X_test, bands)
    edges = np.cumsum([0, *(band.n_columns for band in bands)])
    slices = {b.name: slice(*edges[i : i + 2]) for i, b in enumerate(bands)}

    def fit(columns: slice, widths: Sequence[int]) -> RidgeFit:
        return fit_banded_ridge(
            X_train[:, columns],
            Y_train,
            widths=widths,
            folds=folds,
            search=settings.search(len(widths)),
            advance=advance,
        )

    everything = slice(0, edges[-1])
    joint = fit(everything, np.diff(edges).tolist())
    # One band is one model: joint, alone and plain are the same fit.
    one = len(bands) == 1
    plain = joint if one else fit(everything, [int(edges[-1])])
    alone = {n: joint if one else fit(s, [s.stop - s.start]) for n, s in slices.items()}
    parts = np.stack([X_test[:, s] @ joint.weights[s] for s in slices.values()])
    fits = {"joint": joint, "plain": plain} | {
        f"alone {n}": a for n, a in alone.items()
    }
    return EncodingResult(
        weights=joint.weights,
        intercept=joint.intercept,
        predictions=parts.sum(axis=0) + joint.intercept,
        parts=parts,
        alone=np.stack([_predict(X_test[:, slices[n]], a) for n, a in alone.items()]),
        plain=_predict(X_test, plain),
        band_weights=joint.band_weights,
        alphas=joint.alphas,
        cv_scores=joint.cv_scores,
        alone_cv_scores=np.stack([a.cv_scores for a in alone.values()]),
        grid_ends={name: _ends(model) for name, model in fits.items()},
    )


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


def _predict(X: Floats, fit: RidgeFit) -> Floats:
    return X @ fit.weights + fit.intercept


def _ends(fit: RidgeFit) -> tuple[float, float]:
    return float(fit.at_low_end.mean()), float(fit.at_high_end.mean())


def _check(X: Floats, Y: Floats, X_test: Floats, bands: Sequence[Band]) -> None:
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
    constant = (Y[:1] == Y).all(axis=0)
    if constant.any():
        raise InputError(
            f"{int(constant.sum())} of {Y.shape[1]} voxels never vary in Y_train. Mask "
            "them out, and count them, before fitting."
        )
