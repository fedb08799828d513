"""One sound twice: exact copies at any level, and near duplicates by distance."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.fft import next_fast_len
from scipy.signal import stft
from scipy.spatial.distance import cdist

from ..core.checks import Floats, InputError, as_matrix
from .leakage import COLUMNS, check_sides

N_SEGMENTS = 64
STEP_DB = 0.1
FLOOR_DB = -90.0
N_BANDS = 30


def audio_hashes(waveform: Floats) -> tuple[str, str, str]:
    """Return hashes of a sound; two sounds are one if they have any in common.

    The offset and the level are taken out. The first hash is of the points, to 16 bits
    of the peak: copies agree. The others are of the level in 64 equal pieces, in
    steps of 0.1 dB from two grids half a step apart: copies at another level agree
    even where rounding moved some points or one piece across a step of one grid.
    A sound that starts elsewhere is another sound here: see `near_duplicates`.

    Parameters
    ----------
    waveform : array of shape (n_points,)

    Raises
    ------
    InputError
        If the sound is not one finite channel, is constant, or has under 64 points.

    Examples
    --------
    >>> sound = np.random.default_rng(0).standard_normal(999)
    >>> audio_hashes(sound) == audio_hashes(0.5 * sound)
    True
    """
    sound = _centred(waveform)
    peak = np.abs(sound).max()
    points = np.round(sound / peak * 32767).astype("<i2")
    pieces = np.array_split(sound, N_SEGMENTS)
    power = np.array([np.mean(piece**2) for piece in pieces]) / np.mean(sound**2)
    steps = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10))) / STEP_DB
    exact, low, high = (
        hashlib.sha256(values.tobytes()).hexdigest()
        for values in (
            points,
            np.floor(steps).astype("<i4"),
            np.floor(steps + 0.5).astype("<i4"),
        )
    )
    return f"points:{exact}", f"low:{low}", f"high:{high}"


def find_same_audio(
    train: Mapping[str, Sequence[str]], test: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Return the pairs of test and training clips with a hash in common.

    Parameters
    ----------
    train, test : mapping of clip to the hashes of its sound
        As from `audio_hashes`.

    Returns
    -------
    pairs : DataFrame
        Columns `test_clip`, `train_clip` and `why`, which is 'same audio'.
    """
    check_sides(list(train), list(test))
    by_hash: dict[str, list[str]] = {}
    for clip, hashes in train.items():
        for key in hashes:
            by_hash.setdefault(key, []).append(clip)
    pairs = dict.fromkeys(
        (clip, other, "same audio")
        for clip, hashes in test.items()
        for key in hashes
        for other in by_hash.get(key, [])
    )
    return pd.DataFrame(list(pairs), columns=list(COLUMNS), dtype="str")


def sound_fingerprint(waveform: Floats, rate_hz: float) -> NDArray[np.float64]:
    """Return mean and spread over time of a sound's level in 30 bands.

    The bands are equal on a log scale from 60 Hz to 8 kHz; levels are in dB re the
    sound's own mean power, with a floor of -90 dB. So neither the level nor where the
    piece starts matters much.

    Parameters
    ----------
    waveform : array of shape (n_points,)
    rate_hz : float
        At least 16,000 Hz, else the upper bands would be empty.

    Returns
    -------
    fingerprint : array of shape (60,)
        In dB: 30 means, then 30 standard deviations.
    """
    if rate_hz < 16_000:
        raise InputError(
            f"a fingerprint needs sound up to 8 kHz, but rate_hz is {rate_hz:g}. Use "
            "the sound at 16,000 Hz or more."
        )
    sound = _centred(waveform)
    n_window = min(round(0.1 * rate_hz), len(sound))
    frequency, _, spectrum = stft(
        sound, rate_hz, nperseg=n_window, nfft=next_fast_len(n_window), boundary=None
    )
    power = np.abs(spectrum) ** 2
    edges = np.geomspace(60, 8000, N_BANDS + 1)
    place = np.searchsorted(edges, frequency, side="right") - 1
    bands = np.stack([power[place == k].sum(axis=0) for k in range(N_BANDS)])
    share = bands / power.sum(axis=0).mean()
    levels = 10 * np.log10(np.maximum(share, 10 ** (FLOOR_DB / 10)))
    return np.r_[levels.mean(axis=1), levels.std(axis=1)]


