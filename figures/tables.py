"""What the figures of tables share: checks, the ROIs shown, axes and legends."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from ..core.checks import InputError, nearest
from ..core.types import label_of
from .style import SMALL_PT, TEXT_PT, figure_mm, figure_of

MAX_ROIS = 20
SCORE_KEYS = ("subject", "roi", "model", "feature_space")


def need(table: pd.DataFrame, keys: Sequence[str], values: Sequence[str]) -> None:
    """Raise unless `table` has these columns, rows, and one row per set of keys."""
    missing = [name for name in (*keys, *values) if name not in table.columns]
    if missing or table.empty:
        what = f"no column {', '.join(missing)}" if missing else "no rows"
        raise InputError(
            f"the table has {what}; it has {len(table)} rows of "
            f"{', '.join(map(str, table.columns))}. Needed: {', '.join(keys)}, "
            f"{', '.join(values)}."
        )
    for name in keys:
        if table[name].isna().any():
            raise InputError(
                f"the table has no {name} in {int(table[name].isna().sum())} of its "
                f"{len(table)} rows. Name it in each row."
            )
    twice = table[table.duplicated(list(keys))]
    if len(twice):
        first = ", ".join(str(twice.iloc[0][name]) for name in keys)
        raise InputError(
            f"{len(twice)} rows of the table come twice, the first for {first}. Give "
            f"one row per {', '.join(keys)}."
        )


def unique(table: pd.DataFrame, column: str) -> list[str]:
    """Return what a column holds, in order of first appearance."""
    return list(dict.fromkeys(table[column]))


def chosen(
    table: pd.DataFrame, rois: Sequence[str] | None, max_rois: int
) -> tuple[list[str], str]:
    """Return the ROIs to show, and a title if those are not all."""
    known = unique(table, "roi")
    if rois is None and len(known) > max_rois:
        raise InputError(
            f"the table has {len(known)} ROIs, and {max_rois} fit. Choose those to "
            "show with `rois`, or raise `max_rois`."
        )
    shown = list(known if rois is None else rois)
    unknown = [roi for roi in shown if roi not in known]
    if unknown or not shown:
        name = unknown[0] if unknown else ""
        raise InputError(
            f"no ROI {name!r} among the {len(known)} of the table."
            f"{nearest(name, known)} Choose some of those."
        )
    whole = len(shown) == len(known)
    return shown, "" if whole else f"{len(shown)} of {len(known)} ROIs shown"


def new_axes(ax: Axes | None, width_mm: float, height_mm: float) -> Axes:
    """Return `ax`, or the axes of a new figure of this size."""
    if ax is not None:
        return ax
    return figure_mm(width_mm, height_mm, layout="constrained").subplots()


def offsets(n: int, width: float) -> NDArray[np.floating]:
    """Return `n` places around 0, `width` apart in all, each in its own share."""
    return (np.arange(n) - (n - 1) / 2) * width / n


def list_rois(ax: Axes, shown: Sequence[str], rows: pd.DataFrame) -> None:
    """Name the ROIs from above, with how many voxels they have.

    Not where all are single columns, as the parcels of a table are.
    """
    single = "n_voxels" in rows and rows["n_voxels"].max() == 1
    names = [
        two_lines(roi) + ("" if single else _n_voxels(rows[rows["roi"] == roi]))
        for roi in shown
    ]
    ax.set_yticks(range(len(shown)), names)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0, labelsize=SMALL_PT)
    rule_rois(ax, len(shown))


def rule_rois(ax: Axes, n_rois: int) -> None:
    """Draw a thin line between each two ROIs."""
    ax.tick_params(axis="y", length=0)
    for border in range(1, n_rois):
        ax.axhline(border - 0.5, color="0.9", linewidth=0.5, zorder=0)


def _n_voxels(rows: pd.DataFrame) -> str:
    if "n_voxels" not in rows or rows["n_voxels"].isna().all():
        return ""
    low, high = int(rows["n_voxels"].min()), int(rows["n_voxels"].max())
    many = "s" if high != 1 else ""
    return f"\n{low:,}" + (f"\N{EN DASH}{high:,}" * (high > low)) + f" voxel{many}"


def two_lines(name: str) -> str:
    """Return a long name with what stands in brackets on a line of its own."""
    return name.replace(" (", "\n(") if len(name) > 16 else name


def with_source(rows: pd.DataFrame, space: str) -> str:
    """Return the feature space's name with its source, as legends show it."""
    if "source" not in rows:
        return label_of(space, "")
    sources = rows.loc[rows["feature_space"] == space, "source"].dropna()
    named = [source for source in dict.fromkeys(sources) if source]
    return label_of(space, ", ".join(named))


def stroke(label: str) -> Line2D:
    """Return a legend's entry for an upright stroke."""
    return Line2D(
        [],
        [],
        color="0.0",
        marker="|",
        markersize=7,
        markeredgewidth=1.6,
        linestyle="none",
        label=label,
    )


def legend(ax: Axes, handles: Sequence[Line2D | Patch]) -> None:
    """Draw a legend 10 mm below the axes, however tall those are."""
    below = ScaledTranslation(0, -10 / 25.4, figure_of(ax).dpi_scale_trans)
    ax.legend(
        handles=list(handles),
        fontsize=SMALL_PT,
        frameon=False,
        ncols=3,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        borderaxespad=0.0,
        bbox_transform=ax.transAxes + below,
    )


def name_axes(ax: Axes, x: str, y: str = "") -> None:
    """Name the axes, with their units, in the size of print."""
    ax.set_xlabel(x, size=TEXT_PT)
    ax.set_ylabel(y, size=TEXT_PT)
    ax.tick_params(labelsize=SMALL_PT)
    ax.spines[["top", "right"]].set_visible(False)


def without(rows: pd.DataFrame, *columns: str) -> str:
    """Say how many rows have no number in one of `columns`, or return ''."""
    n_missing = int(rows[list(columns)].isna().any(axis=1).sum())
    return f"   {n_missing} of {len(rows)} without a score or interval" * bool(
        n_missing
    )
