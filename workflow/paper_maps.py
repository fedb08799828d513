"""Figures of the cortex: maps of two models, text by music, unique variance."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..figures.inflated import plot_inflated
from ..figures.style import DOUBLE_MM
from .map_figures import caption_of, draw_page, on_mesh, store_of
from .map_pages import (
    MapPage,
    Maps,
    Q,
    found_alone,
    from_zero,
    missing_word,
    pages,
    partition,
    subjects_on_maps,
    two_spaces,
)
from .paper_encoding import (
    music_and_text,
    no_text,
    no_two_models,
    two_models,
)
from .paper_pages import Drawn, Results, scale_limits
from .to_draw import r_of

ALL_VOXELS = "none: all voxels that were fitted"


def no_maps(results: Results) -> str:
    """Say why there are no maps of two models, or return ''."""
    return no_two_models(results) or _off_the_cortex(results)


def no_text_map(results: Results) -> str:
    """Say why there is no map of music and text, or return ''."""
    return no_text(results) or _off_the_cortex(results)


def no_unique(results: Results) -> str:
    """Say why there are no maps of unique variance, or return ''."""
    if results.table("voxel_partition") is None:
        return "variance was not partitioned: set analysis.partition = true"
    return _off_the_cortex(results)


def _off_the_cortex(results: Results) -> str:
    """Return why no subject has a map; '' if one has."""
    notes: list[str] = []
    there = subjects_on_maps(results.saved, notes)
    return "" if there else " ".join(notes).rstrip(".")


def draw_maps(results: Results) -> Iterator[Drawn]:
    """Draw the scores of two feature spaces, flat and inflated, where they are found.

    Where the study tested voxels, only those with q of at most 0.05 are shown.
    """
    saved, pair = results.saved, two_models(results)
    assert pair is not None
    maps: Maps = {}
    tested = "voxel_significance" in saved.tables
    for subject in subjects_on_maps(saved, []):
        maps[subject] = {}
        for space in pair:
            r = r_of(saved, subject, "alone", space)
            found = found_alone(saved, subject, space) if tested else np.isfinite(r)
            label = results.label(space)
            maps[subject][label] = np.where(found, r, np.nan)
    fdr = saved.study.analysis.fdr
    threshold = f"q (FDR, {fdr}) of at most {Q:g}" if tested else ALL_VOXELS
    missing = f"{missing_word(saved)}{' or not found' if tested else ''}"
    scale = from_zero(maps, "r, held-out runs, each by itself", missing)
    caption = f"Shown: {threshold}." if tested else ""
    for page in pages("maps", maps, scale, caption):
        for drawn in _flat_and_inflated(results, page):
            yield replace(drawn, threshold=threshold, spaces=pair)


def _flat_and_inflated(results: Results, page: MapPage) -> Iterator[Drawn]:
    saved, width = results.saved, results.print.width(DOUBLE_MM)
    yield _drawn(results, replace(page, name=f"{page.name}_flat"))
    inflated = plot_inflated(
        {name: on_mesh(saved, page, panel) for name, panel in page.panels.items()},
        mesh=saved.inflated(page.subject),
        title=f"{saved.simulated}sub-{page.subject}",
        caption=caption_of(saved, page),
        width_mm=width,
        store=store_of(saved),
    )
    name = f"{page.name}_inflated"
    yield Drawn(name, inflated, maps=page, limits=scale_limits(page))


def draw_text_map(results: Results) -> Iterator[Drawn]:
    """Draw the scores of music and text in one map, with its square of colours.

    Where the study tested voxels, those are shown where either is found.
    """
    saved, pair = results.saved, music_and_text(results)
    assert pair is not None
    threshold = ALL_VOXELS
    if "voxel_significance" in saved.tables:
        fdr = saved.study.analysis.fdr
        threshold = f"q (FDR, {fdr}) of at most {Q:g} for either; contour: for both"
    for page in two_spaces(saved, subjects_on_maps(saved, []), *pair):
        named = replace(page, name=f"music_text_map_sub-{page.subject}")
        yield replace(_drawn(results, named), spaces=pair, threshold=threshold)


def draw_unique(results: Results) -> Iterator[Drawn]:
    """Draw what each feature space explains that no other does."""
    there = subjects_on_maps(results.saved, [])
    for page in partition(results.saved, there, only_unique=True):
        drawn = _drawn(results, page)
        yield replace(drawn, spaces=results.bands, threshold=ALL_VOXELS)


def _drawn(results: Results, page: MapPage) -> Drawn:
    width = results.print.width(DOUBLE_MM)
    return Drawn(
        page.name,
        draw_page(results.saved, page, width),
        maps=page,
        limits=scale_limits(page),
    )
