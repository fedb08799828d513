"""Tests of ridge on all splits from one pass, against each split by itself."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge

from brain2music.core.ridge.search import splits_of
from brain2music.core.selection import Selection
from brain2music.decoding import decoders, penalties, scaling
from brain2music.decoding.decoders import CortexRidge, RoiRidge, held_out_r
from brain2music.decoding.folded import FoldedRidge, Sums
from brain2music.decoding.penalties import choose_by_r, ridge_at

ALPHAS = (0.1, 3.0, 30.0, 300.0, 3000.0)
FOLDS = np.repeat([2, 0, 1, 3], [30, 55, 41, 24])


@pytest.fixture(params=[6, 45], ids=["fewer columns than held rows", "more"])
def study(request, rng):
    """Return correlated, uneven columns, and targets of which one is noise."""
    n_columns = request.param
    mixed = np.eye(n_columns) + 0.6 * rng.standard_normal((n_columns, n_columns))
    X = rng.standard_normal((150, n_columns)) @ mixed * rng.uniform(0.3, 9, n_columns)
    X += 3 * np.sin(FOLDS)[:, None] * rng.standard_normal(n_columns)  # levels of runs
    W = rng.standard_normal((n_columns, 4)) / np.sqrt(n_columns)
    W[:, 3] = 0
    T = X @ W + rng.standard_normal((150, 4)) * [1, 9, 30, 2] + [0, 50, -9, 4]
    return X, T


def one_by_one(X, T, alphas):
    """Return each penalty's r in each fold, by scikit-learn: (alphas, folds, T)."""
    r = np.empty((len(alphas), 4, T.shape[1]))
    for k, (train, held) in enumerate(splits_of(FOLDS)):
        for a, alpha in enumerate(alphas):
            made = Ridge(alpha).fit(X[train], T[train]).predict(X[held])
            for d, (truth, guess) in enumerate(zip(T[held].T, made.T, strict=True)):
                r[a, k, d] = np.corrcoef(truth, guess)[0, 1]
    return r


def test_penalties_are_those_of_each_fold_fitted_by_itself(study):
    X, T = study
    assert FoldedRidge.suits(X.shape, 4, FOLDS)
    expected = one_by_one(X, T, ALPHAS).mean(axis=1).argmax(axis=0)
    chosen = choose_by_r(X, T, FOLDS, ALPHAS[::-1])
    assert_array_equal(chosen, np.array(ALPHAS)[expected])
    assert len(set(chosen.tolist())) > 1


def test_the_fit_to_all_rows_is_scikit_learn_s(study):
    X, T = study
    alphas = np.array([0.5, 9.0, 70.0, 900.0])
    weights, intercept = FoldedRidge(X, T, FOLDS).ridge(alphas)
    model = Ridge(alphas).fit(X, T)
    assert_allclose(weights, model.coef_.T, rtol=1e-8, atol=1e-10)
    assert_allclose(intercept, model.intercept_, rtol=1e-8)
    for found, other in zip((weights, intercept), ridge_at(X, T, alphas), strict=True):
        assert_allclose(found, other, rtol=1e-8, atol=1e-10)


def test_held_out_r_is_that_of_each_fold_standardised_by_itself(study):
    X, T = study
    alphas = np.array([0.5, 9.0, 70.0, 900.0])
    found = FoldedRidge(X, T, FOLDS).held_out_r(alphas)
    assert_allclose(found, held_out_r(X, T, FOLDS, alphas), rtol=1e-9)
    # Columns on other scales are the same columns once they are standardised.
    moved = 7 * X * np.arange(1, X.shape[1] + 1) + 100
    assert_allclose(FoldedRidge(moved, T, FOLDS).held_out_r(alphas), found, rtol=1e-8)


def test_a_column_that_is_constant_outside_a_fold_says_nothing_there(study):
    X, T = study
    X = X.copy()
    X[FOLDS != 1, 0] = 0.1
    alphas = np.array([0.5, 9.0, 70.0, 900.0])
    expected = held_out_r(X, T, FOLDS, alphas)
    assert_allclose(FoldedRidge(X, T, FOLDS).held_out_r(alphas), expected, rtol=1e-9)
    assert np.isfinite(choose_by_r(X, T, FOLDS, ALPHAS)).all()


@pytest.fixture(params=[True, False], ids=["sums", "rows"])
def by_sums(request, monkeypatch):
    """Choose penalties by sums of folds, then by their rows."""
    monkeypatch.setattr(FoldedRidge, "suits", staticmethod(lambda *_: request.param))
    return request.param


