"""From responses to a feature space by ridge: per ROI as in the paper, or at once.

Every decoder has one method, `fit(Y, T, folds)`: it sees training rows only and gives
something with `predict(Y)`. Means and standard deviations come from the training rows
and are kept for the rows to come.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import (
    Floats,
    InputError,
    as_matrix,
    check_choice,
    check_same_samples,
)
from ..core.ridge.banded import ALPHAS, fit_banded_ridge
from ..core.ridge.search import Search, splits_of
from ..core.selection import Selection
from ..core.stats import correlation, varies
from .folded import FoldedRidge
from .penalties import choose_by_r, ridge_at
from .scaling import (
    Scaling,
    few_columns,
    row_products,
    scaled_here,
    scaling_of,
    times_weights,
    voxel_weights,
)
from .voxels import strongest

Criterion = Literal["error", "r"]
CRITERIA: tuple[Criterion, Criterion] = ("error", "r")


class Fitted(Protocol):
    """A decoder that has learnt."""

    def predict(self, Y: ArrayLike) -> Floats:
        """Return targets of shape (n_samples, n_dimensions) from responses."""


class Decoder(Protocol):
    """What a decoder is before it has seen data."""

    @property
    def selections(self) -> tuple[Selection, ...]:
        """Voxels that it was given, with the runs that they were chosen on."""

    def fit(self, Y: ArrayLike, T: ArrayLike, folds: ArrayLike) -> Fitted:
        """Return the decoder of training rows; see `RoiRidge.fit`."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear map from standardised voxels to targets.

    Parameters
    ----------
    scaling : Scaling
    weights : array of shape (n_used, n_dimensions)
        In units of the target per standard deviation of the voxel.
    intercept : array of shape (n_dimensions,)
    alphas : array of shape (n_dimensions,)
        The penalty that held-out folds chose for each dimension.
    """

    scaling: Scaling
    weights: Floats
    intercept: Floats
    alphas: Floats

    def predict(self, Y: ArrayLike) -> Floats:
        """Return targets, shape (n_samples, n_dimensions), from responses."""
        return times_weights(Y, self.scaling, self.weights) + self.intercept


@dataclass(frozen=True, slots=True, eq=False)
class RoiEnsemble:
    """The ROIs that did best inside training, and all ROIs' scores there.

    Parameters
    ----------
    members : tuple of Linear
    names : tuple of str
        The members' ROIs, best first.
    cv_scores : dict of str to float
        Each ROI's correlation on held-out folds, mean over dimensions.
    """

    members: tuple[Linear, ...]
    names: tuple[str, ...]
    cv_scores: dict[str, float]

    def predict(self, Y: ArrayLike) -> Floats:
        """Return the mean of the members' predictions."""
        return np.mean([member.predict(Y) for member in self.members], axis=0)


@dataclass(frozen=True, slots=True, eq=False)
class CortexRidge:
    """Ridge from all voxels at once, solved for samples where they are fewer.

    Parameters
    ----------
    alphas : tuple of float
        Penalties tried for each target dimension.
    inside : Selection, optional
        Voxels to use: a mask of cortex, or one ROI as a control.
    n_voxels : int, optional
        Use those that correlate most with a target dimension in the rows that are
        fitted. All if None.
    choose_by : 'error' or 'r'
        Penalties by the squared error or the correlation on held-out folds. Where
        little can be decoded the error asks for far larger ones; scores of decoding
        are correlations.
    """

    alphas: tuple[float, ...] = ALPHAS
    inside: Selection | None = None
    n_voxels: int | None = None
    choose_by: Criterion = "error"

    def __post_init__(self) -> None:
        check_choice(self.choose_by, "choose_by", CRITERIA)

    @property
    def selections(self) -> tuple[Selection, ...]:
        """The voxels that it was given."""
        return () if self.inside is None else (self.inside,)

    def fit(self, Y: ArrayLike, T: ArrayLike, folds: ArrayLike) -> Linear:
        """Return the decoder of training rows.

        Parameters
        ----------
        Y : array of shape (n_samples, n_voxels)
        T : array of shape (n_samples, n_dimensions)
        folds : array of int, shape (n_samples,)
            On which penalties are chosen, as from `make_folds`.

        Returns
        -------
        decoder : Linear

        Raises
        ------
        InputError
            If a voxel never varies, a dimension does not in a fold, or shapes do not
            fit.
        """
        Y, T, folds = check_training(Y, T, folds)
        check_penalties(T, folds)
        used = choose(Y, T, self.inside, self.n_voxels)
        return _fit_linear(Y, T, folds, used, self)


