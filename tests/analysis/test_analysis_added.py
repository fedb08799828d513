"""Tests of what one feature space adds to another."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from brain2music.analysis import added
from brain2music.analysis.added import Question, sign_flip_test, what_is_added
from brain2music.analysis.bootstrap import block_counts
from brain2music.analysis.few_blocks import percentile_interval
from brain2music.analysis.multiple import false_discovery_q
from brain2music.analysis.noise_ceiling import jackknife_error
from brain2music.core.checks import InputError
from brain2music.core.stats import r2_score

BLOCKS = np.arange(300) // 10
ROIS = {"A1": np.arange(40) < 10, "V1": np.arange(40) >= 10, "none": np.zeros(40, bool)}
QUESTION = Question("mulan-text", "mulan-music", "03", 500, 300, seed=2)


def study(rng, gain):
    """Music drives all voxels; text, beyond music, drives those of A1 by `gain`."""
    music, text = rng.standard_normal((2, 300, 40))
    Y = music + np.where(ROIS["A1"], gain, 0) * text + rng.standard_normal((300, 40))
    return Y, music, music + gain * text


def ask(rng, gain=0.8, question=QUESTION):
    return what_is_added(*study(rng, gain), blocks=BLOCKS, rois=ROIS, question=question)


def test_what_was_planted_is_found_where_it_was_planted(rng):
    found = ask(rng)
    a1, v1, none = found.rois.to_dict("records")
    assert a1["low_all"] > 0.05
    assert a1["p_all"] < 0.01
    assert a1["n_voxels_found"] == 10
    assert v1["high_all"] < 0
    assert (a1["added"], a1["to"], a1["subject"]) == ("mulan-text", "mulan-music", "03")
    assert none["n_voxels"] == none["n_voxels_found"] == 0
    assert np.isnan(none["r2_added"])
    assert (found.voxels["q"][10:] > 0.05).all()
    assert (found.voxels["p_max"][:10] < 0.05).all()
    assert "fewer than 2 of 40 voxels" in found.notes[0]
    finer = Question("a", "b", "1", n_permutations=2000, n_resamples=9)
    (note,) = ask(rng, question=finer).notes
    assert note.startswith("adding a to b lowers r2 in 1 of 3 ROIs: estimating what")
    assert v1["p"] > 0.95


def test_scores_are_those_of_the_two_models(rng):
    Y, base, both = study(rng, 0.5)
    Y[:, 4] = 0.1
    found = what_is_added(Y, base, both, blocks=BLOCKS, rois=ROIS, question=QUESTION)
    expected = r2_score(Y, both) - r2_score(Y, base)
    assert_allclose(found.voxels["r2_added"], expected)
    assert np.isnan(expected[4])
    assert found.voxels.loc[4, ["p", "q", "p_max"]].isna().all()
    inside = ROIS["A1"] & (np.arange(40) != 4)
    assert_allclose(found.rois.loc[0, "r2_added"], expected[inside].mean())
    assert_allclose(found.rois.loc[0, "r2_both"], r2_score(Y, both)[inside].mean())
    assert_allclose(found.rois.loc[0, "r2_base"], r2_score(Y, base)[inside].mean())
    assert_allclose(found.voxels["q"], false_discovery_q(found.voxels["p"]))


def test_the_bootstrap_draws_blocks(rng):
    Y, base, both = study(rng, 0.5)
    mixed = rng.permutation(BLOCKS)
    found = what_is_added(Y, base, both, blocks=mixed, rois=ROIS, question=QUESTION)
    values = []
    centred = (Y - Y.mean(axis=0)) ** 2
    fall = (Y - base) ** 2 - (Y - both) ** 2
    for counts in block_counts(30, 300, 2):
        weight = counts[mixed][:, None]
        r2 = (weight * fall).sum(axis=0) / (weight * centred).sum(axis=0)
        values.append(r2[:10].mean())
    left = [(fall[mixed != k].sum(axis=0), centred[mixed != k]) for k in range(30)]
    left = [(gain / power.sum(axis=0))[:10].mean() for gain, power in left]
    se = jackknife_error(left)
    assert_allclose(found.rois.loc[0, "r2_added_se"], se)
    ends = np.ravel(percentile_interval(np.c_[values], 0.95, 30, error=se[None]))
    assert_allclose(found.rois.loc[0, ["low", "high"]].astype(float), ends)


def test_flips_equal_all_flips_by_hand(rng):
    gains = rng.standard_normal((6, 3)) + 0.5
    all_flips = np.array(list(product([-1, 1], repeat=6)))
    exact = [np.mean(all_flips @ g >= g.sum() - 1e-12) for g in gains.T]
    p, _ = sign_flip_test(gains, n_permutations=40_000, seed=0)
    assert_allclose(p, exact, atol=0.01)


def test_few_flips_are_all_taken_and_bound_p(rng):
    gains = rng.standard_normal((6, 3)) + 0.5
    gains[:, 0] = 1 + rng.random(6)
    all_flips = np.array(list(product([-1, 1], repeat=6)))
    exact = [np.mean(all_flips @ g >= g.sum() - 1e-12) for g in gains.T]
    p, _ = sign_flip_test(gains, n_permutations=64, seed=0)
    assert_allclose(p, exact)
    assert p[0] == 1 / 64
    Y, base, both = study(rng, 0.5)
    six = np.arange(300) // 50
    question = Question("text", "music", "01", n_permutations=5000, n_resamples=100)
    found = what_is_added(Y, base, both, blocks=six, rois=ROIS, question=question)
    assert found.voxels["p"].min() >= 1 / 64
    assert "There are 64 ways in all" in found.notes[0]


def test_flips_are_corrected_by_the_largest(rng, monkeypatch):
    gains = rng.standard_normal((12, 5)) * [1, 100, 1e-3, 5, 1] + [0.9, 0, 0, 0, 0]
    gains[3, 4] = np.nan
    p, p_max = sign_flip_test(gains, n_permutations=99, seed=5)
    signs = np.random.default_rng(5).choice([-1.0, 1.0], size=(99, 12))
    t = gains[:, :4] / np.linalg.norm(gains[:, :4], axis=0)
    largest = (signs @ t).max(axis=1)
    expected = [(1 + (largest >= s).sum()) / 100 for s in t.sum(axis=0)]
    assert_allclose(p_max, [*expected, np.nan])
    assert (p_max[:4] >= p[:4]).all()
    monkeypatch.setattr(added, "N_VOXELS_BATCH", 2)
    again = sign_flip_test(gains, n_permutations=99, seed=5)
    assert_array_equal(again, [p, p_max])


def test_p_is_uniform_if_two_models_are_as_good(rng):
    Y = rng.standard_normal((300, 400))
    one, other = (np.repeat(rng.standard_normal((30, 400)), 10, axis=0) for _ in "ab")
    question = Question("a", "b", "01", n_permutations=400, n_resamples=2)
    found = what_is_added(
        Y,
        one,
        other,
        blocks=BLOCKS,
        rois={"all": np.ones(400, bool)},
        question=question,
    )
    assert kstest(found.voxels["p"], "uniform").pvalue > 0.01


def test_what_rounding_makes_of_a_dropped_addition_is_no_gain(rng):
    Y, base, _ = study(rng, 0.5)
    shaken = base * (1 + 1e-15 * rng.standard_normal(base.shape))
    assert (shaken != base).any()
    found = what_is_added(Y, base, shaken, blocks=BLOCKS, rois=ROIS, question=QUESTION)
    assert (found.voxels["p"] == 1).all()
    assert (found.rois["r2_added"][:2] == 0).all()


def test_models_that_predict_the_same_add_nothing(rng):
    Y, base, _ = study(rng, 0.0)
    found = what_is_added(Y, base, base, blocks=BLOCKS, rois=ROIS, question=QUESTION)
    assert (found.voxels["p"] == 1).all()
    assert (found.voxels["r2_added"] == 0).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"both": np.zeros((300, 39))}, r"both \(300, 39\)"),
        ({"blocks": BLOCKS[1:]}, r"blocks\s+\(299,\)"),
        ({"blocks": BLOCKS + 1}, "from 0 without gaps"),
        ({"blocks": np.zeros(300, int)}, "of 1 blocks"),
    ],
)
def test_what_does_not_fit_is_named(rng, change, words):
    Y, base, both = study(rng, 0.5)
    given = {"both": both, "blocks": BLOCKS} | change
    with pytest.raises(InputError, match=words):
        what_is_added(Y, base, given.pop("both"), **given, rois=ROIS, question=QUESTION)