@pytest.mark.usefixtures("by_sums")
def test_all_penalties_of_one_column_are_equal_and_the_smallest_is_taken(study, rng):
    X, T = study
    for order in (np.arange(150), *(rng.permutation(150) for _ in range(3))):
        x, t, folds = X[order, :1], T[order], FOLDS[order]
        assert (choose_by_r(x, t, folds, ALPHAS) == ALPHAS[0]).all()


@pytest.mark.usefixtures("by_sums")
def test_a_fold_in_which_all_columns_are_constant_tells_nothing(study):
    X, T = study
    X = X.copy()
    X[FOLDS == 3] = 0.3
    with np.errstate(invalid="ignore"):
        expected = one_by_one(X, T, ALPHAS)
    r = expected[:, :3].sum(axis=1)  # the folds in order, but the last
    chosen = choose_by_r(X, T, FOLDS, ALPHAS)
    assert_array_equal(chosen, np.array(ALPHAS)[r.argmax(axis=0)])


def test_a_target_whose_level_is_far_above_its_spread_is_chosen_as_from_rows(
    study, monkeypatch
):
    X, T = study
    T = T + 1e8 * (FOLDS == 2)[:, None]
    chosen = choose_by_r(X, T, FOLDS, ALPHAS)
    monkeypatch.setattr(FoldedRidge, "suits", staticmethod(lambda *_: False))
    assert_array_equal(chosen, choose_by_r(X, T, FOLDS, ALPHAS))


@pytest.mark.parametrize("choose_by", ["r", "error"])
def test_a_region_is_the_same_from_sums_and_from_rows(study, choose_by, monkeypatch):
    X, T = study
    masks = [np.arange(X.shape[1]) < 4, np.arange(X.shape[1]) >= 2]
    rois = [Selection(n, m, "atlas") for n, m in zip("ab", masks, strict=True)]
    decoder = RoiRidge(rois, 1, ALPHAS, choose_by=choose_by)
    by_sums = decoder.fit(X, T, FOLDS)
    whole = CortexRidge(ALPHAS, choose_by=choose_by).fit(X, T, FOLDS)
    monkeypatch.setattr(FoldedRidge, "suits", staticmethod(lambda *_: False))
    by_rows = decoder.fit(X, T, FOLDS)
    other = CortexRidge(ALPHAS, choose_by=choose_by).fit(X, T, FOLDS)
    assert by_sums.names == by_rows.names
    assert by_sums.cv_scores == pytest.approx(by_rows.cv_scores, rel=1e-9)
    pairs = [(by_sums.members[0], by_rows.members[0]), (whole, other)]
    for one, two in pairs:
        assert_array_equal(one.alphas, two.alphas)
        assert_allclose(one.predict(X), two.predict(X), rtol=1e-7, atol=1e-9)


def test_responses_are_looked_at_once_for_all_regions(study, monkeypatch):
    X, T = study
    looked = []
    for module in (decoders, scaling):
        as_matrix = module.as_matrix
        monkeypatch.setattr(
            module, "as_matrix", lambda Y, n, f=as_matrix: looked.append(n) or f(Y, n)
        )
    rois = [Selection(str(k), np.arange(X.shape[1]) == k, "atlas") for k in range(5)]
    RoiRidge(rois, 2, ALPHAS, choose_by="r").fit(X, T, FOLDS)
    assert looked == ["Y", "T"]


def test_wide_rows_and_large_sums_are_left_to_the_rows():
    folds = np.repeat(np.arange(5), 20)
    assert FoldedRidge.suits((100, 70), 5, folds)
    assert not FoldedRidge.suits((100, 81), 1, folds)  # more columns than other rows
    assert not FoldedRidge.suits((100, 10), 71, folds)  # 5 x 81 > 4 x 100 numbers
    assert FoldedRidge.suits((100, 9), 71, folds)
    assert penalties.FoldedRidge is decoders.FoldedRidge


def test_sums_of_parts_are_those_of_their_rows(rng):
    X, T = rng.standard_normal((30, 3)) + 5, rng.standard_normal((30, 2)) - 2
    rest = Sums.of(X, T).without(Sums.of(X[:11], T[:11]))
    x, t, sd = rng.standard_normal(3), rng.standard_normal(2), rng.uniform(1, 2, 3)
    found = rest.about(x, t).divided(sd)
    expected = Sums.of((X[11:] - x) / sd, T[11:] - t)
    for name in Sums.__slots__:
        assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9)
    assert_allclose(rest.centred().x, 0, atol=1e-9)
