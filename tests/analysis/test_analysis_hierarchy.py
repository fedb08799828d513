"""Tests of slopes along hierarchies, and of the gradient index."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.analysis.hierarchy import (
    AUDITORY,
    FRONTAL,
    gradient_index,
    gradient_table,
    hierarchy_notes,
    hierarchy_slopes,
    levels_of,
)
from brain2music.analysis.summaries import Resampled
from brain2music.core.checks import InputError

ROIS = ["A5", "L_LBelt_ROI", "V1", "A1", "MBelt", "A4"]
KEY = (("alone", "mel"), "mean")


def values(observed, rng, n_resamples=200, sd=0.01):
    observed = np.array(observed, dtype=float)
    resampled = observed + sd * rng.standard_normal((n_resamples, len(observed)))
    return Resampled(observed, resampled, np.full(len(observed), 9))


def test_rois_find_their_level_by_the_names_of_atlases():
    assert levels_of(AUDITORY, ROIS) == {
        "A1": [3],
        "belt": [1, 4],
        "A4": [5],
        "A5": [0],
    }
    names = ["auditory core (simulated)", "lateral prefrontal (simulated)", "core2"]
    assert levels_of(FRONTAL, names) == {"core": [0], "frontal": [1]}
    assert levels_of(AUDITORY, ["V1"]) == {}


def test_the_slope_is_that_of_a_straight_line(rng):
    given = values([0.1, 0.35, 0.9, 0.4, 0.25, 0.2], rng)
    table = hierarchy_slopes({KEY: given}, ROIS, AUDITORY, subject="01")
    (row,) = table.to_dict("records")
    # parabelt has no ROI, so A4 stands at 3 and A5 at 4.
    steps = [0, 1, 3, 4]
    assert_allclose(
        row["slope_r_per_level"], np.polyfit(steps, [0.4, 0.3, 0.2, 0.1], 1)[0]
    )
    slopes = [
        np.polyfit(steps, [d[3], (d[1] + d[4]) / 2, d[5], d[0]], 1)[0]
        for d in given.resampled
    ]
    assert_allclose([row["low"], row["high"]], np.quantile(slopes, [0.025, 0.975]))
    assert (row["r_first"], row["r_last"]) == (0.4, 0.1)
    assert row["levels"] == "A1, belt, A4, A5"
    assert (row["feature_space"], row["summary"]) == ("mel", "mean")


def test_levels_without_a_score_are_left_out_and_named_and_steps_stay(rng):
    given = values([0.1, np.nan, 0.9, 0.4, np.nan, 0.2], rng)
    table = hierarchy_slopes({KEY: given}, ROIS, AUDITORY, subject="01")
    (row,) = table.to_dict("records")
    assert_allclose(
        row["slope_r_per_level"], np.polyfit([0, 3, 4], [0.4, 0.2, 0.1], 1)[0]
    )
    assert row["low"] < row["slope_r_per_level"] < row["high"]
    assert row["levels"] == "A1, A4, A5"
    assert row["rois_without_score"] == "L_LBelt_ROI, MBelt"
    (note,) = hierarchy_notes(table)
    assert "A4 -> A5: L_LBelt_ROI, MBelt has no scored voxel" in note
    # Of a level's two ROIs, the one with a score stands for it.
    given = values([0.1, np.nan, 0.9, 0.4, 0.3, 0.2], rng)
    (row,) = hierarchy_slopes({KEY: given}, ROIS, AUDITORY, subject="1").to_dict(
        "records"
    )
    expected = np.polyfit([0, 1, 3, 4], [0.4, 0.3, 0.2, 0.1], 1)[0]
    assert_allclose(row["slope_r_per_level"], expected)
    few = values([np.nan, np.nan, 0.9, 0.4, np.nan, np.nan], rng)
    assert hierarchy_slopes({KEY: few}, ROIS, AUDITORY, subject="01").empty


def test_two_levels_make_a_slope_and_one_does_not(rng):
    names = ["lateral prefrontal (simulated)", "auditory core (simulated)"]
    table = hierarchy_slopes(
        {KEY: values([0.1, 0.4], rng)}, names, FRONTAL, subject="1"
    )
    assert_allclose(table["slope_r_per_level"], -0.3)
    table = hierarchy_slopes({KEY: values([0.1] * 6, rng)}, ROIS, FRONTAL, subject="01")
    assert table.empty


def test_the_index_runs_from_low_to_high():
    found = gradient_index([0.2, 0.1, 0.0, 0.1, -0.1], [0.0, 0.1, 0.3, 0.1, 0.3])
    assert_allclose(found, [-1, 0, 1, 0, 2])
    assert_allclose(gradient_index([0.1, 0.2], [0.1, 0.2], least=0.3), [np.nan, 0])


def test_the_table_sums_the_parts_of_each_side(rng):
    parts = {
        (("part", name), "mean"): values(r, rng)
        for name, r in {
            "mel": [0.2, 0.1],
            "mfcc": [0.1, 0.1],
            "clap": [0.1, 0.4],
        }.items()
    }
    table = gradient_table(
        parts, ["A1", "A5"], low=["mel", "mfcc"], high=["clap"], subject="01"
    )
    assert_allclose(table["gradient_index"], [-0.5, 1 / 3])
    assert_allclose(table["r_low_level"], [0.3, 0.2])
    by_roi = [
        [gradient_index(m + f, c) for m, f, c in zip(*columns, strict=True)]
        for columns in zip(
            *(parts[("part", n), "mean"].resampled.T for n in ("mel", "mfcc", "clap")),
            strict=True,
        )
    ]
    expected = np.quantile(by_roi, [0.025, 0.975], axis=1)
    assert_allclose(table[["low", "high"]].T, expected)
    assert (table["resamples_without"] == 0).all()


def test_a_roi_where_nothing_is_explained_has_no_index(rng):
    parts = {
        (("part", name), "mean"): values([r], rng)
        for name, r in {"mel": -0.2, "clap": 0.1}.items()
    }
    row = gradient_table(parts, ["V1"], low=["mel"], high=["clap"], subject="1").iloc[0]
    assert np.isnan(row["gradient_index"])
    assert row["resamples_without"] == 1


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (["mel"], ["mulan"], "high-level mulan: name"),
        (["mel"], ["mel"], "none on\\s+both"),
        ([], ["mel"], "spaces none, high"),
    ],
)
def test_sides_that_make_no_gradient_are_named(rng, low, high, words):
    parts = {(("part", n), "mean"): values([0.1], rng) for n in ("mel", "clap")}
    with pytest.raises(InputError, match=words):
        gradient_table(parts, ["A1"], low=low, high=high, subject="01")


def test_an_index_needs_both_sides_of_one_shape():
    with pytest.raises(InputError, match=r"low has shape \(2,\) and high \(3,\)"):
        gradient_index(np.zeros(2), np.zeros(3))
