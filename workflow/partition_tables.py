"""What feature spaces explain alone, share, and add to each other: tables."""

from typing import Any

import numpy as np
import pandas as pd

from ..analysis.added import Question, what_is_added
from ..analysis.partition import (
    Partition,
    Subset,
    partition_table,
    partition_variance,
    subsets_of,
    unique_shares,
    views_notes,
    views_table,
)
from ..analysis.partition_intervals import (
    Drawn,
    bootstrap_parts,
    bootstrap_regions,
    with_intervals,
)
from ..analysis.rois import members_of
from ..analysis.stacking import stack, stacked_r2
from ..core.stats import r2_score
from ..study import Study
from .scored import Floats, Part, Scored, Scores
from .subsets import SavedSubsets

MOST_NOTES = 5
P_FOUND = 0.05
VIEW = ("low", "high", "p", "p_all")


def partition_tables(
    study: Study,
    scored: Scored,
    scores: Scores,
    saved: SavedSubsets | None,
    tested: pd.DataFrame | None,
) -> Part:
    """Return `partition`, `partition_views`, `voxel_partition`, `added`, `voxel_added`.

    As far as the study asks for them and their models were fitted.

    Parameters
    ----------
    study : Study
    scored : Scored
    scores : dict of (model, feature space) to {'r': (n_voxels,), 'r2': (n_voxels,)}
    saved : SavedSubsets or None
    tested : DataFrame or None
        `roi_significance`, if there is one: views are compared in notes only where the
        joint model is more than chance, by the p corrected for all ROIs.
    """
    saved = saved or SavedSubsets({})
    tables, notes = added_tables(study, scored, saved)
    spaces = study.analysis.partitioned(scored.bands)
    known = _predictions(scored, saved)
    if not spaces or any(subset not in known for subset in subsets_of(spaces)):
        return Part(tables, notes)
    r2 = {s: _r2(scored, scores, known, s) for s in subsets_of(spaces)}
    partition = partition_variance(r2, spaces)
    drawn = _drawn(study, scored)
    names = list(scored.rois)
    regions = bootstrap_regions(drawn, known, partition.subsets)
    named = {" & ".join(s): r for s, r in zip(partition.subsets, regions, strict=True)}
    table = partition_table(partition, scored.rois, subject=scored.subject)
    table = with_intervals(table, named, names, by="region")
    tables["partition"] = table.assign(source=_region_sources(table["region"], scored))
    tables["voxel_partition"] = _voxel_table(partition, scored)
    if saved.weights is not None:
        parts = _parts(scored, saved, spaces)
        views = _views(scored, scores, partition, parts, saved.weights)
        table = views_table(views, scored.rois, subject=scored.subject)
        for view, shares in {
            "product": bootstrap_parts(drawn, parts["product"]),
            "unique": regions[: len(spaces)],
            "stacked": bootstrap_parts(drawn, parts["stacked"]),
        }.items():
            of_space = dict(zip(spaces, shares, strict=True))
            of_view: dict[str, Any] = {"name": f"r2_{view}_", "kept": VIEW}
            table = with_intervals(
                table, of_space, names, by="feature_space", **of_view
            )
        tables["partition_views"] = scored.named(table)
        notes += _views_notes(table, scored.subject, tested)
    return Part(tables, notes)


