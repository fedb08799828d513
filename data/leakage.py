"""Guards against leakage: test clips that training has heard in another form.

Each guard returns pairs in one table, with columns `test_clip`, `train_clip` and `why`,
so that the tables of several guards can be stacked. `why` is one of:

- 'track', 'artist', 'title', 'artist and title': the same text in the user's table.
- 'artist unknown': the table has no artist for the test clip; `train_clip` is ''.
- 'same clip': the clip itself, where a study allows it on both sides.
- 'same audio': one sound, whatever its level.
- 'near duplicate': closer than clips of this collection are to each other.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import InputError

COLUMNS = ("test_clip", "train_clip", "why")
DUPLICATES = (
    *("same clip", "track", "artist and title"),
    *("same audio", "near duplicate"),
)
ARTISTS = (*DUPLICATES, "artist", "artist unknown")


def find_shared(
    train: Sequence[str],
    test: Sequence[str],
    table: pd.DataFrame,
    *,
    clip_column: str = "clip",
) -> tuple[pd.DataFrame, list[str]]:
    """Return which test clips share track, artist or title with a training clip.

    Parameters
    ----------
    train, test : sequence of str
        Clips of either side; each counts once.
    table : DataFrame
        A row per clip, with the column `clip_column` and any of `track`, `artist` and
        `title`. Capitals and blanks do not matter; empty cells match nothing.
    clip_column : str

    Returns
    -------
    pairs : DataFrame
        As this module's docstring says. A pair with both artist and title in common
        is one row, 'artist and title', and not a row for each.
    notes : list of str
        How many clips the table does not know.

    Raises
    ------
    InputError
        If a clip is on both sides, or the table has a clip twice or no such column.

    Examples
    --------
    >>> table = pd.DataFrame({"clip": ["a", "b"], "artist": ["Abba", "ABBA "]})
    >>> find_shared(["a"], ["b"], table)[0]["why"].tolist()
    ['artist']
    """
    train, test = list(dict.fromkeys(train)), list(dict.fromkeys(test))
    check_sides(train, test)
    words, notes = _words(table, clip_column, [*train, *test])
    known = words.to_dict("index")
    pairs = pd.DataFrame(
        [
            (a, b, why)
            for a in test
            for b in train
            for why in _reasons(known[a], known[b])
        ],
        columns=list(COLUMNS),
        dtype="str",
    )
    if "artist" not in words:
        return pairs, notes
    unknown = [
        (clip, "", "artist unknown") for clip in test if not words["artist"][clip]
    ]
    n_train = int((words.loc[train, "artist"] == "").sum())
    if unknown or n_train:
        notes.append(
            f"no artist is known of {len(unknown)} of {len(test)} test clips and "
            f"{n_train} of {len(train)} training clips, which may share one."
        )
    rows = pd.DataFrame(unknown, columns=list(COLUMNS), dtype="str")
    return pd.concat([pairs, rows], ignore_index=True), notes


def duplicate_safe(test: Sequence[str], pairs: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which test clips share no track and no sound with training.

    False where `pairs` has the clip as 'track', 'artist and title', 'same audio' or
    'near duplicate'.

    Examples
    --------
    >>> pairs = pd.DataFrame([("b", "a", "track")], columns=list(COLUMNS))
    >>> duplicate_safe(["b", "c", "b"], pairs)
    array([False,  True, False])
    """
    return _safe(test, pairs, DUPLICATES)


def artist_safe(test: Sequence[str], pairs: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which test clips share no artist, track or sound with training.

    False, too, where the artist is unknown: it cannot be told that training has not
    heard that artist.
    """
    return _safe(test, pairs, ARTISTS)


def clips_straddle_folds(rows: pd.DataFrame, folds: ArrayLike) -> pd.DataFrame:
    """Return the clips that have rows in more than one fold.

    Parameters
    ----------
    rows : DataFrame
        A row per sample, with the column `clip` ('' for no clip).
    folds : array of int, shape (n_rows,)
        Fold of each row.

    Returns
    -------
    straddling : DataFrame
        Columns `clip`, `folds` (such as '0, 3') and `n_rows`; empty if all is well.

    Raises
    ------
    InputError
        If there is not one fold per row.

    Examples
    --------
    >>> rows = pd.DataFrame({"clip": ["a", "a", "b"]})
    >>> clips_straddle_folds(rows, [0, 1, 1])["clip"].tolist()
    ['a']
    """
    folds = np.asarray(folds)
    if folds.shape != (len(rows),):
        raise InputError(
            f"{len(rows)} rows but folds of shape {folds.shape}. Give one fold per row."
        )
    held = rows.assign(fold=folds).loc[lambda table: table["clip"] != ""]
    found = []
    for clip, table in held.groupby("clip", sort=False):
        places = sorted(table["fold"].unique().tolist())
        if len(places) > 1:
            found.append((clip, ", ".join(map(str, places)), len(table)))
    return pd.DataFrame(found, columns=["clip", "folds", "n_rows"])


def _safe(
    test: Sequence[str], pairs: pd.DataFrame, reasons: Sequence[str]
) -> NDArray[np.bool_]:
    tainted = set(pairs.loc[pairs["why"].isin(reasons), "test_clip"])
    return np.array([clip not in tainted for clip in test], dtype=bool)


def _words(
    table: pd.DataFrame, clip_column: str, clips: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return a row per clip of comparable text, '' where nothing is known."""
    fields = [c for c in ("track", "artist", "title") if c in table.columns]
    if clip_column not in table.columns or not fields:
        raise InputError(
            f"the table of clips needs a column {clip_column!r} and at least one of "
            f"'track', 'artist' and 'title'. It has: {', '.join(map(str, table))}."
        )
    known = table[clip_column].astype("str")
    if known.duplicated().any():
        twice = sorted(set(known[known.duplicated()]))[:5]
        raise InputError(
            f"the table of clips has a clip twice: {', '.join(twice)}. Keep "
            "one row each."
        )
    text = table[fields].astype("str").fillna("").set_axis(list(known), axis=0)
    words = text.apply(lambda column: column.str.split().str.join(" ").str.casefold())
    n_absent = len(set(clips) - set(known))
    notes = [
        f"the table of clips does not have {n_absent} of {len(clips)} clips of the "
        "study: what they share is not known."
    ]
    return words.reindex(clips).fillna(""), notes if n_absent else []


def _reasons(a: Mapping, b: Mapping) -> list[str]:
    shared = [field for field in a if a[field] and a[field] == b[field]]
    if "artist" in shared and "title" in shared:
        shared = [f for f in shared if f == "track"] + ["artist and title"]
    return shared


def check_sides(train: list[str], test: list[str]) -> None:
    """Raise if a clip is on both sides."""
    both = sorted(set(train) & set(test))
    if both:
        raise InputError(
            f"{len(both)} clips are in training and in test: {', '.join(both[:5])}. A "
            "clip belongs to one side; correct dataset.train or dataset.test."
        )
