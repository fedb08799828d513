"""A mean over voxels against its null: that of the study, and repetitions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ..analysis.autocorrelation import memory_of
from ..analysis.moves import Moves
from ..analysis.permutations import each_null
from ..core.checks import InputError
from ..core.stats import varies
from ..study import Study
from ..workflow.scored import blocks_of
from ..workflow.tested_tables import draw_moves
from .stretches import t_test

Floats = NDArray[np.floating]
SURE = 0.005  # of a leak, by repetitions alone
TOO_WIDE = 2.0  # mean r2 of noise, by that of the null


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """A mean over voxels against its null.

    Parameters
    ----------
    r : float
        Mean over voxels and repetitions.
    p_r : float
        That chance gives a mean r as large, by a normal distribution with the null's
        mean and spread.
    p_draws : float
        That the mean r of a repetition is 0 or below, by a t-test over repetitions.
    p_spread : float
        That chance gives a mean r2 as large, by a lognormal one.
    p_wide : float
        The same of a null whose mean r2 is twice as large.
    ratio : float
        Mean r2 by that of the null.
    n : int
        Repetitions.
    """

    r: float
    p_r: float
    p_draws: float
    p_spread: float
    p_wide: float
    ratio: float
    n: int

    def leaks(self, level: float) -> bool:
        """Return whether r is above chance, by the null and by repetitions alike.

        Clips that last as long as responses remember make the null a little too
        narrow; repetitions know nothing of each other, whatever the null.
        """
        return self.r > 0 and self.p_r < level and self.p_draws < SURE


def against_chance(Y: Floats, predictions: Sequence[Floats], moves: Moves) -> Chance:
    """Return the mean r of predictions, and its p by the study's null.

    All predictions are moved alike, and voxels together, so that what they have in
    common is in the null as well.
    """
    observed, squares, n = 0.0, 0.0, 0
    means = []
    null, null_squares = np.zeros((2, moves.n_permutations))
    for P in predictions:
        before, n_before = observed, n
        for _, r, drawn in each_null(Y, P, moves):
            observed += float(r.sum())
            squares += float((r**2).sum())
            null += drawn.sum(axis=1)
            null_squares += (drawn**2).sum(axis=1)
            n += len(r)
        means.append((observed - before) / max(1, n - n_before))
    if n == 0:
        raise InputError("no voxel and no prediction varies, so nothing can be scored.")
    null_r, log_null = null / n, np.log(null_squares / n)
    log_squares = float(np.log(squares / n))
    return Chance(
        observed / n,
        _upper(observed / n, null_r),
        t_test(np.asarray(means)),
        _upper(log_squares, log_null),
        _upper(log_squares - float(np.log(TOO_WIDE)), log_null),
        float(squares / null_squares.mean()),
        len(predictions),
    )


def _upper(observed: float, null: Floats) -> float:
    return float(stats.norm.sf((observed - null.mean()) / null.std(ddof=1)))


def moves_of(study: Study, rows: pd.DataFrame, Y: Floats, P: Floats) -> Moves:
    """Return how the study moves predictions of these test rows."""
    memory = None
    if (varies(Y) & varies(P)).any():
        memory = memory_of(Y, P, rows["run_name"].to_numpy())
    return draw_moves(study, rows, blocks_of(study, rows), memory)
