"""How the numbers of a vertex become a colour: on a scale, by name, or together.

A look takes one row per vertex, says how many numbers it wants there, and draws its own
key. What has a NaN has no colour: the curvature shows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ..core.checks import InputError
from .style import SMALL_PT, TEXT_PT, Scale, size_mm
from .surfaces import FlatMesh

Floats = NDArray[np.floating]

GYRUS, SULCUS = 0.46, 0.30
PALE = 0.65  # share of white in the colour of what is not sure
BOTH = "#1A1A1A"
NEITHER = "#F2F2F2"
KEY_PX = 64


class Look(Protocol):
    """What turns the numbers of each vertex into a colour."""

    @property
    def n_values(self) -> int:
        """How many numbers it wants of each vertex."""

    @property
    def missing(self) -> str:
        """What a vertex without a number is called."""

    @property
    def key_mm(self) -> float:
        """Height of its key."""

    def rgba(self, values: Floats) -> Floats:
        """Return the colours, (n_vertices, 4), of values (n_vertices, n_values)."""

    def n_beyond(self, values: Floats, /) -> int:
        """Return how many vertices have the end colour for more than it stands for."""

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw what the colours mean, at (middle, bottom, width)."""


@dataclass(frozen=True)
class OnScale:
    """One number, as a `Scale` has it."""

    scale: Scale
    n_values = 1
    key_mm = 13.0

    @property
    def missing(self) -> str:
        """What a vertex without a number is called."""
        return self.scale.missing

    def rgba(self, values: Floats) -> Floats:
        """Return the colours, (n_vertices, 4)."""
        cmap, norm = self.scale.colours()
        return _where_known(values, cmap(norm(np.nan_to_num(values[:, 0])))[:, :3])

    def n_beyond(self, values: Floats, /) -> int:
        """Return how many lie beyond the ends of the scale."""
        low, high = self.scale.vmin, self.scale.vmax
        return int(((values < low) | (values > high)).sum())

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

    @property
    def key_mm(self) -> float:
        """Height of the key, in mm."""
        return 8.0 + 3.4 * (len(self.colours) + 1)

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

    def n_beyond(self, _values: Floats, /) -> int:
        """Return 0: a name has no end."""
        return 0

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw a patch per name."""
        middle, bottom, _ = box_mm
        width, height = size_mm(fig)
        patches = [Patch(color=c, label=name) for name, c in self.colours.items()]
        grey = 0.2 * (1 - PALE) + PALE
        patches.append(Patch(color=(grey, grey, grey), label=f"pale: {self.pale}"))
        legend = fig.legend(
            handles=patches,
            title=self.label,
            fontsize=SMALL_PT,
            title_fontsize=TEXT_PT,
            frameon=False,
            loc="lower center",
            borderaxespad=0.0,
            labelspacing=0.3,
            bbox_to_anchor=(middle / width, (bottom + 1.0) / height),
        )
        legend.set_in_layout(False)


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
    key_mm = 27.0

    def rgba(self, values: Floats) -> Floats:
        """Return the colours, (n_vertices, 4)."""
        known = np.asarray(np.isfinite(values).all(axis=1))
        if (values[known] < 0).any() or (values[known] > 1).any():
            raise InputError(
                f"colours run from {np.nanmin(values):g} to {np.nanmax(values):g}; "
                "give red, green and blue between 0 and 1."
            )
        return _where_known(values, np.where(known[:, None], values, 0.0))

    def n_beyond(self, _values: Floats, /) -> int:
        """Return 0: who made the colours counts what they do not show."""
        return 0

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw a bar per colour, the two others half-way."""
        middle, bottom, _ = box_mm
        width, height = size_mm(fig)
        for k, name in enumerate(self.names):
            low = bottom + 5.0 + 5.2 * (2 - k)
            bar = np.full((1, KEY_PX, 3), 0.5)
            bar[0, :, k] = np.linspace(0, 1, KEY_PX)
            ax = fig.add_axes(_share(fig, (middle - 62, low, 24, 3.0)))
            ax.imshow(bar, aspect="auto", label=f"key {k}")
            ax.set(xticks=[], yticks=[])
            for side, end, x in zip(("right", "left"), self.ends, (-1, 1), strict=True):
                ax.text(
                    0.5 + 0.54 * x,
                    0.5,
                    end,
                    size=SMALL_PT,
                    ha=side,
                    va="center",
                    transform=ax.transAxes,
                )
            fig.text(
                (middle - 29) / width,
                (low + 1.5) / height,
                name,
                size=SMALL_PT,
                va="center",
            )
        place = (middle / width, (bottom + 21.5) / height)
        fig.text(*place, self.label, size=TEXT_PT, ha="center")


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
    key_mm = 34.0

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

    def n_beyond(self, values: Floats, /) -> int:
        """Return how many have either number beyond the ends."""
        return int(((values < self.vmin) | (values > self.vmax)).any(axis=1).sum())

    def draw_key(self, fig: Figure, box_mm: tuple[float, float, float]) -> None:
        """Draw the square of colours."""
        middle, bottom, _ = box_mm
        ax = fig.add_axes(_share(fig, (middle - 10, bottom + 9.0, 20, 20)))
        steps = np.linspace(self.vmin, self.vmax, KEY_PX)
        pairs = np.stack(np.meshgrid(steps, steps), axis=-1)
        square = self.rgba(pairs.reshape(-1, 2)).reshape(KEY_PX, KEY_PX, 4)
        ends = (self.vmin, self.vmax)
        ax.imshow(square, origin="lower", extent=(*ends, *ends), label="key")
        ax.set(xticks=ends, yticks=ends)
        ax.tick_params(labelsize=SMALL_PT, length=2, pad=1.5)
        ax.set_xlabel(self.labels[0], size=TEXT_PT, labelpad=0.5)
        place = (-0.3, 0.5)
        ax.text(
            *place,
            self.labels[1],
            size=TEXT_PT,
            ha="right",
            va="center",
            transform=ax.transAxes,
        )


