"""What it changes to read otherwise what the paper leaves open."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ..core.checks import InputError, check_choice
from ..study import Study, changed
from ..workflow.pipeline import run
from ..workflow.result import Result
from ..workflow.session import Progress
from .published import Choice, Variation, literature

FOLDER = "sweeps"
STEPS = ("responses", "features", "models", "subsets", "decoding", "lags")
Measures = dict[tuple[str, str], float]  # by measure and feature space
ACCURACY = {"metric": "identification accuracy", "pool": "clips"}


def chosen_sweeps(names: Sequence[str] | None) -> list[Choice]:
    """Return the choices of these names, all if None.

    Raises
    ------
    InputError
        If a name is not known.
    """
    choices = literature().choices
    for name in names or ():
        check_choice(name, "sweep", [one.name for one in choices])
    return [one for one in choices if names is None or one.name in names]


def run_sweeps(
    study: Study,
    out: Path,
    choices: Sequence[Choice],
    subject: str,
    progress: Progress,
) -> tuple[pd.DataFrame, list[str]]:
    """Run one subject under each other reading, and return what it changes.

    What a variation leaves as it is, such as features, is taken from the results.

    Parameters
    ----------
    study : Study
    out : path
        Folder of the results as we took them; variations go to `sweeps` beside it.
    choices : sequence of Choice
    subject : str
    progress : callable
        As for `run`.

    Returns
    -------
    table : DataFrame
        One row per variation and measure: choice, silent, taken, instead, measure, of
        (a feature space), as_taken, instead_value, change.
    notes : list of str
        Which variations this study cannot have, and why.
    """
    taken = measures(Result(out), subject)
    tables, notes = [], []
    for choice in choices:
        for variation in choice.variations:
            place = out.parent / FOLDER / f"{choice.name}-{_plain(variation.label)}"
            try:
                varied = vary(study, variation)
            except ValueError as error:
                notes.append(f"sweep {choice.name}, {variation.label}: {error}")
                continue
            if varied == study:
                notes.append(
                    f"sweep {choice.name}, {variation.label}: this study has it so."
                )
                continue
            _take_what_stands(out, place, subject)
            try:
                found = run(
                    varied, place, subjects=[subject], stage="tables", progress=progress
                )
            except InputError as error:
                notes.append(f"sweep {choice.name}, {variation.label}: {error}")
                continue
            tables.append(_changes(choice, variation, taken, measures(found, subject)))
    names = ["choice", "silent", "taken", "instead", "measure", "of"]
    empty = pd.DataFrame(columns=[*names, "as_taken", "instead_value", "change"])
    return pd.concat(tables, ignore_index=True) if tables else empty, notes


def vary(study: Study, variation: Variation) -> Study:
    """Return a study with the parts of a variation; it says why if it cannot be so."""
    parts = {
        name: replace(getattr(study, name), **changes)
        for name, changes in variation.changes.items()
    }
    return changed(study, **parts)


def measures(result: Result, subject: str) -> Measures:
    """Return what variations are compared by: of each measure and space, a number.

    Identification of clips by each decoded target, and mean r over all voxels of each
    feature space by itself.
    """
    rois = result.table("roi_scores")
    alone = rois[(rois["roi"] == "all voxels") & (rois["model"] == "alone")]
    found = _by_space("mean r over all voxels", alone, subject, "r_mean")
    if (result.out / "tables/decoding.csv").exists():
        table = result.table("decoding").rename(columns={"target": "feature_space"})
        for name, value in ACCURACY.items():
            table = table[table[name] == value]
        found |= _by_space("identification accuracy of clips", table, subject, "value")
    return found


def _by_space(measure: str, table: pd.DataFrame, subject: str, column: str) -> Measures:
    rows = table[table["subject"] == subject]
    pairs = zip(rows["feature_space"], rows[column], strict=True)
    return {(measure, str(space)): float(value) for space, value in pairs}


def _changes(
    choice: Choice, variation: Variation, taken: Measures, found: Measures
) -> pd.DataFrame:
    rows = [
        {
            "choice": choice.name,
            "silent": choice.silent,
            "taken": choice.taken,
            "instead": variation.label,
            "measure": key[0],
            "of": key[1],
            "as_taken": value,
            "instead_value": found.get(key, float("nan")),
        }
        for key, value in taken.items()
    ]
    table = pd.DataFrame(rows)
    return table.assign(change=table["instead_value"] - table["as_taken"])


def _take_what_stands(out: Path, place: Path, subject: str) -> None:
    """Link the artefacts of a subject into another folder: the same files."""
    for step in STEPS:
        source, target = out / step / f"sub-{subject}", place / step / f"sub-{subject}"
        if source.is_dir() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target, copy_function=os.link)


def _plain(label: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in label)
