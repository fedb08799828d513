"""Spectrograms of what was played, found and made, clip by clip."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from ..core.checks import InputError
from .style import DOUBLE_MM, SMALL_PT, TEXT_PT, figure_mm

Floats = NDArray[np.floating]

LOWEST_HZ, HIGHEST_HZ = 80.0, 8000.0
N_TONES = 128
WINDOW_S, STEP_S = 0.1, 0.02
RANGE_DB = 70.0
ROW_MM, FRAME_MM = 21.0, 22.0
OCTAVES_HZ = (125, 500, 2000, 8000)


def plot_spectrograms(
    rows: Mapping[str, Mapping[str, tuple[ArrayLike, float]]],
    *,
    width_mm: float = DOUBLE_MM,
    fig: Figure | None = None,
) -> Figure:
    """Draw a grid of spectrograms: a row per clip, a column per kind of sound.

    All have the same axes and colours: level in dB below the loudest moment of the same
    sound, so that loudness is not compared.

    Parameters
    ----------
    rows : mapping from clip to mapping from kind to (waveform, rate in Hz)
        Such as ``{"jazz": {"stimulus": (waveform, 16000), "retrieved": ...}}``. A kind
        that a clip does not have leaves its place empty.
    width_mm : float
        Of a new figure.
    fig : Figure, optional
        Where to draw. A new figure is made if None.

    Returns
    -------
    fig : Figure

    Raises
    ------
    InputError
        If there is no sound, or one is silent, not mono or shorter than 0.1 s.
    """
    kinds = list(dict.fromkeys(kind for sounds in rows.values() for kind in sounds))
    if not kinds:
        raise InputError("no sound to draw: rows is empty. Give at least one sound.")
    height = ROW_MM * len(rows) + FRAME_MM
    fig = fig or figure_mm(width_mm, height, layout="constrained")
    axes = fig.subplots(len(rows), len(kinds), sharex=True, sharey=True, squeeze=False)
    images = []
    for line, (clip, sounds) in zip(axes, rows.items(), strict=True):
        for ax, kind in zip(line, kinds, strict=True):
            if kind in sounds:
                images.append(_draw(ax, *sounds[kind], name=f"{clip}, {kind}"))
            else:
                ax.text(0.5, 0.5, "none", transform=ax.transAxes, size=SMALL_PT)
        line[0].set_ylabel(f"{clip}\nfrequency (kHz)", size=SMALL_PT)
    # Each picture set the axis, which all share, to its own length.
    axes[0, 0].set_xlim(0.0, max(image.get_extent()[1] for image in images))
    for ax, kind in zip(axes[0], kinds, strict=True):
        ax.set_title(kind, size=TEXT_PT)
    for ax in axes[-1]:
        ax.set_xlabel("time (s)", size=TEXT_PT)
    bar = fig.colorbar(images[0], ax=axes, shrink=min(1.0, 2.2 / len(rows)), aspect=18)
    bar.set_label("dB below the loudest", size=TEXT_PT)
    bar.ax.tick_params(labelsize=SMALL_PT)
    return fig


def spectrogram_db(waveform: ArrayLike, rate_hz: float) -> tuple[Floats, float]:
    """Return levels in dB at tones evenly spread in pitch, and their step in s.

    Power in Hann windows of 0.1 s every 0.02 s, taken at 128 tones from 80 Hz to 8 kHz
    between the frequencies of the transform; 0 dB is the largest of all. What is
    fainter than -140 dB, such as digital silence, has that level.

    Returns
    -------
    levels : array of shape (n_tones, n_steps)
        NaN above half the rate.
    step_s : float

    Examples
    --------
    >>> t = np.arange(16000) / 16000
    >>> levels, step_s = spectrogram_db(np.sin(2 * np.pi * 1000 * t), 16000)
    >>> int(tones_hz()[levels.mean(axis=1).argmax()]), step_s
    (1012, 0.02)
    """
    waveform = np.asarray(waveform, dtype=np.float64)
    n_window, n_step = round(WINDOW_S * rate_hz), round(STEP_S * rate_hz)
    if waveform.ndim != 1 or len(waveform) < n_window or not np.any(waveform):
        raise InputError(
            f"a sound of shape {waveform.shape} at {rate_hz:g} Hz has no spectrogram. "
            "Give one channel of at least 0.1 s that is not silent."
        )
    transform = ShortTimeFFT(hann(n_window, sym=False), n_step, rate_hz)
    n_whole = len(waveform) // n_step
    first = -transform.p_min  # of the windows, those centred in the sound
    power = transform.spectrogram(waveform)[:, first : first + n_whole]
    tones = tones_hz()
    at_tones = np.array([np.interp(tones, transform.f, one) for one in power.T]).T
    at_tones[tones > rate_hz / 2] = np.nan
    floor = np.nanmax(at_tones) * 10 ** (-2 * RANGE_DB / 10)
    levels = 10 * np.log10(np.maximum(at_tones, floor) / np.nanmax(at_tones))
    return levels, n_step / rate_hz


def tones_hz() -> Floats:
    """Return the tones of a spectrogram, from 80 Hz to 8 kHz."""
    return np.geomspace(LOWEST_HZ, HIGHEST_HZ, N_TONES)


def _draw(ax: Axes, waveform: ArrayLike, rate_hz: float, *, name: str) -> AxesImage:
    levels, step_s = spectrogram_db(waveform, rate_hz)
    low, high = np.log2([LOWEST_HZ / 1000, HIGHEST_HZ / 1000])
    image = ax.imshow(
        levels,
        origin="lower",
        aspect="auto",
        extent=(0.0, levels.shape[1] * step_s, low, high),
        cmap="magma",
        vmin=-RANGE_DB,
        vmax=0.0,
        interpolation="nearest",
        label=name,
    )
    ax.set_yticks(np.log2(np.array(OCTAVES_HZ) / 1000))
    ax.set_yticklabels([f"{hz / 1000:g}" for hz in OCTAVES_HZ])
    ax.tick_params(labelsize=SMALL_PT, length=2, pad=1.5)
    return image
