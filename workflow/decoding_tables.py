"""One target of one subject: decoded, and every table that tells what it is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.bootstrap import block_of_row, bootstrap_roi_scores
from ..analysis.moves import shift_runs
from ..analysis.multiple import false_discovery_q
from ..analysis.permutations import permutation_test
from ..core.checks import InputError
from ..core.rows import each_run
from ..core.selection import Selection
from ..core.stats import varies
from ..decoding.cards import Pool, card_table
from ..decoding.classify import classify
from ..decoding.contrastive import Contrastive
from ..decoding.controls import compare_controls, control_roi
from ..decoding.decode import decode, optimism
from ..decoding.decoders import CortexRidge, Decoder, RoiRidge, varies_in_folds
from ..decoding.folds import Unit, make_folds
from ..decoding.genres import genre_transfer, leave_one_genre_out
from ..decoding.lags import Presented, lag_curve, window_curve
from ..decoding.rows import Pairs, average_windows
from ..decoding.scores import score_decoding
from ..feature_spaces import CategoryFeatures, EventFeatures
from ..study import Study
from .decoded_rows import (
    Side,
    ToDecode,
    genre_of_clips,
    safe_subsets,
    stretches,
)
from .opening import Opened
from .session import Session
from .volume_sources import levels_of

Floats = NDArray[np.floating]
Tables = dict[str, Any]
FEWEST_TURNS = 100  # ways in which test runs turn, for a p
FEWEST_DIMENSIONS = 3  # of a row, for the correlation that identification rests on


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A feature space at the decoded rows, without what never varies.

    Parameters
    ----------
    name : str
    train, test : Pairs
    kept : array of int
        Dimensions that vary in training and in test.
    n_dimensions : int
        Of the feature space.
    train_mean : array of shape (n_dimensions,)
        Over training rows, of all dimensions.
    """

    name: str
    train: Pairs
    test: Pairs
    kept: NDArray[np.intp]
    n_dimensions: int
    train_mean: Floats


def targets_that_vary(study: Study, rows: ToDecode, name: str) -> Target:
    """Return a target with the dimensions that vary in test and each fold."""
    train, test = rows.target(name)
    folds = make_folds(
        rows.train.pairs(train),
        n_folds=study.decoding.n_folds,
        unit=unit_of(study, rows),
    )
    kept = np.flatnonzero(varies_in_folds(train, folds) & varies(test))
    if not len(kept):
        raise InputError(
            f"sub-{rows.subject}: no dimension of {name} varies in the test rows and "
            f"in each of {len(np.unique(folds))} folds of training. Take fewer "
            "decoding.n_folds, or leave it out of decoding.targets."
        )
    return Target(
        name,
        rows.train.pairs(train[:, kept]),
        rows.test.pairs(test[:, kept]),
        kept,
        train.shape[1],
        train.mean(axis=0),
    )


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
        decoder, target.train, target.test, n_folds=decoding.n_folds, unit=unit
    )
    made: Tables = {"predicted": decoded.predicted}
    made["decoded_dimensions"], said = _dimensions(
        study, opened, rows, target, decoded.predicted
    )
    notes += said
    if unit == "clip":
        try:
            made["decoding_optimism"] = optimism(
                decoder, target.train, n_folds=decoding.n_folds
            )
        except InputError as error:
            notes.append(f"what folds by clip add is not known: {error}")
    if not rows.has_clips:
        return made, notes
    whole = len(target.kept) == target.n_dimensions
    if isinstance(study.features[target.name], CategoryFeatures) and whole:
        made |= _labels(study, opened, target, decoded.predicted)
    if len(target.kept) < FEWEST_DIMENSIONS:
        return made, [*notes, too_few(target)]
    made |= _identified(session, opened, rows, target, decoded.predicted)
    made["decoding_controls"] = _controls(study, rows, target, decoded.predicted)
    if decoding.genres is not None:
        more, said = _generalised(study, opened, target, decoder)
        made, notes = made | more, notes + said
    if decoding.lags:
        made["decoding_lags"] = _lags(study, rows, target, decoder)
    return made, notes


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


