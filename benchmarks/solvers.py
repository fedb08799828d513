"""Both solvers on the same planted data: ours, and himalaya's in its faster form."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from planted import Case, Planted, plant

__all__ = ["plant"]

ALPHAS_20 = np.logspace(-1, 6, 20).astype(np.float32)
ALPHAS_8 = np.logspace(-1, 6, 8).astype(np.float32)
N_HIMALAYA = 100
Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """What our side tries, and how much it may leave out."""

    widths: tuple[int, ...]
    candidates: int = 20
    tolerance: float = 1e-2
    margin: float = 0.003
    chunk: int = 2000
    planted: tuple[int, ...] = ()

    def case(self, n_samples: int, n_voxels: int, **changes: Any) -> Case:
        """Return what is planted."""
        return Case(n_samples, n_voxels, widths=self.widths, **changes)

    @property
    def levers(self) -> Any:
        """All levers."""
        from brain2music.core.ridge.levers import Levers

        return Levers(tolerance=self.tolerance, margin=self.margin)

    @property
    def exact(self) -> Any:
        """No lever."""
        from brain2music.core.ridge.levers import EXACT

        return EXACT


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def ours(
    data: Planted,
    settings: Settings,
    levers: Any,
    *,
    alphas: np.ndarray = ALPHAS_8,
    candidates: np.ndarray | None = None,
    Y: np.ndarray | None = None,
) -> Found:
    """Fit with the fold-Gram search; return seconds, choices and held-out R2."""
    from brain2music.core.ridge import fold_gram
    from brain2music.core.ridge.candidates import structured_candidates
    from brain2music.core.ridge.search import Search
    from brain2music.core.stats import r2_score

    Y = data.Y if Y is None else Y
    if candidates is None:
        candidates = structured_candidates(len(data.widths), settings.candidates, 0)
    search = Search(alphas.tolist(), candidates, levers=levers, factor_gb=4.0)
    making = 0.0

    def watched(*made_of: Any) -> Any:
        nonlocal making
        seconds, factor = timed(lambda: make_factor(*made_of))
        making += seconds
        return factor

    make_factor, fold_gram.make_factor = fold_gram.make_factor, watched
    start = time.perf_counter()
    engine = fold_gram.open_fold_gram(
        data.X, widths=data.widths, folds=data.folds, search=search, dtype="float32"
    )
    engine.sample(Y, levers.n_sampled, seed=0)
    found, raced = [], 0
    for first in range(0, Y.shape[1], settings.chunk):
        part = slice(first, first + settings.chunk)
        searched = engine.fit(Y[:, part])
        found.append(searched)
        raced += searched.found.n_raced
    seconds = time.perf_counter() - start
    fold_gram.make_factor = make_factor
    scores = np.concatenate([-one.losses() for one in found], axis=1)
    r2 = []
    for number, one in enumerate(found):
        model = one.model()
        part = slice(number * settings.chunk, (number + 1) * settings.chunk)
        predicted = data.X_test @ model.weights + model.intercept
        r2.append(r2_score(data.Y_test[:, part], predicted))
        found[number] = None
    return {
        "seconds": seconds,
        "making_s": making,
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
    *,
    dtype: str = "float32",
    form: str | None = None,
    intercept: bool = False,
) -> Found:
    """Return himalaya's deltas and scores, the seconds, and those to make kernels.

    `intercept` gives its kernel solver one in each fold, for which it has to return
    weights, too.
    """
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from himalaya.ridge import solve_group_ridge_random_search

    Xs, Y, options = _for_himalaya(
        data, candidates.astype(dtype), alphas.astype(dtype), Y
    )
    options |= {"progress_bar": False, "n_alphas_batch": 1, "n_targets_batch": 5000}
    making = 0.0
    if (form or forms_of(data)[0]) == "kernels":
        making, Ks = timed(lambda: np.stack([x @ x.T for x in Xs]))
        if intercept:
            options |= {"fit_intercept": True, "return_weights": "dual"}
        solve = partial(solve_multiple_kernel_ridge_random_search, Ks, Y)
    else:
        options |= {"fit_intercept": True, "warn": False}
        solve = partial(solve_group_ridge_random_search, Xs, Y)
    seconds, (deltas, _, scores, *_) = timed(lambda: solve(**options))
    return {"deltas": deltas, "scores": scores, "seconds": seconds, "making_s": making}


def forms_of(data: Planted) -> tuple[str, ...]:
    """Return the forms of himalaya's that may be the faster one."""
    return ("kernels",) if _is_wide(data) else ("kernels", "columns")


def as_himalaya(
    data: Planted, candidates: np.ndarray, alphas: np.ndarray, Y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `himalaya` does, by our solver of the same arguments, no lever.

    himalaya's kernel solver has an intercept only where it returns weights, which
    would take longer; so neither has ours here.
    """
    from brain2music.core.ridge.as_himalaya import solve_group_ridge_fold_gram

    given = candidates.astype(np.float32)
    Xs, Y, options = _for_himalaya(data, given, alphas, Y)
    return solve_group_ridge_fold_gram(
        Xs, Y, fit_intercept=not _is_wide(data), n_targets_batch=2000, **options
    )[::2][:2]


def _is_wide(data: Planted) -> bool:
    return data.X.shape[1] > data.X.shape[0]


def _for_himalaya(
    data: Planted, candidates: np.ndarray, alphas: np.ndarray, Y: np.ndarray | None
) -> tuple[list[np.ndarray], np.ndarray, dict[str, Any]]:
    from sklearn.model_selection import PredefinedSplit

    Y = data.Y if Y is None else Y
    X = data.X - data.X.mean(axis=0)
    options = {
        "n_iter": candidates,
        "alphas": alphas,
        "cv": PredefinedSplit(data.folds),
        "random_state": 0,
    }
    Xs = np.split(X, np.cumsum(data.widths)[:-1], axis=1)
    return Xs, Y - Y.mean(axis=0), options


def draw(n: int, n_bands: int) -> np.ndarray:
    """Return candidates as himalaya draws them."""
    from himalaya.kernel_ridge import generate_dirichlet_samples

    drawn = generate_dirichlet_samples(n, n_bands, [0.1, 1.0], 0).copy()
    drawn[0] = 1 / n_bands
    return np.maximum(drawn, 1e-6) / np.maximum(drawn, 1e-6).sum(axis=1, keepdims=True)


def time_himalaya(data: Planted, alphas: np.ndarray) -> tuple[float, str]:
    """Return the seconds of 100 candidates in the faster form, and that form.

    Two candidates are timed; kernels, which are made once, are counted once.
    """
    candidates = draw(N_HIMALAYA, len(data.widths))[:2]
    took = {}
    for form in forms_of(data):
        found = himalaya(data, candidates, alphas, form=form)
        took[form] = found["making_s"] + found["seconds"] * N_HIMALAYA / 2
    form = min(took, key=lambda form: took[form])
    return took[form], form


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
