"""Spectro-temporal modulation: how fast and how densely the spectrum ripples.

After the model of Nakai, Koide-Majima and Nishimoto (2021): a cochleagram of 128
channels is filtered by Gabor functions of 10 scales (ripples per octave) and 10 rates
(ripples per second), moving up and down in frequency. The log amplitudes are averaged
over time and within 20 bands of frequency; up and down are averaged.

What is ours, since the description leaves it open:

- Channels are spaced evenly on a log scale, 14.2 to the octave; their power is that
  of a 25-ms Hann window every 10 ms, weighted by the gain of 4th-order gammatone
  filters. Below about 80 Hz the window, and not the filter, sets the resolution.
- Each filter is a Gaussian around its scale and rate, with a gain of 1 there. With
  span 'scaled', the default, its width is a third of its scale and of its rate, so
  that each filter answers best to its own ripple. With 'fixed', its envelope is the
  published span, 1.25 octaves by 0.125 s (four standard deviations), for all; the
  slow and the coarse filters then hardly differ from each other.
- In-phase and quadrature outputs are both used for both directions. A public copy of
  the first code overwrites the downward in-phase output with its quadrature partner;
  that is not done here.
- The grid holds at most 7.1 ripples per octave and 50 per second. The published
  scale 8 and rate 64 Hz lie beyond, and answer to the ripples that look the same on
  the grid (6.2 per octave, 36 Hz). `aliased` lists them. Up and down can hardly be
  told apart at 45.3 Hz, near the edge.
- Filters look as far ahead as back: about 0.36 s at the slowest rate. They take the
  cochleagram as its mean beyond its ends.

References
----------
Nakai, T., Koide-Majima, N. & Nishimoto, S. (2021). Correspondence of categorical and
feature-based representations of music in the human brain. Brain and Behavior 11,
e01936.

Chi, T., Ru, P. & Shamma, S. A. (2005). Multiresolution spectrotemporal analysis of
complex sounds. Journal of the Acoustical Society of America 118, 887-906.
"""

from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import fft, fftfreq, ifft, next_fast_len, rfft

from ..core.checks import Floats, InputError, check_choice

SCALES = (0.35, 0.50, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0, 5.66, 8.0)  # ripples per octave
RATES_HZ = (2.8, 4.0, 5.7, 8.0, 11.3, 16.0, 22.6, 32.0, 45.3, 64.0)
N_CHANNELS, LOWEST_HZ, HIGHEST_HZ = 128, 20.0, 10_000.0
N_BANDS = 20
WINDOW_S, HOP_S = 0.025, 0.010
FLOOR_DB = -80.0  # re the mean power of all channels
LEAST = 1e-4  # of amplitudes, in standard deviations of the cochleagram
SPAN_OCTAVES, SPAN_S = 1.25, 0.125
RELATIVE_WIDTH = 1 / 3
CHANNELS_PER_OCTAVE = (N_CHANNELS - 1) / np.log2(HIGHEST_HZ / LOWEST_HZ)

Span = Literal["scaled", "fixed"]


def modulation_features(
    waveform: Floats, rate_hz: float, *, frame_s: float, span: Span = "scaled"
) -> NDArray[np.float32]:
    """Return the modulation content of a clip, 2,000 features for each frame.

    Parameters
    ----------
    waveform : array of shape (n_points,)
        One channel; its level does not matter.
    rate_hz : float
        At least 20,000 Hz.
    frame_s : float
        Seconds to average over, a whole number of 10-ms steps, such as the TR. Frame
        k stands for k * frame_s to (k + 1) * frame_s; a last piece shorter than that
        has no frame.
    span : 'scaled' or 'fixed'
        Of the filters, as this module's docstring says.

    Returns
    -------
    features : float32 array of shape (n_frames, 2000)
        Log amplitudes, in the order of `modulation_names`. An amplitude of 1 is one
        standard deviation of the cochleagram.

    Raises
    ------
    InputError
        If the waveform is not one finite channel that sounds, of a frame at least,
        or `rate_hz` or `frame_s` do not suit.
    """
    check_choice(span, "span", ("scaled", "fixed"))
    n_steps = round(frame_s / HOP_S)
    if n_steps < 1 or abs(n_steps * HOP_S - frame_s) > 1e-6:
        raise InputError(
            f"frame_s is {frame_s:g}; it must be a whole number of {HOP_S:g} s. Use "
            f"{max(n_steps, 1) * HOP_S:g} s, and average to the TR afterwards."
        )
    levels = cochleagram(waveform, rate_hz)
    n_frames = len(levels) // n_steps
    if n_frames < 1:
        raise InputError(
            f"the clip lasts {len(levels) * HOP_S:g} s, less than a frame of "
            f"{frame_s:g} s. Use a shorter frame_s, or a longer clip."
        )
    image = (levels - levels.mean()) / levels.std()
    return _pooled(image, n_frames, n_steps, span)


