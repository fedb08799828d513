"""Tests of what CLAP is fed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.features.clap_mels import clap_mels

transformers = pytest.importorskip("transformers")
pytest.importorskip("torch")


def sounds(rng, seconds):
    """Return tones that fade into silence, over noise of very different levels."""
    t = np.arange(round(seconds * 48_000)) / 48_000
    tone = np.sin(2 * np.pi * 440 * t**1.3) * np.exp(-3 * t)
    level = np.array([[1e-1], [1e-5], [0]])
    return (0.5 * tone + level * rng.standard_normal((3, len(t)))).astype(np.float32)


@pytest.mark.parametrize(
    ("truncation", "padding", "seconds"),
    [
        ("rand_trunc", "repeatpad", 10.0),
        ("rand_trunc", "repeatpad", 9.99),
        ("rand_trunc", "repeatpad", 3.7),
        ("rand_trunc", "repeat", 3.7),
        ("rand_trunc", "pad", 0.6),
        ("fusion", "repeatpad", 3.7),
    ],
)
def test_mels_are_those_of_the_extractor(rng, truncation, padding, seconds):
    own = transformers.ClapFeatureExtractor(truncation=truncation, padding=padding)
    windows = sounds(rng, seconds)
    windows[0, : len(windows[0]) // 3] = 0
    expected = own(list(windows), sampling_rate=48_000, return_tensors="np")
    found = clap_mels(own, windows)
    assert found.dtype == np.float32
    assert found.shape == (3, 4 if truncation == "fusion" else 1, 1001, 64)
    assert_allclose(found, expected["input_features"], atol=1e-5, rtol=2e-7)


def test_other_settings_are_those_of_the_extractor_too(rng):
    own = transformers.ClapFeatureExtractor(
        truncation="rand_trunc", feature_size=40, hop_length=320, max_length_s=5,
        fft_window_size=2048, frequency_min=100, frequency_max=8000,
    )  # fmt: skip
    windows = sounds(rng, 4.0)
    expected = own(list(windows), sampling_rate=48_000, return_tensors="np")
    found = clap_mels(own, windows)
    assert_allclose(found, expected["input_features"], atol=1e-5, rtol=2e-7)


def test_a_window_does_not_depend_on_its_neighbours(rng):
    own = transformers.ClapFeatureExtractor(truncation="rand_trunc")
    windows = sounds(rng, 2.0)
    together = clap_mels(own, windows)
    for k in range(3):
        assert_array_equal(clap_mels(own, windows[k : k + 1])[0], together[k])


def test_says_which_padding_is_not_known(rng):
    own = transformers.ClapFeatureExtractor(padding="mirror")
    with pytest.raises(InputError, match="pads by 'mirror', and only repeatpad, repe"):
        clap_mels(own, sounds(rng, 1.0))
