"""All identification cards of one decoder: per clip, per window, within, in subsets."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from .cards import (
    Pool,
    card_table,
    cards_of_subset,
    correlation_cards,
    identification_cards,
)
from .rows import Pairs, average_windows, take_rows


def score_decoding(
    predicted: ArrayLike,
    test: Pairs,
    *,
    chance: Pool,
    genres: ArrayLike | None = None,
    subsets: Mapping[str, ArrayLike] | None = None,
    windows: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the cards of every pool that the test rows allow.

    Parameters
    ----------
    predicted : array of shape (n_test, n_dimensions)
        From `decode`.
    test : Pairs
        The rows that were predicted; one per window of a clip.
    chance : Pool
        Its numbers of permutations and resamples, and seed; clips are those of `test`.
    genres : array of shape (n_test,), optional
        For identification within each genre.
    subsets : dict of name to array of bool, shape (n_test,), optional
        Such as 'artist-safe' and 'duplicate-safe': rows to score by themselves. A clip
        is in it as a whole or not at all.
    windows : array of bool, shape (n_test,), optional
        Rows that are scored as windows; all if not given. Those whose target has one
        value in all dimensions correlate with nothing. Clips are means of all rows.

    Returns
    -------
    table : DataFrame
        Fields of `Card`, after the column 'unit': 'clip' (windows averaged, both of
        predictions and of targets) or 'window'. The pools are 'clips', 'clips, within
        genre', 'clips, NAME' for each subset, and, if clips have several windows,
        'windows' (the clip's other windows among the candidates) and 'windows of other
        clips'. Correlations per sample and per dimension stand under 'clips' and
        'windows'.

    Raises
    ------
    InputError
        If shapes do not fit, or a clip lies in several genres or partly in a subset.
    """
    predicted = as_matrix(predicted, "predicted")
    means, clips = average_windows(predicted, test.clips)
    target, _ = average_windows(test.T, test.clips)
    first = np.unique(test.clips, return_index=True)[1]
    first = np.sort(first)
    whole = replace(chance, clips=clips, groups=None, which="all", name="clips")
    cards = identification_cards(means, target, whole)
    cards += correlation_cards(means, target, whole)
    if genres is not None:
        of_clip = _per_clip(np.asarray(genres), test.clips, first, "genres")
        within = replace(whole, groups=of_clip, name="clips, within genre")
        cards += identification_cards(means, target, within)
    for name, mask in (subsets or {}).items():
        inside = _per_clip(np.asarray(mask), test.clips, first, name)
        part = replace(whole, name=f"clips, {name}")
        cards += cards_of_subset(means, target, part, inside)
    tables = [card_table(cards, unit="clip")]
    if len(clips) < len(test.clips):
        kept = np.ones(len(predicted), bool) if windows is None else np.asarray(windows)
        _check_windows(kept, len(predicted))
        some = take_rows(test, kept)
        tables.append(_of_windows(predicted[kept], some, whole))
    return pd.concat(tables, ignore_index=True)


def _of_windows(predicted: Floats, test: Pairs, whole: Pool) -> pd.DataFrame:
    pool = replace(whole, clips=test.clips, name="windows")
    other = replace(pool, which="other clips", name="windows of other clips")
    cards = identification_cards(predicted, test.T, pool)
    cards += identification_cards(predicted, test.T, other)
    return card_table(cards + correlation_cards(predicted, test.T, pool), unit="window")


def _check_windows(windows: NDArray, n_rows: int) -> None:
    if windows.shape != (n_rows,) or windows.dtype != bool:
        raise InputError(
            f"windows has shape {windows.shape} and type {windows.dtype}, for {n_rows} "
            "rows. Give one True or False per row."
        )


def _per_clip(values: NDArray, clips: NDArray, first: NDArray, name: str) -> NDArray:
    """Return the value of each clip, in order of appearance."""
    if values.shape != clips.shape:
        raise InputError(
            f"{name} has shape {values.shape} for {len(clips)} rows. Give one value "
            "per row."
        )
    of_clip = dict(zip(clips[first].tolist(), values[first].tolist(), strict=True))
    for clip, value in zip(clips.tolist(), values.tolist(), strict=True):
        if of_clip[clip] != value:
            raise InputError(
                f"clip {clip!r} has {of_clip[clip]!r} and {value!r} in {name}. All "
                "windows of a clip belong together."
            )
    return values[first]
