"""Figures of voxel scores, and of scores and their differences per ROI."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from ..core.checks import InputError, check_choice
from .style import (
    DOUBLE_MM,
    LINE_PT,
    NEUTRAL,
    PAGE_HEIGHT_MM,
    SINGLE_MM,
    SMALL_PT,
    TEXT_PT,
    figure_mm,
    palette,
)
from .tables import (
    MAX_ROIS,
    SCORE_KEYS,
    chosen,
    legend,
    list_rois,
    name_axes,
    need,
    new_axes,
    offsets,
    rule_rois,
    stroke,
    unique,
    with_source,
    without,
)

INTERVAL = ("r_mean", "r_low", "r_high")
COUNT_MAP = "viridis"  # of voxels per bin
DIFFERENCE = ("r_diff", "low", "high", "low_all", "high_all")


def fullest_bin(
    scores_x: NDArray[np.floating],
    scores_y: NDArray[np.floating],
    limits: tuple[float, float],
    bins: int = 100,
) -> int:
    """Return the most voxels of a bin of `plot_score_density`."""
    kept = np.isfinite(scores_x) & np.isfinite(scores_y)
    edges = np.linspace(*limits, bins + 1)
    return int(np.histogram2d(scores_x[kept], scores_y[kept], [edges, edges])[0].max())


def plot_score_density(
    scores_x: NDArray[np.floating],
    scores_y: NDArray[np.floating],
    *,
    labels: tuple[str, str],
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
    bins: int = 100,
    most: float | None = None,
) -> Axes:
    """Draw how many voxels have each pair of scores under two models.

    Voxels above the diagonal are better explained by the second model.

    Parameters
    ----------
    scores_x, scores_y : array of shape (n_voxels,)
        Scores of the same voxels, in the same unit. Voxels with a NaN are left out,
        and counted in the title, as are those beyond `limits`.
    labels : tuple of two str
        Names of the models, with the unit, such as ``("mel (r)", "mel + CLAP (r)")``.
    limits : tuple of two floats, optional
        Ends of both axes, the same for figures that will be compared. None takes the
        lowest and the highest score.
    ax : Axes, optional
        Where to draw. A new figure is made if None.
    bins : int
        Number of bins along each axis.
    most : float, optional
        Voxels per bin that have the last colour, the same for figures that will be
        compared: as from `fullest_bin`. None takes the fullest bin.

    Returns
    -------
    ax : Axes

    Raises
    ------
    InputError
        If the two have different sizes, or no voxel has both scores inside the limits.
    """
    scores_x, scores_y = np.asarray(scores_x, float), np.asarray(scores_y, float)
    if scores_x.shape != scores_y.shape or scores_x.ndim != 1:
        raise InputError(
            f"scores_x has shape {scores_x.shape} and scores_y {scores_y.shape}. Give "
            "one score per voxel in each, of the same voxels."
        )
    kept = np.isfinite(scores_x) & np.isfinite(scores_y)
    if not kept.any():
        raise InputError(
            f"none of {len(kept)} voxels has a score in {labels[0]} and {labels[1]}."
        )
    x, y = scores_x[kept], scores_y[kept]
    low, high = limits or _ends(np.concatenate([x, y]))
    inside = (np.minimum(x, y) >= low) & (np.maximum(x, y) <= high)
    if not inside.any():
        raise InputError(
            f"no voxel has both scores between {low:g} and {high:g}. Give wider limits."
        )
    ax = new_axes(ax, SINGLE_MM, 82.0)
    edges = np.linspace(low, high, bins + 1)
    norm = LogNorm(1, max(2, most)) if most else LogNorm()
    *_, image = ax.hist2d(x, y, bins=[edges, edges], cmin=1, norm=norm, cmap=COUNT_MAP)
    ax.axline((low, low), slope=1, color="0.5", linewidth=LINE_PT)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("voxels per bin", size=TEXT_PT)
    bar.ax.tick_params(which="both", labelsize=SMALL_PT)
    bar.ax.yaxis.set_major_formatter("{x:,.0f}")
    few = np.nanmax(image.get_clim()) < 10
    bar.ax.yaxis.set_minor_formatter("{x:.0f}" if few else NullFormatter())
    ax.set(aspect="equal", xlim=(low, high), ylim=(low, high))
    name_axes(ax, labels[0], labels[1])
    title = f"{kept.sum():,} voxels, {(~kept).sum():,} without a score"
    beyond = int((~inside).sum())
    title += f", {beyond:,} off the axes" if beyond else ""
    ax.set_title(title, size=TEXT_PT)
    return ax


def plot_roi_comparison(
    table: pd.DataFrame,
    *,
    model: str = "alone",
    rois: Sequence[str] | None = None,
    max_rois: int = MAX_ROIS,
    colours: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each ROI's scores: a colour per feature space, a point per subject.

    A point is a subject's mean r over the ROI's voxels, with its interval; the upright
    stroke is the mean over subjects.

    Parameters
    ----------
    table : DataFrame
        One row per subject, ROI, model and feature space, with `r_mean`, `r_low` and
        `r_high` (the interval), and if known `n_voxels` and `source`.
    model : str
        Which model's rows are drawn.
    rois : sequence of str, optional
        ROIs to show, in their order from above. Needed if the table has more than
        `max_rois`; the title then says how many it has.
    max_rois : int
        As many fit on a page.
    colours : mapping from feature space to colour, optional
        None gives colours by order of appearance in the whole table.
    ax : Axes, optional
        Where to draw. A new figure of fitting height is made if None.

    Returns
    -------
    ax : Axes

    Raises
    ------
    InputError
        If columns, the model or an ROI are missing, or there are too many ROIs.
    """
    need(table, SCORE_KEYS, INTERVAL)
    check_choice(model, "model", unique(table, "model"))
    shown, title = chosen(table, rois, max_rois)
    rows = table[(table["model"] == model) & table["roi"].isin(shown)]
    spaces, subjects = unique(rows, "feature_space"), unique(rows, "subject")
    colours = colours or palette(table["feature_space"])
    height = 24.0 + len(shown) * (2.2 * len(spaces) + 3.0)
    ax = new_axes(ax, DOUBLE_MM, min(height, PAGE_HEIGHT_MM))
    ax.axvline(0.0, color="0.5", linewidth=LINE_PT, zorder=0)
    for space, offset in zip(spaces, offsets(len(spaces), 0.74), strict=True):
        of_space = rows[rows["feature_space"] == space]
        at = {roi: number + offset for number, roi in enumerate(shown)}
        _draw_subjects(ax, of_space, at, subjects, INTERVAL, colours[space])
        means = of_space.groupby("roi", sort=False)["r_mean"].mean()
        ax.scatter(
            means,
            [at[roi] for roi in means.index],
            marker="|",
            s=45,
            linewidths=1.8,
            color=colours[space],
            label=f"mean {space}",
            zorder=3,
        )
    list_rois(ax, shown, rows)
    name_axes(ax, f"r on held-out runs, model '{model}'")
    handles = [
        Line2D(
            [],
            [],
            color=colours[space],
            marker="o",
            markersize=3,
            linewidth=1.2,
            label=with_source(rows, space),
        )
        for space in spaces
    ]
    handles.append(stroke(f"mean of {len(subjects)} subjects"))
    legend(ax, handles)
    title += f"   point: a subject, with its 95 % interval{without(rows, *INTERVAL)}"
    ax.set_title(title.strip(), size=TEXT_PT)
    return ax


