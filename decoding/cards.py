"""A number of identification with what it is worth: pool, ties, chance, interval, p."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from ..core.stats import correlation
from .chance import clip_permutations, clip_resamples, interval, one_sided_p
from .identify import similarity
from .ranks import (
    Metric,
    Which,
    accuracy,
    candidates,
    chance_losses,
    chance_mean,
    chance_median_rank,
    losses,
    n_tied,
    n_way,
    rank,
    top_k,
)

N_WAYS = (2, 5, 10, 50)
TOPS = (1, 3, 5, 10)
LEADING = ("metric", "pool", "value", "chance", "low", "high", "p")


@dataclass(frozen=True, slots=True)
class Card:
    """One score, and what is needed to read it.

    Parameters
    ----------
    metric : str
    value : float
    pool : str
        What the true item was told apart from, in words.
    n, n_clips : int
        Items that were scored, and the clips that they are of.
    n_candidates : int
        Candidates beside the true one; the fewest of any item.
    n_ties : int
        Pairs in the pool whose targets are equal: none of both can win.
    chance : float
        What predictions without knowledge of the items are expected to score.
    low, high : float
        95% interval by bootstrap over clips, the pool as it is.
    p : float
        One-sided, (1 + permutations at least as good) / (1 + permutations), clips
        permuted whatever their numbers of windows: see `clip_permutations`.
    n_permutations : int
        1 / (1 + n_permutations) is the smallest p that can come out.
    """

    metric: str
    value: float
    pool: str
    n: int
    n_clips: int
    n_candidates: int
    n_ties: int
    chance: float
    low: float
    high: float
    p: float
    n_permutations: int


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Which items are told apart from which, and how often chance is tried.

    Parameters
    ----------
    clips : array of shape (n_items,)
    which : 'all', 'other clips' or 'own clip'
        See `candidates`.
    groups : array of shape (n_items,), optional
        Such as genres: candidates are of the same group, and clips are permuted
        inside groups, since what tells groups apart is not asked.
    name : str
        What the pool is called in the card; '' lets it be described by its parts.
    n_permutations, n_resamples : int
    seed : int
    """

    clips: ArrayLike
    which: Which = "all"
    groups: ArrayLike | None = None
    name: str = ""
    n_permutations: int = 1000
    n_resamples: int = 2000
    seed: int = 0

    @property
    def described(self) -> str:
        """The pool in words."""
        within = "" if self.groups is None else ", inside groups"
        n_clips = len(np.unique(np.asarray(self.clips)))
        text = f"{n_clips} clips, {len(np.asarray(self.clips))} items: {self.which}"
        return self.name or text + within


def identification_cards(
    predicted: ArrayLike,
    target: ArrayLike,
    pool: Pool,
    *,
    n_ways: Sequence[int] = N_WAYS,
    tops: Sequence[int] = TOPS,
) -> list[Card]:
    """Return cards of accuracy, N-way, top-k and median rank in one pool.

    Parameters
    ----------
    predicted, target : array of shape (n_items, n_dimensions)
        Row i of both is the same clip, or the same window of a clip.
    pool : Pool
    n_ways, tops : sequence of int
        Those larger than the smallest pool are left out: 50-way of 10 is no number.

    Returns
    -------
    cards : list of Card
        'identification accuracy', 'N-way accuracy', 'top-K', 'median rank'.

    Raises
    ------
    InputError
        If shapes do not fit, an item has no candidate, or clips cannot be permuted.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music, equations 2 and 3.
    """
    C = similarity(predicted, target)
    mask = candidates(pool.clips, pool.which, groups=pool.groups)
    _check_items(len(C), len(mask))
    lost, n_candidates = losses(C, mask), mask.sum(axis=1)
    expected = chance_losses(target, mask)
    metrics = metrics_of(n_candidates, n_ways, tops)
    judge = _Judge(pool, int(n_candidates.min()), n_tied(target, mask))
    cards = []
    for name, metric in metrics.items():
        table = metric(lost, n_candidates[None])
        chance = chance_mean(metric, expected, n_candidates)
        cards.append(judge.card(name, table, chance=chance))
    # Turned, since in all else more is better.
    ranks, chance = -rank(lost, n_candidates), -chance_median_rank(expected)
    turned = judge.card("median rank", ranks, chance=chance, middle=np.median)
    return [*cards, _turned(turned)]


