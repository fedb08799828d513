"""How alike two sounds of one track are: the most that a reconstruction can reach."""

from collections.abc import Sequence

import numpy as np
import soundfile

from ..core.checks import InputError
from ..data.sound_headers import lacking_share
from ..data.stimuli import ClipSource, read_clip
from ..decoding.sounds import Sound
from .encoders import Encoder

EXCERPT = "oracle: stimulus and another excerpt of its track"
HALVES = "oracle: first and second half of the stimulus"
LEAST = 0.5  # of a clip's length, that another excerpt of its track has
ROUNDING_S = 0.02


def another_excerpt(source: ClipSource) -> ClipSource | None:
    """Return a piece of a clip's track that has no part of the clip.

    It lies beside the clip, before or after it, whichever is longer, and is as long as
    the clip or at least half as long. None where the track has no such piece.

    Parameters
    ----------
    source : ClipSource
        One that ends with its file is the whole track or its end.
    """
    if lacking_share(source.path) > 0:
        return None
    info = soundfile.info(source.path)
    lasts_s = info.frames / info.samplerate
    start_s, end_s = source.start_s, source.end_s or lasts_s
    length_s = end_s - start_s
    before_s, after_s = min(start_s, length_s), min(lasts_s - end_s, length_s)
    if max(before_s, after_s) < LEAST * length_s - ROUNDING_S:
        return None
    if after_s >= before_s:
        return ClipSource(source.clip, source.path, end_s, end_s + after_s)
    return ClipSource(source.clip, source.path, start_s - before_s, start_s)


def same_tracks(
    encoder: Encoder, clips: Sequence[ClipSource], heard: Sequence[Sound]
) -> tuple[str, list[Sound], list[Sound]]:
    """Return two sounds of each clip's track, and what they are.

    Another excerpt where every clip's track has one that can be heard; else the two
    halves of every stimulus, so that one row of a table means one thing.

    Parameters
    ----------
    encoder : Encoder
        Shapes the sound as the stimuli are.
    clips : sequence of ClipSource
    heard : sequence of Sound
        The stimuli, as they were heard.

    Returns
    -------
    what : `EXCERPT` or `HALVES`
    first, second : list of Sound
    """
    others = []
    for source in clips:
        other = _heard_excerpt(encoder, source)
        if other is None:
            return HALVES, *_halves(heard)
        others.append(other)
    return EXCERPT, list(heard), others


def _heard_excerpt(encoder: Encoder, source: ClipSource) -> Sound | None:
    piece = another_excerpt(source)
    if piece is None:
        return None
    try:
        waveform, rate_hz = read_clip(
            piece.path, start_s=piece.start_s, end_s=piece.end_s
        )
        return encoder.shaped(Sound(waveform, rate_hz), piece.clip)
    except InputError:  # not to be heard, which `HALVES` says of all
        return None


def _halves(heard: Sequence[Sound]) -> tuple[list[Sound], list[Sound]]:
    halves = [np.array_split(sound.waveform, 2) for sound in heard]
    rates = [sound.rate_hz for sound in heard]
    first, second = (
        [Sound(pair[k], rate) for pair, rate in zip(halves, rates, strict=True)]
        for k in (0, 1)
    )
    return first, second
