"""Tests of maps on the inflated cortex."""

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.figures.inflated import VIEWS, inflated_mesh, plot_inflated
from brain2music.figures.keys import GYRUS, SULCUS
from brain2music.figures.looks import Faded, OnScale
from brain2music.figures.outlines import CONTOUR
from brain2music.figures.pages import Panel
from brain2music.figures.style import Scale, size_mm

SCALE = Scale(0.0, 1.0, "r")
N_LEFT = 10242


@pytest.fixture(scope="module")
def mesh():
    return inflated_mesh("fsaverage5")


def blob(mesh, side, at):
    """Return values of 0.5 around a vertex of a hemisphere, NaN elsewhere."""
    points = mesh.points[side]
    near = np.linalg.norm(points - points[at], axis=1) < 20
    values = np.full(2 * N_LEFT, np.nan)
    values[np.flatnonzero(near) + (N_LEFT if side == "right" else 0)] = 0.5
    return values


def drawn(fig):
    """Return, of each view, where its faces lie and their colours."""
    views = [ax for ax in fig.axes if ax.get_xlabel() in {name for _, name, _ in VIEWS}]
    found = {}
    for ax in views:
        (faces,) = ax.collections
        middles = np.array(
            [path.vertices[:3].mean(axis=0) for path in faces.get_paths()]
        )
        found[ax.get_xlabel()] = (middles, faces.get_facecolors()[:, :3])
    return found


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_blob_is_seen_from_its_own_side_where_it_lies(mesh, side):
    points = mesh.points[side]
    out = -1 if side == "left" else 1
    lateral = np.flatnonzero(points[:, 0] * out > np.quantile(points[:, 0] * out, 0.95))
    at = lateral[points[lateral, 1].argmax()]  # the foremost of the outermost
    fig = plot_inflated(
        {"a": Panel(blob(mesh, side, at), OnScale(SCALE))}, mesh="fsaverage5"
    )
    colour = SCALE.colours()[0](0.5)[:3]
    views = drawn(fig)
    assert list(views) == [name for _, name, _ in VIEWS]
    for name, (middles, colours) in views.items():
        here = np.isclose(colours, colour, atol=1e-3).all(axis=1)
        if name != f"{side}, lateral":
            assert here.sum() < 3, name
            continue
        y, z = middles[here].mean(axis=0)
        # Seen from the left, the front is on the left.
        assert y * out == pytest.approx(points[at, 1], abs=8)
        assert z == pytest.approx(points[at, 2], abs=8)
        front = middles[:, 0] * out > 0
        assert (y * out > 0) == (points[at, 1] > 0)
        assert front.any()


def test_curvature_shows_where_there_is_no_value(mesh):
    empty = Panel(np.full(2 * N_LEFT, np.nan), OnScale(SCALE))
    views = drawn(plot_inflated({"a": empty}, mesh="fsaverage5"))
    shades = np.concatenate([colours for _, colours in views.values()])
    assert shades.min() == pytest.approx(SULCUS)
    assert shades.max() == pytest.approx(GYRUS)
    assert_allclose(shades[:, 0], shades[:, 2])
    inner = mesh.curvature["left"]
    assert (inner > 0).mean() == pytest.approx(0.5, abs=0.1)


def test_the_page_has_its_width_key_and_caption(mesh):
    values = np.linspace(-0.5, 0.9, 2 * N_LEFT)
    values[:1000] = np.nan
    said = (
        f"19,484 vertices drawn, 1,000 without a value, {(values < 0).sum():,} below 0"
    )
    panels = {name: Panel(values, OnScale(SCALE)) for name in ("one", "two")}
    for width in (90, 180):
        fig = plot_inflated(
            panels,
            mesh="fsaverage5",
            title="sub-01",
            caption="Shown: all.",
            width_mm=width,
        )
        assert size_mm(fig)[0] == pytest.approx(width)
        words = [text.get_text() for text in fig.texts]
        assert {"one", "two", "sub-01", "Shown: all."} <= set(words)
        assert words.count(said) == 2
        assert "r" in [ax.get_xlabel() for ax in fig.axes]
        boxes = [ax.get_position() for ax in fig.axes if ax.collections]
        assert min(box.y0 for box in boxes) > 0
        assert max(box.y1 for box in boxes) < 1
    assert mesh.name == "fsaverage5"


