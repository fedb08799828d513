"""All checks of a study, within a budget of time, and the page that says it all."""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.artefacts import (
    Recipe,
    check_places,
    locked,
    new_artefact,
    package_versions,
)
from ..core.checks import InputError, check_choice
from ..core.threads import limit_threads
from ..study import Study
from ..workflow.alignment import align
from ..workflow.fitting import check_backend
from ..workflow.leakage import clips_on_both_sides, make_stimuli, makes_stimuli
from ..workflow.opening import Opened
from ..workflow.responses import store_responses
from ..workflow.session import Progress, Session
from ..workflow.tables import read_table
from . import saved, static
from .catalogue import KINDS
from .extractors import check_extractors
from .page import write_page
from .subject import LEVEL, OF_SUBJECT_KINDS, Budget, check_subject
from .trial import N_SAMPLED
from .verdict import Finding, Verdict, make_verdict, write_json

VOXELS_PER_MINUTE = 100
FEWEST_VOXELS = 100
MINUTES = 5.0


def examine(
    study: Study,
    out: str | Path,
    *,
    minutes: float = MINUTES,
    seed: int = 0,
    only: Collection[str] = (),
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
    only : collection of str
        Kinds of checks that are made beside the static ones: 'shift', 'null',
        'oracle', 'invariance', 'confounds', 'saved'. All of them if none is named.
    progress : callable
        As for `run`.

    Returns
    -------
    verdict : Verdict
        Print it; `exit_code` is 3 where a check failed.

    Raises
    ------
    InputError
        If `minutes` is not above 0, a kind is not known, or `out` holds something that
        is not ours.
    """
    if not minutes > 0:
        raise InputError(f"minutes is {minutes}; the checks need some: expected > 0.")
    for kind in only:
        check_choice(kind, "only", KINDS)
    place = Path(out)
    start = time.perf_counter()
    budget = Budget(60 * minutes, start, kinds=tuple(only or KINDS))
    n_voxels = int(min(N_SAMPLED, max(FEWEST_VOXELS, VOXELS_PER_MINUTE * minutes)))
    with locked(place), limit_threads(study.machine.threads):
        check_places(place, ["doctor"])
        findings = list(_all(study, place, budget, n_voxels, seed, progress))
        about = {
            "voxels sampled of each subject": f"at most {n_voxels}",
            "time": f"{time.perf_counter() - start:.0f} s of {60 * minutes:.0f} s",
            "seed": str(seed),
            "kinds of checks": ", ".join(dict.fromkeys(["static", *budget.kinds])),
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
    if "saved" in budget.kinds:
        yield from saved.check_saved(study, out)
    if "invariance" in budget.kinds:
        yield from _extractors(study, opened, budget)
    if not OF_SUBJECT_KINDS & set(budget.kinds):
        return
    for number, one in enumerate(opened):
        progress("subjects", number, len(opened))
        yield from check_subject(
            study, one, budget, n_voxels, seed, len(opened) - number
        )
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
    for one in static.judge_notes(session.notes, ("shared-clips",)):
        if one.status != "failed" or not session.pairs:
            yield one
            continue
        clips = tuple(dict.fromkeys(clip for pair in session.pairs for clip in pair))
        found = f"{one.found} The first is {' and '.join(session.pairs[0])}."
        yield replace(one, found=found, where=clips[:10])


def _extractors(
    study: Study, opened: list[Opened], budget: Budget
) -> Iterator[Finding]:
    if not opened or budget.left_s < 0:
        why = "no subject can be read." if not opened else "the minutes were over."
        yield Finding("extractor", "not made", why)
        return
    yield from check_extractors(study, opened[0])


@dataclass
class Watched(Session):
    """A session that keeps the notes of what it makes, and no file of it.

    `pairs` are the test and training clips that share something.
    """

    notes: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)

    def make(
        self, folder: str, recipe: Recipe, work: Callable[[Path], list[str]]
    ) -> str:
        """Do the work in a folder that is gone afterwards."""
        del folder
        with tempfile.TemporaryDirectory() as place:
            self.notes = work(Path(place))
            table = read_table(Path(place), "shared_clips")
        if table is not None:
            known = table[table["why"] != "artist unknown"]
            columns = known["test_clip"], known["train_clip"]
            self.pairs = list(zip(*map(list, columns), strict=True))
        return recipe.identity
