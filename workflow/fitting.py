"""Fits a subject from the store of responses into files, chunk of voxels by chunk."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.artefacts import read_about, scratch_folder
from ..core.checks import InputError
from ..core.cluster import Scheduler, open_client
from ..core.device import use_backend
from ..core.ridge.levers import EXACT, Levers
from ..core.ridge.stream import Make, Spread, Target, chunks, release
from ..core.saved import load_bands, save_bands, save_space
from ..core.store import ResponseStore, TrainingVoxels, open_store
from ..data.splits import fold_of_row
from ..encoding.evaluate import RidgeSettings
from ..encoding.layers import LayerChoice, count_layer_fits, fit_layers
from ..encoding.streamed import Place
from ..study import Study
from ..study_encoding import Encoding
from .opening import Opened
from .regions import load_rois
from .session import Session

PYTHON_BYTES = 0.3e9  # the interpreter with what it imports
BLOCK_BYTES = 32e6  # of a file that is written at once

# Files of a model folder, where they are not named after their array.
FILES = {
    "parts": "predictions_parts",
    "alone": "predictions_alone",
    "plain": "predictions_plain",
    "stacked": "predictions_stacked",
    "shares": "stacking_shares",
}

Places = Callable[[], Place]


@contextmanager
def open_places(session: Session) -> Iterator[Places]:
    """Give a function that opens workers and a folder, once, when a fit needs them.

    Yields
    ------
    open_place : callable
        Returns a `Place`; its folder is deleted, and workers end, with the block.
    """
    machine = session.study.machine
    with ExitStack() as stack:

        @cache
        def open_place() -> Place:
            folder = stack.enter_context(scratch_folder(session.out, "factors"))
            if machine.scheduler == "none":
                return Place(None, folder)
            client = stack.enter_context(open_client(scheduler_of(session.study)))
            return Place(client, folder)

        yield open_place


def scheduler_of(study: Study) -> Scheduler:
    """Return where a study's chunks are spread to; not for 'none'."""
    machine = study.machine
    return Scheduler(machine.scheduler, machine.workers, machine.slurm)


def check_backend(study: Study) -> None:
    """Raise if `machine.backend` cannot be used here; load it where it can."""
    try:
        with use_backend(study.machine.backend):
            pass
    except InputError as error:
        raise InputError(f"machine.{error}") from error


def ridge_settings(study: Study, other_bytes: float) -> RidgeSettings:
    """Return what the models of a study try, in the words of the encoding stage.

    Parameters
    ----------
    study : Study
    other_bytes : float
        What the process holds beside a fit, as from `bytes_beside`.
    """
    encoding, machine = study.encoding, study.machine
    return RidgeSettings(
        alphas=encoding.alphas,
        n_candidates=encoding.n_candidates,
        seed=encoding.seed,
        n_voxels_batch=machine.voxels_per_batch,
        solver=encoding.solver,
        levers=EXACT if encoding.solver == "himalaya" else _levers(encoding),
        max_memory_gb=machine.max_memory_gb,
        other_gb=other_bytes / 1e9,
        backend=machine.backend,
        stacking=encoding.stacking,
    )


def _levers(encoding: Encoding) -> Levers:
    return Levers(
        tolerance=encoding.compression_tolerance,
        margin=encoding.racing_margin,
        n_refined=encoding.placed_candidates,
        interpolate=encoding.interpolate_alphas,
        follow=encoding.follow_alphas,
        widen=encoding.widen_alphas,
    )


def bytes_beside(n_rows: int, n_columns: int, study: Study, *, layers: bool) -> float:
    """Return what a process holds while it fits: the interpreter, and X once or twice.

    Layers to choose from are columns of X of which some are taken out for a fit.
    """
    itemsize = np.dtype(study.encoding.precision).itemsize
    return PYTHON_BYTES + itemsize * n_rows * n_columns * (2 if layers else 1)


