"""Tests of paired differences and their correction over ROIs."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.analysis.comparison import (
    by_hemisphere,
    corrected_intervals,
    hemisphere_differences,
    paired_differences,
    percentile_interval,
    summary_table,
)
from brain2music.analysis.noise_ceiling import jackknife_error
from brain2music.analysis.summaries import Resampled, bootstrap_summaries
from brain2music.core.checks import InputError

BLOCKS = np.arange(300) // 10
ROIS = {"A1": np.arange(20) < 12, "V1": np.arange(20) >= 12}
LEFT = np.arange(20) % 2 == 0


def summaries_of(rng, rois, gain=1.0):
    """Feature space a drives A1 by `gain`, and only left voxels; b drives nothing."""
    a, b = rng.standard_normal((2, 300, 20))
    Y = rng.standard_normal((300, 20))
    Y[:, :12] += gain * np.where(LEFT, a, 0)[:, :12]
    members = np.stack(list(rois.values()))
    predictions = {("joint", "all"): a + b, ("alone", "a"): a, ("alone", "b"): b}
    best = members & (np.cumsum(members, axis=1) <= 2)
    return bootstrap_summaries(
        Y, predictions, members, BLOCKS, best=best, n_resamples=400, seed=1
    )


def test_tables_hold_each_summary_with_its_interval(rng):
    summaries = summaries_of(rng, ROIS)
    table = summary_table(summaries, list(ROIS), subject="02")
    assert len(table) == 2 * 3 * 3
    assert list(table["roi"].unique()) == ["A1", "V1"]
    row = table.query(
        "roi == 'V1' and feature_space == 'a' and summary == 'best_tenth'"
    ).iloc[0]
    values = summaries[("alone", "a"), "best_tenth"]
    assert (row["n_voxels"], row["subject"], row["model"]) == (2, "02", "alone")
    assert_allclose(row["r"], values.observed[1])
    ends = percentile_interval(values.resampled, 0.95, 30, error=values.error)
    assert_allclose([row["r_low"], row["r_high"]], np.transpose(ends)[1])
    assert_allclose(row["r_se"], jackknife_error(values.left_out[:, 1]))
    assert len(values.left_out) == 30


def test_a_planted_difference_is_clear_and_no_difference_is_not(rng):
    table = paired_differences(summaries_of(rng, ROIS), list(ROIS), subject="02")
    assert list(table["summary"].unique()) == ["mean", "median", "best_tenth"]
    assert (table[["a", "b"]] == ["a", "b"]).all(axis=None)
    a1, v1 = (table.query(f"roi == '{roi}' and summary == 'mean'") for roi in ROIS)
    assert a1["low_all"].iloc[0] > 0
    assert a1["p_all"].iloc[0] < 0.01
    assert v1["low_all"].iloc[0] < 0 < v1["high_all"].iloc[0]
    assert (table["p_all"] >= table["p"]).all()
    assert (table["low_all"] < table["r_diff"]).all()


def test_hemispheres_are_compared_roi_by_roi(rng):
    halves = by_hemisphere(ROIS, LEFT)
    assert list(halves) == ["A1 left", "V1 left", "A1 right", "V1 right"]
    assert_array_equal(halves["V1 right"], ROIS["V1"] & ~LEFT)
    summaries = summaries_of(rng, halves)
    table = hemisphere_differences(summaries, list(ROIS), subject="02")
    row = table.query("roi == 'A1' and feature_space == 'a' and summary == 'mean'")
    mean = summaries[("alone", "a"), "mean"].observed
    assert_allclose(row["r_diff"], mean[0] - mean[2])
    assert row["low_all"].iloc[0] > 0.2
    assert (row[["n_voxels_left", "n_voxels_right"]] == 6).all(axis=None)
    assert table.query("roi == 'V1' and summary == 'mean'")["p_all"].min() > 0.05
    with pytest.raises(InputError, match="Cut the ROIs with by_hemisphere"):
        hemisphere_differences(summaries, ["A1"], subject="02")


def test_intervals_equal_their_definition(rng):
    difference = Resampled(
        np.array([0.2, -0.1, np.nan]),
        np.c_[rng.normal(0.2, 0.05, (99, 2)), np.full(99, np.nan)],
        np.array([3, 4, 0]),
    )
    table = corrected_intervals(difference, level=0.9)
    se = difference.resampled[:, :2].std(axis=0, ddof=1)
    t = np.abs(difference.resampled[:, :2] - [0.2, -0.1]) / se
    reach = np.quantile(t.max(axis=1), 0.9) * se
    assert_allclose(table["high_all"][:2], difference.observed[:2] + reach)
    assert_allclose(table["r_diff_se"][:2], se)
    from_0 = np.array([0.2, 0.1]) / se
    assert_allclose(
        table["p"][:2],
        [(1 + sum(c >= z)) / 100 for c, z in zip(t.T, from_0, strict=True)],
    )
    assert_allclose(
        table["p_all"][:2], [(1 + sum(t.max(axis=1) >= z)) / 100 for z in from_0]
    )
    assert table.loc[2].drop("n_voxels").isna().all()


def test_one_side_asks_for_differences_above_0(rng):
    middle = np.array([0.1, -0.1, 0.0])
    resampled = rng.normal(middle, 0.05, (999, 3))
    difference = Resampled(middle, resampled, np.full(3, 5))
    two, one = (
        corrected_intervals(difference, side=side) for side in ("both", "above")
    )
    intervals = ["low", "high", "low_all", "high_all", "r_diff_se"]
    assert_allclose(one[intervals], two[intervals])
    t = (resampled - middle) / resampled.std(axis=0, ddof=1)
    from_0 = middle / resampled.std(axis=0, ddof=1)
    assert_allclose(one["p"], (1 + (t >= from_0).sum(axis=0)) / 1000)
    expected = [(1 + (t.max(axis=1) >= z).sum()) / 1000 for z in from_0]
    assert_allclose(one["p_all"], expected)
    assert one.loc[0, "p"] < 0.05 < 0.9 < one.loc[1, "p"]
    assert two.loc[1, "p"] < 0.1
    with pytest.raises(InputError, match="side"):
        corrected_intervals(difference, side="below")


def test_intervals_for_all_hold_in_as_many_studies_as_they_say(rng):
    n_studies, n_blocks, n_rois = 500, 80, 8
    inside, inside_all = [], []
    for seed in range(n_studies):
        shared = rng.standard_normal((n_blocks, 1))
        gains = rng.standard_normal((n_blocks, n_rois)) + shared
        counts = np.random.default_rng(seed).multinomial(
            n_blocks, np.full(n_blocks, 1 / n_blocks), size=300
        )
        resampled = counts @ gains / n_blocks
        table = corrected_intervals(
            Resampled(gains.mean(axis=0), resampled, np.ones(n_rois, int))
        )
        inside.append(((table["low"] < 0) & (table["high"] > 0)).mean())
        inside_all.append(((table["low_all"] < 0) & (table["high_all"] > 0)).all())
    assert abs(np.mean(inside) - 0.95) < 0.03
    assert 0.9 < np.mean(inside_all) < 0.98


def test_what_cannot_be_compared_is_named(rng):
    summaries = summaries_of(rng, ROIS)
    one = {key: v for key, v in summaries.items() if key[0] != ("alone", "b")}
    with pytest.raises(InputError, match="fewer than two feature spaces"):
        paired_differences(one, list(ROIS), subject="02")


def test_a_difference_that_never_varies_has_no_p():
    still = Resampled(np.zeros(1), np.zeros((50, 1)), np.ones(1, int))
    table = corrected_intervals(still)
    assert_array_equal(table[["r_diff", "low", "high"]], [[0, 0, 0]])
    assert table[["p", "p_all", "low_all"]].isna().all(axis=None)
    assert isinstance(table, pd.DataFrame)
