"""Acoustic baselines, as librosa computes them: timbre, harmony and rhythm.

Frames are those of `features.audio`: frame k stands for the time from k * hop_s to
(k + 1) * hop_s, and is seen through a Hann window of at least 64 ms and two hops that
is centred on its middle; beyond its ends the sound is taken as silent. A last piece
shorter than hop_s has no frame. What is not named here has librosa's default value.
"""

import warnings

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats, InputError
from .audio import _checked, _librosa, _padded, _window_points


def mfcc(
    waveform: Floats, rate_hz: float, *, hop_s: float, n_mfcc: int = 20
) -> NDArray[np.float32]:
    """Return mel-frequency cepstral coefficients: the shape of the spectrum, as timbre.

    As `librosa.feature.mfcc`: the cosine transform (type 2, orthonormal) of 128 mel
    bands in dB, held at most 80 dB below the clip's loudest band and frame.

    Parameters
    ----------
    waveform : array of shape (n_points,)
        One channel, 1 is full scale.
    rate_hz : float
        Points per second.
    hop_s : float
        Seconds from one frame to the next, a whole number of points.
    n_mfcc : int
        20, as in librosa. The first one is the level.

    Returns
    -------
    coefficients : float32 array of shape (n_frames, n_mfcc)
        In dB.

    Raises
    ------
    InputError
        If the waveform is not one finite channel of a frame at least, `hop_s` is no
        whole number of points, or `n_mfcc` is not from 1 to 128.
    """
    if not 1 <= n_mfcc <= 128:
        raise InputError(f"n_mfcc is {n_mfcc}; there are 1 to 128 for 128 mel bands.")
    padded, options = _framed(waveform, rate_hz, hop_s)
    values = _librosa().feature.mfcc(y=padded, n_mfcc=n_mfcc, **options)
    return values.T.astype(np.float32)


def chroma(
    waveform: Floats, rate_hz: float, *, hop_s: float, tuning: float | None = None
) -> NDArray[np.float32]:
    """Return how strong each pitch class is, whatever its octave.

    As `librosa.feature.chroma_stft`: C to B, the strongest of a frame at 1; a silent
    frame is 0 throughout.

    Parameters
    ----------
    waveform, rate_hz, hop_s
        As in `mfcc`.
    tuning : float, optional
        How far the music lies from A = 440 Hz, in parts of a semitone. None has
        librosa estimate it from the whole clip; where it finds no tone, that is 0.

    Returns
    -------
    chroma : float32 array of shape (n_frames, 12)
        From 0 to 1.

    Raises
    ------
    InputError
        As in `mfcc`.
    """
    padded, options = _framed(waveform, rate_hz, hop_s)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Trying to estimate tuning")
        values = _librosa().feature.chroma_stft(y=padded, tuning=tuning, **options)
    return values.T.astype(np.float32)


def tonal_centroid(
    waveform: Floats, rate_hz: float, *, hop_s: float, tuning: float | None = None
) -> NDArray[np.float32]:
    """Return the tonal centroid (tonnetz): chords as places on three circles.

    As `librosa.feature.tonnetz` of our `chroma`. (Called with a waveform, librosa
    takes a constant-Q chroma, whose windows are much longer than a frame.)

    Parameters
    ----------
    waveform, rate_hz, hop_s, tuning
        As in `chroma`.

    Returns
    -------
    centroid : float32 array of shape (n_frames, 6)
        x and y on the circles of fifths, minor thirds and major thirds. 0 where the
        frame is silent.

    References
    ----------
    Harte, C., Sandler, M. & Gasser, M. (2006). Detecting harmonic change in musical
    audio. Proc. 1st ACM Workshop on Audio and Music Computing Multimedia, 21-26.
    """
    classes = chroma(waveform, rate_hz, hop_s=hop_s, tuning=tuning)
    values = _librosa().feature.tonnetz(chroma=classes.T, sr=rate_hz)
    return values.T.astype(np.float32)


def onset_strength(
    waveform: Floats, rate_hz: float, *, hop_s: float
) -> NDArray[np.float32]:
    """Return how much the spectrum rises from the frame before: where notes begin.

    As `librosa.onset.onset_strength` on the levels of 128 mel bands: the mean rise
    over the bands, falls counted as 0. The first frame, with none before, is 0.

    Parameters
    ----------
    waveform, rate_hz, hop_s
        As in `mfcc`.

    Returns
    -------
    strength : float32 array of shape (n_frames, 1)
        In dB per hop.

    Raises
    ------
    InputError
        As in `mfcc`.
    """
    return _rises(waveform, rate_hz, hop_s)[:, None]


def tempo(
    waveform: Floats, rate_hz: float, *, hop_s: float, start_bpm: float = 120.0
) -> NDArray[np.float32]:
    """Return the tempo around each frame.

    As `librosa.feature.tempo` with `aggregate=None` on our `onset_strength`: the lag
    at which the onsets of the 8 s around the frame repeat best, weighted by a prior
    on the log of the tempo. Octave errors (half, double) are common.

    Parameters
    ----------
    waveform, rate_hz, hop_s
        As in `mfcc`. Tempi come in steps of 60 / (hop_s * k) for whole k, so `hop_s`
        should be about 0.02 s.
    start_bpm : float
        Centre of the prior, which falls to 61 % an octave away. 120, as in librosa.

    Returns
    -------
    tempo : float32 array of shape (n_frames, 1)
        In beats per minute.

    Raises
    ------
    InputError
        As in `mfcc`, or if the clip holds no onset, so that it has no tempo.
    """
    rises = _rises(waveform, rate_hz, hop_s)
    if not rises.any():
        raise InputError(
            f"the clip of {len(rises) * hop_s:g} s has no onset, and so no tempo. "
            "Leave it out, or take 'onset-strength', which is 0 there."
        )
    values = _librosa().feature.tempo(
        onset_envelope=rises,
        sr=rate_hz,
        hop_length=round(hop_s * rate_hz),
        start_bpm=start_bpm,
        aggregate=None,
    )
    return np.asarray(values, dtype=np.float32)[:, None]


def _rises(waveform: Floats, rate_hz: float, hop_s: float) -> NDArray[np.float32]:
    librosa = _librosa()
    padded, options = _framed(waveform, rate_hz, hop_s)
    power = librosa.feature.melspectrogram(y=padded, **options)
    rises = librosa.onset.onset_strength(
        S=librosa.power_to_db(power),
        sr=rate_hz,
        hop_length=options["hop_length"],
        center=False,
    )
    return rises.astype(np.float32)


def _framed(
    waveform: Floats, rate_hz: float, hop_s: float
) -> tuple[NDArray[np.float32], dict]:
    """Return the sound with silence around, and librosa's arguments to frame it."""
    sound, hop = _checked(waveform, rate_hz, hop_s)
    n_fft = _window_points(rate_hz, hop)
    options = {"sr": rate_hz, "n_fft": n_fft, "hop_length": hop, "center": False}
    return _padded(sound, hop, n_fft), options
