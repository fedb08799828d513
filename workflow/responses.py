"""Cleans a subject's runs one by one, and puts them into the store."""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError
from ..core.store import (
    Side,
    StoredRun,
    TrainingVoxels,
    Turner,
    column_writer,
    open_store,
    write_store,
)
from ..core.types import Run
from ..data.cleaning import Cleaning, RunPlan, check_finite, column_blocks, plan_run
from ..features.paper_windows import average_scans
from ..study import Study
from .alignment import Aligned
from .opening import Opened, n_dropped
from .prepare import group_rows, repeat_notes, side_rows

Floats = NDArray[np.floating]
Advance = Callable[[int], None] | None
FEW_COLUMNS = 1024  # of all runs at once
UNUSUAL = 5.0  # times the usual spread of a voxel, or a part of it


@dataclass(frozen=True, slots=True, eq=False)
class CleanedRun:
    """Of each voxel: whether it varies in a run, and its spread before cleaning.

    `flat` is where it was measured and does not vary, `nan` where it was not measured.
    """

    varies: NDArray[np.bool_]
    flat: NDArray[np.bool_]
    nan: NDArray[np.bool_]
    spread: NDArray[np.float32]
    notes: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """Which voxels vary in all runs, and what should be known of the responses."""

    valid: NDArray[np.bool_]
    notes: list[str]


def store_responses(
    study: Study, aligned: Aligned, folder: Path | None, advance: Advance = None
) -> list[str]:
    """Return the notes of `clean_responses`, which takes the same."""
    return clean_responses(study, aligned, folder, advance).notes


def clean_responses(
    study: Study, aligned: Aligned, folder: Path | None, advance: Advance = None
) -> Cleaned:
    """Read and clean each run into a store, and return what should be known of it.

    One run is worked on at a time, some voxels at a time: memory grows neither with
    the runs nor with their number.

    Parameters
    ----------
    study : Study
    aligned : Aligned
    folder : Path or None
        Where the store shall be; None cleans and keeps nothing, to see if it can be.

    Raises
    ------
    InputError
        If a run cannot be cleaned, or no voxel varies in every run.
    """
    opened = aligned.opened
    n_voxels = opened.recording.space.n_voxels
    valid_runs, flat, nan = np.zeros((3, len(opened.runs), n_voxels), bool)
    spread = np.zeros((len(opened.runs), n_voxels), np.float32)
    notes: list[str] = []
    for k, run in enumerate(opened.runs):
        done = _clean_into(study, aligned, run, folder)
        valid_runs[k], flat[k], nan[k] = done.varies, done.flat, done.nan
        spread[k] = done.spread
        notes += done.notes
        if advance:
            advance(1)
    valid = np.asarray(valid_runs.all(axis=0))
    if not valid.any():
        raise InputError(
            f"{opened.name}: no voxel varies in every run. Nothing to fit."
        )
    notes += nan_notes(opened, nan)
    notes += flat_notes(opened, flat)
    notes += spread_notes(opened, spread, valid)
    tables = row_tables(study, aligned)
    notes += repeat_notes(opened, tables["test_rows"])
    if folder is not None:
        if study.responses.zscore in ("session", "train"):
            _scale(study, opened, folder)
        write_store(
            folder,
            opened.recording.space,
            [_stored(aligned, run) for run in opened.runs],
            (valid_runs, spread),
            tables,
        )
    return Cleaned(valid, notes)


@contextmanager
def training_responses(
    study: Study, aligned: Aligned, folder: Path
) -> Iterator[tuple[TrainingVoxels, list[str]]]:
    """Give the valid voxels of the training runs, and the run of each row.

    They are read from a store in `folder`, which is gone afterwards.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store_responses(study, aligned, Path(place))
        store = open_store(Path(place))
        names = list(store.train_rows()["run_name"])
        yield TrainingVoxels(store, study.encoding.precision), names


def row_tables(study: Study, aligned: Aligned) -> dict[str, pd.DataFrame]:
    """Return what the store's rows are: 'train_rows', 'test_rows', 'repeat_rows'."""
    repeats = side_rows(aligned.rows, "test")
    group, test = group_rows(study, repeats)
    return {
        "train_rows": side_rows(aligned.rows, "train"),
        "test_rows": test,
        "repeat_rows": repeats.assign(row=group),
    }


