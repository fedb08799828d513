"""Responses as CIFTI dense time series: cortex on a mesh, the rest in a volume."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import cifti2
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError
from ..core.types import Part, Run, Space
from .sidecars import Timing, agreed_tr, checked_tr, read_timing
from .volumes import BLOCK_BYTES, BROKEN

LEFT, RIGHT = "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"


class CiftiRecording:
    """A subject's responses as .dtseries.nii files, one per run.

    Headers are read and checked at once. Every run must have the same grayordinates in
    the same order.

    Parameters
    ----------
    subject : str
    files : mapping of Run to Path
    name : str
        Name of the space, such as 'fsLR'.

    Raises
    ------
    InputError
        If a file is no dense time series, or its grayordinates are not those of the
        first run.
    """

    def __init__(self, subject: str, files: Mapping[Run, Path], *, name: str) -> None:
        self.subject = subject
        self.runs = tuple(files)
        self.files = tuple(files.values())
        self.notes: list[str] = []
        self.outside: NDArray[np.bool_] | None = None
        self._path = dict(files)
        self._n_samples: dict[Run, int] = {}
        self._tr_s: dict[Run, float | None] = {}
        axes = {run: self._check(run) for run in files}
        first = axes[self.runs[0]]
        for run, axis in axes.items():
            if axis != first:
                raise InputError(
                    f"{self._who(run)}: its {len(axis)} grayordinates are not those "
                    f"({len(first)}) of {self.runs[0]}: structures, meshes, affine or "
                    "order differ. Run fMRIPrep alike on every run."
                )
        self.space = axis_space(first, name)

    def n_samples(self, run: Run) -> int:
        """Return the number of volumes of a run."""
        return self._n_samples[run]

    def tr_s(self, run: Run) -> float | None:
        """Return the TR in seconds, None if the files do not say."""
        return self._tr_s[run]

    def timing(self, run: Run) -> Timing:
        """Return what the run's sidecar says of its times."""
        return read_timing(self._path[run])

    def read(self, run: Run) -> NDArray[np.float32]:
        """Return a run's responses, shape (n_samples, n_voxels), as they stand."""
        return np.concatenate([rows for _, rows in self.blocks(run)])

    def blocks(self, run: Run) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the run's responses some rows at a time, each with its first row."""
        n_samples, n_voxels = self._n_samples[run], self.space.n_voxels
        step = max(1, BLOCK_BYTES // (8 * n_voxels))
        image = open_cifti(self._path[run], self._who(run))
        try:
            for start in range(0, n_samples, step):
                rows = np.asanyarray(image.dataobj[start : start + step])
                yield start, rows.astype(np.float32)
        except BROKEN as error:
            raise InputError(
                f"{self._who(run)}: {self._path[run]} is damaged or cut off ({error}). "
                "Copy or fetch it again."
            ) from error

    def _check(self, run: Run) -> cifti2.BrainModelAxis:
        path, who = self._path[run], self._who(run)
        image = open_cifti(path, who)
        axes = [image.header.get_axis(k) for k in range(image.ndim)]
        kinds = (cifti2.SeriesAxis, cifti2.BrainModelAxis)
        if len(axes) != 2 or not all(map(isinstance, axes, kinds)):
            raise InputError(
                f"{who}: {path} is no dense time series: its axes are "
                f"{', '.join(type(axis).__name__ for axis in axes)}. Give "
                "a .dtseries.nii."
            )
        series, brain = axes
        header_s = None
        if series.unit == "SECOND" and series.step:
            header_s = checked_tr(float(f"{series.step:.7g}"), f"{who}: SeriesStep")
        self._n_samples[run] = len(series)
        self._tr_s[run] = agreed_tr(header_s, path, who)
        return brain

    def _who(self, run: Run) -> str:
        return f"sub-{self.subject}, {run}"


def open_cifti(path: Path, who: str) -> Any:
    """Return a CIFTI file whose header is read, or say what is wrong with it."""
    if not path.is_file():
        is_link = path.is_symlink()
        raise MissingFileError(
            f"{who}: {path} is {'a link to nothing' if is_link else 'not there'}. "
            + ("Fetch it (datalad get)." if is_link else "Check the path.")
        )
    try:
        image = nib.load(path)
    except BROKEN as error:
        raise InputError(
            f"{who}: {path} is damaged, cut off or no CIFTI file ({error}). Copy or "
            "fetch it again."
        ) from error
    if not isinstance(image, cifti2.Cifti2Image):
        raise InputError(f"{who}: {path} is no CIFTI file but {type(image).__name__}.")
    size = int(np.prod(image.shape)) * image.get_data_dtype().itemsize
    proxy: Any = image.dataobj
    whole = int(proxy.offset) + size
    if path.stat().st_size < whole:
        raise InputError(
            f"{who}: {path} is damaged or cut off: expected {whole} bytes, found "
            f"{path.stat().st_size}. Copy or fetch it again."
        )
    return image


def axis_space(axis: cifti2.BrainModelAxis, name: str) -> Space:
    """Return a CIFTI file's grayordinates as a space; `space_axis` is its inverse."""
    parts, ids = [], []
    shape: tuple[int, ...]
    for structure, columns, piece in axis.iter_structures():
        short = structure.removeprefix("CIFTI_STRUCTURE_")
        if structure in axis.nvertices:
            shape, index = (int(axis.nvertices[structure]),), piece.vertex
        else:
            shape = tuple(map(int, axis.volume_shape))
            index = np.ravel_multi_index(tuple(piece.voxel.T), shape)
        del columns
        parts.append(Part(structure, shape, np.asarray(index, dtype=np.int64)))
        ids += [f"{short}:{place}" for place in index.tolist()]
    return Space(
        "grayordinates",
        name,
        tuple(ids),
        np.arange(len(axis)),
        (len(axis),),
        None if axis.affine is None else np.asarray(axis.affine, np.float64),
        tuple(parts),
    )


def space_axis(space: Space) -> cifti2.BrainModelAxis:
    """Return the brain models of a space of grayordinates, as CIFTI writes them."""
    axes = []
    for part in space.parts:
        if len(part.shape) == 1:
            axes.append(
                cifti2.BrainModelAxis.from_surface(part.index, part.shape[0], part.name)
            )
            continue
        voxel = np.column_stack(np.unravel_index(part.index, part.shape))
        axes.append(
            cifti2.BrainModelAxis(
                part.name, voxel=voxel, affine=space.affine, volume_shape=part.shape
            )
        )
    whole = axes[0]
    for axis in axes[1:]:
        whole = whole + axis
    return whole
