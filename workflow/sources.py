"""Brings each feature space of a study to the TR grid of a subject's runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.artefacts import file_identity
from ..core.checks import InputError, MissingFileError
from ..core.types import Run, natural
from ..data.events import clip_ids
from ..data.files import path_of
from ..data.stimuli import read_clip, shape_clip
from ..features.annotations import column_of, event_features, read_annotation
from ..features.arrays import (
    ClipFeatures,
    clips_to_tr,
    read_clip_table,
    read_series,
    series_to_tr,
)
from ..features.audio import log_mel, loudness
from ..features.categories import category_features, category_labels
from ..features.resample import SHORTEST_S, UncoveredError, average_to_tr
from ..study import (
    ArrayFeatures,
    CategoryFeatures,
    EventFeatures,
    SoundFeatures,
    Study,
)
from .opening import Opened

Floats = NDArray[np.floating]
Found = tuple[Floats, list[str]]


@dataclass(frozen=True, slots=True)
class Piece:
    """One clip as it was heard: where in its sound file, and when in the run."""

    path: Path
    start_s: float
    end_s: float
    onset_s: float
    duration_s: float
    name: str


def features_of_runs(
    study: Study, opened: Opened, name: str
) -> tuple[list[Floats], list[str]]:
    """Return one feature space for each run, and what should be known of it.

    Returns
    -------
    runs : list of array of shape (n_samples_of_run, n_features)
        In the order of `opened.runs`; every volume of the run has its row.
    notes : list of str
    """
    _files(study, opened, [name])
    read = READERS[type(study.features[name])]
    runs, notes = [], []
    for run in opened.runs:
        values, found = read(study, opened, run, name)
        runs.append(values)
        notes += found
    return runs, notes


def check_features(study: Study, opened: Opened) -> None:
    """Build every feature space but those of sound, whose sound is not read yet.

    What is wrong with them is then said before the slow part.
    """
    feature_files(study, opened)
    for name in study.encoding.bands:
        if not isinstance(study.features[name], SoundFeatures):
            features_of_runs(study, opened, name)
            continue
        for run in opened.runs:
            _pieces(study, opened, run, name)


def feature_files(study: Study, opened: Opened) -> list[Path]:
    """Return every file that the bands' features are read from, if all are there."""
    return _files(study, opened, study.encoding.bands)


def _files(study: Study, opened: Opened, names: Sequence[str]) -> list[Path]:
    """Return the files of some feature spaces, or say which are missing."""
    wanted: dict[Path, str] = {}
    for name in names:
        space = study.features[name]
        for run in opened.runs:
            if isinstance(space, SoundFeatures):
                wanted |= dict.fromkeys(_sounds(study, opened, run, name)[1], name)
            elif not isinstance(space, CategoryFeatures):
                wanted[path_of(study.root, space.path, opened.subject, run)] = name
    missing = sorted(path for path in wanted if not path.is_file())
    if missing:
        first = [str(path.relative_to(study.root)) for path in missing[:5]]
        keys = dict.fromkeys(f"features.{wanted[path]}.path" for path in missing)
        raise MissingFileError(
            f"{opened.name}: {len(missing)} of {len(wanted)} feature files are missing "
            f"in {study.root}: {', '.join(first)}{', ...' if missing[5:] else ''}. "
            f"Bring them, or correct {', '.join(keys)} in the study file."
        )
    return sorted(wanted)


