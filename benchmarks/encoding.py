"""What the fold-Gram search costs beside himalaya's, and how much it loses, if at all.

Run from anywhere, on a quiet machine, with the package and its extra `cluster`:

    python benchmarks/encoding.py --case search --n 4800 --voxels 20000

One thread each, both in one run, float32. himalaya runs in its faster form (kernels
where there are more columns than samples), returns no weights, and is timed on two of
its candidates, which all cost the same; 100 of them are what it is compared with. It
is given our penalties, too: 20 against 8 is a gift that the table shows apart. Data
are planted (`planted.py`); "responsive" means planted.

Cases: search, quality, exact, joint, subjects, disk, dask, or all of them, one after
the other with the same sizes. Small sizes are for trying it out.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from planted import Case, plant
from solvers import (
    ALPHAS_8,
    ALPHAS_20,
    N_HIMALAYA,
    draw,
    held_out,
    himalaya,
    ours,
    time_himalaya,
    timed,
)
from threadpoolctl import threadpool_limits

Row = dict[str, Any]


def main() -> None:
    """Print the table of one case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=["all", *CASES], required=True)
    parser.add_argument("--n", type=int, default=4800)
    parser.add_argument("--voxels", type=int, default=20_000)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--margin", type=float, default=0.003)
    parser.add_argument("--chunk", type=int, default=2000)
    parser.add_argument("--widths", type=int, nargs="+", default=[128, 128, 1024, 10])
    parser.add_argument("--responsive", type=float, default=0.2)
    parser.add_argument("--spectrum", type=float, default=-1.5)
    parser.add_argument("--himalaya-candidates", type=int, default=N_HIMALAYA)
    parser.add_argument("--inner", help=argparse.SUPPRESS)
    given = parser.parse_args()
    with threadpool_limits(1):
        if given.inner:
            disk_inner(json.loads(given.inner), given)
            return
        for case in CASES if given.case == "all" else [given.case]:
            table = pd.DataFrame(CASES[case](given))
            with pd.option_context("display.width", 200, "display.max_columns", None):
                text = table.to_string(index=False, float_format="%.4g")
            sys.stdout.write(f"{case}\n{text}\n\n")


def case_of(given: argparse.Namespace, **changes: Any) -> Case:
    """Return what is planted, as the flags say."""
    case = Case(
        n_samples=given.n,
        n_voxels=given.voxels,
        responsive=given.responsive,
        spectrum=given.spectrum,
        widths=tuple(given.widths),
    )
    return replace(case, **changes)


def levers_of(given: argparse.Namespace) -> Any:
    """Return all levers, as the flags say."""
    from brain2music.core.ridge.levers import Levers

    return Levers(tolerance=given.tolerance, margin=given.margin)


def search(given: argparse.Namespace, **changes: Any) -> list[Row]:
    """Return our whole search against himalaya's 100 candidates, and lever by lever."""
    from brain2music.core.ridge.levers import EXACT

    data = plant(case_of(given, **changes))
    full = {name: time_himalaya(data, a) for name, a in GRIDS.items()}
    found = ours(data, given, levers_of(given))
    sys.stderr.write(f"himalaya {full}, ours {found['seconds']:.1f} s\n")
    two = draw(N_HIMALAYA, len(data.widths))[:2]
    plain = ours(data, given, EXACT, alphas=ALPHAS_20, candidates=two)["seconds"] / 2
    compressed = replace(EXACT, tolerance=given.tolerance)
    coarse = replace(EXACT, interpolate=True)
    squeezed = ours(data, given, compressed, alphas=ALPHAS_20, candidates=two)
    fewer = ours(data, given, coarse, candidates=two)
    unraced = ours(data, given, replace(levers_of(given), margin=None))
    alone = {
        "fold Grams alone (20 penalties, per candidate)": full["20"] / 100 / plain,
        "compression, over fold Grams": 2 * plain / squeezed["seconds"],
        "8 penalties and the parabola, over fold Grams": 2 * plain / fewer["seconds"],
        "racing, over all other levers": unraced["seconds"] / found["seconds"],
        "fewer candidates (100 against ours)": N_HIMALAYA / found["tried"],
    }
    size = f"n {given.n}, V {given.voxels}, columns {sum(data.widths)}"
    size += f", axes {found['axes']}, raced {found['raced']}"
    rows = [
        {
            "what": f"all levers, {size}",
            "himalaya_s": full[name],
            "ours_s": found["seconds"],
            "ratio": full[name] / found["seconds"],
            "note": f"himalaya with {name} penalties",
        }
        for name in GRIDS
    ]
    return rows + [{"what": name, "ratio": ratio} for name, ratio in alone.items()]


