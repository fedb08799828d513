"""Tests of spectrograms: a tone lies at its pitch and its time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.figures.sound import plot_spectrograms, spectrogram_db, tones_hz

RATE = 16_000


def tone(hz, *, start_s=0.0, seconds=2.0, level=1.0, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    return level * np.where(t >= start_s, np.sin(2 * np.pi * hz * t), 0.0)


@pytest.mark.parametrize("hz", [150, 1000, 5000])
def test_a_tone_lies_at_its_pitch_and_time(hz):
    levels, step_s = spectrogram_db(tone(hz, start_s=1.0), RATE)
    assert step_s == 0.02
    assert levels.shape == (len(tones_hz()), 100)
    loud = levels[:, 60:90].mean(axis=1)
    assert tones_hz()[loud.argmax()] == pytest.approx(hz, rel=0.03)
    assert levels.max() == 0.0
    assert levels[:, :45].max() < -80
    at = levels[loud.argmax()]
    assert 0.94 <= np.argmax(at > -6) * step_s <= 1.02


def test_a_tone_a_hundredth_as_strong_is_40_db_lower():
    both = np.r_[tone(1000), tone(1000, level=0.01)]
    levels, _ = spectrogram_db(both, RATE)
    at = levels[np.abs(tones_hz() - 1000).argmin()]
    assert_allclose(at[20:80].mean() - at[120:180].mean(), 40, atol=0.1)


def test_loudness_does_not_matter_and_rates_meet_on_the_same_axis():
    loud, _ = spectrogram_db(tone(1000), RATE)
    faint, _ = spectrogram_db(tone(1000, level=1e-3), RATE)
    assert_allclose(loud, faint, atol=1e-6)
    slow, step_s = spectrogram_db(tone(1000, rate=8000), 8000)
    assert slow.shape == loud.shape
    assert step_s == 0.02
    assert np.isnan(slow[tones_hz() > 4000]).all()
    assert np.isfinite(slow[tones_hz() <= 4000]).all()


def test_the_grid_has_a_row_per_clip_and_a_column_per_kind():
    rows = {
        "jazz.1": {
            "stimulus": (tone(500, seconds=4), RATE),
            "retrieved": (tone(700), RATE),
        },
        "rock.2": {"stimulus": (tone(900, seconds=3), RATE)},
    }
    fig = plot_spectrograms(rows, width_mm=90)
    grid = fig.axes[:4]
    assert [ax.get_title() for ax in grid] == ["stimulus", "retrieved", "", ""]
    assert grid[0].get_ylabel() == "jazz.1\nfrequency (kHz)"
    assert grid[2].get_xlabel() == "time (s)"
    image = grid[2].get_images()[0]
    assert image.get_label() == "rock.2, stimulus"
    assert_allclose(image.get_array(), spectrogram_db(*rows["rock.2"]["stimulus"])[0])
    low, high = 2.0 ** np.array(image.get_extent()[2:]) * 1000
    assert_allclose([low, high], [80, 8000])
    assert grid[3].texts[0].get_text() == "none"
    clims = {i.get_clim() for ax in grid for i in ax.get_images()}
    assert clims == {(-70.0, 0.0)}
    assert {ax.get_xlim() for ax in grid} == {(0.0, 4.0)}
    assert fig.axes[4].get_ylabel() == "dB below the loudest"


@pytest.mark.parametrize("sound", [np.zeros(5000), np.ones(10), np.ones((5000, 2))])
def test_what_has_no_spectrogram_is_refused(sound):
    with pytest.raises(InputError, match="not silent"):
        spectrogram_db(sound, RATE)
    with pytest.raises(InputError, match="rows is empty"):
        plot_spectrograms({})
