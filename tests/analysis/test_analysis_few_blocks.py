"""Tests of intervals from few blocks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from brain2music.analysis.comparison import corrected_intervals
from brain2music.analysis.few_blocks import (
    percentile_interval,
    spread_factor,
    t_to_z,
    z_to_t,
)
from brain2music.analysis.summaries import Resampled
from brain2music.core.checks import InputError


def resampled_means(values, n_resamples, seed):
    """Return means of resampled rows, and means without each row."""
    n_blocks = len(values)
    counts = np.random.default_rng(seed).multinomial(
        n_blocks, np.full(n_blocks, 1 / n_blocks), size=n_resamples
    )
    without = (values.sum(axis=0) - values) / (n_blocks - 1)
    return counts @ values / n_blocks, without


def test_deviates_are_as_rare_as_each_other():
    z = np.array([0.0, 0.7, 1.96, 3.5])
    t = z_to_t(z, 7)
    assert_allclose(stats.t.sf(t, 6), stats.norm.sf(z))
    assert_allclose(t_to_z(t, 7), z, atol=1e-12)
    assert_allclose(z_to_t(z, np.inf), z, atol=1e-12)
    assert t_to_z([1e30], np.inf) == np.inf


def test_quantiles_lie_where_students_interval_ends(rng):
    values = rng.standard_normal((9, 3))
    resampled = rng.standard_normal((200_000, 1)) * np.sqrt(8 / 9)
    low, high = percentile_interval(resampled, 0.9, 9)
    reach = stats.t.isf(0.05, 8)
    assert_allclose([low[0], high[0]], [-reach, reach], atol=0.03)
    plain = np.quantile(values, [0.05, 0.95], axis=0)
    assert_allclose(percentile_interval(values, 0.9), plain)
    values[:, 1] = np.nan
    assert np.isnan(percentile_interval(values, 0.9, 9)[0][1])


def test_intervals_of_few_blocks_hold_as_often_as_they_say():
    n_blocks, n_rois, n_studies = 12, 6, 500
    rng = np.random.default_rng(3)
    inside, inside_all, below, below_all = [], [], [], []
    for seed in range(n_studies):
        gains = rng.standard_normal((n_blocks, n_rois))
        gains += rng.standard_normal((n_blocks, 1))
        resampled, without = resampled_means(gains, 400, seed)
        n_voxels = np.ones(n_rois, int)
        table = corrected_intervals(
            Resampled(gains.mean(axis=0), resampled, n_voxels, without)
        )
        inside.append(((table["low"] < 0) & (table["high"] > 0)).mean())
        inside_all.append(((table["low_all"] < 0) & (table["high_all"] > 0)).all())
        below.append((table["p"] <= 0.05).mean())
        below_all.append((table["p_all"] <= 0.05).any())
    # Without the correction: 0.91, 0.83, 0.09 and 0.16.
    assert abs(np.mean(inside) - 0.95) < 0.02
    assert abs(np.mean(inside_all) - 0.95) < 0.03
    assert abs(np.mean(below) - 0.05) < 0.02
    assert abs(np.mean(below_all) - 0.05) < 0.03


def test_the_standard_error_is_that_of_a_mean(rng):
    values = rng.standard_normal((6, 1))
    resampled, without = resampled_means(values, 40_000, 1)
    mean = Resampled(values.mean(axis=0), resampled, np.ones(1, int), without)
    table = corrected_intervals(mean)
    error = values.std(ddof=1) / np.sqrt(6)
    assert_allclose(table["r_diff_se"], error)
    low, _ = percentile_interval(resampled, 0.95, 6)
    assert_allclose(table["low"], low, rtol=0.05)
    assert ((mean - mean).left_out == 0).all()
    assert_allclose(mean.take([0]).error, error)
    wide = percentile_interval(resampled, 0.5, 6, error=np.array([2 * error]).ravel())
    assert_allclose(wide[0], values.mean() - stats.t.isf(0.25, 5) * 2 * error, atol=0.1)


def test_what_cannot_be_is_named():
    assert spread_factor(2) == np.sqrt(2)
    with pytest.raises(InputError, match="n_blocks is 1: a bootstrap needs 2"):
        spread_factor(1)
    with pytest.raises(InputError, match="level must lie between 0 and 1, got 95"):
        percentile_interval(np.zeros((9, 2)), 95)
    with pytest.raises(InputError, match="n_blocks is nan"):
        t_to_z([1.0], np.nan)


def test_p_is_in_units_of_the_jackknifes_error(rng):
    values = rng.standard_normal((8, 2)) + 0.4
    resampled, without = resampled_means(values, 999, 1)
    middle = values.mean(axis=0)
    wide = middle + 3 * (without - middle)
    table = corrected_intervals(Resampled(middle, resampled, np.ones(2, int), wide))
    error = 3 * values.std(axis=0, ddof=1) / np.sqrt(8)
    assert_allclose(table["r_diff_se"], error)
    t = np.abs(resampled - middle) / resampled.std(axis=0, ddof=1)
    z = stats.norm.isf(stats.t.sf(np.abs(middle) / error, 7))
    assert_allclose(table["p"], (1 + (t >= z).sum(axis=0)) / 1000)
    reach = stats.t.isf(stats.norm.sf(np.quantile(t.max(axis=1), 0.95)), 7) * error
    assert_allclose(table["high_all"] - middle, reach)
