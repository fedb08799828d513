"""Draws what the tables say of each voxel on the flattened cortex of each subject.

Maps of one kind have the same limits in all subjects.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..core.types import label_of
from ..figures.flatmap import plot_panels
from ..figures.looks import Look, Names, OnScale, Together, TwoScores
from ..figures.pages import Panel
from ..figures.style import Scale, palette
from ..figures.surfaces import N_VERTICES, map_problem, spread
from .map_tables import pairs_of
from .spheres import TEMPLATE
from .statistic_maps import CEILINGS, OnColumns, gradient_map
from .to_draw import Saved, as_written, r_of, roi_masks

Floats = NDArray[np.floating]
Maps = dict[str, dict[str, Floats]]

MOST_MAPS = 8  # on one page
SIGNED = "RdBu_r"
LARGEST_SHARE = 0.99  # of the values lie inside the limits of signed maps
Q = 0.05


def map_figures(saved: Saved, notes: list[str]) -> Iterator[tuple[str, Figure]]:
    """Yield every map that the tables allow, of the subjects that have a flatmap.

    Those that have none are named in `notes`.
    """
    there = []
    for subject, model in saved.models.items():
        problem = map_problem(model.space)
        if problem:
            notes.append(f"sub-{subject}: {problem}.")
        else:
            there.append(subject)
    if there:
        yield from _scores(saved, there)
        yield from _best_spaces(saved, there)
        yield from _two_spaces(saved, there)
        yield from _components(saved, there)
        yield from _gradient(saved, there)
        yield from _found(saved, there)
        yield from _ceilings(saved, there)
        yield from _added(saved, there)
        yield from _partition(saved, there)
    yield from _template(saved, notes)


def _scores(saved: Saved, there: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    maps: Maps = {}
    for subject in there:
        maps[subject] = {"joint model": r_of(saved, subject, "joint", "all")}
        for band in saved.models[subject].bands:
            alone = r_of(saved, subject, "alone", band.name)
            maps[subject][band.label] = alone
    scale = _from_zero(maps, "r, held-out runs", _missing(saved))
    yield from _pages(saved, "flatmap", maps, scale)


def _best_spaces(saved: Saved, there: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    if "best_space" not in saved.tables:
        return
    bands = list(saved.study.encoding.bands)
    places = {name: place for place, name in enumerate(bands)}
    best: Maps = {}
    for subject in there:
        rows, on = _rows(saved, "best_space", subject)
        sure = rows.get("found", pd.Series(True, index=rows.index))
        columns = [on(rows["best"].map(places)), on(sure.astype(float))]
        best[subject] = {
            "name": np.stack(columns, axis=1),
            "margin": on(rows["margin_r"]),
        }
    missing = f"{_missing(saved)} or not predicted"
    colours = palette(bands)
    names = Names(
        {as_written(label_of(name, "")): colours[name] for name in bands},
        "largest r2 on held-out training folds",
        "joint model not found at q 0.05",
        missing,
    )
    margins = {s: {"": one["margin"]} for s, one in best.items()}
    label = "r on test runs, best less second"
    scale = OnScale(_around_zero(margins, label, missing))
    for subject, one in best.items():
        panels = {
            "best feature space": Panel(one["name"], names),
            "its margin": Panel(one["margin"], scale),
        }
        yield f"best_space_sub-{subject}", _draw(saved, subject, panels)


def _two_spaces(saved: Saved, there: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    pairs = pairs_of(saved.study, saved.study.encoding.bands)
    for x, y in pairs[:1]:
        maps: Maps = {}
        for subject in there:
            r = [r_of(saved, subject, "alone", name) for name in (x, y)]
            maps[subject] = {"": np.stack(r, axis=1)}
        scale = _from_zero(maps, "r", "")
        labels = (
            as_written(f"{label_of(x, '')}, r"),
            as_written(f"{label_of(y, '')}, r"),
        )
        look = TwoScores(labels, scale.vmin, scale.vmax, missing=_missing(saved))
        for subject, one in maps.items():
            title = as_written(f"{label_of(x, '')} by {label_of(y, '')}, each alone")
            panels = {title: Panel(one[""], look)}
            yield f"two_spaces_sub-{subject}", _draw(saved, subject, panels)


def _components(saved: Saved, there: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    for subject in there:
        path = saved.out / f"tables/components_sub-{subject}.npz"
        if not path.exists() or "weight_components" not in saved.tables:
            continue
        model = saved.models[subject]
        with np.load(path, allow_pickle=False) as arrays:
            rgb = np.full((model.space.n_voxels, 3), np.nan)
            rgb[model.valid] = arrays["rgb"]
        table = saved.tables["weight_components"]
        table = table[table["subject"] == subject]
        red, green, blue = (_said_of(rows) for _, rows in table.groupby("component"))
        names = (red, green, blue)
        label = "components of the joint model's weights, mean over delays"
        look = Together(names, label, ("\N{MINUS SIGN}", "+"), _missing(saved))
        n_beyond = int(table["n_voxels_beyond_full_colour"].iloc[0])
        caption = (
            "Grey is 0 in all three. Shares are of the squared loadings. "
            f"{n_beyond:,} voxels lie beyond a full colour."
        )
        panels = {"weights as red, green and blue": Panel(rgb, look)}
        yield f"components_sub-{subject}", _draw(saved, subject, panels, caption)


def _gradient(saved: Saved, there: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    maps: Maps = {}
    for subject in there:
        scores = saved.tables["voxel_scores"]
        mine = scores[scores["subject"] == subject]
        for one in gradient_map(saved.study, mine, saved.models[subject]):
            sides = [
                ", ".join(label_of(name, "") for name in one.facts[side])
                for side in ("LowLevel", "HighLevel")
            ]
            title = "low: {};  high: {}".format(*sides)
            maps[subject] = {title: one.values}
    label = "(high \N{MINUS SIGN} low) / (high + low), parts of the joint r2"
    missing = f"{_missing(saved)} or joint r2 of 0.01 or less"
    yield from _pages(saved, "gradient", maps, Scale(-1, 1, label, "PuOr_r", missing))


def _found(saved: Saved, there: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    if "voxel_significance" not in saved.tables:
        return
    fdr = saved.study.analysis.fdr
    maps: Maps = {}
    for subject in there:
        rows, on = _rows(saved, "voxel_significance", subject)
        maps[subject] = {}
        for (model, space), one in rows.groupby(["model", "feature_space"], sort=False):
            q = on(one[f"q_{fdr}"])
            title = "joint model" if model == "joint" else label_of(str(space), "")
            shown = np.full(q.shape, np.nan)
            np.log10(q, out=shown, where=q <= Q)
            maps[subject][title] = -shown
    label = f"\N{MINUS SIGN}log10 q (FDR, {fdr}), where q is at most {Q:g}"
    missing = f"not found or {_missing(saved)}"
    least = -np.log10(Q)
    highest = max([least + 0.5, *(np.nanmax(m, initial=0.0) for m in _every(maps))])
    scale = Scale(float(least), float(highest), label, "viridis", missing)
    yield from _pages(saved, "q_map", maps, scale)


def _ceilings(saved: Saved, there: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    table = saved.tables.get("voxel_ceilings")
    if table is None or not len(table):
        return
    maps: Maps = {}
    for subject in there:
        rows, on = _rows(saved, "voxel_ceilings", subject)
        if len(rows):
            maps[subject] = {units: on(rows[name]) for name, units in CEILINGS.items()}
    label = "share of variance, r, or share of the largest r: see the titles"
    missing = f"without or {_missing(saved)}"
    yield from _pages(saved, "ceiling_map", maps, Scale(0, 1, label, missing=missing))


def _added(saved: Saved, there: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    maps = _by(saved, there, "voxel_added", ["added", "to"], "r2_added", " added to ")
    scale = _around_zero(maps, "r2 added, held-out runs", _missing(saved))
    yield from _pages(saved, "added_map", maps, scale)


def _partition(saved: Saved, there: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    maps = _by(saved, there, "voxel_partition", ["region"], "r2", "")
    for subject, regions in maps.items():
        maps[subject] = {_region(name): one for name, one in regions.items()}
    scale = _around_zero(maps, "r2 of the region, held-out runs", _missing(saved))
    yield from _pages(saved, "partition_map", maps, scale)


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
    scale = _from_zero(maps, "mean r of the joint model, held-out runs", "without")
    panels = {name: Panel(one, OnScale(scale)) for name, one in maps[""].items()}
    title = f"{saved.simulated}{n_subjects} subjects on {mesh}"
    yield "template_r", plot_panels(panels, mesh=mesh, title=title, store=_store(saved))


def _pages(
    saved: Saved, kind: str, maps: Maps, scale: Scale
) -> Iterator[tuple[str, Figure]]:
    """Yield the maps of each subject, as many pages as they need."""
    look = OnScale(scale)
    for subject, found in maps.items():
        panels = {as_written(name): Panel(one, look) for name, one in found.items()}
        names = list(panels)
        for start in range(0, len(names), MOST_MAPS):
            here = {name: panels[name] for name in names[start : start + MOST_MAPS]}
            page = f"_{start // MOST_MAPS + 1}" if len(names) > MOST_MAPS else ""
            yield f"{kind}_sub-{subject}{page}", _draw(saved, subject, here)


def _draw(
    saved: Saved, subject: str, panels: Mapping[str, Panel], caption: str = ""
) -> Figure:
    """Lay a subject's panels out on its mesh, and draw them."""
    space = saved.models[subject].space

    def on_mesh(values: Floats, look: Look) -> Panel:
        columns = values.T if values.ndim == 2 else [values]
        return Panel(np.stack([spread(one, space) for one in columns], axis=1), look)

    laid = {name: on_mesh(np.asarray(p.values), p.look) for name, p in panels.items()}
    return plot_panels(
        laid,
        mesh=space.name,
        title=f"{saved.simulated}sub-{subject}",
        rois=roi_masks(saved, subject),
        caption=caption,
        store=_store(saved),
    )


