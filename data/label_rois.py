"""ROIs from label files: GIFTI and FreeSurfer per hemisphere, CIFTI for grayordinates.

Names are joined to regions by the number in the file, never by their order, and the
mesh is checked: its name, the vertices of each hemisphere, and its faces where both
sides know them.
"""

import gzip
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import cifti2
from nibabel.freesurfer import read_annot
from numpy.typing import NDArray

from ..core.checks import InputError, MissingFileError, nearest
from ..core.types import Part, Space
from .grayordinates import LEFT, RIGHT, open_cifti
from .rois import Rois, check_wrapped, without_empty
from .surfaces import SIDES, check_side, read_gifti

NOTHING = ("unknown", "???", "medial_wall", "medial wall", "medialwall", "background")
NAMED_SIDES = {
    **{"lh": "left", "rh": "right", "hemi-l": "left", "hemi-r": "right"},
    **{"l": "left", "r": "right"},  # as the Human Connectome Project names its files
}
CORTEX = {"left": ("left", LEFT), "right": ("right", RIGHT)}


def rois_from_hemispheres(
    paths: Sequence[Path],
    space: Space,
    *,
    mesh: str,
    topology: Sequence[str] = ("", ""),
) -> tuple[Rois, list[str]]:
    """Return ROIs from a label file of each hemisphere.

    Parameters
    ----------
    paths : (Path, Path)
        Left and right: .label.gii, .label.gii.gz or .annot.
    space : Space
        Of a mesh, or of grayordinates, whose cortex is then meant.
    mesh : str
        Name of the mesh that the labels are of; it must be that of the space.
    topology : (str, str)
        Identity of the faces of that mesh, '' if not known.

    Returns
    -------
    rois : dict of str to array of bool, shape (n_voxels,)
        'left NAME', then 'right NAME', in the order of the numbers.
    notes : list of str
        What the cut to the recording took, and numbers without a name.

    Raises
    ------
    InputError
        If mesh, vertices, faces or hemisphere are not those of the space, or the
        labels do not fit their type.
    """
    if mesh.partition(":")[0] != space.name.partition(":")[0]:
        raise InputError(
            f"the labels are of the mesh {mesh!r}, the responses of {space.name!r}. "
            "Labels of one mesh say nothing about another, even of the same size: "
            "resample them first."
        )
    whole: dict[str, tuple[Part, NDArray[np.bool_]]] = {}
    notes = []
    for side, path, faces in zip(SIDES, paths, topology, strict=True):
        part = _part_of(space, side)
        labels, names, dtype = _read_labels(path, side)
        _check_mesh(part, len(labels), faces, path)
        check_wrapped(names, dtype, path)
        notes += _unnamed(labels, names, path)
        for number, name in names.items():
            if number != 0 and name.lower() not in NOTHING and number in labels:
                _add(whole, f"{side} {name}", part, labels == number, path)
    rois = {name: on_columns(space, *one) for name, one in whole.items()}
    sizes = {name: int(mask.sum()) for name, (_, mask) in whole.items()}
    cut, said = without_empty(rois, sizes, f"{paths[0].name}, {paths[1].name}")
    return cut, [*notes, *said]


def rois_from_dlabel(path: Path, space: Space) -> tuple[Rois, list[str]]:
    """Return ROIs from a CIFTI label file, over the structures of `space`.

    Parameters
    ----------
    path : Path
        A .dlabel.nii file of one map.
    space : Space
        Of grayordinates; its structures must have the same mesh or volume.

    Returns
    -------
    rois : dict of str to array of bool, shape (n_voxels,)
        By the names of the table, in the order of the numbers.
    notes : list of str

    Raises
    ------
    InputError
        If the responses are no grayordinates, a structure lies on another grid, or
        the labels are not whole, have no name or do not fit their type.
    """
    if space.kind != "grayordinates":
        raise InputError(
            f"{path.name} labels grayordinates; these responses are {space.kind} "
            f"({space.name}). Use label files of their own kind."
        )
    image = open_cifti(path, "labels")
    axes = [image.header.get_axis(k) for k in range(image.ndim)]
    kinds = (cifti2.LabelAxis, cifti2.BrainModelAxis)
    if len(axes) != 2 or not all(map(isinstance, axes, kinds)) or len(axes[0]) != 1:
        raise InputError(f"{path} must be a .dlabel.nii of one map of labels.")
    table, brain = axes
    values = np.asanyarray(image.dataobj)[0]
    if not (values == np.round(values)).all():
        raise InputError(
            f"{path} holds numbers that are not whole, as after interpolation."
        )
    names = {int(key): str(label[0]) for key, label in table.label[0].items()}
    check_wrapped(names, image.get_data_dtype(), path)
    on_space = _joined(brain, values.astype(np.int64), space, path)
    whole = values.astype(np.int64)
    notes = _unnamed(whole, names, path)
    kept = {
        number: name
        for number, name in sorted(names.items())
        if number != 0 and name.lower() not in NOTHING and number in whole
    }
    _check_names(list(kept.values()), path)
    rois = {name: on_space[space.index] == number for number, name in kept.items()}
    sizes = {name: int((whole == number).sum()) for number, name in kept.items()}
    cut, said = without_empty(rois, sizes, path.name)
    return cut, [*notes, *said]


def keep_rois(rois: Rois, keep: Sequence[str], key: str = "rois.keep") -> Rois:
    """Return the ROIs that are named (by `key` of the study file), in that order.

    Raises
    ------
    InputError
        If one is not there; the nearest is named.
    """
    for name in keep:
        if name not in rois:
            raise InputError(
                f"{key} names {name!r}, which is no ROI here.{nearest(name, rois)} "
                f"There are {len(rois)}: {', '.join(list(rois)[:8])}"
                f"{' ...' if len(rois) > 8 else ''}."
            )
    return {name: rois[name] for name in keep}


