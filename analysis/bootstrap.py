"""How sure a mean score is: resampling whole blocks of time, never single samples.

Neighbouring samples are alike, so a sample is no unit of evidence; a clip, or a
stretch of time longer than the responses remember, is nearly one. Correlations come
from sums over blocks, so a resample of blocks is one matrix product.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from ..core.stats import varies

Key = tuple[str, str]

RUN_COLUMNS = ("session", "task", "run")
SUMS = ("y", "b", "p", "yb", "yy", "pp")
CHUNK = 2**21  # numbers per intermediate array: 16 MB


def block_of_row(
    rows: pd.DataFrame, tr_s: float, block_s: float
) -> NDArray[np.integer]:
    """Return the block of each row: its clip's presentation, or a stretch of time.

    Where rows have a clip, each presentation of a clip in a run is one block. Where
    they have none, a run is cut into blocks of `block_s`; a last one shorter than
    half of that joins the one before. No block crosses the border of a run.

    Parameters
    ----------
    rows : DataFrame
        One row per sample, in the order of the responses: the columns of the run's
        identity (session, task, run: those there are) and, if the stimuli are clips,
        'clip' ('' or missing where there is none). 'presentation' and
        'sample_in_clip', if there, tell a clip from the same clip right after it.
    tr_s : float
        Sampling period, in s.
    block_s : float
        Length of a block without clips, in s: longer than the haemodynamic response.

    Returns
    -------
    blocks : array of int, shape (n_rows,)
        Numbered from 0 in the order of the rows.

    Raises
    ------
    InputError
        If `rows` does not say the run, or a block would be shorter than a sample.

    Examples
    --------
    >>> rows = pd.DataFrame({"run": ["1"] * 6, "clip": ["a", "a", "b", "", "", ""]})
    >>> block_of_row(rows, tr_s=1.5, block_s=3.0)
    array([0, 0, 1, 2, 2, 3])
    """
    run_columns = [name for name in RUN_COLUMNS if name in rows]
    if not run_columns:
        raise InputError(
            "the rows have no column session, task or run: blocks must not cross a "
            f"run's border, so it must be known. Found: {', '.join(rows.columns)}."
        )
    n_rows_block = round(block_s / tr_s) if tr_s > 0 else 0
    if n_rows_block < 1:
        raise InputError(
            f"a block of {block_s} s holds no sample of {tr_s} s. Give blocks of at "
            "least one TR, better longer than the haemodynamic response (20 s)."
        )
    clips = _clips(rows)
    starts = _changes(rows[run_columns]) | _changes(clips.to_frame())
    if "presentation" in rows:
        starts |= _changes(rows[["presentation"]])
    if "sample_in_clip" in rows:
        within = rows["sample_in_clip"].to_numpy()
        starts |= np.r_[True, within[1:] <= within[:-1]] & (clips != "").to_numpy()
    edges = np.flatnonzero(starts)
    for start, stop in zip(edges, [*edges[1:], len(rows)], strict=True):
        if clips.iloc[start] == "":
            n_blocks = max(1, int((stop - start) / n_rows_block + 0.5))
            starts[start : start + n_blocks * n_rows_block : n_rows_block] = True
    return np.cumsum(starts) - 1


def block_of_clip(rows: pd.DataFrame, blocks: NDArray) -> NDArray[np.integer]:
    """Return `blocks` with all presentations of a clip in one.

    Repeats of a clip share what is scored, so they are resampled together; as blocks
    of their own they would pass for independent clips, and intervals be too narrow.

    Examples
    --------
    >>> rows = pd.DataFrame({"clip": ["a", "b", "a", ""]})
    >>> block_of_clip(rows, np.array([0, 1, 2, 3]))
    array([0, 1, 0, 2])
    """
    clips = _clips(rows)
    alone = "\n" + pd.Series(blocks, index=rows.index).astype(str)
    return pd.factorize(clips.where(clips != "", alone))[0]


def block_counts(n_blocks: int, n_resamples: int, seed: int) -> NDArray[np.float64]:
    """Return how often each block is drawn in each resample.

    Returns
    -------
    counts : array of shape (n_resamples, n_blocks)
        Each row adds up to `n_blocks`: drawn with replacement.

    Raises
    ------
    InputError
        If there are fewer than two blocks or no resample.
    """
    if n_blocks < 2 or n_resamples < 1:
        raise InputError(
            f"{n_resamples} resamples of {n_blocks} blocks: an interval needs at least "
            "2 blocks and 1 resample. Use shorter blocks, or more test data."
        )
    rng = np.random.default_rng(seed)
    shares = np.full(n_blocks, 1 / n_blocks)
    return rng.multinomial(n_blocks, shares, size=n_resamples).astype(np.float64)


def bootstrap_roi_scores(
    Y: ArrayLike,
    predictions: Mapping[Key, ArrayLike],
    members: ArrayLike,
    blocks: ArrayLike,
    *,
    n_resamples: int,
    seed: int,
) -> dict[Key, Floats]:
    """Return resampled mean correlations of each ROI, for each model.

    All models see the same resamples, so their differences are paired.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
        Test responses.
    predictions : dict of (model, feature space) to array of shape (n_samples, n_voxels)
        Predicted test responses. An entry of the model 'part' is a band's part of
        ('joint', 'all'), which must be there too: its score is what it adds to
        joint's.
    members : array of bool, shape (n_rois, n_voxels)
        Which voxels each ROI holds. ROIs may overlap.
    blocks : array of int, shape (n_samples,)
        Block of each sample, numbered from 0, as from `block_of_row`.
    n_resamples : int
    seed : int

    Returns
    -------
    resampled : dict of (model, feature space) to array of shape (n_resamples, n_rois)
        Mean over those of the ROI's voxels that have a score. NaN for a ROI with
        none.

    Raises
    ------
    InputError
        If the shapes do not fit together, there are fewer than two blocks, or parts
        come without their joint model.
    """
    Y, members, blocks = _check(Y, members, blocks)
    arrays = {key: _check_prediction(key, p, Y) for key, p in predictions.items()}
    counts = block_counts(int(blocks.max()) + 1, n_resamples, seed)
    if any(key[0] == "part" for key in arrays) and ("joint", "all") not in arrays:
        raise InputError(
            "predictions hold parts but not ('joint', 'all'), of which they are parts. "
            "Pass the joint prediction too."
        )
    resampled = {}
    for key, prediction in arrays.items():
        whole = arrays["joint", "all"] if key[0] == "part" else prediction
        resampled[key] = _resample(Y, prediction, whole, members, blocks, counts)
    return resampled


def _resample(
    Y: Floats,
    part: Floats,
    whole: Floats,
    members: NDArray[np.bool_],
    blocks: NDArray,
    counts: Floats,
) -> Floats:
    """Return resampled ROI means of cov(Y, part) / (sd(Y) sd(whole))."""
    out = np.full((len(counts), len(members)), np.nan)
    used = np.flatnonzero(varies(Y) & varies(whole) & members.any(axis=0))
    members = members[:, used].astype(np.float64)
    if not len(used):
        return out
    sums = BlockSums.make(Y[:, used], part[:, used], whole[:, used], blocks)
    n_members = members.sum(axis=1)
    some = n_members > 0
    n_rows = max(1, CHUNK // len(used))
    for start in range(0, len(counts), n_rows):
        rows = slice(start, start + n_rows)
        r = sums.correlate(counts[rows])
        # A resample in which a voxel never varies says nothing of that voxel.
        known = np.isfinite(r)
        if known.all():
            out[rows, some] = r @ members[some].T / n_members[some]
        else:
            n_known = known @ members[some].T
            total = np.where(known, r, 0) @ members[some].T
            out[rows, some] = _divide(total, n_known)
    return out


class BlockSums:
    """Sums over each block of Y, part, whole and their products, per voxel."""

    def __init__(self, sizes: Floats, sums: Mapping[str, Floats]) -> None:
        self.sizes = sizes
        self.sums = sums

    @classmethod
    def make(
        cls, Y: Floats, part: Floats, whole: Floats, blocks: NDArray
    ) -> "BlockSums":
        """Sum over each block; `part` is a part of `whole`, or all of it."""
        order = np.argsort(blocks, kind="stable")
        sizes = np.bincount(blocks)
        starts = np.r_[0, np.cumsum(sizes)[:-1]]
        sums = {name: np.empty((len(sizes), Y.shape[1])) for name in SUMS}
        n_voxels = max(1, CHUNK // max(1, len(Y)))
        for start in range(0, Y.shape[1], n_voxels):
            batch = slice(start, start + n_voxels)
            y, b, p = (_centred(array[order, batch]) for array in (Y, part, whole))
            products = {"y": y, "b": b, "p": p, "yb": y * b, "yy": y**2, "pp": p**2}
            for name, product in products.items():
                sums[name][:, batch] = np.add.reduceat(product, starts, axis=0)
        return cls(sizes.astype(float), sums)

    def correlate(self, counts: Floats) -> Floats:
        """Return the correlation in each resample, (n_resamples, n_voxels)."""
        n = (counts @ self.sizes)[:, None]
        y, b, p, yb, yy, pp = (counts @ self.sums[name] for name in SUMS)
        var_y, var_p = yy - y**2 / n, pp - p**2 / n
        # What rounding leaves of a constant is not a variance.
        alive = (var_y > 1e-12 * yy) & (var_p > 1e-12 * pp)
        norm = np.sqrt(np.where(alive, var_y * var_p, np.nan))
        return (yb - y * b / n) / norm


def _centred(array: Floats) -> Floats:
    array = array.astype(np.float64)
    return array - array.mean(axis=0)


def _divide(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def _clips(rows: pd.DataFrame) -> pd.Series:
    if "clip" not in rows:
        return pd.Series("", index=rows.index)
    return rows["clip"].fillna("").astype(str)


def _changes(columns: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows differ from the one before; the first one does."""
    codes = columns.astype(object).fillna("").astype(str).agg("\n".join, axis=1)
    return (codes != codes.shift()).to_numpy()


def _check(
    Y: ArrayLike, members: ArrayLike, blocks: ArrayLike
) -> tuple[Floats, NDArray[np.bool_], NDArray]:
    Y, members, blocks = as_matrix(Y, "Y"), np.asarray(members), np.asarray(blocks)
    if members.ndim != 2 or members.shape[1] != Y.shape[1] or members.dtype != bool:
        raise InputError(
            f"members has shape {members.shape} and type {members.dtype}, expected "
            f"bool, (n_rois, {Y.shape[1]}): which of Y's voxels each ROI holds."
        )
    counts = np.bincount(blocks) if blocks.shape == Y.shape[:1] else np.zeros(1)
    if (counts == 0).any():
        raise InputError(
            f"blocks must number the block of each of {len(Y)} samples from 0 without "
            f"gaps, got shape {blocks.shape}. Use block_of_row."
        )
    return Y, members, blocks


def _check_prediction(key: Key, prediction: ArrayLike, Y: Floats) -> Floats:
    prediction = as_matrix(prediction, f"the prediction of {key}")
    if prediction.shape != Y.shape:
        raise InputError(
            f"the prediction of {key} has shape {prediction.shape}, Y {Y.shape}. Both "
            "must hold the same test samples and voxels."
        )
    return prediction
