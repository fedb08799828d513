"""A small brain whose responses hold the targets, in some voxels."""

import numpy as np
import pytest

from brain2music.decoding.rows import Pairs

N_RUNS, N_CLIPS, N_WINDOWS = 6, 8, 2
N_VOXELS, N_DIMENSIONS = 30, 5


def make_pairs(rng, *, runs, strength=1.0, clip_from=0, weights=None):
    """Return pairs whose first 12 voxels follow the targets, with noise everywhere."""
    n_clips = len(runs) * N_CLIPS
    shared = np.repeat(rng.standard_normal((n_clips, N_DIMENSIONS)), N_WINDOWS, axis=0)
    T = shared + 0.3 * rng.standard_normal(shared.shape)
    T[:, 1] += 0.8 * T[:, 0]
    Y = rng.standard_normal((len(T), N_VOXELS))
    Y[:, :12] += strength * (T @ weights)
    clips = np.repeat([f"c{clip_from + k}" for k in range(n_clips)], N_WINDOWS)
    return Pairs(3 * Y + 100, T, np.repeat(runs, N_CLIPS * N_WINDOWS), clips)


@pytest.fixture
def study(rng):
    """Return (train, test): 6 and 2 runs of 8 clips of 2 windows."""
    weights = rng.standard_normal((N_DIMENSIONS, 12))
    names = [f"task-music_run-{k}" for k in range(1, N_RUNS + 1)]
    train = make_pairs(rng, runs=names, weights=weights)
    names = ["task-test_run-1", "task-test_run-2"]
    return train, make_pairs(rng, runs=names, clip_from=48, weights=weights)


@pytest.fixture(name="make_pairs")
def make_pairs_fixture():
    return make_pairs
