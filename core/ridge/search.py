"""The search itself: himalaya's random search, in two forms with one answer.

Both forms take centred X and Y, centre them again on each fold's training samples, and
return the same choice. 'primal' works on reduced rows, so its loop holds no samples;
'kernel' needs no columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from himalaya.ridge import solve_group_ridge_random_search
from himalaya.scoring import l2_neg_loss
from numpy.typing import NDArray

from ..device import Backend
from .levers import EXACT, Levers
from .reduce import reduce_folds, reduce_training

Floats = NDArray[np.floating]
Form = Literal["auto", "primal", "kernel"]
Solver = Literal["fold-gram", "himalaya"]

SOLVERS = ("fold-gram", "himalaya")


@dataclass(frozen=True, slots=True)
class Search:
    """What a banded ridge fit tries, and how.

    Parameters
    ----------
    alphas : sequence of float
        Penalties tried for each voxel, all above 0. They meet the sum of squares of
        a design's columns, so they grow with the number of samples.
    candidates : array of shape (n_candidates, n_bands)
        Divisions of the penalty over the bands: rows of at least 0 that add up to 1,
        as from `structured_candidates`. Band b gets the penalty alpha / weight_b; a
        weight of 0 leaves it out.
    form : 'auto', 'primal' or 'kernel'
        Solve for columns or for samples. 'auto' takes the fewer of the two. The
        scores are the same.
    n_voxels_batch : int, optional
        How many voxels are worked on at once; all if None. Changes the memory needed
        and not the result.
    solver : 'fold-gram' or 'himalaya'
        Ours, which works on the folds' moments, or himalaya's own, the reference. The
        scores are the same.
    levers : Levers
        What 'fold-gram' may leave out. Nothing by default.
    backend : 'numpy', 'torch' or 'torch_cuda'
        The library of the arithmetic of 'fold-gram'.
    factor_gb : float
        How much memory 'fold-gram' may fill with factorisations.
    """

    alphas: Sequence[float]
    candidates: NDArray[np.floating]
    form: Form = "auto"
    n_voxels_batch: int | None = None
    solver: Solver = "fold-gram"
    levers: Levers = EXACT
    backend: Backend = "numpy"
    factor_gb: float = 1.0


class Found(NamedTuple):
    """What a search chose for each voxel, and the weights on all samples."""

    weights: Floats
    band_weights: Floats
    alphas: Floats
    loss: Floats


def solve_primal(
    X: Floats, Y: Floats, widths: Sequence[int], folds: NDArray, search: Search
) -> Found:
    """Return weights, candidate, penalty and loss per voxel. X and Y are centred."""
    rows = reduce_folds(X, Y, folds)
    columns = np.split(np.arange(X.shape[1]), np.cumsum(widths)[:-1])
    best = np.full(Y.shape[1], -np.inf)
    choice, alphas = np.zeros(Y.shape[1], int), np.zeros(Y.shape[1])
    # A weight of 0 would be divided by: so each set of bands is a search of its own.
    for members in _by_bands(search.candidates):
        inside = np.flatnonzero(search.candidates[members[0]])
        candidates = search.candidates[members][:, inside]
        deltas, _, scores = solve_group_ridge_random_search(
            [rows.X[:, columns[band]] for band in inside],
            rows.Y,
            n_iter=candidates,
            alphas=np.sort(search.alphas),
            score_func=l2_neg_loss,
            cv=rows.splits,
            return_weights=False,
            n_alphas_batch=1,
            random_state=0,
            progress_bar=False,
            warn=False,
        )
        score = scores.max(axis=0)
        better = score > best + np.finfo(Y.dtype).eps
        alpha, nearest = _decode(deltas, candidates, search.alphas)
        best[better] = score[better]
        alphas[better] = alpha[better]
        choice[better] = np.asarray(members)[nearest[better]]
    band_weights = search.candidates[choice].T
    weights = _refit(X, Y, widths, search.candidates, choice, alphas)
    return Found(weights, band_weights, alphas, -best)


def _refit(
    X: Floats,
    Y: Floats,
    widths: Sequence[int],
    candidates: Floats,
    choice: NDArray[np.intp],
    alphas: Floats,
) -> Floats:
    """Return ridge weights on all samples, each voxel with its own penalties."""
    R, C = reduce_training(X, Y)
    weights = np.empty((X.shape[1], Y.shape[1]), Y.dtype)
    for candidate in np.unique(choice):
        voxels = np.flatnonzero(choice == candidate)
        scale = np.sqrt(np.repeat(candidates[candidate], widths)).astype(X.dtype)
        U, s, Vt = np.linalg.svd(R * scale, full_matrices=False)
        shrink = s[:, None] / (s[:, None] ** 2 + alphas[voxels].astype(s.dtype))
        weights[:, voxels] = scale[:, None] * (Vt.T @ (shrink * (U.T @ C[:, voxels])))
    return weights


def solve_kernel(
    X: Floats, Y: Floats, widths: Sequence[int], folds: NDArray, search: Search
) -> Found:
    """Return the same as `solve_primal`, through one kernel per band."""
    X_bands = np.split(X, np.cumsum(widths)[:-1], axis=1)
    with np.errstate(divide="ignore"):  # the log of a weight of 0
        deltas, dual, scores, alphas, _ = solve_multiple_kernel_ridge_random_search(
            np.stack([x @ x.T for x in X_bands]),
            Y,
            n_iter=search.candidates,
            alphas=np.sort(search.alphas),
            score_func=l2_neg_loss,
            cv=splits_of(folds),
            fit_intercept=True,
            return_weights="dual",
            return_alphas=True,
            n_targets_batch=search.n_voxels_batch,
            n_alphas_batch=1,
            random_state=0,
            progress_bar=False,
        )
    alphas, choice = _decode(deltas, search.candidates, search.alphas)
    band_weights = search.candidates[choice].T
    dual = dual / alphas.astype(dual.dtype)  # comes back multiplied by alpha
    shares = band_weights.astype(dual.dtype)
    parts = [x.T @ (dual * g) for x, g in zip(X_bands, shares, strict=True)]
    return Found(np.concatenate(parts), band_weights, alphas, -scores.max(axis=0))


def _decode(
    deltas: Floats, candidates: Floats, alphas: Sequence[float]
) -> tuple[Floats, NDArray[np.intp]]:
    """Return the penalty and the candidate's number that himalaya's deltas stand for.

    deltas are log(weight / alpha), and weights add up to 1.
    """
    ratios = np.exp(deltas.astype(np.float64))
    found = -np.log(ratios.sum(axis=0))
    grid = np.sort(alphas)
    alpha = grid[np.abs(np.log(grid)[:, None] - found).argmin(axis=0)]
    gaps = [np.abs(ratios * alpha - c[:, None]).max(axis=0) for c in candidates]
    return alpha, np.argmin(gaps, axis=0)


def _by_bands(candidates: Floats) -> list[list[int]]:
    """Return the numbers of the candidates that use the same bands, group by group."""
    groups: dict[tuple[bool, ...], list[int]] = {}
    for number, used in enumerate(candidates > 0):
        groups.setdefault(tuple(used), []).append(number)
    return list(groups.values())


def splits_of(folds: NDArray) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return the training and the held-out rows of each fold."""
    return [
        (np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
        for fold in np.unique(folds)
    ]