def cochleagram(waveform: Floats, rate_hz: float) -> NDArray[np.float64]:
    """Return the level of 128 gammatone channels over time.

    Parameters
    ----------
    waveform : array of shape (n_points,)
    rate_hz : float

    Returns
    -------
    levels : array of shape (n_steps, 128)
        In dB re the clip's mean power over channels, with a floor of -80 dB. Step k
        stands for k * 10 ms to (k + 1) * 10 ms, seen through a Hann window of 25 ms
        on its middle; beyond its ends the sound is taken as silent.
    """
    sound, n_steps = _checked(waveform, rate_hz)
    n_window = round(WINDOW_S * rate_hz)
    first = np.round((np.arange(n_steps) + 0.5) * HOP_S * rate_hz - n_window / 2)
    padded = np.pad(sound, n_window)
    windows = sliding_window_view(padded, n_window)[first.astype(int) + n_window]
    n_fft = next_fast_len(8 * n_window, real=True)
    weights = _gains(np.arange(n_fft // 2 + 1) * rate_hz / n_fft).T
    hann = np.hanning(n_window + 2)[1:-1]
    power = np.concatenate(
        [
            np.abs(rfft(windows[k : k + 256] * hann, n_fft, axis=1)) ** 2 @ weights
            for k in range(0, n_steps, 256)
        ]
    )
    power /= power.mean()
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))


def modulation_amplitudes(
    image: Floats, scale: float, rate_hz: float, *, span: Span = "scaled"
) -> tuple[Floats, Floats]:
    """Return how strongly an image ripples at one scale and rate, upward and downward.

    The amplitude is the root of the energy of a quadrature pair, so a ripple's phase
    does not matter: a cos(2 pi (scale x -/+ rate t)), with x in octaves, gives a / 2
    in one direction and nearly nothing in the other.

    Parameters
    ----------
    image : array of shape (n_steps, n_channels)
        Steps of 10 ms, 14.2 channels per octave.
    scale, rate_hz : float
        Ripples per octave and per second.
    span : 'scaled' or 'fixed'

    Returns
    -------
    up, down : array of shape (n_steps, n_channels)
        Ripples that rise and that fall in frequency over time.
    """
    spectrum, shape = _padded_spectrum(image)
    by_scale = _at_scale(spectrum, scale, span, shape[1])
    return (
        _at_rate(by_scale, -rate_hz, span, shape[0]),
        _at_rate(by_scale, rate_hz, span, shape[0]),
    )


def modulation_names() -> list[str]:
    """Return the name of each feature: scale, then rate, then band of frequency.

    Examples
    --------
    >>> modulation_names()[0], len(modulation_names())
    ('0.35 per octave, 2.8 Hz, 20-27 Hz', 2000)
    """
    channels = np.array_split(channel_frequencies(), N_BANDS)
    bands = [f"{band[0]:.0f}-{band[-1]:.0f} Hz" for band in channels]
    return [
        f"{scale:g} per octave, {rate:g} Hz, {band}"
        for scale in SCALES
        for rate in RATES_HZ
        for band in bands
    ]


def channel_frequencies() -> NDArray[np.float64]:
    """Return the centre of each channel in Hz, from 20 to 10,000 on a log scale."""
    return np.geomspace(LOWEST_HZ, HIGHEST_HZ, N_CHANNELS)


def aliased() -> list[str]:
    """Return a note on each scale and rate that lies beyond what the grid can hold.

    Examples
    --------
    >>> len(aliased())
    2
    """
    grids = (
        (SCALES, CHANNELS_PER_OCTAVE, "scale", "per octave"),
        (RATES_HZ, 1 / HOP_S, "rate", "Hz"),
    )
    return [
        f"modulation: {name} {value:g} {unit} is beyond the {step / 2:.3g} that the "
        f"grid holds; it answers to {step - value:.2g} {unit} in the other direction."
        for values, step, name, unit in grids
        for value in values
        if value > step / 2
    ]


