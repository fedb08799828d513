"""Values on the flattened cortex, with curvature, ROIs and what is not shown."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from ..core.checks import InputError
from .keys import add_axes
from .looks import OnScale
from .outlines import (
    Outline,
    Outlined,
    draw_contour,
    draw_outlines,
    drawn_outlines,
    mask_outlines,
    numbered,
)
from .pages import (
    NO_FOLDS,
    Panel,
    draw_keys,
    heading,
    keys_mm,
    looks_of,
    mask_of,
    title_mm,
    write_caption,
    write_title,
)
from .pictures import draw_look, draw_map
from .roi_names import draw_names
from .style import DOUBLE_MM, SMALL_PT, TEXT_PT, Scale, figure_mm, size_mm
from .surfaces import FlatMesh, flat_mesh
from .wrapping import LEADING, MM_PER_PT, lines_mm

Floats = NDArray[np.floating]
Rois = Mapping[str, NDArray[np.bool_]] | Sequence[str] | Outlined | None

HALF_MM, WHOLE_MM = 46.0, 80.0  # height of a map on half and on the whole page
HEAD_MM = 11.0  # of that is the map's title
TWO_IN_A_ROW_MM = 130.0
MOST_MAPS = 8  # on a page of usual height
MORE_CAPTION_MM = 8.0  # where it has half the width
CELL_MM = 2.5  # left and right of what stands above a map
COUNTS = "304,380 drawn, 304,380 below the threshold, 304,380 without, 99,999 above"


def plot_flatmap(
    values: ArrayLike,
    *,
    mesh: str | FlatMesh,
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
    mesh : 'fsaverage5', 'fsaverage6', 'fsaverage', 'S1', 'pycortex:NAME' or FlatMesh
        A name of `flat_mesh`, or what `flat_of` makes of your own surfaces.
    scale : Scale
        Limits, colour map, label of the colours, and what NaN is called.
    title : str
    rois : mapping from name to mask over the vertices, sequence of names, or Outlined
        Outlines with their names. Names alone are for S1, whose drawing has them.
        `Outlined` chooses some, and gives each a colour.
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
    flat = _flat(mesh, renderer, store)
    values = _on_mesh(values, flat, "values")
    outlines = _outlines(flat, rois, store)
    fig = fig or figure_mm(DOUBLE_MM, 104.0)
    caption = _counts(values, flat, scale) + _unseen(outlines)
    bottom = write_caption(fig, caption)
    bottom += draw_keys(fig, {"": Panel(values[:, None], OnScale(scale))}, bottom)
    width, height = size_mm(fig)
    top = height - write_title(fig, title) - 2.0
    ax = add_axes(fig, (2, bottom + 2, width - 4, top - bottom - 2))
    draw_map(ax, values, flat, scale)
    draw_outlines(ax, outlines)
    draw_names(ax, outlines, flat)
    return fig


def plot_flatmaps(
    maps: Mapping[str, ArrayLike],
    *,
    mesh: str | FlatMesh,
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
    panels = {name: Panel(one, OnScale(scale)) for name, one in maps.items()}
    return plot_panels(
        panels,
        mesh=mesh,
        title=title,
        rois=rois,
        fig=fig,
        renderer=renderer,
        store=store,
    )


def plot_panels(
    panels: Mapping[str, Panel],
    *,
    mesh: str | FlatMesh,
    title: str = "",
    rois: Rois = None,
    caption: str = "",
    fig: Figure | None = None,
    renderer: str = "auto",
    store: Path | None = None,
) -> Figure:
    """Draw maps of several looks on one page, two in a row, with a key for each look.

    One map has the whole width. ROIs are numbered, with a key below. The other
    parameters are those of `plot_flatmap`.

    Parameters
    ----------
    panels : mapping from title to Panel
        Drawn in their order; up to 8, unless `fig` has the room.
    caption : str
        What stands below the maps, before the mesh and the ROIs.

    Returns
    -------
    fig : Figure

    Raises
    ------
    InputError
        If there is no map, more than a page has room for, or one does not fit the mesh
        or its look.
    """
    if not panels:
        raise InputError("no maps to draw: maps is empty. Give at least one.")
    if fig is None and len(panels) > MOST_MAPS:
        raise InputError(
            f"{len(panels)} maps are more than a page has room for. Draw up to "
            f"{MOST_MAPS} at a time, with the same scale, or give a higher figure: "
            "fig=page_figure(panels, 180)."
        )
    flat = _flat(mesh, renderer, store)
    given = {
        name: replace(one, values=_rows(one, flat, f"map {name!r}"))
        for name, one in panels.items()
    }
    outlines = _outlines(flat, rois, store)
    fig = fig or page_figure(given, DOUBLE_MM, title)
    key = ", ".join(f"{i} {one.name}" for i, one in enumerate(outlines, start=1))
    said = [caption, _of_mesh(flat)] if caption else [_of_mesh(flat)]
    said += [f"ROIs: {key}."] if key else []
    bottom = write_caption(fig, " ".join(said) + _unseen(outlines))
    bottom += draw_keys(fig, given, bottom)
    top = size_mm(fig)[1] - write_title(fig, title) - 1.5
    wide = size_mm(fig)[0] / _n_columns(given, size_mm(fig)[0])
    names_at = None
    for name, ax in _places(fig, given, flat, (bottom, top)).items():
        panel = given[name]
        draw_look(ax, panel.drawn, flat, panel.look)
        if panel.contour is not None:
            inside = mask_of(panel.contour, "contour", flat.n_vertices)
            draw_contour(ax, flat, inside)
        draw_outlines(ax, outlines, width_pt=min(1.0, wide / TWO_IN_A_ROW_MM))
        names_at = draw_names(ax, numbered(outlines), flat, names_at)
    return fig


def page_figure(
    panels: Mapping[str, Panel], width_mm: float, title: str = ""
) -> Figure:
    """Return an empty figure, as high as `plot_panels` needs at this width.

    Two maps stand in a row from 130 mm on; at 180 mm a page has the heights of
    `HALF_MM` and `WHOLE_MM` per map.
    """
    n_columns = _n_columns(panels, width_mm)
    n_rows = -(-len(panels) // n_columns)
    high = HALF_MM if n_columns == 2 else WHOLE_MM
    map_mm = (high - HEAD_MM) * width_mm / DOUBLE_MM
    wide = width_mm / n_columns - 2 * CELL_MM
    counts = COUNTS if width_mm / n_columns < DOUBLE_MM else ""
    heads = [heading(name, counts, wide)[2] for name in panels]
    head = max(HEAD_MM - 5.0, *heads) + 5.0
    frame = 15.0 if n_rows > 1 else 11.0
    frame += MORE_CAPTION_MM * max(0.0, DOUBLE_MM / width_mm - 1)
    frame += title_mm(title, width_mm)
    keys = keys_mm(looks_of(panels), width_mm)
    return figure_mm(width_mm, (head + map_mm) * n_rows + keys + frame)


def _places(
    fig: Figure,
    panels: Mapping[str, Panel],
    flat: FlatMesh,
    between_mm: tuple[float, float],
) -> dict[str, Axes]:
    """Return an axes per map, with its title and its counts above it."""
    width, _ = size_mm(fig)
    bottom, top = between_mm
    n_columns = _n_columns(panels, width)
    cell = (width / n_columns, (top - bottom) / -(-len(panels) // n_columns))
    axes = {}
    heads = {
        name: heading(name, _short_counts(panel, flat), cell[0] - 2 * CELL_MM)
        for name, panel in panels.items()
    }
    head = max(high for *_, high in heads.values())
    for number, (name, (words, said, _)) in enumerate(heads.items()):
        row, column = divmod(number, n_columns)
        low = top - (row + 1) * cell[1]
        box = (column * cell[0] + 2, low + 1, cell[0] - 4, cell[1] - head - 2)
        axes[name] = add_axes(fig, box)
        pad = 2.0 + lines_mm(said, SMALL_PT) / MM_PER_PT
        axes[name].set_title(words, size=TEXT_PT, pad=pad, linespacing=LEADING)
        _write(axes[name], said)
    return axes


def _flat(mesh: str | FlatMesh, renderer: str, store: Path | None) -> FlatMesh:
    if isinstance(mesh, FlatMesh):
        return mesh
    return flat_mesh(mesh, renderer=renderer, store=store)


def _n_columns(panels: Mapping[str, Panel], width_mm: float) -> int:
    return min(2, len(panels)) if width_mm >= TWO_IN_A_ROW_MM else 1


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


def _rows(panel: Panel, flat: FlatMesh, name: str) -> Floats:
    """Return a panel's values as (n_vertices, n_values)."""
    values = np.asarray(panel.values, dtype=np.float64)
    n_values = panel.look.n_values
    if values.ndim == 1 and n_values == 1:
        return _on_mesh(values, flat, name)[:, None]
    if values.ndim != 2 or values.shape[1] != n_values:
        raise InputError(
            f"{name} has shape {values.shape}, and its look wants {n_values} numbers "
            f"per vertex. Give an array of shape (n_vertices, {n_values})."
        )
    for column in values.T:
        _on_mesh(column, flat, name)
    return values


