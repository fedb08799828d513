"""The cortex of a user's own: GIFTI surfaces, inflated and flat."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..core.types import Space
from ..data.surfaces import check_side, faces_identity, read_gifti
from ..figures.cortex import lay_flat
from ..figures.solid import CortexMesh, flat_of
from ..figures.surfaces import FlatMesh

SIDES = ("left", "right")
Pair = tuple[str | Path, str | Path]


@dataclass(frozen=True, slots=True)
class OwnSurfaces:
    """Files of surfaces, left and right, that the responses were sampled on.

    Parameters
    ----------
    inflated : tuple of two paths
        .surf.gii files; '{subject}' in a path stands for each subject's label.
    flat : tuple of two paths, optional
        Of the same vertices, laid flat: faces that they lack are cut out.
    """

    inflated: Pair
    flat: Pair | None = None

    def fits(self, space: Space) -> bool:
        """Return whether a space is of vertices whose hemispheres are known."""
        return space.kind == "surface" and len(space.parts) == 2

    def name(self, space: Space, subject: str) -> str:
        """Return a name of the mesh; subjects that share their files share it."""
        shared = all("{subject}" not in str(path) for path in self.inflated)
        return space.name if shared else f"{space.name}, sub-{subject}"

    def mesh(self, space: Space, subject: str) -> CortexMesh:
        """Read a subject's surfaces, and check that they are those of the data.

        Raises
        ------
        InputError
            If a file is missing, no surface, of the other side, or of another mesh.
        """
        parts = [
            _surface(path, subject, space, k) for k, path in enumerate(self.inflated)
        ]
        n_left = len(parts[0][0])
        points = np.vstack([one[0] for one in parts])
        faces = np.vstack([parts[0][1], parts[1][1] + n_left])
        flat, flat_faces = None, None
        if self.flat is not None:
            laid = [
                _surface(path, subject, space, k, whole=False)
                for k, path in enumerate(self.flat)
            ]
            flat = np.vstack(
                [lay_flat(*one, side) for one, side in zip(laid, SIDES, strict=True)]
            )[:, :2]
            flat_faces = np.vstack([laid[0][1], laid[1][1] + n_left])
        bends = np.zeros(len(points))
        name = self.name(space, subject)
        return CortexMesh(name, n_left, points, faces, bends, flat, flat_faces)


@lru_cache(maxsize=2)  # as many as `flat_mesh` keeps
def own_mesh(surfaces: OwnSurfaces, space: Space, subject: str) -> CortexMesh:
    """Return `surfaces.mesh`, which is read once for all figures of a subject."""
    return surfaces.mesh(space, subject)


@lru_cache(maxsize=2)
def own_flat(surfaces: OwnSurfaces, space: Space, subject: str) -> FlatMesh:
    """Return a subject's own flat surface, to be drawn on."""
    return flat_of(own_mesh(surfaces, space, subject))


def _surface(
    path: str | Path, subject: str, space: Space, place: int, *, whole: bool = True
) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    """Return points and faces of a hemisphere; `whole` ones have the data's faces."""
    file, side = Path(str(path).replace("{subject}", subject)), SIDES[place]
    who = f"sub-{subject}, {side} hemisphere"
    image = read_gifti(file, who)
    check_side(image, side, f"{who} ({file.name})")
    points = image.agg_data("NIFTI_INTENT_POINTSET")
    faces = image.agg_data("NIFTI_INTENT_TRIANGLE")
    if np.ndim(points) != 2 or np.ndim(faces) != 2:
        raise InputError(f"{who}: {file} holds no surface (points and faces).")
    part = space.parts[place]
    if len(points) != part.shape[0]:
        raise InputError(
            f"{who}: {file} has {len(points)} vertices, the data {part.shape[0]}. It "
            "is another mesh: take the surface that the data were sampled on."
        )
    if whole and part.topology and faces_identity(faces) != part.topology:
        raise InputError(
            f"{who}: {file} has as many vertices as the data, but other faces. It is "
            "another mesh: take the surface that the data were sampled on."
        )
    return np.asarray(points, np.float64), np.asarray(faces, np.int64)
