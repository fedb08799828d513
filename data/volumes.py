"""Responses as NIfTI images under a mask, every grid checked against the mask's."""

import gzip
import itertools
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nilearn.image import resample_to_img, smooth_img
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError
from ..core.types import Run, Space
from .sidecars import Timing, agreed_tr, checked_tr, read_timing

GREY = 0.5  # a voxel that is half grey matter counts as grey
BLOCK_BYTES = 64 * 2**20
SAME_PLACE_MM = 0.01
UNIT_S = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
BROKEN = (ImageFileError, HeaderDataError, EOFError, OSError, zlib.error, ValueError)


class NiftiRecording:
    """A subject's responses as 4D NIfTI images and one 3D mask.

    Headers are read and checked at once; a shortened uncompressed file is found
    then, a shortened compressed one when it is read. NaN stays as it is.

    Parameters
    ----------
    subject : str
    files : mapping of Run to Path
        In the order of the runs, as `find_runs` gives it.
    mask : Path or sequence of Path
        3D images on the grid of the runs, 0 outside and one other value inside. Of
        several, such as one per run, what is inside all of them is taken.
    grey_matter : Path, optional
        3D image of how much of each place is grey matter, 0 to 1, on any grid: it is
        resampled, and voxels below a half are left out.
    name : str, optional
        Name of the space, such as 'T1w'. The first mask's if not given.
    fwhm_mm : float, optional
        Full width at half maximum of a Gaussian that smooths each volume, in mm.

    Raises
    ------
    InputError
        If a file is damaged, or its grid (shape and affine) is not the mask's.
    MissingFileError
        If a file is a link to nothing.
    """

    def __init__(
        self,
        subject: str,
        files: Mapping[Run, Path],
        mask: Path | Sequence[Path],
        *,
        grey_matter: Path | None = None,
        name: str | None = None,
        fwhm_mm: float | None = None,
    ) -> None:
        self.subject, self._fwhm_mm = subject, fwhm_mm
        self.outside: NDArray[np.bool_] | None = None
        self.runs = tuple(files)
        masks = [mask] if isinstance(mask, Path) else list(dict.fromkeys(mask))
        more = [] if grey_matter is None else [grey_matter]
        self.files = (*files.values(), *masks, *more)
        self._path = dict(files)
        self.space, self.notes = _masked_space(
            masks, f"mask of sub-{subject}", grey_matter, name
        )
        self._mask = np.zeros(math.prod(self.space.shape), bool)
        self._mask[self.space.index] = True
        self._mask = self._mask.reshape(self.space.shape)
        self._n_samples: dict[Run, int] = {}
        self._tr_s: dict[Run, float | None] = {}
        for run, path in files.items():
            self._check(run, path)

    def n_samples(self, run: Run) -> int:
        """Return the number of volumes of a run."""
        return self._n_samples[run]

    def tr_s(self, run: Run) -> float | None:
        """Return the TR in seconds; None if header and sidecar do not say.

        A header without a unit of time does not say: its number may be a default.
        """
        return self._tr_s[run]

    def timing(self, run: Run) -> Timing:
        """Return what the run's sidecar says of its times."""
        return read_timing(self._path[run])

    def read(self, run: Run) -> NDArray[np.float32]:
        """Return a run's responses, shape (n_samples, n_voxels), as they stand."""
        out = np.empty((self._n_samples[run], self.space.n_voxels), np.float32)
        for start, rows in self.blocks(run):
            out[start : start + len(rows)] = rows
        return out

    def blocks(self, run: Run) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the run's responses some rows at a time, each with its first row.

        At most 64 MiB of the image is in memory at once, as float64.
        """
        path, n_samples = self._path[run], self._n_samples[run]
        step = max(1, BLOCK_BYTES // (8 * self._mask.size))
        try:
            # The handle stays open, or each block would unpack the file from its start.
            image = _load(path, keep_file_open=True)
            for start in range(0, n_samples, step):
                block = np.asanyarray(image.dataobj[..., start : start + step])
                if self._fwhm_mm is not None:
                    _refuse_nan(block, self._who(run), path)
                    whole = nib.Nifti1Image(block.astype(np.float32), image.affine)
                    block = np.asanyarray(smooth_img(whole, self._fwhm_mm).dataobj)
                yield start, block[self._mask].T.astype(np.float32)
        except BROKEN as error:
            raise InputError(_damaged(path, self._who(run), error)) from error

    def _check(self, run: Run, path: Path) -> None:
        who = self._who(run)
        image = open_image(path, who)
        if len(image.shape) != 4:
            raise InputError(
                f"{who}: {path} has shape {image.shape}; a run is a 4D image, volumes "
                "last."
            )
        check_grid(image.shape[:3], image.affine, self.space, f"{who} ({path.name})")
        self.notes += side_notes(image, f"{who} ({path.name})")
        self._n_samples[run] = image.shape[3]
        self._tr_s[run] = agreed_tr(_header_tr(image, who), path, who)

    def _who(self, run: Run) -> str:
        return f"sub-{self.subject}, {run}"


def side_notes(image: nib.Nifti1Image, who: str) -> list[str]:
    """Say if a header's two ways of telling places differ in which side is left."""
    sform, qform = (get(coded=True)[0] for get in (image.get_sform, image.get_qform))
    if sform is None or qform is None:
        return []
    if np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) >= 0:
        return []
    return [
        f"{who}: its sform and its qform tell left and right apart differently. The "
        "sform is taken; one of them was flipped."
    ]


