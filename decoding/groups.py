"""Differences of scores between two groups of subjects."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, permutation_test, ttest_ind

from ..core.checks import InputError, nearest


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """How a score differs between two groups of subjects.

    Parameters
    ----------
    groups : tuple of str
        As sorted; differences are the second minus the first.
    n : tuple of int
        Subjects in each.
    means : tuple of float
    difference : float
        Of the means.
    low, high : float
        95% interval of the difference, Welch's: variances of groups may differ. NaN
        where neither group has any.
    superiority : float
        Probability that a subject of the second group scores higher than one of the
        first, ties counting half.
    p_rank : float
        Two-sided, Mann-Whitney.
    p_permutation : float
        Two-sided, of the difference of the means, by exchanging subjects.
    smallest_p : float
        What the exact permutation test could give at best: with few subjects, no
        difference is significant, however large.
    """

    groups: tuple[str, str]
    n: tuple[int, int]
    means: tuple[float, float]
    difference: float
    low: float
    high: float
    superiority: float
    p_rank: float
    p_permutation: float
    smallest_p: float


def compare_groups(
    scores: Mapping[str, float],
    participants: pd.DataFrame,
    column: str,
    *,
    seed: int,
    n_resamples: int = 9999,
) -> GroupDifference:
    """Compare a score between two groups of subjects.

    Parameters
    ----------
    scores : dict of subject to float
        One score per subject, by label with or without 'sub-'.
    participants : DataFrame
        Of participants.tsv: 'participant_id' and the column.
    column : str
        With two values among the subjects, such as musician and non-musician.
    seed : int
        For the permutations, where there are more than `n_resamples`.
    n_resamples : int

    Returns
    -------
    difference : GroupDifference

    Raises
    ------
    InputError
        If a column or a subject is missing, a subject has no value (a blank cell or
        'n/a'), there are not two values, or a group has one subject.
    """
    values, labels = _grouped(scores, participants, column)
    names = sorted(set(labels.tolist()))
    counts = [int((labels == name).sum()) for name in names]
    if len(names) != 2 or min(counts) < 2:
        found = ", ".join(f"{a}: {n}" for a, n in zip(names, counts, strict=True))
        raise InputError(
            f"column {column!r} makes groups of {found} subjects. Two groups of at "
            "least 2 subjects are compared; merge values, or choose another column."
        )
    a, b = (values[labels == name] for name in names)
    low, high = _interval(a, b)
    rank = mannwhitneyu(b, a, alternative="two-sided")
    moved = permutation_test(
        (b, a),
        lambda x, y, axis: np.mean(x, axis=axis) - np.mean(y, axis=axis),
        vectorized=True,
        n_resamples=n_resamples,
        rng=np.random.default_rng(seed),
    )
    return GroupDifference(
        groups=(names[0], names[1]),
        n=(len(a), len(b)),
        means=(float(a.mean()), float(b.mean())),
        difference=float(b.mean() - a.mean()),
        low=low,
        high=high,
        superiority=float(rank.statistic / (len(a) * len(b))),
        p_rank=float(rank.pvalue),
        p_permutation=float(moved.pvalue),
        smallest_p=_smallest_p(len(a), len(b), n_resamples),
    )


def _interval(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    if not (np.ptp(a) or np.ptp(b)):
        return np.nan, np.nan
    found = ttest_ind(b, a, equal_var=False).confidence_interval()
    return float(found.low), float(found.high)


def _smallest_p(n_a: int, n_b: int, n_resamples: int) -> float:
    """Return the least two-sided p of the permutation test, doubled as scipy does."""
    n_all = comb(n_a + n_b, n_a)
    return 2 / n_all if n_all <= n_resamples else 2 / (n_resamples + 1)


def _grouped(
    scores: Mapping[str, float], participants: pd.DataFrame, column: str
) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    for name in ("participant_id", column):
        if name not in participants:
            raise InputError(
                f"participants has no column {name!r}; it has "
                f"{', '.join(map(str, participants))}."
                f"{nearest(name, list(map(str, participants)))}"
            )
    ids = [_bare(name) for name in participants["participant_id"]]
    of_subject = dict(zip(ids, participants[column], strict=True))
    labels = []
    for subject, score in scores.items():
        value = of_subject.get(_bare(subject))
        if value is None or pd.isna(value) or str(value).strip() in ("", "n/a"):
            raise InputError(
                f"subject {subject!r} has no {column!r} in participants. Leave the "
                "subject out, or add the value."
            )
        if not np.isfinite(score):
            raise InputError(f"subject {subject!r} has score {score}. Leave it out.")
        labels.append(str(value))
    return np.array(list(scores.values()), float), np.array(labels)


def _bare(subject: object) -> str:
    return str(subject).removeprefix("sub-")
