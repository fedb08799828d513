"""How what a fit needs goes to another process and gives the same last digit there."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any

import numpy as np


def packed(one: Any, without: Collection[str] = ()) -> tuple[Any, ...]:
    """Return what `__reduce__` of a dataclass returns, `without` some fields.

    Its arrays lie at whole addresses when they arrive. Messages put them anywhere, and
    products copy what lies elsewhere into another order, so that the last digit may
    differ.
    """
    names = [field.name for field in fields(one) if field.name not in without]
    return _arrived, (type(one), {name: getattr(one, name) for name in names})


def _arrived(cls: Any, values: dict[str, Any]) -> Any:
    return cls(**{name: _whole(value) for name, value in values.items()})


def _whole(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.require(value, requirements="A")
    if type(value) in (list, tuple):
        return type(value)(_whole(one) for one in value)
    return value
