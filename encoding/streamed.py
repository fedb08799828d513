"""All models of a subject from one set of factorisations, chunk of voxels by chunk."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats, InputError
from ..core.cluster import map_chunks
from ..core.ridge.checks import check_data, check_search
from ..core.ridge.chunk import Aside
from ..core.ridge.fold_gram import FoldGram, open_fold_gram
from ..core.ridge.memory import MEMORY_GB, FoldGramSize, batch_within, factor_bytes
from ..core.ridge.searched import Model
from ..core.ridge.stream import (
    Columns,
    Make,
    SideBySide,
    chunks,
    make_in_memory,
    read,
    release,
)
from ..core.types import Band
from .result import EncodingResult, RidgeSettings


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What all chunks of a subject's voxels share.

    Parameters
    ----------
    X_train, X_test : arrays of shape (n_train or n_test, n_columns)
    bands : tuple of Band
    folds : array of shape (n_train,)
    settings : RidgeSettings
    """

    X_train: Floats
    X_test: Floats
    bands: tuple[Band, ...]
    folds: NDArray
    settings: RidgeSettings

    @property
    def widths(self) -> list[int]:
        """Columns of each band."""
        return [band.n_columns for band in self.bands]

    @property
    def n_models(self) -> int:
        """How many models are fitted: joint, plain and each band alone."""
        return 1 if len(self.bands) == 1 else len(self.bands) + 2

    def open(self, dtype: str, folder: Path | None = None) -> FoldGram:
        """Return the search that serves all chunks."""
        return open_fold_gram(
            self.X_train,
            widths=self.widths,
            folds=self.folds,
            search=self.settings.search(len(self.bands)),
            dtype=dtype,
            folder=folder,
        )

    def asides(self) -> dict[str, Aside]:
        """Return the models beside joint, each of one candidate."""
        n = len(self.bands)
        if n == 1:
            return {}
        alone = {
            f"alone {band.name}": Aside(unit)
            for band, unit in zip(self.bands, np.eye(n), strict=True)
        }
        return {"plain": Aside(np.full(n, 1 / n), float(n))} | alone


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """The results of one chunk of voxels.

    Parameters
    ----------
    arrays : dict of str to array of shape (..., n_voxels)
    counts : dict of str to int
    ends : dict of str to (int, int)
        Voxels of each model at the lower and the upper end of the grid.
    """

    arrays: dict[str, Floats]
    counts: dict[str, int]
    ends: dict[str, tuple[int, int]]


@dataclass(slots=True, eq=False)
class Results:
    """The arrays that chunks are written into, and what is counted."""

    arrays: dict[str, NDArray]
    n_voxels: int
    counts: Counter[str] = field(default_factory=Counter)
    ends: dict[str, NDArray] = field(default_factory=dict)

    def write(self, part: slice, chunk: Chunk) -> None:
        """Write a chunk's columns, and let go of what a file keeps."""
        for name, values in chunk.arrays.items():
            self.arrays[name][..., part] = values
            release(self.arrays[name])
        self.counts.update(chunk.counts)
        for name, pair in chunk.ends.items():
            self.ends[name] = self.ends.get(name, 0) + np.array(pair)

    def finish(self) -> EncodingResult:
        """Return the result of all chunks."""
        arrays = self.arrays
        if "plain" not in arrays:  # one band is one model
            arrays["plain"] = arrays["predictions"]
            arrays["alone"] = arrays["predictions"][None]
        ends = {name: pair / self.n_voxels for name, pair in self.ends.items()}
        return EncodingResult(
            **arrays,  # type: ignore[arg-type]
            grid_ends={name: (float(a), float(b)) for name, (a, b) in ends.items()},
            counts=dict(self.counts),
        )


def fit_subjects(
    job: Job,
    Ys: Mapping[str, Columns],
    *,
    client: Any = None,
    folder: Path | None = None,
    advance: Callable[[int], object] | None = None,
    make: Make = make_in_memory,
) -> dict[str, EncodingResult]:
    """Fit and predict all models of subjects who heard the same, chunk by chunk.

    They share the design, the folds and all factorisations.

    Parameters
    ----------
    job : Job
    Ys : dict of str to array of shape (n_train, n_voxels)
        Each subject's responses: any array that gives some of its columns.
    client : dask.distributed.Client, optional
        As from `core.cluster.open_client`: the chunks are spread over its workers. The
        number of workers changes no digit.
    folder : Path, optional
        Where factorisations are kept, and found again by a later call. Needed with a
        client, whose workers must all see it. If None, those that do not fit into
        memory lie in a temporary folder meanwhile.
    advance : callable, optional
        Called with the number of voxels done, times the number of models.
    make : callable, optional
        As in `fit_models`; names are 'SUBJECT/NAME' for several subjects.

    Returns
    -------
    results : dict of str to EncodingResult

    Raises
    ------
    InputError
        If the shapes do not fit together, or there is a client and no folder.
    """
    dtype = np.result_type(job.X_train.dtype, *(Y.dtype for Y in Ys.values()))
    for Y in Ys.values():
        check_data(job.X_train.shape, Y.shape, job.folds, job.widths)
    check_search(job.settings.search(len(job.bands)), len(job.bands), dtype)
    if client is not None and folder is None:
        raise InputError(
            "workers need a folder for the factorisations that they share. Pass "
            "folder, on a disk that all of them see."
        )
    with tempfile.TemporaryDirectory(prefix="brain2music-") as scratch:
        engine = job.open(dtype.name, folder or Path(scratch))
        engine.factors.share = folder is not None
        return _fit_all(job, engine, Ys, (client, folder), (advance, make))


