"""Where the names of ROIs go on a flatmap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase
from numpy.typing import NDArray

from .outlines import Outline, vertex_at
from .style import SMALL_PT, figure_of
from .surfaces import FlatMesh

Floats = NDArray[np.floating]

DIRECTIONS = np.linspace(0, 2 * np.pi, 24, endpoint=False)
DISTANCES_MM = (0.0, *np.arange(2.5, 45.0, 2.5))
HIDDEN = (
    0.16  # a name that hides a square mm of the map may go this many mm further off
)
ROOM = 4.0  # a name goes inside an ROI that is this many times larger


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
    share = (vertex_at(free.mesh, points) >= 0).mean()
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
