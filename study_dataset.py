"""The tables of a study file on its scans: where they are, cleaning, and regions."""

from collections.abc import Iterator
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from .feature_spaces import STRICT, NotNegative, Positive

Labels = str | tuple[str, ...]


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
    alone. `fwhm_mm` smooths volumes in space; None does not. A volume stands for the
    'middle' of its TR, or for the time that its 'sidecar' says (StartTime).
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
    reference_time: Literal["middle", "sidecar"] = "middle"
    zscore: Literal["run", "session", "train", "none"] = "run"
    repeats: Literal["average", "keep"] = "average"


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Rois:
    """Regions: masks, atlases, every label by itself, or named groups of labels.

    In the path of a file, {subject} stands for the subject's label.

    `atlas` is a label volume (with its `names`), or of grayordinates a .dlabel.nii;
    `left` and `right` are label files of the hemispheres (.label.gii or .annot);
    `overlays` is a pycortex subject's folder, with its overlays.svg. `mesh` names the
    mesh that those are of, and `surfaces` a .surf.gii of it for each hemisphere, whose
    faces are checked; `keep` names the ROIs to keep (all if none are given).
    `made_from` lists the runs whose responses the ROIs were made from ('test' and
    'train' for a whole side, 'other: a localiser' for responses that are not in the
    study); a mask file may say so itself, as `runs`. Those made from test runs are
    refused: scores would be too high in them, truth or not.
    """

    masks: str | None = None
    atlas: str | None = None
    names: str | None = None
    left: str | None = None
    right: str | None = None
    overlays: str | None = None
    mesh: str | None = None
    surfaces: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    each_label: bool = False
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    made_from: tuple[str, ...] = ()


def dataset_problems(dataset: Dataset, responses: Responses) -> Iterator[str]:
    """Yield what cannot be in the tables of recordings and cleaning together."""
    asked = bool(responses.confounds) or responses.censor == "scrub"
    if dataset.derivatives is None and (asked or responses.fwhm_mm is not None):
        yield (
            "responses.confounds, censor = 'scrub' and fwhm_mm are for what fMRIPrep "
            "wrote: give dataset.derivatives and dataset.space."
        )
    if responses.confound_options and not asked:
        yield (
            "responses.confound_options has no effect without responses.confounds or "
            "censor = 'scrub'. Leave it out, or ask for them."
        )
    if dataset.derivatives is not None and dataset.unprocessed == "allow":
        yield (
            "dataset.unprocessed has no effect beside dataset.derivatives, which are "
            "processed. Leave it out."
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


def roi_problems(rois: Rois) -> Iterator[str]:
    """Yield what cannot be in the table of regions."""
    if (rois.left is None) != (rois.right is None):
        yield "rois.left and rois.right go together: one file for each hemisphere."
    if rois.surfaces and (len(rois.surfaces) != 2 or rois.left is None):
        yield (
            "rois.surfaces are two, left and right, and belong to rois.left and "
            "rois.right."
        )
    by_table = rois.atlas is not None and not rois.atlas.endswith(".dlabel.nii")
    if rois.names is not None and not by_table:
        yield (
            "rois.names names the regions of an atlas image (rois.atlas); other files "
            "hold their names. Leave it out."
        )
    if rois.mesh is not None and rois.left is None and rois.masks is None:
        yield "rois.mesh is of rois.left and right, or of rois.masks. Leave it out."
    if rois.left is not None and rois.mesh is None:
        yield (
            "rois.left and rois.right need rois.mesh, the mesh that they are of, such "
            "as 'fsaverage5': the number of vertices alone does not tell it."
        )
