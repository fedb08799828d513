"""Opens a subject's recording, whatever files it is kept in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError
from ..core.types import Run, Space
from .derivatives import (
    Scan,
    find_cortex,
    find_scans,
    find_surfaces,
    grey_matter,
    parse_space,
)
from .files import Rule, find_runs, path_of, placeholders
from .grayordinates import CiftiRecording
from .matrices import ENDINGS, MatrixRecording, read_run_rows
from .sidecars import Timing
from .surfaces import GiftiRecording
from .tables import TableRecording
from .volumes import NiftiRecording

TABLES = (".csv", ".tsv")
IMAGES = (".nii", ".nii.gz")
CIFTI = (".dtseries.nii", ".dscalar.nii", ".ptseries.nii")

__all__ = [
    "MatrixRecording",
    "NiftiRecording",
    "Recording",
    "TableRecording",
    "open_recording",
]


class Recording(Protocol):
    """One subject's responses, run by run, as they were recorded.

    `outside` says which columns are known not to be cortex, None if nothing is known.
    """

    @property
    def subject(self) -> str:
        """Label, without 'sub-'."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run that was recorded."""

    @property
    def space(self) -> Space:
        """Which voxels the columns are."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read."""

    @property
    def notes(self) -> list[str]:
        """What should be known of the files."""

    @property
    def outside(self) -> NDArray[np.bool_] | None:
        """Which columns are known not to be cortex; None if nothing is known."""

    def n_samples(self, run: Run) -> int:
        """Return the number of samples (TRs) of a run."""

    def tr_s(self, run: Run) -> float | None:
        """Return the TR in seconds, None if the files do not say."""

    def timing(self, run: Run) -> Timing:
        """Return what the run's sidecar says: TR, and the volumes' reference time."""

    def read(self, run: Run) -> NDArray[np.float32]:
        """Return a run's responses, shape (n_samples, n_voxels), not cleaned."""

    def blocks(self, run: Run) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the rows of `read` some at a time, each block with its first row."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A recording, and the table of confounds of each run that has one."""

    recording: Recording
    confounds: Mapping[Run, Path]
    images: Mapping[Run, tuple[Path, ...]]


def open_recording(
    root: Path,
    subject: str,
    *,
    responses: str,
    mask: str | None = None,
    runs: str | None = None,
    key: str | None = None,
    mesh: str | None = None,
    vertices: str | None = None,
) -> Recording:
    """Open a subject's responses; which way is told by the ending of the files.

    Parameters
    ----------
    root : Path
        Folder of the data set. All patterns are relative to it (see `data.files`).
    subject : str
        Label, without 'sub-'.
    responses : str
        Pattern of the files: .csv or .tsv (a table per run), .nii or .nii.gz (a 4D
        image per run), .npy, .h5, .hdf5 or .mat (a matrix per run or, with `runs`,
        one of all runs).
    mask : str, optional
        Pattern of the mask; needed for images, and for nothing else.
    runs : str, optional
        Pattern of the file that says the run of each row (see `read_run_rows`).
    key, mesh, vertices : str, optional
        For matrices, as in `MatrixRecording`; `vertices` is a pattern.

    Returns
    -------
    recording : TableRecording, NiftiRecording or MatrixRecording

    Raises
    ------
    InputError
        If an option does not go with these files, or the files are wrong.
    MissingFileError
        If there are none.
    """
    if "subject" not in placeholders(responses):
        raise InputError(
            f"responses {responses!r} has no {{subject}}: every subject would get the "
            "same data. Put {subject} where their label stands in the path."
        )
    given = {"mask": mask, "runs": runs, "key": key, "mesh": mesh, "vertices": vertices}
    if responses.endswith(CIFTI):
        raise InputError(
            f"responses {responses!r}: CIFTI is found by its space. Give "
            "dataset.derivatives, and dataset.space = 'fsLR'."
        )
    if responses.endswith(IMAGES):
        _check_options(responses, given, takes=("mask",))
        if mask is None:
            raise InputError(
                f"responses {responses!r} are images, which need a mask: a 3D image on "
                "their grid. Give its pattern as the mask."
            )
        files = find_runs(root, responses, subject)
        return NiftiRecording(subject, files, path_of(root, mask, subject))
    if responses.endswith(TABLES):
        _check_options(responses, given, takes=())
        return TableRecording(subject, find_runs(root, responses, subject))
    if responses.endswith(ENDINGS):
        _check_options(responses, given, takes=("runs", "key", "mesh", "vertices"))
        return _open_matrices(root, subject, responses, given)
    raise InputError(
        f"responses {responses!r} has an unknown ending. Known: "
        f"{', '.join((*TABLES, *IMAGES, *ENDINGS))}."
    )


