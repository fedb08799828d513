"""Tests of the meshes that can be drawn flat."""

import numpy as np
import pytest
from nilearn import datasets

from brain2music.core.checks import InputError
from brain2music.core.types import Space
from brain2music.figures import surfaces
from brain2music.figures.cortex import has_pycortex
from brain2music.figures.surfaces import flat_mesh, map_problem, spread


def vertices(numbers, *, name="fsaverage5", n_vertices=20484):
    ids = tuple(map(str, numbers))
    return Space("surface", name, ids, np.asarray(numbers), (n_vertices,))


@pytest.fixture(scope="module")
def flat():
    return flat_mesh("fsaverage5", renderer="matplotlib", height_px=120)


def test_each_pixel_shows_its_nearest_vertex(flat, rng):
    rows, columns = np.nonzero(flat.pixels >= 0)
    some = rng.choice(len(rows), 300, replace=False)
    left, right, bottom, top = flat.extent
    height, width = flat.pixels.shape
    x = left + columns[some] / (width - 1) * (right - left)
    y = bottom + rows[some] / (height - 1) * (top - bottom)
    used = np.flatnonzero(flat.on_map)
    distance = np.hypot(
        x[:, None] - flat.points[used, 0], y[:, None] - flat.points[used, 1]
    )
    shown = flat.pixels[rows[some], columns[some]]
    agree = used[distance.argmin(axis=1)] == shown
    assert agree.mean() > 0.98  # obtuse faces may hide the nearest vertex


def test_left_is_left_and_the_medial_wall_is_out(flat):
    shown = np.unique(flat.pixels[flat.pixels >= 0])
    assert flat.on_map[shown].all()
    assert (~flat.on_map).sum() == 1482
    half = flat.pixels.shape[1] // 2
    assert flat.pixels[:, : half - 10].max() < 10242
    assert set(flat.pixels[:, half + 10 :].ravel()) - {-1} <= set(range(10242, 20484))


def test_up_is_up(flat):
    meshes = datasets.load_fsaverage("fsaverage5")["white_matter"].parts
    z = np.concatenate([meshes[side].coordinates[:, 2] for side in ("left", "right")])
    height = flat.points[:, 1]
    assert np.corrcoef(z[flat.on_map], height[flat.on_map])[0, 1] > 0.5


@pytest.mark.skipif(not has_pycortex(), reason="pycortex is an extra")
def test_both_renderers_show_the_same_vertices(flat, cortex_store):
    other = flat_mesh(
        "fsaverage5", renderer="pycortex", store=cortex_store, height_px=120
    )
    assert abs(other.pixels.shape[1] - flat.pixels.shape[1]) <= 1
    width = min(other.pixels.shape[1], flat.pixels.shape[1])
    one, two = flat.pixels[:, :width], other.pixels[:, :width]
    both = (one >= 0) & (two >= 0)
    assert both.mean() > 0.97 * (one >= 0).mean()
    apart = np.linalg.norm(flat.points[one[both]] - other.points[two[both]], axis=1)
    assert np.quantile(apart, 0.99) < 6.0  # mm on a map that is 640 mm wide
    np.testing.assert_allclose(other.extent, flat.extent, atol=1e-3)


def test_the_last_meshes_stay_in_memory_and_cannot_be_written():
    again = flat_mesh("fsaverage5", renderer="matplotlib", height_px=120)
    assert again is flat_mesh("fsaverage5", renderer="matplotlib", height_px=120)
    for array in (again.points, again.faces, again.curvature, again.pixels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    for height_px in (20, 21):
        small = flat_mesh("fsaverage5", renderer="matplotlib", height_px=height_px)
        assert len(small.pixels) == height_px
    assert surfaces._loaded.cache_info().currsize == surfaces.MOST_KEPT == 2
    other = flat_mesh("fsaverage5", renderer="matplotlib", height_px=120)
    assert other is not again
    np.testing.assert_array_equal(other.pixels, again.pixels)


def test_values_land_on_their_vertices_and_nowhere_else():
    on_mesh = spread([0.5, -0.25, 3.0], vertices([7, 20000, 12]))
    assert on_mesh.shape == (20484,)
    assert on_mesh[[7, 20000, 12]].tolist() == [0.5, -0.25, 3.0]
    assert np.isnan(on_mesh).sum() == 20484 - 3


def test_says_which_spaces_have_no_map():
    labels = Space("labels", "atlas", ("1", "2"))
    volume = Space("volume", "mni", ("0",), np.array([0]), (2, 3, 4), np.eye(4))
    assert map_problem(labels) == "no map: these labels have no position"
    assert "on no surface that is known here" in map_problem(volume)
    assert "Did you mean 'fsaverage5'" in map_problem(vertices([1], name="fsaverage55"))
    assert "20484 vertices" in map_problem(vertices([1], n_vertices=10242))
    assert map_problem(vertices([1])) is None


def test_s1_has_no_map_without_pycortex(monkeypatch):
    monkeypatch.setattr(surfaces, "has_pycortex", lambda: False)
    s1 = vertices([1], name="S1", n_vertices=304380)
    assert "S1 comes with pycortex" in map_problem(s1)


def test_auto_does_without_pycortex(monkeypatch, flat):
    monkeypatch.setattr(surfaces, "has_pycortex", lambda: False)
    np.testing.assert_array_equal(
        flat_mesh("fsaverage5", height_px=120).pixels, flat.pixels
    )


def test_labels_are_not_spread():
    with pytest.raises(InputError, match="'atlas': no map: these labels"):
        spread([1.0, 2.0], Space("labels", "atlas", ("1", "2")))


def test_one_value_per_column_is_needed():
    with pytest.raises(InputError, match=r"shape \(2,\).*has 3 columns"):
        spread([1.0, 2.0], vertices([1, 2, 3]))


@pytest.mark.parametrize(
    ("mesh", "renderer", "words"),
    [
        ("fsavrage5", "auto", "no map: mesh 'fsavrage5'.*Did you mean 'fsaverage5'"),
        ("fsaverage5", "cortex", "renderer must be.*Did you mean 'pycortex'"),
        ("S1", "matplotlib", "S1 comes with pycortex"),
    ],
)
def test_says_which_meshes_and_renderers_there_are(mesh, renderer, words):
    with pytest.raises(InputError, match=words):
        flat_mesh(mesh, renderer=renderer)
