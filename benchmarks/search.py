"""Rows of the benchmark that set our search beside himalaya's on the same data."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from planted import Case
from solvers import (
    ALPHAS_8,
    ALPHAS_20,
    N_HIMALAYA,
    Settings,
    as_himalaya,
    draw,
    held_out,
    himalaya,
    ours,
    plant,
    time_himalaya,
    timed,
)
from table import Row

GRIDS = {20: ALPHAS_20, 8: ALPHAS_8}
N_CHECKED = 300  # voxels whose scores are checked in float64
PLANTED = (
    (0.2, -1.5, False),
    (0.2, -0.5, False),
    (1.0, -1.5, False),
    (1.0, -0.5, False),
    (1.0, -1.5, True),
)


def search(case: Case, settings: Settings, what: str, *, least: float) -> Iterator[Row]:
    """Yield our whole search against himalaya's 100 candidates, and each lever."""
    data = plant(case)
    sizes = f"n {case.n_samples}, V {case.n_voxels}, {sum(data.widths)} columns"
    found = ours(data, settings, settings.levers)
    sizes += f", {found['axes']} axes, {found['raced']} raced"
    full = {n: time_himalaya(data, alphas) for n, alphas in GRIDS.items()}
    for n, seconds in full.items():
        against = f"himalaya, {N_HIMALAYA} x {n}"
        goal = {"goal": f"{least:g} x", "least": least} if n == 20 else {}
        yield Row(what, sizes, against, seconds, found["seconds"], **goal)
    two = draw(N_HIMALAYA, len(data.widths))[:2]

    def seconds_of(alphas: np.ndarray = ALPHAS_20, **changed: object) -> float:
        levers = replace(settings.exact, **changed)
        return ours(data, settings, levers, alphas=alphas, candidates=two)["seconds"]

    plain = seconds_of()
    per = "a candidate"
    yield Row("- fold Gram alone", per, "himalaya", full[20] / N_HIMALAYA, plain / 2)
    squeezed = seconds_of(tolerance=settings.levers.tolerance) / 2
    yield Row("- compression", per, "without", plain / 2, squeezed)
    coarse = seconds_of(ALPHAS_8, interpolate=True) / 2
    yield Row("- 8 penalties, parabola", per, "20", plain / 2, coarse)
    if case.responsive < 1:
        unraced = ours(data, settings, replace(settings.levers, margin=None))
        yield Row(
            "- racing", "all levers", "without", unraced["seconds"], found["seconds"]
        )
    ratio = N_HIMALAYA / found["tried"]
    yield Row("- fewer candidates", str(found["tried"]), "100", figure=ratio)


def quality(size: tuple[int, int, int], settings: Settings) -> Iterator[Row]:
    """Yield held-out R2 over responsive voxels, ours less himalaya's, in every case."""
    n, V, n_candidates = size
    for responsive, spectrum, low in PLANTED:
        case = settings.case(
            n, V, responsive=responsive, spectrum=spectrum, low_variance=low
        )
        data = plant(case)
        found = ours(data, settings, settings.levers)
        candidates = draw(n_candidates, len(data.widths))
        seconds, (deltas, scores) = timed(
            lambda d=data, c=candidates: himalaya(d, c, ALPHAS_20)
        )
        theirs = held_out(data, candidates[scores.argmax(axis=0)], deltas)
        where = data.responsive
        what = f"quality, {responsive:.0%}, rank^{spectrum}"
        r2 = f"R2 {theirs[where].mean():.4f}"
        yield Row(
            what + (", low axes" if low else ""),
            f"n {n}, V {V}",
            f"himalaya, {n_candidates} x 20: {r2}",
            seconds,
            found["seconds"],
            figure=float((found["r2"] - theirs)[where].mean()),
            goal="R2 -0.0001",
            least=-1e-4,
            unit="R2",
        )


def exact(
    size: tuple[int, int], settings: Settings, *, least: float | None
) -> Iterator[Row]:
    """Yield the same candidates and penalties without a lever: seconds and scores."""
    from brain2music.core.ridge.factors import EIGH

    n, V = size
    data = plant(settings.case(n, V))
    per_run = n // 12
    data = replace(data, folds=np.arange(12 * per_run) // per_run)
    candidates = draw(N_HIMALAYA, len(data.widths))[:2]
    Y = data.Y / data.Y.std(axis=0)
    seconds, (_, scores) = timed(lambda: himalaya(data, candidates, ALPHAS_8, Y))
    ours_s, (_, found) = timed(lambda: as_himalaya(data, candidates, ALPHAS_8, Y))
    p, K, A = sum(data.widths), 12, len(ALPHAS_8)
    n_train = n - n // K
    theirs = K * (EIGH * n_train**3 + A * 2 * n_train * (n // K) * (V + n_train))
    primal = K * EIGH * p**3 + 2 * K * p * p * V + 2 * A * K * p * min(p, n // K) * V
    kernel = EIGH * n**3 + 2 * n * n * V * (1 + A) + 2 * A * n * n * (n // K)
    sizes = f"n {n}, V {V}, {p} columns, 12 folds"
    goal = {} if least is None else {"goal": f"{least:g} x", "least": least}
    yield Row("exact, 2 x 8", sizes, "himalaya", seconds, ours_s, **goal)
    yield Row("- by flops", "", "himalaya", figure=theirs / min(primal, kernel))
    # In float32 himalaya's own scores are off at small penalties: float64 tells.
    some = slice(0, N_CHECKED)
    double = replace(data, X=data.X.astype(np.float64))
    _, true = himalaya(
        double, candidates, ALPHAS_8, Y[:, some].astype(np.float64), dtype="float64"
    )
    off = float(np.abs(found[:, some] - true).max())
    yield Row("- scores", figure=off, goal="1e-4", most=1e-4, unit="off float64")
    theirs_off = float(np.abs(scores[:, some] - true).max())
    yield Row("- himalaya's own", figure=theirs_off, unit="off float64")


def subjects(
    size: tuple[int, int], settings: Settings, *, least: float | None
) -> Iterator[Row]:
    """Yield five subjects in one pass against five fits."""
    n, V = size
    data = plant(settings.case(n, 5 * V))
    each = 0.0
    for part in np.split(np.arange(5 * V), 5):
        one = replace(data, Y=data.Y[:, part], Y_test=data.Y_test[:, part])
        each += ours(one, settings, settings.levers)["seconds"]
    together = ours(data, settings, settings.levers)
    goal = {} if least is None else {"goal": f"{least:g} x", "least": least}
    sizes = f"n {n}, V {V} each"
    yield Row("five subjects", sizes, "five fits", each, together["seconds"], **goal)
    share = together["making_s"] / together["seconds"]
    yield Row("- eigendecompositions", "", "of one pass", figure=share, unit="of time")
