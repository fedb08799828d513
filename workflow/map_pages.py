"""Lays out what the tables say of each voxel, one page of maps per subject and kind.

Maps of one kind have the same limits in all subjects.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.types import label_of
from ..figures.flatmap import MOST_MAPS
from ..figures.looks import Names, OnScale, Together, TwoScores
from ..figures.pages import Panel
from ..figures.style import Scale, palette, scale_around_zero
from .map_tables import pairs_of
from .statistic_maps import CEILINGS, OnColumns, gradient_map
from .to_draw import Saved, as_written, r_of

Floats = NDArray[np.floating]
Maps = dict[str, dict[str, Floats]]

LARGEST_SHARE = 0.99  # of the values lie inside the limits of signed maps
Q = 0.05


@dataclass(frozen=True, eq=False)
class MapPage:
    """Maps of one subject for one page.

    Parameters
    ----------
    name : str
        Of the figure's files.
    subject : str
    panels : mapping from title to Panel
        Their values have one row per column of Y.
    caption : str
        What stands below the maps.
    """

    name: str
    subject: str
    panels: Mapping[str, Panel]
    caption: str = ""


def subjects_on_maps(saved: Saved, notes: list[str]) -> list[str]:
    """Return the subjects that have a flatmap; say in `notes` why others have none."""
    there = []
    for subject in saved.models:
        problem = saved.problem(subject)
        if problem:
            notes.append(f"sub-{subject}: {problem}.")
        else:
            there.append(subject)
    return there


def map_pages(saved: Saved, there: Iterable[str]) -> Iterator[MapPage]:
    """Yield every page that the tables allow, of subjects that have a flatmap."""
    there = list(there)
    if not there:
        return
    yield from _scores(saved, there)
    yield from _best_spaces(saved, there)
    for x, y in pairs_of(saved.study, saved.study.encoding.bands)[:1]:
        yield from two_spaces(saved, there, x, y)
    yield from _components(saved, there)
    yield from _gradient(saved, there)
    yield from _found(saved, there)
    yield from _ceilings(saved, there)
    yield from _added(saved, there)
    yield from partition(saved, there)


def _scores(saved: Saved, there: Iterable[str]) -> Iterator[MapPage]:
    maps: Maps = {}
    for subject in there:
        maps[subject] = {"joint model": r_of(saved, subject, "joint", "all")}
        for band in saved.models[subject].bands:
            alone = r_of(saved, subject, "alone", band.name)
            maps[subject][band.label] = alone
    scale = from_zero(maps, "r, held-out runs", missing_word(saved))
    yield from pages("flatmap", maps, scale)


def _best_spaces(saved: Saved, there: Iterable[str]) -> Iterator[MapPage]:
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
    missing = f"{missing_word(saved)} or not predicted"
    colours = palette(bands)
    names = Names(
        {as_written(label_of(name, "")): colours[name] for name in bands},
        "largest r2 on held-out training folds",
        "joint model not found at q 0.05",
        missing,
    )
    margins = {s: {"": one["margin"]} for s, one in best.items()}
    label = "r on test runs, best less second"
    scale = OnScale(around_zero(margins, label, missing))
    for subject, one in best.items():
        panels = {
            "best feature space": Panel(one["name"], names),
            "its margin": Panel(one["margin"], scale),
        }
        yield MapPage(f"best_space_sub-{subject}", subject, panels)


def two_spaces(saved: Saved, there: Iterable[str], x: str, y: str) -> Iterator[MapPage]:
    """Yield maps of the scores of two feature spaces, both in one colour.

    Where the study tested voxels, those where neither is found are not shown, and lines
    surround those where both are.
    """
    maps: Maps = {}
    for subject in there:
        r = [r_of(saved, subject, "alone", name) for name in (x, y)]
        maps[subject] = {"": np.stack(r, axis=1)}
    scale = from_zero(maps, "r", "")
    labels = (
        as_written(f"{label_of(x, '')}, r"),
        as_written(f"{label_of(y, '')}, r"),
    )
    look = TwoScores(labels, scale.vmin, scale.vmax, missing=missing_word(saved))
    title = as_written(f"{label_of(x, '')} by {label_of(y, '')}, each alone")
    tested, fdr = "voxel_significance" in saved.tables, saved.study.analysis.fdr
    for subject, one in maps.items():
        panel = Panel(one[""], look)
        if tested:
            first, second = (found_alone(saved, subject, name) for name in (x, y))
            panel = replace(
                panel,
                shown=first | second,
                hidden=f"with q above {Q:g} for both",
                contour=first & second,
            )
        said = (
            f"Shown where r of either is more than chance: q (FDR, {fdr}) of at most "
            f"{Q:g}. Yellow lines surround where both are."
        )
        name = f"two_spaces_sub-{subject}"
        yield MapPage(name, subject, {title: panel}, said if tested else "")


def found_alone(saved: Saved, subject: str, space: str) -> NDArray[np.bool_]:
    """Return where a feature space by itself is more than chance, per column of Y."""
    rows, on = _rows(saved, "voxel_significance", subject)
    mine = rows[(rows["model"] == "alone") & (rows["feature_space"] == space)]
    return on(mine[f"q_{saved.study.analysis.fdr}"]) <= Q


def _components(saved: Saved, there: Iterable[str]) -> Iterator[MapPage]:
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
        look = Together(names, label, ("\N{MINUS SIGN}", "+"), missing_word(saved))
        n_beyond = int(table["n_voxels_beyond_full_colour"].iloc[0])
        caption = (
            "Grey is 0 in all three. Shares are of the squared loadings. "
            f"{n_beyond:,} voxels lie beyond a full colour."
        )
        panels = {"weights as red, green and blue": Panel(rgb, look)}
        yield MapPage(f"components_sub-{subject}", subject, panels, caption)


def _gradient(saved: Saved, there: Iterable[str]) -> Iterator[MapPage]:
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
    missing = f"{missing_word(saved)} or joint r2 of 0.01 or less"
    yield from pages("gradient", maps, Scale(-1, 1, label, "PuOr_r", missing))


def _found(saved: Saved, there: Iterable[str]) -> Iterator[MapPage]:
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
    missing = f"not found or {missing_word(saved)}"
    least = -np.log10(Q)
    highest = max([least + 0.5, *(np.nanmax(m, initial=0.0) for m in _every(maps))])
    scale = Scale(float(least), float(highest), label, "viridis", missing)
    yield from pages("q_map", maps, scale)


def _ceilings(saved: Saved, there: Iterable[str]) -> Iterator[MapPage]:
    table = saved.tables.get("voxel_ceilings")
    if table is None or not len(table):
        return
    maps: Maps = {}
    for subject in there:
        rows, on = _rows(saved, "voxel_ceilings", subject)
        if len(rows):
            maps[subject] = {units: on(rows[name]) for name, units in CEILINGS.items()}
    label = "share of variance, r, or share of the largest r: see the titles"
    missing = f"without or {missing_word(saved)}"
    yield from pages("ceiling_map", maps, Scale(0, 1, label, missing=missing))


def _added(saved: Saved, there: Iterable[str]) -> Iterator[MapPage]:
    maps = _by(saved, there, "voxel_added", ["added", "to"], "r2_added", " added to ")
    scale = around_zero(maps, "r2 added, held-out runs", missing_word(saved))
    yield from pages("added_map", maps, scale)


def partition(
    saved: Saved, there: Iterable[str], *, only_unique: bool = False
) -> Iterator[MapPage]:
    """Yield maps of the regions of the partition, or of unique shares alone."""
    maps = _by(saved, there, "voxel_partition", ["region"], "r2", "")
    for subject, regions in maps.items():
        maps[subject] = {
            _region(name): one
            for name, one in regions.items()
            if not (only_unique and "&" in name)
        }
    scale = around_zero(maps, "r2 of the region, held-out runs", missing_word(saved))
    kind = "unique_variance" if only_unique else "partition_map"
    yield from pages(kind, maps, scale)


def pages(kind: str, maps: Maps, scale: Scale, caption: str = "") -> Iterator[MapPage]:
    """Yield the maps of each subject, as many pages as they need."""
    look = OnScale(scale)
    for subject, found in maps.items():
        panels = {as_written(name): Panel(one, look) for name, one in found.items()}
        names = list(panels)
        for start in range(0, len(names), MOST_MAPS):
            here = {name: panels[name] for name in names[start : start + MOST_MAPS]}
            page = f"_{start // MOST_MAPS + 1}" if len(names) > MOST_MAPS else ""
            yield MapPage(f"{kind}_sub-{subject}{page}", subject, here, caption)


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


def from_zero(maps: Maps, label: str, missing: str) -> Scale:
    """Return a scale from 0 up to the highest of all maps."""
    highest = max([0.1, *(float(np.nanmax(one, initial=0.0)) for one in _every(maps))])
    return Scale(0.0, float(np.ceil(highest * 20) / 20), label, missing=missing)


def around_zero(maps: Maps, label: str, missing: str) -> Scale:
    """Return a scale that reaches as far below 0 as above it, for nearly all values."""
    every = _every(maps)
    return scale_around_zero(every, label, missing=missing, inside=LARGEST_SHARE)


def missing_word(saved: Saved) -> str:
    """Return what a vertex without a column of Y is called."""
    return "not simulated" if saved.study.dataset.simulated else "not measured"
