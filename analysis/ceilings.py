"""The noise ceiling of each ROI, with its error, beside the scores that it limits."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from ..core.checks import Floats, InputError
from .noise_ceiling import jackknife_error, normalise_scores
from .rois import members_of

TAIL = 0.025  # outside each end of an interval of 95 %


@dataclass(frozen=True, slots=True, eq=False)
class DriftShare:
    """How much of the explainable variance is drift, and how sure that is.

    Parameters
    ----------
    share : array of shape (n_voxels,)
        From `drift_in_ceiling`.
    without_runs : array of shape (n_runs, n_voxels), optional
        From `jackknife_drift`; None where one run has no error to tell.
    """

    share: Floats
    without_runs: Floats | None = None


def ceiling_table(
    share: ArrayLike,
    left_out: ArrayLike,
    rois: Mapping[str, ArrayLike],
    *,
    r: ArrayLike,
    subject: str,
    n_repeats: int,
    n_averaged: int,
    drift: DriftShare | None = None,
) -> pd.DataFrame:
    """Return each ROI's noise ceiling, and its scores raw and as shares of it.

    The ceiling is that of what was scored. A voxel's largest r2, for the mean of n
    repeats, is n EV / (1 + (n - 1) EV); the ROI's largest r is the root of the mean
    over its voxels, and the score set against it the root of the mean squared r, with
    each r's sign. So the true model comes to 1 where voxels differ, too: a mean r over
    the ceiling of the mean EV would not. What few samples do to the mean is taken out
    by the jackknife. Less drift, EV - drift stands above the line and EV below it,
    since drift is in the variance of what was scored.

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
    drift : DriftShare, optional
        Where repeats share a run and an order.

    Returns
    -------
    table : DataFrame
        One row per ROI: subject, roi, n_voxels (with a score and a share), n_repeats,
        n_averaged, explainable_variance, explainable_variance_se (jackknife over
        blocks), drift_share, drift_share_se (over runs), largest_r and
        largest_r_less_drift (with _low and _high, 95 %, Student's t), r_mean, r_rms,
        r_over_largest_r and r_over_largest_r_less_drift (of r_rms), n_voxels_below_0
        (whose share is below 0: they are in the mean, and have no ceiling of their
        own), exceeds (r_rms lies above the interval of the ceiling, less drift where
        that is known). A ceiling is NaN where its square, or the end of its interval,
        is below 0.

    Raises
    ------
    InputError
        If shapes do not fit together.

    References
    ----------
    Efron, B. & Stein, C. (1981). The jackknife estimate of variance. Annals of
    Statistics 9.
    """
    share, left_out, r = (np.asarray(a, np.float64) for a in (share, left_out, r))
    drift = DriftShare(np.full(share.shape, np.nan)) if drift is None else drift
    _check(share, left_out, r, drift)
    known = np.isfinite(share) & np.isfinite(r)
    rows = []
    for name, mask in zip(rois, members_of(rois, len(share)), strict=True):
        inside = np.flatnonzero(mask & known)
        without = drift.without_runs
        here = DriftShare(
            drift.share[inside], None if without is None else without[:, inside]
        )
        numbers = _row(share[inside], left_out[:, inside], r[inside], here, n_averaged)
        rows.append({"roi": name} | numbers)
    table = pd.DataFrame(rows)
    table.insert(0, "subject", subject)
    table.insert(3, "n_repeats", n_repeats)
    table.insert(4, "n_averaged", n_averaged)
    return table


def mean_largest_r2(
    share: ArrayLike,
    left_out: ArrayLike,
    n_averaged: int,
    *,
    drift: DriftShare | None = None,
) -> tuple[float, float]:
    """Return the largest mean r2 that a model can reach over voxels, and its error.

    Parameters
    ----------
    share : array of shape (n_voxels,)
    left_out : array of shape (n_blocks, n_voxels)
    n_averaged : int
    drift : DriftShare, optional
        To be taken off.

    Returns
    -------
    r2 : float
        Mean over voxels, with the bias that the jackknife tells of taken out. Not
        clipped at 0.
    standard_error : float
        From blocks and, for the drift, from runs; NaN if that is not known.
    """
    off = 0.0 if drift is None else drift.share
    whole = float(_largest_r2(share, off, n_averaged).mean())
    without = _largest_r2(left_out, off, n_averaged).mean(axis=1)
    bias = (len(without) - 1) * (float(without.mean()) - whole)
    squares = float(jackknife_error(without)) ** 2
    if drift is not None:
        squares += _drift_error(share, drift, n_averaged) ** 2
    return whole - bias, float(np.sqrt(squares))


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
    share: Floats, left_out: Floats, r: Floats, drift: DriftShare, n_averaged: int
) -> dict[str, object]:
    """Return one ROI's numbers; NaN if it has no voxel."""
    n_voxels, slow = len(share), bool(np.isfinite(drift.share).any())
    if not n_voxels:
        share, left_out, r = (
            np.array([np.nan]),
            np.full((3, 1), np.nan),
            np.full(1, np.nan),
        )
        drift, slow = DriftShare(np.array([np.nan])), False
    far = float(student.isf(TAIL, len(left_out) - 1))
    ends: dict[str, float] = {}
    for name, off in {"largest_r": None, "largest_r_less_drift": drift}.items():
        r2, error = mean_largest_r2(share, left_out, n_averaged, drift=off)
        reach = np.array([r2, r2 - far * error, r2 + far * error])
        numbers = np.sqrt(np.where(reach >= 0, reach, np.nan)).tolist()
        names = (name, f"{name}_low", f"{name}_high")
        ends |= dict(zip(names, numbers, strict=True))
    square = float((r * np.abs(r)).mean())
    rms = float(np.sign(square) * np.sqrt(abs(square)))
    top = ends["largest_r_less_drift_high" if slow else "largest_r_high"]
    without = drift.without_runs
    return {
        "n_voxels": n_voxels,
        "explainable_variance": float(share.mean()),
        "explainable_variance_se": float(jackknife_error(left_out.mean(axis=1))),
        "drift_share": float(drift.share.mean()),
        "drift_share_se": (
            np.nan if without is None else float(jackknife_error(without.mean(axis=1)))
        ),
        **ends,
        "r_mean": float(r.mean()),
        "r_rms": rms,
        "r_over_largest_r": _over(rms, ends["largest_r"]),
        "r_over_largest_r_less_drift": _over(rms, ends["largest_r_less_drift"]),
        "n_voxels_below_0": int((share < 0).sum()),
        "exceeds": bool(rms > top),
    }


def _drift_error(share: ArrayLike, drift: DriftShare, n_averaged: int) -> float:
    """Return what the drift adds to the error of the mean; NaN if it is not known."""
    if drift.without_runs is None:
        return float("nan")
    runs = _largest_r2(share, drift.without_runs, n_averaged).mean(axis=1)
    return float(jackknife_error(runs))


def _largest_r2(share: ArrayLike, off: ArrayLike, n: int) -> Floats:
    share = np.asarray(share, np.float64)
    return n * (share - np.asarray(off)) / (1 + (n - 1) * share)


def _over(score: float, ceiling: float) -> float:
    return float(normalise_scores([score], [ceiling])[0])


def _check(share: Floats, left_out: Floats, r: Floats, drift: DriftShare) -> None:
    without: tuple[int, ...] = share.shape
    if drift.without_runs is not None:
        without = np.shape(drift.without_runs)[1:]
    wide: NDArray = np.asarray(drift.share)
    if not share.shape == r.shape == wide.shape == left_out.shape[1:] == without:
        raise InputError(
            f"share has shape {share.shape}, left_out {left_out.shape}, r {r.shape} "
            f"and drift {wide.shape}; all must be over the same voxels."
        )
