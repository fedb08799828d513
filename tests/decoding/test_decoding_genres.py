"""Tests of decoding genres that were not in training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.cards import Pool
from brain2music.decoding.chance import clip_permutations, clip_resamples
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.folds import check_folds
from brain2music.decoding.genres import (
    genre_transfer,
    leave_one_genre_out,
    matrix_of,
)
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.rows import Pairs, average_windows, take_rows

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


def test_each_row_has_the_interval_and_p_of_its_clips(study, genres):
    train, test = study
    table = leave_one_genre_out(
        *(CortexRidge(), train, test),
        train_genres=genres[0],
        test_genres=genres[1],
        pool=Pool([], n_permutations=99, n_resamples=200, seed=4),
    ).set_index(["genre", "trained", "pool"])
    predicted = decode(CortexRidge(), train, test).predicted
    means, clips = average_windows(predicted, test.clips)
    target, _ = average_windows(test.T, test.clips)
    genre = genres[1][::2]
    inside = genre == "rock"
    for pool, groups in (("all", None), ("own genre", genre)):
        found = table.loc["rock", "all genres", pool]
        null = []
        for order in clip_permutations(clips, 99, seed=4, strata=groups):
            C = np.corrcoef(means[order], target)[:16, 16:]
            beats = (np.diag(C)[:, None] > C)[inside]
            near = inside if pool == "own genre" else np.ones(16, bool)
            null.append(beats[:, near].sum() / inside.sum() / (near.sum() - 1))
        n_as_good = (np.array(null) >= found["accuracy"] - 1e-12).sum()
        assert_allclose(found["p"], (1 + n_as_good) / 100)
    items = identification_accuracy(means, target)[inside]
    draws = clip_resamples(np.arange(len(items)), 200, seed=4)
    bounds = np.quantile([items[rows].mean() for rows in draws], [0.025, 0.975])
    everywhere = table.loc["rock", "all genres", "all"]
    assert_allclose(everywhere[["low", "high"]].astype(float), bounds)
    assert (table["n"] == table["n_clips"]).all()
    assert (table.xs("all", level="pool")["p"] <= 0.1).mean() > 0.8


def test_genres_without_truth_have_no_small_p(study, genres, rng):
    train, test = study
    noise = Pairs(rng.standard_normal(test.Y.shape), test.T, test.runs, test.clips)
    table = genre_transfer(
        *(CortexRidge(), train, noise),
        train_genres=genres[0],
        test_genres=genres[1],
    )
    assert len(table) == 4 * 4 * 2
    assert (table["p"] <= 0.05).mean() < 0.2


def test_a_genre_with_one_test_clip_keeps_all_other_rows(study, genres):
    train, test = study
    first = test.clips == test.clips[0]
    alone = str(genres[1][0])
    keep = first | (genres[1] != alone)
    part, labels = take_rows(test, keep), genres[1][keep]
    both = {"train_genres": genres[0], "test_genres": labels}
    table = leave_one_genre_out(CortexRidge(), train, part, **both)
    assert len(table) == 4 * 2 + 3 * 2
    single = table[table["genre"] == alone]
    assert single["pool"].tolist() == ["all", "all"]
    assert single["n"].tolist() == [1, 1]
    assert single[["low", "high"]].isna().all(axis=None)
    others = table[table["genre"] != alone]
    assert others[["low", "high", "p"]].notna().all(axis=None)
    means, _ = average_windows(decode(CortexRidge(), train, part).predicted, part.clips)
    target, clips = average_windows(part.T, part.clips)
    inside = np.isin(clips, part.clips[labels == "rock"])
    rock = others[(others["genre"] == "rock") & (others["trained"] == "all genres")]
    own = identification_accuracy(means[inside], target[inside]).mean()
    assert_allclose(rock.set_index("pool").loc["own genre", "accuracy"], own)
    square = matrix_of(genre_transfer(CortexRidge(), train, part, **both), "own genre")
    assert square.shape == (4, 3)
    assert alone not in square.columns


def test_folds_may_be_of_clips(study, genres):
    train, test = study
    for call in (genre_transfer, leave_one_genre_out):
        spy = Spy()
        call(
            *(spy, train, test),
            train_genres=genres[0],
            test_genres=genres[1],
            unit="clip",
        )
        for T, folds in zip(spy.seen, spy.folds, strict=True):
            runs = train.runs[np.isin(train.T[:, 0], T[:, 0])]
            with pytest.raises(InputError, match="lies in"):
                check_folds(folds, runs)


class Spy:
    """A decoder that remembers the targets that it was shown."""

    selections = ()

    def __init__(self):
        self.seen, self.folds = [], []

    def fit(self, Y, T, folds):
        self.seen.append(T)
        self.folds.append(folds)
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
