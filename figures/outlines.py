"""Outlines of ROIs on a flatmap, and where their names go."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..core.checks import InputError, nearest
from .cortex import add_s1, default_store, open_cortex
from .style import SMALL_PT, figure_of
from .surfaces import FlatMesh

Floats = NDArray[np.floating]

DIRECTIONS = np.linspace(0, 2 * np.pi, 24, endpoint=False)
DISTANCES_MM = (0.0, *np.arange(2.5, 45.0, 2.5))
HIDDEN = (
    0.16  # a name that hides a square mm of the map may go this many mm further off
)
CONTOUR = "#F0E442"  # ROIs are white
LARGE_PIECE = 0.25  # share of an ROI in a hemisphere from which a piece has a name
ROOM = 4.0  # a name goes inside an ROI that is this many times larger


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


def draw_names(
    ax: Axes,
    outlines: Iterable[Outline],
    mesh: FlatMesh,
    places: Sequence[tuple[float, float]] | None = None,
) -> list[tuple[float, float]]:
    """Write each ROI's name near it, free of other names, with a line to it.

    Places are tried outwards from the ROI; those off the map are preferred, so that
    names hide few values. A short name goes inside its ROI if there is room. Call this
    when the axes has its final place and limits.

    Parameters
    ----------
    places : sequence of (x, y), optional
        What this has returned for another map of this size, so that names stand in the
        same places on it.

    Returns
    -------
    places : list of (x, y)
        Of each name, on the flatmap.
    """
    outlines = list(outlines)
    owns = [_boxes(ax, outline) for outline in outlines]
    shapes = [box for boxes in owns for box in boxes]
    labels: list[Bbox] = []
    found: list[tuple[float, float]] = []
    for outline, boxes in zip(outlines, owns, strict=True):
        for anchor, own in zip(outline.anchors, boxes, strict=True):
            label = _text(ax, outline.name.replace(" (", "\n("), anchor)
            if places is not None:
                label.set_position(places[len(labels)])
            elif not outline.placed:
                free = _Free(ax, mesh, own, shapes, labels)
                x, y = _free_spot(free, label, anchor)
                label.set_position((float(x), float(y)))
            found.append(label.get_position())
            box = label.get_window_extent()
            labels.append(box.padded(2.0))
            _draw_leader(ax, anchor, box)
    return found


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
    kept = _vertex_at(mesh, line) >= 0
    pieces = np.split(np.arange(len(line)), np.flatnonzero(np.diff(kept)) + 1)
    return [line[piece] for piece in pieces if kept[piece[0]] and len(piece) > 1]


def _vertex_at(mesh: FlatMesh, xy: Floats) -> NDArray[np.integer]:
    left, right, bottom, top = mesh.extent
    height, width = mesh.pixels.shape
    column = np.rint((xy[:, 0] - left) / (right - left) * (width - 1)).astype(int)
    row = np.rint((xy[:, 1] - bottom) / (top - bottom) * (height - 1)).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = np.full(len(xy), -1)
    found[inside] = mesh.pixels[row[inside], column[inside]]
    return found


def _text(ax: Axes, words: str, place: tuple[float, float]) -> Text:
    return ax.text(
        *place,
        words,
        size=SMALL_PT,
        ha="center",
        va="center",
        color="0.05",
        linespacing=1.0,
        path_effects=[withStroke(linewidth=1.6, foreground="white")],
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Free:
    """What a name may not cover, in pixels."""

    ax: Axes
    mesh: FlatMesh
    own: Bbox
    shapes: list[Bbox]
    labels: list[Bbox]

    def allows(self, box: Bbox, here: Floats) -> bool:
        """Return whether a name may have this box, with a line to it from `here`."""
        if any(box.overlaps(other) for other in self.labels):
            return False
        if box.contains(*here):
            larger = self.own.width * self.own.height > ROOM * box.width * box.height
            return larger and _holds(self.own, box)
        frame = figure_of(self.ax).bbox
        leader = Path([here, _edge(box, here)])
        return _holds(frame, box) and not any(
            box.overlaps(one) or (one is not self.own and leader.intersects_bbox(one))
            for one in (*self.shapes, *self.labels)
        )


def _free_spot(free: _Free, label: Text, anchor: tuple[float, float]) -> Floats:
    """Return the cheapest place, in data units, where the label covers nothing."""
    to_pixels = free.ax.transData
    px_per_mm = figure_of(free.ax).dpi / 25.4
    here, box = to_pixels.transform(anchor), label.get_window_extent()
    best, cost = here, np.inf
    for distance in DISTANCES_MM:
        if distance >= cost:
            break
        for angle in DIRECTIONS if distance else DIRECTIONS[:1]:
            step = np.array([np.cos(angle), np.sin(angle)]) * distance * px_per_mm
            moved = box.translated(*step)
            if not free.allows(moved, here):
                continue
            price = distance and distance + HIDDEN * _hidden_mm2(free, moved, px_per_mm)
            if price < cost:
                best, cost = here + step, price
    return to_pixels.inverted().transform(best)


def _holds(outer: BboxBase, inner: BboxBase) -> bool:
    corners = (outer.containsx(inner.x0), outer.containsx(inner.x1))
    return all((*corners, outer.containsy(inner.y0), outer.containsy(inner.y1)))


def _hidden_mm2(free: _Free, box: Bbox, px_per_mm: float) -> float:
    grid = np.stack(
        np.meshgrid(np.linspace(box.x0, box.x1, 8), np.linspace(box.y0, box.y1, 4)), -1
    )
    points = free.ax.transData.inverted().transform(grid.reshape(-1, 2))
    share = (_vertex_at(free.mesh, points) >= 0).mean()
    return float(share * box.width * box.height / px_per_mm**2)


def _boxes(ax: Axes, outline: Outline) -> list[Bbox]:
    """Return the box around the border that is nearest to each anchor."""
    anchors = np.array(outline.anchors).reshape(-1, 2)
    ends = np.array([line[0] for line in outline.lines]).reshape(-1, 2)
    apart = ((ends[:, None] - anchors[None]) ** 2).sum(axis=2)
    apart[(ends[:, None, 0] < 0) != (anchors[None, :, 0] < 0)] = np.inf
    of_line = apart.argmin(axis=1) if len(anchors) else np.empty(0)
    boxes = []
    for number, anchor in enumerate(outline.anchors):
        same = [outline.lines[k] for k in np.flatnonzero(of_line == number)]
        points = ax.transData.transform(np.vstack([*same, [anchor]]))
        boxes.append(Bbox([points.min(axis=0), points.max(axis=0)]))
    return boxes


def _draw_leader(ax: Axes, anchor, box: Bbox) -> None:
    here = ax.transData.transform(anchor)
    edge = _edge(box, here)
    if np.hypot(*(edge - here)) > 1.0:
        ends = ax.transData.inverted().transform([here, edge])
        halo = withStroke(linewidth=1.4, foreground="white")
        ax.plot(*ends.T, color="0.05", linewidth=0.6, path_effects=[halo])


def _edge(box: Bbox, point: Floats) -> Floats:
    """Return the point of the box that is nearest to `point`."""
    return np.clip(point, box.min, box.max)
