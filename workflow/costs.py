"""What fitting a study will take: memory, time and room on disk."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.ridge.cost import FitSize, estimate_fit
from ..core.ridge.flops import fold_gram_flops
from ..core.ridge.memory import (
    FoldGramSize,
    all_factor_bytes,
    batch_within,
    kept_axes,
    peak_bytes,
)
from ..core.threads import limit_threads
from ..encoding.by_himalaya import voxels_for_himalaya
from ..encoding.evaluate import RidgeSettings, count_fits
from ..encoding.sizes import fold_gram_size
from ..study import Study
from .alignment import align
from .fitting import PYTHON_BYTES, bytes_beside, ridge_settings
from .opening import Opened
from .prepare import rows_to_score

GB = 1e9


@dataclass(frozen=True, slots=True)
class FitCost:
    """What fitting one subject takes.

    Parameters
    ----------
    flops : float
        Operations of a float32 product that takes as long.
    fit_bytes : float
        Most memory of the process while it fits; with workers, of the client.
    worker_bytes : float
        Most memory of each worker while it fits; 0 without workers.
    table_bytes : float
        Most memory of the process while it scores the test runs.
    disk_bytes : float
        Weights, predictions and scores.
    factor_bytes : float
        Factorisations that wait in files meanwhile.
    """

    flops: float
    fit_bytes: float
    worker_bytes: float
    table_bytes: float
    disk_bytes: float
    factor_bytes: float


def describe_cost(
    study: Study, opened: Sequence[Opened], widths: Sequence[int], layers: Sequence[int]
) -> list[str]:
    """Return lines on the time, memory and disk that fitting takes.

    Parameters
    ----------
    study : Study
    opened : sequence of Opened
    widths : sequence of int
        Columns of each feature space, of one layer.
    layers : sequence of int
        Columns of each layer of the spaces that have several to choose from.

    Raises
    ------
    InputError
        If `machine.max_memory_gb` does not hold a fit.
    """
    costs = [cost_of(study, one, widths, layers) for one in opened]
    seconds = sum(cost.flops for cost in costs) / _speed(study.machine.threads)
    names = ("fit_bytes", "worker_bytes", "table_bytes", "disk_bytes", "factor_bytes")
    fit, worker, tables, disk, factors = (
        max(getattr(cost, name) for cost in costs) / GB for name in names
    )
    workers = study.machine.workers
    each = f" in the client and {worker:.2f} GB per worker" if worker else ""
    lines = [
        f"expected, to a factor of three: {duration(seconds / workers)} of fitting "
        f"with {study.machine.threads} thread(s)"
        + (f" and {workers} workers" if workers > 1 else "")
        + _less_time(study),
        f"memory while it fits: {fit:.2f} GB{each}{_bound(study)}; while test runs are "
        f"scored: about {tables:.1f} GB",
        f"on disk: {disk:.1f} GB of models a subject",
    ]
    if factors >= 0.05:
        lines.append(f"on disk meanwhile: up to {factors:.1f} GB of factorisations")
    return lines


def _less_time(study: Study) -> str:
    """Return what makes the time less, by how much only data tell."""
    encoding = study.encoding
    levers = {
        "compression": encoding.compression_tolerance,
        "racing": encoding.racing_margin is not None,
    }
    if not any(levers.values()):
        return ""
    named = " and ".join(name for name, given in levers.items() if given)
    return f", and less with {named} (check --time measures it)"


def _bound(study: Study) -> str:
    machine, text = study.machine, ""
    if machine.max_memory_gb is not None:
        text = f" of machine.max_memory_gb = {machine.max_memory_gb:g}"
    if study.encoding.compression_tolerance:
        text += ", and less after compression"
    return text


def cost_of(
    study: Study, opened: Opened, widths: Sequence[int], layers: Sequence[int]
) -> FitCost:
    """Return what fitting one subject will take; sizes as in `describe_cost`."""
    aligned = align(study, opened)
    n_train = int((aligned.rows["side"] == "train").sum())
    n_test, n_folds = len(rows_to_score(study, aligned)), len(opened.split.folds)
    V, itemsize = (
        opened.recording.space.n_voxels,
        np.dtype(study.encoding.precision).itemsize,
    )
    # Of a space with layers, X holds all of them.
    n_columns = sum(widths) + sum(layers) - sum(set(layers))
    beside = bytes_beside(n_train + n_test, n_columns, study, layers=bool(layers))
    settings = ridge_settings(study, beside)
    tried = (settings.n_candidates, len(settings.alphas), n_folds)
    size = FitSize(n_train, widths, V, *tried, itemsize)
    if settings.solver == "himalaya":
        flops, fit_bytes, factors = _by_himalaya(settings, size)
    else:
        flops, fit_bytes, factors = _by_fold_gram(settings, size, n_test)
        # Choosing a layer takes a plain fit of each, which is not more than half of
        # what is counted for a band that is all there is.
        for width in layers:
            one = _uncompressed(settings, replace(size, widths=(width,)), n_test)
            flops += fold_gram_flops(one).of(V) / 2
    B, worker = len(widths), 0.0
    if study.machine.scheduler != "none" and settings.solver == "fold-gram":
        X_train = n_train * n_columns * itemsize
        # Workers get the design, which is counted, and X of the test runs.
        worker = beside - X_train + fit_bytes
        fit_bytes = _client_bytes(study, settings, size, n_test)
    predictions = (2 * B + 2 + 2 * settings.stacking) * n_test
    per_voxel = (sum(widths) + predictions + n_test) * itemsize
    scored = (3 * B + 6) * n_test * itemsize
    return FitCost(
        flops=flops,
        fit_bytes=beside + fit_bytes,
        worker_bytes=worker,
        table_bytes=PYTHON_BYTES + scored * V,
        disk_bytes=float(per_voxel * V),
        factor_bytes=factors,
    )


def _uncompressed(settings: RidgeSettings, size: FitSize, n_test: int) -> FoldGramSize:
    """Return the sizes that the memory of a fit depends on, nothing compressed."""
    return fold_gram_size(
        settings,
        (size.n_samples, n_test),
        tuple(size.widths),
        kept=kept_axes(size.widths, size.n_samples),
        n_folds=size.n_folds,
        itemsize=size.itemsize,
    )


def _by_fold_gram(
    settings: RidgeSettings, size: FitSize, n_test: int
) -> tuple[float, float, float]:
    """Return operations, memory and files of factorisations."""
    full = _uncompressed(settings, size, n_test)
    peak = peak_bytes(full, _batch(settings, full, size.n_voxels))
    factors = all_factor_bytes(full)
    files = factors if factors > full.factor_bytes else 0.0
    return fold_gram_flops(full).of(size.n_voxels), peak, files


def _batch(settings: RidgeSettings, full: FoldGramSize, n_voxels: int) -> int:
    batch = settings.n_voxels_batch
    if batch is None:
        other = settings.other_gb * GB
        batch = batch_within(full, settings.max_bytes + other, other)
    return min(batch, n_voxels)


def _client_bytes(
    study: Study, settings: RidgeSettings, size: FitSize, n_test: int
) -> float:
    """Return what the process that sends chunks to workers takes beside X.

    It searches a sample, if candidates are placed, and holds the results of two
    chunks per worker.
    """
    full = _uncompressed(settings, size, n_test)
    batch = _batch(settings, full, size.n_voxels)
    n_sampled = settings.levers.n_sampled if full.n_placed else 0
    searching = peak_bytes(full, min(batch, n_sampled))
    B = len(size.widths)
    results = batch * (sum(size.widths) + (2 * B + 2) * n_test) * size.itemsize
    copies = 2 * full.n_samples * sum(size.widths) * size.itemsize
    waiting = 2 * study.machine.workers * results
    return max(searching, copies + min(waiting, size.n_voxels / batch * results))


def _by_himalaya(settings: RidgeSettings, size: FitSize) -> tuple[float, float, float]:
    """Return operations and memory of all models, each a search of its own."""
    batch = settings.n_voxels_batch or voxels_for_himalaya(size, settings)
    batch = min(batch, size.n_voxels)
    held = replace(size, n_voxels=batch, n_voxels_batch=batch)
    more = count_fits(len(size.widths)) / size.n_candidates
    return estimate_fit(size).flops * (1 + more), estimate_fit(held).bytes_peak, 0.0


def _speed(n_threads: int) -> float:
    """Return measured float32 operations per second of a matrix product here."""
    A = np.ones((800, 800), dtype=np.float32)
    with limit_threads(n_threads):
        A @ A
        start = time.perf_counter()
        for _ in range(5):
            A @ A
        seconds = time.perf_counter() - start
    return 5 * 2 * 800**3 / seconds


def duration(seconds: float) -> str:
    """Return seconds in words: s, min or h."""
    if seconds < 90:
        return f"about {max(seconds, 1):.0f} s"
    minutes = seconds / 60
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"
