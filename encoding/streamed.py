"""All models of a subject from one set of factorisations, chunk of voxels by chunk."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats, InputError
from ..core.device import use_backend
from ..core.ridge.axes import BandAxes
from ..core.ridge.banded import fit_banded_ridge
from ..core.ridge.checks import check_data, check_search
from ..core.ridge.chunk import Aside
from ..core.ridge.fold_gram import FoldGram, open_fold_gram
from ..core.ridge.searched import Model, Searched
from ..core.ridge.stream import Columns, Make, SideBySide, chunks, make_in_memory, read
from ..core.ridge.travel import packed
from ..core.spread import map_chunks, sample_on
from ..core.types import Band
from .by_himalaya import fit_chunk_by_himalaya, slices_of
from .result import EncodingResult, RidgeSettings
from .sizes import batch_size
from .targets import Chunk, Results, make_targets


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What all chunks of a subject's voxels share.

    Parameters
    ----------
    X_train, X_test : arrays of shape (n_train or n_test, n_columns)
    bands : tuple of Band
    folds : array of shape (n_train,)
    settings : RidgeSettings
    axes : BandAxes, optional
        Of the bands, where several jobs share them; made from `X_train` if None.
    """

    X_train: Floats
    X_test: Floats
    bands: tuple[Band, ...]
    folds: NDArray
    settings: RidgeSettings
    axes: BandAxes | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel with arrays at whole addresses."""
        return packed(self)

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
            axes=self.axes,
        )

    def identity(self, dtype: np.dtype) -> str:
        """Return a hash of all that makes the factorisations."""
        found = hashlib.sha256()
        turns = () if self.axes is None else self.axes.turns
        with use_backend(self.settings.backend) as backend:
            given = [backend.to_numpy(turn) for turn in turns if turn is not None]
        for array in (self.X_train, np.asarray(self.folds), *given):
            found.update(repr((array.shape, array.dtype.str)).encode())
            found.update(np.ascontiguousarray(array).data)
        settings = self.settings
        rest: list[Any] = [
            self.widths,
            settings.alphas,
            settings.form,
            settings.backend,
        ]
        rest += [settings.levers.tolerance, dtype.name]
        found.update(json.dumps(rest).encode())
        return found.hexdigest()[:20]

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


@dataclass(frozen=True, slots=True)
class Place:
    """Where chunks are worked on, and where factorisations and results lie.

    Parameters
    ----------
    client : dask.distributed.Client, optional
        As from `core.cluster.open_client`: chunks are spread over its workers. The
        number of workers changes no digit.
    folder : Path, optional
        For factorisations that do not fit into memory, and, with workers, for all: it
        must be seen by all of them. The system's temporary folder if None.
    keep : bool
        Whether all factorisations stay in the folder, so that a later call with the
        same features and settings, such as of the next subject, finds them.
    make : callable
        Called as make(name, shape, dtype) for each array of the result, which chunks
        are written into: one in memory, unless it opens a file. Names are
        'SUBJECT/NAME' for several subjects.
    """

    client: Any = None
    folder: Path | None = None
    keep: bool = False
    make: Make = make_in_memory

    def __post_init__(self) -> None:
        if self.folder is None and (self.client is not None or self.keep):
            raise InputError(
                "workers need a folder for the factorisations that they share. Pass "
                "folder, on a disk that all of them see."
            )

    @contextmanager
    def open(self, job: Job, dtype: np.dtype) -> Iterator[tuple[FoldGram, Path]]:
        """Give the search that serves all chunks, and the folder that it writes to."""
        with ExitStack() as stack:
            if self.keep and self.folder is not None:
                folder = self.folder / job.identity(dtype)
            else:
                scratch = tempfile.TemporaryDirectory(
                    prefix="factors-", dir=self.folder
                )
                folder = Path(stack.enter_context(scratch))
            engine = job.open(dtype.name, folder)
            engine.factors.share = self.keep or self.client is not None
            yield engine, folder


HERE = Place()


def fit_subjects(
    job: Job,
    Ys: Mapping[str, Columns],
    *,
    place: Place = HERE,
    advance: Callable[[int], object] | None = None,
) -> dict[str, EncodingResult]:
    """Fit and predict all models of subjects who heard the same, chunk by chunk.

    They share the design, the folds and all factorisations.

    Parameters
    ----------
    job : Job
    Ys : dict of str to array of shape (n_train, n_voxels)
        Each subject's responses: any array that gives some of its columns.
    place : Place
    advance : callable, optional
        Called with the number of voxels done, times the number of models.

    Returns
    -------
    results : dict of str to EncodingResult

    Raises
    ------
    InputError
        If the shapes do not fit together, or himalaya is to run on workers.
    """
    dtype = check_job(job, Ys, place)
    sizes = (job.X_train.shape[1], len(job.bands), len(job.X_test))
    results = {}
    for name, Y in Ys.items():
        prefix = f"{name}/" if len(Ys) > 1 else ""
        targets = make_targets(
            sizes,
            Y.shape[1],
            dtype,
            make=place.make,
            prefix=prefix,
            stacking=job.settings.stacking,
        )
        results[name] = Results(targets, Y.shape[1])
    for (name, part), chunk in each_chunk(job, Ys, dtype, place, fit_chunk):
        results[name].write(part, chunk)
        del chunk  # not while the next one is made
        if advance is not None:
            advance((part.stop - part.start) * job.n_models)
    return {name: result.finish() for name, result in results.items()}


def score_voxels(
    job: Job,
    Y: Columns,
    *,
    place: Place = HERE,
    advance: Callable[[int], object] | None = None,
) -> Floats:
    """Return joint's share of variance explained on held-out folds, chunk by chunk.

    No weights are made, and `X_test` has no part in it: pass none of its rows.

    Returns
    -------
    cv_scores : array of shape (n_voxels,)
    """
    dtype = check_job(job, {"": Y}, place)
    scores = np.empty(Y.shape[1])
    for (_, part), found in each_chunk(job, {"": Y}, dtype, place, score_chunk):
        scores[part] = found
        if advance is not None:
            advance(part.stop - part.start)
    return scores


def check_job(job: Job, Ys: Mapping[str, Columns], place: Place) -> np.dtype:
    """Return the precision of the fit, or say what does not fit together."""
    dtype = np.result_type(job.X_train.dtype, *(Y.dtype for Y in Ys.values()))
    for Y in Ys.values():
        check_data(job.X_train.shape, Y.shape, job.folds, job.widths)
    check_search(job.settings.search(len(job.bands)), len(job.bands), dtype)
    if job.settings.solver == "himalaya" and job.settings.stacking:
        raise InputError(
            "solver 'himalaya' does not stack. Use 'fold-gram', or leave stacking out."
        )
    if job.settings.solver == "himalaya" and place.client is not None:
        raise InputError(
            "solver 'himalaya' runs in one process. Use 'fold-gram' on several workers."
        )
    return dtype


def each_chunk(
    job: Job,
    Ys: Mapping[str, Columns],
    dtype: np.dtype,
    place: Place,
    work: Callable[[Job, FoldGram | None, Floats], Any],
) -> Iterator[tuple[tuple[str, slice], Any]]:
    """Yield what `work` makes of each chunk of each subject's voxels.

    Yields
    ------
    place : tuple of str and slice
        The subject, and the voxels of the chunk.
    made : object
        What work(job, engine, Y) returned, here or on a worker; the engine is None
        for himalaya's solvers.
    """
    together = SideBySide(list(Ys.values()))
    if job.settings.solver == "himalaya":
        size = batch_size(job, None, together.shape[1], dtype)
        for name, Y in Ys.items():
            for part in chunks(Y.shape[1], size):
                yield (name, part), work(job, None, read(Y, part))
        return
    with place.open(job, dtype) as (engine, folder):
        size = batch_size(job, engine, together.shape[1], dtype)
        n_sampled, seed = job.settings.levers.n_sampled, job.settings.seed
        if place.client is None:
            engine.sample(together, n_sampled, seed, n_voxels_batch=size)
        else:
            sample_on(place.client, engine, together, seed, size=size, folder=folder)
            # The engine has X and the axes: they do not travel twice.
            remote = partial(work, replace(job, X_train=job.X_train[:0], axes=None))
            yield from map_chunks(
                place.client, engine, Ys, remote, size=size, folder=folder
            )
            return
        for name, Y in Ys.items():
            for part in chunks(Y.shape[1], size):
                yield (name, part), work(job, engine, read(Y, part))


def score_chunk(job: Job, engine: FoldGram | None, Y: Floats) -> Floats:
    """Return joint's held-out scores of one chunk of voxels."""
    if engine is not None:
        return engine.fit(Y.astype(engine.design.dtype, copy=False)).cv_scores()
    search = job.settings.search(len(job.bands))
    return fit_banded_ridge(
        job.X_train, Y, widths=job.widths, folds=job.folds, search=search
    ).cv_scores


