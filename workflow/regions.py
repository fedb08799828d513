"""The ROIs of a study, over the columns of a subject's responses."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import InputError, nearest
from ..core.selection import Selection, masks_to_score, same_run
from ..core.types import Space
from ..data.files import file_inside, path_of
from ..data.label_rois import keep_rois, rois_from_dlabel, rois_from_hemispheres
from ..data.rois import (
    rois_from_atlas,
    rois_from_labels,
    rois_from_masks,
    runs_of_masks,
)
from ..data.surfaces import surface_topology
from ..study import Study
from .overlays import rois_from_overlays

ALL = "all voxels"
SIDES = ("train", "test")
OTHER = "other:"  # before the name of responses that are not in the study


def load_rois(
    study: Study, space: Space, subject: str
) -> tuple[dict[str, NDArray[np.bool_]], list[str]]:
    """Return the ROIs as masks over the columns of Y; all voxels if there are none.

    A file may be of each subject: {subject} in its path stands for the label.

    Raises
    ------
    InputError
        If a file of ROIs is missing or does not fit the space.
    """
    wanted, notes, found = study.rois, [], []
    rois: dict[str, NDArray[np.bool_]] = {}
    if wanted.masks:
        path = _file(study, wanted.masks, subject)
        found.append(rois_from_masks(path, space, mesh=wanted.mesh))
    if wanted.atlas:
        found.append(_atlas(study, space, subject))
    if wanted.left:
        found.append(_hemispheres(study, space, subject))
    if wanted.overlays:
        drawing = _file(study, f"{wanted.overlays}/overlays.svg", subject)
        found.append(rois_from_overlays(drawing.parent, space))
    if wanted.groups:
        found.append(rois_from_labels(space, wanted.groups))
    if wanted.each_label:
        found.append(rois_from_labels(space, None))
    for masks, said in found:
        twice = sorted(set(rois) & set(masks))
        if twice:
            raise InputError(f"ROIs of the same name: {', '.join(twice[:5])}. Rename.")
        rois |= masks
        notes += said
    if wanted.keep:
        rois = keep_rois(rois, wanted.keep)
    return rois or {ALL: np.ones(space.n_voxels, dtype=bool)}, notes


def voxels_of(study: Study, space: Space, subject: str) -> NDArray[np.bool_] | None:
    """Return which columns lie in any of `doctor.rois`; None if it names none.

    Raises
    ------
    InputError
        If a name is none of the study's ROIs, or they hold no column.
    """
    names = study.doctor.rois
    if not names:
        return None
    rois, _ = load_rois(study, space, subject)
    kept = keep_rois(rois, names, "doctor.rois")
    inside = np.any([*kept.values()], axis=0)
    if not inside.any():
        raise InputError(
            f"sub-{subject}: doctor.rois names {', '.join(names)}, which hold none of "
            "the recording's columns. Name others, or look at [rois]."
        )
    return np.asarray(inside)


def rois_to_score(
    study: Study, space: Space, rows: pd.DataFrame, subject: str
) -> tuple[dict[str, NDArray[np.bool_]], list[str]]:
    """Return the ROIs of `load_rois`, unless they were made from responses of `rows`.

    Parameters
    ----------
    study : Study
    space : Space
    rows : DataFrame
        Rows of the test runs, with `run_name`.
    subject : str

    Raises
    ------
    InputError
        If an ROI was made from responses of a run that it would be scored on.
    """
    rois, notes = load_rois(study, space, subject)
    test = frozenset(rows["run_name"])
    said = set(made_from(study, subject))
    how = "as rois.made_from or the mask file says"
    made = frozenset(said - set(SIDES)) | (test if "test" in said else frozenset())
    selections = [Selection(name, mask, how, made) for name, mask in rois.items()]
    return masks_to_score(selections, test), notes


def check_made_from(study: Study, runs: Iterable[str], subject: str) -> None:
    """Raise if what ROIs were made from is no run of the study, nor said to be other.

    Parameters
    ----------
    study : Study
    runs : iterable of str
        The subject's runs, of training and of test.
    subject : str

    Raises
    ------
    InputError
        If a name is none of the runs, 'train', 'test', or 'other: ...'.
    """
    known = list(runs)
    for name in made_from(study, subject):
        told = name in SIDES or name.startswith(OTHER)
        if told or any(same_run(name, run) for run in known):
            continue
        raise InputError(
            f"ROIs are made from {name!r}, which is no run of sub-{subject}: a test "
            "run of another spelling would be taken for other data."
            f"{nearest(name, [*known, *SIDES])} Runs are {', '.join(known[:4])}"
            f"{' ...' if known[4:] else ''}; 'train' and 'test' are whole sides, and "
            f"responses that are not in this study are named {OTHER + ' ' + name!r}."
        )


def made_from(study: Study, subject: str) -> list[str]:
    """Return what the study and its file of masks say that ROIs were made from."""
    masks = study.rois.masks
    in_file = runs_of_masks(_file(study, masks, subject)) if masks else ()
    return list(dict.fromkeys([*study.rois.made_from, *in_file]))


def roi_sizes(
    rois: Mapping[str, NDArray[np.bool_]],
    fitted: NDArray[np.bool_],
    subject: str,
) -> pd.DataFrame:
    """Return how many columns of Y each ROI has, and how many of them were fitted."""
    records = [
        (subject, name, int(mask.sum()), int((mask & fitted).sum()))
        for name, mask in rois.items()
    ]
    return pd.DataFrame(records, columns=["subject", "roi", "n_voxels", "n_fitted"])


def write_roi_sizes(
    folder: Path, out: Path, rois: Mapping[str, Mapping[str, NDArray[np.bool_]]]
) -> None:
    """Write `roi_sizes.csv` from each subject's ROIs and what was fitted in `out`."""
    tables = [
        roi_sizes(masks, np.load(out / f"models/sub-{subject}/valid.npy"), subject)
        for subject, masks in rois.items()
    ]
    whole = pd.concat(tables, ignore_index=True)
    whole.to_csv(folder / "roi_sizes.csv", index=False)


