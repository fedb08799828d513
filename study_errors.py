"""What is wrong with a study file, in words that name the key."""

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from .core.checks import InputError, nearest
from .feature_spaces import FEATURE_KINDS
from .features.annotations import Column

# What pydantic puts into the place of an error for each way a value may be read.
UNION_PARTS = (
    "str",
    "constrained-int",
    "constrained-float",
    "literal['run','session']",
    "literal['middle','overlap','inside']",
)


def explain(root: type, error: ValidationError) -> Iterator[str]:
    """Yield what each fault of a study file is, in words that name its key.

    `root` is the dataclass of the whole file.
    """
    seen = set()
    for fault in error.errors():
        *where, key = fault["loc"] or ("",)
        where = [part for part in where if not _is_union_part(part)]
        if _is_union_part(key) and where:
            *where, key = where
        if (*where, key) in seen:
            continue
        seen.add((*where, key))
        wrapped = fault.get("ctx", {}).get("error")
        if isinstance(wrapped, InputError):
            yield str(wrapped)
        elif fault["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            yield unknown_key(root, tuple(where), str(key))
        elif fault["type"] == "missing":
            yield f"{_dotted((*where, key))!r} is missing; it has no default."
        elif fault["type"] == "union_tag_invalid":
            kind = str(fault["input"].get("kind"))
            yield (
                f"'{_dotted((*where, key))}.kind' is {kind!r}. Known: "
                f"{', '.join(FEATURE_KINDS)}.{nearest(kind, FEATURE_KINDS)}"
            )
        else:
            quotes = " Put labels in quotes." if "string" in fault["msg"] else ""
            yield (
                f"{_dotted((*where, key))!r}: {fault['msg']}, got "
                f"{fault['input']!r}.{quotes}"
            )


def _is_union_part(part: object) -> bool:
    return part in UNION_PARTS or str(part).startswith("tuple[")


def unknown_key(root: type, where: tuple, key: str) -> str:
    """Return what is known at a place of the file, and the nearest to `key`."""
    known = _known_keys(root, where)
    return (
        f"unknown key {_dotted((*where, key))!r}. Known there: {', '.join(known)}."
        f"{nearest(key, known)}"
    )


def _dotted(where: tuple) -> str:
    """Name a place in the file; pydantic adds a feature space's kind, which goes."""
    if len(where) > 2 and where[0] == "features":
        where = (*where[:2], *where[3:])
    return ".".join(str(part) for part in where)


def _known_keys(root: type, where: tuple) -> list[str]:
    """Return the keys that the table at `where` may have."""
    place: Any = root
    for part in where:
        if part in FEATURE_KINDS:
            place = FEATURE_KINDS[part]
        elif part == "columns" or isinstance(part, int):
            place = Column
        elif dataclasses.is_dataclass(place):
            place = typing.get_type_hints(place).get(part, place)
    if not dataclasses.is_dataclass(place):
        return []
    return [f.name for f in dataclasses.fields(place) if f.name != "folder"]