def fit_subject(
    session: Session,
    opened: Opened,
    folder: Path,
    *,
    place: Place,
    by_roi: Sequence[str],
) -> list[str]:
    """Fit all models of a subject, and write them with their predictions.

    No array of all voxels is in memory: responses are read from the store, and
    weights, predictions and scores written to .npy files, chunk by chunk.

    Parameters
    ----------
    session : Session
    opened : Opened
    folder : Path
        Where the files go.
    place : Place
    by_roi : sequence of str
        Feature spaces whose layer is chosen for whole ROIs.

    Returns
    -------
    notes : list of str
    """
    study = session.study
    store = open_store(session.out / f"responses/sub-{opened.subject}")
    designs = session.out / f"features/sub-{opened.subject}"
    X_train, X_test = (np.load(designs / f"{n}.npy") for n in ("X_train", "X_test"))
    bands, valid = load_bands(designs), store.valid
    rois, _ = load_rois(study, opened.recording.space, opened.subject)
    masks = {name: mask[valid] for name, mask in rois.items()}
    layers = len({band.name for band in bands}) < len(bands)
    n_rows = len(X_train) + len(X_test)
    other = bytes_beside(n_rows, X_train.shape[1], study, layers=layers)
    text = f"{opened.name}: fitting {len(study.encoding.bands)} bands"
    result, bands, choices = fit_layers(
        X_train,
        TrainingVoxels(store, study.encoding.precision),
        X_test,
        bands=bands,
        folds=fold_of_row(opened.split, list(store.train_rows()["run_name"])),
        settings=ridge_settings(study, other),
        by_roi=dict.fromkeys(by_roi, masks),
        advance=session.ticker(text, count_layer_fits(bands) * int(valid.sum())),
        place=replace(place, make=maker_of_files(folder, valid)),
    )
    save_test_responses(folder, store, study.encoding.precision)
    np.save(folder / "valid.npy", valid)
    _save_choices(folder, choices, valid, opened.recording.space.ids)
    store.test_rows().to_csv(folder / "rows.csv", index=False)
    save_bands(folder, bands)
    save_space(folder, store.space)
    found = [*result.notes, *(note for choice in choices for note in choice.notes)]
    notes = [f"{opened.name}: {note}" for note in found]
    return notes + _grid_notes(opened.name, result.grid_ends, study)


def shares_features(session: Session, subject: str) -> bool:
    """Whether another subject has the same X, and so the same factorisations."""
    found = [_design_of(session, one) for one in session.study.dataset.subjects]
    return found.count(_design_of(session, subject)) > 1


def _design_of(session: Session, subject: str) -> str:
    about = read_about(session.out / f"features/sub-{subject}")
    return about["files"]["X_train.npy"] if about else f"none of {subject}"


def maker_of_files(folder: Path, valid: NDArray[np.bool_]) -> Make:
    """Return a maker of .npy files of all voxels, NaN where one is not valid."""
    where = np.flatnonzero(valid)

    def make(name: str, shape: tuple[int, ...], dtype: np.dtype) -> Target:
        file = np.lib.format.open_memmap(
            folder / f"{FILES.get(name, name)}.npy",
            mode="w+",
            dtype=dtype,
            shape=(*shape[:-1], len(valid)),
        )
        if valid.all():
            return file
        rows = file.reshape(-1, len(valid))
        size = max(1, int(BLOCK_BYTES / (len(valid) * dtype.itemsize)))
        for part in chunks(len(rows), size):
            rows[part, ~valid] = np.nan
            release(file)
        return Spread(file, where)

    return make


def save_test_responses(folder: Path, store: ResponseStore, dtype: str) -> None:
    """Write `test_responses.npy`, of all voxels, some voxels at a time."""
    where, n_rows = np.flatnonzero(store.valid), len(store.test_rows())
    n_repeats = len(store.repeat_rows())
    make = maker_of_files(folder, store.valid)
    target = make("test_responses", (n_rows, len(where)), np.dtype(dtype))
    for part in chunks(len(where), max(1, int(BLOCK_BYTES / (8 * n_repeats)))):
        target[..., part] = store.test(where[part])
        release(target.array if isinstance(target, Spread) else target)


def _save_choices(
    folder: Path,
    choices: Sequence[LayerChoice],
    valid: NDArray[np.bool_],
    voxels: Sequence[str],
) -> None:
    """Write which layer each voxel took, and the scores that chose it."""
    names = np.asarray(voxels)[valid]
    tables = [
        pd.DataFrame(
            {
                "voxel": names,
                "feature_space": choice.name,
                "layer": layer,
                "cv_r2": choice.cv_scores[k],
                "chosen": choice.chosen == k,
            }
        )
        for choice in choices
        for k, layer in enumerate(choice.layers)
    ]
    if tables:
        pd.concat(tables).to_csv(
            folder / "layers.csv", index=False, float_format="%.9g"
        )


def _grid_notes(
    name: str, ends: dict[str, tuple[float, float]], study: Study
) -> list[str]:
    encoding = study.encoding
    steps = encoding.widen_alphas if encoding.solver == "fold-gram" else 0
    grid = f"{min(encoding.alphas):g} to {max(encoding.alphas):g}"
    if steps:
        grid += f", and up to {steps} steps beyond"
    notes = []
    for model, (low, high) in ends.items():
        if low > 0.05:
            notes.append(
                f"{name}, {model}: {low:.0%} of voxels chose the smallest penalty that "
                f"was tried ({grid}). Add smaller ones to encoding.alphas."
            )
        if high > 0.95:
            notes.append(
                f"{name}, {model}: {high:.0%} of voxels chose the largest penalty that "
                f"was tried ({grid}), as voxels without signal do."
            )
    return notes
