"""Rows of the benchmark that read from disk, and that run on several processes."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from memory import peak_bytes
from solvers import ALPHAS_8, Settings, plant, timed
from table import Row

BOUND_GB = 2.8  # of the whole process, as `machine.max_memory_gb`


def disk(n: int, voxels: Sequence[int]) -> Iterator[Row]:
    """Yield seconds and peak memory from a file, for growing numbers of voxels."""
    per_voxel = []
    with tempfile.TemporaryDirectory() as folder:
        for n_voxels in voxels:
            inner = json.dumps({"folder": folder, "n": n, "voxels": n_voxels})
            done = subprocess.run(
                [sys.executable, *sys.argv, "--inner", inner],
                capture_output=True,
                check=True,
                text=True,
            )
            took = json.loads(done.stdout)
            per_voxel.append(took["seconds"] / n_voxels)
            yield Row(
                "from disk, 8 candidates",
                f"n {n}, V {n_voxels}",
                ours_s=took["seconds"],
                figure=took["peak_gb"],
                goal="3 GB",
                most=3.0,
                unit="GB at most",
            )
    ratio = per_voxel[-1] / per_voxel[0]
    sizes = f"V {voxels[-1]} against {voxels[0]}"
    yield Row("- a voxel's time", sizes, figure=ratio, goal="linear", most=1.1)


def disk_inner(size: dict[str, Any], settings: Settings) -> None:
    """Fit from a file in a process of its own, and print what it took."""
    from brain2music.core.ridge.stream import release
    from brain2music.core.types import Band
    from brain2music.encoding.evaluate import RidgeSettings, fit_models
    from brain2music.encoding.streamed import Place

    data = plant(settings.case(size["n"], 500))
    path, n_voxels = Path(size["folder"]) / "Y.npy", size["voxels"]
    shape = (len(data.Y), n_voxels)
    Y = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    for first in range(0, n_voxels, 500):
        width = min(500, n_voxels - first)
        Y[:, first : first + width] = data.Y[:, :width]
        release(Y)
    del Y

    def make(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return np.lib.format.open_memmap(
            path.parent / f"{name}.npy", "w+", dtype, shape
        )

    ridge = RidgeSettings(
        tuple(ALPHAS_8.tolist()),
        n_candidates=8,
        levers=settings.levers,
        max_memory_gb=BOUND_GB,
        other_gb=peak_bytes() / 1e9,  # X, the interpreter, and what was planted
    )
    start = time.perf_counter()
    fit_models(
        data.X,
        np.load(path, mmap_mode="r"),
        data.X_test,
        bands=[Band(f"band {k}", w) for k, w in enumerate(data.widths)],
        folds=data.folds,
        settings=ridge,
        place=Place(make=make),
    )
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_gb": peak_bytes() / 1e9}))


def dask(n: int, n_voxels: int, settings: Settings) -> Iterator[Row]:
    """Yield one and two local workers on the same chunks."""
    from brain2music.core.cluster import Scheduler, open_client
    from brain2music.core.types import Band
    from brain2music.encoding.evaluate import RidgeSettings
    from brain2music.encoding.streamed import Job, Place, fit_subjects

    data = plant(settings.case(n, n_voxels))
    ridge = RidgeSettings(
        tuple(ALPHAS_8.tolist()),
        n_candidates=settings.candidates,
        levers=settings.levers,
        n_voxels_batch=settings.chunk,
    )
    bands = tuple(Band(f"band {k}", w) for k, w in enumerate(data.widths))
    job = Job(data.X, data.X_test, bands, data.folds, ridge)
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "Y.npy", data.Y)
        Y = np.load(Path(folder) / "Y.npy", mmap_mode="r")
        for n_workers in (1, 2):
            kept = Path(folder) / str(n_workers)
            with open_client(Scheduler(n_workers=n_workers)) as client:
                place = Place(client, kept, keep=True)
                seconds[n_workers], _ = timed(
                    lambda p=place: fit_subjects(job, {"01": Y}, place=p)
                )
    sizes = f"n {n}, V {n_voxels}, chunks of {settings.chunk}"
    goal = {"goal": "1.7 x", "least": 1.7}
    yield Row("two workers", sizes, "one", seconds[1], seconds[2], **goal)
