"""How the numbers of a vertex become a colour: on a scale, by name, or together.

A look takes one row per vertex, says how many numbers it wants there, and draws its own
key. What has a NaN has no colour: the curvature shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ..core.checks import InputError
from .keys import (
    KEY_PX,
    add_axes,
    add_text,
    bar_mm,
    draw_bar,
    draw_square,
    draw_triangle,
    square_mm,
)
from .style import SMALL_PT, TEXT_PT, Scale, size_mm
from .wrapping import lines_mm, text_mm, wrapped

Floats = NDArray[np.floating]

PALE = 0.65  # share of white in the colour of what is not sure
BOTH = "#1A1A1A"
NEITHER = "#F2F2F2"
SQUARE_MM, FADED_MM = (20.0, 20.0), (30.0, 16.0)  # width and height of a key
# A triangle of colours, with the letters of its corners; and bars beside or below it.
TRIANGLE_WIDE_MM, TRIANGLE_MM = 18.0, 23.0
BAR_OF_THREE_MM = {True: 24.0, False: 12.0}
SIDE_BY_SIDE_MM = 100.0


class Look(Protocol):
    """What turns the numbers of each vertex into a colour."""

    @property
    def n_values(self) -> int:
        """How many numbers it wants of each vertex."""

    @property
    def missing(self) -> str:
        """What a vertex without a number is called."""

    def key_mm(self, width_mm: float, /) -> float:
        """Return the height of its key in a box of this width."""

    def rgba(self, values: Floats) -> Floats:
        """Return the colours, (n_vertices, 4), of values (n_vertices, n_values)."""

    def beyond(self, values: Floats, /) -> str:
        """Say how many vertices have the end colour for more than it stands for."""

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw what the colours mean, at (middle, bottom, width)."""


@dataclass(frozen=True)
class OnScale:
    """One number, as a `Scale` has it."""

    scale: Scale
    n_values = 1

    @property
    def missing(self) -> str:
        """What a vertex without a number is called."""
        return self.scale.missing

    def rgba(self, values: Floats) -> Floats:
        """Return the colours, (n_vertices, 4)."""
        cmap, norm = self.scale.colours()
        return _where_known(values, cmap(norm(np.nan_to_num(values[:, 0]))))

    def beyond(self, values: Floats, /) -> str:
        """Say how many lie beyond the ends of the scale."""
        return _beyond(values, self.scale.vmin, self.scale.vmax)

    def key_mm(self, width_mm: float, /) -> float:
        """Return the height of the key, in mm."""
        return bar_mm(self.scale, width_mm)

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw the colour bar."""
        draw_bar(fig, self.scale, box_mm, extend="neither")


@dataclass(frozen=True)
class Names:
    """One of several names, pale where it is not sure.

    Values are the place of the name, counted from 0, and 1 (sure) or 0 (pale).

    Parameters
    ----------
    colours : mapping from name to colour
    label : str
        What the names are.
    pale : str
        What it means that a colour is pale.
    missing : str
    """

    colours: Mapping[str, str]
    label: str
    pale: str
    missing: str = "without a value"
    n_values = 2

    def key_mm(self, width_mm: float, /) -> float:
        """Return the height of the key, in mm."""
        label, names = self._texts(width_mm)
        lines = sum(lines_mm(name, SMALL_PT) + 0.9 for name in names)
        return 5.0 + lines_mm(label, TEXT_PT) + lines

    def rgba(self, values: Floats) -> Floats:
        """Return the colours, (n_vertices, 4)."""
        of_name = np.array([to_rgb(colour) for colour in self.colours.values()])
        known = np.asarray(np.isfinite(values).all(axis=1))
        place = np.where(known, values[:, 0], 0).astype(int)
        if (place < 0).any() or (place >= len(of_name)).any():
            raise InputError(
                f"names are numbered from {place.min()} to {place.max()}, and there "
                f"are {len(of_name)}. Count them from 0."
            )
        white = np.where(values[:, 1] == 1, 0.0, PALE)[:, None]
        return _where_known(values, of_name[place] * (1 - white) + white)

    def beyond(self, _values: Floats, /) -> str:
        """Say nothing: a name has no end."""
        return ""

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw a patch per name."""
        middle, bottom, wide = box_mm
        width, height = size_mm(fig)
        label, names = self._texts(wide)
        level = 0.2 * (1 - PALE) + PALE
        grey = to_hex((level, level, level))
        colours = [*self.colours.values(), grey]
        patches = [Patch(color=c, label=n) for c, n in zip(colours, names, strict=True)]
        legend = fig.legend(
            handles=patches,
            title=label,
            fontsize=SMALL_PT,
            title_fontsize=TEXT_PT,
            frameon=False,
            loc="lower center",
            borderaxespad=0.0,
            labelspacing=0.3,
            bbox_to_anchor=(middle / width, (bottom + 1.0) / height),
        )
        legend.set_in_layout(False)

    def _texts(self, width_mm: float) -> tuple[str, list[str]]:
        """Return the label and the names, in lines that fit beside a patch."""
        names = [*self.colours, f"pale: {self.pale}"]
        return (
            wrapped(self.label, width_mm - 2.0, TEXT_PT),
            [wrapped(name, width_mm - 12.0, SMALL_PT) for name in names],
        )


