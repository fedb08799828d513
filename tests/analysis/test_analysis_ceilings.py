"""Tests of the table of ceilings."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from brain2music.analysis.ceilings import (
    DriftShare,
    ceiling_notes,
    ceiling_table,
    mean_largest_r2,
)
from brain2music.analysis.drift import drift_in_ceiling, jackknife_drift
from brain2music.analysis.noise_ceiling import (
    explainable_variance,
    jackknife_error,
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
    assert a1["largest_r_low"] < a1["r_rms"] < a1["largest_r_high"]
    assert_allclose(a1["r_over_largest_r"], 1, atol=0.05)
    assert_allclose(a1["r_over_largest_r"], a1["r_rms"] / a1["largest_r"])
    assert not table["exceeds"].any()
    n, ev = 4, a1["explainable_variance"]
    assert_allclose(a1["largest_r"], np.sqrt(n * ev / (1 + (n - 1) * ev)), atol=0.01)
    assert_allclose(a1["r_rms"], np.sqrt((planted[1][:30] ** 2).mean()))


@pytest.mark.parametrize("n_averaged", [1, 4])
@pytest.mark.parametrize("kind", ["half", "tenth", "uniform"])
def test_the_true_model_reaches_the_ceiling_where_voxels_differ(rng, kind, n_averaged):
    n_voxels = 1000
    shares = {
        "half": np.where(np.arange(n_voxels) < 500, 0.4, 0.0),
        "tenth": np.where(np.arange(n_voxels) < 100, 0.5, 0.0),
        "uniform": rng.uniform(0, 0.4, n_voxels),
    }[kind]
    model = rng.standard_normal((300, n_voxels))
    noise = rng.standard_normal((4, 300, n_voxels))
    responses = np.sqrt(shares) * model + np.sqrt(1 - shares) * noise
    scored = responses[:n_averaged].mean(axis=0)
    table = ceiling_table(
        explainable_variance(responses),
        jackknife_explainable_variance(responses, BLOCKS),
        {"mixed": np.ones(n_voxels, dtype=bool)},
        r=correlation(scored, model),
        subject="03",
        n_repeats=4,
        n_averaged=n_averaged,
    ).iloc[0]
    # By the mean r and the mean share: 0.60, 0.21 and 0.92 of the ceiling.
    assert_allclose(table["r_over_largest_r"], 1, atol=0.04)
    truth = np.mean(n_averaged * shares / (1 + (n_averaged - 1) * shares))
    assert_allclose(table["largest_r"], np.sqrt(truth), atol=0.015)


def test_the_jackknife_takes_out_what_few_samples_do_to_the_mean(rng):
    plain, found = [], []
    for _ in range(60):
        responses = rng.standard_normal((4, 60, 40))
        share = explainable_variance(responses)
        left_out = jackknife_explainable_variance(responses, np.arange(60) // 5)
        plain.append((4 * share / (1 + 3 * share)).mean())
        found.append(mean_largest_r2(share, left_out, 4)[0])
    assert np.mean(plain) < -0.02
    assert abs(np.mean(found)) < 0.006


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
    without = np.tile([[0.04], [0.05], [0.06]], 50)
    table = table_of(*planted, drift=DriftShare(np.full(50, 0.05), without))
    a1 = table.iloc[0]
    ev = a1["explainable_variance"]
    expected = np.sqrt(4 * (ev - 0.05) / (1 + 3 * ev))
    assert_allclose(a1["largest_r_less_drift"], expected, atol=0.01)
    assert a1["largest_r_less_drift_low"] < a1["largest_r_less_drift"]
    share = a1["r_rms"] / a1["largest_r_less_drift"]
    assert_allclose(a1["r_over_largest_r_less_drift"], share)
    assert_allclose(a1["drift_share_se"], jackknife_error(without[:, 0]))
    plain = table_of(*planted, drift=DriftShare(np.full(50, 0.05))).iloc[0]
    assert plain[["drift_share_se", "largest_r_less_drift_high"]].isna().all()
    wide = a1["largest_r_less_drift_high"] - a1["largest_r_less_drift_low"]
    assert wide > a1["largest_r_high"] - a1["largest_r_low"]
    note, *_ = ceiling_notes(table, same_order=True)
    assert "+0.050 of the variance" in note
    # The planted drift is none, so the true model lies above what it leaves.
    assert table["exceeds"].tolist() == [True, False, False]
    assert "drift" not in "".join(ceiling_notes(table, same_order=False))
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


def cycles_of(rng, share):
    """Six runs of four cycles of 100 TRs: slow noise, run means out; 50 voxels."""
    runs = []
    for _ in range(6):
        noise = lfilter([1], [1, -0.5], rng.standard_normal((440, 50)), axis=0)[40:]
        signal = lfilter([1, 1, 1, 0.5], [1], rng.standard_normal((100, 50)), axis=0)
        noise, signal = (gaussian_filter1d(a, 2, axis=1) for a in (noise, signal))
        signal -= signal.mean(axis=0)
        Y = np.sqrt(1 - share) * noise / noise.std()
        Y += np.sqrt(share) * np.tile(signal / signal.std(), (4, 1))
        runs.append(Y - Y.mean(axis=0))
    return np.concatenate(runs)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_intervals_less_drift_hold_under_slow_noise(rng, share):
    runs, clips = np.repeat(np.arange(6), 400), np.arange(600) // 10
    n_studies, squares, errors, raw = 150, [], [], []
    truth = []
    for _ in range(n_studies):
        Y = cycles_of(rng, share)
        responses = np.concatenate(
            [Y[runs == k].reshape(4, 100, -1) for k in range(6)], 1
        )
        drift = DriftShare(drift_in_ceiling(Y, runs, 4), jackknife_drift(Y, runs, 4))
        ev = explainable_variance(responses)
        left_out = jackknife_explainable_variance(responses, clips)
        square, error = mean_largest_r2(ev, left_out, 4, drift=drift)
        squares.append(square)
        errors.append(error)
        raw.append(mean_largest_r2(ev, left_out, 4)[0])
        truth.append(share / responses.mean(axis=0).var(axis=0).mean())
    truth, off = np.mean(truth), np.array(squares) - np.mean(truth)
    inside = np.abs(off) < 2 * np.array(errors)
    assert inside.mean() > 0.9
    assert abs(off.mean()) < 0.4 * off.std()
    # With the drift left in, the ceiling lies lower than it should.
    assert np.mean(raw) - truth < -0.7 * off.std()


def test_squares_of_scores_keep_their_sign(planted):
    responses, _ = planted
    r = np.where(np.arange(50) % 2, 0.3, -0.3)
    r[30:] = -0.2
    table = table_of(responses, r)
    assert_allclose(table["r_rms"], [0, -0.2, np.nan], atol=1e-12)
