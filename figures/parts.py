"""Figures of what each feature space adds: parts of the joint model's score."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from ..core.checks import InputError, check_choice
from .style import (
    COLOURS,
    DOUBLE_MM,
    LINE_PT,
    NOT_A_BAND,
    PAGE_HEIGHT_MM,
    PART_MAP,
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
    stroke,
    two_lines,
    unique,
    with_source,
    without,
)

MARK = COLOURS[1]


def plot_parts(
    table: pd.DataFrame,
    *,
    rois: Sequence[str] | None = None,
    max_rois: int = MAX_ROIS,
    colours: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw what each band adds to the joint model's R2, stacked, per ROI and subject.

    Parts above 0 are stacked to the right of 0 and those below to the left, so that a
    bar's right end minus its left one's depth is the whole. Where the table has the
    joint model, an upright stroke marks its R2.

    Parameters
    ----------
    table : DataFrame
        One row per subject, ROI, model and feature space, with `r2_mean`. Rows of
        model 'part' are stacked.
    rois, max_rois, colours, ax
        As in `plot_roi_comparison`.

    Returns
    -------
    ax : Axes
    """
    need(table, SCORE_KEYS, ("r2_mean",))
    check_choice("part", "the table's model", unique(table, "model"))
    shown, title = chosen(table, rois, max_rois)
    table = table[table["roi"].isin(shown)]
    rows = table[table["model"] == "part"]
    spaces, subjects = unique(rows, "feature_space"), unique(rows, "subject")
    colours = colours or palette(table["feature_space"])
    height = 24.0 + len(shown) * (3.2 * len(subjects) + 2.5)
    ax = new_axes(ax, DOUBLE_MM, min(height, PAGE_HEIGHT_MM))
    places = offsets(len(subjects), 0.8)
    thickness = 0.8 / len(subjects) * 0.85
    for subject, offset in zip(subjects, places, strict=True):
        of_subject = rows[rows["subject"] == subject]
        parts = of_subject.pivot(
            index="roi", columns="feature_space", values="r2_mean"
        ).reindex(index=shown, columns=spaces)
        at = np.arange(len(shown)) + offset
        _stack(ax, parts, at, thickness, colours)
        joint = table[(table["model"] == "joint") & (table["subject"] == subject)]
        totals = joint.set_index("roi")["r2_mean"].reindex(shown)
        ax.scatter(
            totals,
            at,
            marker="|",
            s=40,
            color="0.0",
            linewidths=1.4,
            zorder=3,
            label=f"joint {subject}",
        )
    list_rois(ax, shown, rows)
    _list_subjects(ax, subjects, places, len(shown))
    ax.axvline(0.0, color="0.3", linewidth=LINE_PT)
    ax.use_sticky_edges = False
    ax.autoscale_view(scaley=False)
    name_axes(ax, "part of R2 on held-out runs (product measure)")
    handles: list[Line2D | Patch] = [
        Patch(facecolor=colours[space], label=with_source(rows, space))
        for space in spaces
    ]
    if (table["model"] == "joint").any():
        handles.append(stroke("R2 of the joint model"))
    legend(ax, handles)
    ax.set_title((title + without(rows, "r2_mean")).strip(), size=TEXT_PT)
    return ax


