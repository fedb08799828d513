"""Tests of the tables of tested scores."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from brain2music.analysis.moves import permute_blocks, shift_runs
from brain2music.analysis.multiple import (
    false_discovery_q,
    gaussian_null_p,
    max_statistic_p,
)
from brain2music.analysis.permutations import permutation_test
from brain2music.analysis.tested import significance_tables
from brain2music.core.stats import correlation

RUNS = np.repeat([0, 1, 2], 100)
ROIS = {"A1": np.arange(30) < 8, "V1": np.arange(30) >= 8, "none": np.zeros(30, bool)}
ABOUT = {"subject": "02", "model": "alone", "feature_space": "mel"}


def ask(rng, gain=0.5, **options):
    P = rng.standard_normal((300, 30))
    Y = rng.standard_normal((300, 30)) + gain * np.where(ROIS["A1"], P, 0)
    Y[:, 29] = 0.1
    moves = shift_runs(RUNS, n_permutations=600, seed=1)
    return (
        Y,
        P,
        moves,
        significance_tables(Y, P, moves, rois=ROIS, about=ABOUT, **options),
    )


@pytest.mark.parametrize("method", ["count", "pooled"])
def test_each_column_is_what_its_function_says(rng, method):
    Y, P, moves, tested = ask(rng, method=method)
    test = permutation_test(Y, P, moves, method=method)
    voxels = tested.voxels
    assert list(voxels.columns) == [
        *("subject", "voxel", "model", "feature_space"),
        *("r", "p", "q_bh", "q_by", "p_max", "p_gaussian"),
    ]
    assert (voxels[list(ABOUT)] == list(ABOUT.values())).all(axis=None)
    assert_allclose(voxels["r"], correlation(Y, P))
    assert_allclose(voxels["p"], test.p)
    assert_allclose(voxels["q_bh"], false_discovery_q(test.p))
    assert_allclose(voxels["q_by"], false_discovery_q(test.p, "by"))
    assert_allclose(voxels["p_max"], max_statistic_p(test.r, test.max_null))
    assert_allclose(voxels["p_gaussian"], gaussian_null_p(test.r, 300))
    assert voxels.loc[29, "r":].isna().all()


def test_rois_are_tested_by_their_mean_and_count_what_was_found(rng):
    Y, P, moves, tested = ask(rng)
    assert list(tested.rois.columns[:4]) == ["subject", "roi", "model", "feature_space"]
    table, voxels = tested.rois.set_index("roi"), tested.voxels
    test = permutation_test(Y, P, moves, members=np.stack(list(ROIS.values())))
    a1, v1, none = (table.loc[name] for name in ROIS)
    assert_array_equal(table["n_voxels"], [8, 21, 0])
    assert_allclose(a1["r_mean"], voxels["r"][:8].mean())
    expected = (1 + (test.roi_null[:, 1] >= test.roi_r[1]).sum()) / 601
    assert_allclose(v1["p"], expected)
    z = (test.roi_null - test.roi_null.mean(axis=0)) / test.roi_null.std(axis=0, ddof=1)
    here = (test.roi_r - test.roi_null.mean(axis=0)) / test.roi_null.std(axis=0, ddof=1)
    above = (z[:, :2].max(axis=1) >= here[1]).sum()
    assert_allclose(v1["p_all"], (1 + above) / 601)
    assert a1["p_all"] == 1 / 601
    assert (a1["n_bh"], a1["n_max"]) == (8, 8)
    assert v1["n_bh"] == (voxels["q_bh"][8:] <= 0.05).sum()
    assert a1["n_by"] == (voxels["q_by"][:8] <= 0.05).sum()
    gaussian = false_discovery_q(voxels["p_gaussian"])
    assert v1["n_gaussian"] == (gaussian[8:] <= 0.05).sum()
    assert np.isnan([none["r_mean"], none["p"], none["p_all"]]).all()


def test_the_null_and_its_resolution_are_told(rng):
    notes = ask(rng)[3].notes
    assert notes[0] == "null: circular shift inside 3 runs, 600 times."
    assert "fewer than 1 of 29 voxels" in notes[1]
    assert len(ask(rng, method="pooled")[3].notes) == 1


def test_p_of_a_roi_is_uniform_on_noise(rng):
    p = []
    for seed in range(150):
        Y, P = rng.standard_normal((2, 300, 6)).cumsum(axis=2)
        moves = shift_runs(RUNS, n_permutations=99, seed=seed)
        found = significance_tables(
            Y, P, moves, rois={"all": np.ones(6, bool)}, about=ABOUT
        )
        p.append(found.rois.loc[0, "p_all"])
    assert kstest(p, "uniform").pvalue > 0.01


def test_a_null_of_few_ways_says_so_however_many_are_asked_for(rng):
    Y = rng.standard_normal((120, 30))
    for n_permutations in (1000, 5000):
        moves = shift_runs(np.zeros(120), n_permutations=n_permutations, seed=1)
        found = significance_tables(Y, Y + 0.01, moves, rois=ROIS, about=ABOUT)
        assert_allclose(found.voxels["p"], 1 / 120)
        assert_allclose(found.voxels["p_max"], 1 / 120)
        assert "There are 120 ways in all" in found.notes[-1]


def test_a_roi_that_does_not_move_has_a_p_of_1(rng):
    P, Y = rng.standard_normal((2, 300, 30))
    P[:, :8] = rng.standard_normal((3, 8))[RUNS]
    Y[:, :8] += P[:, :8]
    moves = shift_runs(RUNS, n_permutations=199, seed=1)
    table = significance_tables(Y, P, moves, rois=ROIS, about=ABOUT).rois
    assert table.loc[0, ["p", "p_all"]].tolist() == [1, 1]
    assert table.loc[1, "p"] < 1
    assert table.loc[2, ["p", "p_all"]].isna().all()


def test_a_mean_below_0_counts_for_two_sides(rng):
    P = rng.standard_normal((300, 30))
    Y = rng.standard_normal((300, 30)) - 0.5 * np.where(ROIS["A1"], P, 0)
    moves = shift_runs(RUNS, n_permutations=199, seed=1)
    table = significance_tables(Y, P, moves, rois=ROIS, about=ABOUT).rois
    assert table.loc[0, ["p", "p_two_sided"]].tolist() == [1, 0.01]
    other = significance_tables(Y, -P, moves, rois=ROIS, about=ABOUT).rois
    assert_allclose(other["p_two_sided"], table["p_two_sided"])
    # With no ties, the two one-sided p are 1 and one move more together.
    smaller = min(table.loc[1, "p"], 1 - table.loc[1, "p"] + 1 / 200)
    assert_allclose(table.loc[1, "p_two_sided"], min(1, 2 * smaller))
    assert np.isnan(table.loc[2, "p_two_sided"])


def test_blocks_that_are_all_alike_have_a_p_of_1(rng):
    Y = np.tile(rng.standard_normal((10, 30)), (12, 1))
    moves = permute_blocks(np.arange(120) // 10, n_permutations=199, seed=1)
    for P in (Y, Y + np.pi):
        table = significance_tables(Y, P, moves, rois=ROIS, about=ABOUT).rois
        assert (table.loc[:1, ["p", "p_all", "p_two_sided"]] == 1).all(axis=None)
