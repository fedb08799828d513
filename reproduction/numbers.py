"""Our numbers beside published ones."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ..core.checks import InputError
from ..core.types import label_of
from .published import Published, literature

Tables = Callable[[str], pd.DataFrame | None]
LEADING = ("paper", "item", "what", "of", "published", "ours", "difference")


def compare_numbers(
    tables: Tables, sources: dict[str, str], numbers: Sequence[Published] | None = None
) -> pd.DataFrame:
    """Return every published number with ours, and what differs, in words.

    Parameters
    ----------
    tables : callable
        From the name of a table to the table, with a column 'subject', or None.
    sources : dict of feature space to source
        What stands in for each space.
    numbers : sequence of Published, optional
        All of `literature` if not given.

    Returns
    -------
    table : DataFrame
        One row per number: paper, item, what, of, published and published_sd (NaN
        where the paper gives a figure alone), ours (mean over subjects), ours_sd (over
        subjects, with n - 1), difference (ours less theirs), n subjects, each
        (subject by subject), differs, and why there is none of ours.
    """
    known = literature()
    rows = []
    for one in known.numbers if numbers is None else numbers:
        theirs = float("nan") if one.value is None else one.value
        row: dict[str, object] = {
            "paper": one.by,
            "item": one.item,
            "what": one.what,
            "of": label_of(one.of, sources.get(one.of, "")),
            "published": theirs,
            "published_sd": np.nan if one.sd is None else one.sd,
        }
        each, why = our_number(tables, one)
        values = each.to_numpy(dtype=float)
        ours = float(values.mean()) if len(values) else np.nan
        row |= {
            "ours": ours,
            "ours_sd": float(values.std(ddof=1)) if len(values) > 1 else np.nan,
            "difference": ours - theirs,
            "n": len(values),
            "each": " ".join(f"{value:.3f}" for value in values),
            "differs": "; ".join(known.differs[key] for key in one.differs),
            "not_ours_since": why,
        }
        rows.append(row)
    table = pd.DataFrame(rows)
    first = list(LEADING)
    return table[[*first, *table.columns.difference(first, sort=False)]]


def our_number(tables: Tables, one: Published) -> tuple[pd.Series, str]:
    """Return our number of each subject, or none and why there is none.

    Raises
    ------
    InputError
        If several rows of a subject fit a number of one row: it is not told by its
        rows, and which of them is meant cannot be guessed.
    """
    nothing = pd.Series(dtype=float)
    table = tables(one.table)
    if table is None:
        return nothing, f"this study makes no table {one.table}"
    rows = table
    for name, wanted in one.rows.items():
        if name not in rows:
            return nothing, f"table {one.table} has no column {name}"
        rows = rows[_fits(rows[name], wanted)]
        if rows.empty:
            return nothing, f"table {one.table} has no {name} {wanted}"
    groups = rows.groupby("subject", sort=False)[one.column]
    if one.take == "one" and (groups.size() > 1).any():
        raise InputError(
            f"{one.item}, {one.what}: {int(groups.size().max())} rows of {one.table} "
            f"fit {dict(one.rows)}, and one must. Name more columns in published.toml."
        )
    return (groups.max() if one.take == "max" else groups.mean()), ""


def _fits(column: pd.Series, wanted: object) -> pd.Series:
    if isinstance(wanted, str) and wanted.endswith("*"):
        return column.astype(str).str.startswith(wanted[:-1])
    return column == wanted
