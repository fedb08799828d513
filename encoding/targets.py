"""Where chunks of voxels are written to: arrays in memory, or files."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats
from ..core.ridge.stream import Make, Target, array_of, release
from .result import EncodingResult

DOUBLE = ("alphas", "cv_scores", "cv_scores_alone")


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """The results of one chunk of voxels.

    Parameters
    ----------
    arrays : dict of str to array of shape (..., n_voxels)
    counts : dict of str to int
    ends : dict of str to (int, int)
        Voxels of each model at the lower and the upper end of the grid.
    """

    arrays: dict[str, Floats]
    counts: dict[str, int]
    ends: dict[str, tuple[int, int]]


@dataclass(slots=True, eq=False)
class Results:
    """The arrays that chunks are written into, and what is counted."""

    targets: Mapping[str, Target]
    n_voxels: int
    counts: Counter[str] = field(default_factory=Counter)
    ends: dict[str, NDArray] = field(default_factory=dict)

    def write(self, part: slice, chunk: Chunk) -> None:
        """Write a chunk's columns, and let go of what a file keeps."""
        for name, values in chunk.arrays.items():
            self.targets[name][..., part] = values
            release(array_of(self.targets[name]))
        self.counts.update(chunk.counts)
        for name, pair in chunk.ends.items():
            self.ends[name] = self.ends.get(name, 0) + np.array(pair)

    def finish(self) -> EncodingResult:
        """Return the result of all chunks."""
        ends = {name: pair / self.n_voxels for name, pair in self.ends.items()}
        arrays = {name: array_of(target) for name, target in self.targets.items()}
        return EncodingResult(
            **arrays,
            grid_ends={name: (float(a), float(b)) for name, (a, b) in ends.items()},
            counts=dict(self.counts),
        )


def make_targets(
    sizes: tuple[int, int, int],
    n_voxels: int,
    dtype: np.dtype,
    *,
    make: Make,
    prefix: str = "",
    stacking: bool = False,
) -> dict[str, Target]:
    """Return where a subject's results go, by name.

    Parameters
    ----------
    sizes : (n_columns, n_bands, n_test)
    n_voxels : int
    dtype : dtype
        Of weights and predictions; penalties and scores are float64.
    make : callable
        Called as make(name, shape, dtype).
    prefix : str
        Put before each name.
    stacking : bool
    """
    n_columns, n_bands, n_test = sizes
    shapes: dict[str, tuple[int, ...]] = {
        "weights": (n_columns,),
        "intercept": (),
        "predictions": (n_test,),
        "parts": (n_bands, n_test),
        "alone": (n_bands, n_test),
        "plain": (n_test,),
        "band_weights": (n_bands,),
        "alphas": (),
        "cv_scores": (),
        "cv_scores_alone": (n_bands,),
    }
    if stacking:
        shapes |= {"stacked": (n_test,), "shares": (n_bands,)}
    return {
        name: make(
            prefix + name,
            (*shape, n_voxels),
            np.dtype(np.float64) if name in DOUBLE else dtype,
        )
        for name, shape in shapes.items()
    }
