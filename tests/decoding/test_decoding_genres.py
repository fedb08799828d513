"""Tests of decoding genres that were not in training."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal

from brain2music.core.checks import InputError
from brain2music.decoding.cards import Pool
from brain2music.decoding.chance import clip_permutations, clip_resamples
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.folds import check_folds
from brain2music.decoding.genres import (
    genre_transfer,
    identify_by_genre,
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
    assert_allclose(table.xs("own genre", level="pool")["chance"], 0.5)
    # What the genre's clips score by the prediction of any test clip, 16 of them.
    C = np.corrcoef(means, target)[:16, 16:]
    every = [(row[i] > row).sum() / 15 for row in C for i in np.flatnonzero(inside)]
    assert_allclose(table["permuted"]["pop", "without it", "all"], np.mean(every))
    larger = table["permuted"].clip(lower=0.5)
    assert_allclose(table["chance"], larger)


def test_what_all_genres_predict_may_be_given(study, genres):
    train, test = study
    known = {"train_genres": genres[0], "test_genres": genres[1]}
    predicted = decode(CortexRidge(), train, test).predicted
    expected = leave_one_genre_out(CortexRidge(), train, test, **known)
    found = leave_one_genre_out(
        CortexRidge(), train, test, predicted=predicted, **known
    )
    assert_frame_equal(found, expected)
    other = leave_one_genre_out(
        CortexRidge(), train, test, predicted=-predicted, **known
    )
    of_all = other["trained"] == "all genres"
    assert (other["accuracy"] != expected["accuracy"])[of_all].any()
    assert_frame_equal(other[~of_all], expected[~of_all])
    with pytest.raises(InputError, match=r"predicted has shape .* Pass what `decode`"):
        leave_one_genre_out(
            CortexRidge(), train, test, predicted=predicted[1:], **known
        )
    known["test_genres"] = genres[0]
    with pytest.raises(InputError, match="in training and in test"):
        leave_one_genre_out(CortexRidge(), train, train, predicted=train.T, **known)


def test_vectors_of_any_source_are_identified_as_decoded_ones_are(study, genres):
    train, test = study
    pool = Pool([], n_permutations=99, n_resamples=200, seed=4)
    table = leave_one_genre_out(
        *(CortexRidge(), train, test),
        train_genres=genres[0],
        test_genres=genres[1],
        pool=pool,
    )
    expected = table[table["trained"] == "all genres"].drop(columns="trained")
    predicted = decode(CortexRidge(), train, test).predicted
    means, clips = average_windows(predicted, test.clips)
    target, _ = average_windows(test.T, test.clips)
    found = identify_by_genre(
        means, target, genres=genres[1][::2], pool=replace(pool, clips=clips)
    )
    order = ["genre", "pool"]
    assert_frame_equal(
        found.sort_values(order).reset_index(drop=True),
        expected.sort_values(order).reset_index(drop=True)[list(found)],
    )


def test_as_many_genres_as_clips_are_needed(study):
    _, test = study
    means, clips = average_windows(test.T, test.clips)
    with pytest.raises(InputError, match=r"genres has shape \(2,\) for 16 rows"):
        identify_by_genre(means, means, genres=["a", "b"], pool=Pool(clips))


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
        n = near.sum() - 1
        n_lost = round((1 - found["accuracy"]) * inside.sum() * n)
        every = product(range(n + 1), repeat=inside.sum())
        unrelated = np.mean([sum(lost) <= n_lost for lost in every])
        assert_allclose(found["p"], max((1 + n_as_good) / 100, unrelated))
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


class Given:
    """A decoder whose predictions of the test rows are given."""

    selections = ()

    def __init__(self, predicted):
        self.predicted = predicted

    def fit(self, *_):
        return self

    def predict(self, _):
        return self.predicted


GENRES = np.repeat(["metal", "jazz", "rock", "pop", "disco"], 6)


def of_metal(T, predicted, seed=0):
    """Return the row of metal among all clips, by given predictions of 30 clips."""
    runs, clips = np.repeat(["a", "b"], 15), [f"c{k}" for k in range(30)]
    train = Pairs(np.eye(30), T, runs, [f"t{k}" for k in range(30)])
    test = Pairs(np.eye(30), T, np.full(30, "c"), clips)
    table = leave_one_genre_out(
        *(Given(predicted), train, test),
        train_genres=GENRES,
        test_genres=GENRES,
        n_folds=2,
        pool=Pool([], n_permutations=99, n_resamples=10, seed=seed),
    )
    (row,) = table.query(
        "genre == 'metal' and trained == 'without it' and pool == 'all'"
    ).to_dict("records")
    return row


def by_permutations_alone(row, predicted, T, seed=0):
    """Return p against what was permuted, wherever its mean lies."""
    C = np.corrcoef(predicted, T)[:30, 30:]
    orders = clip_permutations([f"c{k}" for k in range(30)], 99, seed=seed)
    beaten = (C[orders[:, :6], np.arange(6)][..., None] > C[orders[:, :6]]).sum(2)
    null = beaten.mean(axis=1) / 29
    assert_allclose(null.mean(), row["permuted"], atol=0.03)
    return (1 + (null >= row["accuracy"] - 1e-12).sum()) / 100


def alike(rng, spread=2.0):
    """Return targets of 30 clips of 5 genres that are unlike each other."""
    centres = spread * np.linalg.qr(rng.standard_normal((12, 5)))[0].T
    return np.repeat(centres, 6, axis=0) + 0.4 * rng.standard_normal((30, 12))


@pytest.mark.slow
def test_noise_about_a_genre_that_was_not_learned_has_any_p():
    """All but metal is decoded: their predictions lead away from it, unlike noise."""
    p, alone = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        T = alike(rng)
        predicted = T + 0.3 * rng.standard_normal(T.shape)
        predicted[:6] = rng.standard_normal((6, 12))
        row = of_metal(T, predicted, seed)
        assert row["permuted"] < row["chance"] == 0.5
        p.append(row["p"])
        alone.append(by_permutations_alone(row, predicted, T, seed))
    assert np.mean(np.array(p) <= 0.05) < 0.12
    assert 0.35 < np.mean(p) < 0.65
    assert np.mean(np.array(alone) <= 0.05) > 0.15  # what it was


def test_an_accuracy_below_chance_is_not_significant(rng):
    T = alike(rng)
    predicted = T + 0.3 * rng.standard_normal(T.shape)
    # A little of metal, and more of two genres that were learned.
    predicted[:6] = 0.42 * T[:6] + 2 * T[6:18].mean(axis=0)
    row = of_metal(T, predicted)
    assert row["accuracy"] < row["chance"]
    assert by_permutations_alone(row, predicted, T) <= 0.05
    assert row["p"] >= 0.5


def test_a_genre_near_to_all_predictions_has_their_score_as_chance(rng):
    T = alike(rng)
    T[:6] += T[6:].mean(axis=0) * 10
    predicted = T.mean(axis=0) + 0.1 * rng.standard_normal(T.shape)
    row = of_metal(T, predicted)
    assert row["accuracy"] > 0.7
    assert row["chance"] == row["permuted"] > 0.7
    assert row["p"] > 0.05


def test_what_is_known_of_a_genre_stands_above_both_kinds_of_chance(rng):
    T = alike(rng)
    row = of_metal(T, T + 0.3 * rng.standard_normal(T.shape))
    assert row["accuracy"] > 0.9
    assert row["p"] == 1 / 100


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
