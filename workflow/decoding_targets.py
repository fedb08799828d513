"""A target of a subject: what of it can be decoded, what was chosen, and each r."""

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
from ..core.stats import correlation, varies
from ..decoding.contrastive import Network
from ..decoding.decoders import RoiEnsemble, varies_in_folds
from ..decoding.folds import Unit, make_folds
from ..decoding.rows import Pairs, take_rows
from ..feature_spaces import CategoryFeatures, EventFeatures
from ..study import Study
from .decoded_rows import ToDecode
from .level_rows import Level, find_level
from .opening import Opened
from .volume_sources import levels_of

Floats = NDArray[np.floating]
FEWEST_TURNS = 100  # ways in which test runs turn, for a p
MOST_AT_END = 0.1  # of dimensions at an end of the penalties, before it is noted


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
    level_train, level_test : Level
        Rows and clips that have one value in all kept dimensions: they cannot be
        identified.
    """

    name: str
    train: Pairs
    test: Pairs
    kept: NDArray[np.intp]
    n_dimensions: int
    train_mean: Floats
    level_train: Level
    level_test: Level

    def without_test_clips(self, clips: Sequence[str]) -> "Target":
        """Return the same without some clips in test."""
        kept = ~np.isin(self.test.clips, list(clips))
        level = Level(self.level_test.rows[kept], ())
        return replace(self, test=take_rows(self.test, kept), level_test=level)


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
    level_train, level_test = (
        find_level(T[:, kept], rounding[:, kept], side.labels)
        for T, rounding, side in zip(
            (train, test), rows.rounding(name), (rows.train, rows.test), strict=True
        )
    )
    return Target(
        name,
        rows.train.pairs(train[:, kept]),
        rows.test.pairs(test[:, kept]),
        kept,
        train.shape[1],
        train.mean(axis=0),
        level_train,
        level_test,
    )


def unit_of(study: Study, rows: ToDecode) -> Unit:
    """Return what is kept together in a fold; without clips, runs are."""
    return study.decoding.folds if rows.has_clips else "run"


def chosen_table(
    fitted: Any, alphas: Sequence[float]
) -> tuple[pd.DataFrame, list[str]]:
    """Return what a decoder chose on its training folds, and what to widen."""
    if isinstance(fitted, Network):
        notes = []
        if not fitted.stopped_early:
            notes.append(
                f"training had not stopped getting better after {fitted.n_epochs} "
                "epochs, so more might be better still."
            )
        table = pd.DataFrame({"chosen_by": ["network"], "n_epochs": [fitted.n_epochs]})
        return table, notes
    members = fitted.members if isinstance(fitted, RoiEnsemble) else (fitted,)
    names = fitted.names if isinstance(fitted, RoiEnsemble) else ("all voxels",)
    table = pd.DataFrame(
        {
            "chosen_by": names,
            "cv_r": [getattr(fitted, "cv_scores", {}).get(name) for name in names],
            "alpha_median": [float(np.median(one.alphas)) for one in members],
            "share_smallest": [(one.alphas <= min(alphas)).mean() for one in members],
            "share_largest": [(one.alphas >= max(alphas)).mean() for one in members],
        }
    )
    notes = [
        f"{table[f'share_{end}'].mean():.0%} of dimensions chose the {end} of "
        f"decoding.alphas, {value:g}. Add {more} ones."
        for end, value, more in (
            ("smallest", min(alphas), "smaller"),
            ("largest", max(alphas), "larger"),
        )
        if len(alphas) > 1 and table[f"share_{end}"].mean() > MOST_AT_END
    ]
    return table, notes


def dimension_table(
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
    n_turns = float(np.prod([float(s.stop - s.start) for s in each_run(runs)]))
    table = pd.DataFrame(
        {
            "dimension": _names(study, opened, target),
            "r": correlation(test.T, predicted),
            "r_low": low,
            "r_high": high,
        }
    )
    if n_turns < FEWEST_TURNS:
        notes.append(f"no p: the test runs turn in {n_turns:g} ways.")
        return table, notes
    moves = shift_runs(runs, n_permutations=settings.n_permutations, seed=settings.seed)
    tested = permutation_test(test.T, predicted, moves)
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
