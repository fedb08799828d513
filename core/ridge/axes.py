"""Each band on its own principal axes, and only those that hold its variance."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from himalaya.backend import get_backend
from numpy.typing import NDArray

from ..checks import InputError
from .decompose import decompose
from .travel import packed


@dataclass(frozen=True, slots=True, eq=False)
class BandAxes:
    """How the columns of a design became fewer columns, band by band.

    Parameters
    ----------
    widths : tuple of int
        Columns of each band before.
    kept : tuple of int
        Columns of each band after.
    turns : tuple of arrays of shape (width, kept), or None
        Orthonormal columns. None where the band was left as it is.
    """

    widths: tuple[int, ...]
    kept: tuple[int, ...]
    turns: tuple[Any, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel with arrays at whole addresses."""
        return packed(self)

    @classmethod
    def of(cls, parts: Iterable["BandAxes"]) -> "BandAxes":
        """Return the axes of several bands, one after the other."""
        rows = [
            band
            for one in parts
            for band in zip(one.widths, one.kept, one.turns, strict=True)
        ]
        return cls(*zip(*rows, strict=True))

    def turn(self, X: Any) -> Any:
        """Return X, of shape (n_samples, sum of widths), on the axes."""
        return self._each(X, self.widths, lambda x, turn: x @ turn, axis=1)

    def back(self, weights: Any) -> Any:
        """Return weights of the axes, (sum of kept, n_voxels), as weights of X."""
        return self._each(weights, self.kept, lambda w, turn: turn @ w, axis=0)

    def _each(self, array: Any, sizes: Sequence[int], do: Any, *, axis: int) -> Any:
        if all(turn is None for turn in self.turns):
            return array
        stops = np.cumsum([0, *sizes])
        parts = []
        for turn, (start, stop) in zip(self.turns, pairwise(stops), strict=True):
            part = array[:, start:stop] if axis else array[start:stop]
            parts.append(part if turn is None else do(part, turn))
        return get_backend().concatenate(parts, axis)


def principal_axes(
    X: NDArray[np.floating], widths: Sequence[int], tolerance: float, dtype: str
) -> BandAxes:
    """Return the axes of each band that hold all but `tolerance` of its variance.

    Parameters
    ----------
    X : array of shape (n_samples, n_columns)
        Training rows, centred.
    widths : sequence of int
        Columns of each band.
    tolerance : float
        Share of each band's variance that may be lost, from 0 to below 1. With 0, a
        band is left as it is, unless it has more columns than there are samples: then
        it is put on as many axes as it spans, which changes no fit.
    dtype : str
        Precision of the axes.

    Raises
    ------
    InputError
        If the tolerance is no such share.
    """
    if not 0 <= tolerance < 1:
        raise InputError(
            f"tolerance must be a share from 0 to below 1, got {tolerance}. 0 keeps "
            "everything; 0.001 keeps 99.9 % of each band's variance."
        )
    stops = np.cumsum([0, *widths])
    turns = [
        _axes_of(X[:, start:stop], tolerance, dtype) for start, stop in pairwise(stops)
    ]
    kept = [w if t is None else t.shape[1] for w, t in zip(widths, turns, strict=True)]
    return BandAxes(tuple(widths), tuple(kept), tuple(turns))


def _axes_of(x: NDArray[np.floating], tolerance: float, dtype: str) -> Any:
    n_samples, width = x.shape
    if tolerance == 0 and width <= n_samples:
        return None
    backend = get_backend()
    x = backend.asarray(x, dtype="float64")
    values, vectors = decompose(x.T @ x if width <= n_samples else x @ x.T)
    values = np.asarray(backend.to_numpy(values))[::-1]
    n_kept = _count(values, tolerance)
    vectors = vectors[:, -n_kept:]
    if width > n_samples:
        sd = np.sqrt(np.where(values > 0, values, 1)[:n_kept][::-1])
        vectors = x.T @ (vectors / backend.asarray(sd, dtype="float64"))
    return backend.asarray(vectors, dtype=dtype)


def _count(values: NDArray[np.floating], tolerance: float) -> int:
    """Return how many of the descending `values` are needed; at least one."""
    total = values.sum()
    if total == 0:
        return 1
    # What lies outside is summed from the small end: 1 - share would lose digits.
    outside = np.append(np.cumsum(values[::-1])[::-1][1:], 0.0)
    enough = int(np.argmax(outside <= tolerance * total)) + 1
    return max(1, min(enough, int((values > 0).sum())))
