"""Banded ridge from the folds' moments: one set of factorisations for all voxels.

The search is himalaya's random search, with the same candidates, penalties and losses,
ordered so that no loop holds a sample: `FoldGram` is made from the features and the
folds, and then applied to any voxels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..device import Backend, use_backend
from .axes import BandAxes
from .chunk import Aside, Found, place_candidates, search_chunk
from .design import FoldDesign, cut_design
from .factors import Factor, KernelFactor, make_factor, pick_form, scales, whole_factor
from .plan import Plan, first_plan
from .responses import FoldResponses, Refit
from .search import Search
from .searched import Opened, Searched
from .store import Factors
from .stream import chunks, read

Floats = NDArray[np.floating]

# Blocks of neighbouring voxels in the sample that places candidates.
N_BLOCKS = 10


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
        if self.form_of(weights) == "kernel" and self.design.X is None:
            factor = self._kernel(weights)
            return Refit(slice(None), factor.values, factor.vectors, factor.vectors)
        made: Refit = self.factors.get(
            ("rows", *self._key(weights)), lambda: self._refit(weights)
        )
        if self.form_of(weights) == "primal":
            return made
        # The factor has them: they are kept once.
        return replace(made, rows=self._kernel(weights).vectors)

    def _kernel(self, weights: Floats) -> KernelFactor:
        factor = self.factor(weights)
        assert isinstance(factor, KernelFactor)
        return factor

    def _key(self, weights: Floats) -> tuple[Any, ...]:
        return tuple(float(w) for w in weights)

    def _refit(self, weights: Floats) -> Refit:
        design = self.design
        bands = tuple(np.flatnonzero(weights).tolist())
        if self.form_of(weights) == "primal":
            values, turn = whole_factor(design, weights)
            return Refit(design.columns_of(bands), values, turn)
        factor = self._kernel(weights)
        columns = design.columns_of(bands)
        scale = scales(design, weights, bands) ** 2
        with use_backend(self.backend) as backend:
            share = backend.asarray(scale, dtype=design.dtype)[:, None]
            turn = share * (design.X[:, columns].T @ factor.vectors)
        return Refit(columns, factor.values, turn)

    def form_of(self, weights: Floats) -> str:
        """Return the form in which a candidate is solved."""
        if self.design.X is None:
            return "kernel"
        used = sum(np.asarray(self.design.widths)[np.flatnonzero(weights)])
        return pick_form(
            self.search.form, self.design.n_samples, int(used), len(self.design.held)
        )

    def sample(
        self, Y: Any, n_sampled: int, seed: int, n_voxels_batch: int | None = None
    ) -> None:
        """Place candidates where a sample of the voxels finds its best ones.

        Done once, before any chunk: so all chunks try the same.

        Parameters
        ----------
        Y : array-like of shape (n_samples, n_voxels)
            All voxels; only blocks of its columns are read.
        n_sampled : int
            About how many are read.
        seed : int
        n_voxels_batch : int, optional
            How many of them are in memory at once; all if None. The sample is the
            same.
        """
        if not self.refines:
            return
        parts = sampled_parts(Y, n_sampled, n_voxels_batch)
        batches: list[Callable[[], FoldResponses]] = [
            partial(self._open_part, part) for part in parts
        ]
        if len(batches) == 1:
            batches = [cache(batches[0])]

        def each(
            work: Callable[..., Found], given: Sequence[tuple[Any, ...]]
        ) -> list[Found]:
            opened = zip(batches, given, strict=True)
            return [work(self, open_batch(), *one) for open_batch, one in opened]

        with use_backend(self.backend):
            place_candidates(self, each, len(batches), seed)

    @property
    def refines(self) -> bool:
        """Whether candidates are placed where a sample finds its best ones."""
        return self.search.levers.n_refined > 0 and self.design.n_bands > 1

    def _open_part(self, part: Callable[[], Floats]) -> FoldResponses:
        return self.open(part()).responses

    def fit(self, Y: Floats, asides: Mapping[str, Aside] | None = None) -> Searched:
        """Return what a chunk of voxels chose; its models are made when asked for.

        Parameters
        ----------
        Y : array of shape (n_samples, n_voxels)
            In the caller's order of samples. Finite.
        asides : dict of str to Aside, optional
            Further models of one candidate each, such as a band alone.
        """
        asides = dict(asides or {})
        with use_backend(self.backend):
            opened = self.open(Y, [aside.weights for aside in asides.values()])
            found = search_chunk(self, opened.responses, asides)
        return Searched(self, opened, found, asides)

    def open(self, Y: Floats, more: Sequence[Floats] = ()) -> Opened:
        """Return the responses on the scale of 1, without voxels that hold nothing.

        `more` are candidates outside the plan that will be tried.
        """
        design = self.design
        rows = Y[design.order]
        masked = count_masked(rows, design.held)
        bad = np.any(list(masked.values()), axis=0)
        kept = np.flatnonzero(~bad)
        if bad.any():
            rows = rows[:, kept]
        mean = rows.mean(axis=0, dtype=np.float64) * design.centred
        rows -= mean.astype(rows.dtype)
        # What rounding a large mean has left.
        rest = rows.mean(axis=0, dtype=np.float64) * design.centred
        rows -= rest.astype(rows.dtype)
        mean = mean.astype(rows.dtype) + rest
        scale = np.sqrt(np.einsum("sv,sv->v", rows, rows, dtype=np.float64) / len(rows))
        rows /= scale.astype(rows.dtype)
        tried = [*self.plan.candidates, *more]
        cross = any(self.form_of(weights) == "primal" for weights in tried)
        counts = {"voxels": Y.shape[1]}
        counts |= {name: int(flags.sum()) for name, flags in masked.items()}
        responses = FoldResponses(design, rows, cross=cross)
        whole = Y.mean(axis=0, dtype=np.float64) * design.centred if bad.any() else mean
        return Opened(responses, kept, whole, scale, counts)


def open_fold_gram(
    X: Floats,
    *,
    widths: Sequence[int],
    folds: NDArray,
    search: Search,
    dtype: str,
    folder: Path | None = None,
    axes: BandAxes | None = None,
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
    axes : BandAxes, optional
        As `cut_design` takes them.
    """
    with use_backend(search.backend):
        design = cut_design(
            X, widths, folds, dtype=dtype, tolerance=search.levers.tolerance, axes=axes
        )
    plan = first_plan(search.candidates)
    factors = Factors(search.factor_gb * 1e9, folder)
    return FoldGram(design, search, plan, factors, search.backend)


def sampled_parts(
    Y: Any, n_sampled: int, n_voxels_batch: int | None
) -> list[Callable[[], Floats]]:
    """Return what reads the sample of the voxels, so many of them at once.

    Parameters
    ----------
    Y : array-like of shape (n_samples, n_voxels)
        All voxels; only blocks of its columns are read.
    n_sampled, n_voxels_batch
        As `FoldGram.sample` takes them.

    Returns
    -------
    parts : list of callable
        Each returns an array of shape (n_samples, at most n_voxels_batch).
    """
    sampled = np.concatenate(
        [np.arange(b.start, b.stop) for b in _blocks(Y.shape[1], n_sampled)]
    )
    parts = chunks(len(sampled), n_voxels_batch)
    return [partial(_read_columns, Y, sampled[part]) for part in parts]


def _read_columns(Y: Any, columns: NDArray[np.intp]) -> Floats:
    ends = np.flatnonzero(np.diff(columns, append=-1) != 1) + 1
    starts = np.concatenate([[0], ends[:-1]])
    parts = [
        read(Y, slice(int(columns[start]), int(columns[end - 1]) + 1))
        for start, end in zip(starts, ends, strict=True)
    ]
    return np.concatenate(parts, axis=1)


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
