"""Tests of the column-wise statistics."""

import numpy as np
import pytest
import sklearn.metrics
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.stats import (
    correlation,
    correlation_parts,
    r2_parts,
    r2_score,
    varies,
)


@pytest.fixture
def pair(rng):
    Y = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 4)) + 3
    return Y, Y + rng.standard_normal((50, 4)) - 1


@pytest.fixture
def parts(rng):
    shared = rng.standard_normal((1, 50, 4))
    return rng.standard_normal((3, 50, 4)) + shared + rng.standard_normal((3, 1, 4))


def test_correlation_is_that_of_numpy(pair):
    Y, Y_hat = pair
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(Y.T, Y_hat.T, strict=True)]
    assert_allclose(correlation(Y, Y_hat), expected)


def test_correlation_does_not_depend_on_unit_or_baseline(pair):
    Y, Y_hat = pair
    expected = correlation(Y, Y_hat)
    assert_allclose(correlation(7 * Y - 2, 0.01 * Y_hat + 5), expected)
    assert_allclose(correlation(Y, -Y_hat), -expected)


def test_r2_is_that_of_scikit_learn(pair):
    Y, Y_hat = pair
    expected = sklearn.metrics.r2_score(Y, Y_hat, multioutput="raw_values")
    assert_allclose(r2_score(Y, Y_hat), expected)


def test_parts_of_r_add_up_to_the_correlation(pair, parts):
    found = correlation_parts(pair[0], parts)
    assert found.shape == (3, 4)
    assert_allclose(found.sum(axis=0), correlation(pair[0], parts.sum(axis=0)))


def test_parts_of_r2_and_the_offset_add_up_to_r2(pair, parts):
    Y, intercept = pair[0], np.array([0.0, 1.0, -2.0, 3.0])
    shares, offset = r2_parts(Y, parts, intercept)
    whole = parts.sum(axis=0) + intercept
    assert_allclose(shares.sum(axis=0) + offset, r2_score(Y, whole))
    assert (offset < 0).all()


def test_the_offset_is_zero_where_the_means_agree(pair, parts):
    Y = pair[0]
    intercept = Y.mean(axis=0) - parts.sum(axis=0).mean(axis=0)
    assert_allclose(r2_parts(Y, parts, intercept)[1], 0, atol=1e-12)


def test_a_band_that_predicts_nothing_adds_nothing(pair, parts):
    parts[1] = 4.0
    assert_allclose(correlation_parts(pair[0], parts)[1], 0, atol=1e-12)
    assert_allclose(r2_parts(pair[0], parts, np.zeros(4))[0][1], 0, atol=1e-12)


def test_what_never_varies_has_no_score(pair, parts):
    Y, Y_hat = pair
    Y[:, 1], Y_hat[:, 2] = 0.1, 0.3
    assert_array_equal(np.isnan(correlation(Y, Y_hat)), [False, True, True, False])
    assert_array_equal(np.isnan(r2_score(Y, Y_hat)), [False, True, False, False])
    nan = np.isnan(correlation_parts(Y, parts))
    assert_array_equal(nan, np.tile([False, True, False, False], (3, 1)))
    assert_array_equal(varies(Y), [True, False, True, True])


def test_single_precision_is_summed_in_double(pair):
    Y, Y_hat = (array.astype("float32") + 1000 for array in pair)
    expected = correlation(Y.astype(float), Y_hat.astype(float))
    assert_array_equal(correlation(Y, Y_hat), expected)


@pytest.mark.parametrize("score", [correlation, r2_score])
def test_pairs_of_other_shapes_are_refused(pair, score):
    with pytest.raises(InputError, match=r"Y has shape \(50, 4\) and its prediction"):
        score(pair[0], pair[1][:, :3])
