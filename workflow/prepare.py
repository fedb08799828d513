"""Makes a subject's X from an opened subject.

Each run is delayed by itself; what mixes runs (the features' mean and
scale) is fitted on training rows alone.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.rows import average_rows
from ..core.types import Band, Run
from ..data.events import group_repeats
from ..features.design import build_design, has_history, standardise
from ..study import Study
from .opening import Opened
from .sources import features_of_runs

Floats = NDArray[np.floating]
Advance = Callable[[int], None] | None


def build_features(
    study: Study, opened: Opened, advance: Advance = None
) -> tuple[Floats, Floats, tuple[Band, ...], list[str]]:
    """Build the training and test designs, delays applied, test repeats averaged.

    Returns
    -------
    X_train : array of shape (n_train_samples, n_columns)
    X_test : array of shape (n_test_samples, n_columns)
        Rows of repeats averaged just as the responses are.
    bands : tuple of Band
        The columns of both.
    notes : list of str
    """
    used = [_kept(opened, run) for run in opened.runs]
    training = [
        keep if run in opened.split.train else np.zeros_like(keep)
        for run, keep in zip(opened.runs, used, strict=True)
    ]
    spaces, bands, notes = [], [], []
    for name in study.encoding.bands:
        space = study.features[name]
        runs, found = features_of_runs(study, opened, name)
        notes += found
        spaces.append(standardise(runs, training, how=space.standardise, name=name))
        n_features = runs[0].shape[1]
        bands.append(Band(name, n_features, study.delays_of(name), space.source))
        if advance:
            advance(1)
    notes += _history_notes(study, opened, used)
    X = build_design(
        bands,
        [space.runs for space in spaces],
        fills=[space.mean for space in spaces],
        dtype=study.encoding.precision,
    )
    kept = opened.rows["kept"].to_numpy()
    test = (opened.rows["side"] == "test").to_numpy()
    group, _ = group_rows(study, opened.rows[kept & test].reset_index(drop=True))
    X_train, X_test = X[kept & ~test], average_rows(X[kept & test], group)
    return X_train, X_test, tuple(bands), notes


def _kept(opened: Opened, run: Run) -> NDArray[np.bool_]:
    return opened.rows.loc[opened.rows_of(run), "kept"].to_numpy()


def rows_to_score(study: Study, opened: Opened) -> pd.DataFrame:
    """Return the test rows as they will be scored: repeats averaged, or kept."""
    rows = opened.rows[opened.rows["kept"] & (opened.rows["side"] == "test")]
    return group_rows(study, rows.reset_index(drop=True))[1]


def group_rows(study: Study, rows: pd.DataFrame) -> tuple[NDArray, pd.DataFrame]:
    """Return the group of each test row, and the rows as they will be scored."""
    if study.responses.repeats == "average":
        return group_repeats(rows)
    return np.arange(len(rows)), rows.assign(n_repeats=1)


def repeat_notes(opened: Opened, test_rows: pd.DataFrame) -> list[str]:
    """Say if test clips have unequal numbers of repeats."""
    counts = test_rows.loc[test_rows["clip"] != "", "n_repeats"]
    if counts.empty or counts.nunique() == 1:
        return []
    return [
        f"{opened.name}: test clips have unequal numbers of repeats, "
        f"{counts.min()} to {counts.max()}; means over fewer repeats are noisier."
    ]


def _history_notes(
    study: Study, opened: Opened, used: list[NDArray[np.bool_]]
) -> list[str]:
    delays = study.all_delays()
    short = [~has_history(len(keep), delays) for keep in used]
    if study.encoding.incomplete_rows == "drop":
        n = sum(int(s.sum()) for s in short)
        return [f"{opened.name}: {n} rows without a whole delay history were dropped."]
    n = sum(int((s & keep).sum()) for s, keep in zip(short, used, strict=True))
    if n == 0:
        return []
    return [
        f"{opened.name}: {n} rows at run starts have no whole delay history; the "
        "features' training mean stands in."
    ]
