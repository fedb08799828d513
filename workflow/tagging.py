"""Whether stimulus and reconstruction sound of the same classes, by a tagger."""

from collections.abc import Sequence

import pandas as pd

from ..core.checkpoints import find_folder, folder_identity
from ..core.checks import InputError
from ..decoding.agreement import class_agreement, paper_groups
from ..decoding.sounds import Sound
from ..decoding.tagger import open_tagger
from ..study import Study
from .generators import Source, is_untrained, place_of
from .session import Session


def check_tagger(study: Study) -> None:
    """Raise if the tagger is not there."""
    if study.generation.tagger is not None:
        find_folder(place_of(study, study.generation.tagger))


def tagger_identity(study: Study) -> str:
    """Return the identity of the tagger's weights, '' where there is none."""
    if study.generation.tagger is None:
        return ""
    folder = find_folder(place_of(study, study.generation.tagger))
    return folder_identity(folder, weights=True)


def agreement(
    session: Session, source: Source, made: Sequence[Sound]
) -> tuple[pd.DataFrame, list[str]]:
    """Return how far the classes of stimuli agree with what was found and made.

    Classes that tie at the border of the top have no answer: that group is left out,
    and a note says so.
    """
    study, settings = session.study, session.study.generation
    place = place_of(study, str(settings.tagger))
    tagger, label = open_tagger(place), str(settings.tagger).rsplit("/", 1)[-1]
    notes: list[str] = []
    if is_untrained(find_folder(place)):
        label += " (random weights)"
        notes.append("the tagger has random weights: its classes mean nothing.")
    heard = [source.encoder.stimulus(source.sounds[clip]) for clip in source.clips]
    compared = {"stimulus and generated": list(made)}
    if settings.generator != "retrieved" and (found := source.retrieved(study)):
        compared["stimulus and retrieved"] = found
    original, tables = tagger(heard), []
    for name, sounds in compared.items():
        other = tagger(sounds)
        for group, classes in paper_groups().items():
            try:
                table = class_agreement(
                    original,
                    other,
                    tagger.labels,
                    seed=settings.seed,
                    groups={group: classes},
                    n_permutations=settings.n_permutations,
                )
            except InputError as error:
                notes.append(f"no agreement of {group} ({name}): {error}")
                continue
            labels = {"tagger": label, "compared": name}
            tables.append(pd.DataFrame(table).assign(**labels))
    if not tables:
        return pd.DataFrame(columns=["tagger", "compared", "group"]), notes
    whole = pd.concat(tables, ignore_index=True)
    first = ["tagger", "compared"]
    return whole[[*first, *whole.columns.difference(first, sort=False)]], notes
