"""What was heard: the clips of each run, their files, and whether these can be used."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError
from ..core.types import Run
from ..data.events import clip_ids
from ..data.stimuli import (
    ClipSource,
    check_tracks,
    find_track,
    read_clip,
    shape_clip,
)
from ..feature_spaces import ControlFeatures
from ..features.annotations import column_of
from ..features.resample import SHORTEST_S
from ..study import Study
from .opening import Opened

Floats = NDArray[np.floating]
SHOWN = 20  # sound files that one message lists


@dataclass(frozen=True, slots=True)
class Piece:
    """One clip as it was heard: its sound, and when in the run.

    `event` is its row in the events of the run.
    """

    sound: ClipSource
    onset_s: float
    duration_s: float
    event: int
    name: str


def where(opened: Opened, run: Run, name: str) -> str:
    """Return how messages call a feature space in a run."""
    return f"{opened.name}, {run}, features.{name}"


def heard_events(study: Study, opened: Opened, run: Run) -> NDArray[np.bool_]:
    """Return which events are clips: all of them if the study does not name clips."""
    clips = opened.events[run]["clip"]
    if not study.dataset.clip:
        return np.ones(len(clips), dtype=bool)
    return (clips != "").to_numpy(dtype=bool)


def left_out(heard: NDArray[np.bool_], place: str) -> list[str]:
    """Return a note on the events that are no clips."""
    if heard.all():
        return []
    return [
        f"{place}: {int((~heard).sum())} of {len(heard)} events name no clip (n/a) and "
        "have no part in it."
    ]


def sound_files(study: Study, opened: Opened, run: Run, name: str) -> list[Path]:
    """Return the sound file of each event that has one; it need not be there."""
    return _sounds(study, opened, run, name)[1]


def pieces_of(
    study: Study, opened: Opened, run: Run, name: str
) -> tuple[list[Piece], list[str]]:
    """Return what is heard in a run; each piece must last as long as its event."""
    space: Any = study.features[name]
    place = where(opened, run, name)
    heard, paths = _sounds(study, opened, run, name)
    events = opened.events[run][heard]
    duration = events["duration"].to_numpy(float)
    start = _times(events, space.start, place) if space.start else 0 * duration
    end = _times(events, space.end, place) if space.end else start + duration
    pieces = []
    for k, (path, clip) in enumerate(zip(paths, events["clip"], strict=True)):
        onset = float(events["onset"].iloc[k])
        one = f"{place}: {clip or path.name} at {onset:g} s"
        if abs(end[k] - start[k] - duration[k]) > study.dataset.tr_s / 2 + SHORTEST_S:
            raise InputError(
                f"{one} is heard for {duration[k]:g} s, but its piece of the file, "
                f"from {start[k]:g} s to {end[k]:g} s, lasts {end[k] - start[k]:g} s. "
                f"Correct the columns {space.start or '(no start)'} and "
                f"{space.end or '(no end)'}, or the event's duration."
            )
        sound = ClipSource(clip or path.name, path, float(start[k]), float(end[k]))
        event = int(np.flatnonzero(heard)[k])
        pieces.append(Piece(sound, onset, float(duration[k]), event, one))
    return pieces, left_out(heard, place)


def check_sounds(study: Study, opened: Opened, name: str) -> list[str]:
    """Raise if any sound of a feature space cannot be used: all in one message.

    Returns
    -------
    warnings : list of str
        Clipped, several channels, different rates.
    """
    sounds, space = sounds_of(study, opened, name), study.features[name]
    stamps = tuple(_stamp(sound.path) for sound in sounds)
    shape = (getattr(space, "fade_s", 0.0), getattr(space, "rms", None))
    problems, warnings = _looked_at(tuple(sounds), stamps, shape)
    if problems:
        more = f" And {len(problems) - SHOWN} more." if len(problems) > SHOWN else ""
        raise InputError(
            f"{opened.name}, features.{name}: {len(problems)} of {len(sounds)} sounds "
            f"cannot be used. {' '.join(problems[:SHOWN])}{more}"
        )
    return [f"features.{name}: {warning}" for warning in warnings]


def sounds_of(study: Study, opened: Opened, name: str) -> list[ClipSource]:
    """Return every sound of a subject's runs once, in the order heard."""
    found: dict[ClipSource, None] = {}
    for run in opened.runs:
        pieces, _ = pieces_of(study, opened, run, name)
        found.update(dict.fromkeys(piece.sound for piece in pieces))
    return list(found)


def sound_name_of(study: Study, name: str) -> str:
    """Return the space whose keys say where the sound of a space lies."""
    space = study.features[name]
    return str(space.of) if isinstance(space, ControlFeatures) else name


@lru_cache(maxsize=32)
def _looked_at(
    sounds: tuple[ClipSource, ...],
    _stamps: tuple[tuple[int, int], ...],
    shape: tuple[float, float | None],
) -> tuple[list[str], list[str]]:
    """Look at sounds once for all subjects and spaces, while their files stay.

    Those that can be read are shaped too, as they will be: fades may not fit, or a
    level be out of reach.
    """
    problems, warnings = check_tracks(sounds)
    fade_s, rms = shape
    if problems or (not fade_s and rms is None):
        return problems, warnings
    for sound in sounds:
        piece, rate_hz = read_clip(sound.path, start_s=sound.start_s, end_s=sound.end_s)
        try:
            shape_clip(piece, rate_hz, fade_s=fade_s, rms=rms, name=sound.clip)
        except InputError as error:
            problems.append(str(error))
    return problems, warnings


def _stamp(path: Path) -> tuple[int, int]:
    try:
        about = path.stat()
    except OSError:
        return (0, 0)
    return (about.st_size, about.st_mtime_ns)


def _sounds(
    study: Study, opened: Opened, run: Run, name: str
) -> tuple[NDArray[np.bool_], list[Path]]:
    """Return which events have a sound, and its file; none lies outside the data."""
    space: Any = study.features[name]
    events, heard = opened.events[run], heard_events(study, opened, run)
    try:
        # What is no clip is blanked and not dropped, so that errors count rows right.
        blanked = events.where(np.broadcast_to(heard[:, None], events.shape))
        names = clip_ids(blanked, space.path)
    except InputError as error:
        raise InputError(f"{where(opened, run, name)}.path: {error}") from error
    heard = heard & np.array([text != "" for text in names], dtype=bool)
    return heard, _inside(study.root, [text for text in names if text])


def _inside(root: Path, names: Sequence[str]) -> list[Path]:
    """Return where the files lie, inside the data set as written.

    Links are followed when a file is opened, wherever they lead: the user laid them.
    """
    paths = []
    for text in names:
        path = Path(os.path.normpath(root / text))
        if not path.is_relative_to(root):
            raise InputError(
                f"{path} lies outside the data set's folder {root}. Sound files must "
                "lie inside it."
            )
        with suppress(MissingFileError):  # listed with all that are missing
            path = find_track(path)
        paths.append(path)
    return paths


def _times(events: pd.DataFrame, column: str, place: str) -> Floats:
    cells = column_of(events, column, place)
    times = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    if not np.isfinite(times).all():
        row = int(np.argmin(np.isfinite(times)))
        raise InputError(
            f"{place}: column {column!r} holds {int((~np.isfinite(times)).sum())} "
            f"cells that are no time in seconds, the first of clip "
            f"{events['clip'].iloc[row]!r} at {events['onset'].iloc[row]:g} s. Fill "
            "them in."
        )
    return times
