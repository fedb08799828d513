"""The corpus that music is retrieved from: embedded once for all subjects."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.artefacts import Recipe, discard, file_identity, read_about
from ..core.checks import InputError
from ..decoding.approximate import (
    MIN_ITEMS,
    build_cells,
    by_cells,
    faiss,
    open_cells,
    save_cells,
)
from ..decoding.corpus import Corpus, Track, embed_corpus, find_music, fma_note
from ..decoding.retrieval import (
    EMBEDDINGS,
    ITEMS,
    STAGE,
    Index,
    open_index,
    save_index,
)
from ..decoding.sounds import Sound
from ..features.cache import content_key
from ..features.windows import window_times
from ..study import Study
from .encoders import Encoder, encoder_of
from .networks import cache_folder
from .session import Session

VERSION = 1
CORPUS = "corpus"
WITHOUT = (
    "Any folder of music will do, such as FMA's fma_small (8,000 tracks, 7.2 GiB); "
    "without one, leave [retrieval] out."
)
SHOWN = 5  # unreadable tracks that the note names; the table has all


@dataclass(frozen=True, eq=False)
class OpenCorpus:
    """A corpus as a run left it.

    Parameters
    ----------
    index : Index
    files : dict of id to Path
        Where the sound of items lies; empty for a saved index.
    seconds : dict of id to float
        How much of each was heard; empty for a saved index.
    """

    index: Index
    files: dict[str, Path]
    seconds: dict[str, float]

    def part(self, kept: NDArray[np.bool_]) -> "OpenCorpus":
        """Return the corpus of some of its items."""
        if kept.all():
            return self
        return OpenCorpus(self.index.part(kept), self.files, self.seconds)


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
            raise type(error)(f"retrieval.corpus: {error} {WITHOUT}") from error
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
    the cells that an approximate search looks into, beside the index.
    The identity is of the vectors: a corpus that was moved is the same corpus.
    """
    study = session.study
    settings: dict[str, int] = {}
    if study.retrieval.target is None:
        discard(session.out / CORPUS)
        return ""
    place = corpus_place(study)
    inputs = {"embedding": encoder_of(study, str(study.retrieval.target)).identity}
    inputs["heard by"] = _second_encoder(study)
    if study.retrieval.approximate:
        settings["cells_seed"] = study.retrieval.seed
    if is_index(place):
        inputs["index"] = file_identity(place / EMBEDDINGS)
        inputs["items"] = file_identity(place / ITEMS)
    else:
        inputs["tracks"] = _listing(find_music(place))

    def work(folder: Path) -> list[str]:
        notes: list[str] = []
        if is_index(place):
            save_index(open_index(place), folder / "index")
        else:
            notes = _embed(session, place, folder)
        if study.retrieval.approximate:
            _write_cells(session, folder / "index")
        return notes

    session.make(CORPUS, Recipe("corpus", VERSION, settings, inputs), work)
    return _content(session.out / CORPUS)


def _write_cells(session: Session, folder: Path) -> None:
    advance = session.ticker("sorting the corpus into cells", 1)
    save_cells(
        build_cells(open_index(folder), seed=session.study.retrieval.seed), folder
    )
    advance(1)


def open_corpus(session: Session) -> OpenCorpus:
    """Read what `make_corpus` left; index and cells stay on disk."""
    folder = session.out / CORPUS
    index = open_index(folder / "index")
    if session.study.retrieval.approximate:
        index = by_cells(open_cells(index, folder / "index"))
    files, seconds = {}, {}
    if (folder / "tracks.csv").exists():
        table = pd.read_csv(folder / "tracks.csv", dtype=str, keep_default_na=False)
        place, names = corpus_place(session.study), table["track"]
        files = dict(zip(names, (place / name for name in table["file"]), strict=True))
        seconds = dict(zip(names, table["seconds"].astype(float), strict=True))
    return OpenCorpus(index, files, seconds)


def second_identity(study: Study) -> str:
    """Return the identity of what checks the tracks that were found, '' if none.

    It changes with the network, its settings, and where the space's sound lies.
    """
    name = study.retrieval.checked_by
    if name is None:
        return ""
    space = study.part("features")["features"][name]
    places = [space[key] for key in ("path", "start", "end")]
    return content_key(_second_encoder(study), *places)


def _second_encoder(study: Study) -> str:
    name = study.retrieval.checked_by
    return "" if name is None else encoder_of(study, name).identity


