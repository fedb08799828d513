"""The best penalty of each voxel for one candidate."""

from dataclasses import dataclass

import numpy as np
from himalaya.backend import get_backend
from numpy.typing import NDArray

from .levers import Levers
from .responses import Turned, TurnedPrimal

Floats = NDArray[np.float64]
# Three neighbouring penalties, in logarithms, each with the loss that it has.
Triple = list[tuple[Floats, Floats]]

# A loss above that of the mean by less than this share is what a voxel without signal
# has under a large penalty.
TENDS_TO_MEAN = 1e-3


@dataclass(slots=True, eq=False)
class Best:
    """The best penalty of each voxel and its loss.

    Parameters
    ----------
    loss : array of shape (n_voxels,)
    alpha : array of shape (n_voxels,)
        The penalty to fit with.
    tried : array of shape (n_voxels,)
        The penalty that has the loss; `alpha`, but where that lies between penalties
        that are dear to try.
    at_low, at_high : array of bool, shape (n_voxels,)
        Whether it is the smallest or the largest that was tried.
    widened : array of bool, shape (n_voxels,)
        Whether penalties outside the grid were tried.
    """

    loss: Floats
    alpha: Floats
    tried: Floats
    at_low: NDArray[np.bool_]
    at_high: NDArray[np.bool_]
    widened: NDArray[np.bool_]


def best_penalty(
    turned: Turned,
    alphas: Floats,
    levers: Levers,
    *,
    start: NDArray[np.floating] | None = None,
    to_beat: Floats | None = None,
    null: Floats | None = None,
) -> Best:
    """Return the best penalty of each voxel for the candidate of `turned`.

    Every loss is that of a penalty that was tried. In kernel form, where each takes
    blocks of its own, none between those of the grid is: there the parabola says
    where the best one lies, and not how good it is.

    Parameters
    ----------
    turned : Turned
    alphas : array of shape (n_alphas,)
        Ascending.
    levers : Levers
    start : array of shape (n_voxels,), optional
        A penalty near which to look first; all are tried if None.
    to_beat : array of shape (n_voxels,), optional
        Losses of the best candidates so far. Penalties between those of the grid are
        tried where they promise less. All are if None.
    null : array of shape (n_voxels,), optional
        Losses of the mean: the grid is widened at its ends, though not at its upper
        end where a loss merely tends to that of the mean. Never if None.
    """
    n_voxels = turned.responses.n_voxels
    if start is None or not levers.follow:
        losses = np.stack([turned.loss(float(alpha)) for alpha in alphas])
    else:
        losses = _losses_around(turned, alphas, start)
    chosen = _lowest(losses, alphas)
    voxels = np.arange(n_voxels)
    searched = len(alphas) > 1
    best = Best(
        loss=losses[chosen, voxels],
        alpha=alphas[chosen],
        tried=alphas[chosen],
        at_low=(chosen == 0) & searched,
        at_high=(chosen == len(alphas) - 1) & searched,
        widened=np.zeros(n_voxels, dtype=bool),
    )
    beat = np.full(n_voxels, np.inf) if to_beat is None else to_beat

    def look_between(voxels: NDArray[np.intp], here: Triple) -> None:
        if isinstance(turned, TurnedPrimal):
            _try_between(turned, best, voxels, here, beat)
        else:
            best.alpha[voxels] = np.exp(_vertex(here)[0])

    if levers.interpolate and len(alphas) > 2:
        inner = np.flatnonzero((chosen > 0) & (chosen < len(alphas) - 1))
        log_alphas, at = np.log(alphas), chosen[inner]
        here = [(log_alphas[at + k], losses[at + k, inner]) for k in (-1, 0, 1)]
        look_between(inner, here)
    if null is not None and levers.widen and searched:
        for done, here in _widen(turned, best, losses, alphas, levers, null):
            if levers.interpolate:
                look_between(done, here)
    return best


def _lowest(losses: Floats, alphas: Floats) -> NDArray[np.intp]:
    """Return the number of the best penalty; the larger of equal ones, as himalaya."""
    return (losses - 1e-10 * np.log(alphas)[:, None]).argmin(axis=0)


