"""Tests of the models that are fitted and scored."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.stats import correlation, r2_score
from brain2music.core.types import Band
from brain2music.encoding.banded_ridge import BandedRidge
from brain2music.encoding.evaluate import (
    RidgeSettings,
    count_fits,
    fit_models,
    score_models,
)

BANDS = (Band("mel", 2, (2, 3)), Band("clap", 3), Band("genre", 1, (2, 4)))
SETTINGS = RidgeSettings(alphas=(0.1, 1.0, 10.0, 100.0, 1e3), n_candidates=9)
FOLDS = np.repeat([0, 1, 2], [70, 60, 50])


@pytest.fixture
def study(rng):
    """Correlated features; the first four voxels follow 'mel' and nothing else."""
    X = rng.standard_normal((240, 9)) @ (np.eye(9) + 0.3 * rng.standard_normal((9, 9)))
    W = np.zeros((9, 7))
    W[:4, :4] = rng.standard_normal((4, 4))
    Y = X @ W + rng.standard_normal((240, 7))
    # The test mean is not the training mean, so that the offset has something to say.
    Y[180:] += 0.5
    return X[:180], Y[:180], X[180:], Y[180:]


def scored(result, Y_test):
    return score_models(result.by_model(BANDS), result.intercept, Y_test)


def fit(study, bands=BANDS, settings=SETTINGS, **options):
    return fit_models(
        *study[:3], bands=bands, folds=FOLDS, settings=settings, **options
    )


def test_parts_and_offset_add_up_to_the_joint_scores(study):
    result = fit(study)
    scores = scored(result, study[3])
    names = [*(band.name for band in BANDS), "offset"]
    for kind in ("r", "r2"):
        total = sum(scores["part", name][kind] for name in names)
        assert_allclose(total, scores["joint", "all"][kind], atol=1e-12)
    assert (scores["part", "offset"]["r2"] < -0.005).all()
    assert_array_equal(scores["part", "offset"]["r"], np.zeros(7))
    whole = result.parts.sum(axis=0) + result.intercept
    assert_allclose(whole, result.predictions, atol=1e-12)


def test_models_are_those_of_the_estimator(study):
    X, Y, X_test, _ = study
    result = fit(study)
    options = {"alphas": SETTINGS.alphas, "n_candidates": 9}
    joint = BandedRidge(BANDS, **options).fit(X, Y, groups=FOLDS)
    assert_allclose(result.predictions, joint.predict(X_test))
    assert_allclose(result.weights, joint.coef_)
    assert_allclose(result.parts, list(joint.predict_bands(X_test).values()))
    plain = BandedRidge(**options).fit(X, Y, groups=FOLDS)
    assert_allclose(result.plain, plain.predict(X_test))
    clap = BandedRidge(**options).fit(X[:, 4:7], Y, groups=FOLDS)
    assert_allclose(result.alone[1], clap.predict(X_test[:, 4:7]))


def test_scores_are_those_of_the_predictions(study):
    result = fit(study)
    scores = scored(result, study[3])
    for key in [("joint", "all"), ("plain", "all"), ("alone", "mel")]:
        prediction = result.by_model(BANDS)[key]
        assert_array_equal(scores[key]["r"], correlation(study[3], prediction))
        assert_array_equal(scores[key]["r2"], r2_score(study[3], prediction))
    assert set(result.by_model(BANDS)) | {("part", "offset")} == set(scores)


def test_the_planted_band_leads_and_noise_is_at_chance(study):
    scores = scored(fit(study), study[3])
    parts = np.stack([scores["part", band.name]["r"] for band in BANDS])
    assert (parts[:, :4].argmax(axis=0) == 0).all()
    assert scores["joint", "all"]["r"][:4].min() > 0.5
    assert abs(scores["joint", "all"]["r"][4:].mean()) < 0.25


def test_with_one_band_all_models_are_one(study):
    bands = (Band("mel", 9),)
    done = []
    result = fit(study, bands, advance=done.append)
    assert sum(done) == 7 * count_fits(1) == 7
    assert_allclose(result.plain, result.predictions, atol=1e-12)
    assert_allclose(result.alone[0], result.predictions, atol=1e-12)


def test_progress_adds_up_to_all_voxels_of_all_fits(study):
    done = []
    settings = RidgeSettings(SETTINGS.alphas, 9, n_voxels_batch=3)
    result = fit(study, settings=settings, advance=done.append)
    assert sum(done) == 7 * count_fits(3) == 7 * 5
    assert_allclose(result.weights, fit(study).weights, atol=1e-12)


def test_shares_at_the_ends_of_the_grid_are_told_per_model(study):
    settings = RidgeSettings(alphas=(1e-3, 1e6), n_candidates=5)
    ends = fit(study, settings=settings).grid_ends
    assert set(ends) == {"joint", "plain", "alone mel", "alone clap", "alone genre"}
    for low, high in ends.values():
        assert low + high == 1
    assert ends["plain"][0] >= 4 / 7


def test_precision_is_kept(study):
    single = [array.astype("float32") for array in study]
    result = fit(single)
    assert result.predictions.dtype == result.parts.dtype == "float32"
    assert_allclose(result.predictions, fit(study).predictions, atol=1e-4)


def test_a_test_voxel_that_never_varies_has_no_score(study):
    Y_test = study[3].copy()
    Y_test[:, 2] = 1.0
    scores = scored(fit(study), Y_test)
    for score in scores.values():
        assert_array_equal(np.isnan(score["r"]), np.arange(7) == 2)
        assert_array_equal(np.isnan(score["r2"]), np.arange(7) == 2)


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ((Band("mel", 4), Band("mel", 5)), "a name of its own"),
        ((Band("all", 9),), "mean something else"),
        ((Band("mel", 4), Band("clap", 4)), "X_test 9 and the bands 8"),
    ],
)
def test_bands_that_do_not_fit_are_refused(study, bands, words):
    with pytest.raises(InputError, match=words):
        fit(study, bands)


def test_a_training_voxel_that_never_varies_is_refused(study):
    study[1][:, 3] = 0.1
    with pytest.raises(InputError, match="1 of 7 voxels never vary in Y_train"):
        fit(study)


def test_test_responses_of_other_samples_are_refused(study):
    with pytest.raises(InputError, match="Y_test has 59, predictions has 60"):
        scored(fit(study), study[3][1:])
