"""Our numbers beside published ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from ..analysis.hierarchy import bare_name
from ..core.checks import InputError
from ..core.types import label_of
from .published import Published, literature

Tables = Callable[[str], pd.DataFrame | None]
LEADING = ("paper", "item", "what", "of", "published", "ours", "difference")
NOT = "not "
SOURCE = "{source}"


class NoRowsError(InputError):
    """Raised where a table holds no row of what is asked for."""


@dataclass(frozen=True, slots=True)
class Ours:
    """What our numbers are read from.

    Parameters
    ----------
    tables : callable
        From the name of a table to the table, with a column 'subject', or None.
    sources : mapping of feature space to source
        What stands in for each space.
    subjects : sequence of str
        Of the study, in its order, whether they were run or not.
    sweeps : mapping of choice to callable
        Tables of the first other reading of a choice, where that was run.
    """

    tables: Tables
    sources: Mapping[str, str] = field(default_factory=dict)
    subjects: Sequence[str] = ()
    sweeps: Mapping[str, Tables] = field(default_factory=dict)


def compare_numbers(
    ours: Ours, numbers: Sequence[Published] | None = None
) -> pd.DataFrame:
    """Return every published number with ours, and what differs, in words.

    Parameters
    ----------
    ours : Ours
    numbers : sequence of Published, optional
        All of `literature` if not given.

    Returns
    -------
    table : DataFrame
        One row per number: paper, item, what, of, published and published_sd (NaN
        where the paper gives a figure alone), ours (mean over subjects), ours_sd (over
        subjects, with n - 1), difference (ours less theirs), n subjects, each
        (subject by subject), differs, and not_ours_since: why there is none of ours.
    """
    known = literature()
    rows = []
    for one in known.numbers if numbers is None else numbers:
        theirs = float("nan") if one.value is None else one.value
        each, why = our_number(ours, one)
        values = each.to_numpy(dtype=float)
        mean = float(values.mean()) if len(values) else np.nan
        row: dict[str, object] = {
            "paper": one.by,
            "item": one.item,
            "what": one.what,
            "of": label_of(one.of, ours.sources.get(one.of, "")),
            "published": theirs,
            "published_sd": np.nan if one.sd is None else one.sd,
            "ours": mean,
            "ours_sd": float(values.std(ddof=1)) if len(values) > 1 else np.nan,
            "difference": mean - theirs,
            "n": len(values),
            "each": " ".join(f"{value:.3f}" for value in values),
            "differs": "; ".join(known.differs[key] for key in one.differs),
            "not_ours_since": why,
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    first = list(LEADING)
    return table[[*first, *table.columns.difference(first, sort=False)]]


def our_number(ours: Ours, one: Published) -> tuple[pd.Series, str]:
    """Return our number of each subject, or none and why there is none.

    Where several rows of a subject fit a number of one row there is none: which of them
    is meant cannot be guessed.
    """
    nothing = pd.Series(dtype=float)
    if one.why:
        return nothing, one.why
    if one.sweep and one.sweep not in ours.sweeps:
        return nothing, f"read from --sweep {one.sweep}, which was not run here"
    tables = ours.sweeps[one.sweep] if one.sweep else ours.tables
    table = tables(one.table)
    try:
        if table is None:
            raise NoRowsError(f"this study makes no table {one.table}")
        if one.subject is not None:
            table = _of_subject(table, ours.subjects, one.subject)
        rows = fitting_rows(table, one.table, _with_source(ours, one))
        each = per_subject(rows, one.column, one.take)
    except NoRowsError as error:
        return nothing, f"{error}; it needs {one.needs}" if one.needs else str(error)
    except InputError as error:
        return nothing, str(error)
    if each.empty:
        return nothing, f"{one.column} of {one.table} is not a number there"
    return each, ""


def fitting_rows(
    table: pd.DataFrame, name: str, wanted: Mapping[str, object]
) -> pd.DataFrame:
    """Return the rows of a table whose columns are as wanted.

    A text with * matches as a file name does; one that begins with 'not ' matches all
    others. A region matches its own name, or else its name in each hemisphere.

    Raises
    ------
    NoRowsError
        If the table lacks a column, or none of its rows fits.
    """
    for column, value in wanted.items():
        if column not in table:
            raise NoRowsError(f"table {name} has no column {column}")
        fits = _fits(table[column], value)
        if column == "roi" and not fits.any():
            bare = table[column].astype(str).map(bare_name)
            fits = bare == bare_name(str(value))
        table = table[fits]
        if table.empty:
            raise NoRowsError(f"table {name} has no {column} {value}")
    return table


def per_subject(rows: pd.DataFrame, column: str, take: str) -> pd.Series:
    """Return one number of each subject; NaN is left out.

    Of one region in two hemispheres that is the mean over their voxels.

    Raises
    ------
    InputError
        If the rows have no such column, or there are several of a subject where one is
        to be taken.
    """
    if column not in rows:
        raise NoRowsError(f"these rows have no column {column}")
    if take == "one":
        rows = _both_hemispheres(rows, column)
        most = int(rows.groupby("subject").size().max())
        if most > 1:
            raise InputError(f"{most} rows of a subject fit, and one is meant")
    groups = rows.groupby("subject", sort=False)[column]
    if take == "max":
        return groups.max().dropna()
    if take == "sum":
        return groups.sum(min_count=1).dropna()
    return groups.mean().dropna()


def _both_hemispheres(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    sides = {"roi", "n_voxels"} <= set(rows) and rows["roi"].nunique() == 2
    if not sides or rows["roi"].map(bare_name).nunique() > 1:
        return rows
    if rows.duplicated(["subject", "roi"]).any():  # two models, and not two sides
        return rows
    kept = rows.dropna(subset=[column])
    weighted = (kept[column] * kept["n_voxels"]).groupby(kept["subject"], sort=False)
    n = kept.groupby("subject", sort=False)["n_voxels"].sum()
    return (weighted.sum() / n).rename(column).reset_index()


def _of_subject(
    table: pd.DataFrame, subjects: Sequence[str], number: int
) -> pd.DataFrame:
    if number > len(subjects):
        raise NoRowsError(f"this study has no subject {number}")
    mine = table[table["subject"] == subjects[number - 1]]
    if mine.empty:
        raise NoRowsError(f"subject {subjects[number - 1]} was not run, or has no row")
    return mine


def _with_source(ours: Ours, one: Published) -> dict[str, object]:
    """Return the wanted rows; '{source}' stands for what makes the feature space."""
    source = ours.sources.get(one.of)
    if source is None and SOURCE in one.rows.values():
        raise NoRowsError(f"this study has no feature space {one.of}")
    return {
        name: source if wanted == SOURCE else wanted
        for name, wanted in one.rows.items()
    }


def _fits(column: pd.Series, wanted: object) -> pd.Series:
    if not isinstance(wanted, str):
        return column == wanted
    text = column.astype(str)
    if wanted.startswith(NOT):
        return text != wanted.removeprefix(NOT)
    if "*" in wanted:
        return text.map(lambda cell: fnmatchcase(cell, wanted)).astype(bool)
    return text == wanted
