"""Tests of banded ridge as an estimator."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    ShuffleSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from brain2music.core.checks import InputError
from brain2music.core.ridge.levers import Levers
from brain2music.core.types import Band
from brain2music.encoding.banded_ridge import BandedRidge

BANDS = [Band("mel", 2, delays=(2, 3)), Band("genre", 3)]


@pytest.fixture
def study(rng):
    X = rng.standard_normal((90, 7)) @ rng.standard_normal((7, 7)) + 1
    Y = X @ rng.standard_normal((7, 5)) + 4 * rng.standard_normal((90, 5)) + 2
    return X, Y, np.repeat(["run-10", "run-2", "run-1", "run-3"], [20, 25, 15, 30])


def test_parts_and_intercept_add_up_to_the_prediction(study):
    X, Y, runs = study
    model = BandedRidge(BANDS, n_candidates=6).fit(X, Y, groups=runs)
    parts = model.predict_bands(X)
    assert list(parts) == ["mel", "genre"]
    assert_allclose(sum(parts.values()) + model.intercept_, model.predict(X))
    assert_allclose(parts["genre"], X[:, 4:] @ model.coef_[4:])
    assert model.band_weights_.shape == (2, 5)


def test_without_bands_it_is_plain_ridge(study):
    X, Y, runs = study
    model = BandedRidge(alphas=[3.0]).fit(X, Y, groups=runs)
    expected = Ridge(alpha=3.0).fit(X, Y)
    assert_allclose(model.predict(X), expected.predict(X))
    assert_allclose(model.coef_, expected.coef_.T)
    assert list(model.predict_bands(X)) == ["all"]


def test_leaving_one_run_out_is_the_default(study):
    X, Y, runs = study
    first = BandedRidge(BANDS).fit(X, Y, groups=runs)
    second = BandedRidge(BANDS, cv=LeaveOneGroupOut()).fit(X, Y, groups=runs)
    other = BandedRidge(BANDS, cv=GroupKFold(2)).fit(X, Y, groups=runs)
    assert_array_equal(first.coef_, second.coef_)
    assert (first.cv_scores_ != other.cv_scores_).all()


def test_one_response_gives_one_dimension(study):
    X, Y, runs = study
    model = BandedRidge(BANDS).fit(X, Y[:, 0], groups=runs)
    assert model.coef_.shape == (7,)
    assert model.predict(X).shape == (90,)
    whole = BandedRidge(BANDS).fit(X, Y, groups=runs)
    assert_allclose(model.predict(X), whole.predict(X)[:, 0])


def test_it_can_be_cloned_and_put_into_a_pipeline(study):
    X, Y, runs = study
    model = clone(BandedRidge(BANDS, n_candidates=4, seed=1, form="kernel"))
    assert model.get_params()["n_candidates"] == 4
    pipe = make_pipeline(StandardScaler(), model)
    pipe.fit(X, Y, bandedridge__groups=runs)
    alone = BandedRidge(BANDS, n_candidates=4, seed=1)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = alone.fit(scaled, Y, groups=runs).predict(scaled)
    assert_allclose(pipe.predict(X), expected)
    assert pipe.score(X, Y) > 0


def test_folds_without_a_run_label_need_a_splitter(study):
    X, Y, runs = study
    with pytest.raises(InputError, match="Pass the run of each sample as groups"):
        BandedRidge(BANDS).fit(X, Y)
    with pytest.raises(InputError, match="groups names 1 run"):
        BandedRidge(BANDS).fit(X, Y, groups=np.zeros(90))
    with pytest.raises(InputError, match=r"groups is missing: cv = GroupKFold"):
        BandedRidge(BANDS, cv=GroupKFold(2)).fit(X, Y)
    with pytest.raises(InputError, match="groups has 89"):
        BandedRidge(BANDS).fit(X, Y, groups=runs[:-1])


@pytest.mark.parametrize(
    ("cv", "words"),
    [
        (ShuffleSplit(9, test_size=0.4, random_state=0), "holds a sample out twice"),
        (ShuffleSplit(1, test_size=0.3, random_state=0), "never holds out 63 of 90"),
        (ShuffleSplit(1, test_size=5, train_size=9, random_state=0), "leaves one out"),
    ],
)
def test_each_sample_is_held_out_exactly_once(study, cv, words):
    with pytest.raises(InputError, match=words):
        BandedRidge(BANDS, cv=cv).fit(*study[:2])


@pytest.mark.parametrize(
    ("cv", "words"), [(1, "cv = 1 folds"), ("runs", "cv must be a scikit-learn")]
)
def test_a_cv_that_is_none_is_named(study, cv, words):
    X, Y, _ = study
    with pytest.raises(InputError, match=words):
        BandedRidge(BANDS, cv=cv).fit(X, Y)


def test_numbers_and_pairs_are_splitters_too(study):
    X, Y, _ = study
    first = BandedRidge(BANDS, cv=KFold(3)).fit(X, Y)
    for cv in (np.int64(3), list(KFold(3).split(X))):
        assert_array_equal(BandedRidge(BANDS, cv=cv).fit(X, Y).coef_, first.coef_)


def test_columns_that_are_not_the_bands_are_named(study):
    X, Y, runs = study
    with pytest.raises(InputError, match=r"X has 6 columns.*mel 4, genre 3"):
        BandedRidge(BANDS).fit(X[:, :6], Y, groups=runs)
    with pytest.raises(InputError, match=r"X has 5 columns.*mel 4, genre 3"):
        BandedRidge(BANDS).fit(X, Y, groups=runs).predict(X[:, :5])
    with pytest.raises(ValueError, match=r"X has 5 features.* expecting 7"):
        BandedRidge().fit(X, Y, groups=runs).predict(X[:, :5])


# What scikit-learn's own checks are waived, with the reason: none.
WAIVED: dict[str, str] = {}


@parametrize_with_checks(
    [BandedRidge(cv=KFold(3)), BandedRidge(cv=KFold(3), levers=Levers())],
    expected_failed_checks=lambda _: WAIVED,
)
def test_it_keeps_to_the_rules_of_scikit_learn(estimator, check):
    check(estimator)


def test_solvers_and_backends_agree(study):
    X, Y, runs = study
    ours = BandedRidge(BANDS).fit(X, Y, groups=runs)
    theirs = BandedRidge(BANDS, solver="himalaya").fit(X, Y, groups=runs)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-8)
    assert_allclose(ours.cv_scores_, theirs.cv_scores_, atol=1e-8)
    assert_array_equal(ours.at_high_end_, theirs.at_high_end_)
    assert ours.counts_["voxels"] == 5
    pytest.importorskip("torch")
    torch = BandedRidge(BANDS, backend="torch").fit(X, Y, groups=runs)
    assert isinstance(torch.coef_, np.ndarray)
    assert_allclose(torch.coef_, ours.coef_, atol=1e-9)
    with pytest.raises(InputError, match="Did you mean 'himalaya'"):
        BandedRidge(BANDS, solver="himalya").fit(X, Y, groups=runs)
    with pytest.raises(InputError, match="Did you mean 'torch'"):
        BandedRidge(BANDS, backend="pytorch").fit(X, Y, groups=runs)