def unit_of(study: Study, rows: ToDecode) -> Unit:
    """Return what is kept together in a fold; without clips, runs are."""
    return study.decoding.folds if rows.has_clips else "run"


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
    session: Session, opened: Opened, rows: ToDecode, target: Target, predicted: Floats
) -> Tables:
    study, test = session.study, target.test
    genres = None
    if study.decoding.genres is not None:
        genres = _genres(study, opened, test)
        sizes = pd.Series(genres).groupby(genres).transform("size")
        clips = pd.Series(test.clips).groupby(genres).transform("nunique")
        genres = genres if (sizes > 0).all() and (clips > 1).all() else None
    subsets = {
        name: inside
        for name, inside in safe_subsets(
            session.out, opened.subject, test.clips
        ).items()
        if len(np.unique(test.clips[inside])) > 1
    }
    windows = rows.test.rows["sample_in_clip"].to_numpy()
    return {
        "decoding": score_decoding(
            predicted, test, chance=pool_of(study, test), genres=genres, subsets=subsets
        ),
        "decoding_windows": window_curve(predicted, test.T, test.clips, windows),
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
        other = decode(alone, train, test, n_folds=decoding.n_folds)
        means, _ = average_windows(other.predicted, test.clips)
        predictions[f"{roi.name} alone"] = means
    truth, clips = average_windows(test.T, test.clips)
    pool = replace(pool_of(study, test), clips=clips, name="clips")
    return compare_controls(predictions, truth, train.T, pool=pool)


def _labels(study: Study, opened: Opened, target: Target, predicted: Floats) -> Tables:
    """Return accuracy and confusion of the label that is decoded for each clip."""
    levels = [levels_of(study, opened, target.name)[k] for k in target.kept]
    means, clips = average_windows(predicted, target.test.clips)
    truth, _ = average_windows(target.test.T, target.test.clips)
    # Features are standardised on training rows; back to shares of 0 to 1.
    low, high = target.train.T.min(axis=0), target.train.T.max(axis=0)
    means, truth = ((values - low) / (high - low) for values in (means, truth))
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
    study: Study, opened: Opened, target: Target, decoder: Decoder
) -> tuple[Tables, list[str]]:
    """Return identification of genres that were not in training, or alone in it."""
    column = study.decoding.genres
    if getattr(study.features[target.name], "column", None) == column:
        return {}, [f"it is {column!r} itself, so no {column} can be left out."]
    known: dict[str, Any] = {
        "train_genres": _genres(study, opened, target.train),
        "test_genres": _genres(study, opened, target.test),
        "n_folds": study.decoding.n_folds,
    }
    asked = {"decoding_genres": leave_one_genre_out}
    if study.decoding.genre_transfer:
        asked["decoding_transfer"] = genre_transfer
    made, notes = {}, []
    for name, compare in asked.items():
        try:
            made[name] = compare(decoder, target.train, target.test, **known)
        except InputError as error:
            notes.append(f"no {name}: {error}")
    return made, notes


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


def _dimensions(
    study: Study, opened: Opened, rows: ToDecode, target: Target, predicted: Floats
) -> tuple[pd.DataFrame, list[str]]:
    """Return r of each dimension over the test rows, with interval, p and q."""
    settings, test, notes = study.decoding, target.test, []
    blocks = block_of_row(rows.test.rows, study.dataset.tr_s, study.analysis.block_s)
    key = ("decoded", "all")
    resampled = bootstrap_roi_scores(
        test.T,
        {key: predicted},
        np.eye(test.T.shape[1], dtype=bool),
        blocks,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
    )[key]
    low, high = np.nanquantile(resampled, [0.025, 0.975], axis=0)
    runs = rows.test.rows["run_name"].to_numpy()
    moves = shift_runs(runs, n_permutations=settings.n_permutations, seed=settings.seed)
    tested = permutation_test(test.T, predicted, moves)
    n_turns = float(np.prod([float(s.stop - s.start) for s in each_run(runs)]))
    table = pd.DataFrame(
        {
            "dimension": _names(study, opened, target),
            "r": tested.r,
            "r_low": low,
            "r_high": high,
        }
    )
    if n_turns < FEWEST_TURNS:
        notes.append(f"no p: the test runs turn in {n_turns:g} ways.")
        return table, notes
    return table.assign(
        p=tested.p,
        q_bh=false_discovery_q(tested.p),
        n_blocks=len(np.unique(blocks)),
        n_permutations=settings.n_permutations,
    ), notes


def _names(study: Study, opened: Opened, target: Target) -> list[str]:
    """Return what each decoded dimension is called: by the study, or its number."""
    space = study.features[target.name]
    names = [str(k) for k in range(target.n_dimensions)]
    if isinstance(space, CategoryFeatures):
        names = levels_of(study, opened, target.name)
    if isinstance(space, EventFeatures):
        names = [column.label for column in space.columns]
    return [names[k] for k in target.kept]
