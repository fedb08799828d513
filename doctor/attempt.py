"""Checks that an error keeps from being made say so, and keep no other back."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from ..core.checks import InputError
from .verdict import Finding, runs_in

ERRORS = (ValueError, np.linalg.LinAlgError, OSError)  # InputError is a ValueError


def text_of(error: Exception) -> str:
    """Return what an error says; of which kind it is, if it is not meant for users."""
    if isinstance(error, InputError):
        return str(error)
    return f"it stopped with {type(error).__name__}: {error}"


def attempt(
    keys: Sequence[str], check: Callable[[], Iterable[Finding]], name: str = ""
) -> Iterator[Finding]:
    """Yield what a check finds; its keys that an error kept back are not made.

    Parameters
    ----------
    keys : sequence of str
        What the check may find.
    check : callable
    name : str
        Subject, as messages name it.
    """
    made = set()
    try:
        for one in check():
            made.add(one.key)
            yield one
    except ERRORS as error:
        text = text_of(error)
        where = tuple(dict.fromkeys([name, *runs_in(text)] if name else runs_in(text)))
        said = f"{name}: {text}" if name and not text.startswith(name) else text
        for key in keys:
            if key not in made:
                yield Finding(key, "not made", said, where)
