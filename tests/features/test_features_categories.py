"""Tests of features from categories of events."""

import pandas as pd
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.features.categories import (
    category_features,
    category_labels,
    one_hot,
)

GRID = {"n_samples": 4, "tr_s": 2.0}
LEVELS = ("blues", "jazz", "rock")
GENRES = pd.DataFrame(
    {
        "onset": [0.0, 3.0, 6.0],
        "duration": [3.0, 3.0, 1.0],
        "genre": ["rock", "blues", "rock"],
        "track": [32, 7, 32],
    }
)


def test_categories_take_their_share_of_each_sample():
    rows, notes = category_features(GENRES, "genre", LEVELS, **GRID)
    assert_allclose(rows, [[0, 0, 1], [0.5, 0, 0.5], [1, 0, 0], [0, 0, 0.5]])
    assert notes == []


def test_the_order_of_the_levels_is_that_of_the_columns():
    rows, _ = category_features(GENRES, "genre", LEVELS, **GRID)
    turned, _ = category_features(GENRES, "genre", LEVELS[::-1], **GRID)
    assert_allclose(turned, rows[:, ::-1])


def test_numbers_serve_as_categories_too():
    rows, _ = category_features(GENRES, "track", ["7", "32"], **GRID)
    assert_allclose(rows[:, 0], [0, 0.5, 1, 0])


def test_a_category_outside_the_levels_is_refused_with_the_nearest():
    match = r"sub-01, run-2, column 'genre': the category in row 1 is 'blues', .*'jazz'"
    with pytest.raises(InputError, match=match + r".* Did you mean 'blue'"):
        category_features(
            GENRES, "genre", ["blue", "jazz", "rock"], **GRID, name="sub-01, run-2"
        )


def test_late_categories_are_refused_or_cut():
    grid = {"n_samples": 2, "tr_s": 2.0}
    with pytest.raises(InputError, match=r"2 of 3 events lie or reach outside"):
        category_features(GENRES, "genre", LEVELS, **grid)
    rows, notes = category_features(GENRES, "genre", LEVELS, **grid, beyond="cut")
    assert rows.shape == (2, 3)
    assert len(notes) == 1


def test_one_hot_refuses_levels_named_twice_and_missing_categories():
    with pytest.raises(InputError, match=r"named twice: jazz"):
        one_hot(["jazz"], ["jazz", "jazz"])
    with pytest.raises(InputError, match=r"category in row 1 is missing"):
        one_hot(["jazz", float("nan")], ["jazz"])
    assert one_hot([], ["jazz", "rock"]).shape == (0, 2)


def test_a_missing_category_is_none_of_the_levels_and_counted():
    table = GENRES.assign(genre=["rock", None, "rock"])
    rows, notes = category_features(table, "genre", LEVELS, **GRID, name="run-1, genre")
    assert_allclose(rows, [[0, 0, 1], [0, 0, 0.5], [0, 0, 0], [0, 0, 0.5]])
    assert notes == [
        "run-1, genre: 1 of 3 events have no 'genre' and count as none of its levels."
    ]


def test_a_number_is_one_category_with_and_without_cells_missing():
    assert category_labels(pd.Series([32, 7, 32])) == ["32", "7", "32"]
    assert category_labels(pd.Series([32, None, 0.5])) == ["32", None, "0.5"]
    assert category_labels(pd.Series(["32", None], dtype="str")) == ["32", None]


def test_says_which_columns_there_are():
    with pytest.raises(InputError, match=r"no column 'gnre', only: .*mean 'genre'"):
        category_features(GENRES, "gnre", LEVELS, **GRID)
