"""Which candidates a search tries, and those that it places by itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

Floats = NDArray[np.float64]

# A voxel's own candidate is made from this many of its best, and it tries as many of
# the placed ones.
N_BEST, N_NEAR = 3, 3


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The candidates of a search, the same for all chunks.

    Parameters
    ----------
    candidates : array of shape (n_candidates, n_bands)
        Those that each voxel tries as long as it is in the race; then the placed
        ones.
    n_first : int
        How many of them all voxels try.
    rounds : tuple of (int, int)
        The first and the last (excluded) of the placed ones, round by round.
    """

    candidates: Floats
    n_first: int
    rounds: tuple[tuple[int, int], ...] = ()

    @property
    def n_common(self) -> int:
        """Number of candidates that were not placed."""
        return self.rounds[0][0] if self.rounds else len(self.candidates)


def first_plan(candidates: NDArray[np.floating]) -> Plan:
    """Return a plan without placed candidates.

    The first are the leading ones that are one band alone or all bands alike, as
    `structured_candidates` puts them; or as many as there are bands, plus one.
    """
    rows = np.asarray(candidates).astype(np.float64)
    largest = rows.max(axis=1)
    simple = (largest == 1) | np.isclose(rows, largest[:, None]).all(axis=1)
    leading = int(np.argmin(np.append(simple, False)))
    n_first = max(leading, rows.shape[1] + 1)
    return Plan(rows, min(n_first, len(rows)))


def own_candidates(plan: Plan, scores: Floats) -> Floats:
    """Return, for each voxel, the middle of its best candidates.

    Weighed by how far each is above the next one that is not among them.

    Parameters
    ----------
    plan : Plan
    scores : array of shape (n_candidates, n_voxels)
        NaN where a voxel did not try the candidate.

    Returns
    -------
    own : array of shape (n_voxels, n_bands)
    """
    filled = np.where(np.isnan(scores), -np.inf, scores)
    n_best = min(N_BEST, len(filled))
    order = np.argsort(-filled, axis=0, kind="stable")[: n_best + 1]
    best = np.take_along_axis(filled, order, axis=0)
    above = best[:n_best] - best[-1]
    above = np.where(np.isfinite(above), above, 0)
    above[0] = np.maximum(above[0], np.finfo(np.float64).tiny)
    share = above / above.sum(axis=0)
    return np.einsum("kv,kvb->vb", share, plan.candidates[order[:n_best]])


def place(plan: Plan, own: Floats, n_placed: int, seed: int) -> Plan:
    """Return the plan with candidates added in the middle of clusters of voxels.

    Parameters
    ----------
    plan : Plan
    own : array of shape (n_voxels, n_bands)
        Of the sampled voxels that are still searching; at least one.
    n_placed : int
        How many candidates to add; fewer if the voxels agree on fewer.
    seed : int
    """
    distinct = np.unique(own.round(6), axis=0)
    if len(distinct) <= n_placed:
        centres = distinct
    else:
        rng = np.random.default_rng(seed)
        roots, _ = kmeans2(np.sqrt(own), n_placed, minit="++", rng=rng, missing="warn")
        centres = np.square(roots)
    centres = centres / centres.sum(axis=1, keepdims=True)
    start = len(plan.candidates)
    return Plan(
        np.concatenate([plan.candidates, centres]),
        plan.n_first,
        (*plan.rounds, (start, start + len(centres))),
    )


def nearest_placed(plan: Plan, own: Floats, start: int, stop: int) -> NDArray[np.bool_]:
    """Return which placed candidates, from `start` to before `stop`, each voxel tries.

    Returns
    -------
    tries : array of bool, shape (stop - start, n_voxels)
    """
    placed = np.sqrt(plan.candidates[start:stop])
    distance = ((placed[:, None] - np.sqrt(own)) ** 2).sum(axis=2)
    rank = distance.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return rank < N_NEAR
