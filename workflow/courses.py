"""Whether music that was found or made goes with the stimulus in time."""

from collections.abc import Sequence

import pandas as pd

from ..core.checks import InputError
from ..data.stimuli import ClipSource, read_clip
from ..decoding.contours import contours, temporal_agreement
from ..decoding.sounds import Sound


def compare_courses(
    heard: Sequence[Sound],
    made: Sequence[Sound],
    what: str,
    *,
    n_permutations: int,
    n_resamples: int,
    seed: int,
) -> tuple[pd.DataFrame, list[str]]:
    """Return agreement in tempo, onsets and loudness, or why there is none.

    All sounds are cut to the shortest of them, from their beginnings. None may have a
    fade that the others lack: it would be a course that one of two has alone.

    Parameters
    ----------
    heard, made : sequence of Sound
        Entry i of both is of the same clip.
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
    seconds = min((sound.seconds for sound in (*heard, *made)), default=0.0)
    try:
        courses = [
            [
                contours(one.waveform[: int(seconds * one.rate_hz)], one.rate_hz)
                for one in side
            ]
            for side in (heard, made)
        ]
        table = temporal_agreement(
            *courses, n_permutations=n_permutations, n_resamples=n_resamples, seed=seed
        )
    except InputError as error:
        return pd.DataFrame(columns=["compared"]), [
            f"no agreement in time of {what}: {error}"
        ]
    table.insert(0, "compared", what)
    return table.assign(seconds=seconds), []


def as_in_its_file(source: ClipSource) -> Sound:
    """Return a stimulus cut from its file, with no fade and no level of a space."""
    waveform, rate_hz = read_clip(
        source.path, start_s=source.start_s, end_s=source.end_s
    )
    return Sound(waveform, rate_hz)
