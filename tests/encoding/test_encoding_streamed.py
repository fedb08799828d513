"""Tests of what all chunks of a fit share."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.ridge.levers import EXACT
from brain2music.core.types import Band
from brain2music.encoding.evaluate import RidgeSettings
from brain2music.encoding.streamed import Job

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


def test_all_that_makes_a_factorisation_is_in_its_identity(study):
    X, _, X_test, _ = study
    job = Job(X, X_test, BANDS, FOLDS, SETTINGS)
    double = np.dtype("float64")
    others = [
        replace(job, X_train=X + 1e-9),
        replace(job, X_train=X.astype("float32")),
        replace(job, folds=np.repeat([0, 1, 2], [60, 70, 50])),
        replace(job, bands=(Band("mel", 5), Band("clap", 2), Band("genre", 2))),
        *(
            replace(job, settings=replace(SETTINGS, **changed))
            for changed in (
                {"alphas": (0.1, 1.0, 10.0, 100.0, 2e3)},
                {"form": "kernel"},
                {"form": "primal"},
                {"backend": "torch"},
                {"levers": replace(EXACT, tolerance=0.1)},
            )
        ),
    ]
    found = [one.identity(double) for one in (job, *others)]
    found.append(job.identity(np.dtype("float32")))
    assert len(set(found)) == len(found) == 11
    same = replace(job, X_test=X_test[1:], settings=replace(SETTINGS, seed=5))
    assert same.identity(double) == found[0]


def test_the_held_out_score_of_a_mixture_is_that_of_its_predictions(study):
    X, Y, X_test, _ = study
    job = Job(X, X_test, BANDS, FOLDS, SETTINGS)
    searched = job.open("float64").fit(Y, job.asides())
    names = [f"alone {band.name}" for band in BANDS]
    shares, scores = searched.stack(names)
    chosen = [searched.model(name).alphas for name in names]
    loss, null = np.zeros((2, len(np.unique(FOLDS)), Y.shape[1]))
    for fold in np.unique(FOLDS):
        held = fold == FOLDS
        mean = Y[~held].mean(axis=0)
        mixed = np.broadcast_to(mean, Y[held].shape).copy()
        for k, columns in enumerate((slice(0, 4), slice(4, 7), slice(7, 9))):
            centre = X[~held, columns].mean(axis=0)
            A = X[~held, columns] - centre
            for v in range(Y.shape[1]):
                inverse = np.linalg.inv(A.T @ A + chosen[k][v] * np.eye(A.shape[1]))
                w = inverse @ A.T @ (Y[~held, v] - mean[v])
                mixed[:, v] += shares[k, v] * ((X[held, columns] - centre) @ w)
        loss[fold] = ((Y[held] - mixed) ** 2).mean(axis=0)
        null[fold] = ((Y[held] - mean) ** 2).mean(axis=0)
    assert_allclose(scores, 1 - loss.mean(axis=0) / null.mean(axis=0), atol=1e-9)
    own = np.stack([searched.model(name).cv_scores for name in names])
    assert (scores >= own.max(axis=0) - 1e-12).all()
