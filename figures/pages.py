"""A page of maps: its caption, and a key for each way that numbers become colours."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ..core.checks import InputError
from .looks import Look, OnScale, draw_bar
from .style import SMALL_PT, size_mm

MARGIN_MM = 4.0
LINE_MM = 2.6
EXTEND = {
    (False, False): "neither",
    (True, False): "min",
    (False, True): "max",
    (True, True): "both",
}


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One map: its numbers, and how they become colours.

    Parameters
    ----------
    values : array of shape (n_vertices,) or (n_vertices, n_values)
        As many numbers per vertex as the look wants; NaN is not drawn.
    look : Look
        Panels with the same one share a key, and can be compared.
    shown : array of bool, shape (n_vertices,), optional
        Where the map is drawn, such as by a threshold on another map. Elsewhere the
        curvature shows, and is counted by the name of `hidden`.
    hidden : str
        What a vertex is called that has a value and is not `shown`.
    contour : array of bool, shape (n_vertices,), optional
        Its border is drawn on flatmaps, such as around what is more than chance.
    """

    values: ArrayLike
    look: Look
    shown: ArrayLike | None = None
    hidden: str = "below the threshold"
    contour: ArrayLike | None = None

    @property
    def drawn(self) -> NDArray[np.floating]:
        """The values, NaN where they are not shown.

        Raises
        ------
        InputError
            If `shown` is no mask over the vertices.
        """
        values = np.array(self.values, dtype=np.float64)
        if self.shown is not None:
            values[~mask_of(self.shown, "shown", len(values))] = np.nan
        return values


def mask_of(given: ArrayLike, name: str, n_vertices: int) -> NDArray[np.bool_]:
    """Return a mask over the vertices, or say what it is instead."""
    mask = np.asarray(given)
    if mask.shape != (n_vertices,) or mask.dtype != bool:
        raise InputError(
            f"{name} of a panel must be True or False for each of {n_vertices} "
            f"vertices, got {mask.dtype} of shape {mask.shape}."
        )
    return mask


def looks_of(panels: Mapping[str, Panel]) -> list[Look]:
    """Return the looks of some panels, each once."""
    found: list[Look] = []
    for panel in panels.values():
        if panel.look not in found:
            found.append(panel.look)
    return found


def write_caption(fig: Figure, caption: str) -> float:
    """Write the caption; return the height in mm that it takes."""
    width, height = size_mm(fig)
    lines = _lines(caption, width)
    fig.text(
        MARGIN_MM / width,
        1.5 / height,
        "\n".join(lines),
        size=SMALL_PT,
        va="bottom",
        linespacing=1.2,
    )
    return caption_mm(caption, width)


def caption_mm(caption: str, width_mm: float) -> float:
    """Return the height in mm that a caption will take."""
    return 1.5 + LINE_MM * len(_lines(caption, width_mm))


def _lines(caption: str, width_mm: float) -> list[str]:
    per_line = int((width_mm - 2 * MARGIN_MM) / 1.2)  # a letter of 6 pt, on average
    return textwrap.wrap(caption, per_line)


def draw_keys(fig: Figure, panels: Mapping[str, Panel], bottom_mm: float) -> None:
    """Draw the key of each look side by side, from `bottom_mm` upwards."""
    looks = looks_of(panels)
    wide = size_mm(fig)[0] / len(looks)
    for place, look in enumerate(looks):
        box = ((place + 0.5) * wide, bottom_mm, wide - 10)
        if isinstance(look, OnScale):
            mine = [p.drawn for p in panels.values() if p.look == look]
            low = any((one < look.scale.vmin).any() for one in mine)
            high = any((one > look.scale.vmax).any() for one in mine)
            draw_bar(fig, look.scale, box, extend=EXTEND[low, high])
        else:
            look.draw_key(fig, box)


def add_axes(fig: Figure, box_mm: tuple[float, float, float, float]) -> Axes:
    """Add axes at (left, bottom, width, height), in mm."""
    width, height = size_mm(fig)
    left, bottom, wide, high = box_mm
    return fig.add_axes((left / width, bottom / height, wide / width, high / height))
