"""Rows: runs as walls, and the average of rows that repeat.

A design or response matrix is a stack of runs. `runs` is one integer per row; the
rows of a run are adjacent, since a run is one unbroken acquisition.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import InputError


def each_run(runs: ArrayLike) -> Iterator[slice]:
    """Yield the rows of each run as a slice, in the order in which they stand.

    Raises
    ------
    InputError
        If a run's rows are not adjacent.

    Examples
    --------
    >>> list(each_run([2, 2, 1]))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    runs = np.asarray(runs)
    if len(runs) == 0:
        return
    starts = np.flatnonzero(np.r_[True, runs[1:] != runs[:-1]])
    seen = set()
    for start, stop in zip(starts, [*starts[1:], len(runs)], strict=True):
        if runs[start] in seen:
            raise InputError(
                f"run {runs[start]!r} comes in two pieces, the second from row {start} "
                "on. A run is one unbroken acquisition: give each its own label."
            )
        seen.add(runs[start])
        yield slice(int(start), int(stop))


def average_rows(array: NDArray, group: ArrayLike) -> NDArray:
    """Return the mean of the rows of each group, in order of first appearance.

    Parameters
    ----------
    array : array of shape (n_rows, n_columns)
    group : array of int, shape (n_rows,)
        Group of each row, numbered from 0 without gaps, such as (clip, sample).

    Returns
    -------
    means : array of shape (n_groups, n_columns)
        Made in float64, returned in the type of `array`.
    """
    group = np.asarray(group)
    n_groups = int(group.max()) + 1 if len(group) else 0
    counts = np.bincount(group, minlength=n_groups)
    if len(group) != len(array) or (counts == 0).any():
        raise InputError(
            f"array has {len(array)} rows and group {len(group)}, with "
            f"{int((counts == 0).sum())} empty groups. Number the groups from 0."
        )
    order = np.argsort(group, kind="stable")
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    means = np.empty((n_groups, array.shape[1]), array.dtype)
    for columns in _blocks(array.shape[1]):
        sums = np.add.reduceat(array[order, columns], starts, axis=0, dtype=np.float64)
        means[:, columns] = sums / counts[:, None]
    return means


def _blocks(n: int, size: int = 4096) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]
