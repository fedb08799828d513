"""Eigendecompositions in float64, checked before they are used."""

from typing import Any

import numpy as np
from himalaya.backend import get_backend

N_PROBES = 4


def decompose(A: Any) -> tuple[Any, Any]:
    """Return eigenvalues and eigenvectors of a matrix that has no negative ones.

    Parameters
    ----------
    A : array of shape (n, n)
        Symmetric, on himalaya's current backend. Read as float64.

    Returns
    -------
    values : array of float64, shape (n,)
        Ascending. Those below the rounding of the largest are exactly 0.
    vectors : array of float64, shape (n, n)
        In columns.

    Raises
    ------
    FloatingPointError
        If the vectors do not give the matrix back, or are not orthonormal.

    Examples
    --------
    >>> values, vectors = decompose(np.array([[2.0, 0.0], [0.0, 0.0]]))
    >>> values
    array([0., 2.])
    """
    backend = get_backend()
    A = backend.asarray(A, dtype="float64")
    values, vectors = backend.eigh(A)
    _check(A, values, vectors)
    rounding = len(A) * np.finfo(np.float64).eps * float(abs(values[-1]))
    return values * (values > rounding), vectors


def _check(A: Any, values: Any, vectors: Any) -> None:
    """Raise if probe vectors do not go through the decomposition as through `A`."""
    backend = get_backend()
    drawn = np.random.default_rng(0).standard_normal((len(A), N_PROBES))
    probes = backend.asarray(drawn, dtype="float64")
    turned = vectors.T @ probes
    largest = max(float(abs(values).max()), float(np.finfo(np.float64).tiny))
    wrong = abs(vectors @ (values[:, None] * turned) - A @ probes).max() / largest
    skewed = abs(vectors @ turned - probes).max()
    allowed = 1e-11 * max(len(A), 100)
    if not (float(wrong) < allowed and float(skewed) < allowed):
        raise FloatingPointError(
            f"an eigendecomposition of {len(A)} rows is off by {float(wrong):.1e} of "
            f"the largest eigenvalue (allowed {allowed:.1e}). The linear algebra "
            "library is at fault, or the design holds values too large for float64."
        )
