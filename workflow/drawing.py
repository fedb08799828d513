"""Draws a study's figures from what is saved, and writes them as PNG and PDF."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..analysis.rois import leading_rois
from ..core.saved import SavedModel, load_model
from ..figures.flatmap import plot_flatmaps
from ..figures.parts import plot_parts, plot_planted_recovered
from ..figures.scores import (
    plot_differences,
    plot_roi_comparison,
    plot_score_density,
)
from ..figures.style import DOUBLE_MM, SINGLE_MM, Scale, figure_mm
from ..figures.surfaces import map_problem, spread
from ..study import Study
from .regions import ALL
from .tables import read_rois, read_table

MAX_ROIS = 20
MAX_PAIRS = 6
DPI = 300


@dataclass(frozen=True)
class Saved:
    """What the figures are drawn from."""

    study: Study
    models: dict[str, SavedModel]
    tables: dict[str, pd.DataFrame]
    rois: dict[str, dict[str, NDArray[np.bool_]]]

    @property
    def simulated(self) -> str:
        """A word for titles: nobody shall take simulated data for a brain."""
        return "simulated data: " if self.study.dataset.simulated else ""


def draw_figures(
    study: Study, out: Path, folder: Path, subjects: Sequence[str]
) -> list[str]:
    """Draw every figure that the study's tables and space allow into `folder`.

    Returns
    -------
    notes : list of str
        Figures that there cannot be, and why.
    """
    saved = _load(study, out, subjects)
    notes: list[str] = []
    for name, figure in _figures(saved, notes):
        for ending in ("png", "pdf"):
            figure.savefig(folder / f"{name}.{ending}", dpi=DPI)
        plt.close(figure)
    return notes


def _load(study: Study, out: Path, subjects: Sequence[str]) -> Saved:
    folder = out / "tables"
    names = ("roi_scores", "roi_differences", "truth", "voxel_scores")
    tables = {name: read_table(folder, name) for name in names}
    models = {
        subject: load_model(out / f"models/sub-{subject}") for subject in subjects
    }
    rois = {subject: read_rois(folder, subject) for subject in subjects}
    found = {
        name: table if name == "voxel_scores" else _as_written(table)
        for name, table in tables.items()
        if table is not None
    }
    return Saved(study, models, found, rois)


def as_written(text: str) -> str:
    """Return `text` so that matplotlib draws it as it is, dollars too."""
    return text.replace("$", r"\$")


def _as_written(table: pd.DataFrame) -> pd.DataFrame:
    written = table.copy()
    for name in table:
        if pd.api.types.is_string_dtype(table[name]):
            written[name] = table[name].map(as_written)
    return written


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
    for subject, model in saved.models.items():
        problem = map_problem(model.space)
        if problem:
            notes.append(f"sub-{subject}: {problem}.")
        else:
            yield f"flatmap_sub-{subject}", _flatmap(saved, subject, model)


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
    r = [_r(saved, subject, "alone", band.name) for band in (first, second)]
    labels = (as_written(f"{first.label}, r"), as_written(f"{second.label}, r"))
    figure = figure_mm(SINGLE_MM, 84, layout="constrained")
    plot_score_density(*r, labels=labels, ax=figure.add_subplot(), bins=60)
    _name(figure, f"{saved.simulated}sub-{subject}")
    return figure


def _flatmap(saved: Saved, subject: str, model: SavedModel) -> Figure:
    maps = {"joint model": _r(saved, subject, "joint", "all")}
    for band in model.bands:
        maps[as_written(band.label)] = _r(saved, subject, "alone", band.name)
    on_mesh = {name: spread(values, model.space) for name, values in maps.items()}
    highest = max(0.1, float(np.nanmax([np.nanmax(m) for m in maps.values()])))
    missing = "not simulated" if saved.study.dataset.simulated else "not measured"
    scale = Scale(0.0, np.ceil(highest * 20) / 20, "r, held-out runs", missing=missing)
    cache = saved.study.machine.cache
    return plot_flatmaps(
        on_mesh,
        mesh=model.space.name,
        scale=scale,
        title=f"{saved.simulated}sub-{subject}",
        rois=_roi_masks(saved, subject),
        store=None if cache is None else saved.study.folder / cache / "pycortex",
    )


def _roi_masks(saved: Saved, subject: str) -> Mapping[str, NDArray[np.bool_]]:
    """Return each ROI over the whole mesh, for its outline."""
    masks = saved.rois[subject]
    space = saved.models[subject].space
    return {
        as_written(name): spread(mask, space) == 1
        for name, mask in masks.items()
        if name != ALL
    }


def _r(saved: Saved, subject: str, model: str, space: str) -> NDArray[np.floating]:
    """Return each voxel's saved r, in the order of the columns of Y."""
    table = saved.tables["voxel_scores"]
    wanted = {"subject": subject, "model": model, "feature_space": space, "score": "r"}
    keep = np.logical_and.reduce([table[key] == value for key, value in wanted.items()])
    return table.loc[keep, "value"].to_numpy(dtype=np.float64)


def _name(figure: Figure, title: str) -> None:
    figure.suptitle(title, size=9)
