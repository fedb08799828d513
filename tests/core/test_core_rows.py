"""Tests of runs as walls, and of averaged repeats."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.core.rows import average_rows, each_run


def test_runs_come_in_the_order_in_which_they_stand():
    runs = ["run-10", "run-10", "run-2", "run-2", "run-2", "run-1"]
    assert list(each_run(runs)) == [slice(0, 2), slice(2, 5), slice(5, 6)]


def test_no_sample_is_no_run():
    assert list(each_run([])) == []


def test_a_run_in_two_pieces_is_refused():
    with pytest.raises(InputError, match=r"two pieces, the second from row 3"):
        list(each_run([1, 1, 2, 1]))


@pytest.mark.parametrize("n_columns", [1, 5000])
def test_groups_are_averaged_as_by_hand(rng, n_columns):
    array = rng.standard_normal((17, n_columns)).astype("float32")
    group = rng.permutation(np.arange(17) % 4)
    means = average_rows(array, group)
    assert means.dtype == "float32"
    expected = [array[group == g].astype(float).mean(axis=0) for g in range(4)]
    assert_allclose(means, expected, atol=1e-6)


def test_the_callers_array_is_not_changed(rng):
    array = rng.standard_normal((6, 2))
    copy = array.copy()
    average_rows(array, [1, 0, 1, 0, 2, 2])
    assert_allclose(array, copy)


@pytest.mark.parametrize("group", [[0, 2, 2], [0, 1]])
def test_groups_with_gaps_or_of_another_length_are_refused(group):
    with pytest.raises(InputError, match="Number the groups from 0"):
        average_rows(np.zeros((3, 2)), group)
