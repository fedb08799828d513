"""What maps show at each voxel: the best feature space, and what weights share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError
from .rois import members_of

NONE = ""
RGB = 3


def best_space_table(
    cv_scores: Mapping[str, ArrayLike],
    test_scores: Mapping[str, ArrayLike],
    *,
    subject: str,
) -> pd.DataFrame:
    """Return the best feature space of each voxel, and by how much it is better.

    Best and second are chosen by the cross-validated training scores; how far apart
    they are is measured on test data, which had no part in the choice. So the margin
    is as often below 0 as above where nothing sets the two apart. Where no feature
    space predicts held-out training folds (its r2 there is not above 0), none is best.

    Parameters
    ----------
    cv_scores : dict of feature space to array of shape (n_voxels,)
        Of each feature space's own model, on held-out training folds: r2.
    test_scores : dict of feature space to array of shape (n_voxels,)
        Of the same models, on test data: r.
    subject : str

    Returns
    -------
    table : DataFrame
        One row per voxel: subject, voxel (its column), best, second, cv_r2_best (NaN
        where a score is not known), cv_margin, r_best, margin_r. best and second are
        '' and the last three NaN where no feature space is best.

    Raises
    ------
    InputError
        If the two name other feature spaces, or fewer than two.
    """
    names = list(cv_scores)
    if names != list(test_scores) or len(names) < 2:
        raise InputError(
            f"cv_scores names {', '.join(names)}, test_scores "
            f"{', '.join(test_scores)}: both must hold the same feature spaces in one "
            "order, two or more."
        )
    cv, test = (
        np.stack([np.asarray(scores[name], np.float64) for name in names])
        for scores in (cv_scores, test_scores)
    )
    known = np.isfinite(cv).all(axis=0) & np.isfinite(test).all(axis=0)
    best, second = np.argsort(-cv, axis=0, kind="stable")[:2]
    here = np.arange(cv.shape[1])
    highest = np.where(known, cv[best, here], np.nan)
    known &= cv[best, here] > 0
    label = np.array([*names, NONE], dtype=object)
    columns: dict[str, object] = {"subject": subject, "voxel": here}
    columns["best"] = label[np.where(known, best, len(names))]
    columns["second"] = label[np.where(known, second, len(names))]
    columns["cv_r2_best"] = highest
    numbers = {
        "cv_margin": cv[best, here] - cv[second, here],
        "r_best": test[best, here],
        "margin_r": test[best, here] - test[second, here],
    }
    columns |= {name: np.where(known, x, np.nan) for name, x in numbers.items()}
    return pd.DataFrame(columns)


def best_space_counts(
    table: pd.DataFrame, rois: Mapping[str, ArrayLike], *, subject: str
) -> pd.DataFrame:
    """Return how many voxels of each ROI each feature space is the best of.

    Parameters
    ----------
    table : DataFrame
        From `best_space_table`, one row per voxel in order; with a column `found`
        (bool), voxels that are more than chance are counted besides.
    rois : dict of name to array of bool, shape (n_voxels,)
    subject : str

    Returns
    -------
    table : DataFrame
        One row per ROI and feature space, and one for 'none': subject, roi,
        feature_space, n_voxels (of the ROI), n_voxels_best, n_found_best (if `found` is
        known), margin_r_mean (on test data, over the voxels that it is the best of).
    """
    best, margin = table["best"].to_numpy(), table["margin_r"].to_numpy(float)
    names = [name for name in dict.fromkeys([*table["best"], *table["second"]]) if name]
    rows = []
    for roi, mask in zip(rois, members_of(rois, len(table)), strict=True):
        for name in (*sorted(names), NONE):
            here = mask & (best == name)
            row: dict[str, object] = {"subject": subject, "roi": roi}
            row["feature_space"] = name or "none"
            row |= {"n_voxels": int(mask.sum()), "n_voxels_best": int(here.sum())}
            if "found" in table:
                row["n_found_best"] = int((here & table["found"].to_numpy(bool)).sum())
            some = here.any() and name != NONE
            row["margin_r_mean"] = margin[here].mean() if some else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def density_table(
    x: ArrayLike, y: ArrayLike, *, low: float, high: float, n_bins: int = 60
) -> pd.DataFrame:
    """Return how many voxels have each pair of scores: two feature spaces against each.

    Parameters
    ----------
    x, y : array of shape (n_voxels,)
        Scores of two feature spaces. Voxels that lack one are not counted.
    low, high : float
        Ends of both axes.
    n_bins : int
        Along each axis.

    Returns
    -------
    table : DataFrame
        One row per pair of bins that holds a voxel: x_low, x_high, y_low, y_high,
        n_voxels. `attrs` says n_voxels, n_outside (beyond the ends) and n_y_above
        (voxels with y > x).

    Raises
    ------
    InputError
        If the shapes differ, or the axis has no length.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.shape != y.shape or x.ndim != 1 or not low < high or n_bins < 1:
        raise InputError(
            f"x has shape {x.shape}, y {y.shape}, and the axes run from {low} to "
            f"{high} in {n_bins} bins; expected the same voxels twice, and low below "
            "high."
        )
    pairs = np.stack([x, y])[:, np.isfinite(x) & np.isfinite(y)]
    counts, edges, _ = np.histogram2d(
        pairs[0], pairs[1], bins=n_bins, range=[[low, high], [low, high]]
    )
    i, j = np.nonzero(counts)
    table = pd.DataFrame(
        {
            "x_low": edges[i],
            "x_high": edges[i + 1],
            "y_low": edges[j],
            "y_high": edges[j + 1],
            "n_voxels": counts[i, j].astype(int),
        }
    )
    table.attrs = {
        "n_voxels": pairs.shape[1],
        "n_outside": pairs.shape[1] - int(counts.sum()),
        "n_y_above": int((pairs[1] > pairs[0]).sum()),
    }
    return table


