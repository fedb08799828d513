"""Tests of what maps show."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from brain2music.analysis.maps import (
    best_space_counts,
    best_space_table,
    density_table,
    weight_components,
)
from brain2music.core.checks import InputError


def test_the_winner_is_chosen_on_training_and_its_margin_measured_on_test():
    cv = {
        "mel": [0.1, 0.5, 0.2, np.nan],
        "clap": [0.3, 0.4, 0.2, 0.1],
        "text": [0.2, 0, 0, 0],
    }
    test = {
        "mel": [0.9, 0.1, 0.5, 0.2],
        "clap": [0.4, 0.3, 0.1, 0.2],
        "text": [0.1] * 4,
    }
    table = best_space_table(cv, test, subject="04")
    assert list(table["best"]) == ["clap", "mel", "mel", ""]
    assert list(table["second"]) == ["text", "clap", "clap", ""]
    assert_allclose(table["margin_r"], [0.3, -0.2, 0.4, np.nan])
    assert_allclose(table["cv_margin"], [0.1, 0.1, 0.0, np.nan])
    assert_allclose(table["r_best"], [0.4, 0.1, 0.5, np.nan])
    assert_array_equal(table["voxel"], np.arange(4))


def test_nothing_is_best_where_no_space_predicts_training_folds():
    cv = {"mel": [0.1, -0.1, 0.0], "clap": [-0.2, -0.3, -0.1]}
    test = {"mel": [0.5, 0.6, 0.7], "clap": [0.1, 0.2, 0.3]}
    table = best_space_table(cv, test, subject="04")
    assert table["best"].tolist() == ["mel", "", ""]
    assert table["second"].tolist() == ["clap", "", ""]
    assert_allclose(table["cv_r2_best"], [0.1, -0.1, 0.0])
    assert_allclose(table["margin_r"], [0.4, np.nan, np.nan])


def test_each_voxel_of_a_roi_is_counted_once(rng):
    cv, test = (
        dict(zip("abc", rng.standard_normal((3, 70)), strict=True)) for _ in "xy"
    )
    table = best_space_table(cv, test, subject="04").assign(found=rng.random(70) < 0.5)
    rois = {"A1": rng.random(70) < 0.3, "none": np.zeros(70, bool)}
    counts = best_space_counts(table, rois, subject="04")
    for row in counts.to_dict("records"):
        inside = table[rois[row["roi"]]]
        wanted = "" if row["feature_space"] == "none" else row["feature_space"]
        mine = inside[inside["best"] == wanted]
        assert row["n_voxels"] == len(inside)
        assert row["n_voxels_best"] == len(mine)
        assert row["n_found_best"] == mine["found"].sum()
        assert_allclose(row["margin_r_mean"], mine["margin_r"].mean())
    of_roi = counts[counts["roi"] == "A1"]
    assert of_roi["feature_space"].tolist() == ["a", "b", "c", "none"]
    assert of_roi["n_voxels_best"].sum() == rois["A1"].sum()
    assert "n_found_best" not in best_space_counts(
        table.drop(columns="found"), rois, subject="04"
    )


def test_the_margin_of_equal_spaces_is_nothing_on_average(rng):
    noise = rng.standard_normal((2, 2, 5000))
    cv, test = (dict(zip("ab", scores, strict=True)) for scores in noise)
    table = best_space_table(cv, test, subject="04")
    assert table["cv_margin"].mean() > 0.5
    assert abs(table["margin_r"].mean()) < 0.05


def test_feature_spaces_must_be_the_same_on_both_sides():
    one = {"mel": [0.1], "clap": [0.2]}
    with pytest.raises(InputError, match="test_scores clap, mel: both"):
        best_space_table(one, {"clap": [0.1], "mel": [0.2]}, subject="04")
    with pytest.raises(InputError, match="two or more"):
        best_space_table({"mel": [0.1]}, {"mel": [0.2]}, subject="04")


def test_voxels_are_counted_in_their_bins(rng):
    x, y = rng.uniform(-0.4, 1.2, (2, 500))
    x[3], y[5] = np.nan, np.nan
    table = density_table(x, y, low=-0.2, high=1.0, n_bins=7)
    for row in table.to_dict("records"):
        inside = (x >= row["x_low"]) & (x < row["x_high"])
        inside &= (y >= row["y_low"]) & (y < row["y_high"])
        assert row["n_voxels"] == inside.sum()
    within = (np.minimum(x, y) >= -0.2) & (np.maximum(x, y) < 1.0)
    assert table["n_voxels"].sum() == within.sum()
    assert table.attrs["n_voxels"] == 498
    assert table.attrs["n_outside"] == 498 - within.sum()
    assert table.attrs["n_y_above"] == (y > x).sum()


@pytest.mark.parametrize(
    ("y", "options", "words"),
    [
        (np.zeros(4), {"low": 0, "high": 1}, r"y \(4,\)"),
        (np.zeros(5), {"low": 1, "high": 1}, "run from 1 to 1"),
        (np.zeros(5), {"low": 0, "high": 1, "n_bins": 0}, "in 0 bins"),
    ],
)
def test_bins_that_cannot_be_are_refused(y, options, words):
    with pytest.raises(InputError, match=words):
        density_table(np.zeros(5), y, **options)


@pytest.fixture
def weights(rng):
    """Weights of two spaces that follow three planted directions, and voxels to fit."""
    directions = np.linalg.qr(rng.standard_normal((9, 3)))[0] * [3.0, 2.0, 1.2]
    W = directions @ rng.standard_normal((3, 80)) + 0.05 * rng.standard_normal((9, 80))
    over_delays = W + np.array([0.5, -0.3, -0.2])[:, None, None]
    spaces = {"mel": over_delays[:, :4], "clap": over_delays[:, 4:]}
    return spaces, W, np.arange(80) < 60


def test_components_are_those_of_sklearn(weights):
    spaces, W, fit_on = weights
    found = weight_components(spaces, fit_on)
    unit = (W / np.linalg.norm(W, axis=0)).T
    pca = PCA(3).fit(unit[fit_on])
    signs = np.sign(
        pca.components_[np.arange(3), np.abs(pca.components_).argmax(axis=1)]
    )
    assert_allclose(found.explained, pca.explained_variance_ratio_)
    assert_allclose(found.values, (pca.transform(unit) * signs).T, atol=1e-10)
    axes = found.loadings["loading"].to_numpy().reshape(3, 9)
    assert_allclose(axes, pca.components_ * signs[:, None], atol=1e-10)
    assert found.explained.sum() > 0.98


def test_loadings_name_their_band(weights):
    loadings = weight_components(weights[0], weights[2]).loadings
    assert list(loadings["component"].unique()) == [1, 2, 3]
    first = loadings[loadings["component"] == 1]
    assert list(first["feature_space"]) == ["mel"] * 4 + ["clap"] * 5
    assert list(first["feature"]) == [0, 1, 2, 3, 0, 1, 2, 3, 4]
    largest = loadings.loc[
        loadings["loading"].abs().groupby(loadings["component"]).idxmax()
    ]
    assert (largest["loading"] > 0).all()


def test_colours_run_from_the_largest_to_the_smallest(weights):
    spaces, _, fit_on = weights
    found = weight_components(spaces, fit_on, full_share=0.9)
    assert found.rgb.shape == (80, 3)
    assert_allclose(found.rgb.min(), 0)
    assert_allclose(found.rgb.max(), 1)
    size = np.abs(found.values)
    assert_allclose(found.reach, np.quantile(size[:, fit_on], 0.9, axis=1))
    assert found.n_beyond == (size > found.reach[:, None]).any(axis=0).sum() > 0
    inside = size[0] < found.reach[0]
    expected = 0.5 + 0.5 * found.values[0, inside] / found.reach[0]
    assert_allclose(found.rgb[inside, 0], expected)


def test_how_strong_a_voxel_is_does_not_matter_and_none_is_nan(weights, rng):
    spaces, _, fit_on = weights
    before = weight_components(spaces, fit_on)
    gain = rng.uniform(0.1, 9, 80)
    gain[[5, 70]] = [0, np.nan]
    changed = {name: w * gain for name, w in spaces.items()}
    after = weight_components(changed, fit_on & (np.arange(80) != 5))
    assert_array_equal(
        np.isnan(after.values).all(axis=0), np.isin(np.arange(80), [5, 70])
    )
    assert np.isnan(after.rgb[5]).all()
    same = weight_components(spaces, fit_on & (np.arange(80) != 5))
    known = ~np.isin(np.arange(80), [5, 70])
    assert_allclose(after.values[:, known], same.values[:, known], atol=1e-9)
    assert before.values.shape == after.values.shape


@pytest.mark.parametrize(
    ("spaces", "fit_on", "words"),
    [
        ({}, np.ones(8), "weights are none"),
        ({"mel": np.ones((3, 8))}, np.ones(8), r"mel \(3, 8\), and fit_on"),
        ({"mel": np.ones((2, 3, 7))}, np.ones(8), r"mel \(2, 3, 7\)"),
        ({"mel": np.ones((2, 2, 8))}, np.ones(8), "2 features and 8 voxels"),
        ({"mel": np.ones((2, 5, 8))}, np.arange(8) < 3, "5 features and 3 voxels"),
    ],
)
def test_weights_that_have_no_components_are_named(spaces, fit_on, words):
    with pytest.raises(InputError, match=words):
        weight_components(spaces, fit_on)
