"""Regions of interest: which columns of Y each of them holds."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError, nearest
from ..core.types import Space
from .text_tables import read_cells, strip_quotes
from .volumes import check_grid, read_volume

Rois = dict[str, NDArray[np.bool_]]


def rois_from_masks(
    path: Path, space: Space, *, mesh: str | None = None
) -> tuple[Rois, list[str]]:
    """Return ROIs from a .npz file of boolean masks, cut to the columns of `space`.

    Parameters
    ----------
    path : Path
        One mask per ROI, by name: over the whole grid of the space (all vertices of
        the mesh, or the volume) or over its columns. An `affine` of shape (4, 4), or
        the name of a `mesh`, may stand beside them: they must be those of the space.
        So may `runs`, names of the runs whose responses the masks were made from: see
        `runs_of_masks`.
    space : Space
    mesh : str, optional
        Name of the mesh of the masks, if the file does not say.

    Returns
    -------
    rois : dict of str to array of bool, shape (n_voxels,)
        In the file's order. ROIs without a column here are left out.
    notes : list of str
        Which ROIs lost places that the recording has not, and which were left out;
        whether anything but the number of places ties the masks to the recording.

    Raises
    ------
    InputError
        If a mask is not boolean, or has another length than grid and columns, or the
        masks are of another mesh or affine.
    MissingFileError
        If there is no such file.
    """
    if not path.is_file():
        raise MissingFileError(f"no ROI masks at {path}. Check the path.")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            masks = {name: file[name] for name in file.files}
    except Exception as error:  # a damaged zip may raise anything
        raise InputError(
            f"{path} cannot be read as a .npz file of boolean masks: {error}."
        ) from error
    masks.pop("runs", None)
    said = _check_place(masks, space, mesh, path)
    cut = {name: _cut(mask, space, f"{path}: {name}") for name, mask in masks.items()}
    sizes = {name: int(mask.sum()) for name, mask in masks.items()}
    rois, notes = without_empty(cut, sizes, path.name)
    return rois, [*said, *notes]


def runs_of_masks(path: Path) -> tuple[str, ...]:
    """Return the runs that a .npz file of masks says it was made from; none if none."""
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        if "runs" not in file.files:
            return ()
        return tuple(np.atleast_1d(file["runs"]).astype(str).tolist())


def rois_from_labels(
    space: Space, groups: Mapping[str, Sequence[str]] | None
) -> tuple[Rois, list[str]]:
    """Return ROIs as groups of labelled columns.

    Parameters
    ----------
    space : Space
        Its `ids` are the labels.
    groups : mapping of ROI name to labels, or None
        None makes an ROI of each label.

    Returns
    -------
    rois : dict of str to array of bool, shape (n_voxels,)
    notes : list of str
        Which labels the subject lacks.

    Raises
    ------
    InputError
        If the subject lacks every label of an ROI, or a label is no text.
    """
    if groups is None and space.kind != "labels":
        raise InputError(
            f"rois.each_label is for tables of labels; these responses are "
            f"{space.kind} ({space.name}), whose columns are places. Use an atlas."
        )
    if groups is None:
        own = np.eye(space.n_voxels, dtype=bool)
        return dict(zip(space.ids, own, strict=True)), []
    place = {label: i for i, label in enumerate(space.ids)}
    rois, notes = {}, []
    for name, labels in groups.items():
        _check_labels(name, labels)
        missing = [label for label in labels if label not in place]
        if len(missing) == len(labels):
            raise InputError(
                f"ROI {name!r}: none of its labels is in the recording: "
                f"{_some(missing)}.{nearest(missing[0], space.ids)} The recording has "
                f"{space.n_voxels} labels: {_some(space.ids)}."
            )
        if missing:
            notes.append(
                f"ROI {name!r}: {len(missing)} of {len(labels)} labels are not in the "
                f"recording and are left out: {_some(missing)}."
            )
        rois[name] = np.zeros(space.n_voxels, bool)
        rois[name][[place[label] for label in labels if label in place]] = True
    return rois, notes


def rois_from_atlas(
    path: Path, names_path: Path, space: Space
) -> tuple[Rois, list[str]]:
    """Return ROIs from a label image on the grid of `space`, named by number.

    Parameters
    ----------
    path : Path
        3D NIfTI of whole numbers, 0 for no region.
    names_path : Path
        .tsv or .csv with columns `index` and `name`; the order of its rows does not
        matter. A row with index 0 is no ROI.
    space : Space
        Of kind 'volume'.

    Returns
    -------
    rois : dict of str to array of bool, shape (n_voxels,)
        In the order of `names_path`. ROIs without a voxel here are left out.
    notes : list of str
        Which ROIs lost voxels that the mask has not, which were left out, and which
        numbers of the image have no name.

    Raises
    ------
    InputError
        If the grids differ, the image holds fractions, or numbers or names repeat.
    MissingFileError
        If a file is missing.
    """
    if space.kind != "volume":
        raise InputError(
            f"an atlas image needs responses from a volume; these are {space.kind} "
            f"({space.name}). Use masks over the columns instead."
        )
    image, values = read_volume(path, "atlas")
    _check_template(path, space)
    check_grid(image.shape, image.affine, space, f"atlas {path.name}")
    if not (values == np.round(values)).all():
        raise InputError(
            f"atlas {path} holds numbers that are not whole, as after interpolation. "
            "Resample it by nearest neighbour."
        )
    names = _atlas_names(names_path)
    check_wrapped(names, image.get_data_dtype(), path)
    unnamed = sorted(set(np.unique(values).astype(int).tolist()) - set(names) - {0})
    names.pop(0, None)
    cut = {
        name: values.ravel()[space.index] == number for number, name in names.items()
    }
    sizes = {name: int((values == number).sum()) for number, name in names.items()}
    rois, notes = without_empty(cut, sizes, path.name)
    if unnamed:
        notes.append(
            f"{path.name}: {len(unnamed)} numbers have no name in {names_path.name} "
            f"and make no ROI: {_some(list(map(str, unnamed)))}."
        )
    return rois, notes


def _check_template(path: Path, space: Space) -> None:
    """Refuse an atlas whose name says another space than the responses are in."""
    said = re.search(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9]+)", path.name)
    if said and space.name.isalnum() and said[1] != space.name:
        raise InputError(
            f"atlas {path.name} is of the space {said[1]}, the responses of "
            f"{space.name}. A grid may be the same and the brain on it another: take "
            f"the atlas for {space.name}."
        )


def _check_place(
    masks: dict[str, NDArray], space: Space, mesh: str | None, path: Path
) -> list[str]:
    """Take affine and mesh out of `masks`; refuse those that are not the space's."""
    affine = masks.pop("affine", None)
    own = masks.pop("mesh", None)
    mesh = mesh if own is None else str(own)
    if mesh is not None and mesh.partition(":")[0] != space.name:
        raise InputError(
            f"{path} holds masks of the mesh {mesh!r}, but the responses are of "
            f"{space.name!r} ({space.kind}). Bring the masks there first."
        )
    if affine is not None:
        if space.kind != "volume" or np.shape(affine) != (4, 4):
            raise InputError(
                f"{path} holds an affine of shape {np.shape(affine)}, the responses "
                f"are {space.kind}. Take it out, or use masks of a volume."
            )
        check_grid(space.shape, affine, space, path.name)
    if space.kind == "labels" or mesh is not None or affine is not None:
        return []
    what = "affine" if space.kind == "volume" else "mesh"
    return [
        f"{path.name}: only the number of places ties these masks to the recording. "
        f"Save their {what} beside them as {what!r}, so that it can be checked."
    ]


