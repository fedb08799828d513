"""Which stimulus was heard: each prediction against all candidates."""

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix


def identification_accuracy(predicted: ArrayLike, target: ArrayLike) -> Floats:
    """Return, per item, the share of other targets that its own target beats.

    With C[i, j] the correlation of prediction i with target j over the dimensions,
    the accuracy of item i is the number of j with C[i, i] > C[i, j], over n - 1. A
    tie is no win, so equal targets lower it: see `chance_with_ties`.

    Parameters
    ----------
    predicted, target : array of shape (n_items, n_dimensions)
        Row i of both is the same stimulus.

    Returns
    -------
    accuracy : array of shape (n_items,)
        Between 0 and 1; 0.5 by chance where all targets differ.

    Raises
    ------
    InputError
        If the shapes differ, there is one item only, or a row is constant and so has
        no correlation.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music: Reconstructing music from
    human brain activity. arXiv 2307.11078, equations 2 and 3.

    Examples
    --------
    >>> target = np.array([[1.0, 2.0, 4.0], [4.0, 1.0, 2.0], [0.0, 3.0, 1.0]])
    >>> identification_accuracy(target, target)
    array([1., 1., 1.])
    """
    C = similarity(predicted, target)
    return (np.diag(C)[:, None] > C).sum(axis=1) / (len(C) - 1)


def similarity(predicted: ArrayLike, target: ArrayLike) -> Floats:
    """Return Pearson's r of each prediction with each target, over the dimensions.

    Equal targets give exactly equal columns: rounding breaks no tie.

    Parameters
    ----------
    predicted, target : array of shape (n_items, n_dimensions)
        Row i of both is the same stimulus.

    Returns
    -------
    C : array of shape (n_items, n_items)
        C[i, j] is of prediction i and target j; equation 2 of the paper.

    Raises
    ------
    InputError
        If the shapes differ, there is one item only, or a row is constant.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music: Reconstructing music from
    human brain activity. arXiv 2307.11078, equation 2.

    Examples
    --------
    >>> target = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    >>> similarity(target, target).round(6)
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    predicted, target = _check(predicted, "predicted"), _check(target, "target")
    if predicted.shape != target.shape:
        raise InputError(
            f"predicted has shape {predicted.shape} and target {target.shape}; row i "
            "of both must be the same stimulus, in the same dimensions."
        )
    # Equal targets share one column, so that rounding cannot break a tie.
    different, which = np.unique(target, axis=0, return_inverse=True)
    return (_standard(predicted) @ _standard(different).T)[:, which.ravel()]


def chance_with_ties(target: ArrayLike) -> float:
    """Return the mean accuracy of predictions that know nothing of the items.

    Each ordered pair of items with different targets is won half of the time, and a
    pair with equal targets never.

    Parameters
    ----------
    target : array of shape (n_items, n_dimensions)

    Returns
    -------
    chance : float
        0.5 where all targets differ; less with ties, such as one-hot genres.

    Examples
    --------
    >>> round(chance_with_ties(np.eye(2).repeat(2, axis=0)), 4)
    0.3333
    """
    target = _check(target, "target")
    _, counts = np.unique(target, axis=0, return_counts=True)
    n_items = len(target)
    n_tied = (counts * (counts - 1)).sum()
    return float(0.5 * (1 - n_tied / (n_items * (n_items - 1))))


def _check(rows: ArrayLike, name: str) -> Floats:
    rows = as_matrix(rows, name).astype(np.float64)
    if len(rows) < 2:
        raise InputError(
            f"{name} has {len(rows)} item; identification needs at least 2 to tell "
            "apart."
        )
    constant = (rows == rows[:, :1]).all(axis=1)
    if constant.any():
        raise InputError(
            f"{int(constant.sum())} of {len(rows)} rows of {name} are constant, the "
            f"first of them row {int(np.argmax(constant))}. They correlate with "
            "nothing; leave those items out on both sides."
        )
    return rows


def _standard(rows: Floats) -> Floats:
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
