"""From a scikit-learn splitter to the fold of each sample."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeavePGroupsOut,
    StratifiedGroupKFold,
    check_cv,
)

from ..checks import InputError, check_same_samples

BY_GROUPS = (
    GroupKFold,
    GroupShuffleSplit,
    LeaveOneGroupOut,
    LeavePGroupsOut,
    StratifiedGroupKFold,
)


def folds_of(
    cv: Any, X: NDArray, y: NDArray, groups: ArrayLike | None = None
) -> NDArray[np.intp]:
    """Return the fold in which each sample is held out.

    Parameters
    ----------
    cv : scikit-learn splitter, int or None
        None leaves one group (run) out; a number is scikit-learn's `KFold`.
    X, y : arrays of n_samples rows
    groups : array of shape (n_samples,), optional
        Run of each sample.

    Returns
    -------
    folds : array of int, shape (n_samples,)

    Raises
    ------
    InputError
        If groups are needed and missing, or a sample is not held out exactly once.
    """
    cv = _splitter(cv, groups)
    if groups is None and isinstance(cv, BY_GROUPS):
        raise InputError(
            f"groups is missing: cv = {cv!r} cuts between groups. Pass the run of each "
            "sample as groups."
        )
    if groups is not None:
        groups = np.asarray(groups)
        check_same_samples(X=X, groups=groups)
        if len(np.unique(groups)) < 2:
            raise InputError(
                "groups names 1 run; penalties are chosen on a run that was held out, "
                "so there must be at least 2. Pass more runs, or a splitter as cv."
            )
    folds = np.full(len(X), -1, dtype=np.intp)
    for number, (train, held) in enumerate(cv.split(X, y, groups)):
        whole = len(train) + len(held) == len(X)
        if (folds[held] != -1).any() or not whole:
            raise InputError(
                f"cv = {cv!r} holds a sample out twice, or leaves one out of both "
                "sides. Use a splitter such as GroupKFold or LeaveOneGroupOut."
            )
        folds[held] = number
    if (folds == -1).any():
        raise InputError(
            f"cv = {cv!r} never holds out {(folds == -1).sum()} of {len(X)} samples. "
            "Use a splitter such as GroupKFold or LeaveOneGroupOut."
        )
    return folds


def _splitter(cv: Any, groups: ArrayLike | None) -> Any:
    """Return a scikit-learn splitter for what was given as cv."""
    if cv is None:
        if groups is None:
            raise InputError(
                "groups is missing: without `cv`, one run is held out at a time. Pass "
                "the run of each sample as groups, or a scikit-learn splitter as cv."
            )
        return LeaveOneGroupOut()
    if isinstance(cv, Integral):
        if cv < 2:
            raise InputError(f"cv = {cv} folds: at least 2 are needed.")
        return KFold(int(cv))
    if isinstance(cv, Iterable) and not isinstance(cv, str):
        return check_cv(list(cv))  # (train, held out) pairs
    if isinstance(cv, str) or not hasattr(cv, "split"):
        raise InputError(
            f"cv must be a scikit-learn splitter, a number of folds, or (train, held "
            f"out) pairs, got {cv!r}."
        )
    return cv
