"""Opens a subject's recording, whatever files it is kept in."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..core.types import Run, Space
from .files import find_runs, path_of, placeholders
from .matrices import ENDINGS, MatrixRecording, read_run_rows
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
    """One subject's responses, run by run, as they were recorded."""

    subject: str
    runs: tuple[Run, ...]
    space: Space
    files: tuple[Path, ...]

    def n_samples(self, run: Run) -> int:
        """Return the number of samples (TRs) of a run."""

    def tr_s(self, run: Run) -> float | None:
        """Return the TR in seconds, None if the files do not say."""

    def read(self, run: Run) -> NDArray[np.float32]:
        """Return a run's responses, shape (n_samples, n_voxels), not cleaned."""


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
            f"responses {responses!r}: CIFTI is not read. Write its data as a matrix "
            "(.npy), with vertices."
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
