"""What it changes to read otherwise what the paper leaves open."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.artefacts import link_artefact, read_about
from ..core.checks import InputError, check_choice
from ..study import Study, changed
from ..study_reconstruction import Generation, Retrieval
from ..workflow.pipeline import open_all, run
from ..workflow.result import Result
from ..workflow.session import Progress
from .numbers import fitting_rows, per_subject
from .published import Choice, Reading, Variation, literature

FOLDER = "sweeps"
NONE = "none"
STEPS = ("responses", "features", "models", "subsets", "decoding", "lags")
LONGEST = 40  # letters of a folder's name
Measures = dict[tuple[str, str], float]  # by measure and feature space
ACCURACY = "identification accuracy"
MEAN_R = "mean r over all voxels"
POOLS = {"clips": "clips", "windows of other clips": "windows among other clips"}
COLUMNS = (
    *("choice", "silent", "taken", "instead", "measure", "of"),
    *("as_taken", "instead_value", "change"),
)


@dataclass(frozen=True, slots=True)
class Swept:
    """What other readings change.

    Parameters
    ----------
    table : DataFrame
        One row per other reading, measure that it touches, and feature space: choice,
        silent, taken, instead, measure, of, as_taken, instead_value, change. A choice
        without an effect that can be shown has one row, which says why.
    notes : list of str
        Which readings this study cannot have, and why.
    results : dict of choice to Result
        The run of its first other reading, where there is one.
    """

    table: pd.DataFrame
    notes: list[str]
    results: dict[str, Result] = field(default_factory=dict)


def chosen_sweeps(names: Sequence[str] | None) -> list[Choice]:
    """Return the choices of these names: all if None, and none of them if 'none'.

    Raises
    ------
    InputError
        If a name is not known, or stands beside 'none'.
    """
    choices = literature().choices
    if names is not None and NONE in names:
        if set(names) != {NONE}:
            rest = ", ".join(name for name in names if name != NONE)
            raise InputError(
                f"--sweep none asks for no sweep, and {rest} stands beside it. Leave "
                "one of them out."
            )
        return []
    for name in names or ():
        check_choice(name, "sweep", [one.name for one in choices])
    return [one for one in choices if names is None or one.name in names]


def run_sweeps(
    study: Study,
    out: Path,
    choices: Sequence[Choice],
    subject: str,
    progress: Progress,
) -> Swept:
    """Run one subject under each other reading, and return what it changes.

    What a variation leaves as it is, such as features, is taken from the results; music
    is neither retrieved nor generated again.

    Parameters
    ----------
    study : Study
    out : path
        Folder of the results as we took them; variations go to `sweeps` beside it.
    choices : sequence of Choice
    subject : str
    progress : callable
        As for `run`.

    Raises
    ------
    InputError
        As `run`, once a variation has passed its door: what it is refused for there is
        a note.
    """
    as_taken = measures(Result(out), subject)
    rows: list[dict[str, object]] = []
    swept = Swept(pd.DataFrame(columns=COLUMNS), [])
    for choice in choices:
        named: dict[str, object] = {"choice": choice.name, "silent": choice.silent}
        named["taken"] = taken_by(study, choice)
        other, said = read_otherwise(Result(out), choice, subject)
        rows += [named | one for one in other]
        swept.notes.extend(said)
        if choice.unswept:
            rows.append(named | {"instead": f"not shown: {choice.unswept}"})
        for variation in choice.variations:
            varied, why = _varied(without_music(study), variation, subject)
            if varied is None:
                swept.notes.append(f"sweep {choice.name}, {variation.label}: {why}")
                continue
            place = out.parent / FOLDER / name_of(choice, variation)
            result = _run_beside(varied, (out, place), subject, progress)
            if variation == choice.variations[0]:
                swept.results[choice.name] = result
            found = _touched(measures(result, subject), (out, place), subject)
            named_so = named | {"instead": variation.label}
            rows += [named_so | one for one in _changes(as_taken, found)]
    return replace(swept, table=pd.DataFrame(rows, columns=COLUMNS))


def name_of(choice: Choice, variation: Variation) -> str:
    """Return the name of the folder of a variation's results."""
    return f"{choice.name}-{_plain(variation.label)}"


def without_music(study: Study) -> Study:
    """Return a study that neither retrieves nor generates."""
    return changed(study, retrieval=Retrieval(), generation=Generation())


def vary(study: Study, variation: Variation) -> Study:
    """Return a study with the parts of a variation; it says why if it cannot be so.

    Raises
    ------
    InputError
        Saying why.
    """
    parts: dict[str, Any] = {
        name: type(getattr(study, name))() for name in variation.reset
    }
    for name, changes in variation.changes.items():
        if name == "features":
            parts[name] = _with_spaces(study, changes)
        else:
            parts[name] = changed(parts.get(name, getattr(study, name)), **changes)
    return changed(study, **parts)


def taken_by(study: Study, choice: Choice) -> str:
    """Return what a study takes: the key with its value, and why if it is as usual.

    Examples
    --------
    >>> choice = Choice("x", "what", "the mean")
    >>> taken_by(None, choice)
    'the mean'
    """
    if not choice.key:
        return choice.taken
    try:
        value = _value_of(study, choice.key)
    except KeyError:
        return f"{choice.key}: not in this study"
    said = f"{choice.key} = {value}"
    return f"{said}: {choice.taken}" if value == choice.usual else said


