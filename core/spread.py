"""The same fit on several processes or machines, through Dask.

A unit is one chunk of one subject's voxels. Factorisations are made once, in a folder
that all workers see, and only read after that. What a lost worker had is run again by
Dask. Needs the extra `cluster`.
"""

import mmap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import InputError
from .cluster import import_extra
from .device import use_backend
from .ridge.chunk import Found, place_candidates
from .ridge.fold_gram import FoldGram, sampled_parts
from .ridge.plan import Plan
from .ridge.store import Factors
from .ridge.stream import Columns, chunks, read
from .store import TrainingVoxels

Unit = tuple[str, slice]
Work = Callable[[FoldGram, NDArray], Any]

# How often a unit may be lost with its worker before that is taken for its own fault.
N_RETRIES = 3

# How long a job may wait in a queue before the fit gives up on it.
WAIT_S = 24 * 3600.0

# How long a process of this machine may take to start, or to start again.
WAIT_LOCAL_S = 120.0

# After how long it is looked whether one must be asked for again.
ASK_S = 10.0

# Voxels of the sample that places candidates which a worker takes at once: the same for
# any number of workers.
N_SAMPLED_TOGETHER = 250


def map_chunks(
    client: Any,
    engine: FoldGram,
    Ys: Mapping[str, Columns],
    work: Work,
    *,
    size: int,
    folder: Path,
) -> Iterator[tuple[Unit, Any]]:
    """Yield what `work` returns for each chunk of voxels, in the order they are done.

    Parameters
    ----------
    client : dask.distributed.Client
    engine : FoldGram
        With its plan made; workers get a copy.
    Ys : dict of str to array of shape (n_samples, n_voxels)
        Each subject's responses. Mapped files and stores are opened by the workers,
        under the same path.
    work : callable
        Called as work(engine, chunk of Y) by a worker: a function of a module.
    size : int
        Voxels of a chunk. The number of workers changes no digit of the result; the
        size may change its last ones.
    folder : Path
        Where factorisations are kept, and seen by all workers.

    Yields
    ------
    unit : (subject, slice of voxels)
    result : what `work` returned

    Raises
    ------
    InputError
        If no worker comes, or workers are lost again and again over the same work.
    """
    sources = {name: _portable(Y) for name, Y in Ys.items()}
    left = [(n, part) for n, Y in Ys.items() for part in chunks(Y.shape[1], size)]
    for attempt in range(N_RETRIES + 1):
        try:
            remote, made = _start_making(client, engine, folder, work)
            done = client.submit(_count, made, pure=False)
            for unit, result in _flow(client, left[:], sources, (remote, done)):
                left.remove(unit)
                yield unit, result
            return
        except _losses() as error:
            _go_on_after(error, attempt)


def sample_on(
    client: Any, engine: FoldGram, Y: Columns, seed: int, *, size: int, folder: Path
) -> None:
    """Place candidates as `engine.sample` does, with the work done by the workers.

    They make the factorisations, into `folder`, where the chunks find them.

    Parameters
    ----------
    client : dask.distributed.Client
    engine : FoldGram
        Its plan becomes that with the placed candidates.
    Y : array of shape (n_samples, n_voxels)
        All voxels; only blocks of its columns are read.
    seed : int
    size : int
        Voxels of a chunk: no more of the sample are worked on together.
    folder : Path
        As for `map_chunks`.

    Raises
    ------
    InputError
        If no worker comes, or workers are lost again and again, as by `map_chunks`.
    """
    if not engine.refines:
        return
    first = engine.plan
    n_sampled = engine.search.levers.n_sampled
    readers = sampled_parts(Y, n_sampled, min(size, N_SAMPLED_TOGETHER))
    for attempt in range(N_RETRIES + 1):
        try:
            engine.plan = first
            remote, made = _start_making(client, engine, folder, None)
            parts = _scatter(client, [part() for part in readers])
            each = partial(_on_each, client, engine, (remote, made, parts))
            place_candidates(engine, each, len(parts), seed)
            return
        except _losses() as error:
            _go_on_after(error, attempt)


def _on_each(
    client: Any,
    engine: FoldGram,
    sent: tuple[Any, list[Any], list[Any]],
    work: Callable[..., Found],
    given: Sequence[tuple[Any, ...]],
) -> list[Found]:
    """Do the work on each batch of the sample, once the plan's factors are made."""
    remote, made, parts = sent
    made += _make_on(client, remote, engine.plan.candidates[len(made) :])
    done = client.submit(_count, made, pure=False)
    options = {"retries": N_RETRIES, "pure": False}
    found: list[Found] = client.gather(
        [
            client.submit(
                _sampled, remote, done, engine.plan, work, part, one, **options
            )
            for part, one in zip(parts, given, strict=True)
        ]
    )
    return found


class _SendingError(Exception):
    """A worker went while the engine was on its way to it."""


def _losses() -> tuple[type[Exception], ...]:
    """Return what is raised where the last worker that held something is lost."""
    distributed = import_extra("distributed")
    cancelled = distributed.client.FutureCancelledError
    return cancelled, distributed.KilledWorker, _SendingError


