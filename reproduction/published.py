"""Numbers that were published on ds003720, and what was left open there."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

TR_S = 1.5
TAKES = ("one", "mean", "max")


@dataclass(frozen=True, slots=True)
class Published:
    """A number of a paper, and which of ours it is held against.

    Parameters
    ----------
    by : str
        Key of the paper.
    item : str
        Where it stands there.
    what, of : str
        What was measured, and of what (a feature space, or a group of classes).
    value, sd : float or None
        As published; None where the paper shows it in a figure alone.
    table, column : str
        Of a run's results.
    rows : mapping of column to value
        Which rows; a text that ends in * matches what begins so.
    take : 'one', 'mean' or 'max'
        What is made of several rows of a subject. 'one' allows no second row.
    differs : sequence of str
        Keys of what differs between theirs and ours.
    """

    by: str
    item: str
    what: str
    of: str
    table: str
    rows: Mapping[str, Any]
    value: float | None = None
    sd: float | None = None
    column: str = "value"
    take: str = "one"
    differs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Variation:
    """Another reading of what a paper leaves open: parts of the study that change."""

    label: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that the paper does not say, what we took, and what else there is."""

    name: str
    silent: str
    taken: str
    variations: tuple[Variation, ...]


@dataclass(frozen=True, slots=True)
class Literature:
    """All that is known of published numbers: papers, differences, numbers, choices."""

    papers: Mapping[str, str]
    differs: Mapping[str, str]
    numbers: tuple[Published, ...]
    choices: tuple[Choice, ...]


@cache
def literature() -> Literature:
    """Return what lies in `published.toml`."""
    text = files(__package__).joinpath("published.toml").read_text(encoding="utf-8")
    given = tomllib.loads(text)
    numbers = [Published(**one) for one in given["number"]]
    for group in given["lags"]:
        numbers += _lags(group)
    choices = tuple(_choice(one) for one in given["choice"])
    return Literature(given["papers"], given["differs"], tuple(numbers), choices)


def _lags(group: dict[str, Any]) -> list[Published]:
    """Return a number for each volume of a curve over lags."""
    values, what = group.pop("values"), group.pop("what")
    rows = group.pop("rows")
    return [
        Published(
            **group,
            what=what.format(seconds=int(lag) * TR_S),
            value=value,
            rows={**rows, "lag": int(lag)},
        )
        for lag, value in values.items()
    ]


def _choice(given: dict[str, Any]) -> Choice:
    variations = [
        Variation(one["label"], {k: v for k, v in one.items() if k != "label"})
        for one in given["variations"]
    ]
    return Choice(given["name"], given["silent"], given["taken"], tuple(variations))