def _losses_around(
    turned: Turned, alphas: Floats, start: NDArray[np.floating]
) -> Floats:
    """Return losses on the grid where they were needed, and infinity elsewhere."""
    near = np.abs(np.log(alphas)[:, None] - np.log(start)).argmin(axis=0)
    index = np.arange(len(alphas))[:, None]
    losses = np.full((len(alphas), len(start)), np.inf)
    needed = np.abs(index - near) <= 1
    while needed.any():
        for number in np.flatnonzero(needed.any(axis=1)):
            voxels = np.flatnonzero(needed[number])
            losses[number, voxels] = turned.loss(float(alphas[number]), voxels)
        around = np.abs(index - _lowest(losses, alphas)) <= 1
        needed = around & np.isinf(losses)
    return losses


def _try_between(
    turned: TurnedPrimal,
    best: Best,
    voxels: NDArray[np.intp],
    here: Triple,
    to_beat: Floats,
) -> None:
    """Try the vertex of the parabola through the best three, where it promises much.

    `here` are three neighbouring logarithms of penalties and their losses, of each of
    the `voxels`; the middle loss is the lowest.
    """
    vertex, lowest = _vertex(here)
    y1 = here[1][1]
    some = np.flatnonzero(np.minimum(lowest, y1) < to_beat[voxels])
    if len(some) == 0:
        return
    voxels, alpha = voxels[some], np.exp(vertex[some])
    dtype = turned.responses.design.dtype
    loss = turned.loss(get_backend().asarray(alpha, dtype=dtype), voxels)
    better = loss < best.loss[voxels]
    best.alpha[voxels[better]], best.loss[voxels[better]] = alpha[better], loss[better]
    best.tried[voxels[better]] = alpha[better]


def _vertex(here: Triple) -> tuple[Floats, Floats]:
    (x0, y0), (x1, y1), (x2, y2) = here
    return parabola(x0, x1, x2, y0, y1, y2)


def parabola(
    x0: Floats, x1: Floats, x2: Floats, y0: Floats, y1: Floats, y2: Floats
) -> tuple[Floats, Floats]:
    """Return where parabolas through three points are lowest, and how low.

    The middle point must be the lowest; where all three are equal it is returned.

    Examples
    --------
    >>> x = [np.array([v]) for v in (-1.0, 0.5, 2.0)]
    >>> parabola(*x, *((v - 0.25) ** 2 + 3 for v in x))
    (array([0.25]), array([3.]))
    """
    left, right = (y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1)
    curve = (right - left) / (x2 - x0)
    slope = left + curve * (x1 - x0)  # at the middle point
    bent = curve > 0
    step = np.divide(-slope, 2 * curve, out=np.zeros_like(slope), where=bent)
    return x1 + step, y1 + step * slope / 2


def _widen(
    turned: Turned,
    best: Best,
    losses: Floats,
    alphas: Floats,
    levers: Levers,
    null: Floats,
) -> list[tuple[NDArray[np.intp], Triple]]:
    """Try penalties outside the grid for voxels whose best is at its end.

    Whether or not another candidate leads so far: that one was widened, too, and may
    lead by that alone.

    Returns
    -------
    triples : list of (voxels, triple)
        Voxels that found a lowest loss out there, with its neighbours.
    """
    tends = np.abs(best.loss / null - 1) < TENDS_TO_MEAN
    tends &= best.loss >= null
    high = best.at_high & ~tends
    triples: list[tuple[NDArray[np.intp], Triple]] = []
    factor = (alphas[-1] / alphas[0]) ** (1 / (len(alphas) - 1))
    for flag, some, ends, step in (
        (best.at_low, best.at_low.copy(), (1, 0), 1 / factor),
        (best.at_high, high, (-2, -1), factor),
    ):
        voxels = np.flatnonzero(some)
        inner, edge = (float(np.log(alphas[k])) for k in ends)
        inner_loss = losses[ends[0], voxels]
        for _ in range(levers.widen):
            if len(voxels) == 0:
                break
            outer, edge_loss = edge + np.log(step), best.loss[voxels].copy()
            loss = turned.loss(float(np.exp(outer)), voxels)
            best.widened[voxels] = True
            better = loss < edge_loss
            flag[voxels[~better]] = False
            logs = [np.full((~better).sum(), x) for x in (inner, edge, outer)]
            y = [inner_loss[~better], edge_loss[~better], loss[~better]]
            triples.append((voxels[~better], list(zip(logs, y, strict=True))))
            voxels, inner_loss = voxels[better], edge_loss[better]
            best.alpha[voxels] = best.tried[voxels] = np.exp(outer)
            best.loss[voxels] = loss[better]
            inner, edge = edge, outer
    return triples
