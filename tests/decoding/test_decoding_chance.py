"""Tests of permutations and resamples of clips."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.cards import Pool, identification_cards
from brain2music.decoding.chance import clip_permutations, clip_resamples

CLIPS = np.repeat([f"clip{k:02d}" for k in range(14)], 3)
SIZES = np.r_[2, 2, 1, 3:12]
UNEQUAL = np.repeat([f"clip{k:02d}" for k in range(12)], SIZES)


def one_card(rng, *, strength):
    """Return the card of items of unequal clips, whose windows resemble each other."""
    noise, target = (
        np.repeat(rng.standard_normal((12, 6)), SIZES, axis=0)
        + 0.5 * rng.standard_normal((len(UNEQUAL), 6))
        for _ in range(2)
    )
    pool = Pool(UNEQUAL, "other clips", n_permutations=99, n_resamples=2)
    predicted = strength * target + noise
    return identification_cards(predicted, target, pool, n_ways=(), tops=())[0]


def test_clips_of_equal_lengths_change_places_as_a_whole():
    rng, rows = np.random.default_rng(3), np.arange(42).reshape(14, 3)
    for order in clip_permutations(CLIPS, 5, seed=3):
        assert_array_equal(order, rows[rng.permutation(14)].ravel())


def test_clips_of_unequal_lengths_change_places_too():
    clips = np.array(["a", "b", "b", "a", "a", "c"])
    rows = {"a": [0, 3, 4], "b": [1, 2], "c": [5]}
    by_hand = {
        ("a", "b"): [1, 2, 1],
        ("a", "c"): [5, 5, 5],
        ("b", "a"): [0, 3],
        ("b", "c"): [5, 5],
        ("c", "a"): [0],
        ("c", "b"): [1],
    } | {(name, name): own for name, own in rows.items()}
    met = set()
    for order in clip_permutations(clips, 60, seed=1):
        sources = [str(clips[order[own[0]]]) for own in rows.values()]
        assert sorted(sources) == ["a", "b", "c"]
        for (place, own), source in zip(rows.items(), sources, strict=True):
            assert order[own].tolist() == by_hand[place, source]
            met.add((place, source))
    assert met == set(by_hand)


def test_p_is_that_of_chance_for_noise_in_clips_of_unequal_lengths(rng):
    p = np.array([one_card(rng, strength=0).p for _ in range(120)])
    assert 0.01 <= (p <= 0.05).mean() <= 0.11
    assert 0.4 < p.mean() < 0.6


def test_p_is_small_for_a_signal_in_clips_of_unequal_lengths(rng):
    card = one_card(rng, strength=2)
    assert card.value > 0.8
    assert card.p == 0.01


def test_permutations_stay_inside_strata():
    genre = np.array([0, 0, 0, 1, 1, 2])
    clips = np.array(["a", "a", "b", "c", "d", "e"])
    orders = clip_permutations(clips, 20, seed=1, strata=genre)
    assert (genre[orders] == genre).all()
    assert (orders[:, 5] == 5).all()
    assert set(orders[:, 0]) == {0, 2}


def test_resamples_take_clips_as_a_whole():
    for rows in clip_resamples(CLIPS, 5, seed=2):
        assert len(rows) == len(CLIPS)
        counts = np.bincount(rows, minlength=len(CLIPS)).reshape(14, 3)
        assert (counts == counts[:, :1]).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: clip_permutations(["a", "a"], 5, seed=0), "1 clip: none can change"),
        (
            lambda: clip_permutations(["a", "b"], 5, seed=0, strata=[0, 1]),
            "2 clips, each alone in its group: none can change",
        ),
        (lambda: clip_permutations(["a", "b"], 0, seed=0), "make no p"),
        (
            lambda: clip_permutations(["a", "a", "b"], 5, seed=0, strata=[0, 1, 1]),
            "lies in groups 0, 1",
        ),
        (lambda: clip_resamples(["a", "a"], 5, seed=0), "at least 2 clips"),
    ],
)
def test_clips_without_chance_are_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
