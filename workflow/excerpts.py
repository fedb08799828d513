"""Excerpts for the ear: what was played beside what was found and what was made."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from ..decoding.sounds import START_S, Sound

# Of each subject, where no genres are named: a page to listen to, and no copy of the
# stimuli.
N_CLIPS = 6
PLAYERS = "players.csv"
COLUMNS = ("clip", "what", "track", "file")


def spread(n_all: int, n: int | None = None) -> list[int]:
    """Return `n` places evenly spread over `n_all`; all of them if n is None or more.

    Examples
    --------
    >>> spread(13, 6)
    [0, 2, 4, 7, 9, 12]
    >>> spread(2, 6)
    [0, 1]
    """
    n = n_all if n is None else min(n, n_all)
    return np.linspace(0, n_all - 1, n).astype(int).tolist()


def played_clips(
    n_clips: int, n_made: int | None, genres: Sequence[str] | None = None
) -> list[int]:
    """Return which clips are played, of those that music is made of.

    The first of each genre, or evenly spread; they are not chosen by their scores.

    Parameters
    ----------
    n_clips : int
        All test clips.
    n_made : int, optional
        How many of them music is made of; None is all.
    genres : sequence of str, optional
        Of each test clip.

    Examples
    --------
    >>> played_clips(5, None, ["rock", "jazz", "rock", "jazz", "pop"])
    [0, 1, 4]
    """
    made = spread(n_clips, n_made)
    if genres is None:
        return [made[k] for k in spread(len(made), N_CLIPS)]
    first: dict[str, int] = {}
    for k in made:
        first.setdefault(genres[k], k)
    return sorted(first.values())


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
