"""Responses as matrices in .npy, .h5 or .mat files, with the run of each row.

A matrix has one row per sample (TR) and one column per voxel. A .mat file is read as
MATLAB shows it: version 7.3 stores it transposed, and it is turned back here, so the
MATLAB matrix is (n_samples, n_voxels) whatever the version. An .h5 file is read as
h5py shows it; MATLAB's own h5write stores it transposed, so transpose before writing.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError
from ..core.rows import each_run
from ..core.types import Run, Space
from .sidecars import Timing, agreed_tr, read_timing
from .surfaces import mesh_space
from .text_tables import read_cells

MESHES = {"fsaverage5": 20484, "fsaverage6": 81924, "fsaverage": 327684, "S1": 304380}
HEMISPHERES = {"S1": (152893, 151487)} | {
    name: (n // 2, n // 2) for name, n in MESHES.items() if name != "S1"
}
HDF5 = (".h5", ".hdf5")
ENDINGS = (".npy", *HDF5, ".mat")


class MatrixRecording:
    """A subject's responses as one matrix per run, or one matrix of all runs.

    Parameters
    ----------
    subject : str
    files : mapping of Run to Path
        One file per run; or all runs with one file, and `rows`.
    rows : mapping of Run to slice, optional
        The rows of each run in the one file (see `read_run_rows`).
    key : str, optional
        Name of the matrix inside an .h5 or .mat file; not needed if there is one.
    mesh : str, optional
        Mesh of the columns: 'fsaverage5', 'fsaverage6', 'fsaverage' (left hemisphere
        first), 'S1' (152893 left, then 151487 right), or 'name:number of vertices'.
        Without it the columns have names ('0', '1', ...) and no position.
    vertices : Path, optional
        .npy or .txt file with the mesh's vertex number of each column, from 0. Not
        needed if there are as many columns as vertices, which are then in order.

    Raises
    ------
    InputError
        If a matrix cannot be read, is not 2D numbers, does not fit the rows, or has
        another number of columns than that of the first run or the vertices.
    """

    def __init__(
        self,
        subject: str,
        files: Mapping[Run, Path],
        *,
        rows: Mapping[Run, slice] | None = None,
        key: str | None = None,
        mesh: str | None = None,
        vertices: Path | None = None,
    ) -> None:
        self.subject = subject
        self.runs = tuple(files)
        self.notes: list[str] = []
        self.outside: NDArray[np.bool_] | None = None
        self.files = (
            *dict.fromkeys(files.values()),
            *([vertices] if vertices is not None else []),
        )
        self._path, self._key = dict(files), key
        shapes: dict[Path, tuple[int, int]] = {}
        for run, path in files.items():
            if path not in shapes:
                with _opened(path, key, self._who(run)) as matrix:
                    shapes[path] = matrix.shape
        self._rows = dict(rows or {r: slice(0, shapes[p][0]) for r, p in files.items()})
        self._check_shapes(shapes)
        first = self._path[self.runs[0]]
        who = f"sub-{subject}, {first.name}"
        self.space = _columns_space(shapes[first][1], mesh, vertices, who)

    def n_samples(self, run: Run) -> int:
        """Return the number of rows of a run."""
        return self._rows[run].stop - self._rows[run].start

    def tr_s(self, run: Run) -> float | None:
        """Return the TR in seconds from the sidecar, None if there is none."""
        return agreed_tr(None, self._path[run], self._who(run))

    def timing(self, run: Run) -> Timing:
        """Return what the run's sidecar says of its times."""
        return read_timing(self._path[run])

    def blocks(self, run: Run) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the run's responses, in one block."""
        yield 0, self.read(run)

    def read(self, run: Run) -> NDArray[np.float32]:
        """Return a run's responses, shape (n_samples, n_voxels), as they stand."""
        with _opened(self._path[run], self._key, self._who(run)) as matrix:
            return np.array(matrix.rows(self._rows[run]), dtype=np.float32, order="C")

    def _check_shapes(self, shapes: Mapping[Path, tuple[int, int]]) -> None:
        first = self.runs[0]
        n_rows, n_voxels = shapes[self._path[first]]
        for run, path in self._path.items():
            if shapes[path][1] != n_voxels:
                raise InputError(
                    f"{self._who(run)}: {shapes[path][1]} columns, but {first} has "
                    f"{n_voxels}. Every run needs the same voxels in the same order."
                )
        n_labelled = max(rows.stop for rows in self._rows.values())
        if len(shapes) == 1 and n_labelled != n_rows:
            turned = n_labelled == n_voxels
            raise InputError(
                f"sub-{self.subject}: {self._path[first]} has {n_rows} rows, but the "
                f"runs are given for {n_labelled}. "
                + (
                    "It has as many columns: transpose it."
                    if turned
                    else "Give the run of each row, one row per sample."
                )
            )

    def _who(self, run: Run) -> str:
        return f"sub-{self.subject}, {run}"