@dataclass(frozen=True)
class Together:
    """Three numbers from 0 to 1, as red, green and blue.

    Parameters
    ----------
    names : tuple of three str
        What red, green and blue stand for.
    label : str
    ends : tuple of two str
        What no and full colour stand for.
    missing : str
    """

    names: tuple[str, str, str]
    label: str
    ends: tuple[str, str] = ("0", "1")
    missing: str = "without a value"
    n_values = 3

    def rgba(self, values: Floats) -> Floats:
        """Return the colours, (n_vertices, 4)."""
        known = np.asarray(np.isfinite(values).all(axis=1))
        if (values[known] < 0).any() or (values[known] > 1).any():
            raise InputError(
                f"colours run from {np.nanmin(values):g} to {np.nanmax(values):g}; "
                "give red, green and blue between 0 and 1."
            )
        return _where_known(values, np.where(known[:, None], values, 0.0))

    def beyond(self, _values: Floats, /) -> str:
        """Say nothing: who made the colours counts what they do not show."""
        return ""

    def key_mm(self, width_mm: float, /) -> float:
        """Return the height of the key, in mm."""
        label, names, beside = self._texts(width_mm)
        rows = sum(map(_row_mm, names))
        parts = max(rows, TRIANGLE_MM) if beside else rows + TRIANGLE_MM
        return lines_mm(label, TEXT_PT) + parts + 3.0

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw the triangle of mixtures, and a bar per colour, the others half-way."""
        middle, bottom, width = box_mm
        label, names, beside = self._texts(width)
        high = self.key_mm(width) - 1.0
        add_text(fig, middle, bottom + high, label, size=TEXT_PT, ha="center", va="top")
        top = bottom + high - lines_mm(label, TEXT_PT) - 1.0
        left = middle - width / 2
        corner = left + 3.0 if beside else middle - TRIANGLE_WIDE_MM / 2
        draw_triangle(fig, (corner, top - TRIANGLE_MM + 4.0, TRIANGLE_WIDE_MM))
        if beside:
            left += TRIANGLE_WIDE_MM + 8.0
        else:
            top -= TRIANGLE_MM
        bar, end = BAR_OF_THREE_MM[beside], self._end_mm()
        for k, name in enumerate(names):
            top -= _row_mm(name)
            low = top + _row_mm(name) / 2 - 1.5
            self._draw_bar(add_axes(fig, (left + end, low, bar, 3.0)), k, bar)
            x = left + bar + 2 * end + 1.0
            add_text(fig, x, low + 1.5, name, size=SMALL_PT, va="center")

    def _draw_bar(self, ax: Axes, k: int, wide: float) -> None:
        bar = np.full((1, KEY_PX, 3), 0.5)
        bar[0, :, k] = np.linspace(0, 1, KEY_PX)
        ax.imshow(bar, aspect="auto", label=f"key {k}")
        ax.set(xticks=[], yticks=[])
        for x, end, side in zip(
            (-1 / wide, 1 + 1 / wide), self.ends, ("right", "left"), strict=True
        ):
            how: dict[str, Any] = {
                "ha": side,
                "va": "center",
                "transform": ax.transAxes,
            }
            ax.text(x, 0.5, end, size=SMALL_PT, **how)

    def _end_mm(self) -> float:
        return max(text_mm(end, SMALL_PT) for end in self.ends) + 2.0

    def _texts(self, width_mm: float) -> tuple[str, list[str], bool]:
        """Return label and names in lines, and if bars stand beside the triangle."""
        beside = width_mm >= SIDE_BY_SIDE_MM
        room = width_mm - BAR_OF_THREE_MM[beside] - 2 * self._end_mm() - 2.0
        room -= TRIANGLE_WIDE_MM + 8.0 if beside else 0.0
        said = [f"{c}: {n}" for c, n in zip("RGB", self.names, strict=True)]
        names = [wrapped(one, room, SMALL_PT) for one in said]
        return wrapped(self.label, width_mm, TEXT_PT), names, beside


@dataclass(frozen=True)
class TwoScores:
    """Two numbers at once: one colour for the first, one for the second, dark for both.

    Parameters
    ----------
    labels : tuple of two str
        Names of the two, with their unit.
    vmin, vmax : float
        Ends of both.
    colours : tuple of two colours
        Of the first and of the second, where the other one is at its lower end.
    missing : str
    """

    labels: tuple[str, str]
    vmin: float
    vmax: float
    colours: tuple[str, str] = ("#0072B2", "#D55E00")
    missing: str = "without a value"
    n_values = 2

    def __post_init__(self) -> None:
        if not self.vmin < self.vmax:
            raise InputError(
                f"the colours must run from vmin up to vmax, got {self.vmin} and "
                f"{self.vmax}. Give the lower one first."
            )

    def rgba(self, values: Floats) -> Floats:
        """Return the colours, (n_vertices, 4): between those of the four corners."""
        share = (np.nan_to_num(values) - self.vmin) / (self.vmax - self.vmin)
        # The end colour stands for what is beyond; that is counted.
        x, y = np.minimum(np.maximum(share, 0.0), 1.0).T[:, :, None]
        only_x, only_y = (np.array(to_rgb(colour)) for colour in self.colours)
        none, both = np.array(to_rgb(NEITHER)), np.array(to_rgb(BOTH))
        low = (1 - x) * none + x * only_x
        return _where_known(values, (1 - y) * low + y * ((1 - x) * only_y + x * both))

    def beyond(self, values: Floats, /) -> str:
        """Say how many have either number beyond the ends."""
        return _beyond(values, self.vmin, self.vmax)

    def key_mm(self, width_mm: float, /) -> float:
        """Return the height of the key, in mm."""
        return square_mm(self.labels, width_mm, SQUARE_MM)

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw the square of colours."""
        steps = np.linspace(self.vmin, self.vmax, KEY_PX)
        colours = _over_two(self, steps, steps)
        ends = (self.vmin, self.vmax)
        draw_square(
            fig,
            colours,
            box_mm,
            labels=self.labels,
            size=SQUARE_MM,
            extent=(*ends, *ends),
        )


