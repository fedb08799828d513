"""Opens a subject: its files are found and checked against each other, none is fitted.

Everything that can be wrong with the inputs of a study is said here, before the slow
part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError
from ..core.types import Run, Split
from ..data.confounds import Confounds
from ..data.derivatives import refuse_raw
from ..data.events import check_events_fit, clip_ids, clip_rows, read_events
from ..data.files import find_runs, path_of, placeholders, select_runs
from ..data.leakage import clips_straddle_folds
from ..data.recordings import Recording, open_derivatives, open_recording
from ..data.splits import fold_of_row, make_split
from ..features.design import has_history
from ..study import Study, StudyError
from .acquisition import at_reference_time, read_all_confounds, timing_notes


@dataclass(frozen=True)
class Opened:
    """A subject at the door: its recording, runs, stimulus events and rows.

    `rows` has one row per volume, training runs first: session, task, run, sample,
    time_s, clip, sample_in_clip, presentation, side ('train' or 'test'), and kept.
    `confounds` has the runs beside which fMRIPrep wrote a table; `files` are inputs
    beside the recording's own.
    """

    subject: str
    recording: Recording
    split: Split
    events: dict[Run, pd.DataFrame]
    rows: pd.DataFrame
    notes: tuple[str, ...]
    confounds: Mapping[Run, Confounds] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    @property
    def runs(self) -> tuple[Run, ...]:
        """Training runs, then test runs: the order of the rows."""
        return self.split.train + self.split.test

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Every file that the responses are made from."""
        return (*self.recording.files, *self.files)

    @property
    def name(self) -> str:
        """The subject as messages name it."""
        return f"sub-{self.subject}"

    def rows_of(self, run: Run) -> NDArray[np.bool_]:
        """Return which rows belong to `run`."""
        return (self.rows["run_name"] == str(run)).to_numpy()

    def used(self, run: Run) -> NDArray[np.bool_]:
        """Return which volumes of `run` are not censored, shape (n_samples,)."""
        if run in self.confounds:
            return self.confounds[run].used
        return np.ones(self.recording.n_samples(run), dtype=bool)


def open_subject(study: Study, subject: str) -> Opened:
    """Open a subject's files and check them against each other, before any work.

    Raises
    ------
    InputError
        If a run, a label or an events file is missing, if the events do not fit the
        volumes, or if TRs disagree.
    """
    dataset = study.dataset
    recording, tables, images = _open_files(study, subject)
    split = make_split(
        recording.runs,
        train=dataset.train.as_mapping(),
        test=dataset.test.as_mapping(),
        folds=study.encoding.folds,
        name=f"sub-{subject}",
    )
    _check_tr(recording, split, dataset.tr_s)
    _check_sessions(study, subject, split)
    events, notes = read_all_events(study, subject, split.train + split.test)
    _check_all_recorded(study, subject, split)
    if study.responses.reference_time == "sidecar":
        events = at_reference_time(study, recording, events)
    confounds, said = read_all_confounds(study, recording, split, tables, images)
    notes = [*recording.notes, *timing_notes(recording, split), *said, *notes]
    parts = []
    for run in split.train + split.test:
        part = _run_rows(study, run, recording.n_samples(run), events.get(run))
        if run in confounds:
            part["kept"] &= confounds[run].used
        parts.append(part)
    rows = pd.concat(parts, ignore_index=True)
    names = [str(run) for run in split.train]
    rows["side"] = np.where(rows["run_name"].isin(names), "train", "test")
    files = tuple(
        path
        for run in confounds
        for path in (tables[run], tables[run].with_suffix(".json"))
        if path.is_file()
    )
    opened = Opened(
        subject, recording, split, events, rows, tuple(notes), confounds, files
    )
    _check_clips(study, opened)
    said = _left_out(study, opened, recording.runs) + _after_the_last_event(
        study, opened
    )
    return replace(opened, notes=(*said, *notes))


def _open_files(
    study: Study, subject: str
) -> tuple[Recording, Mapping[Run, Path], Mapping[Run, tuple[Path, ...]]]:
    """Return the recording, and each run's table of confounds and images, if known."""
    dataset = study.dataset
    if dataset.derivatives is not None:
        opening = open_derivatives(
            study.root,
            subject,
            derivatives=dataset.derivatives,
            space=str(dataset.space),
            mask=dataset.mask or "brain",
            fwhm_mm=study.responses.fwhm_mm,
            rules=(dataset.train.as_mapping(), dataset.test.as_mapping()),
        )
        return opening.recording, opening.confounds, opening.images
    recording = open_recording(
        study.root,
        subject,
        responses=str(dataset.responses),
        mask=dataset.mask,
        runs=dataset.runs,
        key=dataset.key,
        mesh=dataset.mesh,
        vertices=dataset.vertices,
    )
    if recording.space.kind == "volume" and dataset.unprocessed == "refuse":
        for path in recording.files:
            refuse_raw(study.root, path)
    return recording, {}, {}


