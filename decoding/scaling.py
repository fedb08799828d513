"""Standardised voxels, a few at a time, and all that ridge needs of many of them.

Ridge from more voxels than rows depends on the voxels by the products of rows alone. So
these are added up over chunks of voxels, and no copy of all voxels is made: a whole
cortex takes the memory of its responses and of a few squares of rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from ..core.stats import varies

CHUNK = 2048  # voxels


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Mean and standard deviation of training columns, for those that are used.

    Parameters
    ----------
    mean, sd : array of shape (n_used,)
    used : array of bool, shape (n_columns,)
    """

    mean: Floats
    sd: Floats
    used: NDArray[np.bool_]

    @property
    def n_used(self) -> int:
        """How many columns are used."""
        return len(self.mean)


def scaling_of(
    Y: Floats, used: NDArray[np.bool_], rows: NDArray | None = None
) -> Scaling:
    """Return mean and standard deviation of the used columns, in double precision.

    That of a column that is constant in these rows is 0.

    Parameters
    ----------
    Y : array of shape (n_samples, n_columns)
    used : array of bool, shape (n_columns,)
    rows : array of int or bool, optional
        Of which they are; of all if None.
    """
    mean, sd = np.empty((2, int(used.sum())))
    for part, columns in _chunks(Y, used, rows):
        mean[part] = columns.mean(axis=0)
        # Rounding leaves a constant column a standard deviation above 0.
        sd[part] = np.where(varies(columns), columns.std(axis=0), 0)
    return Scaling(mean, sd, used)


def scaled(Y: ArrayLike, scaling: Scaling) -> Floats:
    """Return the used columns, standardised as training was."""
    return scaled_here(_checked(Y, scaling), scaling)


def scaled_here(Y: Floats, scaling: Scaling) -> Floats:
    """Return `scaled` of responses that were checked before: a whole cortex, once."""
    return (Y[:, scaling.used].astype(np.float64) - scaling.mean) / scaling.sd


def row_products(Y: Floats, scaling: Scaling) -> Floats:
    """Return the products of all rows, (n_samples, n_samples), of scaled columns."""
    K = np.zeros((len(Y), len(Y)))
    for _, Z in scaled_chunks(Y, scaling):
        K += Z @ Z.T
    return K


def few_columns(K: Floats) -> tuple[Floats, Floats]:
    """Return as many columns as rows, or fewer, whose rows have the products `K`.

    Ridge from these predicts what ridge from the voxels does, for any penalty and any
    rows.

    Parameters
    ----------
    K : array of shape (n_samples, n_samples)
        From `row_products`.

    Returns
    -------
    X : array of shape (n_samples, n_columns)
    back : array of shape (n_samples, n_columns)
        With weights w of X, those of the voxels are Z.T @ (back @ w): see
        `voxel_weights`.

    Examples
    --------
    >>> Z = np.array([[1.0, 2, 0, 1], [0, 1, 1, -1], [-1, -3, -1, 0]])
    >>> X, back = few_columns(Z @ Z.T)
    >>> np.allclose(X @ X.T, Z @ Z.T), np.allclose(Z @ Z.T @ back, X)
    (True, True)
    """
    values, vectors = np.linalg.eigh(K)
    # Below this, what eigh returns is rounding and no direction of the rows.
    kept = values > values[-1] * len(K) * np.finfo(np.float64).eps
    size = np.sqrt(values[kept])
    return vectors[:, kept] * size, vectors[:, kept] / size


def voxel_weights(Y: Floats, scaling: Scaling, dual: Floats) -> Floats:
    """Return Z.T @ dual of the scaled columns Z, shape (n_used, n_dimensions)."""
    weights = np.empty((scaling.n_used, dual.shape[1]))
    for part, Z in scaled_chunks(Y, scaling):
        weights[part] = Z.T @ dual
    return weights


def times_weights(Y: ArrayLike, scaling: Scaling, weights: Floats) -> Floats:
    """Return the scaled columns times their weights, (n_samples, n_dimensions)."""
    Y = _checked(Y, scaling)
    total = np.zeros((len(Y), weights.shape[1]))
    for part, Z in scaled_chunks(Y, scaling):
        total += Z @ weights[part]
    return total


def scaled_chunks(Y: Floats, scaling: Scaling) -> Iterator[tuple[slice, Floats]]:
    """Yield the used columns, standardised, a few at a time, and which they are."""
    for part, columns in _chunks(Y, scaling.used):
        yield part, (columns - scaling.mean[part]) / scaling.sd[part]


def chunks(n_voxels: int) -> Iterator[slice]:
    """Yield ranges of voxels that are looked at together.

    Examples
    --------
    >>> [(part.start, part.stop) for part in chunks(3000)]
    [(0, 2048), (2048, 3000)]
    """
    for start in range(0, n_voxels, CHUNK):
        yield slice(start, min(start + CHUNK, n_voxels))


def _chunks(
    Y: Floats, used: NDArray[np.bool_], rows: NDArray | None = None
) -> Iterator[tuple[slice, Floats]]:
    places = np.flatnonzero(used)
    for part in chunks(len(places)):
        columns = Y[:, places[part]]
        yield part, (columns if rows is None else columns[rows]).astype(np.float64)


def _checked(Y: ArrayLike, scaling: Scaling) -> Floats:
    Y = as_matrix(Y, "Y")
    if Y.shape[1] != len(scaling.used):
        raise InputError(
            f"Y has {Y.shape[1]} voxels, and the decoder was fitted on "
            f"{len(scaling.used)}. Give the same voxels, in the same order."
        )
    return Y
