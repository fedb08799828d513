"""The step that finds, for each test clip, the tracks nearest to what was decoded."""

from collections.abc import Mapping, Sequence
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
from ..decoding.retrieval import Found, Index
from ..decoding.retrieved import score_retrieval
from ..decoding.sounds import Sound, read_start
from ..study import Study
from .alignment import Aligned
from .corpus import OpenCorpus, open_corpus
from .decoded_clips import DecodedClips, read_decoded
from .encoders import embed_stimuli, encoder_of, stimuli_of
from .excerpts import chosen_clips, write_excerpt, write_players
from .networks import waveform_of
from .overlap import find_stimuli
from .session import Session

Floats = NDArray[np.floating]
VERSION = 1
LABELS = ("subject", "target", "source", "items", "scored_by")
SHOWN = 5


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
    session: Session, aligned: Aligned, *, decoding: str, corpus: str
) -> str:
    """Make `retrieval/SUBJECT`: scores, the tracks that were found, and excerpts."""
    study, subject = session.study, aligned.opened.subject
    settings = study.part("retrieval")["retrieval"]
    settings.pop("corpus")

    def work(folder: Path) -> list[str]:
        return _retrieve(session, aligned, folder)

    recipe = Recipe(
        "retrieval", VERSION, settings, {"decoding": decoding, "corpus": corpus}
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
    found = cells.search(vectors, k, identity=index.identity)
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


def _retrieve(session: Session, aligned: Aligned, folder: Path) -> list[str]:
    study, opened = session.study, aligned.opened
    one = search_ready(session, aligned)
    index = one.corpus.index
    found, said = nearest(study, index, one.decoded.vectors, study.retrieval.n_nearest)
    _scores(study, one, found.rows[:, 0], opened.subject).to_csv(
        folder / "retrieval.csv", index=False, float_format="%.9g"
    )
    _tracks(study, one, found, opened.subject).to_csv(
        folder / "retrieved.csv", index=False, float_format="%.9g"
    )
    _write_excerpts(study, one, found, folder)
    n_tracks, n_clips = len(np.unique(found.rows[:, 0])), len(one.decoded.clips)
    notes = [
        *one.notes,
        *said,
        f"{n_clips} test clips retrieved {n_tracks} different tracks first, of "
        f"{len(index)}.",
    ]
    return [f"{opened.name}, retrieval: {note}" for note in notes]


def _scores(
    study: Study, one: Searched, rows: NDArray[np.intp], subject: str
) -> pd.DataFrame:
    settings, index = study.retrieval, one.corpus.index
    pool = Pool(
        clips=np.array(one.decoded.clips),
        name=f"{len(one.decoded.clips)} test clips",
        n_permutations=settings.n_permutations,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
    )
    identity = index.identity
    oracle = index.search(one.true, identity=identity).rows[:, 0]
    # An item's own vector finds that item: so the search that found it has no part.
    plain = score_retrieval(
        index,
        index.embeddings[rows],
        one.true,
        identity=identity,
        seed=settings.seed,
        second=None if one.second is None else (one.corpus.second, one.second),
    ).set_index("kind")
    label = {"subject": subject, "target": settings.target, "source": index.source}
    spaces = {"": (index.embeddings, one.true, index.source)}
    if one.second is not None and one.corpus.second is not None:
        source = encoder_of(study, str(settings.checked_by)).source
        spaces["_second"] = (one.corpus.second, one.second, source)
    tables = []
    for suffix, (items, stimuli, source) in spaces.items():
        for kind, chosen in (("retrieved", rows), ("oracle", oracle)):
            cards = identification_cards(
                items[chosen], stimuli, pool, n_ways=(2, 10), tops=(1,)
            )
            labels = label | {"items": kind, "scored_by": source}
            tables.append(card_table(cards, **labels))
            cosine = {
                "metric": "mean cosine",
                "value": plain.loc[kind, f"similarity{suffix}"],
                "chance": plain.loc["chance", f"similarity{suffix}"],
                "n": len(stimuli),
            }
            tables.append(pd.DataFrame([labels | cosine]))
        random = {
            "items": "random",
            "scored_by": source,
            "metric": "identification accuracy",
            "value": plain.loc["chance", f"identification{suffix}"],
            "n": len(stimuli),
        }
        tables.append(pd.DataFrame([label | random]))
    return pd.concat(tables, ignore_index=True)


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
    players = []
    for k in chosen_clips(one.decoded.clips):
        clip = one.decoded.clips[k]
        if clip not in one.sources or not one.corpus.files:
            continue
        item = one.corpus.index.ids[found.rows[k, 0]]
        played = stimulus_sound(study, one.sources[clip])
        sounds = {
            "stimulus": (one.sources[clip].path.name, played),
            "retrieved": (item, read_start(one.corpus.files[item])),
        }
        for what, (track, sound) in sounds.items():
            file = f"excerpts/clip-{k:03d}_{what}.flac"
            write_excerpt(folder / file, sound)
            players.append({"clip": clip, "what": what, "track": track, "file": file})
    write_players(folder, players)


def stimulus_sound(study: Study, source: ClipSource) -> Sound:
    """Return a stimulus as its target hears it: cut, faded and levelled."""
    encoder = encoder_of(study, str(study.retrieval.target))
    waveform, rate_hz = waveform_of(source, encoder.space)
    return Sound(waveform.astype(np.float32), rate_hz)
