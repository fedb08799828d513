"""How sure the regions of a partition and the three views are: blocks drawn again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError
from ..core.stats import varies
from .bootstrap import block_counts
from .comparison import LEVEL, corrected_intervals
from .partition import Subset, regions_of
from .summaries import Resampled

N_VOXELS_BATCH = 1024
KEPT = ("se", "low", "high", "low_all", "high_all", "p", "p_all")

Terms = Callable[[NDArray[np.integer]], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What is drawn again, and how.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
        Test responses.
    members : array of bool, shape (n_rois, n_voxels)
    blocks : array of int, shape (n_samples,)
        Block of each sample, numbered from 0: a clip with its repeats.
    n_resamples : int
    seed : int
    """

    Y: Floats
    members: NDArray[np.bool_]
    blocks: NDArray[np.integer]
    n_resamples: int
    seed: int

    def __post_init__(self) -> None:
        fits = self.blocks.shape == self.Y.shape[:1]
        if not fits or not np.bincount(self.blocks).all():
            raise InputError(
                f"Y has shape {self.Y.shape} and blocks {self.blocks.shape}. Number "
                "each sample's block from 0 without gaps."
            )


def bootstrap_shares(drawn: Drawn, terms: Terms, n_terms: int) -> list[Resampled]:
    """Return each ROI's mean shares of variance, and what they are in resamples.

    A share is a sum over samples of a voxel, over the sum of its squared responses,
    both made from the blocks that are drawn.

    Parameters
    ----------
    drawn : Drawn
    terms : callable
        Gives, for voxel numbers (n_some,), what each sample adds to each share, of
        shape (n_terms, n_samples, n_some).
    n_terms : int

    Returns
    -------
    shares : list of Resampled
        One per term. NaN for a ROI without a voxel that varies.
    """
    Y, blocks = drawn.Y, drawn.blocks
    used = np.flatnonzero(varies(Y) & drawn.members.any(axis=0))
    n_blocks = int(blocks.max()) + 1
    counts = block_counts(n_blocks, drawn.n_resamples, drawn.seed)
    # All blocks, resamples, and each block left out in turn, for the jackknife.
    counts = np.concatenate([np.ones((1, n_blocks)), counts, 1 - np.eye(n_blocks)])
    order = np.argsort(blocks, kind="stable")
    starts = np.r_[0, np.cumsum(np.bincount(blocks))[:-1]]
    weights = drawn.members.astype(np.float64)
    sums = np.zeros((n_terms, len(counts), len(drawn.members)))
    for start in range(0, len(used), N_VOXELS_BATCH):
        batch = used[start : start + N_VOXELS_BATCH]
        y = Y[:, batch].astype(np.float64)
        power = (y - y.mean(axis=0)) ** 2
        added = np.concatenate([power[None], terms(batch)])
        power, *blocks_of = np.add.reduceat(added[:, order], starts, axis=1)
        whole = counts @ power
        for place, one in enumerate(blocks_of):
            sums[place] += ((counts @ one) / whole) @ weights[:, batch].T
    n_voxels = drawn.members[:, used].sum(axis=1)
    means = np.full_like(sums, np.nan)
    some = n_voxels > 0
    means[..., some] = sums[..., some] / n_voxels[some]
    end = 1 + drawn.n_resamples
    return [Resampled(one[0], one[1:end], n_voxels, one[end:]) for one in means]


def bootstrap_regions(
    drawn: Drawn, predictions: Mapping[Subset, ArrayLike], subsets: Sequence[Subset]
) -> list[Resampled]:
    """Return each region's mean r2 per ROI, with resamples, in the order of `subsets`.

    Parameters
    ----------
    drawn : Drawn
    predictions : dict of subset to array of shape (n_samples, n_voxels)
        Test predictions, with intercept, of the model of each subset.
    subsets : sequence of tuple of str
        From `subsets_of`.
    """
    whole = [np.asarray(predictions[subset]) for subset in subsets]

    def terms(voxels: NDArray[np.integer]) -> Floats:
        y = drawn.Y[:, voxels].astype(np.float64)
        power = (y - y.mean(axis=0)) ** 2
        r2 = np.stack([power - (y - one[:, voxels]) ** 2 for one in whole])
        return regions_of(r2, subsets)

    return bootstrap_shares(drawn, terms, len(subsets))


def bootstrap_parts(drawn: Drawn, parts: ArrayLike) -> list[Resampled]:
    """Return what each part adds to the r2 of the parts' sum, per ROI with resamples.

    Parameters
    ----------
    drawn : Drawn
    parts : array of shape (n_parts, n_samples, n_voxels)
        Parts of a joint model's prediction, or of a stack's; as for `r2_parts`, whose
        centring over all samples is kept.
    """
    every = np.asarray(parts)

    def terms(voxels: NDArray[np.integer]) -> Floats:
        y = drawn.Y[:, voxels].astype(np.float64)
        some = every[..., voxels].astype(np.float64)
        some -= some.mean(axis=1, keepdims=True)
        return some * (2 * (y - y.mean(axis=0)) - some.sum(axis=0))

    return bootstrap_shares(drawn, terms, len(every))


def with_intervals(
    table: pd.DataFrame,
    shares: Mapping[str, Resampled],
    rois: Sequence[str],
    *,
    by: str,
    name: str = "",
    kept: Sequence[str] = KEPT,
) -> pd.DataFrame:
    """Return a table of ROIs with the interval and p of each share.

    Parameters
    ----------
    table : DataFrame
        One row per ROI and whatever column `by` names.
    shares : dict of what is in that column to Resampled
    rois : sequence of str
        In the order of `Drawn.members`.
    by : str
    name : str
        Put before each new column, such as 'r2_unique_'.
    kept : sequence of str
        Which new columns: all are se, low, high (one ROI), low_all, high_all (all ROIs
        at once), p and p_all (two-sided, against 0).

    Returns
    -------
    table : DataFrame
    """
    parts = []
    for key, one in shares.items():
        part = corrected_intervals(one, LEVEL).rename(columns={"r_diff_se": "se"})
        part = part[list(kept)].add_prefix(name)
        part.insert(0, "roi", list(rois))
        part.insert(1, by, key)
        parts.append(part)
    every = pd.concat(parts, ignore_index=True)
    return table.merge(every, on=["roi", by], how="left", validate="one_to_one")
