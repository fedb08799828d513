"""The same fit on several processes or machines, through Dask.

A unit is one chunk of one subject's voxels. Factorisations are made once, in a folder
that all workers see, and only read after that. What a lost worker had is run again by
Dask. Needs the extra `cluster`.
"""

import importlib
import mmap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import InputError
from .device import use_backend
from .ridge.fold_gram import FoldGram
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

# Dask's scheduler opens a port for its pages in any case: without pages, on any free
# one.
NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Where the work runs.

    Parameters
    ----------
    address : str
        'local' for processes on this machine; 'tcp://HOST:PORT' for a Dask scheduler
        that runs already; 'slurm' for jobs of a SLURM cluster.
    n_workers : int
        Processes, or jobs. One thread each. Of no meaning for 'tcp://'.
    slurm : dict of str to value
        For 'slurm', what `dask_jobqueue.SLURMCluster` takes: memory, walltime, queue,
        account, interface (the network that the nodes reach this machine by), ...
    """

    address: str = "local"
    n_workers: int = 1
    slurm: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = self.address in ("local", "slurm") or "://" in self.address
        if not known or self.n_workers < 1:
            raise InputError(
                f"scheduler must be 'local', 'slurm' or an address such as "
                f"'tcp://10.0.0.1:8786' with at least 1 worker, got {self.address!r} "
                f"with {self.n_workers}."
            )
        if self.slurm and self.address != "slurm":
            raise InputError(
                f"options of SLURM are given ({', '.join(self.slurm)}), but scheduler "
                f"is {self.address!r}. Set it to 'slurm', or leave them out."
            )


@contextmanager
def open_client(scheduler: Scheduler) -> Iterator[Any]:
    """Connect to workers, or start them, and end what was started.

    Servers listen on this machine alone (127.0.0.1), or, for SLURM, on the interface
    that is named; there is no dashboard.

    Yields
    ------
    client : dask.distributed.Client

    Raises
    ------
    InputError
        If Dask is not installed, or SLURM is asked for without an interface.
    """
    distributed = _import("distributed")
    if "://" in scheduler.address:
        try:
            client = distributed.Client(scheduler.address, set_as_default=False)
        except OSError as error:
            raise InputError(
                f"no Dask scheduler answers at {scheduler.address} ({error}). Start "
                "it, or correct machine.scheduler."
            ) from error
        with client:
            yield client
        return
    if scheduler.address == "slurm" and "interface" not in scheduler.slurm:
        raise InputError(
            "slurm needs the network interface that its nodes reach this machine by: "
            "add interface, such as 'ib0' (see `ip addr`)."
        )
    cluster = _local(scheduler) if scheduler.address == "local" else _slurm(scheduler)
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        if scheduler.address == "slurm":
            cluster.scale(jobs=scheduler.n_workers)
        yield client


def job_script(scheduler: Scheduler) -> str:
    """Return the job script that SLURM would be given for each worker.

    Nothing is submitted, and SLURM need not be there.
    """
    here = {"host": "127.0.0.1"} if "interface" not in scheduler.slurm else {}
    with _slurm(scheduler, **here) as cluster:
        return str(cluster.job_script())


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


def make_factors(client: Any, engine: FoldGram, folder: Path) -> None:
    """Make the factorisations of a plan's candidates on the workers, into `folder`.

    What comes before the chunks, such as placing candidates, then finds them there.

    Raises
    ------
    InputError
        If no worker comes, or workers are lost again and again, as by `map_chunks`.
    """
    for attempt in range(N_RETRIES + 1):
        try:
            _, made = _start_making(client, engine, folder, None)
            client.gather(made)
            return
        except _losses() as error:
            _go_on_after(error, attempt)


class _SendingError(Exception):
    """A worker went while the engine was on its way to it."""


def _losses() -> tuple[type[Exception], ...]:
    """Return what is raised where the last worker that held something is lost."""
    distributed = _import("distributed")
    cancelled = distributed.client.FutureCancelledError
    return cancelled, distributed.KilledWorker, _SendingError


def _go_on_after(error: Exception, attempt: int) -> None:
    """Return where it is worth sending the engine again; else say what was lost."""
    final = isinstance(error, _import("distributed").KilledWorker)
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
    try:
        remote = client.scatter((shared, work), broadcast=True, hash=False)
    except OSError as error:
        raise _SendingError(str(error)) from error
    candidates = list(shared.plan.candidates)
    made = client.map(
        _make, [remote] * len(candidates), candidates, retries=N_RETRIES, pure=False
    )
    return remote, made


def _wait_for_workers(client: Any) -> None:
    local = isinstance(client.cluster, _import("distributed").LocalCluster)
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
    distributed = _import("distributed")
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


def _count(made: list[int]) -> int:
    return sum(made)


def _do(shared: tuple[FoldGram, Work], made: int, data: Any, part: slice) -> Any:  # noqa: ARG001 - waits for the factorisations
    engine, work = shared
    return work(engine, data.columns(part) if isinstance(data, ON_DISK) else data)


def _local(scheduler: Scheduler) -> Any:
    return _import("distributed").LocalCluster(
        n_workers=scheduler.n_workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs=NO_DASHBOARD,
    )


def _slurm(scheduler: Scheduler, **options: Any) -> Any:
    settings = {"cores": 1, "processes": 1, "memory": "4GB"} | dict(scheduler.slurm)
    return _import("dask_jobqueue").SLURMCluster(
        **settings, scheduler_options=NO_DASHBOARD | options
    )


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"{name} is not installed, which a fit on several workers needs. Install "
            "the extra: pip install 'brain2music[cluster]'."
        ) from error
