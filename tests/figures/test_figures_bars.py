"""Tests of bars, curves and points: what is in the axes is what is in the table."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.figures.bars import plot_bars
from brain2music.figures.curves import plot_curves
from brain2music.figures.embedding import looks_of_genres, plot_embedding
from brain2music.figures.style import COLOURS, size_mm


@pytest.fixture
def table(rng):
    """Return two groups of three series, of two subjects."""
    keys = [("blues", "jazz"), ("retrieved", "made", "all"), ("01", "02")]
    rows = pd.MultiIndex.from_product(keys, names=["group", "series", "subject"])
    rows = rows.to_frame(index=False)
    rows["value"] = rng.uniform(0.4, 0.9, len(rows))
    return rows.assign(low=rows["value"] - 0.1, high=rows["value"] + 0.05, chance=0.5)


def heights(ax):
    return {
        bars.get_label(): [bar.get_height() for bar in bars] for bars in ax.containers
    }


def lines(ax, label):
    """Return places and heights of the lines of chance or oracle."""
    found = []
    for line in ax.lines:
        if line.get_label() == label:
            found.append(tuple(line.get_ydata()))
    for many in ax.collections:
        if many.get_label() == label:
            found += [tuple(one[:, 1]) for one in many.get_segments()]
    return found


def legend_of(fig):
    (legend,) = fig.legends
    return [text.get_text() for text in legend.get_texts()]


def test_a_bar_is_the_mean_and_a_point_a_subject(table):
    fig = plot_bars({"title": table}, label="accuracy")
    (ax,) = fig.axes
    assert ax.get_ylabel() == "accuracy"
    assert ax.get_title() == "title"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["blues", "jazz"]
    fig.canvas.draw()
    tops = [text.get_window_extent().y1 for text in ax.get_xticklabels()]
    assert max(tops) < ax.get_window_extent().y0 - 2
    means = table.groupby(["series", "group"])["value"].mean()
    for series, bars in heights(ax).items():
        assert_allclose(bars, means[series].loc[["blues", "jazz"]])
    points = {c.get_label(): c for c in ax.collections}["subjects made"]
    rows = table[table["series"] == "made"]
    assert_allclose(np.asarray(points.get_offsets())[:, 1], rows["value"])
    whiskers = next(c for c in ax.collections if not c.get_label().startswith("sub"))
    first = table[table["series"] == "retrieved"].iloc[0]
    assert_allclose(whiskers.get_segments()[0][:, 1], [first["low"], first["high"]])
    assert legend_of(fig) == [
        *("retrieved", "made", "all"),
        "a subject, 95 % interval",
        "chance",
    ]
    centres = [bar.get_x() + bar.get_width() / 2 for bar in ax.containers[1]]
    assert_allclose(centres, [0, 1])


def test_one_chance_is_one_line_and_others_stand_at_their_bars(table):
    (ax,) = plot_bars({"": table}, label="x").axes
    assert lines(ax, "chance") == [(0.5, 0.5)]
    table.loc[table["series"] == "made", "chance"] = 0.3
    table.loc[table["series"] == "all", "chance"] = np.nan
    table["oracle"] = np.where(table["group"] == "jazz", 0.95, np.nan)
    fig = plot_bars({"": table}, label="x")
    (ax,) = fig.axes
    assert sorted(lines(ax, "chance")) == [(0.3, 0.3)] * 2 + [(0.5, 0.5)] * 2
    assert lines(ax, "oracle") == [(0.95, 0.95)] * 3
    segments = next(c for c in ax.collections if c.get_label() == "oracle")
    assert all(0.5 < x < 1.5 for one in segments.get_segments() for x in one[:, 0])
    assert legend_of(fig)[-2:] == ["chance", "oracle"]


def test_panels_have_the_same_limits_and_go_below_each_other_where_it_is_narrow(table):
    other = table.assign(value=table["value"] - 0.9)
    wide = plot_bars({"a": table, "b": other}, label="x", width_mm=180)
    narrow = plot_bars({"a": table, "b": other}, label="x", width_mm=60)
    for fig, width, same_height in ((wide, 180, True), (narrow, 60, False)):
        assert size_mm(fig)[0] == pytest.approx(width)
        first, second = fig.axes
        assert first.get_ylim() == second.get_ylim()
        assert first.get_ylim()[0] < other[["value", "low"]].min().min()
        fig.canvas.draw()
        tops = [ax.get_position().y1 for ax in fig.axes]
        assert (abs(tops[0] - tops[1]) < 0.01) == same_height


def test_names_that_do_not_fit_are_turned_and_stay_on_the_page(table):
    names = {"blues": "a-very-long-name-without-spaces", "jazz": "music (by a network)"}
    table["group"] = table["group"].map(names)
    fig = plot_bars({"": table}, label="x", width_mm=60)
    fig.canvas.draw()
    texts = fig.axes[0].get_xticklabels()
    assert {text.get_rotation() for text in texts} == {35.0}
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.y0 >= 0
    fig = plot_bars({"": table}, label="x", width_mm=180)
    texts = [text.get_text().strip() for text in fig.axes[0].get_xticklabels()]
    assert texts[1] == "music (by a network)"
    assert fig.axes[0].get_xticklabels()[0].get_rotation() == 0


def test_bars_below_zero_stand_on_a_line_at_zero(table):
    assert lines(plot_bars({"": table}, label="x").axes[0], "zero") == []
    (ax,) = plot_bars({"": table.assign(low=-0.1)}, label="x").axes
    assert lines(ax, "zero") == [(0.0, 0.0)]


@pytest.mark.parametrize(
    ("panels", "words"),
    [
        ({}, "panels is empty"),
        ({"": pd.DataFrame({"group": ["a"]})}, "no column series"),
    ],
)
def test_bars_say_what_is_missing(panels, words):
    with pytest.raises(InputError, match=words):
        plot_bars(panels, label="x")


def test_a_row_that_comes_twice_is_refused(table):
    with pytest.raises(InputError, match="come twice"):
        plot_bars({"": pd.concat([table, table])}, label="x")


def test_a_curve_is_the_mean_beside_its_subjects(table):
    rows = table.rename(columns={"group": "x"}).assign(chance=0.5)
    rows["x"] = rows["x"].map({"blues": 3.0, "jazz": 1.5})
    fig = plot_curves(rows, labels=("time (s)", "accuracy"))
    (ax,) = fig.axes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "accuracy")
    drawn = {line.get_label(): line for line in ax.lines}
    mean = rows[rows["series"] == "made"].groupby("x")["value"].mean()
    assert_allclose(drawn["mean made"].get_xdata(), [1.5, 3.0])
    assert_allclose(drawn["mean made"].get_ydata(), mean)
    one = rows[(rows["series"] == "made") & (rows["subject"] == "02")]
    assert_allclose(drawn["made 02"].get_ydata(), one.sort_values("x")["value"])
    assert_allclose(drawn["chance"].get_ydata(), 0.5)
    assert legend_of(fig)[-2:] == ["a subject", "chance"]


def test_each_series_has_its_own_chance_where_they_differ(table):
    rows = table.assign(x=table["group"].map({"blues": 3.0, "jazz": 1.5}))
    rows["series"] = rows["series"].replace("all", "other")
    rows["chance"] = rows["series"].map({"retrieved": 0.5, "made": 0.4, "other": 0.3})
    fig = plot_curves(rows, labels=("x", "y"))
    drawn = [line for line in fig.axes[0].lines if line.get_label() == "chance"]
    assert [list(line.get_ydata()) for line in drawn] == [
        [c] * 2 for c in (0.5, 0.4, 0.3)
    ]
    assert [line.get_color() for line in drawn] == list(COLOURS[:3])
    assert legend_of(fig)[-1] == "chance, in its colour"


def test_titles_of_panels_stay_on_a_narrow_page(table):
    titles = ("decoded, by target", "music, by the space it is judged in")
    one = table[table["series"] == "made"]
    fig = plot_bars(dict.fromkeys(titles, one), label="x", width_mm=60)
    fig.canvas.draw()
    for ax in fig.axes:
        box = ax.title.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= fig.bbox.x1


def test_penalties_have_a_logarithmic_axis_and_a_mark(table):
    rows = table[table["subject"] == "01"].drop(columns="chance")
    rows = rows.assign(x=rows["group"].map({"blues": 0.1, "jazz": 10.0}))
    fig = plot_curves(
        rows, labels=("x", "r"), logarithmic=True, marked=(1.0, "as chosen")
    )
    (ax,) = fig.axes
    assert ax.get_xscale() == "log"
    assert any(list(line.get_xdata()) == [1.0, 1.0] for line in ax.lines)
    assert legend_of(fig) == ["retrieved", "made", "all", "as chosen"]


def test_points_lie_at_their_components_and_panels_share_limits(rng):
    genres = [f"genre {k % 10:02d}" for k in range(30)]
    true = rng.standard_normal((30, 2)) * [9, 2]
    panels = {"decoded": true / 3, "true": true}
    fig = plot_embedding(panels, genres, labels=("first", "second"))
    for ax, (title, points) in zip(fig.axes, panels.items(), strict=True):
        assert ax.get_title() == title
        assert ax.get_xlabel() == "first"
        assert ax.get_ylabel() == "second"
        drawn = {c.get_label(): np.asarray(c.get_offsets()) for c in ax.collections}
        assert_allclose(drawn["genre 03"], points[3::10])
    assert fig.axes[0].get_xlim() == fig.axes[1].get_xlim()
    assert fig.axes[0].get_ylim() == fig.axes[1].get_ylim()
    assert legend_of(fig) == sorted(set(genres))
    plt.close(fig)


def test_ten_genres_are_told_apart_by_colour_and_shape():
    looks = looks_of_genres([f"genre {k}" for k in range(10)])
    assert len(set(looks.values())) == 10
    assert {to_hex(colour).upper() for colour, _ in looks.values()} <= set(COLOURS)


@pytest.mark.parametrize(
    ("panels", "words"),
    [
        ({}, "panels is empty"),
        ({"a": np.zeros((2, 2))}, "shape"),
        ({"a": np.full((3, 2), np.nan)}, "finite"),
    ],
)
def test_points_say_what_does_not_fit(panels, words):
    with pytest.raises(InputError, match=words):
        plot_embedding(panels, ["a", "b", "c"], labels=("x", "y"))


def test_bars_without_any_number_are_an_empty_page_and_no_warning(table):
    values = dict.fromkeys(("value", "ci_low", "ci_high", "chance", "oracle"), np.nan)
    empty = table.assign(**{k: v for k, v in values.items() if k in table})
    figure = plot_bars({"none": empty}, label="r")
    assert np.isfinite(figure.axes[0].get_ylim()).all()
