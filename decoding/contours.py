"""Agreement in time of what was heard and what was made from responses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError
from .chance import clip_resamples, interval

HOP_S = 0.023  # nearly 512 points at 22,050 Hz
SILENCE_DB = -80.0
SHORTEST_S = 2.0


class NoCourseError(InputError):
    """A sound has no course in time: it is silent, or too short."""


@dataclass(frozen=True, slots=True, eq=False)
class Contours:
    """How a sound goes in time.

    Parameters
    ----------
    tempo_bpm : float
        Beats per minute.
    onsets : array of shape (n_frames,)
        Strength of onsets (spectral flux).
    loudness_db : array of shape (n_frames,)
        Root mean square of each frame, in dB below the loudest of the sound, not below
        -80.
    """

    tempo_bpm: float
    onsets: Floats
    loudness_db: Floats


def contours(waveform: ArrayLike, rate_hz: int) -> Contours:
    """Return tempo, onset strength and loudness of a sound.

    Parameters
    ----------
    waveform : array of shape (n_points,)
    rate_hz : int

    Returns
    -------
    contours : Contours
        Frames of about 23 ms, the hop rounded to whole points.

    Raises
    ------
    InputError
        If librosa is not installed, or the sound is not mono or holds NaN or infinity.
    NoCourseError
        If it is silent, shorter than 2 s, or constant in onsets or loudness.
    """
    librosa = _librosa()
    waveform = np.asarray(waveform, np.float32)
    if waveform.ndim != 1 or not np.isfinite(waveform).all():
        raise InputError(
            f"the waveform has shape {waveform.shape} and "
            f"{int((~np.isfinite(waveform)).sum())} values that are NaN or infinite; "
            "give one channel of numbers."
        )
    if len(waveform) < SHORTEST_S * rate_hz:
        raise NoCourseError(
            f"it lasts {len(waveform) / rate_hz:.5g} s, and {SHORTEST_S:g} s are "
            "needed for a tempo. Leave that clip out on both sides."
        )
    hop = round(HOP_S * rate_hz)
    power = librosa.feature.rms(y=waveform, frame_length=4 * hop, hop_length=hop)[0]
    if not power.max() > 0:
        raise NoCourseError("it is silent. Leave that clip out on both sides.")
    onsets = librosa.onset.onset_strength(y=waveform, sr=rate_hz, hop_length=hop)
    tempo = librosa.feature.tempo(onset_envelope=onsets, sr=rate_hz, hop_length=hop)
    level = 20 * np.log10(np.maximum(power / power.max(), 10 ** (SILENCE_DB / 20)))
    for name, course in (("onset strength", onsets), ("loudness", level)):
        if (course == course[0]).all():  # such as of noise near the end of numbers
            raise NoCourseError(
                f"its {name} is constant and correlates with nothing. Leave that clip "
                "out on both sides."
            )
    return Contours(float(tempo[0]), onsets.astype(float), level.astype(float))


def temporal_agreement(
    heard: Sequence[Contours],
    made: Sequence[Contours],
    *,
    n_permutations: int = 1000,
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how well sounds made from responses go with those that were heard.

    Parameters
    ----------
    heard, made : sequence of Contours
        Entry i of both is the same clip, from its beginning, at the same rate. Frames
        beyond the shorter of two are not compared.
    n_permutations, n_resamples : int
    seed : int

    Returns
    -------
    table : DataFrame
        One row per measure: 'tempo distance' (octaves, |log2 of the ratio|; smaller is
        better), 'onset correlation' and 'loudness correlation' (Pearson over frames).
        value is the mean over clips; chance the mean over all pairs of different
        clips; low and high are the 95% interval by bootstrap over clips, each with
        what was made of it; p is one-sided, (1 + permutations at least as good) /
        (1 + permutations); n clips; n_permutations.

    Raises
    ------
    InputError
        If there are fewer than 2 clips, numbers differ, or a contour is constant.
    """
    if len(heard) != len(made) or len(heard) < 2:
        raise InputError(
            f"{len(heard)} heard and {len(made)} made sounds: give one made sound per "
            "heard one, of at least 2 clips, so that random pairs can be compared."
        )
    rng = np.random.default_rng(seed)
    n = len(heard)
    orders = np.array([rng.permutation(n) for _ in range(n_permutations)])
    draws = clip_resamples(np.arange(n), n_resamples, seed=seed)
    rows = []
    for name, measure, sign in MEASURES:
        table = np.array([[measure(a, b) for b in made] for a in heard])
        value = float(np.diag(table).mean())
        null = table[np.arange(n), orders].mean(axis=1)
        n_as_good = int((sign * null >= sign * value - 1e-12).sum())
        chance = float(table[~np.eye(n, dtype=bool)].mean())
        low, high = interval([np.diag(table)[drawn].mean() for drawn in draws])
        p = (1 + n_as_good) / (1 + n_permutations)
        rows.append((name, value, chance, low, high, p, n, n_permutations))
    columns = ["measure", "value", "chance", "low", "high", "p", "n", "n_permutations"]
    return pd.DataFrame(rows, columns=columns)


def tempo_distance(heard: Contours, made: Contours) -> float:
    """Return how many octaves apart two tempi are; 1 is double or half.

    Examples
    --------
    >>> slow, fast = (Contours(bpm, np.ones(2), np.ones(2)) for bpm in (60.0, 120.0))
    >>> tempo_distance(slow, fast)
    1.0
    """
    return float(abs(np.log2(made.tempo_bpm / heard.tempo_bpm)))


def _onset_correlation(heard: Contours, made: Contours) -> float:
    return _correlation(heard.onsets, made.onsets, "onset strength")


def _loudness_correlation(heard: Contours, made: Contours) -> float:
    return _correlation(heard.loudness_db, made.loudness_db, "loudness")


MEASURES: tuple[tuple[str, Callable[[Contours, Contours], float], int], ...] = (
    ("tempo distance", tempo_distance, -1),
    ("onset correlation", _onset_correlation, 1),
    ("loudness correlation", _loudness_correlation, 1),
)


def _correlation(a: NDArray, b: NDArray, name: str) -> float:
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    if (a == a[0]).all() or (b == b[0]).all():
        raise InputError(
            f"the {name} of a sound is constant over {n} frames and correlates with "
            "nothing. Leave that clip out on both sides."
        )
    return float(np.corrcoef(a, b)[0, 1])


def _librosa() -> ModuleType:
    try:
        import librosa
    except ImportError as error:
        raise InputError(
            "agreement in time needs librosa, which is not installed. Run: pip install "
            "'brain2music[audio]'"
        ) from error
    return librosa
