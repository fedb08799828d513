"""Tests of identification among several stimuli."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.identify import chance_with_ties, identification_accuracy


def by_hand(predicted, target):
    n_items = len(target)
    accuracy = []
    for i in range(n_items):
        wins = 0
        for j in range(n_items):
            own = np.corrcoef(predicted[i], target[i])[0, 1]
            wins += own > np.corrcoef(predicted[i], target[j])[0, 1] and i != j
        accuracy.append(wins / (n_items - 1))
    return accuracy


def test_equals_the_double_loop(rng):
    target = rng.standard_normal((13, 7)) @ rng.standard_normal((7, 7)) + 1
    predicted = target + 4 * rng.standard_normal((13, 7))
    found = identification_accuracy(predicted, target)
    assert_allclose(found, by_hand(predicted, target))
    assert 0.5 < found.mean() < 1


def test_unit_and_baseline_of_each_row_do_not_matter(rng):
    target = rng.standard_normal((9, 5))
    predicted = target + rng.standard_normal((9, 5))
    changed = predicted * rng.uniform(0.1, 9, (9, 1)) + rng.standard_normal((9, 1))
    assert_array_equal(
        identification_accuracy(changed, 3 * target - 1),
        identification_accuracy(predicted, target),
    )


def test_the_targets_themselves_are_always_identified(rng):
    target = rng.standard_normal((11, 4))
    assert_array_equal(identification_accuracy(target, target), np.ones(11))
    assert_array_equal(identification_accuracy(-target, target), np.zeros(11))


def test_predictions_that_know_nothing_score_chance(rng):
    target = rng.standard_normal((400, 6))
    found = identification_accuracy(rng.standard_normal((400, 6)), target)
    assert_allclose(found.mean(), chance_with_ties(target), atol=0.03)
    same = np.tile(rng.standard_normal(6), (400, 1))
    assert_allclose(identification_accuracy(same, target).mean(), 0.5)


def test_ties_are_no_wins(rng):
    genre = np.eye(5)[rng.permutation(np.arange(40) % 5)]
    assert_array_equal(identification_accuracy(genre, genre), np.full(40, 32 / 39))
    assert_allclose(chance_with_ties(genre), 0.5 * 32 / 39)
    same = np.tile(rng.standard_normal(5), (40, 1))
    found = identification_accuracy(same, genre).mean()
    assert_allclose(found, chance_with_ties(genre))


def test_rounding_breaks_no_tie(rng):
    target = rng.standard_normal((3, 50))[np.arange(300) % 3]
    found = identification_accuracy(rng.standard_normal((300, 50)), target)
    assert set(found.round(9)) <= {0.0, round(100 / 299, 9), round(200 / 299, 9)}


@pytest.mark.parametrize(
    ("predicted", "target", "words"),
    [
        (np.eye(3), np.eye(4), "must be the same stimulus"),
        (np.eye(3)[:1], np.eye(3)[:1], "at least 2 to tell apart"),
        (np.ones((3, 3)), np.eye(3), "3 of 3 rows of predicted are constant"),
        (np.eye(3), np.diag([1.0, 1, 0]), "first of them row 2"),
        (np.full((3, 3), np.nan), np.eye(3), "NaN or infinity"),
    ],
)
def test_what_has_no_correlation_is_refused(predicted, target, words):
    with pytest.raises(InputError, match=words):
        identification_accuracy(predicted, target)
