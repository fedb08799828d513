"""How scores rise or fall along a hierarchy of areas."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError
from .comparison import LEVEL
from .few_blocks import percentile_interval
from .summaries import Resampled, Summaries


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Levels of areas, from low to high.

    Parameters
    ----------
    name : str
    levels : tuple of (str, tuple of str)
        Each level's name, and the ROIs that belong to it under the names that atlases
        give them, in small letters.
    """

    name: str
    levels: tuple[tuple[str, tuple[str, ...]], ...]


AUDITORY = Hierarchy(
    "A1 -> belt -> parabelt -> A4 -> A5",
    (
        ("A1", ("a1", "core", "auditory core")),
        ("belt", ("lbelt", "mbelt", "belt", "auditory belt")),
        ("parabelt", ("pbelt", "parabelt", "auditory parabelt")),
        ("A4", ("a4",)),
        ("A5", ("a5",)),
    ),
)
FRONTAL = Hierarchy(
    "core -> frontal",
    (
        ("core", ("a1", "core", "auditory core")),
        (
            "frontal",
            (
                *("44", "45", "47l", "ifja", "ifjp", "ifsa", "ifsp", "p9-46v"),
                *("frontal", "prefrontal", "lateral prefrontal"),
            ),
        ),
    ),
)


def hierarchy_of(levels: Sequence[Sequence[str]]) -> Hierarchy:
    """Return a hierarchy of the ROIs that each level names, low to high.

    Examples
    --------
    >>> hierarchy_of([["V1"], ["V2", "V3"]]).name
    'V1 -> V2 + V3'
    """
    named = tuple(
        (" + ".join(level), tuple(bare_name(name) for name in level))
        for level in levels
    )
    return Hierarchy(" -> ".join(name for name, _ in named), named)