def open_derivatives(
    root: Path,
    subject: str,
    *,
    derivatives: str,
    space: str,
    mask: str = "brain",
    fwhm_mm: float | None = None,
    rules: Sequence[Rule] = (),
) -> Opening:
    """Open what fMRIPrep wrote for a subject in one space.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    subject : str
        Label, without 'sub-'.
    derivatives : str
        fMRIPrep's output folder, relative to `root`.
    space : str
        One line, see `data.derivatives`.
    mask : str
        For volumes: 'brain' (what is inside the brain mask of every run),
        'grey-matter' (what is also at least half grey matter), or the pattern of a
        mask of one's own. For surfaces: 'cortex' leaves out the medial wall, where it
        is known. Else all vertices are columns.
    fwhm_mm : float, optional
        For volumes: full width at half maximum of a Gaussian that smooths each of
        them in space, in mm. None does not smooth.
    rules : sequence of mapping
        Which runs are wanted, as in `find_scans`; no other has a part in it.

    Returns
    -------
    opening : Opening

    Raises
    ------
    InputError
        If the line does not pick one file per run, a mask is given for a space that
        takes none, or the files do not fit together.
    MissingFileError
        If there are none.
    """
    scans = find_scans(root, derivatives, subject, space, rules=rules)
    wanted = parse_space(space)
    confounds = {run: scan.confounds for run, scan in scans.items() if scan.confounds}
    images = {run: scan.paths for run, scan in scans.items()}
    known = ("brain", "cortex") if wanted.ending == "func.gii" else ("brain",)
    if wanted.ending != "nii.gz" and mask not in known:
        raise InputError(
            f"dataset.mask is {mask!r}, but the space {space!r} is no volume: all its "
            "vertices are read. Leave the mask out, and use ROIs; for surfaces it may "
            "be 'cortex'."
        )
    if wanted.ending != "nii.gz" and fwhm_mm is not None:
        raise InputError(
            f"responses.fwhm_mm smooths volumes, and the space {space!r} is none. "
            "Smooth along the surface before, or leave it out."
        )
    recording: Recording
    if wanted.ending == "func.gii":
        pairs = {run: (paths[0], paths[1]) for run, paths in images.items()}
        folder = root / derivatives
        recording = GiftiRecording(
            subject,
            pairs,
            name=wanted.space,
            surfaces=find_surfaces(folder, subject, wanted.space),
            cortex=find_cortex(folder, subject, wanted.space),
            inside="cortex" if mask == "cortex" else "mesh",
        )
    elif wanted.ending == "dtseries.nii":
        one = {run: paths[0] for run, paths in images.items()}
        recording = CiftiRecording(subject, one, name=wanted.space)
    else:
        names = _masks(root, subject, scans, derivatives, (space, mask))
        recording = NiftiRecording(
            subject,
            {run: paths[0] for run, paths in images.items()},
            names[0],
            grey_matter=names[1],
            name=wanted.space,
            fwhm_mm=fwhm_mm,
        )
    return Opening(recording, confounds, images)


def _masks(
    root: Path,
    subject: str,
    scans: Mapping[Run, Scan],
    derivatives: str,
    choices: tuple[str, str],
) -> tuple[list[Path], Path | None]:
    """Return the masks that voxels must be inside of, and the map of grey matter."""
    space, mask = choices
    if mask not in ("brain", "grey-matter"):
        return [path_of(root, mask, subject)], None
    masks = [scan.mask for scan in scans.values() if scan.mask is not None]
    if len(masks) < len(scans):
        lacking = [str(run) for run, scan in scans.items() if scan.mask is None]
        raise MissingFileError(
            f"sub-{subject}: no brain mask beside {', '.join(lacking)} in the space "
            f"{space!r}. Fetch it (desc-brain_mask.nii.gz), or name a mask as "
            "dataset.mask."
        )
    if mask == "grey-matter":
        return masks, grey_matter(root, derivatives, subject, space)
    return masks, None


def _open_matrices(
    root: Path, subject: str, responses: str, given: dict[str, str | None]
) -> MatrixRecording:
    files, rows = find_runs(root, responses, subject), None
    by_run = placeholders(responses) - {"subject"}
    if by_run and given["runs"]:
        raise InputError(
            f"responses {responses!r} is one file per {' and '.join(sorted(by_run))}, "
            "but the runs of one file's rows are given too. Leave one of them out."
        )
    if not by_run:
        if not given["runs"]:
            raise InputError(
                f"responses {responses!r} is one matrix of all runs: give the file "
                "that says the run of each row as runs, or put {run} into the pattern."
            )
        (path,) = files.values()
        rows = read_run_rows(path_of(root, given["runs"], subject), subject)
        files = dict.fromkeys(rows, path)
    pattern = given["vertices"]
    return MatrixRecording(
        subject,
        files,
        rows=rows,
        key=given["key"],
        mesh=given["mesh"],
        vertices=path_of(root, pattern, subject) if pattern else None,
    )


def _check_options(
    responses: str, given: dict[str, str | None], *, takes: tuple[str, ...]
) -> None:
    extra = [name for name, value in given.items() if value and name not in takes]
    if extra:
        raise InputError(
            f"responses {responses!r} do not take {', '.join(extra)}; they take "
            f"{', '.join(takes) or 'no such option'}. Leave it out."
        )
