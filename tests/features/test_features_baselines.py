"""Tests of the acoustic baselines."""

import librosa
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.features import baselines

RATE, HOP = 22_050, 441
HOP_S = HOP / RATE
ALL = ("mfcc", "chroma", "tonal_centroid", "onset_strength", "tempo")


def music(rng, *, seconds=3.0, bpm=100.0):
    """Return a chord struck on each beat, over noise."""
    t = np.arange(round(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * hz * t) for hz in (261.63, 329.63, 392.0))
    beat = np.exp(-(t % (60 / bpm)) / 0.15)
    return (0.1 * chord * beat + 1e-3 * rng.standard_normal(len(t))).astype(np.float32)


def by_hand(waveform, n_fft=2048):
    """Return the sound and arguments that centre windows on the middles of frames."""
    ahead = (n_fft - HOP) // 2
    n_frames = len(waveform) // HOP
    padded = np.concatenate([np.zeros(ahead), waveform, np.zeros(n_fft)])
    padded = padded[: (n_frames - 1) * HOP + n_fft].astype(np.float32)
    return padded, {"sr": RATE, "n_fft": n_fft, "hop_length": HOP, "center": False}


def test_each_equals_librosa_called_by_hand(rng):
    waveform = music(rng)
    padded, options = by_hand(waveform)
    n_frames = len(waveform) // HOP
    f = librosa.feature
    levels = librosa.power_to_db(f.melspectrogram(y=padded, **options))
    rises = librosa.onset.onset_strength(
        S=levels, sr=RATE, hop_length=HOP, center=False
    )
    classes = f.chroma_stft(y=padded, **options)
    expected = {
        "mfcc": f.mfcc(y=padded, **options),
        "chroma": classes,
        "tonal_centroid": f.tonnetz(chroma=classes, sr=RATE),
        "onset_strength": rises[None],
        "tempo": f.tempo(onset_envelope=rises, sr=RATE, hop_length=HOP, aggregate=None)[
            None
        ],
    }
    widths = dict(zip(ALL, (20, 12, 6, 1, 1), strict=True))
    for name in ALL:
        values = getattr(baselines, name)(waveform, RATE, hop_s=HOP_S)
        assert values.shape == (n_frames, widths[name])
        assert values.dtype == np.float32
        assert_allclose(values, expected[name].T, atol=1e-4)


def test_options_reach_librosa_under_their_names(rng):
    waveform = music(rng, seconds=9.0)
    padded, options = by_hand(waveform)
    f = librosa.feature
    classes = f.chroma_stft(y=padded, tuning=0.3, **options)
    rises = baselines.onset_strength(waveform, RATE, hop_s=HOP_S)[:, 0]
    slow = f.tempo(
        onset_envelope=rises, sr=RATE, hop_length=HOP, start_bpm=50, aggregate=None
    )
    given = {"rate_hz": RATE, "hop_s": HOP_S}
    found = baselines.chroma(waveform, tuning=0.3, **given)
    assert_allclose(found, classes.T, atol=1e-4)
    found = baselines.tonal_centroid(waveform, tuning=0.3, **given)
    assert_allclose(found, f.tonnetz(chroma=classes, sr=RATE).T, atol=1e-4)
    found = baselines.tempo(waveform, start_bpm=50, **given)
    assert_allclose(found[:, 0], slow)
    assert not np.allclose(found, baselines.tempo(waveform, **given))


def test_mfccs_are_the_cosine_transform_of_mel_levels(rng):
    waveform = music(rng)
    padded, options = by_hand(waveform)
    levels = librosa.power_to_db(librosa.feature.melspectrogram(y=padded, **options))
    k, band = np.arange(13)[:, None], np.arange(128)
    basis = np.cos(np.pi * k * (2 * band + 1) / 256) * np.sqrt(2 / 128)
    basis[0] /= np.sqrt(2)
    values = baselines.mfcc(waveform, RATE, hop_s=HOP_S, n_mfcc=13)
    assert_allclose(values, (basis @ levels).T, atol=1e-2)


@pytest.mark.parametrize(("hz", "place"), [(261.63, 0), (440.0, 9), (880.0, 9)])
def test_a_tone_has_its_pitch_class_whatever_its_octave(hz, place):
    tone = np.sin(2 * np.pi * hz * np.arange(RATE) / RATE).astype(np.float32)
    classes = baselines.chroma(tone, RATE, hop_s=HOP_S, tuning=0.0)
    assert (classes.argmax(axis=1) == place).all()
    assert_allclose(classes.max(axis=1), 1)


def test_a_click_is_an_onset_in_the_frame_that_holds_it():
    click = np.zeros(RATE, np.float32)
    click[20 * HOP + HOP // 2 :][:2000] = 0.5
    strength = baselines.onset_strength(click, RATE, hop_s=HOP_S)[:, 0]
    # The window of 2048 points sees the click two frames early.
    assert strength[:17].max() == 0
    assert 17 < strength.argmax() <= 20


@pytest.mark.parametrize("bpm", [90.0, 125.0])
def test_the_tempo_of_a_beat_comes_back(rng, bpm):
    values = baselines.tempo(music(rng, seconds=10.0, bpm=bpm), RATE, hop_s=HOP_S)
    middle = values[len(values) // 2, 0]
    assert_allclose(middle, bpm, rtol=0.03)


def test_level_changes_neither_harmony_nor_rhythm(rng):
    waveform = music(rng)
    for name in ("chroma", "tonal_centroid", "onset_strength", "tempo"):
        extract = getattr(baselines, name)
        base = extract(waveform, RATE, hop_s=HOP_S)
        assert_allclose(extract(0.25 * waveform, RATE, hop_s=HOP_S), base, atol=1e-3)


def test_silence_has_no_harmony_and_no_tempo():
    silence = np.zeros(RATE, np.float32)
    classes = baselines.chroma(silence, RATE, hop_s=HOP_S)
    assert_array_equal(classes, np.zeros((50, 12)))
    centroid = baselines.tonal_centroid(silence, RATE, hop_s=HOP_S)
    assert_array_equal(centroid, np.zeros((50, 6)))
    with pytest.raises(InputError, match=r"of 1 s has no onset, and so no tempo"):
        baselines.tempo(silence, RATE, hop_s=HOP_S)


@pytest.mark.parametrize("name", ALL)
def test_says_what_is_wrong_with_a_sound(name):
    extract = getattr(baselines, name)
    with pytest.raises(InputError, match="must be one channel of floats"):
        extract(np.ones((RATE, 2), np.float32), RATE, hop_s=HOP_S)
    with pytest.raises(InputError, match="Frames would drift"):
        extract(np.ones(RATE, np.float32), RATE, hop_s=0.0101)


def test_says_how_many_coefficients_there_are(rng):
    with pytest.raises(InputError, match="n_mfcc is 129"):
        baselines.mfcc(music(rng), RATE, hop_s=HOP_S, n_mfcc=129)
