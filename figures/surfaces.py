"""The cortical meshes that can be drawn flat, and voxel vectors laid out on them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from matplotlib.tri import Triangulation
from nilearn import datasets
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw
from scipy.spatial import cKDTree

from ..core.checks import InputError, check_choice, nearest
from ..core.types import Space
from .cortex import (
    add_fsaverage5,
    add_s1,
    curvature,
    default_store,
    has_pycortex,
    lay_flat,
    open_cortex,
    own_subject,
    store_with,
    subject_problem,
    vertex_image,
)
from .pixel_cache import kept_pixels
from .projection import ONTO, columns_on_cortex, is_mni
from .templates import TEMPLATES, read_template, template_problem

Floats = NDArray[np.floating]

N_VERTICES = {"fsaverage5": 20484, **TEMPLATES, "S1": 304380}
RENDERERS = ("auto", "pycortex", "matplotlib")
HEIGHT_PX = 800
MOST_KEPT = 2  # meshes in memory: S1 has 22 MB, fsaverage5 13 MB


@dataclass(frozen=True, slots=True, eq=False)
class FlatMesh:
    """A flattened cortex, and which vertex each pixel of its picture shows.

    Parameters
    ----------
    name : str
    points : array of shape (n_vertices, 2)
        Place of each vertex on the flatmap, in mm, left hemisphere first and left
        (x < 0). Vertices of no face lie at the origin.
    faces : array of int, shape (n_faces, 3)
    curvature : array of shape (n_vertices,)
        Above 0 in sulci.
    pixels : array of int, shape (height, width)
        Vertex shown in each pixel, -1 outside; row 0 is the lowest.
    extent : tuple of four floats
        Left, right, bottom and top of the picture, in mm.
    """

    name: str
    points: Floats
    faces: NDArray[np.integer]
    curvature: Floats
    pixels: NDArray[np.integer]
    extent: tuple[float, float, float, float]

    @property
    def n_vertices(self) -> int:
        """Number of vertices, those that the flatmap leaves out included."""
        return len(self.points)

    @property
    def on_map(self) -> NDArray[np.bool_]:
        """Whether the flatmap has each vertex: medial wall and cuts are left out."""
        found = np.zeros(self.n_vertices, dtype=bool)
        found[self.faces] = True
        return found


def map_problem(space: Space) -> str | None:
    """Say why there is no map of `space`, or return None if it can be drawn.

    Examples
    --------
    >>> map_problem(Space(kind="labels", name="atlas", ids=("56", "210")))
    'no map: these labels have no position'
    """
    if space.kind == "labels":
        return "no map: these labels have no position"
    if space.kind == "volume":
        return (
            "no map: this volume is on no surface that is known here; one whose "
            "space is known to be MNI152, by its name, would be drawn on fsaverage5"
        )
    subject = own_subject(space.name)
    if subject is not None:
        return subject_problem(subject, None)
    if space.name not in N_VERTICES:
        return _unknown(space.name)
    expected = (N_VERTICES[space.name],)
    if space.index is None or space.shape != expected:
        return (
            f"no map: {space.name} has {expected[0]} vertices, and this space has "
            f"shape {space.shape}"
        )
    if space.name == "S1" and not has_pycortex():
        return "no map: S1 comes with pycortex, which is not installed"
    return template_problem(space.name) if space.name in TEMPLATES else None


def flatmap_problem(space: Space) -> str | None:
    """Say why there is no map of `space`, or return None; as `map_problem`.

    But volumes in MNI152 are drawn on fsaverage5, see `columns_on_cortex`.
    """
    return None if is_mni(space) else map_problem(space)


def mesh_name(space: Space) -> str:
    """Return the name of the mesh that a space is drawn on."""
    return ONTO if is_mni(space) else space.name


def spread(values: ArrayLike, space: Space) -> Floats:
    """Return `values`, one per column of Y, at their vertices of the whole mesh.

    Returns
    -------
    on_mesh : array of shape (n_vertices,)
        NaN where the space has no column. A volume in MNI152 is laid on fsaverage5.

    Raises
    ------
    InputError
        If the space is on no surface, or `values` has not one value per column.
    """
    is_mesh = space.kind == "surface" and space.index is not None
    problem = None if is_mesh else flatmap_problem(space)
    if problem:
        raise InputError(f"space {space.name!r}: {problem}")
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (space.n_voxels,):
        raise InputError(
            f"values has shape {values.shape}, and space {space.name!r} has "
            f"{space.n_voxels} columns. Give one value per column of the responses."
        )
    if is_mni(space):
        columns = columns_on_cortex(space)
        return np.where(columns >= 0, values[columns], np.nan)
    on_mesh = np.full(space.shape, np.nan)
    on_mesh[space.index] = values
    return on_mesh


def flat_mesh(
    mesh: str,
    *,
    renderer: str = "auto",
    store: Path | None = None,
    height_px: int = HEIGHT_PX,
) -> FlatMesh:
    """Load a flattened cortex.

    The last two that were loaded stay in memory: their arrays cannot be written.

    Parameters
    ----------
    mesh : 'fsaverage5', 'fsaverage6', 'fsaverage', 'S1' or 'pycortex:NAME'
        The template packaged in nilearn, finer ones that FreeSurfer or nilearn have on
        this machine, the subject that comes with pycortex, or one of your filestore.
    renderer : 'auto', 'pycortex' or 'matplotlib'
        What finds the vertex of each pixel; both give the nearest one. 'auto' takes
        pycortex where it is installed.
    store : Path, optional
        Folder where pycortex keeps its subjects. None takes a folder in the user's
        cache. Not used by matplotlib.
    height_px : int
        Height of the picture. 800 is 250 dots per inch at full page width.

    Raises
    ------
    InputError
        If the mesh is not known, or the renderer does not have it.
    """
    check_choice(renderer, "renderer", RENDERERS)
    subject = own_subject(mesh)
    if subject is None and mesh not in N_VERTICES:
        raise InputError(_unknown(mesh))
    if mesh in TEMPLATES:
        return _loaded(mesh, None, height_px)
    if subject is not None:
        problem = subject_problem(subject, store)
        if problem:
            raise InputError(problem)
        return _loaded(mesh, store_with(subject, store), height_px)
    if mesh == "S1" and renderer == "matplotlib":
        raise InputError(
            "S1 comes with pycortex, and renderer='matplotlib' does without it. Use "
            "renderer='pycortex', or mesh='fsaverage5'."
        )
    if renderer == "matplotlib" or (mesh == "fsaverage5" and _lacks_cortex(renderer)):
        return _loaded(mesh, None, height_px)
    return _loaded(mesh, (store or default_store()).absolute(), height_px)


@lru_cache(maxsize=MOST_KEPT)
def _loaded(mesh: str, store: Path | None, height_px: int) -> FlatMesh:
    """Return a mesh by pycortex with a store, or without it by matplotlib."""
    if mesh in TEMPLATES:
        flat = _from_template(mesh, height_px)
    elif store is None:
        flat = _from_nilearn(_nearest_vertices, height_px)
    else:
        flat = _from_cortex(mesh, store, height_px)
    for array in (flat.points, flat.faces, flat.curvature, flat.pixels):
        array.setflags(write=False)
    return flat


def _lacks_cortex(renderer: str) -> bool:
    return renderer == "auto" and not has_pycortex()


def _unknown(mesh: str) -> str:
    known = (
        f"known are {', '.join(N_VERTICES)} and pycortex:NAME of your filestore."
        f"{nearest(mesh, N_VERTICES)}"
    )
    return f"no map: mesh {mesh!r} is not known here; {known}"


def nearest_vertices(points: Floats, faces: NDArray, height_px: int) -> tuple:
    """Return the vertex nearest to each pixel that a face covers: of any flat surface.

    Faces of a flattened cortex may overlap here and there, which `_nearest_vertices`
    cannot have.

    Returns
    -------
    pixels, extent
        As of a `FlatMesh`.
    """
    used = np.unique(faces)
    low, high = points[used].min(axis=0), points[used].max(axis=0)
    width_px = int(height_px * (high - low)[0] / (high - low)[1])
    size = np.array([width_px, height_px])
    picture = Image.new("1", (width_px, height_px))
    draw = ImageDraw.Draw(picture)
    at = (points - low) / (high - low) * (size - 1)
    for corners in at[faces]:
        draw.polygon(corners.ravel().tolist(), fill=1)
    inside = np.array(picture)
    rows, columns = np.nonzero(inside)
    here = low + np.column_stack([columns, rows]) / (size - 1) * (high - low)
    pixels = np.full(inside.shape, -1, dtype=np.int64)
    pixels[inside] = used[cKDTree(points[used]).query(here)[1]]
    return pixels, (low[0], high[0], low[1], high[1])


def _from_cortex(mesh: str, store: Path, height_px: int) -> FlatMesh:
    with open_cortex(store) as cortex:
        if mesh == "fsaverage5":
            add_fsaverage5(cortex)
            pixels, extent = vertex_image(cortex, mesh, height_px)
            return _from_nilearn(lambda *_: (pixels, extent), height_px)
        subject = own_subject(mesh) or add_s1(cortex)
        points, faces = cortex.db.get_surf(subject, "flat", merge=True, nudge=True)
        pixels, extent = vertex_image(cortex, subject, height_px)
        bends = curvature(cortex, subject)
    return FlatMesh(mesh, points[:, :2], faces, bends, pixels, extent)


def _from_template(mesh: str, height_px: int) -> FlatMesh:
    whole = read_template(mesh)
    flat, faces = whole.flat, whole.flat_faces
    pixels, extent = kept_pixels(nearest_vertices, flat, faces, height_px)
    return FlatMesh(mesh, flat, faces, whole.curvature, pixels, extent)


def _from_nilearn(rasterise: Callable, height_px: int) -> FlatMesh:
    points, faces, curved = packaged_flat()
    pixels, extent = rasterise(points, faces, height_px)
    return FlatMesh("fsaverage5", points, faces, curved, pixels, extent)


def packaged_flat() -> tuple[Floats, NDArray[np.integer], Floats]:
    """Return the points, faces and curvature of fsaverage5 laid flat, from nilearn."""
    meshes = datasets.load_fsaverage("fsaverage5")["flat"].parts
    bends = datasets.load_fsaverage_data("fsaverage5", data_type="curvature").data.parts
    sides = ("left", "right")
    flat = [
        lay_flat(meshes[s].coordinates.astype(np.float32), meshes[s].faces, s)
        for s in sides
    ]
    points = np.vstack(flat)[:, :2].astype(np.float64)
    faces = np.vstack([meshes["left"].faces, meshes["right"].faces + len(flat[0])])
    curved = np.concatenate([np.ravel(bends[s]) for s in sides]).astype(np.float64)
    return points, faces, curved


def _nearest_vertices(points: Floats, faces: NDArray, height_px: int) -> tuple:
    """Return the nearest corner of each pixel's face: without pycortex."""
    low, high = points.min(axis=0), points.max(axis=0)
    width_px = int(height_px * (high - low)[0] / (high - low)[1])
    x, y = np.meshgrid(
        np.linspace(low[0], high[0], width_px), np.linspace(low[1], high[1], height_px)
    )
    finder = Triangulation(points[:, 0], points[:, 1], faces).get_trifinder()
    face = np.asarray(finder(x, y), dtype=np.int64)
    inside = face >= 0
    corners = faces[face[inside]]
    here = np.column_stack([x[inside], y[inside]])[:, None]
    nearest_corner = ((points[corners] - here) ** 2).sum(axis=2).argmin(axis=1)
    pixels = np.full(face.shape, -1, dtype=np.int64)
    pixels[inside] = corners[np.arange(len(corners)), nearest_corner]
    return pixels, (low[0], high[0], low[1], high[1])
