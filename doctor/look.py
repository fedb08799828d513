"""What is read of each subject at the door, and which checks saw nothing there.

Each recording is read once: what the checks need of it later is kept on the way.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..study import Study
from ..workflow.alignment import align
from ..workflow.opening import Opened, check_same_runs, open_subject
from ..workflow.pipeline import check_subject
from ..workflow.prepare import rows_to_score
from ..workflow.regions import voxels_of
from ..workflow.responses import store_responses
from ..workflow.source_names import check_same_sources
from .attempt import ERRORS, text_of
from .sampled import Sampled, Tapped
from .trial import sample_columns
from .verdict import Finding, runs_in

OF_OPENING = ("sides", "header-tr", "event-end", "reference-time")
OF_RESPONSES = ("dead-voxels", "odd-run", "medial-wall", "repeats")
FEWEST_RUNS = 3  # of which a run can be told to be odd
Columns = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Voxels:
    """What is kept of a recording: some voxels, and those in which sound is moved."""

    sampled: Sampled
    heard: Sampled


@dataclass(frozen=True, eq=False)
class Look:
    """What was read of one subject at the door.

    Parameters
    ----------
    name : str
        As messages name the subject.
    notes : tuple of str
    unseen : dict of str to str
        Checks of the door that saw nothing of the subject, and why.
    opened : Opened or None
        None where the subject cannot be opened.
    voxels : Voxels or None
        None where the subject cannot be read whole.
    problem : str
        Why the subject cannot be examined.
    """

    name: str
    notes: tuple[str, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)
    opened: Opened | None = None
    voxels: Voxels | None = None
    problem: str = ""


def look_at_all(study: Study, n_voxels: int, seed: int) -> list[Look]:
    """Open each subject and read it whole: what is wrong with one keeps no other back.

    Parameters
    ----------
    study : Study
    n_voxels : int
        Kept of each subject, at most.
    seed : int
        Of the sample.
    """
    return [
        _look_at(study, subject, n_voxels, seed) for subject in study.dataset.subjects
    ]


def _look_at(study: Study, subject: str, n_voxels: int, seed: int) -> Look:
    name = f"sub-{subject}"
    try:
        opened = open_subject(study, subject)
        check_subject(study, opened)
    except ERRORS as error:
        why = "it does not fit together, see what failed."
        unread = dict.fromkeys(OF_OPENING + OF_RESPONSES, why)
        return Look(name, unseen=unread, problem=text_of(error))
    notes = less_usual(study, opened.notes)
    unseen = dict(_unseen_at_opening(opened))
    columns, heard = _columns(study, opened, n_voxels, seed)
    tapped = Tapped(opened.recording, np.union1d(columns, heard))
    try:
        aligned = align(study, replace(opened, recording=tapped))
        notes += [*aligned.notes, *store_responses(study, aligned, None)]
    except ERRORS as error:
        unseen |= dict.fromkeys(OF_RESPONSES, "its responses cannot be cleaned.")
        return Look(name, tuple(notes), unseen, opened, problem=text_of(error))
    unseen |= dict(_unseen_in_responses(study, opened))
    voxels = Voxels(tapped.sampled(columns), tapped.sampled(heard))
    return Look(name, tuple(notes), unseen, opened, voxels)


def _columns(
    study: Study, opened: Opened, n_voxels: int, seed: int
) -> tuple[Columns, Columns]:
    """Return sampled columns, and those in which sound is moved: see `doctor.rois`."""
    space = opened.recording.space
    columns = sample_columns(space.n_voxels, n_voxels, seed)
    mask = voxels_of(study, space, opened.subject)
    if mask is None:
        return columns, columns
    there = np.flatnonzero(mask)
    return columns, there[sample_columns(len(there), len(columns), seed)]


def _unseen_at_opening(opened: Opened) -> Iterator[tuple[str, str]]:
    recording, runs = opened.recording, opened.runs
    if recording.space.kind != "volume":
        yield "sides", "its recording is no image of a volume, whose header says sides."
    if any(recording.tr_s(run) is None for run in runs):
        yield "header-tr", "no header or sidecar of its runs says the TR."
    if not opened.events:
        yield "event-end", "the study names no events."
    timings = [recording.timing(run) for run in runs]
    if all(one.corrected is None and one.start_s is None for one in timings):
        yield "reference-time", "no sidecar says to which moment slices were brought."


def _unseen_in_responses(study: Study, opened: Opened) -> Iterator[tuple[str, str]]:
    if len(opened.runs) < FEWEST_RUNS:
        why = f"it has {len(opened.runs)} runs; {FEWEST_RUNS} are needed to compare."
        yield "odd-run", why
    if opened.recording.outside is None:
        yield "medial-wall", "nothing says which of its columns are of no cortex."
    if study.responses.repeats == "keep":
        yield "repeats", "responses.repeats is 'keep': none are averaged."
        return
    test = rows_to_score(study, align(study, opened))
    if not (test.loc[test["clip"] != "", "n_repeats"] > 1).any():
        yield "repeats", "no test clip is repeated, or the study names no clips."


def less_usual(study: Study, notes: tuple[str, ...]) -> list[str]:
    """Return notes without those that the study has answered already."""
    if study.responses.reference_time == "middle":
        return list(notes)
    return [note for note in notes if not _is_answered(note)]


def _is_answered(note: str) -> bool:
    """Return whether a note is of times that `reference_time = 'sidecar'` takes in.

    Runs of which some were not corrected at all stay different.
    """
    if "slice timing differs between runs" in note:
        return len(set(re.findall(r"(?:not )?corrected(?= to)", note))) == 1
    return "features are taken unless responses.reference_time is 'sidecar'" in note


def compare_subjects(study: Study, looks: list[Look]) -> Iterator[Finding]:
    """Yield what does not fit between subjects."""
    opened = [one.opened for one in looks if one.opened is not None]
    try:
        check_same_sources(study, [one.subject for one in opened])
        check_same_runs(study, opened)
    except InputError as error:
        yield Finding("inputs", "failed", str(error), runs_in(str(error)))