def _from_events(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    return event_features(
        read_annotation(path_of(study.root, space.path, opened.subject, run)),
        space.columns,
        beyond=space.beyond,
        name=_where(opened, run, name),
        **_grid(study, opened, run),
    )


def _from_category(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    where, heard = _where(opened, run, name), _heard(study, opened, run)
    values, notes = category_features(
        opened.events[run][heard],
        space.column,
        _levels(study, opened, name),
        name=where,
        **_grid(study, opened, run),
    )
    return values, [*_left_out(heard, where), *notes]


def _from_array(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    path = path_of(study.root, space.path, opened.subject, run)
    where, grid = _where(opened, run, name), _grid(study, opened, run)
    if space.per == "run":
        series = read_series(path, rate_hz=space.rate_hz)
        return series_to_tr(
            series, rate_hz=space.rate_hz, beyond=space.beyond, name=where, **grid
        )
    heard = _heard(study, opened, run)
    events = opened.events[run][heard]
    with _naming_the_key(name):
        values = clips_to_tr(
            _clip_table(path, file_identity(path), space.rate_hz),
            events["onset"].to_numpy(),
            events["duration"].to_numpy(),
            list(events["clip"]),
            empty=space.empty,
            name=where,
            **grid,
        )
    return values, _left_out(heard, where)


def _from_sound(study: Study, opened: Opened, run: Run, name: str) -> Found:
    """Place each clip's frames at its onset, and average them to the TR.

    Frames hold until the clip's event ends, as those of `clips_to_tr` do.
    """
    space: Any = study.features[name]
    pieces, notes = _pieces(study, opened, run, name)
    identity = {path: file_identity(path) for path in {p.path for p in pieces}}
    n_columns = 1 if space.kind == "loudness" else space.n_mels
    onsets, durations = [np.zeros(0)], [np.zeros(0)]
    frames = [np.zeros((0, n_columns), np.float32)]
    for piece in pieces:
        values = _frames(piece, identity[piece.path], space)
        starts = np.arange(len(values)) * space.hop_s
        lasts = np.minimum(piece.duration_s - starts, space.hop_s)
        held = lasts > SHORTEST_S
        onsets.append(piece.onset_s + starts[held])
        durations.append(lasts[held])
        frames.append(values[held])
    with _naming_the_key(name):
        values = average_to_tr(
            np.concatenate(onsets),
            np.concatenate(durations),
            np.concatenate(frames),
            measure="mean",
            empty=space.empty,
            name=_where(opened, run, name),
            **_grid(study, opened, run),
        )
    return values, notes


READERS: dict[type, Callable[[Study, Opened, Run, str], Found]] = {
    EventFeatures: _from_events,
    CategoryFeatures: _from_category,
    SoundFeatures: _from_sound,
    ArrayFeatures: _from_array,
}


def _where(opened: Opened, run: Run, name: str) -> str:
    return f"{opened.name}, {run}, features.{name}"


def _grid(study: Study, opened: Opened, run: Run) -> dict[str, Any]:
    n_samples = int(opened.rows_of(run).sum())
    return {"n_samples": n_samples, "tr_s": study.dataset.tr_s}


@contextmanager
def _naming_the_key(name: str) -> Iterator[None]:
    """Say of samples without a clip which key of the study gives them a value."""
    try:
        yield
    except UncoveredError as error:
        raise InputError(
            f"{error.found} Cover those times with clips, or set features.{name}.empty "
            "in the study file to the value that they get."
        ) from error


def _heard(study: Study, opened: Opened, run: Run) -> NDArray[np.bool_]:
    """Return which events are clips: all of them if the study does not name clips."""
    clips = opened.events[run]["clip"]
    if not study.dataset.clip:
        return np.ones(len(clips), dtype=bool)
    return (clips != "").to_numpy(dtype=bool)


def _left_out(heard: NDArray[np.bool_], where: str) -> list[str]:
    if heard.all():
        return []
    return [
        f"{where}: {int((~heard).sum())} of {len(heard)} events name no clip (n/a) and "
        "have no part in it."
    ]


def _levels(study: Study, opened: Opened, name: str) -> list[str]:
    """Return the categories of the events of all runs."""
    space: Any = study.features[name]
    found: set[str] = set()
    for run in opened.runs:
        cells = column_of(opened.events[run], space.column, _where(opened, run, name))
        labels = category_labels(cells[_heard(study, opened, run)])
        found.update(label for label in labels if label is not None)
    if not found:
        raise InputError(
            f"{opened.name}, features.{name}: column {space.column!r} is empty (n/a) "
            "in all events that are clips. Name another column."
        )
    return sorted(found, key=natural)


def _sounds(
    study: Study, opened: Opened, run: Run, name: str
) -> tuple[NDArray[np.bool_], list[Path]]:
    """Return which events have a sound, and its file; none lies outside the data."""
    space: Any = study.features[name]
    events, heard = opened.events[run], _heard(study, opened, run)
    try:
        # What is no clip is blanked and not dropped, so that errors count rows right.
        blanked = events.where(np.broadcast_to(heard[:, None], events.shape))
        names = clip_ids(blanked, space.path)
    except InputError as error:
        raise InputError(f"{_where(opened, run, name)}.path: {error}") from error
    heard = heard & np.array([text != "" for text in names], dtype=bool)
    paths = [(study.root / text).resolve() for text in names if text]
    for path in paths:
        if not path.is_relative_to(study.root):
            raise InputError(
                f"{path} lies outside the data set's folder {study.root}. Sound files "
                "must lie inside it."
            )
    return heard, paths


def _pieces(
    study: Study, opened: Opened, run: Run, name: str
) -> tuple[list[Piece], list[str]]:
    """Return what is heard in a run; each piece must last as long as its event."""
    space: Any = study.features[name]
    where = _where(opened, run, name)
    heard, paths = _sounds(study, opened, run, name)
    events = opened.events[run][heard]
    duration = events["duration"].to_numpy(float)
    start = _times(events, space.start, where) if space.start else 0 * duration
    end = _times(events, space.end, where) if space.end else start + duration
    pieces = []
    for k, (path, clip) in enumerate(zip(paths, events["clip"], strict=True)):
        onset = float(events["onset"].iloc[k])
        one = f"{where}: {clip or path.name} at {onset:g} s"
        if abs(end[k] - start[k] - duration[k]) > study.dataset.tr_s / 2 + SHORTEST_S:
            raise InputError(
                f"{one} is heard for {duration[k]:g} s, but its piece of the file, "
                f"from {start[k]:g} s to {end[k]:g} s, lasts {end[k] - start[k]:g} s. "
                f"Correct the columns {space.start or '(no start)'} and "
                f"{space.end or '(no end)'}, or the event's duration."
            )
        pieces.append(Piece(path, start[k], end[k], onset, duration[k], one))
    return pieces, _left_out(heard, where)


def _times(events: pd.DataFrame, column: str, where: str) -> Floats:
    cells = column_of(events, column, where)
    times = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    if not np.isfinite(times).all():
        row = int(np.argmin(np.isfinite(times)))
        raise InputError(
            f"{where}: column {column!r} holds {int((~np.isfinite(times)).sum())} "
            f"cells that are no time in seconds, the first of clip "
            f"{events['clip'].iloc[row]!r} at {events['onset'].iloc[row]:g} s. Fill "
            "them in."
        )
    return times


@lru_cache(maxsize=16)
def _clip_table(path: Path, _identity: str, rate_hz: float | None) -> ClipFeatures:
    return read_clip_table(path, rate_hz=rate_hz)


def _frames(piece: Piece, identity: str, space: SoundFeatures) -> Floats:
    try:
        return _clip_frames(piece.path, identity, piece.start_s, piece.end_s, space)
    except InputError as error:
        raise InputError(f"{piece.name}: {error}") from error


@lru_cache(maxsize=4096)
def _clip_frames(
    path: Path, _identity: str, start_s: float, end_s: float, space: SoundFeatures
) -> Floats:
    """Return the sound features of one clip, cut and shaped as it was heard.

    The file's hash is part of what is remembered: a new file is read anew.
    """
    piece, rate_hz = read_clip(path, start_s=start_s, end_s=end_s)
    waveform = shape_clip(piece, rate_hz, fade_s=space.fade_s, rms=space.rms)
    if space.kind == "loudness":
        return loudness(waveform, rate_hz, hop_s=space.hop_s)
    return log_mel(
        waveform,
        rate_hz,
        n_mels=space.n_mels,
        hop_s=space.hop_s,
        fmin_hz=space.fmin_hz,
        fmax_hz=space.fmax_hz,
    )