def _cut(mask: NDArray, space: Space, what: str) -> NDArray[np.bool_]:
    if mask.dtype != bool:
        raise InputError(
            f"{what} must be boolean, got {mask.dtype}. Threshold it (mask > 0.5)."
        )
    n_grid = math.prod(space.shape) if space.shape else 0
    if mask.shape in (space.shape, (n_grid,)) and space.index is not None:
        return mask.ravel()[space.index]
    if mask.shape == (space.n_voxels,):
        return mask.copy()
    grid = f"{space.shape or 'no grid'} places in {space.name}"
    raise InputError(
        f"{what} has shape {mask.shape}, but the recording has {space.n_voxels} "
        f"columns and {grid}. Make the mask over one of them."
    )


def without_empty(
    cut: Rois, sizes: Mapping[str, int], source: str
) -> tuple[Rois, list[str]]:
    """Return the ROIs that hold a column, and notes on what the cut took."""
    rois = {name: mask for name, mask in cut.items() if mask.any()}
    empty = [name for name in cut if name not in rois]
    if not rois:
        raise InputError(
            f"{source}: none of its {len(cut)} ROIs holds a column of this recording: "
            f"{_some(empty)}. Check that they are of the same mesh or volume."
        )
    lost = [
        f"{name} keeps {rois[name].sum()} of {sizes[name]}"
        for name in rois
        if rois[name].sum() < sizes[name]
    ]
    notes = []
    if lost:
        notes.append(
            f"{source}: {len(lost)} of {len(cut)} ROIs reach beyond the recording and "
            f"are cut to it: {_some(lost)}."
        )
    if empty:
        notes.append(
            f"{source}: {len(empty)} of {len(cut)} ROIs hold no column of this "
            f"recording and are left out: {_some(empty)}."
        )
    return rois, notes


def _check_labels(name: str, labels: Sequence[str]) -> None:
    is_list = isinstance(labels, list | tuple) and len(labels) > 0
    if not is_list or not all(isinstance(label, str) for label in labels):
        raise InputError(
            f"ROI {name!r} must be a list of labels as text, got {labels!r}. Put "
            "numbers in quotes, as they stand in the header."
        )


def _atlas_names(path: Path) -> dict[int, str]:
    header, cells = read_cells(path, "names of the atlas")
    if "index" not in header or "name" not in header:
        raise InputError(
            f"{path}: columns 'index' and 'name' are needed, found {', '.join(header)}."
        )
    columns = [[row[header.index(key)] for row in cells] for key in ("index", "name")]
    labels, _, _ = strip_quotes(columns[1])
    wrong = [number for number in columns[0] if not number.lstrip("-").isdecimal()]
    if wrong or "" in labels:
        raise InputError(
            f"{path}: every row needs a whole number and a name; got index "
            f"{wrong[0] if wrong else 'with an empty name'!r}."
        )
    numbers = list(map(int, columns[0]))
    for what, several in (("index", list(map(str, numbers))), ("name", labels)):
        twice = sorted({one for one in several if several.count(one) > 1})
        if twice:
            raise InputError(
                f"{path}: {what} stands twice: {_some(twice)}. Give each region its "
                "own (left and right apart), or merge them in the image."
            )
    return dict(zip(numbers, labels, strict=True))


def check_wrapped(names: Mapping[int, str], dtype: np.dtype, path: Path) -> None:
    """Refuse names for numbers that the image's type cannot hold."""
    if dtype.kind not in "iu":
        return
    limits = np.iinfo(dtype)
    beyond = [number for number in names if not limits.min <= number <= limits.max]
    if beyond:
        raise InputError(
            f"atlas {path} is stored as {dtype}, up to {limits.max}, but the names go "
            f"up to {max(names)}: its numbers may have wrapped round. Store it as "
            "int32."
        )


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - 8} more" if len(words) > 8 else ""
    return ", ".join(words[:8]) + more
