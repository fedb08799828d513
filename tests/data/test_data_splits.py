"""Tests of training, test and folds."""

import numpy as np
import pytest

from brain2music.core.checks import InputError
from brain2music.core.types import Run
from brain2music.data.splits import fold_of_row, make_split

RUNS = [Run("Train", str(i), f"s{(i + 3) // 4}") for i in (11, 10, 2, 1, 5, 9, 7)]
RUNS += [Run("Test", "1", "s1"), Run("Test", "2", "s1"), Run("Rest", "1", "s1")]


def split_by(folds, runs=RUNS):
    return make_split(
        runs, train={"task": "Train"}, test={"task": "Test"}, folds=folds, name="sub-4"
    )


def numbers(split):
    return [[int(run.run) for run in fold] for fold in split.folds]


def test_folds_are_runs_sessions_or_groups_of_neighbours():
    assert numbers(split_by("run")) == [[1], [2], [5], [7], [9], [10], [11]]
    assert numbers(split_by("session")) == [[1, 2], [5, 7], [9, 10, 11]]
    assert numbers(split_by(3)) == [[1, 2, 5], [7, 9], [10, 11]]


def test_runs_that_no_rule_names_are_left_out():
    split = split_by("run")
    assert {run.task for run in split.train + split.test} == {"Train", "Test"}


def test_folds_follow_the_runs_and_not_the_position(rng):
    split = split_by(3)
    rows = [split.train[i] for i in rng.integers(0, 7, size=53)]
    fold = fold_of_row(split, rows)
    assert all(run in split.folds[k] for run, k in zip(rows, fold, strict=True))
    np.testing.assert_array_equal(fold, fold_of_row(split, [str(run) for run in rows]))


def test_a_test_row_is_in_no_fold():
    split = split_by("run")
    with pytest.raises(InputError, match=r"task-Test_run-1 are in no fold"):
        fold_of_row(split, [split.train[0], split.test[0]])


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        (1, "from 2 to 7"),
        (8, "from 2 to 7"),
        (True, "folds must be"),
        ("runs", "Did you mean 'run'"),
    ],
)
def test_folds_that_cannot_be_made_say_why(folds, words):
    with pytest.raises(InputError, match=words):
        split_by(folds)


def test_one_group_is_not_enough():
    runs = [Run("Train", "1", "s"), Run("Train", "2", "s"), Run("Test", "1")]
    with pytest.raises(InputError, match="sub-4: one training session"):
        split_by("session", runs)
    with pytest.raises(InputError, match="sub-4: one training run"):
        split_by("run", runs[1:])


def test_sessions_that_are_not_there_are_missed():
    runs = [Run("Train", "1"), Run("Train", "2"), Run("Test", "1")]
    with pytest.raises(InputError, match="the runs have none"):
        split_by("session", runs)


def test_a_run_on_both_sides_is_refused():
    with pytest.raises(InputError, match="in training and in test"):
        make_split(RUNS, train={"run": ["1", "2"]}, test={"task": "Test"}, folds="run")


def test_a_missing_run_names_the_subject():
    with pytest.raises(InputError, match="sub-4: no run 3"):
        make_split(
            RUNS,
            train={"task": "Train"},
            test={"task": "Test", "run": ["3"]},
            folds=2,
            name="sub-4",
        )
