"""What the subjects of a study say together: one table, with its n."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..analysis.group import corrected_over_rows, group_notes, group_table
from ..analysis.projection import template_table
from ..core.types import Space

TEMPLATES = ("fsaverage", "fsLR", "MNI")
KEYS = ["effect", "roi", "model", "feature_space", "versus"]


def group_tables(
    tables: Mapping[str, pd.DataFrame], sources: Mapping[str, str]
) -> tuple[pd.DataFrame | None, list[str]]:
    """Return `group` from all subjects' tables, or None and why there is none.

    Effects are r_mean of the joint model and of each feature space alone, paired
    differences of two, and r2 that one adds to another. Each subject's own p is that
    corrected for all ROIs, two-sided: for scores twice the one-sided p of its null. For
    scores and r2 added subjects count if theirs is above 0: a cost of estimation is no
    effect.
    The group's p are corrected over the ROIs of each effect (q_sign, q_mean).

    Parameters
    ----------
    tables : dict of str to DataFrame
        roi_summaries and, if there, roi_significance, roi_differences and added.
    sources : dict of feature space to source
    """
    n_subjects = tables["roi_summaries"]["subject"].nunique()
    if n_subjects < 2:
        return None, ["no group: one subject."]
    effects = pd.concat(_effects(tables), ignore_index=True)
    if not len(effects):
        return None, ["no group: no effect was tested."]
    known = effects[np.isfinite(effects["value"])]
    # Where a subject's effect has no spread, that between subjects cannot be told.
    spread = known.groupby(KEYS)["se"].transform("min") > 0
    parts = [
        group_table(
            rows,
            by=KEYS,
            effect="value",
            p="p_all",
            error=error,
            direction="mean" if effect == "r_diff" else "above",
        )
        for effect, part in known.groupby("effect", sort=False)
        for rows, error in (
            (part[spread[part.index]], "se"),
            (part[~spread[part.index]], None),
        )
    ]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    table = corrected_over_rows(table, within=[key for key in KEYS if key != "roi"])
    for name in ("feature_space", "versus"):
        column = "source" if name == "feature_space" else "source_versus"
        table[column] = table[name].map(sources).fillna("")
    return table, group_notes(n_subjects)


def _effects(tables: Mapping[str, pd.DataFrame]) -> Sequence[pd.DataFrame]:
    columns = ["subject", *KEYS, "value", "se", "p_all"]
    found = []
    if "roi_significance" in tables:
        keys = ["subject", "roi", "model", "feature_space"]
        summaries = tables["roi_summaries"]
        mean = summaries[summaries["summary"] == "mean"]
        one = tables["roi_significance"].merge(mean[[*keys, "r_se"]], on=keys)
        one = one.assign(
            effect="r_mean", versus="", value=one["r_mean"], se=one["r_se"]
        )
        found.append(one.assign(p_all=np.minimum(1.0, 2 * one["p_all"]))[columns])
    if len(tables.get("roi_differences", ())):
        two = tables["roi_differences"].rename(
            columns={"a": "feature_space", "b": "versus", "r_diff": "value"}
        )
        two = two.assign(effect="r_diff", model="alone", se=two["r_diff_se"])
        found.append(two[columns])
    if "added" in tables:
        more = tables["added"].rename(
            columns={"added": "feature_space", "to": "versus", "r2_added": "value"}
        )
        more = more.assign(effect="r2_added", model="joint", se=more["r2_added_se"])
        more["p_all"] = np.minimum(1.0, 2 * more["p_all"])
        found.append(more[columns])
    return found or [pd.DataFrame(columns=columns)]


def template_of(
    maps: Mapping[str, np.ndarray], spaces: Mapping[str, Space]
) -> pd.DataFrame | None:
    """Return the mean of all subjects' maps where they lie on one template, or None.

    Parameters
    ----------
    maps : dict of subject to array of shape (n_columns,)
        r of the joint model; NaN where there is none.
    spaces : dict of subject to Space

    Returns
    -------
    table : DataFrame
        One row per vertex or voxel of the template that any subject has; see
        `template_table`. None for one subject, and for native spaces: project those
        first, with `analysis.projection`.
    """
    first, *others = spaces.values()
    alike = all(
        (one.kind, one.name, one.shape) == (first.kind, first.name, first.shape)
        and _same_affine(one, first)
        for one in others
    )
    if not others or not alike or not first.name.startswith(TEMPLATES):
        return None
    whole = np.full((len(spaces), int(np.prod(first.shape))), np.nan)
    for row, (subject, space) in zip(whole, spaces.items(), strict=True):
        row[space.index] = maps[subject]
    table = template_table(whole, list(spaces))
    return table[table["n_subjects"] > 0].reset_index(drop=True)


def _same_affine(one: Space, other: Space) -> bool:
    if one.affine is None or other.affine is None:
        return one.affine is other.affine
    return np.array_equal(one.affine, other.affine)
