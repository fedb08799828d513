"""The pictures of a map: curvature, and the colours of its numbers over it."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from .keys import GYRUS, SULCUS
from .looks import Look, OnScale
from .style import Scale
from .surfaces import FlatMesh

Floats = NDArray[np.floating]


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
