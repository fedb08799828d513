"""ROIs summed up and compared: summaries, differences, hemispheres, hierarchies."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..analysis.comparison import (
    by_hemisphere,
    hemisphere_differences,
    paired_differences,
    summary_table,
)
from ..analysis.hierarchy import (
    AUDITORY,
    FRONTAL,
    gradient_table,
    hierarchy_of,
    hierarchy_slopes,
    levels_of,
)
from ..analysis.rois import members_of
from ..analysis.summaries import (
    Resampled,
    Summaries,
    best_tenths,
    bootstrap_summaries,
)
from ..core.checks import InputError
from ..core.types import Space
from ..study import Study
from .scored import Key, Scored

FIRST = ["subject", "roi", "a", "b", "r_diff", "low", "high", "source_a", "source_b"]
SIDE = re.compile(r"^(left |right |L_|R_)|( left| right)$")
LEFT, RIGHT, NEITHER = 1, 2, 0
HEARD = ("joint", "alone")


def resample_rois(
    study: Study,
    scored: Scored,
    rois: Mapping[str, NDArray[np.bool_]],
    *,
    models: tuple[str, ...] = ("joint", "plain", "alone", "part"),
) -> Summaries:
    """Return mean, median and best tenth of each ROI under each model, resampled.

    The best tenth is chosen by the joint model's scores on held-out training folds.
    """
    predictions = {k: p for k, p in scored.predictions.items() if k[0] in models}
    return bootstrap_summaries(
        scored.Y,
        predictions,
        members_of(rois, scored.Y.shape[1]),
        scored.blocks,
        best=best_tenths(
            rois,
            scored.cv_scores,
            train_runs=scored.train_runs,
            test_runs=scored.test_runs,
        ),
        n_resamples=study.analysis.n_resamples,
        seed=study.analysis.seed,
    )


def resampled_means(summaries: Summaries) -> dict[Key, Resampled]:
    """Return each model's ROI means, with their resamples."""
    return {key: v for (key, summary), v in summaries.items() if summary == "mean"}


def roi_tables(
    study: Study, scored: Scored, space: Space, summaries: Summaries
) -> dict[str, pd.DataFrame]:
    """Return the tables that compare ROIs, feature spaces and hemispheres.

    Parameters
    ----------
    study : Study
    scored : Scored
    space : Space
        Of all columns.
    summaries : dict of ((model, feature space), summary) to Resampled
        From `resample_rois`, over the ROIs of `scored`.
    """
    names, subject = list(scored.rois), scored.subject
    found = {"roi_summaries": summary_table(summaries, names, subject=subject)}
    if len(scored.bands) > 1:
        every = scored.named(paired_differences(summaries, names, subject=subject))
        mean = every[every["summary"] == "mean"].drop(columns="summary")
        rest = [name for name in mean if name not in FIRST]
        found["roi_differences"] = mean[[*FIRST, *rest]].reset_index(drop=True)
        others = every[every["summary"] != "mean"].reset_index(drop=True)
        found["roi_summary_differences"] = others
    else:
        found["roi_differences"] = pd.DataFrame(columns=FIRST)
    found |= _hemispheres(study, scored, space)
    slopes = [
        hierarchy_slopes(summaries, names, one, subject=subject)
        for one in _hierarchies(study)
    ]
    if any(map(len, slopes)):
        found["hierarchy"] = pd.concat(slopes, ignore_index=True)
    if study.analysis.low:
        found["gradient"] = gradient_table(
            summaries,
            names,
            low=study.analysis.low,
            high=study.analysis.high,
            subject=subject,
        )
    return {name: scored.named(table) for name, table in found.items()}


def check_hierarchy(study: Study, rois: Mapping[str, object]) -> None:
    """Raise if a level of the study's own hierarchy has no ROI."""
    if not study.analysis.hierarchy:
        return
    hierarchy = hierarchy_of(study.analysis.hierarchy)
    found = levels_of(hierarchy, list(rois))
    missing = [name for name, _ in hierarchy.levels if name not in found]
    if missing:
        raise InputError(
            f"analysis.hierarchy has no ROI at the level {missing[0]}. ROIs are "
            f"{', '.join(list(rois)[:8])}{' ...' if len(rois) > 8 else ''}."
        )


def sides_of(space: Space) -> NDArray[np.integer]:
    """Return the hemisphere of each column: 1 left, 2 right, 0 neither or not known."""
    sides = np.full(space.n_voxels, NEITHER)
    if space.index is None or not space.parts:
        return sides
    edges = np.cumsum([len(part.index) for part in space.parts])
    place = np.searchsorted(edges, space.index, side="right")
    for number, part in enumerate(space.parts):
        if part.name == "left" or part.name.endswith("CORTEX_LEFT"):
            sides[place == number] = LEFT
        if part.name == "right" or part.name.endswith("CORTEX_RIGHT"):
            sides[place == number] = RIGHT
    return sides


def both_sides(
    rois: Mapping[str, NDArray[np.bool_]], sides: NDArray[np.integer]
) -> dict[str, NDArray[np.bool_]]:
    """Return ROIs that have voxels on both sides; left and right ones made one.

    Examples
    --------
    >>> rois = {"L_A1": np.array([True, False]), "R_A1": np.array([False, True])}
    >>> both_sides(rois, np.array([1, 2]))
    {'A1': array([ True,  True])}
    """
    whole: dict[str, NDArray[np.bool_]] = {}
    for name, mask in rois.items():
        bare = SIDE.sub("", name)
        whole[bare] = whole.get(bare, np.zeros_like(mask)) | mask
    cut = {name: mask & (sides != NEITHER) for name, mask in whole.items()}
    return {
        name: mask
        for name, mask in cut.items()
        if (mask & (sides == LEFT)).any() and (mask & (sides == RIGHT)).any()
    }


def _hemispheres(study: Study, scored: Scored, space: Space) -> dict[str, pd.DataFrame]:
    """Return `hemispheres`: each ROI's score on the left less that on the right."""
    fitted = np.isin(space.ids, scored.voxels)
    sides = sides_of(space)[fitted]
    rois = both_sides(scored.rois, sides)
    if not rois:
        return {}
    halves = by_hemisphere(rois, sides == LEFT)
    summaries = resample_rois(study, scored, halves, models=HEARD)
    table = hemisphere_differences(summaries, list(rois), subject=scored.subject)
    return {"hemispheres": table}


def _hierarchies(study: Study) -> list:
    if study.analysis.hierarchy:
        return [hierarchy_of(study.analysis.hierarchy)]
    return [AUDITORY, FRONTAL]
