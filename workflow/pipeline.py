"""Runs a study: the stages in order, each saved whole and skipped when it stands.

responses -> features -> encoding -> tables -> maps and figures -> report. The first
three are made per subject. An artefact is reused if its settings, its inputs' hashes
and its own files are as they were; else it is made again, and so is all that leans on
it.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.artefacts import (
    Recipe,
    check_places,
    discard,
    file_identity,
    is_current,
    locked,
    package_versions,
    read_about,
    write_json,
)
from ..core.checks import check_choice
from ..core.threads import limit_threads
from ..figures.cortex import has_pycortex
from ..report import write_report
from ..study import Study
from .across_doors import check_training_across
from .alignment import align
from .corpus import check_outside
from .decoding import (
    ACROSS,
    check_alive,
    check_decoding,
    make_across,
    make_decoding,
    read_decoding,
)
from .drawing import draw_figures
from .fitting import check_backend, open_places
from .lags import choose_lag
from .layer_tables import alignment_tables
from .leakage import check_stimuli, make_stimuli, makes_stimuli
from .maps import write_maps
from .opening import Opened, check_same_runs, open_subject
from .prepare import rows_to_score
from .reconstruction import (
    check_reconstruction,
    make_reconstruction,
    read_reconstruction,
    reconstruction_places,
)
from .regions import check_made_from, roi_files, voxels_of, write_roi_sizes
from .result import Result, collect_notes, saved_study
from .saved_study import read_saved_study
from .session import Progress, Session
from .source_names import check_same_sources, source_of
from .sources import check_features
from .spheres import sphere_files
from .subject_steps import (
    check_layer_rois,
    make_encoding,
    make_features,
    make_responses,
)
from .subsets import make_subsets, wanted_subsets
from .tables import analyse, check_analysis, write_tables

PER_SUBJECT = ("responses", "features", "models")
LATER = ("subsets", "decoding")
STAGES = ("responses", "features", "encoding", "tables", "figures", "report")
VERSIONS = {"tables": 5, "maps": 3, "figures": 4, "report": 9}


def run(
    study: Study,
    out: str | Path | None = None,
    *,
    subjects: Sequence[str] | None = None,
    stage: str = "report",
    progress: Progress = lambda _text, _done, _total: None,
) -> Result:
    """Run a study, and return where its results lie.

    Parameters
    ----------
    study : Study
        From `load_study`.
    out : path, optional
        Folder of the results. `results/` in the working directory if None.
    subjects : sequence of str, optional
        Only these of the study's subjects.
    stage : str
        The last stage to make: 'responses', 'features', 'encoding', 'tables',
        'figures' or 'report'.
    progress : callable
        Called with (what, done, total) as the work goes on.

    Raises
    ------
    InputError
        If the study's files are not as they must be. Checked for all subjects before
        the first is fitted; what was finished before stays.
    """
    check_choice(stage, "stage", STAGES)
    chosen = tuple(subjects or study.dataset.subjects)
    for subject in chosen:
        check_choice(subject, "subject", study.dataset.subjects)
    check_backend(study)  # loads it, so that its threads are counted below
    place = Path(out) if out is not None else Path("results")
    session = Session(study, place, progress)
    with locked(place), limit_threads(study.machine.threads):
        _run_stages(session, chosen, STAGES.index(stage))
        write_json(place / "about.json", _about_study(session, chosen))
    return Result(place, tuple(session.made), tuple(session.reused))


def redraw(out: str | Path) -> Result:
    """Draw the figures and the page of a run again, from what it saved.

    Raises
    ------
    InputError
        If `out` holds no study's results, or they have no tables yet.
    """
    place = Path(out)
    study, subjects, tables = read_saved_study(place)
    session = Session(study, place, lambda *_: None, again=True)
    with locked(place):
        _draw(session, subjects, tables, STAGES.index("report"))
    return Result(place, tuple(session.made))


class _Looked(Session):
    """Sees what would be made again, and makes nothing."""

    def make(
        self, folder: str, recipe: Recipe, work: Callable[[Path], list[str]]
    ) -> str:
        """Note whether the artefact stands; return its identity."""
        del work
        if is_current(self.out / folder, recipe):
            self.reused.append(folder)
        elif read_about(self.out / folder) is not None:
            self.made.append(folder)
        return recipe.identity


def stale_artefacts(study: Study, out: str | Path) -> list[str]:
    """Return which results in `out` a run would make again; nothing is made.

    Raises
    ------
    InputError
        If the study's files are not as they must be.
    """
    _, subjects = saved_study(Path(out))
    subjects = [one for one in subjects if one in study.dataset.subjects]
    with tempfile.TemporaryDirectory() as place:
        # A run deletes what a study no longer asks for: from links, not from results.
        _link_files(Path(out), Path(place))
        session = _Looked(study, Path(place), lambda *_: None)
        _run_stages(session, subjects, STAGES.index("report"))
    return session.made


def _link_files(folder: Path, place: Path) -> None:
    """Make the folders of `folder` anew in `place`, with a link for each file."""
    for parent, _, files in os.walk(folder):
        there = place / Path(parent).relative_to(folder)
        there.mkdir(exist_ok=True)
        for name in files:
            (there / name).symlink_to((Path(parent) / name).resolve())


def _run_stages(session: Session, subjects: Sequence[str], last: int) -> None:
    steps = (*PER_SUBJECT, "lags") if _several_lags(session.study) else PER_SUBJECT
    places = [f"{step}/sub-{one}" for step in steps for one in subjects]
    places += [f"{step}/sub-{one}" for step in LATER for one in subjects]
    places += reconstruction_places(subjects)
    places += [ACROSS, "stimuli", "tables", "maps", "figures", "report"]
    check_places(session.out, places)
    check_outside(session.study, session.out)
    opened = open_all(session.study, subjects, session.progress)
    _discard_what_is_not_made(session, subjects)
    # Step by step over all subjects: what is wrong in the last is said before the
    # first is fitted.
    aligned = [choose_lag(session, one) for one in opened]
    responses = {one.opened.subject: make_responses(session, one) for one in aligned}
    if last < STAGES.index("features"):
        return
    features = {
        one.opened.subject: make_features(session, one, responses[one.opened.subject])
        for one in aligned
    }
    if last < STAGES.index("encoding"):
        return
    check_alive(session, opened)
    with open_places(session) as open_place:
        models = {
            one.subject: make_encoding(
                session,
                one,
                open_place,
                responses=responses[one.subject],
                features=features[one.subject],
            )
            for one in opened
        }
        if last < STAGES.index("tables"):
            return
        others = {"stimuli": make_stimuli(session, opened)}
        for one in opened:
            others[f"subsets of {one.subject}"] = make_subsets(
                session,
                one,
                open_place,
                responses=responses[one.subject],
                features=features[one.subject],
            )
    decoded = {
        f"decoding of {one.subject}": make_decoding(
            session,
            one,
            responses=responses[one.subject],
            features=features[one.subject],
            stimuli=others["stimuli"],
        )
        for one in opened
    }
    others |= decoded | {"across": make_across(session, opened, decoded)}
    others |= make_reconstruction(
        session, aligned, {s: decoded[f"decoding of {s}"] for s in subjects}
    )
    tables = _make_tables(session, opened, models, others)
    if last >= STAGES.index("figures"):
        _make_maps(session, subjects, tables)
        _draw(session, subjects, tables, last)


def _discard_what_is_not_made(session: Session, subjects: Sequence[str]) -> None:
    """Delete lags, subsets and shared clips of an earlier study: none of ours."""
    if not _several_lags(session.study):
        for subject in subjects:
            discard(session.out / f"lags/sub-{subject}")
    if not wanted_subsets(session.study):
        for subject in subjects:
            discard(session.out / f"subsets/sub-{subject}")
    if not session.study.decoding.targets:
        for subject in subjects:
            discard(session.out / f"decoding/sub-{subject}")
    if not makes_stimuli(session.study):
        discard(session.out / "stimuli")


def _several_lags(study: Study) -> bool:
    return study.alignment.rows == "windows" and len(study.alignment.lags_s) > 1


def open_all(study: Study, subjects: Sequence[str], progress: Progress) -> list[Opened]:
    """Open all subjects and check what is read and asked for, before any work."""
    text = "checking the inputs of all subjects"
    opened = []
    progress(text, 0, len(subjects))
    for number, subject in enumerate(subjects, start=1):
        one = open_subject(study, subject)
        check_subject(study, one)
        opened.append(one)
        progress(text, number, len(subjects))
    check_same_runs(study, opened)
    check_same_sources(study, subjects)
    if study.decoding.across is not None:
        check_training_across(study, [align(study, one) for one in opened])
    return opened


def check_subject(study: Study, opened: Opened) -> None:
    """Raise if an opened subject's features or tables could not be made."""
    aligned = align(study, opened)
    rows = rows_to_score(study, aligned)
    check_made_from(study, map(str, opened.runs), opened.subject)
    check_analysis(study, opened.recording.space, rows, opened.subject)
    check_features(study, aligned)
    check_stimuli(study, opened)
    voxels_of(study, opened.recording.space, opened.subject)
    check_layer_rois(study, opened.recording.space, opened.subject)
    check_decoding(study, opened, opened.recording.space, aligned.rows)
    check_reconstruction(study, opened, aligned.rows)


