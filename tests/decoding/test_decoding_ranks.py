"""Tests of losses, the metrics made of them, and their chance."""

from itertools import combinations, permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.identify import (
    chance_with_ties,
    identification_accuracy,
    similarity,
)
from brain2music.decoding.ranks import (
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

CLIPS = np.array(["a", "a", "b", "b", "b", "c", "d"])


@pytest.fixture(name="C")
def similarity_fixture(rng):
    target = rng.standard_normal((7, 5)) @ rng.standard_normal((5, 5))
    return similarity(target + 2 * rng.standard_normal((7, 5)), target)


def test_similarity_is_the_correlation_of_every_pair(rng):
    predicted, target = rng.standard_normal((2, 6, 4))
    by_hand = [[np.corrcoef(p, t)[0, 1] for t in target] for p in predicted]
    assert_allclose(similarity(predicted, target), by_hand)


@pytest.mark.parametrize("which", ["all", "other clips"])
def test_losses_equal_the_loops(C, which):
    mask = candidates(CLIPS, which)
    lost = losses(C, mask)
    for r, i in np.ndindex(C.shape):
        n = 0
        for j in range(len(C)):
            allowed = j != i and (which == "all" or CLIPS[j] != CLIPS[i])
            n += allowed and C[r, j] >= C[r, i]
        assert lost[r, i] == n


def test_accuracy_is_that_of_the_paper(rng):
    target = np.eye(4)[rng.integers(4, size=15)] + 0.0
    predicted = target + rng.standard_normal((15, 4))
    mask = candidates(np.arange(15))
    lost = np.diag(losses(similarity(predicted, target), mask))
    found = accuracy(lost, mask.sum(axis=1))
    assert_allclose(found, identification_accuracy(predicted, target))


def test_candidates_inside_groups_and_inside_the_own_clip():
    groups = np.array([0, 0, 0, 0, 0, 1, 1])
    mask = candidates(CLIPS, "other clips", groups=groups)
    assert_array_equal(mask[0], [0, 0, 1, 1, 1, 0, 0])
    assert_array_equal(mask[6], [0, 0, 0, 0, 0, 1, 0])
    own = candidates(CLIPS[:5], "own clip")
    assert_array_equal(own[3], [0, 0, 1, 0, 1])


def test_n_way_equals_all_draws(C):
    mask = candidates(np.arange(7))
    lost = np.diag(losses(C, mask))
    for n in (2, 3, 5):
        by_hand = []
        for i in range(7):
            others = [j for j in range(7) if j != i]
            won = [
                all(C[i, i] > C[i, j] for j in d) for d in combinations(others, n - 1)
            ]
            by_hand.append(np.mean(won))
        assert_allclose(n_way(n)(lost, mask.sum(axis=1)), by_hand)


def test_two_way_is_identification_accuracy(C):
    lost, n = np.diag(losses(C, candidates(np.arange(7)))), np.full(7, 6)
    assert_allclose(n_way(2)(lost, n), accuracy(lost, n))


def test_top_k_and_rank_equal_sorting(C):
    lost = np.diag(losses(C, candidates(np.arange(7))))
    place = [
        int(np.flatnonzero(np.argsort(-row) == i)[0]) + 1 for i, row in enumerate(C)
    ]
    assert_array_equal(rank(lost, np.full(7, 6)), place)
    assert_array_equal(top_k(2)(lost, np.full(7, 6)), np.array(place) <= 2)


@pytest.mark.parametrize(
    "labels", [[0, 1, 2, 3], [0, 0, 1, 2], [0, 0, 1, 2, 2, 2], [0, 0, 0, 1, 1, 2]]
)
def test_chance_of_losses_equals_all_orders_of_the_targets(labels):
    labels = np.array(labels)
    target = np.eye(4)[labels]
    mask = candidates(np.arange(len(labels)))
    found = chance_losses(target, mask)
    for i, own in enumerate(labels):
        counts = np.zeros(len(labels))
        for order in permutations(range(labels.max() + 1)):
            place = np.argsort(order)
            lost = sum(place[x] <= place[own] for j, x in enumerate(labels) if j != i)
            counts[lost] += 1
        assert_allclose(found[i], counts / counts.sum())


def test_chance_of_accuracy_is_that_with_ties():
    genre = np.eye(10)[np.arange(60) % 10]
    mask = candidates(np.arange(60))
    found = chance_mean(accuracy, chance_losses(genre, mask), mask.sum(axis=1))
    assert_allclose(found, chance_with_ties(genre))
    assert_allclose(found, 0.5 * 54 / 59)
    best = losses(similarity(genre, genre), mask)
    assert_allclose(accuracy(np.diag(best), mask.sum(axis=1)), 54 / 59)
    assert n_tied(genre, mask) == 10 * 15


def test_chance_without_ties_is_one_of_n(rng):
    target, mask = rng.standard_normal((9, 3)), candidates(np.arange(9))
    chance, n = chance_losses(target, mask), mask.sum(axis=1)
    assert_allclose(chance_mean(n_way(4), chance, n), 1 / 4)
    assert_allclose(chance_mean(top_k(2), chance, n), 2 / 9)
    assert chance_median_rank(chance) == 5
    assert (
        chance_median_rank(chance_losses(target[:8], candidates(np.arange(8)))) == 4.5
    )


def test_chance_is_what_random_predictions_get(rng):
    genre = np.eye(5)[[0, 0, 1, 1, 1, 2, 3, 3, 4, 4, 4, 4]]
    mask = candidates(np.arange(12))
    n = mask.sum(axis=1)
    got = {name: [] for name in ("3-way", "top", "median")}
    for _ in range(600):
        lost = np.diag(losses(similarity(rng.standard_normal((12, 5)), genre), mask))
        got["3-way"].append(n_way(3)(lost, n).mean())
        got["top"].append(top_k(4)(lost, n).mean())
        got["median"].append(rank(lost, n))
    chance = chance_losses(genre, mask)
    assert_allclose(np.mean(got["3-way"]), chance_mean(n_way(3), chance, n), atol=0.01)
    assert_allclose(np.mean(got["top"]), chance_mean(top_k(4), chance, n), atol=0.01)
    assert np.median(got["median"]) == chance_median_rank(chance)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: n_way(1), "nothing to choose"),
        (lambda: top_k(0), "no place"),
        (lambda: n_way(9)(np.zeros(3), np.full(3, 2)), "needs 8 candidates"),
        (lambda: candidates(["a", "b"], "own clip"), "2 of 2 items have no candidate"),
        (lambda: candidates(["a", "b"], groups=[1]), "one group per item"),
        (lambda: candidates(["a", "b"], "al"), "Did you mean 'all'"),
    ],
)
def test_what_is_no_pool_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
