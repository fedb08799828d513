"""Tests of ranking candidates by the likelihood of the response."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal, norm
from sklearn.covariance import LedoitWolf

from brain2music.core.checks import InputError
from brain2music.decoding.candidates import (
    log_likelihood,
    rank_candidates,
    residual_covariance,
    take,
)
from brain2music.decoding.generation import Generated


@pytest.fixture
def measured(rng):
    """Return predictions of 5 candidates, responses to the third, and the noise."""
    root = rng.standard_normal((7, 7))
    predictions = rng.standard_normal((5, 11, 7))
    noise = rng.standard_normal((11, 7)) @ root.T
    return predictions, predictions[2] + noise, root @ root.T


def test_equals_the_normal_density_of_each_sample(measured):
    predictions, responses, covariance = measured
    by_hand = [
        sum(
            multivariate_normal.logpdf(y, mean=x, cov=covariance)
            for y, x in zip(responses, candidate, strict=True)
        )
        for candidate in predictions
    ]
    assert_allclose(log_likelihood(predictions, responses, covariance), by_hand)


def test_equals_the_normal_density_of_each_voxel(measured):
    predictions, responses, covariance = measured
    variance = np.diag(covariance)
    by_hand = [
        norm.logpdf(responses, candidate, np.sqrt(variance)).sum()
        for candidate in predictions
    ]
    found = log_likelihood(predictions, responses, variance)
    assert_allclose(found, by_hand)
    assert_allclose(
        found, log_likelihood(predictions, responses, np.diag(variance)), rtol=1e-9
    )


def test_the_played_candidate_wins_and_covariance_helps(rng):
    root = rng.standard_normal((20, 20))
    covariance = root @ root.T + 0.1 * np.eye(20)
    wins = {"voxels": 0, "covariance": 0, "none": 0}
    for _ in range(200):
        predictions = 0.8 * rng.standard_normal((10, 4, 20))
        noise = rng.standard_normal((4, 20)) @ np.linalg.cholesky(covariance).T
        responses = predictions[3] + noise
        by = {"voxels": np.diag(covariance), "covariance": covariance}
        for name, given in by.items():
            wins[name] += log_likelihood(predictions, responses, given).argmax() == 3
        by_chance = log_likelihood(predictions, noise, covariance)
        wins["none"] += by_chance.argmax() == 3
    assert wins["covariance"] > wins["voxels"] + 20 > 40
    assert wins["none"] < 40


def test_ranks_by_score_and_keeps_the_order_of_ties():
    audio = np.array([[1.0, 1], [3, 3], [2, 2], [3, 3]], np.float32)
    ranked = rank_candidates(Generated(audio, 10), lambda sound: sound.waveform.mean())
    assert ranked.order.tolist() == [1, 3, 2, 0]
    assert ranked.best == 1
    assert ranked.scores.tolist() == [1, 3, 2, 3]
    with pytest.raises(InputError, match="candidate 0 has score nan"):
        rank_candidates(Generated(audio, 10), lambda _: np.nan)


def test_what_has_the_highest_score_is_taken_and_written(tmp_path):
    audio = np.array([[1.0, 1], [3, 3], [2, 2]], np.float32)
    made = Generated(audio, 10, {"generator": "tones"})
    taken = take(made, lambda sound: -abs(sound.waveform.mean() - 2))
    assert (taken.candidate, taken.scores) == (2, (-1, -1, 0))
    assert taken.sound.waveform.tolist() == [2, 2]
    assert taken.first.waveform.tolist() == [1, 1]
    assert not np.shares_memory(taken.sound.waveform, audio)
    taken.write(tmp_path / "a.wav", {"clip": "blues"})
    facts = json.loads((tmp_path / "a.json").read_text())
    assert (facts["candidate"], facts["scores"]) == (2, [-1, -1, 0])
    assert (facts["generator"], facts["clip"]) == ("tones", "blues")
    unseen = take(made, None)
    assert (unseen.candidate, unseen.scores) == (0, ())
    with pytest.raises(InputError, match="candidate 0 has score nan"):
        take(made, lambda _: np.nan)


def test_the_covariance_is_that_of_ledoit_and_wolf_about_zero(rng):
    responses = rng.standard_normal((30, 8)) @ rng.standard_normal((8, 8)) + 1
    predictions = 0.3 * responses
    found = residual_covariance(responses, predictions)
    residuals = responses - predictions
    plain = residuals.T @ residuals / 30
    shrinkage = LedoitWolf(assume_centered=True).fit(residuals).shrinkage_
    target = np.trace(plain) / 8 * np.eye(8)
    assert_allclose(found, (1 - shrinkage) * plain + shrinkage * target)
    with pytest.raises(InputError, match="same samples and voxels"):
        residual_covariance(responses, predictions[1:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"predictions": np.zeros((5, 11, 6))}, r"expected \(n_candidates, 11, 7\)"),
        ({"predictions": np.full((5, 11, 7), np.nan)}, "predictions have NaN"),
        ({"covariance": np.ones(6)}, r"expected \(7,\) or \(7, 7\)"),
        ({"covariance": np.r_[0.0, np.ones(6)]}, "1 of 7 variances are not above 0"),
        ({"covariance": np.ones((7, 7))}, "not positive definite"),
    ],
)
def test_what_does_not_fit_is_refused(measured, change, words):
    given = dict(zip(("predictions", "responses", "covariance"), measured, strict=True))
    with pytest.raises(InputError, match=words):
        log_likelihood(**(given | change))
