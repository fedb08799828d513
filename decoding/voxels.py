"""Voxels chosen for decoding, by training rows alone."""

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats, InputError
from ..core.selection import Selection
from .rows import Pairs
from .scaling import chunks


def best_voxels(
    train: Pairs, n_voxels: int, *, inside: Selection | None = None
) -> Selection:
    """Return the voxels that correlate most with any target dimension.

    Parameters
    ----------
    train : Pairs
        Training rows: their runs go with the selection, which so cannot be used on
        rows of the same runs.
    n_voxels : int
    inside : Selection, optional
        Where to choose from.

    Returns
    -------
    selection : Selection

    Raises
    ------
    InputError
        If there are fewer voxels to choose from than are asked for.
    """
    allowed = np.ones(train.Y.shape[1], bool) if inside is None else inside.mask
    mask = strongest(train.Y, train.T, n_voxels, allowed)
    runs = train.run_names | (inside.runs if inside is not None else frozenset())
    how = f"{n_voxels} voxels with the largest |r| to a target dimension in training"
    return Selection(f"best {n_voxels}", mask, how, runs)


def strongest(
    Y: Floats, T: Floats, n_voxels: int, allowed: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return a mask of the voxels with the largest |r| to any target dimension.

    Examples
    --------
    >>> Y = np.array([[1.0, 0, 3], [2, 5, 1], [3, 1, 1]])
    >>> strongest(Y, np.array([[0.0], [1], [2]]), 2, np.ones(3, bool))
    array([ True, False,  True])
    """
    if not 1 <= n_voxels <= allowed.sum():
        raise InputError(
            f"{n_voxels} voxels are to be chosen from {int(allowed.sum())}. Ask for "
            "fewer, at least 1."
        )
    units, r = _unit(T), np.empty(Y.shape[1])
    for part in chunks(len(r)):
        r[part] = np.abs(_unit(Y[:, part]).T @ units).max(axis=1)
    order = np.argsort(np.where(allowed, -r, np.inf), kind="stable")
    mask = np.zeros(len(r), bool)
    mask[order[:n_voxels]] = True
    return mask


def _unit(columns: Floats) -> Floats:
    centred = columns - columns.mean(axis=0, dtype=np.float64)
    return centred / np.linalg.norm(centred, axis=0)