def _outlines(flat: FlatMesh, rois: Rois, store: Path | None) -> list[Outline]:
    if not rois:
        return []
    chosen = rois if isinstance(rois, Outlined) else Outlined(rois)
    given = chosen.named()
    if isinstance(given, Mapping):
        found = mask_outlines(flat, given)
    else:
        found = drawn_outlines(flat, given, store)
    colours = chosen.colours
    return [replace(one, colour=colours.get(one.name, "white")) for one in found]


def _counts(values: Floats, flat: FlatMesh, scale: Scale) -> str:
    """Say how many vertices are drawn, and why the others are not."""
    has, on_map = np.isfinite(values), flat.on_map
    text = f"{(has & on_map).sum():,} of {flat.n_vertices:,} vertices drawn"
    if (~has).any():
        text += f"; grey: {(~has & on_map).sum():,} {scale.missing}"
    lost = f", {(has & ~on_map).sum():,} of them with a value" if has.any() else ""
    return f"{text}. {_of_mesh(flat, lost)}{_beyond(values, scale)}"


def _short_counts(panel: Panel, flat: FlatMesh) -> str:
    has, on_map = np.isfinite(np.asarray(panel.values)).all(axis=1), flat.on_map
    shown = np.isfinite(panel.drawn).all(axis=1)
    text = f"{(shown & on_map).sum():,} drawn"
    if (has & ~shown & on_map).any():
        text += f", {(has & ~shown & on_map).sum():,} {panel.hidden}"
    if (~has).any():
        text += f", {(~has & on_map).sum():,} {panel.look.missing}"
    lost = (shown & ~on_map).sum()
    text += f", {lost:,} off the map" if lost else ""
    beyond = panel.look.beyond(panel.drawn)
    return text + (f", {beyond}" if beyond else "")


def _of_mesh(flat: FlatMesh, lost: str = "") -> str:
    return (
        f"{flat.name}: {(~flat.on_map).sum():,} of {flat.n_vertices:,} vertices lie in "
        f"the medial wall or a cut, which a flatmap leaves out{lost}."
        + (NO_FOLDS if not flat.curvature.any() else "")
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


def _write(ax: Axes, text: str) -> None:
    ax.annotate(
        text,
        (0.5, 1.0),
        (0, 1),
        xycoords="axes fraction",
        textcoords="offset points",
        size=SMALL_PT,
        ha="center",
        va="bottom",
        linespacing=LEADING,
    )