def _refuse_nan(block: NDArray, who: str, path: Path) -> None:
    """Raise if volumes that shall be smoothed hold what is not finite.

    Smoothing would take it for 0 and spread that into the neighbours.
    """
    bad = int((~np.isfinite(block)).any(axis=3).sum())
    if bad:
        raise InputError(
            f"{who}: {path.name} has NaN or infinity in {bad} voxels, which smoothing "
            "would spread over their neighbours. Repair the image, or leave "
            "responses.fwhm_mm out."
        )


def open_image(path: Path, who: str) -> nib.Nifti1Image:
    """Return an image whose header is read and whose size on disk fits it.

    Parameters
    ----------
    path : Path
        A .nii or .nii.gz file.
    who : str
        What it is, for messages.

    Raises
    ------
    InputError
        If it is no NIfTI image of real numbers, or is shorter than its header says.
    MissingFileError
        If it is not there, or is a link to nothing.
    """
    if not path.is_file():
        link = path.is_symlink()
        raise MissingFileError(
            f"{who}: {path} "
            f"{'is a link to a file that is not here' if link else 'is not there'}. "
            + ("Fetch it (datalad get, git annex get)." if link else "Check the path.")
        )
    try:
        image = _load(path)
    except BROKEN as error:
        raise InputError(_damaged(path, who, error)) from error
    if not isinstance(image, nib.Nifti1Image):
        raise InputError(
            f"{who}: {path} is a {type(image).__name__}, not a volume NIfTI."
        )
    kind = image.get_data_dtype().kind
    if kind not in "iuf":
        raise InputError(f"{who}: {path} holds no real numbers but {kind!r} data.")
    if path.suffix != ".gz" and path.stat().st_size < _expected_bytes(image):
        raise InputError(_damaged(path, who))
    return image


def read_volume(path: Path, who: str) -> tuple[nib.Nifti1Image, NDArray]:
    """Return a 3D image and its values, all finite, or say what is wrong with it."""
    image, values = read_values(path, who)
    if not np.isfinite(values).all():
        raise InputError(f"{who}: {path} holds NaN or infinity. Write 0 outside it.")
    return image, values


def read_values(path: Path, who: str) -> tuple[nib.Nifti1Image, NDArray]:
    """Return a 3D image and its values, NaN as it is."""
    image = open_image(path, who)
    if len(image.shape) != 3:
        raise InputError(f"{who}: {path} must be 3D, got shape {image.shape}.")
    try:
        values = np.asanyarray(image.dataobj)
    except BROKEN as error:
        raise InputError(_damaged(path, who, error)) from error
    return image, values


def check_grid(
    shape: tuple[int, ...], affine: NDArray[np.floating], space: Space, who: str
) -> None:
    """Raise unless a grid has the shape of `space` and puts its voxels in its places.

    Parameters
    ----------
    shape : tuple of int
    affine : array of shape (4, 4)
        From voxel indices to mm.
    space : Space
        Of kind 'volume'.
    who : str
        What lies on the grid, for messages.

    Raises
    ------
    InputError
        If the shape differs, or a corner of the grid lies 0.01 mm or more away.
    """
    if tuple(shape) != space.shape:
        raise InputError(
            f"{who}: the grid is {tuple(shape)}, but that of the mask {space.name} is "
            f"{space.shape}. Resample one onto the other's grid."
        )
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in shape], [1])))
    moved = corners[:, [0, 1, 2, 3]] @ (np.asarray(affine) - space.affine).T
    gap_mm = float(np.linalg.norm(moved[:, :3], axis=1).max())
    if not gap_mm < SAME_PLACE_MM:
        raise InputError(
            f"{who}: same shape as the mask {space.name} but another affine: corners "
            f"lie up to {gap_mm:.3g} mm apart. Resample one onto the other's grid; "
            "voxels are never matched by their number alone."
        )


