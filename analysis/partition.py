"""What feature spaces explain alone, and what they share: set algebra over models.

A model of several feature spaces explains what any of them explains. So the scores of
the models of all subsets say how large each region of their Venn diagram is. Test
scores are estimates, and no clipping hides it: regions come out below 0, too. How far
the scores would have to be moved for no region to be negative is shown beside them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from ..core.checks import Floats, InputError
from .rois import members_of, written_roi

Subset = tuple[str, ...]

MOST_SPACES = 4
VIEWS = ("product", "unique", "stacked")
CLEAR = 0.001  # r2 below which a share is not called one in a note


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """The regions of the Venn diagram of feature spaces.

    Parameters
    ----------
    spaces : tuple of str
    subsets : tuple of tuple of str
        One per region: the feature spaces that share it. One name is a unique share.
    regions : array of shape (n_regions, n_voxels)
        Share of the variance (r2) in each region; they sum to the joint model's r2.
    positive : array of shape (n_regions, n_voxels)
        The regions, none below 0, that come nearest to the scores.
    bias : array of shape (n_regions, n_voxels)
        What the model of each subset scores less than those regions say: how far
        estimation has pulled it, at least.
    """

    spaces: tuple[str, ...]
    subsets: tuple[Subset, ...]
    regions: Floats
    positive: Floats
    bias: Floats


def subsets_of(spaces: Sequence[str]) -> tuple[Subset, ...]:
    """Return all subsets but the empty one, small ones first: the models to fit.

    Examples
    --------
    >>> subsets_of(["mel", "clap"])
    (('mel',), ('clap',), ('mel', 'clap'))
    """
    if not 1 <= len(set(spaces)) == len(spaces) <= MOST_SPACES:
        raise InputError(
            f"{len(spaces)} feature spaces ({', '.join(spaces)}): a partition takes 1 "
            f"to {MOST_SPACES}, each named once, since n of them need 2^n - 1 models. "
            "Join some of them into one."
        )
    sizes = range(1, len(spaces) + 1)
    return tuple(subset for n in sizes for subset in combinations(spaces, n))


def partition_variance(
    scores: Mapping[Subset, ArrayLike], spaces: Sequence[str]
) -> Partition:
    """Return what each feature space explains alone, and what each group shares.

    The score of a subset is the sum of all regions that touch it; the regions are what
    solves these equations. The unique share of a feature space is then the joint score
    less the score without it.

    Parameters
    ----------
    scores : dict of subset to array of shape (n_voxels,)
        Test r2 of the model of each of `subsets_of(spaces)`.
    spaces : sequence of str
        One to four names.

    Returns
    -------
    partition : Partition
        NaN where a score is NaN.

    Raises
    ------
    InputError
        If a subset lacks its score, the scores are not of the same voxels, or there
        are too many feature spaces.

    References
    ----------
    de Heer, W. A., Huth, A. G., Griffiths, T. L., Gallant, J. L. & Theunissen, F. E.
    (2017). The hierarchical cortical organization of human speech processing. Journal
    of Neuroscience 37 (regions, and the least bias that keeps them positive).
    """
    subsets = subsets_of(spaces)
    missing = [subset for subset in subsets if subset not in scores]
    if missing:
        raise InputError(
            f"no score of the model of {' + '.join(missing[0])}, one of {len(missing)} "
            f"that are missing. A partition needs all {len(subsets)} of subsets_of, "
            "named in the order of the feature spaces."
        )
    arrays = [np.asarray(scores[subset], np.float64) for subset in subsets]
    if len({one.shape for one in arrays}) > 1 or arrays[0].ndim != 1:
        shapes = ", ".join(
            f"{'+'.join(s)} {scores_.shape}"
            for s, scores_ in zip(subsets, arrays, strict=True)
        )
        raise InputError(
            f"scores have the shapes {shapes}; expected (n_voxels,), over the same "
            "voxels for each model."
        )
    table = np.stack(arrays)
    touches = _touches(subsets)
    regions = regions_of(table, subsets)
    positive = np.full_like(regions, np.nan)
    known = np.isfinite(table).all(axis=0)
    enough = (regions >= 0).all(axis=0)
    positive[:, enough] = regions[:, enough]
    for voxel in np.flatnonzero(known & ~enough):
        positive[:, voxel] = nnls(touches, table[:, voxel])[0]
    return Partition(
        tuple(spaces), subsets, regions, positive, table - touches @ positive
    )


def regions_of(scores: Floats, subsets: Sequence[Subset]) -> Floats:
    """Return the regions from the scores of the models of all subsets.

    Parameters
    ----------
    scores : array of shape (n_subsets, ...)
        r2, or what samples add to it; in the order of `subsets`.
    subsets : sequence of tuple of str
        From `subsets_of`.
    """
    flat = scores.reshape(len(subsets), -1)
    return np.linalg.solve(_touches(subsets), flat).reshape(scores.shape)


def partition_table(
    partition: Partition, rois: Mapping[str, ArrayLike], *, subject: str
) -> pd.DataFrame:
    """Return each ROI's mean regions.

    Returns
    -------
    table : DataFrame
        One row per ROI and region: subject, roi, region ('mel & clap' is shared by the
        two and no other), n_spaces, n_voxels, r2, r2_positive (mean of the nearest
        regions that are not below 0), score_bias (what the model of these feature
        spaces scores less than those regions say), voxels_below_0 (share).
    """
    known = np.asarray(np.isfinite(partition.regions).all(axis=0))
    rows = []
    for roi, mask in zip(rois, members_of(rois, len(known)), strict=True):
        inside = mask & known
        for place, subset in enumerate(partition.subsets):
            region = partition.regions[place, inside]
            numbers = [
                region,
                partition.positive[place, inside],
                partition.bias[place, inside],
                region < 0,
            ]
            means = [float(n.mean()) if len(n) else np.nan for n in numbers]
            names = (subject, roi, " & ".join(subset), len(subset), int(inside.sum()))
            rows.append((*names, *means))
    columns = ["subject", "roi", "region", "n_spaces", "n_voxels"]
    columns += ["r2", "r2_positive", "score_bias", "voxels_below_0"]
    return pd.DataFrame(rows, columns=columns)


def unique_shares(partition: Partition) -> dict[str, Floats]:
    """Return each feature space's unique share, (n_voxels,)."""
    return {name: partition.regions[i] for i, name in enumerate(partition.spaces)}


