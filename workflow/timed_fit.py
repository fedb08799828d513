"""How long fitting a study will take, from fits of two samples of its voxels.

What all voxels share (the design, its factorisations, the sample that places
candidates) takes as long for few voxels as for many; what a voxel adds is the same for
all. Two samples tell the two apart on the study's own data and machine: how many voxels
race, and how many axes compression leaves, stands in no formula.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.ridge.stream import Chosen
from ..core.threads import limit_threads
from ..data.splits import fold_of_row
from ..encoding.layers import fit_layers, spaces_of
from ..encoding.streamed import Place
from ..study import Study
from .alignment import align
from .costs import duration
from .fitting import bytes_beside, maker_of_files, ridge_settings
from .opening import Opened
from .prepare import build_features
from .responses import training_responses
from .session import Ticker, silent

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
    """

    prepare_s: float
    shared_s: float
    voxel_s: float
    n_sampled: int

    def fit_s(self, n_voxels: int) -> float:
        """Return the seconds that the fit of so many voxels takes."""
        return self.shared_s + self.voxel_s * n_voxels


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
    sizes = [one.recording.space.n_voxels for one in opened]
    fits = [took.fit_s(size) / max(1, study.machine.workers) for size in sizes]
    lines = [
        f"measured on {took.n_sampled} voxels of {opened[0].name}: "
        f"{duration(took.prepare_s)} to read responses and build features, "
        f"{duration(fits[0])} of fitting"
    ]
    if len(opened) > 1:
        lines.append(
            f"all {len(opened)} subjects: {duration(took.prepare_s * len(opened))} and "
            f"{duration(sum(fits))}"
        )
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
            other = bytes_beside(
                len(X_train) + len(X_test),
                X_train.shape[1],
                study,
                layers=len(spaces_of(bands)) < len(bands),
            )
            advance = ticker(f"{opened.name}: fitting samples of voxels", 2)
            sizes, seconds = _sizes(Y.shape[1]), []
            order = np.random.default_rng(0).permutation(Y.shape[1])
            for size in sizes:
                files = Path(folder) / f"fit-{size}"
                files.mkdir()
                make = maker_of_files(files, np.ones(size, bool))
                start = time.perf_counter()
                fit_layers(
                    X_train,
                    Chosen(Y, np.sort(order[:size])),
                    X_test,
                    bands=bands,
                    folds=fold_of_row(opened.split, names),
                    settings=ridge_settings(study, other),
                    place=Place(None, Path(folder), make=make),
                )
                seconds.append(time.perf_counter() - start)
                advance(1)
    return _line(sizes, seconds, prepare_s)


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