def roi_files(study: Study, subjects: Sequence[str]) -> list[str]:
    """Return the files that some subjects' ROIs are read from, below the root."""
    rois = study.rois
    named = [rois.masks, rois.atlas, rois.names, rois.left, rois.right, *rois.surfaces]
    if rois.overlays:
        named.append(f"{rois.overlays}/overlays.svg")
    found: dict[str, None] = {}
    for subject in subjects:
        for name in (name for name in named if name):
            path = path_of(study.root, name, subject)
            found[path.relative_to(study.root).as_posix()] = None
            # Outlines are drawn on a flatmap, so they depend on its surfaces too.
            drawn_on = path.parent / "surfaces"
            if path.name == "overlays.svg" and drawn_on.is_dir():
                for surface in sorted(drawn_on.glob("*.gii")):
                    found[surface.relative_to(study.root).as_posix()] = None
    return list(found)


def _file(study: Study, pattern: str, subject: str) -> Path:
    name = path_of(study.root, pattern, subject).relative_to(study.root)
    return file_inside(study.root, name.as_posix())


def _atlas(
    study: Study, space: Space, subject: str
) -> tuple[dict[str, NDArray[np.bool_]], list[str]]:
    atlas = _file(study, str(study.rois.atlas), subject)
    if atlas.name.endswith(".dlabel.nii"):
        return rois_from_dlabel(atlas, space)
    if not study.rois.names:
        raise InputError("rois.atlas needs rois.names: a table of index and name.")
    return rois_from_atlas(atlas, _file(study, study.rois.names, subject), space)


def _hemispheres(
    study: Study, space: Space, subject: str
) -> tuple[dict[str, NDArray[np.bool_]], list[str]]:
    wanted = study.rois
    paths = [_file(study, str(p), subject) for p in (wanted.left, wanted.right)]
    topology = ("", "")
    if wanted.surfaces:
        surfaces = [_file(study, name, subject) for name in wanted.surfaces]
        sizes = [part.shape[0] for part in space.parts if len(part.shape) == 1]
        topology = surface_topology(surfaces, sizes)
    return rois_from_hemispheres(paths, space, mesh=str(wanted.mesh), topology=topology)
