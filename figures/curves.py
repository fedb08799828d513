"""Curves: a score against the lag, or against the penalty."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .bars import WITHIN, below
from .style import LINE_PT, SINGLE_MM, figure_mm, palette
from .tables import name_axes, need, unique

KEYS = ("series", "subject", "x")
VALUES = ("value",)
BLACK = "0.0"


def plot_curves(
    table: pd.DataFrame,
    *,
    labels: tuple[str, str],
    logarithmic: bool = False,
    marked: tuple[float, str] | None = None,
    colours: Mapping[str, str] | None = None,
    fig: Figure | None = None,
) -> Figure:
    """Draw a value against x: the mean over subjects thick, each subject thin.

    Parameters
    ----------
    table : DataFrame
        One row per series, subject and x, with `value`, and, where it is known,
        `chance`, a dashed line: one of each series, where they differ.
    labels : tuple of two str
        What x and the value are, with their units.
    logarithmic : bool
        Whether the axis of x is logarithmic.
    marked : tuple of float and str, optional
        A place on the axis of x, and what it is: a thin upright line.
    colours : mapping from series to colour, optional
    fig : Figure, optional
        Where to draw. A new figure is made if None.

    Returns
    -------
    fig : Figure

    Raises
    ------
    InputError
        If a column is missing, or a row comes twice.
    """
    need(table, KEYS, VALUES)
    series, subjects = unique(table, "series"), unique(table, "subject")
    colours = colours or palette(series)
    fig = fig or figure_mm(SINGLE_MM, 68.0, layout="constrained")
    ax = fig.add_subplot()
    for name in series:
        rows = table[table["series"] == name]
        wide = rows.pivot(index="x", columns="subject", values="value")
        for subject in wide if len(subjects) > 1 else ():
            ax.plot(
                wide.index,
                wide[subject],
                color=colours[name],
                linewidth=LINE_PT,
                alpha=0.55,
                label=f"{name} {subject}",
            )
        ax.plot(
            wide.index,
            wide.mean(axis=1, skipna=False),
            color=colours[name],
            linewidth=1.6,
            marker="o",
            markersize=3,
            label=f"mean {name}",
        )
    chances = _chances(table, colours)
    for colour, by_x in chances.items():
        ax.plot(by_x, color=colour, linestyle="dashed", linewidth=1.0, label="chance")
    if marked is not None:
        ax.axvline(marked[0], color="0.5", linewidth=LINE_PT, zorder=0)
    if logarithmic:
        ax.set_xscale("log")
    name_axes(ax, *labels)
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=colours[n], linewidth=1.6, marker="o", markersize=3)
        for n in series
    ]
    for handle, name in zip(handles, series, strict=True):
        handle.set_label(f"{name}, mean" if len(subjects) > 1 else name)
    if len(subjects) > 1:
        handles.append(
            Line2D([], [], color="0.3", linewidth=LINE_PT, label="a subject")
        )
    if chances:
        label = "chance" if len(chances) == 1 else "chance, in its colour"
        handles.append(Line2D([], [], color="0.0", linestyle="dashed", label=label))
    if marked is not None:
        handles.append(Line2D([], [], color="0.5", linewidth=LINE_PT, label=marked[1]))
    below(fig, handles)
    return fig


def _chances(table: pd.DataFrame, colours: Mapping[str, str]) -> dict[str, pd.Series]:
    """Return chance by x: one in black, or one in the colour of each series."""
    if "chance" not in table or not np.isfinite(table["chance"]).any():
        return {}
    if (table.groupby("x")["chance"].agg(np.ptp) < WITHIN).all():
        return {BLACK: table.groupby("x")["chance"].mean()}
    groups = table.groupby("series", sort=False)
    return {
        colours[str(name)]: rows.groupby("x")["chance"].mean() for name, rows in groups
    }
