"""Rows of the benchmark that set our search beside himalaya's on the same data."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from planted import Case, Planted
from solvers import (
    ALPHAS_8,
    ALPHAS_20,
    N_HIMALAYA,
    Found,
    Settings,
    as_himalaya,
    draw,
    forms_of,
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


def search(
    case: Case, settings: Settings, what: str, *, goals: dict[float, float]
) -> Iterator[Row]:
    """Yield our whole search against himalaya's 100 candidates, and each lever.

    Parameters
    ----------
    goals : dict
        The least ratio for each share of responsive voxels. What depends on sizes
        alone, himalaya's time and that of the levers a candidate, is taken once.
    """
    theirs: dict[int, tuple[float, str]] = {}
    for responsive, least in goals.items():
        data = plant(replace(case, responsive=responsive))
        found = ours(data, settings, settings.levers)
        theirs = theirs or {n: time_himalaya(data, a) for n, a in GRIDS.items()}
        sizes = f"n {case.n_samples}, V {case.n_voxels}, {sum(data.widths)} columns"
        sizes += f", {found['axes']} axes, {found['raced']} raced"
        for n, (seconds, form) in theirs.items():
            goal = {"goal": f"{least:g} x", "least": least} if n == 20 else {}
            yield Row(
                f"{what}, {responsive:.0%} responsive",
                sizes,
                f"himalaya, {N_HIMALAYA} x {n}, {form}",
                seconds,
                found["seconds"],
                **goal,
            )
        if responsive == max(goals) and len(goals) > 1:
            continue
        yield from levers(data, settings, found, theirs[20][0])


def levers(
    data: Planted, settings: Settings, found: Found, theirs_s: float
) -> Iterator[Row]:
    """Yield what each lever gains, alone."""
    two = draw(N_HIMALAYA, len(data.widths))[:2]

    def seconds_of(alphas: np.ndarray = ALPHAS_20, **changed: object) -> float:
        levers = replace(settings.exact, **changed)
        return ours(data, settings, levers, alphas=alphas, candidates=two)["seconds"]

    plain = seconds_of()
    per = "a candidate"
    yield Row("- fold Gram alone", per, "himalaya", theirs_s / N_HIMALAYA, plain / 2)
    squeezed = seconds_of(tolerance=settings.levers.tolerance) / 2
    yield Row("- compression", per, "without", plain / 2, squeezed)
    coarse = seconds_of(ALPHAS_8, interpolate=True) / 2
    yield Row("- 8 penalties, parabola", per, "20", plain / 2, coarse)
    unraced = ours(data, settings, replace(settings.levers, margin=None))["seconds"]
    yield Row("- racing", "all levers", "without", unraced, found["seconds"])
    ratio = N_HIMALAYA / found["tried"]
    yield Row("- fewer candidates", str(found["tried"]), "100", figure=ratio)


def quality(size: tuple[int, int, int], settings: Settings) -> Iterator[Row]:
    """Yield held-out R2 over responsive voxels, ours less himalaya's, in every case.

    Cases of the same spectrum have the same features, so that himalaya fits their
    voxels in one call; it chooses for each voxel alone.
    """
    n, V, n_candidates = size
    chosen = [PLANTED[k] for k in settings.planted]
    for spectrum in dict.fromkeys(spectrum for _, spectrum, _ in chosen):
        cases = [
            settings.case(n, V, responsive=share, spectrum=spectrum, low_variance=low)
            for share, of, low in chosen
            if of == spectrum
        ]
        planted = [plant(case) for case in cases]
        if any(np.any(one.X != planted[0].X) for one in planted):
            raise AssertionError("cases of one spectrum differ in their features")
        pooled = replace(planted[0], Y=np.hstack([one.Y for one in planted]))
        pooled = replace(pooled, Y_test=np.hstack([one.Y_test for one in planted]))
        candidates = draw(n_candidates, len(pooled.widths))
        search = himalaya(pooled, candidates, ALPHAS_20, intercept=True)
        best = candidates[search["scores"].argmax(axis=0)]
        theirs = np.split(held_out(pooled, best, search["deltas"]), len(cases))
        for case, data, r2 in zip(cases, planted, theirs, strict=True):
            found = ours(data, settings, settings.levers)
            where = data.responsive
            what = f"quality, {case.responsive:.0%}, rank^{spectrum}"
            mean = f"R2 {r2[where].mean():.4f}"
            yield Row(
                what + (", low axes" if case.low_variance else ""),
                f"n {n}, V {V}",
                f"himalaya, {n_candidates} x 20: {mean}",
                figure=float((found["r2"] - r2)[where].mean()),
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
    form = forms_of(data)[-1]  # the one that has our intercept, where there are two
    theirs = himalaya(data, candidates, ALPHAS_8, Y, form=form)
    ours_s, (_, found) = timed(lambda: as_himalaya(data, candidates, ALPHAS_8, Y))
    p, K, A = sum(data.widths), 12, len(ALPHAS_8)
    n_train = n - n // K
    eigh = K * (EIGH * n_train**3 + A * 2 * n_train * (n // K) * (V + n_train))
    primal = K * EIGH * p**3 + 2 * K * p * p * V + 2 * A * K * p * min(p, n // K) * V
    kernel = EIGH * n**3 + 2 * n * n * V * (1 + A) + 2 * A * n * n * (n // K)
    sizes = f"n {n}, V {V}, {p} columns, 12 folds"
    goal = {} if least is None else {"goal": f"{least:g} x", "least": least}
    seconds = theirs["seconds"] + theirs["making_s"]
    yield Row("exact, 2 x 8", sizes, "himalaya", seconds, ours_s, **goal)
    yield Row("- by flops", "", "himalaya", figure=eigh / min(primal, kernel))
    # In float32 himalaya's own scores are off at small penalties: float64 tells.
    some, first = slice(0, N_CHECKED), slice(0, 1)
    double = replace(data, X=data.X.astype(np.float64))
    Y_double = Y[:, some].astype(np.float64)
    true = himalaya(
        double, candidates[first], ALPHAS_8, Y_double, form=form, dtype="float64"
    )
    off, theirs_off = (
        float(np.abs(scores[first, some] - true["scores"]).max())
        for scores in (found, theirs["scores"])
    )
    yield Row("- scores", figure=off, goal="1e-4", most=1e-4, unit="off float64")
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
