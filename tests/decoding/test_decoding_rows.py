"""Tests of pairs of responses and targets, and of their averages."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.folds import check_folds, make_folds
from brain2music.decoding.identify import chance_with_ties
from brain2music.decoding.ranks import candidates, n_tied
from brain2music.decoding.rows import (
    Pairs,
    average_repeats,
    average_windows,
    check_apart,
    single_repeat,
    take_rows,
)


@pytest.fixture
def repeated(rng):
    """Return 3 windows of each of 2 clips, heard 4 times in 2 runs."""
    T = np.tile(rng.standard_normal((6, 4)), (4, 1))
    runs = np.repeat(["r1", "r2"], 12)
    clips = np.tile(np.repeat(["b", "a"], 3), 4)
    return Pairs(rng.standard_normal((24, 5)), T, runs, clips), np.tile([0, 1, 2], 8)


def test_repeats_are_averaged_by_hand(repeated):
    pairs, windows = repeated
    mean = average_repeats(pairs, windows)
    assert_allclose(mean.Y, pairs.Y.reshape(4, 6, 5).mean(axis=0))
    assert_array_equal(mean.T, pairs.T[:6])
    assert mean.clips.tolist() == ["b", "b", "b", "a", "a", "a"]
    assert mean.run_names == {"r1", "r2"}


def test_a_single_repeat_is_what_was_measured(repeated):
    pairs, windows = repeated
    third = single_repeat(pairs, windows, repeat=2)
    assert_array_equal(third.Y, pairs.Y[12:18])
    assert third.run_names == {"r2"}
    with pytest.raises(InputError, match="a window has 4 repeats"):
        single_repeat(pairs, windows, repeat=4)


def test_repeats_with_another_target_are_refused(repeated):
    pairs, windows = repeated
    with pytest.raises(InputError, match=r"row 8 \(clip 'b'\) repeats a window"):
        average_repeats(pairs, np.r_[windows[:8], 0, windows[9:]])


def test_windows_are_averaged_by_clip(rng):
    rows = rng.standard_normal((7, 3))
    clips = np.array(["b", "a", "b", "a", "a", "c", "b"])
    means, names = average_windows(rows, clips)
    assert names.tolist() == ["b", "a", "c"]
    assert_allclose(means, [rows[clips == name].mean(axis=0) for name in names])


def test_equal_rows_give_their_own_value_for_any_number_of_rows():
    labels = np.random.default_rng(0).random((5, 7))
    which = np.arange(20) % 5
    sizes = 1 + np.arange(20) % 9
    clips = np.repeat([f"clip{k}" for k in range(20)], sizes)
    means, _ = average_windows(labels[which].repeat(sizes, axis=0), clips)
    assert_array_equal(means, labels[which])
    # 4 clips of each of 5 labels: 6 tied pairs in each.
    assert n_tied(means, candidates(np.arange(20))) == 5 * 6
    assert_allclose(chance_with_ties(means), 0.5 * (1 - 3 / 19))
    moved = labels[which].repeat(sizes, axis=0)
    moved[-1, 2] += 1
    changed, _ = average_windows(moved, clips)
    assert_allclose(changed[-1, 2] - means[-1, 2], 1 / sizes[-1])
    assert_array_equal(np.delete(changed[-1], 2), np.delete(means[-1], 2))


def test_folds_keep_runs_whole_and_neighbours_apart(study):
    train, _ = study
    folds = make_folds(train, n_folds=3)
    check_folds(folds, train.runs)
    of_run = [set(folds[train.runs == run]) for run in dict.fromkeys(train.runs)]
    assert of_run == [{0}, {1}, {2}, {0}, {1}, {2}]


def test_folds_by_clip_cut_runs_and_no_clip(study):
    train, _ = study
    folds = make_folds(train, n_folds=5, unit="clip")
    check_folds(folds, train.clips)
    with pytest.raises(InputError, match="task-music_run-1' lies in 5 folds"):
        check_folds(folds, train.runs)


def test_rows_of_a_run_cannot_be_on_both_sides(study):
    train, test = study
    both = take_rows(train, train.runs == "task-music_run-2")
    with pytest.raises(InputError, match="run-2 in training and in test"):
        check_apart(train, both)
    renamed = Pairs(both.Y, both.T, np.full(len(both.Y), "other"), both.clips)
    with pytest.raises(InputError, match="8 clips were heard in training"):
        check_apart(train, renamed)
    check_apart(train, renamed, shared_clips=True)
    check_apart(train, test)


def test_means_over_runs_remember_all_runs(repeated):
    pairs, windows = repeated
    mean = average_repeats(pairs, windows)
    with pytest.raises(InputError, match="r2 in training and in test"):
        check_apart(take_rows(pairs, pairs.runs == "r2"), mean)
    mixed = Pairs(np.eye(3), np.eye(3), ["r1+r2", "r2", "r3"], ["a", "b", "c"])
    with pytest.raises(InputError, match="different sets of runs"):
        make_folds(mixed)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Pairs(np.eye(3), np.eye(2), [*"abc"], [*"abc"]), "different numbers"),
        (lambda: Pairs(np.eye(0, 3), np.eye(0, 2), [], []), "there is no row"),
        (
            lambda: make_folds(Pairs(np.eye(2), np.eye(2), ["1", "1"], ["a", "b"])),
            "5 folds of 1 runs",
        ),
        (
            lambda: check_apart(
                Pairs(np.eye(2), np.eye(2), ["1", "1"], ["a", "b"]),
                Pairs(np.eye(2, 3), np.eye(2), ["2", "2"], ["c", "d"]),
            ),
            "2 voxels and 2 target dimensions, test 3 and 2",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()
