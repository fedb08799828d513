"""Tests of labels from decoded one-hot targets."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.chance import clip_permutations
from brain2music.decoding.classify import classify, one_hot

LABELS = ("jazz", "rock", "pop")
TRUTH = np.array(["rock"] * 12 + ["jazz"] * 8 + ["pop"] * 4)
CLIPS = np.repeat(np.arange(12), 2)


def test_scores_equal_counting(rng):
    decoded = one_hot(TRUTH, LABELS) + 0.6 * rng.standard_normal((24, 3))
    found = classify(decoded, TRUTH, LABELS, clips=CLIPS)
    guess = [LABELS[int(np.argmax(row))] for row in decoded]
    assert found.predicted.tolist() == guess
    for a in LABELS:
        for b in LABELS:
            n = sum(t == a and g == b for t, g in zip(TRUTH, guess, strict=True))
            assert found.confusion.loc[a, b] == n
    right = np.array(guess) == TRUTH
    assert_allclose(found.accuracy.value, right.mean())
    per_label = [right[label == TRUTH].mean() for label in LABELS]
    assert_allclose(found.balanced_accuracy.value, np.mean(per_label))
    null = [
        (np.array(guess)[order] == TRUTH).mean()
        for order in clip_permutations(CLIPS, 1000, seed=0)
    ]
    n_as_good = sum(value >= right.mean() - 1e-12 for value in null)
    assert found.accuracy.p == (1 + n_as_good) / 1001
    assert_allclose(found.accuracy.chance, np.mean(null), atol=0.02)
    assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high


def test_without_knowledge_labels_are_chance(rng):
    decoded = rng.standard_normal((24, 3))
    found = classify(decoded, TRUTH, LABELS, clips=CLIPS)
    assert found.balanced_accuracy.p > 0.05
    assert_allclose(found.balanced_accuracy.chance, 1 / 3)


def test_always_the_commonest_label_is_no_knowledge():
    decoded = np.tile([0.0, 1, 0], (24, 1))
    found = classify(decoded, TRUTH, LABELS, clips=CLIPS)
    assert_allclose(found.accuracy.value, 0.5)
    assert_allclose(found.accuracy.chance, 0.5)
    assert_allclose(found.balanced_accuracy.value, 1 / 3)
    assert found.accuracy.p == found.balanced_accuracy.p == 1


def test_one_hot_has_a_column_per_label():
    assert_array_equal(
        one_hot(TRUTH, LABELS).argmax(axis=1), [1] * 12 + [0] * 8 + [2] * 4
    )
    with pytest.raises(InputError, match="'pop' is none of the labels"):
        one_hot(TRUTH, LABELS[:2])


@pytest.mark.parametrize(
    ("decoded", "truth", "labels", "words"),
    [
        (np.zeros((24, 3)), TRUTH, LABELS, "24 items have the largest value in two"),
        (np.eye(24, 3), TRUTH, LABELS[:2], "3 columns for 2 labels"),
        (np.eye(24, 3), np.full(24, "pop"), LABELS, "without an item: jazz, rock"),
    ],
)
def test_labels_that_do_not_fit_are_refused(decoded, truth, labels, words):
    with pytest.raises(InputError, match=words):
        classify(decoded, truth, labels, clips=CLIPS)
