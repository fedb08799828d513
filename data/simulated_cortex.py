"""Where the simulated responses lie: ROIs and vertices on fsaverage5."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..core.checks import InputError


@dataclass(frozen=True, slots=True)
class Disc:
    """A simulated ROI: vertices around one point in each hemisphere.

    Parameters
    ----------
    name : str
    nodes : tuple of two int
        Numbers of the left and the right point in the list of Power et al. (2011).
    leader : str
        The feature space that leads there, or 'none'.
    """

    name: str
    nodes: tuple[int, int]
    leader: str


DISCS = (
    Disc("auditory core (simulated)", (73, 61), "w2v-bert"),
    Disc("auditory belt (simulated)", (66, 63), "mulan-music"),
    Disc("lateral prefrontal (simulated)", (201, 175), "mulan-text"),
    Disc("anterior temporal (simulated)", (129, 128), "genre"),
    Disc("V1 (simulated)", (146, 170), "none"),
)


def roi_masks(radius_mm: float = 10.0) -> dict[str, NDArray[np.bool_]]:
    """Return the simulated ROIs as masks over fsaverage5, left hemisphere first.

    An ROI holds the vertices within `radius_mm` (straight lines) of its point in each
    hemisphere, on the surface half-way between white matter and pia. The points are
    MNI coordinates of functional nodes; fsaverage's own space differs from MNI152 by
    a few mm, which a simulation can bear.

    References
    ----------
    Power, J. D. et al. (2011). Functional network organization of the human brain.
    Neuron 72, 665-678.
    """
    from nilearn.datasets import fetch_coords_power_2011, load_fsaverage

    nodes = fetch_coords_power_2011().rois.set_index("roi")[["x", "y", "z"]]
    mesh = load_fsaverage("fsaverage5")
    masks: dict[str, list] = {disc.name: [] for disc in DISCS}
    for side, hemisphere in enumerate(("left", "right")):
        surfaces = [mesh[s].parts[hemisphere] for s in ("white_matter", "pial")]
        middle = np.mean([surface.coordinates for surface in surfaces], axis=0)
        for disc in DISCS:
            point = nodes.loc[disc.nodes[side]].to_numpy(float)
            near = np.linalg.norm(middle - point, axis=1) <= radius_mm
            masks[disc.name].append(near)
    return {name: np.concatenate(sides) for name, sides in masks.items()}


def choose_vertices(
    masks: Mapping[str, NDArray[np.bool_]], n_vertices: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return every vertex of the ROIs and a random sample of the rest, sorted."""
    check_n_vertices(masks, n_vertices)
    inside = np.any(list(masks.values()), axis=0)
    n_more = n_vertices - int(inside.sum())
    more = rng.choice(np.flatnonzero(~inside), n_more, replace=False)
    return np.sort(np.r_[np.flatnonzero(inside), more])


def check_n_vertices(masks: Mapping[str, NDArray[np.bool_]], n_vertices: int) -> None:
    """Raise unless the ROIs' vertices, and no more than the mesh has, are asked for."""
    inside = np.any(list(masks.values()), axis=0)
    if not inside.sum() <= n_vertices <= len(inside):
        raise InputError(
            f"n_vertices is {n_vertices}; the ROIs hold {inside.sum()} vertices and "
            f"the mesh {len(inside)}. Ask for a number between these."
        )


def smoothing(steps: int) -> sparse.csr_array:
    """Return the matrix that averages fsaverage5 vertices with their neighbours.

    A is the adjacency with the vertex itself, each row divided by its sum; the result
    is A^steps with rows of unit length, so that white noise keeps unit variance.

    Returns
    -------
    matrix : sparse array of shape (n_mesh, n_mesh)
        No entry joins the hemispheres.
    """
    from nilearn.datasets import load_fsaverage

    blocks = []
    for part in load_fsaverage("fsaverage5")["pial"].parts.values():
        a, b, c = np.asarray(part.faces).T
        rows, columns = np.r_[a, b, c, b, c, a], np.r_[b, c, a, a, b, c]
        n = len(part.coordinates)
        links = sparse.coo_array((np.ones(len(rows)), (rows, columns)), (n, n)).tocsr()
        links = (links > 0) + sparse.eye_array(n)
        blocks.append(sparse.csr_array(links / links.sum(axis=1)[:, None]))
    once = sparse.csr_array(sparse.block_diag(blocks))
    matrix = once
    for _ in range(steps - 1):
        matrix = matrix @ once
    length = np.sqrt(matrix.power(2).sum(axis=1))
    return sparse.csr_array(matrix / length[:, None])
