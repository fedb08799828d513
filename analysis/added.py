"""What one feature space adds to another: the difference of two models, tested.

The paper's question, for instance: what do MuLan's text features predict that its music
features do not?
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from ..core.stats import r2_score, varies
from .bootstrap import block_counts
from .comparison import LEVEL, corrected_intervals
from .multiple import false_discovery_q, max_statistic_p, resolution_note
from .rois import members_of
from .summaries import Resampled

N_VOXELS_BATCH = 1024
TIE = 1e-12
ROUNDING = 64  # times the precision of the predictions, of a block's power: no gain
Q_FOUND = 0.05
NAMES = ("Y_test", "base", "both")


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """What a feature space adds, per voxel and ROI.

    Parameters
    ----------
    voxels : DataFrame
        One row per voxel: subject, voxel (its column), added, to, r2_base, r2_both,
        r2_added, p (one-sided), q (Benjamini-Hochberg), p_max (corrected for all
        voxels). NaN where a voxel never varies.
    rois : DataFrame
        One row per ROI: subject, roi, added, to, n_voxels, r2_base, r2_both, r2_added,
        r2_added_se, low, high, low_all, high_all, p, p_all (one-sided: is anything
        added?), n_voxels_found (q at most 0.05).
    notes : tuple of str
    """

    voxels: pd.DataFrame
    rois: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is added to what, for whom, and how it is tested.

    Parameters
    ----------
    added, to : str
        Names: 'mulan-text' to 'mulan-music'.
    subject : str
    n_permutations, n_resamples : int
    seed : int
    """

    added: str
    to: str
    subject: str
    n_permutations: int = 1000
    n_resamples: int = 1000
    seed: int = 0


def what_is_added(
    Y_test: ArrayLike,
    base: ArrayLike,
    both: ArrayLike,
    *,
    blocks: ArrayLike,
    rois: Mapping[str, ArrayLike],
    question: Question,
) -> Added:
    """Return how much better a model predicts with a feature space than without it.

    Per voxel: r2 of both less r2 of base, with p from sign flips. If nothing is added,
    either model could have had the smaller squared error in any block; so the signs of
    the blocks' gains are drawn anew, the same for all voxels. A useless addition costs
    a little, so p errs upwards. Per ROI: the mean over voxels, with a bootstrap over
    blocks, corrected over ROIs. All p are one-sided: an r2 below 0 is the cost of
    estimating what is not there, and no effect.

    Parameters
    ----------
    Y_test : array of shape (n_samples, n_voxels)
    base, both : array of shape (n_samples, n_voxels)
        Predictions, with intercept, of the model without and with what is added.
    blocks : array of int, shape (n_samples,)
        Block of each sample, numbered from 0: a clip with its repeats, from
        `block_of_clip`.
    rois : dict of name to array of bool, shape (n_voxels,)
    question : Question

    Returns
    -------
    added : Added

    Raises
    ------
    InputError
        If the shapes do not fit together, or there are fewer than 2 blocks.

    References
    ----------
    Good, P. (2005). Permutation, Parametric and Bootstrap Tests of Hypotheses (sign
    flips of paired differences).
    """
    Y, P, Q = (
        as_matrix(a, n) for a, n in zip((Y_test, base, both), NAMES, strict=True)
    )
    blocks = np.asarray(blocks)
    numbered = np.bincount(blocks).all() if blocks.shape == Y.shape[:1] else False
    if not Y.shape == P.shape == Q.shape or not numbered:
        raise InputError(
            f"Y_test has shape {Y.shape}, base {P.shape}, both {Q.shape} and blocks "
            f"{blocks.shape}: the first three must be alike, and blocks number each "
            "sample's block from 0 without gaps."
        )
    members = members_of(rois, Y.shape[1])
    gains, power = _block_gains(Y, P, Q, blocks)
    p, p_max = sign_flip_test(
        gains, n_permutations=question.n_permutations, seed=question.seed
    )
    r2_base, r2_both = r2_score(Y, P), r2_score(Y, Q)
    voxels = pd.DataFrame(
        {
            "subject": question.subject,
            "voxel": np.arange(Y.shape[1]),
            "added": question.added,
            "to": question.to,
            "r2_base": r2_base,
            "r2_both": r2_both,
            "r2_added": r2_both - r2_base,
            "p": p,
            "q": false_discovery_q(p),
            "p_max": p_max,
        }
    )
    table = _roi_table(gains, power, members, list(rois), voxels, question)
    n_flips = 2.0 ** min(len(gains), 100)
    smallest = max(1 / (1 + question.n_permutations), 1 / n_flips)
    note = resolution_note(smallest, int(np.isfinite(p).sum()), n_ways=n_flips)
    notes = [note] if note else []
    n_cost = int((table["high"] < 0).sum())
    if n_cost:
        notes.append(
            f"adding {question.added} to {question.to} lowers r2 in {n_cost} of "
            f"{len(table)} ROIs: estimating what is not there costs that much. It is "
            "no effect, and p asks for gains alone."
        )
    return Added(voxels, table, tuple(notes))


