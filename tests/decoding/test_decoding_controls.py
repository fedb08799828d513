"""Tests of predictions that should score chance."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.selection import Selection
from brain2music.decoding.cards import Pool, identification_cards, mean_r
from brain2music.decoding.chance import clip_permutations
from brain2music.decoding.controls import (
    compare_controls,
    control_roi,
    mean_embedding,
    random_embedding,
    random_embeddings,
)
from brain2music.decoding.draws import drawn_cards
from brain2music.decoding.identify import identification_accuracy

EDGES = [0.025, 0.975]


def test_random_embeddings_have_the_moments_of_training(rng):
    T = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 3)) + [1, 2, 3]
    found = random_embedding(T, 30000, seed=0)
    assert_allclose(found.mean(axis=0), T.mean(axis=0), atol=0.06)
    assert_allclose(np.cov(found.T), np.cov(T.T), atol=0.12)


def test_many_random_embeddings_have_the_moments_of_training(rng):
    T = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 3)) + [1, 2, 3]
    draws = random_embeddings(T, 30, 1000, seed=0)
    found = np.concatenate(list(draws))
    assert len(draws) == 1000
    assert_allclose(found.mean(axis=0), T.mean(axis=0), atol=0.06)
    assert_allclose(np.cov(found.T), np.cov(T.T), atol=0.12)
    assert_array_equal(np.concatenate(list(draws)), found)  # the same once more
    assert abs(found[:30] - found[30:60]).max() > 0
    (few,) = random_embeddings(T[:2], 5000, 1, seed=0)  # fewer rows than columns
    assert_allclose(np.cov(few.T), np.cov(T[:2].T), rtol=0.1)


def test_controls_score_chance_beside_a_decoder_that_does_not(rng):
    T_train, target = rng.standard_normal((90, 6)), rng.standard_normal((30, 6))
    good = target + rng.standard_normal(target.shape)
    pool = Pool(np.arange(30), n_permutations=200, n_resamples=200)
    table = compare_controls(
        {"decoder": good, "V1": rng.standard_normal((30, 6))},
        target,
        T_train,
        pool=pool,
    )
    part = table[table["metric"] == "identification accuracy"].set_index("prediction")
    assert part.loc["decoder", "p"] < 0.01
    others = ["V1", "mean embedding", "random embedding", "shuffled clips"]
    drawn = part.loc[others[2:]]
    assert (part["n_draws"] == [1, 1, 200, 200, 1]).all()
    assert_allclose(drawn["value"], 0.5, atol=0.02)
    assert (drawn["low"] < 0.45).all()
    assert (drawn["high"] > 0.55).all()
    assert (part.loc[others, "p"] > 0.05).all()
    assert_allclose(part.loc["mean embedding", "value"], 0.5)
    assert part.loc["mean embedding", "p"] == 1
    assert_allclose(mean_embedding(T_train, 2)[1], T_train.mean(axis=0))


def test_shuffles_are_what_the_decoder_has_its_p_of(rng):
    T_train, target = rng.standard_normal((90, 6)), rng.standard_normal((12, 6))
    clips = np.arange(12)
    weak = target + 2.5 * rng.standard_normal(target.shape)
    pool = Pool(clips, n_permutations=200, n_resamples=50, seed=3)
    table = compare_controls({"decoder": weak}, target, T_train, pool=pool)
    table = table.set_index(["prediction", "metric"])
    orders = clip_permutations(clips, 200, seed=3)
    shuffled = {
        "identification accuracy": [
            identification_accuracy(weak[order], target).mean() for order in orders
        ],
        "correlation per dimension": [
            np.mean(
                [
                    np.corrcoef(a, b)[0, 1]
                    for a, b in zip(weak[order].T, target.T, strict=True)
                ]
            )
            for order in orders
        ],
    }
    for metric, values in shuffled.items():
        decoder, control = (
            table.loc[name, metric] for name in ("decoder", "shuffled clips")
        )
        assert_allclose(control["value"], np.mean(values))
        assert_allclose(control[["low", "high"]].tolist(), np.quantile(values, EDGES))
        n_as_good = (np.array(values) >= decoder["value"] - 1e-12).sum()
        assert_allclose(decoder["p"], (1 + n_as_good) / 201)
        n_not_above = (np.array(values) <= control["chance"] + 1e-12).sum()
        assert_allclose(control["p"], (1 + n_not_above) / 201)


@pytest.mark.slow
def test_no_seed_makes_a_control_that_is_drawn_significant():
    """One draw in twenty would be, and then no number of the pool could be read."""
    p, one = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        target = rng.standard_normal((12, 6))
        pool = Pool(np.arange(12), n_permutations=99, n_resamples=2, seed=seed)
        good = target + 0.3 * rng.standard_normal(target.shape)
        table = compare_controls({"decoder": good}, target, target, pool=pool)
        p.append(table.loc[table["n_draws"] > 1, "p"])
        draw = random_embedding(target, 12, seed=seed)
        one += [card.p for card in identification_cards(draw, target, pool)]
    assert np.min(p) > 0.2
    assert np.min(one) <= 0.05  # of one draw, what it was


def test_no_two_draws_are_in_memory_at_once(rng):
    target, T = rng.standard_normal((60, 2000)), rng.standard_normal((40, 2000))
    pool = Pool(np.repeat(np.arange(30), 2))
    tracemalloc.start()
    compare_controls({"decoder": target}, target, T, pool=pool)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * target.nbytes  # of 200 draws


def test_draws_that_know_the_clips_are_told_in_every_metric(rng):
    target = rng.standard_normal((20, 6))
    draws = [target + 0.2 * rng.standard_normal(target.shape) for _ in range(100)]
    pool = Pool(np.arange(20))
    cards = drawn_cards(draws, target, pool, scores={"r": mean_r})
    names = [card.metric for card in cards]
    assert names[-2:] == ["median rank", "r"]
    assert {card.p for card in cards} == {1 / 101}
    assert all(card.n_permutations == 100 for card in cards)
    rank = cards[-2]
    assert rank.value < 2 < rank.chance
    with pytest.raises(InputError, match="1 draw has no spread"):
        drawn_cards(draws[:1], target, pool)


def test_a_control_roi_is_found_by_its_name():
    rois = [Selection(n, np.ones(3, bool), "atlas") for n in ("V1", "A1")]
    assert control_roi(rois, "V1") is rois[0]
    with pytest.raises(InputError, match="Did you mean 'V1'"):
        control_roi(rois, "v1")
    with pytest.raises(InputError, match="no covariance"):
        random_embedding(np.ones((1, 2)), 3, seed=0)
