"""What a study's figures are drawn from: its tables and models, and its ROIs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.rois import written_roi
from ..core.checks import InputError, nearest
from ..core.saved import SavedModel, load_model
from ..figures.solid import CortexMesh
from ..figures.surfaces import FlatMesh, flatmap_problem, mesh_name, spread
from ..study import Study
from .own_surfaces import OwnSurfaces, own_flat, own_mesh
from .regions import ALL
from .statistic_maps import TABLES
from .tables import read_rois, read_table

TEXTS = ("roi_scores", "roi_differences", "truth", "weight_components")
VOXELS = ("voxel_scores", "template_r", *TABLES)


@dataclass(frozen=True)
class Saved:
    """What the figures are drawn from."""

    study: Study
    models: dict[str, SavedModel]
    tables: dict[str, pd.DataFrame]
    rois: dict[str, dict[str, NDArray[np.bool_]]]
    out: Path
    surfaces: OwnSurfaces | None = None
    only_rois: tuple[str, ...] = ()

    @property
    def simulated(self) -> str:
        """A word for titles: nobody shall take simulated data for a brain."""
        return "simulated data: " if self.study.dataset.simulated else ""

    def problem(self, subject: str) -> str | None:
        """Say why there is no map of a subject, or return None if there is one."""
        space = self.models[subject].space
        problem = flatmap_problem(space)
        if problem is None or space.kind != "surface":
            return problem
        if self.surfaces is None:
            return f"{problem} Its own surfaces are given by --inflated and --flat"
        if not self.surfaces.fits(space):
            return f"{problem} Which vertices are left and right is not known"
        if self.surfaces.flat is None:
            return "no map: --flat is not given"
        return None

    def flat(self, subject: str) -> str | FlatMesh:
        """Return the flat cortex of a subject: its name, or the subject's own."""
        space = self.models[subject].space
        if self.surfaces is None or flatmap_problem(space) is None:
            return mesh_name(space)
        return own_flat(self.surfaces, space, subject)

    def inflated(self, subject: str) -> str | CortexMesh:
        """Return the inflated cortex of a subject: its name, or the subject's own."""
        space = self.models[subject].space
        if self.surfaces is None or flatmap_problem(space) is None:
            return mesh_name(space)
        return own_mesh(self.surfaces, space, subject)


def load_saved(
    study: Study,
    out: Path,
    subjects: Sequence[str],
    surfaces: OwnSurfaces | None = None,
    only_rois: Sequence[str] = (),
) -> Saved:
    """Read what the figures of these subjects are drawn from.

    Raises
    ------
    InputError
        If no subject has an ROI of `only_rois`, whose outlines alone maps show.
    """
    folder = out / "tables"
    tables = {name: read_table(folder, name) for name in (*TEXTS, *VOXELS)}
    models = {
        subject: load_model(out / f"models/sub-{subject}") for subject in subjects
    }
    rois = {subject: read_rois(folder, subject) for subject in subjects}
    found = {
        name: _as_written(table) if name in TEXTS else table
        for name, table in tables.items()
        if table is not None
    }
    known = {name for masks in rois.values() for name in masks if name != ALL}
    for name in only_rois:
        if name not in known:
            raise InputError(
                f"no subject has an ROI {name!r}.{nearest(name, known)} There are "
                f"{', '.join(sorted(known)) or 'none'}."
            )
    return Saved(study, models, found, rois, out, surfaces, tuple(only_rois))


def as_written(text: str) -> str:
    """Return `text` so that matplotlib draws it as it is, dollars too."""
    return text.replace("$", r"\$")


def _as_written(table: pd.DataFrame) -> pd.DataFrame:
    written = table.copy()
    for name in table:
        if pd.api.types.is_string_dtype(table[name]):
            written[name] = table[name].map(as_written)
    if "roi" in written:
        written["roi"] = written["roi"].map(written_roi)
    return written


def roi_masks(saved: Saved, subject: str) -> Mapping[str, NDArray[np.bool_]]:
    """Return each ROI over the whole mesh, for its outline."""
    masks = saved.rois[subject]
    space = saved.models[subject].space
    return {
        as_written(written_roi(name)): spread(mask, space) == 1
        for name, mask in masks.items()
        if name != ALL and (not saved.only_rois or name in saved.only_rois)
    }


def r_of(saved: Saved, subject: str, model: str, space: str) -> NDArray[np.floating]:
    """Return each voxel's saved r, in the order of the columns of Y."""
    table = saved.tables["voxel_scores"]
    wanted = {"subject": subject, "model": model, "feature_space": space, "score": "r"}
    keep = np.logical_and.reduce([table[key] == value for key, value in wanted.items()])
    return table.loc[keep, "value"].to_numpy(dtype=np.float64)


def score_limits(scores: Sequence[NDArray[np.floating]]) -> tuple[float, float]:
    """Return ends for axes of scores that hold all of them, at whole twentieths."""
    every = np.concatenate(list(scores))
    low = float(np.floor(np.nanmin(every) * 20) / 20)
    return low, max(low + 0.05, float(np.ceil(np.nanmax(every) * 20) / 20))
