"""Tests of responses that know nothing and are like those that were measured."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.decoding.random_brain import random_responses

LENGTHS = (30, 41, 1)
RUNS = np.repeat(["a", "b", "c"], LENGTHS)


@pytest.fixture
def slow(rng):
    """Return slow responses of 5 voxels that go together, each run about its mean."""
    Y = np.cumsum(rng.standard_normal((len(RUNS), 5)), axis=0)
    return Y @ rng.standard_normal((5, 5)) + [100, 0, 3, 7, -2]


def around(course):
    """Return the autocovariance of each column, the end going on with the start."""
    course = course - course.mean(axis=0)
    return np.array(
        [(course * np.roll(course, k, axis=0)).mean(axis=0) for k in range(len(course))]
    )


def test_mean_variance_and_autocorrelation_of_each_run_stay(slow):
    found = random_responses(slow, RUNS, seed=4)
    assert_allclose(found.mean(axis=0), slow.mean(axis=0))
    for name in "ab":
        mine, was = found[name == RUNS], slow[name == RUNS]
        assert_allclose(around(mine), around(was), atol=1e-8)
        assert_allclose(np.cov(mine.T), np.cov(was.T))
        assert_allclose(mine.mean(axis=0), slow.mean(axis=0))
        assert abs(mine - was).max() > 1
    assert_allclose(found[RUNS == "c"][0], slow.mean(axis=0))


def test_nothing_of_the_course_is_left_over_seeds(rng):
    runs = np.repeat(["a", "b"], 24)
    Y = rng.standard_normal((48, 1)) + np.repeat([[3.0], [-3.0]], 24, axis=0)
    r = [
        np.corrcoef(Y[:, 0], random_responses(Y, runs, seed=seed)[:, 0])[0, 1]
        for seed in range(300)
    ]
    assert abs(np.mean(r)) < 0.01
    assert np.std(r) > 0.02


def test_the_seed_alone_decides(slow):
    first, same, other = (random_responses(slow, RUNS, seed=s) for s in (1, 1, 2))
    assert (first == same).all()
    assert abs(first - other).max() > 1


def test_rows_that_do_not_fit_are_refused(slow):
    with pytest.raises(InputError, match="72 rows, and runs has shape"):
        random_responses(slow, RUNS[1:], seed=0)
    with pytest.raises(InputError, match="comes in two pieces"):
        random_responses(slow, np.resize(["a", "b"], len(slow)), seed=0)
