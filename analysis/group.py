"""From subjects to a group: each subject is a replication before it is a sample.

With few subjects, what can be said of people at large is little, and is said with its
n: how many agree in sign, how many show the effect by themselves, and how wide the mean
of all people's effects could lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import beta, binom, binomtest, t

from ..core.checks import Floats, InputError, check_choice
from .multiple import false_discovery_q

Direction = Literal["mean", "above"]
GROUP_COLUMNS = [
    *("n_subjects", "n_positive", "p_sign", "smallest_p_sign"),
    *("n_significant", "counted_by", "prevalence"),
    *("prevalence_low", "prevalence_high"),
    *("mean", "mean_se", "mean_low", "mean_high", "p_mean", "sd_between"),
]


@dataclass(frozen=True, slots=True)
class Prevalence:
    """How common an effect is among people, from how many subjects show it.

    Parameters
    ----------
    n_subjects, n_significant : int
    estimate : float
        The most probable share of people who have the effect.
    low, high : float
        Interval that holds the share with the probability that was asked.
    p_none : float
        Chance of as many significant subjects if nobody had the effect.
    """

    n_subjects: int
    n_significant: int
    estimate: float
    low: float
    high: float
    p_none: float


@dataclass(frozen=True, slots=True)
class RandomEffects:
    """The mean effect over people, of whom the subjects are a sample.

    Parameters
    ----------
    n_subjects : int
    mean : float
        Plain mean over subjects.
    standard_error : float
        From the spread between subjects.
    low, high : float
        95 % interval of Student's t with n_subjects - 1 degrees of freedom.
    p : float
        Two-sided.
    sd_between : float
        Spread of subjects beyond what their own errors explain (DerSimonian-Laird); 0
        if those explain all of it, NaN if they are not known.
    """

    n_subjects: int
    mean: float
    standard_error: float
    low: float
    high: float
    p: float
    sd_between: float


def smallest_sign_p(n_subjects: int) -> float:
    """Return the least p that a two-sided sign test can give: 2 / 2^n.

    Examples
    --------
    >>> smallest_sign_p(5)
    0.0625
    """
    if n_subjects < 1:
        raise InputError(f"n_subjects is {n_subjects}; a test needs at least one.")
    return min(1.0, 2.0 ** (1 - n_subjects))


def sign_test(effects: ArrayLike) -> tuple[int, int, float]:
    """Return how many effects are positive, of how many, and the two-sided sign p.

    Effects of exactly 0 have no sign and are left out.

    Examples
    --------
    >>> sign_test([0.1, 0.2, 0.1, 0.05, 0.3])
    (5, 5, 0.0625)
    """
    effects = _effects(effects)
    signs = np.sign(effects[effects != 0])
    n_positive, n = int((signs > 0).sum()), len(signs)
    if n == 0:
        return 0, 0, 1.0
    return n_positive, n, float(binomtest(n_positive, n, 0.5).pvalue)


def prevalence(
    n_significant: int, n_subjects: int, *, alpha: float = 0.05, level: float = 0.95
) -> Prevalence:
    """Estimate the share of people who have an effect.

    Each subject was tested at `alpha`. If a share g of people has the effect, and the
    test finds it in all of them, a subject is significant with probability
    h = alpha + (1 - alpha) g. With all h from alpha to 1 as probable beforehand, h
    follows Beta(k + 1, n - k + 1) on that range. A test with less power makes g a
    lower bound.

    Parameters
    ----------
    n_significant, n_subjects : int
    alpha : float
        False positives of the test inside a subject.
    level : float
        Probability of the interval (equal tails).

    Returns
    -------
    prevalence : Prevalence

    Raises
    ------
    InputError
        If the numbers cannot be, or alpha or level are not between 0 and 1.

    References
    ----------
    Ince, R. A. A., Paton, A. T., Kay, J. W. & Schyns, P. G. (2021). Bayesian inference
    of population prevalence. eLife 10, e62461.

    Examples
    --------
    >>> found = prevalence(5, 5)
    >>> found.estimate, round(found.low, 2)
    (1.0, 0.52)
    """
    if not 0 <= n_significant <= n_subjects or n_subjects < 1:
        raise InputError(
            f"{n_significant} of {n_subjects} subjects cannot be significant. Count "
            "the subjects that were tested, and those of them that were significant."
        )
    if not (0 < alpha < 1 and 0 < level < 1):
        raise InputError(
            f"alpha is {alpha} and level {level}; both must lie between 0 and 1."
        )
    k, n = n_significant, n_subjects
    a, b = k + 1, n - k + 1
    start = beta.cdf(alpha, a, b)
    tail = (1 - level) / 2
    ends = beta.ppf(start + np.array([tail, 1 - tail]) * (1 - start), a, b)
    # The posterior's peak; where it would lie below alpha, it lies on that border.
    peak = max(k / n, alpha)
    share, low, high = (float(h - alpha) / (1 - alpha) for h in (peak, *ends))
    return Prevalence(n, k, share, low, high, float(binom.sf(k - 1, n, alpha)))


def random_effects(
    effects: ArrayLike, errors: ArrayLike | None = None
) -> RandomEffects:
    """Return the mean over subjects, with the interval that it has for people at large.

    Parameters
    ----------
    effects : array of shape (n_subjects,)
    errors : array of shape (n_subjects,), optional
        Standard error of each subject's effect, such as from a bootstrap over clips.

    Returns
    -------
    group : RandomEffects
        NaN where one subject has no spread to tell.

    References
    ----------
    DerSimonian, R. & Laird, N. (1986). Meta-analysis in clinical trials. Controlled
    Clinical Trials 7.
    """
    effects = _effects(effects)
    n, mean = len(effects), float(np.mean(effects))
    if n < 2:
        nan = float("nan")
        return RandomEffects(n, mean, nan, nan, nan, nan, nan)
    error = float(effects.std(ddof=1) / np.sqrt(n))
    reach = float(t.ppf(0.975, n - 1)) * error
    p = float(2 * t.sf(abs(mean) / error, n - 1)) if error > 0 else float("nan")
    spread = float("nan") if errors is None else _sd_between(effects, errors)
    return RandomEffects(n, mean, error, mean - reach, mean + reach, p, spread)


def group_table(
    table: pd.DataFrame,
    *,
    by: Sequence[str],
    effect: str,
    p: str,
    error: str | None = None,
    alpha: float = 0.05,
    direction: Direction = "mean",
) -> pd.DataFrame:
    """Return what the subjects of a table say together, row by row.

    No p is corrected here for the rows: see `corrected_over_rows`.

    Parameters
    ----------
    table : DataFrame
        One row per subject and whatever `by` names, such as the tables of
        `paired_differences` of all subjects. Rows without an effect are left out.
    by : sequence of str
        Columns that say what is compared: roi, a, b.
    effect, p : str
        Columns with each subject's effect, and its own two-sided p: best one that is
        corrected for all ROIs, since some of many come out by chance (then alpha is
        at most the share of false positives, and the prevalence a lower bound). A
        subject counts for the prevalence if p < alpha and its effect has the
        direction.
    error : str, optional
        Column with the standard error of each subject's effect.
    alpha : float
        Two-sided; half of it is the false positive rate of one sign.
    direction : 'mean' or 'above'
        Which subjects count: those whose effect has the sign of the mean, or those
        above 0, where an effect below 0 is none (r2 added: the cost of estimation).

    Returns
    -------
    table : DataFrame
        One row per combination of `by`, with: n_subjects, n_positive, p_sign,
        smallest_p_sign (no sign test of n subjects can go below it), n_significant,
        counted_by (the name of the p that they were counted by), prevalence,
        prevalence_low, prevalence_high, mean, mean_se, mean_low, mean_high, p_mean
        (random effects), sd_between.

    Raises
    ------
    InputError
        If a column is missing, or a subject comes twice in a combination.
    """
    check_choice(direction, "direction", get_args(Direction))
    wanted = ["subject", *by, effect, p, *([error] if error else [])]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise InputError(
            f"the table has no column {', '.join(missing)}; it has "
            f"{', '.join(map(str, table))}. Name its columns in by, effect, p, error."
        )
    if table.duplicated(["subject", *by]).any():
        raise InputError(
            f"a subject comes twice with the same {', '.join(by)}. Name all columns "
            "that tell the rows apart in by."
        )
    rows = []
    for names, part in table.groupby(list(by), sort=False):
        part = part[np.isfinite(part[effect].astype(float))]
        if len(part):
            errors = None if error is None else part[error].to_numpy(float)
            effects, ps = part[effect].to_numpy(float), part[p].to_numpy(float)
            numbers = _group_row(effects, ps, errors, alpha, direction)
            numbers["counted_by"] = p
            rows.append(dict(zip(by, names, strict=True)) | numbers)
    return pd.DataFrame(rows, columns=[*by, *GROUP_COLUMNS])


def corrected_over_rows(table: pd.DataFrame, *, within: Sequence[str]) -> pd.DataFrame:
    """Return a group's table with its p corrected for all rows of a family.

    Parameters
    ----------
    table : DataFrame
        From `group_table`.
    within : sequence of str
        Columns that name a family: all of `by` but the ROI.

    Returns
    -------
    table : DataFrame
        With q_sign after smallest_p_sign and q_mean after p_mean: Benjamini-Hochberg
        over the rows of the family, those without a p left out.

    Examples
    --------
    >>> table = pd.DataFrame({"effect": "r", "p_sign": 0.5, "smallest_p_sign": 0.5,
    ...                       "p_mean": [0.01, 0.04, 0.9]})
    >>> corrected_over_rows(table, within=["effect"])["q_mean"].round(2).tolist()
    [0.03, 0.06, 0.9]
    """
    table = table.copy()
    families = table.groupby(list(within), sort=False, dropna=False)
    for name, after in (("sign", "smallest_p_sign"), ("mean", "p_mean")):
        q = families[f"p_{name}"].transform(false_discovery_q)
        table.insert(list(table.columns).index(after) + 1, f"q_{name}", q)
    return table


def group_notes(n_subjects: int) -> list[str]:
    """Return how far the number of subjects reaches."""
    return [
        f"group of {n_subjects} subjects: a two-sided sign test cannot give a p below "
        f"{smallest_sign_p(n_subjects):.3g}, and the interval of the mean has "
        f"{n_subjects - 1} degrees of freedom. Read each subject as a replication."
    ]


def _group_row(
    effects: Floats,
    p: Floats,
    errors: Floats | None,
    alpha: float,
    direction: Direction,
) -> dict[str, object]:
    n_positive, n_signed, p_sign = sign_test(effects)
    mean = random_effects(effects, errors)
    sign = 1.0 if direction == "above" else np.sign(mean.mean)
    shown = (p < alpha) & (np.sign(effects) == sign)
    found = prevalence(int(shown.sum()), len(effects), alpha=alpha / 2)
    numbers = (
        *(len(effects), n_positive, p_sign, smallest_sign_p(max(1, n_signed))),
        *(found.n_significant, "", found.estimate, found.low, found.high),
        *(mean.mean, mean.standard_error, mean.low, mean.high, mean.p),
        mean.sd_between,
    )
    return dict(zip(GROUP_COLUMNS, numbers, strict=True))


def _sd_between(effects: Floats, errors: ArrayLike) -> float:
    """Return the DerSimonian-Laird spread between subjects."""
    errors = np.asarray(errors, np.float64)
    if errors.shape != effects.shape or not (errors > 0).all():
        raise InputError(
            f"errors has shape {errors.shape} for {len(effects)} effects; give each "
            "subject's standard error, above 0."
        )
    weights = errors**-2.0
    mean = (weights * effects).sum() / weights.sum()
    q = (weights * (effects - mean) ** 2).sum()
    # W - sum(w^2) / W, as a sum of products: nothing cancels where one w is large.
    pairs = np.triu(np.outer(weights, weights), 1).sum()
    scale = 2 * pairs / weights.sum()
    # Below 0 the errors explain more than the whole spread, and none is left.
    return float(np.sqrt(max(0.0, (q - (len(effects) - 1)) / scale)))


def _effects(effects: ArrayLike) -> Floats:
    effects = np.asarray(effects, np.float64)
    if effects.ndim != 1 or not len(effects) or not np.isfinite(effects).all():
        raise InputError(
            f"effects has shape {effects.shape} and {np.isnan(effects).sum()} NaN; "
            "give one number per subject, and leave out subjects without one."
        )
    return effects
