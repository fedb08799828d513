"""Feature spaces that give each clip its vectors: sound, networks, words, labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.artefacts import file_identity
from ..core.checks import InputError
from ..core.types import Run, natural
from ..data.files import path_of
from ..feature_spaces import (
    ArrayFeatures,
    CaptionFeatures,
    CategoryFeatures,
    NetworkFeatures,
    SoundFeatures,
)
from ..features.annotations import column_of
from ..features.arrays import check_lengths
from ..features.categories import category_labels, one_hot
from ..features.clip_tables import ClipFeatures
from ..features.windows import Windows, window_notes, window_times
from ..study import Study
from .clip_vectors import WHOLE_CLIP, Grain, Presentation
from .heard import (
    Piece,
    heard_events,
    left_out,
    pieces_of,
    sound_name_of,
    sounds_of,
    where,
)
from .networks import (
    embed_captions,
    embed_sounds,
    layers_of,
    network_of,
    network_space,
    windows_for,
)
from .opening import Opened
from .session import Ticker
from .sound import frame_s, sound_frames
from .volume_sources import clip_table, levels_of

Floats = NDArray[np.floating]
ONE = ""  # the layer of a space that has no layers to choose from


@dataclass(frozen=True, eq=False)
class ClipSpace:
    """A feature space of clips, in one subject: each run's presentations.

    `layers` has the runs' presentations by layer; `ONE` where there is no choice.
    """

    layers: Mapping[str, Mapping[Run, list[Presentation]]]
    grain: Grain
    n_features: int
    empty: float | None
    notes: list[str]


def heard_clips(study: Study, opened: Opened) -> list[str]:
    """Return every clip of a subject's runs, sorted."""
    found: set[str] = set()
    for run in opened.runs:
        found.update(opened.events[run]["clip"][heard_events(study, opened, run)])
    return sorted(found, key=natural)


def _from_sound(study: Study, opened: Opened, name: str, ticker: Ticker) -> ClipSpace:
    space: Any = study.features[name]
    advance = ticker(f"{opened.name}: {space.kind}", len(opened.runs))
    heard: dict[Run, list[Presentation]] = {}
    notes: list[str] = []
    for run in opened.runs:
        pieces, said = pieces_of(study, opened, run, name)
        notes += said
        heard[run] = [
            Presentation(
                p.event, p.onset_s, p.duration_s, sound_frames(p, space), p.name
            )
            for p in pieces
        ]
        advance(1)
    step_s = frame_s(space)
    return _clip_space({ONE: heard}, Grain(step_s, step_s), space, notes)


def _from_network(study: Study, opened: Opened, name: str, ticker: Ticker) -> ClipSpace:
    space: Any = network_space(study, name)
    network = network_of(study, space)
    sound_name = sound_name_of(study, name)
    sounds = sounds_of(study, opened, sound_name)
    vectors = embed_sounds(study, space, sounds, ticker)
    windows = windows_for(space, network)
    several = len(layers_of(network, space)) > 1
    layers: dict[str, dict[Run, list[Presentation]]] = {}
    lasts_s = [sound.end_s - sound.start_s for sound in sounds if sound.end_s]
    notes = [f"features.{name}: {note}" for note in window_notes(lasts_s, windows)]
    for layer, by_sound in vectors.items():
        heard = layers.setdefault(str(layer) if several else ONE, {})
        for run in opened.runs:
            pieces, said = pieces_of(study, opened, run, sound_name)
            notes += [note for note in said if note not in notes]
            heard[run] = [
                Presentation(
                    p.event, p.onset_s, p.duration_s, by_sound[p.sound], p.name
                )
                for p in pieces
            ]
    return _clip_space(layers, grain_of_windows(windows), space, notes)


def planned_space(study: Study, opened: Opened, name: str) -> ClipSpace:
    """Return a space of sound or captions as it will be, of one column of zeros.

    From it, what windows and volumes cannot have is known before anything is computed.
    The features by formula of one clip of each rate are computed, and thrown away.
    """
    space: Any = network_space(study, name) or study.features[name]
    heard: dict[Run, list[Presentation]] = {}
    grain, sound_name = WHOLE_CLIP, sound_name_of(study, name)
    for run in opened.runs:
        if isinstance(space, CaptionFeatures):
            vectors = dict.fromkeys(heard_clips(study, opened), np.zeros(1))
            heard[run], _ = _presented(study, opened, run, name, vectors)
            continue
        pieces, _ = pieces_of(study, opened, run, sound_name)
        if isinstance(space, NetworkFeatures):
            windows = windows_for(space, network_of(study, space))
            grain = grain_of_windows(windows)
            counts = [len(window_times(_lasts_s(p), windows)[0]) for p in pieces]
        else:
            step_s = frame_s(space)
            grain = Grain(step_s, step_s)
            counts = [round(_lasts_s(p) / step_s) for p in pieces]
            for piece in pieces[:1]:
                sound_frames(piece, space)
        heard[run] = [
            Presentation(p.event, p.onset_s, p.duration_s, np.zeros((n, 1)), p.name)
            for p, n in zip(pieces, counts, strict=True)
        ]
    return ClipSpace({ONE: heard}, grain, 1, space.empty, [])


