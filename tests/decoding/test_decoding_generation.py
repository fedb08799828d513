"""Tests of generation's interface, and of what starts from the nearest item."""

import json

import numpy as np
import pytest
import soundfile as sf
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.generation import (
    AnchoredGenerator,
    Generated,
    RetrievedSound,
    candidate_seeds,
    vector_hash,
)
from brain2music.decoding.retrieval import build_index
from brain2music.decoding.sounds import Sound

RATE = 1000


@pytest.fixture
def corpus(rng):
    """Return a corpus of 9 items, of which the last lasts half a second."""
    table = rng.standard_normal((9, 4))
    index = build_index(table, [f"t{k}" for k in range(9)], identity="x", source="CLAP")

    def sound_of(name):
        n_points = 500 if name == "t8" else 2000
        ramp = np.linspace(0, 0.5, n_points)
        return Sound((int(name[1:]) + ramp).astype(np.float32), RATE)

    return RetrievedSound(index, "x", sound_of), table


def test_the_nearest_items_are_given_as_they_are(corpus):
    retrieved, table = corpus
    found = retrieved.generate(3 * table[5], seconds=0.4, n_candidates=3)
    cosines = table @ table[5] / np.linalg.norm(table, axis=1)
    expected = np.argsort(-cosines)[:3]
    assert found.audio.shape == (3, 400)
    assert found.audio[:, 0].tolist() == expected.tolist()
    assert found.provenance["items"] == [f"t{k}" for k in expected]
    assert found.provenance["generator"] == "retrieved"
    assert found.provenance["source"] == "CLAP"


def test_items_of_several_rates_keep_all_that_they_hold(corpus, rng):
    retrieved, table = corpus
    index = retrieved.index
    waves = {name: rng.standard_normal(4000).astype(np.float32) for name in index.ids}
    rates = dict(zip(index.ids, [441, 1000, 500] * 3, strict=True))
    mixed = RetrievedSound(index, "x", lambda name: Sound(waves[name], rates[name]))
    for k, name in enumerate(index.ids):
        alone = mixed.generate(table[k], seconds=0.731)
        assert alone.rate_hz == rates[name]
        n_points = round(0.731 * rates[name])
        assert_array_equal(alone.audio[0], waves[name][:n_points])
    every = mixed.generate(table[0], seconds=0.731, n_candidates=9)
    assert (every.rate_hz, every.audio.shape) == (1000, (9, 731))
    items, own = (every.provenance[key] for key in ("items", "item_rates_hz"))
    assert own == [rates[name] for name in items]
    for name, audio in zip(items, every.audio, strict=True):
        if rates[name] == 1000:
            assert_array_equal(audio, waves[name][:731])
        else:  # the level of noise of half the band
            assert np.mean(audio[50:-50] ** 2) == pytest.approx(1, abs=0.3)


def test_generation_starts_from_the_nearest_item(corpus, tones):
    retrieved, table = corpus
    generator = tones()
    anchored = AnchoredGenerator(generator, retrieved)
    found = anchored.generate(table[2], seconds=1.0, n_candidates=2, seed=5)
    given, seconds, seed, anchor = generator.given[0]
    assert_array_equal(given, table[2])
    assert (seconds, seed, anchor.id, len(found)) == (1.0, 5, "t2", 2)
    anchored.generate(np.ones(6), query=table[7], seconds=1.0)
    assert generator.given[1][3].id == "t7"
    assert len(generator.given[1][0]) == 6


def test_items_that_do_not_fit_are_refused(corpus):
    retrieved, table = corpus
    with pytest.raises(InputError, match=r"t8 lasts 0\.50 s, and 1\.0 s are asked"):
        retrieved.generate(table[8], seconds=1.0)
    with pytest.raises(InputError, match="0 s are asked for"):
        retrieved.generate(table[0], seconds=0)


@pytest.mark.parametrize(
    ("embedding", "words"),
    [
        (np.ones((2, 4)), "Average its windows"),
        (np.zeros(4), "says nothing"),
        (np.full(4, np.inf), "NaN or infinity"),
    ],
)
def test_what_is_no_embedding_is_refused(corpus, embedding, words):
    with pytest.raises(InputError, match=words):
        corpus[0].generate(embedding, seconds=1.0)


def test_sound_is_written_with_its_provenance(tmp_path, rng):
    audio = rng.standard_normal((3, 40)).astype(np.float32)
    made = Generated(audio, RATE, {"generator": "by hand", "seed": 4})
    made.write(tmp_path / "a.wav", 2)
    assert_array_equal(sf.read(tmp_path / "a.wav", dtype="float32")[0], audio[2])
    about = json.loads((tmp_path / "a.json").read_text())
    assert (about["generator"], about["seed"], about["candidate"]) == ("by hand", 4, 2)


def test_sound_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="Are the weights damaged"):
        Generated(np.full((1, 9), np.nan, np.float32), RATE)
    with pytest.raises(InputError, match="one row per candidate"):
        Generated(np.zeros(9, np.float32), RATE)


def test_no_two_candidates_share_a_seed():
    seeds = [one for seed in range(30) for one in candidate_seeds(seed, 20)]
    assert len(set(seeds)) == 600
    assert candidate_seeds(3, 2) == candidate_seeds(3, 5)[:2]
    with pytest.raises(InputError, match="ask for at least 1"):
        candidate_seeds(0, 0)


def test_embeddings_of_equal_values_have_one_hash():
    assert vector_hash([1, 2]) == vector_hash(np.array([1.0, 2.0], np.float32))
    assert vector_hash([1, 2]) != vector_hash([[1, 2]])
