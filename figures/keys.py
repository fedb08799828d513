"""The parts of a key of colours: bars, squares and triangles, placed in mm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .style import SMALL_PT, TEXT_PT, Scale, size_mm
from .wrapping import LEADING, lines_mm, text_mm, wrapped

Floats = NDArray[np.floating]
Box = tuple[float, float, float]  # middle, bottom and width, in mm

GYRUS, SULCUS = 0.46, 0.30
KEY_PX = 64
WIDEST_BAR_MM = 50.0
BAR_MM, BAR_LOW_MM = 13.0, 8.5  # height of a key with one line of label; where it lies
LINE_MM = TEXT_PT * LEADING * 25.4 / 72
TICKS_MM = 10.0  # left of a square
BELOW_MM, ABOVE_MM = 6.0, 3.0  # of a square: ticks, and air


def add_axes(fig: Figure, box_mm: tuple[float, float, float, float]) -> Axes:
    """Add axes at (left, bottom, width, height), in mm."""
    width, height = size_mm(fig)
    left, bottom, wide, high = box_mm
    return fig.add_axes((left / width, bottom / height, wide / width, high / height))


def add_text(fig: Figure, x_mm: float, y_mm: float, text: str, **how) -> None:
    """Write text at a place in mm."""
    width, height = size_mm(fig)
    fig.text(x_mm / width, y_mm / height, text, linespacing=LEADING, **how)


def bar_mm(scale: Scale, width_mm: float) -> float:
    """Return the height of a colour bar with its label."""
    return BAR_MM + lines_mm(wrapped(scale.label, width_mm, TEXT_PT), TEXT_PT) - LINE_MM


def draw_bar(fig: Figure, scale: Scale, box_mm: Box, *, extend: str) -> None:
    """Draw a colour bar, with arrows at its ends; clear colours lie on chequers."""
    middle, bottom, width = box_mm
    wide = min(WIDEST_BAR_MM, width)
    low = bottom + bar_mm(scale, width) - BAR_MM + BAR_LOW_MM
    ax = add_axes(fig, (middle - wide / 2, low, wide, 2.5))
    cmap, norm = scale.colours()
    bar = fig.colorbar(
        ScalarMappable(norm, cmap), cax=ax, orientation="horizontal", extend=extend
    )
    if scale.clear_below is not None:
        chequers = draw_chequers(ax, (2, 40))
        chequers.set_extent((scale.vmin, scale.vmax, 0.0, 1.0))
        ax.set(xlim=(scale.vmin, scale.vmax), ylim=(0.0, 1.0), aspect="auto")
    bar.set_label(wrapped(scale.label, width, TEXT_PT), size=TEXT_PT, labelpad=1.5)
    bar.ax.xaxis.label.set_linespacing(LEADING)
    bar.ax.tick_params(labelsize=SMALL_PT, length=2, pad=1.5)
    bar.outline.set_linewidth(0.5)


def draw_chequers(ax: Axes, shape: tuple[int, int]):
    """Draw the two greys of curvature below what is clear; return the picture."""
    rows, columns = np.indices(shape)
    grey = np.where((rows + columns) % 2, SULCUS, GYRUS)
    return ax.imshow(
        grey, cmap="gray", vmin=0.0, vmax=1.0, zorder=-1, label="curvature"
    )


@dataclass(frozen=True, slots=True)
class _Square:
    """Where a square of colours lies in its box, and its labels in lines.

    The label of the number upwards stands on the left; above, if it is higher than the
    square there, or a word has no room.
    """

    below: str
    beside: str
    above: str
    left_mm: float

    @property
    def low_mm(self) -> float:
        return lines_mm(self.below, TEXT_PT) + BELOW_MM


def _square(labels: tuple[str, str], width_mm: float, size: Sequence[float]) -> _Square:
    wide, high = size
    room = width_mm - wide - TICKS_MM - 2.0
    beside = wrapped(labels[1], max(room, 8.0), TEXT_PT)
    beside_mm = max(text_mm(line, TEXT_PT) for line in beside.split("\n"))
    widest_word = max(text_mm(word, TEXT_PT) for word in labels[1].split(" "))
    if lines_mm(beside, TEXT_PT) > high or widest_word > room:
        below, above = (wrapped(one, width_mm, TEXT_PT) for one in labels)
        return _Square(below, "", above, (width_mm - wide) / 2)
    left = (width_mm + beside_mm + TICKS_MM - wide) / 2
    below = wrapped(labels[0], 2 * (width_mm - left) - wide, TEXT_PT)
    return _Square(below, beside, "", left)


def square_mm(labels: tuple[str, str], width_mm: float, size: Sequence[float]) -> float:
    """Return the height of a square of colours with its labels."""
    placed = _square(labels, width_mm, size)
    return placed.low_mm + size[1] + ABOVE_MM + lines_mm(placed.above, TEXT_PT)


def draw_square(
    fig: Figure,
    colours: Floats,
    box_mm: Box,
    *,
    labels: tuple[str, str],
    size: tuple[float, float],
    extent: tuple[float, float, float, float],
) -> Axes:
    """Draw colours, (height, width, 4), over two numbers, named below and on the left.

    Parameters
    ----------
    size : tuple of width and height, in mm
    extent : tuple of four floats
        Ends of the number below, and of the one on the left.
    """
    middle, bottom, width = box_mm
    placed = _square(labels, width, size)
    left = middle - width / 2 + placed.left_mm
    ax = add_axes(fig, (left, bottom + placed.low_mm, *size))
    if (colours[..., 3] < 1).any():
        draw_chequers(ax, (8, 12)).set_extent(extent)
    ax.imshow(colours, origin="lower", extent=extent, aspect="auto", label="key")
    ax.set(xticks=extent[:2], yticks=extent[2:], xlim=extent[:2], ylim=extent[2:])
    ax.tick_params(labelsize=SMALL_PT, length=2, pad=1.5)
    how: dict[str, Any] = {"size": TEXT_PT, "linespacing": LEADING}
    ax.set_xlabel(placed.below, labelpad=0.5, **how)
    ax.set_title(placed.above, pad=3.0, **how)
    if placed.beside:
        how |= {"ha": "right", "va": "center", "transform": ax.transAxes}
        ax.text(-TICKS_MM / size[0], 0.5, placed.beside, **how)
    return ax


def draw_triangle(fig: Figure, box_mm: tuple[float, float, float]) -> None:
    """Draw the mixtures of red, green and blue, the strongest of them full.

    Parameters
    ----------
    box_mm : tuple of left, bottom and width
        The letters of the corners need 3 mm more, above and below.
    """
    left, bottom, wide = box_mm
    high = wide * np.sqrt(3) / 2
    ax = add_axes(fig, (left, bottom, wide, high))
    steps = np.linspace(0, 1, KEY_PX + 1)  # odd, so that the corner has a pixel
    x, y = np.meshgrid(steps, steps)
    shares = np.stack([y, 1 - x - y / 2, x - y / 2], axis=-1)
    inside = np.asarray((shares >= -1e-9).all(axis=-1))
    mixed = np.maximum(shares, 0.0) / shares.max(axis=-1, keepdims=True)
    colours = np.dstack([mixed * inside[..., None], inside])
    ax.imshow(colours, origin="lower", extent=(0, 1, 0, 1), label="key triangle")
    ax.set(aspect="auto")
    ax.set_axis_off()
    for letter, x_mm, y_mm, va in (
        ("R", wide / 2, high + 0.5, "bottom"),
        ("G", 0.0, -0.5, "top"),
        ("B", wide, -0.5, "top"),
    ):
        place = (x_mm / wide, y_mm / high)
        how: dict[str, Any] = {"ha": "center", "va": va, "transform": ax.transAxes}
        ax.text(*place, letter, size=SMALL_PT, **how)
