"""Tests of stacking."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from brain2music.analysis import stacking
from brain2music.analysis.stacking import stack, stack_weights, stacked_r2
from brain2music.core.checks import InputError
from brain2music.core.stats import r2_score


def held_out(rng, n_models=4, n_voxels=9):
    Y = rng.standard_normal((120, n_voxels)) + 1
    shared = rng.standard_normal((120, n_voxels))
    noise = rng.standard_normal((n_models, 120, n_voxels)) + shared
    return Y, Y + noise * rng.uniform(0.3, 2, (n_models, 1, n_voxels)) + 0.2


@pytest.mark.parametrize("n_models", [1, 2, 4])
def test_equals_a_constrained_minimum(rng, n_models):
    Y, P = held_out(rng, n_models)
    weights = stack_weights(Y, P)
    assert (weights >= 0).all()
    assert_allclose(weights.sum(axis=0), 1)
    for v in range(9):

        def loss(w, v=v):
            return ((Y[:, v] - w @ P[:, :, v]) ** 2).mean()

        best = minimize(
            loss,
            np.full(n_models, 1 / n_models),
            bounds=[(0, 1)] * n_models,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            method="SLSQP",
            options={"ftol": 1e-14},
        )
        assert_allclose(loss(weights[:, v]), best.fun, rtol=1e-6)
        assert_allclose(weights[:, v], best.x, atol=2e-3)


def test_independent_errors_weigh_by_their_inverse_variance(rng):
    Y = rng.standard_normal((200_000, 1))
    sd = np.array([0.5, 1.0, 2.0])
    P = Y + sd[:, None, None] * rng.standard_normal((3, 200_000, 1))
    expected = sd**-2 / (sd**-2).sum()
    assert_allclose(stack_weights(Y, P)[:, 0], expected, atol=0.01)


def test_a_model_that_knows_nothing_gets_nothing(rng):
    Y, P = held_out(rng, 2)
    P[1] = P[0] + 5 * rng.standard_normal(P[0].shape)
    assert_allclose(stack_weights(Y, P), [np.ones(9), np.zeros(9)], atol=0.1)


def test_two_models_that_are_one_share_the_weight_in_any_way(rng):
    Y, P = held_out(rng, 3)
    P[2] = P[1]
    weights = stack_weights(Y, P)
    two = stack_weights(Y, P[:2])
    assert_allclose(weights[0], two[0], atol=1e-6)
    assert_allclose(weights.sum(axis=0), 1)


def test_voxels_do_not_mix(rng, monkeypatch):
    Y, P = held_out(rng)
    Y[:, 3] = 0.1
    weights = stack_weights(Y, P)
    assert np.isnan(weights[:, 3]).all()
    assert np.isfinite(np.delete(weights, 3, axis=1)).all()
    monkeypatch.setattr(stacking, "N_VOXELS_BATCH", 2)
    assert_allclose(stack_weights(Y, P), weights)


def test_parts_add_up_to_the_stack_and_its_score(rng):
    Y, P = held_out(rng)
    weights = stack_weights(Y, P)
    parts = stack(weights, P)
    assert_allclose(parts[2, :, 4], weights[2, 4] * P[2, :, 4])
    shares, r2 = stacked_r2(Y, parts)
    assert_allclose(r2, r2_score(Y, parts.sum(axis=0)))
    offset = r2 - shares.sum(axis=0)
    gap = Y.mean(axis=0) - parts.sum(axis=0).mean(axis=0)
    assert_allclose(offset, -(gap**2) / Y.var(axis=0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: stack_weights(np.eye(5), np.zeros((2, 5, 4))), r"shape \(2, 5, 4\)"),
        (lambda: stack_weights(np.eye(5), np.zeros((7, 5, 5))), "1 to 6 models"),
        (
            lambda: stack_weights(np.diag([np.nan, 1, 1]), np.zeros((2, 3, 3))),
            "Y_train has NaN or infinity in 1 of its 3",
        ),
        (
            lambda: stack_weights(np.eye(3), np.full((2, 3, 3), np.inf)),
            "held_out of model 0 has NaN",
        ),
        (
            lambda: stack(np.zeros((2, 4)), np.zeros((2, 5, 3))),
            r"weights has .*\(2, 4\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()
