"""The step that finds, for each test clip, the tracks nearest to what was decoded."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.artefacts import Recipe
from ..decoding.retrieval import Found
from ..decoding.sounds import read_start
from ..study import Study
from .alignment import Aligned
from .corpus import second_identity
from .courses import as_in_its_file, compare_courses
from .decoded_rows import genres_of
from .encoders import encoder_of
from .excerpts import played_clips, write_excerpt, write_players
from .retrieval_scores import retrieval_scores
from .searched import Searched, nearest
from .session import Session

VERSION = 5


def make_retrieval(
    session: Session,
    aligned: Aligned,
    ready: Callable[[], Searched],
    *,
    decoding: str,
    corpus: str,
) -> str:
    """Make `retrieval/SUBJECT`: scores, the tracks that were found, and excerpts.

    `ready` gives what `search_ready` does, once for all steps of a subject.
    """
    study, subject = session.study, aligned.opened.subject
    settings = study.part("retrieval")["retrieval"]
    settings.pop("corpus")
    settings["n_made"] = study.generation.n_clips  # which clips are played

    def work(folder: Path) -> list[str]:
        return _retrieve(session, aligned, ready(), folder)

    recipe = Recipe(
        "retrieval",
        VERSION,
        settings,
        {
            "decoding": decoding,
            "corpus": corpus,
            "checked by": second_identity(study),
        },
    )
    return session.make(f"retrieval/sub-{subject}", recipe, work)


def _retrieve(
    session: Session, aligned: Aligned, one: Searched, folder: Path
) -> list[str]:
    study, opened = session.study, aligned.opened
    index = one.corpus.index
    found, said = nearest(study, index, one.decoded.vectors, study.retrieval.n_nearest)
    retrieval_scores(session, opened, one, found.rows[:, 0]).to_csv(
        folder / "retrieval.csv", index=False, float_format="%.9g"
    )
    if one.not_compared:
        rows = list(one.not_compared.items())
        table = pd.DataFrame(rows, columns=["clip", "why"])
        table.to_csv(folder / "not_compared.csv", index=False)
    _tracks(study, one, found, opened.subject).to_csv(
        folder / "retrieved.csv", index=False, float_format="%.9g"
    )
    played = played_clips(
        len(one.decoded.clips),
        study.generation.n_clips,
        genres_of(study, opened, one.decoded.clips),
    )
    _write_excerpts(study, one, found, folder, played)
    courses, more = _courses(study, one, found.rows[:, 0])
    if not courses.empty:
        courses.insert(0, "subject", opened.subject)
        courses.insert(1, "target", study.retrieval.target)
        path = folder / "retrieval_in_time.csv"
        courses.to_csv(path, index=False, float_format="%.9g")
    n_tracks, n_clips = len(np.unique(found.rows[:, 0])), len(one.decoded.clips)
    notes = [
        *one.notes,
        *said,
        *more,
        f"{n_clips} test clips retrieved {n_tracks} different tracks first, of "
        f"{len(index)}.",
    ]
    return [f"{opened.name}, retrieval: {note}" for note in notes]


def _tracks(study: Study, one: Searched, found: Found, subject: str) -> pd.DataFrame:
    ids, rows = one.corpus.index.ids, []
    for clip, items, cosines in zip(
        one.decoded.clips, found.rows, found.similarity, strict=True
    ):
        for rank, (row, cosine) in enumerate(zip(items, cosines, strict=True), start=1):
            rows.append((clip, rank, ids[row], cosine))
    table = pd.DataFrame(rows, columns=["clip", "rank", "track", "cosine"])
    table.insert(0, "subject", subject)
    table.insert(1, "target", study.retrieval.target)
    table.insert(2, "source", one.corpus.index.source)
    table.insert(3, "search", one.corpus.index.how)
    return table


def _write_excerpts(
    study: Study, one: Searched, found: Found, folder: Path, clips: Sequence[int]
) -> None:
    """Write a few clips and the track that each retrieved first, as they are."""
    players, encoder = [], encoder_of(study, str(study.retrieval.target))
    for k in clips:
        clip = one.decoded.clips[k]
        if clip not in one.sources or not one.corpus.files:
            continue
        item = one.corpus.index.ids[found.rows[k, 0]]
        played = encoder.stimulus(one.sources[clip])
        sounds = {
            "stimulus": (one.sources[clip].path.name, played),
            "retrieved": (item, read_start(one.corpus.files[item])),
        }
        for what, (track, sound) in sounds.items():
            file = f"excerpts/clip-{k:03d}_{what}.flac"
            write_excerpt(folder / file, sound)
            players.append({"clip": clip, "what": what, "track": track, "file": file})
    write_players(folder, players)


def _courses(
    study: Study, one: Searched, rows: NDArray[np.intp]
) -> tuple[pd.DataFrame, list[str]]:
    """Return agreement in time of the stimuli with the tracks they retrieved first."""
    pairs = [
        (clip, one.sources[clip], one.corpus.files[one.corpus.index.ids[row]])
        for clip, row in zip(one.decoded.clips, rows, strict=True)
        if clip in one.sources and one.corpus.files
    ]
    return compare_courses(
        [clip for clip, *_ in pairs],
        [as_in_its_file(source) for _, source, _ in pairs],
        [read_start(file) for *_, file in pairs],
        "stimulus and retrieved",
        n_permutations=study.retrieval.n_permutations,
        n_resamples=study.retrieval.n_resamples,
        seed=study.retrieval.seed,
    )
