"""Scores summed up per ROI, with intervals: the tables that a study is read from."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError
from .few_blocks import percentile_interval

Key = tuple[str, str]

SCORE_COLUMNS = [
    *("subject", "roi", "model", "feature_space", "n_voxels"),
    *("r_mean", "r2_mean", "r_low", "r_high"),
]
DIFFERENCE_COLUMNS = ["subject", "roi", "a", "b", "r_diff", "low", "high"]


def members_of(rois: Mapping[str, ArrayLike], n_voxels: int) -> NDArray[np.bool_]:
    """Return the voxels of each ROI as one array, in the order of `rois`.

    Parameters
    ----------
    rois : dict of name to array of bool, shape (n_voxels,)
    n_voxels : int

    Returns
    -------
    members : array of bool, shape (n_rois, n_voxels)

    Raises
    ------
    InputError
        If there is no ROI, or a mask is not boolean over the voxels.

    Examples
    --------
    >>> members_of({"A1": [True, False], "belt": [True, True]}, 2).sum(axis=1)
    array([1, 2])
    """
    if not rois:
        raise InputError("no ROI was given. Give at least one, such as all voxels.")
    for name, mask in rois.items():
        if np.shape(mask) != (n_voxels,) or np.asarray(mask).dtype != bool:
            raise InputError(
                f"the mask of ROI {name!r} has shape {np.shape(mask)} and type "
                f"{np.asarray(mask).dtype}, expected bool over {n_voxels} voxels."
            )
    return np.stack([np.asarray(mask) for mask in rois.values()])


def roi_scores(
    scores: Mapping[Key, Mapping[str, Floats]],
    rois: Mapping[str, ArrayLike],
    resampled: Mapping[Key, Floats],
    *,
    subject: str,
    level: float = 0.95,
    n_blocks: float = np.inf,
    errors: Mapping[Key, Floats] | None = None,
) -> pd.DataFrame:
    """Return the mean scores of each ROI under each model.

    Parameters
    ----------
    scores : dict of (model, feature space) to {'r': (n_voxels,), 'r2': (n_voxels,)}
        Voxels where either is NaN are left out of the means, and not counted.
    rois : dict of name to array of bool, shape (n_voxels,)
        They may overlap.
    resampled : dict of (model, feature space) to array of shape (n_resamples, n_rois)
        As from `bootstrap_roi_scores`, the ROIs in the order of `rois`. A model that
        is not in it ('offset' has no correlation) gets its r, if that is 0, as its
        interval.
    subject : str
    level : float
        Of the interval from r_low to r_high (percentiles, widened for few blocks).
    n_blocks : float
        How many blocks the resamples were drawn from; infinity: nothing is widened.
    errors : dict of (model, feature space) to array of shape (n_rois,), optional
        Standard errors of the means, as `Resampled.error` has them.

    Returns
    -------
    table : DataFrame
        One row per ROI, model and feature space, with the columns subject, roi,
        model, feature_space, n_voxels, r_mean, r2_mean, r_low, r_high. A ROI without
        a scored voxel keeps its rows, with 0 voxels and NaN.
    """
    parts = []
    for key, score in scores.items():
        ends = None
        if key in resampled:
            error = errors[key] if errors is not None else None
            ends = percentile_interval(resampled[key], level, n_blocks, error=error)
        parts.append(_score_rows(key, score, rois, ends))
    table = pd.concat(parts, ignore_index=True)
    order = {name: place for place, name in enumerate(rois)}
    table = table.sort_values("roi", key=lambda names: names.map(order), kind="stable")
    table.insert(0, "subject", subject)
    return table[SCORE_COLUMNS].reset_index(drop=True)


def roi_differences(
    scores: Mapping[Key, Mapping[str, Floats]],
    rois: Mapping[str, ArrayLike],
    resampled: Mapping[Key, Floats],
    *,
    subject: str,
    level: float = 0.95,
    n_blocks: float = np.inf,
) -> pd.DataFrame:
    """Return how much better one feature space alone does than another, per ROI.

    The two means of `roi_scores`, subtracted; the interval holds the differences
    within the same resamples, so what the two models share cancels out.

    Parameters
    ----------
    scores, rois, resampled, subject, level, n_blocks
        As for `roi_scores`. Only the model 'alone' is read.

    Returns
    -------
    table : DataFrame
        One row per ROI and pair of feature spaces, with the columns subject, roi, a,
        b, r_diff (a - b), low, high.
    """
    names = [space for model, space in scores if model == "alone"]
    tables = [_empty(DIFFERENCE_COLUMNS[1:])]
    for a, b in combinations(names, 2):
        means = [_means(scores["alone", name], rois)[1] for name in (a, b)]
        spread = resampled["alone", a] - resampled["alone", b]
        low, high = percentile_interval(spread, level, n_blocks)
        columns = {"roi": list(rois), "a": a, "b": b, "r_diff": means[0] - means[1]}
        tables.append(pd.DataFrame(columns | {"low": low, "high": high}))
    table = pd.concat(tables[1:] or tables, ignore_index=True)
    order = {name: place for place, name in enumerate(rois)}
    table = table.sort_values("roi", key=lambda names: names.map(order), kind="stable")
    table.insert(0, "subject", subject)
    return table.reset_index(drop=True)


def written_roi(name: str) -> str:
    """Return a ROI's name as notes and figures write it: a bare number is a parcel's.

    Examples
    --------
    >>> written_roi("44"), written_roi("A1")
    ('parcel 44', 'A1')
    """
    return f"parcel {name}" if name.isdigit() else name


def leading_rois(scores: pd.DataFrame, n: int) -> list[str]:
    """Return the `n` ROIs with the largest joint r, mean over subjects.

    A ranking on what was scored: it orders a figure or a page, and tests nothing.
    """
    joint = scores[scores["model"] == "joint"]
    return list(joint.groupby("roi")["r_mean"].mean().nlargest(n).index)


def _score_rows(
    key: Key,
    score: Mapping[str, Floats],
    rois: Mapping[str, ArrayLike],
    ends: tuple[Floats, Floats] | None,
) -> pd.DataFrame:
    n_voxels, r_mean, r2_mean = _means(score, rois)
    if ends is not None:
        low, high = ends
    elif np.nan_to_num(r_mean).any():
        raise InputError(
            f"there are scores of {key} but no resamples. Pass its prediction to "
            "bootstrap_roi_scores too."
        )
    else:
        low, high = r_mean, r_mean
    return pd.DataFrame(
        {
            "roi": list(rois),
            "model": key[0],
            "feature_space": key[1],
            "n_voxels": n_voxels,
            "r_mean": r_mean,
            "r2_mean": r2_mean,
            "r_low": low,
            "r_high": high,
        }
    )


def _means(
    score: Mapping[str, Floats], rois: Mapping[str, ArrayLike]
) -> tuple[NDArray[np.integer], Floats, Floats]:
    """Return the number of scored voxels of each ROI, and their mean r and R2."""
    members = members_of(rois, len(score["r"]))
    valid = np.isfinite(score["r"]) & np.isfinite(score["r2"])
    members = members[:, valid]
    n_voxels = members.sum(axis=1)
    totals = [members @ score[name][valid].astype(np.float64) for name in ("r", "r2")]
    r, r2 = (
        np.divide(t, n_voxels, out=np.full(len(t), np.nan), where=n_voxels > 0)
        for t in totals
    )
    return n_voxels, r, r2


def _empty(columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: [] for name in columns})