def _fit_all(
    job: Job,
    engine: FoldGram,
    Ys: Mapping[str, Columns],
    where: tuple[Any, Path | None],
    told: tuple[Callable[[int], object] | None, Make],
) -> dict[str, EncodingResult]:
    dtype, (advance, make) = np.dtype(engine.design.dtype), told
    together = SideBySide(list(Ys.values()))
    engine.sample(together, job.settings.levers.n_sampled, job.settings.seed)
    results = {}
    for name, Y in Ys.items():
        prefix = f"{name}/" if len(Ys) > 1 else ""
        arrays = make_arrays(job, Y.shape[1], dtype, (prefix, make))
        results[name] = Results(arrays, Y.shape[1])
    size = batch_size(job, engine, together.shape[1], dtype)
    for (name, part), chunk in _each_chunk(job, engine, Ys, size, where):
        results[name].write(part, chunk)
        if advance is not None:
            advance((part.stop - part.start) * job.n_models)
    return {name: result.finish() for name, result in results.items()}


def _each_chunk(
    job: Job,
    engine: FoldGram,
    Ys: Mapping[str, Columns],
    size: int,
    where: tuple[Any, Path | None],
) -> Iterator[tuple[tuple[str, slice], Chunk]]:
    client, folder = where
    if client is not None and folder is not None:
        work = partial(fit_chunk, job)
        yield from map_chunks(client, engine, Ys, work, size=size, folder=folder)
        return
    for name, Y in Ys.items():
        for part in chunks(Y.shape[1], size):
            yield (name, part), fit_chunk(job, engine, read(Y, part))


def batch_size(job: Job, engine: FoldGram, n_voxels: int, dtype: np.dtype) -> int:
    """Return how many voxels are worked on at once."""
    settings = job.settings
    if settings.n_voxels_batch is not None:
        return settings.n_voxels_batch
    size = FoldGramSize(
        n_samples=len(job.X_train),
        n_test=len(job.X_test),
        widths=tuple(job.widths),
        kept=tuple(engine.design.widths),
        n_folds=len(engine.design.held),
        n_alphas=len(settings.alphas),
        n_candidates=len(engine.plan.candidates),
        itemsize=dtype.itemsize,
        form=settings.form,
        races=settings.levers.margin is not None,
        factor_bytes=factor_bytes(settings.max_memory_gb),
    )
    max_gb = MEMORY_GB if settings.max_memory_gb is None else settings.max_memory_gb
    return min(batch_within(size, max_gb * 1e9), n_voxels)


def make_arrays(
    job: Job, n_voxels: int, dtype: np.dtype, named: tuple[str, Make]
) -> dict[str, NDArray]:
    """Return the arrays of a subject's result, empty."""
    prefix, make = named
    n_bands, n_test = len(job.bands), len(job.X_test)
    shapes: dict[str, tuple[int, ...]] = {
        "weights": (job.X_train.shape[1],),
        "intercept": (),
        "predictions": (n_test,),
        "parts": (n_bands, n_test),
        "band_weights": (n_bands,),
        "alphas": (),
        "cv_scores": (),
    }
    if n_bands > 1:
        shapes |= {"alone": (n_bands, n_test), "plain": (n_test,)}
    if job.settings.stacking:
        shapes |= {"stacked": (n_test,), "shares": (n_bands,)}
    double = ("alphas", "cv_scores")
    return {
        name: make(
            prefix + name,
            (*shape, n_voxels),
            np.dtype(np.float64) if name in double else dtype,
        )
        for name, shape in shapes.items()
    }


def fit_chunk(job: Job, engine: FoldGram, Y: Floats) -> Chunk:
    """Return all models' predictions of one chunk of voxels, and joint's weights."""
    dtype = engine.design.dtype
    searched = engine.fit(Y.astype(dtype, copy=False), job.asides())
    slices = slices_of(job.bands)
    model = searched.model()
    parts = [job.X_test[:, s] @ model.weights[s] for s in slices.values()]
    arrays = {
        "weights": model.weights,
        "intercept": model.intercept,
        "parts": np.stack(parts),
        "predictions": np.sum(parts, axis=0) + model.intercept,
        "band_weights": model.band_weights,
        "alphas": model.alphas,
        "cv_scores": model.cv_scores,
    }
    names = ["plain", *(f"alone {name}" for name in slices)]
    ends = {"joint": _ends(model)}
    if len(slices) == 1:
        return Chunk(
            arrays, searched.counts, ends | dict.fromkeys(names, ends["joint"])
        )
    predicted = {}
    for name in names:
        model = searched.model(name)
        ends[name] = _ends(model)
        columns = slices.get(name.removeprefix("alone "), slice(None))
        predicted[name] = job.X_test[:, columns] @ model.weights[columns]
        predicted[name] += model.intercept
    arrays["plain"] = predicted.pop("plain")
    arrays["alone"] = np.stack(list(predicted.values()))
    if job.settings.stacking:
        arrays["shares"], _ = searched.stack(names[1:])
        arrays["stacked"] = mix(arrays["shares"], arrays["alone"])
    return Chunk(arrays, searched.counts, ends)


def mix(shares: Floats, alone: Floats) -> Floats:
    """Return the bands' own predictions, mixed by each voxel's shares.

    All models of a masked voxel, which has no shares, are its mean: that is returned.
    """
    shares = np.where(np.isnan(shares), 1 / len(shares), shares)
    return np.einsum("bv,bsv->sv", shares, alone)


def _ends(model: Model) -> tuple[int, int]:
    return int(model.at_low.sum()), int(model.at_high.sum())


def slices_of(bands: Sequence[Band]) -> dict[str, slice]:
    """Return the columns of each band, by its name."""
    edges = np.cumsum([0, *(band.n_columns for band in bands)])
    return {b.name: slice(*edges[i : i + 2]) for i, b in enumerate(bands)}
