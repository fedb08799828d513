"""Subjects' maps on one template: each vertex takes the nearest one's value.

FreeSurfer moves each subject's cortex to a sphere on which folds lie over those of
fsaverage (lh.sphere.reg). Two vertices correspond if they are nearest to each other
there.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from ..core.checks import Floats, InputError

RADIUS_MM = 100.0  # of FreeSurfer's spheres


@dataclass(frozen=True, slots=True, eq=False)
class Correspondence:
    """Which of a subject's vertices lies nearest to each vertex of the template.

    Parameters
    ----------
    source : array of int, shape (n_template,)
        Column of the subject's map.
    distance_mm : array of shape (n_template,)
        Along a straight line between the two on a sphere of 100 mm.
    n_source : int
        Number of columns of the subject's map.
    """

    source: NDArray[np.intp]
    distance_mm: Floats
    n_source: int


def match_vertices(
    points: ArrayLike,
    template: ArrayLike,
    *,
    is_left: ArrayLike,
    template_left: ArrayLike,
) -> Correspondence:
    """Match each vertex of the template with a subject's nearest one, per hemisphere.

    Parameters
    ----------
    points : array of shape (n_source, 3)
        Where the subject's columns lie on its registered spheres (sphere.reg). They
        may be some of the sphere's vertices only.
    template : array of shape (n_template, 3)
        Vertices of the template's spheres. Radius does not matter, on either side.
    is_left : array of bool, shape (n_source,)
    template_left : array of bool, shape (n_template,)

    Returns
    -------
    correspondence : Correspondence

    Raises
    ------
    InputError
        If the shapes do not fit together, or a hemisphere of the template has no
        vertex of the subject.

    References
    ----------
    Fischl, B., Sereno, M. I., Tootell, R. B. H. & Dale, A. M. (1999). High-resolution
    intersubject averaging and a coordinate system for the cortical surface. Human Brain
    Mapping 8.
    """
    points, template = _on_sphere(points, "points"), _on_sphere(template, "template")
    sides = (np.asarray(is_left, bool), np.asarray(template_left, bool))
    if sides[0].shape != points.shape[:1] or sides[1].shape != template.shape[:1]:
        raise InputError(
            f"is_left has shape {sides[0].shape} for {len(points)} points and "
            f"template_left {sides[1].shape} for {len(template)} vertices."
        )
    source = np.empty(len(template), np.intp)
    distance = np.empty(len(template))
    for left in (True, False):
        here, there = np.flatnonzero(sides[0] == left), sides[1] == left
        if there.any() and not len(here):
            raise InputError(
                f"the subject has no vertex in the {'left' if left else 'right'} "
                "hemisphere, and the template has. Pass one hemisphere of the template."
            )
        if there.any():
            distance[there], nearest = cKDTree(points[here]).query(template[there])
            source[there] = here[nearest]
    return Correspondence(source, distance * RADIUS_MM, len(points))


def to_template(
    values: ArrayLike, match: Correspondence, *, within_mm: float
) -> Floats:
    """Return a subject's map on the template.

    Parameters
    ----------
    values : array of shape (..., n_source)
        Scores, for instance. Labels stay labels: nothing is averaged.
    match : Correspondence
    within_mm : float
        Template vertices with no vertex of the subject as near as this become NaN.
        About the spacing of the subject's vertices: 1 mm for a whole native surface.

    Returns
    -------
    projected : array of shape (..., n_template)

    Examples
    --------
    >>> match = Correspondence(np.array([1, 0, 1]), np.array([0.5, 0.2, 9.0]), 2)
    >>> to_template([0.1, 0.3], match, within_mm=1)
    array([0.3, 0.1, nan])
    """
    values = np.asarray(values, np.float64)
    if values.shape[-1:] != (match.n_source,) or within_mm <= 0:
        raise InputError(
            f"values has shape {values.shape} and within_mm is {within_mm}; expected "
            f"(..., {match.n_source}), the subject's columns, and a distance above 0."
        )
    near = match.distance_mm <= within_mm
    return np.where(near, values[..., match.source], np.nan)


def template_table(maps: ArrayLike, subjects: list[str]) -> pd.DataFrame:
    """Return the mean of the subjects' maps at each vertex, and of how many.

    Parameters
    ----------
    maps : array of shape (n_subjects, n_template)
        From `to_template`.
    subjects : list of str

    Returns
    -------
    table : DataFrame
        One row per vertex: vertex, n_subjects (with a value there), mean, sd (NaN for
        fewer than 2), n_positive, and a column per subject, 'sub-01'.
    """
    maps = np.asarray(maps, np.float64)
    if maps.ndim != 2 or len(maps) != len(subjects):
        raise InputError(
            f"maps has shape {maps.shape} for {len(subjects)} subjects; stack one map "
            "per subject."
        )
    known = np.isfinite(maps)
    n = known.sum(axis=0)
    total = np.where(known, maps, 0).sum(axis=0)
    mean = _divide(total, n, n > 0)
    squares = np.where(known, (maps - mean) ** 2, 0).sum(axis=0)
    table = pd.DataFrame({"vertex": np.arange(maps.shape[1]), "n_subjects": n})
    table["mean"] = mean
    table["sd"] = np.sqrt(_divide(squares, n - 1, n > 1))
    table["n_positive"] = (known & (maps > 0)).sum(axis=0)
    return table.assign(**{f"sub-{s}": m for s, m in zip(subjects, maps, strict=True)})


def _divide(top: Floats, bottom: NDArray, where: NDArray[np.bool_]) -> Floats:
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=where)


def _on_sphere(points: ArrayLike, name: str) -> Floats:
    points = np.asarray(points, np.float64)
    length = np.linalg.norm(points, axis=1) if points.ndim == 2 else np.zeros(1)
    if points.shape[1:] != (3,) or not (length > 0).all():
        raise InputError(
            f"{name} has shape {points.shape}, expected (n_vertices, 3) with no vertex "
            "at the centre: coordinates on a sphere, such as lh.sphere.reg's."
        )
    return points / length[:, None]
