"""Is a voxel's score more than chance? Nulls of all voxels, by moving predictions.

The correlation of moved predictions is a sum over blocks, and the terms of all possible
sums fit in a small table per voxel. So a permutation costs as many additions as there
are blocks, and not as many multiplications as there are samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import genpareto

from ..core.checks import Floats, InputError, as_matrix, check_choice
from ..core.stats import varies
from .moves import Moves, moves_notes, pair_table, picks

Method = Literal["count", "tail", "pooled"]

TIE = 1e-12  # two r closer than this are one: what rounding makes of a tie
N_VOXELS_BATCH = 128
N_EXCEED = 10  # with fewer of the null above it, a count is coarse
TAIL_SHARE = 0.1
FEWEST_FOR_TAIL = 500
Z_STEP, Z_END = 0.002, 12.0


@dataclass(frozen=True, slots=True, eq=False)
class PermutationTest:
    """What was observed in each voxel, and how it stands in its null.

    Parameters
    ----------
    r : array of shape (n_voxels,)
        Observed correlation; NaN where the voxel or its prediction never varies.
    p : array of shape (n_voxels,)
        One-sided: how often chance does as well or better. NaN where r is.
    max_null : array of shape (n_permutations,)
        Largest r of all voxels in each permutation, for `max_statistic_p`.
    null_mean, null_sd : array of shape (n_voxels,)
        Of each voxel's null.
    roi_r : array of shape (n_rois,)
    roi_null : array of shape (n_permutations, n_rois)
        Mean r over each ROI's voxels, observed and in each permutation.
    method : 'count', 'tail' or 'pooled'
    smallest_p : float
        The least p that the method can give with these permutations, and with as many
        ways as there are to move; 0 for 'tail'.
    notes : tuple of str
    """

    r: Floats
    p: Floats
    max_null: Floats
    null_mean: Floats
    null_sd: Floats
    roi_r: Floats
    roi_null: Floats
    method: Method
    smallest_p: float
    notes: tuple[str, ...]


def permutation_test(
    Y_test: ArrayLike,
    Y_hat: ArrayLike,
    moves: Moves,
    *,
    method: Method = "count",
    members: ArrayLike | None = None,
    n_voxels_batch: int = N_VOXELS_BATCH,
) -> PermutationTest:
    """Test each voxel's correlation against predictions that were moved in time.

    Parameters
    ----------
    Y_test, Y_hat : array of shape (n_samples, n_voxels)
        Test responses and their prediction.
    moves : Moves
        From `permute_blocks` or `shift_runs`.
    method : 'count', 'tail' or 'pooled'
        'count': p = (1 + number of null r >= r) / (1 + n_permutations), exact for each
        voxel by itself. 'tail': where fewer than 10 reach r, a generalised Pareto
        distribution fitted to the largest tenth of the voxel's null, by probability-
        weighted moments; a shape below 0 (an upper end beyond which p would be 0) is
        read as 0, an exponential tail, so p errs upwards. 'pooled': the null of all
        voxels, each with its own mean and standard deviation taken out; reads finely,
        if the nulls of all voxels have one form.
    members : array of bool, shape (n_rois, n_voxels), optional
        Which voxels each ROI holds; their mean r is tested too.
    n_voxels_batch : int
        Voxels worked on at once. Memory, and not results, depends on it.

    Returns
    -------
    test : PermutationTest

    Raises
    ------
    InputError
        If the shapes do not fit together, or 'tail' has fewer than 500 permutations.

    References
    ----------
    Phipson, B. & Smyth, G. K. (2010). Permutation p-values should never be zero.
    Statistical Applications in Genetics and Molecular Biology 9.
    Knijnenburg, T. A. et al. (2009). Fewer permutations, more accurate P-values.
    Bioinformatics 25. Hosking, J. R. M. & Wallis, J. R. (1987). Parameter and quantile
    estimation for the generalized Pareto distribution. Technometrics 29.
    """
    Y, P, inside = _check(Y_test, Y_hat, moves, method, members)
    gather = _Gather.start(moves.n_permutations, Y.shape[1], inside)
    for columns, r, null in each_null(Y, P, moves, n_voxels_batch=n_voxels_batch):
        gather.add(columns, r, null, method)
    return gather.finish(moves, method)


def each_null(
    Y: Floats, P: Floats, moves: Moves, *, n_voxels_batch: int = N_VOXELS_BATCH
) -> Iterator[tuple[NDArray[np.intp], Floats, Floats]]:
    """Yield (columns, observed r, null r) for voxels that have a score, in batches.

    Yields
    ------
    columns : array of int, shape (n_batch,)
    r : array of shape (n_batch,)
    null : array of shape (n_permutations, n_batch)
    """
    chosen = picks(moves)
    for start in range(0, Y.shape[1], n_voxels_batch):
        batch = slice(start, start + n_voxels_batch)
        y, p = Y[:, batch], P[:, batch]
        scored = varies(y) & varies(p)
        if not scored.any():
            continue
        if not scored.all():
            y, p = y[:, scored], p[:, scored]
        sums = chosen @ pair_table(_standard(y), _standard(p), moves)
        yield start + np.flatnonzero(scored), sums[0], sums[1:]


class _Gather:
    """Takes one batch of voxels after the other, and keeps what is asked of them."""

    def __init__(self, arrays: dict[str, Floats], inside: Floats) -> None:
        self.arrays, self.inside = arrays, inside
        self.n_members = np.zeros(len(inside))
        self.heights = np.zeros(2 * round(Z_END / Z_STEP) + 2, np.int64)

    @classmethod
    def start(cls, n_permutations: int, n_voxels: int, inside: Floats) -> "_Gather":
        names = ("r", "p", "null_mean", "null_sd")
        arrays = {name: np.full(n_voxels, np.nan) for name in names}
        arrays["max_null"] = np.full(n_permutations, -np.inf)
        arrays["rois"] = np.zeros((1 + n_permutations, len(inside)))
        return cls(arrays, inside)

    def add(self, columns: NDArray, r: Floats, null: Floats, method: Method) -> None:
        to = self.arrays
        above = (null >= r - TIE).sum(axis=0)
        to["r"][columns] = r
        to["p"][columns] = (1 + above) / (1 + len(null))
        np.maximum(to["max_null"], null.max(axis=1), out=to["max_null"])
        if len(self.inside):
            inside = self.inside[:, columns].T
            self.n_members += inside.sum(axis=0)
            to["rois"] += np.concatenate([r[None], null]) @ inside
        mean, sd = null.mean(axis=0), null.std(axis=0, ddof=1)
        to["null_mean"][columns], to["null_sd"][columns] = mean, sd
        # Without spread, moving changes nothing but the rounding: p stays 1.
        spread = sd > TIE
        if method == "tail":
            few = (above < N_EXCEED) & spread
            to["p"][columns[few]] = tail_p(r[few], null[:, few])
        elif method == "pooled":
            places = _places(((null - mean)[:, spread]) / sd[spread])
            self.heights += np.bincount(places.ravel(), minlength=len(self.heights))

    def finish(self, moves: Moves, method: Method) -> PermutationTest:
        to, n = self.arrays, moves.n_permutations
        if method == "pooled":
            # All of the bin counts: p errs upwards by less than one bin.
            above = self.heights[::-1].cumsum()[::-1]
            known = to["null_sd"] > TIE
            z = (to["r"] - to["null_mean"])[known] / to["null_sd"][known]
            to["p"][known] = (1 + above[_places(z)]) / (1 + above[0])
        # Where ways are fewer than permutations, each was taken once: n counts them.
        least = {"count": 1 / (1 + n), "tail": 0.0}
        least["pooled"] = 1 / (1 + int(self.heights.sum()))
        empty = np.full_like(to["rois"], np.nan)
        some = self.n_members > 0
        rois = np.divide(to["rois"], self.n_members, out=empty, where=some)
        if not np.isfinite(to["r"]).any():
            to["max_null"][:] = np.nan
        return PermutationTest(
            **{name: to[name] for name in to if name != "rois"},
            roi_r=rois[0],
            roi_null=rois[1:],
            method=method,
            smallest_p=least[method],
            notes=(*moves_notes(moves), *_still(to["null_sd"])),
        )


def _still(null_sd: Floats) -> list[str]:
    """Return a note if some predictions cannot be moved by the null."""
    n_still = int((null_sd <= TIE).sum())
    if not n_still:
        return []
    return [
        f"the predictions of {n_still} voxels stay what they are when they are moved "
        "(they change between runs only, for instance), so this null cannot test them: "
        "their p is 1."
    ]


def tail_p(r: Floats, null: Floats) -> Floats:
    """Return p from a generalised Pareto tail fitted to each column of the null.

    Parameters
    ----------
    r : array of shape (n_voxels,)
        Observed, above the threshold that the largest tenth of the null sets.
    null : array of shape (n_permutations, n_voxels)

    Returns
    -------
    p : array of shape (n_voxels,)
    """
    n_tail = round(TAIL_SHARE * len(null))
    tail = np.sort(null, axis=0)[-n_tail - 1 :]
    excess = tail[1:] - tail[0]
    shape, scale = pareto_moments(excess)
    light = shape < 0
    shape = np.where(light, 0.0, shape)
    scale = np.where(light, excess.mean(axis=0), scale)
    beyond = genpareto.sf(r - tail[0], shape, scale=scale)
    return n_tail / len(null) * beyond


def pareto_moments(excess: Floats) -> tuple[Floats, Floats]:
    """Return shape and scale of a generalised Pareto, by probability-weighted moments.

    With a0 the mean and a1 the mean of (1 - F) x, F = (i - 0.35) / n for the i-th
    smallest x: shape = 2 - a0 / (a0 - 2 a1), scale = 2 a0 a1 / (a0 - 2 a1).

    Parameters
    ----------
    excess : array of shape (n, n_columns)
        Each column sorted, smallest first; not negative.

    Returns
    -------
    shape, scale : array of shape (n_columns,)
        The shape as scipy counts it: above 0 for a heavy tail, below 0 for one that
        ends.

    References
    ----------
    Hosking, J. R. M. & Wallis, J. R. (1987). Technometrics 29, 339-349.
    """
    n = len(excess)
    remaining = 1 - (np.arange(1, n + 1) - 0.35) / n
    a0, a1 = excess.mean(axis=0), remaining @ excess / n
    return 2 - a0 / (a0 - 2 * a1), 2 * a0 * a1 / (a0 - 2 * a1)


def _places(z: Floats) -> NDArray[np.intp]:
    """Return the bin of each z; the first and the last take all beyond the ends."""
    places = np.floor((z + Z_END) / Z_STEP).astype(np.intp) + 1
    return np.clip(places, 0, 2 * round(Z_END / Z_STEP) + 1)


def _standard(array: Floats) -> Floats:
    """Return columns of mean 0 and norm 1, so that products sum to correlations."""
    array = array.astype(np.float64)
    array -= array.mean(axis=0)
    array /= np.linalg.norm(array, axis=0)
    return array


def _check(
    Y_test: ArrayLike,
    Y_hat: ArrayLike,
    moves: Moves,
    method: str,
    members: ArrayLike | None,
) -> tuple[Floats, Floats, Floats]:
    Y, P = as_matrix(Y_test, "Y_test"), as_matrix(Y_hat, "Y_hat")
    n_rois_voxels = (0, Y.shape[1]) if members is None else np.shape(members)
    check_choice(method, "method", get_args(Method))
    if Y.shape != P.shape or n_rois_voxels[1:] != Y.shape[1:]:
        raise InputError(
            f"Y_test has shape {Y.shape}, Y_hat {P.shape} and members {n_rois_voxels}; "
            "they must be (n_samples, n_voxels) twice and (n_rois, n_voxels)."
        )
    if members is not None and np.asarray(members).dtype != bool:
        raise InputError(
            f"members has type {np.asarray(members).dtype}, expected bool: which of "
            "Y's voxels each ROI holds. Weights are not taken."
        )
    if moves.n_samples != len(Y):
        raise InputError(
            f"the moves are of {moves.n_samples} samples and Y_test has {len(Y)}. Make "
            "them from the blocks and runs of the test rows."
        )
    if method == "tail" and moves.n_permutations < FEWEST_FOR_TAIL:
        raise InputError(
            f"{moves.n_permutations} permutations leave too few in the tail for a fit; "
            f"use at least {FEWEST_FOR_TAIL}, or method='count'."
        )
    inside = np.empty(n_rois_voxels) if members is None else np.asarray(members, float)
    return Y, P, inside
