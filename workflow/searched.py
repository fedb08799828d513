"""What retrieval starts from: decoded clips, and a corpus without the stimuli."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..data.stimuli import ClipSource
from ..decoding.approximate import CellIndex, recall
from ..decoding.retrieval import Found, Index
from ..feature_spaces import CaptionFeatures
from ..study import Study
from .alignment import Aligned
from .corpus import OpenCorpus, open_corpus
from .decoded_clips import DecodedClips, read_decoded
from .encoders import embed_stimuli, encoder_of, stimuli_of
from .leakage import clips_on_both_sides, sides_of
from .networks import network_space
from .opening import Opened
from .overlap import find_stimuli, hear_stimuli, overlap_notes, stimulus_sounds
from .session import Session, Ticker

Floats = NDArray[np.floating]
SHOWN = 5
N_SAMPLED = 10  # queries whose tracks are found exactly, too


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
    not_compared : mapping of clip to str
        Why a clip's sound was not looked for in the corpus.
    """

    decoded: DecodedClips
    corpus: OpenCorpus
    sources: Mapping[str, ClipSource]
    true: Floats
    second: Floats | None
    notes: list[str]
    not_compared: Mapping[str, str] = field(default_factory=dict)


def search_ready(session: Session, aligned: Aligned) -> Searched:
    """Return what is searched by: what was decoded, and a corpus without the stimuli.

    Raises
    ------
    InputError
        If too few tracks are left.
    """
    study, opened, ticker = session.study, aligned.opened, session.ticker
    settings, target = study.retrieval, str(study.retrieval.target)
    decoded, whole = read_decoded(session, aligned, target), open_corpus(session)
    clips = decoded.clips
    true = embed_stimuli(study, target, _keyed(study, opened, target, clips), ticker)
    sources = stimulus_sounds(study, opened, clips)
    encoder = encoder_of(study, target)
    stimuli = hear_stimuli(study, encoder, clips, sources, ticker)
    same, notes = find_stimuli(whole.index, whole.files, stimuli)
    notes += overlap_notes(stimuli.not_compared, len(clips))
    if same:
        some = [f"{item} {why}" for item, why in list(same.items())[:SHOWN]]
        more = ", ..." if len(same) > SHOWN else ""
        notes.append(
            f"{len(same)} tracks of the corpus are test stimuli and were left out: "
            f"{', '.join(some)}{more}"
        )
    if len(whole.index) - len(same) < settings.n_nearest:
        raise InputError(
            f"{opened.name}: {len(whole.index) - len(same)} tracks of the corpus are "
            f"no test stimuli, and {settings.n_nearest} are needed. Give a larger "
            "corpus."
        )
    corpus = whole.part(np.array([item not in same for item in whole.index.ids]))
    second = None
    if settings.checked_by is not None:
        heard = _sounds_of(study, opened, settings.checked_by, clips)
        second = embed_stimuli(study, settings.checked_by, heard, ticker)
    if decoded.n_left_out:
        notes.append(
            f"{decoded.n_left_out} dimensions of {target} were not decoded: their "
            "training mean stands in."
        )
    return Searched(decoded, corpus, sources, true, second, notes, stimuli.not_compared)


def nearest(
    study: Study, index: Index, vectors: Floats, k: int
) -> tuple[Found, list[str]]:
    """Return the nearest items, and how many of them a search by cells finds.

    The latter from a few queries, drawn by the study's seed, for which all items are
    compared, too.
    """
    found = index.search(vectors, k, identity=index.identity)
    if not isinstance(index, CellIndex):
        return found, []
    rng, n = np.random.default_rng(study.retrieval.seed), len(vectors)
    some = rng.choice(n, min(N_SAMPLED, n), replace=False)
    exact = index.cells.index.search(vectors[some], k, identity=index.identity)
    share = recall(found.rows[some], exact.rows)
    note = (
        f"the search is {index.how}: it found {share:.1%} of the {k} nearest tracks, "
        f"counted on {len(some)} of {n} test clips for which all tracks were compared."
    )
    return found, [note]


def training_vectors(study: Study, opened: Opened, ticker: Ticker) -> Floats:
    """Return the target of each training clip, shape (n_clips, n_dimensions)."""
    target = str(study.retrieval.target)
    keyed = _keyed(study, opened, target, training_clips(study, opened))
    return embed_stimuli(study, target, keyed, ticker)


def training_clips(study: Study, opened: Opened) -> list[str]:
    """Return the training clips that have a target."""
    target = str(study.retrieval.target)
    clips = [*sides_of(opened)[0], *clips_on_both_sides(opened)]
    if isinstance(network_space(study, target), CaptionFeatures):
        return clips
    every = stimuli_of(study, opened, target)
    return [clip for clip in clips if clip in every]


def _keyed(
    study: Study, opened: Opened, target: str, clips: Sequence[str]
) -> dict[str, ClipSource]:
    """Return the clips with their sound; captions are told by the clip's name."""
    if isinstance(network_space(study, target), CaptionFeatures):
        return {clip: ClipSource(clip, study.root / clip) for clip in clips}
    return _sounds_of(study, opened, target, clips)


def _sounds_of(
    study: Study, opened: Opened, name: str, clips: Sequence[str]
) -> dict[str, ClipSource]:
    every = stimuli_of(study, opened, name)
    missing = [clip for clip in clips if clip not in every]
    if missing:
        raise InputError(
            f"{opened.name}: {len(missing)} clips, such as "
            f"{missing[0]!r}, have no sound in features.{name}. Correct its path."
        )
    return {clip: every[clip] for clip in clips}
