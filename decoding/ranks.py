"""How many candidates beat the true one, and the metrics that follow from that.

Identification accuracy, N-way accuracy, top-k and rank are all functions of one count:
the losses of an item, that is the candidates whose target correlates with its
prediction at least as well as its own target does. So they share one table of losses,
one null and one chance.
"""

from collections.abc import Callable
from functools import lru_cache
from itertools import zip_longest
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import convolve
from scipy.special import comb

from ..core.checks import Floats, InputError, check_choice

Counts = NDArray[np.integer]
Metric = Callable[[NDArray, NDArray], Floats]
Which = Literal["all", "other clips", "own clip"]

CANDIDATES = ("all", "other clips", "own clip")


def candidates(
    clips: ArrayLike, which: Which = "all", *, groups: ArrayLike | None = None
) -> NDArray[np.bool_]:
    """Return which items each item is told apart from.

    Parameters
    ----------
    clips : array of shape (n_items,)
        Clip of each item; items may be clips or windows of clips.
    which : 'all', 'other clips' or 'own clip'
        All other items; without the other windows of the item's clip; or those
        windows only, which asks when in the clip.
    groups : array of shape (n_items,), optional
        Only items of the same group, such as the same genre.

    Returns
    -------
    mask : array of bool, shape (n_items, n_items)
        mask[i, j] is True where j is a candidate beside i. Never true for j = i.

    Raises
    ------
    InputError
        If an item has no candidate, or `groups` has another length.

    Examples
    --------
    >>> candidates(["a", "a", "b"], "other clips").astype(int)
    array([[0, 0, 1],
           [0, 0, 1],
           [1, 1, 0]])
    """
    check_choice(which, "which", CANDIDATES)
    clips = np.asarray(clips)
    mask = ~np.eye(len(clips), dtype=bool)
    same = clips[:, None] == clips[None]
    if which != "all":
        mask &= same if which == "own clip" else ~same
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != clips.shape:
            raise InputError(
                f"{len(clips)} items, but groups has shape {groups.shape}. Give one "
                "group per item."
            )
        mask &= groups[:, None] == groups[None]
    alone = ~mask.any(axis=1)
    if alone.any():
        raise InputError(
            f"{int(alone.sum())} of {len(clips)} items have no candidate beside them, "
            f"the first of them item {int(np.argmax(alone))} (clip "
            f"{str(clips[np.argmax(alone)])!r}). Leave them out, or widen the pool."
        )
    return mask


def losses(C: Floats, mask: NDArray[np.bool_]) -> Counts:
    """Return how many candidates are no worse than the true target, for any pairing.

    Parameters
    ----------
    C : array of shape (n_items, n_items)
        From `similarity`.
    mask : array of bool, shape (n_items, n_items)
        From `candidates`.

    Returns
    -------
    lost : array of int, shape (n_items, n_items)
        lost[r, i]: of the candidates j of item i, those with C[r, j] >= C[r, i]. The
        diagonal is what is observed; other entries belong to permuted predictions.

    Examples
    --------
    >>> C = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.3], [0.5, 0.4, 0.1]])
    >>> np.diag(losses(C, candidates(["a", "b", "c"]))).tolist()
    [0, 1, 2]
    """
    lost = np.empty(C.shape, np.int64)
    for row, own in enumerate(C):
        lost[row] = ((own[None] >= own[:, None]) & mask).sum(axis=1)
    return lost


def accuracy(lost: NDArray, n_candidates: NDArray) -> Floats:
    """Return the share of candidates that are beaten: equation 3 of the paper.

    Examples
    --------
    >>> accuracy(np.array([0, 3]), np.array([4, 4]))
    array([1.  , 0.25])
    """
    return 1 - np.asarray(lost) / n_candidates


def top_k(k: int) -> Metric:
    """Return the metric that is 1 where fewer than `k` candidates are as good.

    Examples
    --------
    >>> top_k(3)(np.array([2, 3]), np.array([9, 9]))
    array([1., 0.])
    """
    if k < 1:
        raise InputError(f"top-{k} asks for no place. Give k of at least 1.")

    def metric(lost: NDArray, n_candidates: NDArray) -> Floats:  # noqa: ARG001
        return (np.asarray(lost) < k).astype(np.float64)

    return metric


def n_way(n: int) -> Metric:
    """Return the metric that is the probability to be best of `n`.

    The true one stands beside n - 1 others drawn without replacement. With L losses
    among M candidates it is best with probability C(M - L, n - 1) / C(M, n - 1), so
    nothing has to be drawn.

    Raises
    ------
    InputError
        If `n` is below 2; the metric raises if the pool is smaller than `n`.

    Examples
    --------
    >>> n_way(2)(np.array([1]), np.array([4]))
    array([0.75])
    """
    if n < 2:
        raise InputError(f"{n}-way leaves nothing to choose. Give n of at least 2.")

    def metric(lost: NDArray, n_candidates: NDArray) -> Floats:
        fewest = int(np.min(n_candidates))
        if fewest < n - 1:
            raise InputError(
                f"{n}-way needs {n - 1} candidates beside the true one; an item has "
                f"{fewest}. Use a smaller n or a larger pool."
            )
        won = np.asarray(n_candidates) - lost
        return comb(won, n - 1) / comb(n_candidates, n - 1)

    return metric


