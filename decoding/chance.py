"""Chance by clips: permutations that keep a clip's windows together, and resamples."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import InputError


def clip_permutations(
    clips: ArrayLike,
    n_permutations: int,
    *,
    seed: int,
    strata: ArrayLike | None = None,
) -> NDArray[np.intp]:
    """Return row orders that hand each clip's windows to another clip, as a whole.

    Every clip may change places with every other (of the same stratum), whatever
    their numbers of windows: the first window meets the first, and so on. Where the
    clip that comes in has more windows, its last ones are left out; where it has
    fewer, it starts again from its first. So it is the clips that are permuted, and an
    order may name a row twice. A clip that is alone in its stratum keeps its place.

    Parameters
    ----------
    clips : array of shape (n_items,)
    n_permutations : int
    seed : int
    strata : array of shape (n_items,), optional
        Such as genres. A clip lies in one of them.

    Returns
    -------
    orders : array of int, shape (n_permutations, n_items)
        `predicted[orders[k]]` are permuted predictions. Window w of a clip takes that
        of the other clip's window w modulo the other's number of windows.

    Raises
    ------
    InputError
        If no stratum has two clips, a clip lies in several strata, or no permutation
        is asked for.

    Examples
    --------
    >>> clip_permutations(["a", "a", "b", "b"], 4, seed=0).tolist()
    [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3], [2, 3, 0, 1]]
    >>> clip_permutations(["a", "a", "a", "b", "b"], 4, seed=0)[3].tolist()
    [3, 4, 3, 0, 1]
    """
    if n_permutations < 1:
        raise InputError(f"{n_permutations} permutations make no p. Ask for 1000.")
    names, which = np.unique(np.asarray(clips), return_inverse=True)
    rows = [np.flatnonzero(which == k) for k in range(len(names))]
    kinds = _kinds(rows, strata, names)
    if max(map(len, kinds)) < 2:
        raise InputError(
            f"{len(names)} clip{'s' if len(names) > 1 else ''}"
            f"{'' if strata is None else ', each alone in its group'}: none can change "
            "places. Give at least 2 clips, or larger groups."
        )
    rng = np.random.default_rng(seed)
    orders = np.tile(np.arange(len(which)), (n_permutations, 1))
    # Each clip's rows as they fill a place of so many windows.
    filling = {n: [np.resize(mine, n) for mine in rows] for n in set(map(len, rows))}
    for order in orders:
        for kind in kinds:
            for place, source in zip(kind, rng.permutation(kind), strict=True):
                order[rows[place]] = filling[len(rows[place])][source]
    return orders


def clip_resamples(
    clips: ArrayLike, n_resamples: int, *, seed: int
) -> list[NDArray[np.intp]]:
    """Return rows of clips drawn with replacement, all windows of a clip together.

    Examples
    --------
    >>> [rows.tolist() for rows in clip_resamples(["a", "b", "a"], 2, seed=0)]
    [[1, 1], [1, 0, 2]]
    """
    names, which = np.unique(np.asarray(clips), return_inverse=True)
    if len(names) < 2 or n_resamples < 1:
        raise InputError(
            f"{n_resamples} resamples of {len(names)} clips: an interval needs at "
            "least 2 clips and 1 resample. Give more clips."
        )
    rows = [np.flatnonzero(which == k) for k in range(len(names))]
    drawn = np.random.default_rng(seed).integers(
        len(names), size=(n_resamples, len(names))
    )
    return [np.concatenate([rows[k] for k in draw]) for draw in drawn]


def one_sided_p(value: float, null: ArrayLike) -> float:
    """Return (1 + permutations at least as good) / (1 + permutations).

    Examples
    --------
    >>> one_sided_p(0.7, [0.5, 0.7, 0.4])
    0.5
    """
    null = np.asarray(null)
    # Rounding makes two sums of the same numbers differ by less than this.
    return (1 + int((null >= value - 1e-12).sum())) / (1 + len(null))


def interval(again: ArrayLike) -> tuple[float, float]:
    """Return the bounds of the middle 95% of a score's resamples.

    Examples
    --------
    >>> interval(range(41))
    (1.0, 39.0)
    """
    low, high = np.quantile(np.asarray(again), [0.025, 0.975])
    return float(low), float(high)


def _kinds(
    rows: list[NDArray], strata: ArrayLike | None, names: NDArray
) -> list[list[int]]:
    """Return groups of clips that may change places."""
    kinds: dict[str, list[int]] = {}
    labels = None if strata is None else np.asarray(strata)
    for clip, places in enumerate(rows):
        inside = {""} if labels is None else set(map(str, labels[places]))
        if len(inside) > 1:
            raise InputError(
                f"clip {str(names[clip])!r} lies in groups {', '.join(sorted(inside))}."
                " A clip belongs to one; correct the labels."
            )
        kinds.setdefault(inside.pop(), []).append(clip)
    return list(kinds.values())
