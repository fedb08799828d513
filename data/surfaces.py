"""Responses as GIFTI time series, one file per hemisphere and run."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal
from xml.parsers.expat import ExpatError

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nilearn import datasets
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError
from ..core.types import Part, Run, Space
from .sidecars import LONGEST_TR_S, Timing, agreed_tr, checked_tr, read_timing

SIDES = ("left", "right")
STRUCTURES = {"left": "CortexLeft", "right": "CortexRight"}
ROWS_AT_ONCE = 32
MIRRORED = {"left": "right", "right": "left"}
SIZES = {
    "fsaverage3": 642,
    "fsaverage4": 2562,
    "fsaverage5": 10242,
    "fsaverage6": 40962,
    "fsaverage": 163842,
}
BROKEN = (ImageFileError, ExpatError, EOFError, OSError, ValueError)


class GiftiRecording:
    """A subject's responses on a mesh, left hemisphere first.

    A vertex that is NaN through a whole run, as fMRIPrep may leave the medial wall, is
    read as it is: cleaning counts it and leaves it out.

    Parameters
    ----------
    subject : str
    files : mapping of Run to (Path, Path)
        The left and the right hemisphere of each run.
    name : str
        Name of the mesh, such as 'fsaverage5'.
    surfaces : (Path, Path), optional
        A .surf.gii file per hemisphere: their faces become the identity of the mesh,
        and their coordinates tell left from right.
    cortex : (Path, Path), optional
        A .label.gii file per hemisphere, 1 where there is cortex.
    inside : 'mesh' or 'cortex'
        Which vertices become columns.

    Raises
    ------
    InputError
        If a file says that it is of the other hemisphere, the two have different
        lengths, or a run another mesh than the first.
    """

    def __init__(
        self,
        subject: str,
        files: Mapping[Run, tuple[Path, Path]],
        *,
        name: str,
        surfaces: tuple[Path, Path] | None = None,
        cortex: tuple[Path, Path] | None = None,
        inside: Literal["mesh", "cortex"] = "mesh",
    ) -> None:
        self.subject = subject
        self.runs = tuple(files)
        self.files = tuple(path for pair in files.values() for path in pair)
        self.files += (surfaces or ()) + (cortex or ())
        self.notes: list[str] = []
        self._paths = dict(files)
        self._n_samples: dict[Run, int] = {}
        self._tr_s: dict[Run, float | None] = {}
        sizes: dict[Run, list[int]] = {run: self._check(run) for run in files}
        first = sizes[self.runs[0]]
        for run, found in sizes.items():
            if found != first:
                raise InputError(
                    f"{self._who(run)}: {found} vertices (left, right), but "
                    f"{self.runs[0]} has {first}. Every run needs the same mesh."
                )
        topology = surface_topology(surfaces, first) if surfaces else ("", "")
        self.space = mesh_space(name, first, topology)
        outside = _outside_cortex(name, first, cortex)
        self.outside: NDArray[np.bool_] | None = outside
        if inside == "cortex":
            if cortex is None or outside is None:
                raise InputError(
                    f"sub-{subject}: what is cortex on {name} is not known: "
                    "desc-cortex_mask.label.gii of both hemispheres is needed "
                    "(fMRIPrep writes it for fsnative). Leave the mask out, or run "
                    "fMRIPrep with --medial-surface-nan."
                )
            self.space = _cut(self.space, ~outside)
            self.outside = None

    def n_samples(self, run: Run) -> int:
        """Return the number of volumes of a run."""
        return self._n_samples[run]

    def tr_s(self, run: Run) -> float | None:
        """Return the TR in seconds, None if the files do not say."""
        return self._tr_s[run]

    def timing(self, run: Run) -> Timing:
        """Return what the run's sidecar says of its times."""
        return read_timing(self._paths[run][0])

    def read(self, run: Run) -> NDArray[np.float32]:
        """Return a run's responses, shape (n_samples, n_vertices), as they stand."""
        out = np.empty((self._n_samples[run], self.space.n_voxels), np.float32)
        for start, rows in self.blocks(run):
            out[start : start + len(rows)] = rows
        return out

    def blocks(self, run: Run) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the run's responses some rows at a time, each with its first row.

        GIFTI is parsed whole: both hemispheres are in memory while this goes on.
        """
        sides = [
            series_rows(read_gifti(path, self._who(run)), path)
            for path in self._paths[run]
        ]
        for start in range(0, self._n_samples[run], ROWS_AT_ONCE):
            here = slice(start, start + ROWS_AT_ONCE)
            both = [np.asarray(rows[here], np.float32) for rows in sides]
            yield start, np.concatenate(both, axis=1)[:, self.space.index]

    def _check(self, run: Run) -> list[int]:
        """Return the number of vertices of each side, after checking its files."""
        sizes, lengths, trs = [], [], []
        for side, path in zip(SIDES, self._paths[run], strict=True):
            who = f"{self._who(run)}, {side} hemisphere"
            image = read_gifti(path, who)
            check_side(image, side, f"{who} ({path.name})")
            n_samples, n_vertices = _series_shape(image, path)
            lengths.append(n_samples)
            sizes.append(n_vertices)
            trs.append(agreed_tr(_header_tr(image, who), path, who))
        if lengths[0] != lengths[1]:
            raise InputError(
                f"{self._who(run)}: {lengths[0]} volumes in the left hemisphere, "
                f"{lengths[1]} in the right. Fetch both again."
            )
        known = [tr for tr in trs if tr is not None]
        if len(known) == 2 and abs(known[0] - known[1]) > 1e-3:
            raise InputError(
                f"{self._who(run)}: the left hemisphere says a TR of {known[0]:g} s, "
                f"the right {known[1]:g} s. Find out which is right."
            )
        self._n_samples[run] = lengths[0]
        self._tr_s[run] = known[0] if known else None
        return sizes

    def _who(self, run: Run) -> str:
        return f"sub-{self.subject}, {run}"


def mesh_space(
    name: str, sizes: Sequence[int], topology: Sequence[str] = ("", "")
) -> Space:
    """Return the space of all vertices of a mesh of two hemispheres, left first.

    Raises
    ------
    InputError
        If a mesh of this name has another number of vertices.
    """
    expected = SIZES.get(name)
    if expected is not None and list(sizes) != [expected, expected]:
        raise InputError(
            f"{name} has {expected} vertices a hemisphere, but the files have "
            f"{sizes[0]} (left) and {sizes[1]} (right). They are of another mesh."
        )
    parts = tuple(
        Part(side, (n,), np.arange(n), faces)
        for side, n, faces in zip(SIDES, sizes, topology, strict=True)
    )
    n_vertices = sum(sizes)
    index = np.arange(n_vertices)
    ids = tuple(map(str, range(n_vertices)))
    return Space("surface", name, ids, index, (n_vertices,), parts=parts)


def _cut(space: Space, keep: NDArray[np.bool_]) -> Space:
    index = np.flatnonzero(keep)
    ids = tuple(map(str, index.tolist()))
    return replace(space, ids=ids, index=index)


def _outside_cortex(
    name: str, sizes: Sequence[int], paths: Sequence[Path] | None
) -> NDArray[np.bool_] | None:
    """Return which vertices are known not to be cortex; None if none is known.

    On the template, those of fsaverage5 that its packaged flatmap lacks: the inner
    part of the medial wall. They are the first vertices of the finer meshes, too.
    """
    if paths is not None:
        masks = []
        for side, path, size in zip(SIDES, paths, sizes, strict=True):
            image = read_gifti(path, f"cortex, {side} hemisphere")
            check_side(image, side, str(path))
            values = image.darrays[0].data
            if values.shape != (size,):
                raise InputError(
                    f"{path} has {len(values)} vertices, the data {size}. It is of "
                    "another mesh."
                )
            masks.append(values == 0)
        return np.concatenate(masks)
    if name not in ("fsaverage5", "fsaverage6", "fsaverage"):
        return None
    flat = datasets.load_fsaverage("fsaverage5")["flat"].parts
    outside = [np.zeros(size, bool) for size in sizes]
    for side, mask in zip(SIDES, outside, strict=True):
        mask[: SIZES["fsaverage5"]] = True
        mask[np.unique(flat[side].faces)] = False
    return np.concatenate(outside)


def read_gifti(path: Path, who: str) -> nib.GiftiImage:
    """Return a GIFTI file, or say what is wrong with it."""
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
            f"{who}: {path} is damaged, cut off or no GIFTI file ({error}). Copy or "
            "fetch it again."
        ) from error
    if not isinstance(image, nib.GiftiImage) or not image.darrays:
        raise InputError(f"{who}: {path} holds no GIFTI data.")
    return image


def check_side(image: nib.GiftiImage, side: str, who: str) -> None:
    """Raise if a GIFTI file says that it is of the other hemisphere.

    Parameters
    ----------
    image : GiftiImage
    side : 'left' or 'right'
        What its name, or its place in the study, says.
    who : str
        For messages.
    """
    said = [image.meta, *(array.meta for array in image.darrays[:1])]
    for meta in said:
        structure = str(meta.get("AnatomicalStructurePrimary", ""))
        if structure == STRUCTURES[MIRRORED[side]]:
            raise InputError(
                f"{who}: its name says {side}, but the file says {structure}. Left and "
                "right are swapped in one of them; make the files anew."
            )


def check_sides(points: Mapping[str, NDArray[np.floating]], who: str) -> None:
    """Raise unless the left hemisphere lies on the left (x below that of the right).

    Parameters
    ----------
    points : mapping of 'left' and 'right' to array of shape (n_vertices, 3)
        In mm, x to the right.
    """
    left, right = (float(points[side][:, 0].mean()) for side in SIDES)
    if not left < right:
        raise InputError(
            f"{who}: the left hemisphere lies at x = {left:.1f} mm on average, the "
            f"right at {right:.1f} mm: they are swapped, or x does not run to the "
            "right. Check the order of the surfaces."
        )


def surface_topology(paths: Sequence[Path], sizes: Sequence[int]) -> tuple[str, str]:
    """Return the identity of each hemisphere's faces, after checking its place.

    Raises
    ------
    InputError
        If a surface has another number of vertices than the data, or left and right
        are swapped.
    """
    identities, points = [], {}
    for side, path, size in zip(SIDES, paths, sizes, strict=True):
        who = f"surface, {side} hemisphere"
        image = read_gifti(path, who)
        check_side(image, side, f"{who} ({path.name})")
        coordinates = image.agg_data("NIFTI_INTENT_POINTSET")
        faces = image.agg_data("NIFTI_INTENT_TRIANGLE")
        if np.ndim(coordinates) != 2 or np.ndim(faces) != 2:
            raise InputError(f"{who}: {path} holds no surface (points and faces).")
        if len(coordinates) != size:
            raise InputError(
                f"{who}: {path} has {len(coordinates)} vertices, the data {size}. It "
                "is another mesh: take the surface that the data were sampled on."
            )
        points[side] = coordinates
        identities.append(faces_identity(faces))
    check_sides(points, ", ".join(path.name for path in paths))
    return identities[0], identities[1]


def faces_identity(faces: NDArray[np.integer]) -> str:
    """Return a hash of a mesh's faces that no order of faces or corners changes."""
    ordered = np.sort(np.asarray(faces, dtype="<i8"), axis=1)
    ordered = ordered[np.lexsort(ordered.T[::-1])]
    return hashlib.sha256(ordered.tobytes()).hexdigest()


