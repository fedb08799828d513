"""Feature spaces of sound that a formula gives, clip by clip."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..core.artefacts import file_identity
from ..core.checks import InputError
from ..data.stimuli import ClipSource
from ..feature_spaces import SoundFeatures
from ..features import baselines
from ..features.audio import log_mel, loudness
from ..features.modulation import modulation_features
from .heard import Piece
from .networks import waveform_of

Floats = NDArray[np.floating]
BY_FRAME = {
    "loudness": loudness,
    "chroma": baselines.chroma,
    "tonal-centroid": baselines.tonal_centroid,
    "onset-strength": baselines.onset_strength,
    "tempo": baselines.tempo,
}


def frame_s(space: SoundFeatures) -> float:
    """Return the length of a frame in seconds."""
    return space.frame_s if space.kind == "modulation" else space.hop_s


def sound_frames(piece: Piece, space: SoundFeatures) -> Floats:
    """Return the features of one clip as it was heard, (n_frames, n_features)."""
    try:
        return _clip_frames(piece.sound, file_identity(piece.sound.path), space)
    except InputError as error:
        raise InputError(f"{piece.name}: {error}") from error


@lru_cache(maxsize=4096)
def _clip_frames(sound: ClipSource, _identity: str, space: SoundFeatures) -> Floats:
    """Return a clip's features; the file's hash is part of what is remembered."""
    waveform, rate_hz = waveform_of(sound, space)
    if space.kind == "modulation":
        whole = _with_last_frame(waveform, space.frame_s * rate_hz)
        return modulation_features(whole, rate_hz, frame_s=space.frame_s)
    if space.kind == "log-mel":
        return log_mel(
            waveform,
            rate_hz,
            n_mels=space.n_mels,
            hop_s=space.hop_s,
            fmin_hz=space.fmin_hz,
            fmax_hz=space.fmax_hz,
        )
    if space.kind == "mfcc":
        return baselines.mfcc(waveform, rate_hz, hop_s=space.hop_s, n_mfcc=space.n_mfcc)
    return BY_FRAME[space.kind](waveform, rate_hz, hop_s=space.hop_s)


def _with_last_frame(waveform: Floats, n_points: float) -> Floats:
    """Return the sound with silence for up to 1 % of a frame that it is short of.

    Borders are written to 10 ms, so a clip of 15 s may be cut 14.99 s long.
    """
    lacking = round(round(len(waveform) / n_points) * n_points) - len(waveform)
    return np.pad(waveform, (0, lacking)) if 0 < lacking <= n_points / 100 else waveform
