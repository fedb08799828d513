"""The cortical meshes as solid shapes: inflated, and flat beside it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nilearn import datasets
from numpy.typing import NDArray

from ..core.checks import InputError
from .cortex import (
    add_s1,
    curvature,
    default_store,
    open_cortex,
    own_subject,
    store_with,
    subject_problem,
)
from .pixel_cache import kept_pixels
from .surfaces import (
    HEIGHT_PX,
    N_VERTICES,
    FlatMesh,
    nearest_vertices,
    packaged_flat,
)
from .templates import TEMPLATES, read_template

Floats = NDArray[np.floating]
Faces = NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class CortexMesh:
    """Both hemispheres of a cortex, inflated and, where there is one, flat.

    Parameters
    ----------
    name : str
    n_left : int
        Vertices of the left hemisphere, which come first.
    inflated : array of shape (n_vertices, 3)
        In mm: right, anterior, superior. The hemispheres may overlap.
    faces : array of int, shape (n_faces, 3)
        Of the left hemisphere first; none joins the hemispheres.
    curvature : array of shape (n_vertices,)
        Above 0 in sulci.
    flat : array of shape (n_vertices, 2), or None
        In mm, the left hemisphere at x < 0. Vertices of no face lie at the origin.
    flat_faces : array of int, shape (n_flat_faces, 3), or None
        Fewer than `faces`: medial wall and cuts are left out.
    """

    name: str
    n_left: int
    inflated: Floats
    faces: Faces
    curvature: Floats
    flat: Floats | None = None
    flat_faces: Faces | None = None

    def __post_init__(self) -> None:
        sides = (self.faces < self.n_left).sum(axis=1)
        if not np.isin(sides, (0, 3)).all():
            raise InputError(
                f"mesh {self.name!r}: {int((~np.isin(sides, (0, 3))).sum())} faces "
                f"join vertices of both hemispheres, where the left one has "
                f"{self.n_left}. Give the vertices of the left hemisphere first."
            )

    @property
    def n_vertices(self) -> int:
        """Number of vertices of both hemispheres."""
        return len(self.inflated)


def cortex_mesh(name: str, *, store: Path | None = None) -> CortexMesh:
    """Load a cortex that is known by its name.

    Parameters
    ----------
    name : 'fsaverage5', 'fsaverage6', 'fsaverage', 'S1' or 'pycortex:NAME'
        As of `flat_mesh`.
    store : Path, optional
        Folder where pycortex keeps its subjects; None takes one in the user's cache.

    Raises
    ------
    InputError
        If there is no such mesh, or what it needs is not there.
    """
    subject = own_subject(name)
    if subject is not None:
        problem = subject_problem(subject, store)
        if problem:
            raise InputError(problem)
        return _of_cortex(name, subject, store_with(subject, store))
    if name == "fsaverage5":
        return _fsaverage5()
    if name == "S1":
        return _of_cortex(name, None, store or default_store())
    if name in TEMPLATES:
        whole = read_template(name)
        return CortexMesh(
            name,
            len(whole.inflated) // 2,
            whole.inflated,
            whole.faces,
            whole.curvature,
            whole.flat,
            whole.flat_faces,
        )
    raise InputError(
        f"no mesh {name!r} is known here; known are {', '.join(N_VERTICES)}."
    )


def flat_of(mesh: CortexMesh, *, height_px: int = HEIGHT_PX) -> FlatMesh:
    """Return the flat side of a cortex, such as a user's own, to be drawn on.

    Raises
    ------
    InputError
        If it has none.
    """
    if mesh.flat is None or mesh.flat_faces is None:
        raise InputError(
            f"mesh {mesh.name!r} has no flat surface, so there is no flatmap of it. "
            "Give one of the same vertices."
        )
    pixels, extent = kept_pixels(
        nearest_vertices, mesh.flat, mesh.flat_faces, height_px
    )
    flat, faces, bends = mesh.flat, mesh.flat_faces, mesh.curvature
    return FlatMesh(mesh.name, flat, faces, bends, pixels, extent)


def _fsaverage5() -> CortexMesh:
    parts = datasets.load_fsaverage("fsaverage5")["inflated"].parts
    left, right = parts["left"], parts["right"]
    n_left = len(left.coordinates)
    flat, flat_faces, bends = packaged_flat()
    return CortexMesh(
        "fsaverage5",
        n_left,
        np.vstack([left.coordinates, right.coordinates]).astype(np.float64),
        np.vstack([left.faces, right.faces + n_left]),
        bends,
        flat,
        flat_faces,
    )


def _of_cortex(name: str, own: str | None, store: Path) -> CortexMesh:
    """Read a subject of pycortex: S1, or the user's own."""
    with open_cortex(store) as cortex:
        subject = own or add_s1(cortex)
        sides = cortex.db.get_surf(subject, "inflated")
        (left, left_faces), (right, right_faces) = sides
        flat, flat_faces = cortex.db.get_surf(subject, "flat", merge=True, nudge=True)
        bends = curvature(cortex, subject)
    n_left = len(left)
    return CortexMesh(
        name,
        n_left,
        np.vstack([left, right]).astype(np.float64),
        np.vstack([left_faces, right_faces + n_left]).astype(np.int64),
        bends,
        np.asarray(flat[:, :2], dtype=np.float64),
        np.asarray(flat_faces, dtype=np.int64),
    )
