"""Many tests at once: false discoveries, the largest of all, how fine a p can be."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, false_discovery_control

from ..core.checks import Floats, InputError, check_choice

Procedure = Literal["bh", "by"]

TIE = 1e-12
ROUNDING = 1e-6  # by how much a correlation in single precision may exceed 1
FEW_VOXELS = 0.01  # share of the voxels that an area worth finding may have


def false_discovery_q(p: ArrayLike, method: Procedure = "bh") -> Floats:
    """Return the smallest false discovery rate at which each test is found.

    Parameters
    ----------
    p : array of any shape
        NaN where there was no test: it stays NaN, and is not counted.
    method : 'bh' or 'by'
        Benjamini-Hochberg, for tests that are independent or rise together, as those
        of neighbouring voxels do; Benjamini-Yekutieli, whatever the tests share.

    Returns
    -------
    q : array of the same shape

    Raises
    ------
    InputError
        If a p is not between 0 and 1.

    References
    ----------
    Benjamini, Y. & Hochberg, Y. (1995). Journal of the Royal Statistical Society B 57.
    Benjamini, Y. & Yekutieli, D. (2001). Annals of Statistics 29.

    Examples
    --------
    >>> false_discovery_q([0.01, 0.02, np.nan, 0.9]).round(3)
    array([0.03, 0.03,  nan, 0.9 ])
    """
    check_choice(method, "method", get_args(Procedure))
    p = np.asarray(p, np.float64)
    known = ~np.isnan(p)
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise InputError(
            f"p must lie between 0 and 1, found {p[known].min():.3g} to "
            f"{p[known].max():.3g}. Pass p-values, not scores."
        )
    q = np.full_like(p, np.nan)
    if known.any():
        q[known] = false_discovery_control(p[known], method=method)
    return q


def max_statistic_p(r: ArrayLike, max_null: ArrayLike) -> Floats:
    """Return p corrected for all voxels at once: chance of any of them doing as well.

    (1 + number of permutations whose largest r is >= r) / (1 + n_permutations).

    Parameters
    ----------
    r : array of shape (n_voxels,)
    max_null : array of shape (n_permutations,)
        Largest r over all voxels (and all feature spaces, if the best was chosen) in
        each permutation.

    Returns
    -------
    p : array of shape (n_voxels,)
        NaN where r is.

    References
    ----------
    Nichols, T. E. & Holmes, A. P. (2002). Nonparametric permutation tests for
    functional neuroimaging. Human Brain Mapping 15.

    Examples
    --------
    >>> max_statistic_p([0.5, 0.1], [0.2, 0.3, 0.1])
    array([0.25, 1.  ])
    """
    r, null = np.asarray(r, np.float64), np.sort(np.asarray(max_null, np.float64))
    if null.ndim != 1 or not len(null) or r.ndim != 1:
        raise InputError(
            f"r has shape {r.shape} and max_null {null.shape}, expected (n_voxels,) "
            "and (n_permutations,)."
        )
    n_unknown = int(np.isnan(null).sum())
    if n_unknown and not np.isnan(r).all():
        raise InputError(
            f"max_null is NaN in {n_unknown} of {len(null)} permutations. Take the "
            "largest over voxels that have a score."
        )
    above = len(null) - np.searchsorted(null, r - TIE, side="left")
    return np.where(np.isnan(r), np.nan, (1 + above) / (1 + len(null)))


def gaussian_null_p(r: ArrayLike, n_samples: int) -> Floats:
    """Return p of r between two independent Gaussian vectors: the paper's null.

    For comparison only. It takes samples for independent, which responses are not, so
    it calls far too much significant. One-sided.

    Parameters
    ----------
    r : array of shape (n_voxels,)
    n_samples : int
        Test samples (TRs) over which r was taken.

    References
    ----------
    Denk, T. I., Takagi, Y. et al. (2023). Brain2Music. arXiv 2307.11078. The density
    is that of (r + 1) / 2 ~ Beta(n / 2 - 1, n / 2 - 1).

    Examples
    --------
    >>> gaussian_null_p([0.0, 0.2], 240).round(4)
    array([0.5   , 0.0009])
    """
    if n_samples < 3:
        raise InputError(
            f"n_samples is {n_samples}: a correlation of fewer than 3 samples has no "
            "null. Pass the number of test samples."
        )
    r = np.asarray(r, np.float64)
    if (np.abs(r) > 1 + ROUNDING).any():
        raise InputError(
            f"r lies between {np.nanmin(r):.3g} and {np.nanmax(r):.3g}; a correlation "
            "lies between -1 and 1. Pass r, not z or t."
        )
    half = n_samples / 2 - 1
    return beta.sf((r + 1) / 2, half, half)


def resolution_note(
    smallest_p: float, n_voxels: int, q: float = 0.05, *, n_ways: float = np.inf
) -> str:
    """Return a note if p is too coarse for a small area to be found, or ''.

    Benjamini-Hochberg finds k of V tests only if the k-th p is at most q k / V. With
    p no smaller than `smallest_p`, k must reach V smallest_p / q.

    Parameters
    ----------
    smallest_p : float
        1 / (1 + n_permutations), or 1 / `n_ways` where that is larger.
    n_voxels : int
    q : float
    n_ways : float
        In how many ways the test data can be moved at all, or signs flipped.

    Examples
    --------
    >>> resolution_note(1 / 100_001, 60_000)
    ''
    >>> resolution_note(1 / 1_001, 60_000)[:41]
    'nothing can be significant in fewer than '
    """
    needed = n_voxels * smallest_p / q
    if needed <= FEW_VOXELS * n_voxels:
        return ""
    found = (
        f"nothing can be significant in fewer than {int(np.ceil(needed - 1e-9))} of "
        f"{n_voxels} voxels at q = {q:g}, since no p is below {smallest_p:.2g}."
    )
    wanted = int(np.ceil(1 / (FEW_VOXELS * q)))
    if n_ways < wanted:
        return (
            f"{found} There are {n_ways:g} ways in all, so more permutations do not "
            "help, and the maximum statistic has the same limit: test on more or "
            "longer runs."
        )
    return (
        f"{found} Use {wanted - 1} permutations or more, or name method 'tail' or "
        "'pooled'; the maximum statistic has no such limit."
    )
