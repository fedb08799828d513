"""From brain to music: checks at the door, the steps in order, and their tables."""

from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from ..core.artefacts import discard
from ..core.checks import InputError
from ..feature_spaces import CaptionFeatures
from ..features.cache import content_key
from ..study import Study
from .alignment import Aligned
from .candidate_ranks import check_likelihood
from .corpus import check_corpus, make_corpus
from .encoders import encoder_of, stimuli_of
from .generation import check_seconds, make_generation
from .generator_doors import check_generator, check_judge
from .generators import judge_of, target_of
from .heard import check_sounds, sound_name_of
from .leakage import sides_of
from .networks import check_network, network_space
from .opening import Opened
from .overlap import (
    not_comparable,
    overlap_notes,
    sounds_identity,
    stimulus_sounds,
)
from .retrieval import make_retrieval
from .searched import search_ready, training_clips
from .session import Session
from .tables import read_tables
from .tagging import check_tagger

STEPS = ("retrieval", "generation")
TABLES = {
    "retrieval": ("retrieval", "retrieval_in_time", "retrieved"),
    "generation": (
        "generation",
        "generation_genres",
        "generation_in_time",
        "class_agreement",
    ),
}
FEWEST_TRAINING = 2  # clips, for a control to vary as they do
FEWEST_CLIPS = 3  # of the test, for a clip to be told from others


def check_reconstruction(study: Study, opened: Opened, rows: pd.DataFrame) -> None:
    """Raise if music could not be found or made: before anything is fitted.

    Parameters
    ----------
    study : Study
    opened : Opened
    rows : DataFrame
        All rows of a subject, with `side`, `run_name`, `clip` and `sample_in_clip`.
    """
    retrieves = study.retrieval.target is not None
    generates = study.generation.generator is not None
    if not retrieves and not generates:
        return
    for name in ("torch", "transformers"):
        if find_spec(name) is None:
            raise InputError(
                f"music is found by pretrained networks, which need {name}: pip "
                "install 'brain2music[models]'"
            )
    clips = set(rows.loc[rows["side"] == "test", "clip"]) - {""}
    if len(clips) < FEWEST_CLIPS:
        raise InputError(
            f"{opened.name}: {len(clips)} test clips have a name, and music is found "
            f"for at least {FEWEST_CLIPS}, to tell them apart. Set dataset.clip."
        )
    if retrieves:
        check_corpus(study)
        _check_target(study, opened, clips)
        _check_second(study, opened, clips, "retrieval")
        _check_controls(study, opened)
    if generates:
        _check_generation(study, opened, clips)
        if study.generation.rank == "likelihood":
            check_likelihood(study, rows, opened.name)


def retrieval_notes(study: Study, opened: Opened, rows: pd.DataFrame) -> list[str]:
    """Return which test clips cannot be looked for in the corpus by their sound.

    As far as that is known before any sound is read.

    Parameters
    ----------
    study : Study
    opened : Opened
    rows : DataFrame
        As in `check_reconstruction`.
    """
    if study.retrieval.target is None:
        return []
    clips = sorted(set(rows.loc[rows["side"] == "test", "clip"]) - {""})
    sources = stimulus_sounds(study, opened, clips)
    return overlap_notes(not_comparable(study, clips, sources), len(clips))


def _check_controls(study: Study, opened: Opened) -> None:
    n_clips = len(training_clips(study, opened))
    if n_clips < FEWEST_TRAINING:
        raise InputError(
            f"{opened.name}: {n_clips} training clips have a target in features."
            f"{study.retrieval.target}, and the controls of retrieval vary as at least "
            f"{FEWEST_TRAINING} do. Correct its path, or train on more clips."
        )


def _check_target(study: Study, opened: Opened, clips: set[str]) -> None:
    name = str(study.retrieval.target)
    if isinstance(network_space(study, name), CaptionFeatures):
        return
    missing = sorted(clips - set(stimuli_of(study, opened, name)))
    if missing:
        raise InputError(
            f"{opened.name}: {len(missing)} test clips, such as {missing[0]!r}, have "
            f"no sound in features.{name}, which retrieval.target names."
        )


def _check_second(study: Study, opened: Opened, clips: set[str], section: str) -> None:
    """Raise if a clip has no sound in the space that `section`.checked_by names."""
    name = getattr(study, section).checked_by
    if name is None:
        return
    check_network(study, name)
    check_sounds(study, opened, sound_name_of(study, name))
    missing = sorted(clips - set(stimuli_of(study, opened, name)))
    if missing:
        raise InputError(
            f"{opened.name}: {len(missing)} test clips, such as {missing[0]!r}, have "
            f"no sound in features.{name}, which {section}.checked_by names."
        )


def _check_generation(study: Study, opened: Opened, clips: set[str]) -> None:
    settings = study.generation
    target = target_of(study)
    check_generator(study)
    check_judge(study)
    _check_second(study, opened, clips, "generation")
    for name in (target, judge_of(study)):
        if name is not None:
            check_seconds(encoder_of(study, name), settings.seconds)
    if settings.n_clips is not None and settings.n_clips > len(clips):
        raise InputError(
            f"{opened.name}: generation.n_clips is {settings.n_clips}, and there are "
            f"{len(clips)} test clips. Ask for fewer."
        )
    check_tagger(study)
    missing = sorted(clips - set(stimuli_of(study, opened, target)))
    if settings.tagger is not None and missing:
        raise InputError(
            f"{opened.name}: {len(missing)} test clips, such as {missing[0]!r}, have "
            "no sound, which generation.tagger would hear. Leave the tagger out."
        )


def reconstruction_places(subjects: Sequence[str]) -> list[str]:
    """Return where the steps write."""
    return ["corpus", *(f"{step}/sub-{one}" for step in STEPS for one in subjects)]


def make_reconstruction(
    session: Session, aligned: Sequence[Aligned], decoded: Mapping[str, str]
) -> dict[str, str]:
    """Make the corpus, and of each subject what the study asks for.

    Parameters
    ----------
    session : Session
    aligned : sequence of Aligned
    decoded : mapping of subject to identity of its decoding

    Returns
    -------
    identities : dict of str to str
        Of what was made, by names for the tables' recipe; '' where nothing was.
    """
    study = session.study
    corpus = make_corpus(session)
    steps = {
        "retrieval": study.retrieval.target is not None,
        "generation": study.generation.generator is not None,
    }
    makers = {"retrieval": make_retrieval, "generation": make_generation}
    identities = {}
    for one in aligned:
        subject = one.opened.subject
        ready = cache(partial(search_ready, session, one))
        for step, wanted in steps.items():
            if not wanted:
                discard(session.out / f"{step}/sub-{subject}")
                continue
            identities[f"{step} of {subject}"] = makers[step](
                session,
                one,
                ready,
                decoding=decoded[subject],
                corpus=_with_sound(study, one, corpus),
            )
    return identities


def _with_sound(study: Study, aligned: Aligned, corpus: str) -> str:
    """Return the identity of a corpus and of the stimuli that it is held against."""
    test = sides_of(aligned.opened)[1]
    return content_key(corpus, sounds_identity(study, aligned.opened, test))


def read_reconstruction(out: Path, subjects: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the tables of all subjects, as far as they were made."""
    found: dict[str, pd.DataFrame] = {}
    for step, names in TABLES.items():
        found |= read_tables([out / f"{step}/sub-{one}" for one in subjects], names)
    return found