def series_rows(
    image: nib.GiftiImage, path: Path
) -> NDArray[np.floating] | list[NDArray[np.floating]]:
    """Return a time series' rows, (n_samples, n_vertices), without a copy of them."""
    arrays = [np.asarray(array.data) for array in image.darrays]
    if len(arrays) == 1 and arrays[0].ndim == 2:
        return arrays[0].T
    if any(array.shape != arrays[0].shape or array.ndim != 1 for array in arrays):
        raise InputError(
            f"{path}: its arrays have different shapes; a time series has one value "
            "per vertex and volume."
        )
    return arrays


def _series_shape(image: nib.GiftiImage, path: Path) -> tuple[int, int]:
    """Return samples and vertices, without a copy of the values."""
    rows = series_rows(image, path)
    return len(rows), len(rows[0])


def _header_tr(image: nib.GiftiImage, who: str) -> float | None:
    """Return the TR that a file's TimeStep says: in s, or in ms as FreeSurfer does."""
    for meta in (image.meta, image.darrays[0].meta):
        if "TimeStep" in meta:
            try:
                step = float(meta["TimeStep"])
            except ValueError:
                return None
            if step == 0:
                return None
            in_s = step / 1000 if step > LONGEST_TR_S else step
            return checked_tr(float(f"{in_s:.7g}"), f"{who}: TimeStep")
    return None
