"""The corpus that music is retrieved from: embedded once for all subjects."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.artefacts import Recipe, discard, file_identity, read_about
from ..core.checks import InputError
from ..decoding.approximate import MIN_ITEMS, faiss
from ..decoding.corpus import Corpus, Track, embed_corpus, find_music, fma_note
from ..decoding.retrieval import (
    EMBEDDINGS,
    ITEMS,
    STAGE,
    Index,
    build_index,
    open_index,
    save_index,
)
from ..study import Study
from .encoders import Encoder, encoder_of
from .networks import cache_folder
from .session import Session

VERSION = 1
CORPUS = "corpus"
SECOND = "second.npy"
SHOWN = 5  # unreadable tracks that the note names; the table has all


@dataclass(frozen=True, eq=False)
class OpenCorpus:
    """A corpus as a run left it.

    Parameters
    ----------
    index : Index
    second : array of shape (n_items, n_other), or None
        Its items in the space of `checked_by`.
    files : dict of id to Path
        Where the sound of items lies; empty for a saved index.
    seconds : dict of id to float
        How much of each was heard; empty for a saved index.
    """

    index: Index
    second: NDArray[np.floating] | None
    files: dict[str, Path]
    seconds: dict[str, float]

    def part(self, kept: NDArray[np.bool_]) -> "OpenCorpus":
        """Return the corpus of some of its items."""
        if kept.all():
            return self
        ids = [name for name, keep in zip(self.index.ids, kept, strict=True) if keep]
        index = build_index(
            self.index.embeddings[kept],
            ids,
            identity=self.index.identity,
            source=self.index.source,
        )
        second = None if self.second is None else self.second[kept]
        return OpenCorpus(index, second, self.files, self.seconds)


def corpus_place(study: Study) -> Path:
    """Return the folder that the study names, which starts at its own file."""
    return (study.folder / str(study.retrieval.corpus)).resolve()


def is_index(place: Path) -> bool:
    """Return whether a folder is a saved index and not one of music."""
    about = read_about(place)
    return about is not None and about["stage"] == STAGE


def check_corpus(study: Study) -> None:
    """Raise if music could not be found by the corpus: nothing is embedded yet.

    Raises
    ------
    InputError
        If it is not there or holds no music, is too small for what is asked, or is the
        index of another embedding.
    """
    settings, place = study.retrieval, corpus_place(study)
    encoder = encoder_of(study, str(settings.target))
    if settings.checked_by is not None:
        _check_second(study, place)
    if is_index(place):
        index = open_index(place)
        if index.identity != encoder.identity:
            raise InputError(
                f"retrieval.corpus: the index in {place.name} holds {index.source!r} "
                f"with other weights, layer, windows or level than {encoder.source!r} "
                f"of features.{settings.target}, or another network. Embed its music "
                "by this study: name its folder."
            )
        n_items = len(index)
    else:
        try:
            n_items = len(find_music(place))
        except InputError as error:
            raise type(error)(f"retrieval.corpus: {error}") from error
    if settings.n_nearest > n_items:
        raise InputError(
            f"retrieval.n_nearest is {settings.n_nearest}, and {place.name} has "
            f"{n_items} tracks. Ask for fewer."
        )
    if settings.approximate:
        faiss()
        if n_items < MIN_ITEMS:
            raise InputError(
                f"retrieval.approximate: {place.name} has {n_items} tracks, and below "
                f"{MIN_ITEMS} an exact search is as fast. Leave it out."
            )


def _check_second(study: Study, place: Path) -> None:
    name = str(study.retrieval.checked_by)
    if name not in study.features:
        raise InputError(
            f"retrieval.checked_by names {name!r}, but there is no [features.{name}]. "
            f"Known: {', '.join(study.features)}."
        )
    if study.features[name].kind == "captions":
        raise InputError(
            f"retrieval.checked_by names {name!r}, which is of captions: what was "
            "found is checked by what it sounds like. Name a space of kind 'network'."
        )
    second = encoder_of(study, name)
    if (
        second.network.identity
        == encoder_of(study, str(study.retrieval.target)).network.identity
    ):
        raise InputError(
            f"retrieval.checked_by: {name} has the weights of "
            f"{study.retrieval.target}, so it is no independent check. Name another "
            "network."
        )
    if is_index(place):
        raise InputError(
            "retrieval.checked_by embeds the sound of the corpus once more, and a "
            "saved index has none. Name the folder of the music, or leave it out."
        )


def make_corpus(session: Session) -> str:
    """Make `corpus/`, if the study retrieves; return its identity, or ''.

    It holds the index, a table of the tracks and of those that could not be read, and
    where the study has a second space, the vectors of the same tracks in it. The
    identity is of the vectors: a corpus that was moved is the same corpus.
    """
    study = session.study
    if study.retrieval.target is None:
        discard(session.out / CORPUS)
        return ""
    place = corpus_place(study)
    encoders = _encoders(study)
    inputs = {f"embedding {k}": one.identity for k, one in enumerate(encoders)}
    if is_index(place):
        inputs["index"] = file_identity(place / EMBEDDINGS)
        inputs["items"] = file_identity(place / ITEMS)
    else:
        inputs["tracks"] = _listing(find_music(place))

    def work(folder: Path) -> list[str]:
        if is_index(place):
            save_index(open_index(place), folder / "index")
            return []
        return _embed(session, place, encoders, folder)

    session.make(CORPUS, Recipe("corpus", VERSION, {}, inputs), work)
    return _content(session.out / CORPUS)


def open_corpus(session: Session) -> OpenCorpus:
    """Read what `make_corpus` left."""
    folder = session.out / CORPUS
    index = open_index(folder / "index")
    second, files, seconds = folder / SECOND, {}, {}
    if (folder / "tracks.csv").exists():
        table = pd.read_csv(folder / "tracks.csv", dtype=str, keep_default_na=False)
        place, names = corpus_place(session.study), table["track"]
        files = dict(zip(names, (place / name for name in table["file"]), strict=True))
        seconds = dict(zip(names, table["seconds"].astype(float), strict=True))
    other = np.load(second, mmap_mode="r") if second.exists() else None
    return OpenCorpus(index, other, files, seconds)


def _encoders(study: Study) -> list[Encoder]:
    names = (study.retrieval.target, study.retrieval.checked_by)
    return [encoder_of(study, name) for name in names if name is not None]


def _embed(
    session: Session, place: Path, encoders: list[Encoder], folder: Path
) -> list[str]:
    study, unreadable = session.study, {}
    tracks, found = find_music(place), []
    notes = [note for note in (fma_note(place, tracks),) if note]
    kept = cache_folder(study).parent / "corpora"
    for encoder in encoders:
        corpus = embed_corpus(
            tracks,
            encoder.embed,
            folder=kept / encoder.identity[:32],
            identity=encoder.identity,
            source=encoder.source,
            read=encoder.read,
            advance=session.ticker(
                f"{encoder.source}: embedding the corpus", len(tracks)
            ),
        )
        corpus.index()  # says so where nothing could be read
        unreadable |= corpus.unreadable
        tracks = list(corpus.tracks)  # what one cannot hear is in no table
        found.append(corpus)
    _save(place, tracks, found, folder)
    table = [
        (name, why.replace(f"{place}/", "")) for name, why in sorted(unreadable.items())
    ]
    pd.DataFrame(table, columns=["track", "reason"]).to_csv(
        folder / "unreadable.csv", index=False
    )
    if table:
        some = " ".join(f"{name}: {why}" for name, why in table[:SHOWN])
        notes.append(
            f"{len(table)} of {len(table) + len(tracks)} tracks of the corpus could "
            f"not be embedded and cannot be found (corpus/unreadable.csv), such as "
            f"{some}"
        )
    return notes


def _save(place: Path, tracks: list[Track], found: list[Corpus], folder: Path) -> None:
    first = {track.id: row for row, track in enumerate(found[0].tracks)}
    rows = [first[track.id] for track in tracks]
    index = build_index(
        found[0].embeddings[rows],
        [track.id for track in tracks],
        identity=found[0].identity,
        source=found[0].source,
    )
    save_index(index, folder / "index")
    if len(found) > 1:
        np.save(folder / SECOND, found[1].embeddings, allow_pickle=False)
    table = pd.DataFrame(
        {
            "track": [track.id for track in tracks],
            "file": [track.path.relative_to(place).as_posix() for track in tracks],
            "seconds": found[0].seconds[rows],
        }
    )
    table.to_csv(folder / "tracks.csv", index=False, float_format="%.9g")


def _listing(tracks: list[Track]) -> str:
    """Return a hash of names, sizes and times of change; sound is not read."""
    stats = [track.path.stat() for track in tracks]
    rows = [
        [track.id, stat.st_size, stat.st_mtime_ns]
        for track, stat in zip(tracks, stats, strict=True)
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _content(folder: Path) -> str:
    names = (f"index/{EMBEDDINGS}", f"index/{ITEMS}", SECOND)
    paths = [folder / name for name in names]
    digests = [file_identity(path) for path in paths if path.exists()]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
