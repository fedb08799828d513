"""The step that fits what a partition of variance needs beside the study's models."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.partition import Subset, subsets_of
from ..core.artefacts import Recipe, write_json
from ..core.ridge.stream import release
from ..core.saved import load_bands
from ..core.store import TrainingVoxels, open_store
from ..core.types import Band
from ..data.splits import fold_of_row
from ..encoding.layers import columns_of
from ..encoding.streamed import Place
from ..encoding.subsets import band_axes, predict_subsets, stack_bands
from ..study import Study
from ..study_encoding import LEVERS
from .fitting import Places, bytes_beside, ridge_settings
from .opening import Opened
from .session import Session

VERSION = 2
Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fitted: models of subsets of the bands, and a stack.

    Parameters
    ----------
    subsets : tuple of tuple of str
        Models that the study has not yet, in the order of the bands.
    top : tuple of str
        The partitioned feature spaces, if their joint model is one of `subsets`: its
        parts are kept, too. Empty if not.
    stacked : tuple of str
        Feature spaces that are stacked; none if empty.
    """

    subsets: tuple[Subset, ...]
    top: Subset
    stacked: Subset

    def __bool__(self) -> bool:
        return bool(self.subsets or self.stacked)


@dataclass(frozen=True, eq=False)
class SavedSubsets:
    """What the step saved, over the fitted voxels.

    Parameters
    ----------
    predictions : dict of subset to array of shape (n_test, n_voxels)
    parts : array of shape (n_spaces, n_test, n_voxels), or None
        Parts of the joint model of all partitioned feature spaces, without intercept.
    intercept : array of shape (n_voxels,), or None
    weights : array of shape (n_spaces, n_voxels), or None
        Of the stack.
    """

    predictions: dict[Subset, Floats]
    parts: Floats | None = None
    intercept: Floats | None = None
    weights: Floats | None = None


def wanted_subsets(study: Study) -> Wanted:
    """Return what the study's partition and questions need beside its own models."""
    bands, analysis = study.encoding.bands, study.analysis
    spaces = analysis.partitioned(bands)
    asked = set(subsets_of(spaces)) if spaces else set()
    for pair in analysis.questions(bands):
        asked.add(tuple(name for name in bands if name in pair))
    there = {(name,) for name in bands} | {bands}
    new = sorted(asked - there, key=lambda s: (len(s), [bands.index(n) for n in s]))
    top = spaces if spaces in new else ()
    return Wanted(tuple(new), top, spaces)


def make_subsets(
    session: Session,
    opened: Opened,
    open_place: Places,
    *,
    responses: str,
    features: str,
) -> str:
    """Make `subsets/SUBJECT`, if the study needs it; return its identity, or ''."""
    study = session.study
    wanted = wanted_subsets(study)
    if not wanted:
        return ""
    names = ("bands", "alphas", "n_candidates", "folds", "precision", "seed", "solver")
    encoding = study.part("encoding")["encoding"]
    settings = {name: encoding[name] for name in (*names, *LEVERS)}
    settings |= {"subsets": wanted.subsets, "stacked": wanted.stacked}
    inputs = {"responses": responses, "features": features}
    return session.make(
        f"subsets/sub-{opened.subject}",
        Recipe("subsets", VERSION, settings, inputs),
        lambda folder: _fit(session, opened, wanted, folder, open_place()),
    )


def read_subsets(out: Path, subject: str) -> SavedSubsets | None:
    """Read what `make_subsets` saved; None if there is nothing."""
    folder = out / f"subsets/sub-{subject}"
    if not (folder / "subsets.json").exists():
        return None
    about = json.loads((folder / "subsets.json").read_text(encoding="utf-8"))

    def array(name: str) -> Floats | None:
        path = folder / f"{name}.npy"
        return np.load(path, allow_pickle=False) if path.exists() else None

    subsets = [tuple(names) for names in about["subsets"]]
    predictions = array("predictions")
    named = {} if predictions is None else dict(zip(subsets, predictions, strict=True))
    return SavedSubsets(named, array("parts"), array("intercept"), array("weights"))


