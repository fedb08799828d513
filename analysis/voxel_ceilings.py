"""The noise ceiling of each voxel by itself, for maps."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..core.checks import InputError
from .noise_ceiling import jackknife_error, largest_r, normalise_scores


def voxel_ceiling_table(
    share: ArrayLike,
    left_out: ArrayLike,
    r: ArrayLike,
    *,
    subject: str,
    n_averaged: int,
) -> pd.DataFrame:
    """Return each voxel's ceiling and its error, with its score beside it.

    One voxel's ceiling is an estimate with a wide error; r over it is as often too high
    as too low, and has no value where the ceiling is none. For an ROI take
    `ceiling_table`.

    Parameters
    ----------
    share : array of shape (n_voxels,)
        Explainable variance of single repeats.
    left_out : array of shape (n_clips, n_voxels)
        The same without each clip, from `jackknife_explainable_variance`.
    r : array of shape (n_voxels,)
        Test scores of the joint model.
    subject : str
    n_averaged : int
        How many repeats were averaged into what is scored.

    Returns
    -------
    table : DataFrame
        One row per voxel: subject, voxel (its column), n_averaged,
        explainable_variance, explainable_variance_se, largest_r (NaN below an
        explainable variance of 0), r, r_over_largest_r (not clipped).

    Raises
    ------
    InputError
        If the shapes do not fit together.
    """
    share, left_out, r = (np.asarray(a, np.float64) for a in (share, left_out, r))
    if not share.shape == r.shape == left_out.shape[1:] or share.ndim != 1:
        raise InputError(
            f"share has shape {share.shape}, left_out {left_out.shape} and r "
            f"{r.shape}. Give one value per voxel, and left_out as (n_clips, n_voxels)."
        )
    ceiling = largest_r(share, n_averaged)
    return pd.DataFrame(
        {
            "subject": subject,
            "voxel": np.arange(len(share)),
            "n_averaged": n_averaged,
            "explainable_variance": share,
            "explainable_variance_se": jackknife_error(left_out),
            "largest_r": ceiling,
            "r": r,
            "r_over_largest_r": normalise_scores(r, ceiling),
        }
    )