def _by(
    saved: Saved,
    there: Iterable[str],
    table: str,
    keys: list[str],
    value: str,
    between: str,
) -> Maps:
    """Return each subject's maps from a table of voxels, one per set of keys."""
    maps: Maps = {}
    if table not in saved.tables:
        return maps
    for subject in there:
        rows, on = _rows(saved, table, subject)
        groups = rows.groupby(keys, sort=False)
        named = {
            between.join(label_of(str(name), "") for name in key): on(one[value])
            for key, one in groups
        }
        if named:
            maps[subject] = named
    return maps


def _rows(saved: Saved, name: str, subject: str) -> tuple[pd.DataFrame, OnColumns]:
    table = saved.tables[name]
    mine = table[table["subject"] == subject].set_index("voxel")
    return mine, OnColumns(saved.models[subject])


def _said_of(rows: pd.DataFrame) -> str:
    """Return what a component is made of: the shares of its squared loadings."""
    share = (rows["loading"] ** 2).groupby(rows["feature_space"], sort=False).sum()
    largest = share.sort_values(ascending=False)[:3]
    said = ", ".join(f"{label_of(str(n), '')} {x:.0%}" for n, x in largest.items())
    first = rows.iloc[0]
    return f"{first['component']} ({first['explained']:.0%} of the variance): {said}"


