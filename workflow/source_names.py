"""What each feature space is made by: what every table and legend says beside it."""

from collections.abc import Sequence

from ..core.artefacts import file_identity
from ..core.checks import InputError
from ..data.files import path_of, placeholders
from ..feature_spaces import ArrayFeatures, ControlFeatures, SoundFeatures
from ..study import Study
from .networks import network_source, network_space
from .volume_sources import clip_table

BY_FORMULA = {"modulation": "modulation model after Nakai et al. 2021"}


def source_of(study: Study, name: str, subject: str) -> str:
    """Return the source of a feature space, as the study says it or as it is known.

    A network names its checkpoint, a control what it controls, a table of clips what
    is written in it.

    Raises
    ------
    InputError
        If the study says another source than the table itself.
    """
    space = study.features[name]
    if network_space(study, name) is not None:
        return network_source(study, name)
    if isinstance(space, ControlFeatures):
        return f"noise like {space.of}" if space.of else "control"
    if isinstance(space, SoundFeatures) and not space.source:
        return BY_FORMULA.get(space.kind, "librosa")
    if isinstance(space, ArrayFeatures) and space.per == "clip":
        return _source_of_table(study, name, space, subject)
    return space.source


def check_same_sources(study: Study, subjects: Sequence[str]) -> None:
    """Raise if what a feature space is made by differs between subjects."""
    for name in study.encoding.bands:
        found = {subject: source_of(study, name, subject) for subject in subjects}
        if len(set(found.values())) > 1:
            said = ", ".join(f"sub-{s} {source!r}" for s, source in found.items())
            raise InputError(
                f"features.{name} is made by different models: {said}. One name stands "
                "for one model in every table: make its files anew, or run the "
                "subjects as studies of their own."
            )


def _source_of_table(
    study: Study, name: str, space: ArrayFeatures, subject: str
) -> str:
    if placeholders(space.path) - {"subject"}:
        return space.source  # a table for each run: what they say is theirs alone
    path = path_of(study.root, space.path, subject)
    said = clip_table(path, file_identity(path), space.rate_hz).source
    if said and space.source and said != space.source:
        raise InputError(
            f"features.{name}.source is {space.source!r}, but {path.name} says that it "
            f"was made by {said!r}. Leave the key out, or correct it."
        )
    return said or space.source
