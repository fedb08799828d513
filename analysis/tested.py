"""A model's scores with all that says whether they are more than chance, as tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats
from .moves import Moves
from .multiple import (
    false_discovery_q,
    gaussian_null_p,
    max_statistic_p,
    resolution_note,
)
from .permutations import TIE, Method, PermutationTest, permutation_test
from .rois import members_of

Q = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """One model's test scores, per voxel and ROI.

    Parameters
    ----------
    voxels : DataFrame
        One row per voxel: subject, voxel (its column), model, feature_space, r, p
        (one-sided, by `method`), q_bh, q_by, p_max (corrected for all voxels),
        p_gaussian (the paper's null, for comparison). NaN where there is no score.
    rois : DataFrame
        One row per ROI: subject, roi, model, feature_space, n_voxels, r_mean, p (of
        r_mean, one-sided), p_all (corrected for all ROIs), p_two_sided, n_bh, n_by,
        n_max, n_gaussian (voxels found at 0.05; the last by Benjamini-Hochberg on
        p_gaussian).
    notes : tuple of str
    """

    voxels: pd.DataFrame
    rois: pd.DataFrame
    notes: tuple[str, ...]


def significance_tables(
    Y_test: ArrayLike,
    Y_hat: ArrayLike,
    moves: Moves,
    *,
    rois: Mapping[str, ArrayLike],
    about: Mapping[str, str],
    method: Method = "count",
) -> Tested:
    """Return a model's scores with their significance, per voxel and ROI.

    Parameters
    ----------
    Y_test, Y_hat : array of shape (n_samples, n_voxels)
    moves : Moves
        From `shift_runs` or `permute_blocks`. Use the same for all models of a
        subject, so that their nulls go together.
    rois : dict of name to array of bool, shape (n_voxels,)
    about : dict
        'subject', 'model' and 'feature_space', written into the tables.
    method : 'count', 'tail' or 'pooled'
        As for `permutation_test`.

    Returns
    -------
    tested : Tested
    """
    n_voxels = np.shape(Y_test)[1]
    members = members_of(rois, n_voxels)
    test = permutation_test(Y_test, Y_hat, moves, method=method, members=members)
    voxels = pd.DataFrame(
        {
            "voxel": np.arange(n_voxels),
            "r": test.r,
            "p": test.p,
            "q_bh": false_discovery_q(test.p),
            "q_by": false_discovery_q(test.p, "by"),
            "p_max": max_statistic_p(test.r, test.max_null),
            "p_gaussian": gaussian_null_p(test.r, len(np.asarray(Y_test))),
        }
    )
    table = _roi_table(test, members, list(rois), voxels)
    for place, name in enumerate(("subject", "model", "feature_space")):
        voxels.insert(place if place == 0 else place + 1, name, about[name])
        table.insert(place if place == 0 else place + 1, name, about[name])
    n_tested = int(np.isfinite(test.p).sum())
    note = resolution_note(test.smallest_p, n_tested, Q, n_ways=moves.n_arrangements)
    notes = (*test.notes, note) if note else test.notes
    return Tested(voxels, table, notes)


def _roi_table(
    test: PermutationTest,
    members: NDArray[np.bool_],
    names: list[str],
    voxels: pd.DataFrame,
) -> pd.DataFrame:
    known = np.isfinite(test.r)
    gaussian = false_discovery_q(voxels["p_gaussian"])
    found = {
        "n_bh": voxels["q_bh"] <= Q,
        "n_by": voxels["q_by"] <= Q,
        "n_max": voxels["p_max"] <= Q,
        "n_gaussian": gaussian <= Q,
    }
    p, p_all = _roi_p(test.roi_r, test.roi_null)
    below, _ = _roi_p(-test.roi_r, -test.roi_null)
    columns = {
        "roi": names,
        "n_voxels": (members & known).sum(axis=1),
        "r_mean": test.roi_r,
        "p": p,
        "p_all": p_all,
        "p_two_sided": np.minimum(1.0, 2 * np.minimum(p, below)),
    }
    counts = {k: (members & np.asarray(v)).sum(axis=1) for k, v in found.items()}
    return pd.DataFrame(columns | counts)


def _roi_p(r: Floats, null: Floats) -> tuple[Floats, Floats]:
    """Return each ROI's p, and p corrected for all, in units of each ROI's null.

    Both are 1 for a ROI whose mean does not change when predictions are moved.
    """
    p, p_all = np.full((2, len(r)), np.nan)
    known = np.isfinite(r)
    p[known] = p_all[known] = 1.0
    known[known] = null[:, known].std(axis=0, ddof=1) > TIE
    if known.any():
        mean, sd = null[:, known].mean(axis=0), null[:, known].std(axis=0, ddof=1)
        z, z_null = (r[known] - mean) / sd, (null[:, known] - mean) / sd
        p[known] = [
            max_statistic_p([one], of_one)[0]
            for one, of_one in zip(z, z_null.T, strict=True)
        ]
        p_all[known] = max_statistic_p(z, z_null.max(axis=1))
    return p, p_all