def _region(name: str) -> str:
    names = [label_of(one, "") for one in name.split(" & ")]
    return " & ".join(names) + ("" if names[1:] else ", unique")


def _every(maps: Maps) -> list[Floats]:
    return [one for found in maps.values() for one in found.values()]


def _from_zero(maps: Maps, label: str, missing: str) -> Scale:
    highest = max([0.1, *(float(np.nanmax(one, initial=0.0)) for one in _every(maps))])
    return Scale(0.0, float(np.ceil(highest * 20) / 20), label, missing=missing)


def _around_zero(maps: Maps, label: str, missing: str) -> Scale:
    sizes = np.concatenate(
        [np.zeros(1), *(np.abs(one).ravel() for one in _every(maps))]
    )
    reach = np.quantile(sizes[np.isfinite(sizes)], LARGEST_SHARE)
    reach = max(0.01, float(np.ceil(reach * 100) / 100))
    return Scale(-reach, reach, label, SIGNED, missing)


def _missing(saved: Saved) -> str:
    return "not simulated" if saved.study.dataset.simulated else "not measured"


def _store(saved: Saved) -> Path | None:
    """Return the folder of pycortex's surfaces, below the study's cache."""
    cache = saved.study.machine.cache
    return None if cache is None else saved.study.folder / cache / "pycortex"
