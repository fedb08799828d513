"""Draws a study's figures from what is saved, and writes them as PNG and PDF."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..analysis.rois import leading_rois
from ..core.saved import SavedModel
from ..figures.parts import plot_parts, plot_planted_recovered
from ..figures.scores import (
    plot_differences,
    plot_roi_comparison,
    plot_score_density,
)
from ..figures.style import DOUBLE_MM, SINGLE_MM, figure_mm
from ..study import Study
from .map_figures import map_figures
from .to_draw import Saved, as_written, load_saved, r_of

MAX_ROIS = 20
MAX_PAIRS = 6
DPI = 300


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
    for name, figure in _figures(saved, notes):
        for ending in ("png", "pdf"):
            figure.savefig(folder / f"{name}.{ending}", dpi=DPI)
        plt.close(figure)
    return notes


def _figures(saved: Saved, notes: list[str]) -> Iterator[tuple[str, Figure]]:
    scores, bands = saved.tables["roi_scores"], saved.study.encoding.bands
    rois = _shown_rois(scores, notes)
    if "truth" in saved.tables:
        yield "planted_recovered", plot_planted_recovered(scores, saved.tables["truth"])
    yield "roi_comparison", _comparison(saved, rois)
    yield "parts", _parts(saved, rois)
    n_pairs = len(bands) * (len(bands) - 1) // 2
    if n_pairs >= 1:
        yield from _differences(saved, rois, notes)
        for subject, model in saved.models.items():
            yield f"density_sub-{subject}", _density(saved, subject, model)
    yield from map_figures(saved, notes)


def _shown_rois(scores: pd.DataFrame, notes: list[str]) -> list[str]:
    """Return the ROIs that figures show: all, or those with the largest joint r."""
    rois = list(dict.fromkeys(scores["roi"]))
    if len(rois) <= MAX_ROIS:
        return rois
    notes.append(
        f"figures show {MAX_ROIS} of {len(rois)} ROIs: those with the largest joint r, "
        "ranked on the test runs. That ranking describes; it tests nothing. All ROIs "
        "are in the tables."
    )
    return leading_rois(scores, MAX_ROIS)


def _comparison(saved: Saved, rois: Sequence[str]) -> Figure:
    figure = figure_mm(DOUBLE_MM, 30 + 11 * len(rois), layout="constrained")
    ax = figure.add_subplot()
    plot_roi_comparison(saved.tables["roi_scores"], rois=rois, max_rois=MAX_ROIS, ax=ax)
    _name(figure, f"{saved.simulated}each feature space by itself")
    return figure


def _parts(saved: Saved, rois: Sequence[str]) -> Figure:
    figure = figure_mm(DOUBLE_MM, 30 + 11 * len(rois), layout="constrained")
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


def _density(saved: Saved, subject: str, model: SavedModel) -> Figure:
    first, second = model.bands[:2]
    r = [r_of(saved, subject, "alone", band.name) for band in (first, second)]
    labels = (as_written(f"{first.label}, r"), as_written(f"{second.label}, r"))
    figure = figure_mm(SINGLE_MM, 84, layout="constrained")
    plot_score_density(*r, labels=labels, ax=figure.add_subplot(), bins=60)
    _name(figure, f"{saved.simulated}sub-{subject}")
    return figure


def _name(figure: Figure, title: str) -> None:
    figure.suptitle(title, size=9)
