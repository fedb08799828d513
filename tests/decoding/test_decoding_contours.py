"""Tests of agreement in time of heard and made sounds."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.decoding.contours import (
    Contours,
    NoCourseError,
    contours,
    temporal_agreement,
)

RATE_HZ = 8000
NOISE = np.random.default_rng(0).standard_normal(3 * RATE_HZ)


def clicks(bpm, *, seconds=12, swell_hz=0.0, seed=0):
    """Return clicks of noise at a tempo, the loudness swelling with a period."""
    t = np.arange(seconds * RATE_HZ) / RATE_HZ
    phase = (t * bpm / 60) % 1
    noise = np.random.default_rng(seed).standard_normal(len(t))
    loud = 1 + 0.9 * np.sin(2 * np.pi * swell_hz * t)
    return 0.1 * noise * np.exp(-phase * 25) * loud


def made_up(rng, n, n_frames=50):
    return [
        Contours(float(rng.uniform(60, 180)), *rng.standard_normal((2, n_frames)))
        for _ in range(n)
    ]


def test_measures_equal_the_loops(rng):
    heard, made = made_up(rng, 6), made_up(rng, 6, 40)
    table = temporal_agreement(heard, made).set_index("measure")
    tempo, onsets, loudness = (np.zeros((6, 6)) for _ in range(3))
    for i, a in enumerate(heard):
        for j, b in enumerate(made):
            tempo[i, j] = abs(np.log(a.tempo_bpm / b.tempo_bpm) / np.log(2))
            onsets[i, j] = np.corrcoef(a.onsets[:40], b.onsets)[0, 1]
            loudness[i, j] = np.corrcoef(a.loudness_db[:40], b.loudness_db)[0, 1]
    for name, pairs in (
        ("tempo distance", tempo),
        ("onset correlation", onsets),
        ("loudness correlation", loudness),
    ):
        assert_allclose(
            table.loc[name, "value"], np.mean([pairs[i, i] for i in range(6)])
        )
        others = [pairs[i, j] for i in range(6) for j in range(6) if i != j]
        assert_allclose(table.loc[name, "chance"], np.mean(others))
    assert (table["n"] == 6).all()
    drawn = np.random.default_rng(0).integers(6, size=(1000, 6))
    for name, pairs in (("tempo distance", tempo), ("onset correlation", onsets)):
        bounds = np.quantile(np.diag(pairs)[drawn].mean(axis=1), [0.025, 0.975])
        assert_allclose(table.loc[name, ["low", "high"]].astype(float), bounds)


def test_the_same_course_in_time_is_found_and_shuffled_is_chance(rng):
    heard = made_up(rng, 12)
    made = [
        Contours(
            c.tempo_bpm * 1.05,
            c.onsets + rng.standard_normal(50),
            c.loudness_db + rng.standard_normal(50),
        )
        for c in heard
    ]
    found = temporal_agreement(heard, made)
    assert (found["p"] < 0.01).all()
    shuffled = temporal_agreement(heard, made[5:] + made[:5])
    assert (shuffled["p"] > 0.05).all()
    assert found["value"][0] < found["chance"][0]


def test_tempo_of_clicks_is_theirs():
    for bpm in (90, 120):
        octaves = np.log2(contours(clicks(bpm), RATE_HZ).tempo_bpm / bpm)
        assert abs(octaves - round(octaves)) < 0.06


def test_loudness_follows_the_swell():
    found = contours(clicks(600, swell_hz=0.25), RATE_HZ)
    assert found.loudness_db.max() == 0
    assert found.loudness_db.min() >= -80
    t = np.arange(len(found.loudness_db)) * round(0.023 * RATE_HZ) / RATE_HZ
    level = 20 * np.log10(1 + 0.9 * np.sin(2 * np.pi * 0.25 * t))
    assert np.corrcoef(found.loudness_db, level)[0, 1] > 0.8
    assert len(found.onsets) == len(found.loudness_db)


def test_a_tenth_of_the_pressure_is_20_db_less():
    tone = np.sin(2 * np.pi * 440 * np.arange(4 * RATE_HZ) / RATE_HZ)
    tone[2 * RATE_HZ :] /= 10
    level = contours(tone, RATE_HZ).loudness_db
    quarter = len(level) // 4
    gap = level[quarter] - level[3 * quarter]
    assert_allclose(gap, 20, atol=0.3)


def test_level_of_the_whole_sound_does_not_matter():
    a, b = (contours(k * clicks(100), RATE_HZ) for k in (1, 8))
    assert_allclose(a.loudness_db, b.loudness_db, atol=1e-3)
    assert a.tempo_bpm == b.tempo_bpm


@pytest.mark.parametrize(
    ("waveform", "words"),
    [
        (np.zeros(3 * RATE_HZ), "it is silent"),
        (1e-25 * np.sin(np.arange(3 * RATE_HZ)), "it is silent"),
        (1e-7 * NOISE, "its onset strength is constant"),
        (np.ones(RATE_HZ), "it lasts 1 s, and 2 s are needed"),
    ],
)
def test_sounds_without_course_are_named_as_such(waveform, words):
    with pytest.raises(NoCourseError, match=words):
        contours(waveform, RATE_HZ)


@pytest.mark.parametrize(
    ("waveform", "words"),
    [
        (np.ones((2, 3 * RATE_HZ)), "shape .2, .* one channel"),
        (np.r_[np.nan, np.ones(3 * RATE_HZ)], "1 values that are NaN"),
    ],
)
def test_what_is_no_sound_is_refused(waveform, words):
    with pytest.raises(InputError, match=words) as caught:
        contours(waveform, RATE_HZ)
    assert not isinstance(caught.value, NoCourseError)


def test_pairs_that_cannot_be_compared_are_refused(rng):
    some = made_up(rng, 3)
    with pytest.raises(InputError, match="3 heard and 2 made"):
        temporal_agreement(some, some[:2])
    flat = [*some[:2], Contours(90.0, np.ones(50), some[0].loudness_db)]
    with pytest.raises(InputError, match="onset strength of a sound is constant"):
        temporal_agreement(flat, some)


def test_without_librosa_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(InputError, match=r"brain2music\[audio\]"):
        contours(clicks(90), RATE_HZ)
