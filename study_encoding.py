"""How a study's models are searched, and on which machine: a part of the study file."""

from collections.abc import Iterator
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from .core.checks import InputError
from .core.cluster import Scheduler
from .core.device import Backend
from .feature_spaces import STRICT, Delays, Positive, Seed

# Keys of `Encoding` that say what a search may leave out.
LEVERS = (
    "compression_tolerance",
    "racing_margin",
    "placed_candidates",
    "interpolate_alphas",
    "follow_alphas",
    "widen_alphas",
)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Encoding:
    """The model: which feature spaces, at which delays, searched how.

    A training clip that is heard in two folds would be known from the one when it is
    held out in the other: refused unless `clips_over_folds` allows it.

    `solver` 'fold-gram' is ours, 'himalaya' the reference, slower and with the same
    scores on the same penalties. Ours widens the grid where a voxel's best penalty is
    at its end, by up to `widen_alphas` steps, and says so.

    The rest says what 'fold-gram' may leave out to be faster; all is off, and
    nothing left out, unless asked for. `compression_tolerance`: the share of each
    band's variance that may be lost. `racing_margin`: voxels whose best held-out R2
    after the first candidates is not above it stop searching. `placed_candidates`:
    so many more are put where a sample of voxels found their best. With
    `interpolate_alphas` a coarse grid is enough: a parabola through the best three.
    `follow_alphas`: later candidates try the penalties around a voxel's best.

    `stacking` also mixes the bands' own models, with convex weights for each voxel.
    """

    bands: tuple[str, ...]
    delays: Delays = (2, 3, 4, 5)
    alphas: tuple[Positive, ...] = (1.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6)
    n_candidates: Annotated[int, Field(ge=1)] = 20
    folds: Literal["run", "session"] | Annotated[int, Field(ge=2)] = "run"
    clips_over_folds: Literal["refuse", "allow"] = "refuse"
    incomplete_rows: Literal["mean", "drop"] = "mean"
    precision: Literal["float32", "float64"] = "float32"
    seed: Seed = 0
    solver: Literal["fold-gram", "himalaya"] = "fold-gram"
    compression_tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.0
    racing_margin: Annotated[float, Field(lt=1)] | None = None
    placed_candidates: Annotated[int, Field(ge=0)] = 0
    interpolate_alphas: bool = False
    follow_alphas: bool = False
    widen_alphas: Annotated[int, Field(ge=0)] = 3
    stacking: bool = False


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Machine:
    """How it is computed: no part of a result's identity.

    `threads` are those of the linear algebra; `cache` is where drawing keeps its
    surfaces, and extraction the states of networks (None: the user's cache folder).
    `device` is where networks compute ('auto': a GPU if there is one), in batches of
    up to `batch_gb`.

    `max_memory_gb` bounds the process while it fits: voxels are worked on in chunks
    (None: those that 2 GB hold beside the features); `voxels_per_batch` sets their size
    by hand. `scheduler` spreads them over `workers` processes of one thread: 'local',
    'slurm' (its jobs, with what `slurm` says of them: interface, memory, walltime,
    queue, ...), or the 'tcp://HOST:PORT' of a Dask scheduler that runs. Results are
    the same for any number of workers.

    `backend` does the arithmetic of fits, in himalaya's names: 'torch' is PyTorch on
    the processor, 'torch_cuda' on one NVIDIA GPU, which several workers of this machine
    cannot share. Scores agree with those of numpy to 1e-5.
    """

    threads: Annotated[int, Field(ge=1)] = 1
    voxels_per_batch: Annotated[int, Field(ge=1)] | None = None
    cache: str | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    batch_gb: Positive = 2.0
    max_memory_gb: Positive | None = None
    scheduler: str = "none"
    workers: Annotated[int, Field(ge=1)] = 1
    backend: Backend = "numpy"
    slurm: dict[str, str | int | list[str]] = field(default_factory=dict)


def solver_problems(encoding: Encoding, machine: Machine) -> Iterator[str]:
    """Yield what himalaya's solvers and the schedulers cannot do."""
    plain = Encoding(bands=encoding.bands)
    keys = (*LEVERS, "stacking")
    off = {"widen_alphas": 0}
    asked = [
        key
        for key in keys
        if getattr(encoding, key) not in (getattr(plain, key), off.get(key))
    ]
    if encoding.solver == "himalaya" and asked:
        yield (
            f"encoding.{asked[0]} is for solver = 'fold-gram'. Leave it out with "
            "'himalaya', which tries everything on every voxel."
        )
    yield from _backend_problems(encoding, machine)
    if machine.scheduler == "none":
        if machine.workers > 1 or machine.slurm:
            yield (
                "machine.workers and machine.slurm are for a scheduler. Set "
                "machine.scheduler to 'local', 'slurm' or an address."
            )
        return
    if encoding.solver == "himalaya":
        yield (
            "encoding.solver = 'himalaya' runs in one process: leave "
            "machine.scheduler out, or use 'fold-gram'."
        )
    try:
        Scheduler(machine.scheduler, machine.workers, machine.slurm)
    except InputError as error:
        yield f"machine.{error}"
    if machine.scheduler == "slurm" and "interface" not in machine.slurm:
        yield (
            "machine.slurm needs the network interface that the nodes reach this "
            "machine by: add interface = 'ib0' or the like (see `ip addr`)."
        )


def _backend_problems(encoding: Encoding, machine: Machine) -> Iterator[str]:
    if machine.backend != "numpy" and encoding.solver == "himalaya":
        yield (
            f"machine.backend = {machine.backend!r} is for solver = 'fold-gram'. Leave "
            "it out with 'himalaya', which runs on numpy."
        )
    several = machine.scheduler == "local" and machine.workers > 1
    if machine.backend == "torch_cuda" and several:
        yield (
            f"machine.backend = 'torch_cuda' with {machine.workers} workers of one "
            "machine: they would share its GPU and its memory. Set machine.workers = "
            "1, or use machines with a GPU each ('slurm' or an address)."
        )
