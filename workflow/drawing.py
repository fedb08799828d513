"""Draws a study's figures from what is saved, and writes them as PNG and PDF."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..analysis.rois import leading_rois
from ..core.artefacts import package_versions, read_about, write_json
from ..figures.parts import plot_parts, plot_planted_recovered
from ..figures.scores import (
    fullest_bin,
    plot_differences,
    plot_roi_comparison,
    plot_score_density,
)
from ..figures.style import DOUBLE_MM, SINGLE_MM, figure_mm
from ..study import Study
from .map_figures import map_figures
from .paper_pages import NO_DATE, TEXT
from .to_draw import Saved, as_written, load_saved, r_of, score_limits

MAX_ROIS = 20
MAX_PAIRS = 6
ROI_MM, SPACE_MM, MOST_MM = 11.0, 2.2, 260.0  # heights: of an ROI, of each of its bars
DPI = 300
BINS = 60  # of a density, along each axis
# The tables that hold the numbers of the figures whose names begin so.
NUMBERS = {
    "planted_recovered": ["roi_scores", "truth"],
    "roi_comparison": ["roi_scores"],
    "parts": ["roi_scores"],
    "differences": ["roi_differences"],
    "density": ["voxel_scores"],
    "flatmap": ["voxel_scores"],
    "best_space": ["best_space"],
    "two_spaces": ["voxel_scores", "voxel_significance"],
    "components": ["weight_components"],
    "gradient": ["voxel_scores"],
    "q_map": ["voxel_significance"],
    "ceiling_map": ["voxel_ceilings"],
    "added_map": ["voxel_added"],
    "partition_map": ["voxel_partition"],
    "template_r": ["template_r"],
}


def draw_figures(
    study: Study, out: Path, folder: Path, subjects: Sequence[str]
) -> list[str]:
    """Draw every figure that the study's tables and space allow into `folder`.

    Returns
    -------
    notes : list of str
        Figures that there cannot be, and why.
    """
    saved = load_saved(study, out, subjects)
    notes: list[str] = []
    about = read_about(out / "tables")
    made_from = {
        "simulated": study.dataset.simulated,
        "tables": about["identity"] if about else "",
        "drawn_with": package_versions(["brain2music", "matplotlib"]),
    }
    for name, figure in _figures(saved, notes):
        with mpl.rc_context(TEXT):
            for ending in ("png", "pdf"):
                path = folder / f"{name}.{ending}"
                figure.savefig(path, dpi=DPI, metadata=NO_DATE[ending])
        shown = {
            "figure": name,
            "numbers": [f"tables/{table}.csv" for table in _tables_of(name)],
            "axes": _axes(figure),
        }
        write_json(folder / f"{name}.json", shown | made_from)
        plt.close(figure)
    return notes


def _tables_of(name: str) -> list[str]:
    """Return the tables that hold the numbers of a figure."""
    return next(tables for kind, tables in NUMBERS.items() if name.startswith(kind))


def _axes(figure: Figure) -> list[dict[str, Any]]:
    """Return what stands on each axis that is named, and its ends: colour bars, too."""
    found = []
    for ax in figure.axes:
        ends = {
            axis.get_label_text(): list(map(float, axis.get_view_interval()))
            for axis in (ax.xaxis, ax.yaxis)
            if axis.get_label_text()
        }
        if ends:
            found.append({"title": ax.get_title(), "ends": ends})
    return found


def _figures(saved: Saved, notes: list[str]) -> Iterator[tuple[str, Figure]]:
    scores, bands = saved.tables["roi_scores"], saved.study.encoding.bands
    roi_mm = max(ROI_MM, SPACE_MM * (len(bands) + 1))
    rois = _shown_rois(scores, notes, min(MAX_ROIS, int(MOST_MM / roi_mm)))
    if "truth" in saved.tables:
        yield "planted_recovered", plot_planted_recovered(scores, saved.tables["truth"])
    yield "roi_comparison", _comparison(saved, rois, roi_mm)
    yield "parts", _parts(saved, rois, roi_mm)
    n_pairs = len(bands) * (len(bands) - 1) // 2
    if n_pairs >= 1:
        yield from _differences(saved, rois, notes)
        yield from _densities(saved)
    yield from map_figures(saved, notes)


def _shown_rois(scores: pd.DataFrame, notes: list[str], most: int) -> list[str]:
    """Return the ROIs that figures show: all, or those with the largest joint r."""
    rois = list(dict.fromkeys(scores["roi"]))
    if len(rois) <= most:
        return rois
    notes.append(
        f"figures show {most} of {len(rois)} ROIs: those with the largest joint r, "
        "ranked on the test runs. That ranking describes; it tests nothing. All ROIs "
        "are in the tables."
    )
    return leading_rois(scores, most)


def _comparison(saved: Saved, rois: Sequence[str], roi_mm: float) -> Figure:
    figure = figure_mm(DOUBLE_MM, 30 + roi_mm * len(rois), layout="constrained")
    ax = figure.add_subplot()
    plot_roi_comparison(saved.tables["roi_scores"], rois=rois, max_rois=MAX_ROIS, ax=ax)
    _name(figure, f"{saved.simulated}each feature space by itself")
    return figure


def _parts(saved: Saved, rois: Sequence[str], roi_mm: float) -> Figure:
    figure = figure_mm(DOUBLE_MM, 30 + roi_mm * len(rois), layout="constrained")
    ax = figure.add_subplot()
    plot_parts(saved.tables["roi_scores"], rois=rois, max_rois=MAX_ROIS, ax=ax)
    _name(figure, f"{saved.simulated}what each adds to the joint model")
    return figure


def _differences(
    saved: Saved, rois: Sequence[str], notes: list[str]
) -> Iterator[tuple[str, Figure]]:
    table = saved.tables["roi_differences"]
    pairs = list(dict.fromkeys(zip(table["a"], table["b"], strict=True)))
    shown = pairs[:MAX_PAIRS]
    if len(pairs) > MAX_PAIRS:
        notes.append(
            f"the figure of differences shows {MAX_PAIRS} of {len(pairs)} pairs of "
            "feature spaces; all are in roi_differences.csv."
        )
    kept = [pair in shown for pair in zip(table["a"], table["b"], strict=True)]
    figure = plot_differences(table[kept], rois=rois, max_rois=MAX_ROIS)
    _name(figure, f"{saved.simulated}paired differences")
    yield "differences", figure


def _densities(saved: Saved) -> Iterator[tuple[str, Figure]]:
    """Yield voxels under the first two feature spaces, with the same limits in all."""
    r = {
        subject: [r_of(saved, subject, "alone", band.name) for band in model.bands[:2]]
        for subject, model in saved.models.items()
    }
    if not r:
        return
    limits = score_limits([one for both in r.values() for one in both])
    most = max(fullest_bin(x, y, limits, BINS) for x, y in r.values())
    for subject, (x, y) in r.items():
        labels = [
            as_written(f"{band.label}, r") for band in saved.models[subject].bands[:2]
        ]
        figure = figure_mm(SINGLE_MM, 84, layout="constrained")
        plot_score_density(
            x,
            y,
            labels=(labels[0], labels[1]),
            limits=limits,
            ax=figure.add_subplot(),
            bins=BINS,
            most=most,
        )
        _name(figure, f"{saved.simulated}sub-{subject}")
        yield f"density_sub-{subject}", figure


def _name(figure: Figure, title: str) -> None:
    figure.suptitle(title, size=9)