def read_run_rows(path: Path, subject: str) -> dict[Run, slice]:
    """Return the rows of each run in a matrix of all runs.

    Parameters
    ----------
    path : Path
        A .csv or .tsv with a column `run`, and `task` and `session` if the runs have
        them, or a .npy or .txt with one run label per row of the matrix.
    subject : str
        For messages.

    Returns
    -------
    rows : dict of Run to slice
        In the order of the runs; the rows stay where they are.

    Raises
    ------
    InputError
        If a label is missing, or the rows of a run are not adjacent.
    """
    who = f"runs of sub-{subject}"
    if path.suffix in (".csv", ".tsv"):
        runs = _runs_of_table(path, who)
    else:
        runs = [Run("", label) for label in _labels_of_file(path, who)]
    if not runs:
        raise InputError(f"{who}: {path} is empty. Give the run of each row.")
    number = {run: i for i, run in enumerate(dict.fromkeys(runs))}
    names = np.array([str(run) for run in number], dtype=object)
    try:
        pieces = list(each_run(names[[number[run] for run in runs]]))
    except InputError as error:
        raise InputError(f"{who} in {path}: {error}") from error
    rows = {runs[piece.start]: piece for piece in pieces}
    return {run: rows[run] for run in sorted(rows, key=lambda run: run.order)}


class _Matrix:
    """A 2D array on disk, of which rows can be had."""

    def __init__(self, array: Any, *, is_transposed: bool = False) -> None:
        self._array, self._is_transposed = array, is_transposed
        n_rows, n_columns = array.shape[::-1] if is_transposed else array.shape
        self.shape = (int(n_rows), int(n_columns))

    def rows(self, which: slice) -> NDArray:
        if self._is_transposed:
            return self._array[:, which].T
        return self._array[which]


@contextmanager
def _opened(path: Path, key: str | None, who: str) -> Iterator[_Matrix]:
    """Open a matrix for reading; close its file afterwards."""
    if not path.is_file():
        raise MissingFileError(f"{who}: no file {path} (or a link to nothing).")
    if path.suffix == ".npy":
        _refuse_key(key, path, who)
        yield _Matrix(_checked(_load_npy(path, who), path, who))
    elif path.suffix == ".mat" and not h5py.is_hdf5(path):
        array = _load_mat(path, key, who)
        yield _Matrix(_checked(array, path, who))
    else:
        try:
            file = h5py.File(path)
        except OSError as error:
            raise InputError(
                f"{who}: {path} is damaged, cut off ({path.stat().st_size} bytes) or "
                f"no HDF5 file: {error}. Copy or fetch it again."
            ) from error
        with file:
            array = file[_one_key(_datasets(file), key, path, who)]
            turned = path.suffix == ".mat"
            yield _Matrix(_checked(array, path, who), is_transposed=turned)


def _load_npy(path: Path, who: str) -> NDArray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(
            f"{who}: {path} cannot be read: {_npy_bytes(path)} ({error}). Save it with "
            "numpy.save as an array of numbers, or copy it again."
        ) from error


def _npy_bytes(path: Path) -> str:
    """Say how long a .npy file should be and is."""
    found = f"found {path.stat().st_size} bytes"
    try:
        with path.open("rb") as file:
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[np.lib.format.read_magic(file)]
            shape, _, dtype = read(file)
            expected = file.tell() + math.prod(shape) * dtype.itemsize
    except (ValueError, KeyError):
        return f"expected a .npy header, {found}"
    return f"expected {expected} bytes, {found}"


def _load_mat(path: Path, key: str | None, who: str) -> NDArray:
    try:
        names = [name for name, *_ in scipy.io.whosmat(path)]
        key = _one_key(names, key, path, who)
        return scipy.io.loadmat(path, variable_names=[key])[key]
    except InputError:
        raise
    except Exception as error:  # a damaged file may raise anything
        raise InputError(
            f"{who}: {path} is damaged, cut off ({path.stat().st_size} bytes) or no "
            f".mat file: {error}. Save it again from MATLAB."
        ) from error


def _datasets(file: h5py.File) -> list[str]:
    names: list[str] = []

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("#"):
            names.append(name)

    file.visititems(keep)
    return names


def _one_key(names: list[str], key: str | None, path: Path, who: str) -> str:
    if key is None and len(names) == 1:
        return names[0]
    if key not in names:
        asked = "which matrix is not said" if key is None else f"no matrix {key!r}"
        raise InputError(
            f"{who}: {asked} in {path}. It holds: {', '.join(names) or 'nothing'}. "
            "Name one of them as the key."
        )
    return key


