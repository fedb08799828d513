"""Bars per group, with chance, oracle and each subject: what decoding is worth."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ..core.checks import InputError
from .style import DOUBLE_MM, LINE_PT, SMALL_PT, TEXT_PT, figure_mm, palette, size_mm
from .tables import name_axes, need, offsets, unique

KEYS = ("group", "series", "subject")
VALUES = ("value", "low", "high")
ROW_MM, LEGEND_MM, LINE_MM = 48.0, 14.0, 2.6
BAR_MM = 5.0  # with less room for a bar, panels go below each other
FEWEST_LETTERS = 8  # in a line of a group's name
TURNED_LETTERS = 24  # in a line of a name that is turned
LETTER_MM, TITLE_LETTER_MM = 1.25, 1.5  # of 6 and 7 pt, on average
USED = 0.85  # share of the width that axes have
WITHIN = 1e-9  # of each other, lines are one
LINES = {"chance": "dashed", "oracle": "dotted"}


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
    tables = list(panels.values())
    ratios = _ratios(tables, width_mm)
    beside = len(ratios) > 1
    room = [width_mm * USED * one / sum(ratios) for one in ratios] if beside else []
    room = room or [width_mm * USED] * len(tables)
    names = [_Names.of(t, mm) for t, mm in zip(tables, room, strict=True)]
    tall = [ROW_MM + one.height_mm for one in names]
    height = LEGEND_MM + (max(tall) if beside else sum(tall))
    fig = fig or figure_mm(width_mm, height, layout="constrained")
    shape = (1, len(panels)) if beside else (len(panels), 1)
    axes = fig.subplots(
        *shape, sharey=True, squeeze=False, width_ratios=ratios if beside else None
    ).ravel()
    for ax, (title, table), mm in zip(axes, panels.items(), room, strict=True):
        _draw_panel(ax, table, series, colours)
        ax.set_title(_wrapped(title, int(mm / TITLE_LETTER_MM)), size=TEXT_PT)
        name_axes(ax, "", label if ax is axes[0] or not beside else "")
        ax.set_ylim(limits or _limits(whole))
    for ax, one in zip(axes, names, strict=True):
        one.draw(ax)
    _legend(fig, whole, colours)
    return fig


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of the groups, in lines that fit, or turned if they do not."""

    lines: tuple[str, ...]
    turned: bool

    @classmethod
    def of(cls, table: pd.DataFrame, width_mm: float) -> "_Names":
        names = unique(table, "group")
        letters = max(FEWEST_LETTERS, int(width_mm / len(names) / LETTER_MM) - 1)
        words = [word for name in names for word in name.split()]
        turned = max(map(len, words)) > letters
        letters = TURNED_LETTERS if turned else letters
        return cls(tuple(_wrapped(name, letters) for name in names), turned)

    @property
    def height_mm(self) -> float:
        """What they need below the axes."""
        if not self.turned:
            return LINE_MM * max(name.count("\n") + 1 for name in self.lines)
        longest = max(len(line) for name in self.lines for line in name.split("\n"))
        return 0.6 * LETTER_MM * longest + LINE_MM

    def draw(self, ax: Axes) -> None:
        """Write them below the axes."""
        ax.set_xticks(range(len(self.lines)))
        ax.tick_params(axis="x", length=0, labelsize=SMALL_PT)
        if self.turned:
            turned: dict[str, Any] = {"rotation": 35, "rotation_mode": "anchor"}
            ax.set_xticklabels(self.lines, ha="right", va="top", **turned)
            return
        # By their baseline, so that a name with a descender is not higher than others.
        n_lines = max(name.count("\n") for name in self.lines) + 1
        padded = [name + "\n" * (n_lines - name.count("\n") - 1) for name in self.lines]
        ax.set_xticklabels(padded, va="baseline", linespacing=1.0)
        ax.tick_params(axis="x", pad=2.0 + 1.2 * SMALL_PT * n_lines)


def _wrapped(name: str, letters: int) -> str:
    name = name.replace(" (", "\n(") if len(name) > letters else name
    lines = [
        one
        for line in name.split("\n")
        for one in textwrap.wrap(
            line, letters, break_long_words=False, break_on_hyphens=False
        )
    ]
    return "\n".join(lines)


def _n_bars(table: pd.DataFrame) -> int:
    return len(table[["group", "series"]].drop_duplicates())


def _ratios(tables: Sequence[pd.DataFrame], width_mm: float) -> list[int]:
    """Return widths of panels that fit side by side; one if they go below each other.

    A panel is as wide as it has bars.
    """
    numbers = [_n_bars(table) + 1 for table in tables]
    return numbers if sum(numbers) * BAR_MM <= width_mm else [1]


def _limits(whole: pd.DataFrame) -> tuple[float, float]:
    names = [n for n in (*VALUES, "chance", "oracle") if n in whole]
    numbers = whole[names].to_numpy(float)
    low = min(0.0, float(np.nanmin(numbers, initial=0.0)))
    high = max(0.0, float(np.nanmax(numbers, initial=0.0)))
    room = 0.04 * (high - low) or 0.5
    return (low - room if low < 0 else 0.0), high + room


def _draw_panel(
    ax: Axes,
    table: pd.DataFrame,
    series: list[str],
    colours: Mapping[str, str],
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
    for name, style in LINES.items():
        _draw_marks(ax, marks[name], centre, width, style=style, name=name)
    ax.set_xlim(-0.5, len(groups) - 0.5)
    if np.nanmin(table[list(VALUES)].to_numpy(float), initial=0.0) < 0:
        ax.axhline(0.0, color="0.3", linewidth=LINE_PT, zorder=2, label="zero")


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
    line: dict[str, Any] = {
        "color": "0.0",
        "linestyle": style,
        "linewidth": 1.0,
        "zorder": 3,
    }
    if len(known) == len(marks) and np.ptp(known) < WITHIN:
        ax.axhline(known.iloc[0], label=name, **line)
        return
    by_bar = known.groupby(centre[known.index]).mean()
    x = by_bar.index.to_numpy(float)
    ax.hlines(by_bar, x - width / 2, x + width / 2, label=name, **line)


def _legend(fig: Figure, whole: pd.DataFrame, colours: Mapping[str, str]) -> None:
    series, n_subjects = unique(whole, "series"), whole["subject"].nunique()
    handles: list[Line2D | Patch] = [
        Patch(color=colours[name], alpha=0.45, linewidth=0, label=name)
        for name in series
        if name
    ]
    point: dict[str, Any] = {
        "color": "0.3",
        "marker": "o",
        "markersize": 2.5,
        "linewidth": LINE_PT,
    }
    said = "a subject" if n_subjects > 1 else "the subject"
    said += ", 95 % interval" * bool(whole["low"].notna().any())
    handles.append(Line2D([], [], label=said, **point))
    for name, style in LINES.items():
        if name in whole and whole[name].notna().any():
            line: dict[str, Any] = {
                "color": "0.0",
                "linestyle": style,
                "linewidth": 1.0,
            }
            handles.append(Line2D([], [], label=name, **line))
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
