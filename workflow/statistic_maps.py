"""Maps of what the tables say of each voxel: p, q, shares, the best feature space."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.hierarchy import gradient_index
from ..core.saved import SavedModel
from ..study import Study
from .tables import read_table

LEAST_R2 = 0.01  # below which there is nothing for a gradient index to divide
TABLES = (
    "voxel_significance",
    "voxel_added",
    "voxel_partition",
    "voxel_ceilings",
    "best_space",
)
CEILINGS = {
    "explainable_variance": "share of variance of single repeats",
    "largest_r": "largest r with the mean of the repeats that were scored",
    "r_over_largest_r": "r of the joint model over the largest r",
}


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """One map: its statistic, what it is of, a value per column, and facts on it."""

    stat: str
    of: str
    values: NDArray[np.floating]
    facts: dict[str, Any]


def read_statistics(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of voxels that are mapped beside scores, those there are."""
    found = {name: read_table(folder, name) for name in TABLES}
    return {name: table for name, table in found.items() if table is not None}


def statistic_maps(
    study: Study,
    out: Path,
    tables: Mapping[str, pd.DataFrame],
    model: SavedModel,
    subject: str,
) -> Iterator[Map]:
    """Yield one subject's maps of what the tables say of each voxel.

    p and q (by `analysis.fdr`) of the joint model and of each feature space alone; r2
    that one feature space adds to another, and its q; regions of the partition; the
    ceiling of each voxel; best feature space and its margin; components of the weights.
    """
    mine = {
        name: table[table["subject"] == subject].set_index("voxel")
        for name, table in tables.items()
    }
    on = OnColumns(model)
    if "voxel_significance" in mine:
        q = f"q_{study.analysis.fdr}"
        keys = ["model", "feature_space"]
        for key, rows in mine["voxel_significance"].groupby(keys, sort=False):
            of = " ".join(map(str, key))
            facts = {"Model": key[0], "FeatureSpace": key[1]}
            null = {"Null": f"{study.analysis.null}, {study.analysis.method}"}
            yield Map("p", of, on(rows["p"]), facts | null | {"Units": "p"})
            said = {"Units": f"q (FDR, {study.analysis.fdr})"}
            yield Map("q", of, on(rows[q]), facts | null | said)
    if "voxel_added" in mine:
        for key, rows in mine["voxel_added"].groupby(["added", "to"], sort=False):
            of, facts = f"{key[0]} added to {key[1]}", {"Units": "share of variance"}
            yield Map("r2", of, on(rows["r2_added"]), facts)
            yield Map("q", of, on(rows["q"]), {"Units": "q (FDR, bh)"})
    if "voxel_partition" in mine:
        for region, rows in mine["voxel_partition"].groupby("region", sort=False):
            facts = {"Region": region, "Units": "share of variance"}
            yield Map("r2", f"partition {region}", on(rows["r2"]), facts)
    if "voxel_ceilings" in mine:
        for name, units in CEILINGS.items():
            values = on(mine["voxel_ceilings"][name])
            yield Map("ceiling", name.replace("_", " "), values, {"Units": units})
    if "best_space" in mine:
        yield from _best_maps(mine["best_space"], model, on)
    yield from _component_maps(out, subject, model)


def gradient_map(
    study: Study, scores: pd.DataFrame, model: SavedModel
) -> Iterator[Map]:
    """Yield the map of the gradient index, if the study names its sides.

    From the parts of the joint model's r2, where they sum to more than 0.01.
    """
    if not study.analysis.low:
        return
    parts = scores[(scores["model"] == "part") & (scores["score"] == "r2")]
    on = OnColumns(model)
    sides = []
    for names in (study.analysis.low, study.analysis.high):
        rows = parts[parts["feature_space"].isin(names)]
        sides.append(on(rows.groupby("voxel")["value"].sum(min_count=len(names))))
    facts = {
        "LowLevel": list(study.analysis.low),
        "HighLevel": list(study.analysis.high),
        "Units": "(high - low) / (high + low)",
    }
    yield Map("index", "gradient", gradient_index(*sides, least=LEAST_R2), facts)


@dataclass(frozen=True, eq=False)
class OnColumns:
    """Puts values by voxel into the order of the columns; NaN where there is none."""

    model: SavedModel

    def __call__(self, by_voxel: pd.Series) -> NDArray[np.floating]:
        """Return values, (n_columns,), of a series with voxels as its index."""
        return by_voxel.reindex(list(self.model.space.ids)).to_numpy(dtype=float)


def _best_maps(table: pd.DataFrame, model: SavedModel, on: OnColumns) -> Iterator[Map]:
    numbers = {band.name: k for k, band in enumerate(model.bands, start=1)}
    labels = {str(k): band.label for k, band in enumerate(model.bands, start=1)}
    chosen = {"ChosenBy": "r2 on held-out training folds"}
    best = on(table["best"].map(numbers))
    yield Map("label", "best space", best, {"Labels": labels, **chosen})
    margin = {"Units": "r on test runs, best less second", **chosen}
    yield Map("margin", "best space", on(table["margin_r"]), margin)


def _component_maps(out: Path, subject: str, model: SavedModel) -> Iterator[Map]:
    path = out / f"tables/components_sub-{subject}.npz"
    if not path.exists():
        return
    with np.load(path, allow_pickle=False) as saved:
        values, reach = saved["values"], saved["reach"]
    for k, (one, full, colour) in enumerate(
        zip(values, reach, ("red", "green", "blue"), strict=True), start=1
    ):
        whole = np.full(model.space.n_voxels, np.nan)
        whole[model.valid] = one
        facts = {
            "Statistic": "component of the joint model's weights, mean over delays",
            "Colour": f"{colour}: 0 at {-full:.4g}, full at {full:.4g}",
            "FeatureSpaces": [band.label for band in model.bands],
        }
        yield Map("component", f"weights {k}", whole, facts)
