"""pycortex's own picture and ours show the same brain: what is where, in which colour.

Both are drawn as a reader sees them, and asked for the colour at points of a grid in mm
on the flatmap. Neither knows how the other finds its pixels: pycortex takes the nearest
vertex inside the outline of the flatmap, `renderer='matplotlib'` the nearest corner of
each pixel's face.
"""

from functools import cache

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from nilearn import datasets

from brain2music.figures.cortex import add_fsaverage5, has_pycortex, open_cortex
from brain2music.figures.flatmap import plot_flatmap
from brain2music.figures.style import Scale
from brain2music.figures.surfaces import flat_mesh

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_pycortex(), reason="pycortex is an extra"),
]

# Two blobs a side, each of its own value: place on the white matter, radius, value.
BLOBS = {
    "left auditory": ("left", (-46.0, -21.0, 8.0), 14.0, 0.12),
    "left frontal": ("left", (-46.0, 30.0, 14.0), 12.0, 0.24),
    "right auditory": ("right", (50.0, -18.0, 6.0), 14.0, 0.36),
    "right parietal": ("right", (40.0, -60.0, 45.0), 12.0, 0.48),
}
HOLE = ("left", (-46.0, -21.0, 8.0), 6.0)  # of NaN, inside the first
SCALE = Scale(0.0, 0.5, "r", "inferno")
STEP_MM = 1.0
HEIGHT_PX = 400  # 0.6 mm a pixel: finer than the grid

# Limits, each with what was found, the worse of the two:
SAME_CORTEX = 0.99  # of points (0.9955): pycortex fills the outline, we fill the faces
OVERLAP = 0.88  # of a blob's points (0.916): a rim of half a point, all around 30 mm
OFF_MM = 0.7  # between middles (0.49): pixels of 0.6 mm in theirs, 0.4 mm in ours
AREA = 0.05  # of a blob's area (0.028): that rim again, and the one round the hole
SAME_FOLDS = (
    0.85  # of grey points (0.907): pycortex makes and smooths its own curvature
)


def near(side, point, radius_mm):
    surfaces = datasets.load_fsaverage("fsaverage5")["white_matter"].parts
    distance = np.full(20484, np.inf)
    part = slice(0, 10242) if side == "left" else slice(10242, None)
    offset = surfaces[side].coordinates - np.array(point)
    distance[part] = np.linalg.norm(offset, axis=1)
    return distance < radius_mm


def planted():
    values = np.full(20484, np.nan)
    for side, point, radius_mm, value in BLOBS.values():
        values[near(side, point, radius_mm)] = value
    values[near(*HOLE)] = np.nan
    return values


@cache
def grid():
    left, right, bottom, top = flat_mesh(
        "fsaverage5", renderer="matplotlib", height_px=50
    ).extent
    x = np.arange(left + 2, right - 2, STEP_MM)
    y = np.arange(bottom + 2, top - 2, STEP_MM)
    return np.stack(np.meshgrid(x, y), axis=-1)


def seen(ax):
    """Return the colours, 0 to 255, that a picture has at each point of the grid."""
    figure = ax.figure
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3].astype(int)
    at = ax.transData.transform(grid().reshape(-1, 2)).astype(int)
    return pixels[at[:, 1], at[:, 0]].reshape(*grid().shape[:2], 3)


@pytest.fixture(scope="module")
def theirs(cortex_store):
    """Return what is seen in pycortex's picture, without a line of our drawing."""
    with open_cortex(cortex_store) as cortex:
        add_fsaverage5(cortex)
        vertices = cortex.Vertex(
            planted(), "fsaverage5", cmap=SCALE.cmap, vmin=SCALE.vmin, vmax=SCALE.vmax
        )
        figure = cortex.quickflat.make_figure(
            vertices,
            height=HEIGHT_PX,
            with_rois=False,
            with_colorbar=False,
            with_curvature=True,
        )
        return seen(figure.axes[0])


@pytest.fixture(params=["matplotlib", "pycortex"], scope="module")
def ours(request, cortex_store):
    """Return what is seen in our picture, its pixels found by one of two."""
    figure = plt.figure(figsize=(7.1, 4.1), dpi=250)
    plot_flatmap(
        planted(),
        mesh="fsaverage5",
        scale=SCALE,
        renderer=request.param,
        store=cortex_store,
        fig=figure,
    )
    (ax,) = (ax for ax in figure.axes if ax.get_images())
    return seen(ax)


def colour(value):
    return np.array(mpl.colormaps[SCALE.cmap](value / SCALE.vmax, bytes=True)[:3], int)


def has_colour(pixels, value):
    return (abs(pixels - colour(value)) <= 2).all(axis=-1)


def is_cortex(pixels):
    return (pixels < 250).any(axis=-1)


def is_grey(pixels):
    return is_cortex(pixels) & (np.ptp(pixels, axis=-1) <= 2)


def test_both_have_cortex_at_the_same_points(ours, theirs):
    assert (is_cortex(ours) == is_cortex(theirs)).mean() > SAME_CORTEX
    assert 0.5 < is_cortex(theirs).mean() < 0.95


@pytest.mark.parametrize("name", list(BLOBS))
def test_a_blob_has_its_colour_at_the_same_place_in_both(ours, theirs, name):
    side, _, _, value = BLOBS[name]
    one, other = has_colour(ours, value), has_colour(theirs, value)
    assert other.sum() > 300  # mm2
    middles = [grid()[found].mean(axis=0) for found in (one, other)]
    assert np.linalg.norm(middles[0] - middles[1]) < OFF_MM
    assert one.sum() == pytest.approx(other.sum(), rel=AREA)
    for found in (one, other):
        assert ((grid()[found][:, 0] < 0) == (side == "left")).all()
    assert (one & other).sum() / (one | other).sum() > OVERLAP


def test_colours_are_those_of_the_blobs_and_nothing_else(ours, theirs):
    for pixels in (ours, theirs):
        coloured = is_cortex(pixels) & ~is_grey(pixels)
        blobs = [has_colour(pixels, value) for *_, value in BLOBS.values()]
        assert np.sum(blobs, axis=0).max() == 1
        assert (coloured == np.any(blobs, axis=0)).mean() > 0.999


def test_nan_shows_curvature_in_both_also_inside_of_a_blob(ours, theirs):
    flat = flat_mesh("fsaverage5", renderer="matplotlib", height_px=50)
    hole = flat.points[near(*HOLE) & flat.on_map]
    rows, columns = (
        np.rint((hole[:, k] - grid()[0, 0, k]) / STEP_MM).astype(int) for k in (1, 0)
    )
    for pixels in (ours, theirs):
        assert len(hole) > 5
        assert is_grey(pixels)[rows, columns].all()
    grey = is_grey(ours) & is_grey(theirs)
    dark = [one[grey][:, 0] < one[grey][:, 0].mean() for one in (ours, theirs)]
    assert (dark[0] == dark[1]).mean() > SAME_FOLDS
