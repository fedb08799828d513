"""Tests of cards: value, pool, chance, interval and p."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import bootstrap, kstest

from brain2music.core.checks import InputError
from brain2music.decoding.cards import (
    Pool,
    card_table,
    cards_of_subset,
    correlation_cards,
    identification_cards,
    pairs_card,
)
from brain2music.decoding.chance import clip_permutations
from brain2music.decoding.identify import identification_accuracy, similarity

N_CLIPS, N_WINDOWS, N_DIMENSIONS = 14, 3, 6
CLIPS = np.repeat([f"clip{k}" for k in range(N_CLIPS)], N_WINDOWS)


@pytest.fixture
def target(rng):
    shared = np.repeat(rng.standard_normal((N_CLIPS, N_DIMENSIONS)), N_WINDOWS, axis=0)
    mixed = rng.standard_normal((N_DIMENSIONS, N_DIMENSIONS))
    return (shared + 0.4 * rng.standard_normal(shared.shape)) @ mixed + 1


def by_name(cards):
    return {card.metric: card for card in cards}


def test_accuracy_has_the_value_of_the_formula(target, rng):
    predicted = target + 3 * rng.standard_normal(target.shape)
    card = identification_cards(predicted, target, Pool(CLIPS))[0]
    assert_allclose(card.value, identification_accuracy(predicted, target).mean())
    assert (card.n, card.n_clips, card.n_candidates) == (42, 14, 41)
    assert card.chance == pytest.approx(0.5)
    assert card.low < card.value < card.high
    assert "14 clips, 42 items: all" in card.pool


def test_structure_is_found_and_shuffled_gives_chance(target, rng):
    predicted = target + 3 * rng.standard_normal(target.shape)
    found = by_name(identification_cards(predicted, target, Pool(CLIPS)))
    order = clip_permutations(CLIPS, 1, seed=5)[0]
    shuffled = by_name(identification_cards(predicted[order], target, Pool(CLIPS)))
    for name in ("identification accuracy", "10-way accuracy", "top-5", "median rank"):
        assert found[name].p < 0.01
        assert shuffled[name].p > 0.05
    assert found["identification accuracy"].low > 0.5
    ranks = found["median rank"]
    assert ranks.low <= ranks.value <= ranks.high < ranks.chance


def test_without_the_own_clip_neighbours_do_not_count(target):
    # Each window is taken for the next window of the same clip.
    predicted = np.concatenate(
        [np.roll(target[c == CLIPS], 1, axis=0) for c in dict.fromkeys(CLIPS)]
    )
    with_own, without = (
        identification_cards(predicted, target, Pool(CLIPS, which))[0]
        for which in ("all", "other clips")
    )
    assert without.value > with_own.value
    assert without.n_candidates == 39


def test_p_counts_permutations_of_clips(target, rng):
    predicted = target + 25 * rng.standard_normal(target.shape)
    pool = Pool(CLIPS, n_permutations=99)
    card = identification_cards(predicted, target, pool)[0]
    null = [
        identification_accuracy(predicted[order], target).mean()
        for order in clip_permutations(CLIPS, 99, seed=0)
    ]
    n_as_good = sum(value >= card.value - 1e-12 for value in null)
    assert card.p == (1 + n_as_good) / 100
    assert 0.02 < card.p < 1


def test_p_is_uniform_without_truth(rng):
    p = []
    for _ in range(120):
        predicted, target = rng.standard_normal((2, 16, 5))
        pool = Pool(np.arange(16).astype(str), n_permutations=99, n_resamples=2)
        p.append(identification_cards(predicted, target, pool)[0].p)
    assert kstest(p, "uniform").pvalue > 0.01


def test_the_interval_is_that_of_a_bootstrap_over_clips(target, rng):
    predicted = target + 3 * rng.standard_normal(target.shape)
    pool = Pool(CLIPS, n_resamples=4000, n_permutations=1)
    card = identification_cards(predicted, target, pool)[0]
    items = identification_accuracy(predicted, target)
    means = items.reshape(N_CLIPS, N_WINDOWS).mean(axis=1)
    other = bootstrap((means,), np.mean, method="percentile", rng=rng)
    low, high = other.confidence_interval
    assert_allclose([card.low, card.high], [low, high], atol=0.01)


def test_inside_genres_what_tells_genres_apart_is_no_help(rng):
    genre = np.repeat(np.arange(4), 6)
    target = 5 * np.eye(7)[genre] + rng.standard_normal((24, 7))
    predicted = 5 * np.eye(7)[genre] + rng.standard_normal((24, 7))
    clips = np.arange(24).astype(str)
    everywhere = identification_cards(predicted, target, Pool(clips))[0]
    inside = identification_cards(predicted, target, Pool(clips, groups=genre))[0]
    assert everywhere.value > 0.8
    assert everywhere.p < 0.01
    assert inside.p > 0.05
    assert inside.n_candidates == 5


def test_correlations_equal_numpy(target, rng):
    predicted = target + 3 * rng.standard_normal(target.shape)
    rows, columns = correlation_cards(predicted, target, Pool(CLIPS))
    by_row = [np.corrcoef(p, t)[0, 1] for p, t in zip(predicted, target, strict=True)]
    by_column = [
        np.corrcoef(p, t)[0, 1] for p, t in zip(predicted.T, target.T, strict=True)
    ]
    assert_allclose(rows.value, np.mean(by_row))
    assert_allclose(columns.value, np.mean(by_column))
    assert rows.p < 0.01
    assert columns.p < 0.01
    assert columns.low < columns.value < columns.high


def test_a_table_of_pairs_is_judged_as_correlations_are(target, rng):
    predicted = target + 3 * rng.standard_normal(target.shape)
    pool = Pool(CLIPS, n_permutations=99, n_resamples=50)
    expected, _ = correlation_cards(predicted, target, pool)
    table = similarity(predicted, target)
    assert pairs_card("correlation per sample", table, pool) == expected
    orders = clip_permutations(CLIPS, 99, seed=0)
    null = [np.mean([table[a, b] for b, a in enumerate(order)]) for order in orders]
    assert expected.chance == pytest.approx(np.mean(null))
    assert expected.p == 0.01
    others = table[orders[3]]
    null = [np.mean([others[a, b] for b, a in enumerate(order)]) for order in orders]
    n_better = sum(value >= np.trace(others) / len(others) for value in null)
    assert 0.1 < (1 + n_better) / 100 == pairs_card("x", others, pool).p


def test_chance_of_rows_is_what_all_items_share(rng):
    profile = 5 * rng.standard_normal(N_DIMENSIONS)
    target = profile + rng.standard_normal((20, N_DIMENSIONS))
    predicted = profile + rng.standard_normal((20, N_DIMENSIONS))
    rows, columns = correlation_cards(predicted, target, Pool(np.arange(20)))
    assert rows.chance > 0.8
    assert rows.p > 0.05
    assert abs(columns.chance) < 0.05


def test_a_subset_is_told_apart_in_itself(target, rng):
    predicted = target + 3 * rng.standard_normal(target.shape)
    subset = CLIPS < "clip4"
    card = cards_of_subset(predicted, target, Pool(CLIPS), subset)[0]
    found = identification_accuracy(predicted[subset], target[subset]).mean()
    assert_allclose(card.value, found)
    assert card.n == subset.sum()


def test_sizes_beyond_the_pool_are_left_out(rng):
    predicted, target = rng.standard_normal((2, 7, 4))
    names = by_name(identification_cards(predicted, target, Pool(np.arange(7))))
    assert {"2-way accuracy", "5-way accuracy", "top-5"} <= set(names)
    assert not {"10-way accuracy", "50-way accuracy", "top-10"} & set(names)


def test_a_table_has_a_row_per_card(target):
    cards = identification_cards(target, target, Pool(CLIPS))
    table = card_table(cards, subject="01", decoder="roi")
    assert table.columns[:3].tolist() == ["subject", "decoder", "metric"]
    assert len(table) == len(cards)
    assert set(table["value"][:2]) == {1.0}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: identification_cards(np.eye(3), np.eye(3), Pool(["a", "b"])),
            "one clip per row",
        ),
        (
            lambda: correlation_cards(
                np.eye(3), np.tile([0.0, 1.0, 3.0], (3, 1)), Pool(list("abc"))
            ),
            "all 3 dimensions are constant",
        ),
        (
            lambda: pairs_card("x", np.ones((3, 2)), Pool(list("abc"))),
            "one row per prediction and one column per item",
        ),
        (
            lambda: pairs_card("x", np.eye(2), Pool(list("abc"))),
            "predicted has 2 rows, and the pool names the clips of 3",
        ),
        (
            lambda: cards_of_subset(np.eye(3), np.eye(3), Pool(list("abc")), [1, 0, 1]),
            "expected bool",
        ),
    ],
)
def test_what_gives_no_card_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_a_dimension_that_is_constant_over_the_items_has_no_part_in_the_mean(rng):
    target = rng.standard_normal((9, 5))
    predicted = target + rng.standard_normal((9, 5))
    pool = Pool(np.arange(9), n_permutations=100, n_resamples=100)
    wider = (
        np.c_[one, extra]
        for one, extra in ((predicted, rng.random(9)), (target, np.ones(9)))
    )
    found = correlation_cards(*wider, pool)[1]
    alone = correlation_cards(predicted, target, pool)[1]
    assert found == alone


def test_a_resample_of_one_clip_alone_leaves_the_interval_whole(rng):
    target = rng.standard_normal((3, 6))
    pool = Pool(np.arange(3), n_permutations=100, n_resamples=300)
    cards = correlation_cards(target + rng.standard_normal((3, 6)), target, pool)
    assert -1 <= cards[1].low < cards[1].high <= 1