def _clean_into(
    study: Study, aligned: Aligned, run: Run, folder: Path | None
) -> CleanedRun:
    """Clean one run into its file; return what is known of its voxels."""
    opened = aligned.opened
    recording, name = opened.recording, f"{opened.name}, {run}"
    n_samples, n_voxels = recording.n_samples(run), recording.space.n_voxels
    plan = _plan(study, opened, run, name)
    n_rows, rows_of = _rows(aligned, run, plan)
    varies, spread = np.zeros(n_voxels, bool), np.zeros(n_voxels, np.float32)
    with Turner(n_samples, n_voxels, folder=folder) as turner:
        for start, rows in recording.blocks(run):
            turner.write(start, rows)
        settings = plan.settings
        check_finite(turner.finite, turner.nan, settings.unmeasured, name)
        target = None if folder is None else folder / _file(run)
        for columns, write in _targets(target, (n_rows, n_voxels)):
            raw = turner.columns(columns)
            spread[columns] = raw[plan.kept].std(axis=0, dtype=np.float64)
            cleaned, varies[columns] = plan.clean(raw)
            write(rows_of(cleaned))
        notes = _place_notes(varies, recording.outside, name)
        nan = turner.nan.copy()
    return CleanedRun(varies, ~varies & ~nan, nan, spread, notes)


def _rows(
    aligned: Aligned, run: Run, plan: RunPlan
) -> tuple[int, Callable[[Floats], Floats]]:
    """Return how many rows a run has, and what makes them from its cleaned volumes."""
    opened = aligned.opened
    if aligned.windows is None:
        kept = opened.rows.loc[opened.rows_of(run), "kept"].to_numpy(dtype=bool)
        still = kept[plan.kept]
        return int(still.sum()), lambda Y: Y[still]
    windows = aligned.windows[run].windows
    place = np.cumsum(plan.kept) - 1  # of each volume among the cleaned ones
    moved = replace(windows, samples=tuple(place[held] for held in windows.samples))

    def average(Y: Floats) -> Floats:
        measured = ~np.isnan(Y).any(axis=0)
        out = np.full((len(moved.samples), Y.shape[1]), np.nan, np.float32)
        out[:, measured] = average_scans(Y[:, measured], moved)
        return out

    return len(moved.samples), average


def _plan(study: Study, opened: Opened, run: Run, name: str) -> RunPlan:
    """Return how a run is cleaned."""
    responses = study.responses
    start, end = n_dropped(study)
    surface = opened.recording.space.kind in ("surface", "grayordinates")
    from_files = study.dataset.derivatives is not None
    settings = Cleaning(
        tr_s=study.dataset.tr_s,
        detrend=responses.detrend,
        period_s=responses.period_s,
        order=responses.order,
        n_drop_start=start,
        n_drop_end=end,
        zscore=responses.zscore,
        unmeasured="mask" if surface and from_files else "refuse",
    )
    confounds = opened.confounds.get(run)
    used = opened.used(run)
    return plan_run(
        len(used),
        settings,
        confounds=None if confounds is None else confounds.values,
        used=used,
        name=name,
    )


def _targets(
    path: Path | None, shape: tuple[int, int]
) -> Iterator[tuple[slice, Callable[[Floats], None]]]:
    """Yield the columns of a run in order, and what writes them."""
    blocks = column_blocks(shape[1])
    if path is None:
        yield from zip(blocks, itertools.repeat(lambda _: None))
        return
    with column_writer(path, shape) as writer:
        for columns in blocks:
            yield columns, writer.append


def _scale(study: Study, opened: Opened, folder: Path) -> None:
    """Scale every run by the training rows of its session, or by all training rows."""
    groups: dict[tuple[Run, ...], list[Run]] = {}
    for run in opened.runs:
        basis = [
            other
            for other in opened.split.train
            if study.responses.zscore == "train" or other.session == run.session
        ]
        groups.setdefault(tuple(basis), []).append(run)
    for basis_, runs in groups.items():
        mean, sd = _mean_and_sd([folder / _file(run) for run in basis_])
        for run in runs:
            _scale_run(folder / _file(run), mean, sd)