def levels_of(hierarchy: Hierarchy, rois: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of the ROIs at each level; levels without a ROI are left out.

    'L_A1_ROI', 'left A1', 'A1' and 'a1 (simulated)' are one name.

    Examples
    --------
    >>> levels_of(FRONTAL, ["L_45_ROI", "V1", "A1"])
    {'core': [2], 'frontal': [0]}
    """
    bare = [bare_name(name) for name in rois]
    places = {
        level: [place for place, name in enumerate(bare) if name in names]
        for level, names in hierarchy.levels
    }
    return {level: found for level, found in places.items() if found}


def hierarchy_slopes(
    summaries: Summaries,
    rois: Sequence[str],
    hierarchy: Hierarchy,
    *,
    subject: str,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return by how much each score rises per level of the hierarchy.

    The slope of a straight line through the levels' scores, each the mean of its ROIs,
    with levels counted 0, 1, 2, ... as they stand in the hierarchy. ROIs without a
    score are left out and named, and so are levels that have no others.

    Returns
    -------
    table : DataFrame
        One row per model, feature space and summary: subject, hierarchy, levels (those
        that have a ROI with a score), rois_without_score (of the hierarchy), model,
        feature_space, summary, r_first, r_last, slope_r_per_level, low, high. Empty if
        fewer than two levels have a ROI with a score.
    """
    rows = []
    for ((model, space), summary), values in summaries.items():
        scored = np.isfinite(values.observed)
        found = levels_of(
            hierarchy,
            [roi if has else "" for roi, has in zip(rois, scored, strict=True)],
        )
        steps = [k for k, (name, _) in enumerate(hierarchy.levels) if name in found]
        if len(steps) < 2:
            continue
        scores = _level_means(values, list(found.values()))
        slope = _slope(scores, np.array(steps, float))
        low, high = percentile_interval(slope[1:, None], level, values.n_blocks)
        rows.append(
            {
                "subject": subject,
                "hierarchy": hierarchy.name,
                "levels": ", ".join(found),
                "rois_without_score": _left_out(hierarchy, rois, scored),
                "model": model,
                "feature_space": space,
                "summary": summary,
                "r_first": scores[0, 0],
                "r_last": scores[0, -1],
                "slope_r_per_level": slope[0],
                "low": low[0],
                "high": high[0],
            }
        )
    return pd.DataFrame(rows)


def hierarchy_notes(table: pd.DataFrame) -> list[str]:
    """Return which ROIs of a hierarchy have no score, from `hierarchy_slopes`."""
    if not len(table):
        return []
    left_out = table[table["rois_without_score"] != ""]
    pairs = left_out[["hierarchy", "rois_without_score"]].drop_duplicates()
    return [
        f"hierarchy {name}: {rois} has no scored voxel and is left out; the steps of "
        "the other levels stay."
        for name, rois in pairs.itertuples(index=False)
    ]


def gradient_index(low: ArrayLike, high: ArrayLike, *, least: float = 0.0) -> Floats:
    """Return how much of what is explained falls to high-level feature spaces.

    (high - low) / (high + low): 1 if all is explained by high-level features, -1 if all
    by low-level ones.

    Parameters
    ----------
    low, high : array of shape (...)
        What low-level and high-level feature spaces add to the joint model's score:
        sums of their parts ('part', r or r2). One part below 0 makes an index beyond 1
        or -1; it is not clipped.
    least : float
        NaN where low + high is not above this: nothing is explained there to divide.

    Examples
    --------
    >>> gradient_index([0.1, 0.0, -0.1], [0.3, 0.2, 0.1])
    array([0.5, 1. , nan])
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if low.shape != high.shape:
        raise InputError(
            f"low has shape {low.shape} and high {high.shape}. Give both per voxel, or "
            "both per ROI."
        )
    total = low + high
    return np.divide(
        high - low, total, out=np.full(total.shape, np.nan), where=total > least
    )


def gradient_table(
    summaries: Summaries,
    rois: Sequence[str],
    *,
    low: Sequence[str],
    high: Sequence[str],
    subject: str,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return each ROI's gradient index, from the mean parts of the joint model.

    Parameters
    ----------
    summaries : dict of ((model, feature space), summary) to Resampled
        With the parts of the joint model: ('part', feature space).
    rois : sequence of str
    low, high : sequence of str
        Names of the low-level and the high-level feature spaces.
    subject : str
    level : float

    Returns
    -------
    table : DataFrame
        One row per ROI: subject, roi, r_low_level, r_high_level, gradient_index, low,
        high (percentile interval over resamples in which something is explained),
        resamples_without (share of the resamples in which nothing is).

    Raises
    ------
    InputError
        If a feature space has no part, or is named on both sides.
    """
    parts = {key[1]: v for (key, s), v in summaries.items() if (key[0], s) == PART_MEAN}
    unknown = [name for name in (*low, *high) if name not in parts]
    if unknown or not low or not high or set(low) & set(high):
        raise InputError(
            f"low-level feature spaces {', '.join(low) or 'none'}, high-level "
            f"{', '.join(high) or 'none'}: name at least one on each side, none on "
            f"both, all of {', '.join(parts) or 'the joint model, which has no parts'}."
        )
    sides = [_total([parts[name] for name in names]) for names in (low, high)]
    index = gradient_index(*sides)
    n_blocks = min(part.n_blocks for part in parts.values())
    ends = percentile_interval(index[1:], level, n_blocks)
    return pd.DataFrame(
        {
            "subject": subject,
            "roi": list(rois),
            "r_low_level": sides[0][0],
            "r_high_level": sides[1][0],
            "gradient_index": index[0],
            "low": ends[0],
            "high": ends[1],
            "resamples_without": np.isnan(index[1:]).mean(axis=0),
        }
    )


PART_MEAN = ("part", "mean")


def _left_out(
    hierarchy: Hierarchy, rois: Sequence[str], scored: NDArray[np.bool_]
) -> str:
    places = sorted(k for found in levels_of(hierarchy, rois).values() for k in found)
    return ", ".join(rois[k] for k in places if not scored[k])


def _total(parts: Sequence[Resampled]) -> Floats:
    """Return the sum of parts, observed in the first row and resampled below."""
    return np.sum([np.vstack([p.observed, p.resampled]) for p in parts], axis=0)


def _level_means(values: Resampled, places: Sequence[list[int]]) -> Floats:
    """Return each level's mean over its ROIs, observed in the first row."""
    rows = np.vstack([values.observed, values.resampled])
    return np.stack([rows[:, where].mean(axis=1) for where in places], axis=1)


def _slope(scores: Floats, steps: Floats) -> Floats:
    centred = steps - steps.mean()
    return scores @ centred / (centred**2).sum()


def bare_name(name: str) -> str:
    """Return a ROI's name without its hemisphere, in small letters.

    Examples
    --------
    >>> [bare_name(name) for name in ("L_A1_ROI", "left A1", "a1 (simulated)")]
    ['a1', 'a1', 'a1']
    """
    bare = name.lower().replace("(simulated)", "").strip()
    bare = bare.removesuffix("_roi").removesuffix(" left").removesuffix(" right")
    for side in ("l_", "r_", "left ", "right "):
        bare = bare.removeprefix(side)
    return bare
