"""Responses on disk: written run by run, read voxel by voxel, never whole in memory.

A store is a folder. Each run is one file, `runs/RUN.npy`: float32, shape (n_kept,
n_voxels), in Fortran order, so that a run stays whole and the samples of a voxel lie
side by side; any range of voxels is one piece of each file. `numpy.load` opens them.
Beside them lie `valid.npy` (voxels that vary in every run), `valid_runs.npy` and
`spread_runs.npy` (runs by voxels: validity, and standard deviation before cleaning),
the tables of rows, and `store.json`: the runs in the order of the rows.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .artefacts import write_json
from .checks import InputError, MissingFileError
from .rows import average_rows
from .saved import load_space, read_rows, save_space
from .types import Space

Side = Literal["train", "test"]
Columns = slice | NDArray[np.bool_] | NDArray[np.integer]
STORE = "store.json"
IN_MEMORY_BYTES = 256 * 2**20
EVERY = slice(None)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One run of a store: its name, its side of the split, and its kept rows."""

    name: str
    side: Side
    n_rows: int
    file: str


@dataclass(frozen=True, slots=True, eq=False)
class ResponseStore:
    """A subject's cleaned responses on disk; `open_store` opens them.

    Parameters
    ----------
    folder : Path
    runs : tuple of StoredRun
        Training runs, then test runs: the order of the rows.
    space : Space
    valid : array of bool, shape (n_voxels,)
        Voxels that were measured and vary in every run.
    valid_runs : array of bool, shape (n_runs, n_voxels)
    """

    folder: Path
    runs: tuple[StoredRun, ...]
    space: Space
    valid: NDArray[np.bool_]
    valid_runs: NDArray[np.bool_]

    @property
    def n_voxels(self) -> int:
        """Number of columns, those that are not valid included."""
        return self.space.n_voxels

    def train_rows(self) -> pd.DataFrame:
        """Return what each row of `train` is."""
        return read_rows(self.folder / "train_rows.csv")

    def test_rows(self) -> pd.DataFrame:
        """Return what each row of `test` is, with the number of its repeats."""
        return read_rows(self.folder / "test_rows.csv")

    def repeat_rows(self) -> pd.DataFrame:
        """Return what each row of `repeats` is; `row` is its row in `test`."""
        return read_rows(self.folder / "repeat_rows.csv")

    def run(self, name: str) -> NDArray[np.float32]:
        """Return one run, shape (n_rows, n_voxels), mapped from disk."""
        for one in self.runs:
            if one.name == name:
                return self._open(one)
        raise InputError(
            f"no run {name!r} in {self.folder}. There are: "
            f"{', '.join(run.name for run in self.runs)}."
        )

    def train(self, columns: Columns = EVERY) -> NDArray[np.float32]:
        """Return voxels of the training runs, stacked: (n_train_rows, n_columns)."""
        return self._stacked("train", columns)

    def repeats(self, columns: Columns = EVERY) -> NDArray[np.float32]:
        """Return voxels of the test runs, stacked, each repeat by itself."""
        return self._stacked("test", columns)

    def test(self, columns: Columns = EVERY) -> NDArray[np.float32]:
        """Return voxels of the test runs as they are scored: repeats averaged or kept.

        Nothing is rescaled after the average: that would change R2.
        """
        return average_rows(self.repeats(columns), self.repeat_rows()["row"])

    def blocks(self, n_voxels: int) -> Iterator[slice]:
        """Yield ranges of at most `n_voxels` columns that cover the store."""
        for start in range(0, self.n_voxels, n_voxels):
            yield slice(start, min(start + n_voxels, self.n_voxels))

    def _stacked(self, side: Side, columns: Columns) -> NDArray[np.float32]:
        chosen = [run for run in self.runs if run.side == side]
        n_columns = len(np.arange(self.n_voxels)[columns])
        n_rows = sum(run.n_rows for run in chosen)
        out = np.empty((n_rows, n_columns), np.float32, order="F")  # as on disk
        start = 0
        for run in chosen:
            out[start : start + run.n_rows] = self._open(run)[:, columns]
            start += run.n_rows
        return out

    def _open(self, run: StoredRun) -> NDArray[np.float32]:
        path = self.folder / run.file
        if not path.is_file():
            raise MissingFileError(f"{path} is not there. Run the study's responses.")
        return np.load(path, mmap_mode="r", allow_pickle=False)


