"""All models of a chunk of voxels by himalaya's own solvers: the reference."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats
from ..core.ridge.banded import RidgeFit, fit_banded_ridge
from ..core.ridge.cost import FitSize, estimate_fit
from ..core.types import Band
from .result import RidgeSettings
from .targets import Chunk


def fit_chunk_by_himalaya(
    X: Floats,
    Y: Floats,
    X_test: Floats,
    *,
    bands: Sequence[Band],
    folds: NDArray,
    settings: RidgeSettings,
) -> Chunk:
    """Return all models' predictions of one chunk of voxels, and joint's weights.

    Each model is a search of its own, as himalaya has to.
    """

    def fit(columns: slice, widths: Sequence[int]) -> RidgeFit:
        search = settings.search(len(widths))
        return fit_banded_ridge(
            X[:, columns], Y, widths=widths, folds=folds, search=search
        )

    everything, slices = slice(0, X.shape[1]), slices_of(bands)
    joint = fit(everything, [band.n_columns for band in bands])
    # One band is one model: joint, alone and plain are the same fit.
    one = len(bands) == 1
    plain = joint if one else fit(everything, [X.shape[1]])
    alone = {
        name: joint if one else fit(columns, [columns.stop - columns.start])
        for name, columns in slices.items()
    }
    parts = np.stack([X_test[:, s] @ joint.weights[s] for s in slices.values()])
    fits = {"joint": joint, "plain": plain}
    fits |= {f"alone {name}": found for name, found in alone.items()}
    return Chunk(
        {
            "weights": joint.weights,
            "intercept": joint.intercept,
            "predictions": parts.sum(axis=0) + joint.intercept,
            "parts": parts,
            "alone": np.stack(
                [_predict(X_test[:, s], alone[name]) for name, s in slices.items()]
            ),
            "plain": _predict(X_test, plain),
            "band_weights": joint.band_weights,
            "alphas": joint.alphas,
            "cv_scores": joint.cv_scores,
            "cv_scores_alone": np.stack([found.cv_scores for found in alone.values()]),
        },
        {},
        {
            name: (int(found.at_low_end.sum()), int(found.at_high_end.sum()))
            for name, found in fits.items()
        },
    )


def voxels_for_himalaya(size: FitSize, settings: RidgeSettings) -> int:
    """Return how many voxels himalaya's solvers may be given within the memory.

    At least 1: what they hold beside voxels is not ours to bound.
    """

    def peak(n_voxels: int) -> float:
        given = replace(size, n_voxels=n_voxels, n_voxels_batch=n_voxels)
        return estimate_fit(given, settings.form).bytes_peak

    least = peak(1)
    each = (peak(1001) - least) / 1000
    return max(1, int((settings.max_bytes - least) / each))


def slices_of(bands: Sequence[Band]) -> dict[str, slice]:
    """Return the columns of each band, by its name."""
    edges = np.cumsum([0, *(band.n_columns for band in bands)])
    return {b.name: slice(*edges[i : i + 2]) for i, b in enumerate(bands)}


def _predict(X: Floats, fit: RidgeFit) -> Floats:
    return X @ fit.weights + fit.intercept