def _name_of_space(mask: Path) -> str:
    """Return the space that a mask's name says, or that it is this mask's own."""
    said = re.search(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9]+)", mask.name)
    return said[1] if said else f"grid of {mask.name}"


def _masked_space(
    paths: Sequence[Path], who: str, grey: Path | None, name: str | None
) -> tuple[Space, list[str]]:
    """Return the space inside every mask, and notes on what the masks do not share."""
    first, inside = _read_mask(paths[0], who)
    whole = _grid_space(first, inside, name or _name_of_space(paths[0]))
    anywhere = inside.copy()
    for path in paths[1:]:
        image, values = _read_mask(path, who)
        check_grid(image.shape, image.affine, whole, f"{who} ({path.name})")
        inside &= values
        anywhere |= values
    notes = []
    if inside.sum() < anywhere.sum():
        notes.append(
            f"{who}: {int(anywhere.sum() - inside.sum())} of {int(anywhere.sum())} "
            "voxels are in the brain masks of some runs only; they are left out."
        )
    if grey is not None:
        kept = inside & _is_grey(grey, first, who)
        notes.append(
            f"{who}: {int(kept.sum())} of {int(inside.sum())} voxels are at least half "
            "grey matter; the others are left out."
        )
        inside = kept
    if not inside.any():
        raise InputError(f"{who}: no voxel is inside every mask. Check the masks.")
    return _grid_space(first, inside, whole.name), notes


def _read_mask(path: Path, who: str) -> tuple[nib.Nifti1Image, NDArray[np.bool_]]:
    image, values = read_volume(path, who)
    kinds = np.unique(values)
    if len(kinds) > 2 or (len(kinds) == 2 and 0 not in kinds) or not values.any():
        raise InputError(
            f"{who}: {path} holds {len(kinds)} values from {kinds[0]:g} to "
            f"{kinds[-1]:g}; a mask is 0 outside and one other value inside. Threshold "
            "it first."
        )
    return image, values != 0


def _is_grey(path: Path, grid: nib.Nifti1Image, who: str) -> NDArray[np.bool_]:
    image, _ = read_volume(path, f"{who}, grey matter")
    resampled = resample_to_img(image, grid, interpolation="continuous")
    return np.asanyarray(resampled.dataobj) >= GREY


def _grid_space(image: nib.Nifti1Image, inside: NDArray[np.bool_], name: str) -> Space:
    index = np.flatnonzero(inside)
    return Space(
        "volume",
        name,
        tuple(map(str, index.tolist())),
        index=index,
        shape=tuple(map(int, image.shape)),
        affine=np.asarray(image.affine, np.float64),
    )


def _header_tr(image: nib.Nifti1Image, who: str) -> float | None:
    """Return the header's TR in seconds, None if it is 0 or has no unit."""
    unit = UNIT_S.get(image.header.get_xyzt_units()[1])
    zoom = float(image.header.get_zooms()[3])
    if unit is None or zoom == 0:
        return None
    # The header holds float32: 0.8 s would come back as 0.800000011920929.
    return checked_tr(float(f"{zoom * unit:.7g}"), f"{who}: TR in the header")


def _load(path: Path, **options: Any) -> Any:
    return nib.load(path, **options)


def _expected_bytes(image: Any) -> int:
    size = math.prod(image.shape) * image.get_data_dtype().itemsize
    return int(image.dataobj.offset) + size


def _damaged(path: Path, who: str, error: Exception | None = None) -> str:
    actual = _unpacked_bytes(path) if path.suffix == ".gz" else path.stat().st_size
    try:
        expected = f"{_expected_bytes(_load(path))} bytes"
    except BROKEN:
        expected = "a NIfTI header"
    unpacked = " when unpacked" if path.suffix == ".gz" else ""
    return (
        f"{who}: {path} is damaged or cut off: expected {expected}{unpacked}, found "
        f"{actual} bytes{f' ({error})' if error else ''}. Copy or fetch it again."
    )


def _unpacked_bytes(path: Path) -> int:
    """Return how many bytes come out of a .gz before it breaks."""
    n_bytes = 0
    try:
        with gzip.open(path) as file:
            while piece := file.read(2**16):
                n_bytes += len(piece)
    except (EOFError, OSError, zlib.error):
        pass
    return n_bytes
