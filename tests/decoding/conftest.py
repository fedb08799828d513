"""Sound that says what it was made from, without any network."""

import numpy as np
import pytest

from brain2music.decoding.generation import Generated, candidate_seeds

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
