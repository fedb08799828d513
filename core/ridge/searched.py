"""What a chunk of voxels chose, and its models in the caller's units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..device import use_backend
from .chunk import Aside, Found
from .responses import FoldResponses
from .stacking import stack

if TYPE_CHECKING:
    from .fold_gram import FoldGram

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One model of a chunk of voxels.

    Parameters
    ----------
    weights : array of shape (n_columns, n_voxels)
        In units of Y per unit of X. 0 for a masked voxel.
    intercept : array of shape (n_voxels,)
    band_weights : array of shape (n_bands, n_voxels)
        NaN for a masked voxel, as are the penalty and the score.
    alphas, cv_scores : array of shape (n_voxels,)
    at_low, at_high, widened : array of bool, shape (n_voxels,)
    """

    weights: Floats
    intercept: Floats
    band_weights: Floats
    alphas: Floats
    cv_scores: Floats
    at_low: NDArray[np.bool_]
    at_high: NDArray[np.bool_]
    widened: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """Responses that are ready for a search, and the way back to the caller's.

    Parameters
    ----------
    responses : FoldResponses
        Centred and on the scale of 1, of the voxels that were not masked.
    kept : array of int
        Which these are.
    mean : array of shape (n_voxels,)
        Of all voxels.
    scale : array of shape (n_kept,)
    counts : dict of str to int
    """

    responses: FoldResponses
    kept: NDArray[np.intp]
    mean: Floats
    scale: Floats
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """The choices of a chunk of voxels; its models are made when they are asked for.

    Parameters
    ----------
    engine : FoldGram
    opened : Opened
    found : Found
        The search of the voxels that were not masked.
    asides : dict of str to Aside
    """

    engine: "FoldGram"
    opened: Opened
    found: Found
    asides: dict[str, Aside]

    @property
    def counts(self) -> dict[str, int]:
        """Voxels by what became of them.

        'voxels'; 'raced' (went on after the first candidates); 'widened' (their grid
        of penalties grew); 'constant', 'all zero', 'flat in a fold' (masked).
        """
        return self.opened.counts | {
            "raced": self.found.n_raced,
            "widened": int(self.found.best.widened.sum()),
        }

    def model(self, name: str = "joint") -> Model:
        """Return 'joint' or one of the asides, over all voxels of the chunk."""
        found, engine = self.found, self.engine
        if name == "joint":
            rows, scale = engine.plan.candidates[found.choice], 1.0
            best = found.best
        else:
            aside, best = self.asides[name], found.asides[name]
            rows = np.broadcast_to(aside.weights, (len(found.null), len(aside.weights)))
            scale = aside.scale
        weights = self._solve(rows, best.alpha / scale)
        weights *= self.opened.scale.astype(weights.dtype)
        intercept = self.opened.mean.astype(weights.dtype)
        moved = engine.design.X_mean.astype(weights.dtype) @ weights
        intercept[self.opened.kept] -= moved
        model = Model(
            weights=weights,
            intercept=intercept,
            band_weights=rows.T,
            alphas=best.alpha,
            cv_scores=1 - best.loss / found.null,
            at_low=best.at_low,
            at_high=best.at_high,
            widened=best.widened,
        )
        return self._spread(model)

    def _solve(self, rows: Floats, alphas: Floats) -> Floats:
        """Return weights on all rows; each voxel has a candidate and a penalty."""
        engine, responses = self.engine, self.opened.responses
        design = engine.design
        axes = np.zeros((design.n_weights, len(rows)), design.dtype)
        distinct, which = np.unique(rows, axis=0, return_inverse=True)
        with use_backend(engine.backend) as backend:
            for number, weights in enumerate(distinct):
                voxels = np.flatnonzero(which.ravel() == number)
                refit = engine.refit(weights)
                some = refit.weights(responses, voxels, alphas[voxels])
                axes[_at(refit.columns, voxels)] = backend.to_numpy(some)
            if design.axes is None:
                return axes
            back = design.axes.back(backend.asarray(axes, dtype=design.dtype))
            return np.array(backend.to_numpy(back), copy=None)

    def _spread(self, model: Model) -> Model:
        """Return a model over all voxels, masked ones included."""
        kept, n_voxels = self.opened.kept, len(self.opened.mean)
        if len(kept) == n_voxels:
            return model
        fills = {"weights": 0, "at_low": False, "at_high": False, "widened": False}
        spread = {}
        for name in Model.__dataclass_fields__:
            array = getattr(model, name)
            if name == "intercept":
                continue
            out = np.full(
                (*array.shape[:-1], n_voxels), fills.get(name, np.nan), array.dtype
            )
            out[..., kept] = array
            spread[name] = out
        return replace(model, **spread)

    def cv_scores(self) -> Floats:
        """Return joint's score of each voxel, NaN for a masked one; without weights."""
        scores = np.full(len(self.opened.mean), np.nan)
        scores[self.opened.kept] = 1 - self.found.best.loss / self.found.null
        return scores

    def stack(self, names: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the mixture of asides that predicts the held-out folds best.

        Returns
        -------
        shares : array of shape (n_asides, n_voxels)
            At least 0, each voxel's add up to 1; NaN for a masked voxel.
        cv_scores : array of shape (n_voxels,)
        """
        found, engine = self.found, self.engine
        with use_backend(engine.backend):
            turned = [
                self.opened.responses.turn(engine.factor(self.asides[name].weights))
                for name in names
            ]
            alphas = [found.asides[n].tried / self.asides[n].scale for n in names]
            inside, loss = stack(turned, alphas)
        shares = np.full((len(names), len(self.opened.mean)), np.nan)
        scores = np.full(len(self.opened.mean), np.nan)
        shares[:, self.opened.kept] = inside
        scores[self.opened.kept] = 1 - loss / found.null
        return shares, scores

    def losses(self) -> Floats:
        """Return each candidate's loss, (n_candidates, n_voxels), in Y's unit squared.

        NaN where it was not tried.
        """
        out = np.full((len(self.found.scores), len(self.opened.mean)), np.nan)
        unit = self.found.null * self.opened.scale**2
        out[:, self.opened.kept] = (1 - self.found.scores) * unit
        return out


def _at(columns: Any, voxels: NDArray[np.intp]) -> Any:
    if isinstance(columns, slice):
        return (columns, voxels)
    return np.ix_(columns, voxels)
