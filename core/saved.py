"""Reads and writes what a model folder holds beside its arrays: space, bands, rows."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .artefacts import write_json
from .checks import MissingFileError
from .types import Band, Part, Space

LABELS = ("session", "task", "run", "run_name", "clip", "side")


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A subject's fitted models and their predictions, as `models/SUBJECT` holds them.

    Columns of voxels that were not fitted are NaN; `valid` says which were. Arrays
    are mapped from disk and read when they are used.
    """

    folder: Path
    bands: tuple[Band, ...]
    space: Space
    rows: pd.DataFrame
    valid: NDArray[np.bool_]

    def array(self, name: str) -> NDArray[np.floating]:
        """Return a saved array, such as 'weights' or 'predictions_alone'."""
        path = self.folder / f"{name}.npy"
        if not path.exists():
            raise MissingFileError(f"{path} is not there. Run the study's encoding.")
        return np.load(path, mmap_mode="r", allow_pickle=False)


def load_model(folder: Path) -> SavedModel:
    """Read a subject's model folder; the arrays stay on disk until they are used."""
    return SavedModel(
        folder,
        load_bands(folder),
        load_space(folder),
        read_rows(folder / "rows.csv"),
        np.load(folder / "valid.npy", allow_pickle=False),
    )


def save_space(folder: Path, space: Space) -> None:
    """Write `space.json`: which voxels the columns are, and where they lie."""
    content = {
        "kind": space.kind,
        "name": space.name,
        "ids": list(space.ids),
        "index": None if space.index is None else space.index.tolist(),
        "shape": list(space.shape),
        "affine": None if space.affine is None else space.affine.tolist(),
        "parts": [
            {
                "name": part.name,
                "shape": list(part.shape),
                "index": None if _is_whole(part) else part.index.tolist(),
                "topology": part.topology,
            }
            for part in space.parts
        ],
    }
    write_json(folder / "space.json", content)


def load_space(folder: Path) -> Space:
    """Read what `save_space` wrote."""
    content = json.loads((folder / "space.json").read_text(encoding="utf-8"))
    index, affine = content["index"], content["affine"]
    return Space(
        content["kind"],
        content["name"],
        tuple(content["ids"]),
        None if index is None else np.asarray(index, dtype=np.int64),
        tuple(content["shape"]),
        None if affine is None else np.asarray(affine),
        tuple(_part(part) for part in content.get("parts", [])),
    )


def _is_whole(part: Part) -> bool:
    """Whether a part has every place of its grid, in order."""
    return np.array_equal(part.index, np.arange(math.prod(part.shape)))


def _part(saved: dict) -> Part:
    shape, index = tuple(saved["shape"]), saved["index"]
    places = np.arange(math.prod(shape)) if index is None else np.asarray(index)
    return Part(saved["name"], shape, places.astype(np.int64), saved["topology"])


def save_bands(folder: Path, bands: Sequence[Band]) -> None:
    """Write `bands.json`: the columns of the design, band by band."""
    stops = np.cumsum([band.n_columns for band in bands]).tolist()
    content = [
        asdict(band) | {"columns": [stop - band.n_columns, stop]}
        for band, stop in zip(bands, stops, strict=True)
    ]
    order = "band by band; within a band delay by delay, then feature by feature"
    write_json(folder / "bands.json", {"order_of_columns": order, "bands": content})


def load_bands(folder: Path) -> tuple[Band, ...]:
    """Read what `save_bands` wrote."""
    content = json.loads((folder / "bands.json").read_text(encoding="utf-8"))
    return tuple(
        Band(b["name"], b["n_features"], tuple(b["delays"]), b["source"], b["layer"])
        for b in content["bands"]
    )


def save_moments(folder: Path, moments: Mapping[str, tuple[Any, Any]]) -> None:
    """Write `moments.npz`: what was taken out of each band before delays."""
    arrays: dict[str, Any] = {band: np.stack(both) for band, both in moments.items()}
    np.savez(folder / "moments.npz", **arrays)


def load_moments(folder: Path, name: str) -> tuple[NDArray, NDArray]:
    """Return shift and scale of a band: the values are X times scale plus shift."""
    band = [band.name for band in load_bands(folder)].index(name)
    with np.load(folder / "moments.npz", allow_pickle=False) as saved:
        shift, scale = saved[str(band)]
    return shift, scale


def read_rows(path: Path) -> pd.DataFrame:
    """Read a table of rows with its labels as text: run 01 stays '01'."""
    return pd.read_csv(path, dtype=dict.fromkeys(LABELS, str), keep_default_na=False)