def open_store(folder: Path) -> ResponseStore:
    """Open a store of responses; its arrays stay on disk.

    Raises
    ------
    MissingFileError
        If there is none.
    """
    path = folder / STORE
    if not path.is_file():
        raise MissingFileError(
            f"no store of responses in {folder}. Run the study's responses first."
        )
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return ResponseStore(
        folder,
        tuple(StoredRun(**run) for run in runs),
        load_space(folder),
        np.load(folder / "valid.npy", allow_pickle=False),
        np.load(folder / "valid_runs.npy", allow_pickle=False),
    )


def write_store(
    folder: Path,
    space: Space,
    runs: Sequence[StoredRun],
    validity: tuple[NDArray[np.bool_], NDArray[np.float32]],
    rows: dict[str, pd.DataFrame],
) -> None:
    """Write what a store holds beside its runs; they are written before.

    Parameters
    ----------
    folder : Path
    space : Space
    runs : sequence of StoredRun
        Training runs, then test runs.
    validity : two arrays of shape (n_runs, n_voxels)
        Whether a voxel varies in a run, and its standard deviation there before
        cleaning.
    rows : dict of str to DataFrame
        'train_rows', 'test_rows' and 'repeat_rows'.
    """
    valid_runs, spread = validity
    np.save(folder / "valid_runs.npy", valid_runs)
    np.save(folder / "spread_runs.npy", spread)
    np.save(folder / "valid.npy", valid_runs.all(axis=0))
    for name, table in rows.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    save_space(folder, space)
    write_json(folder / STORE, {"runs": [asdict(run) for run in runs]})


class ColumnWriter:
    """Writes a run voxel by voxel, from the first to the last; see `column_writer`."""

    def __init__(self, file: IO[bytes], shape: tuple[int, int]) -> None:
        self._file, self._n_rows, self.n_left = file, *shape

    def append(self, columns: NDArray[np.floating]) -> None:
        """Write the next columns, shape (n_rows, any)."""
        if len(columns) != self._n_rows or columns.shape[1] > self.n_left:
            raise InputError(
                f"columns of shape {columns.shape}, where {self._n_rows} rows and at "
                f"most {self.n_left} columns are left to write."
            )
        self.n_left -= columns.shape[1]
        self._file.write(np.ascontiguousarray(columns.T, dtype="<f4").tobytes())


@contextmanager
def column_writer(path: Path, shape: tuple[int, int]) -> Iterator[ColumnWriter]:
    """Give a writer of a .npy file in Fortran order, of which nothing stays in memory.

    Parameters
    ----------
    path : Path
    shape : (int, int)
        Rows and columns; all columns must be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"descr": "<f4", "fortran_order": True, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        writer = ColumnWriter(file, shape)
        yield writer
    if writer.n_left:
        raise InputError(f"{path}: {writer.n_left} of {shape[1]} columns are missing.")


class Turner:
    """Takes a run by rows and gives it back by columns, on disk if it is large.

    Parameters
    ----------
    n_rows, n_columns : int
    folder : Path, optional
        Where a large one lies until it is closed; the system's place if None.
    """

    def __init__(
        self, n_rows: int, n_columns: int, *, folder: Path | None = None
    ) -> None:
        self.shape = (n_rows, n_columns)
        n_bytes = 4 * n_rows * n_columns
        self._file = None
        self._array = np.empty((0, n_columns), np.float32)
        if n_bytes <= IN_MEMORY_BYTES:
            self._array = np.empty(self.shape, np.float32)
        else:
            # Closed by `__exit__`; nameless, so that no kill leaves it behind.
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        self.finite = np.ones(n_columns, bool)
        self.nan = np.ones(n_columns, bool)

    def __enter__(self) -> "Turner":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, start: int, rows: NDArray[np.float32]) -> None:
        """Take rows from `start` on; note which columns hold what is not finite."""
        self.finite &= np.isfinite(rows).all(axis=0)
        self.nan &= np.isnan(rows).all(axis=0)
        if self._file is None:
            self._array[start : start + len(rows)] = rows
            return
        self._file.seek(4 * start * self.shape[1])
        left = np.ascontiguousarray(rows, dtype=np.float32).data.cast("B")
        while len(left):  # one call writes 2 GiB at most
            left = left[self._file.write(left) :]

    def columns(self, which: slice) -> NDArray[np.float32]:
        """Return a range of columns, shape (n_rows, n_columns_of_which)."""
        if self._file is None:
            return self._array[:, which]
        out = np.empty((self.shape[0], which.stop - which.start), np.float32)
        for k, row in enumerate(out):
            self._file.seek(4 * (k * self.shape[1] + which.start))
            if self._file.readinto(memoryview(row).cast("B")) != row.nbytes:
                raise InputError(
                    "a scratch file is shorter than it was written. Is the disk full?"
                )
        return out
