"""All models of a subject from one set of factorisations, chunk of voxels by chunk."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats
from ..core.ridge.checks import check_data, check_search
from ..core.ridge.chunk import Aside
from ..core.ridge.fold_gram import FoldGram, open_fold_gram
from ..core.ridge.memory import FoldGramSize, batch_within
from ..core.ridge.searched import Model, Searched
from ..core.ridge.stream import Columns, Make, chunks, make_in_memory, read, release
from ..core.types import Band
from .result import EncodingResult, RidgeSettings

# What a fit may take beyond X, Y and its results, where nothing else is said.
MEMORY_GB = 2.0


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

    def open(self, dtype: str) -> FoldGram:
        """Return the search that serves all chunks."""
        return open_fold_gram(
            self.X_train,
            widths=self.widths,
            folds=self.folds,
            search=self.settings.search(len(self.bands)),
            dtype=dtype,
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


@dataclass(slots=True, eq=False)
class Results:
    """The arrays that chunks are written into, and what is counted."""

    arrays: dict[str, NDArray]
    counts: Counter[str] = field(default_factory=Counter)
    ends: dict[str, list[int]] = field(default_factory=dict)

    def write(self, part: slice, **values: Floats) -> None:
        """Write a chunk's columns, and let go of what a file keeps."""
        for name, value in values.items():
            self.arrays[name][..., part] = value
            release(self.arrays[name])

    def count_ends(self, name: str, model: Model) -> None:
        """Add the voxels at the ends of the grid."""
        low, high = self.ends.setdefault(name, [0, 0])
        self.ends[name] = [
            low + int(model.at_low.sum()),
            high + int(model.at_high.sum()),
        ]


def fit_streamed(
    job: Job,
    Y: Columns,
    *,
    advance: Callable[[int], object] | None = None,
    make: Make = make_in_memory,
) -> EncodingResult:
    """Fit and predict all models, one chunk of voxels after the other.

    Parameters
    ----------
    job : Job
    Y : array of shape (n_train, n_voxels)
        Any that gives some of its columns.
    advance, make
        As in `fit_models`.
    """
    dtype = np.result_type(job.X_train.dtype, Y.dtype)
    check_data(job.X_train.shape, Y.shape, job.folds, job.widths)
    check_search(job.settings.search(len(job.bands)), len(job.bands), dtype)
    engine = job.open(dtype.name)
    engine.sample(Y, job.settings.levers.n_sampled, job.settings.seed)
    n_voxels = Y.shape[1]
    results = Results(make_arrays(job, n_voxels, dtype, make))
    for part in chunks(n_voxels, batch_size(job, engine, n_voxels, dtype)):
        searched = engine.fit(read(Y, part).astype(dtype, copy=False), job.asides())
        fit_chunk(job, searched, part, results)
        if advance is not None:
            advance((part.stop - part.start) * job.n_models)
    arrays = results.arrays
    if len(job.bands) == 1:
        arrays["plain"] = arrays["predictions"]
        arrays["alone"] = arrays["predictions"][None]
    return EncodingResult(
        **arrays,  # type: ignore[arg-type]
        grid_ends={
            n: (a / n_voxels, b / n_voxels) for n, (a, b) in results.ends.items()
        },
        counts=dict(results.counts),
    )


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
    )
    max_gb = MEMORY_GB if settings.max_memory_gb is None else settings.max_memory_gb
    return min(batch_within(size, max_gb * 1e9), n_voxels)


def make_arrays(
    job: Job, n_voxels: int, dtype: np.dtype, make: Make
) -> dict[str, NDArray]:
    """Return the arrays of the result, empty."""
    n_bands, n_test = len(job.bands), len(job.X_test)
    shapes = {
        "weights": (job.X_train.shape[1],),
        "intercept": (),
        "predictions": (n_test,),
        "parts": (n_bands, n_test),
        "band_weights": (n_bands,),
    }
    if n_bands > 1:
        shapes |= {"alone": (n_bands, n_test), "plain": (n_test,)}
    if job.settings.stacking:
        shapes |= {"stacked": (n_test,), "shares": (n_bands,)}
    arrays = {n: make(n, (*shape, n_voxels), dtype) for n, shape in shapes.items()}
    for name in ("alphas", "cv_scores"):
        arrays[name] = make(name, (n_voxels,), np.dtype(np.float64))
    return arrays


def fit_chunk(job: Job, searched: Searched, part: slice, results: Results) -> None:
    """Write the models of one chunk of voxels, one after the other."""
    slices = slices_of(job.bands)
    model = searched.model()
    parts = [job.X_test[:, s] @ model.weights[s] for s in slices.values()]
    results.write(
        part,
        weights=model.weights,
        intercept=model.intercept,
        parts=np.stack(parts),
        predictions=np.sum(parts, axis=0) + model.intercept,
        band_weights=model.band_weights,
        alphas=model.alphas,
        cv_scores=model.cv_scores,
    )
    results.counts.update(searched.counts)
    names = ["plain", *(f"alone {name}" for name in slices)]
    results.count_ends("joint", model)
    if len(slices) == 1:
        for name in names:
            results.count_ends(name, model)
        return
    alone = []
    for name in names:
        model = searched.model(name)
        results.count_ends(name, model)
        columns = slices.get(name.removeprefix("alone "), slice(None))
        prediction = job.X_test[:, columns] @ model.weights[columns] + model.intercept
        if name == "plain":
            results.write(part, plain=prediction)
        else:
            alone.append(prediction)
    results.write(part, alone=np.stack(alone))
    if job.settings.stacking:
        shares, _ = searched.stack(names[1:])
        # All models of a masked voxel are its mean: any mixture is the same.
        parts = np.where(np.isnan(shares), 1 / len(shares), shares)
        mixed = np.einsum("bv,bsv->sv", parts, np.stack(alone))
        results.write(part, shares=shares, stacked=mixed)


def slices_of(bands: Sequence[Band]) -> dict[str, slice]:
    """Return the columns of each band, by its name."""
    edges = np.cumsum([0, *(band.n_columns for band in bands)])
    return {b.name: slice(*edges[i : i + 2]) for i, b in enumerate(bands)}