def embed_found(
    session: Session, corpus: OpenCorpus, encoder: Encoder, rows: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return items in a second space, from disk where they were embedded before.

    Only what was found is embedded: all of a large corpus would take hours.

    Parameters
    ----------
    session : Session
    corpus : OpenCorpus
    encoder : Encoder
    rows : array of int, shape (n_found,)
        Of the index; they may come several times.

    Returns
    -------
    vectors : array of shape (n_found, n_dimensions)

    Raises
    ------
    InputError
        If one of them cannot be heard by the second network.
    """
    names = list(dict.fromkeys(corpus.index.ids[row] for row in rows))
    tracks = [Track(name, corpus.files[name]) for name in names]
    found = _embedded(session, encoder, tracks, encoder.read, "what was found")
    if found.unreadable:
        raise InputError(
            f"features.{encoder.name} cannot hear {len(found.unreadable)} tracks that "
            f"were found: {found.reasons[0]} Shorten its window_s, or leave "
            "retrieval.checked_by out."
        )
    place = {track.id: k for k, track in enumerate(found.tracks)}
    at = [place[corpus.index.ids[row]] for row in rows]
    return found.embeddings[at].astype(np.float64)


def _embed(session: Session, place: Path, folder: Path) -> list[str]:
    study, every = session.study, find_music(place)
    encoder = encoder_of(study, str(study.retrieval.target))
    others = [] if study.retrieval.checked_by is None else [study.retrieval.checked_by]
    checked = [encoder_of(study, name) for name in others]

    found = _embedded(session, encoder, every, encoder.read, "the corpus")
    for other in checked:
        found = heard_by(found, other)
    save_index(found.index(), folder / "index")
    tracks = found.tracks
    table = pd.DataFrame(
        {
            "track": [track.id for track in tracks],
            "file": [track.path.relative_to(place).as_posix() for track in tracks],
            "seconds": found.seconds,
        }
    )
    table.to_csv(folder / "tracks.csv", index=False, float_format="%.9g")
    lost = [
        (name, why.replace(f"{place}/", "")) for name, why in found.unreadable.items()
    ]
    pd.DataFrame(lost, columns=["track", "reason"]).to_csv(
        folder / "unreadable.csv", index=False
    )
    notes = [note for note in (fma_note(place, every),) if note]
    if lost:
        some = " ".join(f"{name}: {why}" for name, why in lost[:SHOWN])
        notes.append(
            f"{len(lost)} of {len(every)} tracks of the corpus could not be embedded "
            f"and cannot be found (corpus/unreadable.csv), such as {some}"
        )
    return notes


def heard_by(corpus: Corpus, other: Encoder) -> Corpus:
    """Return the tracks that another network can hear, too; else it cannot check them.

    Asked of all tracks, whether they were embedded now or before.
    """
    why: dict[str, str] = {}
    for track, seconds in zip(corpus.tracks, corpus.seconds, strict=True):
        try:
            window_times(float(seconds), other.windows)
        except InputError as error:
            why[track.id] = f"{track.path.name}: {error}"
    kept = np.array([track.id not in why for track in corpus.tracks], dtype=bool)
    return replace(
        corpus,
        tracks=tuple(t for t, k in zip(corpus.tracks, kept, strict=True) if k),
        embeddings=corpus.embeddings[kept],
        seconds=corpus.seconds[kept],
        unreadable={**corpus.unreadable, **why},
    )


def check_outside(study: Study, out: Path) -> None:
    """Raise if results would lie inside the corpus, where they would be found again."""
    if study.retrieval.corpus is None:
        return
    place = corpus_place(study)
    if out.resolve().is_relative_to(place):
        raise InputError(
            f"the results would lie in {out.name}, inside the folder of "
            f"retrieval.corpus, {place.name}: the sound that is made would be taken "
            "for music of the corpus. Give another folder for the results."
        )


def _embedded(
    session: Session,
    encoder: Encoder,
    tracks: list[Track],
    read: Callable[[Path], Sound],
    what: str,
) -> Corpus:
    """Embed tracks with parts in the study's cache, so that a killed run goes on."""
    kept = cache_folder(session.study).parent / "corpora" / encoder.identity[:32]
    text = f"{encoder.source}: embedding {what}"
    return embed_corpus(
        tracks,
        encoder.embed,
        folder=kept,
        identity=encoder.identity,
        source=encoder.source,
        read=read,
        advance=session.ticker(text, len(tracks)),
    )


def _listing(tracks: list[Track]) -> str:
    """Return a hash of names, sizes and times of change; sound is not read."""
    stats = [track.path.stat() for track in tracks]
    rows = [
        [track.id, stat.st_size, stat.st_mtime_ns]
        for track, stat in zip(tracks, stats, strict=True)
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _content(folder: Path) -> str:
    digests = [file_identity(folder / "index" / name) for name in (EMBEDDINGS, ITEMS)]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
