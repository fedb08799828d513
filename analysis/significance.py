"""Whether a region's score is more than its own noise would give."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from ..core.stats import varies

NONE = "none"
UNSCORED = "no voxels"


def roi_null(
    Y_test: ArrayLike,
    Y_hat: ArrayLike,
    members: ArrayLike,
    blocks: ArrayLike,
    *,
    n_permutations: int,
    seed: int,
) -> Floats:
    """Return each ROI's mean correlation when predictions are moved in time.

    The predictions are cut into blocks, and the blocks laid end to end in a random
    order against the responses that stay. Inside a block all is as it was, so the
    null keeps the autocorrelation; all voxels move together, so it keeps their
    correlation with each other, too. Blocks of equal length, such as clips, change
    places exactly: a response that all clips share, at their onset for instance, is
    then part of the null. Blocks of other lengths shift those after them.

    Parameters
    ----------
    Y_test, Y_hat : array of shape (n_samples, n_voxels)
        Test responses and their joint prediction.
    members : array of bool, shape (n_rois, n_voxels)
    blocks : array of int, shape (n_samples,)
        Block of each sample, in adjacent rows, as from `block_of_row`.
    n_permutations : int
    seed : int

    Returns
    -------
    null : array of shape (n_permutations, n_rois)
        NaN for a ROI in which no voxel has a score.

    Raises
    ------
    InputError
        If the shapes do not fit together, or there are too few blocks to permute.
    """
    Y, Y_hat = as_matrix(Y_test, "Y_test"), as_matrix(Y_hat, "Y_hat")
    members, blocks = np.asarray(members, bool), np.asarray(blocks)
    if Y.shape != Y_hat.shape or members.shape[1:] != Y.shape[1:]:
        raise InputError(
            f"Y_test has shape {Y.shape}, Y_hat {Y_hat.shape} and members "
            f"{members.shape}; they must be (n_samples, n_voxels) twice and (n_rois, "
            "n_voxels)."
        )
    moved = _moved_rows(blocks, len(Y), n_permutations, seed)
    used = varies(Y) & varies(Y_hat)
    Y, Y_hat = _standard(Y[:, used]), _standard(Y_hat[:, used])
    null = np.full((n_permutations, len(members)), np.nan)
    here = np.arange(len(Y))
    for roi, mask in enumerate(members[:, used]):
        if mask.any():
            # Row t of the responses with row u of the predictions, mean over voxels.
            products = Y[:, mask] @ Y_hat[:, mask].T / mask.sum()
            null[:, roi] = [products[here, rows].sum() for rows in moved]
    return null


def inside_null(
    r: ArrayLike, null: ArrayLike, level: float = 0.99
) -> NDArray[np.bool_]:
    """Return which scores lie inside the two-sided interval of their own null.

    Parameters
    ----------
    r : array of shape (n_rois,)
    null : array of shape (n_permutations, n_rois)
    level : float
        Share of the null inside the interval.

    Returns
    -------
    inside : array of bool, shape (n_rois,)
        True where the score is no more than chance. False for a NaN.

    Raises
    ------
    InputError
        If the null has too few permutations to reach the tails, or other ROIs.

    Examples
    --------
    >>> null = np.linspace(-0.1, 0.1, 1001)[:, None].repeat(2, axis=1)
    >>> inside_null([0.05, 0.3], null)
    array([ True, False])
    """
    r, null = np.asarray(r, np.float64), np.asarray(null, np.float64)
    if r.ndim != 1 or null.ndim != 2 or null.shape[1] != len(r):
        raise InputError(
            f"r has shape {r.shape} and null {null.shape}, expected (n_rois,) and "
            "(n_permutations, n_rois)."
        )
    tail = (1 - level) / 2
    if not 0 < level < 1 or len(null) * tail < 1:
        raise InputError(
            f"{len(null)} permutations do not reach the tails of a {level} interval; "
            f"use at least {int(np.ceil(1 / tail)) if 0 < tail < 0.5 else 'one'}, and "
            "a level between 0 and 1."
        )
    low, high = np.quantile(null, [tail, 1 - tail], axis=0)
    return (r >= low) & (r <= high)


def recovered_bands(
    roi_scores: pd.DataFrame, null: Mapping[str, ArrayLike], *, level: float = 0.99
) -> pd.DataFrame:
    """Return the feature space that leads in each ROI, or 'none'.

    Parameters
    ----------
    roi_scores : DataFrame
        One subject's table from `analysis.rois.roi_scores`. The band that leads is
        the one with the largest mean part ('part', r_mean) of the joint model.
    null : dict of ROI to array of shape (n_permutations,)
        From `roi_null`.
    level : float
        A ROI whose joint score is inside this interval of its null recovers 'none'.

    Returns
    -------
    table : DataFrame
        One row per ROI, with the columns subject, roi, recovered, r_joint, null_low,
        null_high. A ROI without a scored voxel recovers 'no voxels'.

    Raises
    ------
    InputError
        If the table holds several subjects, or a ROI of it has no null.
    """
    if roi_scores["subject"].nunique() != 1:
        raise InputError(
            f"the table holds {roi_scores['subject'].nunique()} subjects; pass the "
            "rows of one at a time, since each has a null of its own."
        )
    rows = []
    for roi in roi_scores["roi"].unique():
        table = roi_scores[roi_scores["roi"] == roi]
        if roi not in null:
            raise InputError(f"ROI {roi!r} has no null. Make it with roi_null.")
        rows.append({"roi": roi} | _leader(table, np.asarray(null[roi]), level))
    out = pd.DataFrame(rows)
    out.insert(0, "subject", roi_scores["subject"].iloc[0])
    return out


def _leader(table: pd.DataFrame, null: Floats, level: float) -> dict[str, object]:
    """Return one ROI's row: what leads, the joint score, and the null's interval."""
    joint = table.loc[table["model"] == "joint", "r_mean"]
    parts = table[(table["model"] == "part") & (table["feature_space"] != "offset")]
    if len(joint) != 1 or not len(parts):
        raise InputError(
            f"ROI {table['roi'].iloc[0]!r} has {len(joint)} rows of the joint model "
            f"and {len(parts)} of its parts; it needs 1, and at least 1."
        )
    r = float(joint.iloc[0])
    if np.isnan(r):
        nan = float("nan")
        return {"recovered": UNSCORED, "r_joint": r, "null_low": nan, "null_high": nan}
    inside = bool(inside_null([r], null[:, None], level)[0])
    tail = (1 - level) / 2
    low, high = np.quantile(null, [tail, 1 - tail])
    best = (
        NONE if inside else parts["feature_space"].iloc[int(parts["r_mean"].argmax())]
    )
    return {"recovered": best, "r_joint": r, "null_low": low, "null_high": high}


def _moved_rows(
    blocks: NDArray, n_samples: int, n_permutations: int, seed: int
) -> NDArray[np.intp]:
    """Return, per permutation, the prediction's row that meets each response."""
    if blocks.shape != (n_samples,):
        raise InputError(
            f"blocks has shape {blocks.shape} for {n_samples} samples; number the "
            "block of each. Use block_of_row."
        )
    edges = np.flatnonzero(np.r_[True, blocks[1:] != blocks[:-1]])
    pieces = np.split(np.arange(n_samples), edges[1:])
    if len(pieces) < 6:
        raise InputError(
            f"{len(pieces)} blocks have too few orders for a null (6 have 720). Use "
            "shorter blocks, or more test data."
        )
    rng = np.random.default_rng(seed)
    moved = np.empty((n_permutations, n_samples), np.intp)
    for row in moved:
        order = rng.permutation(len(pieces))
        row[:] = np.concatenate([pieces[piece] for piece in order])
    return moved


def _standard(array: Floats) -> Floats:
    """Return columns of mean 0 and norm 1, so that products sum to correlations."""
    array = array.astype(np.float64)
    array = array - array.mean(axis=0)
    return array / np.linalg.norm(array, axis=0)
