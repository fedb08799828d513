"""The study file: one TOML file, read into a frozen `Study`.

`Study` says *what* is computed, and alone makes the identity of a result. Its
`machine` says *how*: changing it may change the speed, not the scores.
"""

import dataclasses
import tomllib
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from .core.checks import nearest
from .feature_spaces import (
    STRICT,
    AnyFeatures,
    FeatureSpace,
    NotNegative,
    Positive,
    StudyError,
    problems_of,
)
from .study_analysis import Analysis, analysis_problems
from .study_dataset import (
    Dataset,
    Responses,
    Rois,
    RunRule,
    dataset_problems,
    roi_problems,
)
from .study_decoding import Decoding, decoding_problems
from .study_encoding import Encoding, Machine, solver_problems
from .study_errors import explain, unknown_key
from .study_reconstruction import Generation, Retrieval, reconstruction_problems

__all__ = ["Analysis", "Dataset", "Responses", "Rois", "RunRule", "Study", "load_study"]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Alignment:
    """Which sound meets which volumes: one row per TR, or one per window of a clip.

    'tr': the features of each volume, at `encoding.delays`. 'windows', as in
    Brain2Music: windows of `window_s` step through each clip by `step_s` (None: one
    TR), and meet the mean of the scans inside them, `lag_s` later. Several lags: the
    one that predicts best inside training is taken, subject by subject. `window_s`
    None is the space's own window where there is one band, and 10 s for all of several.
    `scans` says which are inside: by their middle, any overlap, whole, or a number.
    """

    rows: Literal["tr", "windows"] = "tr"
    lag_s: NotNegative | tuple[NotNegative, ...] = 0.0
    window_s: Positive | None = None
    step_s: Positive | None = None
    scans: Literal["middle", "overlap", "inside"] | Annotated[int, Field(ge=1)] = (
        "middle"
    )

    @property
    def lags_s(self) -> tuple[float, ...]:
        """The lags that are tried, in s; a single one is taken as it is."""
        return self.lag_s if isinstance(self.lag_s, tuple) else (self.lag_s,)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Stimuli:
    """What is known of the tracks, to find what training and test have in common.

    `table` is a .csv with a column that names the clip (`column`) and any of `track`,
    `artist` and `title`. `audio` also looks for the same sound and for near
    duplicates, where a feature space reads sound files. Nothing is removed: pairs are
    listed, and test scores are shown once more on artist-safe and duplicate-safe clips.
    """

    table: str | None = None
    column: str = "clip"
    audio: bool = True


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Doctor:
    """What `brain2music doctor` looks at; no result depends on it.

    `rois` names ROIs that must hear the sound, such as auditory ones: sound is moved
    against responses in their voxels. None: in the voxels that are predicted best.
    """

    rois: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Study:
    """What is computed. `folder` is where the study file lies: paths start there."""

    title: str
    dataset: Dataset
    features: dict[str, AnyFeatures]
    encoding: Encoding
    responses: Responses = field(default_factory=Responses)
    alignment: Alignment = field(default_factory=Alignment)
    stimuli: Stimuli = field(default_factory=Stimuli)
    analysis: Analysis = field(default_factory=Analysis)
    decoding: Decoding = field(default_factory=Decoding)
    retrieval: Retrieval = field(default_factory=Retrieval)
    generation: Generation = field(default_factory=Generation)
    rois: Rois = field(default_factory=Rois)
    doctor: Doctor = field(default_factory=Doctor)
    machine: Machine = field(default_factory=Machine, compare=False)
    folder: Path = field(default=Path(), compare=False)

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise StudyError(problem)

    @property
    def root(self) -> Path:
        """The data set's folder."""
        return (self.folder / self.dataset.root).resolve()

    def space(self, name: str) -> FeatureSpace:
        """Return a feature space; a control has the columns of the space it is like.

        That is its delays and principal components, unless it has its own, and how
        its columns are standardised.
        """
        space = self.features[name]
        of = getattr(space, "of", None)
        if of is None:
            return space
        like = self.features[of]
        return dataclasses.replace(
            space,
            delays=like.delays if space.delays is None else space.delays,
            n_components=space.n_components or like.n_components,
            standardise=like.standardise,
        )

    def delays_of(self, band: str) -> tuple[int, ...]:
        """Return a band's delays: its own, or else those of `encoding`.

        Windows have a lag and no delays: (0,).
        """
        if self.alignment.rows == "windows":
            return (0,)
        own = self.space(band).delays
        return self.encoding.delays if own is None else own

    def all_delays(self) -> tuple[int, ...]:
        """Return every delay that any band has, each once."""
        found = {d for band in self.encoding.bands for d in self.delays_of(band)}
        return tuple(sorted(found))

    def part(self, *names: str) -> dict[str, Any]:
        """Return tables of the study as plain JSON types, for an artefact's recipe."""
        whole = TypeAdapter(Study).dump_python(self, mode="json")
        return {name: whole[name] for name in names}


