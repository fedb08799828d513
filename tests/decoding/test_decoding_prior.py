"""Tests of whether a generator says more than its prior."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.prior import (
    prior_conditions,
    prior_domination,
    prior_table,
    ranking_notes,
)


@pytest.fixture
def decoded(rng):
    """Return true embeddings of 20 stimuli, and what was decoded."""
    true = rng.standard_normal((20, 6)) @ rng.standard_normal((6, 6))
    return true, true + rng.standard_normal((20, 6))


def test_a_generator_that_listens_is_above_its_controls(decoded, tones, hear):
    true, brain = decoded
    test = prior_domination(
        tones(), hear, brain, true, seconds=1.0, seed=3, n_permutations=99
    )
    table = test.table.set_index("conditioning")
    assert list(table.index) == ["real", "random", "mean"]
    assert table.loc["real", "p"] == 0.01
    assert_allclose(
        table.loc["real", "identification"],
        identification_accuracy(brain, true).mean(),
        atol=0.02,
    )
    assert_allclose(table["chance"], 0.5)
    assert (table["n_stimuli"] == 20).all()


def test_controls_are_at_chance_in_most_tests_and_the_real_one_in_none(
    rng, tones, hear
):
    p, found = [], []
    for seed in range(25):
        true = rng.standard_normal((20, 6)) @ rng.standard_normal((6, 6))
        brain = true + rng.standard_normal((20, 6))
        test = prior_domination(
            tones(), hear, brain, true, seconds=0.1, seed=seed, n_permutations=39
        )
        p.append(test.table["p"])
        found.append(test.table["identification"])
        assert bool(test.notes) == (test.table["p"][1:] < 0.05).any()
    assert (np.array(p)[:, 0] == 1 / 40).all()
    assert (np.array(p)[:, 1:] < 0.05).sum() <= 6  # of 50, where 2.5 are expected
    assert_allclose(np.mean(found, axis=0)[1:], 0.5, atol=0.04)


def test_a_generator_that_plays_its_prior_is_told_apart(decoded, tones, hear):
    true, brain = decoded
    deaf = tones(weight=0.0, noise=1.0)
    test = prior_domination(
        deaf, hear, brain, true, seconds=1.0, seed=3, n_permutations=99
    )
    assert (test.table["p"] > 0.05).all()
    assert_array_equal(
        test.table["identification"], [test.table["identification"][0]] * 3
    )
    assert "the generator's prior dominates" in test.notes[0]


def test_controls_that_know_the_stimuli_are_told(decoded, tones, hear):
    true, brain = decoded
    test = prior_domination(
        tones(),
        hear,
        brain,
        true,
        seconds=1.0,
        seed=3,
        random=true,
        n_permutations=99,
    )
    assert "generated from random embeddings scores above chance" in test.notes[0]


def test_each_conditioning_has_the_same_seeds_and_its_own_embeddings(
    decoded, tones, hear
):
    true, brain = decoded
    generator = tones()
    prior_domination(
        generator, hear, brain, true, seconds=0.5, seed=7, n_permutations=1
    )
    seeds = [seed for _, _, seed, _ in generator.given]
    assert seeds == [*range(7, 27)] * 3
    given = np.array([embedding for embedding, *_ in generator.given])
    assert_array_equal(given[:20], brain)
    assert_allclose(given[40:], np.tile(brain.mean(axis=0), (20, 1)))


def test_random_embeddings_have_the_mean_and_covariance_of_the_real_ones(
    rng, tones, hear
):
    brain = rng.standard_normal((400, 6)) @ rng.standard_normal((6, 6)) + 2
    generator = tones()
    prior_domination(
        generator, hear, brain, brain, seconds=0.05, seed=0, n_permutations=1
    )
    drawn = np.array([embedding for embedding, *_ in generator.given])[400:800]
    scale = np.abs(np.cov(brain.T)).max()
    assert_allclose(np.cov(drawn.T), np.cov(brain.T), atol=0.25 * scale)
    assert_allclose(drawn.mean(axis=0), brain.mean(axis=0), atol=0.2 * scale**0.5)


def test_the_table_has_the_bootstrap_and_permutations_of_stimuli(decoded):
    true, brain = decoded
    made = {"real": brain, "random": brain[::-1]}
    table = prior_table(made, true, seed=4, n_permutations=500, n_resamples=4000)
    table = table.set_index("conditioning")
    each = identification_accuracy(brain, true)
    rng = np.random.default_rng(9)
    drawn = each[rng.integers(20, size=(4000, 20))].mean(axis=1)
    bounds = table.loc["real", ["low", "high"]].to_numpy(float)
    assert_allclose(bounds, np.quantile(drawn, [0.025, 0.975]), atol=0.01)
    assert table.loc["real", "low"] < each.mean() < table.loc["real", "high"]
    null = [
        identification_accuracy(brain[rng.permutation(20)], true).mean()
        for _ in range(500)
    ]
    found = identification_accuracy(brain[::-1], true).mean()
    p = (1 + np.sum(np.array(null) >= found)) / 501
    assert_allclose(table.loc["random", "p"], p, atol=0.08)
    assert table.loc["real", "p"] == 1 / 501


def test_conditions_are_drawn_anew_for_another_seed_alone(decoded):
    _, brain = decoded
    first, same, other = (prior_conditions(brain, seed=s) for s in (1, 1, 2))
    assert_array_equal(first["random"], same["random"])
    assert not np.allclose(first["random"], other["random"])
    assert_array_equal(first["real"], brain)
    assert_array_equal(other["mean"], first["mean"])


def test_what_a_choice_reaches_without_the_brain_is_said(decoded):
    true, _ = decoded
    made = {"real": true, "random": true, "mean": true}
    table = prior_table(made, true, seed=0, n_permutations=99)
    (note,) = ranking_notes(table)
    assert "identify stimuli by 1.000 (p = 0.010), and those of the mean" in note


def test_what_does_not_fit_is_refused(decoded, tones, hear):
    true, brain = decoded
    options = {"seconds": 0.5, "seed": 0}
    with pytest.raises(InputError, match="row i of all must be the same stimulus"):
        prior_domination(tones(), hear, brain, true[1:], **options)
    with pytest.raises(InputError, match="at least 2 stimuli"):
        prior_domination(tones(), hear, brain[:1], true[:1], **options)
    with pytest.raises(InputError, match="row i of both must be the same stimulus"):
        prior_conditions(brain, seed=0, random=true[1:])
    with pytest.raises(InputError, match=r"made of mean has shape \(19, 6\)"):
        prior_table({"mean": brain[1:]}, true, seed=0)
