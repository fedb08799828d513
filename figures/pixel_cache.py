"""Which vertex each pixel of a large flat surface shows, kept between runs."""

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import platformdirs
from numpy.typing import NDArray

Floats = NDArray[np.floating]

LARGE = 100_000  # vertices from which finding is slower than reading
VERSION = 1  # raise it when pixels are found in another way


def pixel_folder() -> Path:
    """Return the folder in which they are kept."""
    return Path(platformdirs.user_cache_dir("brain2music")) / "pixels"


def kept_pixels(
    find: Callable[[Floats, NDArray, int], tuple],
    points: Floats,
    faces: NDArray[np.integer],
    height_px: int,
) -> tuple:
    """Return what `find` returns, from the cache if it was found before.

    A surface is known by all its numbers, not by its name. Where the folder cannot be
    written, or a file in it is broken, they are found anew.

    Parameters
    ----------
    find : callable
        Such as `nearest_vertices`: from points, faces and height to pixels and extent.
    """
    if len(points) < LARGE:
        return find(points, faces, height_px)
    path = pixel_folder() / f"{_identity(points, faces, height_px)}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            return saved["pixels"].astype(np.int64), tuple(saved["extent"].tolist())
    except (OSError, KeyError, ValueError, EOFError, BadZipFile):
        pixels, extent = find(points, faces, height_px)
        _write(path, pixels=pixels.astype(np.int32), extent=np.array(extent))
        return pixels, extent


def _identity(points: Floats, faces: NDArray, height_px: int) -> str:
    digest = hashlib.sha256(f"{VERSION} {height_px} {points.shape}".encode())
    for array in (points.astype(np.float64), faces.astype(np.int64)):
        digest.update(array.tobytes())
    return digest.hexdigest()[:32]


def _write(path: Path, **arrays: Any) -> None:
    """Write a file under another name, and rename it when it is whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".part-") as folder:
            part = Path(folder) / "pixels.npz"
            np.savez_compressed(part, **arrays)
            part.replace(path)
    except OSError:
        return  # a cache that cannot be written costs time and changes nothing
