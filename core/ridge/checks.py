"""Checks of what a ridge fit was given."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..checks import InputError, check_choice
from .levers import EXACT
from .search import SOLVERS, Search


def check_data(
    X: Sequence[int], Y: Sequence[int], folds: NDArray, widths: Sequence[int]
) -> None:
    """Raise unless X and Y of these shapes, the folds and the bands fit together."""
    lengths = {"X": X[0], "Y": Y[0], "folds": len(folds)}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise InputError(
            f"different numbers of samples (TRs): {found}. Trim the same TRs from the "
            "start and end of every run, in features and responses alike."
        )
    if sum(widths) != X[1] or min(widths, default=0) < 1:
        raise InputError(
            f"X has {X[1]} columns, but the widths of its bands are "
            f"{list(widths)}. They must be at least 1 and add up to the columns; "
            "count a band's columns after its delays (features * delays)."
        )
    if Y[1] == 0:
        raise InputError(
            "Y has no voxel. Check the mask, or the ROI that it came from."
        )
    if len(np.unique(folds)) < 2:
        raise InputError(
            f"folds names {len(np.unique(folds))} fold; penalties are chosen on a fold "
            "that was held out, so there must be at least 2. Use more training runs."
        )


def check_search(search: Search, n_bands: int, dtype: np.dtype) -> Search:
    """Return the search, its candidates in `dtype`, or say what is wrong with it."""
    check_choice(search.solver, "solver", SOLVERS)
    alphas, candidates = np.asarray(search.alphas), np.asarray(search.candidates)
    if (
        alphas.ndim != 1
        or len(np.unique(alphas)) < max(len(alphas), 1)
        or not ((alphas > 0) & np.isfinite(alphas)).all()
    ):
        raise InputError(
            "alphas must be one or more penalties above 0, finite, each once, got "
            f"{search.alphas!r}."
        )
    if search.solver == "himalaya" and (
        search.levers != EXACT or search.backend != "numpy"
    ):
        raise InputError(
            "levers and backend are for solver 'fold-gram'. Leave them out with "
            "'himalaya', which tries everything on every voxel."
        )
    if candidates.ndim != 2 or candidates.shape[1] != n_bands or len(candidates) == 0:
        raise InputError(
            f"candidates has shape {candidates.shape}, expected (n_candidates, "
            f"{n_bands}): one weight per band."
        )
    if (candidates < 0).any() or not np.allclose(candidates.sum(axis=1), 1):
        raise InputError(
            "each candidate's weights must be at least 0 and add up to 1; rows "
            f"{np.flatnonzero(~np.isclose(candidates.sum(axis=1), 1))[:5].tolist()} "
            "add up to something else, or a weight is negative."
        )
    if search.n_voxels_batch is not None and search.n_voxels_batch < 1:
        raise InputError(
            f"n_voxels_batch must be at least 1 or None, got {search.n_voxels_batch}."
        )
    return replace(search, candidates=candidates.astype(dtype))
