"""Draws what the tables say of each voxel on the flattened cortex of each subject."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ..figures.flatmap import page_figure, plot_panels
from ..figures.looks import OnScale
from ..figures.pages import Panel
from ..figures.projection import is_mni, projected_caption
from ..figures.style import DOUBLE_MM
from ..figures.surfaces import N_VERTICES, spread
from .map_pages import MapPage, from_zero, map_pages, subjects_on_maps
from .spheres import TEMPLATE
from .to_draw import Saved, roi_masks


def map_figures(saved: Saved, notes: list[str]) -> Iterator[tuple[str, Figure]]:
    """Yield every map that the tables allow, of the subjects that have a flatmap.

    Those that have none are named in `notes`.
    """
    for page in map_pages(saved, subjects_on_maps(saved, notes)):
        yield page.name, draw_page(saved, page)
    yield from _template(saved, notes)


def draw_page(saved: Saved, page: MapPage, width_mm: float = DOUBLE_MM) -> Figure:
    """Lay a page's panels out on the subject's mesh, and draw them."""
    laid = {name: on_mesh(saved, page, panel) for name, panel in page.panels.items()}
    title = f"{saved.simulated}sub-{page.subject}"
    return plot_panels(
        laid,
        mesh=saved.flat(page.subject),
        title=title,
        rois=roi_masks(saved, page.subject),
        caption=caption_of(saved, page),
        fig=page_figure(laid, width_mm, title),
        store=store_of(saved),
    )


def caption_of(saved: Saved, page: MapPage) -> str:
    """Return a page's caption, with how voxels of a volume came onto the cortex."""
    space = saved.models[page.subject].space
    said = [page.caption, projected_caption(space) if is_mni(space) else ""]
    return " ".join(filter(None, said))


def on_mesh(saved: Saved, page: MapPage, panel: Panel) -> Panel:
    """Return a panel with all it has at their vertices of the whole mesh."""
    space = saved.models[page.subject].space
    values = np.asarray(panel.values)
    columns = values.T if values.ndim == 2 else [values]
    laid = np.stack([spread(one, space) for one in columns], axis=1)
    shown, contour = (
        None if mask is None else spread(np.asarray(mask, dtype=float), space) == 1
        for mask in (panel.shown, panel.contour)
    )
    return replace(panel, values=laid, shown=shown, contour=contour)


def _template(saved: Saved, notes: list[str]) -> Iterator[tuple[str, Figure]]:
    """Yield the mean of the subjects' maps on the template that they share."""
    table = saved.tables.get("template_r")
    if table is None:
        return
    spheres = saved.study.analysis.spheres
    mesh = TEMPLATE if spheres else next(iter(saved.models.values())).space.name
    if mesh not in N_VERTICES:
        notes.append(
            f"no flatmap of the mean over subjects, which is in template_r: {mesh} has "
            "none that is known here."
        )
        return
    n_subjects = int(table["n_subjects"].max())
    mean, of_all = np.full((2, N_VERTICES[mesh]), np.nan)
    at, everyone = table["vertex"].to_numpy(int), table["n_subjects"] == n_subjects
    mean[at] = table["mean"]
    of_all[at[everyone]] = table.loc[everyone, "mean"]
    titles = (
        "mean of those who have the vertex",
        f"mean where all {n_subjects} subjects have the vertex",
    )
    maps = {"": dict(zip(titles, (mean, of_all), strict=True))}
    scale = from_zero(maps, "mean r of the joint model, held-out runs", "without")
    panels = {name: Panel(one, OnScale(scale)) for name, one in maps[""].items()}
    title = f"{saved.simulated}{n_subjects} subjects on {mesh}"
    yield (
        "template_r",
        plot_panels(panels, mesh=mesh, title=title, store=store_of(saved)),
    )


def store_of(saved: Saved) -> Path | None:
    """Return the folder of pycortex's surfaces, below the study's cache."""
    cache = saved.study.machine.cache
    return None if cache is None else saved.study.folder / cache / "pycortex"
