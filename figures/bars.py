"""Bars per group, with chance, oracle and each subject: what decoding is worth."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ..core.checks import InputError
from .style import DOUBLE_MM, LINE_PT, SMALL_PT, TEXT_PT, figure_mm, palette, size_mm
from .tables import name_axes, need, offsets, unique

KEYS = ("group", "series", "subject")
VALUES = ("value", "low", "high")
ROW_MM, LEGEND_MM = 52.0, 12.0
BAR_MM = 5.0  # with less room for a bar, panels go below each other
TURNED = 9.0  # mm for a group's name, below which names are turned
LETTER_MM = 1.25
WITHIN = 1e-9


def plot_bars(
    panels: Mapping[str, pd.DataFrame],
    *,
    label: str,
    width_mm: float = DOUBLE_MM,
    limits: tuple[float, float] | None = None,
    colours: Mapping[str, str] | None = None,
    fig: Figure | None = None,
) -> Figure:
    """Draw bars in groups: the mean over subjects, with a point for each of them.

    Panels have the same limits and one legend below. A dashed line is chance, a dotted
    one the oracle; each stands at its own bar where they differ.

    Parameters
    ----------
    panels : mapping from title to DataFrame
        One row per group, series and subject, with `value`, `low` and `high` (its
        interval; NaN where there is none), and, where they are known, `chance` and
        `oracle`.
    label : str
        What the height of a bar is, with its unit.
    width_mm : float
        Of a new figure.
    limits : tuple of two float, optional
        Ends of the axis. None goes from 0, or the lowest number, to the highest.
    colours : mapping from series to colour, optional
    fig : Figure, optional
        Where to draw. A new figure is made if None.

    Returns
    -------
    fig : Figure

    Raises
    ------
    InputError
        If there is no panel, a column is missing, or a row comes twice.
    """
    if not panels:
        raise InputError("no bars to draw: panels is empty. Give at least one table.")
    for table in panels.values():
        need(table, KEYS, VALUES)
    whole = pd.concat(panels.values(), ignore_index=True)
    series = unique(whole, "series")
    colours = colours or palette(series)
    width_mm = size_mm(fig)[0] if fig is not None else width_mm
    n_rows = _n_rows(panels.values(), width_mm)
    fig = fig or figure_mm(width_mm, ROW_MM * n_rows + LEGEND_MM, layout="constrained")
    n_columns = len(panels) if n_rows == 1 else 1
    ratios = [_n_bars(table) for table in panels.values()] if n_rows == 1 else None
    axes = fig.subplots(
        n_rows, n_columns, sharey=True, squeeze=False, width_ratios=ratios
    ).ravel()
    for ax, (title, table) in zip(axes, panels.items(), strict=True):
        room = width_mm * 0.85
        room *= _n_bars(table) / sum(ratios) if ratios else 1.0
        _draw_panel(ax, table, series, colours, room / table["group"].nunique())
        ax.set_title(title, size=TEXT_PT)
        name_axes(ax, "", label if ax is axes[0] or n_rows > 1 else "")
        ax.set_ylim(limits or _limits(whole))
    _legend(fig, whole, colours)
    return fig


def _n_bars(table: pd.DataFrame) -> int:
    return len(table[["group", "series"]].drop_duplicates())


def _n_rows(tables: Iterable[pd.DataFrame], width_mm: float) -> int:
    """Return 1 if all panels fit side by side, else as many as there are."""
    numbers = [_n_bars(table) + 1 for table in tables]
    return 1 if sum(numbers) * BAR_MM <= width_mm else len(numbers)


def _limits(whole: pd.DataFrame) -> tuple[float, float]:
    names = [n for n in (*VALUES, "chance", "oracle") if n in whole]
    numbers = whole[names].to_numpy(float)
    low = min(0.0, float(np.nanmin(numbers)))
    high = max(0.0, float(np.nanmax(numbers)))
    room = 0.04 * (high - low) or 0.5
    return (low - room if low < 0 else 0.0), high + room


def _draw_panel(
    ax: Axes,
    table: pd.DataFrame,
    series: list[str],
    colours: Mapping[str, str],
    group_mm: float,
) -> None:
    groups = unique(table, "group")
    here = [name for name in series if name in set(table["series"])]
    subjects = unique(table, "subject")
    places = dict(zip(here, offsets(len(here), 0.8), strict=True))
    width = 0.8 / len(here)
    dodge = dict(zip(subjects, offsets(len(subjects), 0.7 * width), strict=True))
    centre = table["group"].map(groups.index) + table["series"].map(places)
    marks = {name: _of_bars(table, name) for name in ("chance", "oracle")}
    for name in here:
        rows = table[table["series"] == name]
        x = centre[rows.index]
        means = rows.groupby(x)["value"].mean()
        ax.bar(
            means.index,
            means,
            0.92 * width,
            color=colours[name],
            alpha=0.45,
            linewidth=0,
            label=name,
        )
        at = x + rows["subject"].map(dodge)
        ax.vlines(at, rows["low"], rows["high"], color=colours[name], linewidth=LINE_PT)
        ax.scatter(
            at,
            rows["value"],
            s=8,
            color=colours[name],
            edgecolors="white",
            linewidths=0.3,
            zorder=4,
            label=f"subjects {name}",
        )
    for name, (style, _) in LINES.items():
        _draw_marks(ax, marks[name], centre, width, style=style, name=name)
    ax.set_xticks(range(len(groups)))
    _name_groups(ax, groups, group_mm)
    ax.set_xlim(-0.5, len(groups) - 0.5)


LINES = {"chance": ("dashed", "chance"), "oracle": ("dotted", "oracle")}


def _of_bars(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        return pd.Series(np.nan, index=table.index)
    return table[name].astype(float)


def _draw_marks(
    ax: Axes,
    marks: pd.Series,
    centre: pd.Series,
    width: float,
    *,
    style: str,
    name: str,
) -> None:
    """Draw one line over all bars, or one at each where they differ."""
    known = marks[marks.notna()]
    if known.empty:
        return
    line = {"color": "0.0", "linestyle": style, "linewidth": 1.0, "zorder": 3}
    if len(known) == len(marks) and np.ptp(known) < WITHIN:
        ax.axhline(known.iloc[0], label=name, **line)
        return
    by_bar = known.groupby(centre[known.index]).mean()
    x = by_bar.index.to_numpy(float)
    ax.hlines(by_bar, x - width / 2, x + width / 2, label=name, **line)


def _name_groups(ax: Axes, groups: list[str], group_mm: float) -> None:
    longest = max(len(line) for name in groups for line in name.split("\n"))
    turned = longest * LETTER_MM > max(group_mm, TURNED)
    ax.set_xticklabels(
        groups,
        rotation=35 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor",
    )
    ax.tick_params(axis="x", length=0, labelsize=SMALL_PT)
    if not turned:
        for text in ax.get_xticklabels():
            text.set_va("top")


def _legend(fig: Figure, whole: pd.DataFrame, colours: Mapping[str, str]) -> None:
    series, n_subjects = unique(whole, "series"), whole["subject"].nunique()
    handles: list[Line2D | Patch] = [
        Patch(color=colours[name], alpha=0.45, linewidth=0, label=name)
        for name in series
        if name
    ]
    point = {"color": "0.3", "marker": "o", "markersize": 2.5, "linewidth": LINE_PT}
    has_interval = bool(whole["low"].notna().any())
    said = "a subject" + (", 95 % interval" if has_interval else "")
    handles.append(Line2D([], [], label=said, **point))
    for name, (style, label) in LINES.items():
        if name in whole and whole[name].notna().any():
            handles.append(
                Line2D([], [], color="0.0", linestyle=style, linewidth=1.0, label=label)
            )
    if n_subjects == 1:
        said = handles[len([n for n in series if n])]
        said.set_label(f"the subject{', 95 % interval' * has_interval}")
    below(fig, handles)


def below(fig: Figure, handles: list[Line2D | Patch]) -> None:
    """Draw a legend below all axes, in as many columns as the width allows."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    room = size_mm(fig)[0] / (LETTER_MM * longest + 10.0)
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=max(1, min(len(handles), int(room))),
        fontsize=SMALL_PT,
        frameon=False,
        handlelength=1.8,
        borderaxespad=0.3,
    )


def means_of(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return the height of each bar, in the order of groups and series.

    Examples
    --------
    >>> rows = [("a", "x", "01", 0.2), ("a", "x", "02", 0.4)]
    >>> table = pd.DataFrame(rows, columns=["group", "series", "subject", "value"])
    >>> means_of(table).round(3).tolist()
    [0.3]
    """
    bars = table.groupby(["group", "series"], sort=False)["value"]
    return bars.mean().to_numpy(float)
