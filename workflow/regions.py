"""The ROIs of a study, over the columns of a subject's responses."""

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError
from ..core.types import Space
from ..data.files import file_inside
from ..data.rois import rois_from_atlas, rois_from_labels, rois_from_masks
from ..study import Study

ALL = "all voxels"


def load_rois(
    study: Study, space: Space
) -> tuple[dict[str, NDArray[np.bool_]], list[str]]:
    """Return the ROIs as masks over the columns of Y; all voxels if there are none.

    Raises
    ------
    InputError
        If a file of ROIs is missing or does not fit the space.
    """
    wanted, notes, found = study.rois, [], []
    rois: dict[str, NDArray[np.bool_]] = {}
    if wanted.masks:
        found.append(rois_from_masks(file_inside(study.root, wanted.masks), space))
    if wanted.atlas:
        if not wanted.names:
            raise InputError("rois.atlas needs rois.names: a table of index and name.")
        atlas = file_inside(study.root, wanted.atlas)
        names = file_inside(study.root, wanted.names)
        found.append(rois_from_atlas(atlas, names, space))
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
    return rois or {ALL: np.ones(space.n_voxels, dtype=bool)}, notes


def roi_files(study: Study) -> list[str]:
    """Return the files that ROIs are read from, as the study names them."""
    named = (study.rois.masks, study.rois.atlas, study.rois.names)
    return [name for name in named if name]
