"""The kinds of feature space that a study file can name, as frozen tables."""

import typing
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from .core.checks import InputError, nearest
from .features.annotations import Column

STRICT = ConfigDict(extra="forbid")
Delays = tuple[Annotated[int, Field(ge=0)], ...]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Layer = Annotated[int, Field(ge=0, strict=True)] | str


class StudyError(InputError):
    """The study file says something that cannot be."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FeatureSpace:
    """What every feature space has: where it comes from, and its delays.

    `n_components` keeps so many principal components, which are found on training
    rows alone, after the columns are standardised.
    """

    source: str = ""
    delays: Delays | None = None
    standardise: Literal["zscore", "centre", "none"] = "zscore"
    n_components: Count | None = None


@dataclass(frozen=True, config=STRICT, kw_only=True)
class EventFeatures(FeatureSpace):
    """Columns of an event or annotation table, brought to the TR."""

    kind: Literal["events"]
    path: str
    columns: tuple[Column, ...]
    beyond: Literal["refuse", "cut"] = "refuse"


@dataclass(frozen=True, config=STRICT, kw_only=True)
class CategoryFeatures(FeatureSpace):
    """One column of the stimulus events, such as the genre, as one-hot features.

    An event that names no clip, or has no category (n/a), is none of the levels.
    """

    kind: Literal["category"]
    column: str


@dataclass(frozen=True, config=STRICT, kw_only=True)
class SoundSpace(FeatureSpace):
    """What every feature space of sound has: the file of each clip, as it was heard.

    `path` is a pattern over the columns of the events, whose ending (.wav, .au ...)
    may be left out; `start` and `end` name the columns that hold the excerpt's borders
    in the file, in s. `fade_s` and `rms` are what was done to each excerpt before it
    was played: sine fades, and then its level. `empty` is the value of samples without
    a clip, in the feature's own unit; None refuses them.
    """

    path: str
    start: str | None = None
    end: str | None = None
    fade_s: NotNegative = 0.0
    rms: Positive | None = None
    empty: Finite | None = None


@dataclass(frozen=True, config=STRICT, kw_only=True)
class SoundFeatures(SoundSpace):
    """Features computed from the sound by formula, frame by frame.

    `hop_s` is the length of a frame; `frame_s` that of 'modulation', whose filters
    look over longer stretches (one TR in Nakai et al. 2021).
    """

    kind: Literal[
        "log-mel",
        "loudness",
        "mfcc",
        "chroma",
        "tonal-centroid",
        "onset-strength",
        "tempo",
        "modulation",
    ]
    hop_s: Positive = 0.02
    frame_s: Positive = 1.5
    n_mels: Count = 32
    n_mfcc: Count = 20
    fmin_hz: NotNegative = 50.0
    fmax_hz: Positive = 10_000.0

    def __post_init__(self) -> None:
        used = {
            "log-mel": {"hop_s", "n_mels", "fmin_hz", "fmax_hz"},
            "mfcc": {"hop_s", "n_mfcc"},
            "modulation": {"frame_s"},
        }.get(self.kind, {"hop_s"})
        own = {"hop_s", "frame_s", "n_mels", "n_mfcc", "fmin_hz", "fmax_hz"}
        for key in sorted(own - used):
            default = type(self).__dataclass_fields__[key].default
            if getattr(self, key) != default:
                raise StudyError(
                    f"{key!r} has no effect on the kind {self.kind!r}, which has "
                    f"{', '.join(sorted(used))}. Leave it out."
                )


@dataclass(frozen=True, config=STRICT, kw_only=True)
class NetworkFeatures(SoundSpace):
    """States of a pretrained network, averaged over windows of each clip.

    `model` is a name of `brain2music features list`, or the id or folder of any
    checkpoint that transformers knows; `weights` is a folder (or id) to take in place
    of the published one. `layers` is one layer, several, or 'all': of several, each
    voxel or ROI (`choose`) takes the one that predicts it best inside training.
    `untrained` takes the same architecture with random weights.
    """

    kind: Literal["network"]
    model: str
    weights: str | None = None
    revision: str | None = None
    layers: Layer | tuple[Layer, ...] = "default"
    choose: Literal["voxel", "roi"] = "voxel"
    window_s: Positive | None = None
    step_s: Positive | None = None
    causal: bool = False
    untrained: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Seed = 0

    def __post_init__(self) -> None:
        refuse_source(self.source, self.model)
        refuse_seed(self.seed, self.model, untrained=self.untrained)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class CaptionFeatures(FeatureSpace):
    """Embeddings of the clips' captions: one row per clip, held while it is heard.

    `captions` is a table with the columns `ID` and `DescEN`; `name` is a pattern over
    {clip} that gives the ID; `fixes` maps faulty IDs to right ones. `empty` is the
    value of samples without a clip; None refuses them.
    """

    kind: Literal["captions"]
    model: str
    captions: str
    weights: str | None = None
    revision: str | None = None
    name: str = "{clip}_15s"
    fixes: dict[str, str] = field(default_factory=dict)
    long: Literal["refuse", "cut"] = "refuse"
    untrained: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Seed = 0
    empty: Finite | None = None

    def __post_init__(self) -> None:
        refuse_source(self.source, self.model)
        refuse_seed(self.seed, self.model, untrained=self.untrained)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ControlFeatures(FeatureSpace):
    """What any space must beat.

    'noise' has the width, the variance and the autocorrelation of the space `of`, and
    nothing else of it; 'untrained' is the network of the space `of` with random
    weights; 'clip-position' has the time in the clip, the clip's number and the time
    in the run, and `empty` where no clip is played (None refuses such samples). Delays
    and principal components are those of the space `of`, unless the control says its
    own. Noise like a space with layers to choose from is like its first layer.
    """

    kind: Literal["control"]
    control: Literal["noise", "untrained", "clip-position"]
    of: str | None = None
    seed: Seed = 0
    empty: Finite | None = None

    def __post_init__(self) -> None:
        refuse_source(self.source, self.control)
        by_place = self.control == "clip-position"
        if not by_place and self.empty is not None:
            raise StudyError(
                f"`empty` has no effect on the control {self.control!r}: the space "
                f"{self.of!r} says it. Leave it out."
            )
        refuse_seed(self.seed, self.control, untrained=not by_place)
        if (self.of is None) != (self.control == "clip-position"):
            raise StudyError(
                f"the control {self.control!r} "
                + (
                    "needs `of`: the feature space that it is to be like."
                    if self.of is None
                    else "is like no other space: leave `of` out."
                )
            )


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ArrayFeatures(FeatureSpace):
    """Features computed elsewhere: per clip, or at a fixed rate over each run.

    Per clip, `empty` is the value of samples without a clip, in the feature's own
    unit; None refuses them. Over a run, `beyond` says what becomes of later frames.
    """

    kind: Literal["array"]
    path: str
    per: Literal["clip", "run"]
    rate_hz: Positive | None = None
    beyond: Literal["refuse", "cut"] = "refuse"
    empty: Finite | None = None

    def __post_init__(self) -> None:
        if self.per == "clip" and self.beyond == "cut":
            raise StudyError(
                f"`beyond` of the array {self.path!r} is for per = 'run': clips end "
                "where their events do. Leave it out."
            )
        if self.per == "run" and self.empty is not None:
            raise StudyError(
                f"`empty` of the array {self.path!r} is for per = 'clip': a series "
                "lasts as long as its run. Leave it out."
            )


AnyFeatures = Annotated[
    EventFeatures
    | CategoryFeatures
    | SoundFeatures
    | NetworkFeatures
    | CaptionFeatures
    | ControlFeatures
    | ArrayFeatures,
    Field(discriminator="kind"),
]
FEATURE_KINDS = {
    kind: cls
    for cls in (
        EventFeatures,
        CategoryFeatures,
        SoundFeatures,
        NetworkFeatures,
        CaptionFeatures,
        ControlFeatures,
        ArrayFeatures,
    )
    for kind in typing.get_args(typing.get_type_hints(cls)["kind"])
}
FROM_EVENTS = (CategoryFeatures, SoundFeatures, NetworkFeatures, CaptionFeatures)


def refuse_source(source: str, name: str) -> None:
    """Raise if a study file names the source of what brain2music computes itself."""
    if source:
        raise StudyError(
            f"`source` of {name!r} is {source!r}, but a space that is computed here is "
            "named by what computes it. Leave it out."
        )


def refuse_seed(seed: int, name: str, *, untrained: bool) -> None:
    """Raise if a seed is given where nothing is drawn."""
    if seed and not untrained:
        raise StudyError(
            f"`seed` has no effect on {name!r}, of which nothing is drawn by chance. "
            "Leave it out."
        )


def problems_of(
    spaces: Mapping[str, FeatureSpace], *, events: bool, clips: bool
) -> Iterator[str]:
    """Yield what cannot be of feature spaces, although each by itself could.

    Parameters
    ----------
    spaces : mapping of name to feature space
    events, clips : bool
        Whether the study has events, and says how they name clips.
    """
    for name, space in spaces.items():
        by_clip = isinstance(space, ArrayFeatures) and space.per == "clip"
        if (by_clip or isinstance(space, CaptionFeatures)) and not clips:
            yield (
                f"features.{name} has one row per clip, so dataset.clip must say how "
                'the columns of the events name a clip, such as "{genre}.{track}".'
            )
        if isinstance(space, FROM_EVENTS) and not events:
            yield f"features.{name} is read off the events: dataset.events is missing."
        needs_rate = isinstance(space, ArrayFeatures) and space.per == "run"
        if needs_rate and not getattr(space, "rate_hz", None):
            yield f"features.{name} runs through each run: give its rate_hz."
        if isinstance(space, ControlFeatures):
            yield from _control_problems(name, space, spaces, events=events)


def _control_problems(
    name: str,
    space: ControlFeatures,
    spaces: Mapping[str, FeatureSpace],
    *,
    events: bool,
) -> Iterator[str]:
    if space.of is None:
        if not events:
            yield f"features.{name} is read off the events: dataset.events is missing."
        return
    other = spaces.get(space.of)
    if other is None:
        yield (
            f"features.{name}.of is {space.of!r}, but there is no "
            f"[features.{space.of}].{nearest(space.of, spaces)}"
        )
    elif space.control == "untrained" and not isinstance(
        other, NetworkFeatures | CaptionFeatures
    ):
        yield f"features.{name}: {space.of} is no network, so it has no untrained twin."
    elif isinstance(other, ControlFeatures):
        yield f"features.{name}: {space.of} is a control itself. Name another space."
