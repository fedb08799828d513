"""What each feature space is made by: what every table and legend says beside it."""

from ..feature_spaces import ControlFeatures, SoundFeatures
from ..study import Study
from .networks import network_source, network_space

BY_FORMULA = {"modulation": "modulation model after Nakai et al. 2021"}


def source_of(study: Study, name: str) -> str:
    """Return the source of a feature space, as the study says it or as it is known.

    A network names its checkpoint, a control what it controls.
    """
    space = study.features[name]
    if network_space(study, name) is not None:
        return network_source(study, name)
    if isinstance(space, ControlFeatures):
        return f"noise like {space.of}" if space.of else "control"
    if isinstance(space, SoundFeatures) and not space.source:
        return BY_FORMULA.get(space.kind, "librosa")
    return space.source
