"""Brings each feature space of a study to the rows of a subject's runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checks import MissingFileError
from ..core.types import Run
from ..data.files import path_of
from ..feature_spaces import (
    CaptionFeatures,
    CategoryFeatures,
    ControlFeatures,
    SoundSpace,
)
from ..features.controls import clip_samples, noise_like
from ..study import Study
from .alignment import Aligned, joint_windowing
from .clip_sources import CLIP_SPACES, ONE, ClipSpace, heard_clips, planned_space
from .clip_vectors import Presentation, vectors_to_tr, vectors_to_windows
from .heard import check_sounds, heard_events, sound_files, sound_name_of, where
from .networks import captions_of, check_network, network_space, used_spaces
from .opening import Opened
from .session import Ticker, silent
from .source_names import source_of
from .volume_sources import VOLUME_SPACES, grid_of, naming_the_key

Floats = NDArray[np.floating]


def space_runs(
    study: Study, aligned: Aligned, name: str, ticker: Ticker = silent
) -> tuple[dict[str, list[Floats]], list[str]]:
    """Return one feature space for each run, at each layer that may be chosen.

    Returns
    -------
    layers : dict of layer to list of array, each of shape (n_rows, n_features)
        In the order of `aligned.opened.runs`. Rows are all volumes of the run, or its
        windows. The layer is '' where there is no choice of layers.
    notes : list of str
        What should be known of the features.
    """
    opened, space = aligned.opened, study.features[name]
    files_of(study, opened, [name])
    if isinstance(space, ControlFeatures) and space.control == "noise":
        layers, notes = space_runs(study, aligned, str(space.of), ticker)
        like = next(iter(layers.values()))
        return {ONE: noise_runs(study, aligned, like, space.seed)}, notes
    maker = CLIP_SPACES.get(type(network_space(study, name) or space))
    if maker and (by_clip := maker(study, opened, name, ticker)):
        layers = {
            layer: [
                _rows_of_clips(study, aligned, run, name, by_clip, heard)
                for run in opened.runs
            ]
            for layer, heard in by_clip.layers.items()
        }
        return layers, by_clip.notes
    runs, notes = [], []
    for run in opened.runs:
        values, found = VOLUME_SPACES[type(space)](study, opened, run, name)
        runs.append(_rows_of_volumes(study, aligned, run, values))
        notes += found
    return {ONE: runs}, notes


def noise_runs(
    study: Study, aligned: Aligned, like: list[Floats], seed: int
) -> list[Floats]:
    """Return noise as slow as the rows of a feature space, for each run."""
    clips = _places(study, aligned) if study.dataset.clip else None
    return [*noise_like(like, seed=seed, clips=clips)]


def _places(study: Study, aligned: Aligned) -> list[list[tuple[str, int] | None]]:
    """Return, run by run, the clip of each row and its number in the clip."""
    opened = aligned.opened
    places: list[list[tuple[str, int] | None]] = []
    for run in opened.runs:
        if aligned.windows is not None:
            rows = aligned.windows[run].rows
            pairs = zip(rows["clip"], rows["sample_in_clip"], strict=True)
            places.append([(str(clip), int(number)) for clip, number in pairs])
            continue
        events = opened.events[run][heard_events(study, opened, run)]
        places.append(
            clip_samples(
                events["onset"].to_numpy(float),
                events["duration"].to_numpy(float),
                list(events["clip"]),
                name=where(opened, run, "noise"),
                **grid_of(study, opened, run),
            )
        )
    return places


def check_features(study: Study, aligned: Aligned) -> None:
    """Look at every feature space before the slow part; sounds are decoded, not used.

    Raises
    ------
    InputError
        If a file, a network or a caption is missing, or a sound cannot be used: all
        sounds in one message.
    """
    opened = aligned.opened
    feature_files(study, opened)
    for name in used_spaces(study):
        space = study.features[name]
        check_network(study, name)
        source_of(study, name, opened.subject)
        read = network_space(study, name) or space
        if isinstance(read, SoundSpace):
            check_sounds(study, opened, sound_name_of(study, name))
        if isinstance(read, CaptionFeatures):
            captions_of(study, read, heard_clips(study, opened))
        if isinstance(read, SoundSpace | CaptionFeatures):
            planned = planned_space(study, opened, name)
            for run in opened.runs:
                _rows_of_clips(study, aligned, run, name, planned, planned.layers[ONE])
        elif not (isinstance(space, ControlFeatures) and space.control == "noise"):
            space_runs(study, aligned, name)


def sound_notes(study: Study, opened: Opened) -> list[str]:
    """Return what `check_features` found of sounds that can be used."""
    notes: dict[str, None] = {}
    for name in study.encoding.bands:
        if isinstance(network_space(study, name) or study.features[name], SoundSpace):
            sound_name = sound_name_of(study, name)
            notes.update(dict.fromkeys(check_sounds(study, opened, sound_name)))
    return list(notes)


def feature_files(study: Study, opened: Opened) -> list[Path]:
    """Return every file that the bands' features are read from, if all are there."""
    return files_of(study, opened, study.encoding.bands)


