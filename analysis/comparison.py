"""Which feature space does better where, and how sure that is over all ROIs at once."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, check_choice
from .few_blocks import percentile_interval, t_to_z, z_to_t
from .rois import members_of
from .summaries import SUMMARIES, Resampled, Summaries

LEVEL = 0.95
Side = Literal["both", "above"]


def summary_table(
    summaries: Summaries, rois: Sequence[str], *, subject: str, level: float = LEVEL
) -> pd.DataFrame:
    """Return each ROI's mean, median and best tenth under each model, with intervals.

    Parameters
    ----------
    summaries : dict of ((model, feature space), summary) to Resampled
        From `bootstrap_summaries`.
    rois : sequence of str
        Names, in the order of `members`.
    subject : str
    level : float
        Of the interval from r_low to r_high (percentiles, widened for few blocks).

    Returns
    -------
    table : DataFrame
        One row per ROI, model, feature space and summary: subject, roi, model,
        feature_space, summary, n_voxels, r, r_se (standard error, by the jackknife over
        blocks), r_low, r_high.
    """
    tables = []
    for ((model, space), summary), values in summaries.items():
        low, high = interval_of(values, level)
        table = pd.DataFrame({"subject": subject, "roi": list(rois), "model": model})
        numbers = {"n_voxels": values.n_voxels, "r": values.observed}
        numbers |= {"r_se": values.error, "r_low": low, "r_high": high}
        named = table.assign(feature_space=space, summary=summary)
        tables.append(named.assign(**numbers))
    return _in_order(pd.concat(tables, ignore_index=True), rois)


def paired_differences(
    summaries: Summaries, rois: Sequence[str], *, subject: str, level: float = LEVEL
) -> pd.DataFrame:
    """Return how much better one feature space alone does than another, over ROIs.

    Differences are taken inside each resample, so what two models share cancels out.
    For each pair and summary, the correction is over all ROIs.

    Returns
    -------
    table : DataFrame
        One row per ROI, pair and summary: subject, roi, summary, a, b, and the columns
        of `corrected_intervals` for r of a less r of b.
    """
    spaces = [key[1] for key, summary in summaries if key[0] == "alone"]
    names = list(dict.fromkeys(spaces))
    tables = [
        corrected_intervals(
            summaries[("alone", a), summary] - summaries[("alone", b), summary], level
        ).assign(subject=subject, roi=list(rois), summary=summary, a=a, b=b)
        for summary in SUMMARIES
        for a, b in combinations(names, 2)
    ]
    return _leading(tables, ["subject", "roi", "summary", "a", "b"], rois)


def hemisphere_differences(
    summaries: Summaries,
    rois: Sequence[str],
    *,
    subject: str,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return how much higher each ROI's score is on the left than on the right.

    Parameters
    ----------
    summaries : dict of ((model, feature space), summary) to Resampled
        Made with the ROIs of `by_hemisphere`: all left ones, then all right ones.
    rois : sequence of str
        Names of the ROIs before they were cut in two.
    subject : str
    level : float

    Returns
    -------
    table : DataFrame
        One row per ROI, model, feature space and summary: subject, roi, model,
        feature_space, summary, n_voxels_left, n_voxels_right, and the columns of
        `corrected_intervals` for left less right.
    """
    left, right = np.arange(len(rois)), np.arange(len(rois), 2 * len(rois))
    tables = []
    for ((model, space), summary), values in summaries.items():
        if len(values.observed) != 2 * len(rois):
            raise InputError(
                f"the summaries are of {len(values.observed)} ROIs, expected "
                f"{2 * len(rois)}: each of {len(rois)} on the left, then on the right. "
                "Cut the ROIs with by_hemisphere."
            )
        table = corrected_intervals(values.take(left) - values.take(right), level)
        tables.append(
            table.assign(
                subject=subject,
                roi=list(rois),
                model=model,
                feature_space=space,
                summary=summary,
                n_voxels_left=values.n_voxels[left],
                n_voxels_right=values.n_voxels[right],
            )
        )
    first = ["subject", "roi", "model", "feature_space", "summary"]
    return _leading(tables, [*first, "n_voxels_left", "n_voxels_right"], rois)


