"""Which rows X and Y have in common: volumes, or windows of the clips."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.artefacts import file_identity
from ..core.checks import InputError
from ..core.types import Run
from ..data.files import path_of
from ..feature_spaces import (
    ArrayFeatures,
    CaptionFeatures,
    CategoryFeatures,
    NetworkFeatures,
)
from ..features.paper_windows import (
    ResponseWindows,
    Windowing,
    response_windows,
)
from ..study import Study
from .networks import network_of, network_space, windows_for
from .opening import Opened, n_dropped
from .volume_sources import clip_table

JOINT_S = 10.0  # the longest of the paper's windows on sound


@dataclass(frozen=True, eq=False)
class RunWindows:
    """The windows of one run: their rows, and which of its kept volumes each takes."""

    rows: pd.DataFrame
    windows: ResponseWindows


@dataclass(frozen=True, eq=False)
class Aligned:
    """A subject with the rows that X and Y will have.

    Parameters
    ----------
    opened : Opened
    rows : DataFrame
        A row per kept volume, or per window: session, task, run, run_name, sample
        (the first of a window), time_s (of the volume, or of the window's sound),
        clip, sample_in_clip (of a window: its number), presentation and side.
    lag_s : float
        How far the volumes of a window come after its sound.
    windows : mapping of Run to RunWindows
        Empty where rows are volumes.
    notes : tuple of str
    """

    opened: Opened
    rows: pd.DataFrame
    lag_s: float = 0.0
    windows: Mapping[Run, RunWindows] | None = None
    notes: tuple[str, ...] = ()


def align(study: Study, opened: Opened, lag_s: float | None = None) -> Aligned:
    """Return the rows of a subject: volumes, or windows at a lag.

    `lag_s` None is the study's; the longest where it names several, at which the
    fewest windows are left.
    """
    if study.alignment.rows == "tr":
        kept = opened.rows[opened.rows["kept"]].reset_index(drop=True)
        return Aligned(opened, kept)
    lag_s = max(study.alignment.lags_s) if lag_s is None else lag_s
    windowing = joint_windowing(study, opened)
    found, notes = {}, []
    for run in opened.runs:
        found[run], said = _windows_of(study, opened, run, windowing, lag_s)
        notes += said
    rows = pd.concat([one.rows for one in found.values()], ignore_index=True)
    return Aligned(opened, rows, lag_s, found, tuple(notes))


def at_common_windows(aligned: Aligned, other: Aligned) -> Aligned:
    """Return `aligned` with the windows alone that `other`, at a longer lag, has."""
    if aligned.windows is None or other.windows is None:
        return aligned
    found = {}
    for run, one in aligned.windows.items():
        table = other.windows[run].windows.table
        keys = set(zip(table["presentation"], table["window"], strict=True))
        mine = one.windows.table
        held = np.array(
            [
                key in keys
                for key in zip(mine["presentation"], mine["window"], strict=True)
            ]
        )
        samples = tuple(
            s for s, keep in zip(one.windows.samples, held, strict=True) if keep
        )
        windows = replace(
            one.windows, table=mine[held].reset_index(drop=True), samples=samples
        )
        found[run] = RunWindows(one.rows[held].reset_index(drop=True), windows)
    rows = pd.concat([one.rows for one in found.values()], ignore_index=True)
    return replace(aligned, rows=rows, windows=found)


def joint_windowing(study: Study, opened: Opened) -> Windowing:
    """Return the one window that all bands of a model by windows have.

    That of the study; or a single band's own: what a network or a table was averaged
    over, and the whole clip for what holds throughout it; or 10 s.
    """
    alignment, bands = study.alignment, study.encoding.bands
    step_s = alignment.step_s or study.dataset.tr_s
    if alignment.window_s is not None:
        return Windowing(alignment.window_s, step_s)
    own_s = own_window_s(study, opened, bands[0]) if len(bands) == 1 else None
    return Windowing(JOINT_S if own_s is None else own_s, step_s)


def own_window_s(study: Study, opened: Opened, name: str) -> float | None:
    """Return the window of a feature space's vectors in s; None where it has frames."""
    space: Any = study.features[name]
    if getattr(space, "of", None) is not None:
        return own_window_s(study, opened, space.of)
    network = network_space(study, name)
    if isinstance(network, NetworkFeatures):
        return windows_for(network, network_of(study, network)).window_s
    if isinstance(space, CaptionFeatures | CategoryFeatures):
        return shortest_clip_s(opened)
    if isinstance(space, ArrayFeatures) and space.per == "clip":
        path = path_of(study.root, space.path, opened.subject, opened.runs[0])
        table = clip_table(path, file_identity(path), space.rate_hz)
        if table.windows is not None:
            return table.windows.window_s
        return shortest_clip_s(opened) if table.rate_hz is None else None
    return None


def shortest_clip_s(opened: Opened) -> float:
    """Return how long the shortest clip of a subject's runs lasts."""
    heard = [table[table["clip"] != ""] for table in opened.events.values()]
    return float(min(table["duration"].min() for table in heard if len(table)))


def _windows_of(
    study: Study, opened: Opened, run: Run, windowing: Windowing, lag_s: float
) -> tuple[RunWindows, list[str]]:
    """Return the windows of one run whose sound and volumes are both kept."""
    start, end = n_dropped(study)
    n_samples = int(opened.rows_of(run).sum()) - end
    events = opened.events[run]
    # Half a TR is let pass: a reference time moves clips by up to that.
    kept = (events["clip"] != "") & (
        events["onset"] >= (start - 0.5) * study.dataset.tr_s - 1e-6
    )
    place = np.flatnonzero(kept)
    try:
        windows, notes = response_windows(
            events["onset"].to_numpy(float)[place],
            events["duration"].to_numpy(float)[place],
            windowing=windowing,
            tr_s=study.dataset.tr_s,
            lag_s=lag_s,
            n_samples=n_samples,
            scans=study.alignment.scans,
        )
    except InputError as error:
        raise InputError(f"{opened.name}, {run}: {error}") from error
    used = opened.used(run).copy()
    used[:start] = False
    windows, said = _uncensored(windows, used)
    notes += said
    table = windows.table.assign(
        presentation=place[windows.table["presentation"].to_numpy()]
    )
    windows = replace(windows, table=table)
    rows = pd.DataFrame(
        {
            "session": run.session or "",
            "task": run.task,
            "run": run.run,
            "run_name": str(run),
            "sample": table["first_sample"],
            "time_s": table["start_s"],
            "clip": events["clip"].to_numpy()[table["presentation"]],
            "sample_in_clip": table["window"],
            "presentation": table["presentation"],
            "side": "train" if run in opened.split.train else "test",
        }
    )
    return RunWindows(rows, windows), [f"{opened.name}, {run}: {n}" for n in notes]


def _uncensored(
    windows: ResponseWindows, used: NDArray[np.bool_]
) -> tuple[ResponseWindows, list[str]]:
    """Return the windows none of whose volumes is censored, and how many are gone."""
    whole = np.array([used[held].all() for held in windows.samples], dtype=bool)
    if whole.all():
        return windows, []
    samples = tuple(s for s, ok in zip(windows.samples, whole, strict=True) if ok)
    table = windows.table[whole].reset_index(drop=True)
    n = int((~whole).sum())
    note = f"{n} of {len(whole)} windows hold a censored or dropped volume"
    return replace(windows, table=table, samples=samples), [f"{note}; left out."]
