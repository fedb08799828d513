"""Whether music that was found or made goes with the stimulus in time."""

from collections.abc import Sequence

import pandas as pd

from ..core.checks import InputError
from ..data.stimuli import ClipSource, read_clip
from ..decoding.contours import (
    SHORTEST_S,
    Contours,
    NoCourseError,
    contours,
    temporal_agreement,
)
from ..decoding.sounds import Sound

SHOWN = 5  # clips that a note names


def compare_courses(
    clips: Sequence[str],
    heard: Sequence[Sound],
    made: Sequence[Sound],
    what: str,
    *,
    n_permutations: int,
    n_resamples: int,
    seed: int,
) -> tuple[pd.DataFrame, list[str]]:
    """Return agreement in tempo, onsets and loudness, or why there is none.

    A clip of which one sound is silent or shorter than 2 s is left out and named. The
    others are cut to the shortest of them, from their beginnings. None may have a fade
    that the others lack: it would be a course that one of two has alone.

    Parameters
    ----------
    clips : sequence of str
    heard, made : sequence of Sound
        Entry i of both is of clip i.
    what : str
        What is compared, for the table and the note.
    n_permutations, n_resamples, seed : int

    Returns
    -------
    table : DataFrame
        As `temporal_agreement`, after the column 'compared'; without rows where it
        cannot be made.
    notes : list of str
    """
    left_out: dict[str, str] = {}
    try:
        courses, seconds = _courses(clips, heard, made, left_out)
        table = temporal_agreement(
            *courses, n_permutations=n_permutations, n_resamples=n_resamples, seed=seed
        )
    except InputError as error:
        return pd.DataFrame(columns=["compared"]), [
            f"no agreement in time of {what}: {error}{_said(left_out)}"
        ]
    table.insert(0, "compared", what)
    notes = []
    if left_out:
        notes.append(
            f"agreement in time of {what} is without {len(left_out)} of {len(clips)} "
            f"clips.{_said(left_out)}"
        )
    return table.assign(seconds=seconds), notes


def _courses(
    clips: Sequence[str],
    heard: Sequence[Sound],
    made: Sequence[Sound],
    left_out: dict[str, str],
) -> tuple[tuple[list[Contours], list[Contours]], float]:
    """Return the courses of both sides, and of how many seconds.

    Who has none is written to `left_out`, and cuts no other.
    """
    pairs = dict(zip(clips, zip(heard, made, strict=True), strict=True))
    while True:
        kept = {clip: pair for clip, pair in pairs.items() if clip not in left_out}
        both = [min(a.seconds, b.seconds) for a, b in kept.values()]
        seconds = min((one for one in both if one >= SHORTEST_S), default=SHORTEST_S)
        found, n_before = [], len(left_out)
        for clip, pair in kept.items():
            try:
                found.append([_contours(sound, seconds) for sound in pair])
            except NoCourseError as error:
                left_out[clip] = str(error).split(". ")[0]
        if len(left_out) == n_before:
            return ([one for one, _ in found], [other for _, other in found]), seconds


def _said(left_out: dict[str, str]) -> str:
    """Return which clips have no course, and why, as the end of a note."""
    if not left_out:
        return ""
    some = [f"{clip} ({why})" for clip, why in list(left_out.items())[:SHOWN]]
    more = f" and {len(left_out) - SHOWN} more" if len(left_out) > SHOWN else ""
    return f" Their sound has no course: {'; '.join(some)}{more}"


def _contours(sound: Sound, seconds: float) -> Contours:
    return contours(sound.waveform[: int(seconds * sound.rate_hz)], sound.rate_hz)


def as_in_its_file(source: ClipSource) -> Sound:
    """Return a stimulus cut from its file, with no fade and no level of a space."""
    waveform, rate_hz = read_clip(
        source.path, start_s=source.start_s, end_s=source.end_s
    )
    return Sound(waveform, rate_hz)
