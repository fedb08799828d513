"""Voxels in chunks, from arrays in memory or on disk."""

import mmap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import InputError

# What a check reads at once, and what a mapped file shows at once of a chunk, in bytes.
CHECK_BYTES, SHOWN_BYTES = 16e6, 8e6

# The system maps so much of a file around each place that is read.
MAPPED_BYTES = 65536


class Columns(Protocol):
    """Responses that give some of their columns, as NumPy, HDF5 and Zarr arrays do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_samples, n_voxels)."""

    @property
    def dtype(self) -> np.dtype:
        """Type of the numbers."""

    def __getitem__(self, key: Any) -> Any:
        """Return `array[:, start:stop]`."""


class Target(Protocol):
    """Where chunks of a result are written: an array, or voxels of a larger one."""

    def __setitem__(self, key: Any, values: Any) -> None:
        """Take `target[..., start:stop] = values`."""


Make = Callable[[str, tuple[int, ...], np.dtype], Target]


class Spread:
    """Writes the columns of some voxels into an array of all; the others stay.

    Parameters
    ----------
    array : array of shape (..., n_all_voxels)
    where : array of int, shape (n_voxels,)
        Place in `array` of each voxel.
    """

    def __init__(self, array: Any, where: NDArray[np.intp]) -> None:
        self.array, self.where = array, where

    def __setitem__(self, key: tuple[Any, slice], values: Any) -> None:
        self.array[..., self.where[key[1]]] = values


def array_of(target: Any) -> Any:
    """Return the array that a target writes into: of all voxels, if it spreads them."""
    return array_of(target.array) if isinstance(target, Spread) else target


class Chosen:
    """Some voxels of responses, in an order of their own; nothing is copied.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
    voxels : array of int
    """

    def __init__(self, Y: Columns, voxels: NDArray[np.intp]) -> None:
        self.Y, self.voxels = Y, voxels
        self.shape, self.dtype = (Y.shape[0], len(voxels)), Y.dtype

    def __getitem__(self, key: tuple[Any, slice]) -> Any:
        found = np.array(self.Y[key[0], self.voxels[key[1]]])
        release(self.Y)
        return found


class SideBySide:
    """Responses of several subjects as columns of one array; nothing is copied.

    Parameters
    ----------
    Ys : sequence of arrays of shape (n_samples, n_voxels)
    """

    def __init__(self, Ys: Sequence[Columns]) -> None:
        self.Ys = tuple(Ys)
        self.edges = np.cumsum([0, *(Y.shape[1] for Y in self.Ys)])
        self.shape = (self.Ys[0].shape[0], int(self.edges[-1]))
        self.dtype = np.result_type(*(Y.dtype for Y in self.Ys))

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray:
        rows, columns = key
        start, stop, _ = columns.indices(self.shape[1])
        parts = []
        for Y, low, high in zip(self.Ys, self.edges, self.edges[1:], strict=False):
            inside = slice(max(start - low, 0), max(min(stop, high) - low, 0))
            parts.append(read(Y, inside)[rows])
        return np.concatenate(parts, axis=1)


def chunks(n_voxels: int, size: int | None) -> Iterator[slice]:
    """Yield the columns of each chunk; all at once if `size` is None.

    Examples
    --------
    >>> list(chunks(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size = size or n_voxels
    for start in range(0, n_voxels, size):
        yield slice(start, min(start + size, n_voxels))


def make_in_memory(
    name: str,  # noqa: ARG001 - other makers name a file after it
    shape: tuple[int, ...],
    dtype: np.dtype,
) -> NDArray:
    """Return an empty array for a result; the usual `make`."""
    return np.empty(shape, dtype)


def read(Y: Columns, part: slice) -> NDArray[np.floating]:
    """Return a chunk of columns as an array of its own, and let go of the file's.

    A mapped file is let go of every few rows: what it shows counts as memory.
    """
    if not (isinstance(Y, np.memmap) and Y.flags.c_contiguous):
        chunk = np.array(Y[:, part])
        release(Y)
        return chunk
    chunk = np.empty((Y.shape[0], len(range(*part.indices(Y.shape[1])))), Y.dtype)
    for rows in chunks(len(chunk), max(1, int(SHOWN_BYTES / _shown(Y, part)))):
        chunk[rows] = Y[rows, part]
        release(Y)
    return chunk


def _shown(Y: np.memmap, part: slice) -> float:
    """Return how much of a file one row of a chunk brings into memory."""
    n_columns = len(range(*part.indices(Y.shape[1])))
    return min(Y.shape[1] * Y.itemsize, n_columns * Y.itemsize + MAPPED_BYTES)


def release(array: Any) -> None:
    """Let the system drop what it read of a mapped file; other arrays stay.

    What was written stays too: it is kept by the file.
    """
    owner = array
    while owner is not None and not isinstance(owner, mmap.mmap):
        if isinstance(owner, np.memmap) and owner.mode == "c":
            return  # changes that no file keeps
        owner = getattr(owner, "base", None)
    if owner is not None and hasattr(owner, "madvise"):
        owner.madvise(mmap.MADV_DONTNEED)


def as_columns(Y: ArrayLike | Columns) -> Columns:
    """Return responses that give some of their columns: as they are, if they do."""
    given: Any = Y
    return given if hasattr(given, "shape") else np.asarray(given)


def check_voxels(Y: Columns, size: int | None, name: str = "Y") -> None:
    """Raise unless all columns are finite and vary; read chunk by chunk.

    Chunks hold `size` voxels, or 64 MB if it is None.

    Raises
    ------
    InputError
        With how many voxels are not.
    """
    n_voxels = Y.shape[1]
    size = size or max(1, int(CHECK_BYTES / (Y.shape[0] * np.dtype(Y.dtype).itemsize)))
    n_bad = n_constant = n_zero = 0
    for part in chunks(n_voxels, size):
        chunk = read(Y, part)
        finite = np.isfinite(chunk).all(axis=0)
        n_bad += int((~finite).sum())
        constant = (chunk[:1] == chunk).all(axis=0)
        n_constant += int(constant.sum())
        n_zero += int((constant & (chunk[0] == 0)).sum())
    if n_bad:
        raise InputError(
            f"{name} has NaN or infinity in {n_bad} of its {n_voxels} columns. "
            "Mask those columns out before fitting; none is replaced for you."
        )
    if n_constant:
        zeros = f" ({n_zero} are all zero)" if n_zero else ""
        raise InputError(
            f"{n_constant} of {n_voxels} voxels never vary in {name}{zeros}. Mask "
            "them out, and count them, before fitting."
        )
