"""Where a cortex folds: the mean curvature of its anatomical surface."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

Floats = NDArray[np.floating]

ROUNDS = 5  # of a mean over neighbours: folds, and not the steps of the mesh


def mean_curvature(points: Floats, faces: NDArray[np.integer]) -> Floats:
    """Return the mean curvature of a surface per vertex, above 0 in sulci, in 1/mm.

    Parameters
    ----------
    points : array of shape (n_vertices, 3)
        Of the white surface (or the pial one), in mm; an inflated one has no folds.
    faces : array of int, shape (n_faces, 3)
        In the order that has their outer side on the left, as FreeSurfer writes them.

    Returns
    -------
    curvature : array of shape (n_vertices,)
        Averaged over neighbours a few times. 0 at a vertex of no face.

    References
    ----------
    Meyer, M., Desbrun, M., Schroeder, P. & Barr, A. H. (2003). Discrete
    differential-geometry operators for triangulated 2-manifolds.
    """
    n = len(points)
    corners = points[faces]
    pull, area, normal = np.zeros((n, 3)), np.zeros(n), np.zeros((n, 3))
    outwards = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    twice = np.maximum(np.linalg.norm(outwards, axis=1), 1e-12)
    for k in range(3):
        here, one, two = (faces[:, (k + step) % 3] for step in range(3))
        to_one, to_two = points[one] - points[here], points[two] - points[here]
        cotangent = (to_one * to_two).sum(axis=1) / twice
        edge = cotangent[:, None] * (points[two] - points[one]) / 2
        np.add.at(pull, one, edge)
        np.add.at(pull, two, -edge)
        np.add.at(area, here, twice / 6)
        np.add.at(normal, here, outwards)
    length = np.linalg.norm(normal, axis=1)
    along = (pull * normal).sum(axis=1)
    bends = np.divide(along, 2 * area * length, np.zeros(n), where=length > 0)
    return _smooth(bends, faces)


def _smooth(values: Floats, faces: NDArray[np.integer]) -> Floats:
    """Return values averaged with those of their neighbours, a few times."""
    n = len(values)
    pairs = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs = np.vstack([pairs, pairs[:, ::-1], np.arange(n)[:, None].repeat(2, axis=1)])
    joined = csr_array(coo_array((np.ones(len(pairs)), pairs.T), shape=(n, n)))
    joined.data[:] = 1.0
    share = 1.0 / np.asarray(joined.sum(axis=1)).ravel()
    for _ in range(ROUNDS):
        values = share * (joined @ values)
    return values
