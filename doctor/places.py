"""Whether values come back from the files of maps where they were."""

import tempfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ..core.types import Space
from ..data import maps
from .verdict import Finding

Floats = NDArray[np.floating]


def check_place(space: Space, *, name: str, seed: int) -> Finding:
    """Return whether values come back from a map at their own places and side.

    The map is read with nibabel, by what the files themselves say of places.
    """
    problem = maps.map_problem(space)
    if problem:
        return Finding("planted-place", "not made", f"{name}: {problem}.", (name,))
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(space.n_voxels).astype(np.float32)
    with tempfile.TemporaryDirectory() as place:
        paths = maps.write_map(
            Path(place), {"sub": "doctor"}, values, space, name="planted", facts={}
        )
        wrong = sum(_mistakes(space, values, path) for path in paths)
    kind = "vertices" if space.kind == "surface" else "voxels"
    if wrong:
        found = f"{name}: {wrong} of {space.n_voxels} {kind} come back elsewhere."
        return Finding("planted-place", "failed", found, (name,))
    found = f"{name}: {space.n_voxels} {kind} come back from a map where they were."
    return Finding("planted-place", "passed", found, (name,))


def _mistakes(space: Space, values: Floats, path: Path) -> int:
    """Return how many columns of a map file hold another value than they should."""
    image: Any = nib.load(path)
    if space.index is None:
        return 0
    if space.kind == "surface":
        right = "hemi-R" in path.name
        n_left = len(space.parts[0].index)
        here = (space.index >= n_left) == right
        found = image.agg_data()[space.index[here] - (n_left if right else 0)]
        return int((found != values[here]).sum())
    data = np.asarray(image.dataobj, dtype=np.float32)
    if space.kind == "grayordinates":
        return int((data.ravel()[space.index] != values).sum())
    ijk = np.array(np.unravel_index(space.index, space.shape))
    off = int((data[tuple(ijk)] != values).sum())
    said = nib.affines.apply_affine(image.affine, ijk.T)
    meant = nib.affines.apply_affine(space.affine, ijk.T)
    return off + int((np.abs(said - meant).max(axis=1) > 0.1).sum())
