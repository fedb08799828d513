"""Sizes, colours and colour maps: the same in every figure.

Nothing is set for the whole session: a figure takes its sizes and colours from here,
and the user's `rcParams` stay as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, Normalize, to_hex
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ..core.checks import InputError

SINGLE_MM, DOUBLE_MM, PAGE_HEIGHT_MM = 90.0, 180.0, 240.0
TEXT_PT, TITLE_PT, SMALL_PT = 7.0, 8.0, 6.0
LINE_PT = 0.8
SCORE_MAP = "inferno"
PART_MAP = "Blues"
SIGNED_MAP = "RdBu_r"  # blue and red differ to all common kinds of colour blindness
FULL_FROM = 0.4  # colours of differences are full from this share of the reach on
N_FADED = 257  # odd, so that 0 has its own step

# Okabe & Ito (2008), told apart with all common kinds of colour blindness. Black and
# yellow are left out: black is text, and yellow is lost on white paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
NEUTRAL = "0.45"
NOT_A_BAND = ("offset", "none", "all", "")


@dataclass(frozen=True, slots=True)
class Scale:
    """How values become colours: one for all figures that will be compared.

    Parameters
    ----------
    vmin, vmax : float
        Values at the two ends of the colour map. Values beyond them are drawn in the
        colour of the end, and counted.
    label : str
        What the colours stand for, with its unit, such as ``"r, held-out runs"``.
    cmap : str
        Name of a colour map.
    missing : str
        What a value that is not there is called, such as ``"not simulated"``.
    clear_below : float, optional
        Colours of values that are closer to 0 than this fade towards 0, where they are
        clear: curvature shows there, and no effect is not the brightest of all.
    """

    vmin: float
    vmax: float
    label: str
    cmap: str = SCORE_MAP
    missing: str = "without a value"
    clear_below: float | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite([self.vmin, self.vmax]).all() and self.vmin < self.vmax):
            raise InputError(
                f"the colours must run from vmin up to vmax, got {self.vmin} and "
                f"{self.vmax}. Give two finite numbers, the lower one first."
            )
        if self.cmap not in mpl.colormaps:
            raise InputError(
                f"matplotlib has no colour map {self.cmap!r}. Take one of "
                "matplotlib.colormaps, such as 'inferno'."
            )
        if self.clear_below is not None and not 0 < self.clear_below < np.inf:
            raise InputError(
                f"clear_below is {self.clear_below}. Give a value above 0: colours are "
                "full from there on."
            )

    def colours(self) -> tuple[Colormap, Normalize]:
        """Return the colour map and the norm, made anew."""
        cmap, norm = mpl.colormaps[self.cmap].copy(), Normalize(self.vmin, self.vmax)
        if self.clear_below is None:
            return cmap, norm
        shares = np.linspace(0.0, 1.0, N_FADED)
        values = self.vmin + shares * (self.vmax - self.vmin)
        rgba = cmap(shares)
        rgba[:, 3] = np.minimum(np.abs(values) / self.clear_below, 1.0)
        return ListedColormap(rgba, name=f"{self.cmap}, clear at 0"), norm


def scale_around_zero(
    maps: Iterable[ArrayLike],
    label: str,
    *,
    missing: str = "without a value",
    inside: float = 1.0,
) -> Scale:
    """Return a scale for differences: as far below 0 as above, and clear at 0.

    Parameters
    ----------
    maps : iterable of arrays
        All that will be compared; NaN is no value.
    label, missing : str
        As of a `Scale`.
    inside : float
        Share of the values whose size lies inside the limits; the others have the end
        colour, and are counted.

    Examples
    --------
    >>> scale = scale_around_zero([[0.02, -0.31], [float("nan"), 0.1]], "r, a less b")
    >>> scale.vmin, scale.vmax, scale.cmap
    (-0.31, 0.31, 'RdBu_r')
    """
    sizes = np.concatenate([np.zeros(1), *(np.abs(np.ravel(one)) for one in maps)])
    reach = np.quantile(sizes[np.isfinite(sizes)], inside)
    reach = max(0.01, float(np.ceil((reach - 1e-9) * 100) / 100))
    return Scale(-reach, reach, label, SIGNED_MAP, missing, reach * FULL_FROM)


def figure_mm(
    width_mm: float, height_mm: float, *, layout: str | None = None
) -> Figure:
    """Return a new figure of a size as it will be printed.

    Parameters
    ----------
    width_mm, height_mm : float
        Journals take 90 mm (`SINGLE_MM`) or 180 mm (`DOUBLE_MM`) of width.
    layout : str, optional
        A layout engine of matplotlib, such as 'constrained'.

    Examples
    --------
    >>> figure = figure_mm(90, 60)
    >>> (figure.get_size_inches() * 25.4).round().tolist()
    [90.0, 60.0]
    >>> plt.close(figure)
    """
    if not (width_mm > 0 and height_mm > 0):
        raise InputError(
            f"a figure of {width_mm} x {height_mm} mm cannot be drawn. Give a width "
            "and a height above 0."
        )
    return plt.figure(figsize=(width_mm / 25.4, height_mm / 25.4), layout=layout)


def size_mm(figure: Figure) -> tuple[float, float]:
    """Return width and height of a figure, in mm."""
    width, height = figure.get_size_inches()
    return float(width * 25.4), float(height * 25.4)


def figure_of(ax: Axes) -> Figure:
    """Return the figure that an axes is in."""
    return cast("Figure", ax.get_figure(root=True))


def palette(names: Iterable[str]) -> dict[str, str]:
    """Return a colour per feature space, fixed by the order of first appearance.

    Six can be told apart with any kind of colour vision. From the seventh name on, all
    colours are steps of one map from dark to light, told apart by their lightness.
    What is no feature space ('offset', 'none') is grey.

    Examples
    --------
    >>> palette(["mulan-music", "genre", "mulan-music", "offset"])
    {'mulan-music': '#0072B2', 'genre': '#D55E00', 'offset': '0.45'}
    """
    unique = list(dict.fromkeys(names))
    bands = [name for name in unique if name not in NOT_A_BAND]
    colours: Iterable[str] = COLOURS
    if len(bands) > len(COLOURS):
        steps = np.linspace(0.0, 0.92, len(bands))
        colours = [to_hex(mpl.colormaps["viridis"](step)) for step in steps]
    of_band = dict(zip(bands, colours, strict=False))
    return {name: of_band.get(name, NEUTRAL) for name in unique}
