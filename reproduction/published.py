"""Numbers that were published on ds003720, and what was left open there."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any

TAKES = ("one", "mean", "max", "sum")
NUMBERS = ("brain2music.toml", "followups.toml")
CHOICES = "choices.toml"


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
        Which rows: see `fitting_rows`.
    take : 'one', 'mean', 'max' or 'sum'
        What is made of several rows of a subject. 'one' allows no second row.
    subject : int or None
        The number of the one subject that it is of, from 1; None: of all.
    sweep : str
        The choice whose first other reading makes the table; '': the run itself.
    differs : sequence of str
        Keys of what differs between theirs and ours.
    needs : str
        What a study must have for it, where that may be missing.
    why : str
        Why nothing of ours is held against it; then it has no table.
    """

    by: str
    item: str
    what: str
    of: str
    table: str = ""
    rows: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    sd: float | None = None
    column: str = "value"
    take: str = "one"
    subject: int | None = None
    sweep: str = ""
    differs: Sequence[str] = ()
    needs: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Variation:
    """Another reading of what a paper leaves open: parts of the study that change.

    Parameters
    ----------
    label : str
    changes : mapping of table to mapping of key to value
        In `features`, of a feature space to its own keys and values.
    reset : sequence of str
        Tables of the study that have their defaults before they change.
    """

    label: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reset: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """Another reading that the tables of a run hold as well: other rows or columns.

    Parameters
    ----------
    label, measure : str
    table : str
    by : str
        Column of the feature space.
    as_taken, instead : mapping of column to value
        Rows, as of `Published`.
    column, instead_column : str
        The second is the first if it is ''.
    take : str
    """

    label: str
    measure: str
    table: str
    by: str
    as_taken: Mapping[str, Any]
    instead: Mapping[str, Any]
    column: str = "value"
    instead_column: str = ""
    take: str = "one"


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that a paper does not say, what we took, and what else there is.

    Parameters
    ----------
    name : str
    silent : str
        What is not said.
    taken : str
        What we took and why, in words.
    key : str
        Where the study says it, such as 'alignment.lag_s'; '' if no key does.
    usual : object
        The key's value that `taken` speaks of.
    unswept : str
        Why its effect is not shown, where there are no other readings.
    """

    name: str
    silent: str
    taken: str
    key: str = ""
    usual: Any = None
    variations: tuple[Variation, ...] = ()
    readings: tuple[Reading, ...] = ()
    unswept: str = ""


@dataclass(frozen=True, slots=True)
class Literature:
    """All that is known of published numbers: papers, differences, numbers, choices."""

    papers: Mapping[str, str]
    differs: Mapping[str, str]
    numbers: tuple[Published, ...]
    choices: tuple[Choice, ...]


@cache
def literature() -> Literature:
    """Return what lies in the files of `NUMBERS` and `CHOICES`."""
    papers: dict[str, str] = {}
    differs: dict[str, str] = {}
    numbers: list[Published] = []
    for name in NUMBERS:
        given = _read(name)
        papers |= given["papers"]
        differs |= given["differs"]
        numbers += [one for group in given["number"] for one in _numbers(group)]
    choices = tuple(_choice(one) for one in _read(CHOICES)["choice"])
    return Literature(papers, differs, tuple(numbers), choices)


def _read(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return tomllib.loads(text)


def _numbers(group: dict[str, Any]) -> Iterator[Published]:
    """Yield the numbers of a group: what all share, and `each` of them by itself.

    A key of `each` that is no field is a word for {key} in the texts of the group.
    """
    known = {one.name for one in fields(Published)}
    shared = {name: value for name, value in group.items() if name != "each"}
    for one in group.get("each", [{}]):
        words = {k: str(v) for k, v in one.items() if k not in known or k == "of"}
        mine = {k: v for k, v in one.items() if k in known}
        whole = {**shared, **mine}
        whole["rows"] = {**shared.get("rows", {}), **mine.get("rows", {})}
        whole["differs"] = (*shared.get("differs", ()), *mine.get("differs", ()))
        yield Published(**_filled(whole, words))


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(one, words) for name, one in value.items()}
    if isinstance(value, str):
        for name, word in words.items():
            value = value.replace(f"{{{name}}}", word)
    return value


def _choice(given: dict[str, Any]) -> Choice:
    parts = {"label", "reset"}
    variations = tuple(
        Variation(
            one["label"],
            {k: v for k, v in one.items() if k not in parts},
            tuple(one.get("reset", ())),
        )
        for one in given.get("variations", ())
    )
    readings = tuple(Reading(**one) for one in given.get("readings", ()))
    rest = {k: v for k, v in given.items() if k not in ("variations", "readings")}
    return Choice(**rest, variations=variations, readings=readings)