def views_table(
    views: Mapping[str, Mapping[str, ArrayLike]],
    rois: Mapping[str, ArrayLike],
    *,
    subject: str,
) -> pd.DataFrame:
    """Return three answers to 'how much is due to this feature space', side by side.

    Parameters
    ----------
    views : dict of view to dict of feature space to array of shape (n_voxels,)
        'product': parts of the joint model's r2. 'unique': from `unique_shares`.
        'stacked': parts of the stack's r2. 'alone': r2 of its own model. 'weight': its
        share in the stack, from `stack_weights`. All five, over the same names.
    rois : dict of name to array of bool, shape (n_voxels,)
    subject : str

    Returns
    -------
    table : DataFrame
        One row per ROI and feature space: subject, roi, feature_space, n_voxels,
        r2_alone, r2_product, r2_unique, r2_stacked, stacking_weight, r2_shared (alone
        less unique: what others explain too), leads (in which views it has the
        largest share of all).
    """
    wanted = ("alone", "product", "unique", "stacked", "weight")
    names = list(views.get("alone", {}))
    if set(views) != set(wanted) or any(list(views[v]) != names for v in wanted):
        found = {view: ", ".join(spaces) for view, spaces in views.items()}
        raise InputError(
            f"views must hold {', '.join(wanted)}, each with the same feature spaces "
            f"in the same order, got {found}."
        )
    values = np.stack(
        [[np.asarray(views[v][n], np.float64) for n in names] for v in wanted]
    )
    known = np.asarray(np.isfinite(values).all(axis=(0, 1)))
    tables = []
    for roi, mask in zip(rois, members_of(rois, len(known)), strict=True):
        inside = mask & known
        n = int(inside.sum())
        means = (
            values[..., inside].mean(axis=-1)
            if n
            else np.full(values.shape[:2], np.nan)
        )
        table = pd.DataFrame({"roi": roi, "feature_space": names, "n_voxels": n})
        for place, view in enumerate(wanted[:4]):
            table[f"r2_{view}"] = means[place]
        table["stacking_weight"] = means[4]
        table["r2_shared"] = means[0] - means[2]
        table["leads"] = _leads(table) if n else ""
        tables.append(table)
    whole = pd.concat(tables, ignore_index=True)
    whole.insert(0, "subject", subject)
    return whole


def views_notes(
    table: pd.DataFrame, *, above_chance: Collection[str] | None = None
) -> list[str]:
    """Return where the three views of `views_table` disagree, and what that means.

    Parameters
    ----------
    table : DataFrame
        With the columns r2_product_low, r2_unique_low, r2_unique_high and
        r2_stacked_low, a view has a leader only where its interval lies above 0, and a
        share is called small by its interval.
    above_chance : collection of str, optional
        ROIs whose joint score is more than chance: of others nothing is said. None:
        that is not known.
    """
    notes = []
    for (subject, roi), part in table.groupby(["subject", "roi"], sort=False):
        if above_chance is not None and roi not in above_chance:
            continue
        where = f"sub-{subject}, {written_roi(str(roi))}"
        leaders = {view: name for view in VIEWS if (name := _leader(part, view))}
        if len(set(leaders.values())) > 1:
            said = ", ".join(f"{name} by {view}" for view, name in leaders.items())
            notes.append(f"{where}: the views name different leaders ({said}).")
        shared = part[_is_clear(part, "product") & _is_nothing(part)]
        if len(shared):
            notes.append(
                f"{where}: {', '.join(shared['feature_space'])} has part of the joint "
                "score and nothing of its own that can be told from 0: what it "
                "explains, others explain too."
            )
    return notes


def _leader(part: pd.DataFrame, view: str) -> str:
    """Return the feature space that a view names first; '' if that is not above 0."""
    first = part[part["leads"].str.contains(view) & _is_above_0(part, view)]
    return first["feature_space"].iloc[0] if len(first) else ""


def _is_above_0(part: pd.DataFrame, view: str) -> "pd.Series[bool]":
    column = f"r2_{view}_low"
    return part[column] > 0 if column in part else part["leads"].notna()


def _is_clear(part: pd.DataFrame, view: str) -> "pd.Series[bool]":
    return (part[f"r2_{view}"] > CLEAR) & _is_above_0(part, view)


def _is_nothing(part: pd.DataFrame) -> "pd.Series[bool]":
    if "r2_unique_low" in part:
        return part["r2_unique_low"] <= 0
    return part["r2_unique"] < CLEAR


def _leads(table: pd.DataFrame) -> list[str]:
    """Return, per feature space, the views in which it has the largest share."""
    first = {view: int(table[f"r2_{view}"].argmax()) for view in VIEWS}
    return [
        ", ".join(view for view in VIEWS if first[view] == place)
        for place in range(len(table))
    ]


def _touches(subsets: Sequence[Subset]) -> NDArray[np.float64]:
    """Return which regions (columns) the model of each subset (rows) explains."""
    return np.array([[float(bool(set(a) & set(b))) for b in subsets] for a in subsets])
