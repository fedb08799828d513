"""Music found by its embedding: the nearest of a corpus, by cosine.

An index is a table of unit vectors with an id for each, kept as a folder whose table is
mapped from disk. Every search says which embedding it speaks, and another is refused.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.artefacts import Recipe, new_artefact, read_about, write_json
from ..core.checks import Floats, InputError, MissingFileError, as_matrix

STAGE, VERSION = "retrieval-index", 1
EMBEDDINGS, ITEMS = "embeddings.npy", "items.json"
BATCH = 60  # queries at once: the products of 100,000 items stay below 25 MB
ROWS = 8192  # of a table that are looked at in one go


@dataclass(frozen=True, slots=True)
class Found:
    """The nearest items of each query, best first.

    Parameters
    ----------
    rows : array of shape (n_queries, k)
        Row of each item in the index.
    similarity : array of shape (n_queries, k)
        Cosine, in float32.
    """

    rows: NDArray[np.intp]
    similarity: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Index:
    """Embeddings of a corpus, by which its items are found.

    Parameters
    ----------
    embeddings : array of shape (n_items, n_dimensions), float32
        Of length 1 each; may be mapped from disk.
    ids : tuple of str
        Which item each row is; each once.
    identity : str
        What made the embeddings: a hash of encoder, weights and settings.
    source : str
        The encoder's name, for people.
    """

    embeddings: NDArray[np.float32]
    ids: tuple[str, ...]
    identity: str
    source: str

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def how(self) -> str:
        """How it is searched, in words."""
        return "exact"

    def part(self, kept: NDArray[np.bool_]) -> "Index":
        """Return the index of some of its items, in the same order.

        Parameters
        ----------
        kept : array of bool, shape (n_items,)
        """
        ids = [name for name, keep in zip(self.ids, kept, strict=True) if keep]
        return build_index(
            self.embeddings[kept], ids, identity=self.identity, source=self.source
        )

    @cached_property
    def copies(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows whose embedding an earlier row has too, and that earlier row."""
        first: dict[bytes, int] = {}
        later, earlier = [], []
        for row, vector in enumerate(self.embeddings):
            digest = blake2b(vector.tobytes(), digest_size=16).digest()
            if first.setdefault(digest, row) != row:
                later.append(row)
                earlier.append(first[digest])
        return np.array(later, np.intp), np.array(earlier, np.intp)

    def search(
        self, queries: ArrayLike, k: int = 1, *, identity: str, batch: int = BATCH
    ) -> Found:
        """Return the `k` nearest items of each query, compared with every item.

        Parameters
        ----------
        queries : array of shape (n_queries, n_dimensions)
            Of any length but 0.
        k : int
            Items that are wanted.
        identity : str
            What made the queries, or what they predict; must be the index's own.
        batch : int
            Queries that are compared at once; changes time and memory only.

        Returns
        -------
        found : Found
            Items with the same embedding tie, whatever rounding says; of items that
            tie, the one that comes first in the index is first.

        Raises
        ------
        InputError
            If the identities differ, or the queries do not fit the index.
        """
        units = self.check(queries, k, identity=identity)
        rows = np.empty((len(units), k), np.intp)
        similarity = np.empty((len(units), k), np.float32)
        for start in range(0, len(units), batch):
            part = units[start : start + batch]
            for i, scores in enumerate(self._products(part), start):
                rows[i] = best_first(scores, k)
                similarity[i] = scores[rows[i]]
        return Found(rows, similarity)

    def check(
        self, queries: ArrayLike, k: int, *, identity: str
    ) -> NDArray[np.float32]:
        """Return the queries as unit vectors, or say why they do not fit the index."""
        if identity != self.identity:
            raise InputError(
                f"the queries speak the embedding {identity!r}, and the index holds "
                f"{self.identity!r} ({self.source}). Vectors of two encoders cannot be "
                "compared, even where they are as long; embed the corpus by the "
                "encoder that was decoded."
            )
        if not 1 <= k <= len(self):
            raise InputError(f"k is {k}; the index has {len(self)} items to find.")
        units = unit_rows(queries, "queries")
        if units.shape[1] != self.embeddings.shape[1]:
            raise InputError(
                f"queries have {units.shape[1]} dimensions and the index "
                f"{self.embeddings.shape[1]}. Decode the embedding of the index."
            )
        return units

    def rows_of(self, ids: Sequence[str]) -> NDArray[np.intp]:
        """Return the row of each id.

        Raises
        ------
        InputError
            If the index has no such item.
        """
        missing = [name for name in ids if name not in self._row]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(ids)} ids are not in the index, the first "
                f"of them {missing[0]!r}."
            )
        return np.array([self._row[name] for name in ids], np.intp)

    @cached_property
    def _row(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.ids)}

    def _products(self, units: NDArray[np.float32]) -> NDArray[np.float32]:
        one = len(units) == 1  # a product with one vector is read from memory once
        table = self.embeddings
        scores = (table @ units[0])[None] if one else units @ table.T
        later, earlier = self.copies
        scores[:, later] = scores[:, earlier]
        return scores


