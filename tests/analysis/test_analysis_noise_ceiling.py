"""Tests of the noise ceiling."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from brain2music.analysis import noise_ceiling
from brain2music.analysis.noise_ceiling import (
    explainable_variance,
    jackknife_error,
    jackknife_explainable_variance,
    largest_r,
    normalise_scores,
)
from brain2music.core.checks import InputError
from brain2music.core.stats import correlation


def noisy_repeats(rng, *, share=0.5, n_repeats=4, n_samples=200, n_voxels=3):
    signal = rng.standard_normal((n_samples, n_voxels)) * np.sqrt(share)
    noise = rng.standard_normal((n_repeats, n_samples, n_voxels)) * np.sqrt(1 - share)
    return signal + noise


@pytest.mark.parametrize("n_repeats", [2, 3, 10])
def test_equals_the_mean_covariance_between_pairs_of_repeats(rng, n_repeats):
    responses = noisy_repeats(rng, n_repeats=n_repeats)
    for voxel, share in enumerate(explainable_variance(responses)):
        repeats = responses[:, :, voxel]
        pairs = [np.cov(a, b)[0, 1] for a, b in permutations(repeats, 2)]
        assert_allclose(share, np.mean(pairs) / repeats.var(axis=1, ddof=1).mean())


@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
def test_does_not_depend_on_unit_baseline_or_order(scale, shift, seed):
    rng = np.random.default_rng(seed)
    responses = noisy_repeats(rng)
    changed = rng.permutation(responses * scale + shift, axis=0)
    expected = explainable_variance(responses)
    assert_allclose(explainable_variance(changed), expected, atol=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_recovers_a_known_share(rng, share):
    responses = noisy_repeats(rng, share=share, n_voxels=2000)
    assert_allclose(explainable_variance(responses).mean(), share, atol=0.01)


def test_is_nan_where_a_voxel_never_varies(rng):
    responses = noisy_repeats(rng)
    responses[:, :, 1] = 0.1  # whose mean over samples is not quite 0.1
    assert_allclose(np.isnan(explainable_variance(responses)), [False, True, False])


@pytest.mark.parametrize("shape", [(1, 200, 3), (200, 3)])
def test_says_where_repeats_go(shape):
    with pytest.raises(InputError, match=r"Stack the repeats on the first axis"):
        explainable_variance(np.zeros(shape))


@pytest.mark.parametrize("n_repeats", [1, 4])
def test_the_true_signal_reaches_the_largest_r(rng, n_repeats):
    share, n_samples = 0.2, 200_000
    signal = rng.standard_normal((n_samples, 1)) * np.sqrt(share)
    noise = rng.standard_normal((n_repeats, n_samples, 1)) * np.sqrt(1 - share)
    r = correlation((signal + noise).mean(axis=0), signal)
    assert_allclose(r, largest_r(np.array([share]), n_repeats), atol=0.01)


def test_no_ceiling_is_told_where_repeats_disagree():
    assert np.isnan(largest_r(np.array([-0.01]), 4)).all()


BLOCKS = np.repeat(np.arange(7), [12, 9, 10, 11, 8, 13, 7])


def test_leaving_out_a_block_is_the_share_of_the_rest(rng):
    responses = noisy_repeats(rng, n_repeats=3, n_samples=70, n_voxels=5) + 4
    mixed = rng.permutation(BLOCKS)
    found = jackknife_explainable_variance(responses, mixed)
    for block in range(7):
        rest = explainable_variance(responses[:, mixed != block])
        assert_allclose(found[block], rest)


def test_batches_do_not_change_the_jackknife(rng, monkeypatch):
    responses = noisy_repeats(rng, n_samples=70, n_voxels=5)
    whole = jackknife_explainable_variance(responses, BLOCKS)
    monkeypatch.setattr(noise_ceiling, "N_VOXELS_BATCH", 2)
    assert_allclose(jackknife_explainable_variance(responses, BLOCKS), whole)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_error_is_the_spread_over_studies(rng, share):
    blocks = np.arange(300) // 10
    signal = np.repeat(rng.standard_normal((30, 1500)), 10, axis=0) * np.sqrt(share)
    noise = rng.standard_normal((4, 300, 1500)) * np.sqrt(1 - share)
    # A new signal in each voxel, constant in a clip, so each clip counts for one.
    responses = signal + noise
    spread = explainable_variance(responses).std()
    errors = jackknife_error(jackknife_explainable_variance(responses, blocks))
    assert_allclose(np.sqrt((errors**2).mean()), spread, rtol=0.08)


def test_the_jackknife_is_nan_where_a_voxel_never_varies(rng):
    responses = noisy_repeats(rng, n_samples=70)
    responses[:, :, 1] = 0.1
    found = jackknife_explainable_variance(responses, BLOCKS)
    assert_allclose(np.isnan(found).all(axis=0), [False, True, False])


def test_a_normalised_score_is_a_share_and_may_exceed_one():
    found = normalise_scores([0.2, 0.6, 0.3, np.nan], [0.4, 0.5, 0.0, 0.5])
    assert_allclose(found, [0.5, 1.2, np.nan, np.nan])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: normalise_scores([0.1], [0.1, 0.2]), r"ceiling \(2,\)"),
        (lambda: largest_r(np.array([0.2]), 0), "n_repeats is 0"),
        (
            lambda: jackknife_error(np.zeros((1, 3))),
            r"\(1, 3\): an error needs 2",
        ),
        (
            lambda: explainable_variance(np.full((2, 4, 3), np.inf)),
            "infinite in 3 of 3 voxels",
        ),
        (
            lambda: jackknife_explainable_variance(np.zeros((2, 9, 3)), np.zeros(8)),
            r"blocks has shape \(8,\) for 9",
        ),
        (
            lambda: jackknife_explainable_variance(
                np.zeros((2, 4, 3)), np.array([0, 1, 3, 3])
            ),
            "3 blocks from 0 without gaps",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