def table_files(study: Study, subjects: Sequence[str]) -> list[str]:
    """Return the files, below the study's root, that tables alone are made from."""
    names = [
        *roi_files(study, subjects),
        *sphere_files(study, subjects),
        study.analysis.planted,
        "participants.tsv" if study.decoding.groups else None,
    ]
    return [name for name in names if name]


def _make_tables(
    session: Session,
    opened: Sequence[Opened],
    models: dict[str, str],
    others: dict[str, str],
) -> str:
    study, out = session.study, session.out
    settings = study.part("analysis", "rois")
    files = table_files(study, list(models))
    inputs = models | {name: file_identity(study.root / name) for name in files}
    inputs |= {name: identity for name, identity in others.items() if identity}
    recipe = Recipe("tables", VERSIONS["tables"], settings, inputs)
    rest = [s for s in study.dataset.subjects if s not in models]

    def work(folder: Path) -> list[str]:
        parts = []
        for number, one in enumerate(opened, start=1):
            parts.append(analyse(study, out, one.subject))
            session.progress("scores, intervals and nulls", number, len(opened))
        notes = write_tables(study, folder, parts)
        write_roi_sizes(folder, out, {part.subject: part.rois for part in parts})
        first = opened[0].subject
        sources = {n: source_of(study, n, first) for n in study.encoding.bands}
        more = alignment_tables(out, list(models), sources)
        if others["stimuli"]:
            shared = out / "stimuli/shared_clips.csv"
            more["shared_clips"] = pd.read_csv(shared, dtype={"subject": str})
        more |= read_decoding(study, out, list(models))
        more |= read_reconstruction(out, list(models))
        for name, table in more.items():
            table.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")
        if rest:
            notes.append(
                f"tables, figures and page hold {', '.join(models)} alone; run without "
                f"--subject for {', '.join(rest)} as well."
            )
        return notes

    return session.make("tables", recipe, work)