def _pooled(
    image: Floats, n_frames: int, n_steps: int, span: Span
) -> NDArray[np.float32]:
    """Return log amplitudes averaged over directions, frames and bands."""
    edges = [len(c) for c in np.array_split(np.arange(N_CHANNELS), N_BANDS)]
    starts = np.r_[0, np.cumsum(edges)[:-1]]
    spectrum, (n_all, n_channels) = _padded_spectrum(image)
    columns = []
    for scale in SCALES:
        by_scale = _at_scale(spectrum, scale, span, n_channels)
        for rate in RATES_HZ:
            up, down = (_at_rate(by_scale, r, span, n_all) for r in (-rate, rate))
            log = (np.log(np.maximum(up, LEAST)) + np.log(np.maximum(down, LEAST))) / 2
            frames = log[: n_frames * n_steps].reshape(n_frames, n_steps, -1)
            columns.append(np.add.reduceat(frames.mean(axis=1), starts, axis=1) / edges)
    return np.concatenate(columns, axis=1).astype(np.float32)


def _padded_spectrum(image: Floats) -> tuple[NDArray, tuple[int, int]]:
    """Return the 2D transform of the image with its mean around it."""
    margin_s = max(SPAN_S, 1 / RATES_HZ[0])
    margin_octaves = max(SPAN_OCTAVES, 1 / SCALES[0])
    n_steps, n_channels = image.shape
    size = (
        next_fast_len(n_steps + round(2 * margin_s / HOP_S)),
        next_fast_len(n_channels + round(2 * margin_octaves * CHANNELS_PER_OCTAVE)),
    )
    padded = np.zeros(size, np.complex64)
    padded[:n_steps, :n_channels] = image - image.mean()
    return fft(fft(padded, axis=0), axis=1), (n_steps, n_channels)


def _at_scale(spectrum: NDArray, scale: float, span: Span, n_channels: int) -> NDArray:
    gain = _gain(spectrum.shape[1], 1 / CHANNELS_PER_OCTAVE, scale, span, SPAN_OCTAVES)
    return ifft(spectrum * gain, axis=1)[:, :n_channels]


def _at_rate(by_scale: NDArray, rate_hz: float, span: Span, n_steps: int) -> Floats:
    gain = _gain(len(by_scale), HOP_S, rate_hz, span, SPAN_S)
    return np.abs(ifft(by_scale * gain[:, None], axis=0)[:n_steps])


def _gain(
    n: int, step: float, centre: float, span: Span, span_size: float
) -> NDArray[np.float32]:
    """Return a Gaussian gain around a centre, over the frequencies of n points."""
    if span == "scaled":
        width = RELATIVE_WIDTH * abs(centre)
    else:
        width = 4 / (2 * np.pi * span_size)
    # A frequency and its copies around the grid's own are the same ripple.
    away = (fftfreq(n, step) - centre + 0.5 / step) % (1 / step) - 0.5 / step
    return np.exp(-0.5 * (away / width) ** 2).astype(np.float32)


def _gains(frequency_hz: Floats) -> NDArray[np.float64]:
    """Return the power gain of each channel: 4th-order gammatones, 1 at the centre."""
    centre = channel_frequencies()[:, None]
    width = 1.019 * 24.7 * (4.37 * centre / 1000 + 1)  # Glasberg & Moore 1990
    return (1 + ((frequency_hz - centre) / width) ** 2) ** -4


def _checked(waveform: Floats, rate_hz: float) -> tuple[NDArray[np.float64], int]:
    sound = np.asarray(waveform, dtype=np.float64)
    if sound.ndim != 1 or not np.isfinite(sound).all():
        raise InputError(
            f"the waveform must be one finite channel, got shape {sound.shape}. "
            "Average the channels, and look for NaN in the file."
        )
    if rate_hz < 2 * HIGHEST_HZ:
        raise InputError(
            f"the cochleagram reaches {HIGHEST_HZ:g} Hz and needs sound at "
            f"{2 * HIGHEST_HZ:g} Hz or more, got {rate_hz:g}. Use the sound at its own "
            "rate."
        )
    n_steps = int(len(sound) / rate_hz / HOP_S + 1e-6)
    if n_steps < 2 or not (sound != sound[0]).any():
        raise InputError(
            f"the clip of {len(sound) / rate_hz:g} s is silent or shorter than two "
            "steps of 10 ms, so it has no modulation. Check the file."
        )
    return sound - sound.mean(), n_steps
