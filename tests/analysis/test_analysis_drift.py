"""Tests of drift in the noise ceiling."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import toeplitz
from scipy.signal import welch

from brain2music.analysis.drift import (
    Drift,
    draw_drift,
    drift_in_ceiling,
    jackknife_drift,
    planted_drift_ceiling,
)
from brain2music.analysis.noise_ceiling import explainable_variance, largest_r
from brain2music.core.checks import InputError

DESIGN = {"tr_s": 1.5, "n_runs": 6, "n_repeats": 4, "n_samples": 100}


def as_runs(rng, drift, signal=0.0, n_voxels=400):
    """Return (Y, runs, repeats) of the design, centred in each run."""
    runs, repeats = [], []
    for _ in range(6):
        Y = np.sqrt(drift.share) * draw_drift(
            drift, rng, tr_s=1.5, n_samples=400, n_voxels=n_voxels
        )
        Y += np.sqrt(1 - drift.share) * rng.standard_normal((400, n_voxels))
        Y = np.sqrt(1 - signal) * Y
        Y += np.sqrt(signal) * np.tile(rng.standard_normal((100, n_voxels)), (4, 1))
        Y -= Y.mean(axis=0)
        runs.append(Y)
        repeats.append(Y.reshape(4, 100, n_voxels))
    return (
        np.concatenate(runs),
        np.repeat(np.arange(6), 400),
        np.concatenate(repeats, 1),
    )


def test_the_spectrum_is_that_which_was_asked_for(rng):
    drift = Drift(1.0, slowest_s=240, fastest_s=30, exponent=1.5)
    series = draw_drift(drift, rng, tr_s=1.5, n_samples=4000, n_voxels=200)
    assert_allclose(series.var(), 1, atol=0.05)
    hz, power = welch(series, fs=1 / 1.5, nperseg=1000, axis=0)
    mean = power.mean(axis=1)
    inside = (hz > 1.2 / 240) & (hz < 0.9 / 30)
    slope = np.polyfit(np.log(hz[inside]), np.log(mean[inside]), 1)[0]
    assert_allclose(slope, -1.5, atol=0.1)
    assert (
        mean[(hz > 1.2 / 30) | ((hz < 0.6 / 240) & (hz > 0))].max() < 0.01 * mean.max()
    )


@pytest.mark.parametrize("periods", [(170.0, 130.0), (240.0, 60.0), (1200.0, 60.0)])
def test_planted_drift_gives_what_its_covariance_says(periods):
    drift = Drift(0.4, *periods)
    found = planted_drift_ceiling(drift, **DESIGN, n_averaged=4, n_voxels=1000)
    # The covariance of a run, with its mean taken out, between and inside repeats.
    hz = np.fft.rfftfreq(3200, 1.5)
    inside = (hz >= 1 / periods[0]) & (hz <= 1 / periods[1])
    power = np.where(inside, 1 / np.where(hz > 0, hz, 1), 0)
    times = np.arange(400) * 1.5
    slow = np.cos(2 * np.pi * np.outer(times, hz)) @ power / power.sum()
    centre = np.eye(400) - 1 / 400
    sigma = centre @ (0.4 * toeplitz(slow) + 0.6 * np.eye(400)) @ centre
    by_repeat = sigma.reshape(4, 100, 4, 100)
    pairs = [np.trace(by_repeat[k, :, m]) for k in range(4) for m in range(4) if k != m]
    expected = np.mean(pairs) / (np.trace(sigma) / 4)
    assert_allclose(found.explainable_variance, expected, rtol=0.06, atol=0.01)
    assert found.standard_error < 0.005
    assert str(drift) in found.text


def test_drift_of_the_cycles_period_passes_for_signal():
    drift = Drift(0.3, slowest_s=165, fastest_s=140)
    found = planted_drift_ceiling(drift, **DESIGN, n_averaged=4)
    assert found.explainable_variance > 0.15
    ceiling = largest_r(np.array([found.explainable_variance]), 4)[0]
    assert_allclose(found.largest_r, ceiling)
    assert f"a largest r of {ceiling:.2f}" in found.text


def test_drift_slower_than_a_run_hides_signal():
    drift = Drift(0.3, slowest_s=1200, fastest_s=400)
    found = planted_drift_ceiling(drift, **DESIGN, n_averaged=4)
    assert found.explainable_variance < -0.05
    assert np.isnan(found.largest_r)
    assert "no ceiling above 0" in found.text


def test_white_noise_has_no_ceiling():
    found = planted_drift_ceiling(Drift(0.0, 240, 60), **DESIGN, n_averaged=1)
    # A run's mean, taken out, leaves -1 / 400 between any two of its samples.
    assert_allclose(found.explainable_variance, -1 / 400, atol=0.003)


@pytest.mark.parametrize("signal", [0.0, 0.25])
@pytest.mark.parametrize(
    "drift", [Drift(0.0, 240, 60), Drift(0.3, 240, 60), Drift(0.5, 240, 90, 2.0)]
)
def test_the_estimate_from_the_runs_leaves_the_signal(rng, drift, signal):
    Y, runs, repeats = as_runs(rng, drift, signal)
    raw = explainable_variance(repeats).mean()
    counted = drift_in_ceiling(Y, runs, 4)
    assert_allclose(raw - counted.mean(), signal, atol=0.03)


def test_drift_that_was_counted_as_signal_is_found(rng):
    Y, runs, repeats = as_runs(rng, Drift(0.5, 240, 109, 0.0))
    raw = explainable_variance(repeats).mean()
    assert raw > 0.03
    assert abs(raw - drift_in_ceiling(Y, runs, 4).mean()) < raw / 2


def test_power_adds_up_for_even_and_odd_runs(rng):
    # White noise with a level that alternates: all in the last frequency.
    for n in (8, 9):
        Y = rng.standard_normal((n * 3, 2))
        runs = np.repeat([0, 1, 2], n)
        n_repeats = 2 if n == 8 else 3
        centred = Y.reshape(3, n, 2) - Y.reshape(3, n, 2).mean(axis=1, keepdims=True)
        power = np.abs(np.fft.fft(centred, axis=1)) ** 2
        number = np.minimum(np.arange(n), n - np.arange(n))
        other = power[:, number % n_repeats != 0].sum(axis=(0, 1))
        beside = np.zeros(2)
        for h in np.flatnonzero((number % n_repeats == 0) & (number > 0)):
            sides = {number[h - 1], number[(h + 1) % n]}
            sides = [s for s in sides if s % n_repeats]
            beside += np.mean([power[:, s] for s in sides], axis=0).sum(axis=0)
        expected = (beside - other / (n_repeats - 1)) / power.sum(axis=(0, 1))
        assert_allclose(drift_in_ceiling(Y, runs, n_repeats), expected)


def test_drift_without_each_run_is_that_of_the_others(rng):
    Y, runs = rng.standard_normal((84, 5)), np.repeat([2, 9, 4], [24, 36, 24])
    Y[:, 3] = 0.1
    found = jackknife_drift(Y, runs, 4)
    for row, run in zip(found, [2, 9, 4], strict=True):
        left = runs != run
        assert_allclose(row, drift_in_ceiling(Y[left], runs[left], 4))
    with pytest.raises(InputError, match="1 run has no error to tell"):
        jackknife_drift(Y[:24], runs[:24], 4)


def test_a_voxel_that_never_varies_is_nan(rng):
    Y = rng.standard_normal((40, 3))
    Y[:, 1] = 0.1
    found = drift_in_ceiling(Y, np.zeros(40), 4)
    assert_allclose(np.isnan(found), [False, True, False])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Drift(1.2, 240, 60), "share 1.2"),
        (lambda: Drift(0.1, 60, 240), "periods from 240 to 60"),
        (
            lambda: planted_drift_ceiling(Drift(0.1, 9000, 60), **DESIGN, n_averaged=1),
            "a run lasts 600 s",
        ),
        (
            lambda: planted_drift_ceiling(
                Drift(0.1, 150.1, 150.05), **DESIGN, n_averaged=1
            ),
            "no frequency lies between",
        ),
        (lambda: drift_in_ceiling(np.eye(10), np.zeros(10), 4), "runs of 10 samples"),
        (lambda: drift_in_ceiling(np.eye(10), np.zeros(10), 1), "hold 1 cycles"),
        (lambda: drift_in_ceiling(np.eye(10), np.zeros(9), 2), "runs has 9"),
    ],
)
def test_what_does_not_fit_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
