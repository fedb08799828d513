"""A page of maps: its caption, and a key for each way that numbers become colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ..core.checks import InputError
from .keys import add_text, draw_bar
from .looks import Look, OnScale
from .style import (
    SMALL_PT,
    TEXT_PT,
    TITLE_PT,
    Scale,
    scale_around_zero,
    size_mm,
)
from .wrapping import lines_mm, wrapped

MARGIN_MM = 4.0
NO_FOLDS = " Folds are not known, so none are shaded."
NARROWEST_KEY_MM = 60.0  # of keys that stand side by side
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
        Its border is drawn, such as around what is more than chance.
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


def difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    label: str,
    scale: Scale | None = None,
) -> Panel:
    """Return the map of one number less another, blue below 0 and red above.

    Parameters
    ----------
    first, second : array of shape (n_vertices,)
        NaN in either is not drawn.
    label : str
        What the difference is, with its unit, such as ``"r, music less text"``.
    scale : Scale, optional
        Limits of several maps that will be compared, made by `scale_around_zero`. That
        of this map by itself if None.

    Examples
    --------
    >>> difference([0.3, 0.1], [0.1, 0.2], label="r, a less b").look.scale.vmax
    0.2
    """
    one, other = np.asarray(first, float), np.asarray(second, float)
    if one.shape != other.shape:
        raise InputError(
            f"maps of shape {one.shape} and {other.shape} have no difference. Give two "
            "of the same vertices."
        )
    values = one - other
    return Panel(values, OnScale(scale or scale_around_zero([values], label)))


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
    width, _ = size_mm(fig)
    text = _caption(caption, width)
    add_text(fig, MARGIN_MM, 1.5, text, size=SMALL_PT, va="bottom")
    return caption_mm(caption, width)


def caption_mm(caption: str, width_mm: float) -> float:
    """Return the height in mm that a caption will take."""
    return 1.5 + lines_mm(_caption(caption, width_mm), SMALL_PT)


def _caption(caption: str, width_mm: float) -> str:
    return wrapped(caption, width_mm - 2 * MARGIN_MM, SMALL_PT)


def write_title(fig: Figure, title: str) -> float:
    """Write the title at the top; return the height in mm that it takes."""
    width, height = size_mm(fig)
    text = wrapped(title, width - 2 * MARGIN_MM, TITLE_PT)
    add_text(fig, width / 2, height - 1.5, text, size=TITLE_PT, ha="center", va="top")
    return title_mm(title, width)


def title_mm(title: str, width_mm: float) -> float:
    """Return the height in mm that a title will take; one line if there is none."""
    text = wrapped(title or " ", width_mm - 2 * MARGIN_MM, TITLE_PT)
    return 1.5 + lines_mm(text, TITLE_PT)


def heading(name: str, counts: str, width_mm: float) -> tuple[str, str, float]:
    """Return the title of a map and its counts in lines, and the height of both."""
    title, words = wrapped(name, width_mm, TEXT_PT), wrapped(counts, width_mm, SMALL_PT)
    return title, words, lines_mm(title, TEXT_PT) + lines_mm(words, SMALL_PT) + 1.0


def keys_mm(looks: Sequence[Look], width_mm: float) -> float:
    """Return the height in mm of the keys of some looks."""
    heights = [look.key_mm(_key_wide(looks, width_mm)) for look in looks]
    return max(heights) if _side_by_side(looks, width_mm) else sum(heights)


def draw_keys(fig: Figure, panels: Mapping[str, Panel], bottom_mm: float) -> float:
    """Draw the key of each look, from `bottom_mm` upwards; return the height of all.

    They stand side by side, or one above the other where the page is narrow.
    """
    looks = looks_of(panels)
    width, _ = size_mm(fig)
    wide = _key_wide(looks, width)
    beside = _side_by_side(looks, width)
    low = bottom_mm
    # Upwards, so that the first one ends up at the top.
    for place, look in reversed(list(enumerate(looks))):
        middle = (place + 0.5) * width / len(looks) if beside else width / 2
        box = (middle, low, wide)
        low += 0.0 if beside else look.key_mm(wide)
        if isinstance(look, OnScale):
            mine = [p.drawn for p in panels.values() if p.look == look]
            below = any((one < look.scale.vmin).any() for one in mine)
            above = any((one > look.scale.vmax).any() for one in mine)
            draw_bar(fig, look.scale, box, extend=EXTEND[below, above])
        else:
            look.draw_key(fig, box)
    return keys_mm(looks, width)


def _side_by_side(looks: Sequence[Look], width_mm: float) -> bool:
    return width_mm / len(looks) >= NARROWEST_KEY_MM


def _key_wide(looks: Sequence[Look], width_mm: float) -> float:
    """Return the width of a key, which leaves room for the numbers at its ends."""
    return width_mm / (len(looks) if _side_by_side(looks, width_mm) else 1) - 10.0
