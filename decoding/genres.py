"""Decoding of genres that were never in training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError
from .cards import Pool
from .chance import clip_permutations
from .decode import decode
from .decoders import Decoder
from .folds import Unit
from .identify import similarity
from .parts import Known, score_part
from .ranks import candidates
from .rows import Pairs, average_windows, check_apart, take_rows

POOLS = ("all", "own genre")


def leave_one_genre_out(  # noqa: PLR0913 - `decode`, what it is scored by, and its result
    decoder: Decoder,
    train: Pairs,
    test: Pairs,
    *,
    train_genres: ArrayLike,
    test_genres: ArrayLike,
    n_folds: int = 5,
    unit: Unit = "run",
    pool: Pool | None = None,
    predicted: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return identification of each genre's clips, trained with and without the genre.

    Parameters
    ----------
    decoder : Decoder
    train, test : Pairs
    train_genres, test_genres : array of str, one per row of train and of test
    n_folds, unit
        As in `decode`.
    pool : Pool, optional
        Its numbers of permutations and resamples (1000 of each if not given), and
        seed; the pools themselves are made here.
    predicted : array of shape (n_test, n_dimensions), optional
        What the decoder, trained on all genres, makes of `test`; decoded if None.

    Returns
    -------
    table : DataFrame
        One row per genre of the test clips, trained ('all genres', 'without it') and
        pool ('all' test clips, or those of the 'own genre' only), with accuracy (mean
        over the genre's clips), chance, permuted, low, high, p, n, n_clips,
        n_candidates, n_ties and n_permutations, as of `score_part`. 'all' is what the
        paper shows; a genre that is told from others only by being different scores
        high there, and not in its own.

        permuted is what the genre's clips score by predictions of other clips, the
        mean over all permutations. Among all clips that is not 0.5: a genre whose
        targets are central is near to whatever is predicted, and predictions of
        genres that were learned lead away from one that was not, so that even noise
        does better. chance is the larger of permuted and of what predictions without
        knowledge score (0.5 without ties): neither kind of ignorance is above it.

        n is the number of items that were scored: one per clip, so n_clips again. low
        and high are the 95% interval by bootstrap over the genre's clips. p is
        one-sided, the larger of two: that predictions handed to other clips of the
        pool (to all test clips, or inside the genre) score as much, and that
        predictions which have nothing to do with any clip do (see `chance_p`). So it
        is small for no accuracy below chance. It takes clips for exchangeable, and
        those of a genre are alike: one genre may be far from chance as a whole, by
        luck. A genre with one test clip has no row in the pool 'own genre', where it
        has no other candidate, and NaN for low and high in the pool 'all'.

    Raises
    ------
    InputError
        If a genre is not in training, there is one test clip only, or `predicted` has
        another shape than the test targets.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music, figure 7a.
    """
    train_genres = _genres(train, train_genres, "train_genres")
    test_genres = _genres(test, test_genres, "test_genres")
    names = list(dict.fromkeys(test_genres.tolist()))
    _check_known(names, train_genres)
    pools = _pools(test, test_genres, pool)
    check_apart(train, test)
    if predicted is None:
        predicted = decode(decoder, train, test, n_folds=n_folds, unit=unit).predicted
    whole = np.asarray(predicted)
    if whole.shape != test.T.shape:
        raise InputError(
            f"predicted has shape {whole.shape}, and the test targets {test.T.shape}. "
            "Pass what `decode` returned for these test rows, or leave it out."
        )
    rows = []
    for genre in names:
        rest = take_rows(train, train_genres != genre)
        held = decode(decoder, rest, test, n_folds=n_folds, unit=unit).predicted
        for trained, made in (("all genres", whole), ("without it", held)):
            found = _by_genre(made, test, pools, [genre])
            rows += [{"genre": genre, "trained": trained} | row for row in found]
    return pd.DataFrame(rows)


def genre_transfer(
    decoder: Decoder,
    train: Pairs,
    test: Pairs,
    *,
    train_genres: ArrayLike,
    test_genres: ArrayLike,
    n_folds: int = 5,
    unit: Unit = "run",
    pool: Pool | None = None,
) -> pd.DataFrame:
    """Return identification of each genre's clips by decoders of one genre alone.

    Parameters
    ----------
    decoder, train, test, train_genres, test_genres, n_folds, unit, pool
        As in `leave_one_genre_out`.

    Returns
    -------
    table : DataFrame
        One row per trained genre, tested genre ('genre') and pool, with the columns of
        `leave_one_genre_out`. `matrix_of` makes the square of it.

    Raises
    ------
    InputError
        If a tested genre is not in training, or there is one test clip only.
    """
    train_genres = _genres(train, train_genres, "train_genres")
    test_genres = _genres(test, test_genres, "test_genres")
    names = list(dict.fromkeys(test_genres.tolist()))
    _check_known(names, train_genres)
    pools = _pools(test, test_genres, pool)
    rows = []
    for genre in names:
        alone = take_rows(train, train_genres == genre)
        predicted = decode(decoder, alone, test, n_folds=n_folds, unit=unit).predicted
        found = _by_genre(predicted, test, pools, names)
        rows += [{"trained": genre} | row for row in found]
    return pd.DataFrame(rows)