def metrics_of(
    n_candidates: NDArray[np.integer], n_ways: Sequence[int], tops: Sequence[int]
) -> dict[str, Metric]:
    """Return the metrics that a pool is large enough for, by their names.

    Examples
    --------
    >>> list(metrics_of(np.array([3, 4]), (2, 5), (1, 10)))
    ['identification accuracy', '2-way accuracy', 'top-1']
    """
    fewest = int(n_candidates.min())
    return {
        "identification accuracy": accuracy,
        **{f"{n}-way accuracy": n_way(n) for n in n_ways if n <= fewest + 1},
        **{f"top-{k}": top_k(k) for k in tops if k <= fewest},
    }


def correlation_cards(
    predicted: ArrayLike, target: ArrayLike, pool: Pool
) -> list[Card]:
    """Return cards of the correlation per sample and per dimension.

    Per sample: over the dimensions, mean over items; what all items share makes it
    high without any knowledge, so its chance is seldom 0. Per dimension: over the
    items, mean over dimensions. Chance of both is the mean of the permutations.

    Parameters
    ----------
    predicted, target : array of shape (n_items, n_dimensions)
    pool : Pool
        Its candidates do not matter here; its clips and groups do.

    Returns
    -------
    cards : list of Card
        'correlation per sample' and 'correlation per dimension'. A dimension that
        does not vary over the items, or in a resample of clips, has no correlation and
        is left out of the mean.

    Raises
    ------
    InputError
        If a row is constant, or every dimension over the items.
    """
    C = similarity(predicted, target)
    predicted, target = np.asarray(predicted, float), np.asarray(target, float)
    _check_items(len(C), len(np.asarray(pool.clips)))
    observed = correlation(target, predicted)
    if np.isnan(observed).all():
        raise InputError(
            f"all {len(observed)} dimensions are constant over the items, in target or "
            "prediction, and have no correlation. Take a target that tells the items "
            "apart."
        )
    judge = _Judge(pool, len(C) - 1, 0)
    null = np.array([mean_r(predicted[order], target) for order in judge.permutations])
    again = np.array(
        [mean_r(predicted[rows], target[rows]) for rows in judge.resamples]
    )
    per_dimension = judge.finish(
        "correlation per dimension",
        float(np.nanmean(observed)),
        float(null.mean()),
        null=null,
        again=again[~np.isnan(again)],  # of few clips, one may be drawn alone
    )
    return [judge.card("correlation per sample", C), per_dimension]


def pairs_card(name: str, table: ArrayLike, pool: Pool) -> Card:
    """Return the card of how alike each prediction and its own item are.

    Parameters
    ----------
    name : str
        Of the metric, which is better where it is larger.
    table : array of shape (n_items, n_items)
        Of prediction i and item j, such as their cosine. The mean of the diagonal is
        scored; its chance is the mean of the permutations of clips.
    pool : Pool
        Its candidates do not matter here; its clips and groups do.

    Returns
    -------
    card : Card

    Raises
    ------
    InputError
        If the table is not square and finite, or does not fit the pool.
    """
    C = as_matrix(table, "table").astype(np.float64)
    if C.shape[0] != C.shape[1]:
        raise InputError(
            f"table has shape {C.shape}; it must have one row per prediction and one "
            "column per item, as many of both."
        )
    _check_items(len(C), len(np.asarray(pool.clips)))
    return _Judge(pool, len(C) - 1, 0).card(name, C)


