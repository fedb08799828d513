"""Writes a run's maps: scores, band parts and weights, in the space they came from."""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.artefacts import package_versions
from ..core.saved import SavedModel, load_model
from ..data.maps import map_problem, write_description, write_map
from ..features.design import split_delays
from ..study import Study
from .statistic_maps import Map, gradient_map, read_statistics, statistic_maps
from .tables import read_table

FEW_FEATURES = 8
UNITS = {"r": "correlation", "r2": "share of variance"}
MODELS = {
    "joint": "banded ridge over all feature spaces",
    "plain": "ridge with one penalty for all feature spaces",
    "alone": "ridge on this feature space alone",
    "part": "what this feature space adds to the joint score (product measure)",
}


def write_maps(
    study: Study, out: Path, folder: Path, subjects: Sequence[str]
) -> list[str]:
    """Write every map of a run into `folder`, as BIDS derivatives.

    Parameters
    ----------
    study : Study
    out : Path
        Folder of the results: models/ and tables/ are read.
    folder : Path
    subjects : sequence of str

    Returns
    -------
    notes : list of str
        Subjects that there are no map files of, and why.
    """
    version = package_versions(["brain2music"]).get("brain2music", "unknown")
    write_description(folder, study.title, version)
    table, notes = read_table(out / "tables", "voxel_scores"), []
    statistics = read_statistics(out / "tables")
    for subject in subjects:
        model = load_model(out / f"models/sub-{subject}")
        problem = map_problem(model.space)
        if problem or table is None:
            notes.append(f"sub-{subject}: {problem or 'no scores to map'}.")
            continue
        names: dict[str, str] = {}
        scores = table[table["subject"] == subject]
        every = chain(
            _maps(scores, model),
            statistic_maps(study, out, statistics, model, subject),
            gradient_map(study, scores, model),
        )
        for one in every:
            labels = {"sub": _alphanumeric(subject), "stat": one.stat}
            labels["desc"] = _unlike(names, one.of)
            write_map(
                folder / f"sub-{_alphanumeric(subject)}" / "func",
                labels,
                one.values,
                model.space,
                name=f"{one.of}, {one.stat}",
                facts={
                    "Description": f"{one.of}: {one.stat} per voxel",
                    "Simulated": study.dataset.simulated,
                    "NumberOfVoxelsFitted": int(model.valid.sum()),
                    **one.facts,
                },
            )
    return notes


def _maps(table: pd.DataFrame, model: SavedModel) -> Iterator[Map]:
    """Yield the maps of one subject: every score of the table, then the weights."""
    keys = ["model", "feature_space", "score"]
    for key, rows in table.groupby(keys, sort=False):
        name, space, score = map(str, key)
        by_voxel = rows.set_index("voxel")["value"]
        facts = {
            "Model": name,
            "ModelDescription": MODELS.get(name, name),
            "FeatureSpace": space,
            "Units": UNITS.get(score, score),
        }
        values = by_voxel.reindex(list(model.space.ids)).to_numpy(dtype=float)
        yield Map(_alphanumeric(score), f"{name} {space}", values, facts)
    yield from _weight_maps(model)


def _weight_maps(model: SavedModel) -> Iterator[Map]:
    """Yield the norm of each band's weights, and each feature's mean over delays.

    The latter for bands of few features alone.
    """
    start = 0
    for band in model.bands:
        rows = slice(start, start + band.n_columns)
        weights = np.asarray(model.array("weights")[rows], dtype=np.float64)
        start += band.n_columns
        facts = {"Model": "joint", "FeatureSpace": band.name, "Units": "arbitrary"}
        norm = np.sqrt((weights**2).sum(axis=0))
        about = {"Statistic": "Euclidean norm of the weights over delays and features"}
        yield Map("norm", f"weights {band.name}", norm, facts | about)
        if band.n_features > FEW_FEATURES:
            continue
        by_feature = split_delays(weights, band).mean(axis=0)
        for k, values in enumerate(by_feature):
            of_one = {"Statistic": "mean of the weights over delays", "Feature": k}
            yield Map("mean", f"weights {band.name} {k}", values, facts | of_one)


def _alphanumeric(text: str) -> str:
    """Return letters and digits alone, words run together in camel case."""
    first, *rest = re.findall(r"[A-Za-z0-9]+", text) or ["x"]
    return first + "".join(word[0].upper() + word[1:] for word in rest)


def _unlike(names: dict[str, str], of: str) -> str:
    """Return a label for `of` that no other thing of this subject has."""
    wanted, n = _alphanumeric(of), 1
    label = wanted
    while names.setdefault(label, of) != of:
        n += 1
        label = f"{wanted}V{n}"
    return label