def near_duplicates(
    train: ArrayLike,
    test: ArrayLike,
    *,
    train_clips: Sequence[str],
    test_clips: Sequence[str],
    strictness: float = 4.0,
) -> tuple[pd.DataFrame, float, list[str]]:
    """Return test clips that lie closer to a training clip than clips usually do.

    Columns are z-scored with the training clips' mean and spread; the distance is
    Euclidean. The threshold comes from the training clips themselves: each one's
    distance to its nearest neighbour, on a log scale, median minus `strictness` times
    the median absolute deviation (scaled by 1.4826 to a standard deviation). Some
    duplicates inside training leave it where it is.

    Parameters
    ----------
    train, test : array of shape (n_clips, n_features)
        One vector per clip: embeddings, or `sound_fingerprint`s.
    train_clips, test_clips : sequence of str
    strictness : float
        4: about 1 in 30,000 clips by chance, were the log distances normal.

    Returns
    -------
    pairs : DataFrame
        Columns `test_clip`, `train_clip`, `why` ('near duplicate') and `distance`.
    threshold : float
    notes : list of str
        The threshold, what it rests on, and how many training clips are below it.

    Raises
    ------
    InputError
        If arrays and names do not fit, or there are fewer than 20 training clips.
    """
    X, X_test = _scaled(train, test)
    _check_names(X, train_clips, "train")
    _check_names(X_test, test_clips, "test")
    check_sides(list(train_clips), list(test_clips))
    threshold, notes = _threshold(X, strictness)
    distance = cdist(X_test, X)
    found = [
        (test_clips[i], train_clips[j], "near duplicate", distance[i, j])
        for i, j in zip(*np.nonzero(distance <= threshold), strict=True)
    ]
    pairs = pd.DataFrame(found, columns=[*COLUMNS, "distance"])
    pairs = pairs.astype({**dict.fromkeys(COLUMNS, "str"), "distance": float})
    return pairs, threshold, notes


def _centred(waveform: Floats) -> NDArray[np.float64]:
    sound = np.asarray(waveform, dtype=np.float64)
    if sound.ndim != 1 or len(sound) < N_SEGMENTS or not np.isfinite(sound).all():
        raise InputError(
            f"a sound must be one finite channel of at least {N_SEGMENTS} points, got "
            f"shape {sound.shape}. Average the channels, and look for NaN."
        )
    if (sound == sound[0]).all():
        raise InputError("the sound is silent: it cannot be told from other silence.")
    return sound - sound.mean()


def _scaled(train: ArrayLike, test: ArrayLike) -> tuple[Floats, Floats]:
    X, X_test = as_matrix(train, "train"), as_matrix(test, "test")
    if X.shape[1] != X_test.shape[1]:
        raise InputError(
            f"train has {X.shape[1]} features, test {X_test.shape[1]}. Use the same "
            "embedding for both."
        )
    if len(X) < 20:
        raise InputError(
            f"{len(X)} training clips are too few to say what is near; 20 are needed."
        )
    spread = X.std(axis=0)
    varies = (X[:1] != X).any(axis=0) & (spread > 0)
    if not varies.any():
        raise InputError("no feature of train varies, so no distance can be told.")
    mean = X[:, varies].mean(axis=0)
    scaled = ((M[:, varies] - mean) / spread[varies] for M in (X, X_test))
    X, X_test = scaled
    return X, X_test


def _threshold(X: Floats, strictness: float) -> tuple[float, list[str]]:
    between = cdist(X, X)
    np.fill_diagonal(between, np.inf)
    close = between.min(axis=1)
    apart = np.log(close[close > 0])
    if len(apart) < len(X) / 2:
        raise InputError(
            f"{len(X) - len(apart)} of {len(X)} training clips have an exact copy, so "
            "the collection cannot say what is near. Remove the copies."
        )
    middle = np.median(apart)
    spread = 1.4826 * np.median(np.abs(apart - middle))
    threshold = float(np.exp(middle - strictness * spread))
    below = int((close <= threshold).sum())
    note = (
        f"near duplicates: closer than {threshold:.3g}, {strictness:g} spreads below "
        f"the median distance {np.exp(middle):.3g} of {len(X)} training clips to their "
        f"nearest neighbour; {below} of these are below it themselves."
    )
    return threshold, [note]


def _check_names(X: Floats, clips: Sequence[str], name: str) -> None:
    if len(clips) != len(X):
        raise InputError(
            f"{name} has {len(X)} rows for {len(clips)} clips. Give one vector "
            "per clip."
        )