def _go_on_after(error: Exception, attempt: int) -> None:
    """Return where it is worth sending the engine again; else say what was lost."""
    final = isinstance(error, import_extra("distributed").KilledWorker)
    if final or attempt == N_RETRIES:
        raise InputError(
            f"workers were lost {N_RETRIES + 1} times over the same work. They may be "
            "out of memory or of time: give each of them more, or smaller chunks "
            "(machine.max_memory_gb)."
        ) from error


def _start_making(
    client: Any, engine: FoldGram, folder: Path, work: Work | None
) -> tuple[Any, list[Any]]:
    """Send the engine and the work to all workers once, and start the candidates."""
    _wait_for_workers(client)
    shared = replace(engine, factors=Factors(engine.factors.max_bytes, folder))
    remote = _scatter(client, (shared, work), broadcast=True)
    return remote, _make_on(client, remote, shared.plan.candidates)


def _make_on(client: Any, remote: Any, candidates: NDArray) -> list[Any]:
    """Start a candidate's factorisations on some worker, for each candidate."""
    sent = [remote] * len(candidates)
    made: list[Any] = client.map(
        _make, sent, list(candidates), retries=N_RETRIES, pure=False
    )
    return made


def _scatter(client: Any, what: Any, *, broadcast: bool = False) -> Any:
    try:
        return client.scatter(what, broadcast=broadcast, hash=False)
    except OSError as error:
        raise _SendingError(str(error)) from error


def _wait_for_workers(client: Any) -> None:
    local = isinstance(client.cluster, import_extra("distributed").LocalCluster)
    wait_s = WAIT_LOCAL_S if local else WAIT_S
    end_s = time.monotonic() + wait_s
    while True:
        try:
            client.wait_for_workers(1, timeout=min(ASK_S, wait_s))
            return
        except TimeoutError as error:
            if time.monotonic() >= end_s:
                raise InputError(
                    f"no worker has come in {wait_s:g} s. Look at the queue of the "
                    "cluster, at machine.slurm, and whether workers that were there "
                    "are out of memory."
                ) from error
        if local:
            # A process that was lost twice in short time is given up: start another.
            client.cluster.scale(len(client.cluster.worker_spec))


def _flow(
    client: Any,
    units: list[Unit],
    sources: Mapping[str, Any],
    shared: tuple[Any, Any],
) -> Iterator[tuple[Unit, Any]]:
    """Keep a few units per worker under way, so that results do not pile up."""
    distributed = import_extra("distributed")
    waiting = iter(units)
    under_way: dict[Any, Unit] = {}
    queue = distributed.as_completed(loop=client.loop)

    def submit() -> None:
        unit = next(waiting, None)
        if unit is not None:
            source = sources[unit[0]]
            data = source if isinstance(source, ON_DISK) else source[:, unit[1]]
            future = client.submit(
                _do, *shared, data, unit[1], retries=N_RETRIES, pure=False
            )
            under_way[future] = unit
            queue.add(future)

    def fill() -> None:
        # Counted each time: workers come late, and go.
        n_workers = len(client.scheduler_info()["workers"])
        for _ in range(2 * max(1, n_workers) - len(under_way)):
            submit()

    fill()
    for future in queue:
        yield under_way.pop(future), future.result()
        fill()


@dataclass(frozen=True, slots=True)
class Mapped:
    """A file of responses that a worker opens by itself."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    order: str

    def columns(self, part: slice) -> NDArray:
        """Return a copy of some columns."""
        layout: dict[str, Any] = {
            "dtype": self.dtype,
            "shape": self.shape,
            "offset": self.offset,
        }
        layout |= {"order": self.order, "mode": "r"}
        return read(np.memmap(self.path, **layout), part)


# Responses that workers read by themselves.
ON_DISK = (Mapped, TrainingVoxels)


def _portable(Y: Columns) -> Any:
    """Return how workers get at responses: by the file's path, if there is one."""
    # A view keeps its file's offset though it starts elsewhere: only whole maps count.
    if isinstance(Y, np.memmap) and isinstance(Y.base, mmap.mmap):
        order = "C" if Y.flags.c_contiguous else "F"
        return Mapped(str(Y.filename), Y.dtype.str, Y.shape, int(Y.offset), order)
    return Y


def _make(shared: tuple[FoldGram, Any], weights: NDArray) -> int:
    engine, _ = shared
    with use_backend(engine.backend):
        engine.factor(weights)
        engine.refit(weights)
    return 1


def _sampled(
    shared: tuple[FoldGram, Any],
    made: int,  # noqa: ARG001 - waits for the factorisations
    plan: Plan,
    work: Callable[..., Found],
    Y: NDArray,
    given: tuple[Any, ...],
) -> Found:
    engine = replace(shared[0], plan=plan)
    with use_backend(engine.backend):
        return work(engine, engine.open(Y).responses, *given)


def _count(made: list[int]) -> int:
    return sum(made)


def _do(shared: tuple[FoldGram, Work], made: int, data: Any, part: slice) -> Any:  # noqa: ARG001 - waits for the factorisations
    engine, work = shared
    return work(engine, data.columns(part) if isinstance(data, ON_DISK) else data)