def _lasts_s(piece: Piece) -> float:
    return float(piece.sound.end_s or 0.0) - piece.sound.start_s


def _from_captions(
    study: Study, opened: Opened, name: str, ticker: Ticker
) -> ClipSpace:
    space: Any = network_space(study, name)
    vectors, notes = embed_captions(study, space, heard_clips(study, opened), ticker)
    heard = {}
    for run in opened.runs:
        heard[run], said = _presented(study, opened, run, name, vectors)
        notes = [*notes, *said]
    return _clip_space({ONE: heard}, WHOLE_CLIP, space, notes)


def _from_category(
    study: Study, opened: Opened, name: str, _ticker: Ticker
) -> ClipSpace | None:
    """Return one-hot vectors for windows; volumes take shares of time instead."""
    if study.alignment.rows == "tr":
        return None
    space: Any = study.features[name]
    levels = levels_of(study, opened, name)
    heard: dict[Run, list[Presentation]] = {}
    for run in opened.runs:
        place = where(opened, run, name)
        events = opened.events[run]
        labels = category_labels(column_of(events, space.column, place))
        heard[run] = []
        for event in np.flatnonzero(heard_events(study, opened, run)):
            label, row = labels[event], events.iloc[event]
            hot = one_hot([] if label is None else [label], levels)
            values = hot if len(hot) else np.zeros((1, len(levels)))
            one = f"{place}: {row['clip']}"
            heard[run].append(
                Presentation(int(event), row["onset"], row["duration"], values, one)
            )
    return ClipSpace({ONE: heard}, WHOLE_CLIP, len(levels), None, [])


def _from_clip_table(
    study: Study, opened: Opened, name: str, _ticker: Ticker
) -> ClipSpace | None:
    """Return a table's vectors for windows; volumes are averaged with more checks."""
    space: Any = study.features[name]
    if study.alignment.rows == "tr" or space.per == "run":
        return None
    heard, notes = {}, []
    for run in opened.runs:
        path = path_of(study.root, space.path, opened.subject, run)
        table = clip_table(path, file_identity(path), space.rate_hz)
        vectors = dict(zip(table.clips, table.values, strict=True))
        heard[run], said = _presented(study, opened, run, name, vectors)
        notes += said
        check_lengths(
            table,
            np.array([one.duration_s for one in heard[run]]),
            [opened.events[run]["clip"][one.event] for one in heard[run]],
            study.dataset.tr_s,
            where(opened, run, name),
        )
    return _clip_space({ONE: heard}, grain_of(table), space, notes)


def grain_of(table: ClipFeatures) -> Grain:
    """Return when the vectors of a clips' table hold."""
    if table.windows is not None:
        return grain_of_windows(table.windows)
    if table.rate_hz is None:
        return WHOLE_CLIP
    return Grain(1 / table.rate_hz, 1 / table.rate_hz)


def grain_of_windows(windows: Windows) -> Grain:
    """Return when vectors of windows hold: a causal one over its last step alone.

    It has heard nothing beyond its end, and so says nothing of what came earlier.
    """
    return Grain(windows.step_s if windows.causal else windows.window_s, windows.step_s)


def _presented(
    study: Study, opened: Opened, run: Run, name: str, vectors: Mapping[str, Floats]
) -> tuple[list[Presentation], list[str]]:
    """Return the clips of a run with vectors that are known by the clip's name."""
    place = where(opened, run, name)
    events, which = opened.events[run], heard_events(study, opened, run)
    heard = []
    for event in np.flatnonzero(which):
        row = events.iloc[event]
        if row["clip"] not in vectors:
            raise InputError(
                f"{place}: clip {row['clip']!r} is heard and has no features. Add it "
                "to the table, or name no clip there."
            )
        values = np.atleast_2d(vectors[row["clip"]])
        onset_s, duration_s = float(row["onset"]), float(row["duration"])
        one = f"{place}: {row['clip']} at {onset_s:g} s"
        heard.append(Presentation(int(event), onset_s, duration_s, values, one))
    return heard, left_out(which, place)


def _clip_space(
    layers: Mapping[str, Mapping[Run, list[Presentation]]],
    grain: Grain,
    space: Any,
    notes: list[str],
) -> ClipSpace:
    widths = [
        one.values.shape[1]
        for runs in layers.values()
        for heard in runs.values()
        for one in heard[:1]
    ]
    if len(set(widths)) > 1:
        raise InputError(
            f"the layers of {space.model} have {sorted(set(widths))} features. Layers "
            "to choose from must be alike: name those of one width."
        )
    return ClipSpace(layers, grain, widths[0], space.empty, notes)


CLIP_SPACES: dict[type, Callable[..., ClipSpace | None]] = {
    SoundFeatures: _from_sound,
    NetworkFeatures: _from_network,
    CaptionFeatures: _from_captions,
    CategoryFeatures: _from_category,
    ArrayFeatures: _from_clip_table,
}
