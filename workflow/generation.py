"""The step that makes music of what was decoded, and scores what was made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.artefacts import Recipe
from ..core.checks import InputError
from ..decoding.candidates import Taken
from ..decoding.cards import Pool, card_table, identification_cards
from ..decoding.prior import LEVEL, prior_notes, prior_table, ranking_notes
from ..decoding.random_brain import RANDOM_BRAIN
from ..decoding.sounds import Sound
from ..study import Study
from .alignment import Aligned
from .courses import as_in_its_file, compare_courses
from .decoded_rows import genres_of
from .encoders import Encoder, embed_stimuli, encoder_of
from .excerpts import played_clips, write_excerpt, write_players
from .generators import Source, judge_of, open_source, settings_of, weights_of
from .made_by_genre import Heard, genre_table, write_heard
from .making import NAMES, candidate_of, make_all, maker_of, write_made
from .retrieval import Searched
from .session import Session
from .tagging import agreement, open_reference, tagger_identity

Floats = NDArray[np.floating]
VERSION = 7
PRIOR = "identification accuracy (prior-domination test)"
RANKED = "identification accuracy (control of the ranking)"
CONTROL = "identification accuracy (control ROI)"


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
    judge, how = judge_of(study), settings_of(study)
    settings["checked_by"] = judge
    settings["run_with"] = None if how is None else asdict(how)
    settings["random_brain"] = f"{RANDOM_BRAIN}, by seed {study.decoding.seed}"
    inputs = {
        "decoding": decoding,
        "corpus": corpus,
        "checked by": "" if judge is None else encoder_of(study, judge).identity,
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
    # What was heard, by the id of the sound, which is kept so that it stays its own.
    known: dict[int, tuple[Sound, Floats]] = field(default_factory=dict)

    def __call__(self, sounds: Sequence[Sound]) -> Floats:
        new = [sound for sound in sounds if id(sound) not in self.known]
        if new:
            vectors = self.encoder.heard(new, "the generated sound")
            for sound, vector in zip(new, vectors, strict=True):
                self.known[id(sound)] = (sound, vector)
        return np.stack([self.known[id(sound)][1] for sound in sounds])


def _generate(
    session: Session, aligned: Aligned, ready: Callable[[], Searched], folder: Path
) -> list[str]:
    study, opened = session.study, aligned.opened
    source = open_source(session, aligned, ready)
    scorers = _scorers(session, source)
    maker = maker_of(session, aligned, source)
    # Opened before anything is made: what is wrong with it is said first.
    reference = None
    if study.generation.tagger is not None:
        reference = open_reference(session, source, scorers[0].truth)
    made = make_all(session, source, maker)
    sounds = [one.sound for one in made["real"]]
    files = write_made(study, source, made["real"], folder)
    genres = genres_of(study, opened, source.clips)
    _play(study, source, files, played_clips(len(files), None, genres), folder)
    table, notes = _scores(study, source, scorers, made)
    courses, more = _courses(study, source, sounds)
    tables = {"generation": table, "generation_in_time": courses}
    notes = [*source.notes, *_said(study), *notes, *more]
    heard, more = _heard(study, source, scorers, sounds)
    notes += more
    write_heard(folder, source.clips, heard)
    if genres is not None:
        label = {"generator": source.label, "start": source.start}
        label["candidate"] = candidate_of(study)
        pool = _pool(study, source)
        tables["generation_genres"] = genre_table(heard, genres, pool, **label)
    if reference is not None:
        tables["class_agreement"], more = agreement(study, reference, sounds)
        notes += more
    for name, one in tables.items():
        if name != "generation_in_time" or not one.empty:
            one.insert(0, "subject", opened.subject)
            one.insert(1, "target", source.target)
            one.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")
    return [f"{opened.name}, generation: {note}" for note in notes]


def _play(
    study: Study, source: Source, files: Sequence[str], clips: Sequence[int], to: Path
) -> None:
    """Write which sounds are played on the page; the stimuli if retrieval did not."""
    players = []
    for k in clips:
        clip = source.clips[k]
        if study.retrieval.target is None and clip in source.sounds:
            heard = source.sounds[clip]
            file = f"excerpts/clip-{k:03d}_stimulus.flac"
            write_excerpt(to / file, encoder_of(study, source.target).stimulus(heard))
            track = {"what": "stimulus", "track": heard.path.name}
            players.append({"clip": clip, **track, "file": file})
        made = {"what": "generated", "track": source.label}
        players.append({"clip": clip, **made, "file": files[k]})
    write_players(to, players)


def _said(study: Study) -> list[str]:
    """Return what a reader of the scores must know of how they came about."""
    settings, notes = study.generation, []
    if settings.rank == "likelihood":
        notes.append(
            f"of {settings.n_candidates} candidates, the one was taken under which the "
            "measured response to the clip is most likely. The same response was "
            "decoded and is scored: the ranking is part of the decoder, and the scores "
            "are of both."
        )
    if judge_of(study) is None:
        notes.append(
            "what was made is scored by the network that it was made of alone, by "
            "which it may look better than it is: no independent space judges it. Name "
            "one in generation.checked_by."
        )
    return notes


def _courses(
    study: Study, source: Source, sounds: Sequence[Sound]
) -> tuple[pd.DataFrame, list[str]]:
    """Return agreement in time of the stimuli with what was made of each."""
    pairs = [
        (clip, as_in_its_file(source.sounds[clip]), made)
        for clip, made in zip(source.clips, sounds, strict=True)
        if clip in source.sounds
    ]
    return compare_courses(
        [clip for clip, *_ in pairs],
        [stimulus for _, stimulus, _ in pairs],
        [made for *_, made in pairs],
        "stimulus and generated",
        n_permutations=study.generation.n_permutations,
        n_resamples=study.generation.n_resamples,
        seed=study.generation.seed,
    )


def _heard(
    study: Study, source: Source, scorers: Sequence[_Scorer], made: Sequence[Sound]
) -> tuple[list[Heard], list[str]]:
    """Return what each space hears, also in the tracks nearest to the true targets."""
    tracks = source.nearest_tracks(study, scorers[0].truth)
    notes: list[str] = []
    found = []
    for scorer in scorers:
        encoder, oracle = scorer.encoder, None
        if tracks is not None:
            short = [one for one in tracks if one.seconds < encoder.windows.window_s]
            if short:
                notes.append(
                    f"no oracle by {encoder.source}: {len(short)} of the nearest "
                    f"tracks are shorter than {encoder.windows.window_s:g} s, a "
                    "window of it."
                )
            else:
                oracle = encoder.heard(tracks, "a track")
        vectors = scorer(made)
        found.append(Heard(encoder.name, encoder.source, scorer.truth, vectors, oracle))
    return found, notes


def _pool(study: Study, source: Source) -> Pool:
    """Return what a clip is told from: all others that music was made of."""
    settings = study.generation
    return Pool(
        clips=np.array(source.clips),
        name=f"{len(source.clips)} test clips",
        n_permutations=settings.n_permutations,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
    )


def _scorers(session: Session, source: Source) -> list[_Scorer]:
    """Return the spaces of scores, the independent one last."""
    study = session.study
    names = [source.target, judge_of(study)]
    found = []
    for name in [name for name in names if name is not None]:
        truth = embed_stimuli(
            study, name, source.sources_for(study, name), session.ticker
        )
        found.append(_Scorer(encoder_of(study, name), truth))
    return found


def _scores(
    study: Study,
    source: Source,
    scorers: Sequence[_Scorer],
    made: Mapping[str, Sequence[Taken]],
) -> tuple[pd.DataFrame, list[str]]:
    """Return cards of what was made, and beside them its controls.

    The prior-domination test is of first candidates. Where one of several is taken, the
    controls of the ranking are taken in the same way, and stand in rows of their own.
    So is what was made of the control ROI, which goes the whole way of what is decoded.
    """
    settings, last, pool = study.generation, scorers[-1], _pool(study, source)
    label: dict[str, Any] = {"generator": source.label, "start": source.start}
    candidate = candidate_of(study)
    taken = {name: [one.sound for one in each] for name, each in made.items()}
    tables = []
    for scorer in scorers:
        cards = identification_cards(
            scorer(taken["real"]), scorer.truth, pool, n_ways=(10,), tops=(1,)
        )
        labels = {"candidate": candidate, "conditioning": NAMES["real"]}
        labels["scored_by"] = scorer.encoder.source
        tables.append(card_table(cards, **label, **labels))
    control = {name: taken.pop(name) for name in ("control",) if name in taken}
    said: list[str] = []
    for scorer in scorers if control else ():
        table = _prior(scorer, control, pool)
        tables.append(_rows(table, scorer, label | {"candidate": candidate}, CONTROL))
        said += _control_notes(table, scorer, ranked=settings.rank == "likelihood")
    first = {name: [one.first for one in made[name]] for name in taken}
    prior = _prior(last, first, pool)
    tables.append(_rows(prior, last, label | {"candidate": "first"}, PRIOR))
    notes = prior_notes(prior)
    if settings.rank == "likelihood":
        ranked = _prior(last, taken, pool)
        tables.append(_rows(ranked, last, label | {"candidate": candidate}, RANKED))
        notes += ranking_notes(ranked)
    return pd.concat(tables, ignore_index=True), notes + said


def _control_notes(table: pd.DataFrame, scorer: _Scorer, *, ranked: bool) -> list[str]:
    """Say that the control ROI identifies stimuli, where it does."""
    (row,) = table.to_dict("records")
    if row["p"] >= LEVEL:
        return []
    why = "the ROI knows of the sound, or something leaks"
    if ranked:
        why = "the ranking identifies, or the ROI knows of the sound"
    found = f"{row['identification']:.3f} (p = {row['p']:.3f})"
    return [
        "music made of what the control ROI predicts identifies stimuli in "
        f"{scorer.encoder.source}: {found}, so {why}."
    ]


def _prior(
    scorer: _Scorer, made: Mapping[str, Sequence[Sound]], pool: Pool
) -> pd.DataFrame:
    return prior_table(
        {name: scorer(sounds) for name, sounds in made.items()},
        scorer.truth,
        seed=pool.seed,
        n_permutations=pool.n_permutations,
        n_resamples=pool.n_resamples,
    ).assign(pool=pool.name)


def _rows(
    table: pd.DataFrame, scorer: _Scorer, label: Mapping[str, Any], metric: str
) -> pd.DataFrame:
    """Return a table of controls in the columns of cards."""
    renamed = table.rename(columns={"identification": "value", "n_stimuli": "n"})
    renamed["conditioning"] = renamed["conditioning"].map(NAMES)
    sizes = {"n_clips": renamed["n"], "n_candidates": renamed["n"] - 1}
    labels = {**label, "scored_by": scorer.encoder.source, "metric": metric}
    return renamed.assign(**labels, **sizes)


def check_seconds(encoder: Encoder, seconds: float) -> None:
    """Raise if what is made is too short to be heard by a space that scores it."""
    if seconds < encoder.windows.window_s:
        raise InputError(
            f"generation.seconds is {seconds:g}, and features.{encoder.name}, by which "
            f"it is scored, hears windows of {encoder.windows.window_s:g} s. Make "
            "longer sound."
        )
