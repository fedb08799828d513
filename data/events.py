"""Events: what was heard when, as a table, and as one row per sample."""

import re
from collections.abc import Sequence
from pathlib import Path
from string import Formatter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError, nearest
from .text_tables import as_numbers, read_cells, strip_quotes

SLACK_S = 1e-3  # onsets are written to the millisecond at best


def read_events(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the events of one run, and what was changed in reading them.

    Parameters
    ----------
    path : Path
        A .tsv or .csv file in UTF-8 (with or without a byte-order mark), with columns
        `onset` and `duration` in seconds, sorted by onset. Quote marks around a
        cell are taken off, also where there is only one. 'n/a' and empty cells are
        missing. A column becomes numbers if all its cells are, but labels such as
        007 stay text.

    Returns
    -------
    events : DataFrame
        As many rows as the file, in its order.
    notes : list of str
        How many cells lost quote marks, column by column.

    Raises
    ------
    InputError
        If the table is ragged or not UTF-8, or an onset or duration is missing,
        below 0 (duration) or out of order.
    MissingFileError
        If there is no such file.
    """
    header, rows = read_cells(path, "events")
    columns, notes = {}, []
    for place, label in enumerate(header):
        cells, n_pairs, n_single = strip_quotes([row[place] for row in rows])
        if n_pairs or n_single:
            notes.append(
                f"{path.name}: quote marks taken off {n_pairs + n_single} of "
                f"{len(rows)} cells of column {label!r}, {n_single} of them without a "
                "pair."
            )
        is_time = label in ("onset", "duration")
        columns[label] = as_numbers(cells, padded=is_time)
    events = pd.DataFrame(columns)
    _check_times(events, path)
    return events, notes


def clip_ids(events: pd.DataFrame, pattern: str) -> list[str]:
    """Return the name of each event's clip, made from columns of the events.

    Parameters
    ----------
    events : DataFrame
    pattern : str
        Text with column names in braces, and a format if wanted. No attributes,
        indices or conversions. Numbers without decimals are written as such.

    Returns
    -------
    clips : list of str
        '' for an event whose cells are all missing: it is no clip.

    Raises
    ------
    InputError
        If the pattern cannot be read, names an unknown column, or finds some but
        not all cells of an event.

    Examples
    --------
    >>> events = pd.DataFrame({"genre": ["pop", "jazz"], "track": [3, 41]})
    >>> clip_ids(events, "{genre}.{track:0>5}")
    ['pop.00003', 'jazz.00041']
    """
    fields = _fields(pattern, list(events.columns))
    cells = {field: _labels(events[field]) for field in fields}
    clips = []
    for row in range(len(events)):
        values = {field: cells[field][row] for field in fields}
        missing = [field for field, value in values.items() if value is None]
        if missing and len(missing) < len(fields):
            raise InputError(
                f"event {row} (row {row + 2} of its file) has no {', '.join(missing)}, "
                f"which the clip's name {pattern!r} needs. Fill it in, or write 'n/a' "
                f"for {', '.join(fields)} where no clip is played."
            )
        clips.append("" if missing else _format(pattern, values))
    return clips


def check_events_fit(
    events: pd.DataFrame, *, n_samples: int, tr_s: float, name: str
) -> None:
    """Raise if an event starts before the volumes or ends after them.

    Half a TR is let pass at either end.

    Parameters
    ----------
    events : DataFrame
    n_samples : int
        Volumes of the run.
    tr_s : float
        Sampling period in seconds.
    name : str
        Subject and run, for messages.
    """
    end_s = n_samples * tr_s
    ends = (events["onset"] + events["duration"]).to_numpy(float)
    late = np.flatnonzero(ends > end_s + tr_s / 2 + SLACK_S)
    early = np.flatnonzero(events["onset"].to_numpy(float) < -tr_s / 2 - SLACK_S)
    if len(late):
        raise InputError(
            f"{name}: {len(late)} events end after the volumes do: event {late[0]} "
            f"ends at {ends[late[0]]:g} s, the volumes at {end_s:g} s ({n_samples} x "
            f"{tr_s:g} s). Check the TR, that the times are in seconds, and whether "
            "volumes were cut from the images without moving the onsets."
        )
    if len(early):
        raise InputError(
            f"{name}: {len(early)} events start before the volumes do: event "
            f"{early[0]} starts at {events['onset'].iloc[early[0]]:g} s, the volumes "
            "at 0 s. Count onsets from the first volume of the file."
        )


def clip_rows(
    events: pd.DataFrame, clips: Sequence[str], *, n_samples: int, tr_s: float
) -> pd.DataFrame:
    """Return a table with a row per sample that says what clip it belongs to.

    A sample belongs to the event in which its middle lies.

    Parameters
    ----------
    events : DataFrame
    clips : sequence of str
        Name of each event's clip, '' where it is no clip.
    n_samples : int
    tr_s : float
        In seconds.

    Returns
    -------
    rows : DataFrame
        `sample` (0, 1, ...), `time_s` (when the sample begins), `clip` ('' if none),
        `sample_in_clip` (0 for the clip's first sample, -1 if none) and
        `presentation` (row of the event in `events`, -1 if none).

    Raises
    ------
    InputError
        If clips overlap, or one is so short that no sample belongs to it.

    Examples
    --------
    >>> events = pd.DataFrame({"onset": [2.0], "duration": [4.0]})
    >>> clip_rows(events, ["a"], n_samples=4, tr_s=2.0)["clip"].tolist()
    ['', 'a', 'a', '']
    """
    if len(clips) != len(events):
        raise InputError(
            f"{len(clips)} clips for {len(events)} events; give one name per event."
        )
    which = np.flatnonzero([clip != "" for clip in clips]).astype(int)
    onset = events["onset"].to_numpy(float)[which]
    end = onset + events["duration"].to_numpy(float)[which]
    _check_overlap(onset, end, [clip for clip in clips if clip])
    middle = (np.arange(n_samples) + 0.5) * tr_s + 1e-6  # a microsecond for rounding
    place = np.searchsorted(onset, middle, side="right") - 1
    inside = place >= 0
    inside[inside] = middle[inside] < end[place[inside]]
    presentation = np.full(n_samples, -1)
    presentation[inside] = which[place[inside]]
    _check_all_sampled(presentation, which, clips, events)
    _, first, inverse = np.unique(presentation, return_index=True, return_inverse=True)
    sample = np.arange(n_samples)
    names = np.array([*clips, ""], dtype=object)
    return pd.DataFrame(
        {
            "sample": sample,
            "time_s": sample * tr_s,
            "clip": pd.Series(names[presentation], dtype="str"),
            "sample_in_clip": np.where(inside, sample - first[inverse], -1),
            "presentation": presentation,
        }
    )


def group_repeats(rows: pd.DataFrame) -> tuple[NDArray[np.int64], pd.DataFrame]:
    """Return which rows repeat the same moment of the same clip, and one row for each.

    Parameters
    ----------
    rows : DataFrame
        Kept rows, with columns `clip` and `sample_in_clip` and any others. Rows of no
        clip ('') stay alone.

    Returns
    -------
    group : array of int, shape (n_rows,)
        Numbered from 0 by first appearance, as `core.rows.average_rows` wants it.
    groups : DataFrame
        The first row of each group, with `n_repeats`.

    Raises
    ------
    InputError
        If a column is missing.

    Examples
    --------
    >>> rows = pd.DataFrame({"clip": ["b", "a", "b"], "sample_in_clip": [0, 0, 0]})
    >>> group, groups = group_repeats(rows)
    >>> group.tolist(), groups["n_repeats"].tolist()
    ([0, 1, 0], [2, 1])
    """
    for column in ("clip", "sample_in_clip"):
        if column not in rows.columns:
            raise InputError(
                f"the rows have no column {column!r}; found {', '.join(rows.columns)}. "
                "Make them with clip_rows."
            )
    number: dict[tuple, int] = {}
    moments = zip(rows["clip"], rows["sample_in_clip"], strict=True)
    group = np.array(
        [
            number.setdefault((clip, k) if clip else ("", row), len(number))
            for row, (clip, k) in enumerate(moments)
        ],
        dtype=np.int64,
    )
    _, first = np.unique(group, return_index=True)
    groups = rows.iloc[first].reset_index(drop=True)
    return group, groups.assign(n_repeats=np.bincount(group, minlength=len(first)))


def _check_times(events: pd.DataFrame, path: Path) -> None:
    for column in ("onset", "duration"):
        if column not in events.columns:
            raise InputError(
                f"{path}: no column {column!r} (in seconds); found "
                f"{', '.join(map(str, events.columns)) or 'nothing'}. Name it so."
            )
        times = pd.to_numeric(events[column], errors="coerce").to_numpy(float)
        bad = ~np.isfinite(times)
        if column == "duration":
            bad |= times < 0
        if bad.any():
            row = int(np.argmax(bad))
            found = events[column].iloc[row]
            raise InputError(
                f"{path}: {bad.sum()} cells of {column!r} are no time in seconds; the "
                f"first, in row {row + 2}, is {str(found)!r}. Write a "
                "number with a decimal point, 0 for an event without a length."
            )
    late = np.flatnonzero(np.diff(events["onset"].to_numpy(float)) < 0)
    if len(late):
        raise InputError(
            f"{path}: row {late[0] + 3} starts before the row above it. Sort the "
            "events by onset; they are not reordered for you."
        )


def _fields(pattern: str, columns: list[str]) -> list[str]:
    """Return the columns that a pattern names, none of them more than a plain name."""
    fields = []
    try:
        pieces = list(Formatter().parse(pattern))
    except ValueError as error:
        raise InputError(
            f"clip pattern {pattern!r} cannot be read: {error}."
        ) from error
    for _, field, spec, conversion in pieces:
        if field is None:
            continue
        if re.search(r"[.\[\]!]", field) or conversion or "{" in (spec or ""):
            raise InputError(
                f"clip pattern {pattern!r}: give plain column names and at most a "
                "format, such as {genre}.{track:0>5}."
            )
        if field not in columns:
            raise InputError(
                f"clip pattern {pattern!r} names {field!r}, which is no column of the "
                f"events. There are: {', '.join(columns)}.{nearest(field, columns)}"
            )
        fields.append(field)
    if not fields:
        raise InputError(
            f"clip pattern {pattern!r} names no column, so all clips would be one. Use "
            f"columns of the events: {', '.join(columns)}."
        )
    return list(dict.fromkeys(fields))


def _labels(column: pd.Series) -> list[str | int | float | None]:
    missing = column.isna()
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.fillna(0).astype("int64")  # masked again below
    pairs = zip(column.tolist(), missing, strict=True)
    return [None if is_missing else value for value, is_missing in pairs]


def _format(pattern: str, values: dict) -> str:
    try:
        return pattern.format_map(values)
    except ValueError as error:
        raise InputError(
            f"clip pattern {pattern!r} does not suit {values}: {error}."
        ) from error


def _check_overlap(onset: NDArray, end: NDArray, clips: list[str]) -> None:
    over = np.flatnonzero(onset[1:] < end[:-1] - SLACK_S)
    if len(over):
        i = over[0]
        raise InputError(
            f"{len(over)} clips overlap: {clips[i]} ends at {end[i]:g} s, but "
            f"{clips[i + 1]} starts at {onset[i + 1]:g} s. A sample belongs to one "
            "clip: correct the durations, or name the clips of only one kind of event."
        )


def _check_all_sampled(
    presentation: NDArray, which: NDArray, clips: Sequence[str], events: pd.DataFrame
) -> None:
    lost = np.setdiff1d(which, presentation)
    if len(lost):
        i = lost[0]
        raise InputError(
            f"{len(lost)} clips hold the middle of no sample: {clips[i]} at "
            f"{events['onset'].iloc[i]:g} s lasts {events['duration'].iloc[i]:g} s. A "
            "clip must last about a TR or more and lie inside the run; name no clip "
            "for shorter events (write 'n/a')."
        )
