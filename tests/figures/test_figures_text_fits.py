"""Tests that no text is cut: on every page, with every look, at every width."""

import numpy as np
import pytest

from brain2music.figures import flatmap
from brain2music.figures.flatmap import page_figure, plot_flatmap, plot_panels
from brain2music.figures.inflated import plot_inflated
from brain2music.figures.looks import Faded, Names, OnScale, Together, TwoScores
from brain2music.figures.pages import Panel
from brain2music.figures.style import SMALL_PT, Scale, figure_mm
from brain2music.figures.surfaces import flat_mesh
from brain2music.figures.wrapping import text_mm, wrapped

LONG = "every number that a long study of many feature spaces and their layers may have"
TITLE = f"simulated data: {LONG}, of sub-01 and of no one else"
WIDTHS = [60, 90, 180]
SCALE = Scale(0.0, 0.5, LONG)
LOOKS = {
    "scale": OnScale(SCALE),
    "names": Names({LONG: "#0072B2", "mel": "#D55E00"}, LONG, LONG),
    "together": Together((f"1 {LONG}", "2", "3"), LONG, ("less than none", "+")),
    "two": TwoScores((f"w2v-bert, {LONG}", f"mulan-music, {LONG}"), 0.0, 0.5),
    "faded": Faded(SCALE, Scale(0.0, 1.0, f"opacity: {LONG}")),
}


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    def small(mesh, **_):
        return flat_mesh(mesh, renderer="matplotlib", height_px=60)

    monkeypatch.setattr(flatmap, "flat_mesh", small)


def texts_of(figure):
    figure.draw_without_rendering()
    found = [*figure.texts, *(t for legend in figure.legends for t in words(legend))]
    for ax in figure.axes:
        found += [*ax.texts, ax.title]
        if ax.axison:
            found += [ax.xaxis.label, ax.yaxis.label]
            found += [*ax.get_xticklabels(), *ax.get_yticklabels()]
    return [one for one in found if one.get_text().strip() and one.get_visible()]


def words(legend):
    return [*legend.get_texts(), legend.get_title()]


def assert_inside(figure):
    """Assert that all texts lie on the canvas, and none on another one."""
    page = figure.bbox
    texts = texts_of(figure)
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= page.x1, text
        assert box.y1 <= page.y1, text
        assert text.get_size() >= SMALL_PT
    for number, one in enumerate(texts):
        for other in texts[number + 1 :]:
            here, there = one.get_window_extent(), other.get_window_extent()
            over = here.padded(-1.5).overlaps(there.padded(-1.5))
            assert not over, (one, other)


def values_for(look, n_vertices=20484):
    values = np.random.default_rng(0).uniform(0, 1, (n_vertices, look.n_values))
    if isinstance(look, Names):
        values = values.round()
    values[::3] = np.nan
    return values


@pytest.mark.parametrize("width_mm", WIDTHS)
@pytest.mark.parametrize("name", LOOKS)
def test_every_text_of_a_page_of_flatmaps_is_on_it(name, width_mm):
    look = LOOKS[name]
    panel = Panel(values_for(look), look, shown=np.arange(20484) % 2 == 0, hidden=LONG)
    panels = {f"{k}: {LONG}": panel for k in range(3)}
    figure = plot_panels(
        panels,
        mesh="fsaverage5",
        title=TITLE,
        caption=f"{LONG}. {'WWWW ' * 40}",
        fig=page_figure(panels, width_mm, TITLE),
    )
    assert_inside(figure)
    maps = [ax for ax in figure.axes if ax.get_title()]
    assert all(ax.bbox.width > 0.3 * figure.bbox.width for ax in maps)
    assert all(ax.bbox.height > 0.1 * figure.bbox.width for ax in maps)


@pytest.mark.parametrize("width_mm", WIDTHS)
@pytest.mark.parametrize("name", LOOKS)
def test_every_text_of_a_page_of_inflated_maps_is_on_it(name, width_mm, monkeypatch):
    monkeypatch.setattr(
        "brain2music.figures.inflated._draw_view",
        lambda ax, *_: ax.set(xticks=[], yticks=[]),
    )
    look = LOOKS[name]
    panels = {f"{k}: {LONG}": Panel(values_for(look), look) for k in range(2)}
    figure = plot_inflated(
        panels, mesh="fsaverage5", title=TITLE, caption=LONG, width_mm=width_mm
    )
    assert_inside(figure)


@pytest.mark.parametrize("width_mm", WIDTHS)
def test_every_text_of_one_flatmap_is_on_it(width_mm):
    figure = plot_flatmap(
        np.full(20484, 0.7),
        mesh="fsaverage5",
        scale=SCALE,
        title=TITLE,
        fig=figure_mm(width_mm, 110),
    )
    assert_inside(figure)


@pytest.mark.parametrize("width_mm", WIDTHS)
def test_keys_of_several_looks_stand_beside_or_above_each_other(width_mm):
    panels = {name: Panel(values_for(look), look) for name, look in LOOKS.items()}
    figure = plot_panels(
        panels, mesh="fsaverage5", fig=page_figure(panels, width_mm, "")
    )
    assert_inside(figure)


def test_lines_break_between_words_and_are_no_wider_than_they_may_be():
    lines = wrapped(f"{TITLE}\n{'W' * 50}", 30.0, 7.0).split("\n")
    assert max(text_mm(line, 7.0) for line in lines) <= 30.0
    assert " ".join(lines).replace(" ", "") == TITLE.replace(" ", "") + "W" * 50
    whole = [line for line in lines if "W" not in line]
    assert " ".join(whole) == TITLE
    assert wrapped("short", 30.0, 7.0) == "short"
    assert wrapped("", 30.0, 7.0) == ""