def card_table(cards: Sequence[Card], **labels: object) -> pd.DataFrame:
    """Return cards as rows: `labels`, what was scored and how well, then of how many.

    Examples
    --------
    >>> numbers = (60, 60, 59, 0, 0.5, 0.8, 0.9, 0.01, 99)
    >>> card = Card("identification accuracy", 0.86, "60 clips", *numbers)
    >>> card_table([card], subject="01")[["subject", "value", "chance"]]
      subject  value  chance
    0      01   0.86     0.5
    """
    named = [field.name for field in fields(Card)]
    rest = [name for name in named if name not in LEADING]
    columns = [*labels, *LEADING, *rest]
    return pd.DataFrame([labels | asdict(card) for card in cards], columns=columns)


def cards_of_subset(
    predicted: ArrayLike,
    target: ArrayLike,
    pool: Pool,
    subset: ArrayLike,
    *,
    n_ways: Sequence[int] = N_WAYS,
    tops: Sequence[int] = TOPS,
) -> list[Card]:
    """Return the identification cards of a part of the items, told apart in that part.

    Parameters
    ----------
    predicted, target : array of shape (n_items, n_dimensions)
    pool : Pool
    subset : array of bool, shape (n_items,)
        Which items stay, such as those of artists or recordings that were never in
        training.
    n_ways, tops : sequence of int
        As in `identification_cards`.

    Returns
    -------
    cards : list of Card

    Raises
    ------
    InputError
        If `subset` is no mask of the items.
    """
    subset = np.asarray(subset)
    if subset.dtype != bool or subset.shape != np.asarray(pool.clips).shape:
        raise InputError(
            f"subset has shape {subset.shape} and type {subset.dtype}, expected bool "
            f"and one value per item, {len(np.asarray(pool.clips))}."
        )
    groups = None if pool.groups is None else np.asarray(pool.groups)[subset]
    part = replace(pool, clips=np.asarray(pool.clips)[subset], groups=groups)
    return identification_cards(
        np.asarray(predicted)[subset],
        np.asarray(target)[subset],
        part,
        n_ways=n_ways,
        tops=tops,
    )


class _Judge:
    """Makes cards of tables [prediction, item], all on the same permutations."""

    def __init__(self, pool: Pool, n_candidates: int, n_ties: int) -> None:
        self.pool, self.n_candidates, self.n_ties = pool, n_candidates, n_ties
        self.clips = np.asarray(pool.clips)
        self.permutations = clip_permutations(
            self.clips, pool.n_permutations, seed=pool.seed, strata=pool.groups
        )
        self.resamples = clip_resamples(self.clips, pool.n_resamples, seed=pool.seed)

    def card(
        self,
        name: str,
        table: Floats,
        *,
        chance: float | None = None,
        middle: Callable[..., np.floating] = np.mean,
    ) -> Card:
        """Return the card of the diagonal; the chance is the null's if not given."""
        items = np.diag(table)
        columns = np.arange(len(table))
        null = np.array([middle(table[p, columns]) for p in self.permutations])
        again = np.array([middle(items[rows]) for rows in self.resamples])
        expected = float(null.mean()) if chance is None else chance
        return self.finish(name, float(middle(items)), expected, null=null, again=again)

    def finish(
        self, name: str, value: float, chance: float, *, null: Floats, again: Floats
    ) -> Card:
        low, high = interval(again)
        return Card(
            metric=name,
            value=value,
            pool=self.pool.described,
            n=len(self.clips),
            n_clips=len(np.unique(self.clips)),
            n_candidates=self.n_candidates,
            n_ties=self.n_ties,
            chance=chance,
            low=low,
            high=high,
            p=one_sided_p(value, null),
            n_permutations=len(null),
        )


def mean_r(predicted: Floats, target: Floats) -> float:
    """Return the correlation over items, mean over dimensions that vary.

    NaN if none does.
    """
    r = correlation(target, predicted)
    r = r[~np.isnan(r)]
    return float(r.mean()) if len(r) else np.nan


def _turned(card: Card) -> Card:
    """Return a card of negative ranks as one of ranks."""
    return replace(
        card, value=-card.value, chance=-card.chance, low=-card.high, high=-card.low
    )


def _check_items(n_rows: int, n_clips: int) -> None:
    if n_rows != n_clips:
        raise InputError(
            f"predicted has {n_rows} rows, and the pool names the clips of {n_clips}. "
            "Give one clip per row."
        )
