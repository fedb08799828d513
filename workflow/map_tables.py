"""Tables behind the maps: the best feature space, densities, weight components."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..analysis.maps import (
    WeightComponents,
    best_space_counts,
    best_space_table,
    density_table,
    weight_components,
)
from ..core.saved import SavedModel
from ..core.selection import select_best
from ..features.design import split_delays
from ..study import Study
from .scored import Floats, Part, Scored, Scores

CV_ALONE = "cv_scores_alone.npy"
SHARE = 0.1  # of the voxels, by training scores, whose weights make the components
FEWEST = 4


def map_tables(
    study: Study,
    scored: Scored,
    model: SavedModel,
    scores: Scores,
    tested: pd.DataFrame | None,
) -> Part:
    """Return `best_space`, `density` and `weight_components`, as far as they can be.

    With `best_space` come its counts per ROI, `best_space_counts`.

    Parameters
    ----------
    study : Study
    scored : Scored
    model : SavedModel
    scores : dict of (model, feature space) to {'r': (n_voxels,), 'r2': (n_voxels,)}
    tested : DataFrame or None
        `voxel_significance`, if there is one: it says where the joint model is found.
    """
    tables: dict[str, pd.DataFrame] = {}
    notes: list[str] = []
    cv = model.folder / CV_ALONE
    if cv.exists() and len(scored.bands) > 1:
        best = _best_space(scored, model, scores)
        if tested is not None:
            joint = tested[tested["model"] == "joint"].set_index("voxel")["found"]
            best["found"] = joint.reindex(best["voxel"]).to_numpy(bool)
        tables["best_space"] = best
        tables["best_space_counts"] = best_space_counts(
            best, scored.rois, subject=scored.subject
        )
    density = [
        _density(scored, scores, *pair) for pair in pairs_of(study, scored.bands)
    ]
    if density:
        tables["density"] = pd.concat(density, ignore_index=True)
    found = components_of(model, scored)
    if found is None:
        notes.append("no components of the weights: too few features or voxels.")
    else:
        tables["weight_components"] = _components_table(found, scored)
    return Part({name: scored.named(t) for name, t in tables.items()}, notes)


def components_of(model: SavedModel, scored: Scored) -> WeightComponents | None:
    """Return the main components of the joint model's weights; None if too few.

    Delays are averaged. The components are those of the tenth of the voxels that the
    joint model predicts best on held-out training folds.
    """
    n_features = sum(band.n_features for band in model.bands)
    best = select_best(
        scored.cv_scores, scored.train_runs, name="best tenth", share=SHARE
    ).mask
    if n_features < 3 or best.sum() < FEWEST:
        return None
    start, weights = 0, {}
    for band in model.bands:
        columns = model.array("weights")[start : start + band.n_columns]
        start += band.n_columns
        by_delay = split_delays(np.asarray(columns)[:, model.valid], band)
        weights[band.name] = by_delay.mean(axis=0, keepdims=True)
    return weight_components(weights, best)


def save_components(folder: Path, subject: str, found: WeightComponents) -> None:
    """Write the components of each fitted voxel, and their colours, beside tables."""
    np.savez(
        folder / f"components_sub-{subject}.npz",
        values=found.values,
        rgb=found.rgb,
        reach=found.reach,
    )


def _best_space(scored: Scored, model: SavedModel, scores: Scores) -> pd.DataFrame:
    cv = np.asarray(model.array("cv_scores_alone"))[:, model.valid]
    table = best_space_table(
        dict(zip(scored.bands, cv, strict=True)),
        {name: scores["alone", name]["r"] for name in scored.bands},
        subject=scored.subject,
    )
    return scored.at_voxels(table)


def pairs_of(study: Study, bands: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return pairs (x, y) for densities: what is added stands upright."""
    asked = [(to, added) for added, to in study.analysis.questions(bands)]
    if not asked and len(bands) > 1:
        asked = [(bands[0], bands[1])]
    seen: set[frozenset[str]] = set()
    once = []
    for pair in asked:
        if frozenset(pair) not in seen:
            once.append(pair)
            seen.add(frozenset(pair))
    return once


def _density(scored: Scored, scores: Scores, x: str, y: str) -> pd.DataFrame:
    r = [scores["alone", name]["r"] for name in (x, y)]
    known: Floats = np.concatenate(r)
    known = known[np.isfinite(known)]
    low = np.floor(known.min() * 20) / 20
    high = np.ceil(known.max() * 20) / 20
    table = density_table(*r, low=float(low), high=float(max(high, low + 0.05)))
    about = {"subject": scored.subject, "x": x, "y": y}
    counts = {
        "n_voxels_in_all": table.attrs["n_voxels"],
        "n_voxels_y_above_x": table.attrs["n_y_above"],
    }
    table.attrs = {}
    for place, (name, value) in enumerate(about.items()):
        table.insert(place, name, value)
    return table.assign(**counts)


def _components_table(found: WeightComponents, scored: Scored) -> pd.DataFrame:
    table = found.loadings.assign(
        explained=found.explained[found.loadings["component"] - 1],
        n_voxels_beyond_full_colour=found.n_beyond,
    )
    table.insert(0, "subject", scored.subject)
    return table
