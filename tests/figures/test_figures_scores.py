"""Tests of the figures of scores, parts and differences: what is in the axes."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.colors import to_hex

from brain2music.core.checks import InputError
from brain2music.figures.parts import plot_parts, plot_planted_recovered
from brain2music.figures.scores import (
    plot_differences,
    plot_roi_comparison,
    plot_score_density,
)
from brain2music.figures.style import COLOURS, SMALL_PT

ROIS = ["auditory core (simulated)", "V1 (simulated)", "belt"]
BANDS = ["mulan-music", "w2v-bert"]
SUBJECTS = ["01", "02", "03", "04"]
DIFFERENCES = ["subject", "roi", "a", "b", "r_diff", "low", "high"]
DIFFERENCES += ["low_all", "high_all"]
KEYS = ["subject", "roi", "model", "feature_space"]


def score_rows(rng, rois=ROIS):
    for subject in SUBJECTS:
        for number, roi in enumerate(rois):
            total = 0.0
            for band, name in enumerate(BANDS):
                r, part = 0.1 * number + rng.uniform(0, 0.3), 0.1 * band - 0.03 * number
                total += part
                row = (100 + number, r, r**2, r - 0.05, r + 0.07, "simulated")
                yield (subject, roi, "alone", name, *row)
                yield (subject, roi, "part", name, 100, part + 0.1, part, 0, 1, "")
            yield (subject, roi, "part", "offset", 100, 0.0, -0.01, 0, 0, "")
            yield (subject, roi, "joint", "all", 100, 0.3, total - 0.01, 0.2, 0.4, "")


def scores(rng, rois=ROIS):
    numbers = ["n_voxels", "r_mean", "r2_mean", "r_low", "r_high", "source"]
    return pd.DataFrame(score_rows(rng, rois), columns=KEYS + numbers)


def differences(rng, bands=("a", "b", "c", "d", "e")):
    rows = [
        (subject, roi, first, second, d, d - 0.1, d + 0.1, d - 0.2, d + 0.2)
        for subject in SUBJECTS
        for roi in ROIS
        for number, first in enumerate(bands)
        for second in bands[number + 1 :]
        for d in [rng.normal(0, 0.2)]
    ]
    return pd.DataFrame(rows, columns=DIFFERENCES)


def truth(planted=("w2v-bert", "none", "mulan-music"), recovered=None):
    recovered = recovered or planted
    rows = [
        (subject, *row)
        for subject in SUBJECTS
        for row in zip(ROIS, planted, recovered, strict=True)
    ]
    return pd.DataFrame(rows, columns=["subject", "roi", "planted", "recovered"])


def dots(ax):
    """Return x, y and colour of each point of a scatter drawing with round marks."""
    found = [one for one in ax.collections if isinstance(one, PathCollection)]
    return {
        (round(float(x), 9), round(float(y), 3), to_hex(one.get_edgecolors()[0]))
        for one in found
        for x, y in one.get_offsets()
    }


def test_density_counts_every_voxel_once_and_names_the_rest(rng):
    x, y = rng.normal(0, 0.2, 500), rng.normal(0.1, 0.2, 500)
    x[:3], y[2:7] = np.nan, np.nan
    ax = plot_score_density(x, y, labels=("a (r)", "b (r)"), bins=23)
    (mesh,) = (one for one in ax.collections if isinstance(one, QuadMesh))
    assert mesh.get_array().sum() == 493
    assert ax.get_title() == "493 voxels, 7 without a score"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a (r)", "b (r)")


def test_density_puts_the_second_model_upwards():
    ax = plot_score_density(
        np.full(9, 0.1), np.full(9, 0.4), labels=("a", "b"), limits=(0, 0.5), bins=5
    )
    counts = ax.collections[0].get_array()
    assert np.argwhere(~np.ma.getmaskarray(counts)).tolist() == [[4, 1]]


def test_density_keeps_given_limits_and_counts_what_is_beyond():
    x, y = np.array([0.1, 0.2, 0.9]), np.array([0.1, 0.7, 0.9])
    ax = plot_score_density(x, y, labels=("a", "b"), limits=(0.0, 0.5), bins=10)
    assert (ax.get_xlim(), ax.get_ylim()) == ((0.0, 0.5), (0.0, 0.5))
    assert "2 off the axes" in ax.get_title()


def test_density_of_one_score_only():
    ax = plot_score_density(np.full(4, 0.2), np.full(4, 0.2), labels=("a", "b"))
    assert ax.get_title().startswith("4 voxels")


@pytest.mark.parametrize(
    ("x", "y", "limits", "expected"),
    [
        (np.zeros(3), np.zeros(4), None, r"shape \(3,\) and scores_y \(4,\)"),
        (np.full(3, np.nan), np.zeros(3), None, "none of 3 voxels has a score"),
        (np.zeros(3), np.zeros(3), (0.2, 0.5), "Give wider limits"),
    ],
)
def test_density_says_what_it_cannot_draw(x, y, limits, expected):
    with pytest.raises(InputError, match=expected):
        plot_score_density(x, y, labels=("a", "b"), limits=limits)


def test_comparison_has_a_point_per_subject_and_the_mean_of_them(rng):
    table = scores(rng)
    ax = plot_roi_comparison(table)
    alone = table[table["model"] == "alone"]
    drawn = [round(x, 9) for x, _, _ in dots(ax)]
    assert set(alone["r_mean"].round(9)) <= set(drawn)
    means = alone.groupby(["roi", "feature_space"])["r_mean"].mean()
    assert set(means.round(9)) <= set(drawn)
    assert len(drawn) == len(alone) + len(means)


def test_comparison_draws_each_interval_at_its_own_roi(rng):
    table = scores(rng)
    ax = plot_roi_comparison(table)
    alone = table[table["model"] == "alone"]
    lines = [
        tuple(segment.ravel())
        for one in ax.collections
        if isinstance(one, LineCollection)
        for segment in one.get_segments()
    ]
    expected = {
        (round(row.r_low, 9), round(row.r_high, 9)): ROIS.index(row.roi)
        for row in alone.itertuples()
    }
    assert len(lines) == len(alone)
    for low, y, high, _ in lines:
        assert round(y) == expected[round(low, 9), round(high, 9)]


def test_comparison_lists_rois_from_above_with_their_voxels(rng):
    ax = plot_roi_comparison(scores(rng))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[0] == "auditory core\n(simulated)\n100 voxels"
    assert labels[1] == "V1 (simulated)\n101 voxels"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend[:2] == ["MuLan-music (simulated)", "w2v-BERT (simulated)"]
    assert legend[-1] == "mean of 4 subjects"


def test_colours_stay_when_rows_are_left_out(rng):
    table = scores(rng)
    rows = table[table["feature_space"] == "w2v-bert"]
    ax = plot_roi_comparison(rows, colours={"w2v-bert": COLOURS[1]})
    strokes = [one for one in ax.collections if one.get_label().startswith("mean")]
    assert to_hex(strokes[0].get_edgecolors()[0]) == COLOURS[1].lower()


def test_too_many_rois_must_be_chosen_and_are_counted(rng):
    table = scores(rng, [f"parcel {number}" for number in range(31)])
    with pytest.raises(InputError, match="31 ROIs, and 20 fit"):
        plot_roi_comparison(table)
    ax = plot_roi_comparison(table, rois=["parcel 30", "parcel 2"])
    assert "2 of 31 ROIs shown" in ax.get_title()
    names = [label.get_text().split("\n")[0] for label in ax.get_yticklabels()]
    assert names == ["parcel 30", "parcel 2"]


def test_missing_scores_are_counted(rng):
    table = scores(rng)
    alone = table.index[table["model"] == "alone"]
    table.loc[alone[:3], ["r_mean", "r_low", "r_high"]] = np.nan
    ax = plot_roi_comparison(table)
    assert "3 of 24 without a score or interval" in ax.get_title()


def test_tables_are_checked_at_the_door(rng):
    table = scores(rng)
    with pytest.raises(InputError, match="no column r_low"):
        plot_roi_comparison(table.drop(columns="r_low"))
    with pytest.raises(InputError, match="no rows"):
        plot_roi_comparison(table.iloc[:0])
    with pytest.raises(InputError, match="Did you mean 'joint'"):
        plot_roi_comparison(table, model="join")
    with pytest.raises(InputError, match=r"no ROI 'bell'.*Did you mean 'belt'"):
        plot_roi_comparison(table, rois=["bell"])
    with pytest.raises(InputError, match="2 rows of the table come twice"):
        plot_roi_comparison(pd.concat([table, table.iloc[:2]]))
    table.loc[0, "roi"] = None
    with pytest.raises(InputError, match="no roi in 1 of its"):
        plot_roi_comparison(table)


def test_parts_are_stacked_to_both_sides_and_end_at_the_joint_score(rng):
    table = scores(rng)
    ax = plot_parts(table)
    bars = [patch for patch in ax.patches if patch.get_width() != 0]
    part = table[table["model"] == "part"]
    assert sorted(round(bar.get_width(), 9) for bar in bars) == sorted(
        part.loc[part["r2_mean"] != 0, "r2_mean"].round(9)
    )
    strokes = [one for one in ax.collections if one.get_label().startswith("joint")]
    for stroke in strokes:
        for x, y in stroke.get_offsets():
            here = [
                bar
                for bar in bars
                if abs(bar.get_y() + bar.get_height() / 2 - y) < 0.01
            ]
            right = max(
                [bar.get_x() + bar.get_width() for bar in here if bar.get_width() > 0],
                default=0,
            )
            left = min(
                [bar.get_x() + bar.get_width() for bar in here if bar.get_width() < 0],
                default=0,
            )
            assert right + left == pytest.approx(x)
    assert len(strokes) == len(SUBJECTS)


def test_parts_name_their_subjects(rng):
    ax = plot_parts(scores(rng))
    ax.figure.canvas.draw()
    (side,) = ax.child_axes
    names = [label.get_text() for label in side.get_yticklabels()]
    assert names == SUBJECTS * len(ROIS)


def test_parts_need_rows_of_parts(rng):
    table = scores(rng)
    with pytest.raises(InputError, match="got 'part'"):
        plot_parts(table[table["model"] == "alone"])


def test_planted_is_framed_and_recovered_dotted(rng):
    wrong = ("w2v-bert", "none", "w2v-bert")
    figure = plot_planted_recovered(scores(rng), truth(recovered=wrong))
    ax = figure.axes[2]
    assert ax.get_title() == "03: 2 of 3 recovered"
    frames = [(round(p.get_x() + 0.46), round(p.get_y() + 0.46)) for p in ax.patches]
    assert frames == [(1, 0), (2, 1), (0, 2)]
    points = [one.get_offsets()[0] for one in ax.collections]
    assert [(round(x), round(y)) for x, y in points] == [(1, 0), (2, 1), (1, 2)]


def test_the_matrix_shows_the_parts_of_the_score_asked_for(rng):
    table = scores(rng)
    for score in ("r", "r2"):
        figure = plot_planted_recovered(table, truth(), score=score)
        shown = figure.axes[0].get_images()[0].get_array()
        row = table[(table["subject"] == "01") & (table["model"] == "part")]
        row = row[(row["roi"] == "belt") & (row["feature_space"] == "w2v-bert")]
        assert shown[2, 1] == pytest.approx(row[f"{score}_mean"].item())


def test_another_verdict_gets_a_column(rng):
    figure = plot_planted_recovered(
        scores(rng), truth(recovered=("w2v-bert", "none", "no voxels"))
    )
    ticks = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert ticks == ["mulan-music", "w2v-bert", "none", "no voxels"]


def test_truth_and_scores_must_use_the_same_names(rng):
    with pytest.raises(InputError, match="'clap' planted"):
        plot_planted_recovered(scores(rng), truth(planted=("clap", "none", "none")))


def test_differences_have_a_panel_per_pair_and_a_zero_line(rng):
    table = differences(rng)
    figure = plot_differences(table)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert len(titles) == 10
    assert titles[0] == "a \N{MINUS SIGN} b"
    assert len({ax.get_xlim() for ax in figure.axes if ax.get_title()}) == 1
    drawn = {x for ax in figure.axes for x, _, _ in dots(ax)}
    assert drawn == set(table["r_diff"].round(9))
    assert all(
        any(list(line.get_xdata()) == [0, 0] for line in ax.lines)
        for ax in figure.axes
        if ax.get_title()
    )


def test_a_difference_is_filled_only_if_0_is_outside_of_the_interval_of_all_rois():
    rows = [
        ("01", roi, "a", "b", d, d - 0.1, d + 0.1, d - 0.2, d + 0.2)
        for roi, d in zip(ROIS, (0.3, -0.3, 0.15), strict=True)
    ]
    table = pd.DataFrame(rows, columns=DIFFERENCES)
    figure = plot_differences(table)
    (ax,) = figure.axes
    points = [one for one in ax.collections if isinstance(one, PathCollection)]
    faces = [to_hex(one.get_facecolors()[0]) for one in points]
    assert faces == [COLOURS[0].lower(), COLOURS[1].lower(), "#ffffff"]
    said = figure.get_supxlabel()
    assert "filled where the thin one leaves out 0" in said
    assert "pairs are not corrected" not in said
    lines = {
        tuple(round(float(x), 9) for x in segment[:, 0]): one.get_linewidth()[0]
        for one in ax.collections
        if isinstance(one, LineCollection)
        for segment in one.get_segments()
    }
    assert lines[0.2, 0.4] > lines[0.1, 0.5]


def test_pairs_that_are_not_corrected_are_said_and_parcels_are_not_counted(rng):
    figure = plot_differences(differences(rng))
    assert "pairs are not corrected for their number" in figure.get_supxlabel()
    table = scores(rng)
    table["n_voxels"] = 1
    labels = plot_roi_comparison(table).get_yticklabels()
    assert not any("voxel" in label.get_text() for label in labels)
    table.loc[table["roi"] == ROIS[0], "n_voxels"] = 7
    labels = [x.get_text() for x in plot_roi_comparison(table).get_yticklabels()]
    assert [label.split("\n")[-1] for label in labels][:2] == ["7 voxels", "1 voxel"]


def test_all_tables_draw_into_what_is_given_and_set_nothing(rng):
    before = dict(mpl.rcParams)
    figure, axes = plt.subplots(1, 3)
    assert plot_roi_comparison(scores(rng), ax=axes[0]) is axes[0]
    assert plot_parts(scores(rng), ax=axes[1]) is axes[1]
    x = rng.normal(size=50)
    assert plot_score_density(x, x, labels=("a", "b"), ax=axes[2]) is axes[2]
    assert plt.get_fignums() == [figure.number]
    assert dict(mpl.rcParams) == before


def test_no_text_is_smaller_than_print_allows_or_cut_off(rng):
    figures = [
        plot_roi_comparison(scores(rng)).figure,
        plot_parts(scores(rng)).figure,
        plot_planted_recovered(scores(rng), truth()),
        plot_differences(differences(rng, "abc")),
    ]
    for figure in figures:
        figure.canvas.draw()
        for text in figure.findobj(mpl.text.Text):
            if text.get_text() and text.get_visible():
                assert text.get_size() >= SMALL_PT
        box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
        assert box.x0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y0 >= -1
