"""The best penalty of each voxel for one candidate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .levers import Levers
from .responses import Turned

Floats = NDArray[np.float64]

# A loss above that of the mean by less than this share is what a voxel without signal
# has under a large penalty.
TENDS_TO_MEAN = 1e-3


@dataclass(slots=True, eq=False)
class Best:
    """The best penalty of each voxel and its loss.

    Parameters
    ----------
    loss, alpha : array of shape (n_voxels,)
    at_low, at_high : array of bool, shape (n_voxels,)
        Whether it is the smallest or the largest that was tried.
    widened : array of bool, shape (n_voxels,)
        Whether penalties outside the grid were tried.
    """

    loss: Floats
    alpha: Floats
    at_low: NDArray[np.bool_]
    at_high: NDArray[np.bool_]
    widened: NDArray[np.bool_]


def best_penalty(
    turned: Turned,
    alphas: Floats,
    levers: Levers,
    *,
    start: NDArray[np.floating] | None = None,
    to_beat: tuple[Floats, Floats] | None = None,
) -> Best:
    """Return the best penalty of each voxel for the candidate of `turned`.

    Parameters
    ----------
    turned : Turned
    alphas : array of shape (n_alphas,)
        Ascending.
    levers : Levers
    start : array of shape (n_voxels,), optional
        A penalty near which to look first; all are tried if None.
    to_beat : (losses, losses of the mean), optional
        Each of shape (n_voxels,). The grid is widened for voxels that fall below the
        first; not at its upper end where they just tend to the second. Never if None.
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
        at_low=(chosen == 0) & searched,
        at_high=(chosen == len(alphas) - 1) & searched,
        widened=np.zeros(n_voxels, dtype=bool),
    )
    if levers.interpolate and len(alphas) > 2:
        _interpolate(best, losses, chosen, np.log(alphas))
    if to_beat is not None and levers.widen and searched:
        _widen(turned, best, losses, alphas, levers, to_beat)
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


def _interpolate(
    best: Best, losses: Floats, chosen: NDArray[np.intp], log_alphas: Floats
) -> None:
    """Put the vertex of the parabola through the best three in place of the best."""
    inner = np.flatnonzero((chosen > 0) & (chosen < len(log_alphas) - 1))
    at = chosen[inner]
    vertex, lowest = parabola(
        *(log_alphas[at + step] for step in (-1, 0, 1)),
        *(losses[at + step, inner] for step in (-1, 0, 1)),
    )
    best.alpha[inner], best.loss[inner] = np.exp(vertex), lowest


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
    to_beat: tuple[Floats, Floats],
) -> None:
    """Try penalties outside the grid for voxels that ask for them."""
    factor = (alphas[-1] / alphas[0]) ** (1 / (len(alphas) - 1))
    now = best.loss < to_beat[0]
    low = np.flatnonzero(best.at_low & now)
    tends = np.abs(best.loss / to_beat[1] - 1) < TENDS_TO_MEAN
    tends &= best.loss >= to_beat[1]
    high = np.flatnonzero(best.at_high & now & ~tends)
    for voxels, flag, end, step in (
        (low, best.at_low, 0, 1 / factor),
        (high, best.at_high, -1, factor),
    ):
        inner = losses[1 if end == 0 else -2, voxels]
        alpha = float(alphas[end])
        for _ in range(levers.widen):
            if len(voxels) == 0:
                break
            voxels, inner = _step_out(
                turned, best, flag, (voxels, inner), (alpha, step), levers
            )
            alpha *= step


def _step_out(
    turned: Turned,
    best: Best,
    flag: NDArray[np.bool_],
    here: tuple[NDArray[np.intp], Floats],
    there: tuple[float, float],
    levers: Levers,
) -> tuple[NDArray[np.intp], Floats]:
    """Try one penalty further out; return whom it suits, and their losses before."""
    (voxels, inner), (alpha, step) = here, there
    outer = turned.loss(alpha * step, voxels)
    edge = best.loss[voxels].copy()
    better = outer < edge
    best.widened[voxels] = True
    done = voxels[~better]
    flag[done] = False
    if levers.interpolate and len(done):
        log = np.log(alpha) * np.ones(len(done)), np.log(step)
        vertex, lowest = parabola(
            *(log[0] - log[1], log[0], log[0] + log[1]),
            *(inner[~better], edge[~better], outer[~better]),
        )
        best.alpha[done], best.loss[done] = np.exp(vertex), lowest
    best.alpha[voxels[better]] = alpha * step
    best.loss[voxels[better]] = outer[better]
    return voxels[better], edge[better]
