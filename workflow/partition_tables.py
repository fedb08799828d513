"""What feature spaces explain alone, share, and add to each other: tables."""

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
from ..analysis.stacking import stack, stacked_r2
from ..core.stats import r2_parts, r2_score
from ..study import Study
from .scored import Floats, Part, Scored, Scores
from .subsets import SavedSubsets

MOST_NOTES = 5


def partition_tables(
    study: Study, scored: Scored, scores: Scores, saved: SavedSubsets | None
) -> Part:
    """Return `partition`, `partition_views`, `voxel_partition`, `added`, `voxel_added`.

    As far as the study asks for them and their models were fitted.

    Parameters
    ----------
    study : Study
    scored : Scored
    scores : dict of (model, feature space) to {'r': (n_voxels,), 'r2': (n_voxels,)}
    saved : SavedSubsets or None
    """
    saved = saved or SavedSubsets({})
    tables, notes = added_tables(study, scored, saved)
    spaces = study.analysis.partitioned(scored.bands)
    known = _predictions(scored, saved)
    if not spaces or any(subset not in known for subset in subsets_of(spaces)):
        return Part(tables, notes)
    r2 = {s: _r2(scored, scores, known, s) for s in subsets_of(spaces)}
    partition = partition_variance(r2, spaces)
    table = partition_table(partition, scored.rois, subject=scored.subject)
    tables["partition"] = table.assign(source=_region_sources(table["region"], scored))
    tables["voxel_partition"] = _voxel_table(partition, scored)
    if saved.weights is not None:
        views = _views(scored, scores, saved, partition)
        here = f"sub-{scored.subject}, "
        table = views_table(views, scored.rois, subject=scored.subject)
        tables["partition_views"] = scored.named(table)
        notes += _few([n.removeprefix(here) for n in views_notes(_best_first(table))])
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


def _views(
    scored: Scored, scores: Scores, saved: SavedSubsets, partition: Partition
) -> dict[str, dict[str, Floats]]:
    """Return r2 alone, by product measure, unique and stacked, and stack weights."""
    spaces, weights = partition.spaces, saved.weights
    assert weights is not None  # the caller asked
    product = {name: scores["part", name]["r2"] for name in spaces}
    if saved.parts is not None and saved.intercept is not None:
        parts, _ = r2_parts(scored.Y, saved.parts, saved.intercept)
        product = dict(zip(spaces, parts, strict=True))
    alone = np.stack([scored.predictions["alone", name] for name in spaces])
    stacked, _ = stacked_r2(scored.Y, stack(weights, alone))
    return {
        "alone": {name: scores["alone", name]["r2"] for name in spaces},
        "product": product,
        "unique": unique_shares(partition),
        "stacked": dict(zip(spaces, stacked, strict=True)),
        "weight": dict(zip(spaces, weights, strict=True)),
    }


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
        "partition_views.",
    ]
