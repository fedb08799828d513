"""One candidate's eigendecompositions, shared by all voxels, chunks and subjects.

Two forms give the same losses. 'primal' decomposes the columns' moments of each fold's
training rows; 'kernel' decomposes the kernel of all rows once, and leaves each fold out
by the block of its inverse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from himalaya.backend import get_backend
from numpy.typing import NDArray

from .decompose import decompose
from .design import FoldDesign

# What an eigendecomposition takes, in operations of a float32 product as long.
EIGH = 25
# The sizes at which the two forms are compared: a choice for all chunks alike.
N_VOXELS, N_ALPHAS = 10_000, 8


@dataclass(frozen=True, slots=True, eq=False)
class PrimalFactor:
    """Eigendecompositions of the scaled moments of each fold's training rows.

    Parameters
    ----------
    bands : tuple of int
        The bands whose weight is above 0.
    values : list of arrays of shape (n_axes,)
        Eigenvalues, one array per fold.
    turns : list of arrays of shape (n_axes, n_axes)
        Eigenvectors, their rows times the root of the band's weight.
    held : list of arrays
        Held-out rows on the eigenvectors, (n_held, n_axes); or their moments,
        (n_axes, n_axes), if these are fewer.
    by_rows : bool
        Which of the two `held` is.
    """

    bands: tuple[int, ...]
    values: list[Any]
    turns: list[Any]
    held: list[Any]
    by_rows: bool


@dataclass(frozen=True, slots=True, eq=False)
class KernelFactor:
    """The eigendecomposition of the weighted kernel of all rows.

    Parameters
    ----------
    bands : tuple of int
        The bands whose weight is above 0.
    values : array of shape (n_samples,)
    vectors : array of shape (n_samples, n_samples)
    blocks : dict of float to list of arrays of shape (n_held, n_held)
        For each penalty, what turns the residuals of the fit to all rows into those
        of the fit without the fold.
    has_room : callable
        Asked with a number of bytes before blocks of a further penalty are put to the
        others; it takes the room if it says yes.
    """

    bands: tuple[int, ...]
    values: Any
    vectors: Any
    blocks: dict[float, list[Any]]
    has_room: Callable[[float], bool] = field(default=lambda _: False)


Factor = PrimalFactor | KernelFactor


def pick_form(
    form: str, n_samples: int, n_axes: int, n_folds: int
) -> Literal["primal", "kernel"]:
    """Return the form of one candidate: as asked, or the cheaper one for 'auto'.

    Compared at 10,000 voxels and 8 penalties. `n_axes` counts the bands whose weight is
    above 0, so one search may use both forms.

    Examples
    --------
    >>> pick_form("auto", n_samples=960, n_axes=300, n_folds=12)
    'primal'
    >>> pick_form("auto", n_samples=960, n_axes=2000, n_folds=12)
    'kernel'
    """
    if form in ("primal", "kernel"):
        return form  # type: ignore[return-value]
    n, p, k, V, A = n_samples, n_axes, n_folds, N_VOXELS, N_ALPHAS
    n_held = n / k
    by_rows = n_held <= p
    primal = 1.0 * k * (EIGH * p**3 + 2 * p * p * V * (2 - by_rows))
    primal += 2 * A * k * p * min(p, n_held) * V
    kernel = EIGH * n**3 + 2 * n * n * V + A * (2 * n * n * (V + n_held))
    kernel += 2 * A * n * n_held * V
    return "primal" if primal <= kernel else "kernel"


def make_factor(
    design: FoldDesign,
    weights: NDArray[np.floating],
    form: str,
    alphas: Sequence[float],
) -> Factor:
    """Return one candidate's eigendecompositions.

    Parameters
    ----------
    design : FoldDesign
    weights : array of shape (n_bands,)
        The candidate. A band of weight 0 is left out.
    form : 'auto', 'primal' or 'kernel'
    alphas : sequence of float
        Penalties for which 'kernel' prepares its blocks.
    """
    bands = tuple(np.flatnonzero(weights).tolist())
    n_axes = sum(design.widths[band] for band in bands)
    if design.X is None:
        return _kernel_factor(design, weights, bands, alphas)
    form = pick_form(form, design.n_samples, n_axes, len(design.held))
    if form == "kernel":
        return _kernel_factor(design, weights, bands, alphas)
    return _primal_factor(design, weights, bands)


def _primal_factor(
    design: FoldDesign, weights: NDArray[np.floating], bands: tuple[int, ...]
) -> PrimalFactor:
    backend = get_backend()
    columns = design.columns_of(bands)
    moments = design.moments(bands)
    total = moments.sum(0)
    scale = scales(design, weights, bands)
    n_axes = len(scale)
    by_rows = max(rows.stop - rows.start for rows in design.held) <= n_axes

    def decompose_fold(fold: int, rows: slice) -> tuple[Any, Any, Any]:
        n_train = design.n_samples - (rows.stop - rows.start)
        mean = design.train_mean(fold)[columns]
        train = total - moments[fold] - n_train * mean[:, None] * mean
        value, vectors = decompose(scale[:, None] * train * scale)
        turn = scale[:, None] * vectors
        x = backend.asarray(design.X[rows][:, columns], dtype="float64") - mean
        out = x @ turn if by_rows else turn.T @ (x.T @ x) @ turn
        made = (backend.asarray(array, dtype=design.dtype) for array in (value, turn))
        return (*made, backend.asarray(out, dtype=design.dtype))

    folds = [decompose_fold(fold, rows) for fold, rows in enumerate(design.held)]
    values, turns, held = (list(arrays) for arrays in zip(*folds, strict=True))
    return PrimalFactor(bands, values, turns, held, by_rows)


def _kernel_factor(
    design: FoldDesign,
    weights: NDArray[np.floating],
    bands: tuple[int, ...],
    alphas: Sequence[float],
) -> KernelFactor:
    backend = get_backend()
    values, vectors = decompose(
        sum(float(weights[band]) * design.kernel(band) for band in bands)
    )
    return KernelFactor(
        bands=bands,
        values=backend.asarray(values, dtype=design.dtype),
        vectors=backend.asarray(vectors, dtype=design.dtype),
        blocks={
            float(alpha): [
                left_out_block(design, values, vectors, float(alpha), rows)
                for rows in design.held
            ]
            for alpha in alphas
        },
    )


def left_out_block(
    design: FoldDesign, values: Any, vectors: Any, alpha: float, rows: slice
) -> Any:
    """Return the inverse of a fold's block of alpha * (K + alpha I)^-1.

    Times the residuals of the fit to all rows, it gives those of the fit without the
    fold. With an intercept, the constant direction is not penalised: it is taken out
    of the inverse.

    Parameters
    ----------
    design : FoldDesign
    values, vectors : arrays of shape (n_samples,) and (n_samples, n_samples)
        Of the kernel.
    alpha : float
    rows : slice
        Those of the fold.

    References
    ----------
    Cook, R. D. & Weisberg, S. (1982). Residuals and Influence in Regression.
    """
    backend = get_backend()
    shrink = alpha / (backend.asarray(values, dtype="float64") + alpha)
    u = backend.asarray(vectors[rows], dtype="float64")
    block = (u * shrink) @ u.T
    if design.centred:
        block = block - 1.0 / design.n_samples
    return backend.asarray(_inverse(block), dtype=design.dtype)


def _inverse(block: Any) -> Any:
    values, vectors = get_backend().eigh(block)
    return (vectors / values) @ vectors.T


def whole_factor(design: FoldDesign, weights: NDArray[np.floating]) -> tuple[Any, Any]:
    """Return eigenvalues and scaled eigenvectors of all rows' moments, for a refit."""
    backend = get_backend()
    bands = tuple(np.flatnonzero(weights).tolist())
    total = design.moments(bands).sum(0)
    scale = scales(design, weights, bands)
    values, vectors = decompose(scale[:, None] * total * scale)
    turn = scale[:, None] * vectors
    return (
        backend.asarray(values, dtype=design.dtype),
        backend.asarray(turn, dtype=design.dtype),
    )


def scales(
    design: FoldDesign, weights: NDArray[np.floating], bands: Sequence[int]
) -> Any:
    """Return the root of each column's band weight, in float64."""
    parts = [np.full(design.widths[b], np.sqrt(float(weights[b]))) for b in bands]
    return get_backend().asarray(np.concatenate(parts), dtype="float64")
