"""Maps of values over the brain, as files of the kind that the responses came from.

A volume becomes NIfTI, a mesh one GIFTI file per hemisphere, grayordinates CIFTI.
Values are stored as float32 and come back to the bit; places without a value are NaN.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import cifti2
from numpy.typing import ArrayLike, NDArray

from ..core.checks import InputError
from ..core.types import Space
from .grayordinates import open_cifti, space_axis
from .surfaces import STRUCTURES, check_side, read_gifti
from .volumes import check_grid, read_values

Floats32 = NDArray[np.float32]
LETTERS = {"left": "L", "right": "R"}


def map_problem(space: Space) -> str | None:
    """Say why there can be no map files of `space`, or return None.

    Examples
    --------
    >>> map_problem(Space("labels", "Shen", ("1", "2")))
    'no map files: these labels have no position; the tables hold their values'
    """
    if space.kind == "labels":
        return (
            "no map files: these labels have no position; the tables hold their values"
        )
    if space.kind == "surface" and [part.name for part in space.parts] != list(LETTERS):
        return (
            f"no map files: where the hemispheres of the mesh {space.name!r} meet is "
            "not known"
        )
    return None


def write_map(
    folder: Path,
    labels: Mapping[str, str],
    values: ArrayLike,
    space: Space,
    *,
    name: str,
    facts: Mapping[str, Any],
) -> list[Path]:
    """Write one value per column of Y as a map, with a JSON sidecar to each file.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    labels : mapping of str to str
        Entities of the name, such as {'sub': '01', 'stat': 'r', 'desc': 'jointAll'};
        hemisphere and space are put in between.
    values : array of shape (n_voxels,)
        Rounded to float32. NaN where there is none.
    space : Space
    name : str
        What the map shows, for the files themselves.
    facts : mapping
        For the sidecar; JSON types only.

    Returns
    -------
    paths : list of Path
        The images: one, or the left and the right hemisphere.

    Raises
    ------
    InputError
        If the space has no map files, or `values` has not one value per column.
    """
    problem = map_problem(space)
    if problem:
        raise InputError(f"space {space.name!r}: {problem}.")
    rounded = np.asarray(values, dtype=np.float32)
    if rounded.shape != (space.n_voxels,):
        raise InputError(
            f"values has shape {rounded.shape}, and space {space.name!r} has "
            f"{space.n_voxels} columns. Give one value per column of the responses."
        )
    folder.mkdir(parents=True, exist_ok=True)
    whole = np.full(math.prod(space.shape), np.nan, np.float32)
    whole[space.index] = rounded
    said = {**space_facts(space), **facts}
    if space.kind == "surface":
        return _write_surface(folder, labels, whole, space, (name, said))
    ending = "nii.gz" if space.kind == "volume" else "dscalar.nii"
    path = folder / f"{_stem(labels, space)}.{ending}"
    image: Any
    if space.kind == "volume":
        image = nib.Nifti1Image(whole.reshape(space.shape), space.affine)
        image.header.set_xyzt_units("mm")
        code = "mni" if space.name.startswith("MNI152") else "scanner"
        image.set_sform(space.affine, code)
        image.set_qform(space.affine, code)
        image.header["descrip"] = name.encode("ascii", "replace")[:79]
    else:
        axes = (cifti2.ScalarAxis([name]), space_axis(space))
        image = nib.Cifti2Image(whole[None], axes)
        image.nifti_header.set_data_dtype(np.float32)
        image.nifti_header.set_intent("ConnDenseScalar", name="ConnDenseScalar")
    nib.save(image, path)
    _write_sidecar(path, said)
    return [path]


def read_map(paths: Sequence[Path], space: Space) -> Floats32:
    """Return the values of a map that `write_map` wrote, over the columns of `space`.

    Raises
    ------
    InputError
        If the files lie on another grid or mesh, or are of the other hemisphere.
    """
    if space.kind == "volume":
        image, values = read_values(paths[0], "map")
        check_grid(image.shape, image.affine, space, paths[0].name)
        whole = values.ravel()
    elif space.kind == "grayordinates":
        cifti = open_cifti(paths[0], "map")
        if cifti.header.get_axis(1) != space_axis(space):
            raise InputError(
                f"{paths[0]} has other grayordinates than the space {space.name!r}."
            )
        whole = np.asanyarray(cifti.dataobj)[0]
    else:
        whole = np.concatenate(
            [
                _read_side(path, part.name, part.shape)
                for path, part in zip(paths, space.parts, strict=True)
            ]
        )
    return np.asarray(whole, np.float32)[space.index]


def space_label(space: Space) -> str:
    """Return the label of a space in file names; 'individual' if it has no such name.

    Examples
    --------
    >>> space_label(Space("labels", "sub-01_mask", ("1",)))
    'individual'
    """
    return space.name if space.name.isalnum() else "individual"


def space_facts(space: Space) -> dict[str, Any]:
    """Return what a sidecar says of the space of a map."""
    facts: dict[str, Any] = {"Space": space.name, "SpaceKind": space.kind}
    if space.affine is not None and space.kind == "volume":
        facts |= {"Shape": list(space.shape), "Affine": space.affine.tolist()}
    for part in space.parts if space.kind == "surface" else ():
        facts.setdefault("Vertices", {})[part.name] = part.shape[0]
        if part.topology:
            facts.setdefault("FacesSHA256", {})[part.name] = part.topology
    return facts | {"Missing": "NaN where nothing was measured or fitted"}


def write_description(folder: Path, title: str, version: str) -> None:
    """Write `dataset_description.json`, as every folder of BIDS derivatives has it."""
    content = {
        "Name": f"{title}: maps",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "brain2music", "Version": version}],
    }
    text = json.dumps(content, indent=1)
    (folder / "dataset_description.json").write_text(text + "\n", encoding="utf-8")


def _write_surface(
    folder: Path,
    labels: Mapping[str, str],
    whole: Floats32,
    space: Space,
    said: tuple[str, Mapping[str, Any]],
) -> list[Path]:
    name, facts = said
    paths, start = [], 0
    for part in space.parts:
        here = whole[start : start + part.shape[0]]
        start += part.shape[0]
        meta = nib.gifti.GiftiMetaData(
            {"AnatomicalStructurePrimary": STRUCTURES[part.name], "Name": name}
        )
        array = nib.gifti.GiftiDataArray(
            here, "NIFTI_INTENT_SHAPE", "NIFTI_TYPE_FLOAT32", meta={"Name": name}
        )
        stem = _stem(labels, space, LETTERS[part.name])
        paths.append(folder / f"{stem}.shape.gii")
        nib.save(nib.GiftiImage(darrays=[array], meta=meta), paths[-1])
        _write_sidecar(paths[-1], {**facts, "Hemisphere": LETTERS[part.name]})
    return paths


def _read_side(path: Path, side: str, shape: tuple[int, ...]) -> Floats32:
    image = read_gifti(path, "map")
    check_side(image, side, str(path))
    values = image.darrays[0].data
    if values.shape != shape:
        raise InputError(
            f"{path} has {len(values)} vertices, the {side} hemisphere {shape[0]}."
        )
    return values


def _stem(labels: Mapping[str, str], space: Space, hemi: str | None = None) -> str:
    """Return a file's name without its ending, its entities in the order of BIDS."""
    pairs = {"sub": labels["sub"]}
    if hemi is not None:
        pairs["hemi"] = hemi
    pairs["space"] = space_label(space)
    pairs |= {key: label for key, label in labels.items() if key != "sub"}
    return "_".join(f"{key}-{label}" for key, label in pairs.items()) + "_statmap"


def _write_sidecar(path: Path, facts: Mapping[str, Any]) -> None:
    stem = path.name.split(".")[0]
    text = json.dumps(dict(facts), indent=1, allow_nan=False)
    path.with_name(f"{stem}.json").write_text(text + "\n", encoding="utf-8")
