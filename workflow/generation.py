"""The step that makes music of what was decoded, and scores what was made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.artefacts import Recipe
from ..core.checks import InputError
from ..decoding.cards import Pool, card_table, identification_cards
from ..decoding.generation import Generated, Generator, vector_hash
from ..decoding.prior import prior_domination
from ..decoding.sounds import Sound
from ..study import Study
from .alignment import Aligned
from .candidate_ranks import fit_likelihood
from .corpus import second_identity
from .courses import compare_courses
from .encoders import Encoder, embed_stimuli, encoder_of
from .excerpts import N_CLIPS, spread, write_players
from .generators import Source, open_source, weights_of
from .retrieval import Searched
from .session import Session
from .tagging import agreement, tagger_identity

Floats = NDArray[np.floating]
VERSION = 1
TRAINED = {True: "", False: " of random weights"}


def make_generation(
    session: Session,
    aligned: Aligned,
    ready: Callable[[], Searched],
    *,
    decoding: str,
    corpus: str,
) -> str:
    """Make `generation/SUBJECT`: sound with provenance, its scores and controls.

    `ready` gives what `search_ready` does, once for all steps of a subject.
    """
    study, subject = session.study, aligned.opened.subject
    settings = study.part("generation")["generation"]
    for path in ("weights", "tagger"):
        settings.pop(path)
    settings["checked_by"] = study.retrieval.checked_by
    inputs = {
        "decoding": decoding,
        "corpus": corpus,
        "checked by": second_identity(study),
    }
    inputs |= {"weights": weights_of(study), "tagger": tagger_identity(study)}

    def work(folder: Path) -> list[str]:
        return _generate(session, aligned, ready, folder)

    recipe = Recipe("generation", VERSION, settings, inputs)
    return session.make(f"generation/sub-{subject}", recipe, work)


@dataclass(frozen=True, eq=False)
class _Scorer:
    """A space in which what was made is held against the stimuli."""

    encoder: Encoder
    truth: Floats

    def __call__(self, sounds: Sequence[Sound]) -> Floats:
        return self.encoder.heard(sounds, "the generated sound")


class _Remembered:
    """A generator that does not make again what it has made."""

    def __init__(self, generator: Generator) -> None:
        self.generator, self.made = generator, dict[tuple[str, int], Generated]()

    def generate(
        self,
        embedding: ArrayLike,
        *,
        seconds: float,
        n_candidates: int = 1,
        seed: int = 0,
    ) -> Generated:
        """Return what was made of this embedding with this seed."""
        key = (vector_hash(embedding), seed)
        if key not in self.made:
            self.made[key] = self.generator.generate(
                embedding, seconds=seconds, n_candidates=n_candidates, seed=seed
            )
        return self.made[key]


def _generate(
    session: Session, aligned: Aligned, ready: Callable[[], Searched], folder: Path
) -> list[str]:
    study, opened = session.study, aligned.opened
    source = open_source(session, aligned, ready)
    scorers = _scorers(session, source)
    generator = _Remembered(source.generator)
    made = _make_all(session, aligned, source, generator)
    chosen, said = _choose(session, aligned, source, made)
    made = [_with_facts(session, source, k, one) for k, one in enumerate(made)]
    players = []
    played = spread(len(source.clips), N_CLIPS)
    for k, (one, candidate) in enumerate(zip(made, chosen, strict=True)):
        file = f"clip-{k:03d}.wav"
        one.write(folder / file, candidate)
        if k in played:
            row = {"what": "generated", "track": source.label, "file": file}
            players.append({"clip": source.clips[k], **row})
    write_players(folder, players)
    sounds = [one.sound(c) for one, c in zip(made, chosen, strict=True)]
    table, notes = _scores(session, source, scorers, generator, sounds)
    label = {"subject": opened.subject, "target": source.target}
    _labelled(table, label).to_csv(
        folder / "generation.csv", index=False, float_format="%.9g"
    )
    courses, more = _courses(study, source, sounds)
    notes = [*notes, *more]
    if not courses.empty:
        _labelled(courses, label).to_csv(
            folder / "generation_in_time.csv", index=False, float_format="%.9g"
        )
    if study.generation.tagger is not None:
        tagged, more = agreement(session, source, sounds)
        notes += more
        _labelled(tagged, label).to_csv(
            folder / "class_agreement.csv", index=False, float_format="%.9g"
        )
    every = [*source.notes, *said, *notes]
    return [f"{opened.name}, generation: {note}" for note in every]


def _courses(
    study: Study, source: Source, sounds: Sequence[Sound]
) -> tuple[pd.DataFrame, list[str]]:
    """Return agreement in time of the stimuli with what was made of each."""
    pairs = [
        (source.encoder.stimulus(source.sounds[clip]), made)
        for clip, made in zip(source.clips, sounds, strict=True)
        if clip in source.sounds
    ]
    return compare_courses(
        [stimulus for stimulus, _ in pairs],
        [made for _, made in pairs],
        "stimulus and generated",
        n_permutations=study.generation.n_permutations,
        seed=study.generation.seed,
    )


def _scorers(session: Session, source: Source) -> list[_Scorer]:
    """Return the spaces of scores, the independent one last."""
    study = session.study
    names = [source.target, study.retrieval.checked_by]
    found = []
    for name in [name for name in names if name is not None]:
        truth = embed_stimuli(
            study, name, source.sources_for(study, name), session.ticker
        )
        found.append(_Scorer(encoder_of(study, name), truth))
    return found


def _make_all(
    session: Session, aligned: Aligned, source: Source, generator: _Remembered
) -> list[Generated]:
    settings, made = session.study.generation, []
    advance = session.ticker(
        f"{aligned.opened.name}: generating by {source.label}", len(source.clips)
    )
    for k, vector in enumerate(source.vectors):
        one = generator.generate(
            vector,
            seconds=settings.seconds,
            n_candidates=settings.n_candidates,
            seed=settings.seed + k,
        )
        made.append(one)
        advance(1)
    return made


def _choose(
    session: Session, aligned: Aligned, source: Source, made: Sequence[Generated]
) -> tuple[list[int], list[str]]:
    """Return which candidate of each clip is taken, and how."""
    settings = session.study.generation
    if settings.rank == "first":
        return [0] * len(made), []
    encoder = encoder_of(session.study, source.target)
    score = fit_likelihood(session, aligned, source.target)
    chosen = []
    for clip, one in zip(source.clips, made, strict=True):
        sounds = [one.sound(k) for k in range(len(one))]
        likely = score(clip, encoder.heard(sounds, f"a candidate of {clip}"))
        chosen.append(int(np.argmax(likely)))
    return chosen, [
        f"of {settings.n_candidates} candidates, the one was taken under which the "
        "measured response to the clip is most likely. The same response was decoded "
        "and is scored: the ranking is part of the decoder, and the scores are of both."
    ]


def _with_facts(session: Session, source: Source, k: int, made: Generated) -> Generated:
    study = session.study
    facts = {
        "clip": source.clips[k],
        "target": source.target,
        "target_source": source.encoder.source,
        "responses_simulated": study.dataset.simulated,
        "rank": study.generation.rank,
    }
    return replace(made, provenance={**made.provenance, **facts})


def _scores(
    session: Session,
    source: Source,
    scorers: Sequence[_Scorer],
    generator: _Remembered,
    sounds: Sequence[Sound],
) -> tuple[pd.DataFrame, list[str]]:
    """Return cards of what was made, and the prior-domination test beside them."""
    settings = session.study.generation
    pool = Pool(
        clips=np.array(source.clips),
        name=f"{len(source.clips)} test clips",
        n_permutations=settings.n_permutations,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
    )
    tables = []
    label: dict[str, Any] = {
        "generator": source.label,
        "start": source.start,
        "candidate": _candidate(settings.rank, settings.n_candidates),
    }
    for scorer in scorers:
        cards = identification_cards(
            scorer(sounds), scorer.truth, pool, n_ways=(10,), tops=(1,)
        )
        labels = {"conditioning": "decoded", "scored_by": scorer.encoder.source}
        tables.append(card_table(cards, **label, **labels))
    last = scorers[-1]
    test = prior_domination(
        generator,
        last,
        source.vectors,
        last.truth,
        seconds=settings.seconds,
        seed=settings.seed,
        n_permutations=settings.n_permutations,
    )
    prior = test.table.rename(columns={"identification": "value", "n_stimuli": "n"})
    names = {"real": "decoded", "random": "random, as decoded", "mean": "mean decoded"}
    prior["conditioning"] = prior["conditioning"].map(names)
    prior = prior.assign(
        **label | {"candidate": "first"},
        scored_by=last.encoder.source,
        metric="identification accuracy (prior-domination test)",
        n_permutations=settings.n_permutations,
    )
    table = pd.concat([*tables, prior], ignore_index=True)
    return table, list(test.notes)


def _candidate(rank: str, n: int) -> str:
    if rank == "first":
        return "first"
    return f"most likely of {n} by the response that is scored"


def _labelled(table: pd.DataFrame, labels: dict[str, Any]) -> pd.DataFrame:
    for place, (name, value) in enumerate(labels.items()):
        table.insert(place, name, value)
    return table


def check_seconds(encoder: Encoder, seconds: float) -> None:
    """Raise if what is made is too short to be heard by a space that scores it."""
    if seconds < encoder.windows.window_s:
        raise InputError(
            f"generation.seconds is {seconds:g}, and features.{encoder.name}, by which "
            f"it is scored, hears windows of {encoder.windows.window_s:g} s. Make "
            "longer sound."
        )
