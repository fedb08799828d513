"""Decoding of genres that were never in training."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError
from .decode import decode
from .decoders import Decoder
from .identify import similarity
from .ranks import accuracy, candidates, chance_losses, chance_mean, losses
from .rows import Pairs, average_windows, take_rows

POOLS = ("all", "own genre")


def leave_one_genre_out(
    decoder: Decoder,
    train: Pairs,
    test: Pairs,
    *,
    train_genres: ArrayLike,
    test_genres: ArrayLike,
    n_folds: int = 5,
) -> pd.DataFrame:
    """Return identification of each genre's clips, trained with and without the genre.

    Parameters
    ----------
    decoder : Decoder
    train, test : Pairs
    train_genres, test_genres : array of str, one per row of train and of test
    n_folds : int

    Returns
    -------
    table : DataFrame
        One row per genre of the test clips, trained ('all genres', 'without it') and
        pool ('all' test clips, or those of the 'own genre' only), with accuracy (mean
        over the genre's clips), chance, n_clips and n_candidates. 'all' is what the
        paper shows; a genre that is told from others only by being different scores
        high there, and not in its own.

    Raises
    ------
    InputError
        If a genre is not in training, or has one test clip only.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music, figure 7a.
    """
    train_genres = _genres(train, train_genres, "train_genres")
    test_genres = _genres(test, test_genres, "test_genres")
    names = list(dict.fromkeys(test_genres.tolist()))
    _check_known(names, train_genres)
    whole = decode(decoder, train, test, n_folds=n_folds).predicted
    rows = []
    for genre in names:
        rest = take_rows(train, train_genres != genre)
        held = decode(decoder, rest, test, n_folds=n_folds).predicted
        for trained, predicted in (("all genres", whole), ("without it", held)):
            for row in _by_genre(predicted, test, test_genres):
                if row["genre"] == genre:
                    rows.append({"genre": genre, "trained": trained} | row)
    return pd.DataFrame(rows)


def genre_transfer(
    decoder: Decoder,
    train: Pairs,
    test: Pairs,
    *,
    train_genres: ArrayLike,
    test_genres: ArrayLike,
    n_folds: int = 5,
) -> pd.DataFrame:
    """Return identification of each genre's clips by decoders of one genre alone.

    Parameters
    ----------
    decoder, train, test, train_genres, test_genres, n_folds
        As in `leave_one_genre_out`.

    Returns
    -------
    table : DataFrame
        One row per trained genre, tested genre ('genre') and pool, with accuracy,
        chance, n_clips and n_candidates. `matrix_of` makes the square of it.

    Raises
    ------
    InputError
        If a tested genre is not in training, or has one test clip only.
    """
    train_genres = _genres(train, train_genres, "train_genres")
    test_genres = _genres(test, test_genres, "test_genres")
    names = list(dict.fromkeys(test_genres.tolist()))
    _check_known(names, train_genres)
    rows = []
    for genre in names:
        alone = take_rows(train, train_genres == genre)
        predicted = decode(decoder, alone, test, n_folds=n_folds).predicted
        found = _by_genre(predicted, test, test_genres)
        rows += [{"trained": genre} | row for row in found]
    return pd.DataFrame(rows)


def matrix_of(table: pd.DataFrame, pool: str = "all") -> pd.DataFrame:
    """Return accuracies, trained genres in rows and tested ones in columns."""
    if pool not in POOLS:
        raise InputError(f"pool must be 'all' or 'own genre', got {pool!r}.")
    part = table[table["pool"] == pool]
    order = list(dict.fromkeys(part["trained"]))
    square = part.pivot(index="trained", columns="genre", values="accuracy")
    return square.loc[order, order]


def _by_genre(predicted: Floats, test: Pairs, genres: NDArray) -> list[dict]:
    """Return accuracy and chance of each genre's clips in both pools."""
    means, clips = average_windows(predicted, test.clips)
    target, _ = average_windows(test.T, test.clips)
    of_clip = dict(zip(test.clips.tolist(), genres.tolist(), strict=True))
    genre = np.array([of_clip[clip] for clip in clips.tolist()])
    C = similarity(means, target)
    rows = []
    for pool in POOLS:
        mask = candidates(clips, groups=genre if pool == "own genre" else None)
        n = mask.sum(axis=1)
        won = accuracy(np.diag(losses(C, mask)), n)
        expected = chance_losses(target, mask)
        for name in dict.fromkeys(genre.tolist()):
            inside = np.flatnonzero(genre == name)
            chance = chance_mean(accuracy, [expected[i] for i in inside], n[inside])
            rows.append(
                {
                    "genre": name,
                    "pool": pool,
                    "accuracy": float(won[inside].mean()),
                    "chance": chance,
                    "n_clips": len(inside),
                    "n_candidates": int(n[inside].min()),
                }
            )
    return rows


def _genres(pairs: Pairs, genres: ArrayLike, name: str) -> NDArray[np.str_]:
    genres = np.asarray(genres).astype(str)
    if genres.shape != pairs.clips.shape:
        raise InputError(
            f"{name} has shape {genres.shape} for {len(pairs.clips)} rows. Give one "
            "genre per row."
        )
    seen: dict[str, str] = {}
    for clip, genre in zip(pairs.clips.tolist(), genres.tolist(), strict=True):
        if seen.setdefault(clip, genre) != genre:
            raise InputError(
                f"clip {clip!r} is {seen[clip]!r} and {genre!r} in {name}."
            )
    return genres


def _check_known(names: Sequence[str], train_genres: NDArray) -> None:
    unknown = sorted(set(names) - set(train_genres.tolist()))
    if unknown:
        raise InputError(
            f"genre {unknown[0]!r} is tested and not in training, so there is nothing "
            "to leave out. Leave its clips out of the test."
        )
