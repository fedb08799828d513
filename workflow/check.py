"""Says what a study will compute, and what it will cost, without fitting anything."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError
from ..core.cluster import job_script
from ..core.notebooks import line_and_table
from ..core.notes import summarise
from ..core.types import Run, Split, label_of
from ..data.files import find_runs, path_of
from ..data.splits import make_split
from ..feature_spaces import ControlFeatures
from ..features.networks import width_of
from ..study import Study
from .across_doors import check_training_across, check_voxels_across
from .alignment import Aligned, align, joint_windowing
from .costs import describe_cost
from .decoding_costs import describe_decoding
from .fitting import check_backend, scheduler_of
from .inventory import missing_parts
from .networks import layers_of, network_of, network_space
from .opening import Opened, check_same_runs, n_dropped, open_subject, read_all_events
from .pipeline import check_subject
from .reconstruction import retrieval_notes
from .regions import load_rois
from .responses import clean_responses
from .session import Ticker, silent
from .source_names import source_of
from .sources import space_runs
from .timed_fit import describe_time


@dataclass
class Check:
    """What was found: lines to read, and problems that keep the study from running."""

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        problems = [f"problem: {text}" for text in self.problems]
        return "\n".join([*self.lines, *problems])

    def _repr_html_(self) -> str:
        """Show in a notebook what was found, problems first."""
        n = len(self.problems)
        line = f"{n or 'no'} problem{'' if n == 1 else 's'}"
        kinds = ["problem"] * n + [""] * len(self.lines)
        texts = [text.strip() for text in (*self.problems, *self.lines)]
        return line_and_table(line, pd.DataFrame({"": kinds, "found": texts}))


def check_study(study: Study, *, timed: bool = False, ticker: Ticker = silent) -> Check:
    """Read all of a study's inputs, and fit nothing, unless asked for the time.

    Parameters
    ----------
    study : Study
    timed : bool
        Whether to fit samples of the first subject's voxels, to tell the time.
    ticker : Ticker
        Told how far that has come.

    Returns
    -------
    check : Check
        Runs, clips and repeats of each subject, what will be computed, the memory and
        time that it will take, and what is missing. Print it.
    """
    found = Check([study.title, f"data set: {study.root}"])
    opened: list[Opened] = []
    ready: list[Aligned] = []
    valid: dict[str, NDArray[np.bool_]] = {}
    try:
        check_backend(study)
    except InputError as error:
        found.problems.append(str(error))
    for subject in study.dataset.subjects:
        try:
            one = open_subject(study, subject)
            _describe(study, one, found)
            check_subject(study, one)
            aligned = align(study, one)
            valid[subject] = clean_responses(study, aligned, None).valid
            notes = retrieval_notes(study, one, aligned.rows)
            found.lines += [f"  note: {one.name}, retrieval: {note}" for note in notes]
            opened.append(one)
            ready.append(aligned)
        except InputError as error:
            missing = _what_is_missing(study, subject)
            found.problems.append(missing or str(error))
            if missing:
                _describe_events(study, subject, found)
    try:
        check_same_runs(study, opened)
        check_training_across(study, ready)
        check_voxels_across(study, opened, valid)
    except InputError as error:
        found.problems.append(str(error))
    if opened:
        _describe_work(study, opened, found)
        if timed and not found.problems:
            found.lines += describe_time(study, opened, ticker)
    else:
        found.problems += missing_parts(study)
    # What is wrong with the study itself meets every subject.
    found.problems = list(dict.fromkeys(found.problems))
    return found


def _describe(study: Study, opened: Opened, found: Check) -> None:
    space = opened.recording.space
    found.lines.append(
        f"{opened.name}: {space.n_voxels} columns ({space.kind}, {space.name}), "
        f"{len(opened.split.folds)} folds"
    )
    found.lines += _describe_runs(opened.split, opened.rows)
    found.lines += [f"  note: {note}" for note in summarise(opened.notes)]
    rois, notes = load_rois(study, space, opened.subject)
    found.lines.append(f"  {len(rois)} ROIs")
    found.lines += [f"  note: {note}" for note in notes]


def _describe_runs(split: Split, rows: pd.DataFrame) -> list[str]:
    lines = []
    for side, runs in (("training", split.train), ("test", split.test)):
        here = rows[rows["run_name"].isin([str(run) for run in runs])]
        kept = here[here["kept"]]
        lines.append(
            f"  {len(runs)} {side} runs ({_names(runs)}), {len(here)} volumes, "
            f"{len(kept)} kept{_clips(kept)}"
        )
    return lines


def _clips(kept: pd.DataFrame) -> str:
    heard = kept[kept["clip"] != ""].drop_duplicates(["run_name", "presentation"])
    if heard.empty:
        return "; no clips are named"
    repeats = Counter(Counter(heard["clip"]).values())
    times = ", ".join(f"{n} heard {k} times" for k, n in sorted(repeats.items()))
    return f"; {heard['clip'].nunique()} clips ({times.replace('1 times', 'once')})"


def _names(runs: Sequence[Run]) -> str:
    return f"{runs[0]} ... {runs[-1]}" if len(runs) > 2 else ", ".join(map(str, runs))


def _what_is_missing(study: Study, subject: str) -> str | None:
    """Say that responses are missing for every run, if the events tell how many."""
    dataset = study.dataset
    if dataset.events is None or dataset.responses is None:
        return None
    if _found(study, dataset.responses, subject):
        return None
    runs = _found(study, dataset.events, subject)
    if not runs:
        return None
    first = path_of(study.root, dataset.responses, subject, next(iter(runs)))
    images = "images" if ".nii" in dataset.responses else "responses"
    return (
        f"sub-{subject}: the {images} of all {len(runs)} runs are missing: expected "
        f"{first.relative_to(study.root)}, and so on, in {study.root}."
    )


def _found(study: Study, pattern: str, subject: str) -> tuple[Run, ...]:
    try:
        return tuple(find_runs(study.root, pattern, subject))
    except MissingFileError:
        return ()


def _describe_events(study: Study, subject: str, found: Check) -> None:
    """Describe the design from the events alone, where the responses are missing."""
    dataset = study.dataset
    if dataset.events is None:
        return
    try:
        runs = tuple(find_runs(study.root, dataset.events, subject))
        split = make_split(
            runs,
            train=dataset.train.as_mapping(),
            test=dataset.test.as_mapping(),
            folds=study.encoding.folds,
            name=f"sub-{subject}",
        )
        events, notes = read_all_events(study, subject, runs)
    except InputError as error:
        found.problems.append(str(error))
        return
    lead_in_s = n_dropped(study)[0] * dataset.tr_s
    found.lines.append(f"sub-{subject}: no responses yet; from the events alone:")
    tables = [_event_rows(run, events[run], dataset.tr_s, lead_in_s) for run in runs]
    found.lines += _describe_runs(split, pd.concat(tables))
    found.lines += [f"  note: {note}" for note in summarise(notes)]


def _event_rows(
    run: Run, events: pd.DataFrame, tr_s: float, lead_in_s: float
) -> pd.DataFrame:
    """Return one row per volume that the events last, as `open_subject` has them."""
    n_samples = round(float((events["onset"] + events["duration"]).max()) / tr_s)
    time_s = np.arange(n_samples) * tr_s
    event = np.searchsorted(events["onset"], time_s + tr_s / 2, side="right") - 1
    return pd.DataFrame(
        {
            "run_name": str(run),
            "clip": events["clip"].to_numpy()[event],
            "presentation": event,
            "kept": time_s >= lead_in_s,
        }
    )


def _describe_work(study: Study, opened: Sequence[Opened], found: Check) -> None:
    encoding = study.encoding
    one = opened[0]
    aligned = align(study, one)
    found.lines += _describe_windows(study, aligned)
    widths: list[int] = []
    layers: list[int] = []
    decoded: list[int] = []
    for name in encoding.bands:
        try:
            n_features, n_layers, notes = _size_of(study, aligned, name)
        except InputError as error:
            found.problems.append(str(error))
            return
        n_features = study.space(name).n_components or n_features
        widths.append(n_features * len(study.delays_of(name)))
        layers += [widths[-1]] * n_layers if n_layers > 1 else []
        decoded += [n_features] if name in study.decoding.targets else []
        several = f", each of {n_layers} layers" if n_layers > 1 else ""
        found.lines.append(
            f"{label_of(name, source_of(study, name, one.subject))}: {n_features} "
            f"features at {len(study.delays_of(name))} delays{several}"
        )
        found.lines += [f"  note: {note}" for note in summarise(notes)]
    found.lines.append(
        f"models: joint over {encoding.n_candidates} candidates x "
        f"{len(encoding.alphas)} alphas, plain, and each of {len(widths)} bands alone"
    )
    try:
        found.lines += describe_cost(study, opened, widths, layers)
        found.lines += describe_decoding(study, opened, decoded, sum(widths))
    except InputError as error:
        found.problems.append(str(error))
    found.lines += _describe_workers(study, found)


def _describe_workers(study: Study, found: Check) -> list[str]:
    machine = study.machine
    if machine.scheduler == "none":
        return []
    lines = [
        f"voxels are spread over {machine.workers} worker(s) of one thread each: "
        f"{machine.scheduler}"
    ]
    if machine.scheduler == "slurm":
        try:
            script = job_script(scheduler_of(study))
        except InputError as error:
            found.problems.append(str(error))
            return lines
        lines += ["the job script of each worker:", *script.rstrip().splitlines()]
    return lines


def _size_of(study: Study, aligned: Aligned, name: str) -> tuple[int, int, list[str]]:
    """Return features, layers to choose from, and notes; networks are not run."""
    read = network_space(study, name)
    if read is not None:
        network = network_of(study, read)
        return width_of(network), len(layers_of(network, read)), []
    space = study.features[name]
    if isinstance(space, ControlFeatures) and space.of is not None:
        n_features, _, notes = _size_of(study, aligned, space.of)
        return n_features, 1, notes
    layers, notes = space_runs(study, aligned, name)
    return next(iter(layers.values()))[0].shape[1], 1, notes


def _describe_windows(study: Study, aligned: Aligned) -> list[str]:
    if aligned.windows is None:
        return []
    windowing, lags_s = joint_windowing(study, aligned.opened), study.alignment.lags_s
    counts = aligned.rows["side"].value_counts()
    return [
        f"rows: windows of {windowing.window_s:g} s stepped by {windowing.step_s:g} s, "
        f"{counts['train']} in training and {counts['test']} in test, repeats counted, "
        f"at a lag of {aligned.lag_s:g} s"
        + (f", the longest of {len(lags_s)} to choose from" if lags_s[1:] else "")
    ]
