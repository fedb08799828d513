"""What a search needs of the features: moments of each fold, and no response.

A fold enters ridge through its sums of squares and products alone, and those of the
training rows are the total minus the fold's. So they are made once, for all
candidates, penalties, voxels and subjects who heard the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from himalaya.backend import get_backend
from numpy.typing import NDArray

from .axes import BandAxes, principal_axes
from .travel import packed


@dataclass(frozen=True, slots=True, eq=False)
class FoldDesign:
    """A design with its folds, on himalaya's backend.

    Parameters
    ----------
    X : array of shape (n_samples, n_axes), or None
        Centred if `centred`, its rows sorted by fold. None where only kernels are
        known.
    kernels : array of shape (n_bands, n_samples, n_samples), or None
        In float64, rows and columns sorted by fold. Made when needed if None.
    widths : tuple of int
        Columns of X of each band; of no meaning without X.
    order : array of int, shape (n_samples,)
        The caller's row of each row of X.
    held : tuple of slice
        Rows of each fold.
    axes : BandAxes, or None
        How the caller's columns became those of X.
    X_mean : array of shape (n_columns,)
        Mean over the samples, in the caller's columns.
    dtype : 'float32' or 'float64'
        Precision of the products.
    centred : bool
        Whether each fold's training mean is taken off, which is an intercept.
    """

    X: Any
    kernels: Any
    widths: tuple[int, ...]
    order: NDArray[np.intp]
    held: tuple[slice, ...]
    axes: BandAxes | None
    X_mean: NDArray[np.floating]
    dtype: str
    centred: bool
    _made: dict[Any, Any] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel without what can be made again."""
        return packed(self, without=("_made",))

    @property
    def n_samples(self) -> int:
        """Number of training rows."""
        return len(self.order)

    @property
    def n_bands(self) -> int:
        """Number of bands."""
        return len(self.widths)

    @property
    def n_weights(self) -> int:
        """Number of weights per voxel: columns, or samples where X is not known."""
        return self.n_samples if self.X is None else self.X.shape[1]

    def columns(self, band: int) -> slice:
        """Return the columns of X that are a band's."""
        start = sum(self.widths[:band])
        return slice(start, start + self.widths[band])

    def columns_of(self, bands: Sequence[int]) -> Any:
        """Return the columns of several bands: a slice where they are all."""
        if len(bands) == self.n_bands:
            return slice(None)
        inside = [np.arange(self.X.shape[1])[self.columns(band)] for band in bands]
        return np.concatenate(inside)

    def train_mean(self, fold: int) -> Any:
        """Return the mean of X over a fold's training rows; 0 if not centred."""
        return self._once(("mean", fold), lambda: self._train_mean(fold))

    def _train_mean(self, fold: int) -> Any:
        total = _sum(self.X) - _sum(self.X[self.held[fold]])
        rows = self.held[fold]
        share = self.centred / (self.n_samples - (rows.stop - rows.start))
        return total * share

    def moments(self, bands: Sequence[int]) -> Any:
        """Return X'X of each fold's rows over the bands' columns, in float64.

        Of shape (n_folds, n_columns, n_columns). Blocks of pairs of bands are kept.
        """
        backend = get_backend()
        rows = []
        for one in bands:
            blocks = [self._block(one, other) for other in bands]
            rows.append(backend.concatenate(blocks, 2))
        return backend.concatenate(rows, 1)

    def _block(self, one: int, other: int) -> Any:
        if one > other:
            block = self._block(other, one)
            return get_backend().transpose(block, (0, 2, 1))
        return self._once(("block", one, other), lambda: self._products(one, other))

    def _products(self, one: int, other: int) -> Any:
        backend = get_backend()
        products = []
        for rows in self.held:
            x = backend.asarray(self.X[rows, self.columns(one)], dtype="float64")
            z = backend.asarray(self.X[rows, self.columns(other)], dtype="float64")
            products.append(x.T @ z)
        return backend.stack(products)

    def kernel(self, band: int) -> Any:
        """Return a band's kernel over all rows, in float64."""
        if self.kernels is not None:
            return self.kernels[band]
        return self._once(("kernel", band), lambda: self._kernel(band))

    def _kernel(self, band: int) -> Any:
        x = get_backend().asarray(self.X[:, self.columns(band)], dtype="float64")
        return x @ x.T

    def _once(self, key: Any, make: Any) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def cut_design(
    X: NDArray[np.floating],
    widths: Sequence[int],
    folds: NDArray,
    *,
    dtype: str,
    tolerance: float = 0.0,
    centred: bool = True,
    axes: BandAxes | None = None,
) -> FoldDesign:
    """Return a design with its folds: centred, on its axes, and sorted by fold.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
    widths : sequence of int
        Columns of each band.
    folds : array of shape (n_samples,)
        Fold of each sample.
    dtype : 'float32' or 'float64'
    tolerance : float
        Share of each band's variance that may be lost; 0 is exact.
    centred : bool
        Whether the model has an intercept.
    axes : BandAxes, optional
        Of these bands, as `centred_axes` makes them; made from X if None.
    """
    backend = get_backend()
    order, held = sort_folds(folds)
    mean = X.mean(axis=0, dtype=np.float64) * centred
    rows = X[order] - mean
    if axes is None:
        axes = principal_axes(rows, widths, tolerance, dtype)
    return FoldDesign(
        X=axes.turn(backend.asarray(rows, dtype=dtype)),
        kernels=None,
        widths=axes.kept,
        order=order,
        held=held,
        axes=axes,
        X_mean=mean,
        dtype=dtype,
        centred=centred,
    )


def centred_axes(X: NDArray[np.floating], *, dtype: str, tolerance: float) -> BandAxes:
    """Return the axes of one band, for several designs that it is part of.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
        Of the band alone.
    dtype, tolerance
        As of `cut_design`.
    """
    rows = X - X.mean(axis=0, dtype=np.float64)
    return principal_axes(rows, [X.shape[1]], tolerance, dtype)


def cut_kernels(
    kernels: Any, folds: NDArray, *, dtype: str, centred: bool = True
) -> FoldDesign:
    """Return a design that is known through its kernels alone.

    Parameters
    ----------
    kernels : array of shape (n_bands, n_samples, n_samples)
    folds : array of shape (n_samples,)
    dtype : 'float32' or 'float64'
    centred : bool
        Whether the model has an intercept: the kernels are then centred.
    """
    backend = get_backend()
    order, held = sort_folds(folds)
    Ks = backend.asarray(kernels, dtype="float64")[:, order][:, :, order]
    if centred:
        Ks = Ks - Ks.mean(1)[:, None, :]
        Ks = Ks - Ks.mean(2)[:, :, None]
    return FoldDesign(
        X=None,
        kernels=Ks,
        widths=(0,) * len(Ks),
        order=order,
        held=held,
        axes=None,
        X_mean=np.zeros(len(order)),
        dtype=dtype,
        centred=centred,
    )


def sort_folds(folds: NDArray) -> tuple[NDArray[np.intp], tuple[slice, ...]]:
    """Return the rows sorted by fold, and where each fold lies among them."""
    order = np.argsort(folds, kind="stable")
    _, counts = np.unique(folds, return_counts=True)
    stops = np.cumsum([0, *counts])
    return order, tuple(slice(*pair) for pair in pairwise(stops))


def _sum(X: Any) -> Any:
    return get_backend().asarray(X, dtype="float64").sum(0)