def added_tables(
    study: Study, scored: Scored, saved: SavedSubsets
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return `added` and `voxel_added`: what one feature space adds to another."""
    known = _predictions(scored, saved)
    rois: list[pd.DataFrame] = []
    voxels: list[pd.DataFrame] = []
    notes: list[str] = []
    for added, to in study.analysis.questions(scored.bands):
        pair = tuple(name for name in scored.bands if name in (added, to))
        if pair not in known:
            continue
        found = what_is_added(
            scored.Y,
            scored.predictions["alone", to],
            known[pair],
            blocks=scored.blocks,
            rois=scored.rois,
            question=Question(
                added,
                to,
                scored.subject,
                study.analysis.n_permutations,
                study.analysis.n_resamples,
                study.analysis.seed,
            ),
        )
        rois.append(scored.named(found.rois))
        voxels.append(scored.named(scored.at_voxels(found.voxels)))
        notes += found.notes
    if not rois:
        return {}, []
    tables = {"added": rois, "voxel_added": voxels}
    return {n: pd.concat(t, ignore_index=True) for n, t in tables.items()}, notes


def _predictions(scored: Scored, saved: SavedSubsets) -> dict[Subset, Floats]:
    """Return the test predictions of every subset of the bands that was fitted."""
    alone = {(name,): scored.predictions["alone", name] for name in scored.bands}
    joint = {scored.bands: scored.predictions["joint", "all"]}
    return alone | joint | saved.predictions


def _r2(
    scored: Scored, scores: Scores, known: dict[Subset, Floats], subset: Subset
) -> Floats:
    if len(subset) == 1:
        return scores["alone", subset[0]]["r2"]
    return r2_score(scored.Y, known[subset])


def _drawn(study: Study, scored: Scored) -> Drawn:
    return Drawn(
        scored.Y,
        members_of(scored.rois, scored.Y.shape[1]),
        scored.blocks,
        study.analysis.n_resamples,
        study.analysis.seed,
    )


def _parts(
    scored: Scored, saved: SavedSubsets, spaces: tuple[str, ...]
) -> dict[str, Floats]:
    """Return the parts of the joint model and of the stack, (n_spaces, n_test, n)."""
    product = saved.parts
    if product is None:
        product = np.stack([scored.predictions["part", name] for name in spaces])
    alone = np.stack([scored.predictions["alone", name] for name in spaces])
    assert saved.weights is not None  # the caller asked
    return {"product": product, "stacked": stack(saved.weights, alone)}


def _views(
    scored: Scored,
    scores: Scores,
    partition: Partition,
    parts: dict[str, Floats],
    weights: Floats,
) -> dict[str, dict[str, Floats]]:
    """Return r2 alone, by product measure, unique and stacked, and stack weights."""
    spaces = partition.spaces
    product, _ = stacked_r2(scored.Y, parts["product"])
    stacked, _ = stacked_r2(scored.Y, parts["stacked"])
    return {
        "alone": {name: scores["alone", name]["r2"] for name in spaces},
        "product": dict(zip(spaces, product, strict=True)),
        "unique": unique_shares(partition),
        "stacked": dict(zip(spaces, stacked, strict=True)),
        "weight": dict(zip(spaces, weights, strict=True)),
    }


def _views_notes(
    table: pd.DataFrame, subject: str, tested: pd.DataFrame | None
) -> list[str]:
    """Return where the views disagree, in ROIs that are more than chance."""
    above = None
    if tested is not None:
        joint = tested[(tested["model"] == "joint") & (tested["p_all"] <= P_FOUND)]
        above = set(joint["roi"])
    notes = views_notes(_best_first(table), above_chance=above)
    return _few([note.removeprefix(f"sub-{subject}, ") for note in notes])


def _voxel_table(partition: Partition, scored: Scored) -> pd.DataFrame:
    """Return one row per voxel and region: its share of the variance."""
    tables = [
        pd.DataFrame(
            {
                "subject": scored.subject,
                "voxel": scored.voxels,
                "region": " & ".join(subset),
                "r2": partition.regions[place],
                "r2_positive": partition.positive[place],
                "score_bias": partition.bias[place],
            }
        )
        for place, subset in enumerate(partition.subsets)
    ]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(source=_region_sources(table["region"], scored))


def _region_sources(regions: pd.Series, scored: Scored) -> pd.Series:
    def source(region: str) -> str:
        found = [scored.sources.get(name, "") for name in region.split(" & ")]
        return " & ".join(filter(None, found))

    return regions.map({region: source(region) for region in regions.unique()})


def _best_first(views: pd.DataFrame) -> pd.DataFrame:
    """Put the ROIs first in which a feature space by itself explains most."""
    most = views.groupby("roi")["r2_alone"].transform("max")
    return views.iloc[np.argsort(-most.to_numpy(), kind="stable")]


def _few(notes: list[str]) -> list[str]:
    if len(notes) <= MOST_NOTES:
        return notes
    rest = len(notes) - MOST_NOTES
    return [
        *notes[:MOST_NOTES],
        f"the three views of a partition disagree in {rest} more places: see "
        "partition_views. Named are those with the largest r2 of one feature space on "
        "the test runs, which is an order to read by and no test.",
    ]
