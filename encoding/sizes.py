"""How many voxels a fit works on at once, from what it may take of memory."""

from typing import TYPE_CHECKING

import numpy as np

from ..core.ridge.cost import FitSize
from ..core.ridge.fold_gram import FoldGram
from ..core.ridge.memory import FoldGramSize, all_factor_bytes, batch_within
from .by_himalaya import voxels_for_himalaya
from .result import RidgeSettings

if TYPE_CHECKING:
    from .streamed import Job


def batch_size(
    job: "Job", engine: FoldGram | None, n_voxels: int, dtype: np.dtype
) -> int:
    """Return how many voxels are worked on at once."""
    settings, n_folds = job.settings, len(np.unique(job.folds))
    if settings.n_voxels_batch is not None:
        return settings.n_voxels_batch
    if engine is None:
        sizes = (settings.n_candidates, len(settings.alphas), n_folds)
        fit = FitSize(len(job.X_train), job.widths, n_voxels, *sizes, dtype.itemsize)
        return min(voxels_for_himalaya(fit, settings), n_voxels)
    size = fold_gram_size(
        settings,
        (len(job.X_train), len(job.X_test)),
        tuple(job.widths),
        kept=tuple(engine.design.widths),
        n_folds=n_folds,
        itemsize=dtype.itemsize,
    )
    # Blocks that are made late then fill what was told and no more.
    engine.factors.max_bytes = min(size.factor_bytes, all_factor_bytes(size))
    other = settings.other_gb * 1e9
    return min(batch_within(size, settings.max_bytes + other, other), n_voxels)


def fold_gram_size(
    settings: RidgeSettings,
    n_rows: tuple[int, int],
    widths: tuple[int, ...],
    *,
    kept: tuple[int, ...],
    n_folds: int,
    itemsize: int,
) -> FoldGramSize:
    """Return the sizes that the memory of a fit depends on.

    Parameters
    ----------
    settings : RidgeSettings
    n_rows : (int, int)
        Training and test rows.
    widths, kept : tuple of int
        Columns of each band, and axes that compression left of it.
    n_folds, itemsize : int
    """
    levers, one = settings.levers, len(widths) == 1
    return FoldGramSize(
        n_samples=n_rows[0],
        n_test=n_rows[1],
        widths=widths,
        kept=kept,
        n_folds=n_folds,
        n_alphas=len(settings.alphas),
        n_candidates=1 if one else settings.n_candidates,
        itemsize=itemsize,
        form=settings.form,
        n_placed=0 if one else levers.n_refined,
        stacks=settings.stacking and not one,
        factor_bytes=settings.factor_bytes,
    )
