"""One target of one subject: decoded, and every table that tells what it is worth."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError
from ..decoding.cards import card_table
from ..decoding.classify import classify
from ..decoding.decode import decode, optimism
from ..decoding.decoders import Decoder, Linear, RoiEnsemble
from ..decoding.folds import make_folds
from ..decoding.genres import genre_transfer, leave_one_genre_out
from ..decoding.lags import window_curve
from ..decoding.penalty_curve import penalty_curve
from ..decoding.random_brain import random_responses
from ..decoding.rows import Pairs, average_windows
from ..decoding.scores import score_decoding
from ..feature_spaces import CategoryFeatures
from ..study import Study
from .decoded_controls import controls_table, decode_control
from .decoded_lags import lag_notes, lags_table
from .decoded_rows import ToDecode, genres_of, safe_subsets
from .decoding_choices import decoder_of, pool_of
from .decoding_targets import (
    Target,
    chosen_table,
    dimension_table,
    unit_of,
)
from .level_rows import level_notes
from .opening import Opened
from .session import Session
from .volume_sources import levels_of

Floats = NDArray[np.floating]
Tables = dict[str, Any]
FEWEST_CLIPS = 2  # to be told apart
FEWEST_DIMENSIONS = 3  # of a row, for the correlation that identification rests on


def decode_target(
    session: Session, opened: Opened, rows: ToDecode, target: Target
) -> tuple[Tables, list[str]]:
    """Return one target's predictions and tables, and what should be known of them."""
    study = session.study
    decoding, notes = study.decoding, []
    if len(target.kept) < target.n_dimensions:
        notes.append(
            f"{target.n_dimensions - len(target.kept)} of {target.n_dimensions} "
            "dimensions do not vary in test, or in a fold of training, and are not "
            "decoded."
        )
    decoder = decoder_of(study, rows.rois)
    unit = unit_of(study, rows)
    decoded = decode(
        decoder,
        target.train,
        target.test,
        n_folds=decoding.n_folds,
        unit=unit,
        shared_clips=True,  # opening the study refuses them, or was told to allow them
    )
    shared = set(target.train.clips.tolist()) & set(target.test.clips.tolist())
    if shared and rows.has_clips:
        notes.append(
            f"{len(shared)} test clips were in training, too: scores are of what was "
            "known by heart, in another condition."
        )
    test = target.test
    random = random_responses(
        test.Y, test.runs, test.clips, seed=decoding.seed, name=opened.name
    )
    made: Tables = {
        "predicted": decoded.predicted,
        "random": decoded.decoder.predict(random),
        "control": decode_control(study, rows, target),
    }
    made["decoding_chosen"], said = chosen_table(decoded.decoder, decoding.alphas)
    notes += said
    if isinstance(decoded.decoder, Linear | RoiEnsemble):
        folds = make_folds(target.train, n_folds=decoding.n_folds, unit=unit)
        made["decoding_alphas"] = penalty_curve(decoded.decoder, target.train, folds)
    made["decoded_dimensions"], said = dimension_table(
        study, opened, rows, target, decoded.predicted
    )
    notes += said
    if not rows.has_clips:
        return made, notes
    if unit == "clip":
        made |= _tried("decoding_optimism", notes, _optimism, study, decoder, target)
    notes += level_notes(target.level_test, target.test.clips)
    predicted = {key: made[key] for key in ("predicted", "control")}
    made |= _of_clips(session, opened, rows, target, predicted, decoder, notes)
    return made, notes


def _of_clips(
    session: Session,
    opened: Opened,
    rows: ToDecode,
    target: Target,
    made: Tables,
    decoder: Decoder,
    notes: list[str],
) -> Tables:
    """Return every table in which clips are told apart, of those that can be."""
    study, level = session.study, target.level_test.clips
    if len(set(target.test.clips.tolist()) - set(level)) < FEWEST_CLIPS:
        notes.append(f"no identification: it needs {FEWEST_CLIPS} test clips.")
        return {}
    predicted, control = made["predicted"], made["control"]
    if level:
        apart = target.level_test.apart(target.test.clips)
        predicted = predicted[apart]
        control = None if control is None else control[apart]
        rows = rows.without_test_clips(level)
        target = target.without_test_clips(level)
    found: Tables = {}
    if isinstance(study.features[target.name], CategoryFeatures):
        try:
            found |= _labels(study, opened, target, predicted, notes)
        except InputError as error:
            notes.append(f"no labels are decoded: {error}")
    if len(target.kept) < FEWEST_DIMENSIONS:
        notes.append(too_few(target))
        return found
    genres = _genres_told_apart(study, opened, target, notes)
    found |= _identified(session, opened, rows, target, predicted, genres, notes)
    controls = partial(controls_table, control=control, genres=genres)
    found |= _tried("decoding_controls", notes, controls, study, target, predicted)
    if study.decoding.genres is not None:
        found |= _generalised(study, opened, rows, target, predicted, decoder, notes)
    if study.decoding.lags:
        given = (study, rows, target, decoder)
        found |= _tried("decoding_lags", notes, lags_table, *given)
        notes += lag_notes(found.get("decoding_lags"))
    return found


