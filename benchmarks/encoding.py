"""What the fold-Gram search costs beside himalaya's, and how much it loses, if at all.

Run from anywhere, on a quiet machine, with the package and its extra `cluster`:

    python benchmarks/encoding.py --case search --n 4800 --voxels 20000

One thread each, both in one run, float32. himalaya runs in its faster form (kernels
where there are more columns than samples), returns no weights, and is timed on two of
its candidates, which all cost the same; 100 of them are what it is compared with. It
is given our penalties, too: 20 against 8 is a gift that the table shows apart. Data
are planted (`planted.py`); "responsive" means planted.

Cases: search, quality, exact, joint, subjects, disk, dask. Small sizes are for trying
it out; the published table names the sizes of each row.
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
from planted import Case, Planted, plant
from threadpoolctl import threadpool_limits

ALPHAS_20 = np.logspace(-1, 6, 20).astype(np.float32)
ALPHAS_8 = np.logspace(-1, 6, 8).astype(np.float32)
N_HIMALAYA = 100
Row = dict[str, Any]


def main() -> None:
    """Print the table of one case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=CASES, required=True)
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
        table = pd.DataFrame(CASES[given.case](given))
    with pd.option_context("display.width", 200, "display.max_columns", None):
        sys.stdout.write(table.to_string(index=False, float_format="%.4g") + "\n")


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


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def ours(
    data: Planted,
    given: argparse.Namespace,
    levers: Any,
    *,
    alphas: np.ndarray = ALPHAS_8,
    candidates: np.ndarray | None = None,
    Y: np.ndarray | None = None,
) -> Row:
    """Fit with the fold-Gram search; return seconds, choices and held-out R2."""
    from brain2music.core.ridge.candidates import structured_candidates
    from brain2music.core.ridge.fold_gram import open_fold_gram
    from brain2music.core.ridge.search import Search
    from brain2music.core.stats import r2_score

    Y = data.Y if Y is None else Y
    if candidates is None:
        candidates = structured_candidates(len(data.widths), given.candidates, 0)
    search = Search(alphas.tolist(), candidates, levers=levers, factor_gb=4.0)
    start = time.perf_counter()
    engine = open_fold_gram(
        data.X, widths=data.widths, folds=data.folds, search=search, dtype="float32"
    )
    engine.sample(Y, levers.n_sampled, seed=0)
    found, seconds, raced = [], 0.0, 0
    for first in range(0, Y.shape[1], given.chunk):
        part = slice(first, first + given.chunk)
        searched = engine.fit(Y[:, part])
        found.append(searched)
        raced += searched.found.n_raced
    seconds = time.perf_counter() - start
    scores = np.concatenate([-one.losses() for one in found], axis=1)
    r2 = []
    for number, one in enumerate(found):
        model = one.model()
        part = slice(number * given.chunk, (number + 1) * given.chunk)
        predicted = data.X_test @ model.weights + model.intercept
        r2.append(r2_score(data.Y_test[:, part], predicted))
        found[number] = None
    return {
        "seconds": seconds,
        "axes": sum(engine.design.widths),
        "tried": len(engine.plan.candidates),
        "raced": raced,
        "scores": scores,
        "r2": np.concatenate(r2),
    }


def himalaya(
    data: Planted,
    candidates: np.ndarray,
    alphas: np.ndarray,
    Y: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return himalaya's deltas and scores, in its faster form."""
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from himalaya.ridge import solve_group_ridge_random_search
    from sklearn.model_selection import PredefinedSplit

    Y = data.Y if Y is None else Y
    X = data.X - data.X.mean(axis=0)
    Y = Y - Y.mean(axis=0)
    Xs = np.split(X, np.cumsum(data.widths)[:-1], axis=1)
    options = {
        "n_iter": candidates.astype(np.float32),
        "alphas": alphas,
        "cv": PredefinedSplit(data.folds),
        "progress_bar": False,
        "n_alphas_batch": 1,
        "n_targets_batch": 5000,
        "random_state": 0,
    }
    if X.shape[1] > X.shape[0]:
        Ks = np.stack([x @ x.T for x in Xs])
        deltas, _, scores = solve_multiple_kernel_ridge_random_search(Ks, Y, **options)
    else:
        options |= {"fit_intercept": True, "warn": False}
        deltas, _, scores, _ = solve_group_ridge_random_search(Xs, Y, **options)
    return deltas, scores


def draw(n: int, n_bands: int) -> np.ndarray:
    """Return candidates as himalaya draws them."""
    from himalaya.kernel_ridge import generate_dirichlet_samples

    drawn = generate_dirichlet_samples(n, n_bands, [0.1, 1.0], 0).copy()
    drawn[0] = 1 / n_bands
    return np.maximum(drawn, 1e-6) / np.maximum(drawn, 1e-6).sum(axis=1, keepdims=True)


def time_himalaya(data: Planted, alphas: np.ndarray) -> float:
    """Return the seconds of 100 candidates, from two of them."""
    candidates = draw(N_HIMALAYA, len(data.widths))[:2]
    seconds, _ = timed(lambda: himalaya(data, candidates, alphas))
    return seconds * N_HIMALAYA / 2


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


def held_out(data: Planted, weights: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Return test R2 of given choices, each voxel refitted in float64."""
    from brain2music.core.stats import r2_score

    mean = data.X.mean(axis=0, dtype=np.float64)
    X, Y_mean = data.X - mean, data.Y.mean(axis=0, dtype=np.float64)
    Y, out = data.Y - Y_mean, np.empty(data.Y.shape[1])
    alphas = np.exp(-np.log(np.exp(deltas.astype(np.float64)).sum(axis=0)))
    distinct, which = np.unique(weights, axis=0, return_inverse=True)
    for number, row in enumerate(distinct):
        voxels = np.flatnonzero(which.ravel() == number)
        scaled = X * np.repeat(row, data.widths)
        values, vectors = np.linalg.eigh(scaled @ X.T)
        values = np.maximum(values, 0)[:, None]
        dual = vectors @ ((vectors.T @ Y[:, voxels]) / (values + alphas[voxels]))
        predicted = (data.X_test - mean) @ (scaled.T @ dual) + Y_mean[voxels]
        out[voxels] = r2_score(data.Y_test[:, voxels], predicted)
    return out


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
