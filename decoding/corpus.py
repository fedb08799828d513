"""A folder of music, embedded: what is there, the start of each file, its vector.

Embedding 100,000 tracks takes hours, so what is done lies on disk in small parts, each
written whole, and a run that was killed goes on where it was. A file that cannot be
read is listed with the reason, and stops nothing.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats, InputError, MissingFileError
from .retrieval import Index, build_index
from .sounds import Sound, read_start

ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au")
FMA_TRACK = re.compile(r"(?:.*/)?(\d{3})/(\1\d{3})\.mp3", re.IGNORECASE)
FMA_SIZES = {"fma_small": 8_000, "fma_medium": 25_000, "fma_large": 106_574}
PART = 64  # tracks whose vectors are written at once
PEEKED = 2**16  # bytes of each end of a file that tell it from others
PARTIAL = ".partial-"


@dataclass(frozen=True, slots=True)
class Track:
    """A file of music, and the name that it goes by."""

    id: str
    path: Path


Read = Callable[[Path], Sound]
Embed = Callable[[Sequence[Sound]], Floats]


@dataclass(frozen=True, eq=False, slots=True)
class Corpus:
    """Embedded tracks.

    Parameters
    ----------
    tracks : tuple of Track
        Those that have an embedding.
    embeddings : array of shape (n_tracks, n_dimensions), float32
    seconds : array of shape (n_tracks,)
        How much of each was heard; less than was asked for where a track is shorter.
    unreadable : mapping of str to str
        The id of each other track, with the reason.
    identity, source : str
        What made the embeddings, and its name.
    """

    tracks: tuple[Track, ...]
    embeddings: NDArray[np.float32]
    seconds: NDArray[np.float64]
    unreadable: dict[str, str]
    identity: str
    source: str

    def index(self) -> Index:
        """Return the index of the tracks.

        Raises
        ------
        InputError
            If there is no track.
        """
        if not self.tracks:
            raise InputError(
                f"none of {len(self.unreadable)} tracks could be read, so there is "
                f"nothing to find. The first reason: {next(iter(self.reasons), '')}"
            )
        return build_index(
            self.embeddings,
            [track.id for track in self.tracks],
            identity=self.identity,
            source=self.source,
        )

    @property
    def reasons(self) -> list[str]:
        """One line for each track that could not be read."""
        return [f"{name}: {why}" for name, why in self.unreadable.items()]


def find_music(root: str | Path) -> list[Track]:
    """Return the files of music in a folder and its folders, sorted by path.

    Parameters
    ----------
    root : str or Path
        Hidden files and folders in it are left out. If all its files lie as those of
        FMA do (000/000002.mp3), an id is FMA's track number, without zeros ('2'), as
        FMA's own tables have it. Elsewhere it is the path below `root`.

    Raises
    ------
    MissingFileError
        If the folder is not there, or holds no music.
    """
    root = Path(root)
    if not root.is_dir():
        raise MissingFileError(f"{root} is no folder. Give the folder of the music.")
    names = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix.lower() in ENDINGS and path.is_file()
    )
    names = [name for name in names if not name.startswith(".") and "/." not in name]
    if not names:
        raise MissingFileError(
            f"{root} holds no music. Files must end in {', '.join(ENDINGS)}."
        )
    numbers = [FMA_TRACK.fullmatch(name) for name in names]
    if not all(numbers):
        return [Track(name, root / name) for name in names]
    ids = [str(int(number[2])) for number in numbers if number]
    if len(set(ids)) < len(ids):
        raise InputError(
            f"{root} holds {len(ids) - len(set(ids))} FMA tracks more than once. Give "
            "the folder of one of FMA's sets, such as fma_large."
        )
    return [Track(number, root / name) for number, name in zip(ids, names, strict=True)]


def fma_note(root: str | Path, tracks: Sequence[Track]) -> str | None:
    """Return what to know of a set of FMA that is not whole, or None.

    Parameters
    ----------
    root : str or Path
        A folder that is named as FMA names its sets, such as fma_large.
    tracks : sequence of Track
        What was found there.
    """
    expected = FMA_SIZES.get(Path(root).name)
    if expected in (None, len(tracks)):
        return None
    return f"{Path(root).name} has {expected} tracks, and {len(tracks)} were found."


def embed_corpus(
    tracks: Sequence[Track],
    embed: Embed,
    *,
    folder: str | Path,
    identity: str,
    source: str,
    read: Read = read_start,
    advance: Callable[[int], None] | None = None,
    part: int = PART,
) -> Corpus:
    """Return the embedding of each track, from disk where it was made before.

    Parameters
    ----------
    tracks : sequence of Track
    embed : callable
        From a list of sounds to an array of shape (n_sounds, n_dimensions).
    folder : str or Path
        Where parts are kept. A track's vector is used again if its id, size and time
        of change, and `identity`, are as they were; tracks may come and go. Those
        that could not be read are tried again.
    identity : str
        What decides the vectors: encoder, weights, settings, and `read` if it is not
        the usual one.
    source : str
        The encoder's name.
    read : callable
        From a path to what is embedded; `read_start` takes the first 15 s. An
        `InputError` of it puts the file among the unreadable ones.
    advance : callable, optional
        Called with 1 after each track, also one that is on disk already.
    part : int
        Tracks whose vectors are written at once: no more are lost by a kill.

    Raises
    ------
    InputError
        If `embed` gives another number of rows than it got sounds, or a part on disk
        is damaged.
    """
    folder, step = Path(folder), advance or (lambda _: None)
    keys = [_key(track, identity) for track in tracks]
    kept = _kept(folder)
    todo = []
    for track, key in zip(tracks, keys, strict=True):
        if key in kept:
            step(1)
        else:
            todo.append((track, key))
    for start in range(0, len(todo), part):
        some = todo[start : start + part]
        rows = _embed_part(some, embed, read, step)
        _write_part(folder, rows)
        kept |= {row.key: row for row in rows}
    return _gathered(tracks, [kept[key] for key in keys], identity, source)


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    """What is known of one track: its vector, or why there is none."""

    key: str
    vector: NDArray[np.float32] | None
    seconds: float
    why: str


def _embed_part(
    some: Sequence[tuple[Track, str]],
    embed: Embed,
    read: Read,
    step: Callable[[int], None],
) -> list[_Row]:
    rows: list[_Row] = []
    sounds: list[tuple[str, Sound]] = []
    for track, key in some:
        try:
            sounds.append((key, read(track.path)))
        except InputError as error:
            rows.append(_Row(key, None, 0.0, str(error)))
    vectors = np.asarray(embed([s for _, s in sounds])) if sounds else np.empty((0, 0))
    if vectors.ndim != 2 or len(vectors) != len(sounds):
        raise InputError(
            f"embed gave an array of shape {vectors.shape} for {len(sounds)} sounds; "
            "it must give one row for each."
        )
    for (key, sound), vector in zip(sounds, vectors.astype(np.float32), strict=True):
        fault = _fault(vector)
        found = None if fault else vector
        rows.append(_Row(key, found, sound.seconds, fault))
    for _ in some:
        step(1)
    return rows


def _fault(vector: NDArray[np.float32]) -> str:
    if not np.isfinite(vector).all():
        return "its embedding is not finite."
    return "" if vector.any() else "its embedding has length 0 (is it silent?)."


def _key(track: Track, identity: str) -> str:
    """Return what changes with the encoder and the file.

    Of the file it takes size, time of change, beginning and end: sound of equal length
    by the same name in another folder is another track.
    """
    facts: list[str | int] = [identity, track.id]
    try:
        about = track.path.stat()
        facts += [about.st_size, about.st_mtime_ns]
        with track.path.open("rb") as file:
            for place in (0, max(0, about.st_size - PEEKED)):
                file.seek(place)
                facts.append(hashlib.sha256(file.read(PEEKED)).hexdigest())
    except OSError:
        facts.append(-1)  # reading it says what is wrong
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _write_part(folder: Path, rows: Sequence[_Row]) -> None:
    """Write one part under another name, and rename it when it is whole.

    Tracks that could not be read are not kept: they are tried again in the next run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [row for row in rows if row.vector is not None]
    if not rows:
        return
    name = hashlib.sha256("".join(row.key for row in rows).encode()).hexdigest()[:32]
    handle, partial = tempfile.mkstemp(prefix=PARTIAL, dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                keys=np.array([row.key for row in rows]),
                seconds=np.array([row.seconds for row in rows]),
                vectors=_stacked(rows),
            )
        Path(partial).replace(folder / f"{name}.npz")
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _kept(folder: Path) -> dict[str, _Row]:
    paths = sorted(folder.glob("[0-9a-f]*.npz"))
    return {row.key: row for path in paths for row in _read_part(path)}


