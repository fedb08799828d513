"""Tests of the paper's figures of encoding: densities, ROIs and maps."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.workflow.paper_pages import scale_limits


def r_of(results, subject, space):
    rows = results.saved.tables["voxel_scores"]
    mine = (rows["subject"] == subject) & (rows["feature_space"] == space)
    return rows.loc[mine, "value"].to_numpy()


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("two_models", "w2v-bert", "mulan-music"),
        ("music_text", "mulan-music", "mulan-text"),
        ("music_genre", "genre", "mulan-music"),
    ],
)
def test_densities_count_the_voxels_of_each_pair(draw, results, name, x, y):
    drawn = draw(name)
    assert list(drawn) == [f"{name}_sub-01", f"{name}_sub-02"]
    for limit in ("x", "voxels per bin"):
        assert len({one.limits[limit] for one in drawn.values()}) == 1
    one = drawn[f"{name}_sub-02"]
    ax = one.figure.axes[0]
    fullest = max(
        other.figure.axes[0].collections[0].get_array().max()
        for other in drawn.values()
    )
    for other in drawn.values():
        colours = other.figure.axes[0].collections[0]
        assert colours.get_clim() == (1, max(2, fullest))
        assert colours.get_cmap().name == "viridis"
    low, high = ax.get_xlim()
    assert ax.get_ylim() == (low, high)
    counts = np.ma.filled(ax.collections[0].get_array(), 0).reshape(60, 60)
    edges = np.linspace(low, high, 61)
    both = [r_of(results, "02", space) for space in (x, y)]
    assert_allclose(counts, np.histogram2d(*both, [edges, edges])[0].T)
    assert counts.sum() == len(both[0])
    assert one.spaces == (x, y)
    assert_allclose(one.numbers[""][[f"r {x}", f"r {y}"]], np.transpose(both))
    labels = {"genre": "genre, r", "w2v-bert": "w2v-BERT, r"}
    labels |= {"mulan-music": "MuLan-music, r", "mulan-text": "MuLan-text, r"}
    assert (ax.get_xlabel(), ax.get_ylabel()) == (labels[x], labels[y])


def test_rois_have_a_bar_per_feature_space_and_not_for_the_whole_brain(draw, table):
    (one,) = draw("rois").values()
    (ax,) = one.figure.axes
    assert ax.get_ylabel() == "mean r, held-out runs"
    names = [
        text.get_text().strip().replace("\n", " ") for text in ax.get_xticklabels()
    ]
    assert names == ["A1 (simulated)", r"belt \$x\$ (simulated)"]
    rows = table("roi_scores").query("feature_space == 'w2v-bert'")
    means = rows.groupby("roi")["r_mean"].mean()
    bars = {c.get_label(): [bar.get_height() for bar in c] for c in ax.containers}
    expected = means[["A1 (simulated)", "belt $x$ (simulated)"]]
    assert_allclose(bars["w2v-BERT (tiny)"], expected)
    assert list(bars) == [
        "MuLan-music (CLAP, tiny)",
        "w2v-BERT (tiny)",
        "MuLan-text (CLAP, tiny)",
        "genre",
    ]
    assert one.notes == []


def test_many_rois_are_those_with_the_largest_joint_r_and_it_is_said(draw, results):
    path = results.saved.out / "tables/roi_scores.csv"
    rows = pd.read_csv(path, dtype={"subject": str}, keep_default_na=False)
    one = rows[rows["roi"] == "A1 (simulated)"]
    more = []
    for k in range(25):
        joint = one.iloc[:2].assign(model="joint", feature_space="all", r_mean=k / 25)
        joint["subject"] = ["01", "02"]
        more += [one.assign(roi=f"roi {k}"), joint.assign(roi=f"roi {k}")]
    pd.concat(more).to_csv(path, index=False)
    (drawn,) = draw("rois").values()
    assert set(drawn.numbers[""]["roi"]) == {f"roi {k}" for k in range(5, 25)}
    assert "20 of 25 ROIs" in drawn.notes[0]


def test_maps_show_two_models_where_they_are_found_flat_and_inflated(draw, results):
    drawn = draw("maps", width_mm=90.0)
    assert list(drawn) == [
        f"maps_sub-{s}_{view}" for s in ("01", "02") for view in ("flat", "inflated")
    ]
    assert len({str(one.limits) for one in drawn.values()}) == 1
    one = drawn["maps_sub-02_flat"]
    ((_, high),) = one.limits.values()
    assert high >= max(r_of(results, "02", "w2v-bert").max(), 0.7)
    assert one.threshold == "q (FDR, bh) of at most 0.05"
    assert list(one.maps.panels) == ["w2v-BERT (tiny)", "MuLan-music (CLAP, tiny)"]
    tested = results.saved.tables["voxel_significance"]
    q = tested.query("subject == '02' and feature_space == 'mulan-music'")["q_bh"]
    shown = np.asarray(one.maps.panels["MuLan-music (CLAP, tiny)"].values)
    r = r_of(results, "02", "mulan-music")
    assert_allclose(shown, np.where(q <= 0.05, r, np.nan))
    assert 0 < np.isfinite(shown).sum() < len(r)
    titles = [text.get_text() for text in one.figure.texts]
    assert any(
        "Shown: q (FDR, bh) of at most 0.05" in t.replace("\n", " ") for t in titles
    )
    ((low, high),) = one.limits.values()
    for ax in one.figure.axes:
        for image in ax.get_images():
            if image.get_label() == "values":
                assert image.get_clim() == (low, high)
    assert low == 0.0
    assert high >= np.nanmax(shown)


def test_without_tests_of_voxels_all_of_them_are_shown(draw, results):
    del results.saved.tables["voxel_significance"]
    del results.saved.models["02"]
    one = draw("maps", width_mm=90.0)["maps_sub-01_flat"]
    values = np.asarray(one.maps.panels["w2v-BERT (tiny)"].values)
    assert np.isfinite(values).all()
    assert one.threshold == "none: all voxels that were fitted"


def test_music_and_text_share_a_map_with_a_square_of_colours(draw, results):
    drawn = draw("music_text_map", width_mm=90.0)
    one = drawn["music_text_map_sub-01"]
    (panel,) = one.maps.panels.values()
    expected = [r_of(results, "01", space) for space in ("mulan-music", "mulan-text")]
    assert_allclose(panel.values, np.transpose(expected))
    key = next(ax for ax in one.figure.axes if ax.get_xlabel() == "MuLan-music, r")
    assert "MuLan-text, r" in [text.get_text() for text in key.texts]
    assert list(one.limits) == ["MuLan-music, r", "MuLan-text, r"]
    ((low, high),) = set(one.limits.values())
    assert list(key.get_xticks()) == [low, high]
    assert one.limits == scale_limits(drawn["music_text_map_sub-02"].maps)


def test_music_and_text_are_shown_where_either_is_found_lines_where_both(draw, results):
    one = draw("music_text_map", width_mm=90.0)["music_text_map_sub-02"]
    (panel,) = one.maps.panels.values()
    tested = results.saved.tables["voxel_significance"].query("subject == '02'")
    music, text = (
        tested.query("feature_space == @name")["q_bh"].to_numpy() <= 0.05
        for name in ("mulan-music", "mulan-text")
    )
    assert_array_equal(panel.shown, music | text)
    assert_array_equal(panel.contour, music & text)
    assert_array_equal(np.isfinite(panel.drawn).all(axis=1), music | text)
    assert 0 < panel.contour.sum() < panel.shown.sum() < len(music)
    assert one.threshold == "q (FDR, bh) of at most 0.05 for either; contour: for both"
    texts = [text.get_text() for text in one.figure.texts]
    said = " ".join(texts).replace("\n", " ")
    assert "Yellow lines surround where both are." in said
    del results.saved.tables["voxel_significance"]
    one = draw("music_text_map", width_mm=90.0)["music_text_map_sub-02"]
    (panel,) = one.maps.panels.values()
    assert panel.shown is panel.contour is None
    assert one.threshold == "none: all voxels that were fitted"


def test_unique_variance_leaves_out_what_is_shared(draw, results):
    drawn = draw("unique_variance", width_mm=90.0)
    one = drawn["unique_variance_sub-01"]
    assert list(one.maps.panels) == ["MuLan-music, unique", "MuLan-text, unique"]
    rows = results.saved.tables["voxel_partition"]
    r2 = rows.query("subject == '01' and region == 'mulan-text'")["r2"]
    assert_allclose(one.maps.panels["MuLan-text, unique"].values, r2)
    ((low, high),) = one.limits.values()
    assert low == -high
