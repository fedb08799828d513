"""A hundred studies without an effect, and how often the tests find one.

The order of clips, runs and repeats is that of ds003720. Features follow the clips and
the haemodynamic response; responses are noise, correlated in time and between
neighbouring voxels. Everything is done as in a study: ridge on the training runs, test
repeats averaged, predictions moved against responses.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter
from scipy.stats import gamma

from brain2music.analysis.autocorrelation import (
    block_length,
    memory_notes,
    memory_of,
)
from brain2music.analysis.clip_blocks import blocks_to_resample
from brain2music.analysis.comparison import paired_differences
from brain2music.analysis.multiple import (
    false_discovery_q,
    gaussian_null_p,
    max_statistic_p,
)
from brain2music.analysis.permutations import permutation_test
from brain2music.analysis.summaries import bootstrap_summaries
from brain2music.core.stats import correlation
from brain2music.data.simulated_features import read_design
from brain2music.study_analysis import Analysis
from brain2music.workflow.tested_tables import draw_moves

N_STUDIES, N_VOXELS, N_FEATURES, N_PERMUTATIONS = 100, 300, 6, 999
TR_S, N_CLIP, N_REPEATS = 1.5, 10, 4
NOISE_AR = 0.5
MOST_FALSE = 13  # of 100 at 5 %: the 99.9 % point of the binomial
R_PLANTED, N_PLANTED = 0.1, 60

pytestmark = pytest.mark.slow


def sequences():
    """Return each run's clips as numbers, (runs of training, runs of test)."""
    design = read_design()
    design["number"] = design["clip"].astype("category").cat.codes
    return [
        [
            run["number"].to_numpy()
            for _, run in design[design["task"] == task].groupby("run")
        ]
        for task in ("Training", "Test")
    ]


SEQUENCES = sequences()
CLIPS = np.arange(600) // N_CLIP  # after averaging: 6 runs of 10 clips of 10 TRs
RUNS = np.repeat(np.arange(6), 100)
HRF = gamma.pdf(np.arange(0, 24, TR_S), 6) - gamma.pdf(np.arange(0, 24, TR_S), 16) / 6


def features_of(clips, moments):
    """Return one run's features after the haemodynamic response, lead-in dropped."""
    rows = moments[clips].reshape(-1, moments.shape[2])
    return lfilter(HRF, [1], rows, axis=0)[N_CLIP:]


def noise(rng, n_samples):
    white = rng.standard_normal((n_samples + 20, N_VOXELS), dtype=np.float32)
    series = lfilter([1], [1, -NOISE_AR], white, axis=0)[20:]
    return gaussian_filter1d(series, 2.0, axis=1)


def averaged(run):
    """Return the mean of a run's four cycles."""
    return run.reshape(N_REPEATS, 100, -1).mean(axis=0)


def study(seed):
    """Return test responses of noise, and their predictions."""
    rng = np.random.default_rng(seed)
    n_clips = 1 + max(clips.max() for side in SEQUENCES for clips in side)
    moments = rng.standard_normal((n_clips, 1, N_FEATURES))
    moments = moments + rng.standard_normal((n_clips, N_CLIP, N_FEATURES))
    train, test = (
        [features_of(clips, moments) for clips in side] for side in SEQUENCES
    )
    gram, product = 0, 0
    for X in train:
        X, Y = X - X.mean(axis=0), noise(rng, len(X))
        gram, product = gram + X.T @ X, product + X.T @ (Y - Y.mean(axis=0))
    W = np.linalg.solve(gram + 100 * np.eye(N_FEATURES), product)
    Y_test = [averaged(noise(rng, len(X))) for X in test]
    Y_hat = [averaged(X) @ W for X in test]
    return np.concatenate(Y_test), np.concatenate(Y_hat)


def nulls(Y, P, seed):
    """Return the nulls that a study can ask for, by what it asks for."""
    rows, memory = pd.DataFrame({"run_name": RUNS}), memory_of(Y, P, RUNS)
    asked = {
        "shift": {},
        "blocks": {"null": "blocks"},
        "runs": {"null": "blocks", "blocks": "run"},
        "clips": {"null": "blocks", "blocks": "clip"},
    }
    options = {"n_permutations": N_PERMUTATIONS, "seed": seed}
    studies = {
        name: SimpleNamespace(analysis=Analysis(**keys, **options))
        for name, keys in asked.items()
    }
    return {
        name: draw_moves(study, rows, CLIPS, memory) for name, study in studies.items()
    }


TESTS = [
    ("shift", "count"),
    ("shift", "tail"),
    ("shift", "pooled"),
    ("blocks", "count"),
    ("runs", "count"),
]


@pytest.fixture(scope="module")
def studies():
    """Return, per test, the share of p < 0.05 and what was found, (n_studies, 4)."""
    found = {test: [] for test in TESTS} | {("clips", "count"): []} | {"gaussian": []}
    for seed in range(N_STUDIES):
        Y, P = study(seed)
        moves = nulls(Y, P, seed)
        for kind, method in [*TESTS, ("clips", "count")]:
            test = permutation_test(Y, P, moves[kind], method=method)
            found[kind, method].append(
                (
                    (test.p < 0.05).mean(),
                    (false_discovery_q(test.p) <= 0.05).any(),
                    (false_discovery_q(test.p, "by") <= 0.05).any(),
                    (max_statistic_p(test.r, test.max_null) <= 0.05).any(),
                )
            )
        p = gaussian_null_p(correlation(Y, P), len(Y))
        q = (false_discovery_q(p) <= 0.05).any()
        found["gaussian"].append(((p < 0.05).mean(), q, q, q))
    return {test: np.array(rows, float) for test, rows in found.items()}


