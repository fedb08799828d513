"""One page from what a run has saved, and from nothing else."""

import base64
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from pandas.api.types import is_numeric_dtype
from PIL import Image

from .analysis.rois import leading_rois
from .core.artefacts import artefacts_below, package_versions, read_about
from .core.notes import summarise
from .core.types import label_of
from .report_players import Clip, find_clips
from .report_texts import CAPTIONS, SECTIONS, TEXTS, WARNINGS

MAX_ROWS = 600
STYLES = ("report.css",)
SCRIPTS = ("vendor/sortable.min.js", "report.js")


@dataclass(frozen=True)
class Figure:
    """A figure inside the page."""

    name: str
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


def write_report(
    out: Path,
    folder: Path,
    *,
    study: dict[str, Any],
    subjects: Sequence[str],
    notes: Sequence[str],
) -> list[str]:
    """Write `index.html` into `folder` from the figures and tables below `out`."""
    environment = _environment()
    style, script = _source(environment, STYLES), _source(environment, SCRIPTS)
    said = summarise(notes)
    page = environment.get_template("report.html").render(
        title=study["title"],
        simulated=study["dataset"]["simulated"],
        subjects=list(subjects),
        bands=_band_labels(out, study),
        warnings=[note for note in said if _is_warning(note)],
        notes=[note for note in said if not _is_warning(note)],
        sections=_sections(out, subjects),
        made=_made(out, study),
        style=style,
        style_hash=_hash_of(style),
        script=script,
        script_hash=_hash_of(script),
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    return []


def _is_warning(note: str) -> bool:
    """Return whether a note limits every number: few permutations, subjects, blocks."""
    return any(words in note for words in WARNINGS)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("brain2music"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )


def _source(environment: Environment, names: Sequence[str]) -> str:
    """Return files of the page, one after the other, as they are."""
    loader = environment.loader
    assert loader is not None, "made with one"
    return "\n".join(loader.get_source(environment, name)[0] for name in names)


def _hash_of(text: str) -> str:
    """Return what names a style or a script to the browser, which runs no other."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _band_labels(out: Path, study: dict[str, Any]) -> list[str]:
    """Return each band as legends name it, with the source that its table tells."""
    scores = pd.read_csv(out / "tables/roi_scores.csv", keep_default_na=False)
    sources = dict(zip(scores["feature_space"], scores["source"], strict=True))
    labels = []
    for name in study["encoding"]["bands"]:
        labels.append(label_of(name, sources.get(name, "")))
    return labels


def _sections(out: Path, subjects: Sequence[str]) -> list[Section]:
    sections = [Section("notes", "Read first")]
    for key, title, figures, tables in SECTIONS:
        section = Section(key, title, TEXTS.get(key, ""))
        for name in figures:
            paths = sorted((out / "figures").glob(f"{name}*.png"))
            section.figures += [_figure(path, name) for path in paths]
        for name in tables:
            path = out / "tables" / f"{name}.csv"
            table = _table(path) if path.exists() else None
            if table is not None and table.rows:
                section.tables.append(table)
        if key == "reconstruction":
            section.clips = find_clips(out, subjects)
        if section.figures or section.tables:
            sections.append(section)
    return sections


def _figure(path: Path, kind: str) -> Figure:
    data = base64.b64encode(_few_colours(path)).decode("ascii")
    subject = path.stem.removeprefix(kind).strip("_")
    caption = f"{subject}: {CAPTIONS[kind]}" if subject else CAPTIONS[kind]
    return Figure(path.stem, caption, data)


def _few_colours(path: Path) -> bytes:
    """Return a picture in 256 colours, the rare ones of keys kept: a third in size."""
    buffer = io.BytesIO()
    with Image.open(path) as whole:
        few = whole.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _table(path: Path) -> Table:
    labels = dict.fromkeys(("subject", "roi", "dimension", "trained_on"), str)
    table = pd.read_csv(path, dtype=labels, keep_default_na=False, na_values=[""])
    shown = _leading_first(path, table).head(MAX_ROWS)
    more = (
        f"; the first {len(shown)} of {len(table)} rows"
        if len(table) > MAX_ROWS
        else ""
    )
    numbers = [is_numeric_dtype(table[name]) for name in table]
    columns = [
        {"name": name, "number": number}
        for name, number in zip(table, numbers, strict=True)
    ]
    rows = [[_cell(value) for value in row] for row in shown.itertuples(index=False)]
    caption = f"{path.stem.replace('_', ' ')}{more}."
    return Table(path.stem, path.name, caption, columns, rows)


def _leading_first(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Put the ROIs that the figures show first, if a table is too long for the page."""
    if len(table) <= MAX_ROWS or "roi" not in table:
        return table
    scores = pd.read_csv(path.with_name("roi_scores.csv"), dtype={"roi": str})
    place = {roi: k for k, roi in enumerate(leading_rois(scores, MAX_ROWS))}
    order = table["roi"].map(place).fillna(len(place))
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return str(value)


def _made(out: Path, study: dict[str, Any]) -> str:
    identities = {}
    for folder in artefacts_below(out):
        about = read_about(folder)
        if about and about["stage"] != "report":
            identities[str(folder.relative_to(out))] = about["identity"]
    made = {"packages": package_versions(), "artefacts": identities, "study": study}
    return json.dumps(made, indent=1)
