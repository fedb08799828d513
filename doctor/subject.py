"""All checks of one subject, within its share of the time."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..core.checks import InputError
from ..core.types import Run
from ..study import Study
from ..workflow.alignment import Aligned, align
from ..workflow.opening import Opened
from ..workflow.regions import voxels_of
from . import confounds, invariance, nulls, oracle, other_clips
from .catalogue import CARDS, KINDS
from .courses import Course, Floats, read_courses
from .invariance import Case, make_case
from .places import check_place
from .sampled import Sampled, read_sample
from .shift import OF_RUNS, check_shifts
from .trial import sample_columns
from .verdict import Finding

LEVEL = 0.01  # of a false alarm anywhere in the study
N_TESTS = 8  # of a subject: four of shifts, noise, its p, other clips, backwards
N_DRAWS = 4  # of noise and of other clips
OF_SUBJECT = (
    *("shift-lag", "shift-run", "swapped-runs", "shift-drift"),
    *("planted-signal", "planted-band"),
    *("noise-features", "p-values", "permuted-clips", "shuffled-test"),
    *("planted-place", "repeat-ceiling", "controls", "confounds"),
    *(key for key, _ in invariance.CHECKS),
)


OF_SUBJECT_KINDS = {CARDS[key].kind for key in OF_SUBJECT}


@dataclass
class Budget:
    """Seconds that are left, and which kinds of checks are made."""

    seconds: float
    start: float
    kinds: tuple[str, ...] = KINDS

    @property
    def left_s(self) -> float:
        """Seconds until the time is up; below 0 after it."""
        return self.seconds - (time.perf_counter() - self.start)


def check_subject(
    study: Study,
    opened: Opened,
    budget: Budget,
    n_voxels: int,
    seed: int,
    n_left: int,
) -> Iterator[Finding]:
    """Yield what all checks of a subject find, as far as its time goes.

    Parameters
    ----------
    study : Study
    opened : Opened
    budget : Budget
    n_voxels : int
        Sampled, at most.
    seed : int
    n_left : int
        Subjects that are left, this one among them: they share the time.
    """
    name, level = opened.name, LEVEL / (N_TESTS * len(study.dataset.subjects))
    columns = sample_columns(opened.recording.space.n_voxels, n_voxels, seed)
    sampled = read_sample(opened.recording, columns)
    there = replace(opened, recording=sampled)
    if budget.left_s < 0 and n_left < len(study.dataset.subjects):
        why = f"{name}: the minutes were over. Give more with --minutes."
        wanted = [key for key in OF_SUBJECT if CARDS[key].kind in budget.kinds]
        yield from (Finding(key, "not made", why, (name,)) for key in wanted)
        return
    start = time.perf_counter()
    aligned = align(study, there)
    try:
        case = make_case(study, aligned, sampled)
    except InputError as error:
        yield Finding("inputs", "failed", f"{name}: {error}", (name,))
        return
    over = start + max(0.0, budget.left_s) / n_left  # others have their share
    steps = _steps(study, opened, aligned, case, level, seed)
    for asked, step in steps:
        keys = [key for key in asked if CARDS[key].kind in budget.kinds]
        if not keys:
            continue
        if time.perf_counter() > over:
            why = f"{name}: the minutes were over. Give more with --minutes."
            yield from (Finding(key, "not made", why, (name,)) for key in keys)
            continue
        try:
            yield from (one for one in step() if one.card.kind in budget.kinds)
        except InputError as error:
            why = f"{name}: {error}"
            yield from (Finding(key, "not made", why, (name,)) for key in keys)


def _in_rois(study: Study, opened: Opened, sampled: Sampled, seed: int) -> Sampled:
    """Return the voxels in which sound is moved: in `doctor.rois`, if it names any."""
    mask = voxels_of(study, opened.recording.space, opened.subject)
    if mask is None:
        return sampled
    there = np.flatnonzero(mask)
    chosen = sample_columns(len(there), len(sampled.columns), seed)
    return read_sample(opened.recording, there[chosen])


Step = tuple[tuple[str, ...], Callable[[], Iterator[Finding]]]


def _steps(
    study: Study,
    opened: Opened,
    aligned: Aligned,
    case: Case,
    level: float,
    seed: int,
) -> Iterator[Step]:
    """Yield the checks of a subject, those that find the most first."""
    courses: dict[Run, Course] = {}
    spaces: dict[str, dict[Run, Floats]] = {}
    sampled = case.sampled

    def read() -> None:
        if not courses:
            looked_at = _in_rois(study, opened, sampled, seed)
            found, by_space = read_courses(study, opened, looked_at)
            courses.update(found)
            spaces.update(by_space)

    def shift() -> Iterator[Finding]:
        read()
        return check_shifts(
            courses,
            opened.split.train,
            study.dataset.tr_s,
            subject=opened.name,
            level=level,
        )

    def planted() -> Iterator[Finding]:
        read()
        made = oracle.plant(
            study,
            sampled,
            spaces,
            opened.split.train,
            valid=case.responses.valid,
            lag_s=aligned.lag_s,
            seed=seed,
        )
        return oracle.check_planted(case, made)

    def null() -> Iterator[Finding]:
        seeds = range(seed, seed + N_DRAWS)
        yield from nulls.check_noise(
            study,
            aligned,
            case.responses,
            read=case.read,
            seeds=seeds,
            level=level,
        )
        yield other_clips.check_permuted(
            study,
            aligned,
            case.responses,
            design=case.design,
            seeds=seeds,
            level=level,
        )

    def backwards() -> Iterator[Finding]:
        yield nulls.check_shuffled(
            study,
            aligned,
            case.responses,
            case.predictions,
            level=level,
        )

    def place() -> Iterator[Finding]:
        yield check_place(opened.recording.space, name=opened.name, seed=seed)
        yield oracle.check_repeats(case.responses, opened.name)

    def same() -> Iterator[Finding]:
        few = sampled.columns[:: max(1, len(sampled.columns) // invariance.FEW)]
        some = read_sample(sampled.source, few)
        there = align(study, replace(opened, recording=some))
        return invariance.check_invariance(make_case(study, there, some, case.read))

    def follow() -> Iterator[Finding]:
        read()
        return confounds.check_confounds(study, opened, courses)

    yield ("shift-lag", *OF_RUNS), shift
    yield ("planted-signal", "planted-band"), planted
    yield ("noise-features", "p-values", "permuted-clips"), null
    yield ("shuffled-test",), backwards
    yield ("planted-place", "repeat-ceiling"), place
    yield tuple(key for key, _ in invariance.CHECKS), same
    yield ("controls",), lambda: nulls.show_controls(study, aligned, case.responses)
    yield ("confounds",), follow
