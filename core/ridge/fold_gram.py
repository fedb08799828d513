"""Banded ridge from the folds' moments: one set of factorisations for all voxels.

The search is himalaya's random search, with the same candidates, penalties and losses,
ordered so that no loop holds a sample: `FoldGram` is made from the features and the
folds, and then applied to any voxels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..device import Backend, use_backend
from .chunk import Aside, Found, search_chunk
from .design import FoldDesign, cut_design
from .factors import Factor, KernelFactor, make_factor, pick_form, scales, whole_factor
from .penalties import Best
from .plan import Plan, first_plan, own_candidates, place
from .responses import FoldResponses, Refit
from .search import Search
from .store import Factors

Floats = NDArray[np.floating]

# Blocks of neighbouring voxels in the sample that places candidates.
N_BLOCKS = 10


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
class Fitted:
    """All models of a chunk of voxels, and what was counted on the way.

    Parameters
    ----------
    models : dict of str to Model
        'joint', and the asides that were asked for.
    counts : dict of str to int
        Voxels by what became of them: 'voxels', 'raced' (went on after the first
        candidates), 'widened', 'constant', 'all zero', 'flat in a fold' (the last
        three are masked).
    found : Found
        The search of the voxels that were not masked.
    kept : array of int
        Which these are.
    scale : array of shape (n_kept,)
        Their standard deviation, which the losses of `found` are in units of.
    """

    models: dict[str, Model]
    counts: dict[str, int]
    found: Found
    kept: NDArray[np.intp]
    scale: Floats


@dataclass(slots=True, eq=False)
class FoldGram:
    """A banded ridge search that is ready for any voxels with the same stimuli.

    Parameters
    ----------
    design : FoldDesign
    search : Search
    plan : Plan
    factors : Factors
        The factorisations, made when first needed.
    backend : 'numpy', 'torch' or 'torch_cuda'
    """

    design: FoldDesign
    search: Search
    plan: Plan
    factors: Factors
    backend: Backend
    alphas: NDArray[np.float64] = field(init=False)
    rounding: float = field(init=False)

    def __post_init__(self) -> None:
        self.alphas = np.sort(np.asarray(self.search.alphas, dtype=np.float64))
        self.rounding = float(np.finfo(self.design.dtype).eps)

    def factor(self, weights: Floats) -> Factor:
        """Return a candidate's factorisation, made at the first call."""
        return self.factors.get(
            ("folds", *self._key(weights)),
            lambda: make_factor(
                self.design, weights, self.search.form, self.alphas.tolist()
            ),
        )

    def refit(self, weights: Floats) -> Refit:
        """Return how a candidate's weights on all rows are found."""
        return self.factors.get(
            ("rows", *self._key(weights)), lambda: self._refit(weights)
        )

    def _key(self, weights: Floats) -> tuple[Any, ...]:
        return tuple(float(w) for w in weights)

    def _refit(self, weights: Floats) -> Refit:
        design = self.design
        bands = tuple(np.flatnonzero(weights).tolist())
        if self.form_of(weights) == "primal":
            values, turn = whole_factor(design, weights)
            return Refit(design.columns_of(bands), values, turn)
        factor = self.factor(weights)
        assert isinstance(factor, KernelFactor)
        if design.X is None:
            dual = factor.vectors
            return Refit(slice(None), factor.values, dual, factor.vectors)
        columns = design.columns_of(bands)
        scale = scales(design, weights, bands) ** 2
        with use_backend(self.backend) as backend:
            share = backend.asarray(scale, dtype=design.dtype)[:, None]
            turn = share * (design.X[:, columns].T @ factor.vectors)
        return Refit(columns, factor.values, turn, factor.vectors)

    def form_of(self, weights: Floats) -> str:
        """Return the form in which a candidate is solved."""
        if self.design.X is None:
            return "kernel"
        used = sum(np.asarray(self.design.widths)[np.flatnonzero(weights)])
        return pick_form(
            self.search.form, self.design.n_samples, int(used), len(self.design.held)
        )

    def sample(self, Y: Any, n_sampled: int, seed: int) -> None:
        """Place candidates where a sample of the voxels finds its best ones.

        Done once, before any chunk: so all chunks try the same.

        Parameters
        ----------
        Y : array-like of shape (n_samples, n_voxels)
            All voxels; only blocks of its columns are read.
        n_sampled : int
            About how many are read.
        seed : int
        """
        levers = self.search.levers
        if levers.n_refined == 0 or self.design.n_bands == 1:
            return
        Y_sample = np.concatenate(
            [np.asarray(Y[:, part]) for part in _blocks(Y.shape[1], n_sampled)], axis=1
        )
        for part in (levers.n_refined - levers.n_refined // 2, levers.n_refined // 2):
            with use_backend(self.backend):
                responses, *_ = self._open(Y_sample, {})
                found = search_chunk(self, responses, {})
            going = 1 - found.best.loss / found.null
            above = going > (-np.inf if levers.margin is None else levers.margin)
            if part and above.any():
                own = own_candidates(self.plan, found.scores[:, above])
                self.plan = place(self.plan, own, part, seed)

    def fit(self, Y: Floats, asides: Mapping[str, Aside] | None = None) -> Fitted:
        """Return the models of a chunk of voxels.

        Parameters
        ----------
        Y : array of shape (n_samples, n_voxels)
            In the caller's order of samples. Finite.
        asides : dict of str to Aside, optional
            Further models of one candidate each, such as a band alone.
        """
        asides = asides or {}
        with use_backend(self.backend):
            responses, kept, mean, scale, counts = self._open(Y, asides)
            found = search_chunk(self, responses, asides)
            joint = self.plan.candidates[found.choice]
            models = {"joint": self._solve(responses, joint, found.best, found.null)}
            for name, aside in asides.items():
                rows = np.broadcast_to(aside.weights, joint.shape)
                best = found.asides[name]
                scaled = replace(best, alpha=best.alpha / aside.scale)
                model = self._solve(responses, rows, scaled, found.null)
                models[name] = replace(model, alphas=best.alpha)
        counts |= {"raced": found.n_raced, "widened": int(found.best.widened.sum())}
        whole = {n: self._spread(m, kept, mean, scale) for n, m in models.items()}
        return Fitted(whole, counts, found, kept, scale)

    def _open(
        self, Y: Floats, asides: Mapping[str, Aside]
    ) -> tuple[FoldResponses, NDArray[np.intp], Floats, Floats, dict[str, int]]:
        """Return the responses on the scale of 1, without voxels that hold nothing."""
        design = self.design
        mean = Y.mean(axis=0, dtype=np.float64) * design.centred
        masked = count_masked(Y[design.order], design.held)
        bad = np.any(list(masked.values()), axis=0)
        kept = np.flatnonzero(~bad)
        inside = Y if len(kept) == Y.shape[1] else Y[:, kept]
        centred = inside - mean[kept].astype(Y.dtype)
        scale = centred.std(axis=0, dtype=np.float64)
        centred /= scale.astype(Y.dtype)
        rows = [*self.plan.candidates, *(aside.weights for aside in asides.values())]
        cross = any(self.form_of(row) == "primal" for row in rows)
        counts = {"voxels": Y.shape[1]}
        counts |= {name: int(flags.sum()) for name, flags in masked.items()}
        responses = FoldResponses(design, centred, cross=cross)
        return responses, kept, mean, scale, counts

    def _solve(
        self, responses: FoldResponses, rows: Floats, best: Best, null: Floats
    ) -> Model:
        """Return the model of each voxel on all rows, in the units of `responses`."""
        design = self.design
        n_voxels = len(rows)
        axes = np.zeros((design.n_weights, n_voxels), design.dtype)
        distinct, which = np.unique(rows, axis=0, return_inverse=True)
        with use_backend(self.backend) as backend:
            for number, weights in enumerate(distinct):
                voxels = np.flatnonzero(which.ravel() == number)
                refit = self.refit(weights)
                some = responses if len(voxels) == n_voxels else responses.take(voxels)
                found = backend.to_numpy(refit.weights(some, best.alpha[voxels]))
                axes[_at(refit.columns, voxels)] = found
            back = backend.asarray(axes, dtype=design.dtype)
            if design.axes is not None:
                back = design.axes.back(back)
            columns = np.asarray(backend.to_numpy(back))
        return Model(
            weights=columns,
            intercept=np.zeros(n_voxels),
            band_weights=rows.T,
            alphas=best.alpha,
            cv_scores=1 - best.loss / null,
            at_low=best.at_low,
            at_high=best.at_high,
            widened=best.widened,
        )

    def _spread(
        self, model: Model, kept: NDArray[np.intp], mean: Floats, scale: Floats
    ) -> Model:
        """Return a model in the caller's units, over all voxels of the chunk."""
        dtype = self.design.dtype
        weights = model.weights * scale.astype(dtype)
        intercept = mean.astype(dtype)
        intercept[kept] -= (self.design.X_mean @ weights).astype(dtype)
        n_voxels = len(mean)
        if len(kept) == n_voxels:
            return replace(model, weights=weights, intercept=intercept)

        def spread(array: NDArray, fill: Any) -> NDArray:
            out = np.full((*array.shape[:-1], n_voxels), fill, array.dtype)
            out[..., kept] = array
            return out

        return Model(
            spread(weights, 0),
            intercept,
            *(spread(a, np.nan) for a in (model.band_weights, model.alphas)),
            spread(model.cv_scores, np.nan),
            *(spread(a, False) for a in (model.at_low, model.at_high, model.widened)),
        )


def open_fold_gram(
    X: Floats,
    *,
    widths: Sequence[int],
    folds: NDArray,
    search: Search,
    dtype: str,
    folder: Path | None = None,
) -> FoldGram:
    """Return a search that is ready for any voxels with these features and folds.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
    widths : sequence of int
        Columns of each band.
    folds : array of shape (n_samples,)
        Fold of each sample: groups of whole runs.
    search : Search
    dtype : 'float32' or 'float64'
        Precision of the products; decompositions are made in float64.
    folder : Path, optional
        Where factorisations go that do not fit into `search.factor_gb` of memory, and
        where other processes find them.
    """
    with use_backend(search.backend):
        design = cut_design(
            X, widths, folds, dtype=dtype, tolerance=search.levers.tolerance
        )
    plan = first_plan(search.candidates)
    factors = Factors(search.factor_gb * 1e9, folder)
    return FoldGram(design, search, plan, factors, search.backend)


def count_masked(Y: Floats, held: Sequence[slice]) -> dict[str, NDArray[np.bool_]]:
    """Return which voxels hold nothing to fit, by what is wrong with them.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
        Sorted by fold.
    held : sequence of slice
        Rows of each fold.

    Returns
    -------
    masked : dict of str to array of bool, shape (n_voxels,)
        'all zero'; 'constant', but not zero; 'flat in a fold': varies, but not within
        one of the folds that have several samples, or not outside one.
    """
    lows = np.stack([Y[rows].min(axis=0) for rows in held])
    highs = np.stack([Y[rows].max(axis=0) for rows in held])
    moves = lows.min(axis=0) < highs.max(axis=0)
    zero = ~moves & (Y[0] == 0)
    flat = np.zeros(Y.shape[1], dtype=bool)
    for fold, rows in enumerate(held):
        if rows.stop - rows.start > 1:
            flat |= lows[fold] == highs[fold]
        others = np.arange(len(held)) != fold
        flat |= lows[others].min(axis=0) == highs[others].max(axis=0)
    flat &= moves
    return {"all zero": zero, "constant": ~moves & ~zero, "flat in a fold": flat}


def _blocks(n_voxels: int, n_sampled: int) -> list[slice]:
    """Return blocks of neighbouring columns, evenly spread over all."""
    if n_voxels <= n_sampled:
        return [slice(0, n_voxels)]
    size = max(1, n_sampled // N_BLOCKS)
    starts = np.linspace(0, n_voxels - size, N_BLOCKS).astype(int)
    return [slice(int(start), int(start) + size) for start in starts]


def _at(columns: Any, voxels: NDArray[np.intp]) -> Any:
    if isinstance(columns, slice):
        return (columns, voxels)
    return np.ix_(columns, voxels)
