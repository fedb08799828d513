"""What the tracks that were found are worth, beside the oracle and the controls."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..decoding.cards import (
    Card,
    Pool,
    card_table,
    cards_of_subset,
    identification_cards,
    pairs_card,
)
from ..decoding.chance import clip_permutations
from ..decoding.controls import mean_embedding, random_embedding
from ..decoding.draws import N_DRAWS, drawn_cards
from ..decoding.retrieval import unit_rows
from .corpus import embed_found
from .decoded_controls import control_name
from .decoded_rows import safe_subsets
from .encoders import encoder_of
from .opening import Opened
from .searched import Searched, training_vectors
from .session import Session

Floats = NDArray[np.floating]
FEWEST = 3  # clips of a subset, for one to be told from others
JUDGED = ("retrieved", "oracle")  # in subsets, too
SIZES: dict[str, tuple[int, ...]] = {"n_ways": (10,), "tops": (1,)}


@dataclass(frozen=True, eq=False)
class _Tracks:
    """One track for each clip, and how it was found.

    Those that are `drawn` know nothing of the clips, so each may be of any clip.
    """

    rows: NDArray[np.intp]
    search: str
    drawn: bool = False


def retrieval_scores(
    session: Session, opened: Opened, one: Searched, rows: NDArray[np.intp]
) -> pd.DataFrame:
    """Return the cards of what was found, of the oracle, and of what knows nothing.

    Parameters
    ----------
    session : Session
    opened : Opened
    one : Searched
    rows : array of int, shape (n_clips,)
        The track that each clip retrieved first.

    Returns
    -------
    table : DataFrame
        Fields of `Card` after subject, target, source, `items` (which tracks: see
        `_all_tracks`), `search` (how they were found), `scored_by` (a space) and
        `n_draws` (above 1, the cards are those of `drawn_cards`).
    """
    settings, index = session.study.retrieval, one.corpus.index
    tracks = _all_tracks(session, opened, one, rows)
    spaces: dict[str, dict[str, Floats]] = {
        index.source: {k: index.embeddings[t.rows] for k, t in tracks.items()}
    }
    truth = {index.source: one.true}
    if one.second is not None:
        encoder = encoder_of(session.study, str(settings.checked_by))
        every = np.concatenate([track.rows for track in tracks.values()])
        heard = embed_found(session, one.corpus, encoder, every)
        parts = np.split(heard, len(tracks))
        spaces[encoder.source] = dict(zip(tracks, parts, strict=True))
        truth[encoder.source] = one.second
    clips = np.array(one.decoded.clips)
    pool = Pool(
        clips=clips,
        name=f"all {len(clips)} test clips",
        n_permutations=settings.n_permutations,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
    )
    subsets = safe_subsets(session.out, opened.subject, clips)
    label = {
        "subject": opened.subject,
        "target": settings.target,
        "source": index.source,
    }
    tables = []
    for space, items_of in spaces.items():
        for kind, items in items_of.items():
            drawn = tracks[kind].drawn
            cards = (_drawn if drawn else _cards)(items, truth[space], pool)
            if kind in JUDGED:
                cards += _in_subsets(items, truth[space], pool, subsets)
            labels: dict[str, object] = {
                "items": kind,
                "search": tracks[kind].search,
                "scored_by": space,
                "n_draws": N_DRAWS if drawn else 1,
            }
            tables.append(card_table(cards, **label, **labels))
    return pd.concat(tables, ignore_index=True)


def _all_tracks(
    session: Session, opened: Opened, one: Searched, rows: NDArray[np.intp]
) -> dict[str, _Tracks]:
    """Return the tracks to score.

    'retrieved' by what was decoded, and 'oracle' by the true target. What knows
    nothing: the control ROI, where there is one, by what it alone predicts; 'mean
    embedding' and 'random embedding' retrieve by those of the training clips, 'shuffled
    clips' have what other clips retrieved, and a 'random track' is drawn from the
    corpus. Of the last three, which clip has which is drawn many times.
    """
    study, index, n = session.study, one.corpus.index, len(rows)
    seed = study.retrieval.seed
    train = training_vectors(study, opened, session.ticker)
    queries = {
        "oracle": one.true,
        "mean embedding": mean_embedding(train, n),
        "random embedding": random_embedding(train, n, seed=seed),
    }
    if one.decoded.control is not None:
        queries[control_name(study)] = one.decoded.control
    found = {"retrieved": _Tracks(rows, index.how)}
    for kind, vectors in queries.items():
        near = index.search(vectors, identity=index.identity).rows[:, 0]
        found[kind] = _Tracks(near, index.how, drawn=kind == "random embedding")
    found["shuffled clips"] = _Tracks(rows, index.how, drawn=True)
    drawn = np.random.default_rng(seed).integers(0, len(index), n)
    found["random track"] = _Tracks(drawn, "none", drawn=True)
    return found


def _cards(items: Floats, stimuli: Floats, pool: Pool) -> list[Card]:
    cosines = unit_rows(items, "items") @ unit_rows(stimuli, "stimuli").T
    return [
        *identification_cards(items, stimuli, pool, **SIZES),
        pairs_card("mean cosine", cosines, pool),
    ]


def _drawn(items: Floats, stimuli: Floats, pool: Pool) -> list[Card]:
    """Return the cards of tracks that are given to the clips in many random orders."""
    orders = clip_permutations(pool.clips, N_DRAWS, seed=pool.seed)
    draws = [items[order] for order in orders]
    return drawn_cards(
        draws, stimuli, pool, **SIZES, scores={"mean cosine": _mean_cosine}
    )


def _mean_cosine(items: Floats, stimuli: Floats) -> float:
    cosines = unit_rows(items, "items") * unit_rows(stimuli, "stimuli")
    return float(cosines.sum(axis=1).mean())


def _in_subsets(
    items: Floats,
    stimuli: Floats,
    pool: Pool,
    subsets: Mapping[str, NDArray[np.bool_]],
) -> list[Card]:
    """Return identification among the clips that share nothing with training."""
    cards = []
    for name, inside in subsets.items():
        if (n := int(inside.sum())) >= FEWEST:
            part = replace(pool, name=f"{n} {name} test clips")
            cards += cards_of_subset(items, stimuli, part, inside, **SIZES)
    return cards