def files_of(study: Study, opened: Opened, names: Sequence[str]) -> list[Path]:
    """Return the files of some feature spaces, or say which are missing."""
    wanted: dict[Path, str] = {}
    for name in names:
        wanted |= dict.fromkeys(_paths(study, opened, name), name)
    missing = sorted(path for path in wanted if not path.exists())
    if missing:
        first = [_below(path, study.root) for path in missing[:5]]
        keys = dict.fromkeys(_key_of(study, wanted[path]) for path in missing)
        raise MissingFileError(
            f"{opened.name}: {len(missing)} of {len(wanted)} feature files are missing "
            f"in {study.root}: {', '.join(first)}{', ...' if missing[5:] else ''}. "
            f"Bring them, or correct {', '.join(keys)} in the study file."
        )
    return sorted(wanted)


def _key_of(study: Study, name: str) -> str:
    """Return the key of the study file that says where a space's files lie."""
    space = study.features[name]
    if isinstance(space, ControlFeatures) and space.of is not None:
        return _key_of(study, space.of)
    key = "captions" if isinstance(space, CaptionFeatures) else "path"
    return f"features.{name}.{key}"


def _below(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _paths(study: Study, opened: Opened, name: str) -> list[Path]:
    space: Any = study.features[name]
    if isinstance(space, ControlFeatures):
        return [] if space.of is None else _paths(study, opened, space.of)
    if isinstance(space, SoundSpace):
        found = [sound_files(study, opened, run, name) for run in opened.runs]
        return [path for paths in found for path in paths]
    if isinstance(space, CaptionFeatures):
        return [(study.root / space.captions).resolve()]
    if isinstance(space, CategoryFeatures):
        return []
    return [path_of(study.root, space.path, opened.subject, run) for run in opened.runs]


def _rows_of_clips(
    study: Study,
    aligned: Aligned,
    run: Run,
    name: str,
    space: ClipSpace,
    heard: Mapping[Run, list[Presentation]],
) -> Floats:
    place = where(aligned.opened, run, name)
    if aligned.windows is not None:
        return vectors_to_windows(
            heard[run],
            space.grain,
            aligned.windows[run].windows,
            joint_windowing(study, aligned.opened),
            name=place,
        )
    with naming_the_key(name):
        return vectors_to_tr(
            heard[run],
            space.grain,
            n_features=space.n_features,
            empty=space.empty,
            name=place,
            **grid_of(study, aligned.opened, run),
        )


def _rows_of_volumes(
    study: Study, aligned: Aligned, run: Run, values: Floats
) -> Floats:
    """Return the rows of volumes, or the mean of those in each window of sound."""
    if aligned.windows is None:
        return values
    table, tr_s = aligned.windows[run].windows.table, study.dataset.tr_s
    first = np.arange(len(values)) * tr_s
    lasts = np.minimum(table["end_s"].to_numpy()[:, None], first + tr_s) - np.maximum(
        table["start_s"].to_numpy()[:, None], first
    )
    weights = np.clip(lasts, 0, None)
    return (weights @ values) / weights.sum(axis=1, keepdims=True)