def draw_map(ax: Axes, values: Floats, flat: FlatMesh, scale: Scale) -> AxesImage:
    """Draw the pictures of curvature and values, without text, into `ax`."""
    cmap, norm = scale.colours()
    place = _draw_curvature(ax, flat)
    shown = np.where(flat.pixels >= 0, values[flat.pixels], np.nan)
    return ax.imshow(
        np.ma.masked_invalid(shown), cmap=cmap, norm=norm, label="values", **place
    )


def draw_look(ax: Axes, values: Floats, flat: FlatMesh, look: Look) -> AxesImage:
    """Draw the pictures of curvature and values, (n_vertices, n_values), into `ax`."""
    if isinstance(look, OnScale):
        return draw_map(ax, values[:, 0], flat, look.scale)
    place = _draw_curvature(ax, flat)
    colours = look.rgba(values)[flat.pixels]
    colours[flat.pixels < 0] = 0.0
    return ax.imshow(colours, label="values", **place)


def draw_bar(
    fig: Figure, scale: Scale, box_mm: tuple[float, float, float], *, extend: str
) -> None:
    """Draw a colour bar at (middle, bottom, width), with arrows at its ends."""
    middle, bottom, wide = box_mm
    wide = min(50.0, wide)
    ax = fig.add_axes(_share(fig, (middle - wide / 2, bottom + 8.5, wide, 2.5)))
    cmap, norm = scale.colours()
    bar = fig.colorbar(
        ScalarMappable(norm, cmap), cax=ax, orientation="horizontal", extend=extend
    )
    bar.set_label(scale.label, size=TEXT_PT, labelpad=1.5)
    bar.ax.tick_params(labelsize=SMALL_PT, length=2, pad=1.5)
    bar.outline.set_linewidth(0.5)


def _draw_curvature(ax: Axes, flat: FlatMesh) -> dict[str, Any]:
    """Draw sulci and gyri; return where pictures of this mesh lie."""
    inside = flat.pixels >= 0
    grey = np.where(flat.curvature > 0, SULCUS, GYRUS)
    place: dict[str, Any] = {
        "extent": flat.extent,
        "origin": "lower",
        "interpolation": "nearest",
    }
    ax.imshow(
        np.where(inside, grey[flat.pixels], np.nan),
        cmap="gray",
        vmin=0.0,
        vmax=1.0,
        label="curvature",
        **place,
    )
    ax.set_axis_off()
    return place


def _where_known(values: Floats, rgb: Floats) -> Floats:
    """Return colours that are clear where a number is NaN."""
    known = np.asarray(np.isfinite(values).all(axis=1))
    return np.column_stack([np.where(known[:, None], rgb, 0.0), known.astype(float)])


def _share(
    fig: Figure, box_mm: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    width, height = size_mm(fig)
    left, bottom, wide, high = box_mm
    return left / width, bottom / height, wide / width, high / height
