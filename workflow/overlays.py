"""ROIs that were drawn on a pycortex subject's flatmap (its overlays.svg)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..core.checks import InputError, MissingFileError
from ..core.types import Space
from ..data.label_rois import on_columns
from ..data.rois import without_empty
from ..data.surfaces import faces_identity
from ..figures.cortex import has_pycortex, open_cortex

Floats = NDArray[np.floating]
Rois = dict[str, NDArray[np.bool_]]
WALL_SHARE = 0.002  # of a surface's vertices; a medial wall has about 4 %


def rois_from_overlays(folder: Path, space: Space) -> tuple[Rois, list[str]]:
    """Return the ROIs of a pycortex subject over the columns of `space`.

    A flatmap lacks the vertices at its cuts, and so do outlines drawn on it. A vertex
    that the flatmap lacks is taken into an ROI if a neighbour on the whole surface is
    in it; how many were is said.

    Parameters
    ----------
    folder : Path
        The subject's folder in a pycortex filestore; its name is the subject's.
    space : Space
        Of that subject's mesh.

    Returns
    -------
    rois : dict of str to array of bool, shape (n_voxels,)
    notes : list of str

    Raises
    ------
    InputError
        If pycortex is not installed, or the mesh of the responses is another one.
    MissingFileError
        If there is no overlays.svg.
    """
    if not (folder / "overlays.svg").is_file():
        raise MissingFileError(f"no overlays.svg in {folder}. Check rois.overlays.")
    if not has_pycortex():
        raise InputError(
            "rois.overlays are read by pycortex: pip install 'brain2music[flatmaps]'."
        )
    subject = folder.name
    with open_cortex(folder.parent) as cortex:
        svg = cortex.db.get_overlay(
            subject, overlays_available=("rois",), modify_svg_file=False
        )
        flat = cortex.db.get_surf(subject, "flat", merge=True)[1]
        sides = [
            cortex.db.get_surf(subject, "wm", hemisphere=f"{side}h") for side in "lr"
        ]
        drawn = {name: svg.rois.get_mask(name) for name in svg.rois.shapes}
    _check_mesh(space, subject, sides)
    n_left = len(sides[0][0])
    faces = np.vstack([sides[0][1], sides[1][1] + n_left])
    on_map = np.zeros(n_left + len(sides[1][0]), bool)
    on_map[flat] = True
    rois, notes = {}, []
    for name, found in drawn.items():
        mask = np.zeros(len(on_map), bool)
        mask[np.asarray(found, int)] = True
        whole, n_added = with_cuts(mask & on_map, on_map, faces)
        if n_added:
            notes.append(
                f"ROI {name!r}: {n_added} vertices at the flatmap's cuts were taken in "
                f"with their neighbours ({int(whole.sum())} in all)."
            )
        halves = (whole[:n_left], whole[n_left:])
        rois[name] = np.logical_or.reduce(
            [
                on_columns(space, part, half)
                for part, half in zip(space.parts, halves, strict=True)
            ]
        )
    sizes = {name: len(found) for name, found in drawn.items()}
    kept, said = without_empty(rois, sizes, "overlays.svg")
    return kept, [*notes, *said]


def with_cuts(
    mask: NDArray[np.bool_], on_map: NDArray[np.bool_], faces: NDArray[np.integer]
) -> tuple[NDArray[np.bool_], int]:
    """Return a mask with those neighbours that lie in the flatmap's cuts, and how many.

    A cut is narrow: nearly all of its vertices are next to the flatmap. The medial
    wall, which the flatmap lacks too, has many connected vertices that are not (0.2 %
    of the surface or more); they and those beside them are not taken in.

    Parameters
    ----------
    mask : array of bool, shape (n_vertices,)
    on_map : array of bool, shape (n_vertices,)
        Vertices that the flatmap has.
    faces : array of int, shape (n_faces, 3)
        Of the whole surface.
    """

    def with_neighbours(some: NDArray[np.bool_]) -> NDArray[np.bool_]:
        reached = some.copy()
        reached[faces[some[faces].any(axis=1)]] = True
        return reached

    wall = with_neighbours(_large_parts(~with_neighbours(on_map), faces))
    added = with_neighbours(mask) & ~on_map & ~mask & ~wall
    return mask | added, int(added.sum())


def _large_parts(
    some: NDArray[np.bool_], faces: NDArray[np.integer]
) -> NDArray[np.bool_]:
    edges = np.vstack([faces[:, :2], faces[:, 1:], faces[:, ::2]])
    within = edges[some[edges].all(axis=1)]
    graph = coo_array((np.ones(len(within)), within.T), shape=(len(some), len(some)))
    labels = connected_components(graph, directed=False)[1]
    sizes = np.bincount(labels)
    return some & (sizes[labels] >= WALL_SHARE * len(some))


def _check_mesh(space: Space, subject: str, sides: list) -> None:
    found = [len(points) for points, _ in sides]
    expected = [part.shape[0] for part in space.parts if len(part.shape) == 1]
    if space.kind != "surface" or found != expected:
        raise InputError(
            f"rois.overlays: {subject} has {found} vertices (left, right), the "
            f"responses {expected or 'no hemispheres'} ({space.kind}, {space.name}). "
            "Use the subject that the responses were sampled on."
        )
    if space.name not in (subject, "fsnative"):
        raise InputError(
            f"rois.overlays are of {subject}, the responses of the mesh {space.name}. "
            "Use the subject that the responses were sampled on."
        )
    for part, (_, faces) in zip(space.parts, sides, strict=True):
        if part.topology and part.topology != faces_identity(faces):
            raise InputError(
                f"rois.overlays: the {part.name} hemisphere of {subject} has other "
                "faces than the surface of the responses: it is another subject."
            )
