"""Values on the inflated cortex, seen from the side and from the middle."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..core.checks import InputError
from .keys import GYRUS, SULCUS, add_axes, add_text
from .outlines import border, draw_contour_lines
from .pages import (
    NO_FOLDS,
    Panel,
    caption_mm,
    draw_keys,
    heading,
    keys_mm,
    looks_of,
    mask_of,
    title_mm,
    write_caption,
    write_title,
)
from .solid import CortexMesh, cortex_mesh
from .style import DOUBLE_MM, SMALL_PT, TEXT_PT, figure_mm
from .wrapping import lines_mm

Floats = NDArray[np.floating]

# Of each picture: hemisphere, name, and where the eye lies on the axis to the right.
VIEWS = (
    ("left", "left, lateral", -1),
    ("left", "left, medial", 1),
    ("right", "right, medial", -1),
    ("right", "right, lateral", 1),
)
SIDES = ("left", "right")
FRAME_MM, WORDS_MM = 2.0, 5.0
PICTURE = 0.68  # height of a picture, of its width


@dataclass(frozen=True, slots=True, eq=False)
class Inflated:
    """The inflated hemispheres of a mesh, and their curvature.

    Parameters
    ----------
    name : str
    points : mapping from 'left' and 'right' to array of shape (n, 3), in mm
        To the right, forwards and upwards.
    faces : mapping from side to array of int, shape (n_faces, 3)
    curvature : mapping from side to array of shape (n,)
        Above 0 in sulci.
    """

    name: str
    points: Mapping[str, Floats]
    faces: Mapping[str, NDArray[np.integer]]
    curvature: Mapping[str, Floats]


def inflated_mesh(mesh: str | CortexMesh, store: Path | None = None) -> Inflated:
    """Load an inflated cortex, by a name of `cortex_mesh` or from one of its meshes.

    Raises
    ------
    InputError
        If the mesh is not known.
    """
    both = mesh if isinstance(mesh, CortexMesh) else cortex_mesh(mesh, store=store)
    n_left = both.n_left
    is_left = (both.faces < n_left).all(axis=1)
    return Inflated(
        both.name,
        {"left": both.inflated[:n_left], "right": both.inflated[n_left:]},
        {"left": both.faces[is_left], "right": both.faces[~is_left] - n_left},
        {"left": both.curvature[:n_left], "right": both.curvature[n_left:]},
    )


def plot_inflated(
    panels: Mapping[str, Panel],
    *,
    mesh: str | CortexMesh,
    title: str = "",
    caption: str = "",
    width_mm: float = DOUBLE_MM,
    store: Path | None = None,
) -> Figure:
    """Draw maps on the inflated cortex, four views in a row for each.

    A face has the mean colour of its three vertices that have a value, without light
    and shade, so that a colour is read off the key; where none has, and below colours
    that fade, curvature shows, sulci darker than gyri. On a page less than 130 mm wide
    the views stand two by two.

    Parameters
    ----------
    panels : mapping from title to Panel
        Values have one row per vertex, left hemisphere first; NaN is not drawn.
    mesh : name of `cortex_mesh`, such as 'fsaverage5', or CortexMesh
    title, caption : str
    width_mm : float
    store : Path, optional
        As for `plot_flatmap`.

    Returns
    -------
    fig : Figure

    Raises
    ------
    InputError
        If the mesh is not known, there is no map, or one does not fit the mesh.
    """
    if not panels:
        raise InputError("no maps to draw: panels is empty. Give at least one.")
    surface = inflated_mesh(mesh, store)
    colours = {name: _colours(p, surface, name) for name, p in panels.items()}
    contours = {
        name: _contour(panel, surface)
        for name, panel in panels.items()
        if panel.contour is not None
    }
    if not any(bends.any() for bends in surface.curvature.values()):
        caption = f"{caption}{NO_FOLDS}".strip()
    in_a_row = 4 if width_mm >= 130 else 2
    wide = (width_mm - 4) / in_a_row
    heads = {
        name: heading(name, _counts(panel), width_mm - 8)
        for name, panel in panels.items()
    }
    rows_mm = (4 // in_a_row) * (wide * PICTURE + WORDS_MM)
    blocks = sum(head for *_, head in heads.values()) + rows_mm * len(panels)
    frame = title_mm(title, width_mm) + 2 * FRAME_MM
    keys = keys_mm(looks_of(panels), width_mm) + caption_mm(caption, width_mm)
    fig = figure_mm(width_mm, blocks + frame + keys)
    draw_keys(fig, panels, write_caption(fig, caption))
    top = blocks + frame + keys - write_title(fig, title) - FRAME_MM
    for name, of_side in colours.items():
        words, counts, head = heads[name]
        how = {"ha": "center", "va": "bottom"}
        low = top - head + lines_mm(counts, SMALL_PT) + 0.5
        add_text(fig, width_mm / 2, low, words, size=TEXT_PT, **how)
        add_text(fig, width_mm / 2, top - head + 0.5, counts, size=SMALL_PT, **how)
        top -= head
        for k, (side, words, eye) in enumerate(VIEWS):
            row, column = divmod(k, in_a_row)
            low = top - (row + 1) * (wide * PICTURE + WORDS_MM) + WORDS_MM
            ax = add_axes(fig, (2 + column * wide, low, wide, wide * PICTURE))
            _draw_view(ax, surface, side, of_side[side], eye)
            if panels[name].contour is not None:
                _draw_contour(ax, surface, side, contours[name][side], eye)
            ax.set_xlabel(words, size=SMALL_PT, labelpad=1.0)
        top -= rows_mm
    return fig


def _colours(panel: Panel, surface: Inflated, name: str) -> dict[str, Floats]:
    """Return the colour of each face, by hemisphere."""
    values = panel.drawn
    values = values[:, None] if values.ndim == 1 else values
    n_left, n_right = (len(surface.points[side]) for side in SIDES)
    wanted = (n_left + n_right, panel.look.n_values)
    if values.shape != wanted:
        raise InputError(
            f"map {name!r} has shape {values.shape}, and {surface.name} with its look "
            f"wants {wanted}. Give one row per vertex, NaN where there is none."
        )
    found = {}
    for side, part in zip(SIDES, (values[:n_left], values[n_left:]), strict=True):
        faces = surface.faces[side]
        rgba = panel.look.rgba(part)[faces]
        known = np.isfinite(part).all(axis=1)[faces].sum(axis=1)
        opaque = rgba[..., 3].sum(axis=1)
        grey = np.where(surface.curvature[side] > 0, SULCUS, GYRUS)[faces].mean(axis=1)
        rgb = (rgba[..., :3] * rgba[..., 3:]).sum(axis=1)
        # Of the vertices that have a value: what is clear in them shows curvature.
        clear = np.where(known > 0, known - opaque, 1)[:, None]
        found[side] = (rgb + clear * grey[:, None]) / np.maximum(known, 1)[:, None]
    return found


def _counts(panel: Panel) -> str:
    """Say how many vertices have a value, and why the others have none."""
    values = np.asarray(panel.values, dtype=float).reshape(-1, panel.look.n_values)
    drawn = panel.drawn.reshape(values.shape)
    has, shown = (np.isfinite(one).all(axis=1) for one in (values, drawn))
    text = f"{shown.sum():,} vertices drawn"
    hidden = (has & ~shown).sum()
    text += f", {hidden:,} {panel.hidden}" if hidden else ""
    text += f", {(~has).sum():,} {panel.look.missing}" if not has.all() else ""
    beyond = panel.look.beyond(drawn)
    return text + (f", {beyond}" if beyond else "")


def _draw_view(
    ax: Axes, surface: Inflated, side: str, colours: Floats, eye: int
) -> None:
    """Draw the faces that look towards the eye, the farthest first."""
    corners = surface.points[side][surface.faces[side]]
    order = np.flatnonzero(_towards(corners, eye))
    order = order[np.argsort(corners[order, :, 0].mean(axis=1) * eye, kind="stable")]
    flat = corners[order][:, :, 1:].copy()
    flat[..., 0] *= eye  # seen from the left, what lies in front is on the left
    faces = PolyCollection(
        flat,
        facecolors=colours[order],
        edgecolors="face",
        linewidths=0.2,
        rasterized=True,
        label="faces",
    )
    ax.add_collection(faces)
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _draw_contour(
    ax: Axes, surface: Inflated, side: str, inside: NDArray[np.bool_], eye: int
) -> None:
    """Draw the border of a mask where the cortex looks towards the eye."""
    points, faces = surface.points[side], surface.faces[side]
    seen = faces[_towards(points[faces], eye)]
    lines = border(points, seen, inside)[:, :, 1:]
    draw_contour_lines(ax, lines * np.array([eye, 1]))


def _towards(corners: Floats, eye: int) -> NDArray[np.bool_]:
    """Return which faces, by their corners, look towards the eye."""
    one, two, three = corners[:, 0], corners[:, 1], corners[:, 2]
    return np.asarray(np.cross(two - one, three - one)[:, 0] * eye > 0)


def _contour(panel: Panel, surface: Inflated) -> dict[str, NDArray[np.bool_]]:
    """Return a panel's contour by hemisphere."""
    assert panel.contour is not None
    n_left, n_right = (len(surface.points[side]) for side in SIDES)
    inside = mask_of(panel.contour, "contour", n_left + n_right)
    return {"left": inside[:n_left], "right": inside[n_left:]}
