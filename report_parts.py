"""What pages are made of: sections of figures and tables, and the template."""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from pandas.api.types import is_numeric_dtype
from PIL import Image

from .core.notes import summarise
from .report_players import Clip
from .report_texts import WARNINGS

MAX_ROWS = 600
STYLES = ("report.css",)
SCRIPTS = ("vendor/sortable.min.js", "report.js")


@dataclass(frozen=True)
class Figure:
    """A figure inside the page.

    Parameters
    ----------
    file : str
        Where the figure lies by itself, from the folder that the page tells of.
    caption : str
    data : str
        The picture, in base64.
    """

    file: str
    caption: str
    data: str


@dataclass(frozen=True)
class Table:
    """A table inside the page; cells are text, numbers to 4 digits."""

    key: str
    file: str
    caption: str
    columns: list[dict[str, Any]]
    rows: list[list[str]]


@dataclass
class Section:
    """A part of the page: figures first, then their numbers."""

    key: str
    title: str
    text: str = ""
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    clips: list[Clip] = field(default_factory=list)


@dataclass(frozen=True)
class Head:
    """What stands above the sections of a page.

    Parameters
    ----------
    title : str
    simulated : bool
    subjects, bands : sequence of str
    notes : sequence of str
        Those that limit every number are put first.
    """

    title: str
    simulated: bool
    subjects: Sequence[str]
    bands: Sequence[str]
    notes: Sequence[str]


def write_page(path: Path, head: Head, sections: Sequence[Section], made: str) -> None:
    """Write a page of sections; `made` is the text of how it was made."""
    environment = Environment(
        loader=PackageLoader("brain2music"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    style, script = _source(environment, STYLES), _source(environment, SCRIPTS)
    said = summarise(head.notes)
    page = environment.get_template("report.html").render(
        title=head.title,
        simulated=head.simulated,
        subjects=list(head.subjects),
        bands=list(head.bands),
        warnings=[note for note in said if _is_warning(note)],
        notes=[note for note in said if not _is_warning(note)],
        sections=list(sections),
        made=made,
        style=style,
        style_hash=_hash_of(style),
        script=script,
        script_hash=_hash_of(script),
    )
    path.write_text(page, encoding="utf-8")


def figure_of(path: Path, file: str, caption: str) -> Figure:
    """Return a PNG as a figure of the page."""
    data = base64.b64encode(packed(path)).decode("ascii")
    return Figure(file, caption, data)


def packed(path: Path) -> bytes:
    """Return a picture as lossless WebP: each colour as it is, a third in size."""
    buffer = io.BytesIO()
    with Image.open(path) as whole:
        whole.convert("RGB").save(buffer, "WEBP", lossless=True, quality=80)
    return buffer.getvalue()


def table_of(
    table: pd.DataFrame, key: str, file: str, caption: str, n_rows: int | None = None
) -> Table:
    """Return a table as the page shows it; `n_rows` if these are the first of more."""
    more = "" if n_rows is None else f"; the first {len(table)} of {n_rows} rows"
    columns = [
        {"name": name, "number": is_numeric_dtype(table[name])} for name in table
    ]
    rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    return Table(key, file, f"{caption}{more}.", columns, rows)


def _is_warning(note: str) -> bool:
    """Return whether a note limits every number: few permutations, subjects, blocks."""
    return any(words in note for words in WARNINGS)


def _source(environment: Environment, names: Sequence[str]) -> str:
    """Return files of the page, one after the other, as they are."""
    loader = environment.loader
    assert loader is not None, "made with one"
    return "\n".join(loader.get_source(environment, name)[0] for name in names)


def _hash_of(text: str) -> str:
    """Return what names a style or a script to the browser, which runs no other."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return str(value)
