"""Tests of maps on meshes that are not known by name: a user's own, and fsaverage6."""

from dataclasses import replace

import numpy as np
import pytest

from brain2music.core.checks import InputError
from brain2music.core.types import Space
from brain2music.figures.flatmap import plot_flatmap, plot_panels
from brain2music.figures.inflated import plot_inflated
from brain2music.figures.looks import OnScale
from brain2music.figures.pages import Panel
from brain2music.figures.solid import CortexMesh, cortex_mesh, flat_of
from brain2music.figures.style import Scale
from brain2music.figures.surfaces import flat_mesh, nearest_vertices, spread

SCALE = Scale(0.0, 0.5, "r")


@pytest.fixture(scope="module")
def known():
    return cortex_mesh("fsaverage5")


def finer(faces, edges, n_vertices):
    """Return faces cut into four, with the middles of edges as more vertices."""
    keys = edges[:, 0] * n_vertices + edges[:, 1]

    def middle(a, b):
        pair = np.sort(np.column_stack([a, b]), axis=1)
        return n_vertices + np.searchsorted(keys, pair[:, 0] * n_vertices + pair[:, 1])

    a, b, c = faces.T
    ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
    parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    return np.vstack([np.column_stack(part) for part in parts])


@pytest.fixture(scope="module")
def fsaverage6(known):
    """Return fsaverage5 with its faces cut into four: the vertices of fsaverage6.

    The vertices of fsaverage5 keep their numbers, so the hemispheres are mixed up: good
    enough for maps, which ask for no side.
    """
    pairs = np.vstack([known.faces[:, [0, 1]], known.faces[:, 1:], known.faces[:, ::2]])
    edges = np.unique(np.sort(pairs.astype(np.int64), axis=1), axis=0)
    n = known.n_vertices
    flat_faces = finer(known.flat_faces.astype(np.int64), edges, n)
    points = np.vstack([known.flat, known.flat[edges].mean(axis=1)])
    used = np.zeros(len(points), bool)
    used[flat_faces] = True
    points[~used] = 0.0
    bends = np.concatenate([known.curvature, known.curvature[edges].mean(axis=1)])
    mesh = CortexMesh(
        "fsaverage6",
        len(points),
        np.zeros((len(points), 3)),
        finer(known.faces.astype(np.int64), edges, n),
        bends,
        points,
        flat_faces,
    )
    return mesh, edges


def test_each_pixel_has_its_nearest_vertex_and_faces_may_overlap(known):
    flat = flat_mesh("fsaverage5", renderer="matplotlib", height_px=120)
    pixels, extent = nearest_vertices(known.flat, known.flat_faces, 120)
    np.testing.assert_allclose(extent, flat.extent)
    assert pixels.shape == flat.pixels.shape
    both = (pixels >= 0) & (flat.pixels >= 0)
    # At the rim, what covers a pixel is a matter of rounding.
    assert both.sum() > 0.99 * (flat.pixels >= 0).sum()
    assert both.sum() > 0.97 * (pixels >= 0).sum()
    assert (pixels == flat.pixels)[both].mean() > 0.98  # as in both renderers
    turned = known.flat_faces.copy()
    turned[::50] = turned[::50, ::-1]
    over = np.vstack([turned, known.flat_faces[:100]])
    np.testing.assert_array_equal(nearest_vertices(known.flat, over, 120)[0], pixels)


def test_fsaverage6_is_drawn_where_fsaverage5_is(known, fsaverage6):
    mesh, edges = fsaverage6
    assert mesh.n_vertices == 2 * 40962
    coarse = flat_mesh("fsaverage5", renderer="matplotlib", height_px=150)
    fine = flat_of(mesh, height_px=150)
    np.testing.assert_allclose(fine.extent, coarse.extent)
    values = np.where(known.flat[:, 0] < -50, 0.1, 0.4)
    values[::7] = np.nan
    finer_values = np.concatenate([values, values[edges].mean(axis=1)])
    drawn = []
    for one, these in ((coarse, values), (fine, finer_values)):
        figure = plot_flatmap(these, mesh=one, scale=SCALE)
        (ax,) = (ax for ax in figure.axes if ax.get_images())
        images = {image.get_label(): image for image in ax.get_images()}
        drawn.append(np.ma.filled(images["values"].get_array(), np.nan))
        assert f"of {one.n_vertices:,} vertices drawn" in " ".join(
            text.get_text() for text in figure.texts
        )
    has = np.isfinite(drawn[0]) & np.isfinite(drawn[1])
    assert (drawn[0] == drawn[1])[has].mean() > 0.97
    assert set(np.unique(drawn[0][has])) == {0.1, 0.4}


def test_an_own_cortex_is_drawn_inflated(known):
    own = replace(known, name="fsnative")
    values = np.full(known.n_vertices, 0.2)
    figure = plot_inflated({"a": Panel(values, OnScale(SCALE))}, mesh=own)
    (faces,) = figure.axes[1].collections
    expected = SCALE.colours()[0](0.4)
    np.testing.assert_allclose(faces.get_facecolors()[0], expected, atol=1e-6)


@pytest.mark.parametrize("known_folds", [True, False])
def test_the_page_says_where_no_folds_are_known(known, known_folds):
    bends = known.curvature if known_folds else 0.0 * known.curvature
    own = replace(known, name="fsnative", curvature=bends)
    values = np.full(known.n_vertices, 0.2)
    panels = {"a": Panel(values, OnScale(SCALE))}
    flat = flat_of(own, height_px=40)
    for figure in (
        plot_flatmap(values, mesh=flat, scale=SCALE),
        plot_panels(panels, mesh=flat),
        plot_inflated(panels, mesh=own, caption="Said."),
    ):
        said = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
        assert ("Folds are not known, so none are shaded." in said) != known_folds


def test_columns_are_spread_over_a_mesh_of_any_name():
    space = Space("surface", "fsnative", ("4", "0"), np.array([4, 0]), (6,))
    on_mesh = spread([0.5, -1.0], space)
    np.testing.assert_array_equal(on_mesh, [-1.0, *[np.nan] * 3, 0.5, np.nan])


def test_without_a_flat_surface_there_is_no_flatmap(known):
    own = replace(known, name="fsnative", flat=None, flat_faces=None)
    with pytest.raises(InputError, match="'fsnative' has no flat surface"):
        flat_of(own)