def _refuse_key(key: str | None, path: Path, who: str) -> None:
    if key is not None:
        raise InputError(
            f"{who}: key {key!r} is given, but {path.name} holds one array without a "
            "name. Leave the key out."
        )


def _checked(array: Any, path: Path, who: str) -> Any:
    """Return `array` if it is 2D and of real numbers."""
    shape, dtype = getattr(array, "shape", ()), getattr(array, "dtype", None)
    is_array = isinstance(array, np.ndarray | h5py.Dataset)
    is_number = is_array and array.dtype.kind in "iuf"
    if len(shape) != 2 or not is_number or 0 in shape:
        raise InputError(
            f"{who}: {path} must hold a 2D matrix of real numbers, one row per sample, "
            f"got {type(array).__name__} of shape {tuple(shape)} and type {dtype}."
        )
    return array


def _columns_space(
    n_voxels: int, mesh: str | None, vertices: Path | None, who: str
) -> Space:
    if mesh is None:
        if vertices is not None:
            raise InputError(
                f"{who}: vertices are given without a mesh. Name the mesh that they "
                f"number: {', '.join(MESHES)}, or 'name:number of vertices'."
            )
        return Space("labels", "columns", tuple(map(str, range(n_voxels))))
    name, n_vertices = _mesh_size(mesh)
    if vertices is not None:
        index = _vertex_numbers(vertices, n_voxels, n_vertices, f"{who}, {name}")
    elif n_voxels == n_vertices:
        index = np.arange(n_vertices)
    else:
        raise InputError(
            f"{who}: the responses have {n_voxels} columns, the mesh {name} "
            f"{n_vertices} vertices. Give the vertex number of each column (vertices)."
        )
    ids = tuple(map(str, index.tolist()))
    sizes = HEMISPHERES.get(name)
    parts = mesh_space(name, sizes).parts if sizes else ()
    return Space("surface", name, ids, index=index, shape=(n_vertices,), parts=parts)


def _mesh_size(mesh: str) -> tuple[str, int]:
    name, _, count = mesh.partition(":")
    if name in MESHES and count in ("", str(MESHES[name])):
        return name, MESHES[name]
    if name in MESHES or not name or not count.isdecimal() or int(count) == 0:
        raise InputError(
            f"mesh {mesh!r} is not known. Known: "
            f"{', '.join(f'{m} ({n} vertices)' for m, n in MESHES.items())}. For "
            "another mesh write 'name:number of vertices', such as 'fsnative:271552'."
        )
    return name, int(count)


def _vertex_numbers(
    path: Path, n_voxels: int, n_vertices: int, who: str
) -> NDArray[np.int64]:
    labels = _labels_of_file(path, f"vertices of {who}")
    if not all(label.isdecimal() for label in labels):
        raise InputError(f"{who}: {path} must hold vertex numbers, whole and from 0.")
    index = np.array([int(label) for label in labels], dtype=np.int64)
    if len(index) != n_voxels:
        raise InputError(
            f"{who}: {path} numbers {len(index)} vertices, but the responses have "
            f"{n_voxels} columns. Give one vertex per column."
        )
    if index.max() >= n_vertices:
        raise InputError(
            f"{who}: {path} goes up to vertex {index.max()}, but the mesh ends at "
            f"{n_vertices - 1}. Count from 0 (MATLAB counts from 1), left first."
        )
    return index


def _labels_of_file(path: Path, who: str) -> list[str]:
    """Return one label per row from a .npy or .txt file."""
    if not path.is_file():
        raise MissingFileError(f"{who}: no file {path}. Check the path.")
    if path.suffix == ".npy":
        labels = _load_npy(path, who)
        if labels.ndim != 1 or labels.dtype.kind not in "iuU":
            raise InputError(
                f"{who}: {path} must hold one whole number or text per row, got shape "
                f"{labels.shape} of type {labels.dtype}."
            )
        return [str(label) for label in labels.tolist()]
    if path.suffix != ".txt":
        raise InputError(f"{who}: {path} must be a .npy or .txt file.")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _runs_of_table(path: Path, who: str) -> list[Run]:
    header, cells = read_cells(path, who)
    if "run" not in header:
        raise InputError(
            f"{who}: {path} has no column 'run'; found {', '.join(header)}. Write run, "
            "and task and session if the runs have them, one row per sample."
        )
    place = {name: header.index(name) for name in header}
    runs = []
    for number, row in enumerate(cells):
        if not row[place["run"]]:
            raise InputError(f"{who}: row {number + 2} of {path} has no run.")
        task = row[place["task"]] if "task" in place else ""
        session = row[place["session"]] if "session" in place else ""
        runs.append(Run(task, row[place["run"]], session or None))
    return runs