def by_hemisphere(
    rois: Mapping[str, ArrayLike], is_left: ArrayLike
) -> dict[str, NDArray[np.bool_]]:
    """Return each ROI's left voxels, then each ROI's right ones.

    Examples
    --------
    >>> sides = by_hemisphere({"A1": [True, True, False]}, [True, False, False])
    >>> {name: mask.tolist() for name, mask in sides.items()}
    {'A1 left': [True, False, False], 'A1 right': [False, True, False]}
    """
    is_left = np.asarray(is_left, dtype=bool)
    masks = members_of({k: np.asarray(v) for k, v in rois.items()}, len(is_left))
    named = list(zip(rois, masks, strict=True))
    left = {f"{name} left": mask & is_left for name, mask in named}
    return left | {f"{name} right": mask & ~is_left for name, mask in named}


def corrected_intervals(
    difference: Resampled, level: float = LEVEL, *, side: Side = "both"
) -> pd.DataFrame:
    """Return differences with intervals that hold for each ROI, and for all at once.

    With t the resampled differences, less the observed one, in units of their standard
    deviation: the interval for all reaches as far as the largest |t| over ROIs does in
    `level` of the resamples, and p counts resamples whose |t|, or largest |t|, is that
    of 0 or more, with the one added. The observed t is in units of the jackknife's
    standard error, and counts as the normal deviate that is as rare as it is under
    Student's t of n_blocks - 1 degrees of freedom.

    Parameters
    ----------
    difference : Resampled
    level : float
    side : 'both' or 'above'
        'above': p and p_all are one-sided, of a difference above 0; t in place of |t|.
        The intervals have two ends all the same.

    Returns
    -------
    table : DataFrame
        One row per ROI: n_voxels, r_diff, r_diff_se, low, high (percentile interval of
        one ROI), low_all, high_all (all ROIs at once), p, p_all. NaN for a ROI without
        a voxel.

    References
    ----------
    Romano, J. P. & Wolf, M. (2005). Exact and approximate stepdown methods for multiple
    hypothesis testing. Journal of the American Statistical Association 100.
    """
    check_choice(side, "side", get_args(Side))
    observed, resampled = difference.observed, difference.resampled
    n_blocks = difference.n_blocks
    low, high = interval_of(difference, level)
    known = np.isfinite(observed) & np.isfinite(resampled).all(axis=0)
    spread = np.full(len(observed), np.nan)
    spread[known] = resampled[:, known].std(axis=0, ddof=1)
    error = np.where(known, difference.error, np.nan)
    known &= (spread > 0) & (error > 0)
    columns = {name: np.full(len(observed), np.nan) for name in ("reach", "p", "p_all")}
    if known.any():
        t = (resampled - observed)[:, known] / spread[known]
        from_0 = observed[known] / error[known]
        reach = np.quantile(np.abs(t).max(axis=1), level)
        columns["reach"][known] = z_to_t(reach, n_blocks) * error[known]
        if side == "both":
            t, from_0 = np.abs(t), np.abs(from_0)
        ps = _count_above(t, t_to_z(from_0, n_blocks))
        columns["p"][known], columns["p_all"][known] = ps
    return pd.DataFrame(
        {
            "n_voxels": difference.n_voxels,
            "r_diff": observed,
            "r_diff_se": error,
            "low": low,
            "high": high,
            "low_all": observed - columns["reach"],
            "high_all": observed + columns["reach"],
            "p": columns["p"],
            "p_all": columns["p_all"],
        }
    )


def _count_above(t: Floats, from_0: Floats) -> tuple[Floats, Floats]:
    """Return each column's share of t at or above, and that of the largest t."""
    n, largest = len(t), np.sort(t.max(axis=1))
    above = n - np.searchsorted(largest, from_0, side="left")
    return (1 + (t >= from_0).sum(axis=0)) / (1 + n), (1 + above) / (1 + n)


def interval_of(values: Resampled, level: float) -> tuple[Floats, Floats]:
    """Return each ROI's percentile interval, widened for few blocks."""
    error = None if values.left_out is None else values.error
    return percentile_interval(values.resampled, level, values.n_blocks, error=error)


def _leading(
    tables: Sequence[pd.DataFrame], first: list[str], rois: Sequence[str]
) -> pd.DataFrame:
    """Return one table with the named columns first, ROI by ROI."""
    if not tables:
        raise InputError(
            "there is nothing to compare: the summaries hold fewer than two feature "
            "spaces under the model 'alone'. Study two feature spaces or more."
        )
    table = pd.concat(tables, ignore_index=True)
    rest = [name for name in table if name not in first]
    return _in_order(table[[*first, *rest]], rois)


def _in_order(table: pd.DataFrame, rois: Sequence[str]) -> pd.DataFrame:
    order = {name: place for place, name in enumerate(rois)}
    table = table.sort_values("roi", key=lambda names: names.map(order), kind="stable")
    return table.reset_index(drop=True)
