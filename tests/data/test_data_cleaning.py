"""Tests of cleaning one run."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import median_filter

from brain2music.core.checks import InputError
from brain2music.data.cleaning import Cleaning, clean_run, median_window

METHODS = ["none", "linear", "cosine", "median"]


def clean(Y, **options):
    settings = {
        "tr_s": 1.5,
        "detrend": "none",
        "period_s": 60.0,
        "n_drop_start": 0,
        "n_drop_end": 0,
        "zscore": "none",
    }
    more = {key: options.pop(key) for key in ("confounds", "used") if key in options}
    name = options.pop("name", "sub-01, task-Test_run-01")
    return clean_run(Y, Cleaning(**(settings | options)), name=name, **more)


def responses(rng, n_samples=151, n_voxels=7):
    return (
        rng.standard_normal((n_samples, n_voxels)).cumsum(axis=0) + rng.normal(size=7)
    ).astype(np.float32)


def cosines(n_samples, period_tr):
    order = int(2 * n_samples / period_tr)
    k, t = np.arange(order + 1), np.arange(n_samples)[:, None]
    return np.cos(np.pi * k * (t + 0.5) / n_samples)


def residual(design, Y):
    return Y - design @ np.linalg.lstsq(design, Y, rcond=None)[0]


def test_linear_is_the_residual_of_a_straight_line(rng):
    Y = responses(rng)
    line = np.c_[np.ones(151), np.arange(151)]
    cleaned, _ = clean(Y, detrend="linear")
    assert_allclose(cleaned, residual(line, Y.astype(float)), atol=1e-5)


def test_cosine_is_the_residual_of_slow_cosines_with_the_mean_kept(rng):
    Y = responses(rng)
    expected = residual(cosines(151, 40), Y.astype(float)) + Y.mean(axis=0)
    cleaned, _ = clean(Y, detrend="cosine")
    assert_allclose(cleaned, expected, atol=1e-5)


def test_cosine_takes_periods_up_to_twice_the_run(rng):
    Y = responses(rng)
    expected = residual(cosines(151, 300), Y.astype(float)) + Y.mean(axis=0)
    cleaned, _ = clean(Y, detrend="cosine", period_s=450.0)
    assert_allclose(cleaned, expected, atol=1e-5)


def test_median_subtracts_the_running_median_of_a_mirrored_run(rng):
    Y = responses(rng).astype(float)
    mirrored = np.concatenate([Y[:20][::-1], Y, Y[-20:][::-1]])
    medians = [np.median(mirrored[t : t + 41], axis=0) for t in range(151)]
    cleaned, _ = clean(Y, detrend="median", period_s=61.0)
    assert_allclose(cleaned, Y - medians, atol=1e-5)


@pytest.mark.parametrize(
    ("tr_s", "period_s", "window"),
    [(1.5, 240, 161), (2.0, 240, 121), (1.0, 7, 7), (1.0, 7.9, 7), (1.0, 8, 9)],
)
def test_the_window_is_the_nearest_odd_number(tr_s, period_s, window):
    assert median_window(tr_s, period_s) == window


def test_columns_do_not_depend_on_each_other_or_on_blocks(rng):
    Y = rng.standard_normal((31, 8201)).astype(np.float32)
    cleaned, _ = clean(Y, detrend="cosine", period_s=20, zscore="run")
    alone, _ = clean(Y[:, 8192:8195], detrend="cosine", period_s=20, zscore="run")
    assert_allclose(cleaned[:, 8192:8195], alone, atol=1e-6)


@pytest.mark.parametrize("detrend", METHODS)
def test_the_drift_is_removed_before_the_ends_are_cut(rng, detrend):
    Y = responses(rng)
    whole, _ = clean(Y, detrend=detrend)
    cut, _ = clean(Y, detrend=detrend, n_drop_start=10, n_drop_end=3)
    assert cut.shape == (138, 7)
    assert_allclose(cut, whole[10:-3], atol=1e-6)


@pytest.mark.parametrize("detrend", METHODS)
def test_zscore_is_made_on_the_kept_rows(rng, detrend):
    Y = responses(rng) + 1e4
    Y[:10] *= 3
    cleaned, _ = clean(Y, detrend=detrend, n_drop_start=10, zscore="run")
    assert cleaned.dtype == np.float32
    assert_allclose(cleaned.mean(axis=0, dtype=float), 0, atol=1e-6)
    assert_allclose(cleaned.std(axis=0, dtype=float), 1, atol=1e-6)


@pytest.mark.parametrize("detrend", METHODS)
def test_zscores_do_not_depend_on_unit_or_baseline(rng, detrend):
    Y = responses(rng).astype(float)
    options = {"detrend": detrend, "zscore": "run"}
    assert_allclose(
        clean(Y * 40 - 300, **options)[0], clean(Y, **options)[0], atol=1e-5
    )


@pytest.mark.parametrize("detrend", METHODS)
def test_a_spike_in_one_run_changes_no_other_run(rng, detrend):
    runs = [responses(rng, n_samples=n) for n in (61, 47, 83)]
    options = {"detrend": detrend, "period_s": 30.0, "zscore": "run"}
    before = [clean(Y, **options)[0] for Y in runs]
    runs[1][[0, 20, -1]] += 1e3
    after = [clean(Y, **options)[0] for Y in runs]
    assert_array_equal(before[0], after[0])
    assert_array_equal(before[2], after[2])
    assert not np.array_equal(before[1], after[1])


@pytest.mark.parametrize("detrend", METHODS)
def test_the_callers_array_is_not_changed(rng, detrend):
    Y = responses(rng)
    kept = Y.copy()
    clean(Y, detrend=detrend, zscore="run")
    assert_array_equal(Y, kept)


@pytest.mark.parametrize("detrend", METHODS)
@pytest.mark.parametrize("zscore", ["run", "none"])
def test_columns_that_do_not_vary_come_back_as_read_and_marked(rng, detrend, zscore):
    Y = responses(rng)
    Y[:, 2] = 0.1
    Y[:, 4] = 7.0
    Y[:5, 4] = 9.0  # varies in the dropped rows only
    cleaned, varies = clean(Y, detrend=detrend, zscore=zscore, n_drop_start=5)
    assert varies.tolist() == [True, True, False, True, False, True, True]
    assert_array_equal(cleaned[:, [2, 4]], Y[5:, [2, 4]])


def test_a_straight_line_does_not_vary_once_detrended(rng):
    Y = responses(rng).astype(float)
    Y[:, 3] = 1000 + 0.37 * np.arange(151)
    _, varies = clean(Y, detrend="linear", zscore="run")
    assert varies.tolist() == [True] * 3 + [False] + [True] * 3


def test_nan_is_refused_with_run_and_columns(rng):
    Y = responses(rng)
    Y[3, 1], Y[0, 5] = np.nan, np.inf
    with pytest.raises(
        InputError,
        match=r"sub-01, task-Test_run-01: NaN or infinity in 2 of 7 columns .*1, 5",
    ):
        clean(Y)


def test_too_few_rows_are_refused(rng):
    Y = responses(rng, n_samples=20)
    clean(Y, n_drop_start=10)
    with pytest.raises(InputError, match="9 of 20 samples are left"):
        clean(Y, n_drop_start=10, n_drop_end=1)
    with pytest.raises(InputError, match="neither can be below 0"):
        clean(Y, n_drop_end=-1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detrend": "lineal"}, "Did you mean 'linear'"),
        ({"zscore": "runs"}, "Did you mean 'run'"),
        ({"detrend": "median", "period_s": None}, "needs a period"),
        ({"detrend": "cosine", "period_s": 3.0}, "above two TRs"),
        ({"detrend": "median", "period_s": 228.0}, "too long for a run of 226.5 s"),
        ({"detrend": "cosine", "period_s": 454.0}, "too long for a run"),
        ({"detrend": "cosine", "tr_s": 0.0}, "TR must be above 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(rng, options, words):
    with pytest.raises(InputError, match=words):
        clean(responses(rng), **options)


def test_responses_are_a_matrix():
    with pytest.raises(InputError, match="got shape"):
        clean(np.zeros(20))


def test_the_longest_median_window_that_fits_is_taken(rng):
    Y = responses(rng, n_samples=150).astype(float)
    cleaned, _ = clean(Y, detrend="median", period_s=225.0)
    drift = median_filter(Y, size=(151, 1), mode="reflect")
    assert_allclose(cleaned, Y - drift, atol=1e-5)


def test_polynomial_is_the_residual_of_powers(rng):
    Y = responses(rng)
    powers = np.vander(np.linspace(-1, 1, 151), 4)
    cleaned, _ = clean(Y, detrend="polynomial", order=3)
    assert_allclose(cleaned, residual(powers, Y.astype(float)), atol=1e-5)


def test_savitzky_golay_subtracts_a_running_polynomial(rng):
    Y = responses(rng).astype(float)
    cleaned, _ = clean(Y, detrend="savitzky-golay", period_s=61.0, order=2)
    t = np.arange(-20, 21)
    inside = [Y[k] - np.polyfit(t, Y[k - 20 : k + 21], 2)[2] for k in range(20, 131)]
    assert_allclose(cleaned[20:131], inside, atol=1e-4)
    ends = np.polynomial.polynomial.polyfit(np.arange(41), Y[:41], 2)
    first = np.polynomial.polynomial.polyval(np.arange(20), ends).T
    assert_allclose(cleaned[:20], Y[:20] - first, atol=1e-4)


@pytest.mark.parametrize("detrend", ["none", "linear", "polynomial", "cosine"])
@pytest.mark.parametrize("censored", [False, True])
def test_confounds_and_drift_are_fitted_together_on_the_used_rows(
    rng, detrend, censored
):
    Y = responses(rng).astype(float)
    C = rng.standard_normal((151, 3)).cumsum(axis=0) * [1, 100, 0.01] + 5
    used = np.ones(151, bool)
    if censored:
        used[[0, 1, 60, 61, 150]] = False
        Y[~used] += 1000
    drift = {
        "none": np.ones((151, 1)),
        "linear": np.vander(np.arange(151.0), 2),
        "polynomial": np.vander(np.linspace(-1, 1, 151), 4),
        "cosine": cosines(151, 40),
    }[detrend]
    design = np.hstack([drift, C])[used]
    expected = residual(design, Y[used])
    if detrend in ("none", "cosine"):
        expected = expected + Y[used].mean(axis=0)  # the mean stays
    cleaned, varies = clean(Y, detrend=detrend, confounds=C, used=used)
    assert varies.all()
    assert_allclose(cleaned, expected, atol=2e-3)


@pytest.mark.parametrize("detrend", ["median", "savitzky-golay"])
def test_a_filter_takes_a_straight_line_through_censored_rows(rng, detrend):
    Y = responses(rng).astype(float)
    used = np.ones(151, bool)
    used[70:73] = False
    bridged = Y.copy()
    for k in range(3):
        bridged[70 + k] = Y[69] + (k + 1) / 4 * (Y[73] - Y[69])
    expected, _ = clean(bridged, detrend=detrend)
    Y[~used] = 1e4
    cleaned, _ = clean(Y, detrend=detrend, used=used)
    assert_allclose(cleaned, expected[used], atol=1e-3)


@pytest.mark.parametrize("detrend", METHODS)
def test_a_spike_in_a_censored_volume_changes_nothing(rng, detrend):
    Y = responses(rng).astype(float)
    C = rng.standard_normal((151, 2))
    used = np.ones(151, bool)
    used[40] = False
    before, _ = clean(Y, detrend=detrend, confounds=C, used=used, zscore="run")
    Y[40], C[40] = 1e5, -1e3
    after, _ = clean(Y, detrend=detrend, confounds=C, used=used, zscore="run")
    assert_allclose(after, before, atol=1e-5)
    assert_allclose(before.mean(axis=0), 0, atol=1e-5)
    assert_allclose(before.std(axis=0), 1, atol=1e-5)


def test_a_confound_under_a_filter_is_taken_out_whole(rng):
    C = rng.standard_normal((151, 1)).cumsum(axis=0)
    noise = 0.01 * rng.standard_normal((151, 4))
    cleaned, _ = clean(
        C * [[1, 2, 3, -4]] + noise, detrend="savitzky-golay", confounds=C
    )
    assert (cleaned.std(axis=0) < 0.02).all()


def test_too_many_confounds_or_censored_rows_are_refused(rng):
    Y = responses(rng)
    with pytest.raises(
        InputError, match=r"145 confounds .* leave 6 degrees of freedom"
    ):
        clean(Y, confounds=rng.standard_normal((151, 145)))
    used = np.arange(151) < 9
    with pytest.raises(InputError, match=r"9 of 151 .* and censoring 142; at least 10"):
        clean(Y, used=used)
    with pytest.raises(InputError, match="degree 7 passes through all 7 samples"):
        clean(Y, detrend="savitzky-golay", period_s=10.5, order=7)


def test_vertices_that_are_nan_through_the_run_may_be_left_out(rng):
    Y = responses(rng)
    Y[:, 2] = np.nan
    with pytest.raises(
        InputError, match=r"NaN or infinity in 1 of 7 columns .*column 2"
    ):
        clean(Y)
    cleaned, varies = clean(Y, unmeasured="mask", detrend="linear")
    assert varies.tolist() == [True, True, False, True, True, True, True]
    assert np.isnan(cleaned[:, 2]).all()
    Y[3, 4] = np.nan
    with pytest.raises(InputError, match=r"in 1 of 7 columns .*column 4"):
        clean(Y, unmeasured="mask")
