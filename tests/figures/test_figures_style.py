"""Tests of sizes, colours and colour maps."""

import matplotlib.pyplot as plt
import pytest

from brain2music.core.checks import InputError
from brain2music.figures.style import (
    COLOURS,
    NEUTRAL,
    Scale,
    figure_mm,
    palette,
    size_mm,
)


def test_a_figure_has_its_printed_size():
    figure = figure_mm(90.0, 55.0)
    assert size_mm(figure) == pytest.approx((90.0, 55.0))
    plt.close(figure)


def test_colours_follow_the_order_and_not_the_name():
    assert palette(["b", "a", "b"]) == {"b": COLOURS[0], "a": COLOURS[1]}


def test_what_is_no_feature_space_takes_no_colour():
    assert palette(["offset", "a", "none"]) == {
        "offset": NEUTRAL,
        "a": COLOURS[0],
        "none": NEUTRAL,
    }


def test_many_feature_spaces_all_differ():
    names = [f"space {number}" for number in range(11)]
    assert len(set(palette(names).values())) == 11


def test_the_norm_is_made_anew():
    scale = Scale(0.0, 1.0, "r")
    assert scale.colours()[1] is not scale.colours()[1]


@pytest.mark.parametrize("ends", [(1.0, 0.0), (0.0, 0.0), (0.0, float("nan"))])
def test_a_scale_runs_upwards(ends):
    with pytest.raises(InputError, match="from vmin up to vmax"):
        Scale(*ends, "r")


def test_an_unknown_colour_map_is_named():
    with pytest.raises(InputError, match="no colour map 'infernal'"):
        Scale(0.0, 1.0, "r", cmap="infernal")


def test_a_figure_without_height_is_refused():
    with pytest.raises(InputError, match="90 x 0 mm cannot be drawn"):
        figure_mm(90, 0)
