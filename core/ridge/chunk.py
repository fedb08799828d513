"""The search of one chunk of voxels: candidates in turn, each voxel's best kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .penalties import Best, best_penalty
from .plan import nearest_placed, own_candidates, place
from .responses import FoldResponses, Turned

if TYPE_CHECKING:
    from .fold_gram import FoldGram

Floats = NDArray[np.float64]
# Does some work on each batch of a sample of voxels: see `place_candidates`.
Each = Callable[[Callable[..., "Found"], Sequence[tuple[Any, ...]]], list["Found"]]


@dataclass(slots=True, eq=False)
class Found:
    """What a search found for a chunk of voxels.

    Parameters
    ----------
    best : Best
        The best penalty of the best candidate.
    choice : array of int, shape (n_voxels,)
        The number of that candidate.
    null : array of shape (n_voxels,)
        Loss of the training mean.
    scores : array of shape (n_candidates, n_voxels)
        1 - loss / null of each candidate; NaN where it was not tried.
    asides : dict of str to Best
        Models of one given candidate each, all penalties tried.
    n_raced : int
        How many voxels went on after the first candidates.
    """

    best: Best
    choice: NDArray[np.intp]
    null: Floats
    scores: Floats
    asides: dict[str, Best]
    n_raced: int


@dataclass(frozen=True, slots=True, eq=False)
class Aside:
    """A model of one given candidate, fitted along the way.

    Parameters
    ----------
    weights : array of shape (n_bands,)
        Adds up to 1.
    scale : float
        What its penalty is divided by: n_bands makes equal weights plain ridge.
    """

    weights: Floats
    scale: float = 1.0


def search_chunk(
    engine: "FoldGram", responses: FoldResponses, asides: Mapping[str, Aside]
) -> Found:
    """Return the best candidate and penalty of each voxel.

    Parameters
    ----------
    engine : FoldGram
    responses : FoldResponses
    asides : dict of str to Aside
        Further models, each of one candidate.
    """
    plan, levers = engine.plan, engine.search.levers
    found = _start(len(plan.candidates), responses)
    waiting = dict(asides)
    for number in range(plan.n_first):
        here = _same(waiting, plan.candidates[number])
        here_too = {name: waiting.pop(name) for name in here}
        _try_first(engine, found, responses, number, here_too)
    for name, aside in waiting.items():
        # Nothing of a candidate stays while the next one's is made.
        found.asides[name] = _aside(
            engine, responses.turn(engine.factor(aside.weights)), aside, None
        )
    voxels = np.arange(responses.n_voxels)
    if levers.margin is not None:
        voxels = np.flatnonzero(1 - found.best.loss / found.null > levers.margin)
    found.n_raced = len(voxels)
    if len(voxels) and len(plan.candidates) > plan.n_first:
        _race(engine, found, responses.of(voxels), voxels)
    return found


def place_candidates(engine: "FoldGram", each: Each, n_batches: int, seed: int) -> None:
    """Add to the engine's plan candidates where these voxels find their best ones.

    In two rounds, the second around what the first has found.

    Parameters
    ----------
    engine : FoldGram
    each : callable
        Called as each(work, given), with what is given to each batch of the voxels:
        returns, for each, work(engine, responses, *given), made here or elsewhere.
    n_batches : int
    seed : int
    """
    founds = each(search_sampled, [()] * n_batches)
    margin, n_placed = engine.search.levers.margin, engine.search.levers.n_refined
    least = -np.inf if margin is None else margin
    going = [np.flatnonzero(1 - f.best.loss / f.null > least) for f in founds]
    if sum(len(voxels) for voxels in going) == 0:
        return
    for n_round in (n_placed - n_placed // 2, n_placed // 2):
        if n_round == 0:
            continue
        own = [
            own_candidates(engine.plan, found.scores[:, voxels])
            for found, voxels in zip(founds, going, strict=True)
        ]
        start = len(engine.plan.candidates)
        engine.plan = place(engine.plan, np.concatenate(own), n_round, seed)
        stop = len(engine.plan.candidates)
        given = zip(founds, going, strict=True)
        founds = each(go_on_sampled, [(*one, start, stop) for one in given])


def search_sampled(engine: "FoldGram", responses: FoldResponses) -> Found:
    """Return what the plan finds for a batch of the sampled voxels."""
    return search_chunk(engine, responses, {})


def go_on_sampled(
    engine: "FoldGram",
    responses: FoldResponses,
    found: Found,
    voxels: NDArray[np.intp],
    start: int,
    stop: int,
) -> Found:
    """Return it after the placed candidates from `start` to before `stop`, too."""
    more = np.full((stop - start, len(found.null)), np.nan)
    found.scores = np.concatenate([found.scores, more])
    if len(voxels):
        some = responses.of(voxels)
        try_placed(engine, found, some, voxels, start, stop)
    return found


def _start(n_candidates: int, responses: FoldResponses) -> Found:
    n_voxels = responses.n_voxels
    nothing = Best(
        np.full(n_voxels, np.inf),
        *(np.full(n_voxels, np.nan) for _ in range(2)),
        *(np.zeros(n_voxels, dtype=bool) for _ in range(3)),
    )
    return Found(
        best=nothing,
        choice=np.zeros(n_voxels, dtype=np.intp),
        null=responses.null,
        scores=np.full((n_candidates, n_voxels), np.nan),
        asides={},
        n_raced=0,
    )


def _try_first(
    engine: "FoldGram",
    found: Found,
    responses: FoldResponses,
    number: int,
    asides: Mapping[str, Aside],
) -> None:
    """Try a candidate on all voxels, and the asides that are the same candidate."""
    turned = responses.turn(engine.factor(engine.plan.candidates[number]))
    best = _try(engine, found, turned, number, alone=bool(asides))
    for name, aside in asides.items():
        found.asides[name] = _aside(engine, turned, aside, best)


def _race(
    engine: "FoldGram", found: Found, going: FoldResponses, voxels: NDArray[np.intp]
) -> None:
    """Try what is left of the plan on the voxels that go on."""
    plan = engine.plan
    for number in range(plan.n_first, plan.n_common):
        weights = plan.candidates[number]
        # Not by a name: nothing of a candidate stays while the next one's is made.
        _try(engine, found, going.turn(engine.factor(weights)), number, voxels=voxels)
    for start, stop in plan.rounds:
        try_placed(engine, found, going, voxels, start, stop)


def try_placed(
    engine: "FoldGram",
    found: Found,
    going: FoldResponses,
    voxels: NDArray[np.intp],
    start: int,
    stop: int,
) -> None:
    """Try on each voxel those placed candidates that are nearest to its own best."""
    plan = engine.plan
    own = own_candidates(plan, found.scores[:start, voxels])
    tries = nearest_placed(plan, own, start, stop)
    for number in range(start, stop):
        inside = np.flatnonzero(tries[number - start])
        if len(inside):
            _try_some(engine, found, going, number, (voxels, inside))


def _try_some(
    engine: "FoldGram",
    found: Found,
    going: FoldResponses,
    number: int,
    where: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> None:
    """Try a candidate on voxels of those that go on: where they are, and which."""
    voxels, inside = where
    turned = going.turn(engine.factor(engine.plan.candidates[number]), inside)
    _try(engine, found, turned, number, voxels=voxels[inside])


def _try(
    engine: "FoldGram",
    found: Found,
    turned: Turned,
    number: int,
    *,
    voxels: NDArray[np.intp] | None = None,
    alone: bool = False,
) -> Best:
    """Try one candidate, and keep it where it is better than the best so far."""
    at = slice(None) if voxels is None else voxels
    null, so_far = found.null[at], found.best.loss[at]
    start = None if number < engine.plan.n_first else found.best.tried[at]
    best = best_penalty(
        turned,
        engine.alphas,
        engine.search.levers,
        start=start,
        # A model of its own needs its best penalty even if another candidate leads.
        to_beat=None if alone else so_far,
        null=null,
    )
    found.scores[number, at] = 1 - best.loss / null
    better = np.flatnonzero(best.loss < so_far - engine.rounding * null)
    into = better if voxels is None else voxels[better]
    for name in ("loss", "alpha", "tried", "at_low", "at_high", "widened"):
        getattr(found.best, name)[into] = getattr(best, name)[better]
    found.choice[into] = number
    return best


def _aside(engine: "FoldGram", turned: Turned, aside: Aside, best: Best | None) -> Best:
    """Return the best penalty of a model of one candidate, in its own units."""
    if best is not None and aside.scale == 1:
        return best
    best = best_penalty(
        turned,
        engine.alphas / aside.scale,
        engine.search.levers,
        null=turned.responses.null,
    )
    best.alpha, best.tried = best.alpha * aside.scale, best.tried * aside.scale
    return best


def _same(asides: Mapping[str, Aside], candidate: Floats) -> list[str]:
    return [n for n, a in asides.items() if np.allclose(a.weights, candidate)]
