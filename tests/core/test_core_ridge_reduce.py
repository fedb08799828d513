"""Tests of rows that say the same as more rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.ridge.reduce import (
    reduce_folds,
    reduce_training,
    reduce_validation,
)


@pytest.mark.parametrize("n_columns", [3, 29, 40])
def test_training_rows_keep_the_products(rng, n_columns):
    X, Y = rng.standard_normal((30, n_columns)), rng.standard_normal((30, 4))
    R, C = reduce_training(X, Y)
    assert len(R) == len(C) == min(30, n_columns)
    assert_allclose(R.T @ R, X.T @ X, atol=1e-10)
    assert_allclose(R.T @ C, X.T @ Y, atol=1e-10)


@pytest.mark.parametrize("n_columns", [3, 28, 29, 40])
def test_validation_rows_keep_the_mean_squared_loss(rng, n_columns):
    X, Y = rng.standard_normal((30, n_columns)), rng.standard_normal((30, 4))
    W = rng.standard_normal((n_columns, 4))
    R, C = reduce_validation(X, Y)
    assert len(R) == min(30, n_columns + 1)
    assert_allclose(((C - R @ W) ** 2).mean(axis=0), ((Y - X @ W) ** 2).mean(axis=0))


def test_each_fold_is_centred_on_its_own_training_samples(rng):
    X, Y = rng.standard_normal((50, 2)) + 3, rng.standard_normal((50, 3)) - 1
    folds = np.repeat([4, 0, 2], [11, 20, 19])
    rows = reduce_folds(X, Y, folds)
    for (train, held), fold in zip(rows.splits, [0, 2, 4], strict=True):
        mine, mean = X[folds != fold], X[folds != fold].mean(axis=0)
        gram = (mine - mean).T @ (mine - mean)
        assert_allclose(rows.X[train].T @ rows.X[train], gram)
        shifted = X[folds == fold] - mean
        assert_allclose(
            rows.X[held].T @ rows.X[held] / len(held),
            shifted.T @ shifted / len(shifted),
        )
    taken = np.concatenate([part for split in rows.splits for part in split])
    assert sorted(taken) == list(range(len(rows.X))) == list(range(len(rows.Y)))