def read_otherwise(
    result: Result, choice: Choice, subject: str
) -> tuple[list[dict[str, object]], list[str]]:
    """Return the rows of a choice's readings of a run's tables, and what has none."""
    rows: list[dict[str, object]] = []
    notes = []
    for one in choice.readings:
        other = one.instead_column or one.column
        try:
            as_taken = _read(result, one, subject, one.as_taken, one.column)
            instead = _read(result, one, subject, one.instead, other)
        except InputError as error:
            notes.append(f"sweep {choice.name}, {one.label}: {error}")
            continue
        rows += [{"instead": one.label} | row for row in _changes(as_taken, instead)]
    return rows, notes


def measures(result: Result, subject: str) -> Measures:
    """Return what variations are compared by: of each measure and space, a number.

    Identification of clips, and of windows among those of other clips, by each decoded
    target; and mean r over all voxels of each feature space by itself.
    """
    voxels = result.table("voxel_scores")
    alone = voxels[(voxels["model"] == "alone") & (voxels["score"] == "r")]
    means = alone.groupby(["subject", "feature_space"], sort=False)["value"].mean()
    found = _by_space(MEAN_R, means.reset_index(), subject, "feature_space")
    if (result.out / "tables/decoding.csv").exists():
        table = result.table("decoding")
        for pool, name in POOLS.items():
            rows = table[(table["metric"] == ACCURACY) & (table["pool"] == pool)]
            found |= _by_space(f"{ACCURACY} of {name}", rows, subject, "target")
    return found


def _varied(
    study: Study, variation: Variation, subject: str
) -> tuple[Study | None, str]:
    """Return a study as it would be run, or why it cannot be."""
    try:
        varied = vary(study, variation)
        if varied == study:
            return None, "this study has it so."
        open_all(varied, [subject], lambda *_: None)
    except InputError as error:
        return None, str(error)
    return varied, ""


def _run_beside(
    varied: Study, places: tuple[Path, Path], subject: str, progress: Progress
) -> Result:
    """Run one subject in the second place, with what the first one has already."""
    out, place = places
    for step in STEPS:
        own = f"{step}/sub-{subject}"
        link_artefact(out / own, place / own)
    return run(varied, place, subjects=[subject], stage="tables", progress=progress)


def _touched(found: Measures, places: Sequence[Path], subject: str) -> Measures:
    """Return the measures of what was made again: the rest cannot have changed."""

    def same(step: str) -> bool:
        abouts = [read_about(place / f"{step}/sub-{subject}") for place in places]
        return len({str(one and one["identity"]) for one in abouts}) == 1

    kept = {True: not same("models"), False: not same("decoding")}
    return {key: value for key, value in found.items() if kept[key[0] == MEAN_R]}


def _with_spaces(study: Study, changes: Mapping[str, Any]) -> dict[str, Any]:
    spaces = dict(study.features)
    for name, keys in changes.items():
        if name not in spaces:
            raise InputError(f"this study has no features.{name}.")
        known = {one.name for one in fields(spaces[name])}
        for key in keys:
            if key not in known:
                raise InputError(
                    f"features.{name} is of kind {spaces[name].kind!r}, which has no "
                    f"{key}."
                )
        spaces[name] = changed(spaces[name], **keys)
    return spaces


def _value_of(study: Study, key: str) -> Any:
    first, *rest = key.split(".")
    value: Any = study.part(first)[first]
    for name in rest:
        value = value[name]
    return value


def _read(
    result: Result,
    reading: Reading,
    subject: str,
    wanted: Mapping[str, object],
    column: str,
) -> Measures:
    """Return a reading of a table, by feature space."""
    table = result.table(reading.table)
    rows = fitting_rows(table, reading.table, {"subject": subject, **wanted})
    return {
        (reading.measure, str(space)): float(value)
        for space, part in rows.groupby(reading.by, sort=False)
        for value in per_subject(part, column, reading.take)
    }


def _changes(as_taken: Measures, instead: Measures) -> list[dict[str, object]]:
    """Return a row for each measure that both have."""
    return [
        {
            "measure": measure,
            "of": space,
            "as_taken": value,
            "instead_value": instead[measure, space],
            "change": instead[measure, space] - value,
        }
        for (measure, space), value in as_taken.items()
        if (measure, space) in instead
    ]


def _by_space(measure: str, table: pd.DataFrame, subject: str, by: str) -> Measures:
    rows = table[table["subject"] == subject]
    pairs = zip(rows[by], rows["value"], strict=True)
    return {(measure, str(space)): float(value) for space, value in pairs}


def _plain(label: str) -> str:
    """Return a label as the name of a folder.

    Examples
    --------
    >>> _plain("the best of 0 to 9 s (0 to 6 TRs) on training folds")
    'the-best-of-0-to-9-s-0-to-6-trs-on-train'
    """
    return re.sub("[^a-z0-9]+", "-", label.lower())[:LONGEST].strip("-")
