"""Checks at the door: what was found, what was expected, what to do."""

import difflib
from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]


class InputError(ValueError):
    """Something that the user gave is wrong, and the user can put it right."""


class MissingFileError(InputError, FileNotFoundError):
    """A file that the study names is not there."""

    __str__ = ValueError.__str__


def as_matrix(array: ArrayLike, name: str) -> Floats:
    """Return `array` as a finite 2D float array, or say what is wrong with it."""
    matrix = np.asarray(array)
    if matrix.ndim != 2:
        raise InputError(
            f"{name} must be 2D, one row per sample (TR), got shape {matrix.shape}. "
            "For a single column, pass array[:, None]."
        )
    if not np.issubdtype(matrix.dtype, np.floating):
        if not np.issubdtype(matrix.dtype, np.integer) and matrix.dtype != bool:
            raise InputError(
                f"{name} must hold numbers, got {matrix.dtype}. Convert it first."
            )
        matrix = matrix.astype(np.float64)
    if not np.isfinite(matrix).all():
        n_bad = int((~np.isfinite(matrix)).any(axis=0).sum())
        raise InputError(
            f"{name} has NaN or infinity in {n_bad} of its {matrix.shape[1]} columns. "
            "Mask those columns out before fitting; none is replaced for you."
        )
    return matrix


def check_same_samples(**arrays: NDArray) -> None:
    """Raise unless all `arrays`, passed by name, have as many samples."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise InputError(
            f"different numbers of samples (TRs): {found}. Trim the same TRs from the "
            "start and end of every run, in features and responses alike."
        )


def check_choice(value: str, name: str, choices: Collection[str]) -> None:
    """Raise unless `value` is one of `choices`, naming the nearest of them."""
    if value not in choices:
        raise InputError(
            f"{name} must be {_either(choices)}, got {value!r}."
            f"{nearest(value, choices)}"
        )


def nearest(word: str, known: Collection[str]) -> str:
    """Return ' Did you mean ...?' for the known word closest to `word`, or ''."""
    lowered = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.5)
    return f" Did you mean {lowered[close[0]]!r}?" if close else ""


def _either(choices: Collection[str]) -> str:
    words = [repr(choice) for choice in choices]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