def _read_part(path: Path) -> Iterator[_Row]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            keys, seconds = content["keys"].tolist(), content["seconds"].tolist()
            vectors = content["vectors"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read: {error}. Delete that file, and its tracks are "
            "embedded again."
        ) from error
    for key, length, vector in zip(keys, seconds, vectors, strict=True):
        yield _Row(key, vector, length, "")


def _gathered(
    tracks: Sequence[Track], rows: Sequence[_Row], identity: str, source: str
) -> Corpus:
    pairs = list(zip(tracks, rows, strict=True))
    good = [(track, row) for track, row in pairs if row.vector is not None]
    widths = {len(row.vector) for _, row in good if row.vector is not None}
    if len(widths) > 1:
        raise InputError(
            f"embeddings have {' and '.join(map(str, sorted(widths)))} dimensions "
            "under one identity. Give each encoder an identity of its own."
        )
    return Corpus(
        tuple(track for track, _ in good),
        _stacked([row for _, row in good]),
        np.array([row.seconds for _, row in good]),
        {track.id: row.why for track, row in pairs if row.vector is None},
        identity,
        source,
    )


def _stacked(rows: Sequence[_Row]) -> NDArray[np.float32]:
    vectors = [row.vector for row in rows if row.vector is not None]
    return np.stack(vectors) if vectors else np.empty((0, 0), np.float32)
