"""Three ways to sum a ROI up, resampled together: mean, median, and best tenth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from ..core.selection import Selection, masks_to_score, select_best
from ..core.stats import varies
from .bootstrap import CHUNK, BlockSums, Key, block_counts
from .noise_ceiling import jackknife_error

SUMMARIES = ("mean", "median", "best_tenth")


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """A number per ROI, and what it is when the test blocks are drawn again.

    Parameters
    ----------
    observed : array of shape (n_rois,)
    resampled : array of shape (n_resamples, n_rois)
    n_voxels : array of int, shape (n_rois,)
        Voxels with a score, of those that are summed up.
    left_out : array of shape (n_blocks, n_rois), optional
        The number without each block in turn, for its standard error. Left out, the
        resamples are taken for as wide as they should be.
    """

    observed: Floats
    resampled: Floats
    n_voxels: NDArray[np.integer]
    left_out: Floats | None = None

    @property
    def n_blocks(self) -> float:
        """How many blocks were drawn from; infinity where that is not known."""
        return np.inf if self.left_out is None else len(self.left_out)

    @property
    def error(self) -> Floats:
        """Standard error of each ROI's number: by the jackknife, if it can be had."""
        if self.left_out is None:
            return self.resampled.std(axis=0, ddof=1)
        return jackknife_error(self.left_out)

    def __sub__(self, other: "Resampled") -> "Resampled":
        """Return the paired difference, over the same resamples."""
        return Resampled(
            self.observed - other.observed,
            self.resampled - other.resampled,
            np.minimum(self.n_voxels, other.n_voxels),
            None
            if self.left_out is None or other.left_out is None
            else self.left_out - other.left_out,
        )

    def take(self, rois: ArrayLike) -> "Resampled":
        """Return only some of the ROIs, by their places."""
        at = np.asarray(rois)
        return Resampled(
            self.observed[at],
            self.resampled[:, at],
            self.n_voxels[at],
            None if self.left_out is None else self.left_out[:, at],
        )


Summaries = Mapping[tuple[Key, str], Resampled]


def bootstrap_summaries(
    Y: ArrayLike,
    predictions: Mapping[Key, ArrayLike],
    members: ArrayLike,
    blocks: ArrayLike,
    *,
    best: ArrayLike,
    n_resamples: int,
    seed: int,
) -> dict[tuple[Key, str], Resampled]:
    """Return mean, median and best tenth of each ROI's correlations, with resamples.

    All models and summaries see the same resamples, so differences are paired.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
        Test responses.
    predictions : dict of (model, feature space) to array of shape (n_samples, n_voxels)
        Predicted test responses. An entry of the model 'part' is scored as what it
        adds to ('joint', 'all'), which must be there too.
    members : array of bool, shape (n_rois, n_voxels)
    blocks : array of int, shape (n_samples,)
        Block of each sample, numbered from 0: from `blocks_to_resample`.
    best : array of bool, shape (n_rois, n_voxels)
        The best tenth of each ROI, chosen by training scores and let through by
        `core.selection.masks_to_score`. The same voxels for all models.
    n_resamples : int
    seed : int

    Returns
    -------
    summaries : dict of ((model, feature space), summary) to Resampled
        Summary is 'mean', 'median' or 'best_tenth'. NaN for a ROI without a scored
        voxel.

    Raises
    ------
    InputError
        If shapes do not fit together, or parts come without their joint model.
    """
    Y, blocks = as_matrix(Y, "Y"), np.asarray(blocks)
    members, best = np.asarray(members), np.asarray(best)
    arrays = {
        key: as_matrix(p, f"prediction of {key}") for key, p in predictions.items()
    }
    _check(Y, arrays, members, best, blocks)
    n_blocks = int(blocks.max()) + 1
    drawn = block_counts(n_blocks, n_resamples, seed)
    counts = np.concatenate([np.ones((1, n_blocks)), 1 - np.eye(n_blocks), drawn])
    out = {}
    for key, part in arrays.items():
        whole = arrays["joint", "all"] if key[0] == "part" else part
        used = varies(Y) & varies(whole) & members.any(axis=0)
        sums = BlockSums.make(Y[:, used], part[:, used], whole[:, used], blocks)
        inside = {"mean": members[:, used], "best_tenth": best[:, used]}
        values = _summarise(sums, counts, inside)
        for name in SUMMARIES:
            n = inside["best_tenth" if name == "best_tenth" else "mean"].sum(axis=1)
            found = values[name]
            out[key, name] = Resampled(
                found[0], found[1 + n_blocks :], n, found[1 : 1 + n_blocks]
            )
    return out


