"""Outlines of ROIs on a flatmap."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..core.checks import InputError, nearest
from .cortex import add_s1, default_store, open_cortex
from .surfaces import FlatMesh

Floats = NDArray[np.floating]

CONTOUR = "#F0E442"  # ROIs are white
LARGE_PIECE = 0.25  # share of an ROI in a hemisphere from which a piece has a name


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """An ROI's border on a flatmap, and a point inside each of its main pieces.

    Parameters
    ----------
    name : str
    lines : tuple of arrays of shape (n_points, 2)
        Pieces of the border, in mm on the flatmap.
    anchors : tuple of (x, y)
        Where names point to, one for each large piece. Empty if the flatmap shows
        nothing of the ROI.
    placed : bool
        Whether the anchors are the places of the names, chosen by hand.
    colour : str
        Of the border.
    """

    name: str
    lines: tuple[Floats, ...]
    anchors: tuple[tuple[float, float], ...]
    placed: bool = False
    colour: str = "white"


@dataclass(frozen=True, slots=True, eq=False)
class Outlined:
    """ROIs that are drawn: all that are given or some, each in a colour.

    Parameters
    ----------
    given : mapping from name to mask over the vertices, or sequence of names
        As of `plot_flatmap`.
    only : sequence of str, optional
        The names of those that are drawn, in their order; all if None.
    colours : mapping from name to colour
        White where it has none.
    """

    given: Mapping[str, NDArray[np.bool_]] | Sequence[str]
    only: Sequence[str] | None = None
    colours: Mapping[str, str] = field(default_factory=dict)

    def named(self) -> Mapping[str, NDArray[np.bool_]] | Sequence[str]:
        """Return the masks or names of those that are drawn.

        Raises
        ------
        InputError
            If a name is not among those that are given.
        """
        wanted = list(self.given) if self.only is None else list(self.only)
        for name in (*wanted, *self.colours):
            if name not in self.given:
                raise InputError(
                    f"there is no ROI {name!r} to draw.{nearest(name, self.given)} "
                    f"Given are {', '.join(self.given)}."
                )
        if isinstance(self.given, Mapping):
            return {name: self.given[name] for name in wanted}
        return wanted


def mask_outlines(mesh: FlatMesh, masks: Mapping[str, NDArray]) -> list[Outline]:
    """Return the outlines of ROIs that are given as masks over the vertices.

    The border runs half-way between vertices inside and outside.

    Parameters
    ----------
    mesh : FlatMesh
    masks : mapping from str to array of bool, shape (n_vertices,)

    Raises
    ------
    InputError
        If a mask has another shape or type.
    """
    outlines = []
    for name, given in masks.items():
        mask = np.asarray(given)
        if mask.shape != (mesh.n_vertices,) or mask.dtype != bool:
            raise InputError(
                f"ROI {name!r} must be a mask of True and False over the "
                f"{mesh.n_vertices} vertices of {mesh.name}, got {mask.dtype} of shape "
                f"{mask.shape}. Lay it out over the whole mesh."
            )
        lines = tuple(border(mesh.points, mesh.faces, mask))
        outlines.append(Outline(name, lines, _anchors(mesh, mask)))
    return outlines


def drawn_outlines(
    mesh: FlatMesh, names: Iterable[str], store: FilePath | None = None
) -> list[Outline]:
    """Return outlines of ROIs that pycortex's subject S1 has in its drawing.

    They are read from its overlays.svg; Inkscape is not needed.

    Raises
    ------
    InputError
        If the mesh has no drawing, or no ROI of that name in it.
    """
    names = list(names)
    if mesh.name != "S1":
        raise InputError(
            f"{mesh.name} has no drawn ROIs, got the names {', '.join(names)}. Give "
            "masks over its vertices: {name: array of bool}."
        )
    with open_cortex(store or default_store()) as cortex:
        svg = cortex.db.get_overlay(
            add_s1(cortex), overlays_available=("rois",), modify_svg_file=False
        )
    known = list(svg.rois.shapes)
    for name in names:
        if name not in known:
            raise InputError(
                f"S1 has no ROI {name!r}.{nearest(name, known)} It has "
                f"{', '.join(sorted(known))}."
            )
    return [_from_svg(svg, name, mesh) for name in names]


def draw_outlines(
    ax: Axes, outlines: Iterable[Outline], *, width_pt: float = 1.0
) -> None:
    """Draw borders, on a dark line so that they show on any colour."""
    outlines = list(outlines)
    lines = [line for outline in outlines for line in outline.lines]
    colours = [outline.colour for outline in outlines for _ in outline.lines]
    for shades, label in (("0.1", "halo"), (colours, "outlines")):
        ax.add_collection(
            LineCollection(
                lines,
                linewidths=width_pt * (2.2 if label == "halo" else 1.0),
                colors=shades,
                capstyle="round",
                joinstyle="round",
                label=label,
            ),
            autolim=False,
        )


def draw_contour(ax: Axes, mesh: FlatMesh, inside: NDArray[np.bool_]) -> None:
    """Draw the border of a part of a map, in yellow on a dark line."""
    draw_contour_lines(ax, border(mesh.points, mesh.faces, inside))


def draw_contour_lines(ax: Axes, lines: Floats) -> None:
    """Draw segments, (n_segments, 2, 2), as those of a contour."""
    for shade, width_pt in (("0.1", 0.8), (CONTOUR, 0.4)):
        drawn = LineCollection(
            list(lines),
            linewidths=width_pt,
            colors=shade,
            capstyle="round",
            label="contour",
        )
        ax.add_collection(drawn, autolim=False)


def numbered(outlines: Iterable[Outline]) -> list[Outline]:
    """Return the outlines with numbers, from 1, for names, for maps that are small."""
    return [
        replace(outline, name=str(number), placed=False)
        for number, outline in enumerate(outlines, start=1)
    ]


def border(
    points: Floats, faces: NDArray[np.integer], mask: NDArray[np.bool_]
) -> Floats:
    """Return a segment for each face that a border crosses, between its mid-edges.

    Returns
    -------
    segments : array of shape (n_segments, 2, n_dimensions of the points)
    """
    inside = mask[faces]
    crossed = inside.any(axis=1) & ~inside.all(axis=1)
    faces, inside = faces[crossed], inside[crossed]
    odd = np.where(inside.sum(axis=1, keepdims=True) == 1, inside, ~inside).argmax(1)
    rows = np.arange(len(faces))
    tip = points[faces[rows, odd]]
    ends = [(tip + points[faces[rows, (odd + step) % 3]]) / 2 for step in (1, 2)]
    return np.stack(ends, axis=1)


def _anchors(mesh: FlatMesh, mask: NDArray[np.bool_]) -> tuple:
    """Return the middle of the ROI's large pieces in each hemisphere."""
    shown = mask & mesh.on_map
    faces = mesh.faces[mask[mesh.faces].all(axis=1)]
    pairs = np.vstack([faces[:, :2], faces[:, 1:]])
    graph = coo_array(
        (np.ones(len(pairs)), pairs.T), shape=(mesh.n_vertices, mesh.n_vertices)
    )
    piece = connected_components(graph, directed=False)[1]
    anchors = []
    for side in (mesh.points[:, 0] < 0, mesh.points[:, 0] > 0):
        here = np.flatnonzero(shown & side)
        sizes = np.bincount(piece[here])
        large = sizes >= max(LARGE_PIECE * len(here), 2)
        if len(here) and not large.any():
            large[sizes.argmax()] = True
        for number in np.flatnonzero(large):
            points = mesh.points[here[piece[here] == number]]
            middle = ((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin()
            anchors.append((float(points[middle, 0]), float(points[middle, 1])))
    return tuple(anchors)


def _from_svg(svg, name: str, mesh: FlatMesh) -> Outline:
    width, height = svg.svgshape
    left, right, bottom, top = mesh.extent

    def to_mm(xy: Floats) -> Floats:
        return np.column_stack(
            [
                left + xy[:, 0] / width * (right - left),
                top - xy[:, 1] / height * (top - bottom),
            ]
        )

    lines = [
        piece
        for spline in svg.rois.shapes[name].splines
        if len(spline.vertices) > 2
        for polygon in spline.to_polygons(closed_only=False)
        for piece in _on_the_map(to_mm(polygon), mesh)
    ]
    labels = svg.rois.labels.elements[name]
    places = [[float(label.get("x")), float(label.get("y"))] for label in labels]
    anchors = to_mm(np.array(places)) if places else np.empty((0, 2))
    return Outline(
        name, tuple(lines), tuple((x, y) for x, y in anchors.tolist()), placed=True
    )


def _on_the_map(line: Floats, mesh: FlatMesh) -> list[Floats]:
    """Return the pieces of a line that the flatmap has, without its gaps."""
    kept = vertex_at(mesh, line) >= 0
    pieces = np.split(np.arange(len(line)), np.flatnonzero(np.diff(kept)) + 1)
    return [line[piece] for piece in pieces if kept[piece[0]] and len(piece) > 1]


def vertex_at(mesh: FlatMesh, xy: Floats) -> NDArray[np.integer]:
    """Return the vertex that a flatmap shows at each place, in mm; -1 off the map."""
    left, right, bottom, top = mesh.extent
    height, width = mesh.pixels.shape
    column = np.rint((xy[:, 0] - left) / (right - left) * (width - 1)).astype(int)
    row = np.rint((xy[:, 1] - bottom) / (top - bottom) * (height - 1)).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = np.full(len(xy), -1)
    found[inside] = mesh.pixels[row[inside], column[inside]]
    return found
