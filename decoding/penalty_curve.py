"""How scores depend on the penalty: in the rows that were fitted, and held out."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import Floats, InputError
from ..core.ridge.search import splits_of
from ..core.stats import correlation
from .decoders import Linear, RoiEnsemble
from .penalties import Spectrum
from .rows import Pairs
from .scaling import few_columns, row_products, scaled, scaling_of

MULTIPLES = tuple(10.0 ** np.arange(-4, 5))


def penalty_curve(
    fitted: Linear | RoiEnsemble,
    train: Pairs,
    folds: NDArray,
    *,
    multiples: Sequence[float] = MULTIPLES,
) -> pd.DataFrame:
    """Return correlations at multiples of the penalties that a decoder chose.

    In each fold, ridge is fitted again on the other folds, from the voxels that the
    decoder uses, each dimension at a multiple of its own penalty. Of an ensemble each
    member is taken by itself, and the mean over members is returned.

    Parameters
    ----------
    fitted : Linear or RoiEnsemble
    train : Pairs
        The training rows that it was fitted on.
    folds : array of int, shape (n_samples,)
        Those that it chose its penalties on.
    multiples : sequence of float

    Returns
    -------
    table : DataFrame
        One row per multiple: `multiple`, `r_training` (rows of the other folds) and
        `r_held_out`, means over folds and dimensions.

    Raises
    ------
    InputError
        If a multiple is not above 0.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music, figure A.1.
    """
    if not all(one > 0 for one in multiples):
        raise InputError(
            f"multiples of penalties must be above 0, got {list(multiples)}."
        )
    members = fitted.members if isinstance(fitted, RoiEnsemble) else (fitted,)
    scores = np.mean([_scores(one, train, folds, multiples) for one in members], axis=0)
    return pd.DataFrame(
        {"multiple": multiples, "r_training": scores[0], "r_held_out": scores[1]}
    )


def _scores(
    one: Linear, pairs: Pairs, folds: NDArray, multiples: Sequence[float]
) -> Floats:
    """Return r, (2, n_multiples), of training rows and of held-out ones."""
    Y, T, used = pairs.Y, pairs.T, one.scaling.used
    total = np.zeros((2, len(multiples)))
    splits = splits_of(folds)
    for rest, held in splits:
        there = scaling_of(Y, used, rest)
        # Constant in these rows: 0 after centring.
        scaling = replace(there, sd=np.where(there.sd > 0, there.sd, 1))
        if scaling.n_used > len(Y):
            X, _ = few_columns(row_products(Y, scaling))
        else:
            X = scaled(Y, scaling)
        spectrum = Spectrum(X[rest], T[rest])
        for k, multiple in enumerate(multiples):
            weights, _ = spectrum.ridge(multiple * one.alphas)
            for side, rows in enumerate((rest, held)):
                total[side, k] += correlation(T[rows], X[rows] @ weights).mean()
    return total / len(splits)
