"""Captions: what people wrote of each clip."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core.checks import InputError, nearest
from .text_tables import MISSING, read_cells

SHOWN = 10  # names that one sentence lists


def read_captions(
    path: str | Path,
    *,
    clips: Sequence[str],
    pattern: str = "{clip}_15s",
    fixes: Mapping[str, str] | None = None,
    id_column: str = "ID",
    text_column: str = "DescEN",
) -> tuple[dict[str, str], list[str]]:
    """Return the caption of each clip, and what should be known of them.

    Parameters
    ----------
    path : path of a .csv or .tsv file
        In UTF-8, with or without a byte-order mark.
    clips : sequence of str
        The clips of the study. Captions of other clips are left out, and counted.
    pattern : str
        How the table writes a clip's name, with {clip} in it once.
    fixes : mapping of str to str, optional
        From an id as the table has it to the id that was meant, for faulty ones.
        Nothing else repairs an id.
    id_column, text_column : str
        The table's columns.

    Returns
    -------
    captions : dict of str to str
        One per clip, in the order of `clips`.
    notes : list of str
        Ids repaired, captions left out, and how many captions name their clip's own
        genre (what stands before the first dot): a model of such text knows the label.

    Raises
    ------
    InputError
        If an id comes twice, a caption is empty, a fix meets no id, or clips have no
        caption: all of them in one message, with a fix proposed where an id is nearly
        that of the clip.
    MissingFileError
        If there is no such file.
    """
    path = Path(path)
    clips = list(dict.fromkeys(clips))
    if pattern.count("{clip}") != 1:
        raise InputError(
            f"the pattern of captions {pattern!r} must hold {{clip}} once, such as "
            "'{clip}_15s'."
        )
    ids, texts = _columns(path, id_column, text_column)
    ids, notes = _repaired(path, ids, dict(fixes or {}))
    _check_twice(path, ids)
    by_id = dict(zip(ids, texts, strict=True))
    id_of = {clip: pattern.replace("{clip}", clip) for clip in clips}
    spare = [i for i in ids if i not in set(id_of.values())]
    _check_missing(path, id_of, by_id, spare)
    captions = {clip: by_id[id_of[clip]] for clip in clips}
    _check_empty(path, captions)
    if spare:
        notes.append(
            f"{path.name}: {len(spare)} of {len(ids)} captions belong to no clip of "
            f"the study and are left out: {_some(spare)}."
        )
    return captions, notes + _genre_notes(path, captions)


def names_genre(caption: str, genre: str) -> bool:
    """Return whether a caption holds the name of a genre as a word.

    Capitals do not matter; a plural s may follow, and a blank or hyphen may stand
    inside.

    Examples
    --------
    >>> names_genre("Upbeat hip-hop with a deep bass.", "hiphop")
    True
    >>> names_genre("A popular tune.", "pop")
    False
    """
    letters = [re.escape(letter) for letter in genre if letter.isalnum()]
    word = rf"\b{'[ -]?'.join(letters)}s?\b"
    return bool(letters) and re.search(word, caption, re.IGNORECASE) is not None


def _columns(path: Path, *wanted: str) -> list[list[str]]:
    header, rows = read_cells(path, "captions")
    for column in wanted:
        if column not in header:
            raise InputError(
                f"{path.name} has no column {column!r}. It has: {', '.join(header)}."
                f"{nearest(column, header)}"
            )
    return [[row[header.index(column)] for row in rows] for column in wanted]


def _repaired(
    path: Path, ids: list[str], fixes: dict[str, str]
) -> tuple[list[str], list[str]]:
    idle = [found for found in fixes if found not in ids]
    if idle:
        raise InputError(
            f"{path.name} has no id {_some(idle)}, which the fixes name. Take those "
            "fixes out, or write the ids as the table has them."
        )
    if not fixes:
        return ids, []
    done = ", ".join(f"{found} to {meant}" for found, meant in fixes.items())
    note = f"{path.name}: {len(fixes)} faulty ids repaired as told: {done}."
    return [fixes.get(i, i) for i in ids], [note]


def _check_twice(path: Path, ids: list[str]) -> None:
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise InputError(
            f"{path.name}: {len(twice)} ids come more than once: {_some(twice)}. Keep "
            "one caption per clip."
        )


def _check_missing(
    path: Path, id_of: dict[str, str], by_id: dict[str, str], spare: list[str]
) -> None:
    missing = [i for i in id_of.values() if i not in by_id]
    if not missing:
        return
    likely = {i: close for i in missing if (close := _nearly(i, spare))}
    proposed = ", ".join(f"{close!r} = {i!r}" for i, close in likely.items())
    advice = f" Perhaps fixes: {proposed}." if proposed else ""
    raise InputError(
        f"{path.name} has no caption for {len(missing)} of {len(id_of)} clips: "
        f"{_some(missing, len(missing))}.{advice} Add the captions, name faulty ids in "
        "the fixes, or correct the pattern."
    )


def _nearly(wanted: str, spare: list[str]) -> str | None:
    """Return the spare id with the same words and numbers, if there is just one."""

    def key(name: str) -> list[str]:
        return [p.lstrip("0") for p in re.findall(r"\d+|[a-z]+", name.lower())]

    close = [i for i in spare if key(i) == key(wanted)]
    return close[0] if len(close) == 1 else None


def _check_empty(path: Path, captions: dict[str, str]) -> None:
    empty = [clip for clip, text in captions.items() if text in MISSING]
    if empty:
        raise InputError(
            f"{path.name}: the captions of {len(empty)} clips are empty: "
            f"{_some(empty, len(empty))}. Write them, or leave those clips out."
        )


def _genre_notes(path: Path, captions: dict[str, str]) -> list[str]:
    genre_of = {clip: clip.split(".")[0] for clip in captions if "." in clip}
    n_named = sum(names_genre(captions[c], genre) for c, genre in genre_of.items())
    if not n_named:
        return []
    return [
        f"{path.name}: {n_named} of {len(captions)} captions name their clip's own "
        "genre, so features of this text carry the genre label."
    ]


def _some(names: Sequence[str], n: int = SHOWN) -> str:
    more = f" and {len(names) - n} more" if len(names) > n else ""
    return ", ".join(names[:n]) + more
