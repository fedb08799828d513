"""Tests of finding one sound twice."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.data.duplicates import (
    audio_hashes,
    find_same_audio,
    near_duplicates,
    sound_fingerprint,
)
from brain2music.data.synthesise import _drawn, synthesise

RATE = 22_050


@pytest.fixture(scope="module")
def tracks():
    names = [f"{g}.{k:05d}" for g in ("pop", "jazz", "metal") for k in range(12)]
    return {n: synthesise(_drawn(n, 0), seed=0, duration_s=6) for n in names}


def level_changed(sound, gain, *, bits=16):
    steps = 2 ** (bits - 1)
    return np.round(gain * sound.astype(np.float64) * steps) / steps


def test_a_copy_at_any_level_shares_a_hash_and_no_other_track_does(tracks):
    train = {name: audio_hashes(sound) for name, sound in tracks.items()}
    rng = np.random.default_rng(3)
    copies = {
        f"copy of {name}": audio_hashes(
            level_changed(sound, rng.uniform(0.2, 1.5)) + rng.uniform(-0.1, 0.1)
        )
        for name, sound in tracks.items()
    }
    pairs = find_same_audio(train, copies)
    assert sorted(pairs["test_clip"]) == sorted(copies)
    for test_clip, train_clip in zip(
        pairs["test_clip"], pairs["train_clip"], strict=True
    ):
        assert test_clip == f"copy of {train_clip}"
    assert set(pairs["why"]) == {"same audio"}


def test_the_first_hash_is_of_the_points(tracks):
    sound = tracks["pop.00003"].astype(np.float64)
    assert audio_hashes(sound)[0] == audio_hashes(sound.copy())[0]
    changed = sound.copy()
    changed[1000] += 0.01
    assert audio_hashes(sound)[0] != audio_hashes(changed)[0]
    assert set(audio_hashes(sound)) & set(audio_hashes(changed))


def test_a_fingerprint_does_not_know_the_level_or_much_of_the_start(tracks):
    sound = tracks["jazz.00001"]
    base = sound_fingerprint(sound, RATE)
    assert base.shape == (60,)
    assert_allclose(sound_fingerprint(0.3 * sound, RATE), base, atol=1e-3)
    shifted = sound_fingerprint(sound[RATE // 5 :], RATE)
    other = sound_fingerprint(tracks["jazz.00002"], RATE)
    assert np.linalg.norm(shifted - base) < 0.3 * np.linalg.norm(other - base)


def test_a_fingerprint_finds_the_band_of_a_tone():
    tone = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)
    edges = np.geomspace(60, 8000, 31)
    means = sound_fingerprint(tone, RATE)[:30]
    assert edges[means.argmax()] < 1000 < edges[means.argmax() + 1]
    assert_allclose(means.max(), 0, atol=0.1)


def test_planted_near_duplicates_come_back_and_others_do_not(rng):
    mix = rng.standard_normal((7, 7))
    train, test = (
        rng.standard_normal((150, 7)) @ mix,
        rng.standard_normal((40, 7)) @ mix,
    )
    test[[3, 17]] = train[[60, 4]] + 1e-3 * rng.standard_normal((2, 7))
    names = {
        "train_clips": [f"a{k}" for k in range(150)],
        "test_clips": [f"b{k}" for k in range(40)],
    }
    pairs, threshold, notes = near_duplicates(train, test, **names)
    found = pairs[["test_clip", "train_clip"]].to_numpy().tolist()
    assert found == [["b3", "a60"], ["b17", "a4"]]
    assert (pairs["distance"] < threshold).all()
    assert f"closer than {threshold:.3g}" in notes[0]
    assert "0 of these are below it" in notes[0]
    # unit and offset of the embedding do not matter
    scaled = near_duplicates(100 * train - 5, 100 * test - 5, **names)
    assert_allclose(scaled[1], threshold)
    # duplicates inside training move the threshold little
    train[:6] = train[100:106] + 1e-6
    _, moved, notes = near_duplicates(train, test, **names)
    assert_allclose(moved, threshold, rtol=0.3)
    assert "12 of these are below it" in notes[0]


def test_without_duplicates_hardly_any_pair_is_reported():
    n_found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        train, test = rng.standard_normal((100, 12)), rng.standard_normal((60, 12))
        names = [f"a{k}" for k in range(100)], [f"b{k}" for k in range(60)]
        pairs, *_ = near_duplicates(
            train, test, train_clips=names[0], test_clips=names[1]
        )
        n_found += len(pairs)
    assert n_found <= 3


def test_another_excerpt_of_the_same_track_is_near(tracks):
    names = list(tracks)
    train = [sound_fingerprint(sound, RATE) for sound in tracks.values()]
    excerpt = sound_fingerprint(0.5 * tracks["pop.00004"][2000:], RATE)
    pairs, *_ = near_duplicates(
        train, excerpt[None], train_clips=names, test_clips=["other"]
    )
    assert pairs["train_clip"].tolist() == ["pop.00004"]


def test_says_what_is_wrong(rng):
    with pytest.raises(InputError, match="the sound is silent"):
        audio_hashes(np.full(99, 0.3))
    with pytest.raises(
        InputError, match=r"one finite channel of at least 64.*\(99, 2\)"
    ):
        audio_hashes(np.ones((99, 2)))
    with pytest.raises(InputError, match=r"up to 8 kHz, but rate_hz is 8000"):
        sound_fingerprint(rng.standard_normal(999), 8000)
    with pytest.raises(InputError, match="in training and in test: a"):
        find_same_audio({"a": ("x",)}, {"a": ("y",)})


@pytest.mark.parametrize(
    ("n_train", "change", "match"),
    [
        (19, {}, "19 training clips are too few"),
        (25, {"test": np.ones((4, 2))}, "train has 3 features, test 2"),
        (25, {"test_clips": ["x"]}, "test has 4 rows for 1 clips"),
        (25, {"test_clips": ["a1", "x", "y", "z"]}, "in test: a1"),
        (25, {"train": np.ones((25, 3))}, "no feature of train varies"),
        (24, {"train": np.eye(24)[:, :3]}, "training clips have an exact copy"),
    ],
)
def test_says_what_near_duplicates_need(rng, n_train, change, match):
    arguments = {
        "train": rng.standard_normal((n_train, 3)),
        "test": rng.standard_normal((4, 3)),
        "train_clips": [f"a{k}" for k in range(n_train)],
        "test_clips": ["t", "u", "v", "w"],
    } | change
    with pytest.raises(InputError, match=match):
        near_duplicates(arguments.pop("train"), arguments.pop("test"), **arguments)
