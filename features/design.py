"""From feature spaces per run to the columns of X: scale, delays, and bands.

The one place where delays become columns, and where weights become delays again.
Whatever looks at neighbouring samples here takes one run at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..core.checks import Floats, InputError, as_matrix, check_choice
from ..core.types import Band

How = Literal["zscore", "centre", "none"]


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """One feature space, scaled, with what stands where nothing was heard yet.

    Parameters
    ----------
    runs : list of array, each of shape (n_samples, n_features)
    mean : array of shape (n_features,)
        Mean of `runs` over the training rows: 0 unless the values were left as they
        were.
    shift, scale : array of shape (n_features,)
        The values before scaling are `runs` times `scale` plus `shift`.
    """

    runs: list[Floats]
    mean: Floats
    shift: Floats
    scale: Floats


def standardise(
    features: Sequence[Floats],
    rows_used: Sequence[NDArray[np.bool_]],
    *,
    how: How,
    name: str,
    columns: Sequence[str] | None = None,
) -> Standardised:
    """Return the features of each run, centred and scaled by their training rows.

    Parameters
    ----------
    features : sequence of array, each of shape (n_samples, n_features)
        One feature space, run by run. Runs differ in length.
    rows_used : sequence of bool array, each of shape (n_samples,)
        Rows that mean and standard deviation are made from: the training rows that
        are kept. All False in a test run.
    how : 'zscore', 'centre' or 'none'
        Subtract the mean and divide by the standard deviation (of the population, not
        the sample), subtract the mean only, or leave the values.
    name : str
        What the errors call this feature space.
    columns : sequence of str, optional
        Names of its columns, for the errors.

    Returns
    -------
    scaled : Standardised
        float64 arrays of their own, also with 'none', and their training mean, with
        which `delay_run` fills rows without history.

    Raises
    ------
    InputError
        If shapes do not fit together, values are not finite, no row is used, or a
        column that is to be scaled or centred does not vary over the used rows.

    Examples
    --------
    >>> runs = [np.array([[1.0], [3.0]]), np.array([[9.0]])]
    >>> used = [np.array([True, True]), np.array([False])]
    >>> scaled = standardise(runs, used, how="zscore", name="level")
    >>> [run.ravel() for run in scaled.runs], scaled.mean
    ([array([-1.,  1.]), array([7.])], array([0.]))
    """
    check_choice(how, "how", ("zscore", "centre", "none"))
    runs, used = _checked_runs(features, rows_used, name)
    rows = np.concatenate([run[keep] for run, keep in zip(runs, used, strict=True)])
    if not len(rows):
        raise InputError(
            f"feature space {name!r} has no training row to make its mean from. Check "
            "the training runs, and how many samples are dropped."
        )
    mean = rows.mean(axis=0, dtype=np.float64)
    if how == "none":
        as_they_are: list[Floats] = [run.astype(np.float64) for run in runs]
        return Standardised(as_they_are, mean, np.zeros(len(mean)), np.ones(len(mean)))
    _check_varies(rows, name, columns)
    rows = rows.astype(np.float64)
    scale = rows.std(axis=0) if how == "zscore" else np.ones(rows.shape[1])
    scaled = [(run - mean) / scale for run in runs]
    return Standardised(scaled, np.zeros(len(mean)), mean, scale)


def delay_run(
    features: Floats, delays: Sequence[int], *, fill: ArrayLike = 0.0
) -> Floats:
    """Return the features of one run at each delay, side by side.

    Row t holds what was there `delay` samples before t, in the order of the delays:
    all features at the first, then all at the second, as in `Band`.

    Parameters
    ----------
    features : array of shape (n_samples, n_features)
        One run: rows of another must not stand in it.
    delays : sequence of int
        In samples (TRs), 0 or more, each once.
    fill : float or array of shape (n_features,)
        What stands where a row has no history, such as the mean that `standardise`
        returns. The default is that mean after 'zscore' and 'centre'.

    Returns
    -------
    delayed : array of shape (n_samples, n_delays * n_features)

    Raises
    ------
    InputError
        If a delay is negative, no whole number, given twice, or as long as the run,
        or `fill` is neither one finite number nor one per feature.

    Examples
    --------
    >>> delay_run(np.array([[1.0], [2.0], [3.0]]), [0, 2], fill=2.0)
    array([[1., 2.],
           [2., 2.],
           [3., 1.]])
    """
    features = as_matrix(features, "features")
    delays = _checked_delays(delays, len(features))
    n_samples, n_features = features.shape
    fill = _checked_fill(fill, n_features)
    delayed = np.empty((n_samples, len(delays) * n_features), features.dtype)
    for k, delay in enumerate(delays):
        columns = slice(k * n_features, (k + 1) * n_features)
        delayed[:delay, columns] = fill
        delayed[delay:, columns] = features[: n_samples - delay]
    return delayed


def has_history(n_samples: int, delays: Sequence[int]) -> NDArray[np.bool_]:
    """Return which rows of a run have features at every delay.

    Examples
    --------
    >>> has_history(4, [1, 2])
    array([False, False,  True,  True])
    """
    return np.arange(n_samples) >= max(_checked_delays(delays, n_samples))


def split_delays(weights: Floats, band: Band) -> Floats:
    """Return the weights of one band with delays and features on axes of their own.

    Parameters
    ----------
    weights : array of shape (n_delays * n_features, n_voxels)
        Rows in the order of the columns of `delay_run`.
    band : Band

    Returns
    -------
    weights : array of shape (n_delays, n_features, n_voxels)

    Raises
    ------
    InputError
        If the rows are not those of the band.
    """
    if weights.ndim != 2 or len(weights) != band.n_columns:
        raise InputError(
            f"weights of shape {weights.shape} for band {band.name!r}: expected "
            f"({band.n_columns}, n_voxels), from {len(band.delays)} delays of "
            f"{band.n_features} features."
        )
    return weights.reshape(len(band.delays), band.n_features, weights.shape[1])


def join_delays(weights: Floats, band: Band) -> Floats:
    """Return the weights of one band as rows in the order of the columns of X.

    The inverse of `split_delays`.

    Parameters
    ----------
    weights : array of shape (n_delays, n_features, n_voxels)
    band : Band

    Returns
    -------
    weights : array of shape (n_delays * n_features, n_voxels)

    Raises
    ------
    InputError
        If delays or features are not as many as the band's.
    """
    expected = (len(band.delays), band.n_features)
    if weights.ndim != 3 or weights.shape[:2] != expected:
        raise InputError(
            f"weights of shape {weights.shape} for band {band.name!r}: expected "
            f"{expected} and then n_voxels."
        )
    return weights.reshape(band.n_columns, weights.shape[2])


def build_design(
    bands: Sequence[Band],
    features: Sequence[Sequence[Floats]],
    *,
    fills: Sequence[ArrayLike] | None = None,
    dtype: DTypeLike = np.float32,
) -> Floats:
    """Return X: each band's features, delayed inside runs, side by side.

    Parameters
    ----------
    bands : sequence of Band
        In the order of the columns of X.
    features : sequence of sequence of array
        `features[b][r]` is the feature space of band b in run r, standardised, of
        shape (n_samples, n_features).
    fills : sequence of array, each of shape (n_features,), optional
        Of each band, what stands where a row has no history, as in `delay_run`: the
        training means. None fills all with 0, which is the mean of centred features.
    dtype : float32 or float64

    Returns
    -------
    X : array of shape (n_samples of all runs, n_columns of all bands)
        The runs one after the other, as they came.

    Raises
    ------
    InputError
        If the bands do not have the same runs and samples, or not their features, or
        not one of `fills` each.

    Examples
    --------
    >>> bands = [Band("level", 1, (0, 1)), Band("genre", 1)]
    >>> level, genre = np.array([[1.0], [2.0]]), np.array([[0.0], [5.0]])
    >>> build_design(bands, [[level], [genre]])
    array([[1., 0., 0.],
           [2., 1., 5.]], dtype=float32)
    """
    lengths = _run_lengths(bands, features)
    fills = [0.0] * len(bands) if fills is None else fills
    if len(fills) != len(bands):
        raise InputError(f"{len(bands)} bands but fills of {len(fills)}.")
    width = sum(band.n_columns for band in bands)
    X = np.empty((sum(lengths), width), dtype)
    left = 0
    for band, runs, fill in zip(bands, features, fills, strict=True):
        top = 0
        for run in runs:
            rows, columns = (
                slice(top, top + len(run)),
                slice(left, left + band.n_columns),
            )
            X[rows, columns] = delay_run(run, band.delays, fill=fill)
            top += len(run)
        left += band.n_columns
    return X


def _checked_runs(
    features: Sequence[Floats], rows_used: Sequence[NDArray[np.bool_]], name: str
) -> tuple[list[Floats], list[NDArray[np.bool_]]]:
    runs = [as_matrix(run, f"{name}, run {k}") for k, run in enumerate(features)]
    used = [np.asarray(rows) for rows in rows_used]
    lengths, n_used = [len(run) for run in runs], [len(rows) for rows in used]
    if lengths != n_used or any(rows.dtype != bool for rows in used):
        raise InputError(
            f"feature space {name!r} has runs of {lengths} samples, and rows_used of "
            f"{n_used}. Give one True or False for each sample of each run."
        )
    widths = sorted({run.shape[1] for run in runs})
    if len(widths) != 1:
        raise InputError(
            f"feature space {name!r} has {' or '.join(map(str, widths))} features, "
            "depending on the run. Give each run the same columns."
        )
    return runs, used


def _check_varies(rows: Floats, name: str, columns: Sequence[str] | None) -> None:
    """Refuse columns that hold one value, or differ only by rounding."""
    spread, size = np.ptp(rows, axis=0), np.abs(rows).max(axis=0)
    rounding = max(1e-9, 64 * float(np.finfo(rows.dtype).eps))
    constant = np.flatnonzero(spread <= rounding * size)
    if len(constant):
        names = [columns[k] if columns is not None else str(k) for k in constant[:5]]
        raise InputError(
            f"feature space {name!r}: {len(constant)} of {rows.shape[1]} columns do "
            f"not vary over the training rows: {', '.join(names)}"
            f"{', ...' if len(constant) > 5 else ''}"
            f"{'' if columns is not None else ' (counted from 0)'}. Such a column "
            "explains nothing and cannot be scaled: leave it out, or train on runs "
            "where it varies."
        )


def _checked_delays(delays: Sequence[int], n_samples: int) -> list[int]:
    whole = [int(delay) for delay in delays]
    if not whole or whole != list(delays) or len(set(whole)) != len(whole):
        raise InputError(
            f"delays must be whole numbers of samples, each once, got {list(delays)}."
        )
    if min(whole) < 0:
        raise InputError(
            f"delay {min(whole)} looks into the future: responses follow the stimulus. "
            "Give delays of 0 or more samples."
        )
    if max(whole) >= n_samples:
        raise InputError(
            f"delay {max(whole)} is as long as a run of {n_samples} samples. Delays "
            "count samples (TRs), not seconds."
        )
    return whole


def _checked_fill(fill: ArrayLike, n_features: int) -> NDArray[np.float64]:
    values = np.asarray(fill, np.float64)
    if values.shape not in ((), (n_features,)) or not np.isfinite(values).all():
        raise InputError(
            f"fill has shape {values.shape} and {int((~np.isfinite(values)).sum())} "
            f"values that are not finite: expected one number, or one for each of "
            f"{n_features} features."
        )
    return values


def _run_lengths(
    bands: Sequence[Band], features: Sequence[Sequence[Floats]]
) -> list[int]:
    if not bands or len(bands) != len(features):
        raise InputError(f"{len(bands)} bands but features of {len(features)}.")
    lengths = [len(run) for run in features[0]]
    for band, runs in zip(bands, features, strict=True):
        if [len(run) for run in runs] != lengths:
            raise InputError(
                f"band {band.name!r} has runs of {[len(run) for run in runs]} samples, "
                f"band {bands[0].name!r} of {lengths}. Give both the same runs, in one "
                "order."
            )
        widths = sorted({run.shape[1] for run in runs} - {band.n_features})
        if widths:
            raise InputError(
                f"band {band.name!r} has {band.n_features} features, but its runs "
                f"{', '.join(map(str, widths))}."
            )
    return lengths
