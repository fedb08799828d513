"""Bars per group and subject of the figures of the paper, and words above the axes."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..figures.bars import plot_bars
from ..figures.style import DOUBLE_MM, TEXT_PT
from .paper_pages import Drawn, Results
from .to_draw import as_written

SHARES = (0.0, 1.02)  # so that a line at 1 is seen


def bars_of(
    rows: pd.DataFrame,
    *,
    group: pd.Series,
    series: pd.Series | str,
    oracle: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Return rows as `plot_bars` takes them, in their order."""
    value = rows["value"] if "value" in rows else rows["accuracy"]
    table = pd.DataFrame(
        {
            "group": group,
            "series": series,
            "subject": rows["subject"],
            "value": value.astype(float),
        }
    )
    for name in ("low", "high", "chance"):
        table[name] = rows[name].astype(float) if name in rows else np.nan
    table["oracle"] = np.nan if oracle is None else np.asarray(oracle, dtype=float)
    return table.reset_index(drop=True)


def drawn_bars(
    results: Results,
    name: str,
    panels: dict[str, pd.DataFrame],
    label: str,
    *,
    usual_mm: float = DOUBLE_MM,
    spaces: Sequence[str] | None = None,
    notes: Sequence[str] = (),
    judges: Mapping[str, Sequence[str]] | None = None,
) -> Drawn:
    """Draw bars of one or several panels, as a figure with its numbers."""
    figure = plot_bars(
        {as_written(title): written(rows) for title, rows in panels.items()},
        label=label,
        width_mm=results.print.width(usual_mm),
        limits=SHARES,
    )
    name_simulated(results, figure)
    parts = [rows.assign(panel=title) for title, rows in panels.items()]
    whole = pd.concat(parts, ignore_index=True)
    whole["group"] = whole["group"].str.replace("\n", " ")
    first = ["panel"]
    whole = whole[[*first, *whole.columns.difference(first, sort=False)]]
    targets = results.saved.study.decoding.targets
    return Drawn(
        name,
        figure,
        {"": whole},
        limits={"y": figure.axes[0].get_ylim()},
        spaces=list(targets) if spaces is None else spaces,
        notes=notes,
        judges=judges or {},
    )


def written(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts matplotlib draws as they are, dollars too."""
    shown = table.copy()
    for name in table:
        if pd.api.types.is_string_dtype(table[name]):
            shown[name] = table[name].map(as_written)
    return shown


def written_square(square: pd.DataFrame) -> pd.DataFrame:
    """Return a square whose names matplotlib draws as they are."""
    return square.rename(index=as_written, columns=as_written)


def name_simulated(results: Results, figure: Figure, title: str = "") -> None:
    """Write above the axes what it is of, and that it is simulated, if it is."""
    said = results.saved.simulated
    said = f"{said}{title}" if title else said.removesuffix(": ")
    if said:
        figure.suptitle(said, size=TEXT_PT)
