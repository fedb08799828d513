"""Arrays on disk: .npy and .npz, read without running what is in them."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError


def rate_of(
    arrays: Mapping[str, NDArray], path: Path, asked: float | None
) -> float | None:
    """Return the file's own rate, or else the one asked for; both must be the same."""
    if "rate_hz" not in arrays:
        return asked
    stored = arrays["rate_hz"]
    if stored.size != 1 or stored.dtype.kind not in "fiu":
        raise InputError(
            f"{path.name}: `rate_hz` must be one number, got {stored.dtype} of shape "
            f"{stored.shape}."
        )
    rate_hz = float(stored.item())
    if asked is not None and not np.isclose(rate_hz, asked, rtol=1e-6):
        raise InputError(
            f"{path.name} says {rate_hz:g} frames per second, the study {asked:g}. "
            "Correct the one that is wrong."
        )
    return rate_hz


def load_arrays(path: Path) -> Mapping[str, NDArray]:
    """Return the arrays of a .npz by name, or the one of a .npy as 'features'."""
    if path.suffix not in (".npy", ".npz"):
        raise InputError(
            f"{path.name} is no .npy, .npz or .csv file. Convert it first."
        )
    try:
        # numpy leaves a file open that it cannot read, if it opened it itself.
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"features": loaded}
            return {key: loaded[key] for key in loaded.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path.name} cannot be read: {error}. Expected plain arrays of numbers or "
            "text, saved with numpy.save or numpy.savez; objects are not loaded."
        ) from error


def entry(arrays: Mapping[str, NDArray], key: str, path: Path) -> NDArray:
    """Return the array of that name, or say which there are."""
    if key not in arrays:
        raise InputError(
            f"{path.name} has no array {key!r}, only: {', '.join(sorted(arrays))}. "
            "Save it under that name."
        )
    return arrays[key]
