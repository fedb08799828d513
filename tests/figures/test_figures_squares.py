"""Tests of square tables of scores."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.figures.squares import plot_squares


def at(chance, **panels):
    return {title: 0 * one + chance for title, one in panels.items()}


def test_colours_are_as_far_on_both_sides_of_chance():
    square = pd.DataFrame([[0.9, 0.45], [np.nan, 1.0]], ["a", "b"], ["a", "b"])
    other = pd.DataFrame([[0.1]], ["a"], ["b"])
    panels = {"one": square, "two": other}
    chances = at(0.5, **panels)
    chances["one"].loc["a", "b"] = 0.7
    figure = plot_squares(panels, chances=chances, label="accuracy")
    first, second, bar = figure.axes
    for ax in (first, second):
        assert_allclose(ax.collections[0].get_clim(), [-0.5, 0.5])
    drawn = np.ma.filled(first.collections[0].get_array(), np.nan).reshape(2, 2)
    assert_allclose(drawn, [[0.4, -0.25], [np.nan, 0.5]])
    assert [text.get_text() for text in first.texts] == [".90", ".45", "1.0"]
    assert [text.get_text() for text in second.texts] == [".10"]
    assert_allclose(bar.lines[-1].get_xdata(), 0)
    assert bar.get_xlabel() == "accuracy: number less chance"
    colours = first.collections[0]
    above, below = (colours.cmap(colours.norm(v)) for v in (0.4, -0.4))
    assert above[0] > above[2]  # red
    assert below[2] > below[0]  # blue


def test_all_at_chance_can_be_drawn():
    panels = {"one": pd.DataFrame([[0.5]])}
    figure = plot_squares(panels, chances=at(0.5, **panels), label="accuracy")
    assert_allclose(figure.axes[0].collections[0].get_clim(), [-0.01, 0.01])


@pytest.mark.parametrize(
    ("panels", "words"),
    [
        ({}, "0 squares to draw"),
        ({"own": pd.DataFrame([[np.nan]])}, "without a number: own"),
    ],
)
def test_nothing_to_draw_is_refused(panels, words):
    with pytest.raises(InputError, match=words):
        plot_squares(panels, chances=at(0.5, **panels), label="accuracy")


def test_panels_stand_below_each_other_where_it_is_narrow():
    square = pd.DataFrame(np.eye(3), list("abc"), list("abc"))
    panels = {"one": square, "two": square}
    for width_mm, beside in ((180.0, True), (90.0, False)):
        figure = plot_squares(
            panels,
            chances=at(0.5, **panels),
            label="accuracy",
            width_mm=width_mm,
        )
        figure.canvas.draw()
        one, two = (ax.get_position() for ax in figure.axes[:2])
        assert bool(two.x0 > one.x1) is beside
        assert bool(two.y1 < one.y0) is not beside
