"""One page from what a run has saved, and from nothing else."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from pandas.api.types import is_numeric_dtype

from .analysis.rois import leading_rois
from .core.artefacts import artefacts_below, package_versions, read_about
from .core.notes import summarise
from .core.types import label_of

MAX_ROWS = 600
CAPTIONS = {
    "planted_recovered": "what was planted, and the parts that came back",
    "roi_comparison": "held-out r of each feature space by itself, per ROI",
    "parts": "what each feature space adds to the joint R2 (product measure)",
    "differences": "paired differences of feature spaces",
    "flatmap": "held-out r of the joint model and of each feature space by itself",
    "density": "held-out r of voxels under two feature spaces, each by itself",
}


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


STIMULI = ("subset_scores", "shared_clips")
SECTIONS = (
    ("truth", "Planted and recovered", ("planted_recovered",), ("truth",)),
    ("rois", "Feature spaces per ROI", ("roi_comparison", "parts"), ("roi_scores",)),
    ("differences", "Paired differences", ("differences",), ("roi_differences",)),
    ("maps", "Maps", ("flatmap",), ()),
    ("voxels", "Voxels under two models", ("density",), ("ceilings",)),
    ("layers", "Layers", (), ("layers",)),
    ("stimuli", "Clips that training and test share", (), STIMULI),
    ("alignment", "Sound and volumes", (), ("lags", "alignment")),
)
TEXTS = {
    "rois": (
        "Scores on the test runs, which chose nothing. r_low and r_high bound a 95 % "
        "interval of r_mean, from a bootstrap over clips, or over blocks of time where "
        "no clips are named. Parts (model 'part') sum to the joint score."
    ),
    "differences": (
        "Mean r of a minus mean r of b, each feature space by itself, with the 95 % "
        "interval of the difference from the same resamples for both. Intervals are "
        "not corrected for the number of ROIs and pairs."
    ),
    "layers": (
        "Each voxel, or ROI, takes the layer whose plain ridge does best on held-out "
        "training folds (cv_r2_mean); the choice is then scored once on the test runs."
    ),
    "stimuli": (
        "Test clips that share a track, an artist or their sound with a training clip, "
        "and the scores on the test clips that do not. A duplicate-safe clip shares no "
        "track and no sound; an artist-safe one no known artist besides, and its own "
        "artist is known."
    ),
    "alignment": (
        "Which seconds of sound meet which volumes, counted from the onset of a clip "
        "that starts with a volume. Lags were compared on training runs alone."
    ),
    "truth": (
        "Recovered is the feature space with the largest mean part of the joint r, or "
        "none where the ROI's joint r lies inside the 99 % interval of its own null "
        "(blocks of the test set moved against the predictions)."
    ),
}


def write_report(
    out: Path,
    folder: Path,
    *,
    study: dict[str, Any],
    subjects: Sequence[str],
    notes: Sequence[str],
) -> list[str]:
    """Write `index.html` into `folder` from the figures and tables below `out`."""
    page = _template().render(
        title=study["title"],
        simulated=study["dataset"]["simulated"],
        subjects=list(subjects),
        bands=_band_labels(out, study),
        notes=summarise(notes),
        sections=_sections(out),
        made=_made(out, study),
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    return []


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("brain2music"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("report.html")


def _band_labels(out: Path, study: dict[str, Any]) -> list[str]:
    """Return each band as legends name it, with the source that its table tells."""
    scores = pd.read_csv(out / "tables/roi_scores.csv", keep_default_na=False)
    sources = dict(zip(scores["feature_space"], scores["source"], strict=True))
    labels = []
    for name in study["encoding"]["bands"]:
        labels.append(label_of(name, sources.get(name, "")))
    return labels


def _sections(out: Path) -> list[Section]:
    sections = [Section("notes", "Read first")]
    for key, title, figures, tables in SECTIONS:
        section = Section(key, title, TEXTS.get(key, ""))
        for name in figures:
            paths = sorted((out / "figures").glob(f"{name}*.png"))
            section.figures += [_figure(path, name) for path in paths]
        for name in tables:
            path = out / "tables" / f"{name}.csv"
            if path.exists():
                section.tables.append(_table(path))
        if section.figures or section.tables:
            sections.append(section)
    return sections


def _figure(path: Path, kind: str) -> Figure:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    subject = path.stem.removeprefix(kind).strip("_")
    caption = f"{subject}: {CAPTIONS[kind]}" if subject else CAPTIONS[kind]
    return Figure(path.stem, caption, data)


def _table(path: Path) -> Table:
    labels = dict.fromkeys(("subject", "roi"), str)
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