def _tried(
    name: str, notes: list[str], make: Callable[..., pd.DataFrame], *given: Any
) -> Tables:
    """Return a table that says more, or nothing and a note of why it cannot be made."""
    try:
        return {name: make(*given)}
    except InputError as error:
        notes.append(f"no {name}: {error}")
        return {}


def _optimism(study: Study, decoder: Decoder, target: Target) -> pd.DataFrame:
    return optimism(
        decoder,
        target.train,
        n_folds=study.decoding.n_folds,
        level=target.level_train.clips,
        n_resamples=study.decoding.n_resamples,
        seed=study.decoding.seed,
    )


def too_few(target: Target) -> str:
    """Return why a target identifies no clip."""
    return (
        f"no identification: it correlates over {len(target.kept)} dimensions, and "
        f"{FEWEST_DIMENSIONS} are needed."
    )


def _genres_told_apart(
    study: Study, opened: Opened, target: Target, notes: list[str]
) -> NDArray[np.str_] | None:
    """Return the genre of each test row, if each has clips to be told from."""
    if study.decoding.genres is None:
        return None
    genres = _genres(study, opened, target.test)
    n_clips = pd.Series(target.test.clips).groupby(genres).nunique()
    alone = n_clips.index[n_clips < 2].tolist()
    if not alone:
        return genres
    notes.append(
        f"no identification within {study.decoding.genres}: "
        f"{', '.join(alone)} has one clip in test, with none to be told from."
    )
    return None


def _identified(
    session: Session,
    opened: Opened,
    rows: ToDecode,
    target: Target,
    predicted: Floats,
    genres: NDArray[np.str_] | None,
    notes: list[str],
) -> Tables:
    study, test = session.study, target.test
    subsets = {
        name: inside
        for name, inside in safe_subsets(
            session.out, opened.subject, test.clips
        ).items()
        if len(np.unique(test.clips[inside])) > 1
    }
    windows = rows.test.rows["sample_in_clip"].to_numpy()
    varied = ~target.level_test.rows
    score = partial(
        score_decoding,
        chance=pool_of(study, test),
        genres=genres,
        subsets=subsets,
        windows=varied,
    )
    curve = partial(
        window_curve,
        seed=study.decoding.seed,
        n_permutations=study.decoding.n_permutations,
        n_resamples=study.decoding.n_resamples,
    )
    of_windows = (one[varied] for one in (predicted, test.T, test.clips, windows))
    return {
        **_tried("decoding", notes, score, predicted, test),
        **_tried("decoding_windows", notes, curve, *of_windows),
    }


def _labels(
    study: Study, opened: Opened, target: Target, predicted: Floats, notes: list[str]
) -> Tables:
    """Return accuracy and confusion of the label that is decoded for each clip."""
    if len(target.kept) < target.n_dimensions:
        notes.append(
            "no labels are decoded: some are not in test, or not in each fold of "
            "training."
        )
        return {}
    levels = [levels_of(study, opened, target.name)[k] for k in target.kept]
    means, clips = average_windows(predicted, target.test.clips)
    truth, _ = average_windows(target.test.T, target.test.clips)
    found = classify(
        means,
        np.array(levels)[truth.argmax(axis=1)],
        levels,
        clips=clips,
        n_permutations=study.decoding.n_permutations,
        n_resamples=study.decoding.n_resamples,
        seed=study.decoding.seed,
    )
    confusion = found.confusion.rename_axis("true").reset_index()
    return {
        "decoding_labels": card_table([found.accuracy, found.balanced_accuracy]),
        "decoding_confusion": confusion.melt(
            "true", var_name="decoded", value_name="n"
        ),
    }


def _generalised(
    study: Study,
    opened: Opened,
    rows: ToDecode,
    target: Target,
    predicted: Floats,
    decoder: Decoder,
    notes: list[str],
) -> Tables:
    """Return identification of genres that were not in training, or alone in it."""
    column = study.decoding.genres
    if getattr(study.features[target.name], "column", None) == column:
        notes.append(f"it is {column!r} itself, so no {column} can be left out.")
        return {}
    known: dict[str, Any] = {
        "train_genres": _genres(study, opened, target.train),
        "test_genres": _genres(study, opened, target.test),
        "n_folds": study.decoding.n_folds,
        "unit": unit_of(study, rows),
        "pool": pool_of(study, target.test),
    }
    asked: dict[str, Callable[..., pd.DataFrame]] = {
        "decoding_genres": partial(leave_one_genre_out, predicted=predicted)
    }
    if study.decoding.genre_transfer:
        asked["decoding_transfer"] = genre_transfer
    made: Tables = {}
    for name, compare in asked.items():
        make = partial(compare, **known)
        made |= _tried(name, notes, make, decoder, target.train, target.test)
    return made


def _genres(study: Study, opened: Opened, pairs: Pairs) -> NDArray[np.str_]:
    return np.array(genres_of(study, opened, pairs.clips.tolist()))