def quality(given: argparse.Namespace) -> list[Row]:
    """Return held-out R2 over responsive voxels, ours and himalaya's, in every case."""
    rows = []
    for responsive, spectrum, low in (
        (0.2, -1.5, False),
        (0.2, -0.5, False),
        (1.0, -1.5, False),
        (1.0, -0.5, False),
        (1.0, -1.5, True),
    ):
        case = case_of(
            given, responsive=responsive, spectrum=spectrum, low_variance=low
        )
        data = plant(case)
        found = ours(data, given, levers_of(given))
        candidates = draw(given.himalaya_candidates, len(data.widths))
        seconds, (deltas, scores) = timed(
            lambda d=data, c=candidates: himalaya(d, c, ALPHAS_20)
        )
        theirs = held_out(data, candidates[scores.argmax(axis=0)], deltas)
        rows.append(
            {
                "responsive": responsive,
                "spectrum": spectrum,
                "low_variance": low,
                "ours_r2": found["r2"][data.responsive].mean(),
                "himalaya_r2": theirs[data.responsive].mean(),
                "difference": (found["r2"] - theirs)[data.responsive].mean(),
                "ours_s": found["seconds"],
                "himalaya_s": seconds,
                "raced": found["raced"],
                "axes": found["axes"],
            }
        )
        sys.stderr.write(f"{rows[-1]}\n")
    return rows


