"""One page: every number and figure of the paper beside ours."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..report import band_labels, made_of
from ..report_parts import Head, Section, figure_of, table_of, write_page
from ..study import Study
from ..workflow.paper_figures import KINDS, PaperFigures
from .published import literature

NUMBERS = (
    "Means and standard deviations over subjects, subject by subject in the last "
    "columns. Another network, corpus or generator gives other absolute values: "
    "compare the order of feature spaces (joint embedding above self-supervised speech "
    "model above codec) before their heights. 'differs' says what is not the same; "
    "where the paper shows a figure and gives no number, published is empty."
)
SWEEPS = (
    "What the paper does not say (or does, where the effect is of interest), what we "
    "took and why, and what changes in the first subject if it is read otherwise. "
    "Nothing of this was chosen by the result."
)


def write_reproduction(
    folder: Path,
    *,
    study: Study,
    out: Path,
    subjects: Sequence[str],
    numbers: pd.DataFrame,
    sweeps: pd.DataFrame | None,
    figures: PaperFigures,
    notes: Sequence[str],
) -> Path:
    """Write `index.html`, and the tables beside it; return the page."""
    known = literature()
    about = json.loads((out / "about.json").read_text(encoding="utf-8"))["study"]
    sections = [Section("notes", "Read first")]
    for key, name in known.papers.items():
        mine = numbers[numbers["paper"] == key].drop(columns="paper")
        if mine.empty:
            continue
        text = NUMBERS if len(sections) == 1 else ""
        section = Section(f"numbers-{key}", f"Numbers: {name}", text)
        part = mine.dropna(axis=1, how="all")
        section.tables.append(
            table_of(part, f"numbers_{key}", "numbers.csv", f"ours beside {name}")
        )
        sections.append(section)
    if sweeps is not None and len(sweeps):
        section = Section("sweeps", "Where the paper is silent", SWEEPS)
        section.tables.append(table_of(sweeps, "sweeps", "sweeps.csv", "sweeps"))
        sections.append(section)
    sections += _drawn(figures, folder)
    head = Head(
        f"{study.title}: the reproduction",
        study.dataset.simulated,
        subjects,
        band_labels(out, about),
        [*notes, *(f"figure {name}: {why}" for name, why in figures.missing.items())],
    )
    numbers.to_csv(folder / "numbers.csv", index=False, float_format="%.9g")
    if sweeps is None:  # those of an earlier page are not of this one
        (folder / "sweeps.csv").unlink(missing_ok=True)
    else:
        sweeps.to_csv(folder / "sweeps.csv", index=False, float_format="%.9g")
    page = folder / "index.html"
    write_page(page, head, sections, made_of(out, about))
    return page


def _drawn(figures: PaperFigures, folder: Path) -> list[Section]:
    """Return the figures that could be drawn, as sections of the page."""
    shows = {kind.name: kind.shows for kind in KINDS}
    sections = []
    for name, paths in figures.written.items():
        pictures = [path for path in paths if path.suffix == ".png"]
        section = Section(f"figure-{name}", f"Figure: {shows[name]}")
        for path in pictures:
            file = path.relative_to(folder).as_posix()
            caption = f"{path.stem.replace('_', ' ')}: {shows[name]}"
            section.figures.append(figure_of(path, file, caption))
        if section.figures:
            sections.append(section)
    return sections