def test_what_is_not_shown_has_the_colour_of_the_folds_and_is_counted(mesh):
    values = blob(mesh, "left", 100)
    shown = np.zeros(2 * N_LEFT, bool)
    panel = Panel(values, OnScale(SCALE), shown=shown, hidden="not found")
    fig = plot_inflated({"a": panel}, mesh="fsaverage5")
    shades = np.concatenate([colours for _, colours in drawn(fig).values()])
    assert_allclose(shades[:, 0], shades[:, 2])
    n = np.isfinite(values).sum()
    said = [text.get_text() for text in fig.texts]
    missing = 2 * N_LEFT - n
    wanted = f"0 vertices drawn, {n} not found, {missing:,} without a value"
    assert wanted in said


def test_a_contour_lies_around_its_mask_where_it_is_seen(mesh):
    points = mesh.points["right"]
    far = np.argmax(points[:, 0])
    inside = np.zeros(2 * N_LEFT, bool)
    inside[N_LEFT:] = np.linalg.norm(points - points[far], axis=1) < 12
    panel = Panel(np.full(2 * N_LEFT, 0.2), OnScale(SCALE), contour=inside)
    fig = plot_inflated({"a": panel}, mesh="fsaverage5")
    views = [ax for ax in fig.axes if ax.get_xlabel() in {name for _, name, _ in VIEWS}]
    of_view = {}
    for ax in views:
        lines = [one for one in ax.collections if one.get_label() == "contour"]
        of_view[ax.get_xlabel()] = lines[-1].get_segments()
        assert mpl.colors.same_color(lines[-1].get_colors()[0], CONTOUR)
    assert [name for name, found in of_view.items() if found] == ["right, lateral"]
    ends = np.vstack(of_view["right, lateral"])
    around = points[inside[N_LEFT:]][:, 1:]
    assert_allclose(ends.min(axis=0), around.min(axis=0), atol=3.0)
    assert_allclose(ends.max(axis=0), around.max(axis=0), atol=3.0)
    # Half-way between vertices inside and outside: none of the ends is a vertex.
    assert np.linalg.norm(ends[:, None] - around[None], axis=2).min() > 0.1


def test_colours_that_fade_lie_over_the_folds():
    look = Faded(SCALE, Scale(0.0, 1.0, "t"))
    shades = []
    for opacity in (0.0, 0.25, 1.0):
        values = np.column_stack([np.full(2 * N_LEFT, 0.2), [opacity] * 2 * N_LEFT])
        fig = plot_inflated({"a": Panel(values, look)}, mesh="fsaverage5")
        shades.append(drawn(fig)["left, lateral"][1])
    clear, faint, full = shades
    assert_allclose(clear[:, 0], clear[:, 2])
    assert clear.min() == SULCUS
    assert clear.max() == GYRUS
    assert_allclose(faint, 0.75 * clear + 0.25 * full, atol=1e-6)
    assert_allclose(full[0], SCALE.colours()[0](SCALE.colours()[1](0.2))[:3], atol=1e-6)


@pytest.mark.parametrize(
    ("panels", "name", "words"),
    [
        ({}, "fsaverage5", "panels is empty"),
        (
            {"a": Panel(np.zeros(20484), OnScale(SCALE), contour=np.zeros(9, bool))},
            "fsaverage5",
            "contour of a panel must be True or False for each of 20484",
        ),
        ({"a": Panel(np.zeros(9), OnScale(SCALE))}, "fsaverage5", "one row per vertex"),
        (
            {"a": Panel(np.zeros(9), OnScale(SCALE))},
            "fsaverage9",
            "no mesh 'fsaverage9'",
        ),
    ],
)
def test_says_what_does_not_fit(panels, name, words):
    with pytest.raises(InputError, match=words):
        plot_inflated(panels, mesh=name)