def _fit(
    session: Session, opened: Opened, wanted: Wanted, folder: Path, place: Place
) -> list[str]:
    study = session.study
    designs = session.out / f"features/sub-{opened.subject}"
    bands = load_bands(designs)
    if len({band.name for band in bands}) < len(bands):
        return [
            f"{opened.name}: no partition of variance: voxels choose the layer of a "
            "feature space, and models of subsets would choose anew. Name one layer."
        ]
    store = open_store(session.out / f"responses/sub-{opened.subject}")
    X, X_test = (np.load(designs / f"{n}.npy") for n in ("X_train", "X_test"))
    rows = store.train_rows()
    folds = fold_of_row(opened.split, list(rows["run_name"]))
    Y = TrainingVoxels(store, study.encoding.precision)
    n_valid, n_rows = Y.shape[1], len(X) + len(X_test)
    shape = (len(X_test), n_valid)
    arrays = _empty(folder, wanted, shape, np.dtype(study.encoding.precision))
    text = f"{opened.name}: fitting {len(wanted.subsets)} subsets of the bands"
    n_fits = len(wanted.subsets) + bool(wanted.stacked)
    settings = ridge_settings(
        study, bytes_beside(n_rows, X.shape[1], study, layers=True)
    )
    used = {name for subset in (*wanted.subsets, wanted.stacked) for name in subset}
    options: dict[str, Any] = {
        "folds": folds,
        "settings": settings,
        "advance": session.ticker(text, n_fits * n_valid),
        "axes": band_axes(X, Y, bands=bands, names=used, settings=settings),
    }
    tops = [_only(X_test, bands, wanted.top)] if wanted.top else []
    predict_subsets(
        X,
        Y,
        np.concatenate([X_test, *tops]),
        bands=bands,
        subsets=wanted.subsets,
        place=replace(place, make=partial(_Saved, arrays, wanted)),
        **options,
    )
    if wanted.stacked:
        chosen = [band for band in bands if band.name in wanted.stacked]
        columns = _places(bands, wanted.stacked)
        arrays["weights"][:] = stack_bands(
            X[:, columns], Y, bands=chosen, place=place, **options
        )
    for array in arrays.values():
        array.flush()
    write_json(folder / "subsets.json", {"subsets": wanted.subsets})
    return []


class _Saved:
    """Takes chunks of a subset's predictions, and writes them to the arrays on disk."""

    def __init__(
        self,
        arrays: dict[str, np.memmap],
        wanted: Wanted,
        name: str,
        *_shape: object,
    ) -> None:
        names = ["+".join(subset) for subset in wanted.subsets]
        self.arrays, self.number = arrays, names.index(name)
        self.is_top = bool(wanted.top) and name == "+".join(wanted.top)

    def __setitem__(self, key: tuple[Any, slice], values: Floats) -> None:
        part, n = key[1], self.arrays["predictions"].shape[1]
        self.arrays["predictions"][self.number][:, part] = values[:n]
        if self.is_top:
            parts = self.arrays["parts"]
            more, intercept = values[n:-1], values[-1]
            self.arrays["intercept"][part] = intercept
            parts[:, :, part] = more.reshape(len(parts), n, -1) - intercept
        for array in self.arrays.values():
            release(array)  # else all that is written stays in memory as well


def _only(X_test: Floats, bands: Sequence[Band], names: Subset) -> Floats:
    """Return test rows with one band each and nothing else, and a row of none.

    What a joint model predicts from them, less what it predicts from nothing, is
    each band's part.
    """
    blocks = []
    for name in names:
        alone = np.zeros_like(X_test)
        columns = _places(bands, [name])
        alone[:, columns] = X_test[:, columns]
        blocks.append(alone)
    return np.concatenate([*blocks, np.zeros_like(X_test[:1])])


def _places(bands: Sequence[Band], names: Sequence[str]) -> NDArray[np.integer]:
    return columns_of(bands, [k for k, b in enumerate(bands) if b.name in names])


def _empty(
    folder: Path,
    wanted: Wanted,
    shape: tuple[int, int],
    dtype: np.dtype,
) -> dict[str, np.memmap]:
    """Return arrays on disk for what will be fitted, over the fitted voxels."""
    shapes: dict[str, tuple[int, ...]] = {}
    if wanted.subsets:
        shapes["predictions"] = (len(wanted.subsets), *shape)
    if wanted.top:
        shapes |= {"parts": (len(wanted.top), *shape), "intercept": shape[1:]}
    if wanted.stacked:
        shapes["weights"] = (len(wanted.stacked), shape[1])
    return {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=dtype, shape=one
        )
        for name, one in shapes.items()
    }
