"""What training and test clips share: tracks, artists and sound."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.artefacts import Recipe, file_identity
from ..core.checks import InputError
from ..data.duplicates import (
    audio_hashes,
    find_same_audio,
    near_duplicates,
    sound_fingerprint,
)
from ..data.files import file_inside
from ..data.leakage import COLUMNS, artist_safe, duplicate_safe, find_shared
from ..data.stimuli import ClipSource
from ..data.text_tables import MISSING, read_cells
from ..feature_spaces import SoundSpace
from ..study import Study
from .heard import sound_name_of, sounds_of
from .networks import waveform_of
from .opening import Opened
from .session import Session

VERSION = 1
LOWEST_HZ = 16_000  # below, a fingerprint has no upper bands
MIN_CLIPS = 20  # in training, for a threshold of near duplicates
SUBSETS = ("artist-safe", "duplicate-safe")


def make_stimuli(session: Session, opened: Sequence[Opened]) -> str:
    """Make `stimuli/`: what each subject's test clips share with training clips.

    Returns
    -------
    identity : str
        '' where the study has no clips, or says nothing of tracks and reads no sound.
    """
    study = session.study
    if not makes_stimuli(study):
        return ""
    sound = sound_space(study)
    inputs = {
        _below(path, study.root): file_identity(path)
        for path in _files(study, opened, sound)
    }
    clips = {one.subject: [list(side) for side in sides_of(one)] for one in opened}
    settings = {**study.part("stimuli"), "clips": clips}
    if sound is not None:
        settings["sound"] = study.part("features")["features"][sound]
        settings["pieces"] = {
            one.subject: [
                [piece.clip, _below(piece.path, study.root), piece.start_s, piece.end_s]
                for piece in sounds_of(study, one, sound)
            ]
            for one in opened
        }
    recipe = Recipe("stimuli", VERSION, settings, inputs)

    def work(folder: Path) -> list[str]:
        notes, pairs, safe = [], [], []
        for one in opened:
            found, said = _shared(session, one, sound)
            pairs.append(found.assign(subject=one.subject))
            safe.append(_safe_clips(study, one, found))
            notes += [f"{one.name}: {note}" for note in said]
        table = pd.concat(pairs, ignore_index=True)
        table.to_csv(folder / "shared_clips.csv", index=False, float_format="%.9g")
        pd.concat(safe).to_csv(folder / "safe_clips.csv", index=False)
        return notes

    return session.make("stimuli", recipe, work)


def _below(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def makes_stimuli(study: Study) -> bool:
    """Return whether there is anything to compare the clips by."""
    known = study.stimuli.table is not None or sound_space(study) is not None
    return known and study.dataset.clip is not None


def check_stimuli(study: Study, opened: Opened) -> None:
    """Raise if the table of tracks is not there or does not fit."""
    if study.stimuli.table is not None:
        find_shared(*sides_of(opened), _read_table(study), clip_column="clip")


def sound_space(study: Study) -> str | None:
    """Return the first space of sound that a band leans on, whose files are compared.

    None: sounds are not compared.
    """
    if not study.stimuli.audio:
        return None
    for name in study.encoding.bands:
        named = sound_name_of(study, name)
        if isinstance(study.features.get(named), SoundSpace):
            return named
    return None


def sides_of(opened: Opened) -> tuple[list[str], list[str]]:
    """Return the clips of the kept training rows and of the kept test rows.

    A clip that the study allows on both sides is a test clip alone.
    """
    train, test = _clips_of(opened, "train"), _clips_of(opened, "test")
    return [clip for clip in train if clip not in set(test)], test


def clips_on_both_sides(opened: Opened) -> list[str]:
    """Return the clips that are heard in training and in test, if that is allowed."""
    train = set(_clips_of(opened, "train"))
    return [clip for clip in _clips_of(opened, "test") if clip in train]


def _clips_of(opened: Opened, side: str) -> list[str]:
    kept = opened.rows[opened.rows["kept"] & (opened.rows["clip"] != "")]
    return list(dict.fromkeys(kept.loc[kept["side"] == side, "clip"]))


def read_safe(out: Path, subject: str) -> pd.DataFrame | None:
    """Return which of a subject's test clips are safe; None where it is not known."""
    path = out / "stimuli" / "safe_clips.csv"
    if not path.exists():
        return None
    table = pd.read_csv(path, dtype={"subject": str, "test_clip": str})
    return table[table["subject"] == subject]


def _shared(
    session: Session, opened: Opened, sound: str | None
) -> tuple[pd.DataFrame, list[str]]:
    train, test = sides_of(opened)
    tables, notes = [pd.DataFrame(columns=[*COLUMNS, "distance"])], []
    both = clips_on_both_sides(opened)
    same = [(clip, clip, "same clip") for clip in both]
    tables.append(pd.DataFrame(same, columns=list(COLUMNS), dtype="str"))
    if session.study.stimuli.table is not None:
        found, said = find_shared(train, test, _read_table(session.study))
        tables.append(found)
        notes += said
    if sound is not None:
        found, said = _same_sound(session, opened, sound, train, test)
        tables.append(found)
        notes += said
    pairs = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)
    return pairs, [*notes, *_counts(pairs, test)]


