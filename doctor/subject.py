"""All checks of one subject, within its share of the time."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..core.types import Run
from ..study import Study
from ..workflow.alignment import Aligned, align
from ..workflow.opening import Opened
from . import confounds, nulls, oracle, other_clips
from .attempt import ERRORS, attempt, text_of
from .catalogue import CARDS, KINDS
from .ceilings import check_repeats
from .courses import Course, Floats, read_courses
from .invariance import FEW, Case, make_case
from .level import level_of_test
from .look import Look, Voxels
from .places import check_place
from .sampled import Sampled
from .shift import OF_RUNS, check_shifts
from .unchanging import CHECKS, check_unchanging
from .verdict import Finding

N_DRAWS = 4  # of noise and of other clips
OF_SUBJECT = (
    *("shift-lag", "shift-run", "swapped-runs", "shift-drift"),
    *("planted-signal", "planted-band"),
    *("noise-features", "p-values", "permuted-clips", "shuffled-test"),
    *("planted-place", "repeat-ceiling", "controls", "confounds"),
    *(key for key, _ in CHECKS),
)
OF_SUBJECT_KINDS = {CARDS[key].kind for key in OF_SUBJECT}
OVER = "the minutes were over. Give more with --minutes."


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

    def wanted(self, keys: Iterable[str]) -> list[str]:
        """Return the checks among `keys` whose kind is made."""
        return [key for key in keys if CARDS[key].kind in self.kinds]


def leave_out(name: str, why: str, budget: Budget) -> Iterator[Finding]:
    """Yield that no check of a subject is made, and why."""
    text = why if why.startswith(name) else f"{name}: {why}"
    for key in budget.wanted(OF_SUBJECT):
        yield Finding(key, "not made", text, (name,))


def check_subject(
    study: Study, look: Look, budget: Budget, seed: int, n_left: int
) -> Iterator[Finding]:
    """Yield what all checks of a subject find, as far as its time goes.

    Parameters
    ----------
    study : Study
    look : Look
    budget : Budget
    seed : int
    n_left : int
        Subjects that are left, this one among them: they share the time.
    """
    name = look.name
    if look.opened is None or look.voxels is None:
        yield from leave_out(name, look.problem, budget)
        return
    if budget.left_s < 0:
        yield from leave_out(name, OVER, budget)
        return
    start = time.perf_counter()
    try:
        checks = _checks_of(study, look.opened, look.voxels, seed)
    except ERRORS as error:
        yield Finding("inputs", "failed", f"{name}: {text_of(error)}", (name,))
        yield from leave_out(name, text_of(error), budget)
        return
    over = start + max(0.0, budget.left_s) / n_left  # others have their share
    for asked, check in checks.steps:
        keys = budget.wanted(asked)
        if not keys:
            continue
        if time.perf_counter() > over:
            yield from (
                Finding(k, "not made", f"{name}: {OVER}", (name,)) for k in keys
            )
            continue
        found = attempt(keys, check, name)
        yield from (one for one in found if one.card.kind in budget.kinds)


def _checks_of(study: Study, opened: Opened, voxels: Voxels, seed: int) -> "Checks":
    aligned = align(study, replace(opened, recording=voxels.sampled))
    case = make_case(study, aligned, voxels.sampled)
    return Checks(study, opened, aligned, case, voxels.heard, seed)


@dataclass
class Checks:
    """The checks of one subject, and what several of them need."""

    study: Study
    opened: Opened
    aligned: Aligned
    case: Case
    heard: Sampled
    seed: int
    courses: dict[Run, Course] = field(default_factory=dict)
    spaces: dict[str, dict[Run, Floats]] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[tuple[tuple[str, ...], Callable], ...]:
        """Checks with what each may find, those that find the most first."""
        return (
            (("shift-lag", *OF_RUNS), self.shift),
            (("planted-signal", "planted-band"), self.planted),
            (("noise-features", "p-values"), self.noise),
            (("permuted-clips",), self.other_clips),
            (("shuffled-test",), self.backwards),
            (("planted-place",), self.place),
            (("repeat-ceiling",), self.ceiling),
            (tuple(key for key, _ in CHECKS), self.same),
            (("controls",), self.controls),
            (("confounds",), self.confounds),
        )

    @property
    def level(self) -> float:
        """Probability of a false alarm in each test."""
        return level_of_test(self.study)

    def read(self) -> None:
        """Read the runs volume by volume, once."""
        if not self.courses:
            found, by_space = read_courses(self.study, self.opened, self.heard)
            self.courses.update(found)
            self.spaces.update(by_space)

    def shift(self) -> Iterator[Finding]:
        """Yield whether runs are in step with their stimuli."""
        self.read()
        return check_shifts(
            self.courses,
            self.opened.split.train,
            self.study.dataset.tr_s,
            subject=self.opened.name,
            level=self.level,
        )

    def planted(self) -> Iterator[Finding]:
        """Yield whether planted signals come back."""
        self.read()
        made = oracle.plant(
            self.study,
            self.case.sampled,
            self.spaces,
            self.opened.split.train,
            valid=self.case.responses.valid,
            lag_s=self.aligned.lag_s,
            seed=self.seed,
        )
        return oracle.check_planted(self.case, made)

    def noise(self) -> Iterator[Finding]:
        """Yield whether noise predicts nothing."""
        return nulls.check_noise(
            self.study,
            self.aligned,
            self.case.responses,
            read=self.case.read,
            seeds=range(self.seed, self.seed + N_DRAWS),
            level=self.level,
        )

    def other_clips(self) -> Iterator[Finding]:
        """Yield whether features of other clips predict nothing."""
        yield other_clips.check_permuted(
            self.study,
            self.aligned,
            self.case.responses,
            design=self.case.design,
            seeds=range(self.seed, self.seed + N_DRAWS),
            level=self.level,
        )

    def backwards(self) -> Iterator[Finding]:
        """Yield whether responses out of order are predicted by nothing."""
        yield nulls.check_shuffled(
            self.study,
            self.aligned,
            self.case.responses,
            self.case.predictions,
            level=self.level,
        )

    def place(self) -> Iterator[Finding]:
        """Yield whether values come back from a map in their place."""
        space, name = self.opened.recording.space, self.opened.name
        yield check_place(space, name=name, seed=self.seed)

    def ceiling(self) -> Iterator[Finding]:
        """Yield whether repeats reach their ceiling."""
        yield check_repeats(self.case.responses, self.opened.name)

    def same(self) -> Iterator[Finding]:
        """Yield whether what must change nothing does so, in few voxels."""
        sampled = self.case.sampled
        n = len(sampled.columns)
        some = sampled.some(np.arange(0, n, max(1, n // FEW)))
        there = align(self.study, replace(self.opened, recording=some))
        case = make_case(self.study, there, some, self.case.read)
        return check_unchanging(case)

    def controls(self) -> Iterator[Finding]:
        """Yield what controls predict."""
        return nulls.show_controls(self.study, self.aligned, self.case.responses)

    def confounds(self) -> Iterator[Finding]:
        """Yield what features and confounds say of each other."""
        self.read()
        return confounds.check_confounds(self.study, self.opened, self.courses)