def plot_planted_recovered(
    roi_scores: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    score: str = "r",
    fig: Figure | None = None,
) -> Figure:
    """Draw which band was planted in each ROI, and which one was recovered.

    One panel per subject, ROI by band: the colour and the number are the band's part
    of the joint score, a frame marks what was planted, and a dot what was recovered.

    Parameters
    ----------
    roi_scores : DataFrame
        Rows of model 'part' are used: subject, roi, feature_space, and the score.
    truth : DataFrame
        Columns subject, roi, planted and recovered; 'none' where nothing was.
    score : 'r' or 'r2'
        Which score's parts are shown. 'r' is the one that the recovered band is read
        off.
    fig : Figure, optional
        Where to draw. A new figure is made if None.

    Returns
    -------
    fig : Figure
    """
    check_choice(score, "score", ("r", "r2"))
    value = f"{score}_mean"
    need(roi_scores, SCORE_KEYS, (value,))
    need(truth, ("subject", "roi"), ("planted", "recovered"))
    check_choice("part", "the table's model", unique(roi_scores, "model"))
    parts = roi_scores[roi_scores["model"] == "part"]
    bands = [b for b in unique(parts, "feature_space") if b not in NOT_A_BAND]
    columns = _columns(bands, truth)
    shown, subjects = unique(truth, "roi"), unique(truth, "subject")
    highest = max(float(parts[value].fillna(0.0).max()), 1e-3)
    fig = fig or figure_mm(DOUBLE_MM, 34.0 + 8.0 * len(shown), layout="constrained")
    axes = fig.subplots(1, len(subjects), sharey=True, squeeze=False)[0]
    for ax, subject in zip(axes, subjects, strict=True):
        matrix = (
            parts[parts["subject"] == subject]
            .pivot(index="roi", columns="feature_space", values=value)
            .reindex(index=shown, columns=columns)
        )
        image = _draw_matrix(ax, matrix, highest)
        hits = _mark_truth(ax, truth[truth["subject"] == subject], shown, columns)
        ax.set_title(f"{subject}: {hits} of {len(shown)} recovered", size=TEXT_PT)
    axes[0].set_yticks(range(len(shown)), [two_lines(roi) for roi in shown])
    bar = fig.colorbar(image, ax=list(axes), shrink=0.8, extend="min")
    bar.set_label(
        f"part of joint {score.upper() if score == 'r2' else score}, held-out runs",
        size=TEXT_PT,
    )
    bar.ax.tick_params(labelsize=SMALL_PT)
    fig.supxlabel("frame: planted, dot: recovered", size=TEXT_PT)
    return fig


def _stack(
    ax: Axes,
    parts: pd.DataFrame,
    at: NDArray[np.floating],
    thickness: float,
    colours: Mapping[str, str],
) -> None:
    """Stack the columns of `parts`, those above 0 rightwards, the others leftwards."""
    ends = {True: np.zeros(len(parts)), False: np.zeros(len(parts))}
    for space in parts.columns:
        widths = parts[space].to_numpy(dtype=float)
        for above, end in ends.items():
            now = np.where(widths > 0 if above else widths < 0, widths, 0.0)
            ax.barh(at, now, thickness, left=end, color=colours[space], linewidth=0)
            ends[above] = end + now


def _columns(bands: Sequence[str], truth: pd.DataFrame) -> list[str]:
    """Return the matrix's columns: bands, 'none', and other verdicts such as that."""
    unknown = [
        name for name in unique(truth, "planted") if name not in (*bands, "none")
    ]
    if unknown:
        raise InputError(
            f"truth has {unknown[0]!r} planted, and the table of scores has parts of "
            f"{', '.join(bands)}. Use the same names in both."
        )
    others = [name for name in unique(truth, "recovered") if name not in bands]
    return list(dict.fromkeys([*bands, "none", *others]))


def _draw_matrix(ax: Axes, matrix: pd.DataFrame, highest: float) -> AxesImage:
    cmap = mpl.colormaps[PART_MAP].with_extremes(bad="0.93", under="white")
    values = matrix.to_numpy(dtype=float)
    image = ax.imshow(values, cmap=cmap, vmin=0.0, vmax=highest, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ax.text(
                column,
                row + 0.28,
                f"{value:.3f}".replace("-", "\N{MINUS SIGN}"),
                size=SMALL_PT,
                ha="center",
                va="center",
                color="white" if value > 0.6 * highest else "0.1",
            )
    ax.set_xticks(range(matrix.shape[1]), list(matrix.columns), rotation=30, ha="right")
    ax.tick_params(labelsize=SMALL_PT, length=0)
    return image


def _mark_truth(
    ax: Axes, truth: pd.DataFrame, shown: Sequence[str], columns: Sequence[str]
) -> int:
    """Frame what was planted, dot what was recovered; return how often they agree."""
    for row in truth.to_dict("records"):
        y = shown.index(row["roi"])
        corner = (columns.index(row["planted"]) - 0.46, y - 0.46)
        ax.add_patch(
            Rectangle(corner, 0.92, 0.92, fill=False, edgecolor=MARK, linewidth=1.6)
        )
        ax.scatter(
            columns.index(row["recovered"]),
            y - 0.15,
            s=22,
            color=MARK,
            edgecolors="white",
            linewidths=0.6,
            zorder=3,
        )
    return int((truth["planted"] == truth["recovered"]).sum())


def _list_subjects(
    ax: Axes, subjects: Sequence[str], offsets: NDArray[np.floating], n_rois: int
) -> None:
    side = ax.secondary_yaxis("right")
    places = (np.arange(n_rois)[:, None] + offsets).ravel()
    side.set_yticks(places, list(subjects) * n_rois)
    side.tick_params(labelsize=SMALL_PT, length=0)
    side.spines["right"].set_visible(False)
