"""Music found faster: FAISS looks at the few cells of a corpus that lie nearest.

What is found is compared by the same cosine as in the exact search; an item may be
missed if it lies in a cell that was not looked at. Needs `faiss-cpu`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.artefacts import file_identity, write_json
from ..core.checks import InputError, MissingFileError
from .retrieval import BATCH, Found, Index

CELLS_FILE, ABOUT_CELLS = "cells.faiss", "cells.json"
MIN_ITEMS = 1000  # below, comparing all is as fast
N_PROBED = 32  # cells: 99 % of the ten nearest of 100,000 clustered items
TRAINING = 64  # vectors per cell that the cells are found from
ITERATIONS = 10


@dataclass(frozen=True, eq=False)
class Cells:
    """An index whose items are sorted into cells around centres found by k-means.

    Parameters
    ----------
    index : Index
        The exact index; it says what queries must be.
    inverted : faiss index
        Of the same items in the same order.
    n_cells : int
        How many cells there are.
    rows : array of int, shape (n_items,), or None
        Which item of `inverted` each item of `index` is, where it has others, too,
        which are then not found. None: the same.
    """

    index: Index
    inverted: Any
    n_cells: int
    rows: NDArray[np.intp] | None = None

    def part(self, kept: NDArray[np.bool_]) -> "Cells":
        """Return the same cells, in which only some of the items are found.

        Parameters
        ----------
        kept : array of bool, shape (n_items,)
        """
        rows = np.arange(self.inverted.ntotal) if self.rows is None else self.rows
        return Cells(self.index.part(kept), self.inverted, self.n_cells, rows[kept])

    def search(
        self, queries: ArrayLike, k: int = 1, *, identity: str, n_probed: int = N_PROBED
    ) -> Found:
        """Return the `k` nearest items in the nearest cells of each query.

        Parameters
        ----------
        queries, k, identity
            As in `Index.search`.
        n_probed : int
            Cells that are looked at. More cost time and miss less; with all cells,
            the result is the exact one. 32 of the 316 cells of 100,000 clustered
            items find 99 % of the ten nearest (`benchmarks/retrieval.py`).

        Returns
        -------
        found : Found
            Items that tie come in the order of the index; which of those that tie at
            place `k` are found is left to FAISS.

        Raises
        ------
        InputError
            As in `Index.search`; or if the cells looked at hold fewer than `k` items.
        """
        units = self.index.check(queries, k, identity=identity)
        if not 1 <= n_probed <= self.n_cells:
            raise InputError(
                f"n_probed is {n_probed}; the index has {self.n_cells} cells to probe."
            )
        found = self.probe(units, k, n_probed)
        if (found.rows < 0).any():
            raise InputError(
                f"the {n_probed} cells nearest to query "
                f"{int(np.argmax((found.rows < 0).any(axis=1)))} hold fewer than {k} "
                "items. Raise n_probed."
            )
        return found

    def probe(
        self, units: NDArray[np.float32], k: int, n_probed: int = N_PROBED
    ) -> Found:
        """Return what the nearest cells hold, -1 where they hold fewer than `k`.

        Parameters
        ----------
        units : array of shape (n_queries, n_dimensions)
            As `Index.check` returns them.
        k, n_probed : int
        """
        module, options = faiss(), {}
        if self.rows is not None:
            others = np.setdiff1d(np.arange(self.inverted.ntotal), self.rows)
            options["sel"] = module.IDSelectorNot(module.IDSelectorBatch(others))
        parameters = module.SearchParametersIVF(nprobe=n_probed, **options)
        similarity, rows = self.inverted.search(units, k, params=parameters)
        if self.rows is not None:
            place = np.full(self.inverted.ntotal + 1, -1)  # the last one is of none
            place[self.rows] = np.arange(len(self.rows))
            rows = place[rows]
        order = np.lexsort((rows, -similarity))
        return Found(
            np.take_along_axis(rows, order, axis=1).astype(np.intp),
            np.take_along_axis(similarity, order, axis=1),
        )


@dataclass(frozen=True, eq=False)
class CellIndex(Index):
    """An index that is searched by its cells; `cells.index` is the exact one.

    Of a query whose 32 nearest cells hold too few items, twice as many cells are
    looked at, and so on: what is found is always an item that was compared.
    """

    cells: Cells

    @property
    def how(self) -> str:
        """How it is searched, in words."""
        n_probed = next(self._widening())
        return f"approximate, {n_probed} of {self.cells.n_cells} cells"

    def search(
        self,
        queries: ArrayLike,
        k: int = 1,
        *,
        identity: str,
        batch: int = BATCH,  # noqa: ARG002 - FAISS takes all queries at once
    ) -> Found:
        """Return `k` items of the nearest cells of each query: see `Index.search`."""
        units = self.check(queries, k, identity=identity)
        for n_probed in self._widening():
            found = self.cells.probe(units, k, n_probed)
            if (found.rows >= 0).all():
                break
        return found

    def part(self, kept: NDArray[np.bool_]) -> "CellIndex":
        """Return the index of some of its items; its cells are the same."""
        return by_cells(self.cells.part(kept))

    def _widening(self) -> Iterator[int]:
        n_probed, n_cells = N_PROBED, self.cells.n_cells
        while n_probed < n_cells:
            yield n_probed
            n_probed *= 2
        yield n_cells


def by_cells(cells: Cells) -> CellIndex:
    """Return the index of cells as one that is searched by them."""
    one = cells.index
    return CellIndex(one.embeddings, one.ids, one.identity, one.source, cells)


def faiss() -> ModuleType:
    """Return the module faiss, or say how to install it."""
    try:
        import faiss as module
    except ImportError as error:
        raise InputError(
            "the approximate index needs faiss, which is not installed. Run: pip "
            "install 'brain2music[retrieval]', or search exactly."
        ) from error
    return module


def build_cells(index: Index, *, n_cells: int | None = None, seed: int = 0) -> Cells:
    """Sort the items of an index into cells.

    Parameters
    ----------
    index : Index
    n_cells : int, optional
        None takes the square root of the number of items, with which looking for
        the cell and looking into it cost about the same; fewer where k-means needs
        more items for each centre.
    seed : int
        Of k-means.

    Raises
    ------
    InputError
        If faiss is not installed, or there are too few items to gain anything.
    """
    module, n_items = faiss(), len(index)
    if n_items < MIN_ITEMS:
        raise InputError(
            f"the index has {n_items} items; below {MIN_ITEMS}, cells gain nothing. "
            "Search it exactly."
        )
    most = n_items // 39  # as many as k-means needs for a centre
    n_cells = n_cells or min(round(n_items**0.5), most)
    if not 1 <= n_cells <= most:
        raise InputError(
            f"{n_cells} cells for {n_items} items; take between 1 and {most}."
        )
    table = np.ascontiguousarray(index.embeddings)
    n_dimensions = table.shape[1]
    inverted = module.IndexIVFFlat(
        module.IndexFlatIP(n_dimensions),
        n_dimensions,
        n_cells,
        module.METRIC_INNER_PRODUCT,
    )
    inverted.cp.seed, inverted.cp.niter = seed, ITERATIONS
    inverted.cp.max_points_per_centroid = TRAINING
    inverted.cp.spherical = True
    inverted.train(table)
    inverted.add(table)
    return Cells(index, inverted, n_cells)


def save_cells(cells: Cells, folder: str | Path) -> None:
    """Write the cells beside the index that is saved in the same folder.

    Raises
    ------
    MissingFileError
        If the index is not saved there.
    """
    folder = Path(folder)
    table = folder / "embeddings.npy"
    if not table.is_file():
        raise MissingFileError(f"{folder} holds no index. Save the index there first.")
    partial = folder / f".partial-{CELLS_FILE}"
    faiss().write_index(cells.inverted, str(partial))
    partial.replace(folder / CELLS_FILE)
    content = {"embeddings": file_identity(table), "n_cells": cells.n_cells}
    content["cells"] = file_identity(folder / CELLS_FILE)
    write_json(folder / ABOUT_CELLS, content)


def open_cells(index: Index, folder: str | Path) -> Cells:
    """Return the cells that were saved beside an index; items stay on disk.

    Raises
    ------
    MissingFileError
        If there are none.
    InputError
        If they were made from another index, or their file is damaged.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / ABOUT_CELLS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingFileError(
            f"{folder} holds no cells. Make them with build_cells and save_cells."
        ) from error
    found = {
        "embeddings": file_identity(folder / "embeddings.npy"),
        "cells": file_identity(folder / CELLS_FILE),
    }
    if any(about[name] != digest for name, digest in found.items()):
        raise InputError(
            f"the cells in {folder} were made from another index, or are damaged. "
            "Make them again with build_cells and save_cells."
        )
    module = faiss()
    inverted = module.read_index(str(folder / CELLS_FILE), module.IO_FLAG_MMAP)
    if inverted.ntotal != len(index):
        raise InputError(
            f"the cells in {folder} hold {inverted.ntotal} items and the index "
            f"{len(index)}. Open the index of the same folder."
        )
    return Cells(index, inverted, about["n_cells"])


def recall(found: NDArray[np.intp], exact: NDArray[np.intp]) -> float:
    """Return the share of the exact search's items that another search found.

    Parameters
    ----------
    found, exact : array of shape (n_queries, k)
        Rows of items.

    Examples
    --------
    >>> recall(np.array([[1, 2], [3, 4]]), np.array([[2, 5], [4, 3]]))
    0.75
    """
    if found.shape != exact.shape:
        raise InputError(
            f"found has shape {found.shape} and exact {exact.shape}; ask both "
            "searches for the same items."
        )
    same = (found[:, :, None] == exact[:, None, :]).any(axis=1)
    return float(same.mean())
