"""The cortex of a user's own: surfaces of GIFTI or FreeSurfer, inflated and flat."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..core.checks import InputError
from ..core.types import Space
from ..data.surfaces import check_side, faces_identity, read_gifti
from ..figures.cortex import lay_flat
from ..figures.folds import mean_curvature
from ..figures.freesurfer import Surface, is_patch, read_patch, read_surface
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
        GIFTI (.surf.gii) or FreeSurfer's own (lh.inflated); '{subject}' in a path
        stands for each subject's label.
    flat : tuple of two paths, optional
        Of the same vertices, laid flat: faces that they lack are cut out. FreeSurfer's
        patches (lh.cortex.patch.flat) too.
    white : tuple of two paths, optional
        The white surfaces, of the same vertices: folds are shaded by their curvature.
    """

    inflated: Pair
    flat: Pair | None = None
    white: Pair | None = None

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
                _surface(path, subject, space, k, whole=parts[k])
                for k, path in enumerate(self.flat)
            ]
            flat = np.vstack(
                [lay_flat(*one, side) for one, side in zip(laid, SIDES, strict=True)]
            )[:, :2]
            flat_faces = np.vstack([laid[0][1], laid[1][1] + n_left])
        bends = np.zeros(len(points))
        if self.white is not None:
            folded = (
                _surface(path, subject, space, k) for k, path in enumerate(self.white)
            )
            bends = np.concatenate([mean_curvature(*one) for one in folded])
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
    path: str | Path,
    subject: str,
    space: Space,
    place: int,
    *,
    whole: Surface | None = None,
) -> Surface:
    """Return points and faces of a hemisphere: of the data, or a part of `whole`."""
    file, side = Path(str(path).replace("{subject}", subject)), SIDES[place]
    who = f"sub-{subject}, {side} hemisphere"
    if is_patch(file) and whole is not None:
        return read_patch(file, side, who, whole)
    is_gifti = file.name.endswith((".gii", ".gii.gz"))
    points, faces = (_gifti if is_gifti else read_surface)(file, side, who)
    part = space.parts[place]
    if len(points) != part.shape[0]:
        raise InputError(
            f"{who}: {file} has {len(points)} vertices, the data {part.shape[0]}. It "
            "is another mesh: take the surface that the data were sampled on."
        )
    if whole is None and part.topology and faces_identity(faces) != part.topology:
        raise InputError(
            f"{who}: {file} has as many vertices as the data, but other faces. It is "
            "another mesh: take the surface that the data were sampled on."
        )
    return points, faces


def _gifti(file: Path, side: str, who: str) -> Surface:
    image = read_gifti(file, who)
    check_side(image, side, f"{who} ({file.name})")
    points = image.agg_data("NIFTI_INTENT_POINTSET")
    faces = image.agg_data("NIFTI_INTENT_TRIANGLE")
    if np.ndim(points) != 2 or np.ndim(faces) != 2:
        raise InputError(f"{who}: {file} holds no surface (points and faces).")
    return np.asarray(points, np.float64), np.asarray(faces, np.int64)
