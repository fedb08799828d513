"""Tests of sound in memory and on disk."""

import json

import numpy as np
import pytest
import soundfile as sf
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.artefacts import file_identity
from brain2music.core.checks import InputError
from brain2music.decoding.sounds import (
    Sound,
    read_start,
    resampled,
    spread_windows,
    write_sound,
)

RATE = 8000


def test_the_first_seconds_are_read_and_channels_averaged(tmp_path, rng):
    wave = rng.uniform(-0.5, 0.5, (20 * RATE, 3)).astype(np.float32)
    sf.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    sound = read_start(tmp_path / "a.wav")
    assert (sound.seconds, sound.rate_hz) == (15.0, RATE)
    assert_allclose(sound.waveform, wave[: 15 * RATE].mean(axis=1), atol=1e-7)
    assert read_start(tmp_path / "a.wav", seconds=25).seconds == 20


def test_a_sound_comes_back_with_what_made_it_and_is_not_clipped(tmp_path, rng):
    wave = (3 * rng.standard_normal(RATE // 2)).astype(np.float32)
    path = tmp_path / "new/a.wav"
    write_sound(path, Sound(wave, RATE), {"generator": "by hand"})
    again, rate_hz = sf.read(path, dtype="float32")
    assert_array_equal(again, wave)
    about = json.loads(path.with_suffix(".json").read_text())
    assert about == {
        "sound": "a.wav",
        "sha256": file_identity(path),
        "seconds": 0.5,
        "rate_hz": rate_hz,
        "peak": float(np.abs(wave).max()),
        "generator": "by hand",
    }
    assert sorted(p.name for p in path.parent.iterdir()) == ["a.json", "a.wav"]


def test_a_tone_stays_a_tone_at_another_rate():
    def tone(rate_hz):
        return np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)

    sound = Sound(tone(16000).astype(np.float32), 16000)
    middle = slice(1000, 7000)
    assert_allclose(resampled(sound, RATE)[middle], tone(RATE)[middle], atol=1e-3)
    assert resampled(sound, 16000) is sound.waveform


def test_windows_are_spread_from_start_to_end():
    points = np.arange(25, dtype=np.float32)
    windows = spread_windows(points, 10)
    assert windows[:, 0].tolist() == [0, 8, 15]
    assert windows[:, -1].tolist() == [9, 17, 24]
    assert spread_windows(points[:20], 10)[:, 0].tolist() == [0, 10]
    assert_array_equal(spread_windows(points, 30), points[None])


def test_what_is_no_sound_is_refused(tmp_path):
    with pytest.raises(InputError, match="Average its channels"):
        Sound(np.zeros((9, 2), np.float32), RATE)
    with pytest.raises(InputError, match="at least one point"):
        Sound(np.zeros(0, np.float32), RATE)
    with pytest.raises(InputError, match=r"must end in \.wav"):
        write_sound(tmp_path / "a.mp3", Sound(np.ones(9, np.float32), RATE), {})