@pytest.mark.parametrize("test", TESTS, ids=" ".join)
def test_a_twentieth_of_the_voxels_is_below_a_twentieth(studies, test):
    shares = studies[test][:, 0]
    error = shares.std(ddof=1) / np.sqrt(N_STUDIES)
    assert error < 0.01
    assert abs(shares.mean() - 0.05) < 3 * error


@pytest.mark.parametrize("test", TESTS, ids=" ".join)
def test_corrected_tests_find_something_in_no_more_studies_than_they_say(studies, test):
    bh, by, largest = studies[test][:, 1:].sum(axis=0)
    assert bh <= MOST_FALSE
    assert by <= bh
    assert largest <= MOST_FALSE


def test_the_gaussian_null_of_the_paper_finds_too_much(studies):
    shares, found = studies["gaussian"][:, 0], studies["gaussian"][:, 1]
    assert shares.mean() > 0.08
    assert found.sum() > MOST_FALSE


def test_a_weak_planted_effect_is_found_often_and_a_roi_of_it_nearly_always():
    voxels, rois, by_max = [], [], []
    members = np.arange(N_VOXELS)[None] < N_PLANTED
    for seed in range(1000, 1020):
        Y, P = study(seed)
        Y, P = ((a - a.mean(axis=0)) / a.std(axis=0) for a in (Y, P))
        Y[:, :N_PLANTED] *= np.sqrt(1 - R_PLANTED**2)
        Y[:, :N_PLANTED] += R_PLANTED * P[:, :N_PLANTED]
        test = permutation_test(Y, P, nulls(Y, P, seed)["shift"], members=members)
        voxels.append((test.p[:N_PLANTED] < 0.05).mean())
        above = (test.roi_null[:, 0] >= test.roi_r[0]).sum()
        rois.append((1 + above) / (1 + N_PERMUTATIONS) < 0.05)
        by_max.append((test.p[N_PLANTED:] < 0.05).mean())
    # With about 300 independent samples, r = 0.1 is 1.7 standard errors.
    assert 0.35 < np.mean(voxels) < 0.8
    assert np.mean(rois) >= 0.8
    assert np.mean(by_max) < 0.09


def test_blocks_of_clips_are_too_short_for_such_noise_and_it_is_said(studies):
    assert 0.055 < studies["clips", "count"][:, 0].mean() < 0.08
    Y, P = study(0)
    memory = memory_of(Y, P, RUNS)
    (note,) = memory_notes(memory, CLIPS, RUNS)
    assert "make 11% of the variance" in note
    assert f"blocks of {block_length(memory, RUNS)} samples, or a circular" in note
    assert memory.settles


def two_useless_models(rng):
    """Return test responses of noise, and two predictions that know nothing of them."""
    Y = np.concatenate([averaged(noise(rng, 400)) for _ in range(6)])
    predictions = []
    for _ in range(2):
        moments = rng.standard_normal((60, 1, N_FEATURES))
        moments = moments + rng.standard_normal((60, N_CLIP, N_FEATURES))
        order = np.arange(60).reshape(6, 10)
        X = [features_of(np.r_[clips[-2:], clips], moments)[N_CLIP:] for clips in order]
        W = gaussian_filter1d(rng.standard_normal((N_FEATURES, N_VOXELS)), 2.0, axis=1)
        predictions.append(np.concatenate(X) @ W)
    return Y, predictions


def test_differences_of_useless_models_are_found_as_rarely_as_they_say(monkeypatch):
    monkeypatch.setattr(f"{__name__}.N_VOXELS", 60)
    members = np.arange(60) // 10 == np.arange(6)[:, None]
    rows = pd.DataFrame({"run": RUNS.astype(str), "clip": CLIPS.astype(str)})
    shares = {name: [] for name in ("p", "interval", "p_all", "interval_all")}
    rng = np.random.default_rng(0)
    for seed in range(400):
        Y, (a, b) = two_useless_models(rng)
        memory = memory_of(Y, a, RUNS)
        blocks, notes = blocks_to_resample(rows, CLIPS, RUNS, memory=memory)
        assert notes == []
        summaries = bootstrap_summaries(
            Y,
            {("alone", "a"): a, ("alone", "b"): b},
            members,
            blocks,
            best=members,
            n_resamples=300,
            seed=seed,
        )
        found = paired_differences(summaries, list("uvwxyz"), subject="01")
        found = found[found["summary"] == "mean"]
        shares["p"].append((found["p"] <= 0.05).mean())
        outside = (found["low"] > 0) | (found["high"] < 0)
        shares["interval"].append(outside.mean())
        shares["p_all"].append((found["p_all"] <= 0.05).any())
        outside = (found["low_all"] > 0) | (found["high_all"] < 0)
        shares["interval_all"].append(outside.any())
    # Blocks of single clips, and resamples as they are: 0.08 and 0.11.
    for name, values in shares.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - 0.05) < 3 * error, (name, np.mean(values), error)
