"""Tests of the table of ceilings."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.analysis.ceilings import ceiling_notes, ceiling_table
from brain2music.analysis.noise_ceiling import (
    explainable_variance,
    jackknife_explainable_variance,
)
from brain2music.core.checks import InputError
from brain2music.core.stats import correlation

BLOCKS = np.arange(300) // 10
ROIS = {
    "A1": np.arange(50) < 30,
    "V1": np.arange(50) >= 30,
    "none": np.zeros(50, dtype=bool),
}


@pytest.fixture
def planted(rng):
    """Repeats whose first 30 voxels share 0.2 of their variance, and a true model."""
    signal = rng.standard_normal((300, 50)) * np.sqrt(0.2)
    noise = rng.standard_normal((4, 300, 50)) * np.sqrt(0.8)
    signal[:, 30:] = 0
    responses = signal + noise
    model = signal + 1e-3 * rng.standard_normal(signal.shape)
    return responses, correlation(responses.mean(axis=0), model)


def table_of(responses, r, **options):
    given = {"subject": "03", "n_repeats": 4, "n_averaged": 4} | options
    share = explainable_variance(responses)
    left_out = jackknife_explainable_variance(responses, BLOCKS)
    return ceiling_table(share, left_out, ROIS, r=r, **given)


def test_the_true_model_reaches_the_ceiling_of_what_was_scored(planted):
    table = table_of(*planted).set_index("roi")
    a1 = table.loc["A1"]
    assert a1["explainable_variance_se"] < 0.05
    assert abs(a1["explainable_variance"] - 0.2) < 3 * a1["explainable_variance_se"]
    assert a1["largest_r_low"] < a1["r_mean"] < a1["largest_r_high"]
    assert_allclose(a1["r_over_largest_r"], 1, atol=0.05)
    assert_allclose(a1["r_over_largest_r"], a1["r_mean"] / a1["largest_r"])
    assert not table["exceeds"].any()
    n, ev = 4, a1["explainable_variance"]
    assert_allclose(a1["largest_r"], np.sqrt(n * ev / (1 + (n - 1) * ev)))


def test_single_repeats_have_a_lower_ceiling(planted):
    single, mean = (
        table_of(*planted, n_averaged=n).set_index("roi").loc["A1", "largest_r"]
        for n in (1, 4)
    )
    assert_allclose([single, mean], [np.sqrt(0.2), np.sqrt(0.8 / 1.6)], atol=0.02)


def test_noise_alone_has_no_lower_end(planted):
    table = table_of(*planted)
    row = table.set_index("roi").loc["V1"]
    assert np.isnan(row["largest_r_low"])
    share = explainable_variance(planted[0])
    assert row["n_voxels_below_0"] == (share[30:] < 0).sum() > 0
    assert row["n_voxels_below_0"] != (share[30:] >= 0).sum()
    first = ["subject", "roi", "n_voxels", "n_repeats", "n_averaged"]
    assert list(table.columns[:5]) == first
    assert row["n_voxels"] == 20


def test_voxels_without_a_score_are_left_out(planted):
    responses, r = planted
    r[:5] = np.nan
    responses[:, :, 7] = 0.1
    table = table_of(responses, r).set_index("roi")
    used = np.setdiff1d(np.arange(5, 30), [7])
    assert table.loc["A1", "n_voxels"] == 24
    assert_allclose(
        table.loc["A1", "explainable_variance"],
        explainable_variance(responses)[used].mean(),
    )
    assert_allclose(table.loc["A1", "r_mean"], r[used].mean())
    assert table.loc["none", "n_voxels"] == 0
    assert np.isnan(table.loc["none", "largest_r"])


def test_drift_is_taken_off_and_told_of(planted):
    drift = np.full(50, 0.05)
    table = table_of(*planted, drift=drift)
    ev = table["explainable_variance"][0] - 0.05
    assert_allclose(table["largest_r_less_drift"][0], np.sqrt(4 * ev / (1 + 3 * ev)))
    (note,) = ceiling_notes(table, same_order=True)
    assert "+0.050 of the variance" in note
    assert ceiling_notes(table, same_order=False) == []
    assert "estimated" not in ceiling_notes(table_of(*planted), same_order=True)[0]


def test_a_score_above_its_ceiling_is_told_of(planted):
    responses, r = planted
    table = table_of(responses, np.where(ROIS["A1"], 0.99, r))
    assert list(table["exceeds"]) == [True, False, False]
    assert "in A1:" in ceiling_notes(table, same_order=False)[0]


def test_what_does_not_fit_is_named(planted):
    responses, r = planted
    with pytest.raises(InputError, match=r"r \(49,\)"):
        table_of(responses, r[1:])
