"""What stretches of time add to the score of a run, and voxels to score it in."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..core.stats import correlation
from ..core.types import Run
from .courses import Course, Moments, common_rows, shifted
from .verdict import Curve

Floats = NDArray[np.floating]
FEWEST_BLOCKS = 8
SHARE = 0.1  # of voxels that are looked at, and at least:
FEWEST_VOXELS = 20


def lag_curve(
    courses: Mapping[Run, Course],
    train: Sequence[Run],
    at_lag: Mapping[int, Moments],
    block: int,
) -> Floats:
    """Return what each stretch of training adds to r at each lag.

    A run is predicted by the other training runs at the same lag, in the voxels that
    these predict best.

    Returns
    -------
    curve : array of shape (n_blocks, n_lags)
        Its mean over stretches is r, the mean over runs.
    """
    curve = []
    for run in train:
        others = [
            np.mean(
                [
                    score(courses[other], moments.weights({other, run}), lag)
                    for other in train
                    if other != run
                ],
                axis=0,
            )
            for lag, moments in at_lag.items()
        ]
        voxels = best_voxels(np.max(others, axis=0))
        course = courses[run]
        rows = common_rows(course, np.array(list(at_lag)))
        if rows.sum() < block:
            continue
        parts = [
            contributions(
                shifted(course.features, course, lag, rows).X @ moments.weights({run}),
                course.responses[rows],
                voxels,
                block,
            )
            for lag, moments in at_lag.items()
        ]
        curve.append(np.stack(parts, axis=1))
    return np.concatenate(curve) if curve else np.empty((0, len(at_lag)))


class Common:
    """Runs at the lag that they have in common.

    Parameters
    ----------
    courses : dict of Run to Course
    train : sequence of Run
    moments : Moments
        Of training runs at the common lag.
    lag : int
    grid : pair of array of int and int
        Shifts that are tried, counted from the common lag, and volumes of a stretch.
    """

    def __init__(
        self,
        courses: Mapping[Run, Course],
        train: Sequence[Run],
        moments: Moments,
        lag: int,
        grid: tuple[NDArray[np.integer], int],
    ) -> None:
        self.courses, self.moments = courses, moments
        self.lag, (self.shifts, self.block) = lag, grid
        self.voxels = {run: self._voxels(train, run) for run in courses}

    def _voxels(self, train: Sequence[Run], run: Run) -> NDArray[np.intp]:
        """Return the voxels that the other training runs predict best."""
        r = [
            score(self.courses[one], self.moments.weights({one, run}), self.lag)
            for one in train
            if one != run
        ]
        return best_voxels(np.mean(r, axis=0))

    def at_shifts(self, run: Run) -> Floats:
        """Return what each stretch of a run adds to r, (n_shifts, n_blocks).

        Shifts are counted from the common lag.
        """
        course, weights = self.courses[run], self.moments.weights({run})
        rows = self.rows(run)
        return np.stack(
            [
                self._parts(course.features, run, self.lag + int(shift), rows, weights)
                for shift in self.shifts
            ]
        )

    def rows(self, run: Run) -> NDArray[np.bool_]:
        """Return the kept volumes of a run that meet its features at every shift."""
        return common_rows(self.courses[run], self.lag + self.shifts)

    def against(self, run: Run, other: Run) -> tuple[Floats, Floats]:
        """Return what stretches add to r under another's stimulus, and its own."""
        course, theirs = self.courses[run], self.courses[other].features
        weights = self.moments.weights({run, other})
        at = course.kept - self.lag
        rows = (at >= 0) & (at < min(len(theirs), len(course.features)))
        others, own = (
            self._parts(F, run, self.lag, rows, weights)
            for F in (theirs, course.features)
        )
        return others, own

    def backwards(self, run: Run) -> tuple[Floats, Floats]:
        """Return what stretches add to r if responses ran backwards, and as they run.

        What came last would then stand first: volume t of n is of the sound at
        n - 1 - t - lag.
        """
        course, weights = self.courses[run], self.moments.weights({run})
        rows = common_rows(course, np.array([-self.lag, self.lag]))
        turned = self._parts(course.features[::-1], run, -self.lag, rows, weights)
        return turned, self._parts(course.features, run, self.lag, rows, weights)

    def curve(self, run: Run, parts: Floats, tr_s: float) -> Curve:
        """Return what `at_shifts` gave as a curve over lags."""
        lags_s = ((self.lag + self.shifts) * tr_s).round(6).tolist()
        r = parts.mean(axis=1).tolist()
        return Curve(str(run), tuple(lags_s), tuple(r), self.lag * tr_s)

    def _parts(
        self,
        features: Floats,
        run: Run,
        shift: int,
        rows: NDArray[np.bool_],
        weights: Floats,
    ) -> Floats:
        pair = shifted(features, self.courses[run], shift, rows)
        return contributions(pair.X @ weights, pair.Y, self.voxels[run], self.block)


def score(course: Course, weights: Floats, lag: int) -> Floats:
    """Return r of each voxel at a lag."""
    pair = shifted(course.features, course, lag)
    return np.nan_to_num(correlation(pair.Y, pair.X @ weights))  # 0: nothing varies


def best_voxels(r: Floats) -> NDArray[np.intp]:
    """Return the tenth of the voxels with the largest r, the largest first."""
    n = min(len(r), max(FEWEST_VOXELS, round(SHARE * len(r))))
    return np.argsort(-r, kind="stable")[:n]


def _standard(values: Floats) -> Floats:
    away = values - values.mean(axis=0)
    size = np.sqrt((away**2).mean(axis=0))
    return np.divide(away, size, out=np.zeros_like(away), where=size > 0)


def contributions(P: Floats, Y: Floats, voxels: NDArray[np.intp], block: int) -> Floats:
    """Return the mean product of each stretch, over voxels; their mean is r."""
    products = (_standard(P[:, voxels]) * _standard(Y[:, voxels])).mean(axis=1)
    n_blocks = max(1, len(products) // block)
    return np.array([part.mean() for part in np.array_split(products, n_blocks)])


def t_test(values: Floats) -> float:
    """Return p of a mean above 0; 1 where nothing varies."""
    if len(values) < 2 or not values.std() > 0:
        return 1.0
    return float(stats.ttest_1samp(values, 0.0, alternative="greater").pvalue)