def _mean_and_sd(paths: Sequence[Path]) -> tuple[Floats, Floats]:
    """Return each voxel's mean and deviation over runs; 1 for one that is constant."""
    several = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    mean, sd = np.zeros((2, several[0].shape[1]))
    for columns in column_blocks(len(mean), FEW_COLUMNS):
        rows = np.concatenate([Y[:, columns] for Y in several]).astype(np.float64)
        mean[columns], sd[columns] = rows.mean(axis=0), rows.std(axis=0)
    return mean, np.where(sd > 0, sd, 1.0)


def _scale_run(path: Path, mean: Floats, sd: Floats) -> None:
    raw = path.rename(path.with_suffix(".raw"))
    Y = np.load(raw, mmap_mode="r", allow_pickle=False)
    for columns, write in _targets(path, Y.shape):
        write((Y[:, columns].astype(np.float64) - mean[columns]) / sd[columns])
    del Y
    raw.unlink()


def _stored(aligned: Aligned, run: Run) -> StoredRun:
    n_rows = int((aligned.rows["run_name"] == str(run)).sum())
    side: Side = "train" if run in aligned.opened.split.train else "test"
    return StoredRun(str(run), side, n_rows, _file(run))


def _file(run: Run) -> str:
    return f"runs/{str(run) or 'run'}.npy"


def spread_notes(
    opened: Opened, spread: NDArray[np.float32], valid: NDArray[np.bool_]
) -> list[str]:
    """Say in which runs voxels vary far more, or less, than they do in the others.

    Parameters
    ----------
    opened : Opened
    spread : array of shape (n_runs, n_voxels)
        Standard deviation before cleaning.
    valid : array of bool, shape (n_voxels,)
    """
    if len(spread) < 3:
        return []
    notes = []
    usual = np.median(spread[:, valid], axis=0)
    for run, one in zip(opened.runs, spread[:, valid], strict=True):
        odd = (one > UNUSUAL * usual) | (one < usual / UNUSUAL)
        if odd.any():
            notes.append(
                f"{opened.name}, {run}: {int(odd.sum())} of {len(odd)} voxels vary "
                f"{UNUSUAL:g} times more or less than in most runs, as where the slab "
                "or the head moved. They are kept; look at this run."
            )
    return notes


def flat_notes(opened: Opened, flat: NDArray[np.bool_]) -> list[str]:
    """Say how many voxels never vary: in any run, or in this run or that alone.

    Parameters
    ----------
    opened : Opened
    flat : array of bool, shape (n_runs, n_voxels)
        Measured, and without a change.
    """
    n_voxels, always = flat.shape[1], flat.all(axis=0)
    notes = []
    if always.any():
        notes.append(
            f"{opened.name}: {int(always.sum())} of {n_voxels} voxels never vary in "
            "any run, as outside of the brain; they are left out."
        )
    for run, here in zip(opened.runs, flat & ~always, strict=True):
        if here.any():
            notes.append(
                f"{opened.name}, {run}: {int(here.sum())} of {n_voxels} voxels never "
                "vary in this run; they are left out of the whole subject."
            )
    return notes


def nan_notes(opened: Opened, nan: NDArray[np.bool_]) -> list[str]:
    """Say how many vertices were not measured: in any run, or in this run or that.

    Parameters
    ----------
    opened : Opened
    nan : array of bool, shape (n_runs, n_voxels)
        NaN in every volume.
    """
    n_voxels, always = nan.shape[1], nan.all(axis=0)
    notes = []
    if always.any():
        notes.append(
            f"{opened.name}: {int(always.sum())} of {n_voxels} vertices were not "
            "measured in any run (NaN in every volume, as the medial wall); they are "
            "left out."
        )
    for run, here in zip(opened.runs, nan & ~always, strict=True):
        if here.any():
            notes.append(
                f"{opened.name}, {run}: {int(here.sum())} of {n_voxels} vertices were "
                "not measured in this run (NaN in every volume), and were in others; "
                "they are left out of the whole subject."
            )
    return notes


def _place_notes(
    varies: NDArray[np.bool_], outside: NDArray[np.bool_] | None, name: str
) -> list[str]:
    """Say if vertices that are known not to be cortex hold values."""
    filled = np.zeros_like(varies) if outside is None else varies & outside
    if not filled.any():
        return []
    return [
        f"{name}: {int(filled.sum())} vertices of the medial wall hold values, which "
        "are of no cortex. Set dataset.mask to 'cortex' (fsnative), or run fMRIPrep "
        "with --medial-surface-nan."
    ]
