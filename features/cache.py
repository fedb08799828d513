"""Features that were computed once, kept on disk by what they were made from.

The folder has no index and no clip names: a file is named by a hash of everything that
makes its content, and is written under another name and renamed when whole. A process
that is killed leaves nothing half made, and the next one goes on where it was. Several
processes may share a folder. To empty it, delete it.
"""

import hashlib
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.checks import Floats, InputError

PARTIAL = ".partial-"
Item = TypeVar("Item")


def content_key(*parts: object) -> str:
    """Return a hash of the parts: arrays by content, all else by its `repr`.

    Parameters
    ----------
    parts : arrays, numbers, strings, None, or tuples of these
        Two lists of parts have one key only if all parts are the same, each of the
        same type (for arrays: dtype, shape and values).

    Raises
    ------
    InputError
        If a part is something whose `repr` need not tell all that it holds.

    Examples
    --------
    >>> content_key(np.zeros(3), "clap") == content_key(np.zeros(3), "clap")
    True
    >>> content_key("a", "bc") == content_key("ab", "c")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            _check_plain(part)
            digest.update(repr(part).encode())
        digest.update(b"\x00")
    return digest.hexdigest()


def load(folder: Path, key: str) -> NDArray[Any] | None:
    """Return the array kept under `key`, or None if there is none.

    Raises
    ------
    InputError
        If the file is there and cannot be read.
    """
    path = _path(folder, key)
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} in the features' cache cannot be read: {error}. Delete that file, "
            "and its features are computed again."
        ) from error


def save(folder: Path, key: str, array: NDArray[np.generic]) -> None:
    """Keep `array` under `key`, whole or not at all."""
    path = _path(folder, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=PARTIAL, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, array, allow_pickle=False)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def is_kept(folder: Path, key: str) -> bool:
    """Return whether an array is kept under `key`."""
    return _path(folder, key).is_file()


def cached(
    items: Iterable[Item],
    *,
    keys_of: Callable[[Item], tuple[str, ...]],
    compute: Callable[[Iterator[Item]], Iterable[tuple[Floats, ...]]],
    folder: Path,
    advance: Callable[[int], None] | None = None,
) -> list[tuple[Floats, ...]]:
    """Return what `compute` gives for each item, from disk where it was kept.

    Parameters
    ----------
    items : iterable
        Walked once; an item is let go when `compute` is done with it.
    keys_of : callable
        From an item to the keys of its results (such as one for each layer).
    compute : callable
        Takes the items that are not kept, and yields the results of each in the same
        order, each as soon as it is ready: it is then written. Not called for more
        than it needs: an item that comes twice is computed once.
    folder : Path
        Where results are kept.
    advance : callable, optional
        Called with 1 after each item.

    Returns
    -------
    results : list of tuple of array
        In the order of `items`; arrays as `compute` made them.
    """
    order: list[tuple[str, ...]] = []
    waiting: deque[tuple[str, ...]] = deque()
    seen: set[tuple[str, ...]] = set()
    step = advance or (lambda _: None)

    def missing() -> Iterator[Item]:
        for item in items:
            keys = keys_of(item)
            order.append(keys)
            if keys in seen or all(is_kept(folder, key) for key in keys):
                step(1)
                continue
            seen.add(keys)
            waiting.append(keys)
            yield item

    for results in compute(missing()):
        for key, result in zip(waiting.popleft(), results, strict=True):
            save(folder, key, result)
        step(1)
    return [tuple(_kept(folder, key) for key in keys) for keys in order]


def _kept(folder: Path, key: str) -> Floats:
    array = load(folder, key)
    if array is None:
        raise InputError(
            f"{_path(folder, key)} was deleted while it was in use. Run again."
        )
    return array


def _path(folder: Path, key: str) -> Path:
    return Path(folder) / key[:2] / f"{key}.npy"


def _check_plain(part: object) -> None:
    if isinstance(part, tuple):
        for each in part:
            _check_plain(each)
    elif not isinstance(part, str | int | float | bool | None):
        raise InputError(
            f"a key cannot be made from {type(part).__name__}. Give arrays, numbers, "
            "text, None, or tuples of them."
        )