def plot_differences(
    table: pd.DataFrame,
    *,
    rois: Sequence[str] | None = None,
    max_rois: int = MAX_ROIS,
    colours: Mapping[str, str] | None = None,
    fig: Figure | None = None,
) -> Figure:
    """Draw paired differences of two feature spaces per ROI, one panel per pair.

    A point is a subject's r of `a` minus r of `b`, with its interval (thick) and the
    one that holds for all ROIs of the pair at once (thin). It has the colour of the one
    that leads, and is open and grey where the latter holds 0. Pairs are not corrected
    for how many they are, and the figure says so.

    Parameters
    ----------
    table : DataFrame
        Columns subject, roi, a, b, r_diff, low, high, low_all and high_all.
    rois, max_rois, colours
        As in `plot_roi_comparison`.
    fig : Figure, optional
        Where to draw. A new figure, three panels in a row, is made if None.

    Returns
    -------
    fig : Figure
    """
    need(table, ("subject", "roi", "a", "b"), DIFFERENCE)
    shown, title = chosen(table, rois, max_rois)
    rows = table[table["roi"].isin(shown)]
    pairs = list(dict.fromkeys(zip(rows["a"], rows["b"], strict=True)))
    colours = colours or palette([name for pair in pairs for name in pair])
    subjects = unique(rows, "subject")
    n_columns = min(3, len(pairs))
    n_rows = -(-len(pairs) // n_columns)
    row = max(2.2 * len(subjects) + 2.0, 8.7)  # a name of three lines
    panel = 16.0 + len(shown) * row
    height = min(12.0 + n_rows * panel, PAGE_HEIGHT_MM)
    fig = fig or figure_mm(DOUBLE_MM, height, layout="constrained")
    axes = fig.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(pairs) :]:
        ax.set_axis_off()
    for ax, (a, b) in zip(axes.flat, pairs, strict=False):
        of_pair = rows[(rows["a"] == a) & (rows["b"] == b)]
        _draw_pair(ax, of_pair, shown, subjects, colours)
        name_axes(ax, "difference in r on held-out runs")
        ax.set_title(f"{a} \N{MINUS SIGN} {b}", size=TEXT_PT)
        ax.tick_params(labelbottom=True)
        rule_rois(ax, len(shown))
    for ax in axes[:, 0]:
        list_rois(ax, shown, rows)
    title += f"   one point for each of {len(subjects)} subjects; 95 % interval: thick "
    title += "for one ROI, thin for all ROIs of the pair at once\n"
    title += "filled where the thin one leaves out 0"
    title += "; pairs are not corrected for their number" if len(pairs) > 1 else ""
    title += without(rows, *DIFFERENCE)
    fig.supxlabel(title.strip(), size=TEXT_PT)
    return fig


