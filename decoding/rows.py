"""Responses beside targets, row by row; averages over windows and repeats."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix, check_same_samples
from ..core.rows import average_rows


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Responses with what is to be decoded from them, and where both came from.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
        Responses, such as the mean over a window of a clip.
    T : array of shape (n_samples, n_dimensions)
        Targets: the features of the same windows.
    runs : array of str, shape (n_samples,)
        Run of each row, as `str(Run)` names it. The mean of repeats over several runs
        is named by all of them, joined by '+'.
    clips : array of str, shape (n_samples,)
    """

    Y: Floats
    T: Floats
    runs: NDArray[np.str_]
    clips: NDArray[np.str_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "Y", as_matrix(self.Y, "Y"))
        object.__setattr__(self, "T", as_matrix(self.T, "T"))
        for name in ("runs", "clips"):
            object.__setattr__(self, name, np.asarray(getattr(self, name)).astype(str))
        check_same_samples(Y=self.Y, T=self.T, runs=self.runs, clips=self.clips)
        if not len(self.Y):
            raise InputError("there is no row. Check the runs or clips that were kept.")

    @property
    def run_names(self) -> frozenset[str]:
        """All runs that the rows came from."""
        return frozenset(
            name for run in np.unique(self.runs) for name in run.split("+")
        )


def take_rows(pairs: Pairs, rows: ArrayLike) -> Pairs:
    """Return some of the rows, by mask or by number.

    Examples
    --------
    >>> pairs = Pairs(np.eye(3), np.eye(3), ["1", "1", "2"], ["a", "b", "c"])
    >>> take_rows(pairs, pairs.runs == "1").clips.tolist()
    ['a', 'b']
    """
    rows = np.asarray(rows)
    return Pairs(pairs.Y[rows], pairs.T[rows], pairs.runs[rows], pairs.clips[rows])


def average_windows(
    rows: ArrayLike, clips: ArrayLike
) -> tuple[Floats, NDArray[np.str_]]:
    """Return the mean of each clip's rows, and the clips in order of appearance.

    What is the same in all rows of a clip is returned as it is, bit by bit, so clips
    with equal rows have equal means, whatever their numbers of rows.

    Parameters
    ----------
    rows : array of shape (n_windows, n_dimensions)
        Predicted or true targets of windows.
    clips : array of shape (n_windows,)

    Returns
    -------
    means : array of shape (n_clips, n_dimensions)
    clips : array of str, shape (n_clips,)

    Examples
    --------
    >>> means, clips = average_windows([[1.0], [5.0], [3.0]], ["b", "a", "b"])
    >>> means.tolist(), clips.tolist()
    ([[2.0], [5.0]], ['b', 'a'])
    """
    rows, clips = as_matrix(rows, "rows"), np.asarray(clips).astype(str)
    check_same_samples(rows=rows, clips=clips)
    names, group = _in_order(clips)
    first = rows[np.unique(group, return_index=True)[1]]
    varied = np.zeros(first.shape, bool)
    np.logical_or.at(varied, group, rows != first[group])
    return np.where(varied, average_rows(rows, group), first), names


def average_repeats(pairs: Pairs, windows: ArrayLike) -> Pairs:
    """Return one row per window of a clip: the mean response over its repeats.

    Parameters
    ----------
    pairs : Pairs
    windows : array of int, shape (n_samples,)
        Number of the window inside its clip.

    Returns
    -------
    pairs : Pairs
        In order of first appearance.

    Raises
    ------
    InputError
        If the repeats of a window have different targets.

    Examples
    --------
    >>> Y = np.array([[1.0], [5.0], [3.0]])
    >>> pairs = Pairs(Y, [[0.0], [1], [0]], ["1", "1", "2"], ["a", "b", "a"])
    >>> averaged = average_repeats(pairs, [0, 0, 0])
    >>> averaged.Y.ravel().tolist(), averaged.runs.tolist()
    ([2.0, 5.0], ['1+2', '1'])
    """
    group = _window_groups(pairs, windows)
    first = np.unique(group, return_index=True)[1]
    differs = (pairs.T[first][group] != pairs.T).any(axis=1)
    if differs.any():
        row = int(np.argmax(differs))
        raise InputError(
            f"row {row} (clip {str(pairs.clips[row])!r}) repeats a window with another "
            "target. Repeats are of the same stimulus; check the labels of clips and "
            "windows."
        )
    runs = [
        "+".join(dict.fromkeys(pairs.runs[group == k].tolist()))
        for k in range(len(first))
    ]
    Y = average_rows(pairs.Y, group)
    return Pairs(Y, pairs.T[first], np.array(runs), pairs.clips[first])


def single_repeat(pairs: Pairs, windows: ArrayLike, *, repeat: int = 0) -> Pairs:
    """Return one row per window of a clip: its repeat number `repeat`, not averaged.

    Parameters
    ----------
    pairs : Pairs
    windows : array of int, shape (n_samples,)
    repeat : int
        0 is the first time that a window comes in the rows.

    Raises
    ------
    InputError
        If a window has fewer repeats.

    Examples
    --------
    >>> Y = np.array([[1.0], [5.0], [3.0]])
    >>> pairs = Pairs(Y, [[0.0], [0], [0]], ["1", "1", "2"], ["a", "a", "a"])
    >>> single_repeat(pairs, [0, 1, 0]).Y.ravel().tolist()
    [1.0, 5.0]
    """
    group = _window_groups(pairs, windows)
    fewest = int(np.bincount(group).min())
    if not 0 <= repeat < fewest:
        raise InputError(
            f"repeat {repeat} was asked for, and a window has {fewest} repeats. Give "
            f"0 to {fewest - 1}."
        )
    number = np.zeros(len(group), int)
    seen: dict[int, int] = {}
    for row, key in enumerate(group.tolist()):
        number[row] = seen.get(key, 0)
        seen[key] = number[row] + 1
    return take_rows(pairs, number == repeat)


def check_apart(train: Pairs, test: Pairs, *, shared_clips: bool = False) -> None:
    """Raise if training and test rows share a run, or a clip where they must not.

    Raises
    ------
    InputError
        Naming what is on both sides.
    """
    if train.Y.shape[1] != test.Y.shape[1] or train.T.shape[1] != test.T.shape[1]:
        raise InputError(
            f"training has {train.Y.shape[1]} voxels and {train.T.shape[1]} target "
            f"dimensions, test {test.Y.shape[1]} and {test.T.shape[1]}. Both must be "
            "the same voxels and the same feature space."
        )
    runs = sorted(train.run_names & test.run_names)
    if runs:
        raise InputError(
            f"{', '.join(runs[:3])}{' ...' if runs[3:] else ''} in training and in "
            "test. A run belongs to one side."
        )
    clips = sorted(set(train.clips.tolist()) & set(test.clips.tolist()))
    if clips and not shared_clips:
        raise InputError(
            f"{len(clips)} clips were heard in training and in test, such as "
            f"{clips[0]!r}: a decoder can know them by heart. Leave them out of one "
            "side, or set shared_clips=True where that is the question, such as "
            "imagined music that was heard before."
        )


def _window_groups(pairs: Pairs, windows: ArrayLike) -> NDArray[np.intp]:
    windows = np.asarray(windows)
    check_same_samples(Y=pairs.Y, windows=windows)
    return _in_order(np.char.add(pairs.clips, np.char.add("\n", windows.astype(str))))[
        1
    ]


def _in_order(labels: NDArray[np.str_]) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
    """Return the labels in order of appearance, and each row's number among them."""
    names, first, which = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return names[order], np.argsort(order)[which.ravel()]