def _make_maps(session: Session, subjects: Sequence[str], tables: str) -> None:
    study, out = session.study, session.out
    settings = {
        "title": study.title,
        "simulated": study.dataset.simulated,
        "subjects": list(subjects),
    }
    session.make(
        "maps",
        Recipe("maps", VERSIONS["maps"], settings, {"tables": tables}),
        lambda folder: write_maps(study, out, folder, subjects),
    )


def _draw(session: Session, subjects: Sequence[str], tables: str, last: int) -> None:
    study, out = session.study, session.out
    if last < STAGES.index("figures"):
        return
    whole = _whole_study(study)
    settings = {
        "title": study.title,
        "simulated": study.dataset.simulated,
        "subjects": list(subjects),
        "pycortex": has_pycortex(),
    }
    recipe = Recipe("figures", VERSIONS["figures"], settings, {"tables": tables})
    figures = session.make(
        "figures", recipe, lambda folder: draw_figures(study, out, folder, subjects)
    )
    if last < STAGES.index("report"):
        return
    recipe = Recipe(
        "report",
        VERSIONS["report"],
        {"study": whole, "subjects": list(subjects)},
        {"figures": figures},
    )
    notes = collect_notes(out, subjects)
    session.make(
        "report",
        recipe,
        lambda folder: write_report(
            out, folder, study=whole, subjects=subjects, notes=notes
        ),
    )


def _whole_study(study: Study) -> dict[str, Any]:
    names = ("title", "dataset", "responses", "alignment", "features", "stimuli")
    return study.part(
        *names, "encoding", "analysis", "decoding", "rois", "retrieval", "generation"
    )


def _about_study(session: Session, subjects: Sequence[str]) -> dict[str, Any]:
    folders = sorted({*session.made, *session.reused})
    identities = {}
    for folder in folders:
        about = read_about(session.out / folder)
        identities[folder] = about["identity"] if about else ""
    return {
        "study": _whole_study(session.study),
        "machine": session.study.part("machine")["machine"],
        "subjects": list(subjects),
        "packages": package_versions(),
        "artefacts": identities,
        "notes": collect_notes(session.out, subjects),
    }
