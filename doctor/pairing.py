"""Whether each run's responses belong to its own stimulus."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..core.types import Run
from .courses import Course, moments_at
from .stretches import FEWEST_BLOCKS, Common, lag_curve, t_test
from .verdict import Finding

N_VOXELS = 200  # of all orders that are tried
N_TURNED, FAR = 20, 8.0  # times that stimuli are turned, and deviations of these
LAGS_S = (3.0, 4.5, 6.0)  # at which other orders of the runs are tried


def judge_swaps(at: Common, subject: str, level: float) -> Finding:
    """Return which runs fit another run's stimulus, or their own backwards, better."""
    level /= len(at.courses) ** 2
    found, n_long = [], 0
    for run in at.courses:
        tested = []
        for other in at.courses:
            back = other == run
            others, own = at.backwards(run) if back else at.against(run, other)
            enough = len(own) >= FEWEST_BLOCKS
            n_long += enough
            p = t_test(others - own) if enough else 1.0
            fits = "its own stimulus backwards" if back else f"the stimulus of {other}"
            tested.append((p, fits, others.mean(), own.mean()))
        p, fits, r, r_own = min(tested)
        if p < level:
            text = f"{run} fits {fits} (r {r:.3f}, as it stands {r_own:.3f})"
            found.append((str(run), text))
    if not n_long:
        text = f"{subject}: its runs are too short for {FEWEST_BLOCKS} stretches."
        return Finding("swapped-runs", "not made", text, (subject,))
    if not found:
        text = f"{subject}: each run's responses fit its own stimulus best."
        return Finding("swapped-runs", "passed", text, (subject,))
    text = f"{subject}: {'; '.join(text for _, text in found)}."
    where = (subject, *(run for run, _ in found))
    return Finding("swapped-runs", "failed", text, where)


def find_order(
    courses: Mapping[Run, Course],
    train: tuple[Run, ...],
    tr_s: float,
    subject: str,
    level: float,
    block: int,
) -> Finding | None:
    """Return in which other order runs fit their stimuli, where they fit in none.

    All training runs may be out of order at once, as where files were numbered from
    another start, or sorted as text: no run is then predicted by the others.

    Parameters
    ----------
    courses : dict of Run to Course
    train : tuple of Run
    tr_s : float
    subject : str
    level : float
        Probability of a false alarm.
    block : int
        Volumes of a stretch.
    """
    courses = {run: _few(course) for run, course in courses.items()}
    lags = list(dict.fromkeys(max(1, round(lag_s / tr_s)) for lag_s in LAGS_S))
    orders = other_orders(train)
    tried: dict[str, Mapping[Run, Course]] = {
        "each run is taken backwards": {run: _turned(courses[run]) for run in train}
    }
    for name, order in orders.items():
        tried[name] = {
            run: replace(courses[run], features=courses[other].features)
            for run, other in zip(train, order, strict=True)
        }
    tested = []
    for name, there in tried.items():
        at_lag = {lag: moments_at(there, train, lag) for lag in lags}
        curve = lag_curve(there, train, at_lag, block)
        if len(curve) < FEWEST_BLOCKS:
            continue
        best = int(curve.mean(axis=0).argmax())
        r, p = float(curve[:, best].mean()), t_test(curve[:, best])
        tested.append((p, name, r, lags[best]))
    if not tested:
        return None
    p, name, r, lag = min(tested)
    if p >= level / (len(tried) * len(lags)) or not _is_sure(
        tried[name], train, lag, block, r
    ):
        return None
    text = f"{subject}: no run is predicted as they stand, but all are if {name} "
    if name in orders:
        pairs = zip(train, orders[name], strict=True)
        moved = [f"{a} with the stimulus of {b}" for a, b in pairs if a != b]
        text += f"(r {r:.3f}): {'; '.join(moved)}."
    else:
        text += f"(r {r:.3f})."
    return Finding("swapped-runs", "failed", text, (subject, *map(str, train)))


def other_orders(runs: tuple[Run, ...]) -> dict[str, tuple[Run, ...]]:
    """Return other orders of runs, by what has to be done with the stimuli.

    Examples
    --------
    >>> runs = tuple(Run("", k) for k in ("1", "2", "10"))
    >>> for name, order in other_orders(runs).items():
    ...     print(name, [run.run for run in order])
    stimuli move on by 1 runs ['2', '10', '1']
    stimuli move back by 1 runs ['10', '1', '2']
    stimuli go from last to first ['10', '2', '1']
    stimuli are sorted as text ['1', '10', '2']
    """
    order = list(runs)
    tried = {}
    for k in (1, 2):
        tried[f"stimuli move on by {k} runs"] = order[k:] + order[:k]
        tried[f"stimuli move back by {k} runs"] = order[-k:] + order[:-k]
    tried["stimuli go from last to first"] = order[::-1]
    as_text = sorted(order, key=str)
    tried["stimuli are sorted as text"] = as_text
    back = dict(zip(as_text, order, strict=True))
    tried["responses are sorted as text"] = [back[run] for run in order]
    kept: dict[str, tuple[Run, ...]] = {}
    for name, one in tried.items():
        if tuple(one) != runs and tuple(one) not in kept.values():
            kept[name] = tuple(one)
    return kept


def _is_sure(
    courses: Mapping[Run, Course],
    train: tuple[Run, ...],
    lag: int,
    block: int,
    r: float,
) -> bool:
    """Return whether r is far from what stimuli give that are turned around in time.

    Stretches that runs are predicted by are predicted by them as well, so stretches
    alone make p too small where nothing is predicted.
    """
    rng, null = np.random.default_rng(0), []
    for _ in range(N_TURNED):
        turned = {}
        for run in train:
            n = len(courses[run].features)
            features = np.roll(
                courses[run].features, int(rng.integers(n // 4, 3 * n // 4)), axis=0
            )
            turned[run] = replace(courses[run], features=features)
        curve = lag_curve(turned, train, {lag: moments_at(turned, train, lag)}, block)
        null.append(curve.mean())
    return bool(r - np.mean(null) > FAR * np.std(null, ddof=1))


def _few(course: Course) -> Course:
    """Return a run with some of its voxels."""
    step = -(-course.responses.shape[1] // N_VOXELS)
    return replace(course, responses=course.responses[:, ::step])


def _turned(course: Course) -> Course:
    """Return a run whose responses are taken from the last to the first."""
    kept = len(course.features) - 1 - course.kept[::-1]
    return replace(course, responses=course.responses[::-1], kept=np.array(kept))
