"""The step that fits what a partition of variance needs beside the study's models."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..analysis.partition import Subset, subsets_of
from ..analysis.stacking import stack_weights
from ..core.artefacts import Recipe, write_json
from ..core.saved import load_bands
from ..core.store import open_store
from ..core.types import Band
from ..data.splits import fold_of_row
from ..encoding.evaluate import RidgeSettings
from ..encoding.subsets import predict_held_out, predict_subsets
from ..study import Study
from .opening import Opened
from .session import Session

VERSION = 1
N_VOXELS_BATCH = 8192
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
    return Wanted(tuple(new), top, spaces if analysis.stacks else ())


def make_subsets(
    session: Session, opened: Opened, responses: str, features: str
) -> str:
    """Make `subsets/SUBJECT`, if the study needs it; return its identity, or ''."""
    study = session.study
    wanted = wanted_subsets(study)
    if not wanted:
        return ""
    names = ("bands", "alphas", "n_candidates", "folds", "precision", "seed")
    encoding = study.part("encoding")["encoding"]
    settings = {name: encoding[name] for name in names}
    settings |= {"subsets": wanted.subsets, "stacked": wanted.stacked}
    inputs = {"responses": responses, "features": features}
    return session.make(
        f"subsets/sub-{opened.subject}",
        Recipe("subsets", VERSION, settings, inputs),
        lambda folder: _fit(session, opened, wanted, folder),
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


def _fit(session: Session, opened: Opened, wanted: Wanted, folder: Path) -> list[str]:
    study = session.study
    designs = session.out / f"features/sub-{opened.subject}"
    bands = load_bands(designs)
    if len({band.name for band in bands}) < len(bands):
        return [
            f"{opened.name}: no partition of variance: voxels choose the layer of a "
            "feature space, and models of subsets would choose anew. Name one layer."
        ]
    store = open_store(session.out / f"responses/sub-{opened.subject}")
    valid, dtype = np.flatnonzero(store.valid), np.dtype(study.encoding.precision)
    X, X_test = (np.load(designs / f"{n}.npy") for n in ("X_train", "X_test"))
    rows = store.train_rows()
    folds = fold_of_row(opened.split, list(rows["run_name"]))
    stacked = wanted.stacked if len(np.unique(folds)) >= 3 else ()
    arrays = _empty(folder, wanted, stacked, (len(X_test), len(valid)), dtype)
    work = _Work(X, X_test, bands, folds, _settings(study), wanted, stacked)
    n_fits = len(wanted.subsets) + len(stacked) * len(np.unique(folds))
    text = f"{opened.name}: fitting {len(wanted.subsets)} subsets of the bands"
    advance = session.ticker(text, n_fits * len(valid))
    for start in range(0, len(valid), N_VOXELS_BATCH):
        columns = slice(start, start + N_VOXELS_BATCH)
        Y = store.train(valid[columns]).astype(dtype, copy=False)
        for name, values in work.fit(Y, advance).items():
            arrays[name][..., columns] = values
    for array in arrays.values():
        array.flush()
    write_json(folder / "subsets.json", {"subsets": wanted.subsets})
    if wanted.stacked and not stacked:
        return [f"{opened.name}: no stack: it takes 3 folds or more."]
    return []


@dataclass(frozen=True, eq=False)
class _Work:
    """The designs and settings of one subject, and what is fitted on them."""

    X: Floats
    X_test: Floats
    bands: Sequence[Band]
    folds: NDArray[np.integer]
    settings: RidgeSettings
    wanted: Wanted
    stacked: Subset

    def fit(self, Y: Floats, advance: Callable[[int], object]) -> dict[str, Floats]:
        """Return each array that is saved, for some voxels."""
        found = {}
        if self.wanted.subsets:
            every = [self._only(self.wanted.top)] if self.wanted.top else []
            X_test = np.concatenate([self.X_test, *every])
            predicted = predict_subsets(
                self.X,
                Y,
                X_test,
                bands=self.bands,
                subsets=self.wanted.subsets,
                folds=self.folds,
                settings=self.settings,
                advance=advance,
            )
            n = len(self.X_test)
            found["predictions"] = np.stack([p[:n] for p in predicted.values()])
        if self.wanted.top:
            more = predicted[self.wanted.top][n:]
            found["intercept"] = more[-1]
            parts = more[:-1].reshape(len(self.wanted.top), n, -1)
            found["parts"] = parts - more[-1]
        if self.stacked:
            chosen = [b for b in self.bands if b.name in self.stacked]
            held_out = predict_held_out(
                self._columns(chosen),
                Y,
                bands=chosen,
                folds=self.folds,
                settings=self.settings,
                advance=advance,
            )
            found["weights"] = stack_weights(Y, held_out)
        return found

    def _only(self, names: Subset) -> Floats:
        """Return test rows with one band each and nothing else, and a row of none.

        What a joint model predicts from them, less what it predicts from nothing, is
        each band's part.
        """
        blocks = []
        for name in names:
            alone = np.zeros_like(self.X_test)
            alone[:, self._places([name])] = self.X_test[:, self._places([name])]
            blocks.append(alone)
        return np.concatenate([*blocks, np.zeros_like(self.X_test[:1])])

    def _columns(self, bands: Sequence[Band]) -> Floats:
        return self.X[:, self._places([band.name for band in bands])]

    def _places(self, names: Sequence[str]) -> NDArray[np.integer]:
        edges = np.cumsum([0, *(band.n_columns for band in self.bands)])
        pieces = [
            np.arange(edges[k], edges[k + 1])
            for k, band in enumerate(self.bands)
            if band.name in names
        ]
        return np.concatenate(pieces)


def _empty(
    folder: Path,
    wanted: Wanted,
    stacked: Subset,
    shape: tuple[int, int],
    dtype: np.dtype,
) -> dict[str, np.memmap]:
    """Return arrays on disk for what will be fitted, over the fitted voxels."""
    shapes: dict[str, tuple[int, ...]] = {}
    if wanted.subsets:
        shapes["predictions"] = (len(wanted.subsets), *shape)
    if wanted.top:
        shapes |= {"parts": (len(wanted.top), *shape), "intercept": shape[1:]}
    if stacked:
        shapes["weights"] = (len(stacked), shape[1])
    return {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=dtype, shape=one
        )
        for name, one in shapes.items()
    }


def _settings(study: Study) -> RidgeSettings:
    return RidgeSettings(
        alphas=study.encoding.alphas,
        n_candidates=study.encoding.n_candidates,
        seed=study.encoding.seed,
        n_voxels_batch=study.machine.voxels_per_batch,
    )