def on_columns(space: Space, part: Part, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask over one part's own grid as one over the columns of the space."""
    on_space = np.zeros(sum(len(one.index) for one in space.parts), bool)
    start = 0
    for one in space.parts:
        if one is part:
            on_space[start : start + len(one.index)] = mask[one.index]
        start += len(one.index)
    return on_space[space.index]


def _part_of(space: Space, side: str) -> Part:
    found = [part for part in space.parts if part.name in CORTEX[side]]
    if len(found) != 1:
        raise InputError(
            f"labels of the {side} hemisphere need responses whose hemispheres are "
            f"known; these are {space.kind} ({space.name}). Name the mesh of the "
            "responses, or use masks over the columns."
        )
    return found[0]


def _check_mesh(part: Part, n_labels: int, faces: str, path: Path) -> None:
    if (n_labels,) != part.shape:
        raise InputError(
            f"{path} labels {n_labels} vertices, but this hemisphere of the responses "
            f"has {part.shape[0]}. They are of another mesh or density: resample the "
            "labels."
        )
    if faces and part.topology and faces != part.topology:
        raise InputError(
            f"{path} is of a mesh with as many vertices but other faces than that of "
            "the responses: another subject, or another registration. Bring the labels "
            "to the mesh of the responses."
        )


def _read_labels(
    path: Path, side: str
) -> tuple[NDArray[np.int64], dict[int, str], np.dtype]:
    """Return the number of each vertex, the names by number, and the stored type."""
    said = next((s for key, s in NAMED_SIDES.items() if key in _words(path)), side)
    if said != side:
        raise InputError(
            f"{path} is named as the {said} hemisphere, but given as the {side}. Swap "
            "rois.left and rois.right."
        )
    if path.name.endswith(".annot"):
        if not path.is_file():
            raise MissingFileError(f"no labels at {path}. Check the path.")
        try:
            labels, colours, names = read_annot(path, orig_ids=True)
        except Exception as error:  # a damaged file may raise anything
            raise InputError(f"{path} cannot be read as .annot: {error}.") from error
        # A vertex bears its region's colour as one number; 0 is none.
        numbers = colours[:, -1].tolist()
        table = {int(n): name.decode() for n, name in zip(numbers, names, strict=True)}
        return labels.astype(np.int64), table, labels.dtype
    image = _label_gifti(path)
    check_side(image, side, str(path))
    (array,) = image.darrays if len(image.darrays) == 1 else (None,)
    if array is None or array.data.ndim != 1:
        raise InputError(f"{path} must hold one map of labels.")
    if not (array.data == np.round(array.data)).all():
        raise InputError(
            f"{path} holds numbers that are not whole, as after interpolation."
        )
    names = {
        int(key): str(name)
        for key, name in image.labeltable.get_labels_as_dict().items()
    }
    return array.data.astype(np.int64), names, array.data.dtype


def _label_gifti(path: Path) -> nib.GiftiImage:
    """Return a GIFTI file, unpacked first if its name ends on .gz."""
    if not path.name.endswith(".gz") or not path.is_file():
        return read_gifti(path, "labels")
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be unpacked: {error}.") from error
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / path.name.removesuffix(".gz")
        plain.write_bytes(content)
        return read_gifti(plain, f"labels in {path.name}")


def _words(path: Path) -> set[str]:
    return set(path.name.lower().replace("_", ".").split("."))


def _add(whole: dict, name: str, part: Part, mask: NDArray, path: Path) -> None:
    if name in whole:
        raise InputError(
            f"{path}: {name!r} stands twice in its table of names. Give each number "
            "its own name, or merge them."
        )
    whole[name] = (part, mask)


def _check_names(names: list[str], path: Path) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"{path}: names stand twice in its table: {', '.join(twice[:5])}. Give "
            "each number its own name, or merge them."
        )


def _unnamed(
    labels: NDArray[np.int64], names: Mapping[int, str], path: Path
) -> list[str]:
    strange = sorted(set(np.unique(labels).tolist()) - set(names) - {0})
    if not strange:
        return []
    return [
        f"{path.name}: {len(strange)} numbers have no name and make no ROI: "
        f"{', '.join(map(str, strange[:8]))}."
    ]


def _joined(
    brain: Any, values: NDArray[np.int64], space: Space, path: Path
) -> NDArray[np.int64]:
    """Return the label of each grayordinate of the space, joined by its place."""
    labels = {}
    for structure, columns, piece in brain.iter_structures():
        labels[structure] = (piece, values[columns])
    found = []
    for part in space.parts:
        grid = np.zeros(int(np.prod(part.shape)), np.int64)
        if part.name in labels:
            piece, here = labels[part.name]
            grid[_places(piece, part, space, path)] = here
        found.append(grid[part.index])
    return np.concatenate(found)


def _places(piece: Any, part: Part, space: Space, path: Path) -> NDArray:
    if len(part.shape) == 1:
        n_vertices = int(piece.nvertices.get(part.name, 0))
        if n_vertices != part.shape[0]:
            raise InputError(
                f"{path}: {part.name} has {n_vertices} vertices, in the responses "
                f"{part.shape[0]}. They are of another mesh or density: resample the "
                "labels."
            )
        return piece.vertex
    same = tuple(piece.volume_shape or ()) == part.shape
    affine = np.full((4, 4), np.nan) if space.affine is None else space.affine
    if not same or not np.allclose(piece.affine, affine, atol=1e-3):
        raise InputError(
            f"{path}: the voxels of {part.name} lie on another grid (shape or affine) "
            "than those of the responses. Resample the labels."
        )
    return np.ravel_multi_index(tuple(piece.voxel.T), part.shape)
