"""A small brain whose responses hold the targets, and sound made of sines."""

import numpy as np
import pytest

from brain2music.decoding.generation import Generated, candidate_seeds
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


RATE = 1000


class Tones:
    """Makes one sine per dimension, as strong as the embedding says, and noise."""

    def __init__(self, weight=1.0, noise=0.1):
        self.weight, self.noise, self.given = weight, noise, []

    def generate(self, embedding, *, seconds, n_candidates=1, seed=0, anchor=None):
        self.given.append((np.asarray(embedding), seconds, seed, anchor))
        t = np.arange(round(seconds * RATE)) / RATE
        sines = np.sin(2 * np.pi * 20 * np.arange(1, len(embedding) + 1)[:, None] * t)
        made = []
        for one in candidate_seeds(seed, n_candidates):
            rng = np.random.default_rng(one)
            prior = self.noise * rng.standard_normal(len(embedding))
            made.append((self.weight * np.asarray(embedding) + prior) @ sines)
        return Generated(np.array(made, np.float32), RATE, {"generator": "tones"})


def hear(sounds, n=6):
    """Embed: the strength of each sine."""
    rows = []
    for sound in sounds:
        t = np.arange(len(sound.waveform)) / sound.rate_hz
        sines = np.sin(2 * np.pi * 20 * np.arange(1, n + 1)[:, None] * t)
        rows.append(sines @ sound.waveform * 2 / len(t))
    return np.array(rows)


@pytest.fixture
def tones():
    """Return the class of generators of sines."""
    return Tones


@pytest.fixture(name="hear")
def hear_fixture():
    return hear


@pytest.fixture(scope="session")
def tiny_generator(tmp_path_factory):
    """Give `tiny_generator(kind)`: the folder of a small generator, made once."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    from brain2music.decoding.tiny import write_tiny_generator

    torch.set_num_threads(1)
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("generators") / kind
            write_tiny_generator(kind, made[kind], seed=3)
        return made[kind]

    return make
