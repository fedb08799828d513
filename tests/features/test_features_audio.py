"""Tests of features of sound."""

import sys

import librosa
import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.features.audio import log_mel, loudness

RATE = 22050
HOP_S = 0.02
HOP = 441
MEL = {"n_mels": 24, "hop_s": HOP_S, "fmin_hz": 60.0, "fmax_hz": 8000.0}


def tone(freq_hz, *, seconds=1.0, amplitude=0.5, rate_hz=RATE):
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (amplitude * np.sin(2 * np.pi * freq_hz * time_s)).astype(np.float32)


def noise(rng, *, seconds=1.0):
    return (0.1 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def total_db(levels):
    return 10 * np.log10((10 ** (levels.astype(float) / 10)).sum(axis=1))


def test_loudness_equals_librosa_by_hand(rng):
    waveform = noise(rng, seconds=1.013)
    rms = librosa.feature.rms(
        y=waveform, frame_length=HOP, hop_length=HOP, center=False
    )
    level = loudness(waveform, RATE, hop_s=HOP_S)
    assert level.shape == (50, 1)
    assert level.dtype == np.float32
    assert_allclose(level[:, 0], 20 * np.log10(rms[0]), atol=1e-4)


def test_log_mel_equals_librosa_by_hand(rng):
    waveform = noise(rng, seconds=1.013)
    ahead = (2048 - HOP) // 2
    spectrum = librosa.stft(
        np.pad(waveform, (ahead, 2048)), n_fft=2048, hop_length=HOP, center=False
    )
    filters = librosa.filters.mel(
        sr=RATE, n_fft=2048, n_mels=24, fmin=60, fmax=8000, norm=None
    )
    window = librosa.filters.get_window("hann", 2048)
    power = filters @ np.abs(spectrum) ** 2 / (2048 * (window**2).sum() / 2)
    levels = log_mel(waveform, RATE, **MEL)
    assert levels.shape == (50, 24)
    assert levels.dtype == np.float32
    assert_allclose(levels, 10 * np.log10(power.T[:50]), atol=1e-3)


@pytest.mark.parametrize("amplitude", [1.0, 0.5, 0.01])
def test_a_tone_has_the_level_of_its_mean_square(amplitude):
    level = loudness(tone(500, amplitude=amplitude), RATE, hop_s=HOP_S)
    assert_allclose(level, 20 * np.log10(amplitude / np.sqrt(2)), atol=0.1)


@pytest.mark.parametrize("rate_hz", [16000, 22050, 44100])
@pytest.mark.parametrize("freq_hz", [440, 1234, 5000])
def test_the_bands_of_a_tone_add_up_to_its_level_at_any_rate(freq_hz, rate_hz):
    levels = log_mel(tone(freq_hz, rate_hz=rate_hz), rate_hz, **MEL)
    assert_allclose(total_db(levels)[3:-3], 20 * np.log10(0.5 / np.sqrt(2)), atol=0.1)


def test_a_tone_is_loudest_in_the_band_around_it():
    centres = librosa.mel_frequencies(26, fmin=60, fmax=8000)[1:-1]
    for band in (4, 11, 20):
        levels = log_mel(tone(centres[band]), RATE, **MEL)
        assert (levels[3:-3].argmax(axis=1) == band).all()


@pytest.mark.parametrize("frame", [0, 7, 24, 49])
def test_a_click_falls_into_the_frame_that_holds_it(frame):
    waveform = np.zeros(RATE, np.float32)
    waveform[frame * HOP + HOP // 2] = 1.0
    assert loudness(waveform, RATE, hop_s=HOP_S).argmax() == frame
    assert (log_mel(waveform, RATE, **MEL).argmax(axis=0) == frame).all()


def test_no_sound_between_long_frames_is_missed():
    for place in np.linspace(0.05, 2.9, 13):
        waveform = np.zeros(3 * RATE, np.float32)
        waveform[round(place * RATE)] = 1.0
        levels = log_mel(waveform, RATE, **{**MEL, "hop_s": 1.0})
        assert levels.shape == (3, 24)
        assert levels[int(place)].min() > -100


def test_twice_the_amplitude_is_six_decibels_more(rng):
    waveform = noise(rng)
    six = 20 * np.log10(2)
    assert_allclose(
        log_mel(2 * waveform, RATE, **MEL) - log_mel(waveform, RATE, **MEL),
        six,
        atol=1e-3,
    )


def test_silence_is_the_floor():
    waveform = np.zeros(RATE, np.float32)
    assert_allclose(loudness(waveform, RATE, hop_s=HOP_S), -100, rtol=1e-6)
    assert_allclose(log_mel(waveform, RATE, **MEL), -100, rtol=1e-6)


def test_a_loud_moment_does_not_lift_the_floor_of_a_soft_one():
    soft = tone(440, amplitude=1e-4)
    both = np.concatenate([soft, tone(440, amplitude=1.0)])
    assert_allclose(
        log_mel(both, RATE, **MEL)[:40], log_mel(soft, RATE, **MEL)[:40], atol=1e-3
    )


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"hop_s": 0.025}, r"hop_s 0.025 is 551.250 points .* such as 551 / 22050 s"),
        ({"hop_s": 1e-9}, r"hop_s 1e-09 is 0.000 points"),
        ({"hop_s": 2.0}, r"lasts 1.000 s, less than one frame of 2 s"),
        ({"fmax_hz": 12000.0}, r"60 to 12000 Hz at 22050 Hz.* within 0 to 11025 Hz"),
        ({"fmin_hz": 9000.0}, r"lower end first"),
        ({"n_mels": 700}, r"700 mel bands .* narrower than .* some are empty"),
        ({"waveform": np.zeros((RATE, 2))}, r"float64 of shape \(22050, 2\)"),
        ({"waveform": np.zeros(RATE, np.int16)}, r"divide whole numbers"),
        ({"waveform": np.full(RATE, np.nan)}, r"holds NaN or infinity"),
    ],
)
def test_says_what_the_sound_or_the_bands_lack(change, match):
    with pytest.raises(InputError, match=match):
        log_mel(**{"waveform": tone(440), "rate_hz": RATE, **MEL, **change})


def test_says_how_to_get_librosa(monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(InputError, match=r"pip install 'brain2music\[audio\]'"):
        loudness(tone(440), RATE, hop_s=HOP_S)