def identify_by_genre(
    predicted: ArrayLike, target: ArrayLike, *, genres: ArrayLike, pool: Pool
) -> pd.DataFrame:
    """Return identification of each genre's clips by any vectors, such as of music.

    Parameters
    ----------
    predicted, target : array of shape (n_clips, n_dimensions)
        Row i of both is the same clip.
    genres : array of str, shape (n_clips,)
    pool : Pool
        Its clips, numbers of permutations and resamples, and seed; the pools
        themselves are made here.

    Returns
    -------
    table : DataFrame
        One row per genre and pool, with the columns of `leave_one_genre_out` but
        `trained`.

    Raises
    ------
    InputError
        If shapes do not fit, or there is one clip only.
    """
    clips = np.asarray(pool.clips).astype(str)
    test = Pairs(np.asarray(predicted), np.asarray(target), clips, clips)
    of_clip = _genres(test, genres, "genres")
    names = list(dict.fromkeys(of_clip.tolist()))
    return pd.DataFrame(_by_genre(test.Y, test, _pools(test, of_clip, pool), names))


def matrix_of(
    table: pd.DataFrame, pool: str = "all", values: str = "accuracy"
) -> pd.DataFrame:
    """Return accuracies, trained genres in rows and tested ones in columns.

    A genre with one test clip has no column in the pool 'own genre'.
    """
    if pool not in POOLS:
        raise InputError(f"pool must be 'all' or 'own genre', got {pool!r}.")
    part = table[table["pool"] == pool]
    order = list(dict.fromkeys(part["trained"]))
    square = part.pivot(index="trained", columns="genre", values=values)
    return square.loc[order, [name for name in order if name in square]]


@dataclass(frozen=True, slots=True, eq=False)
class _GenrePool:
    """The clips of a pool: `keep`, among all test clips, and the genre of each."""

    name: str
    keep: NDArray[np.intp]
    genre: NDArray[np.str_]
    known: Known
    n_resamples: int
    seed: int


def _pools(test: Pairs, genres: NDArray, pool: Pool | None) -> list[_GenrePool]:
    """Return the pools in which clips have other candidates."""
    given = pool or Pool(test.clips, n_permutations=1000, n_resamples=1000)
    target, clips = average_windows(test.T, test.clips)
    of_clip = dict(zip(test.clips.tolist(), genres.tolist(), strict=True))
    genre = np.array([of_clip[clip] for clip in clips.tolist()])
    together = (genre[:, None] == genre[None]).sum(axis=1) > 1
    pools = []
    for name in POOLS:
        own = name == "own genre"
        keep = np.flatnonzero(together) if own else np.arange(len(clips))
        if own and not len(keep):
            continue
        groups = genre[keep] if own else None
        mask = candidates(clips[keep], groups=groups)
        orders = clip_permutations(
            clips[keep], given.n_permutations, seed=given.seed, strata=groups
        )
        known = Known.of(clips[keep], target[keep], mask, orders)
        parts = (name, keep, genre[keep], known)
        pools.append(_GenrePool(*parts, given.n_resamples, given.seed))
    return pools


def _by_genre(
    predicted: Floats, test: Pairs, pools: list[_GenrePool], names: Sequence[str]
) -> list[dict]:
    """Return accuracy of each genre's clips in the pools, with what it is worth."""
    means, _ = average_windows(predicted, test.clips)
    target, _ = average_windows(test.T, test.clips)
    C = similarity(means, target)
    rows = []
    for pool in pools:
        won = pool.known.won(C[np.ix_(pool.keep, pool.keep)])
        for name in names:
            inside = np.flatnonzero(pool.genre == name)
            if not len(inside):
                continue
            # In the pool 'own genre', permutations stay inside the genre.
            others = inside if pool.name == "own genre" else np.arange(len(won))
            scored = score_part(
                pool.known,
                won,
                inside,
                n_resamples=pool.n_resamples,
                seed=pool.seed,
                permuted=float(won[np.ix_(others, inside)].mean()),
            )
            rows.append({"genre": name, "pool": pool.name} | scored)
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