def _ends(scores: NDArray[np.floating]) -> tuple[float, float]:
    low, high = float(scores.min()), float(scores.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _draw_subjects(
    ax: Axes,
    rows: pd.DataFrame,
    at: Mapping[str, float],
    subjects: Sequence[str],
    columns: tuple[str, str, str],
    colour: str,
) -> None:
    """Draw a point with its interval per subject and ROI."""
    centre, low, high = columns
    dodge = dict(zip(subjects, offsets(len(subjects), 0.11), strict=True))
    rows = rows[rows[centre].notna()]
    y = [
        at[roi] + dodge[subject]
        for roi, subject in zip(rows["roi"], rows["subject"], strict=True)
    ]
    ax.hlines(y, rows[low], rows[high], color=colour, linewidth=LINE_PT, alpha=0.7)
    ax.scatter(
        rows[centre], y, s=9, color=colour, edgecolors="white", linewidths=0.3, zorder=4
    )


def _draw_pair(
    ax: Axes,
    rows: pd.DataFrame,
    shown: Sequence[str],
    subjects: Sequence[str],
    colours: Mapping[str, str],
) -> None:
    ax.axvline(0.0, color="0.3", linewidth=LINE_PT, zorder=0)
    dodge = dict(zip(subjects, offsets(len(subjects), 0.7), strict=True))
    for row in rows.to_dict("records"):
        low, high, difference = row["low"], row["high"], row["r_diff"]
        low_all, high_all = row["low_all"], row["high_all"]
        clear = low_all > 0 or high_all < 0
        colour = colours[row["a"] if difference > 0 else row["b"]] if clear else NEUTRAL
        y = shown.index(row["roi"]) + dodge[row["subject"]]
        ax.hlines(y, low_all, high_all, color=colour, linewidth=0.4)
        ax.hlines(y, low, high, color=colour, linewidth=1.3)
        ax.scatter(
            difference,
            y,
            s=10,
            color=colour,
            linewidths=0.8,
            zorder=3,
            facecolors=colour if clear else "white",
        )
