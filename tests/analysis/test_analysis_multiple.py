"""Tests of corrections for many tests."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import pearsonr

from brain2music.analysis.multiple import (
    false_discovery_q,
    gaussian_null_p,
    max_statistic_p,
    resolution_note,
)
from brain2music.core.checks import InputError


@pytest.mark.parametrize(("ours", "theirs"), [("bh", "fdr_bh"), ("by", "fdr_by")])
def test_q_equals_that_of_statsmodels(rng, ours, theirs):
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    p = np.r_[rng.uniform(size=80) ** 2, 0.5, 0.5, 1.0, 1e-9]
    assert_allclose(false_discovery_q(p, ours), multipletests(p, method=theirs)[1])


@pytest.mark.parametrize("method", ["bh", "by"])
def test_q_equals_its_definition(rng, method):
    p = rng.uniform(size=40) ** 3
    c = sum(1 / k for k in range(1, 41)) if method == "by" else 1.0
    ranks = [np.sum(p <= one) for one in p]
    step = p * 40 * c / ranks
    expected = [min(1.0, step[p >= one].min()) for one in p]
    assert_allclose(false_discovery_q(p, method), expected)


def test_voxels_without_a_test_are_not_counted(rng):
    p = rng.uniform(size=(6, 5)) ** 2
    p[2, 3] = np.nan
    q = false_discovery_q(p)
    assert_array_equal(np.isnan(q), np.isnan(p))
    assert_allclose(q[~np.isnan(p)], false_discovery_q(p[~np.isnan(p)]))
    assert np.isnan(false_discovery_q([np.nan, np.nan])).all()


def test_max_statistic_counts_the_largest_of_all(rng):
    null = rng.standard_normal(99)
    r = np.array([-9.0, 0.3, np.nan, null.max(), 9.0])
    found = max_statistic_p(r, null)
    expected = [(1 + np.sum(null >= one)) / 100 for one in r]
    expected[2] = np.nan
    assert_allclose(found, expected)
    assert found[3] == 0.02


def test_the_gaussian_null_is_that_of_independent_vectors(rng):
    Y, P = rng.standard_normal((2, 60, 5))
    r, p = np.transpose(
        [pearsonr(y, q, alternative="greater") for y, q in zip(Y.T, P.T, strict=True)]
    )
    assert_allclose(gaussian_null_p(r, 60), p)
    assert np.isnan(gaussian_null_p([np.nan], 60)).all()


def test_it_is_said_when_p_is_too_coarse():
    note = resolution_note(1 / 1001, 60_000)
    assert "fewer than 1199 of 60000 voxels at q = 0.05" in note
    assert "1999 permutations" in note
    assert resolution_note(1 / 2000, 60_000) == ""
    assert resolution_note(1 / 1999, 60_000) != ""
    assert resolution_note(0.0, 60_000) == ""


def test_where_ways_are_few_more_permutations_are_not_advised():
    note = resolution_note(1 / 120, 2000, n_ways=120)
    assert "fewer than 334 of 2000 voxels" in note
    assert "no p is below 0.0083. There are 120 ways in all" in note
    assert "test on more or longer runs" in note
    assert "Use " not in note
    assert "'tail'" not in note
    assert "1999 permutations" in resolution_note(1 / 1001, 2000, n_ways=5000)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: false_discovery_q([0.5, 1.2]), "found 0.5 to 1.2"),
        (lambda: false_discovery_q([0.5], "bonferroni"), "'bh' or 'by'"),
        (lambda: max_statistic_p([0.5], []), r"max_null \(0,\)"),
        (lambda: gaussian_null_p([0.5], 2), "n_samples is 2"),
        (lambda: gaussian_null_p([1.2, np.nan], 9), "r lies between 1.2 and 1.2"),
        (lambda: max_statistic_p([0.5], [np.nan, 0.1]), "NaN in 1 of 2 permutations"),
    ],
)
def test_what_cannot_be_corrected_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
