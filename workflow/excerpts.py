"""Excerpts for the ear: what was played beside what was found and what was made."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from ..decoding.sounds import START_S, Sound

N_CLIPS = 6  # of each subject: a page to listen to, and no copy of the stimuli
PLAYERS = "players.csv"
COLUMNS = ("clip", "what", "track", "file")


def chosen_clips(clips: Sequence[str]) -> list[int]:
    """Return which clips are played: evenly spread, and not chosen by their scores.

    Examples
    --------
    >>> chosen_clips(list("abcdefghijklm"))
    [0, 2, 4, 7, 9, 12]
    >>> chosen_clips(["a", "b"])
    [0, 1]
    """
    n = min(N_CLIPS, len(clips))
    return np.linspace(0, len(clips) - 1, n).astype(int).tolist()


def write_excerpt(path: Path, sound: Sound) -> None:
    """Write at most 15 s as FLAC of 16 bits; louder ones are turned down as a whole."""
    waveform = sound.waveform[: round(START_S * sound.rate_hz)]
    peak = float(np.abs(waveform).max())
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform / max(peak, 1.0), sound.rate_hz, "PCM_16")


def write_players(folder: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write the table of what can be played: paths below `folder`."""
    if rows:
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        table.to_csv(folder / PLAYERS, index=False)
