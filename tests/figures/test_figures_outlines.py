"""Tests of outlines: which ROIs are drawn, in which colour, and where names stand."""

import matplotlib as mpl
import numpy as np
import pytest

from brain2music.core.checks import InputError
from brain2music.figures.flatmap import page_figure, plot_flatmap, plot_panels
from brain2music.figures.looks import OnScale
from brain2music.figures.outlines import Outlined, mask_outlines
from brain2music.figures.pages import Panel
from brain2music.figures.style import Scale
from brain2music.figures.surfaces import flat_mesh

SCALE = Scale(0.0, 0.5, "r")


@pytest.fixture(scope="module")
def flat():
    return flat_mesh("fsaverage5", renderer="matplotlib", height_px=80)


def disc(flat, x, y, radius=15.0):
    at = flat.points - np.array([x, y])
    return flat.on_map & (np.linalg.norm(at, axis=1) < radius)


@pytest.fixture
def rois(flat):
    return {name: disc(flat, *at) for name, at in PLACES.items()}


PLACES = {"A1": (-100.0, 0.0), "belt": (-60.0, 20.0), "V1": (100.0, 0.0)}


def lines_of(figure):
    (ax,) = (ax for ax in figure.axes if ax.get_images())
    return {one.get_label(): one for one in ax.collections}, ax


def test_each_roi_has_its_colour_and_white_without_one(flat, rois):
    chosen = Outlined(rois, colours={"belt": "#E69F00"})
    figure = plot_flatmap(np.zeros(20484), mesh=flat, scale=SCALE, rois=chosen)
    drawn, _ = lines_of(figure)
    segments = drawn["outlines"].get_segments()
    colours = drawn["outlines"].get_colors()
    outlines = mask_outlines(flat, rois)
    assert len(segments) == len(colours) == sum(len(one.lines) for one in outlines)
    of_name = np.repeat(list(rois), [len(one.lines) for one in outlines])
    for segment, colour, name in zip(segments, colours, of_name, strict=True):
        expected = "#E69F00" if name == "belt" else "white"
        assert mpl.colors.same_color(colour, expected)
        assert np.linalg.norm(segment.mean(axis=0) - PLACES[name]) < 20
    assert len(drawn["halo"].get_segments()) == len(segments)


def test_some_of_the_rois_are_drawn_with_their_names(flat, rois):
    chosen = Outlined(rois, only=["V1"])
    figure = plot_flatmap(np.zeros(20484), mesh=flat, scale=SCALE, rois=chosen)
    drawn, ax = lines_of(figure)
    (alone,) = mask_outlines(flat, {"V1": rois["V1"]})
    np.testing.assert_allclose(drawn["outlines"].get_segments(), alone.lines)
    assert [text.get_text() for text in ax.texts] == ["V1"]


@pytest.mark.parametrize("how", [{"only": ["v1"]}, {"colours": {"v1": "red"}}])
def test_a_name_that_is_not_given_is_an_error(flat, rois, how):
    with pytest.raises(InputError, match=r"no ROI 'v1' to draw. Did you mean 'V1'"):
        plot_flatmap(
            np.zeros(20484), mesh=flat, scale=SCALE, rois=Outlined(rois, **how)
        )


def test_every_large_piece_has_a_name_and_a_small_one_has_none(flat):
    pieces = [disc(flat, -120, 0), disc(flat, -60, 10, 12.0), disc(flat, 100, 0)]
    speck = disc(flat, 150, 0, 3.0)
    assert speck.any()
    mask = np.logical_or.reduce([*pieces, speck])
    (outline,) = mask_outlines(flat, {"V1": mask})
    assert len(outline.anchors) == 3
    for piece in pieces:
        middle = flat.points[piece].mean(axis=0)
        apart = np.linalg.norm(np.array(outline.anchors) - middle, axis=1)
        assert (apart < 4).sum() == 1
    figure = plot_flatmap(np.zeros(20484), mesh=flat, scale=SCALE, rois={"V1": mask})
    _, ax = lines_of(figure)
    assert [text.get_text() for text in ax.texts] == ["V1"] * 3


def test_names_stand_in_the_same_places_on_all_panels_of_a_page(flat, rois):
    values = np.zeros(20484)
    panels = {
        "short": Panel(values, OnScale(SCALE)),
        "a title that has two lines since it is long, " * 3: Panel(
            values, OnScale(SCALE)
        ),
        "another": Panel(values, OnScale(SCALE)),
    }
    figure = plot_panels(panels, mesh=flat, rois=rois)
    maps = [ax for ax in figure.axes if ax.get_title()]
    assert len({tuple(np.round(ax.get_position().size, 9)) for ax in maps}) == 1
    places = [
        [text.get_position() for text in ax.texts if text.get_text() in "123"]
        for ax in maps
    ]
    assert len(places[0]) == 3
    assert places[0] == places[1] == places[2]


def test_more_maps_than_a_page_has_room_for_need_a_figure_of_their_own(flat):
    panels = {str(k): Panel(np.zeros(20484), OnScale(SCALE)) for k in range(9)}
    with pytest.raises(InputError, match="9 maps are more than a page has room for"):
        plot_panels(panels, mesh=flat)
    figure = plot_panels(panels, mesh=flat, fig=page_figure(panels, 180))
    assert len([ax for ax in figure.axes if ax.get_title()]) == 9


@pytest.mark.parametrize(("width_mm", "expected"), [(60, 60 / 130), (180, 1.0)])
def test_outlines_are_thinner_on_narrow_maps(flat, rois, width_mm, expected):
    panels = {"a": Panel(np.zeros(20484), OnScale(SCALE))}
    page = page_figure(panels, width_mm)
    drawn, _ = lines_of(plot_panels(panels, mesh=flat, rois=rois, fig=page))
    assert drawn["outlines"].get_linewidths() == pytest.approx(expected)
