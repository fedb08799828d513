"""The lag of the responses behind the sound, chosen on training runs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.artefacts import Recipe
from ..core.ridge.levers import EXACT
from ..core.types import Band
from ..data.splits import fold_of_row
from ..encoding.layers import columns_of, spaces_of
from ..encoding.streamed import Job, score_voxels
from .alignment import Aligned, align, at_common_windows
from .fitting import bytes_beside, ridge_settings
from .opening import Opened
from .prepare import build_features
from .responses import training_responses
from .session import Session
from .subject_steps import (
    hash_inputs,
    inputs_of_features,
    settings_of_features,
    settings_of_responses,
)

VERSION = 2


def choose_lag(session: Session, opened: Opened) -> Aligned:
    """Return a subject's rows at the lag that predicts best inside training.

    For each lag, plain ridge on all columns is fitted to the windows of the training
    runs that every lag has; the lag with the largest mean over voxels of the
    held-out share of variance is taken. Test runs have no part in it. The table of
    all lags is saved in `lags/SUBJECT`. A single lag is taken as it is.
    """
    study = session.study
    lags_s = study.alignment.lags_s
    if study.alignment.rows == "tr" or len(lags_s) == 1:
        return align(study, opened)
    longest = align(study, opened, max(lags_s))
    encoding = study.part("encoding")["encoding"]
    settings = {
        "responses": settings_of_responses(study, 0.0),
        "lags": sorted(lags_s),
        "features": settings_of_features(study),
        "encoding": {
            n: encoding[n] for n in ("alphas", "folds", "precision", "solver")
        },
    }
    inputs = {
        **hash_inputs(session, opened.inputs, opened),
        **inputs_of_features(session, opened),
    }
    recipe = Recipe("lags", VERSION, settings, inputs)
    folder = f"lags/sub-{opened.subject}"

    def work(place: Path) -> list[str]:
        table = _score_lags(session, longest, lags_s, place)
        table.to_csv(place / "lags.csv", index=False, float_format="%.9g")
        best = table.loc[table["chosen"], "lag_s"].iloc[0]
        notes = [
            f"{opened.name}: a lag of {best:g} s was chosen on training runs among "
            f"{', '.join(f'{lag:g}' for lag in sorted(lags_s))} s."
        ]
        if best in (min(lags_s), max(lags_s)):
            notes.append(
                f"{opened.name}: the chosen lag of {best:g} s is at the end of those "
                "tried. Add lags beyond it to alignment.lag_s."
            )
        return notes

    session.make(folder, recipe, work)
    table = pd.read_csv(session.out / folder / "lags.csv", dtype={"subject": str})
    return align(study, opened, float(table.loc[table["chosen"], "lag_s"].iloc[0]))


def _score_lags(
    session: Session, longest: Aligned, lags_s: Sequence[float], place: Path
) -> pd.DataFrame:
    study, opened = session.study, longest.opened
    X, _, bands, *_ = build_features(study, longest, session.ticker)
    # Of a space with layers to choose from, the middle one stands for all: they are
    # chosen later, at the lag that is chosen here.
    middle = [places[len(places) // 2] for places in spaces_of(bands).values()]
    X = X[:, columns_of(bands, middle)]
    # Exact, whatever the models may leave out: there is one band and few penalties.
    settings = replace(
        ridge_settings(study, bytes_beside(len(X), X.shape[1], study, layers=False)),
        levers=EXACT,
    )
    band = Band("all of them", X.shape[1])
    advance = session.ticker(f"{opened.name}: choosing the lag", len(lags_s))
    records = []
    for lag_s in sorted(lags_s):
        aligned = at_common_windows(align(study, opened, lag_s), longest)
        with training_responses(study, aligned, place) as (Y, names):
            folds = fold_of_row(opened.split, names)
            job = Job(X, X[:0], (band,), np.asarray(folds), settings)
            score = float(np.mean(score_voxels(job, Y)))
        records.append((opened.subject, lag_s, len(names), score))
        advance(1)
    table = pd.DataFrame(
        records, columns=["subject", "lag_s", "n_windows", "cv_r2_mean"]
    )
    best = table["cv_r2_mean"].idxmax()
    return table.assign(chosen=[k == best for k in table.index])
