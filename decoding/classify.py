"""A label, such as the genre, from decoded one-hot targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from ..core.checks import InputError, as_matrix, check_same_samples
from .cards import Card
from .chance import clip_permutations, clip_resamples, interval, one_sided_p


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """Which label was decoded for each item, and how well.

    Parameters
    ----------
    labels : tuple of str
    predicted : array of str, shape (n_items,)
    confusion : DataFrame of int, shape (n_labels, n_labels)
        Rows are the true labels, columns the decoded ones.
    accuracy, balanced_accuracy : Card
        Share of items with the right label; mean over labels of each label's share.
    """

    labels: tuple[str, ...]
    predicted: NDArray[np.str_]
    confusion: pd.DataFrame
    accuracy: Card
    balanced_accuracy: Card


def classify(
    decoded: ArrayLike,
    truth: ArrayLike,
    labels: Sequence[str],
    *,
    clips: ArrayLike,
    n_permutations: int = 1000,
    n_resamples: int = 2000,
    seed: int = 0,
) -> Classification:
    """Return the label with the largest decoded value of each item, and its score.

    Parameters
    ----------
    decoded : array of shape (n_items, n_labels)
        Predicted one-hot targets.
    truth : array of str, shape (n_items,)
    labels : sequence of str
        Of the columns of `decoded`.
    clips : array of shape (n_items,)
        Of each item: permuted, and resampled, as wholes.
    n_permutations, n_resamples : int
    seed : int

    Returns
    -------
    classification : Classification
        Chance is 1 / n_labels for balanced accuracy; for accuracy, what the decoded
        labels get if they have nothing to do with the clips: the sum over labels of
        the share that is decoded times the share that is true. In a resample without
        a label, balanced accuracy is the mean over the labels that are there.

    Raises
    ------
    InputError
        If shapes do not fit, a true label has no column or no item, or two columns
        share the largest value.
    """
    decoded, truth = as_matrix(decoded, "decoded"), np.asarray(truth).astype(str)
    clips, labels = np.asarray(clips), tuple(labels)
    check_same_samples(decoded=decoded, truth=truth, clips=clips)
    _check_labels(decoded, truth, labels)
    predicted = np.array(labels)[decoded.argmax(axis=1)]
    table = confusion_matrix(truth, predicted, labels=list(labels))
    orders = clip_permutations(clips, n_permutations, seed=seed)
    draws = clip_resamples(clips, n_resamples, seed=seed)
    same = truth == predicted
    shares = [((predicted == x).mean(), (truth == x).mean()) for x in labels]
    frame = pd.DataFrame(table, index=list(labels), columns=list(labels))

    def card(metric: str, value: float, chance: float, null: list, again: list) -> Card:
        n_clips = len(np.unique(clips))
        return Card(
            *(metric, value, f"{len(labels)} labels", len(truth), n_clips),
            *(len(labels) - 1, 0, chance, *interval(again)),
            *(one_sided_p(value, null), len(null)),
        )

    return Classification(
        labels,
        predicted,
        frame,
        card(
            "accuracy",
            float(same.mean()),
            float(sum(a * b for a, b in shares)),
            [(truth == predicted[order]).mean() for order in orders],
            [same[rows].mean() for rows in draws],
        ),
        card(
            "balanced accuracy",
            float(balanced_accuracy_score(truth, predicted)),
            1 / len(labels),
            [_balanced(truth, predicted[order]) for order in orders],
            [_balanced(truth[rows], predicted[rows]) for rows in draws],
        ),
    )


def one_hot(truth: ArrayLike, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return targets with 1 in the column of the label and 0 elsewhere.

    Examples
    --------
    >>> one_hot(["pop", "jazz"], ["jazz", "pop"])
    array([[0., 1.],
           [1., 0.]])
    """
    truth = np.asarray(truth).astype(str)
    unknown = sorted(set(truth.tolist()) - set(labels))
    if unknown:
        raise InputError(f"{unknown[0]!r} is none of the labels {', '.join(labels)}.")
    return (truth[:, None] == np.array(labels)[None]).astype(np.float64)


def _balanced(truth: NDArray, predicted: NDArray) -> float:
    """Return the mean over labels that are there of the share decoded right."""
    _, which = np.unique(truth, return_inverse=True)
    return float(np.mean(np.bincount(which, truth == predicted) / np.bincount(which)))


def _check_labels(decoded: NDArray, truth: NDArray, labels: tuple[str, ...]) -> None:
    absent = sorted(set(labels) - set(truth.tolist()))
    unknown = sorted(set(truth.tolist()) - set(labels))
    if len(labels) != decoded.shape[1] or absent or unknown:
        raise InputError(
            f"decoded has {decoded.shape[1]} columns for {len(labels)} labels; labels "
            f"without an item: {', '.join(absent) or 'none'}; true labels without a "
            f"column: {', '.join(unknown) or 'none'}. Give one column per label that "
            "occurs."
        )
    tied = (decoded == decoded.max(axis=1, keepdims=True)).sum(axis=1) > 1
    if tied.any():
        raise InputError(
            f"{int(tied.sum())} items have the largest value in two columns, the first "
            f"of them item {int(np.argmax(tied))}: no label is decoded. Decode them "
            "from responses that tell them apart, or leave them out."
        )
