"""Blocks to resample: clips, with their neighbours as far as responses remember.

A clip's haemodynamic response, and slow noise, reach into the next clip. Clips drawn
one by one then pass for more evidence than they are. So neighbouring clips are drawn
together, as many as the autocorrelation asks for.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import InputError
from .autocorrelation import LOST, Memory
from .bootstrap import block_of_clip

FEWEST = 10  # blocks that joining leaves: with fewer, an error is hardly known


def join_blocks(
    blocks: ArrayLike, runs: ArrayLike, n_samples: int
) -> NDArray[np.integer]:
    """Return blocks in which neighbours of one run are joined up to a length.

    Blocks are taken in the order in which they first come; a block that comes again
    later (a clip's repeats) goes along with what its first presentation is joined to.
    Each run is cut evenly, so that nothing short is left at its end.

    Parameters
    ----------
    blocks : array of int, shape (n_samples,)
        From `block_of_clip`.
    runs : array, shape (n_samples,)
        Run of each sample.
    n_samples : int
        Samples (TRs) of first presentations that a joined block holds at least, on
        average over its run.

    Returns
    -------
    joined : array of int, shape (n_samples,)
        Numbered from 0 in the order in which they first come.

    Raises
    ------
    InputError
        If the shapes do not fit together, or n_samples is below 1.

    Examples
    --------
    >>> blocks, runs = [0, 0, 1, 1, 2, 2, 3, 3, 0, 0], [1] * 6 + [2] * 4
    >>> join_blocks(blocks, runs, 4)
    array([0, 0, 0, 0, 0, 0, 1, 1, 0, 0])
    """
    blocks, runs = np.asarray(blocks), np.asarray(runs)
    if blocks.ndim != 1 or blocks.shape != runs.shape or n_samples < 1:
        raise InputError(
            f"blocks has shape {blocks.shape}, runs {runs.shape} and n_samples is "
            f"{n_samples}; number the block and the run of each sample, and join at "
            "least one sample."
        )
    names, first, which = np.unique(blocks, return_index=True, return_inverse=True)
    start_of = np.flatnonzero(np.r_[True, blocks[1:] != blocks[:-1]])
    sizes = np.diff(np.r_[start_of, len(blocks)])
    length = sizes[np.searchsorted(start_of, first)]
    joined, n_joined = np.empty(len(names), int), 0
    order = np.argsort(first)
    for run in dict.fromkeys(runs[first[order]].tolist()):
        here = order[runs[first[order]] == run]
        ends = np.cumsum(length[here])
        n_groups = max(1, int(ends[-1]) // n_samples)
        group = (ends - length[here]) * n_groups // ends[-1]
        joined[here] = n_joined + group
        n_joined += n_groups
    return pd.factorize(joined[which])[0]


def blocks_to_resample(
    rows: pd.DataFrame,
    moved: ArrayLike,
    runs: ArrayLike,
    *,
    memory: Memory | None,
    lost: float = LOST,
    fewest: int = FEWEST,
) -> tuple[NDArray[np.integer], list[str]]:
    """Return blocks for a bootstrap: clips joined until little is lost between them.

    The shortest joined blocks are taken across whose borders no more than `lost` of
    the variance of a chance correlation lies, as long as `fewest` are left.

    Parameters
    ----------
    rows : DataFrame
        One row per test sample, as for `block_of_row`.
    moved : array of int, shape (n_samples,)
        Presentations, from `block_of_row`.
    runs : array, shape (n_samples,)
    memory : Memory or None
        From `memory_of`; None where it cannot be measured: clips are not joined.
    lost : float
    fewest : int

    Returns
    -------
    blocks : array of int, shape (n_samples,)
        Numbered from 0; all presentations of a clip in one.
    notes : list of str
        What is to be known of blocks that are too short.
    """
    alone = block_of_clip(rows, np.asarray(moved))
    if memory is None:
        return alone, []
    blocks, share = alone, memory.lost(alone)
    longest = pd.Series(np.asarray(runs)).value_counts().max()
    for n_samples in range(1, int(longest) + 1):
        if share <= lost:
            break
        candidate = join_blocks(alone, runs, n_samples)
        if candidate.max() + 1 < fewest:
            break
        if memory.lost(candidate) < share:
            blocks, share = candidate, memory.lost(candidate)
    if share <= lost:
        return blocks, []
    return blocks, [
        f"intervals err to be narrow: the {blocks.max() + 1} blocks that are drawn "
        f"again break pairs of samples that make {share:.0%} of the variance of chance "
        "correlations. Test on more or longer runs, or filter slow drifts."
    ]
