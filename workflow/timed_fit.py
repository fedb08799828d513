"""How long a study will take, from fits of two samples of its voxels.

What all voxels share (the design, its factorisations, the sample that places
candidates) takes as long for few voxels as for many; what a voxel adds is the same for
all. Two samples tell the two apart on the study's own data and machine: how many voxels
race, and how many axes compression leaves, stands in no formula.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.ridge.flops import Flops, fold_gram_flops
from ..core.ridge.stream import Chosen, Columns
from ..core.threads import limit_threads
from ..data.splits import fold_of_row
from ..encoding.layers import fit_layers, spaces_of
from ..encoding.result import RidgeSettings
from ..encoding.sizes import fold_gram_size
from ..encoding.streamed import Job, Place
from ..encoding.subsets import band_axes
from ..study import Study
from .alignment import align
from .costs import duration
from .fitting import bytes_beside, maker_of_files, ridge_settings
from .opening import Opened
from .prepare import build_features
from .responses import training_responses
from .session import Ticker, silent
from .subsets import Wanted, wanted_subsets
from .timed_decoding import time_decoding, widths_of

SMALL = 1000  # voxels: not fewer than those that place candidates


@dataclass(frozen=True, slots=True)
class FitTime:
    """Seconds that a subject takes.

    Parameters
    ----------
    prepare_s : float
        To read and clean the responses, and to build the features.
    shared_s, voxel_s : float
        Of the fit: once, and for each voxel.
    n_sampled : int
        Voxels of the larger sample.
    subsets_shared_s, subsets_voxel_s : float
        The same of the subsets of bands that a partition of variance takes; 0 if the
        study asks for none.
    decoding_s : float
        Of the fits of all decoders, of all voxels; 0 if the study decodes nothing.
    """

    prepare_s: float
    shared_s: float
    voxel_s: float
    n_sampled: int
    subsets_shared_s: float = 0.0
    subsets_voxel_s: float = 0.0
    decoding_s: float = 0.0

    def fit_s(self, n_voxels: int) -> float:
        """Return the seconds that the fit of so many voxels takes."""
        return self.shared_s + self.voxel_s * n_voxels

    def subsets_s(self, n_voxels: int) -> float:
        """Return the seconds that the fits of subsets of so many voxels take."""
        return self.subsets_shared_s + self.subsets_voxel_s * n_voxels


def describe_time(
    study: Study, opened: Sequence[Opened], ticker: Ticker = silent
) -> list[str]:
    """Return lines on the time that a study takes, measured on the first subject.

    Raises
    ------
    InputError
        If features or responses cannot be made.
    """
    took = time_fit(study, opened[0], ticker)
    workers = max(1, study.machine.workers)
    sizes = [one.recording.space.n_voxels for one in opened]
    fits = [took.fit_s(size) / workers for size in sizes]
    subsets = [took.subsets_s(size) / workers for size in sizes]

    def said(n: int) -> str:
        text = f"{duration(sum(fits[:n]))} of fitting"
        if subsets[0]:
            text += f", {duration(sum(subsets[:n]))} for models of subsets of the bands"
        if took.decoding_s:
            text += f", {duration(took.decoding_s * n)} for fits of decoders"
        return text

    lines = [
        f"measured on {took.n_sampled} voxels of {opened[0].name}: "
        f"{duration(took.prepare_s)} to read responses and build features, {said(1)}"
    ]
    if len(opened) > 1:
        prepare = duration(took.prepare_s * len(opened))
        lines.append(f"all {len(opened)} subjects: {prepare}, and {said(len(opened))}")
    return lines


def time_fit(study: Study, opened: Opened, ticker: Ticker = silent) -> FitTime:
    """Fit two samples of a subject's voxels as a run would, and keep nothing.

    Networks are asked for what is not in `machine.cache` yet.

    Raises
    ------
    InputError
        If features or responses cannot be made.
    """
    aligned = align(study, opened)
    with tempfile.TemporaryDirectory() as folder, limit_threads(study.machine.threads):
        start = time.perf_counter()
        X_train, X_test, bands, _, _ = build_features(study, aligned, ticker)
        with training_responses(study, aligned, Path(folder)) as (Y, names):
            prepare_s = time.perf_counter() - start
            layers = len(spaces_of(bands)) < len(bands)
            n_rows = len(X_train) + len(X_test)
            other = bytes_beside(n_rows, X_train.shape[1], study, layers=layers)
            folds, settings = (
                fold_of_row(opened.split, names),
                ridge_settings(study, other),
            )
            job = Job(X_train, X_test, tuple(bands), folds, settings)
            advance = ticker(f"{opened.name}: fitting samples of voxels", 2)
            sizes = _sizes(Y.shape[1])
            seconds = [
                _time_sample(job, Y, size, Path(folder), advance) for size in sizes
            ]
            took = _line(sizes, seconds, prepare_s)
            wanted = wanted_subsets(study)
            if wanted and not layers:  # voxels that choose a layer get no partition
                took = _with_subsets(took, wanted, job, Y)
            widths = widths_of(study, bands)
            advance = ticker(f"{opened.name}: timing decoders", len(widths))
            decoding_s = time_decoding(study, aligned, widths, advance)
            return replace(took, decoding_s=decoding_s)


def _time_sample(
    job: Job, Y: Columns, size: int, folder: Path, advance: Callable[[int], object]
) -> float:
    """Return the seconds that a fit of so many voxels takes."""
    order = np.random.default_rng(0).permutation(Y.shape[1])
    files = folder / f"fit-{size}"
    files.mkdir()
    start = time.perf_counter()
    fit_layers(
        job.X_train,
        Chosen(Y, np.sort(order[:size])),
        job.X_test,
        bands=job.bands,
        folds=job.folds,
        settings=job.settings,
        place=Place(None, folder, make=maker_of_files(files, np.ones(size, bool))),
    )
    seconds = time.perf_counter() - start
    advance(1)
    return seconds


def _with_subsets(took: FitTime, wanted: Wanted, job: Job, Y: Columns) -> FitTime:
    """Return times with those of subsets, counted from what all bands together took.

    Bands are put on their axes here, to know how many of these are left: that takes as
    long in every fit.
    """
    names = [band.name for band in job.bands]
    start = time.perf_counter()
    axes = band_axes(
        job.X_train, Y, bands=job.bands, names=names, settings=job.settings
    )
    axes_s = time.perf_counter() - start
    kept = {name: one.kept[0] for name, one in axes.items()}
    kept = kept or dict(zip(names, job.widths, strict=True))

    def flops(subset: Sequence[str], settings: RidgeSettings, n: int | None) -> Flops:
        size = fold_gram_size(
            settings,
            (len(job.X_train), len(job.X_test)),
            tuple(band.n_columns for band in job.bands if band.name in subset),
            kept=tuple(kept[name] for name in names if name in subset),
            n_folds=len(np.unique(job.folds)),
            itemsize=job.X_train.dtype.itemsize,
        )
        return fold_gram_flops(size, n)

    whole = flops(names, job.settings, None)
    parts = [flops(subset, job.settings, 1) for subset in wanted.subsets]
    if wanted.stacked:
        levers = replace(job.settings.levers, n_refined=0)
        alone = replace(job.settings, n_candidates=1, levers=levers)
        parts.append(flops(wanted.stacked, alone, 1))
    shared = sum(part.shared for part in parts) / whole.shared
    voxel = sum(part.voxel for part in parts) / whole.voxel
    return replace(
        took,
        subsets_shared_s=axes_s + shared * max(0.0, took.shared_s - axes_s),
        subsets_voxel_s=voxel * took.voxel_s,
    )


def _sizes(n_voxels: int) -> list[int]:
    """Return the sizes of the samples; one, if there are no more voxels than that."""
    return [SMALL, min(3 * SMALL, n_voxels)] if n_voxels > SMALL else [n_voxels]


def _line(sizes: list[int], seconds: list[float], prepare_s: float) -> FitTime:
    """Return the line through the times; a single one is all shared."""
    slope = 0.0
    if len(sizes) > 1:
        slope = max(0.0, (seconds[1] - seconds[0]) / (sizes[1] - sizes[0]))
    shared = max(0.0, seconds[-1] - slope * sizes[-1])
    return FitTime(prepare_s, shared, slope, sizes[-1])
