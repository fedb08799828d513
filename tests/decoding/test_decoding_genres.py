"""Tests of decoding genres that were not in training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.genres import (
    genre_transfer,
    leave_one_genre_out,
    matrix_of,
)
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.rows import average_windows, take_rows

NAMES = np.array(["jazz", "rock", "pop", "metal"])


@pytest.fixture
def genres(study):
    """Return the genre of each row, so that each run has each genre."""
    return tuple(
        NAMES[np.unique(pairs.clips, return_inverse=True)[1] % 4] for pairs in study
    )


def test_held_out_genres_are_decoded_where_the_code_is_shared(study, genres):
    train, test = study
    table = leave_one_genre_out(
        CortexRidge(), train, test, train_genres=genres[0], test_genres=genres[1]
    )
    assert len(table) == 4 * 2 * 2
    held = table[table["trained"] == "without it"]
    assert (held["accuracy"] > held["chance"] + 0.2).all()
    assert set(table[table["pool"] == "all"]["n_candidates"]) == {15}
    assert set(table[table["pool"] == "own genre"]["n_clips"]) <= {3, 4, 5}


def test_numbers_equal_a_fit_without_the_genre(study, genres):
    train, test = study
    table = leave_one_genre_out(
        CortexRidge(), train, test, train_genres=genres[0], test_genres=genres[1]
    ).set_index(["genre", "trained", "pool"])
    rest = take_rows(train, genres[0] != "pop")
    predicted = decode(CortexRidge(), rest, test).predicted
    means, clips = average_windows(predicted, test.clips)
    target, _ = average_windows(test.T, test.clips)
    inside = np.isin(clips, test.clips[genres[1] == "pop"])
    everywhere = identification_accuracy(means, target)[inside].mean()
    own = identification_accuracy(means[inside], target[inside]).mean()
    found = table["accuracy"]
    assert_allclose(found["pop", "without it", "all"], everywhere)
    assert_allclose(found["pop", "without it", "own genre"], own)
    assert_allclose(table["chance"], 0.5)


class Spy:
    """A decoder that remembers the targets that it was shown."""

    selections = ()

    def __init__(self):
        self.seen = []

    def fit(self, Y, T, folds):
        self.seen.append(T)
        return CortexRidge().fit(Y, T, folds)


def test_the_genre_is_out_of_training_and_alone_in_it(study, genres):
    train, test = study
    both = {"train_genres": genres[0], "test_genres": genres[1]}
    order = list(dict.fromkeys(genres[1].tolist()))
    spy = Spy()
    leave_one_genre_out(spy, train, test, **both)
    assert_array_equal(spy.seen[0], train.T)
    for genre, seen in zip(order, spy.seen[1:], strict=True):
        assert_array_equal(seen, train.T[genres[0] != genre])
    spy = Spy()
    genre_transfer(spy, train, test, **both)
    for genre, seen in zip(order, spy.seen, strict=True):
        assert_array_equal(seen, train.T[genres[0] == genre])


def test_each_genre_alone_makes_a_square(study, genres):
    train, test = study
    table = genre_transfer(
        CortexRidge(), train, test, train_genres=genres[0], test_genres=genres[1]
    )
    square = matrix_of(table)
    assert square.shape == (4, 4)
    alone = take_rows(train, genres[0] == "rock")
    predicted = decode(CortexRidge(), alone, test).predicted
    means, clips = average_windows(predicted, test.clips)
    target, _ = average_windows(test.T, test.clips)
    inside = np.isin(clips, test.clips[genres[1] == "jazz"])
    by_hand = identification_accuracy(means, target)[inside].mean()
    assert_allclose(square.loc["rock", "jazz"], by_hand)
    assert square.to_numpy().mean() > 0.6


def test_genres_that_do_not_fit_are_refused(study, genres):
    train, test = study
    short, rolled = genres[0][:5], np.roll(genres[0], 1)
    only = np.where(genres[0] == "pop", "rock", genres[0])
    for wrong, words in (
        (short, "one genre per row"),
        (rolled, "'c0' is "),
        (only, "'pop' is tested and not in training"),
    ):
        for call in (genre_transfer, leave_one_genre_out):
            with pytest.raises(InputError, match=words):
                call(
                    *(CortexRidge(), train, test),
                    train_genres=wrong,
                    test_genres=genres[1],
                )
    with pytest.raises(InputError, match="pool must be"):
        matrix_of(None, "own")
