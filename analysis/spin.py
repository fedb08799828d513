"""Are two maps alike, or just both smooth? Rotations of one map over the sphere.

Neighbouring vertices are alike, so two maps that have nothing to do with each other
correlate by chance far more than independent numbers do. Turning one map on the sphere
keeps its smoothness. The rotations are BrainSpace's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from ..core.checks import Floats, InputError, check_choice

Method = Literal["pearson", "spearman"]

N_SPINS_BATCH = 50
TIE = 1e-12
FEWEST = 10  # vertices that two maps must share for a correlation
LEAST_SHARED = 0.25  # of the vertices: a turn with fewer is no turn of the same maps
LEAST_TURNS = 0.5  # of the turns must leave so many
N_SPINS_TRIED = 100  # turns after which that is asked for the first time


@dataclass(frozen=True, slots=True, eq=False)
class SpinTest:
    """How alike two maps are, and how alike they are when one is turned.

    Parameters
    ----------
    r : float
        Over the vertices where both maps are known.
    p : float
        Two-sided: (1 + number of turns with as large an |r|) / (1 + n_spins).
    null : array of shape (n_spins,)
    n_vertices : int
        Where both maps are known.
    n_turns : int
        Turns that left a quarter of those vertices or more, which p counts.
    """

    r: float
    p: float
    null: Floats
    n_vertices: int
    n_turns: int


def spin_test(
    a: ArrayLike,
    b: ArrayLike,
    points: ArrayLike,
    *,
    is_left: ArrayLike,
    n_spins: int,
    seed: int,
    method: Method = "pearson",
) -> SpinTest:
    """Test whether two maps correlate more than maps that are turned.

    Both hemispheres turn together, the right one as the mirror image of the left. Each
    vertex takes the value of the vertex that came nearest to it. Where either map is
    not known after a turn, such as at the medial wall, that turn leaves the vertex out.
    So give the whole sphere, with NaN where nothing is known: on a part of it by
    itself, what turns outside would take the value of the part's edge. A turn that
    leaves less than a quarter of the vertices is NaN in the null.

    Parameters
    ----------
    a, b : array of shape (n_vertices,)
        Two maps over the same vertices; NaN where not known. `a` is turned.
    points : array of shape (n_vertices, 3)
        Where each vertex lies on its hemisphere's sphere. Any radius.
    is_left : array of bool, shape (n_vertices,)
        Vertices of the left hemisphere come first.
    n_spins : int
    seed : int
    method : 'pearson' or 'spearman'

    Returns
    -------
    test : SpinTest

    Raises
    ------
    InputError
        If BrainSpace is not installed, the shapes do not fit together, a map is
        constant, the maps share fewer than 10 vertices, or cover so little of the
        sphere that more than half of the turns are NaN.

    References
    ----------
    Alexander-Bloch, A. F. et al. (2018). On testing for spatial correspondence between
    maps of human brain structure and function. NeuroImage 178. Vos de Wael, R. et al.
    (2020). BrainSpace. Communications Biology 3.
    """
    check_choice(method, "method", get_args(Method))
    turned, still = np.asarray(a, np.float64), np.asarray(b, np.float64)
    points, is_left = np.asarray(points, np.float64), np.asarray(is_left)
    _check(turned, still, points, is_left, n_spins)
    if method == "spearman":
        turned, still = (rankdata(x, nan_policy="omit") for x in (turned, still))
    r, n_vertices = _correlate(turned, still, FEWEST)
    if n_vertices < FEWEST:
        raise InputError(
            f"the two maps are both known at {n_vertices} vertices; a correlation "
            f"needs at least {FEWEST}."
        )
    if np.isnan(r):
        raise InputError(
            f"one of the two maps is constant over the {n_vertices} vertices that they "
            "share: it has no correlation."
        )
    least = max(FEWEST, int(np.ceil(LEAST_SHARED * n_vertices)))
    values: list[float] = []
    for rows in each_spin(points, is_left, n_spins=n_spins, seed=seed):
        values.append(_correlate(turned[rows], still, least)[0])
        if len(values) in (N_SPINS_TRIED, n_spins):
            n_known = int(np.isfinite(values).sum())
            _check_turns(n_known, len(values), n_vertices, len(points))
    null = np.array(values)
    known = null[np.isfinite(null)]
    above = (np.abs(known) >= abs(r) - TIE).sum()
    p = float((1 + above) / (1 + len(known)))
    return SpinTest(r, p, null, n_vertices, len(known))


def each_spin(
    points: Floats, is_left: NDArray, *, n_spins: int, seed: int
) -> Iterator[NDArray[np.intp]]:
    """Yield, for each turn, the vertex whose value each vertex takes.

    Yields
    ------
    rows : array of int, shape (n_vertices,)
        No vertex takes a value from the other hemisphere.
    """
    try:
        from brainspace.null_models import SpinPermutations
    except ImportError as error:
        raise InputError(
            "turning maps on the sphere needs BrainSpace: pip install "
            "'brain2music[spin]'"
        ) from error
    sphere = points / np.linalg.norm(points, axis=1, keepdims=True)
    n_left = int(is_left.sum())
    sides = [sphere[:n_left], sphere[n_left:]]
    stream = np.random.RandomState(seed)
    for start in range(0, n_spins, N_SPINS_BATCH):
        n = min(N_SPINS_BATCH, n_spins - start)
        spins = SpinPermutations(n_rep=n, random_state=stream)
        if len(sides[0]) and len(sides[1]):
            spins.fit(sides[0], points_rh=sides[1])
            yield from np.hstack([spins.spin_lh_, n_left + spins.spin_rh_])
        else:
            spins.fit(sphere)
            yield from spins.spin_lh_


def _check_turns(n_known: int, n_turns: int, n_vertices: int, n_points: int) -> None:
    if n_known < LEAST_TURNS * n_turns:
        raise InputError(
            f"the maps are known at {n_vertices} of {n_points} vertices, and only "
            f"{n_known} of {n_turns} turns leave a quarter of these: too little of the "
            "sphere to be turned. Compare maps of whole hemispheres."
        )


def _correlate(a: Floats, b: Floats, least: int) -> tuple[float, int]:
    known = np.isfinite(a) & np.isfinite(b)
    x, y = a[known], b[known]
    if len(x) < least or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan"), len(x)
    return float(np.corrcoef(x, y)[0, 1]), len(x)


def _check(
    a: Floats, b: Floats, points: Floats, is_left: NDArray, n_spins: int
) -> None:
    if not a.shape == b.shape == is_left.shape or points.shape != (len(a), 3):
        raise InputError(
            f"the maps have shapes {a.shape} and {b.shape}, points {points.shape} and "
            f"is_left {is_left.shape}; expected (n_vertices,) thrice and "
            "(n_vertices, 3)."
        )
    if is_left.dtype != bool or (np.diff(is_left.astype(int)) > 0).any():
        raise InputError(
            "is_left must be True for the left hemisphere's vertices, which come "
            "first, and False for the right one's. Order the vertices so."
        )
    if n_spins < 1 or not (np.linalg.norm(points, axis=1) > 0).all():
        raise InputError(
            f"n_spins is {n_spins}, and {(np.linalg.norm(points, axis=1) == 0).sum()} "
            "points lie at the centre; turn at least once, points on a sphere."
        )
