"""The study file: one TOML file, read into a frozen `Study`.

`Study` says *what* is computed, and alone makes the identity of a result. Its
`machine` says *how*: changing it may change the speed, not the scores.
"""

import dataclasses
import tomllib
import typing
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from .core.checks import InputError, nearest
from .features.annotations import Column

STRICT = ConfigDict(extra="forbid")
Labels = str | tuple[str, ...]
Delays = tuple[Annotated[int, Field(ge=0)], ...]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0)]


class StudyError(InputError):
    """The study file says something that cannot be."""


@dataclass(frozen=True, config=STRICT, kw_only=True)
class RunRule:
    """Which runs: those whose labels are as said; what is not said may be anything."""

    session: Labels | None = None
    task: Labels | None = None
    run: Labels | None = None

    def as_mapping(self) -> dict[str, Any]:
        """Return what is said, by the name of the label."""
        said = {"session": self.session, "task": self.task, "run": self.run}
        return {name: labels for name, labels in said.items() if labels is not None}


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Dataset:
    """Where the recordings are. Paths are patterns below `root`.

    Either `responses` is a pattern of the files, or `derivatives` is fMRIPrep's output
    folder and `space` picks what it wrote, as 'T1w', 'fsaverage5', 'fsLR:den-91k' or
    'MNI152NLin2009cAsym:res-2'; `mask` is then 'brain' unless said, 'grey-matter' or a
    pattern. In a pattern, {subject}, {session}, {task} and {run} stand for labels, and
    a part in square brackets may be absent. A run that a subject lacks and another has,
    a clip that is heard in training and in test, and raw scans (`unprocessed`), are
    refused unless allowed.
    """

    root: str
    subjects: tuple[str, ...]
    tr_s: Positive
    train: RunRule
    test: RunRule
    responses: str | None = None
    derivatives: str | None = None
    space: str | None = None
    events: str | None = None
    clip: str | None = None
    mask: str | None = None
    runs: str | None = None
    key: str | None = None
    mesh: str | None = None
    vertices: str | None = None
    unequal_runs: Literal["refuse", "allow"] = "refuse"
    shared_clips: Literal["refuse", "allow"] = "refuse"
    unprocessed: Literal["refuse", "allow"] = "refuse"
    simulated: bool = False


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Responses:
    """How each run is cleaned, and what becomes of repeats of a test clip.

    `confounds` are groups of fMRIPrep's confounds by nilearn's names, which
    `confound_options` refines, or one of nilearn's strategies ('simple', 'scrubbing',
    'compcor', 'ica_aroma'). `censor` leaves out volumes: 'dummies' those that fMRIPrep
    calls non-steady, 'scrub' also those that moved (at nilearn's thresholds, or those
    of `confound_options`). For `zscore`, 'session' and 'train' scale by training rows
    alone. `fwhm_mm` smooths volumes in space; None does not.
    """

    lead_in_s: NotNegative = 0.0
    drop_end_s: NotNegative = 0.0
    detrend: Literal[
        "none", "linear", "polynomial", "cosine", "median", "savitzky-golay"
    ] = "none"
    period_s: Positive = 240.0
    order: Annotated[int, Field(ge=1, le=10)] = 3
    confounds: tuple[str, ...] | str = ()
    confound_options: dict[str, str | float | int] = field(default_factory=dict)
    censor: Literal["none", "dummies", "scrub"] = "dummies"
    fwhm_mm: Positive | None = None
    zscore: Literal["run", "session", "train", "none"] = "run"
    repeats: Literal["average", "keep"] = "average"


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FeatureSpace:
    """What every feature space has: where it comes from, and its delays."""

    source: str = ""
    delays: Delays | None = None
    standardise: Literal["zscore", "centre", "none"] = "zscore"


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
class SoundFeatures(FeatureSpace):
    """Log-mel spectrum or loudness, from the sound file of each clip.

    `path` is a pattern over the columns of the events; `start` and `end` name the
    columns that hold the excerpt's borders in the file, in s. `empty` is the value
    of samples without a clip, in the feature's own unit (dB); None refuses them.
    """

    kind: Literal["log-mel", "loudness"]
    path: str
    start: str | None = None
    end: str | None = None
    fade_s: NotNegative = 0.0
    rms: Positive | None = None
    hop_s: Positive = 0.02
    n_mels: Annotated[int, Field(ge=1)] = 32
    fmin_hz: NotNegative = 50.0
    fmax_hz: Positive = 10_000.0
    empty: Annotated[float, Field(allow_inf_nan=False)] | None = None


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
    empty: Annotated[float, Field(allow_inf_nan=False)] | None = None

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
    EventFeatures | CategoryFeatures | SoundFeatures | ArrayFeatures,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Encoding:
    """The model: which feature spaces, at which delays, searched how."""

    bands: tuple[str, ...]
    delays: Delays = (2, 3, 4, 5)
    alphas: tuple[Positive, ...] = (1.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6)
    n_candidates: Annotated[int, Field(ge=1)] = 20
    folds: Literal["run", "session"] | Annotated[int, Field(ge=2)] = "run"
    incomplete_rows: Literal["mean", "drop"] = "mean"
    precision: Literal["float32", "float64"] = "float32"
    seed: Seed = 0


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Analysis:
    """Intervals, nulls and, for simulated studies, what was planted."""

    n_resamples: Annotated[int, Field(ge=100)] = 1000
    n_permutations: Annotated[int, Field(ge=200)] = 1000
    block_s: Positive = 30.0
    planted: str | None = None
    seed: Seed = 0


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Rois:
    """Regions: masks, atlases, every label by itself, or named groups of labels.

    `atlas` is a label volume (with its `names`), or of grayordinates a .dlabel.nii;
    `left` and `right` are label files of the hemispheres (.label.gii or .annot);
    `overlays` is a pycortex subject's folder, with its overlays.svg. `mesh` names the
    mesh that those are of, and `keep` the names to keep (all if none are given).
    """

    masks: str | None = None
    atlas: str | None = None
    names: str | None = None
    left: str | None = None
    right: str | None = None
    overlays: str | None = None
    mesh: str | None = None
    keep: tuple[str, ...] = ()
    each_label: bool = False
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Machine:
    """How it is computed: no part of a result's identity.

    `threads` are those of the linear algebra; `voxels_per_batch` bounds the memory
    of a fit (None: all at once, if they fit in 1 GB); `cache` is where drawing keeps
    its surfaces (None: the user's cache folder).
    """

    threads: Annotated[int, Field(ge=1)] = 1
    voxels_per_batch: Annotated[int, Field(ge=1)] | None = None
    cache: str | None = None


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Study:
    """What is computed. `folder` is where the study file lies: paths start there."""

    title: str
    dataset: Dataset
    features: dict[str, AnyFeatures]
    encoding: Encoding
    responses: Responses = field(default_factory=Responses)
    analysis: Analysis = field(default_factory=Analysis)
    rois: Rois = field(default_factory=Rois)
    machine: Machine = field(default_factory=Machine, compare=False)
    folder: Path = field(default=Path(), compare=False)

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise StudyError(problem)

    @property
    def root(self) -> Path:
        """The data set's folder."""
        return (self.folder / self.dataset.root).resolve()

    def delays_of(self, band: str) -> tuple[int, ...]:
        """Return a band's delays: its own, or else those of `encoding`."""
        own = self.features[band].delays
        return self.encoding.delays if own is None else own

    def all_delays(self) -> tuple[int, ...]:
        """Return every delay that any band has, each once."""
        found = {d for band in self.encoding.bands for d in self.delays_of(band)}
        return tuple(sorted(found))

    def part(self, *names: str) -> dict[str, Any]:
        """Return tables of the study as plain JSON types, for an artefact's recipe."""
        whole = TypeAdapter(Study).dump_python(self, mode="json")
        return {name: whole[name] for name in names}