def exact(given: argparse.Namespace) -> list[Row]:
    """Return the same candidates and penalties without a lever: scores and seconds."""
    from brain2music.core.ridge.factors import EIGH
    from brain2music.core.ridge.levers import EXACT

    data = plant(case_of(given))
    per_run = given.n // 12
    data = replace(data, folds=np.arange(12 * per_run) // per_run)
    candidates = draw(N_HIMALAYA, len(data.widths))[:2]
    Y = data.Y / data.Y.std(axis=0)
    seconds, (_, scores) = timed(lambda: himalaya(data, candidates, ALPHAS_8, Y))
    found = ours(data, given, EXACT, candidates=candidates, Y=Y)
    n, p, V, K, A = given.n, sum(data.widths), given.voxels, 12, len(ALPHAS_8)
    n_train = n - n // K
    theirs = K * (EIGH * n_train**3 + A * 2 * n_train * (n // K) * (V + n_train))
    primal = K * EIGH * p**3 + 2 * K * p * p * V + 2 * A * K * p * min(p, n // K) * V
    kernel = EIGH * n**3 + 2 * n * n * V * (1 + A) + 2 * A * n * n * (n // K)
    return [
        {
            "what": f"exact, n {n}, V {V}, columns {p}, 12 folds, 2 candidates",
            "himalaya_s": seconds,
            "ours_s": found["seconds"],
            "ratio": seconds / found["seconds"],
            "flops_ratio": theirs / min(primal, kernel),
            "largest_score_difference": np.abs(found["scores"] - scores).max(),
        }
    ]


def joint(given: argparse.Namespace) -> list[Row]:
    """Return windows without delays, and scikit-learn's RidgeCV as context."""
    from sklearn.linear_model import RidgeCV

    rows = search(given, delays=(0,))
    data = plant(case_of(given, delays=(0,)))
    cv = RidgeCV(alphas=ALPHAS_8)
    seconds, _ = timed(lambda: cv.fit(data.X, data.Y[:, :2000]))
    what = "scikit-learn RidgeCV, one band, one penalty for all of 2000 voxels"
    return [*rows, {"what": what, "himalaya_s": seconds}]


def subjects(given: argparse.Namespace) -> list[Row]:
    """Return five subjects in one pass against five fits."""
    data = plant(case_of(given, n_voxels=5 * given.voxels))
    parts = np.split(np.arange(5 * given.voxels), 5)
    each = 0.0
    for part in parts:
        one = replace(data, Y=data.Y[:, part], Y_test=data.Y_test[:, part])
        each += ours(one, given, levers_of(given))["seconds"]
    together = ours(data, given, levers_of(given))["seconds"]
    what = f"five subjects, n {given.n}, V {given.voxels} each"
    return [
        {
            "what": what,
            "five_fits_s": each,
            "one_pass_s": together,
            "ratio": each / together,
        }
    ]


def disk(given: argparse.Namespace) -> list[Row]:
    """Return seconds and peak memory from a file, for growing numbers of voxels."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n_voxels in (given.voxels // 12, given.voxels // 3, given.voxels):
            inner = json.dumps({"folder": folder, "voxels": n_voxels})
            done = subprocess.run(
                [sys.executable, *sys.argv, "--inner", inner],
                capture_output=True,
                check=True,
                text=True,
            )
            rows.append({"voxels": n_voxels} | json.loads(done.stdout))
    return rows


def disk_inner(size: Row, given: argparse.Namespace) -> None:
    """Fit from a file in a process of its own, and print what it took."""
    from brain2music.core.ridge.stream import release
    from brain2music.core.types import Band
    from brain2music.encoding.evaluate import RidgeSettings, fit_models

    data = plant(case_of(given, n_voxels=500))
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

    settings = RidgeSettings(
        tuple(ALPHAS_8.tolist()),
        n_candidates=8,
        levers=levers_of(given),
        max_memory_gb=2.0,
    )
    bands = [Band(f"band {k}", w) for k, w in enumerate(data.widths)]
    start = time.perf_counter()
    fit_models(
        data.X,
        np.load(path, mmap_mode="r"),
        data.X_test,
        bands=bands,
        folds=data.folds,
        settings=settings,
        make=make,
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_gb": peak}))


def dask(given: argparse.Namespace) -> list[Row]:
    """Return one and two local workers on the same chunks."""
    from brain2music.core.cluster import Scheduler, open_client
    from brain2music.core.types import Band
    from brain2music.encoding.evaluate import RidgeSettings
    from brain2music.encoding.streamed import Job, fit_subjects

    data = plant(case_of(given))
    settings = RidgeSettings(
        tuple(ALPHAS_8.tolist()),
        n_candidates=given.candidates,
        levers=levers_of(given),
        n_voxels_batch=given.chunk,
    )
    bands = tuple(Band(f"band {k}", w) for k, w in enumerate(data.widths))
    job = Job(data.X, data.X_test, bands, data.folds, settings)
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "Y.npy", data.Y)
        Y = np.load(Path(folder) / "Y.npy", mmap_mode="r")
        for n_workers in (1, 2):
            kept = Path(folder) / str(n_workers)
            with open_client(Scheduler(n_workers=n_workers)) as client:
                work = {"client": client, "folder": kept}
                seconds[n_workers], _ = timed(
                    lambda w=work: fit_subjects(job, {"01": Y}, **w)
                )
    what = f"n {given.n}, V {given.voxels}, chunks of {given.chunk}"
    ratio = seconds[1] / seconds[2]
    return [{"what": what, "one_s": seconds[1], "two_s": seconds[2], "ratio": ratio}]


GRIDS = {"20": ALPHAS_20, "8": ALPHAS_8}
CASES: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "search": search,
    "quality": quality,
    "exact": exact,
    "joint": joint,
    "subjects": subjects,
    "disk": disk,
    "dask": dask,
}

if __name__ == "__main__":
    main()
