"""Tests of the length that blocks need."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import lfilter

from brain2music.analysis.autocorrelation import (
    Memory,
    autocorrelation,
    block_length,
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


def test_the_product_is_that_of_planted_noise(rng):
    Y, P = autocorrelated(rng, 3000, 40, 0.8), autocorrelated(rng, 3000, 40, 0.5)
    Y[:, 7] = 0.1
    memory = memory_of(Y, P, np.arange(3000) // 300)
    assert_allclose(memory.product[:5], 0.4 ** np.arange(5), atol=0.02)
    assert memory.last == 3
    assert memory.settles


def test_what_blocks_lose_is_what_the_null_loses(rng):
    rho, n_samples = 0.8, 3000
    Y, P = (autocorrelated(rng, n_samples, 300, rho) for _ in range(2))
    memory = memory_of(Y, P, np.arange(n_samples) // 300)
    for length in (10, 30):
        blocks = np.arange(n_samples) // length
        moves = permute_blocks(blocks, n_permutations=300, seed=0)
        variance = (permutation_test(Y, P, moves).null_sd ** 2).mean()
        true = (1 + rho**2) / (1 - rho**2) / n_samples  # Bartlett's sum
        assert_allclose(1 - variance / true, memory.lost(length), atol=0.06)


def test_the_length_loses_no_more_than_is_asked(rng):
    Y, P = (autocorrelated(rng, 3000, 20, 0.7) for _ in range(2))
    memory = memory_of(Y, P, np.arange(3000) // 300)
    for lost in (0.03, 0.1, 0.4):
        length = block_length(memory, lost=lost)
        assert memory.lost(length) <= lost < memory.lost(length - 1)
    assert block_length(Memory(np.array([1.0, 0.0]), 0, True)) == 1


def test_blocks_that_are_too_short_are_told_of():
    memory = Memory(0.8 ** np.arange(30), last=13, settles=True)
    assert memory_notes(memory, 60) == []
    (note,) = memory_notes(memory, 10)
    assert f"asks for {block_length(memory)} samples" in note
    assert f"lose {memory.lost(10):.0%}" in note
    drift = Memory(np.ones(30), last=29, settles=False)
    assert "filter slow drifts" in memory_notes(drift, 10)[0]


def test_levels_that_differ_between_runs_do_not_settle(rng):
    level = np.repeat([0.0, 3.0, -2.0], [40, 31, 25])[:, None]
    memory = memory_of(*(level + rng.standard_normal((2, 96, 2))), RUNS)
    assert not memory.settles
    assert memory.last == 12


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


def test_a_share_that_cannot_be_lost_is_refused():
    with pytest.raises(InputError, match="lost must lie between 0 and 1, got 0"):
        block_length(Memory(np.ones(2), 0, True), lost=0)
