"""The step that finds, for each test clip, the tracks nearest to what was decoded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.artefacts import Recipe
from ..core.checks import InputError
from ..data.stimuli import ClipSource
from ..decoding.approximate import MIN_ITEMS, build_cells, recall
from ..decoding.cards import Pool, card_table, identification_cards
from ..decoding.retrieval import Found, Index, unit_rows
from ..decoding.retrieved import score_retrieval
from ..decoding.sounds import read_start
from ..study import Study
from .alignment import Aligned
from .corpus import OpenCorpus, embed_found, open_corpus, second_identity
from .courses import compare_courses
from .decoded_clips import DecodedClips, read_decoded
from .encoders import embed_stimuli, encoder_of, stimuli_of
from .excerpts import played_clips, write_excerpt, write_players
from .overlap import find_stimuli
from .session import Session

Floats = NDArray[np.floating]
VERSION = 1
SHOWN = 5
N_PROBED = 32  # cells: 99 % of the ten nearest of 100,000 clustered items


@dataclass(frozen=True, eq=False)
class Searched:
    """One subject's decoded clips beside a corpus without the stimuli.

    Parameters
    ----------
    decoded : DecodedClips
    corpus : OpenCorpus
        Without the items that are test stimuli.
    sources : mapping of clip to its sound
    true : array of shape (n_clips, n_dimensions)
        The target of each clip as it is.
    second : array of shape (n_clips, n_other), or None
        The clips in the space of `checked_by`.
    notes : list of str
    """

    decoded: DecodedClips
    corpus: OpenCorpus
    sources: Mapping[str, ClipSource]
    true: Floats
    second: Floats | None
    notes: list[str]


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


def search_ready(session: Session, aligned: Aligned) -> Searched:
    """Return what is searched by: what was decoded, and a corpus without the stimuli.

    Raises
    ------
    InputError
        If too few tracks are left.
    """
    study, opened = session.study, aligned.opened
    settings, target = study.retrieval, str(study.retrieval.target)
    decoded, whole = read_decoded(session, aligned, target), open_corpus(session)
    every = stimuli_of(study, opened, target)
    sources = {clip: every[clip] for clip in decoded.clips if clip in every}
    named = {
        clip: every.get(clip, ClipSource(clip, Path(clip))) for clip in decoded.clips
    }
    true = embed_stimuli(study, target, named, session.ticker)
    files = whole.files if len(sources) == len(named) else {}
    same, notes = find_stimuli(whole.index, files, named, true)
    if same:
        some = [f"{item} {why}" for item, why in list(same.items())[:SHOWN]]
        more = ", ..." if len(same) > SHOWN else ""
        notes.append(
            f"{len(same)} tracks of the corpus are test stimuli and were left out: "
            f"{', '.join(some)}{more}"
        )
    corpus = whole.part(np.array([item not in same for item in whole.index.ids]))
    fewest = max(settings.n_nearest, MIN_ITEMS if settings.approximate else 1)
    if len(whole.index) - len(same) < fewest:
        raise InputError(
            f"{opened.name}: {len(whole.index) - len(same)} tracks of the corpus are "
            f"no test stimuli, and {fewest} are needed. Give a larger corpus."
        )
    second = None
    if settings.checked_by is not None:
        heard = _sounds_for(study, aligned, settings.checked_by, decoded.clips)
        second = embed_stimuli(study, settings.checked_by, heard, session.ticker)
    if decoded.n_left_out:
        notes.append(
            f"{decoded.n_left_out} dimensions of {target} were not decoded: their "
            "training mean stands in."
        )
    return Searched(decoded, corpus, sources, true, second, notes)


def nearest(
    study: Study, index: Index, vectors: Floats, k: int
) -> tuple[Found, list[str]]:
    """Return the nearest items, exactly or by cells, and how much these miss."""
    exact = index.search(vectors, k, identity=index.identity)
    if not study.retrieval.approximate:
        return exact, []
    cells = build_cells(index, seed=study.retrieval.seed)
    n_probed = min(N_PROBED, cells.n_cells)
    found = cells.search(vectors, k, identity=index.identity, n_probed=n_probed)
    share = recall(found.rows, exact.rows)
    note = f"the approximate search found {share:.1%} of the {k} nearest tracks."
    return found, [note]


def _sounds_for(
    study: Study, aligned: Aligned, name: str, clips: Sequence[str]
) -> dict[str, ClipSource]:
    every = stimuli_of(study, aligned.opened, name)
    missing = [clip for clip in clips if clip not in every]
    if missing:
        raise InputError(
            f"{aligned.opened.name}: {len(missing)} test clips, such as "
            f"{missing[0]!r}, have no sound in features.{name}. Correct its path."
        )
    return {clip: every[clip] for clip in clips}


def _retrieve(
    session: Session, aligned: Aligned, one: Searched, folder: Path
) -> list[str]:
    study, opened = session.study, aligned.opened
    index = one.corpus.index
    found, said = nearest(study, index, one.decoded.vectors, study.retrieval.n_nearest)
    _scores(session, one, found.rows[:, 0], opened.subject).to_csv(
        folder / "retrieval.csv", index=False, float_format="%.9g"
    )
    _tracks(study, one, found, opened.subject).to_csv(
        folder / "retrieved.csv", index=False, float_format="%.9g"
    )
    _write_excerpts(study, one, found, folder)
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


def _scores(
    session: Session, one: Searched, rows: NDArray[np.intp], subject: str
) -> pd.DataFrame:
    settings, index = session.study.retrieval, one.corpus.index
    oracle = index.search(one.true, identity=index.identity).rows[:, 0]
    vectors = index.embeddings
    made: list[tuple[str, str, Floats, Floats]] = [
        ("retrieved", index.source, vectors[rows], one.true),
        ("oracle", index.source, vectors[oracle], one.true),
    ]
    if one.second is not None:
        encoder = encoder_of(session.study, str(settings.checked_by))
        both = embed_found(session, one.corpus, encoder, np.r_[rows, oracle])
        made += [
            ("retrieved", encoder.source, both[: len(rows)], one.second),
            ("oracle", encoder.source, both[len(rows) :], one.second),
        ]
    label = {"subject": subject, "target": settings.target, "source": index.source}
    pool = Pool(
        clips=np.array(one.decoded.clips),
        name=f"{len(one.decoded.clips)} test clips",
        n_permutations=settings.n_permutations,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
    )
    tables = []
    for kind, source, items, stimuli in made:
        labels = label | {"items": kind, "scored_by": source}
        cards = identification_cards(items, stimuli, pool, n_ways=(10,), tops=(1,))
        tables.append(card_table(cards, **labels))
        tables.append(pd.DataFrame([labels | _cosine(items, stimuli)]))
    tables.append(pd.DataFrame([label | _random(one, settings.seed)]))
    return pd.concat(tables, ignore_index=True)


def _cosine(items: Floats, stimuli: Floats) -> dict[str, str | float]:
    """Return the mean cosine of item and stimulus; chance is that of other clips."""
    every = unit_rows(items, "items") @ unit_rows(stimuli, "stimuli").T
    own, n = float(np.trace(every)), len(every)
    others = (float(every.sum()) - own) / (n * (n - 1))
    return {"metric": "mean cosine", "value": own / n, "chance": others, "n": n}


def _random(one: Searched, seed: int) -> dict[str, str | float]:
    """Return how well random tracks identify the stimuli, on average over 100 draws."""
    index, identity = one.corpus.index, one.corpus.index.identity
    table = score_retrieval(
        index, one.true, one.true, identity=identity, seed=seed
    ).set_index("kind")
    return {
        "items": "random",
        "scored_by": index.source,
        "metric": "identification accuracy",
        "value": float(table["identification"]["chance"]),
        "n": len(one.true),
    }


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
    return table


def _write_excerpts(study: Study, one: Searched, found: Found, folder: Path) -> None:
    """Write a few clips and the track that each retrieved first, as they are."""
    players, encoder = [], encoder_of(study, str(study.retrieval.target))
    for k in played_clips(len(one.decoded.clips), study.generation.n_clips):
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
        (one.sources[clip], one.corpus.files[one.corpus.index.ids[row]])
        for clip, row in zip(one.decoded.clips, rows, strict=True)
        if clip in one.sources and one.corpus.files
    ]
    encoder = encoder_of(study, str(study.retrieval.target))
    return compare_courses(
        [encoder.stimulus(source) for source, _ in pairs],
        [read_start(file) for _, file in pairs],
        "stimulus and retrieved",
        n_permutations=study.retrieval.n_permutations,
        seed=study.retrieval.seed,
    )
