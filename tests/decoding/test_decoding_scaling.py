"""Tests of standardised voxels in chunks, and of ridge from the products of rows."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.core.ridge.banded import fit_banded_ridge
from brain2music.core.ridge.search import Search, splits_of
from brain2music.decoding import scaling as module
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.penalties import choose_by_r, ridge_at
from brain2music.decoding.penalty_curve import penalty_curve
from brain2music.decoding.rows import Pairs
from brain2music.decoding.scaling import (
    few_columns,
    row_products,
    scaled,
    scaling_of,
    times_weights,
    voxel_weights,
)
from brain2music.decoding.voxels import strongest
from brain2music.workflow.decoded_rows import _late

ALPHAS = (0.1, 10.0, 1e3, 1e5)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 7)


@pytest.fixture
def wide(rng):
    """Return 40 rows of 90 correlated, uneven voxels, a mask of most, and targets."""
    Y = rng.standard_normal((40, 12)) @ rng.standard_normal((12, 90))
    Y = (Y + rng.standard_normal(Y.shape)) * rng.uniform(0.1, 50, 90) + 100
    used = rng.random(90) < 0.8
    T = Y[:, :5] / 50 + rng.standard_normal((40, 5)) * [1, 2, 5, 20, 50]
    return Y.astype(np.float32), used, T, np.repeat(np.arange(4), 10)


def test_chunks_standardise_as_one_array_does(wide):
    Y, used, *_ = wide
    scaling = scaling_of(Y, used)
    whole = Y[:, used].astype(np.float64)
    Z = (whole - whole.mean(axis=0)) / whole.std(axis=0)
    assert scaling.n_used == used.sum()
    assert_allclose(scaled(Y, scaling), Z, atol=1e-12)
    assert_allclose(row_products(Y, scaling), Z @ Z.T, atol=1e-9)
    dual = np.random.default_rng(1).standard_normal((40, 3))
    weights = voxel_weights(Y, scaling, dual)
    assert_allclose(weights, Z.T @ dual, atol=1e-10)
    assert_allclose(times_weights(Y, scaling, weights), Z @ Z.T @ dual, atol=1e-8)
    some = np.arange(0, 40, 3)
    assert_allclose(scaling_of(Y, used, some).mean, whole[some].mean(axis=0))
    assert_allclose(scaling_of(Y, used, some).sd, whole[some].std(axis=0))


def test_few_columns_have_the_products_and_lead_back(rng):
    Z = rng.standard_normal((20, 60)) * 10.0 ** -np.arange(60)[None]
    Z -= Z.mean(axis=0)  # one direction less than rows, and most others tiny
    X, back = few_columns(Z @ Z.T)
    assert X.shape[1] < 20
    assert_allclose(X @ X.T, Z @ Z.T, atol=1e-12 * (Z**2).sum())
    assert_allclose(Z.T @ back @ (X.T @ X), Z.T @ X, atol=1e-9)


@pytest.mark.parametrize("choose_by", ["r", "error"])
def test_ridge_by_products_is_ridge_from_the_voxels(wide, choose_by):
    """Of 90 voxels and 40 rows; the same by the columns themselves."""
    Y, used, T, folds = wide
    fitted = CortexRidge(ALPHAS, choose_by=choose_by).fit(Y[:, used], T, folds)
    Z = scaled(Y[:, used], fitted.scaling)
    if choose_by == "r":
        assert fitted.alphas.tolist() == choose_by_r(Z, T, folds, ALPHAS).tolist()
    for alpha, weights, target in zip(
        fitted.alphas, fitted.weights.T, T.T, strict=True
    ):
        inverse = np.linalg.inv(Z.T @ Z + alpha * np.eye(Z.shape[1]))
        assert_allclose(weights, inverse @ Z.T @ (target - target.mean()), atol=1e-8)
    weights, intercept = ridge_at(Z, T, fitted.alphas)
    assert_allclose(fitted.intercept, intercept, atol=1e-9)
    assert_allclose(fitted.predict(Y[:, used]), Z @ weights + intercept, atol=1e-8)
    assert len(set(fitted.alphas)) > 1
    if choose_by == "error":
        search = Search(ALPHAS, np.ones((1, 1)))
        whole = fit_banded_ridge(Z, T, widths=[Z.shape[1]], folds=folds, search=search)
        assert fitted.alphas.tolist() == whole.alphas.tolist()


def test_strongest_voxels_are_those_of_one_table(wide):
    Y, used, T, _ = wide
    r = np.abs(np.corrcoef(Y.T, T.T)[:90, 90:]).max(axis=1)
    expected = np.flatnonzero(used)[np.argsort(-r[used])[:11]]
    mask = strongest(Y, T, 11, used)
    assert sorted(np.flatnonzero(mask)) == sorted(expected)


@pytest.mark.parametrize("stacked", [True, False])
def test_responses_at_delays_are_read_in_chunks(rng, stacked):
    Y = rng.standard_normal((30, 25)).astype(np.float32)
    voxels = np.flatnonzero(rng.random(25) < 0.8)
    at = np.stack([np.arange(20) + d for d in (1, 3)], axis=1)
    found = _late(lambda part: Y[:, part], voxels, at, stacked=stacked)
    parts = [Y[at[:, k]][:, voxels] for k in range(2)]
    assert_allclose(found, np.hstack(parts) if stacked else sum(parts) / 2)


def test_a_voxel_that_is_constant_without_a_fold_has_no_spread_there(wide):
    Y, used, T, folds = wide
    Y = Y.astype(np.float64)[:, used]
    Y[folds > 0, 0] = 0.1
    scaling = scaling_of(Y, np.ones(Y.shape[1], bool), np.flatnonzero(folds > 0))
    assert scaling.sd[0] == 0
    pairs = Pairs(Y, T, folds.astype(str), np.arange(40).astype(str))
    fitted = CortexRidge(ALPHAS, choose_by="r").fit(Y, T, folds)
    assert penalty_curve(fitted, pairs, folds).notna().all(axis=None)


def test_the_curve_of_penalties_is_that_of_the_voxels(wide):
    Y, used, T, folds = wide
    Y = Y[:, used]
    names = folds.astype(str)
    pairs = Pairs(Y, T, names, np.arange(40).astype(str))
    fitted = CortexRidge(ALPHAS, choose_by="r").fit(Y, T, folds)
    table = penalty_curve(fitted, pairs, folds, multiples=(0.1, 1, 10))
    r = np.zeros((3, 2))
    for train, held in splits_of(folds):
        rest = Y[train].astype(np.float64)
        Z = (Y - rest.mean(axis=0)) / rest.std(axis=0)
        for k, multiple in enumerate((0.1, 1, 10)):
            weights, _ = ridge_at(Z[train], T[train], multiple * fitted.alphas)
            for side, rows in enumerate((train, held)):
                each = [
                    np.corrcoef(t, p)[0, 1]
                    for t, p in zip(T[rows].T, (Z[rows] @ weights).T, strict=True)
                ]
                r[k, side] += np.mean(each) / 4
    assert_allclose(table[["r_training", "r_held_out"]], r, atol=1e-9)


def test_no_copy_of_all_voxels_is_made(rng, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 500)
    Y = rng.standard_normal((60, 40_000), dtype=np.float32)
    T, folds = rng.standard_normal((60, 4)), np.repeat(np.arange(3), 20)
    tracemalloc.start()
    fitted = CortexRidge(ALPHAS, choose_by="r").fit(Y, T, folds)
    fitted.predict(Y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    weights = 40_000 * 4 * 8
    assert peak < 2 * weights + 0.6 * Y.nbytes


def test_other_voxels_are_refused(wide):
    Y, used, *_ = wide
    scaling = scaling_of(Y, used)
    for call in (
        lambda: scaled(Y[:, :5], scaling),
        lambda: times_weights(Y[:, :5], scaling, np.ones((used.sum(), 1))),
    ):
        with pytest.raises(InputError, match="Y has 5 voxels, and the decoder was"):
            call()
