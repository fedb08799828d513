"""Values on the flattened cortex, with curvature, ROIs and what is not shown."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from ..core.checks import InputError
from .outlines import (
    Outline,
    draw_names,
    draw_outlines,
    drawn_outlines,
    mask_outlines,
    numbered,
)
from .style import (
    DOUBLE_MM,
    SMALL_PT,
    TEXT_PT,
    TITLE_PT,
    Scale,
    figure_mm,
    size_mm,
)
from .surfaces import FlatMesh, flat_mesh

Floats = NDArray[np.floating]
Rois = Mapping[str, NDArray[np.bool_]] | Sequence[str] | None

GYRUS, SULCUS = 0.46, 0.30
MARGIN_MM = 4.0
LINE_MM = 2.6


def plot_flatmap(
    values: ArrayLike,
    *,
    mesh: str,
    scale: Scale,
    title: str = "",
    rois: Rois = None,
    fig: Figure | None = None,
    renderer: str = "auto",
    store: Path | None = None,
) -> Figure:
    """Draw one value per vertex on the flattened cortex.

    Each pixel has the colour of its nearest vertex: nothing is smoothed. Where there
    is no value the curvature shows, sulci darker than gyri. Below the map stands how
    many vertices are drawn, have no value, or lie where the flatmap has nothing.

    Parameters
    ----------
    values : array of shape (n_vertices,)
        Left hemisphere first; NaN is not drawn. `spread` makes it from the columns
        of Y.
    mesh : 'fsaverage5' or 'S1'
        20,484 or 304,380 vertices; S1 needs pycortex.
    scale : Scale
        Limits, colour map, label of the colours, and what NaN is called.
    title : str
    rois : mapping from name to mask over the vertices, or sequence of names, optional
        Outlines with their names. Names alone are for S1, whose drawing has them.
    fig : Figure, optional
        Where to draw. A new figure, 180 mm wide, is made if None.
    renderer : 'auto', 'pycortex' or 'matplotlib'
        Both draw the same picture; 'auto' takes pycortex where it is installed.
    store : Path, optional
        Folder where pycortex keeps its subjects; None takes one in the user's cache.

    Returns
    -------
    fig : Figure

    Raises
    ------
    InputError
        If the mesh is not known, or values or masks do not fit it.
    """
    flat = flat_mesh(mesh, renderer=renderer, store=store)
    values = _on_mesh(values, flat, "values")
    outlines = _outlines(flat, rois, store)
    fig = fig or figure_mm(DOUBLE_MM, 104.0)
    caption = _counts(values, flat, scale) + _unseen(outlines)
    bottom = _write_below(fig, caption, scale, any_of=[values])
    width, height = size_mm(fig)
    ax = _add_axes(fig, (2, bottom + 2, width - 4, height - bottom - 8))
    draw_map(ax, values, flat, scale)
    draw_outlines(ax, outlines)
    draw_names(ax, outlines, flat)
    fig.text(0.5, 1 - 1.5 / height, title, size=TITLE_PT, ha="center", va="top")
    return fig


def plot_flatmaps(
    maps: Mapping[str, ArrayLike],
    *,
    mesh: str,
    scale: Scale,
    title: str = "",
    rois: Rois = None,
    fig: Figure | None = None,
    renderer: str = "auto",
    store: Path | None = None,
) -> Figure:
    """Draw several maps on one page, with the same limits, such as one per band.

    ROIs are numbered, with a key below. The other parameters are those of
    `plot_flatmap`.

    Parameters
    ----------
    maps : mapping from title to array of shape (n_vertices,)
        Drawn in their order, two in a row.

    Returns
    -------
    fig : Figure
    """
    if not maps:
        raise InputError("no maps to draw: maps is empty. Give at least one.")
    flat = flat_mesh(mesh, renderer=renderer, store=store)
    given = {name: _on_mesh(one, flat, f"map {name!r}") for name, one in maps.items()}
    outlines = _outlines(flat, rois, store)
    n_rows = -(-len(given) // 2)
    fig = fig or figure_mm(DOUBLE_MM, 46.0 * n_rows + 32.0)
    key = ", ".join(f"{i} {one.name}" for i, one in enumerate(outlines, start=1))
    caption = _of_mesh(flat) + (f" ROIs: {key}." if key else "") + _unseen(outlines)
    bottom = _write_below(fig, caption, scale, any_of=list(given.values()))
    width, height = size_mm(fig)
    cell = (width / 2, (height - bottom - 6) / n_rows)
    for number, (name, values) in enumerate(given.items()):
        row, column = divmod(number, 2)
        left, low = column * cell[0], bottom + (n_rows - 1 - row) * cell[1]
        ax = _add_axes(fig, (left + 2, low + 1, cell[0] - 4, cell[1] - 8))
        draw_map(ax, values, flat, scale)
        draw_outlines(ax, outlines, width_pt=0.7)
        draw_names(ax, numbered(outlines), flat)
        ax.set_title(f"{name}\n", size=TEXT_PT, pad=1.5, linespacing=1.1)
        _write(ax, _short_counts(values, flat, scale))
    fig.text(0.5, 1 - 1.5 / height, title, size=TITLE_PT, ha="center", va="top")
    return fig


def draw_map(ax: Axes, values: Floats, flat: FlatMesh, scale: Scale) -> AxesImage:
    """Draw the pictures of curvature and values, without text, into `ax`."""
    cmap, norm = scale.colours()
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
    shown = np.where(inside, values[flat.pixels], np.nan)
    image = ax.imshow(
        np.ma.masked_invalid(shown), cmap=cmap, norm=norm, label="values", **place
    )
    ax.set_axis_off()
    return image


def _on_mesh(values: ArrayLike, flat: FlatMesh, name: str) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (flat.n_vertices,):
        raise InputError(
            f"{name} has shape {values.shape}, and {flat.name} has {flat.n_vertices} "
            "vertices. Give one value per vertex, NaN where there is none."
        )
    if np.isinf(values).any():
        raise InputError(
            f"{name} has {int(np.isinf(values).sum())} infinite values. Make them NaN "
            "if they shall not be drawn; none is replaced for you."
        )
    return values


def _outlines(flat: FlatMesh, rois: Rois, store: Path | None) -> list[Outline]:
    if not rois:
        return []
    if isinstance(rois, Mapping):
        return mask_outlines(flat, rois)
    return drawn_outlines(flat, rois, store)


def _counts(values: Floats, flat: FlatMesh, scale: Scale) -> str:
    """Say how many vertices are drawn, and why the others are not."""
    has, on_map = np.isfinite(values), flat.on_map
    text = f"{(has & on_map).sum():,} of {flat.n_vertices:,} vertices drawn"
    if (~has).any():
        text += f"; grey: {(~has & on_map).sum():,} {scale.missing}"
    lost = f", {(has & ~on_map).sum():,} of them with a value" if has.any() else ""
    return f"{text}. {_of_mesh(flat)[:-1]}{lost}.{_beyond(values, scale)}"


def _short_counts(values: Floats, flat: FlatMesh, scale: Scale) -> str:
    has, on_map = np.isfinite(values), flat.on_map
    text = f"{(has & on_map).sum():,} drawn"
    if (~has).any():
        text += f", {(~has & on_map).sum():,} {scale.missing}"
    lost = (has & ~on_map).sum()
    text += f", {lost:,} off the map" if lost else ""
    beyond = ((values < scale.vmin) | (values > scale.vmax)).sum()
    return text + (f", {beyond:,} off scale" if beyond else "")


def _of_mesh(flat: FlatMesh) -> str:
    return (
        f"{flat.name}: {(~flat.on_map).sum():,} of {flat.n_vertices:,} vertices lie in "
        "the medial wall or a cut, which a flatmap leaves out."
    )


def _beyond(values: Floats, scale: Scale) -> str:
    low, high = (values < scale.vmin).sum(), (values > scale.vmax).sum()
    parts = [f"{low:,} below {scale.vmin:g}"] * bool(low)
    parts += [f"{high:,} above {scale.vmax:g}"] * bool(high)
    return f" {' and '.join(parts)} have the end colour." if parts else ""


def _unseen(outlines: Sequence[Outline]) -> str:
    hidden = [outline.name for outline in outlines if not outline.anchors]
    return f" ROIs of which the flatmap shows nothing: {', '.join(hidden)}." * bool(
        hidden
    )


def _write_below(
    fig: Figure, caption: str, scale: Scale, *, any_of: Sequence[Floats]
) -> float:
    """Draw caption and colour bar; return the height in mm that they take."""
    width, height = size_mm(fig)
    per_line = int((width - 2 * MARGIN_MM) / 1.2)  # a letter of 6 pt, on average
    lines = textwrap.wrap(caption, per_line)
    fig.text(
        MARGIN_MM / width,
        1.5 / height,
        "\n".join(lines),
        size=SMALL_PT,
        va="bottom",
        linespacing=1.2,
    )
    bottom = 1.5 + LINE_MM * len(lines)
    ax = _add_axes(fig, (width / 2 - 25, bottom + 8.5, 50, 2.5))
    ends = (
        any(bool((one < scale.vmin).any()) for one in any_of),
        any(bool((one > scale.vmax).any()) for one in any_of),
    )
    extend = {
        (False, False): "neither",
        (True, False): "min",
        (False, True): "max",
        (True, True): "both",
    }[ends]
    cmap, norm = scale.colours()
    bar = fig.colorbar(
        ScalarMappable(norm, cmap), cax=ax, orientation="horizontal", extend=extend
    )
    bar.set_label(scale.label, size=TEXT_PT, labelpad=1.5)
    bar.ax.tick_params(labelsize=SMALL_PT, length=2, pad=1.5)
    bar.outline.set_linewidth(0.5)
    return bottom + 13.0


def _add_axes(fig: Figure, box_mm: tuple[float, float, float, float]) -> Axes:
    width, height = size_mm(fig)
    left, bottom, wide, high = box_mm
    return fig.add_axes((left / width, bottom / height, wide / width, high / height))


def _write(ax: Axes, text: str) -> None:
    ax.text(
        0.5, 1.01, text, size=SMALL_PT, ha="center", va="bottom", transform=ax.transAxes
    )