def _counts(pairs: pd.DataFrame, test: Sequence[str]) -> list[str]:
    notes = []
    for why in dict.fromkeys(pairs["why"]):
        if why == "artist unknown":
            continue
        n = pairs.loc[pairs["why"] == why, "test_clip"].nunique()
        notes.append(
            f"{n} of {len(test)} test clips share with a training clip: {why}. Their "
            "scores may tell of that; see the artist-safe and duplicate-safe scores."
        )
    return notes


def _same_sound(
    session: Session,
    opened: Opened,
    sound: str,
    train: Sequence[str],
    test: Sequence[str],
) -> tuple[pd.DataFrame, list[str]]:
    study = session.study
    sources: dict[str, ClipSource] = {}
    for source in sounds_of(study, opened, sound):
        sources.setdefault(source.clip, source)
    clips = [clip for clip in (*train, *test) if clip in sources]
    advance = session.ticker(f"{opened.name}: comparing the sound of clips", len(clips))
    prints = {}
    for clip in clips:
        prints[clip] = _print_of(
            sources[clip], file_identity(sources[clip].path), study.features[sound]
        )
        advance(1)
    sides = [[clip for clip in side if clip in prints] for side in (train, test)]
    hashes = [{clip: prints[clip][0] for clip in side} for side in sides]
    pairs, notes = find_same_audio(*hashes), []
    near = [
        np.array([prints[c][1] for c in side if prints[c][1] is not None])
        for side in sides
    ]
    if any(prints[c][1] is None for c in prints):
        notes.append(
            f"near duplicates were not looked for: some sound has fewer than "
            f"{LOWEST_HZ} points per second."
        )
    elif len(near[0]) < MIN_CLIPS:
        notes.append(
            f"near duplicates were not looked for: {len(near[0])} training clips are "
            f"too few to say what is near ({MIN_CLIPS} are needed)."
        )
    else:
        found, _, said = near_duplicates(
            *near, train_clips=sides[0], test_clips=sides[1]
        )
        same = set(zip(pairs["test_clip"], pairs["train_clip"], strict=True))
        fresh = [
            (a, b) not in same
            for a, b in zip(found["test_clip"], found["train_clip"], strict=True)
        ]
        pairs = pd.concat([pairs, found[np.array(fresh, dtype=bool)]])
        notes += said
    return pairs.reset_index(drop=True), notes


@lru_cache(maxsize=4096)
def _print_of(
    sound: ClipSource, _identity: str, space: SoundSpace
) -> tuple[tuple[str, str, str], NDArray[np.float64] | None]:
    waveform, rate_hz = waveform_of(sound, space)
    fingerprint = sound_fingerprint(waveform, rate_hz) if rate_hz >= LOWEST_HZ else None
    return audio_hashes(waveform), fingerprint


def _safe_clips(study: Study, opened: Opened, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return which test clips are safe, of what was looked at.

    'artist-safe' is there only where artists are known, 'duplicate-safe' only where
    sounds were compared, or tracks or titles are known.
    """
    _, test = sides_of(opened)
    columns: dict[str, Any] = {"subject": opened.subject, "test_clip": test}
    known = set() if study.stimuli.table is None else set(_read_table(study))
    if "artist" in known:
        columns["artist-safe"] = artist_safe(test, pairs)
    compared = sound_space(study) is not None
    if compared or "track" in known or {"artist", "title"} <= known:
        columns["duplicate-safe"] = duplicate_safe(test, pairs)
    return pd.DataFrame(columns)


def _read_table(study: Study) -> pd.DataFrame:
    """Read the user's table of tracks, its column of clips named 'clip'."""
    path = file_inside(study.root, str(study.stimuli.table))
    header, rows = read_cells(path, "the table of tracks")
    cells = [["" if cell in MISSING else cell for cell in row] for row in rows]
    table = pd.DataFrame(cells, columns=header, dtype="str")
    column = study.stimuli.column
    if column not in table:
        raise InputError(
            f"{path.name} has no column {column!r}; it has {', '.join(header)}. Name "
            "the column of clips in stimuli.column."
        )
    if column != "clip" and "clip" in table:
        raise InputError(
            f"{path.name} has a column 'clip' beside {column!r}, which stimuli.column "
            "names: it cannot be told which one names the clips. Rename it."
        )
    return table.rename(columns={column: "clip"})


def _files(study: Study, opened: Sequence[Opened], sound: str | None) -> list[Path]:
    found: dict[Path, None] = {}
    if study.stimuli.table is not None:
        found[file_inside(study.root, study.stimuli.table)] = None
    for one in opened if sound else ():
        pieces = sounds_of(study, one, str(sound))
        found.update(dict.fromkeys(piece.path for piece in pieces))
    return list(found)