@dataclass(frozen=True, slots=True, eq=False)
class RoiRidge:
    """Ridge from each ROI alone; the best few ROIs' predictions are averaged.

    As in the paper: ROIs of Destrieux' atlas, one penalty per target dimension by
    5 folds, the 6 ROIs with the best correlation on held-out folds.

    Parameters
    ----------
    rois : sequence of Selection
        One per ROI, with names of their own.
    n_best : int
    alphas : tuple of float
        Penalties tried for each ROI and target dimension.
    choose_by : 'error' or 'r'
        As for `CortexRidge`.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music, section 3.3 and appendix A.1.2.
    """

    rois: Sequence[Selection]
    n_best: int = 6
    alphas: tuple[float, ...] = ALPHAS
    choose_by: Criterion = "error"

    def __post_init__(self) -> None:
        check_choice(self.choose_by, "choose_by", CRITERIA)
        names = [roi.name for roi in self.rois]
        if len(set(names)) < len(names) or not 1 <= self.n_best <= len(names):
            raise InputError(
                f"the best {self.n_best} of {len(names)} ROIs with {len(set(names))} "
                "different names: give each ROI its own name, and as many ROIs as are "
                "to be averaged."
            )

    @property
    def selections(self) -> tuple[Selection, ...]:
        """The ROIs."""
        return tuple(self.rois)

    def fit(self, Y: ArrayLike, T: ArrayLike, folds: ArrayLike) -> RoiEnsemble:
        """Return the best ROIs of training rows.

        Parameters
        ----------
        Y : array of shape (n_samples, n_voxels)
        T : array of shape (n_samples, n_dimensions)
        folds : array of int, shape (n_samples,)
            On which penalties and ROIs are chosen.

        Returns
        -------
        decoder : RoiEnsemble
            Of ROIs with equal scores, those that come first.

        Raises
        ------
        InputError
            If a voxel never varies, a dimension does not in a fold, a ROI is empty, or
            shapes do not fit.
        """
        Y, T, folds = check_training(Y, T, folds)
        check_penalties(T, folds)
        models: dict[str, Linear] = {}
        scores: dict[str, float] = {}
        best: list[str] = []
        for roi in self.rois:
            used = choose(Y, T, roi, None)
            models[roi.name], scores[roi.name] = _fit_roi(Y, T, folds, used, self)
            best = sorted(scores, key=lambda name: -scores[name])[: self.n_best]
            # Weights of all regions are those of a whole cortex.
            models = {name: models[name] for name in best}
        return RoiEnsemble(tuple(models[n] for n in best), tuple(best), scores)


def held_out_r(X: Floats, T: Floats, folds: NDArray, alphas: Floats) -> np.floating:
    """Return the correlation on held-out folds of ridge with given penalties.

    Each fold is predicted by the others, from columns standardised on the others; the
    others' mean is taken out of targets and predictions, so that folds can be put
    together. Mean over dimensions.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
    T : array of shape (n_samples, n_dimensions)
    folds : array of int, shape (n_samples,)
    alphas : array of shape (n_dimensions,)
    """
    truth, predicted = np.empty(T.shape), np.empty(T.shape)
    for train, held in splits_of(folds):
        mean, sd = X[train].mean(axis=0), X[train].std(axis=0)
        sd = np.where(sd > 0, sd, 1)  # constant in these folds: 0 after centring
        centre = T[train].mean(axis=0)
        weights, _ = ridge_at((X[train] - mean) / sd, T[train], alphas)
        predicted[held] = (X[held] - mean) / sd @ weights
        truth[held] = T[held] - centre
    return correlation(truth, predicted).mean()


