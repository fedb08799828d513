"""A subject's rows for some voxels, made as a run makes them, and a fit of these."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.ridge.levers import EXACT
from ..core.store import open_store
from ..core.types import Band
from ..data.splits import fold_of_row
from ..encoding import evaluate
from ..feature_spaces import ControlFeatures
from ..study import Study
from ..workflow.alignment import Aligned
from ..workflow.fitting import ridge_settings
from ..workflow.prepare import build_features
from ..workflow.responses import store_responses
from ..workflow.sources import noise_runs, space_runs

Floats = NDArray[np.floating]
N_CANDIDATES = 6  # divisions of the penalty: the doctor tests the path, not the search
N_SAMPLED = 4000  # voxels at most, however much time there is


Read = Callable[..., tuple[dict[str, list[Floats]], list[str]]]


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Cleaned responses of sampled voxels, as a run would store them.

    Parameters
    ----------
    train, test : array of shape (n_rows, n_columns)
        NaN where a column does not vary in every run.
    runs : dict of run's name to array of shape (n_rows of the run, n_columns)
        The rows of each run before repeats are averaged.
    train_rows, test_rows, repeat_rows : DataFrame
    valid : array of bool, shape (n_columns,)
    """

    train: Floats
    test: Floats
    runs: dict[str, Floats]
    train_rows: pd.DataFrame
    test_rows: pd.DataFrame
    repeat_rows: pd.DataFrame
    valid: NDArray[np.bool_]

    @property
    def of_valid(self) -> tuple[Floats, Floats]:
        """Training and test responses of the voxels that vary in every run."""
        return self.train[:, self.valid], self.test[:, self.valid]


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """X of training and test, and its bands."""

    train: Floats
    test: Floats
    bands: tuple[Band, ...]


def clean(study: Study, aligned: Aligned) -> Responses:
    """Return the responses of `aligned`'s recording, cleaned and stacked by a run."""
    with tempfile.TemporaryDirectory() as place:
        store_responses(study, aligned, Path(place))
        store = open_store(Path(place))
        return Responses(
            train=np.array(store.train()),
            test=np.array(store.test()),
            runs={
                str(run): np.array(store.run(str(run))) for run in aligned.opened.runs
            },
            train_rows=store.train_rows(),
            test_rows=store.test_rows(),
            repeat_rows=store.repeat_rows(),
            valid=np.array(store.valid),
        )


def remembering(read: Read = space_runs) -> Read:
    """Return a reader that reads each feature space of one subject once.

    For calls with the same features and rows only; noise is made from what it is like.
    """
    known: dict[str, tuple[dict[str, list[Floats]], list[str]]] = {}

    def recall(study: Study, aligned: Aligned, name: str, *more: object) -> tuple:
        space = study.features[name]
        if isinstance(space, ControlFeatures) and space.control == "noise":
            layers, notes = recall(study, aligned, str(space.of), *more)
            like = next(iter(layers.values()))
            return {"": noise_runs(study, aligned, like, space.seed)}, notes
        if name not in known:
            known[name] = read(study, aligned, name, *more)
        layers, notes = known[name]
        return {layer: [*runs] for layer, runs in layers.items()}, notes

    return recall


def build(study: Study, aligned: Aligned, read: Read = space_runs) -> Design:
    """Return the designs that a run builds; the first layer where layers are chosen."""
    X_train, X_test, bands, _, _ = build_features(study, aligned, read=read)
    names = [band.name for band in bands]
    kept, start = [], 0
    for number, band in enumerate(bands):
        if band.name not in names[:number]:
            kept.append(np.arange(start, start + band.n_columns))
        start += band.n_columns
    chosen = np.concatenate(kept)
    first = tuple(b for k, b in enumerate(bands) if b.name not in names[:k])
    if len(chosen) == X_train.shape[1]:
        return Design(X_train, X_test, first)
    return Design(X_train[:, chosen], X_test[:, chosen], first)


def fit(
    study: Study,
    aligned: Aligned,
    design: Design,
    Y: Floats,
    rows: pd.DataFrame,
    *,
    n_voxels_batch: int | None = None,
) -> evaluate.EncodingResult:
    """Fit joint, alone and plain on training rows, and predict the test rows.

    Parameters
    ----------
    Y : array of shape (n_train, n_voxels)
        Without columns that do not vary.
    rows : DataFrame
        What the rows of Y are.
    """
    settings = replace(
        ridge_settings(study, 0.0),
        n_candidates=min(N_CANDIDATES, study.encoding.n_candidates),
        n_voxels_batch=n_voxels_batch,
        solver="fold-gram",
        levers=EXACT,
        max_memory_gb=None,
        stacking=False,
    )
    return evaluate.fit_models(
        design.train,
        Y,
        design.test,
        bands=design.bands,
        folds=fold_of_row(aligned.opened.split, list(rows["run_name"])),
        settings=settings,
    )


def sample_columns(n_voxels: int, n_sampled: int, seed: int) -> NDArray[np.intp]:
    """Return sampled columns in their order: all of them where they are few."""
    if n_voxels <= n_sampled:
        return np.arange(n_voxels)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_voxels, n_sampled, replace=False))
