"""The workers of a fit: processes of this machine, or jobs of a cluster, through Dask.

Needs the extra `cluster`.
"""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .checks import InputError

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
    distributed = import_extra("distributed")
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


def _local(scheduler: Scheduler) -> Any:
    return import_extra("distributed").LocalCluster(
        n_workers=scheduler.n_workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs=NO_DASHBOARD,
    )


def _slurm(scheduler: Scheduler, **options: Any) -> Any:
    settings = {"cores": 1, "processes": 1, "memory": "4GB"} | dict(scheduler.slurm)
    return import_extra("dask_jobqueue").SLURMCluster(
        **settings, scheduler_options=NO_DASHBOARD | options
    )


def import_extra(name: str) -> Any:
    """Return a module of the extra `cluster`, or say what to install."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"{name} is not installed, which a fit on several workers needs. Install "
            "the extra: pip install 'brain2music[cluster]'."
        ) from error
