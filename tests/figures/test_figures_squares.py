"""Tests of square tables of scores."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.figures.squares import plot_squares


def test_colours_are_as_far_on_both_sides_of_chance():
    square = pd.DataFrame([[0.9, 0.45], [np.nan, 1.0]], ["a", "b"], ["a", "b"])
    other = pd.DataFrame([[0.1]], ["a"], ["b"])
    figure = plot_squares({"one": square, "two": other}, label="accuracy")
    first, second, bar = figure.axes
    for ax in (first, second):
        assert_allclose(ax.collections[0].get_clim(), [0, 1])
    assert [text.get_text() for text in first.texts] == [".90", ".45", "1.0"]
    assert [text.get_text() for text in second.texts] == [".10"]
    assert_allclose(bar.lines[-1].get_xdata(), 0.5)
    colours = first.collections[0]
    figure.canvas.draw()
    above, below = (colours.cmap(colours.norm(v)) for v in (0.9, 0.1))
    assert above[0] > above[2]  # red
    assert below[2] > below[0]  # blue


def test_all_at_chance_can_be_drawn():
    figure = plot_squares({"": pd.DataFrame([[0.5]])}, label="accuracy")
    assert_allclose(figure.axes[0].collections[0].get_clim(), [0.49, 0.51])


@pytest.mark.parametrize(
    ("panels", "words"),
    [
        ({}, "0 squares to draw"),
        ({"own": pd.DataFrame([[np.nan]])}, "without a number: own"),
    ],
)
def test_nothing_to_draw_is_refused(panels, words):
    with pytest.raises(InputError, match=words):
        plot_squares(panels, label="accuracy")


def test_panels_stand_below_each_other_where_it_is_narrow():
    square = pd.DataFrame(np.eye(3), list("abc"), list("abc"))
    panels = {"one": square, "two": square}
    for width_mm, beside in ((180.0, True), (90.0, False)):
        figure = plot_squares(panels, label="accuracy", width_mm=width_mm)
        figure.canvas.draw()
        one, two = (ax.get_position() for ax in figure.axes[:2])
        assert bool(two.x0 > one.x1) is beside
        assert bool(two.y1 < one.y0) is not beside