@dataclass(frozen=True, slots=True, eq=False)
class WeightComponents:
    """The directions in feature space along which voxels' weights differ most.

    Parameters
    ----------
    loadings : DataFrame
        One row per component and feature: component (1, 2, 3), feature_space, feature
        (its place there), loading. The largest of a component is positive.
    values : array of shape (3, n_voxels)
        Each voxel's weights along the components. NaN where a voxel has none.
    explained : array of shape (3,)
        Share of the variance over the fitted voxels.
    rgb : array of shape (n_voxels, 3)
        Red, green and blue for the three components: 0.5 for 0, 1 for `reach` or more.
    reach : array of shape (3,)
        The size at which a colour is full.
    n_beyond : int
        Voxels with a component larger than that, whose colour says less than is there.
    """

    loadings: pd.DataFrame
    values: Floats
    explained: Floats
    rgb: Floats
    reach: Floats
    n_beyond: int


def weight_components(
    weights: Mapping[str, ArrayLike], fit_on: ArrayLike, *, full_share: float = 0.98
) -> WeightComponents:
    """Return the three main components of the weights, and their colours.

    Weights are averaged over delays, set side by side, and each voxel's made a vector
    of length 1, so that components say what a voxel responds to and not how much. The
    components are those of the `fit_on` voxels, around their mean; all voxels are then
    projected.

    Parameters
    ----------
    weights : dict of feature space to array of shape (n_delays, n_features, n_voxels)
        Of the joint model, in order. Features must be standardised, or those of large
        unit have small weights.
    fit_on : array of bool, shape (n_voxels,)
        Voxels that are predicted well, by training scores.
    full_share : float
        Share of the fitted voxels whose colours are not beyond the full ones.

    Returns
    -------
    components : WeightComponents

    Raises
    ------
    InputError
        If there are fewer than 3 features or 4 voxels to fit, or shapes differ.

    References
    ----------
    Huth, A. G., de Heer, W. A., Griffiths, T. L., Theunissen, F. E. & Gallant, J. L.
    (2016). Natural speech reveals the semantic maps that tile human cerebral cortex.
    Nature 532.
    """
    arrays = {name: np.asarray(w, np.float64) for name, w in weights.items()}
    fit_on = np.asarray(fit_on, bool)
    _check_weights(arrays, fit_on)
    W = np.concatenate([w.mean(axis=0) for w in arrays.values()])
    length = np.linalg.norm(W, axis=0)
    some = np.isfinite(length) & (length > 0)
    W = np.divide(W, length, out=np.full_like(W, np.nan), where=some)
    fitted = W[:, fit_on & some]
    if fitted.shape[0] < RGB or fitted.shape[1] <= RGB:
        raise InputError(
            f"{fitted.shape[0]} features and {fitted.shape[1]} voxels with weights to "
            "fit: three components need at least 3 and 4. Choose more voxels."
        )
    mean = fitted.mean(axis=1, keepdims=True)
    axes, sizes, _ = np.linalg.svd(fitted - mean, full_matrices=False)
    axes = axes[:, :RGB]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(RGB)])
    values = axes.T @ (W - mean)
    size = np.abs(values)
    reach = np.quantile(size[:, fit_on & some], full_share, axis=1)
    reach = np.where(reach > 0, reach, 1.0)
    beyond = (size[:, some] > reach[:, None]).any(axis=0)
    rgb = 0.5 + 0.5 * np.clip(values / reach[:, None], -1, 1)
    return WeightComponents(
        _loadings(arrays, axes),
        values,
        (sizes**2 / (sizes**2).sum())[:RGB],
        rgb.T,
        reach,
        int(beyond.sum()),
    )


def _loadings(arrays: Mapping[str, Floats], axes: Floats) -> pd.DataFrame:
    names = [(name, k) for name, w in arrays.items() for k in range(w.shape[1])]
    rows = [
        (component + 1, name, k, axes[place, component])
        for component in range(RGB)
        for place, (name, k) in enumerate(names)
    ]
    return pd.DataFrame(
        rows, columns=["component", "feature_space", "feature", "loading"]
    )


def _check_weights(arrays: Mapping[str, Floats], fit_on: NDArray[np.bool_]) -> None:
    shapes: Sequence[tuple] = [w.shape for w in arrays.values()]
    if not shapes or any(len(s) != 3 or s[2:] != fit_on.shape for s in shapes):
        found = ", ".join(f"{name} {w.shape}" for name, w in arrays.items())
        raise InputError(
            f"weights are {found or 'none'}, and fit_on {fit_on.shape}; expected "
            "(n_delays, n_features, n_voxels) for each feature space, and (n_voxels,). "
            "Make them with features.design.split_delays."
        )
