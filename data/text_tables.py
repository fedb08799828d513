"""Small text tables, read strictly: no row shifted, no cell guessed."""

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.checks import InputError, MissingFileError

DELIMITERS = {".tsv": "\t", ".csv": ","}
MISSING = ("", "n/a", "N/A", "nan", "NaN")
QUOTES = "'\"\u2018\u2019\u201c\u201d`"


class Commas(csv.excel):
    """A .csv file: double quotes hold a cell together, and must be closed."""

    strict = True


class Tabbed(csv.excel_tab):
    """A .tsv file: a quote mark is a letter like any other."""

    quoting = csv.QUOTE_NONE


def read_cells(path: Path, what: str) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a table as text, or say what is wrong with it.

    Parameters
    ----------
    path : Path
        A .tsv file, where quote marks are plain letters (a lone one swallows nothing),
        or a .csv file, where double quotes hold a cell together.
    what : str
        What the table holds, for messages.

    Raises
    ------
    InputError
        If it is not UTF-8, is ragged, or does not name each column once.
    MissingFileError
        If there is no such file.
    """
    if not path.is_file():
        raise MissingFileError(f"no {what} at {path}. Check the pattern or the path.")
    if path.suffix not in DELIMITERS:
        raise InputError(f"{path}: {what} must be in a .tsv or .csv file.")
    dialect = Tabbed if path.suffix == ".tsv" else Commas
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, dialect)
            cells = [[cell.strip() for cell in line] for line in lines if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read as a table in UTF-8 ({error}). Save it anew."
        ) from error
    header, rows = (cells[0], cells[1:]) if cells else ([], [])
    if len(set(header)) != len(header) or "" in header:
        raise InputError(f"{path}: columns need one name each, found {header}.")
    for i, row in enumerate(rows):
        if len(row) != len(header):
            raise InputError(
                f"{path}: row {i + 2} has {len(row)} cells, the header {len(header)}. "
                "Write 'n/a' for what is missing, and check the delimiter."
            )
    return header, rows


def strip_quotes(cells: list[str]) -> tuple[list[str], int, int]:
    """Return the cells without quote marks, how many had a pair, how many had one."""
    bare, n_pairs, n_single = [], 0, 0
    for cell in cells:
        text = cell.strip(QUOTES)
        if text != cell:
            paired = cell[0] in QUOTES and cell[-1] in QUOTES and len(cell) > 1
            n_pairs, n_single = n_pairs + paired, n_single + (not paired)
        bare.append(text.strip())
    return bare, n_pairs, n_single


def as_numbers(cells: list[str], *, padded: bool) -> pd.Series:
    """Return cells as numbers if all of them are, else as text.

    Labels such as 007 are text unless `padded` says that they are numbers.
    """
    number = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
    known = [cell for cell in cells if cell not in MISSING]
    labels = not padded and any(re.fullmatch(r"0\d+", cell) for cell in known)
    if labels or not all(re.fullmatch(number, cell) for cell in known):
        text = [None if cell in MISSING else cell for cell in cells]
        return pd.Series(text, dtype="str")
    whole = all(re.fullmatch(r"[+-]?\d{1,18}", cell) for cell in known)
    if whole and known and len(known) == len(cells):
        return pd.Series([int(cell) for cell in cells], dtype="int64")
    numbers = [np.nan if cell in MISSING else float(cell) for cell in cells]
    return pd.Series(numbers, dtype="float64")