def load_study(path: str | Path) -> Study:
    """Read a study file.

    Parameters
    ----------
    path : str or Path
        A TOML file. Its relative paths start at its own folder.

    Raises
    ------
    StudyError
        If the file is missing, is no TOML, has an unknown key (the nearest known one
        is named) or a value that cannot be.

    Examples
    --------
    >>> load_study("nowhere.toml")
    Traceback (most recent call last):
    ...
    brain2music.study.StudyError: nowhere.toml: there is no such study file.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StudyError(f"{path}: there is no such study file.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise StudyError(f"{path.name}: not a readable TOML file: {error}") from error
    try:
        return read_study(raw, folder=path.parent)
    except StudyError as error:
        raise StudyError(f"{path.name}: {error}") from error


def read_study(raw: dict[str, Any], *, folder: Path) -> Study:
    """Make a `Study` from the tables of a study file, whose paths start at `folder`."""
    if "folder" in raw:
        raise StudyError(_unknown_key((), "folder"))
    try:
        return TypeAdapter(Study).validate_python({**raw, "folder": folder})
    except ValidationError as error:
        raise StudyError("\n".join(_explain(error))) from error


# What pydantic puts into the place of an error for each way a value may be read.
UNION_PARTS = ("str", "tuple[str, ...]", "constrained-int", "literal['run','session']")


def _explain(error: ValidationError) -> Iterator[str]:
    seen = set()
    for fault in error.errors():
        *where, key = fault["loc"] or ("",)
        where = [part for part in where if part not in UNION_PARTS]
        if key in UNION_PARTS and where:
            *where, key = where
        if (*where, key) in seen:
            continue
        seen.add((*where, key))
        wrapped = fault.get("ctx", {}).get("error")
        if isinstance(wrapped, InputError):
            yield str(wrapped)
        elif fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            yield _unknown_key(tuple(where), str(key))
        elif fault["type"] == "missing":
            yield f"{_dotted((*where, key))!r} is missing; it has no default."
        elif fault["type"] == "union_tag_invalid":
            kind = str(fault["input"].get("kind"))
            yield (
                f"'{_dotted((*where, key))}.kind' is {kind!r}. Known: "
                f"{', '.join(FEATURE_KINDS)}.{nearest(kind, FEATURE_KINDS)}"
            )
        else:
            quotes = " Put labels in quotes." if "string" in fault["msg"] else ""
            yield (
                f"{_dotted((*where, key))!r}: {fault['msg']}, got "
                f"{fault['input']!r}.{quotes}"
            )


def _unknown_key(where: tuple, key: str) -> str:
    known = _known_keys(where)
    return (
        f"unknown key {_dotted((*where, key))!r}. Known there: {', '.join(known)}."
        f"{nearest(key, known)}"
    )


def _dotted(where: tuple) -> str:
    """Name a place in the file; pydantic adds a feature space's kind, which goes."""
    if len(where) > 2 and where[0] == "features":
        where = (*where[:2], *where[3:])
    return ".".join(str(part) for part in where)


