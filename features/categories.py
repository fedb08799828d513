"""Features from the category of each event, such as its genre."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import Floats, InputError, nearest
from .annotations import Beyond, check_extent, column_of
from .resample import average_to_tr


def one_hot(categories: Sequence[str], levels: Sequence[str]) -> NDArray[np.float64]:
    """Return a 1 in the column of each category's level, and 0 elsewhere.

    Parameters
    ----------
    categories : sequence of str, length n
    levels : sequence of str, length n_levels
        All categories of the study, in the order of the columns: those of all runs,
        so that a column means the same in each.

    Returns
    -------
    hot : array of shape (n, n_levels)

    Raises
    ------
    InputError
        If a category is missing or not among the levels, or a level is named twice.

    Examples
    --------
    >>> one_hot(["rock", "jazz", "rock"], ["jazz", "rock"])
    array([[0., 1.],
           [1., 0.],
           [0., 1.]])
    """
    for row, category in enumerate(categories):
        if pd.isna(category):
            raise InputError(f"the category in row {row} is missing. Fill it in.")
    return _hot(categories, levels)


def category_labels(cells: pd.Series) -> list[str | None]:
    """Return each cell as text, and None where it is missing.

    A column of whole numbers reads the same whether cells are missing in it or not.

    Examples
    --------
    >>> category_labels(pd.Series([3.0, None, 41.0]))
    ['3', None, '41']
    """
    return [None if pd.isna(cell) else _label(cell) for cell in cells.tolist()]


def category_features(
    events: pd.DataFrame,
    column: str,
    levels: Sequence[str],
    *,
    n_samples: int,
    tr_s: float,
    beyond: Beyond = "refuse",
    name: str = "events",
) -> tuple[Floats, list[str]]:
    """Return which share of each sample each category takes, such as each genre.

    Parameters
    ----------
    events : DataFrame
        Events of one run, with columns onset and duration in seconds.
    column : str
        The column of text or numbers whose categories become features. An event
        whose cell is missing counts as none of them.
    levels : sequence of str
        All categories of the study, in the order of the features.
    n_samples, tr_s, beyond, name
        As in `event_features`.

    Returns
    -------
    features : float64 array of shape (n_samples, n_levels)
        1 while one event of that category goes on, a share at its ends, 0 where there
        is none. Events that overlap add up.
    notes : list of str
        What was cut, and how many cells are missing.

    Raises
    ------
    InputError
        If a category is not among the levels, there is no such column, or events lie
        outside the samples and `beyond` is 'refuse'.
    """
    notes = check_extent(
        events, n_samples=n_samples, tr_s=tr_s, beyond=beyond, name=name
    )
    labels = category_labels(column_of(events, column, name))
    if None in labels:
        notes.append(
            f"{name}: {labels.count(None)} of {len(labels)} events have no {column!r} "
            "and count as none of its levels."
        )
    try:
        hot = _hot(labels, levels)
    except InputError as error:
        raise InputError(f"{name}, column {column!r}: {error}") from None
    rows = average_to_tr(
        events["onset"],
        events["duration"],
        hot,
        n_samples=n_samples,
        tr_s=tr_s,
        measure="sum",
        name=name,
    )
    return rows, notes


def _hot(
    categories: Sequence[str | None], levels: Sequence[str]
) -> NDArray[np.float64]:
    """Return a row for each category, all 0 for one that is None."""
    place = {level: k for k, level in enumerate(levels)}
    if len(place) != len(levels):
        twice = sorted({level for level in levels if list(levels).count(level) > 1})
        raise InputError(f"levels are named twice: {', '.join(twice)}. Name each once.")
    hot = np.zeros((len(categories), len(levels)))
    for row, category in enumerate(categories):
        if category is None:
            continue
        if category not in place:
            raise InputError(
                f"the category in row {row} is {category!r}, which is none of the "
                f"levels {', '.join(map(repr, levels))}."
                f"{nearest(str(category), levels)} Take the levels from all runs, or "
                "correct the table."
            )
        hot[row, place[category]] = 1
    return hot


def _label(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
