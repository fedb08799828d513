"""Folds inside training: by whole runs, or by clips as in the paper."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import InputError, check_choice
from ..core.types import natural
from .rows import Pairs

Unit = Literal["run", "clip"]

UNITS: tuple[Unit, Unit] = ("run", "clip")


def make_folds(
    pairs: Pairs, *, n_folds: int = 5, unit: Unit = "run"
) -> NDArray[np.intp]:
    """Return the fold of each row; no run, or no clip, lies in two of them.

    Parameters
    ----------
    pairs : Pairs
        Training rows.
    n_folds : int
        5 as in the paper; fewer if there are fewer runs or clips.
    unit : 'run' or 'clip'
        'clip' keeps a clip's windows together but not its neighbours in the run, with
        which it shares haemodynamics and noise, so its scores are too high.

    Returns
    -------
    folds : array of int, shape (n_samples,)
        Neighbouring runs (in their natural order) go to different folds; so do
        neighbouring clips.

    Raises
    ------
    InputError
        If there are fewer than 2 runs or clips, or n_folds is below 2.

    Examples
    --------
    >>> runs, clips = ["r1", "r1", "r2", "r10"], ["a", "b", "c", "d"]
    >>> pairs = Pairs(np.eye(4), np.eye(4), runs, clips)
    >>> make_folds(pairs, n_folds=2).tolist()
    [0, 0, 1, 0]
    >>> make_folds(pairs, n_folds=2, unit="clip").tolist()
    [0, 1, 0, 1]
    """
    check_choice(unit, "unit", UNITS)
    labels = pairs.runs if unit == "run" else pairs.clips
    names = sorted(set(labels.tolist()), key=natural)
    if unit == "clip":  # in the order of the rows, so that neighbours part
        names = list(dict.fromkeys(labels.tolist()))
    parts = [part for name in names for part in name.split("+")]
    if unit == "run" and len(set(parts)) < len(parts):
        raise InputError(
            "rows are means of repeats over different sets of runs, such as "
            f"{names[0]!r}, and a run lies in several. Make folds before averaging, "
            "or average inside runs only."
        )
    if n_folds < 2 or len(names) < 2:
        raise InputError(
            f"{n_folds} folds of {len(names)} {unit}s: penalties and epochs are chosen "
            "on what was held out, so there must be at least 2 of each."
        )
    number = {name: k % min(n_folds, len(names)) for k, name in enumerate(names)}
    return np.array([number[name] for name in labels.tolist()])


def check_folds(folds: ArrayLike, runs: ArrayLike) -> None:
    """Raise if a run lies in two folds.

    Raises
    ------
    InputError
        Naming the run.
    """
    folds, runs = np.asarray(folds), np.asarray(runs)
    for run in np.unique(runs):
        inside = np.unique(folds[runs == run])
        if len(inside) > 1:
            raise InputError(
                f"run {str(run)!r} lies in {len(inside)} folds. Neighbouring samples "
                "share haemodynamics and noise: keep a run in one fold."
            )