def rank(lost: NDArray, n_candidates: NDArray) -> Floats:  # noqa: ARG001
    """Return the place of the true target, 1 for the best; equals count as before it.

    Examples
    --------
    >>> rank(np.array([0, 3]), np.array([4, 4]))
    array([1., 4.])
    """
    return np.asarray(lost) + 1.0


def chance_losses(target: ArrayLike, mask: NDArray[np.bool_]) -> list[Floats]:
    """Return the distribution of each item's losses if the prediction knows nothing.

    Different targets then stand in any order with equal probability, and equal targets
    stand together: an item always loses to its equals. Without ties all numbers of
    losses are as probable.

    Parameters
    ----------
    target : array of shape (n_items, n_dimensions)
    mask : array of bool, shape (n_items, n_items)

    Returns
    -------
    probabilities : list of array, each of shape (n_candidates + 1,)
        Entry L of item i is the probability of L losses.

    Examples
    --------
    >>> mask = candidates(["a", "b", "c"])
    >>> chance_losses(np.array([[0, 1], [0, 1], [1, 0]]), mask)[0]
    array([0. , 0.5, 0.5])
    """
    _, which = np.unique(np.asarray(target), axis=0, return_inverse=True)
    which = which.ravel()
    return [
        np.asarray(_distribution(*_sizes(which[row], which[beside])))
        for row, beside in enumerate(mask)
    ]


def n_tied(target: ArrayLike, mask: NDArray[np.bool_]) -> int:
    """Return how many (item, candidate) have equal targets, each pair counted once.

    A candidate pair that stands in both directions is one tie.

    Examples
    --------
    >>> n_tied(np.array([[0, 1], [0, 1], [1, 0]]), candidates(["a", "b", "c"]))
    1
    """
    return int(tied(target, mask).sum() // 2)


def tied(target: ArrayLike, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each item which of its candidates have the same target."""
    _, which = np.unique(np.asarray(target), axis=0, return_inverse=True)
    which = which.ravel()
    return (which[:, None] == which[None]) & mask


def chance_mean(
    metric: Metric, chance: list[Floats], n_candidates: NDArray[np.integer]
) -> float:
    """Return the mean over items of what a metric is expected to be by chance.

    Examples
    --------
    >>> round(chance_mean(n_way(3), [np.full(5, 0.2)], np.array([4])), 6)
    0.333333
    """
    means = [
        p @ metric(np.arange(len(p)), np.full(len(p), n))
        for p, n in zip(chance, n_candidates, strict=True)
    ]
    return float(np.mean(means))


def chance_p(n_lost: int, chance: list[Floats]) -> float:
    """Return how probable it is that as few candidates or fewer win by chance.

    Parameters
    ----------
    n_lost : int
        Losses of all items together.
    chance : list of array
        From `chance_losses`; the items' predictions are independent of each other.

    Examples
    --------
    >>> round(chance_p(1, [np.full(2, 0.5), np.full(2, 0.5)]), 6)
    0.75
    """
    parts = list(chance)
    while len(parts) > 1:  # two by two: thousands of windows take a second
        pairs = zip_longest(parts[::2], parts[1::2], fillvalue=np.ones(1))
        parts = [convolve(one, other) for one, other in pairs]
    return float(np.clip(parts[0][: n_lost + 1].sum(), 0, 1))  # but for rounding


def chance_median_rank(chance: list[Floats]) -> float:
    """Return the median rank that predictions without knowledge have, over all items.

    Examples
    --------
    >>> chance_median_rank([np.full(5, 0.2), np.full(5, 0.2)])
    3.0
    """
    pooled = np.zeros(max(map(len, chance)))
    for p in chance:
        pooled[: len(p)] += p / len(chance)
    reached = pooled.cumsum()
    lower = int(np.argmax(reached >= 0.5 - 1e-9))
    upper = int(np.argmax(reached > 0.5 + 1e-9))
    return 1 + (lower + upper) / 2


def _sizes(own: int, others: NDArray) -> tuple[int, tuple[int, ...]]:
    """Return how many others equal the own target, and the sizes of other groups."""
    values, counts = np.unique(others, return_counts=True)
    n_equal = int(counts[values == own].sum())
    return n_equal, tuple(sorted(counts[values != own].tolist()))


@lru_cache(maxsize=4096)
def _distribution(n_equal: int, sizes: tuple[int, ...]) -> tuple[float, ...]:
    """Return the probability of each number of losses.

    Of the other groups, m are above with m uniform from 0 to their number, and any m
    of them as probable as any other m.
    """
    total = sum(sizes)
    if set(sizes) <= {1}:
        above = np.full(total + 1, 1 / (total + 1))
        return (*[0.0] * n_equal, *above.tolist())
    n_groups = len(sizes)
    ways = np.zeros((n_groups + 1, total + 1))  # by number of groups and of members
    ways[0, 0] = 1
    for size in sizes:
        ways[1:, size:] += ways[:-1, : total + 1 - size].copy()
    shares = comb(n_groups, np.arange(n_groups + 1)) * (n_groups + 1)
    above = (ways / shares[:, None]).sum(axis=0)
    return (*[0.0] * n_equal, *above.tolist())