def _summarise(
    sums: BlockSums, counts: Floats, inside: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Floats]:
    """Return each summary for each row of counts, (n_rows, n_rois)."""
    members, best = inside["mean"], inside["best_tenth"]
    out = {name: np.full((len(counts), len(members)), np.nan) for name in SUMMARIES}
    n_voxels = members.shape[1]
    n_rows = max(1, CHUNK // max(1, n_voxels))
    for start in range(0, len(counts), n_rows):
        rows = slice(start, start + n_rows)
        r = sums.correlate(counts[rows])
        for roi in np.flatnonzero(members.any(axis=1)):
            out["mean"][rows, roi] = _known(np.mean, r[:, members[roi]])
            out["median"][rows, roi] = _known(np.median, r[:, members[roi]])
        for roi in np.flatnonzero(best.any(axis=1)):
            out["best_tenth"][rows, roi] = _known(np.mean, r[:, best[roi]])
    return out


def _known(summary: object, r: Floats) -> Floats:
    """Return a summary of each row, over the voxels that vary in that resample."""
    if np.isfinite(r).all():
        return summary(r, axis=1)  # type: ignore[operator]
    rows = [row[np.isfinite(row)] for row in r]
    return np.array([summary(x) if len(x) else np.nan for x in rows])  # type: ignore[operator]


def _check(
    Y: Floats,
    arrays: Mapping[Key, Floats],
    members: NDArray,
    best: NDArray,
    blocks: NDArray,
) -> None:
    for name, masks in {"members": members, "best": best}.items():
        if masks.ndim != 2 or masks.shape[1] != Y.shape[1] or masks.dtype != bool:
            raise InputError(
                f"{name} has shape {masks.shape} and type {masks.dtype}, expected "
                f"bool, (n_rois, {Y.shape[1]}): which of Y's voxels each ROI holds."
            )
    if members.shape != best.shape or (best & ~members).any():
        raise InputError(
            f"members has shape {members.shape} and best {best.shape}: best must hold "
            "some of each ROI's voxels and no others. Use select_best with inside=ROI."
        )
    wrong = {key: p.shape for key, p in arrays.items() if p.shape != Y.shape}
    numbered = np.bincount(blocks).all() if blocks.shape == Y.shape[:1] else False
    if wrong or not numbered:
        raise InputError(
            f"Y has shape {Y.shape}, blocks {blocks.shape}, and predictions "
            f"{wrong or 'fit'}. Predictions must be of Y's shape, and blocks number "
            "each sample's block from 0 without gaps."
        )
    if any(key[0] == "part" for key in arrays) and ("joint", "all") not in arrays:
        raise InputError(
            "predictions hold parts but not ('joint', 'all'), of which they are parts. "
            "Pass the joint prediction too."
        )


def best_tenths(
    rois: Mapping[str, ArrayLike],
    cv_scores: ArrayLike,
    *,
    train_runs: Iterable[object],
    test_runs: Iterable[object],
    share: float = 0.1,
) -> NDArray[np.bool_]:
    """Return the best tenth of each ROI's voxels, chosen by training scores.

    Parameters
    ----------
    rois : dict of name to array of bool, shape (n_voxels,)
    cv_scores : array of shape (n_voxels,)
        Cross-validated scores on training runs, as a saved model holds them.
    train_runs, test_runs : iterable of Run or str
        Runs that `cv_scores` come from, and those that will be scored.
    share : float
        Rounded up to whole voxels.

    Returns
    -------
    best : array of bool, shape (n_rois, n_voxels)
        In the order of `rois`, as `bootstrap_summaries` wants it.

    Raises
    ------
    InputError
        If a run is on both sides.
    """
    # One text would become a list of letters; select_best refuses it.
    train_runs = train_runs if isinstance(train_runs, str) else list(train_runs)
    best = [
        select_best(
            cv_scores,
            train_runs,
            name=name,
            share=share,
            inside=Selection(name, np.asarray(mask), "ROI"),
        )
        for name, mask in rois.items()
    ]
    return np.stack(list(masks_to_score(best, test_runs).values()))