def fit_chunk(job: Job, engine: FoldGram | None, Y: Floats) -> Chunk:
    """Return all models' predictions of one chunk of voxels, and joint's weights."""
    if engine is None:
        return fit_chunk_by_himalaya(
            job.X_train,
            Y,
            job.X_test,
            bands=job.bands,
            folds=job.folds,
            settings=job.settings,
        )
    dtype = engine.design.dtype
    searched = engine.fit(Y.astype(dtype, copy=False), job.asides())
    slices = slices_of(job.bands)
    arrays, ends = _joint(job, searched, slices)
    names = ["plain", *(f"alone {name}" for name in slices)]
    if len(slices) == 1:  # one band is one model
        arrays |= {"plain": arrays["predictions"], "alone": arrays["predictions"][None]}
        arrays["cv_scores_alone"] = arrays["cv_scores"][None]
        if job.settings.stacking:
            arrays["shares"] = np.ones_like(arrays["band_weights"])
            arrays["stacked"] = arrays["predictions"]
        return Chunk(arrays, searched.counts, dict.fromkeys(["joint", *names], ends))
    n_bands, n_test, n_voxels = arrays["parts"].shape
    arrays["alone"] = np.empty((n_bands, n_test, n_voxels), arrays["parts"].dtype)
    arrays["cv_scores_alone"] = np.empty((n_bands, n_voxels))
    all_ends = {"joint": ends}
    for k, name in enumerate(names):
        columns = slices.get(name.removeprefix("alone "), slice(None))
        predicted, scores, all_ends[name] = _aside(job, searched, name, columns)
        if name == "plain":
            arrays["plain"] = predicted
        else:
            arrays["alone"][k - 1], arrays["cv_scores_alone"][k - 1] = predicted, scores
    if job.settings.stacking:
        arrays["shares"], _ = searched.stack(names[1:])
        arrays["stacked"] = mix(arrays["shares"], arrays["alone"])
    return Chunk(arrays, searched.counts, all_ends)


