"""One page from what a run has saved, and from nothing else."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .analysis.rois import leading_rois
from .core.artefacts import artefacts_below, package_versions, read_about
from .core.types import label_of
from .report_parts import (
    MAX_ROWS,
    Figure,
    Head,
    Section,
    Table,
    figure_of,
    table_of,
    write_page,
)
from .report_players import find_clips
from .report_texts import CAPTIONS, SECTIONS, TEXTS


def write_report(
    out: Path,
    folder: Path,
    *,
    study: dict[str, Any],
    subjects: Sequence[str],
    notes: Sequence[str],
) -> list[str]:
    """Write `index.html` into `folder` from the figures and tables below `out`."""
    head = Head(
        study["title"],
        study["dataset"]["simulated"],
        subjects,
        band_labels(out, study),
        notes,
    )
    sections = _sections(out, subjects)
    write_page(folder / "index.html", head, sections, made_of(out, study))
    return []


def band_labels(out: Path, study: dict[str, Any]) -> list[str]:
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
    subject = path.stem.removeprefix(kind).strip("_")
    caption = f"{subject}: {CAPTIONS[kind]}" if subject else CAPTIONS[kind]
    return figure_of(path, f"figures/{path.stem}.pdf", caption)


def _table(path: Path) -> Table:
    labels = dict.fromkeys(("subject", "roi", "dimension", "trained_on"), str)
    table = pd.read_csv(path, dtype=labels, keep_default_na=False, na_values=[""])
    shown = _leading_first(path, table).head(MAX_ROWS)
    n_rows = len(table) if len(table) > MAX_ROWS else None
    name = path.stem
    return table_of(shown, name, f"tables/{path.name}", name.replace("_", " "), n_rows)


def _leading_first(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Put the ROIs that the figures show first, if a table is too long for the page."""
    if len(table) <= MAX_ROWS or "roi" not in table:
        return table
    scores = pd.read_csv(path.with_name("roi_scores.csv"), dtype={"roi": str})
    place = {roi: k for k, roi in enumerate(leading_rois(scores, MAX_ROWS))}
    order = table["roi"].map(place).fillna(len(place))
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")]


def made_of(out: Path, study: dict[str, Any]) -> str:
    """Return the study, the packages and the identity of each artefact, as JSON."""
    identities = {}
    for folder in artefacts_below(out):
        about = read_about(folder)
        if about and about["stage"] != "report":
            identities[str(folder.relative_to(out))] = about["identity"]
    made = {"packages": package_versions(), "artefacts": identities, "study": study}
    return json.dumps(made, indent=1)
