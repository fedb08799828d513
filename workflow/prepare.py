"""Makes a subject's X from an opened subject.

Each run is delayed by itself; what mixes runs (the features' mean, scale and principal
components) is fitted on training rows alone.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.rows import average_rows
from ..core.types import Band
from ..data.events import group_repeats
from ..features.components import principal_components
from ..features.design import Standardised, build_design, has_history, standardise
from ..study import Study
from .alignment import Aligned
from .opening import Opened
from .session import Ticker, silent
from .source_names import source_of
from .sources import space_runs

Floats = NDArray[np.floating]
Advance = Callable[[int], None] | None
Moments = dict[str, tuple[Floats, Floats]]


def build_features(
    study: Study,
    aligned: Aligned,
    ticker: Ticker = silent,
    *,
    read: Callable[..., tuple[dict[str, list[Floats]], list[str]]] = space_runs,
) -> tuple[Floats, Floats, tuple[Band, ...], list[str], Moments]:
    """Build the training and test designs, delays applied, test repeats averaged.

    `read` gives a feature space for each run, as `space_runs` does.

    Returns
    -------
    X_train : array of shape (n_train_samples, n_columns)
    X_test : array of shape (n_test_samples, n_columns)
        Rows of repeats averaged just as the responses are.
    bands : tuple of Band
        The columns of both. A feature space with layers to choose from has a band for
        each, one after the other.
    notes : list of str
    moments : dict of str to pair of arrays, each of shape (n_features,)
        Shift and scale of each band, by its number: what was taken out of its feature
        space before delays. Of principal components, which are of what was scaled
        already, 0 and 1.
    """
    opened = aligned.opened
    spaces, bands, notes = [], [], []
    advance = ticker(
        f"{opened.name}: building feature spaces", len(study.encoding.bands)
    )
    for name in study.encoding.bands:
        layers, found = read(study, aligned, name, ticker)
        notes += found
        source = source_of(study, name, opened.subject)
        for layer, runs in layers.items():
            scaled, said = _scaled(study, aligned, name, runs)
            notes += said
            n_features = scaled.runs[0].shape[1]
            delays = study.delays_of(name)
            spaces.append(scaled)
            bands.append(Band(name, n_features, delays, source, layer))
        advance(1)
    X = build_design(
        bands,
        [space.runs for space in spaces],
        fills=[space.mean for space in spaces],
        dtype=study.encoding.precision,
    )
    if aligned.windows is None:
        notes += _history_notes(study, opened)
        X = X[opened.rows["kept"].to_numpy()]
    test = (aligned.rows["side"] == "test").to_numpy()
    group, _ = group_rows(study, side_rows(aligned.rows, "test"))
    X_test = average_rows(X[test], group)
    moments = {str(k): (one.shift, one.scale) for k, one in enumerate(spaces)}
    return X[~test], X_test, tuple(bands), notes, moments


def rows_to_score(study: Study, aligned: Aligned) -> pd.DataFrame:
    """Return the test rows as they will be scored: repeats averaged, or kept."""
    return group_rows(study, side_rows(aligned.rows, "test"))[1]


def _scaled(
    study: Study, aligned: Aligned, name: str, runs: list[Floats]
) -> tuple[Standardised, list[str]]:
    """Return a feature space standardised, and reduced if asked, by training rows."""
    space, training = study.space(name), training_rows(aligned)
    scaled = standardise(runs, training, how=space.standardise, name=name)
    if space.n_components is None:
        return scaled, []
    reduced, share = principal_components(
        scaled.runs, training, n_components=space.n_components, name=name
    )
    width = scaled.runs[0].shape[1]
    note = (
        f"features.{name}: {space.n_components} of {width} principal components, found "
        f"on training rows, hold {share:.1%} of its variance there."
    )
    none, one = np.zeros(space.n_components), np.ones(space.n_components)
    return Standardised([*reduced], none, none, one), [f"{aligned.opened.name}: {note}"]


def training_rows(aligned: Aligned) -> list[NDArray[np.bool_]]:
    """Return, run by run, which rows the features' moments are made from."""
    opened, rows = aligned.opened, []
    for run in opened.runs:
        if aligned.windows is None:
            keep = opened.rows.loc[opened.rows_of(run), "kept"].to_numpy(dtype=bool)
        else:
            keep = np.ones(len(aligned.windows[run].rows), dtype=bool)
        rows.append(keep if run in opened.split.train else np.zeros_like(keep))
    return rows


def side_rows(rows: pd.DataFrame, side: str) -> pd.DataFrame:
    """Return the rows of training or test, numbered anew."""
    return rows[rows["side"] == side].reset_index(drop=True)


def group_rows(study: Study, rows: pd.DataFrame) -> tuple[NDArray, pd.DataFrame]:
    """Return the group of each test row, and the rows as they will be scored."""
    if study.responses.repeats == "average":
        return group_repeats(rows)
    return np.arange(len(rows)), rows.assign(n_repeats=1)


def repeat_notes(opened: Opened, test_rows: pd.DataFrame) -> list[str]:
    """Say if test clips have unequal numbers of repeats."""
    heard = test_rows[test_rows["clip"] != ""]
    counts = heard["n_repeats"]
    if counts.empty or counts.nunique() == 1:
        return []
    few = heard[counts < counts.max()].drop_duplicates("clip")
    clips = [
        f"{clip} ({run})"
        for clip, run in zip(few["clip"], few["run_name"], strict=True)
    ]
    return [
        f"{opened.name}: test clips have unequal numbers of repeats, "
        f"{counts.min()} to {counts.max()}; means over fewer repeats are noisier. "
        f"Fewer have {', '.join(clips[:5])}{' and others' if clips[5:] else ''}."
    ]


def _history_notes(study: Study, opened: Opened) -> list[str]:
    delays = study.all_delays()
    used = [
        opened.rows.loc[opened.rows_of(run), "kept"].to_numpy() for run in opened.runs
    ]
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
