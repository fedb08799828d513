"""What few blocks do to a bootstrap, and how much wider its intervals have to be.

Resamples of B blocks spread too little, by sqrt((B - 1) / B) at least, and their
quantiles are those of a normal distribution where Student's t would be right. So the
jackknife gives the standard error, and Student's t the quantiles.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student

from ..core.checks import Floats, InputError


def spread_factor(n_blocks: float) -> float:
    """Return by how much the spread of resamples is short of the standard error.

    sqrt(B / (B - 1)) for B blocks; 1 for infinitely many.

    Raises
    ------
    InputError
        If there are fewer than two blocks.

    Examples
    --------
    >>> round(spread_factor(5), 3)
    1.118
    """
    if not n_blocks >= 2:
        raise InputError(
            f"n_blocks is {n_blocks}: a bootstrap needs 2 blocks or more. Use shorter "
            "blocks, or more test data."
        )
    return 1.0 if np.isinf(n_blocks) else float(np.sqrt(n_blocks / (n_blocks - 1)))


def t_to_z(t: ArrayLike, n_blocks: float) -> Floats:
    """Return the normal deviate that is as rare as a deviate of few blocks.

    Parameters
    ----------
    t : array of any shape
        Effects in units of their standard error (`spread_factor` taken in), above 0.
    n_blocks : float
        Student's t has one degree of freedom less.

    Examples
    --------
    >>> t_to_z([2.262], 10).round(2)
    array([1.96])
    """
    spread_factor(n_blocks)
    return norm.isf(student.sf(np.asarray(t, np.float64), _freedom(n_blocks)))


def z_to_t(z: ArrayLike, n_blocks: float) -> Floats:
    """Return the deviate of few blocks that is as rare as a normal one.

    Examples
    --------
    >>> z_to_t([1.96], 10).round(2)
    array([2.26])
    """
    spread_factor(n_blocks)
    return student.isf(norm.sf(np.asarray(z, np.float64)), _freedom(n_blocks))


def percentile_interval(
    resampled: Floats,
    level: float,
    n_blocks: float = np.inf,
    *,
    error: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Return the percentile interval of each column, widened for few blocks.

    The quantiles are taken further out, where the normal distribution is as far from
    its middle as Student's t of n_blocks - 1 degrees of freedom and the true standard
    error would be.

    Parameters
    ----------
    resampled : array of shape (n_resamples, n_columns)
    level : float
    n_blocks : float
        How many blocks were drawn from; infinity for the plain interval.
    error : array of shape (n_columns,), optional
        Standard error of each column, from the jackknife; sqrt(B / (B - 1)) of the
        resamples' spread if it is not given.

    Returns
    -------
    low, high : array of shape (n_columns,)
        NaN where a column has no value.

    Raises
    ------
    InputError
        If `level` is not between 0 and 1, or there are fewer than two blocks.

    References
    ----------
    Hesterberg, T. C. (2015). What teachers should know about the bootstrap. The
    American Statistician 69, 371-386 (expanded percentile intervals).
    """
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level}. Try 0.95.")
    stretch = np.full(resampled.shape[1], spread_factor(n_blocks))
    known = np.isfinite(resampled).any(axis=0)
    if error is not None:
        spread = np.full(resampled.shape[1], np.nan)
        spread[known] = np.nanstd(resampled[:, known], axis=0, ddof=1)
        np.divide(error, spread, out=stretch, where=spread > 0)
    tails = norm.sf(stretch * z_to_t(norm.isf((1 - level) / 2), n_blocks))
    out = np.full((2, resampled.shape[1]), np.nan)
    for column in np.flatnonzero(known):
        ends = [tails[column], 1 - tails[column]]
        out[:, column] = np.nanquantile(resampled[:, column], ends)
    return out[0], out[1]


def _freedom(n_blocks: float) -> float:
    return n_blocks - 1