@dataclass(frozen=True)
class Faded:
    """A number as a colour, over curvature that shows the more the less a second is.

    Parameters
    ----------
    scale : Scale
        Of the first number: limits, colours, label, and what NaN is called.
    fade : Scale
        Of the second: at `vmin` and below colours are clear, at `vmax` and above they
        are full. Its colour map is not used.
    """

    scale: Scale
    fade: Scale
    n_values = 2

    @property
    def missing(self) -> str:
        """What a vertex without a number is called."""
        return self.scale.missing

    def rgba(self, values: Floats) -> Floats:
        """Return the colours, (n_vertices, 4)."""
        rgba = OnScale(self.scale).rgba(values[:, :1])
        span = self.fade.vmax - self.fade.vmin
        share = (np.nan_to_num(values[:, 1]) - self.fade.vmin) / span
        rgba[:, 3] *= np.minimum(np.maximum(share, 0.0), 1.0)
        return _where_known(values, rgba)

    def beyond(self, values: Floats, /) -> str:
        """Say how many colours lie beyond the ends; the key says it of what fades."""
        return OnScale(self.scale).beyond(values[:, :1])

    def key_mm(self, width_mm: float, /) -> float:
        """Return the height of the key, in mm."""
        return square_mm((self.scale.label, self.fade.label), width_mm, FADED_MM)

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw the square of colours, more of the second number upwards."""
        ends = [(one.vmin, one.vmax) for one in (self.scale, self.fade)]
        steps = [np.linspace(*both, KEY_PX) for both in ends]
        ax = draw_square(
            fig,
            _over_two(self, *steps),
            box_mm,
            labels=(self.scale.label, self.fade.label),
            size=FADED_MM,
            extent=(*ends[0], *ends[1]),
        )
        low, high = ends[1]
        ax.set_yticks(
            ends[1],
            [
                f"\N{LESS-THAN OR EQUAL TO} {low:g}",
                f"\N{GREATER-THAN OR EQUAL TO} {high:g}",
            ],
        )


def _over_two(look: Look, first: Floats, second: Floats) -> Floats:
    """Return the colours of each pair of two numbers, the second one downwards."""
    pairs = np.stack(np.meshgrid(first, second), axis=-1)
    return look.rgba(pairs.reshape(-1, 2)).reshape(*pairs.shape[:2], 4)


def _where_known(values: Floats, colours: Floats) -> Floats:
    """Return colours, RGB or RGBA, that are clear where a number is NaN."""
    known = np.asarray(np.isfinite(values).all(axis=1))
    alpha = colours[:, 3] if colours.shape[1] == 4 else np.ones(len(colours))
    rgb = np.where(known[:, None], colours[:, :3], 0.0)
    return np.column_stack([rgb, np.where(known, alpha, 0.0)])


def _beyond(values: Floats, low: float, high: float) -> str:
    """Say how many rows have a number below and above the ends; '' if none has."""
    below, above = ((values < low).any(axis=1), (values > high).any(axis=1))
    parts = [f"{below.sum():,} below {low:g}"] * bool(below.any())
    parts += [f"{above.sum():,} above {high:g}"] * bool(above.any())
    return ", ".join(parts)


def _row_mm(name: str) -> float:
    return max(5.2, lines_mm(name, SMALL_PT) + 1.0)
