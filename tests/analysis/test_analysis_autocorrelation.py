"""Tests of the length that blocks need."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import lfilter

from brain2music.analysis.autocorrelation import (
    Memory,
    autocorrelation,
    block_length,
    cut_runs,
    memory_notes,
    memory_of,
)
from brain2music.analysis.moves import permute_blocks
from brain2music.analysis.permutations import permutation_test
from brain2music.core.checks import InputError

RUNS = np.repeat([4, 2, 9], [40, 31, 25])


def autocorrelated(rng, n_samples, n_voxels, rho):
    noise = rng.standard_normal((n_samples + 200, n_voxels))
    return lfilter([1], [1, -rho], noise, axis=0)[200:]


def test_equals_the_mean_over_pairs_inside_runs(rng):
    Y = autocorrelated(rng, 96, 3, 0.6) + 5
    found = autocorrelation(Y, RUNS, 10)
    centred = Y - Y.mean(axis=0)
    for lag in range(11):
        pairs = [(t, t + lag) for t in range(96 - lag) if RUNS[t] == RUNS[t + lag]]
        mean = np.mean([centred[a] * centred[b] for a, b in pairs], axis=0)
        assert_allclose(found[lag], mean / (centred**2).mean(axis=0))


def test_pairs_are_what_each_adds_to_the_variance(rng):
    Y, P = autocorrelated(rng, 96, 3, 0.6), autocorrelated(rng, 96, 3, 0.7) - 2
    Y[:, 1] = 0.1
    memory = memory_of(Y, P, RUNS)
    g = autocorrelation(Y[:, [0, 2]], RUNS, 12)
    p = P[:, [0, 2]] - P[:, [0, 2]].mean(axis=0)
    p /= np.linalg.norm(p, axis=0)
    for lag in range(len(memory.pairs)):
        for t in range(96):
            inside = t + lag < 96 and RUNS[t] == RUNS[t + lag]
            expected = (p[t] * p[t + lag] * g[lag]).mean() if inside else 0.0
            assert_allclose(memory.pairs[lag, t], expected, atol=1e-12)


def test_the_product_is_that_of_planted_noise(rng):
    Y, P = autocorrelated(rng, 3000, 40, 0.8), autocorrelated(rng, 3000, 40, 0.5)
    memory = memory_of(Y, P, np.arange(3000) // 300)
    assert_allclose(memory.product, 0.4 ** np.arange(5), atol=0.02)
    assert memory.settles


@pytest.mark.parametrize("length", [10, 30])
def test_what_blocks_lose_is_what_the_null_loses(rng, length):
    rho, n_samples = 0.8, 3000
    Y, P = (autocorrelated(rng, n_samples, 300, rho) for _ in range(2))
    memory = memory_of(Y, P, np.arange(n_samples) // 300)
    blocks = np.arange(n_samples) // length
    moves = permute_blocks(blocks, n_permutations=300, seed=0)
    variance = (permutation_test(Y, P, moves).null_sd ** 2).mean()
    true = (1 + rho**2) / (1 - rho**2) / n_samples  # Bartlett's sum
    assert_allclose(1 - variance / true, memory.lost(blocks), atol=0.06)


def test_blocks_cut_where_a_prediction_goes_on_lose_more(rng):
    # The prediction changes every 10 samples, 3 samples after a new clip begins.
    steps = np.repeat(rng.standard_normal((61, 50)), 10, axis=0)
    Y, P = autocorrelated(rng, 600, 50, 0.7), steps[7:607]
    clips = np.arange(600) // 10
    memory = memory_of(Y, P, np.arange(600) // 300)
    assert memory.lost((np.arange(600) + 7) // 10) < 0.03
    assert memory.lost(clips) > 0.1


def test_the_length_loses_no_more_than_is_asked(rng):
    runs = np.arange(3000) // 300
    Y, P = (autocorrelated(rng, 3000, 20, 0.7) for _ in range(2))
    memory = memory_of(Y, P, runs)
    for lost in (0.03, 0.1, 0.4):
        length = block_length(memory, runs, lost=lost)
        assert memory.lost(cut_runs(runs, length)) <= lost
        assert memory.lost(cut_runs(runs, length - 1)) > lost
    assert block_length(memory, runs, lost=0.001) is None
    white = Memory(np.ones((1, 3000)), settles=True)
    assert block_length(white, runs) == 1
    assert memory_notes(white, np.arange(3000), runs) == []


def test_blocks_that_are_too_short_are_told_of(rng):
    runs = np.arange(3000) // 300
    Y, P = (autocorrelated(rng, 3000, 20, 0.7) for _ in range(2))
    memory = memory_of(Y, P, runs)
    assert memory_notes(memory, runs, runs) == []
    blocks = np.arange(3000) // 10
    (note,) = memory_notes(memory, blocks, runs)
    assert f"make {memory.lost(blocks):.0%} of the variance" in note
    assert f"use blocks of {block_length(memory, runs)} samples, or a circ" in note
    (note,) = memory_notes(memory, blocks, runs, lost=0.001)
    assert "use a circular shift" in note


def test_levels_that_differ_between_runs_do_not_settle(rng):
    level = np.repeat([0.0, 3.0, -2.0], [40, 31, 25])[:, None]
    memory = memory_of(*(level + rng.standard_normal((2, 96, 2))), RUNS)
    assert not memory.settles
    assert len(memory.pairs) == 13
    assert "Filter slow drifts" in memory_notes(memory, RUNS, RUNS)[0]
    assert memory_notes(memory, None, RUNS) == memory_notes(memory, RUNS, RUNS)


@pytest.mark.parametrize(
    ("Y", "P", "runs", "words"),
    [
        (np.eye(6), np.eye(6)[:, :5], np.zeros(6), r"Y_hat \(6, 5\)"),
        (np.eye(6), np.eye(6), [0, 0, 0, 1, 1, 1], "shortest run 3 samples"),
        (np.ones((6, 2)), np.ones((6, 2)), np.zeros(6), "0 voxels vary"),
        (np.eye(6), np.eye(6), np.zeros(5), "runs has 5"),
    ],
)
def test_what_has_no_autocorrelation_is_named(Y, P, runs, words):
    with pytest.raises(InputError, match=words):
        memory_of(Y, P, runs)


def test_what_cannot_be_asked_of_a_memory_is_refused():
    memory = Memory(np.ones((1, 9)), settles=True)
    with pytest.raises(InputError, match="lost must lie between 0 and 1, got 0"):
        block_length(memory, np.zeros(9), lost=0)
    with pytest.raises(InputError, match=r"blocks has shape \(8,\) for 9 samples"):
        memory.lost(np.zeros(8))
