"""Tests of the spectro-temporal modulation model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import freqz, gammatone

from brain2music.core.checks import InputError
from brain2music.features import modulation as m

RATE = 22_050
INSIDE = [(s, r) for s in m.SCALES[:9] for r in m.RATES_HZ[:9]]  # within the grid


def ripple(scale, rate_hz, *, n_steps=300, phase=0.4, down=False):
    t = np.arange(n_steps)[:, None] * m.HOP_S
    x = np.arange(m.N_CHANNELS) / m.CHANNELS_PER_OCTAVE
    sign = 1 if down else -1
    return np.cos(2 * np.pi * (scale * x + sign * rate_hz * t) + phase)


def rippling_sound(scale, rate_hz, rng, *, seconds=3.0, per_octave=40, signs=(-1,)):
    """Return tones all over the scale whose level ripples by 90 % of its mean.

    The ripples rise for sign -1, fall for 1, and stand for both.
    """
    t = np.arange(round(seconds * RATE)) / RATE
    sound = np.zeros(len(t))
    for x in np.arange(0, np.log2(9000 / 100), 1 / per_octave):
        turns = [scale * x + sign * rate_hz * t for sign in signs]
        level = 1 + 0.9 * np.mean([np.cos(2 * np.pi * turn) for turn in turns], axis=0)
        tone = np.sin(2 * np.pi * 100 * 2**x * t + rng.uniform(0, 2 * np.pi))
        sound += level * tone
    return sound / np.abs(sound).max()


def strengths(image, span="scaled"):
    """Return the mean amplitude at each scale, rate and direction (up, down)."""
    inner = (slice(80, -80), slice(40, -40))
    return np.array(
        [
            [
                [
                    a[inner].mean()
                    for a in m.modulation_amplitudes(image, s, r, span=span)
                ]
                for r in m.RATES_HZ[:9]
            ]
            for s in m.SCALES[:9]
        ]
    )


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize(("scale", "rate_hz"), INSIDE[::16])
def test_a_ripple_is_strongest_at_its_own_scale_rate_and_direction(
    scale, rate_hz, down
):
    found = strengths(ripple(scale, rate_hz, down=down))
    place = np.unravel_index(found.argmax(), found.shape)
    assert (m.SCALES[place[0]], m.RATES_HZ[place[1]]) == (scale, rate_hz)
    assert place[2] == int(down)
    if rate_hz < 40:  # near the edge of the grid, up and down look alike
        assert found[place[0], place[1], 1 - int(down)] < 0.05 * found.max()


def test_amplitudes_are_half_of_the_ripple_whatever_its_phase():
    inner = (slice(100, -100), slice(40, -40))
    for phase in (0.0, 0.9, 2.2):
        up, down = m.modulation_amplitudes(3 * ripple(2.0, 8.0, phase=phase), 2.0, 8.0)
        assert_allclose(up[inner], 1.5, rtol=0.01)
        assert (down[inner] < 0.03).all()


def test_filters_equal_a_plain_convolution_with_gabor_functions(rng):
    image = rng.standard_normal((140, m.N_CHANNELS))
    image -= image.mean()
    scale, rate_hz = 1.41, 11.3
    steps = np.arange(-200, 201)
    kernels = []
    for centre, step in ((scale, 1 / m.CHANNELS_PER_OCTAVE), (rate_hz, m.HOP_S)):
        spread = 3 / (2 * np.pi * centre)  # of the envelope, in octaves or seconds
        at = steps * step
        envelope = np.exp(-0.5 * (at / spread) ** 2)
        envelope *= step / (spread * np.sqrt(2 * np.pi))
        kernels.append(envelope * np.exp(2j * np.pi * centre * at))
    for sign, found in zip(
        (-1, 1), m.modulation_amplitudes(image, scale, rate_hz), strict=True
    ):
        in_time = kernels[1] if sign > 0 else kernels[1].conj()
        expected = np.apply_along_axis(np.convolve, 0, image.astype(complex), in_time)
        expected = np.apply_along_axis(np.convolve, 1, expected, kernels[0])
        expected = np.abs(expected[200:-200, 200:-200])
        assert_allclose(found, expected, atol=2e-3 * expected.max())


def test_the_downward_output_is_a_true_quadrature_pair():
    # Were one of the pair to stand for both, the amplitude would beat with the phase.
    _, down = m.modulation_amplitudes(ripple(2.83, 5.7, down=True), 2.83, 5.7)
    inner = down[100:-100, 40:-40]
    assert inner.std() < 0.01 * inner.mean()


@pytest.mark.parametrize("down", [False, True])
def test_a_rippling_sound_is_strongest_at_its_own_place(rng, down):
    sound = rippling_sound(1.0, 8.0, rng, signs=(1,) if down else (-1,))
    levels = m.cochleagram(sound, RATE)
    image = (levels - levels.mean()) / levels.std()
    found = strengths(image)
    place = np.unravel_index(found.argmax(), found.shape)
    assert (m.SCALES[place[0]], m.RATES_HZ[place[1]], place[2]) == (1.0, 8.0, int(down))


def test_a_standing_ripple_is_strongest_in_the_features_of_its_place(rng):
    sound = rippling_sound(1.0, 8.0, rng, signs=(-1, 1))
    rows = m.modulation_features(sound, RATE, frame_s=1.0)
    assert rows.shape == (3, 2000)
    share = rows[1].reshape(10, 10, 20)[:9, :9, 8:16].mean(axis=-1)
    assert np.unravel_index(share.argmax(), share.shape) == (3, 3)


def test_features_are_means_of_log_amplitudes(rng):
    sound = rng.standard_normal(52_258) * np.linspace(0.2, 1, 52_258)
    rows = m.modulation_features(sound, RATE, frame_s=0.75)
    levels = m.cochleagram(sound, RATE)
    assert levels.shape == (236, 128)
    image = (levels - levels.mean()) / levels.std()
    names = m.modulation_names()
    bands = np.array_split(np.arange(128), 20)
    for scale, rate, band in [(0, 0, 0), (4, 7, 13), (9, 9, 19)]:
        pair = m.modulation_amplitudes(image, m.SCALES[scale], m.RATES_HZ[rate])
        log = np.log(np.maximum(pair, m.LEAST)).mean(axis=0)
        expected = [log[75 * k : 75 * (k + 1), bands[band]].mean() for k in range(3)]
        column = (scale * 10 + rate) * 20 + band
        assert_allclose(rows[:, column], expected, rtol=1e-4)
        start = f"{m.SCALES[scale]:g} per octave, {m.RATES_HZ[rate]:g} Hz, "
        assert names[column].startswith(start)


def test_the_level_of_the_sound_does_not_matter(rng):
    sound = rippling_sound(2.0, 4.0, rng, seconds=1.5, per_octave=12)
    rows = m.modulation_features(sound, RATE, frame_s=0.5)
    assert_allclose(m.modulation_features(0.1 * sound + 0.3, RATE, frame_s=0.5), rows)


def test_fixed_filters_are_coarse_at_the_slow_end():
    slow = ripple(2.0, 2.8)
    scaled, fixed = (
        [m.modulation_amplitudes(slow, 2.0, r, span=span)[0][150, 64] for r in (2.8, 8)]
        for span in ("scaled", "fixed")
    )
    assert scaled[1] / scaled[0] < 0.2
    assert fixed[1] / fixed[0] > 0.4


@pytest.mark.parametrize("channel", [30, 75, 127])
def test_gains_are_those_of_gammatone_filters(channel):
    centre = m.channel_frequencies()[channel]
    near = centre * np.linspace(0.8, 1.25, 60)
    b, a = gammatone(centre, "fir", fs=2 * RATE, numtaps=round(0.25 * 2 * RATE))
    response = np.abs(freqz(b, a, near, fs=2 * RATE)[1]) ** 2
    gain = m._gains(near)[channel]
    assert_allclose(gain, response / response.max(), atol=0.02)


def test_a_tone_is_loudest_in_its_channel():
    centres = m.channel_frequencies()
    assert_allclose(np.diff(np.log2(centres)), 1 / m.CHANNELS_PER_OCTAVE)
    tone = np.sin(2 * np.pi * centres[80] * np.arange(RATE) / RATE)
    levels = m.cochleagram(tone, RATE)
    assert levels.shape == (100, 128)
    assert (levels[5:-5].argmax(axis=1) == 80).all()
    assert levels.min() >= -80


def test_a_step_of_the_cochleagram_is_seen_from_its_middle(rng):
    sound = np.zeros(RATE)
    sound[RATE // 2 :] = rng.standard_normal(RATE - RATE // 2)
    levels = m.cochleagram(sound, RATE).mean(axis=1)
    assert levels[47] < -40  # its window ends before the noise begins
    assert levels[50] > levels[49] > levels[48] - 1e-6
    click = np.zeros(RATE)
    click[round(0.505 * RATE)] = 1
    levels = m.cochleagram(click, RATE)[:, 100]
    assert levels.argmax() == 50
    assert_allclose(levels[49], levels[51], atol=0.5)


def test_scales_and_rates_beyond_the_grid_are_named():
    notes = m.aliased()
    assert "scale 8 per octave is beyond the 7.08" in notes[0]
    assert "rate 64 Hz is beyond the 50" in notes[1]
    up, _ = m.modulation_amplitudes(ripple(2.0, 36.0, down=True), 2.0, 64.0)
    assert_allclose(up[100:-100, 40:-40].mean(), 0.5, rtol=0.05)


@pytest.mark.parametrize(
    ("waveform", "options", "match"),
    [
        (np.ones((RATE, 2)), {}, r"one finite channel, got shape \(22050, 2\)"),
        (np.full(RATE, np.nan), {}, "look for NaN"),
        (np.ones(RATE), {}, "is silent or shorter"),
        (np.arange(200.0), {}, "is silent or shorter"),
        (np.arange(9000.0), {"rate_hz": 16_000}, "needs sound at 20000 Hz or more"),
        (np.arange(9000.0), {"frame_s": 0.015}, r"whole number of 0\.01 s. Use 0\.0"),
        (np.arange(9000.0), {"frame_s": 1.5}, r"0\.4 s, less than a frame of 1\.5 s"),
        (np.arange(9000.0), {"span": "scale"}, "Did you mean 'scaled'"),
    ],
)
def test_says_what_is_wrong(waveform, options, match):
    with pytest.raises(InputError, match=match):
        m.modulation_features(
            waveform, **({"rate_hz": RATE, "frame_s": 0.2, "span": "scaled"} | options)
        )


# Principal components
