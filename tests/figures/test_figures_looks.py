"""Tests of how numbers become colours, alone and together."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.figures.keys import GYRUS, SULCUS
from brain2music.figures.looks import (
    BOTH,
    NEITHER,
    Faded,
    Names,
    OnScale,
    Together,
    TwoScores,
)
from brain2music.figures.pages import difference
from brain2music.figures.style import Scale, figure_mm, scale_around_zero

NAMES = Names({"mel": "#0072B2", "clap": "#D55E00"}, "largest r2", "not found")


def key_of(look, width_mm=180):
    figure = figure_mm(width_mm, 60)
    look.draw_key(figure, (width_mm / 2, 2.0, width_mm - 10.0))
    return figure


def test_a_name_has_its_colour_and_is_pale_where_it_is_not_sure():
    values = np.array([[0, 1], [1, 1], [1, 0], [np.nan, 1], [0, np.nan]])
    rgba = NAMES.rgba(values)
    assert_allclose(rgba[:2, :3], [to_rgb("#0072B2"), to_rgb("#D55E00")])
    assert (rgba[2, :3] > rgba[1, :3]).all()
    assert rgba[:, 3].tolist() == [1, 1, 1, 0, 0]
    with pytest.raises(InputError, match=r"numbered from 2 to 2, and there are 2"):
        NAMES.rgba(np.array([[2.0, 1.0]]))


def test_three_numbers_are_red_green_and_blue():
    look = Together(("one", "two", "three"), "components")
    values = np.array([[1, 0.5, 0], [0.2, 0.3, 0.4], [np.nan, 0, 0]])
    rgba = look.rgba(values)
    assert_allclose(rgba[:2, :3], values[:2])
    assert rgba[:, 3].tolist() == [1, 1, 0]
    with pytest.raises(InputError, match="between 0 and 1"):
        look.rgba(np.array([[1.5, 0, 0]]))


@pytest.mark.parametrize("width_mm", [60, 180])
def test_the_key_of_three_is_a_triangle_and_a_bar_each_with_its_ends(width_mm):
    look = Together(("one", "two", "three"), "components", ("none", "all"))
    figure = key_of(look, width_mm)
    triangle, *bars = figure.axes
    for place, ax in enumerate(bars):
        bar = ax.get_images()[0].get_array()
        assert_allclose(bar[0, [0, -1], place], [0, 1])
        assert (np.delete(bar, place, axis=2) == 0.5).all()
        at = {text.get_text(): text.get_window_extent().x0 for text in ax.texts}
        assert at["none"] < ax.bbox.x0 < ax.bbox.x1 < at["all"]
    said = {text.get_text() for text in figure.texts}
    assert said == {"R: one", "G: two", "B: three", "components"}
    colours = triangle.get_images()[0].get_array()
    high, wide = colours.shape[:2]
    assert_allclose(colours[0, [0, -1], :3], [[0, 1, 0], [0, 0, 1]])
    assert_allclose(colours[-1, wide // 2, :3], [1, 0, 0], atol=0.02)
    assert_allclose(colours[high // 3, wide // 2], [1, 1, 1, 1], atol=0.06)
    assert_allclose(colours[0, wide // 2, :3], [0, 1, 1], atol=0.04)
    assert (colours[-1, [0, -1], 3] == 0).all()
    corners = {text.get_text(): text.get_position() for text in triangle.texts}
    assert corners["R"][1] > 1 > 0 > corners["G"][1] == corners["B"][1]
    assert corners["G"][0] < corners["R"][0] < corners["B"][0]


def test_a_second_number_says_how_much_of_a_colour_covers_the_curvature():
    look = Faded(Scale(0.0, 0.4, "r"), Scale(1.0, 3.0, "t"))
    values = np.array([[0.2, 1], [0.2, 2], [0.2, 3], [9, 9], [0.2, 0], [np.nan, 2]])
    rgba = look.rgba(np.vstack([values, [0.1, np.nan]]))
    assert_allclose(rgba[:, 3], [0, 0.5, 1, 1, 0, 0, 0])
    assert_allclose(rgba[:3, :3], [plt.get_cmap("inferno")(0.5)[:3]] * 3)
    assert look.beyond(values) == "1 above 0.4"
    (ax,) = key_of(look).axes
    images = {image.get_label(): image for image in ax.get_images()}
    square = images["key"].get_array()
    assert_allclose(square[[0, -1], :, 3], [[0] * 64, [1] * 64])
    assert_allclose(square[-1, [0, -1]], plt.get_cmap("inferno")([0.0, 1.0]))
    assert images["key"].get_extent() == [0.0, 0.4, 1.0, 3.0]
    assert images["curvature"].get_zorder() < images["key"].get_zorder()
    assert set(np.unique(images["curvature"].get_array())) == {GYRUS, SULCUS}
    assert (ax.get_xlabel(), ax.texts[0].get_text()) == ("r", "t")
    ends = [text.get_text() for text in ax.get_yticklabels()]
    assert ends == ["\N{LESS-THAN OR EQUAL TO} 1", "\N{GREATER-THAN OR EQUAL TO} 3"]


def test_a_scale_around_zero_is_clear_where_there_is_no_difference():
    maps = [np.array([0.11, -0.3, np.nan]), np.array([0.0])]
    scale = scale_around_zero(maps, "r, a less b")
    assert (scale.vmin, scale.vmax) == (-0.3, 0.3)
    assert_allclose(scale.clear_below, 0.12)
    look = OnScale(scale)
    rgba = look.rgba(np.array([[0.0], [0.06], [-0.06], [0.3], [-0.3], [np.nan]]))
    assert_allclose(rgba[:, 3], [0, 0.5, 0.5, 1, 1, 0], atol=0.01)
    assert_allclose(rgba[3:5], plt.get_cmap("RdBu_r")([1.0, 0.0]))
    (ax,) = key_of(look).axes
    (chequers,) = (one for one in ax.get_images() if one.get_label() == "curvature")
    assert chequers.get_extent() == [-0.3, 0.3, 0.0, 1.0]
    assert (ax.get_xlim(), ax.get_xlabel()) == ((-0.3, 0.3), "r, a less b")
    with pytest.raises(InputError, match=r"clear_below is 0\.0"):
        Scale(-1.0, 1.0, "r", clear_below=0.0)


def test_a_difference_is_the_first_map_less_the_second():
    first, second = np.array([0.4, 0.1, np.nan]), np.array([0.1, 0.3, 0.2])
    panel = difference(first, second, label="r, a less b")
    assert_allclose(panel.values, [0.3, -0.2, np.nan])
    assert panel.look == OnScale(scale_around_zero([panel.values], "r, a less b"))
    wide = Scale(-1.0, 1.0, "r")
    assert difference(first, second, label="", scale=wide).look == OnScale(wide)
    with pytest.raises(InputError, match=r"shape \(3,\) and \(2,\)"):
        difference(first, second[:2], label="")


def test_two_scores_meet_at_four_corners_and_their_square_says_so():
    look = TwoScores(("mel, r", "clap, r"), 0.0, 0.5)
    corners = np.array([[0, 0], [0.5, 0], [0, 0.5], [0.5, 0.5], [9, -9], [np.nan, 0]])
    rgba = look.rgba(corners)
    expected = [NEITHER, "#0072B2", "#D55E00", BOTH, "#0072B2"]
    assert_allclose(rgba[:5, :3], [to_rgb(colour) for colour in expected])
    assert rgba[5, 3] == 0
    assert look.beyond(corners) == "1 below 0, 1 above 0.5"
    (ax,) = key_of(look).axes
    square = ax.get_images()[0].get_array()
    assert_allclose(square[0, -1, :3], to_rgb("#0072B2"))
    assert_allclose(square[-1, 0, :3], to_rgb("#D55E00"))
    assert ax.get_xlabel() == "mel, r"
    assert ax.texts[0].get_text() == "clap, r"
    assert (ax.get_xlim(), ax.get_ylim()) == ((0.0, 0.5), (0.0, 0.5))
    with pytest.raises(InputError, match="from vmin up to vmax"):
        TwoScores(("a", "b"), 1.0, 1.0)


def test_a_scale_is_the_colour_map_of_matplotlib():
    scale = Scale(-1.0, 1.0, "index", "PuOr")
    rgba = OnScale(scale).rgba(np.array([[-1.0], [0.25], [np.nan]]))
    assert_allclose(rgba[:2], plt.get_cmap("PuOr")([0.0, 0.625]))
    assert rgba[2, 3] == 0
