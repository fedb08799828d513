"""Tests of how predictions are moved."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.analysis.moves import (
    moved_rows,
    moves_notes,
    pair_table,
    permute_blocks,
    picks,
    shift_runs,
    whole_runs,
)
from brain2music.core.checks import InputError

RUNS = np.repeat([3, 1], [35, 23])
BLOCKS = np.repeat(np.arange(8), [7, 7, 7, 7, 7, 8, 8, 7])


@pytest.fixture(params=["blocks inside runs", "blocks", "shift"])
def moves(request):
    options = {"n_permutations": 40, "seed": 1}
    if request.param == "shift":
        return shift_runs(RUNS, **options)
    walls = RUNS if "inside" in request.param else None
    return permute_blocks(BLOCKS, walls=walls, **options)


def test_the_table_gives_the_sums_of_moved_predictions(rng, moves):
    Y, P = rng.standard_normal((2, 58, 5))
    sums = picks(moves) @ pair_table(Y, P, moves)
    assert_allclose(sums[0], (Y * P).sum(axis=0))
    for found, rows in zip(sums[1:], moved_rows(moves), strict=True):
        assert_allclose(found, [sum(Y[:, v] * P[rows, v]) for v in range(5)])


def test_each_row_is_used_once_and_runs_are_walls(moves):
    rows = moved_rows(moves)
    assert_array_equal(np.sort(rows, axis=1), np.tile(np.arange(58), (40, 1)))
    assert (rows != np.arange(58)).any()
    if len(moves.pieces) != 2 or moves.kind == "shift":
        assert_array_equal(RUNS[rows], np.tile(RUNS, (40, 1)))


def test_blocks_move_whole_to_places_of_their_length():
    moves = permute_blocks(BLOCKS, n_permutations=300, seed=0)
    place = np.concatenate([np.arange(n) for n in np.bincount(BLOCKS)])
    sizes = np.bincount(BLOCKS)
    for rows in moved_rows(moves):
        assert_array_equal(place[rows], place)
        assert_array_equal(sizes[BLOCKS[rows]], sizes[BLOCKS])
    # Each block of 7 is as likely as another to come first.
    first = np.bincount(BLOCKS[moved_rows(moves)[:, 0]], minlength=8)
    assert_array_equal(np.flatnonzero(first), [0, 1, 2, 3, 4, 7])
    assert first[first > 0].min() > 30


def test_a_shift_takes_the_end_of_a_run_to_its_start():
    moves = shift_runs(RUNS, n_permutations=30, seed=0)
    for rows in moved_rows(moves):
        for run, size in ((3, 35), (1, 23)):
            steps = np.diff(rows[run == RUNS]) % size
            assert_array_equal(steps, 1)


def test_blocks_without_another_like_them_stay_and_are_counted():
    blocks = np.repeat(np.arange(7), [9, 9, 9, 9, 9, 9, 6])
    moves = permute_blocks(blocks, n_permutations=20, seed=0)
    assert_array_equal(moved_rows(moves)[:, -6:], np.tile(np.arange(54, 60), (20, 1)))
    assert moves.stays == 0.1
    assert "10% of the test samples" in moves_notes(moves)[1]
    assert moves_notes(moves)[0] == ("null: 7 blocks, moved inside 2 groups, 20 times.")
    shifts = shift_runs(blocks, n_permutations=20, seed=0)
    assert moves_notes(shifts) == ["null: circular shift inside 7 runs, 20 times."]


def test_whole_runs_change_places():
    runs = np.repeat(list("fbdace"), 4)
    moves = permute_blocks(whole_runs(runs), n_permutations=50, seed=0)
    rows = moved_rows(moves).reshape(50, 6, 4)
    assert_array_equal(np.diff(rows, axis=2), 1)
    assert_array_equal(rows[..., 0] % 4, 0)


def test_the_seed_makes_the_moves():
    one, same, other = (
        moved_rows(permute_blocks(BLOCKS, n_permutations=5, seed=s)) for s in (0, 0, 1)
    )
    assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"blocks": [0, 0, 1, 1, 0, 0]}, "2 blocks come in 3 pieces"),
        ({"walls": np.repeat([0, 1], [30, 28])}, "block 4 crosses the border"),
        ({"walls": np.zeros(57)}, r"walls \(57,\)"),
        ({"n_permutations": 0}, "n_permutations\\s+is 0"),
        ({"blocks": np.repeat(np.arange(4), 5)}, "there are 24 orders"),
        ({"blocks": np.arange(40), "walls": np.arange(40)}, "there are 1 orders"),
    ],
)
def test_blocks_that_cannot_be_moved_are_refused(options, words):
    given = {"blocks": BLOCKS, "n_permutations": 5, "seed": 0} | options
    with pytest.raises(InputError, match=words):
        permute_blocks(given.pop("blocks"), **given)


def test_runs_that_cannot_be_turned_are_refused():
    with pytest.raises(InputError, match="there are 99 turns"):
        shift_runs(np.zeros(99), n_permutations=5, seed=0)
    with pytest.raises(InputError, match=r"runs has shape \(2, 3\)"):
        shift_runs(np.zeros((2, 3)), n_permutations=5, seed=0)


def test_runs_may_be_named_by_text():
    blocks, walls = np.repeat(np.arange(8), 3), np.repeat([0, 1], 12)
    named = np.array(["run-1", "run-2"], object)[walls]
    options = {"n_permutations": 20, "seed": 3}
    a, b = (permute_blocks(blocks, walls=w, **options) for w in (walls, named))
    assert_array_equal(moved_rows(a), moved_rows(b))
