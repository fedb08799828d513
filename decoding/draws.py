"""Controls that are drawn: what many draws score, and not what luck gives to one."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from .cards import N_WAYS, TOPS, Card, Pool, metrics_of
from .chance import clip_permutations, interval
from .identify import similarity
from .ranks import (
    candidates,
    chance_losses,
    chance_mean,
    chance_median_rank,
    n_tied,
    rank,
)

Score = Callable[[Floats, Floats], float]
N_DRAWS = 200


@dataclass(frozen=True, slots=True)
class Draws:
    """Predictions that are drawn one after the other: no two are in memory at once.

    Parameters
    ----------
    n : int
        How many there are.
    each : callable
        Returns an iterator over all of them, the same at each call.
    """

    n: int
    each: Callable[[], Iterator[Floats]]

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[Floats]:
        return self.each()


def drawn_cards(
    draws: Collection[ArrayLike] | Draws,
    target: ArrayLike,
    pool: Pool,
    *,
    n_ways: Sequence[int] = N_WAYS,
    tops: Sequence[int] = TOPS,
    scores: Mapping[str, Score] | None = None,
) -> list[Card]:
    """Return cards of predictions that are drawn at random, over all draws.

    Of draws that know nothing one in twenty lies above chance with p below 0.05. All of
    them together do not.

    Parameters
    ----------
    draws : collection of array, each of shape (n_items, n_dimensions)
        Predictions that know nothing; 100 or more. They are gone through once.
    target : array of shape (n_items, n_dimensions)
    pool : Pool
    n_ways, tops : sequence of int
        As in `identification_cards`.
    scores : mapping from metric to callable, optional
        From predictions and targets to a number that is larger where they are more
        alike. Its chance is the mean of the draws with clips permuted once more.

    Returns
    -------
    cards : list of Card
        Value is the mean over the draws; low and high are what the middle 95% of the
        draws lie between. p is (1 + draws that are no better than chance) /
        (1 + draws): small only where nearly all draws are better. n_permutations is
        the number of draws.

    Raises
    ------
    InputError
        If there are fewer than two draws, or shapes do not fit.
    """
    target = as_matrix(target, "target").astype(np.float64)
    if len(draws) < 2:
        raise InputError(f"{len(draws)} draw has no spread. Give 100 or more.")
    mask = candidates(pool.clips, pool.which, groups=pool.groups)
    n_candidates, expected = mask.sum(axis=1), chance_losses(target, mask)
    metrics = metrics_of(n_candidates, n_ways, tops)
    chance = {
        name: chance_mean(metric, expected, n_candidates)
        for name, metric in metrics.items()
    }
    chance["median rank"] = chance_median_rank(expected)
    scores = scores or {}
    found: dict[str, list[float]] = {name: [] for name in (*chance, *scores)}
    again: dict[str, list[float]] = {name: [] for name in scores}
    orders = clip_permutations(
        pool.clips, len(draws), seed=pool.seed + 1, strata=pool.groups
    )
    for draw, order in zip(draws, orders, strict=True):
        guess = np.asarray(draw, np.float64)
        lost = _losses(similarity(guess, target), mask)
        for name, metric in metrics.items():
            found[name].append(float(metric(lost, n_candidates).mean()))
        found["median rank"].append(float(np.median(rank(lost, n_candidates))))
        for name, score in scores.items():
            found[name].append(score(guess, target))
            again[name].append(score(guess[order], target))
    chance |= {name: float(np.mean(values)) for name, values in again.items()}
    n_clips = len(np.unique(np.asarray(pool.clips)))
    n_ties = n_tied(target, mask)
    about = (len(target), n_clips, int(n_candidates.min()), n_ties)
    return [
        _card(name, values, chance[name], pool.described, about)
        for name, values in found.items()
    ]


def mean_r_of_items(predicted: Floats, target: Floats) -> float:
    """Return the correlation over dimensions, mean over items."""
    return float(np.diag(similarity(predicted, target)).mean())


def _losses(C: Floats, mask: NDArray[np.bool_]) -> NDArray[np.integer]:
    own = np.diag(C)[:, None]
    return ((own <= C) & mask).sum(axis=1)


def _card(
    name: str,
    values: Sequence[float],
    chance: float,
    described: str,
    about: tuple[int, ...],
) -> Card:
    better = np.array(values) - chance
    better = -better if name == "median rank" else better
    low, high = interval(values)
    n_items, n_clips, n_candidates, n_ties = about
    return Card(
        metric=name,
        value=float(np.mean(values)),
        pool=described,
        n=n_items,
        n_clips=n_clips,
        n_candidates=n_candidates,
        n_ties=n_ties,
        chance=chance,
        low=low,
        high=high,
        p=(1 + int((better <= 1e-12).sum())) / (1 + len(values)),
        n_permutations=len(values),
    )