def _joint(
    job: Job, searched: Searched, slices: Mapping[str, slice]
) -> tuple[dict[str, Floats], tuple[int, int]]:
    """Return the joint model's arrays, and its voxels at the ends of the grid."""
    model = searched.model()
    parts = np.stack([job.X_test[:, s] @ model.weights[s] for s in slices.values()])
    arrays = {
        "weights": model.weights,
        "intercept": model.intercept,
        "parts": parts,
        "predictions": parts.sum(axis=0) + model.intercept,
        "band_weights": model.band_weights,
        "alphas": model.alphas,
        "cv_scores": model.cv_scores,
    }
    return arrays, _ends(model)


def _aside(
    job: Job, searched: Searched, name: str, columns: slice
) -> tuple[Floats, Floats, tuple[int, int]]:
    """Return one model's predictions, scores and ends; its weights are let go of."""
    model = searched.model(name)
    predicted = job.X_test[:, columns] @ model.weights[columns]
    predicted += model.intercept
    return predicted, model.cv_scores, _ends(model)


def mix(shares: Floats, alone: Floats) -> Floats:
    """Return the bands' own predictions, mixed by each voxel's shares.

    All models of a masked voxel, which has no shares, are its mean: that is returned.
    """
    shares = np.where(np.isnan(shares), 1 / len(shares), shares)
    return np.einsum("bv,bsv->sv", shares, alone)


def _ends(model: Model) -> tuple[int, int]:
    return int(model.at_low.sum()), int(model.at_high.sum())