def _known_keys(where: tuple) -> list[str]:
    """Return the keys that the table at `where` may have."""
    place: Any = Study
    for part in where:
        if part in FEATURE_KINDS:
            place = FEATURE_KINDS[part]
        elif part == "columns" or isinstance(part, int):
            place = Column
        elif dataclasses.is_dataclass(place):
            place = typing.get_type_hints(place).get(part, place)
    if not dataclasses.is_dataclass(place):
        return []
    return [f.name for f in dataclasses.fields(place) if f.name != "folder"]


FEATURE_KINDS = {
    kind: cls
    for cls in (EventFeatures, CategoryFeatures, SoundFeatures, ArrayFeatures)
    for kind in typing.get_args(typing.get_type_hints(cls)["kind"])
}


def _problems(study: Study) -> Iterator[str]:
    """Yield what cannot be although each value by itself could."""
    bands = study.encoding.bands
    for name in bands:
        if name not in study.features:
            yield (
                f"encoding.bands names {name!r}, but there is no [features.{name}]. "
                f"Known: {', '.join(study.features)}.{nearest(name, study.features)}"
            )
    if not bands or len(set(bands)) < len(bands):
        yield "encoding.bands must name at least one feature space, each only once."
    subjects = study.dataset.subjects
    if not subjects or len(set(subjects)) < len(subjects):
        yield "dataset.subjects must name at least one subject, each only once."
    for name in bands:
        delays = study.delays_of(name) if name in study.features else (0,)
        if not delays or len(set(delays)) < len(delays):
            yield (
                f"{name} has the delays {list(delays)}: it needs at least one, each "
                "only once; [0] means the TR itself."
            )
    if len(set(study.encoding.alphas)) < len(study.encoding.alphas):
        yield "encoding.alphas holds a value twice."
    yield from _dataset_problems(study)
    yield from _roi_problems(study.rois)
    yield from _event_problems(study)


def _dataset_problems(study: Study) -> Iterator[str]:
    dataset, responses = study.dataset, study.responses
    asked = bool(responses.confounds) or responses.censor == "scrub"
    if dataset.derivatives is None and (asked or responses.fwhm_mm is not None):
        yield (
            "responses.confounds, censor = 'scrub' and fwhm_mm are for what fMRIPrep "
            "wrote: give dataset.derivatives and dataset.space."
        )
    if (dataset.responses is None) == (dataset.derivatives is None):
        yield (
            "dataset needs `responses`, the pattern of the files, or `derivatives`, "
            "fMRIPrep's output folder, and not both."
        )
    if (dataset.derivatives is None) != (dataset.space is None):
        yield (
            "dataset.derivatives and dataset.space go together: the folder, and which "
            "of its spaces, such as 'T1w' or 'fsaverage5'."
        )
    names = ("runs", "key", "mesh", "vertices")
    extra = [name for name in names if getattr(dataset, name) is not None]
    if dataset.derivatives is not None and extra:
        yield f"dataset.derivatives does not take {', '.join(extra)}. Leave it out."


def _roi_problems(rois: Rois) -> Iterator[str]:
    if (rois.left is None) != (rois.right is None):
        yield "rois.left and rois.right go together: one file for each hemisphere."
    if rois.left is not None and rois.mesh is None:
        yield (
            "rois.left and rois.right need rois.mesh, the mesh that they are of, such "
            "as 'fsaverage5': the number of vertices alone does not tell it."
        )


def _event_problems(study: Study) -> Iterator[str]:
    dataset = study.dataset
    if dataset.clip and not dataset.events:
        yield "dataset.clip names clips from the events, but dataset.events is missing."
    for name, space in study.features.items():
        needs_clips = isinstance(space, ArrayFeatures) and space.per == "clip"
        if needs_clips and not dataset.clip:
            yield (
                f"features.{name} has one row per clip, so dataset.clip must say how "
                'the columns of the events name a clip, such as "{genre}.{track}".'
            )
        if isinstance(space, (CategoryFeatures, SoundFeatures)) and not dataset.events:
            yield f"features.{name} is read off the events: dataset.events is missing."
        if (
            isinstance(space, ArrayFeatures)
            and space.per == "run"
            and not space.rate_hz
        ):
            yield f"features.{name} runs through each run: give its rate_hz."
