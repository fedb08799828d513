"""Brings each feature space of a study to the TR grid of a subject's runs."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError
from ..core.types import Run, natural
from ..data.events import clip_ids
from ..data.files import path_of
from ..data.stimuli import cut_clip, read_clip
from ..features.annotations import category_features, event_features, read_annotation
from ..features.arrays import (
    ClipFeatures,
    clips_to_tr,
    read_clip_table,
    read_series,
    series_to_tr,
)
from ..features.audio import log_mel, loudness
from ..features.resample import average_to_tr
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
    read = READERS[type(study.features[name])]
    runs, notes = [], []
    for run in opened.runs:
        values, found = read(study, opened, run, name)
        runs.append(values)
        notes += found
    return runs, notes


def check_features(study: Study, opened: Opened) -> None:
    """Build every feature space but those of sound, whose files are only looked for.

    What is wrong with them is then said before the slow part.
    """
    for name in study.encoding.bands:
        space = study.features[name]
        if not isinstance(space, SoundFeatures):
            features_of_runs(study, opened, name)
            continue
        for run in opened.runs:
            _sound_paths(study, opened.events[run], space)


def feature_files(study: Study, opened: Opened) -> list[Path]:
    """Return every file that the bands' features are read from."""
    paths: set[Path] = set()
    for name in study.encoding.bands:
        space = study.features[name]
        if isinstance(space, SoundFeatures):
            for run in opened.runs:
                paths.update(_sound_paths(study, opened.events[run], space))
        elif not isinstance(space, CategoryFeatures):
            paths.update(_path(study, opened, run, space.path) for run in opened.runs)
    return sorted(paths)


def _from_events(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    return event_features(
        read_annotation(_path(study, opened, run, space.path)),
        space.columns,
        beyond=space.beyond,
        name=_where(opened, run, name),
        **_grid(study, opened, run),
    )


def _from_category(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    return category_features(
        opened.events[run],
        space.column,
        _levels(opened, space.column, name),
        name=_where(opened, run, name),
        **_grid(study, opened, run),
    )


def _from_array(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    path, grid = _path(study, opened, run, space.path), _grid(study, opened, run)
    if space.per == "run":
        series = read_series(path, rate_hz=space.rate_hz)
        where = _where(opened, run, name)
        return series_to_tr(
            series, rate_hz=space.rate_hz, beyond=space.beyond, name=where, **grid
        )
    events = opened.events[run]
    clips = _clip_table(path)
    onset_s, duration_s = events["onset"].to_numpy(), events["duration"].to_numpy()
    return clips_to_tr(clips, onset_s, duration_s, list(events["clip"]), **grid), []


def _from_sound(study: Study, opened: Opened, run: Run, name: str) -> Found:
    """Place each clip's frames at its onset, and average them to the TR."""
    space: Any = study.features[name]
    events = opened.events[run]
    frames, onsets = [], []
    paths = _sound_paths(study, events, space)
    for path, (_, event) in zip(paths, events.iterrows(), strict=True):
        start = float(event[space.start]) if space.start else 0.0
        end = float(event[space.end]) if space.end else start + event["duration"]
        n_frames = round(event["duration"] / space.hop_s)
        frames.append(_clip_frames(path, start, end, space)[:n_frames])
        onsets.append(event["onset"] + np.arange(len(frames[-1])) * space.hop_s)
    onset_s = np.concatenate(onsets)
    values = average_to_tr(
        onset_s,
        np.full(len(onset_s), space.hop_s),
        np.concatenate(frames),
        measure="mean",
        **_grid(study, opened, run),
    )
    return values, []


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


def _path(study: Study, opened: Opened, run: Run, pattern: str) -> Path:
    path = path_of(study.root, pattern, opened.subject, run)
    if not path.exists():
        raise MissingFileError(
            f"no feature file for {opened.name}, {run}: expected {path}. Check the "
            "feature space's path in the study file."
        )
    return path


def _levels(opened: Opened, column: str, name: str) -> list[str]:
    tables = list(opened.events.values())
    if any(column not in table for table in tables):
        raise InputError(
            f"features.{name}: the events have no column {column!r}. They have: "
            f"{', '.join(tables[0].columns)}."
        )
    found = {str(v) for table in tables for v in table[column].dropna()}
    return sorted(found, key=natural)


@lru_cache(maxsize=16)
def _clip_table(path: Path) -> ClipFeatures:
    return read_clip_table(path)


def _sound_paths(
    study: Study, events: pd.DataFrame, space: SoundFeatures
) -> list[Path]:
    """Return the sound file of each event; none may lie outside the data set."""
    paths = [(study.root / name).resolve() for name in clip_ids(events, space.path)]
    for path in paths:
        if not path.is_relative_to(study.root):
            raise InputError(
                f"{path} lies outside the data set's folder {study.root}. Sound files "
                "must lie inside it."
            )
        if not path.exists():
            raise MissingFileError(f"no sound file {path}. Check the feature's path.")
    return paths


@lru_cache(maxsize=4096)
def _clip_frames(
    path: Path, start_s: float, end_s: float, space: SoundFeatures
) -> Floats:
    """Return the sound features of one clip, cut and shaped as it was heard."""
    piece, rate_hz = read_clip(path, start_s=start_s, end_s=end_s)
    waveform = cut_clip(
        piece,
        rate_hz,
        start_s=0.0,
        end_s=len(piece) / rate_hz,
        fade_s=space.fade_s,
        rms=space.rms,
    )
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
