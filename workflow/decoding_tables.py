"""One target of one subject: decoded, and every table that tells what it is worth."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError
from ..core.selection import Selection
from ..decoding.cards import Pool, card_table
from ..decoding.classify import classify
from ..decoding.contrastive import Contrastive
from ..decoding.controls import compare_controls, control_roi
from ..decoding.decode import decode, optimism
from ..decoding.decoders import (
    CortexRidge,
    Decoder,
    Linear,
    RoiEnsemble,
    RoiRidge,
)
from ..decoding.folds import make_folds
from ..decoding.genres import genre_transfer, leave_one_genre_out
from ..decoding.lags import Presented, lag_curve, window_curve
from ..decoding.penalty_curve import penalty_curve
from ..decoding.random_brain import random_responses
from ..decoding.rows import Pairs, average_windows
from ..decoding.scores import score_decoding
from ..feature_spaces import CategoryFeatures
from ..study import Study
from .decoded_rows import (
    Side,
    ToDecode,
    genre_of_clips,
    safe_subsets,
    stretches,
)
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
    random = random_responses(target.test.Y, target.test.runs, seed=decoding.seed)
    made: Tables = {
        "predicted": decoded.predicted,
        "random": decoded.decoder.predict(random),
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
    made |= _of_clips(session, opened, rows, target, decoded.predicted, decoder, notes)
    return made, notes


def _of_clips(
    session: Session,
    opened: Opened,
    rows: ToDecode,
    target: Target,
    predicted: Floats,
    decoder: Decoder,
    notes: list[str],
) -> Tables:
    """Return every table in which clips are told apart, of those that can be."""
    study, level = session.study, target.level_test.clips
    if len(set(target.test.clips.tolist()) - set(level)) < FEWEST_CLIPS:
        notes.append(f"no identification: it needs {FEWEST_CLIPS} test clips.")
        return {}
    if level:
        predicted = predicted[target.level_test.apart(target.test.clips)]
        rows = rows.without_test_clips(level)
        target = target.without_test_clips(level)
    made: Tables = {}
    if isinstance(study.features[target.name], CategoryFeatures):
        made |= _labels(study, opened, target, predicted, notes)
    if len(target.kept) < FEWEST_DIMENSIONS:
        notes.append(too_few(target))
        return made
    made |= _identified(session, opened, rows, target, predicted, notes)
    made |= _tried(
        "decoding_controls", notes, _controls, study, rows, target, predicted
    )
    if study.decoding.genres is not None:
        made |= _generalised(study, opened, rows, target, decoder, notes)
    if study.decoding.lags:
        made |= _tried("decoding_lags", notes, _lags, study, rows, target, decoder)
    return made


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


def decoder_of(study: Study, rois: Sequence[Selection]) -> Decoder:
    """Return the decoder that a study names."""
    settings = study.decoding
    if settings.decoder == "contrastive":
        return Contrastive(settings.seed, n_voxels=settings.n_voxels)
    if settings.decoder == "cortex":
        return CortexRidge(
            settings.alphas, n_voxels=settings.n_voxels, choose_by=settings.choose_by
        )
    return RoiRidge(
        rois,
        n_best=settings.n_best,
        alphas=settings.alphas,
        choose_by=settings.choose_by,
    )


def pool_of(study: Study, test: Pairs) -> Pool:
    """Return how often chance is tried for the rows of a test side."""
    decoding = study.decoding
    return Pool(
        clips=test.clips,
        n_permutations=decoding.n_permutations,
        n_resamples=decoding.n_resamples,
        seed=decoding.seed,
    )


def _identified(
    session: Session,
    opened: Opened,
    rows: ToDecode,
    target: Target,
    predicted: Floats,
    notes: list[str],
) -> Tables:
    study, test = session.study, target.test
    genres = None
    if study.decoding.genres is not None:
        genres = _genres(study, opened, test)
        n_clips = pd.Series(test.clips).groupby(genres).nunique()
        alone = n_clips.index[n_clips < 2].tolist()
        if alone:
            notes.append(
                f"no identification within {study.decoding.genres}: "
                f"{', '.join(alone)} has one clip in test, with none to be told from."
            )
            genres = None
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


def _controls(
    study: Study, rows: ToDecode, target: Target, predicted: Floats
) -> pd.DataFrame:
    """Return the decoder's cards per clip beside those of what knows nothing."""
    train, test, decoding = target.train, target.test, study.decoding
    predictions = {"decoder": average_windows(predicted, test.clips)[0]}
    if decoding.control_roi is not None:
        roi = control_roi(rows.rois, decoding.control_roi)
        alone = CortexRidge(decoding.alphas, inside=roi, choose_by=decoding.choose_by)
        other = decode(
            alone,
            train,
            test,
            n_folds=decoding.n_folds,
            unit=unit_of(study, rows),
            shared_clips=True,
        )
        means, _ = average_windows(other.predicted, test.clips)
        predictions[f"{roi.name} alone"] = means
    truth, clips = average_windows(test.T, test.clips)
    pool = replace(pool_of(study, test), clips=clips, name="clips")
    return compare_controls(predictions, truth, train.T, pool=pool)


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
        "decoding_genres": leave_one_genre_out
    }
    if study.decoding.genre_transfer:
        asked["decoding_transfer"] = genre_transfer
    made: Tables = {}
    for name, compare in asked.items():
        make = partial(compare, **known)
        made |= _tried(name, notes, make, decoder, target.train, target.test)
    return made


def _lags(
    study: Study, rows: ToDecode, target: Target, decoder: Decoder
) -> pd.DataFrame:
    """Return identification by one volume, so many after the onset of the clip."""
    sides = zip((rows.train, rows.test), (target.train, target.test), strict=True)
    train, test = (_presented(side, pairs) for side, pairs in sides)
    return lag_curve(
        decoder,
        train,
        test,
        lags=study.decoding.lags,
        tr_s=study.dataset.tr_s,
        pool=pool_of(study, target.test),
        n_folds=study.decoding.n_folds,
        unit=unit_of(study, rows),
    )


def _presented(side: Side, pairs: Pairs) -> Presented:
    """Return all volumes of a side, and the mean target of each presentation."""
    keys = ["run_name", "presentation"]
    means = (
        pd.DataFrame(pairs.T)
        .groupby([side.rows[key] for key in keys], sort=False)
        .mean()
    )
    assert side.volumes is not None, "read where decoding.lags are asked for"
    every = side.every.reset_index(drop=True)
    onsets = every[(every["clip"] != "") & (every["sample_in_clip"] == 0)]
    onsets = onsets[pd.MultiIndex.from_frame(onsets[keys]).isin(means.index)]
    found = pd.MultiIndex.from_frame(onsets[keys])
    return Presented(
        side.volumes,
        stretches(every),
        onsets.index.to_numpy(),
        onsets["clip"].to_numpy(),
        means.loc[found].to_numpy(),
    )


def _genres(study: Study, opened: Opened, pairs: Pairs) -> NDArray[np.str_]:
    of_clip = genre_of_clips(opened, str(study.decoding.genres))
    return np.array([of_clip[clip] for clip in pairs.clips.tolist()])
