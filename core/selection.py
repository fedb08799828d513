"""Selections of voxels that know which responses made them.

Voxels chosen because they score well on some data score well on the same data, truth or
not. So a selection carries the runs whose responses it was made from, and is not scored
on them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Some of the voxels, and where the choice came from.

    Parameters
    ----------
    name : str
    mask : array of bool, shape (n_voxels,)
    how : str
        How they were chosen, in words: 'atlas', 'best tenth by training CV r2'.
    runs : frozenset of str
        Runs whose responses were looked at, as `str(Run)` names them; empty if none
        were, as for an atlas.
    """

    name: str
    mask: NDArray[np.bool_]
    how: str
    runs: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if np.asarray(self.mask).dtype != bool or np.ndim(self.mask) != 1:
            raise InputError(
                f"the mask of selection {self.name!r} has shape {np.shape(self.mask)} "
                f"and type {np.asarray(self.mask).dtype}, expected bool, (n_voxels,)."
            )
        if isinstance(self.runs, str):
            raise InputError(
                f"the runs of selection {self.name!r} are one text, {self.runs!r}; "
                "give a set of run names."
            )

    def __and__(self, other: "Selection") -> "Selection":
        """Return the voxels in both: made from what either was made from."""
        return Selection(
            f"{self.name} & {other.name}",
            self.mask & other.mask,
            f"{self.how}; {other.how}",
            self.runs | other.runs,
        )


def select_best(
    scores: ArrayLike,
    runs: Iterable[object],
    *,
    name: str,
    share: float,
    inside: Selection | None = None,
) -> Selection:
    """Select the voxels with the highest scores.

    Parameters
    ----------
    scores : array of shape (n_voxels,)
        Such as the cross-validated training scores of a model. Voxels that are NaN
        are not chosen, and not counted.
    runs : iterable of Run or str
        Runs that the scores were made on: the training runs, for such scores.
    name : str
    share : float
        Share of the scored voxels to choose, rounded up to whole voxels.
    inside : Selection, optional
        Where to choose from, such as a ROI; all voxels if None.

    Returns
    -------
    selection : Selection
        Of equal scores, voxels that come first.

    Raises
    ------
    InputError
        If there is no run, the runs are one text, or the share is not above 0 and at
        most 1.

    Examples
    --------
    >>> best = select_best([0.1, 0.4, 0.2], ["run-1"], name="best", share=0.3)
    >>> best.mask
    array([False,  True, False])
    """
    scores = np.asarray(scores, np.float64)
    names = _run_names(runs, f"selection {name!r} was made on")
    if not names or not 0 < share <= 1:
        raise InputError(
            f"selection {name!r} is of a share of {share} made on {len(names)} runs: "
            "the share must be above 0 and at most 1, and scores come from at least "
            "one run. Name the runs that were scored."
        )
    allowed = np.isfinite(scores)
    if inside is not None:
        allowed &= inside.mask
    n_best = int(np.ceil(share * allowed.sum() - 1e-9))
    order = np.argsort(np.where(allowed, -scores, np.inf), kind="stable")
    mask = np.zeros(len(scores), dtype=bool)
    mask[order[:n_best]] = True
    how = f"best {share:g} by scores on {len(names)} runs"
    if inside is None:
        return Selection(name, mask, how, names)
    return Selection(name, mask, f"{inside.how}; {how}", names | inside.runs)


def masks_to_score(
    selections: Sequence[Selection], scored_runs: Iterable[object]
) -> dict[str, NDArray[np.bool_]]:
    """Return the masks by name, or refuse those made from what is to be scored.

    The one door through which selections go into tables of scores.

    Parameters
    ----------
    selections : sequence of Selection
    scored_runs : iterable of Run or str
        Runs whose responses the scores are made on.

    Returns
    -------
    masks : dict of name to array of bool, shape (n_voxels,)

    Raises
    ------
    InputError
        If a selection was made from one of the runs (run-1 and run-01 are one), the
        runs are one text, or two selections have one name.
    """
    names = _run_names(scored_runs, "the selections are to be scored on")
    scored = set(map(_bare, names))
    for selection in selections:
        seen = sorted(run for run in selection.runs if _bare(run) in scored)
        if seen:
            raise InputError(
                f"selection {selection.name!r} ({selection.how}) was made from "
                f"responses of {', '.join(seen[:3])}{' ...' if seen[3:] else ''}, "
                "which it would now be scored on: the scores would be too high, truth "
                "or not. Choose by the cross-validated scores of the training folds "
                "(cv_scores of a saved model), or choose on some test runs and score "
                "on the others."
            )
    masks = {selection.name: selection.mask for selection in selections}
    if len(masks) < len(selections):
        given = [selection.name for selection in selections]
        twice = sorted({name for name in given if given.count(name) > 1})
        raise InputError(f"selections of the same name: {', '.join(twice)}. Rename.")
    return masks


def same_run(one: object, other: object) -> bool:
    """Return whether two names are of one run: zeros before a number do not count.

    Examples
    --------
    >>> same_run("task-Test_run-1", "task-Test_run-01")
    True
    >>> same_run("task-Test_run-1", "task-Test_run-10")
    False
    """
    return _bare(str(one)) == _bare(str(other))


def _bare(run: str) -> str:
    return re.sub(r"(?<=-)0+(?=\d)", "", run)


def _run_names(runs: Iterable[object], what: str) -> frozenset[str]:
    """Return the names of runs; one text would be taken letter by letter."""
    if isinstance(runs, str):
        raise InputError(
            f"the runs that {what} are one text, {runs!r}; give a list of runs: "
            f"[{runs!r}]."
        )
    return frozenset(map(str, runs))
