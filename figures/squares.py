"""Square tables of scores, such as genres in training against genres in test."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ..core.checks import InputError
from .style import DOUBLE_MM, SMALL_PT, TEXT_PT, TITLE_PT, figure_mm

CHANCE_MAP = "vlag"  # blue below chance, red above
CELL_MM, NAMES_MM, BAR_MM, PANEL_MM = 5.5, 18.0, 12.0, 80.0
FEWEST_CELLS = 4


def plot_squares(
    panels: Mapping[str, pd.DataFrame],
    *,
    chances: Mapping[str, pd.DataFrame],
    label: str,
    names: tuple[str, str] = ("", ""),
    width_mm: float = DOUBLE_MM,
) -> Figure:
    """Draw tables of scores as coloured squares with their numbers.

    They stand side by side where the width lets each have 80 mm.

    Parameters
    ----------
    panels : dict of title to DataFrame
        Scores, named in index and columns. NaN stays white.
    chances : dict of title to DataFrame
        The chance of each score. Colours are of the score less its chance, as strong
        above as below, in all panels alike; the numbers are the scores.
    label : str
        What the scores are.
    names : tuple of str
        What the columns and the rows are.
    width_mm : float

    Returns
    -------
    figure : Figure

    Raises
    ------
    InputError
        If there is no panel, or one without a number.

    Examples
    --------
    >>> square = pd.DataFrame([[0.8, 0.5], [0.4, 0.7]], list("ab"), list("ab"))
    >>> half = {"all clips": 0 * square + 0.5}
    >>> figure = plot_squares({"all clips": square}, chances=half, label="accuracy")
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['.80', '.50', '.40', '.70']
    """
    empty = [name for name, one in panels.items() if not one.notna().any(axis=None)]
    if not panels or empty:
        raise InputError(
            f"{len(panels)} squares to draw, without a number: {', '.join(empty)}. "
            "Give tables with scores."
        )
    above = {title: one - chances[title] for title, one in panels.items()}
    half = max(float(np.nanmax(np.abs(one))) for one in above.values())
    half = half or 0.01  # all at chance: white, between two ends that differ
    n_rows = max(FEWEST_CELLS, *(len(one) for one in panels.values()))
    beside = width_mm / len(panels) >= PANEL_MM  # else below each other
    shape = (1, len(panels)) if beside else (len(panels), 1)
    height_mm = shape[0] * (n_rows * CELL_MM + NAMES_MM) + BAR_MM
    figure = figure_mm(width_mm, height_mm, layout="constrained")
    axes = figure.subplots(*shape, squeeze=False).ravel()
    for k, (ax, (title, one)) in enumerate(zip(axes, panels.items(), strict=True)):
        sns.heatmap(
            above[title].astype(float),
            ax=ax,
            vmin=-half,
            vmax=half,
            cmap=CHANCE_MAP,
            annot=one.map(_short).to_numpy(),
            fmt="",
            annot_kws={"size": SMALL_PT},
            square=True,
            cbar=False,
            linewidths=0.3,
            xticklabels=True,
            yticklabels=True,
        )
        ax.set_title(title, size=TITLE_PT)
        ax.set_xlabel(names[0], size=TEXT_PT)
        ax.set_ylabel(names[1] if k == 0 or not beside else "", size=TEXT_PT)
        ax.tick_params(labelsize=SMALL_PT, length=0)
        ax.tick_params(axis="x", labelrotation=45)
        for text in ax.get_xticklabels():
            text.set(ha="right", rotation_mode="anchor")
        ax.tick_params(axis="y", labelrotation=0)
    bar = figure.colorbar(
        axes[-1].collections[0],
        ax=list(axes),
        location="bottom",
        shrink=0.4,
        aspect=30,
    )
    bar.set_label(f"{label}: number less chance", size=TEXT_PT)
    bar.ax.tick_params(labelsize=SMALL_PT)
    bar.ax.axvline(0, color="0.1", linewidth=0.8)
    return figure


def _short(value: float) -> str:
    """Return a share with two digits and no zero before the point.

    Examples
    --------
    >>> _short(0.625), _short(1.0), _short(float("nan"))
    ('.62', '1.0', '')
    """
    if not np.isfinite(value):
        return ""
    text = f"{value:.2f}"
    return text.removeprefix("0") if value < 0.995 else text[:3]
