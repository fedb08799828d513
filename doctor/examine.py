"""All checks of a study, within a budget of time, and the page that says it all."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.artefacts import (
    Recipe,
    check_places,
    locked,
    new_artefact,
    package_versions,
)
from ..core.checks import InputError
from ..core.threads import limit_threads
from ..core.types import Run
from ..study import Study
from ..workflow.alignment import Aligned, align
from ..workflow.fitting import check_backend
from ..workflow.leakage import clips_on_both_sides, make_stimuli, makes_stimuli
from ..workflow.opening import Opened
from ..workflow.responses import store_responses
from ..workflow.session import Progress, Session
from . import confounds, invariance, nulls, oracle, saved, static
from .courses import Course, Floats, read_courses
from .invariance import Case, make_case
from .page import write_page
from .sampled import read_sample
from .shift import check_shifts
from .trial import N_SAMPLED, sample_columns
from .verdict import Finding, Verdict, make_verdict, write_json

LEVEL = 0.01  # of a false alarm anywhere in the study
N_TESTS = 7  # of a subject: lag, runs, swaps, noise, its p, other clips, backwards
VOXELS_PER_MINUTE = 100
FEWEST_VOXELS = 100
REPETITIONS = (2, 4)  # of noise and of other clips: at least, and at most
MINUTES = 5.0
OF_SUBJECT = (
    *("shift-lag", "shift-run", "swapped-runs", "planted-signal", "planted-band"),
    *("noise-features", "p-values", "permuted-clips", "shuffled-test"),
    *("planted-place", "repeat-ceiling", "controls", "confounds"),
    *(key for key, _ in invariance.CHECKS),
)


@dataclass
class Budget:
    """Seconds that are left, and what one fit was seen to take."""

    seconds: float
    start: float
    fit_s: float = 0.0

    @property
    def left_s(self) -> float:
        """Seconds until the time is up; below 0 after it."""
        return self.seconds - (time.perf_counter() - self.start)

    def repetitions(self, n_subjects: int) -> int:
        """Return how often noise is drawn, for all the subjects that are left."""
        fits = self.left_s / max(self.fit_s, 1e-3) / n_subjects
        low, high = REPETITIONS
        return int(min(high, max(low, (fits - 8) // 3)))


def examine(
    study: Study,
    out: str | Path,
    *,
    minutes: float = MINUTES,
    seed: int = 0,
    progress: Progress = lambda _text, _done, _total: None,
) -> Verdict:
    """Check a study on its own data, and write the verdict to `out/doctor`.

    Nothing of the study or its results is changed. Responses are copied, some voxels
    of each subject, as many as the time allows; the verdict says how many.

    Parameters
    ----------
    study : Study
        From `load_study`.
    out : path
        Where the study's results lie, or shall lie: they are read if they are there.
    minutes : float
        What the checks may take. Those that would begin after it are not made, and
        say so.
    seed : int
        Of the sample, the signals and the noise.
    progress : callable
        As for `run`.

    Returns
    -------
    verdict : Verdict
        Print it; `exit_code` is 3 where a check failed.

    Raises
    ------
    InputError
        If `minutes` is not above 0, or `out` holds something that is not ours.
    """
    if not minutes > 0:
        raise InputError(f"minutes is {minutes}; the checks need some: expected > 0.")
    place = Path(out)
    start = time.perf_counter()
    budget = Budget(60 * minutes, start)
    n_voxels = int(min(N_SAMPLED, max(FEWEST_VOXELS, VOXELS_PER_MINUTE * minutes)))
    with locked(place), limit_threads(study.machine.threads):
        check_places(place, ["doctor"])
        findings = list(_all(study, place, budget, n_voxels, seed, progress))
        about = {
            "voxels sampled of each subject": f"at most {n_voxels}",
            "time": f"{time.perf_counter() - start:.0f} s of {60 * minutes:.0f} s",
            "seed": str(seed),
            "false alarms": f"{LEVEL:.0%} over all tests of the study",
            "versions": ", ".join(f"{k} {v}" for k, v in package_versions().items()),
        }
        verdict = make_verdict(study.title, findings, about)
        recipe = Recipe("doctor", 1, {"minutes": minutes, "seed": seed})
        with new_artefact(place / "doctor", recipe, []) as folder:
            write_json(verdict, folder / "verdict.json")
            write_page(verdict, folder / "index.html")
    return verdict


def _all(
    study: Study,
    out: Path,
    budget: Budget,
    n_voxels: int,
    seed: int,
    progress: Progress,
) -> Iterator[Finding]:
    try:
        check_backend(study)
    except InputError as error:
        yield Finding("inputs", "failed", str(error))
        return
    progress("inputs", 0, 1)
    opened, wrong = static.open_all(study)
    yield from wrong
    if opened and not wrong:
        yield Finding("inputs", "passed", "everything that is read fits together.")
    progress("inputs", 1, 1)
    yield from static.check_folds(study)
    readable, notes = [], []
    for one in opened:
        try:
            notes += _notes(study, one)
            readable.append(one)
        except InputError as error:
            text = str(error)
            yield Finding("inputs", "failed", text, static.runs_in(text))
    opened = readable
    yield from static.judge_notes(notes)
    try:
        yield from _shared(study, opened, out, progress)
    except InputError as error:
        yield Finding("shared-clips", "not made", str(error))
    yield from saved.check_saved(study, out)
    for number, one in enumerate(opened):
        progress("subjects", number, len(opened))
        yield from _subject(study, one, budget, n_voxels, seed, len(opened) - number)
    progress("subjects", len(opened), len(opened))


def _notes(study: Study, opened: Opened) -> list[str]:
    aligned = align(study, opened)
    said = static.less_usual(study, opened.notes)
    return [*said, *aligned.notes, *store_responses(study, aligned, None)]


def _shared(
    study: Study, opened: list[Opened], out: Path, progress: Progress
) -> Iterator[Finding]:
    both = sorted({clip for one in opened for clip in clips_on_both_sides(one)})
    if both:
        found = (
            f"{len(both)} clips are heard in training and in test, such as {both[0]}."
        )
        yield Finding("shared-clips", "failed", found, tuple(both[:10]))
        return
    if not opened or not makes_stimuli(study):
        why = (
            "the study says nothing of tracks, and no band reads sound files: what "
            "clips share is not known. Give stimuli.table."
        )
        yield Finding("shared-clips", "not made", why)
        return
    session = Watched(study, out, progress)
    make_stimuli(session, opened)
    yield from static.judge_notes(session.notes, ("shared-clips",))


@dataclass
class Watched(Session):
    """A session that keeps the notes of what it makes, and no file of it."""

    notes: list[str] = field(default_factory=list)

    def make(
        self, folder: str, recipe: Recipe, work: Callable[[Path], list[str]]
    ) -> str:
        """Do the work in a folder that is gone afterwards."""
        del folder
        with tempfile.TemporaryDirectory() as place:
            self.notes = work(Path(place))
        return recipe.identity


def _subject(
    study: Study,
    opened: Opened,
    budget: Budget,
    n_voxels: int,
    seed: int,
    n_left: int,
) -> Iterator[Finding]:
    name, level = opened.name, LEVEL / (N_TESTS * len(study.dataset.subjects))
    columns = sample_columns(opened.recording.space.n_voxels, n_voxels, seed)
    sampled = read_sample(opened.recording, columns)
    there = replace(opened, recording=sampled)
    if budget.left_s < 0 and n_left < len(study.dataset.subjects):
        why = f"{name}: the minutes were over. Give more with --minutes."
        yield from (Finding(key, "not made", why, (name,)) for key in OF_SUBJECT)
        return
    start = time.perf_counter()
    aligned = align(study, there)
    try:
        case = make_case(study, aligned, sampled)
    except InputError as error:
        yield Finding("inputs", "failed", f"{name}: {error}", (name,))
        return
    budget.fit_s = time.perf_counter() - start
    over = start + max(0.0, budget.left_s) / n_left  # others have their share
    steps = _steps(study, opened, aligned, case, budget, n_left, level, seed)
    for keys, step in steps:
        if time.perf_counter() > over:
            why = f"{name}: the minutes were over. Give more with --minutes."
            yield from (Finding(key, "not made", why, (name,)) for key in keys)
            continue
        try:
            yield from step()
        except InputError as error:
            why = f"{name}: {error}"
            yield from (Finding(key, "not made", why, (name,)) for key in keys)


Step = tuple[tuple[str, ...], Callable[[], Iterator[Finding]]]


def _steps(
    study: Study,
    opened: Opened,
    aligned: Aligned,
    case: Case,
    budget: Budget,
    n_left: int,
    level: float,
    seed: int,
) -> Iterator[Step]:
    """Yield the checks of a subject, those that find the most first."""
    courses: dict[Run, Course] = {}
    spaces: dict[str, dict[Run, Floats]] = {}
    sampled = case.sampled

    def shift() -> Iterator[Finding]:
        found, by_space = read_courses(study, opened, sampled)
        courses.update(found)
        spaces.update(by_space)
        return check_shifts(
            found,
            opened.split.train,
            study.dataset.tr_s,
            subject=opened.name,
            level=level,
        )

    def planted() -> Iterator[Finding]:
        made = oracle.plant(
            study,
            sampled,
            spaces,
            opened.split.train,
            lag_s=aligned.lag_s,
            seed=seed,
        )
        return oracle.check_planted(case, made)

    def null() -> Iterator[Finding]:
        seeds = range(seed, seed + budget.repetitions(n_left))
        yield from nulls.check_noise(
            study,
            aligned,
            case.responses,
            read=case.read,
            seeds=seeds,
            level=level,
        )
        yield nulls.check_permuted(
            study, aligned, case.responses, seeds=seeds, level=level
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
        yield oracle.check_place(opened.recording.space, name=opened.name, seed=seed)
        yield oracle.check_repeats(case.responses, opened.name)

    def same() -> Iterator[Finding]:
        few = sampled.columns[:: max(1, len(sampled.columns) // invariance.FEW)]
        some = read_sample(sampled.source, few)
        there = align(study, replace(opened, recording=some))
        return invariance.check_invariance(make_case(study, there, some, case.read))

    yield ("shift-lag", "shift-run", "swapped-runs"), shift
    yield ("planted-signal", "planted-band"), planted
    yield ("noise-features", "p-values", "permuted-clips"), null
    yield ("shuffled-test",), backwards
    yield ("planted-place", "repeat-ceiling"), place
    yield tuple(key for key, _ in invariance.CHECKS), same
    yield ("controls",), lambda: nulls.show_controls(study, aligned, case.responses)
    yield (
        ("confounds",),
        lambda: confounds.check_confounds(study, opened, courses),
    )