def read_all_events(
    study: Study, subject: str, runs: Sequence[Run]
) -> tuple[dict[Run, pd.DataFrame], list[str]]:
    """Read the stimulus events of each run; the column `clip` names the clip."""
    pattern = study.dataset.events
    if pattern is None:
        return {}, []
    events, notes = {}, []
    for run in runs:
        path = path_of(study.root, pattern, subject, run)
        if not path.exists():
            raise MissingFileError(
                f"no events for sub-{subject}, {run}: expected {path.name} in "
                f"{path.parent}. Check dataset.root and dataset.events in the study "
                "file."
            )
        table, found = read_events(path)
        table["clip"] = (
            clip_ids(table, study.dataset.clip) if study.dataset.clip else ""
        )
        events[run] = table
        notes += [f"sub-{subject}, {run}: {note}" for note in found]
    return events, notes


def _check_clips(study: Study, opened: Opened) -> None:
    """Raise if a clip is scored in a test run that a training run has, too."""
    kept = opened.rows[opened.rows["kept"] & (opened.rows["clip"] != "")]
    sides = [set(kept.loc[kept["side"] == side, "clip"]) for side in ("train", "test")]
    both = sorted(sides[0] & sides[1])
    if both and study.dataset.shared_clips == "refuse":
        raise InputError(
            f"{opened.name}: {len(both)} clips are heard in training and in test runs: "
            f"{', '.join(both[:5])}. A score on them is no test of the model. Move a "
            "run, or set dataset.shared_clips to 'allow'."
        )
    _check_folds(study, opened)
    for side in ("train", "test"):
        if not (opened.rows["kept"] & (opened.rows["side"] == side)).any():
            raise InputError(
                f"{opened.name}: no row of the {side} runs is left. Lower "
                "responses.lead_in_s and drop_end_s, or the longest delay."
            )


def _check_folds(study: Study, opened: Opened) -> None:
    """Raise if a training clip is heard in two folds, unless the study allows it."""
    if study.encoding.clips_over_folds == "allow":
        return
    rows = opened.rows[opened.rows["kept"] & (opened.rows["side"] == "train")]
    over = clips_straddle_folds(rows, fold_of_row(opened.split, list(rows["run_name"])))
    if len(over):
        first = ", ".join(over["clip"][:5])
        raise InputError(
            f"{opened.name}: {len(over)} training clips are heard in more than one "
            f"fold: {first}. What is held out in one would be known from the other. "
            "Choose encoding.folds so that runs with the same clips are in one fold, "
            "or set encoding.clips_over_folds to 'allow'."
        )


def _left_out(study: Study, opened: Opened, recorded: Sequence[Run]) -> list[str]:
    """Count the runs that no rule names, and the volumes that are not kept."""
    notes = []
    spare = [run for run in recorded if run not in set(opened.runs)]
    if spare:
        notes.append(
            f"{opened.name}: {len(spare)} recorded runs are in neither training nor "
            f"test: {', '.join(map(str, spare))}."
        )
    n_dropped = int((~opened.rows["kept"]).sum())
    why = "the lead-in and the end of runs"
    if any(not one.used.all() for one in opened.confounds.values()):
        why += ", censored volumes"
    if study.encoding.incomplete_rows == "drop":
        why += ", and rows without a whole delay history"
    if n_dropped:
        notes.append(
            f"{opened.name}: {n_dropped} of {len(opened.rows)} volumes are not kept: "
            f"{why}."
        )
    return notes


def _after_the_last_event(study: Study, opened: Opened) -> list[str]:
    """Say which runs go on long after their last event, as under a wrong TR."""
    notes = []
    by_delay_s = max(study.all_delays()) * study.dataset.tr_s
    longest_s = max(by_delay_s, *study.alignment.lags_s)
    for run, events in opened.events.items():
        n_samples = int(opened.rows_of(run).sum())
        lasts_s = n_samples * study.dataset.tr_s
        end_s = float((events["onset"] + events["duration"]).max())
        silent_s = lasts_s - end_s
        if silent_s > longest_s + 2 * study.dataset.tr_s:
            notes.append(
                f"{opened.name}, {run}: the last event ends {silent_s:g} s before the "
                f"volumes do ({end_s:g} of {lasts_s:g} s). Is the TR right?"
            )
    return notes


