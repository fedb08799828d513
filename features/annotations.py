"""Features from tables of events: when, for how long, and what.

Times are in seconds from the start of the run's first sample (volume).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import (
    Floats,
    InputError,
    check_choice,
    nearest,
)
from .resample import (
    MEASURES,
    Measure,
    UncoveredError,
    average_to_tr,
    check_grid,
    check_times,
)
from .tables import existing, read_table

Beyond = Literal["refuse", "cut"]


@dataclass(frozen=True, slots=True)
class Column:
    """How one feature is made from a table of events.

    Parameters
    ----------
    column : str or None
        Column of the table. None counts each event as 1.
    measure : 'on', 'mean' or 'sum'
        From events to samples, as in `average_to_tr`. 'on' asks only when there are
        events: all of them, or those whose cell is `equals`.
    equals : str or None
        With it a row counts as 1 where its cell is this word or number, else as 0.
    transform : 'none' or 'log'
        Natural logarithm of (value + `offset`), taken after the average over the TR.
    offset : float
        Added before the logarithm.
    name : str or None
        Name of the feature. None makes one from the other fields.
    """

    column: str | None = None
    measure: Measure = "mean"
    equals: str | None = None
    transform: Literal["none", "log"] = "none"
    offset: float = 0.0
    name: str | None = None

    def __post_init__(self) -> None:
        check_choice(self.measure, "measure", MEASURES)
        check_choice(self.transform, "transform", ("none", "log"))
        if self.column is None and (self.equals is not None or self.measure == "mean"):
            what = "equals" if self.equals is not None else "measure 'mean'"
            raise InputError(
                f"{what} needs a column to read. Name it with `column`, or use measure "
                "'on' for when there are events, 'sum' for how many at once."
            )
        if self.measure == "on" and self.column is not None and self.equals is None:
            raise InputError(
                f"measure 'on' does not read the values of column {self.column!r}. Add "
                "`equals` to pick its rows, or use measure 'mean' or 'sum'."
            )
        if self.offset and self.transform == "none":
            raise InputError(
                f"offset {self.offset:g} has no use without transform 'log'. Leave it "
                "out, or add the transform."
            )

    @property
    def label(self) -> str:
        """The name of the feature, given or made."""
        label = self.column or "events"
        if self.equals is not None:
            label += f"={self.equals}"
        if self.measure != "mean":
            label += f" ({self.measure})"
        return self.name or (f"log {label}" if self.transform == "log" else label)


def read_annotation(path: str | Path) -> pd.DataFrame:
    """Read a table of events, with columns onset and duration in seconds.

    Parameters
    ----------
    path : path of a .tsv or .csv file
        UTF-8, with or without a byte-order mark; a header line; empty cells and n/a
        are missing. Rows stay in their order.

    Returns
    -------
    table : DataFrame

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is no table of events, or a time is missing, infinite or negative.
    """
    path = existing(path, "events")
    table = read_table(path)
    lacking = [name for name in ("onset", "duration") if name not in table]
    if lacking:
        raise InputError(
            f"{path.name} has no column {' or '.join(map(repr, lacking))}, only: "
            f"{', '.join(map(str, table.columns))}. Events need onset and duration, in "
            "seconds."
        )
    onset, duration = (_numbers(table, c, path.name) for c in ("onset", "duration"))
    check_times(onset, duration, path.name)
    return table


def event_features(
    table: pd.DataFrame,
    columns: Sequence[Column],
    *,
    n_samples: int,
    tr_s: float,
    beyond: Beyond = "refuse",
    name: str = "events",
) -> tuple[Floats, list[str]]:
    """Return one feature per entry of `columns`, one row per sample.

    Parameters
    ----------
    table : DataFrame
        Events of one run, with columns onset and duration in seconds.
    columns : sequence of Column
        What is read, in the order of the features.
    n_samples, tr_s : int, float
        Number of samples (volumes) of the run, and seconds from one to the next.
    beyond : 'refuse' or 'cut'
        What to do with events that lie or reach more than half a TR before the first
        or after the last sample. 'cut' leaves out what lies there, and notes it.
    name : str
        What errors and notes call this table, such as 'music, run-6'.

    Returns
    -------
    features : float64 array of shape (n_samples, n_columns)
    notes : list of str
        What was cut, and which `equals` is found in no row.

    Raises
    ------
    InputError
        If a column is not there or not numeric, a used cell is missing, a mean has
        samples without an event, a logarithm meets a value of 0 or less, or events
        lie outside the samples and `beyond` is 'refuse'.

    Examples
    --------
    >>> table = pd.DataFrame({"onset": [0, 2], "duration": [2, 4], "level": [1.0, 3.0]})
    >>> columns = [Column("level"), Column("level", measure="on", equals="3")]
    >>> event_features(table, columns, n_samples=2, tr_s=3.0)[0].round(3)
    array([[1.667, 0.333],
           [3.   , 1.   ]])
    """
    if not columns:
        raise InputError(f"{name}: no columns asked for. Name at least one.")
    notes = check_extent(
        table, n_samples=n_samples, tr_s=tr_s, beyond=beyond, name=name
    )
    features = np.empty((n_samples, len(columns)))
    for k, column in enumerate(columns):
        values = _values(table, column, name)
        if column.equals is not None and len(table) and not values.any():
            notes.append(_no_match(table, column, name))
        rows = table[values != 0] if column.measure == "on" else table
        try:
            averaged = average_to_tr(
                rows["onset"],
                rows["duration"],
                values[:, None],
                n_samples=n_samples,
                tr_s=tr_s,
                measure=column.measure,
                name=f"{name}, {column.label}",
            )
        except UncoveredError as error:
            raise InputError(
                f"{error.found} Cover those times with events, or use measure 'on' or "
                "'sum', which are 0 there."
            ) from error
        features[:, k] = _transformed(averaged[:, 0], column, name)
    return features, notes


def check_extent(
    table: pd.DataFrame, *, n_samples: int, tr_s: float, beyond: Beyond, name: str
) -> list[str]:
    """Refuse or note events that reach more than half a TR outside the samples."""
    check_choice(beyond, "beyond", ("refuse", "cut"))
    check_grid(n_samples, tr_s)
    onset, duration = check_times(table["onset"], table["duration"], name)
    if not len(onset):
        return [f"{name}: no events, so none of their features is on in this run."]
    end_s = n_samples * tr_s
    after, before = (onset + duration).max() - end_s, -onset.min()
    if max(after, before) <= tr_s / 2:
        return []
    n_out = int(((onset < 0) | (onset + duration > end_s)).sum())
    found = (
        f"{name}: {n_out} of {len(onset)} events lie or reach outside the {n_samples} "
        f"samples (0 to {end_s:g} s); they run from {onset.min():g} s to "
        f"{(onset + duration).max():g} s."
    )
    if beyond == "refuse":
        raise InputError(
            f"{found} Check that both belong to the same run and count from the same "
            "start; if they do, set `beyond` to 'cut' to leave out what lies there."
        )
    return [f"{found} What lies outside is cut."]


def column_of(table: pd.DataFrame, column: str, name: str) -> pd.Series:
    """Return a column of a table, or say which there are."""
    if column not in table:
        there = [str(c) for c in table.columns]
        raise InputError(
            f"{name} has no column {column!r}, only: {', '.join(there)}."
            f"{nearest(column, there)}"
        )
    return table[column]


def _values(table: pd.DataFrame, column: Column, name: str) -> NDArray[np.float64]:
    """Return the value of each row, 1 or 0 where a word is asked for."""
    if column.column is None:
        return np.ones(len(table))
    if column.equals is None:
        return _numbers(table, column.column, name)
    cells = _cells(table, column.column, name)
    is_bool = pd.api.types.is_bool_dtype(cells)
    if is_bool or not pd.api.types.is_numeric_dtype(cells):
        return np.asarray(cells.astype(str) == column.equals, float)
    try:
        return np.asarray(cells == float(column.equals), float)
    except ValueError:
        raise InputError(
            f"{name}: column {column.column!r} holds numbers, and equals is "
            f"{column.equals!r}. Give the number that is meant."
        ) from None


def _numbers(table: pd.DataFrame, column: str, name: str) -> NDArray[np.float64]:
    cells = _cells(table, column, name)
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise InputError(
            f"{name}: column {column!r} holds {len(bad)} cells that are no finite "
            f"number, the first {cells.iloc[bad[0]]!r} in row {bad[0]} (counted from 0 "
            "below the header). Correct them, or pick rows of a text with `equals`."
        )
    return numbers


def _cells(table: pd.DataFrame, column: str, name: str) -> pd.Series:
    missing = np.flatnonzero(column_of(table, column, name).isna())
    if len(missing):
        rows = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise InputError(
            f"{name}: column {column!r} is empty in {len(missing)} of {len(table)} "
            f"rows (rows {rows}, counted from 0 below the header). Fill them in or "
            "leave those events out; none is guessed."
        )
    return table[column]


def _no_match(table: pd.DataFrame, column: Column, name: str) -> str:
    there = sorted(map(str, table[column.column].unique()))
    shown = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
    return (
        f"{name}: no row of column {column.column!r} equals {column.equals!r}, so this "
        f"feature is 0 all through; there are {shown}."
    )


def _transformed(values: Floats, column: Column, name: str) -> Floats:
    if column.transform == "none":
        return values
    shifted = values + column.offset
    if (shifted <= 0).any():
        raise InputError(
            f"{name}, {column.label}: {int((shifted <= 0).sum())} samples are 0 or "
            f"less before the logarithm, the smallest {shifted.min():g}. Set `offset`, "
            f"added before it (now {column.offset:g}), or use transform 'none'."
        )
    return np.log(shifted)
