"""The finer templates of FreeSurfer, from files that the user has: none is fetched."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.freesurfer import read_morph_data
from nilearn.datasets import get_data_dirs
from nilearn.surface import load_surf_data, load_surf_mesh
from numpy.typing import NDArray

from ..core.checks import InputError
from .cortex import lay_flat
from .freesurfer import SIDES, Surface, read_patch, read_surface

Floats = NDArray[np.floating]
Faces = NDArray[np.integer]

TEMPLATES = {"fsaverage6": 81924, "fsaverage": 327684}  # vertices of both hemispheres
PATCHES = ("cortex.patch.flat", "full.flat.patch.3d", "full.patch.flat")
PACKAGED = ("infl", "curv", "flat")  # nilearn's names of files


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """Both hemispheres of a template, left first, as of a `CortexMesh`."""

    inflated: Floats
    faces: Faces
    curvature: Floats
    flat: Floats
    flat_faces: Faces


def template_folder(name: str) -> Path | None:
    """Return the folder of a template's files, or None if there is none.

    FreeSurfer's own is looked for in $SUBJECTS_DIR and in $FREESURFER_HOME/subjects,
    and then nilearn's in its folders of data.
    """
    found = [folder for folder in _freesurfer(name) if _patches(folder)]
    found += [folder for folder in _nilearn(name) if _is_whole(folder)]
    return found[0] if found else None


def template_problem(name: str) -> str | None:
    """Say why a template cannot be drawn, or return None if it can."""
    if template_folder(name) is not None:
        return None
    return (
        f"no map: there are no surfaces of {name}, inflated and flat, in FreeSurfer's "
        "folder ($SUBJECTS_DIR, $FREESURFER_HOME/subjects) nor in nilearn's. Get them "
        f"by nilearn.datasets.fetch_surf_fsaverage('{name}'), or give --inflated and "
        "--flat."
    )


def read_template(name: str) -> Template:
    """Read a template's surfaces.

    Raises
    ------
    InputError
        If its files are not there, or of another number of vertices.
    """
    folder = template_folder(name)
    if folder is None:
        raise InputError(str(template_problem(name)))
    read = _of_freesurfer if folder.name == "surf" else _of_nilearn
    sides = [read(folder, side) for side in SIDES]
    n_left = len(sides[0].inflated)
    found = Template(
        np.vstack([one.inflated for one in sides]),
        np.vstack([sides[0].faces, sides[1].faces + n_left]),
        np.concatenate([one.curvature for one in sides]),
        np.vstack([one.flat for one in sides]),
        np.vstack([sides[0].flat_faces, sides[1].flat_faces + n_left]),
    )
    if len(found.inflated) != TEMPLATES[name] or 2 * n_left != TEMPLATES[name]:
        raise InputError(
            f"{name} in {folder} has {len(found.inflated):,} vertices instead of "
            f"{TEMPLATES[name]:,}: it is another mesh of that name."
        )
    return found


def _freesurfer(name: str) -> list[Path]:
    roots = [os.environ.get("SUBJECTS_DIR")]
    home = os.environ.get("FREESURFER_HOME")
    roots.append(str(Path(home) / "subjects") if home else None)
    return [Path(root) / name / "surf" for root in roots if root]


def _patches(folder: Path) -> list[Path]:
    """Return the flat patch of each hemisphere, if all that is needed is there."""
    needed = [folder / f"{h}.{n}" for h in SIDES.values() for n in ("inflated", "curv")]
    if not all(path.is_file() for path in needed):
        return []
    for patch in PATCHES:
        both = [folder / f"{hemisphere}.{patch}" for hemisphere in SIDES.values()]
        if all(path.is_file() for path in both):
            return both
    return []


def _nilearn(name: str) -> list[Path]:
    return [Path(root) / name for root in get_data_dirs()]


def _is_whole(folder: Path) -> bool:
    names = [f"{part}_{side}.gii.gz" for part in PACKAGED for side in SIDES]
    return all((folder / name).is_file() for name in names)


def _of_freesurfer(folder: Path, side: str) -> Template:
    hemisphere = SIDES[side]
    whole = read_surface(folder / f"{hemisphere}.inflated", side, folder.parent.name)
    patch = _patches(folder)[list(SIDES).index(side)]
    flat = read_patch(patch, side, folder.parent.name, whole)
    bends = np.asarray(read_morph_data(folder / f"{hemisphere}.curv"), np.float64)
    return _template(whole, bends, flat, side)


def _of_nilearn(folder: Path, side: str) -> Template:
    meshes = []
    for part in ("infl", "flat"):
        mesh = load_surf_mesh(folder / f"{part}_{side}.gii.gz")
        points, faces = mesh.coordinates, mesh.faces
        meshes.append((np.asarray(points, np.float64), np.asarray(faces, np.int64)))
    bends = load_surf_data(folder / f"curv_{side}.gii.gz")
    return _template(meshes[0], np.ravel(bends).astype(np.float64), meshes[1], side)


def _template(whole: Surface, bends: Floats, flat: Surface, side: str) -> Template:
    points, faces = whole
    return Template(points, faces, bends, lay_flat(*flat, side)[:, :2], flat[1])
