"""Whether stimulus and reconstruction sound of the same classes, by a tagger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checkpoints import check_weights, find_folder, folder_identity, read_json
from ..core.checks import Floats, InputError, MissingFileError
from ..decoding.agreement import (
    Group,
    TiedClassesError,
    class_agreement,
    missing_classes,
    paper_groups,
)
from ..decoding.sounds import Sound
from ..decoding.tagger import Tagger, open_tagger
from ..study import Study
from .generators import Source, hint_of, is_untrained, place_of
from .same_tracks import same_tracks
from .session import Session

AST = "audio-spectrogram-transformer"
FEEDER = "preprocessor_config.json"
GENERATED, RETRIEVED = "stimulus and generated", "stimulus and retrieved"
NEAREST = "oracle: stimulus and the track nearest to it"
RANDOM = "random pairs: stimulus and what was generated of another clip"


def check_tagger(study: Study) -> None:
    """Raise if the tagger is not there, is no AST, or has no group of classes whole."""
    name = study.generation.tagger
    if name is None:
        return
    folder = find_folder(place_of(study, name), hint=hint_of(name))
    config = read_json(folder / "config.json")
    if config.get("model_type") != AST:
        raise InputError(
            f"generation.tagger holds a {config.get('model_type')!r}, and classes are "
            f"told by an {AST!r} (AST). Name the folder of one."
        )
    check_weights(folder)
    if not (folder / FEEDER).is_file():
        raise MissingFileError(
            f"generation.tagger: {folder.name} has no {FEEDER}. Fetch it whole."
        )
    whole, lacking = _groups([*map(str, config.get("id2label", {}).values())])
    if not whole:
        raise InputError(
            f"generation.tagger: {' '.join(lacking)} So no classes can be compared. "
            "Take an AST of AudioSet's classes."
        )


def tagger_identity(study: Study) -> str:
    """Return the identity of the tagger's weights, '' where there is none."""
    if study.generation.tagger is None:
        return ""
    folder = find_folder(place_of(study, study.generation.tagger))
    return folder_identity(folder, weights=True)


@dataclass(frozen=True, eq=False)
class Reference:
    """A tagger, and what it says of all but what is made.

    Parameters
    ----------
    tagger : Tagger
    label : str
        How tables name it.
    source : Source
    groups : mapping of str to Group
        Those whose classes the tagger has.
    stimuli : array of shape (n_clips, n_classes)
    pairs : mapping of str to two arrays of shape (n_clips, n_classes)
        What is compared beside what is made.
    notes : list of str
    """

    tagger: Tagger
    label: str
    source: Source
    groups: Mapping[str, Group]
    stimuli: Floats
    pairs: Mapping[str, tuple[Floats, Floats]]
    notes: list[str]

    def tagged(self, sounds: Sequence[Sound], name: str) -> Floats:
        """Return probabilities of sounds, faded and levelled as the stimuli are."""
        shaped = self.source.encoder.shaped
        return self.tagger([shaped(sound, name) for sound in sounds])


def open_reference(session: Session, source: Source, truth: Floats) -> Reference:
    """Open the tagger, and let it hear the stimuli, their oracles and what was found.

    Parameters
    ----------
    session : Session
    source : Source
    truth : array of shape (n_clips, n_dimensions)
        The target of each clip as it is, by which the corpus is searched.
    """
    study, settings = session.study, session.study.generation
    place = place_of(study, str(settings.tagger))
    tagger, label = open_tagger(place), str(settings.tagger).rsplit("/", 1)[-1]
    groups, notes = _groups(tagger.labels)
    if is_untrained(find_folder(place)):
        label += " (random weights)"
        notes.append("the tagger has random weights: its classes mean nothing.")
    clips = [source.sounds[clip] for clip in source.clips]
    heard = [source.encoder.stimulus(clip) for clip in clips]
    pairs: dict[str, tuple[Floats, Floats]] = {}
    reference = Reference(tagger, label, source, groups, tagger(heard), pairs, notes)
    vectors = {RETRIEVED: source.vectors, NEAREST: truth}
    if settings.generator == "retrieved":  # what is made is what was found
        vectors.pop(RETRIEVED)
    for what, given in vectors.items():
        found = source.nearest_tracks(study, given)
        if found is not None:
            pairs[what] = (reference.stimuli, reference.tagged(found, "a track"))
    what, first, second = same_tracks(source.encoder, clips, heard)
    pairs[what] = (tagger(first), tagger(second))
    return reference


def agreement(
    study: Study, reference: Reference, made: Sequence[Sound]
) -> tuple[pd.DataFrame, list[str]]:
    """Return how far classes of stimuli agree with what was made, oracles and chance.

    Classes that tie at the border of the top have no answer: that group is left out,
    and a note says so.
    """
    settings, notes = study.generation, list(reference.notes)
    other = reference.tagged(made, "the generated sound")
    moved = _other_clips(len(other), settings.seed)
    pairs = {
        GENERATED: (reference.stimuli, other),
        **reference.pairs,
        RANDOM: (reference.stimuli, other[moved]),
    }
    tables = []
    for name, (original, compared) in pairs.items():
        for group, classes in reference.groups.items():
            try:
                table = class_agreement(
                    original,
                    compared,
                    reference.tagger.labels,
                    seed=settings.seed,
                    groups={group: classes},
                    n_permutations=settings.n_permutations,
                    n_resamples=settings.n_resamples,
                )
            except TiedClassesError as error:
                notes.append(f"no agreement of {group} ({name}): {error}")
                continue
            tables.append(table.assign(tagger=reference.label, compared=name))
    if not tables:
        return pd.DataFrame(columns=["tagger", "compared", "group"]), notes
    whole = pd.concat(tables, ignore_index=True)
    first = ["tagger", "compared"]
    return whole[[*first, *whole.columns.difference(first, sort=False)]], notes


def _other_clips(n_clips: int, seed: int) -> NDArray[np.intp]:
    """Return another clip for each, no two the same: a ring in random order.

    Examples
    --------
    >>> moved = _other_clips(5, seed=0)
    >>> sorted(moved.tolist()), bool((moved == np.arange(5)).any())
    ([0, 1, 2, 3, 4], False)
    """
    ring = np.random.default_rng(seed).permutation(n_clips)
    moved = np.empty(n_clips, np.intp)
    moved[ring] = np.roll(ring, 1)
    return moved


def _groups(labels: Sequence[str]) -> tuple[dict[str, Group], list[str]]:
    """Return the paper's groups that a tagger has whole, and what others lack."""
    whole, notes = {}, []
    for name, group in paper_groups().items():
        missing = missing_classes(labels, group)
        if not missing:
            whole[name] = group
            continue
        notes.append(
            f"no agreement of {name}: the tagger lacks {len(missing)} of "
            f"{len(group.classes)} classes: {', '.join(missing)}."
        )
    return whole, notes
