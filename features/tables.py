"""Tables of text on disk: events, and numbers below a header line."""

import csv
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.checks import Floats, InputError, MissingFileError

MISSING = ("", "n/a", "N/A", "NA", "nan", "NaN")


def existing(path: str | Path, what: str) -> Path:
    """Return the path of a file that is there, or say that there is no `what`."""
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"no {what} at {path}. Check the path and its pattern.")
    return path


def read_table(path: Path) -> pd.DataFrame:
    """Read a .tsv or .csv with a header line, in UTF-8 with or without its mark.

    Empty cells and n/a are missing; other words, such as None, are words.

    Raises
    ------
    InputError
        If a row has more cells than the header, or the file is no such text.
    """
    if path.suffix not in (".tsv", ".csv"):
        raise InputError(f"{path.name} is no .tsv or .csv table. Convert it first.")
    with _readable(path):
        return pd.read_csv(
            path,
            sep="\t" if path.suffix == ".tsv" else ",",
            encoding="utf-8-sig",
            index_col=False,
            keep_default_na=False,
            na_values=list(MISSING),
        )


def read_numbers(path: Path, *, ids: bool = False) -> tuple[tuple[str, ...], Floats]:
    """Read a .csv of numbers below a header line.

    Parameters
    ----------
    path : path of a .csv file
    ids : bool
        Whether the first column holds a text for each row.

    Returns
    -------
    ids : tuple of str
        The first column, empty without `ids`.
    values : float64 array of shape (n_rows, n_columns)
        The other columns, NaN where a cell is missing.

    Raises
    ------
    InputError
        If there is no header line, or text among the numbers.
    """
    with _readable(path):
        names = _header(path, ids)
        missing = {str(k): list(MISSING) for k in range(len(names))}
        if ids:
            missing["0"] = [""]
        table = pd.read_csv(
            path,
            header=None,
            names=list(missing),
            skiprows=1,
            encoding="utf-8-sig",
            index_col=False,
            dtype={"0": str} if ids else {},
            keep_default_na=False,
            na_values=missing,
        )
    first = table.iloc[:, 0] if ids else pd.Series(dtype=str)
    if first.isna().any():
        raise InputError(
            f"{path.name} has {int(first.isna().sum())} rows without an id."
        )
    numbers = table.iloc[:, 1:] if ids else table
    wordy = [
        names[k + len(names) - numbers.shape[1]]
        for k, dtype in enumerate(numbers.dtypes)
        if not pd.api.types.is_numeric_dtype(dtype)
    ]
    if wordy:
        raise InputError(
            f"{path.name} holds text in {len(wordy)} of its columns, the first "
            f"{wordy[0]!r}. Leave only numbers there."
        )
    return tuple(first), numbers.to_numpy(np.float64)


def _header(path: Path, ids: bool) -> list[str]:
    """Return the names of the columns, if the first line can be no row of data."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file), [])
    if ids and len(names) < 2:
        raise InputError(f"{path.name} needs a column of ids and one of numbers.")
    if names and not names[0].strip():
        raise InputError(
            f"the first column of {path.name} has no name, as when row numbers are "
            "written along. Write the table without them, or name the column."
        )
    words = names[1:] if ids else names
    counted = ids and words == [str(k) for k in range(len(words))]
    if not names or (all(map(_is_number, words)) and not counted):
        raise InputError(
            f"{path.name} begins with {', '.join(names[:3]) or 'nothing'}: expected a "
            "header line of column names, such as f0, f1. Numbers in place of names "
            "could be data."
        )
    return names


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except (
        csv.Error,
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
    ) as error:
        raise InputError(
            f"{path.name} cannot be read as a table: {str(error).strip()}. Expected "
            "one header line and as many cells in each row, in UTF-8."
        ) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
