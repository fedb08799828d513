"""Feature spaces that give each volume its row: events, arrays, categories, place."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.artefacts import file_identity
from ..core.checks import InputError
from ..core.types import Run, natural
from ..data.files import path_of
from ..feature_spaces import (
    ArrayFeatures,
    CategoryFeatures,
    ControlFeatures,
    EventFeatures,
)
from ..features.annotations import column_of, event_features, read_annotation
from ..features.arrays import (
    ClipFeatures,
    clips_to_tr,
    read_clip_table,
    read_series,
    series_to_tr,
)
from ..features.categories import category_features, category_labels
from ..features.controls import clip_position
from ..features.resample import UncoveredError
from ..study import Study
from .heard import heard_events, left_out, where
from .opening import Opened

Floats = NDArray[np.floating]
Found = tuple[Floats, list[str]]


@contextmanager
def naming_the_key(name: str) -> Iterator[None]:
    """Say of samples without a clip which key of the study gives them a value."""
    try:
        yield
    except UncoveredError as error:
        raise InputError(
            f"{error.found} Cover those times with clips, and clips with windows "
            f"(step_s), or set features.{name}.empty in the study file to the value "
            "that they get."
        ) from error


def grid_of(study: Study, opened: Opened, run: Run) -> dict[str, Any]:
    """Return a run's volumes and TR, as the functions of `features` want them."""
    n_samples = int(opened.rows_of(run).sum())
    return {"n_samples": n_samples, "tr_s": study.dataset.tr_s}


def levels_of(study: Study, opened: Opened, name: str) -> list[str]:
    """Return the categories of the events of all runs."""
    space: Any = study.features[name]
    found: set[str] = set()
    for run in opened.runs:
        cells = column_of(opened.events[run], space.column, where(opened, run, name))
        labels = category_labels(cells[heard_events(study, opened, run)])
        found.update(label for label in labels if label is not None)
    if not found:
        raise InputError(
            f"{opened.name}, features.{name}: column {space.column!r} is empty (n/a) "
            "in all events that are clips. Name another column."
        )
    return sorted(found, key=natural)


@lru_cache(maxsize=16)
def clip_table(path: Path, _identity: str, rate_hz: float | None) -> ClipFeatures:
    """Read a table of clips once, while its file stays as it is."""
    return read_clip_table(path, rate_hz=rate_hz)


def _volumes_from_events(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    return event_features(
        read_annotation(path_of(study.root, space.path, opened.subject, run)),
        space.columns,
        beyond=space.beyond,
        name=where(opened, run, name),
        **grid_of(study, opened, run),
    )


def _volumes_from_category(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    place, heard = where(opened, run, name), heard_events(study, opened, run)
    values, notes = category_features(
        opened.events[run][heard],
        space.column,
        levels_of(study, opened, name),
        name=place,
        **grid_of(study, opened, run),
    )
    return values, [*left_out(heard, place), *notes]


def _volumes_from_array(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    path = path_of(study.root, space.path, opened.subject, run)
    place, grid = where(opened, run, name), grid_of(study, opened, run)
    if space.per == "run":
        series = read_series(path, rate_hz=space.rate_hz)
        return series_to_tr(
            series, rate_hz=space.rate_hz, beyond=space.beyond, name=place, **grid
        )
    heard = heard_events(study, opened, run)
    events = opened.events[run][heard]
    with naming_the_key(name):
        values = clips_to_tr(
            clip_table(path, file_identity(path), space.rate_hz),
            events["onset"].to_numpy(),
            events["duration"].to_numpy(),
            list(events["clip"]),
            empty=space.empty,
            name=place,
            **grid,
        )
    return values, left_out(heard, place)


def _volumes_from_position(study: Study, opened: Opened, run: Run, name: str) -> Found:
    space: Any = study.features[name]
    place, heard = where(opened, run, name), heard_events(study, opened, run)
    events = opened.events[run][heard]
    values = clip_position(
        events["onset"].to_numpy(float),
        events["duration"].to_numpy(float),
        outside=space.empty,
        name=place,
        **grid_of(study, opened, run),
    )
    return values, left_out(heard, place)


VOLUME_SPACES: dict[type, Callable[[Study, Opened, Run, str], Found]] = {
    EventFeatures: _volumes_from_events,
    CategoryFeatures: _volumes_from_category,
    ArrayFeatures: _volumes_from_array,
    ControlFeatures: _volumes_from_position,
}
