"""What a part of a pool scores: the clips of one genre, or one window of each clip."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats
from .chance import clip_resamples, interval, one_sided_p
from .ranks import (
    accuracy,
    chance_losses,
    chance_mean,
    chance_p,
    losses,
    tied,
)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a pool before anything is predicted.

    Parameters
    ----------
    clips : array of shape (n_items,)
    mask : array of bool, shape (n_items, n_items)
        Which items each is told apart from, from `candidates`.
    expected : list of array
        Each item's losses by chance, from `chance_losses`.
    same : array of bool, shape (n_items, n_items)
        Candidates that have the item's own target.
    orders : array of int, shape (n_permutations, n_items)
        Of predictions handed to other clips.
    """

    clips: NDArray
    mask: NDArray[np.bool_]
    expected: list[Floats]
    same: NDArray[np.bool_]
    orders: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        clips: NDArray,
        target: ArrayLike,
        mask: NDArray[np.bool_],
        orders: NDArray[np.intp],
    ) -> "Known":
        """Return what follows from targets, candidates and permutations."""
        return cls(clips, mask, chance_losses(target, mask), tied(target, mask), orders)

    def won(self, C: Floats) -> Floats:
        """Return the accuracy of item i by the prediction of item r, at [r, i]."""
        return accuracy(losses(C, self.mask), self.mask.sum(axis=1)[None])


def score_part(
    known: Known,
    won: Floats,
    inside: NDArray[np.intp],
    *,
    n_resamples: int,
    seed: int,
    permuted: float | None = None,
) -> dict[str, float]:
    """Return the identification accuracy of some items of a pool, and its worth.

    The predictions of other items need not score 0.5 for a part of the pool: one whose
    targets are central is near to whatever is predicted. Predictions that know nothing
    of any item do score that. Neither kind of ignorance is above chance.

    Parameters
    ----------
    known : Known
    won : array of shape (n_items, n_items)
        From `Known.won`.
    inside : array of int, shape (n_inside,)
        The items of the part.
    n_resamples, seed : int
    permuted : float, optional
        What the items score by predictions of other clips; the mean of the
        permutations if not given.

    Returns
    -------
    row : dict
        accuracy; chance (the larger of permuted and of what predictions without
        knowledge score); permuted; low and high, the 95% interval by bootstrap over
        the part's clips, NaN where it has one; p, one-sided, the larger of that of the
        permutations and of `chance_p`; n, n_clips, n_candidates (the fewest of any
        item), n_ties (pairs of an item and a candidate with one target) and
        n_permutations.
    """
    items, clips = np.diag(won)[inside], known.clips[inside]
    n = known.mask[inside].sum(axis=1)
    n_clips, (low, high) = len(np.unique(clips)), (np.nan, np.nan)
    if n_clips > 1:
        draws = clip_resamples(clips, n_resamples, seed=seed)
        low, high = interval([items[rows].mean() for rows in draws])
    null = won[known.orders[:, inside], inside].mean(axis=1)
    value = float(items.mean())
    permuted = float(null.mean()) if permuted is None else permuted
    expected = [known.expected[i] for i in inside]
    n_lost = int(((1 - items) * n).round().sum())
    same = known.same[inside]
    return {
        "accuracy": value,
        "chance": max(permuted, chance_mean(accuracy, expected, n)),
        "permuted": permuted,
        "low": low,
        "high": high,
        "p": max(one_sided_p(value, null), chance_p(n_lost, expected)),
        "n": len(inside),
        "n_clips": n_clips,
        "n_candidates": int(n.min()),
        "n_ties": int(same.sum() - same[:, inside].sum() // 2),
        "n_permutations": len(null),
    }
