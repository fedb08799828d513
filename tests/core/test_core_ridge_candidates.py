"""Tests of the candidates that a search tries."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.ridge.candidates import structured_candidates


@pytest.mark.parametrize("n_bands", [2, 3, 4, 5])
@pytest.mark.parametrize("n_candidates", [1, 4, 9, 20, 40])
def test_candidates_lie_on_the_simplex_and_none_comes_twice(n_bands, n_candidates):
    found = structured_candidates(n_bands, n_candidates, seed=3)
    assert found.shape == (n_candidates, n_bands)
    assert (found >= 0).all()
    assert_allclose(found.sum(axis=1), 1)
    assert len(np.unique(found.round(12), axis=0)) == n_candidates


def test_all_subsets_come_before_random_draws():
    found = structured_candidates(3, 10, seed=0)
    third = 1 / 3
    assert_allclose(found[:3], np.eye(3))
    assert_allclose(found[3], [third, third, third])
    assert_allclose(found[4:7], [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    assert (found[7:] > 0).all()


@pytest.mark.parametrize("n_candidates", range(1, 20))
def test_no_band_has_more_subsets_than_another(n_candidates):
    found = structured_candidates(4, n_candidates, seed=0)
    subsets = np.array([row for row in found if len(set(row[row > 0])) == 1])
    assert len(set((subsets > 0).sum(axis=0))) == 1


def test_the_seed_changes_the_draws_and_nothing_else():
    first, second = (structured_candidates(3, 12, seed=seed) for seed in (0, 1))
    assert_array_equal(first, structured_candidates(3, 12, seed=0))
    assert_array_equal(first[:7], second[:7])
    assert (first[7:] != second[7:]).all()


def test_one_band_has_one_candidate():
    assert_array_equal(structured_candidates(1, 20, seed=0), [[1.0]])


@pytest.mark.parametrize(("n_bands", "n_candidates"), [(0, 5), (3, 0)])
def test_an_empty_search_is_refused(n_bands, n_candidates):
    with pytest.raises(InputError, match="n_candidates >= 1"):
        structured_candidates(n_bands, n_candidates, seed=0)
