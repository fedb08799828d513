"""How many rows and clips are decoded, and why the others are not."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..study import Study
from .decoded_rows import Side, ToDecode, averages, moments, stretches
from .opening import Opened, n_dropped

SHOWN = 3  # clips that a note names


def rows_table(
    study: Study, opened: Opened, rows: ToDecode
) -> tuple[pd.DataFrame, list[str]]:
    """Return how many volumes of clips are decoded on each side, and notes.

    Of a study of windows it says the same of windows; those that hold a censored volume
    were left out, and counted, where windows were made.

    Returns
    -------
    table : DataFrame
        side; n_rows (a volume of a run, or a moment of a clip whose repeats are
        averaged) and n_decoded of them; of the others n_censored (themselves, in all
        repeats), n_without_response (it was cut out) and n_beyond (it would lie
        beyond the run, or beyond the clip); n_fewer_repeats (decoded from fewer
        repeats than others of their clip); n_clips and n_clips_decoded.
    notes : list of str
        Where volumes that were cut out cost rows or clips.
    """
    delays = study.delays_of(rows.bands[0].name)
    found, notes = [], []
    for name, side in (("train", rows.train), ("test", rows.test)):
        asked = _asked(study, opened, name, side.every)
        counts, lost = _counts(side, asked, delays, has_clips=rows.has_clips)
        found.append({"side": name} | counts)
        notes += _notes(name, counts, lost)
    return pd.DataFrame(found), notes


def _asked(
    study: Study, opened: Opened, side: str, every: pd.DataFrame
) -> pd.DataFrame:
    """Return the rows that are kept, and those that would be but for censoring."""
    if study.alignment.rows == "windows":
        return every
    start, end = n_dropped(study)
    runs = opened.split.train if side == "train" else opened.split.test
    parts = []
    for run in runs:
        rows = opened.rows[opened.rows_of(run)]
        inside = rows["sample"].between(start, len(rows) - end - 1)
        parts.append(rows[rows["kept"] | (inside & ~opened.used(run))])
    asked = pd.concat(parts, ignore_index=True)
    # Counted as the rows are: by clip, where these are means over its repeats.
    return asked.assign(n_repeats=2 if averages(every) else 1)


def _counts(
    side: Side, asked: pd.DataFrame, delays: Sequence[int], *, has_clips: bool
) -> tuple[dict[str, int], list[str]]:
    """Return the counts of one side, and the clips of which nothing is decoded."""
    every, whole = _keys(side.every), _keys(asked).unique()
    sound = whole
    if has_clips:
        sound = _keys(asked)[(asked["clip"] != "").to_numpy()].unique()
    decoded = every[every.isin(_keys_of(side))]
    rest = sound.difference(decoded)
    censored = ~rest.isin(every)
    rest = rest[~censored]
    cut_out = np.zeros(len(rest), dtype=bool)
    for delay in delays:
        later = _later(rest, delay)
        cut_out |= later.isin(whole) & ~later.isin(every)
    clips = list(dict.fromkeys(asked["clip"]))
    clips = [clip for clip in clips if clip]
    lost = [clip for clip in clips if clip not in set(side.rows["clip"])]
    counts = {
        "n_rows": len(sound),
        "n_decoded": len(side.rows),
        "n_censored": int(censored.sum()),
        "n_without_response": int(cut_out.sum()),
        "n_beyond": int((~cut_out).sum()),
        "n_fewer_repeats": _n_fewer(side.rows),
        "n_clips": len(clips),
        "n_clips_decoded": len(clips) - len(lost),
    }
    return counts, lost


def _keys(rows: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([stretches(rows), moments(rows)])


def _keys_of(side: Side) -> pd.MultiIndex:
    """Return the keys of the decoded rows, as those of all rows are made."""
    rows = side.rows
    if not averages(side.every):
        return _keys(rows)
    return _keys(rows.assign(n_repeats=2))


def _later(keys: pd.MultiIndex, delay: int) -> pd.MultiIndex:
    first, second = (keys.get_level_values(k) for k in (0, 1))
    return pd.MultiIndex.from_arrays([first, second + delay])


def _n_fewer(rows: pd.DataFrame) -> int:
    if not averages(rows):
        return 0
    most: NDArray[Any] = rows.groupby("clip")["n_repeats"].transform("max").to_numpy()
    return int((rows["n_repeats"].to_numpy() < most).sum())


def _notes(side: str, counts: dict[str, int], lost: list[str]) -> list[str]:
    notes, what = [], "training" if side == "train" else "test"
    n_gone = counts["n_censored"] + counts["n_without_response"]
    if n_gone:
        notes.append(
            f"{n_gone} of {counts['n_rows']} {what} rows are not decoded, since "
            f"volumes were cut out: {counts['n_censored']} are such themselves, and "
            f"{counts['n_without_response']} lack a response."
        )
    if lost:
        some = ", ".join(lost[:SHOWN]) + (", ..." if len(lost) > SHOWN else "")
        notes.append(
            f"{len(lost)} of {counts['n_clips']} {what} clips are left out whole, with "
            f"no row to decode: {some}."
        )
    return notes
