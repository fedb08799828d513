"""Tests of maps on a template."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.analysis.projection import (
    match_vertices,
    template_table,
    to_template,
)
from brain2music.core.checks import InputError


def sphere(rng, n, radius):
    points = rng.standard_normal((n, 3))
    return radius * points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.fixture
def spheres(rng):
    points, template = sphere(rng, 90, 99.0), sphere(rng, 140, 1.0)
    left, template_left = np.arange(90) < 50, np.arange(140) < 60
    return points, template, {"is_left": left, "template_left": template_left}


def test_each_vertex_finds_the_nearest_of_its_hemisphere(spheres):
    points, template, sides = spheres
    match = match_vertices(points, template, **sides)
    for vertex in range(140):
        far = np.linalg.norm(100 * points / 99 - 100 * template[vertex], axis=1)
        far[sides["is_left"] != sides["template_left"][vertex]] = np.inf
        assert match.source[vertex] == far.argmin()
        assert_allclose(match.distance_mm[vertex], far.min())
    assert match.n_source == 90


def test_a_sphere_on_itself_changes_nothing(spheres, rng):
    points, _, sides = spheres
    both = {"is_left": sides["is_left"], "template_left": sides["is_left"]}
    match = match_vertices(points, 3 * points, **both)
    values = rng.standard_normal((2, 90))
    assert_array_equal(to_template(values, match, within_mm=0.1), values)


def test_a_smooth_map_comes_out_smooth(rng):
    points, template = sphere(rng, 20_000, 100.0), sphere(rng, 500, 100.0)
    left = np.ones(20_000, bool), np.ones(500, bool)
    match = match_vertices(points, template, is_left=left[0], template_left=left[1])
    found = to_template(np.sin(points[:, 0] / 40), match, within_mm=5)
    assert_allclose(found, np.sin(template[:, 0] / 40), atol=0.1)


def test_what_is_too_far_is_not_known(spheres):
    points, template, sides = spheres
    match = match_vertices(points, template, **sides)
    found = to_template(np.ones(90), match, within_mm=10)
    assert_array_equal(np.isnan(found), match.distance_mm > 10)
    assert 0 < np.isnan(found).sum() < 140


def test_the_group_is_counted_vertex_by_vertex():
    maps = np.array([[0.1, np.nan, -0.3], [0.3, np.nan, np.nan], [0.2, np.nan, np.nan]])
    table = template_table(maps, ["01", "02", "05"])
    assert list(table["n_subjects"]) == [3, 0, 1]
    assert_allclose(table["mean"], [0.2, np.nan, -0.3])
    assert_allclose(table["sd"], [0.1, np.nan, np.nan])
    assert list(table["n_positive"]) == [3, 0, 0]
    assert_allclose(table["sub-02"], maps[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda p, t, s: match_vertices(p[:, :2], t, **s),
            r"points has shape \(90, 2\)",
        ),
        (lambda p, t, s: match_vertices(p, 0 * t, **s), "no vertex at the centre"),
        (lambda p, t, s: match_vertices(p[1:], t, **s), "for 89 points"),
        (
            lambda p, t, s: match_vertices(p[:50], t, **s | {"is_left": np.ones(50)}),
            "no vertex in the right hemisphere",
        ),
        (
            lambda p, t, s: to_template(
                np.ones(91), match_vertices(p, t, **s), within_mm=1
            ),
            r"values has shape \(91,\)",
        ),
        (lambda p, t, s: template_table(np.ones((2, 3)), ["01"]), "for 1 subjects"),  # noqa: ARG005
    ],
)
def test_what_does_not_fit_is_named(spheres, call, words):
    with pytest.raises(InputError, match=words):
        call(*spheres)
