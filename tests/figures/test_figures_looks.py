"""Tests of how numbers become colours, alone and together."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.figures.looks import BOTH, NEITHER, Names, OnScale, Together, TwoScores
from brain2music.figures.style import Scale, figure_mm

NAMES = Names({"mel": "#0072B2", "clap": "#D55E00"}, "largest r2", "not found")


def key_of(look):
    figure = figure_mm(180, 60)
    look.draw_key(figure, (90.0, 2.0, 170.0))
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
    figure = key_of(look)
    bars = [ax.get_images()[0].get_array() for ax in figure.axes]
    for place, bar in enumerate(bars):
        assert_allclose(bar[0, [0, -1], place], [0, 1])
        assert (np.delete(bar, place, axis=2) == 0.5).all()
    said = [text.get_text() for text in figure.texts]
    assert said == ["one", "two", "three", "components"]
    with pytest.raises(InputError, match="between 0 and 1"):
        look.rgba(np.array([[1.5, 0, 0]]))


def test_two_scores_meet_at_four_corners_and_their_square_says_so():
    look = TwoScores(("mel, r", "clap, r"), 0.0, 0.5)
    corners = np.array([[0, 0], [0.5, 0], [0, 0.5], [0.5, 0.5], [9, -9], [np.nan, 0]])
    rgba = look.rgba(corners)
    expected = [NEITHER, "#0072B2", "#D55E00", BOTH, "#0072B2"]
    assert_allclose(rgba[:5, :3], [to_rgb(colour) for colour in expected])
    assert rgba[5, 3] == 0
    assert look.n_beyond(corners) == 1
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