Part = TypeVar("Part", bound=Any)  # a study, or one of its tables


def changed(part: Part, **changes: Any) -> Part:
    """Return a study with some of its tables changed, or a table with some of its keys.

    Raises
    ------
    StudyError
        If it cannot be so; it says why.
    """
    try:
        return dataclasses.replace(part, **changes)
    except ValidationError as error:
        said = str(error.errors()[0]["msg"])
        raise StudyError(said.removeprefix("Value error, ")) from error


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
    brain2music.feature_spaces.StudyError: nowhere.toml: there is no such study file.
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
        raise StudyError(unknown_key(Study, (), "folder"))
    try:
        return TypeAdapter(Study).validate_python({**raw, "folder": folder})
    except ValidationError as error:
        raise StudyError("\n".join(explain(Study, error))) from error


def _problems(study: Study) -> Iterator[str]:
    """Yield what cannot be although each value by itself could."""
    bands = study.encoding.bands
    for name in {"all", "offset"} & set(study.features):
        yield f"[features.{name}]: {name!r} means something else in tables; rename it."
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
    yield from solver_problems(study.encoding, study.machine)
    yield from dataset_problems(study.dataset, study.responses)
    yield from roi_problems(study.rois)
    yield from analysis_problems(study.analysis, bands)
    n_subjects = len(study.dataset.subjects)
    rows = study.alignment.rows
    yield from decoding_problems(study.decoding, bands, n_subjects, rows=rows)
    yield from reconstruction_problems(
        study.retrieval, study.generation, study.decoding.targets
    )
    yield from _reference_problems(study)
    yield from _event_problems(study)


def _reference_problems(study: Study) -> Iterator[str]:
    """Refuse a shift to the volumes' reference time that not every feature follows."""
    if study.responses.reference_time == "middle":
        return
    for name in study.encoding.bands:
        space = study.features.get(name)
        if getattr(space, "kind", "") == "events" or getattr(space, "per", "") == "run":
            yield (
                f"responses.reference_time = 'sidecar' moves the clips, and "
                f"features.{name} is read for the whole run and would stay. Move it by "
                "hand, or leave reference_time out."
            )


def _event_problems(study: Study) -> Iterator[str]:
    dataset = study.dataset
    if dataset.clip and not dataset.events:
        yield "dataset.clip names clips from the events, but dataset.events is missing."
    yield from problems_of(
        study.features, events=bool(dataset.events), clips=bool(dataset.clip)
    )
    yield from _alignment_problems(study)


def _alignment_problems(study: Study) -> Iterator[str]:
    alignment = study.alignment
    if alignment.rows == "windows":
        yield from _window_problems(study)
        for name, space in study.features.items():
            yield from _problems_in_windows(name, space)
    elif alignment != Alignment():
        yield (
            "alignment.lag_s, window_s, step_s and scans are for rows = 'windows'. "
            "With one row per TR the lags are encoding.delays: leave them out."
        )


def _window_problems(study: Study) -> Iterator[str]:
    lags_s = study.alignment.lags_s
    if not study.dataset.clip:
        yield (
            "alignment.rows = 'windows' steps through clips, so dataset.clip must say "
            "how the columns of the events name them."
        )
    if not lags_s or len(set(lags_s)) < len(lags_s):
        yield "alignment.lag_s must be one lag in s, or several, each only once."
    if study.encoding.delays != Encoding(bands=()).delays:
        yield (
            "encoding.delays is not used with alignment.rows = 'windows', whose rows "
            "have a lag in place of delays. Leave it out."
        )
    if study.encoding.incomplete_rows == "drop":
        yield (
            "encoding.incomplete_rows = 'drop' is for rows of delays; windows have a "
            "lag and no delays. Leave it out."
        )


def _problems_in_windows(name: str, space: FeatureSpace) -> Iterator[str]:
    if getattr(space, "causal", False):
        yield (
            f"features.{name}.causal is for one row per TR: windows of a clip hear "
            "nothing beyond their own end. Leave it out."
        )
    if space.delays is not None:
        yield (
            f"features.{name}.delays cannot be used with alignment.rows = 'windows', "
            "whose rows have one lag. Leave it out."
        )
