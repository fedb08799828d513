"""Tests of the tables per ROI."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.analysis.rois import (
    DIFFERENCE_COLUMNS,
    SCORE_COLUMNS,
    members_of,
    roi_differences,
    roi_scores,
)
from brain2music.core.checks import InputError

MASKS = [[1, 1, 0, 0, 1], [0, 1, 1, 1, 0], [0, 0, 0, 1, 0]]
ROIS = dict(zip(["V1", "belt", "A1"], np.array(MASKS, dtype=bool), strict=True))
KEYS = [
    *(("alone", name) for name in ("mel", "clap", "genre")),
    *(("joint", "all"), ("part", "mel")),
]


@pytest.fixture
def results(rng):
    scores = {
        key: dict(zip(["r", "r2"], rng.random((2, 5)), strict=True)) for key in KEYS
    }
    scores["part", "offset"] = {"r": np.zeros(5), "r2": -rng.random(5)}
    for score in scores.values():
        score["r"][3] = np.nan
    shared = rng.standard_normal((400, 3))
    noise = {key: 0.1 * rng.standard_normal((400, 3)) for key in KEYS}
    resampled = {key: shared + noise[key] for key in KEYS}
    for samples in resampled.values():
        samples[:, 2] = np.nan
    return scores, resampled


def test_means_are_those_of_the_scored_voxels(results):
    table = roi_scores(results[0], ROIS, results[1], subject="01")
    assert list(table.columns) == SCORE_COLUMNS
    assert list(table["roi"]) == ["V1"] * 6 + ["belt"] * 6 + ["A1"] * 6
    row = table.set_index(["roi", "model", "feature_space"]).loc[
        "belt", "alone", "clap"
    ]
    score = results[0]["alone", "clap"]
    assert row["n_voxels"] == 2
    assert_allclose(row["r_mean"], score["r"][[1, 2]].mean())
    assert_allclose(row["r2_mean"], score["r2"][[1, 2]].mean())
    low, high = np.quantile(results[1]["alone", "clap"][:, 1], [0.025, 0.975])
    assert_allclose([row["r_low"], row["r_high"]], [low, high])


def test_a_roi_without_a_scored_voxel_keeps_its_rows(results):
    table = roi_scores(results[0], ROIS, results[1], subject="01")
    empty = table[table["roi"] == "A1"]
    assert (empty["n_voxels"] == 0).all()
    assert empty[["r_mean", "r2_mean", "r_low", "r_high"]].isna().all(axis=None)
    differences = roi_differences(results[0], ROIS, results[1], subject="01")
    assert differences[differences["roi"] == "A1"]["r_diff"].isna().all()


def test_the_offset_has_no_correlation_and_no_interval(results):
    table = roi_scores(results[0], ROIS, results[1], subject="01")
    row = table[table["feature_space"] == "offset"].iloc[0]
    assert row["r_mean"] == row["r_low"] == row["r_high"] == 0
    assert row["r2_mean"] < 0


def test_differences_are_paired_within_resamples(results):
    scores, resampled = results
    table = roi_differences(scores, ROIS, resampled, subject="01")
    assert list(table.columns) == DIFFERENCE_COLUMNS
    assert len(table) == 3 * 3
    row = table.set_index(["roi", "a", "b"]).loc["V1", "mel", "genre"]
    means = roi_scores(scores, ROIS, resampled, subject="01").set_index(
        ["roi", "model", "feature_space"]
    )["r_mean"]
    expected = means["V1", "alone", "mel"] - means["V1", "alone", "genre"]
    assert_allclose(row["r_diff"], expected)
    # What the models share is far larger than how they differ, and cancels out.
    assert row["high"] - row["low"] < 1
    assert np.ptp(resampled["alone", "mel"][:, 0]) > 4


def test_one_feature_space_has_nothing_to_be_compared_with(results):
    scores = {("alone", "mel"): results[0]["alone", "mel"]}
    table = roi_differences(scores, ROIS, results[1], subject="01")
    assert list(table.columns) == DIFFERENCE_COLUMNS
    assert table.empty


def test_a_wider_level_gives_a_wider_interval(results):
    tables = [
        roi_scores(results[0], ROIS, results[1], subject="01", level=level)
        for level in (0.5, 0.99)
    ]
    widths = [(t["r_high"] - t["r_low"])[0] for t in tables]
    assert widths[0] < widths[1]


def test_scores_without_resamples_are_refused(results):
    results[1].pop(("joint", "all"))
    with pytest.raises(InputError, match=r"scores of \('joint', 'all'\) but no"):
        roi_scores(results[0], ROIS, results[1], subject="01")


@pytest.mark.parametrize(
    ("rois", "words"),
    [
        ({}, "no ROI was given"),
        ({"A1": np.ones(4, bool)}, r"'A1' has shape \(4,\)"),
        ({"A1": [0, 1, 2, 3, 4]}, "expected bool over 5 voxels"),
    ],
)
def test_masks_that_do_not_fit_are_refused(rois, words):
    with pytest.raises(InputError, match=words):
        members_of(rois, 5)
