"""Clips in the plane of two components of an embedding, by their genre."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from ..core.checks import InputError
from .bars import below
from .style import COLOURS, SINGLE_MM, TEXT_PT, figure_mm, size_mm
from .tables import name_axes

# A shape for each genre: ten colours cannot all be told apart by everyone.
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
AREA, STAR_AREA = 13.0, 28.0  # points squared; a star fills less of its box
PANEL_MM = 62.0
LEGEND_MM = 16.0


def plot_embedding(
    panels: Mapping[str, ArrayLike],
    genres: Sequence[str],
    *,
    labels: tuple[str, str],
    fig: Figure | None = None,
    width_mm: float = SINGLE_MM,
) -> Figure:
    """Draw each clip at its two components, a colour and a shape for each genre.

    Panels have the same limits: what was decoded lies closer to the middle than what is
    true, and shall be seen to.

    Parameters
    ----------
    panels : mapping from title to array of shape (n_clips, 2)
        The same clips in each, from above.
    genres : sequence of str
        Of each clip.
    labels : tuple of two str
        What the two components are.
    fig : Figure, optional
        Where to draw. A new figure is made if None.
    width_mm : float
        Of a new figure; from 150 mm on, panels stand side by side.

    Returns
    -------
    fig : Figure

    Raises
    ------
    InputError
        If there is no panel, a value is not finite, or shapes do not fit.
    """
    points = {title: np.asarray(one, dtype=float) for title, one in panels.items()}
    for title, one in points.items():
        if one.shape != (len(genres), 2) or not np.isfinite(one).all():
            raise InputError(
                f"{title!r} has shape {one.shape} for {len(genres)} genres. Give two "
                "finite components for each clip."
            )
    if not points:
        raise InputError("no points to draw: panels is empty. Give at least one.")
    width_mm = size_mm(fig)[0] if fig is not None else width_mm
    beside = width_mm >= 150
    n_rows, n_columns = (1, len(points)) if beside else (len(points), 1)
    height = PANEL_MM * n_rows + LEGEND_MM
    fig = fig or figure_mm(width_mm, height, layout="constrained")
    axes = fig.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    looks = looks_of_genres(genres)
    names = np.asarray(genres)
    for ax, (title, one) in zip(axes.ravel(), points.items(), strict=True):
        ax.axhline(0, color="0.85", linewidth=0.6, zorder=0)
        ax.axvline(0, color="0.85", linewidth=0.6, zorder=0)
        for name, (colour, shape) in looks.items():
            here = one[names == name]
            ax.scatter(
                *here.T,
                s=STAR_AREA if shape == "*" else AREA,
                color=colour,
                marker=shape,
                edgecolors="white",
                linewidths=0.3,
                label=name,
            )
        ax.set_title(title, size=TEXT_PT)
        ax.tick_params(labelbottom=True, labelleft=True)
        name_axes(ax, *labels)
    handles: list[Line2D | Patch] = [
        Line2D(
            [],
            [],
            color=colour,
            marker=shape,
            markersize=5.5 if shape == "*" else 4,
            linestyle="none",
            label=name,
        )
        for name, (colour, shape) in looks.items()
    ]
    below(fig, handles)
    return fig


def looks_of_genres(genres: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a shape per genre, by the order of their names.

    No two of up to thirty genres have both in common.

    Examples
    --------
    >>> looks_of_genres(["rock", "jazz", "rock"])
    {'jazz': ('#0072B2', 'o'), 'rock': ('#D55E00', 's')}
    """
    return {
        name: (COLOURS[k % len(COLOURS)], SHAPES[k % len(SHAPES)])
        for k, name in enumerate(sorted(set(genres)))
    }
