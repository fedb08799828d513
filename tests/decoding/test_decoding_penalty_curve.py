"""Tests of scores by penalty, held against scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from brain2music.core.checks import InputError
from brain2music.core.selection import Selection
from brain2music.core.stats import correlation
from brain2music.decoding.decoders import CortexRidge, RoiRidge
from brain2music.decoding.folds import make_folds
from brain2music.decoding.penalty_curve import penalty_curve

ALPHAS = (1.0, 10.0, 100.0)
MULTIPLES = (0.01, 1.0, 1000.0)


def by_hand(train, folds, columns, alphas):
    """Return r of training and held-out rows, means over folds and dimensions."""
    r = []
    for fold in np.unique(folds):
        rest, held = folds != fold, folds == fold
        scale = StandardScaler().fit(train.Y[rest][:, columns])
        X = scale.transform(train.Y[:, columns])
        model = Ridge(alphas).fit(X[rest], train.T[rest])
        r.append(
            [
                correlation(train.T[rows], model.predict(X[rows])).mean()
                for rows in (rest, held)
            ]
        )
    return np.mean(r, axis=0)


def test_each_multiple_is_ridge_by_scikit_learn(study):
    train, _ = study
    folds = make_folds(train, n_folds=3)
    fitted = CortexRidge(ALPHAS, n_voxels=20, choose_by="r").fit(
        train.Y, train.T, folds
    )
    table = penalty_curve(fitted, train, folds, multiples=MULTIPLES)
    assert table["multiple"].tolist() == list(MULTIPLES)
    for row in table.itertuples():
        expected = by_hand(
            train, folds, fitted.scaling.used, row.multiple * fitted.alphas
        )
        assert_allclose([row.r_training, row.r_held_out], expected, rtol=1e-8)


def test_an_ensemble_is_the_mean_of_its_members(study):
    train, _ = study
    folds = make_folds(train, n_folds=3)
    masks = [np.arange(30) < 10, (np.arange(30) >= 10) & (np.arange(30) < 16)]
    rois = [Selection(f"roi {k}", mask, "atlas") for k, mask in enumerate(masks)]
    fitted = RoiRidge(rois, 2, ALPHAS).fit(train.Y, train.T, folds)
    table = penalty_curve(fitted, train, folds, multiples=MULTIPLES)
    each = [
        penalty_curve(one, train, folds, multiples=MULTIPLES) for one in fitted.members
    ]
    assert not np.allclose(each[0]["r_held_out"], each[1]["r_held_out"])
    for name in ("r_training", "r_held_out"):
        assert_allclose(table[name], (each[0][name] + each[1][name]) / 2)


def test_small_penalties_overfit_where_samples_are_few(make_pairs, rng):
    weights = 0.3 * rng.standard_normal((5, 12))
    train = make_pairs(rng, runs=[f"run-{k}" for k in range(3)], weights=weights)
    folds = make_folds(train, n_folds=3)
    fitted = CortexRidge((0.1, 1.0, 10.0, 100.0, 1000.0), choose_by="r").fit(
        train.Y, train.T, folds
    )
    table = penalty_curve(fitted, train, folds).set_index("multiple")
    held, training = table["r_held_out"], table["r_training"]
    assert held[1.0] > held[1e-4] + 0.02
    assert training[1e-4] > training[1.0] > held[1.0]


def test_a_multiple_of_zero_is_refused(study):
    train, _ = study
    folds = make_folds(train, n_folds=3)
    fitted = CortexRidge(ALPHAS).fit(train.Y, train.T, folds)
    with pytest.raises(InputError, match="must be above 0"):
        penalty_curve(fitted, train, folds, multiples=(0.0, 1.0))
