"""The noise ceiling of each ROI, with its error, beside the scores that it limits."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError
from .noise_ceiling import jackknife_error, largest_r, normalise_scores
from .rois import members_of

Z95 = 1.959964


def ceiling_table(
    share: ArrayLike,
    left_out: ArrayLike,
    rois: Mapping[str, ArrayLike],
    *,
    r: ArrayLike,
    subject: str,
    n_repeats: int,
    n_averaged: int,
    drift: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return each ROI's noise ceiling, and its scores raw and as shares of it.

    The ceiling is that of what was scored, from the ROI's mean explainable variance:
    sqrt(n EV / (1 + (n - 1) EV)) for the mean of n repeats.

    Parameters
    ----------
    share : array of shape (n_voxels,)
        From `explainable_variance`. Voxels where it is NaN are left out.
    left_out : array of shape (n_blocks, n_voxels)
        From `jackknife_explainable_variance`.
    rois : dict of name to array of bool, shape (n_voxels,)
    r : array of shape (n_voxels,)
        Test scores of the joint model, over the mean of `n_averaged` repeats.
    subject : str
    n_repeats : int
        How many repeats the share was made from.
    n_averaged : int
        How many were averaged into what was scored; 1 for single repeats.
    drift : array of shape (n_voxels,), optional
        From `drift_in_ceiling`, where repeats share a run and an order.

    Returns
    -------
    table : DataFrame
        One row per ROI: subject, roi, n_voxels (with a score and a share), n_repeats,
        n_averaged, explainable_variance, explainable_variance_se (jackknife over
        blocks), largest_r, largest_r_low and largest_r_high (95 %), r_mean,
        r_over_largest_r, n_voxels_below_0 (whose share is below 0: they are in the
        mean, and have no ceiling of their own), drift_share, largest_r_less_drift,
        exceeds (r_mean lies above largest_r_high). A ceiling is NaN where the share, or
        the end of its interval, is below 0.

    Raises
    ------
    InputError
        If shapes do not fit together.
    """
    share, left_out, r = (np.asarray(a, np.float64) for a in (share, left_out, r))
    drift = np.full(share.shape, np.nan) if drift is None else np.asarray(drift)
    if not share.shape == r.shape == drift.shape == left_out.shape[1:]:
        raise InputError(
            f"share has shape {share.shape}, left_out {left_out.shape}, r {r.shape} "
            f"and drift {drift.shape}; all must be over the same voxels."
        )
    known = np.isfinite(share) & np.isfinite(r)
    rows = [
        {"roi": name} | _row(mask & known, share, left_out, r, drift, n_averaged)
        for name, mask in zip(rois, members_of(rois, len(share)), strict=True)
    ]
    table = pd.DataFrame(rows)
    table.insert(0, "subject", subject)
    table.insert(3, "n_repeats", n_repeats)
    table.insert(4, "n_averaged", n_averaged)
    return table


def ceiling_notes(table: pd.DataFrame, *, same_order: bool) -> list[str]:
    """Return what a reader of `ceiling_table` should know.

    Parameters
    ----------
    table : DataFrame
    same_order : bool
        Whether the repeats of a clip share a run and the order of clips.
    """
    notes = []
    if same_order:
        notes.append(
            "repeats share a run and an order, so drift that comes round with the "
            f"clips counts as signal{_estimated(table['drift_share'].dropna())}."
        )
    above = table.loc[table["exceeds"], "roi"]
    if len(above):
        notes.append(
            f"scores lie above the ceiling's interval in {', '.join(above[:5])}: "
            "repeats share less than the model finds; look for a shift between them."
        )
    return notes


def _estimated(shares: pd.Series) -> str:
    if not len(shares):
        return ": ceilings are too high by that"
    mean = float(shares.mean())
    effect = "too high by that" if mean > 0 else "not raised by it here, but lowered"
    return f" (estimated: {mean:+.3f} of the variance): ceilings are {effect}"


def _row(
    mask: Floats, share: Floats, left_out: Floats, r: Floats, drift: Floats, n: int
) -> dict[str, object]:
    """Return one ROI's numbers; NaN if it has no voxel."""
    mean = error = score = slow = np.nan
    if mask.any():
        mean, score, slow = (float(a[mask].mean()) for a in (share, r, drift))
        error = float(jackknife_error(left_out[:, mask].mean(axis=1)))
    ends = np.array([mean, mean - Z95 * error, mean + Z95 * error, mean - slow])
    ceiling, low, high, steady = largest_r(ends, n)
    return {
        "n_voxels": int(mask.sum()),
        "explainable_variance": mean,
        "explainable_variance_se": error,
        "largest_r": ceiling,
        "largest_r_low": low,
        "largest_r_high": high,
        "r_mean": score,
        "r_over_largest_r": normalise_scores([score], [ceiling])[0],
        "n_voxels_below_0": int((share[mask] < 0).sum()),
        "drift_share": slow,
        "largest_r_less_drift": steady,
        "exceeds": bool(score > high),
    }
