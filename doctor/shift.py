"""Whether each run is in step with its stimulus.

A model with a single delay (several would make a plateau) is fitted on all training
runs but one, and the run left out is scored with its stimulus moved against it by -6
to +6 volumes, or as many steps of several volumes where TRs are short. Voxels are
those that the other runs predict best, by models that have not met the run.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..core.types import Run
from .courses import Course, Moments, common_rows, moments_at, shifted
from .verdict import Finding, Status

Floats = NDArray[np.floating]
REACH = 6  # steps
STEP_S = 1.5  # a step has at least as many volumes as make this
PLAUSIBLE_S = (1.5, 10.5)  # of a peak: from a first rise to 15 s of music held
BLOCK_S = 20.0
FEWEST_BLOCKS = 8
SHARE = 0.1  # of voxels that are looked at, and at least:
FEWEST_VOXELS = 20


def check_shifts(
    courses: Mapping[Run, Course],
    train: Sequence[Run],
    tr_s: float,
    *,
    subject: str,
    level: float,
) -> Iterator[Finding]:
    """Yield what the shifts of one subject's runs say.

    Parameters
    ----------
    courses : dict of Run to Course
        Training runs and test runs.
    train : sequence of Run
    tr_s : float
    subject : str
        As messages name the subject.
    level : float
        Probability of a false alarm in each of the three checks.
    """
    train = tuple(train)
    if len(train) < 3:
        for key in ("shift-lag", "shift-run", "swapped-runs"):
            why = f"{subject} has {len(train)} training runs; 3 are needed to compare."
            yield Finding(key, "not made", why, (subject,))
        return
    block, shifts = max(1, round(BLOCK_S / tr_s)), steps(tr_s)
    at_lag = {int(lag): moments_at(courses, train, int(lag)) for lag in shifts}
    curve = lag_curve(courses, train, at_lag, block)
    if len(curve) < FEWEST_BLOCKS:
        for key in ("shift-lag", "shift-run", "swapped-runs"):
            why = f"{subject}: training runs make {len(curve)} stretches of time."
            yield Finding(key, "not made", why, (subject,))
        return
    best = int(curve.mean(axis=0).argmax())
    lag = int(shifts[best])
    yield _judge_lag(curve, shifts * tr_s, subject, level)
    if _t_test(curve[:, best]) > level / len(shifts):
        why = (
            f"{subject}: features with a single delay do not predict the training runs "
            "left out, at any shift, so no run can be told to be in step."
        )
        yield Finding("shift-run", "not made", why, (subject,))
        yield Finding("swapped-runs", "not made", why, (subject,))
        return
    at = Common(courses, train, at_lag[lag], lag, (shifts, block))
    yield from judge_runs(at, subject, level)
    yield judge_swaps(at, subject, level)


def steps(tr_s: float) -> NDArray[np.integer]:
    """Return the shifts that are tried, in volumes: 6 steps to each side.

    Examples
    --------
    >>> steps(2.0)[[0, -1]], steps(0.5)[[0, -1]]
    (array([-6,  6]), array([-18,  18]))
    """
    return np.arange(-REACH, REACH + 1) * max(1, round(STEP_S / tr_s))


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
                    _score(courses[other], moments.weights({other, run}), lag)
                    for other in train
                    if other != run
                ],
                axis=0,
            )
            for lag, moments in at_lag.items()
        ]
        voxels = _best(np.max(others, axis=0))
        course = courses[run]
        rows = common_rows(course, np.array(list(at_lag)))
        if rows.sum() < block:
            continue
        parts = [
            _contributions(
                shifted(course.features, course, lag, rows).X @ moments.weights({run}),
                course.responses[rows],
                voxels,
                block,
            )
            for lag, moments in at_lag.items()
        ]
        curve.append(np.stack(parts, axis=1))
    return np.concatenate(curve) if curve else np.empty((0, len(at_lag)))


def _score(course: Course, weights: Floats, lag: int) -> Floats:
    """Return r of each voxel at a lag."""
    pair = shifted(course.features, course, lag)
    return _correlation(pair.X @ weights, pair.Y)


def _judge_lag(curve: Floats, lags_s: Floats, subject: str, level: float) -> Finding:
    mean = curve.mean(axis=0)
    best = int(mean.argmax())
    lag_s = float(lags_s[best])
    inside = (lags_s >= PLAUSIBLE_S[0]) & (lags_s <= PLAUSIBLE_S[1])
    values = {"lag_s": lag_s, "r": float(mean[best])}
    if _t_test(curve[:, best]) > level / len(lags_s):
        found = (
            f"{subject}: no shift of {lags_s[0]:g} to {lags_s[-1]:g} s predicts the "
            "runs left out, so no lag can be told."
        )
        return Finding("shift-lag", "not made", found, (subject,), values)
    if inside[best]:
        found = f"{subject}: responses follow the features by {lag_s:g} s."
        return Finding("shift-lag", "passed", found, (subject,), values)
    other = np.flatnonzero(inside)[mean[inside].argmax()]
    found = (
        f"{subject}: responses fit the features best {lag_s:g} s after them "
        f"(r {mean[best]:.3f}), and at {lags_s[other]:g} s with r "
        f"{mean[other]:.3f}. Expected {PLAUSIBLE_S[0]:g} to {PLAUSIBLE_S[1]:g} s."
    )
    sure = _t_test(curve[:, best] - curve[:, other]) < level / len(lags_s)
    status: Status = "failed" if sure else "not made"
    return Finding("shift-lag", status, found, (subject,), values)


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
            _score(self.courses[one], self.moments.weights({one, run}), self.lag)
            for one in train
            if one != run
        ]
        return _best(np.mean(r, axis=0))

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

    def _parts(
        self,
        features: Floats,
        run: Run,
        shift: int,
        rows: NDArray[np.bool_],
        weights: Floats,
    ) -> Floats:
        pair = shifted(features, self.courses[run], shift, rows)
        return _contributions(pair.X @ weights, pair.Y, self.voxels[run], self.block)


def judge_runs(at: Common, subject: str, level: float) -> Iterator[Finding]:
    """Yield the runs whose own best shift is another one than the common lag."""
    shifts = at.shifts
    far = np.abs(shifts) > np.diff(shifts)[0]  # one step off is no other peak
    level /= len(at.courses) * far.sum()
    short, bad = [], False
    for run in at.courses:
        if at.rows(run).sum() < FEWEST_BLOCKS * at.block:
            short.append(str(run))
            continue
        parts = at.at_shifts(run)
        gain = parts[far] - parts[shifts == 0]
        if min(_t_test(one) for one in gain) < level:
            bad = True
            shift = int(shifts[far][gain.mean(axis=1).argmax()])
            r = dict(zip(shifts.tolist(), parts.mean(axis=1).tolist(), strict=True))
            found = (
                f"{subject}, {run}: its responses fit its stimulus best when they are "
                f"taken {shift:+d} volumes from the lag of the other runs (r "
                f"{r[shift]:.3f} against {r[0]:.3f})."
            )
            values = {"volumes_off": float(shift)}
            yield Finding("shift-run", "failed", found, (str(run),), values)
    if len(short) == len(at.courses):
        found = f"{subject}: its runs are too short for {FEWEST_BLOCKS} stretches."
        yield Finding("shift-run", "not made", found, (subject,))
    elif not bad:
        n = len(at.courses) - len(short)
        found = f"{subject}: none of {n} runs fits another shift better."
        if short:
            found += f" Too short to tell: {', '.join(short)}."
        yield Finding("shift-run", "passed", found, (subject,))


def judge_swaps(at: Common, subject: str, level: float) -> Finding:
    """Return which runs fit another run's stimulus better than their own."""
    level /= len(at.courses) * (len(at.courses) - 1)
    found = []
    for run in at.courses:
        tested = []
        for other in at.courses:
            if other != run:
                others, own = at.against(run, other)
                enough = len(own) >= FEWEST_BLOCKS
                p = _t_test(others - own) if enough else 1.0
                tested.append((p, str(other), others.mean(), own.mean()))
        p, fits, r, r_own = min(tested)
        if p < level:
            text = f"{run} fits the stimulus of {fits} (r {r:.3f}, its own {r_own:.3f})"
            found.append((str(run), text))
    if not found:
        text = f"{subject}: each run's responses fit its own stimulus best."
        return Finding("swapped-runs", "passed", text, (subject,))
    text = f"{subject}: {'; '.join(text for _, text in found)}."
    where = tuple(run for run, _ in found)
    return Finding("swapped-runs", "failed", text, where)


def _best(r: Floats) -> NDArray[np.intp]:
    n = min(len(r), max(FEWEST_VOXELS, round(SHARE * len(r))))
    return np.argsort(-r, kind="stable")[:n]


def _standard(values: Floats) -> Floats:
    away = values - values.mean(axis=0)
    size = np.sqrt((away**2).mean(axis=0))
    return np.divide(away, size, out=np.zeros_like(away), where=size > 0)


def _correlation(P: Floats, Y: Floats) -> Floats:
    return (_standard(P) * _standard(Y)).mean(axis=0)


def _contributions(
    P: Floats, Y: Floats, voxels: NDArray[np.intp], block: int
) -> Floats:
    """Return the mean product of each stretch, over voxels; their mean is r."""
    products = (_standard(P[:, voxels]) * _standard(Y[:, voxels])).mean(axis=1)
    n_blocks = max(1, len(products) // block)
    return np.array([part.mean() for part in np.array_split(products, n_blocks)])


def _t_test(values: Floats) -> float:
    """Return p of a mean above 0; 1 where nothing varies."""
    if len(values) < 2 or not values.std() > 0:
        return 1.0
    return float(stats.ttest_1samp(values, 0.0, alternative="greater").pvalue)
