"""Voxels of a volume in MNI space, laid on the cortex of fsaverage5."""

from functools import lru_cache

import numpy as np
from nibabel.affines import apply_affine
from nilearn import datasets
from numpy.typing import NDArray

from ..core.types import Space

Floats = NDArray[np.floating]

ONTO = "fsaverage5"
# fsaverage lies in MNI305: from there to MNI152, for points in mm. From FreeSurfer's
# page on coordinate systems (surfer.nmr.mgh.harvard.edu/fswiki/CoordinateSystems).
TO_MNI152 = np.array(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def is_mni(space: Space) -> bool:
    """Return whether a space is a volume whose name says that it is in MNI152."""
    return space.kind == "volume" and space.name.startswith("MNI152")


def columns_on_cortex(space: Space) -> NDArray[np.integer]:
    """Return the column of Y at each vertex of fsaverage5, -1 where there is none.

    That of the voxel in which the middle of the cortex lies, half-way between the white
    and the pial surface. Nothing is averaged or smoothed, so a voxel may have several
    vertices or none.

    Returns
    -------
    columns : array of int, shape (20484,)
        Left hemisphere first.
    """
    assert space.affine is not None
    assert space.index is not None
    voxels = apply_affine(np.linalg.inv(space.affine), middle_of_cortex())
    at = np.rint(voxels).astype(np.int64)
    inside = ((at >= 0) & (at < np.array(space.shape))).all(axis=1)
    column_of = np.full(int(np.prod(space.shape)), -1)
    column_of[space.index] = np.arange(space.n_voxels)
    columns = np.full(len(at), -1)
    columns[inside] = column_of[np.ravel_multi_index(at[inside].T, space.shape)]
    return columns


def projected_caption(space: Space) -> str:
    """Say how voxels were laid on the cortex, and how many of them it shows."""
    columns = columns_on_cortex(space)
    n_shown = len(np.unique(columns[columns >= 0]))
    return (
        f"Voxels of {space.name} on {ONTO}: each vertex has the voxel at the middle of "
        f"its cortex (nearest, not smoothed); it shows {n_shown:,} of "
        f"{space.n_voxels:,} voxels."
    )


@lru_cache(maxsize=1)
def middle_of_cortex() -> Floats:
    """Return the middle of the cortex at each vertex of fsaverage5, in MNI152."""
    meshes = datasets.load_fsaverage(ONTO)
    white, pial = (
        np.vstack([meshes[key].parts[side].coordinates for side in ("left", "right")])
        for key in ("white_matter", "pial")
    )
    middle = apply_affine(TO_MNI152, (white.astype(float) + pial) / 2)
    middle.setflags(write=False)
    return middle
