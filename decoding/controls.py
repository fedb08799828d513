"""Predictions that should score chance: what a decoder is to be held against."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix, nearest
from ..core.selection import Selection
from .cards import (
    Pool,
    card_table,
    correlation_cards,
    identification_cards,
    mean_r,
)
from .chance import clip_permutations
from .draws import N_DRAWS, Draws, drawn_cards, mean_r_of_items


def mean_embedding(T_train: ArrayLike, n_items: int) -> Floats:
    """Return the mean training target, once per item.

    Examples
    --------
    >>> mean_embedding([[0.0, 2.0], [2.0, 4.0]], 2)
    array([[1., 3.],
           [1., 3.]])
    """
    T = as_matrix(T_train, "T_train")
    return np.tile(T.mean(axis=0, dtype=np.float64), (n_items, 1))


def random_embedding(T_train: ArrayLike, n_items: int, *, seed: int) -> Floats:
    """Return Gaussian vectors with the mean and covariance of the training targets.

    They look like targets, and know nothing of any clip.

    Parameters
    ----------
    T_train : array of shape (n_samples, n_dimensions)
    n_items : int
    seed : int

    Returns
    -------
    predicted : array of shape (n_items, n_dimensions)
    """
    mean, centred = _mean_and_spread(T_train)
    # Weighted sums of centred rows have just this covariance, of whatever rank.
    weights = np.random.default_rng(seed).standard_normal((n_items, len(centred)))
    return mean + weights @ centred


def random_embeddings(
    T_train: ArrayLike, n_items: int, n_draws: int, *, seed: int
) -> Draws:
    """Return many draws of `random_embedding`, each of as many items.

    They are made as they are gone through.

    Examples
    --------
    >>> [draw.shape for draw in random_embeddings(np.eye(4), 3, 2, seed=0)]
    [(3, 4), (3, 4)]
    """
    mean, centred = _mean_and_spread(T_train)
    # Its rows mixed have the covariance of all rows, and it has no more than columns.
    root = np.linalg.qr(centred, mode="r")

    def each() -> Iterator[Floats]:
        rng = np.random.default_rng(seed)
        for _ in range(n_draws):
            yield mean + rng.standard_normal((n_items, len(root))) @ root

    return Draws(n_draws, each)


def _mean_and_spread(T_train: ArrayLike) -> tuple[Floats, Floats]:
    """Return the mean row, and rows whose products add up to the covariance."""
    T = as_matrix(T_train, "T_train").astype(np.float64)
    if len(T) < 2:
        raise InputError("T_train has 1 row, which has no covariance. Give more rows.")
    mean = T.mean(axis=0)
    return mean, (T - mean) / np.sqrt(len(T) - 1)


def control_roi(rois: Sequence[Selection], name: str) -> Selection:
    """Return the ROI that is to know nothing of sound, such as V1, by its name.

    Raises
    ------
    InputError
        If no ROI has that name.
    """
    found = {roi.name: roi for roi in rois}
    if name not in found:
        raise InputError(
            f"no ROI is named {name!r}.{nearest(name, found)} Name a ROI of the atlas "
            "that sound should not reach, such as one of visual cortex."
        )
    return found[name]


def compare_controls(
    predictions: Mapping[str, ArrayLike],
    target: ArrayLike,
    T_train: ArrayLike,
    *,
    pool: Pool,
) -> pd.DataFrame:
    """Return the cards of predictions beside those of the controls.

    Parameters
    ----------
    predictions : dict of name to array of shape (n_items, n_dimensions)
        The decoder's, first, and those of others, such as of a visual ROI.
    target : array of shape (n_items, n_dimensions)
    T_train : array of shape (n_samples, n_dimensions)
        Training targets, for the mean and the random embedding.
    pool : Pool

    Returns
    -------
    table : DataFrame
        Column 'prediction', with the names and 'mean embedding', 'random embedding'
        and 'shuffled clips' (of the first prediction), `n_draws`, and the fields of
        `Card`. The mean embedding is the same for all items, so it has no correlation
        per dimension and no row for it. Random embeddings and shuffled clips are drawn
        200 times (n_draws; 1 in all other rows), and their cards are those of
        `drawn_cards`: what one draw scores is luck. How many shuffled clips score as
        much as a prediction is the p of that prediction.
    """
    target = as_matrix(target, "target")
    first = as_matrix(next(iter(predictions.values())), "the first prediction")
    tables = [
        card_table(
            identification_cards(guess, target, pool)
            + correlation_cards(guess, target, pool),
            prediction=name,
            n_draws=1,
        )
        for name, guess in predictions.items()
    ]
    orders = clip_permutations(pool.clips, N_DRAWS, seed=pool.seed, strata=pool.groups)
    drawn = {
        "random embedding": random_embeddings(
            T_train, len(target), N_DRAWS, seed=pool.seed
        ),
        "shuffled clips": Draws(N_DRAWS, lambda: (first[order] for order in orders)),
    }
    scores = {
        "correlation per sample": mean_r_of_items,
        "correlation per dimension": mean_r,
    }
    tables += [
        card_table(
            drawn_cards(draws, target, pool, scores=scores),
            prediction=name,
            n_draws=N_DRAWS,
        )
        for name, draws in drawn.items()
    ]
    mean = identification_cards(mean_embedding(T_train, len(target)), target, pool)
    tables.append(card_table(mean, prediction="mean embedding", n_draws=1))
    return pd.concat(tables, ignore_index=True)