def _check_sessions(study: Study, subject: str, split: Split) -> None:
    """Raise if runs are to be scaled by training rows of a session that has none."""
    if study.responses.zscore != "session":
        return
    trained = {run.session for run in split.train}
    without = [run for run in split.test if run.session not in trained]
    if without:
        raise InputError(
            f"sub-{subject}: responses.zscore is 'session', but {without[0]} "
            f"{'and others are' if without[1:] else 'is'} of a session without a "
            "training run, by whose rows it could be scaled. Take 'run' or 'train'."
        )


def _check_tr(recording: Recording, split: Split, tr_s: float) -> None:
    for run in split.train + split.test:
        found = recording.tr_s(run)
        if found is not None and abs(found - tr_s) > 1e-3:
            raise InputError(
                f"sub-{recording.subject}, {run}: the recording says TR {found:g} s, "
                f"the study file {tr_s:g} s. Correct dataset.tr_s, or the header."
            )


def _check_all_recorded(study: Study, subject: str, split: Split) -> None:
    """Raise if a run has events but no responses, although the rules ask for it."""
    if study.dataset.events is None:
        return
    announced = find_runs(study.root, study.dataset.events, subject)
    named = placeholders(study.dataset.events) - {"subject"}
    expected: list[Run] = []
    for rule in (study.dataset.train, study.dataset.test):
        wanted = {k: v for k, v in rule.as_mapping().items() if k in named}
        expected += select_runs(announced, wanted, name=f"sub-{subject}")
    # Events that are not of a session, or of a task, serve the runs of any.
    here = {
        Run(
            run.task if "task" in named else "",
            run.run if "run" in named else "",
            run.session if "session" in named else None,
        )
        for run in split.train + split.test
    }
    missing = [run for run in expected if run not in here]
    if missing:
        raise MissingFileError(
            f"sub-{subject}: {len(missing)} runs have events but no responses: "
            f"{', '.join(map(str, missing))}. Expected them as "
            f"{study.dataset.responses or study.dataset.derivatives}; bring them, or "
            "name the runs to use in dataset.train and dataset.test."
        )


def _run_rows(
    study: Study, run: Run, n_samples: int, events: pd.DataFrame | None
) -> pd.DataFrame:
    tr_s = study.dataset.tr_s
    if events is None:
        events = pd.DataFrame({"onset": [], "duration": [], "clip": []})
    else:
        check_events_fit(events, n_samples=n_samples, tr_s=tr_s, name=str(run))
    clips = events if study.dataset.clip else events.iloc[:0]
    rows = clip_rows(clips, list(clips["clip"]), n_samples=n_samples, tr_s=tr_s)
    start, end = n_dropped(study)
    keep = (rows["sample"] >= start) & (rows["sample"] < n_samples - end)
    if study.encoding.incomplete_rows == "drop":
        delays = study.all_delays()
        keep &= has_history(n_samples, delays)
    label = {"session": run.session or "", "task": run.task, "run": run.run}
    return rows.assign(**label, run_name=str(run), kept=keep)


def n_dropped(study: Study) -> tuple[int, int]:
    """Return how many samples each run loses at its start and at its end."""
    counts = []
    for key in ("lead_in_s", "drop_end_s"):
        seconds = getattr(study.responses, key)
        n = round(seconds / study.dataset.tr_s)
        if abs(n * study.dataset.tr_s - seconds) > 1e-6:
            raise StudyError(
                f"responses.{key} is {seconds:g} s, which is no whole number of TRs of "
                f"{study.dataset.tr_s:g} s. Write {n * study.dataset.tr_s:g}."
            )
        counts.append(n)
    return counts[0], counts[1]


def check_same_runs(study: Study, opened: Sequence[Opened]) -> None:
    """Raise if a subject lacks a run that another has, unless the study allows it."""
    if study.dataset.unequal_runs == "allow":
        return
    everywhere = {run for one in opened for run in one.runs}
    for one in opened:
        missing = sorted(everywhere - set(one.runs), key=lambda run: run.order)
        if missing:
            raise InputError(
                f"{one.name} lacks {len(missing)} runs that other subjects have: "
                f"{', '.join(map(str, missing))}. Bring them, name the runs to use in "
                "dataset.train and dataset.test, or set dataset.unequal_runs to "
                "'allow'."
            )
