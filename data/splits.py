"""Training and test runs, and the folds inside training."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.checks import InputError, check_choice
from ..core.types import Run, Split
from .files import Rule, select_runs


def make_split(
    runs: Iterable[Run],
    *,
    train: Rule,
    test: Rule,
    folds: Literal["run", "session"] | int,
    name: str = "",
) -> Split:
    """Cut `runs` into training and test, and training into folds of whole runs.

    Parameters
    ----------
    runs : iterable of Run
    train, test : mapping
        Which runs, as in `select_runs`. Runs that neither names are left out.
    folds : 'run', 'session' or int
        One fold for each training run or session, or that many groups of consecutive
        training runs, as equal as can be (the first ones are larger by a run).
    name : str
        Subject, for messages, such as 'sub-01'.

    Raises
    ------
    InputError
        If a run is missing, is on both sides, or fewer than 2 folds come out.

    Examples
    --------
    >>> runs = [Run("music", str(i)) for i in range(1, 8)]
    >>> rules = {"train": {"run": ["1", "2", "3", "4", "5"]}, "test": {"run": "7"}}
    >>> [len(fold) for fold in make_split(runs, **rules, folds=2).folds]
    [3, 2]
    """
    runs = tuple(runs)
    training = select_runs(runs, train, name=name)
    testing = select_runs(runs, test, name=name)
    groups = _folds(training, folds, f"{name}: " if name else "")
    return Split(train=training, test=testing, folds=groups)


def fold_of_row(split: Split, runs_of_rows: Sequence[Run | str]) -> NDArray[np.int64]:
    """Return the fold that holds each row out.

    Parameters
    ----------
    split : Split
    runs_of_rows : sequence of Run or its name (`str(run)`), one per row
        Training rows only, in any order.

    Returns
    -------
    fold : array of int, shape (n_rows,)
        Position in `split.folds`.

    Raises
    ------
    InputError
        If a row's run is in no fold: a row of the test would leak into training.
    """
    fold_of = {str(run): i for i, fold in enumerate(split.folds) for run in fold}
    names = [str(run) for run in runs_of_rows]
    strange = [name for name in dict.fromkeys(names) if name not in fold_of]
    if strange:
        raise InputError(
            f"rows of {', '.join(strange)} are in no fold. Folds hold "
            "training runs only; pass the training rows."
        )
    return np.array([fold_of[name] for name in names], dtype=np.int64)


def _folds(
    training: tuple[Run, ...], folds: str | int, who: str
) -> tuple[tuple[Run, ...], ...]:
    if isinstance(folds, int) and not isinstance(folds, bool):
        if not 2 <= folds <= len(training):
            raise InputError(
                f"{who}folds is {folds}, but there are {len(training)} training runs. "
                f"Give a number from 2 to {len(training)}: a run is never cut."
            )
        places = np.array_split(np.arange(len(training)), folds)
        return tuple(tuple(training[i] for i in group) for group in places)
    check_choice(str(folds), "folds", ("run", "session"))
    if folds == "session" and any(run.session is None for run in training):
        raise InputError(
            f"{who}folds is 'session', but the runs have none. Put {{session}} into "
            "the pattern of the responses, or take folds = 'run'."
        )
    groups: dict[str | Run | None, list[Run]] = {}
    for run in training:
        groups.setdefault(run if folds == "run" else run.session, []).append(run)
    if len(groups) < 2:
        raise InputError(
            f"{who}one training {folds} makes one fold; at least 2 are needed to "
            "choose a penalty. Add training runs, or choose another kind of fold."
        )
    return tuple(tuple(group) for group in groups.values())