def check_training(
    Y: ArrayLike, T: ArrayLike, folds: ArrayLike
) -> tuple[Floats, Floats, NDArray]:
    """Return training arrays, or say what cannot be learnt from them.

    Responses keep their precision, so that no copy of a whole cortex is made.
    """
    Y, T, folds = as_matrix(Y, "Y"), as_matrix(T, "T"), np.asarray(folds)
    check_same_samples(Y=Y, T=T, folds=folds)
    for name, array, what in (("Y", Y, "voxels"), ("T", T, "target dimensions")):
        fixed = ~varies(array)
        if fixed.any():
            raise InputError(
                f"{int(fixed.sum())} of {array.shape[1]} {what} never vary in the "
                f"training rows, the first of them column {int(np.argmax(fixed))} of "
                f"{name}. There is nothing to learn from or about them: leave them "
                "out, in training and test alike."
            )
    return Y, T.astype(np.float64), folds


def varies_in_folds(T: Floats, folds: NDArray) -> NDArray[np.bool_]:
    """Return which columns vary in every fold: of the others no penalty is chosen."""
    varied = [varies(T[folds == fold]) for fold in np.unique(folds)]
    return np.all(varied, axis=0)


def check_penalties(T: Floats, folds: NDArray) -> None:
    """Raise if a dimension is constant in a fold, on which its penalty is chosen."""
    fixed = ~varies_in_folds(T, folds)
    if fixed.any():
        raise InputError(
            f"{int(fixed.sum())} of {T.shape[1]} target dimensions never vary in one "
            f"of the folds, the first in column {int(np.argmax(fixed))} of T. Their "
            "penalties cannot be chosen: take fewer folds, or leave these dimensions "
            "out, in training and test alike."
        )


def choose(
    Y: Floats, T: Floats, inside: Selection | None, n_voxels: int | None
) -> NDArray[np.bool_]:
    """Return the mask of voxels to use; chosen, if at all, on these rows."""
    used = np.ones(Y.shape[1], bool) if inside is None else np.asarray(inside.mask)
    if used.shape != (Y.shape[1],) or not used.any():
        name = "" if inside is None else inside.name
        raise InputError(
            f"selection {name!r} has {int(used.sum())} voxels in a mask of "
            f"{len(used)}, and Y has {Y.shape[1]} voxels. Make it on the space of "
            "these responses, with at least one voxel."
        )
    return used if n_voxels is None else strongest(Y, T, n_voxels, used)


def _fit_linear(
    Y: Floats,
    T: Floats,
    folds: NDArray,
    used: NDArray[np.bool_],
    decoder: CortexRidge | RoiRidge,
) -> Linear:
    scaling, back = scaling_of(Y, used), None
    if scaling.n_used > len(Y):
        X, back = few_columns(row_products(Y, scaling))
    else:
        X = scaled_here(Y, scaling)
    weights, intercept, alphas = _ridge(X, T, folds, decoder)
    if back is not None:
        weights = voxel_weights(Y, scaling, back @ weights)
    return Linear(scaling, weights, intercept, alphas)


def _fit_roi(
    Y: Floats, T: Floats, folds: NDArray, used: NDArray[np.bool_], decoder: RoiRidge
) -> tuple[Linear, float]:
    """Return a ROI's model, and its correlation on held-out folds."""
    shape = len(Y), int(used.sum())
    if not FoldedRidge.suits(shape, T.shape[1], folds):
        model = _fit_linear(Y, T, folds, used, decoder)
        inside = Y[:, used].astype(np.float64)
        return model, float(held_out_r(inside, T, folds, model.alphas))
    scaling = scaling_of(Y, used)
    X = scaled_here(Y, scaling)
    ridge = FoldedRidge(X, T, folds)
    if decoder.choose_by == "r":
        alphas = ridge.choose_by_r(np.asarray(decoder.alphas))
        weights, intercept = ridge.ridge(alphas)
    else:
        weights, intercept, alphas = _ridge(X, T, folds, decoder)
    return Linear(scaling, weights, intercept, alphas), ridge.held_out_r(alphas)


def _ridge(
    X: Floats, T: Floats, folds: NDArray, decoder: CortexRidge | RoiRidge
) -> tuple[Floats, Floats, Floats]:
    """Return weights, intercepts and penalties, chosen as the decoder says."""
    if decoder.choose_by == "r":
        alphas = choose_by_r(X, T, folds, decoder.alphas)
        return *ridge_at(X, T, alphas), alphas
    search = Search(decoder.alphas, np.ones((1, 1)))
    fit = fit_banded_ridge(X, T, widths=[X.shape[1]], folds=folds, search=search)
    return fit.weights, fit.intercept, fit.alphas
