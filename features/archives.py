"""Arrays on disk: .npy, .npz and .zarr, read without running what is in them."""

import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError


def rate_of(
    arrays: Mapping[str, NDArray], path: Path, asked: float | None
) -> float | None:
    """Return the file's own rate, or else the one asked for; both must be the same."""
    rate_hz = number_of(arrays, "rate_hz", path)
    if rate_hz is None:
        return asked
    if asked is not None and not np.isclose(rate_hz, asked, rtol=1e-6):
        raise InputError(
            f"{path.name} says {rate_hz:g} frames per second, the study {asked:g}. "
            "Correct the one that is wrong."
        )
    return rate_hz


def number_of(arrays: Mapping[str, NDArray], key: str, path: Path) -> float | None:
    """Return the one number of that name, or None if there is no such entry."""
    if key not in arrays:
        return None
    stored = arrays[key]
    if stored.size != 1 or stored.dtype.kind not in "fiub":
        raise InputError(
            f"{path.name}: `{key}` must be one number, got {stored.dtype} of shape "
            f"{stored.shape}."
        )
    return float(stored.item())


def stored_arrays(path: str | Path) -> Path:
    """Return the path of a file of features, or of a .zarr folder, that is there."""
    path = Path(path)
    there = path.is_dir() if path.suffix == ".zarr" else path.is_file()
    if not there:
        raise MissingFileError(
            f"no features at {path}. Check the path and its pattern."
        )
    return path


def load_arrays(path: Path) -> Mapping[str, NDArray]:
    """Return the arrays of a .npz or .zarr by name, or a single one as 'features'.

    The attributes of a .zarr group count as arrays of one number or text.
    """
    if path.suffix == ".zarr":
        return _from_zarr(path)
    if path.suffix not in (".npy", ".npz"):
        raise InputError(
            f"{path.name} is no .npy, .npz, .csv or .zarr. Convert it first."
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


def _from_zarr(path: Path) -> Mapping[str, NDArray]:
    zarr = _zarr()
    try:
        with warnings.catch_warnings():
            # Texts of fixed length have no place in the format's own text yet.
            warnings.filterwarnings("ignore", message=".*does not have a Zarr V3")
            node = zarr.open(path, mode="r", zarr_format=3)
            if isinstance(node, zarr.Array):
                return {"features": _whole(node, path)}
            single = {key: np.asarray(value) for key, value in node.attrs.items()}
            return single | {key: _whole(node[key], path) for key in node.array_keys()}
    except InputError:
        raise
    except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
        raise InputError(
            f"{path.name} cannot be read: {error}. Expected an array of zarr format 3, "
            "or a group of arrays of numbers or text."
        ) from error


def _whole(array: Any, path: Path) -> NDArray:
    """Return all of an array; a piece that is not on disk would pass for zeros."""
    lacking = array.nchunks - array.nchunks_initialized
    if lacking:
        raise InputError(
            f"{path.name}: {lacking} of {array.nchunks} chunks of {array.path!r} are "
            "not there. The copy is unfinished, or zarr left out chunks that hold "
            "nothing but zeros: write them with config={'write_empty_chunks': True}."
        )
    values = np.asarray(array[()])
    return np.array(values.tolist(), dtype=str) if values.dtype.kind == "T" else values


def _zarr() -> ModuleType:
    try:
        import zarr
    except ImportError as error:
        raise InputError(
            "a .zarr needs zarr, which is not installed. Run: pip install "
            "'brain2music[io]'"
        ) from error
    return zarr