def build_index(
    embeddings: ArrayLike, ids: Sequence[str], *, identity: str, source: str
) -> Index:
    """Return an index of an embedding table.

    Parameters
    ----------
    embeddings : array of shape (n_items, n_dimensions)
        Of any length but 0; they are brought to length 1.
    ids : sequence of str
        One for each row, all different.
    identity, source : str
        What made the embeddings, and its name (see `Index`).

    Raises
    ------
    InputError
        If ids are lacking or come twice, or a row is not finite or has length 0.

    Examples
    --------
    >>> index = build_index(np.eye(3), ["a", "b", "c"], identity="x", source="by hand")
    >>> found = index.search([[0.1, 2.0, 0.3]], k=2, identity="x")
    >>> [index.ids[row] for row in found.rows[0]]
    ['b', 'c']
    """
    units = unit_rows(embeddings, "embeddings")
    if len(ids) != len(units):
        raise InputError(
            f"{len(units)} embeddings and {len(ids)} ids; give each row its id."
        )
    if len(set(ids)) < len(ids):
        raise InputError(
            f"only {len(set(ids))} of {len(ids)} ids differ. An item may be in an "
            "index once; name each by itself."
        )
    return Index(units, tuple(map(str, ids)), identity, source)


def save_index(index: Index, folder: str | Path) -> None:
    """Write an index as a folder of .npy and .json, whole or not at all.

    Raises
    ------
    InputError
        If the folder is there and was not made by brain2music.
    """
    recipe = Recipe(
        STAGE,
        VERSION,
        settings={"source": index.source, "shape": list(index.embeddings.shape)},
        inputs={"embedding": index.identity},
    )
    with new_artefact(Path(folder), recipe, []) as partial:
        np.save(partial / EMBEDDINGS, index.embeddings, allow_pickle=False)
        later, earlier = (rows.tolist() for rows in index.copies)
        content = {"ids": list(index.ids), "copies": [later, earlier]}
        write_json(partial / ITEMS, content)


def open_index(folder: str | Path) -> Index:
    """Return the index that `save_index` wrote; its table stays on disk.

    Raises
    ------
    MissingFileError
        If the folder holds no index.
    InputError
        If its files do not fit each other.
    """
    folder = Path(folder)
    about = read_about(folder)
    if about is None or about["stage"] != STAGE or about["version"] != VERSION:
        raise MissingFileError(
            f"{folder} holds no index of this version. Give the folder that was "
            "saved, or build the index again."
        )
    settings = about["settings"]
    try:
        table = np.load(folder / EMBEDDINGS, mmap_mode="r", allow_pickle=False)
        items = json.loads((folder / ITEMS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"the index in {folder} cannot be read: {error}. Build it again."
        ) from error
    ids, copies = _checked_items(items, len(table), folder)
    if table.dtype != np.float32 or list(table.shape) != settings["shape"]:
        raise InputError(
            f"the index in {folder} has {table.dtype} embeddings of shape "
            f"{table.shape}, where float32 of {tuple(settings['shape'])} was written. "
            "Build it again."
        )
    index = Index(table, ids, about["inputs"]["embedding"], settings["source"])
    # Known already: finding them again would read the whole table.
    index.__dict__["copies"] = copies
    return index


def _checked_items(
    items: Any, n_rows: int, folder: Path
) -> tuple[tuple[str, ...], tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return ids, and copies with what they are of, or say what is wrong."""
    try:
        ids = items["ids"]
        later, earlier = (np.array(rows, np.intp) for rows in items["copies"])
        fits = len(ids) == len(set(ids)) == n_rows
        fits = fits and all(isinstance(name, str) for name in ids)
        fits = fits and later.shape == earlier.shape == (len(set(later.tolist())),)
        fits = fits and bool(((earlier >= 0) & (earlier < later)).all())
        fits = fits and bool((later < n_rows).all())
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the items of the index in {folder} are not as they were written "
            f"({error!r}). Build it again."
        ) from error
    if not fits:
        raise InputError(
            f"the items of the index in {folder} do not fit its {n_rows} rows: ids "
            "must be different texts, and each copy a row that comes later than what "
            "it is a copy of. Build it again."
        )
    return tuple(ids), (later, earlier)


def best_first(scores: Floats, k: int) -> NDArray[np.intp]:
    """Return where the `k` highest of one row of scores are, ties by position.

    Examples
    --------
    >>> best_first(np.array([1.0, 3.0, 2.0, 3.0, 2.0]), 3).tolist()
    [1, 3, 2]
    """
    last = scores.max() if k == 1 else np.partition(scores, len(scores) - k)[-k]
    near = np.flatnonzero(scores >= last)
    return near[np.argsort(-scores[near], kind="stable")][:k]


def unit_rows(array: ArrayLike, name: str) -> NDArray[np.float32]:
    """Return the rows at length 1, in float32; lengths are made in float64.

    Raises
    ------
    InputError
        If a row is not finite or has length 0.
    """
    table = as_matrix(array, name)
    units = np.empty(table.shape, np.float32)
    for start in range(0, len(table), ROWS):
        part = table[start : start + ROWS].astype(np.float64)
        length = np.linalg.norm(part, axis=1, keepdims=True)
        if not length.all():
            row = start + int(np.argmin(length))
            raise InputError(
                f"row {row} of {name} has length 0, and so no direction to compare. "
                "Leave it out."
            )
        units[start : start + ROWS] = part / length
    return units