def sign_flip_test(
    gains: ArrayLike, *, n_permutations: int, seed: int
) -> tuple[Floats, Floats]:
    """Test whether the sum of each column's gains is above 0, by flips of rows.

    Parameters
    ----------
    gains : array of shape (n_blocks, n_voxels)
        NaN in a column that has none.
    n_permutations : int
        How many flips to draw. Where there are no more, each one but the observed is
        taken once.
    seed : int

    Returns
    -------
    p : array of shape (n_voxels,)
        One-sided: (1 + number of flips with a sum as large) / (1 + number of flips).
    p_max : array of shape (n_voxels,)
        Corrected for all columns by the maximum statistic, with each sum in units of
        the root of its column's sum of squares.
    """
    gains = np.asarray(gains, np.float64)
    n_blocks, n_voxels = gains.shape
    if n_blocks < 2 or n_permutations < 1:
        raise InputError(
            f"{n_permutations} flips of {n_blocks} blocks: a test needs at least 1 "
            "flip of 2 blocks. Use shorter blocks, or more test data."
        )
    signs = _signs(n_blocks, n_permutations, seed)
    n_permutations = len(signs)
    p, observed = np.full((2, n_voxels), np.nan)
    max_null = np.full(n_permutations, -np.inf)
    for start in range(0, n_voxels, N_VOXELS_BATCH):
        batch = slice(start, start + N_VOXELS_BATCH)
        known = np.isfinite(gains[:, batch]).all(axis=0)
        t = gains[:, batch][:, known]
        t = t / _size(t)
        null = signs @ t
        columns = start + np.flatnonzero(known)
        observed[columns] = t.sum(axis=0)
        above = (null >= observed[columns] - TIE).sum(axis=0)
        p[columns] = (1 + above) / (1 + n_permutations)
        if known.any():
            np.maximum(max_null, null.max(axis=1), out=max_null)
    return p, max_statistic_p(observed, max_null)


def _signs(n_blocks: int, n_flips: int, seed: int) -> Floats:
    """Return signs of each block, (n_flips, n_blocks).

    All that there are but the observed ones, where they are no more than was asked for.
    """
    if 2**n_blocks <= n_flips:
        number = np.arange(1, 2**n_blocks)[:, None]
        return 1.0 - 2.0 * (number >> np.arange(n_blocks) & 1)
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 1.0], size=(n_flips, n_blocks))


def _size(gains: Floats) -> Floats:
    """Return the root of each column's sum of squares; 1 where all gains are 0."""
    size = np.sqrt((gains**2).sum(axis=0))
    return np.where(size > 0, size, 1.0)


def _block_gains(
    Y: Floats, P: Floats, Q: Floats, blocks: NDArray
) -> tuple[Floats, Floats]:
    """Return each block's fall in squared error, and its power, (n_blocks, n_voxels).

    NaN for a voxel that never varies.
    """
    order = np.argsort(blocks, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(blocks))[:-1]]
    out = np.full((2, len(starts), Y.shape[1]), np.nan)
    used = np.flatnonzero(varies(Y))
    for start in range(0, len(used), N_VOXELS_BATCH):
        batch = used[start : start + N_VOXELS_BATCH]
        y, p, q = (a[:, batch].astype(np.float64) for a in (Y, P, Q))
        fall = (y - p) ** 2 - (y - q) ** 2
        both = np.stack([fall, (y - y.mean(axis=0)) ** 2])
        out[:, :, batch] = np.add.reduceat(both[:, order], starts, axis=1)
    # Where the addition was dropped, the two models differ by rounding alone.
    rounding = ROUNDING * np.finfo(np.result_type(P, Q)).eps
    out[0][np.abs(out[0]) <= rounding * out[1]] = 0
    return out[0], out[1]


def _roi_table(
    gains: Floats,
    power: Floats,
    members: NDArray[np.bool_],
    names: list[str],
    voxels: pd.DataFrame,
    question: Question,
) -> pd.DataFrame:
    """Return one row per ROI, with a bootstrap over blocks."""
    known = np.isfinite(gains).all(axis=0)
    counts = block_counts(len(gains), question.n_resamples, question.seed)
    n = len(gains)
    counts = np.concatenate([np.ones((1, n)), 1 - np.eye(n), counts])
    values = np.full((len(counts), len(members)), np.nan)
    for roi, mask in enumerate(members & known):
        if mask.any():
            parts = counts @ gains[:, mask] / (counts @ power[:, mask])
            values[:, roi] = parts.mean(axis=1)
    n_voxels = (members & known).sum(axis=1)
    resampled = Resampled(values[0], values[1 + n :], n_voxels, values[1 : 1 + n])
    table = corrected_intervals(resampled, LEVEL, side="above")
    table = table.rename(columns={"r_diff": "r2_added", "r_diff_se": "r2_added_se"})
    for name in ("r2_both", "r2_base"):
        score = voxels[name].to_numpy()
        means = [score[m].mean() if m.any() else np.nan for m in members & known]
        table.insert(1, name, means)
    found = voxels["q"].to_numpy() <= Q_FOUND
    table["n_voxels_found"] = (members & found).sum(axis=1)
    for name, value in reversed(
        [
            ("subject", question.subject),
            ("roi", names),
            ("added", question.added),
            ("to", question.to),
        ]
    ):
        table.insert(0, name, value)
    return table
