"""Surfaces as FreeSurfer writes them: whole ones, and flat patches of them."""

from pathlib import Path

import numpy as np
from nibabel.freesurfer import read_geometry
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError

Floats = NDArray[np.floating]
Faces = NDArray[np.integer]
Surface = tuple[Floats, Faces]

SIDES = {"left": "lh", "right": "rh"}
PATCH = -1  # the first number in a file of a patch
ROW = np.dtype([("vertex", ">i4"), ("xyz", ">f4", 3)])


def is_patch(path: Path) -> bool:
    """Return whether a file's name is that of a patch, such as lh.cortex.patch.flat."""
    return ".patch" in path.name


def read_surface(path: Path, side: str, who: str) -> Surface:
    """Read points, in mm, and faces of a surface such as lh.inflated.

    Raises
    ------
    InputError
        If the file is not there, of the other side by its name, or no surface.
    """
    _check(path, side, who)
    try:
        points, faces = read_geometry(path)
    except (OSError, ValueError, IndexError, TypeError) as error:
        raise InputError(
            f"{who}: {path} is no surface, neither GIFTI (.gii) nor FreeSurfer's own, "
            f"or damaged ({error}). Give one such as lh.inflated."
        ) from error
    return np.asarray(points, np.float64), np.asarray(faces, np.int64)


def read_patch(path: Path, side: str, who: str, whole: Surface) -> Surface:
    """Read a flat patch; return it with all vertices of the `whole` surface.

    Returns
    -------
    points : array of shape (n_vertices, 3)
        0 where the patch has no vertex.
    faces : array of int, shape (n_faces, 3)
        Those of the whole surface whose vertices the patch has all.
    """
    _check(path, side, who)
    data = path.read_bytes()
    head = np.frombuffer(data[:8], ">i4")
    if len(head) < 2 or head[0] != PATCH or len(data) != 8 + head[1] * ROW.itemsize:
        raise InputError(f"{who}: {path} is no patch of FreeSurfer, or is cut off.")
    rows = np.frombuffer(data[8:], ROW)
    vertices = np.abs(rows["vertex"].astype(np.int64)) - 1  # below 0 at its border
    points, faces = whole
    if vertices.max(initial=0) >= len(points):
        raise InputError(
            f"{who}: {path} has vertex {vertices.max()}, and its surface "
            f"{len(points)} vertices. It is a patch of another one."
        )
    flat, has = np.zeros_like(points), np.zeros(len(points), dtype=bool)
    flat[vertices], has[vertices] = rows["xyz"], True
    return flat, faces[has[faces].all(axis=1)]


def _check(path: Path, side: str, who: str) -> None:
    if not path.is_file():
        raise MissingFileError(f"{who}: {path} is not there. Check the path.")
    other = next(name for one, name in SIDES.items() if one != side)
    if path.name.startswith(f"{other}."):
        raise InputError(
            f"{who}: {path.name} is of the other hemisphere by its name. Give the left "
            "file first."
        )
