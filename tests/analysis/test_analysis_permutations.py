"""Tests of the test of each voxel: by blocks and by shifts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter
from scipy.stats import genpareto, kstest

from brain2music.analysis.moves import moved_rows, permute_blocks, shift_runs
from brain2music.analysis.permutations import (
    pareto_moments,
    permutation_test,
    tail_p,
)
from brain2music.core.checks import InputError
from brain2music.core.stats import correlation

RUNS = np.repeat([0, 1], [42, 28])
BLOCKS = np.arange(70) // 7
MEMBERS = np.array([[1, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]], dtype=bool)


def autocorrelated(rng, n_samples, n_voxels, rho=0.8):
    noise = rng.standard_normal((n_samples + 50, n_voxels))
    return lfilter([1], [1, -rho], noise, axis=0)[50:]


def both(n_permutations, blocks=BLOCKS, runs=RUNS):
    options = {"n_permutations": n_permutations, "seed": 3}
    return [
        permute_blocks(blocks, walls=runs, **options),
        shift_runs(runs, **options),
    ]


@pytest.mark.parametrize("kind", [0, 1])
def test_equals_a_triple_loop(rng, kind):
    moves = both(19)[kind]
    Y, P = autocorrelated(rng, 70, 4) - 3, 5 * autocorrelated(rng, 70, 4) + 2
    P[:, 2] += 3 * Y[:, 2]
    test = permutation_test(Y, P, moves, members=MEMBERS, n_voxels_batch=3)
    null = np.zeros((19, 4))
    for k, rows in enumerate(moved_rows(moves)):
        for v in range(4):
            y, p = Y[:, v] - Y[:, v].mean(), P[:, v] - P[:, v].mean()
            total = sum(y[t] * p[rows[t]] for t in range(70))
            null[k, v] = total / np.sqrt((y**2).sum() * (p**2).sum())
    r = correlation(Y, P)
    assert_allclose(test.r, r)
    assert_allclose(test.p, (1 + (null >= r).sum(axis=0)) / 20)
    assert test.p[2] == test.smallest_p == 0.05
    assert_allclose(test.max_null, null.max(axis=1))
    assert_allclose(test.null_mean, null.mean(axis=0))
    assert_allclose(test.null_sd, null.std(axis=0, ddof=1))
    assert_allclose(test.roi_null[:, 0], null[:, [0, 1, 3]].mean(axis=1))
    assert_allclose(test.roi_r[:2], [r[[0, 1, 3]].mean(), r[2]])
    assert np.isnan(test.roi_null[:, 2]).all()
    assert np.isnan(test.roi_r[2])


def test_what_cannot_vary_has_no_score_and_touches_no_other_voxel(rng):
    Y, P = autocorrelated(rng, 70, 4), autocorrelated(rng, 70, 4)
    moves = both(30)[0]
    whole = permutation_test(Y, P, moves, members=MEMBERS)
    Y[:, 1], P[:, 2] = 0.1, -4.0
    found = permutation_test(Y, P, moves, members=MEMBERS, n_voxels_batch=2)
    assert_array_equal(np.isnan(found.p), [False, True, True, False])
    assert_allclose(found.p[[0, 3]], whole.p[[0, 3]])
    assert_allclose(found.roi_r[0], whole.r[[0, 3]].mean())
    assert np.isnan(found.roi_r[1])
    nothing = permutation_test(np.ones_like(Y), P, moves)
    assert np.isnan([nothing.r, nothing.p, nothing.null_sd]).all()
    assert np.isnan(nothing.max_null).all()


def test_a_tie_counts_as_reached():
    # Two values only, so many orders give the same sum, but for rounding.
    Y = np.tile([0.1, 0.3, 0.3, 0.1, 0.7], 12)[:, None]
    moves = permute_blocks(np.arange(60) // 5, n_permutations=50, seed=0)
    assert permutation_test(Y, Y, moves).p == 1.0


def test_batches_and_unit_change_nothing(rng):
    Y, P = autocorrelated(rng, 70, 9), autocorrelated(rng, 70, 9)
    for moves in both(600):
        for method in ("count", "tail", "pooled"):
            one = permutation_test(Y, P, moves, method=method)
            few = permutation_test(
                7 * Y - 2, P + 9, moves, method=method, n_voxels_batch=2
            )
            assert_allclose(one.p, few.p, rtol=1e-6)


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("method", ["count", "tail", "pooled"])
def test_p_is_uniform_on_autocorrelated_noise(rng, kind, method):
    runs, blocks = np.arange(600) // 150, np.arange(600) // 25
    Y, P = autocorrelated(rng, 600, 800, 0.7), autocorrelated(rng, 600, 800, 0.7)
    moves = both(500, blocks, runs)[kind]
    test = permutation_test(Y, P, moves, method=method)
    assert kstest(test.p, "uniform").pvalue > 0.01
    assert abs((test.p < 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 800)


def test_samples_moved_one_by_one_would_call_noise_significant(rng):
    Y, P = autocorrelated(rng, 600, 300), autocorrelated(rng, 600, 300)
    moves = permute_blocks(np.arange(600), n_permutations=200, seed=0)
    assert (permutation_test(Y, P, moves).p < 0.05).mean() > 0.12


def test_tail_and_pooled_p_hold_where_a_count_ends(rng):
    Y = autocorrelated(rng, 300, 6000, 0.3)
    P = autocorrelated(rng, 300, 6000, 0.3)
    moves = permute_blocks(np.arange(300) // 10, n_permutations=500, seed=0)
    for method in ("tail", "pooled"):
        test = permutation_test(Y, P, moves, method=method)
        n_small = (test.p < 1e-3).sum()
        assert n_small <= 6 + 3 * np.sqrt(6)
        assert test.smallest_p < 1e-6
    # pooled loses nothing either: 6 are expected
    assert n_small >= 1


def test_pooled_counts_the_nulls_of_all_voxels_to_a_bin(rng):
    Y, P = autocorrelated(rng, 70, 9), autocorrelated(rng, 70, 9)
    Y[:, 0] += P[:, 0]
    moves = both(2000)[1]
    test = permutation_test(Y, P, moves, method="pooled", n_voxels_batch=4)
    null = np.stack([correlation(Y, P[rows]) for rows in moved_rows(moves)])
    mean, sd = null.mean(axis=0), null.std(axis=0, ddof=1)
    z, z_null = (test.r - mean) / sd, ((null - mean) / sd).ravel()
    for p, one in zip(test.p, z, strict=True):
        n = 1 + z_null.size
        exact, wider = ((1 + (z_null >= x).sum()) / n for x in (one, one - 0.0021))
        assert exact - 1e-12 <= p <= wider + 1e-12
    assert test.smallest_p == 1 / (1 + 9 * 1175)


def test_a_planted_response_is_found_by_each_method(rng):
    P = autocorrelated(rng, 600, 50)
    Y = autocorrelated(rng, 600, 50)
    Y[:, :10] += 0.5 * P[:, :10]
    for moves in both(999, np.arange(600) // 20, np.arange(600) // 100):
        counted = permutation_test(Y, P, moves)
        assert (counted.p[:10] == 1e-3).all()
        for method in ("tail", "pooled"):
            p = permutation_test(Y, P, moves, method=method).p
            assert (p[:10] < 1e-3).all()
            assert (p[:10] > 0).all()
            assert np.median(p[10:]) > 0.2


def test_methods_agree_where_many_of_the_null_reach_r(rng):
    Y, P = autocorrelated(rng, 300, 200, 0.3), autocorrelated(rng, 300, 200, 0.3)
    moves = permute_blocks(np.arange(300) // 10, n_permutations=2000, seed=0)
    count, tail, pooled = (
        permutation_test(Y, P, moves, method=m).p for m in ("count", "tail", "pooled")
    )
    many = count > 0.01
    assert_array_equal(tail[many], count[many])
    assert_allclose(pooled, count, atol=0.03)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.25])
def test_moments_find_the_tail_that_was_drawn(rng, shape):
    drawn = np.sort(
        genpareto.rvs(shape, scale=2.0, size=(4000, 30), random_state=rng), 0
    )
    found, scale = pareto_moments(drawn)
    assert_allclose(found.mean(), shape, atol=0.02)
    assert_allclose(scale.mean(), 2.0, atol=0.04)
    fitted = genpareto.fit(drawn[:, 0], floc=0)
    assert_allclose([found[0], scale[0]], [fitted[0], fitted[2]], atol=0.15)


def test_a_heavy_tail_keeps_its_shape_and_a_light_one_is_exponential(rng):
    heavy = genpareto.rvs(0.3, size=(20_000, 20), random_state=rng)
    light = rng.uniform(size=(20_000, 20))
    point = np.full(20, genpareto.isf(1e-4, 0.3))
    assert_allclose(np.median(tail_p(point, heavy)), 1e-4, rtol=0.3)
    # 0.1 exp(-(1.05 - 0.9) / 0.05), where a fitted end would say 0
    expected = 0.1 * np.exp(-3)
    assert_allclose(tail_p(np.full(20, 1.05), light), expected, rtol=0.15)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Y_hat": np.zeros((70, 3))}, r"Y_hat \(70, 3\)"),
        ({"members": np.ones((2, 3), bool)}, r"members\s+\(2, 3\)"),
        ({"moves": shift_runs(np.zeros(101), n_permutations=9, seed=0)}, "101 samples"),
        ({"method": "gpd"}, "'count', 'tail' or 'pooled', got 'gpd'"),
        ({"method": "tail"}, "30 permutations leave too few"),
    ],
)
def test_what_does_not_fit_is_named(rng, change, words):
    Y = rng.standard_normal((70, 4))
    given = {"Y_hat": Y, "moves": both(30)[0], "members": MEMBERS} | change
    with pytest.raises(InputError, match=words):
        permutation_test(Y, given.pop("Y_hat"), given.pop("moves"), **given)


def test_few_turns_are_all_taken_and_bound_p(rng):
    Y = rng.standard_normal((130, 6))
    moves = shift_runs(np.zeros(130), n_permutations=999, seed=0)
    assert moves.n_arrangements == 130
    assert sorted(moves.choices[0]) == list(range(1, 130))
    test = permutation_test(Y, Y + 0.01, moves)
    assert_allclose(test.p, 1 / 130)
    assert test.smallest_p == 1 / 130
    assert "in all 130 ways" in test.notes[0]
    drawn = shift_runs(np.zeros(130), n_permutations=99, seed=0)
    assert drawn.n_permutations == 99
    assert permutation_test(Y, Y, drawn).smallest_p == 1 / 100


def test_all_orders_of_blocks_are_taken_once():
    blocks = np.repeat(np.arange(7), [3, 3, 3, 3, 3, 2, 2])
    moves = permute_blocks(blocks, n_permutations=300, seed=0)
    assert moves.n_arrangements == 240
    rows = {tuple(row) for row in moved_rows(moves).tolist()}
    assert len(rows) == moves.n_permutations == 239
    assert tuple(range(19)) not in rows


@pytest.mark.parametrize("method", ["count", "tail", "pooled"])
def test_predictions_that_turning_does_not_change_have_a_p_of_1(rng, method):
    runs = np.repeat([1, 2, 3], 50)
    P, Y = rng.standard_normal((2, 150, 8))
    P[:, :5] = rng.standard_normal((3, 5))[runs - 1]
    Y[:, :5] += P[:, :5]
    moves = shift_runs(runs, n_permutations=600, seed=0)
    test = permutation_test(Y, P, moves, method=method)
    assert (test.p[:5] == 1).all()
    assert (test.p[5:] < 1).all()
    assert "the predictions of 5 voxels stay what they are" in test.notes[-1]
    alone = permutation_test(Y[:, 5:], P[:, 5:], moves, method=method)
    assert_allclose(test.p[5:], alone.p)
    assert len(alone.notes) == 1


def test_weights_are_no_members(rng):
    Y = rng.standard_normal((130, 6))
    moves = shift_runs(np.zeros(130), n_permutations=99, seed=0)
    with pytest.raises(InputError, match="members has type float64, expected bool"):
        permutation_test(Y, Y, moves, members=np.full((1, 6), 0.5))
