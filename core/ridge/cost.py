"""What a banded ridge fit will cost, before it is run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .banded import choose_form
from .search import Form

# What a step takes, in operations of a matrix product of the same duration; measured
# with OpenBLAS on one core.
SVD, EIGH, QR, PER_ERROR = 45, 25, 20, 120


@dataclass(frozen=True, slots=True)
class FitSize:
    """The sizes of a fit: all that its cost depends on.

    Parameters
    ----------
    n_samples : int
        Training rows.
    widths : sequence of int
        Columns of each band.
    n_voxels : int
    n_candidates, n_alphas, n_folds : int
    itemsize : int
        Bytes per number: 4 for float32, 8 for float64.
    n_voxels_batch : int, optional
    """

    n_samples: int
    widths: Sequence[int]
    n_voxels: int
    n_candidates: int
    n_alphas: int
    n_folds: int
    itemsize: int = 4
    n_voxels_batch: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a fit costs.

    Parameters
    ----------
    flops : float
        Floating-point operations of a matrix product that takes as long: divide by
        the machine's speed in such products, in float32. Right to a factor of two or
        three.
    bytes_peak : float
        Most memory held at once beyond X and Y, the result included. Right to about
        a third.
    """

    flops: float
    bytes_peak: float


def estimate_cost(
    *,
    n_train: int,
    n_test: int,
    widths: Sequence[int],
    n_voxels: int,
    n_candidates: int,
    n_alphas: int,
    n_folds: int,
    itemsize: int,
) -> Cost:
    """Return what all models of a subject will cost: joint, plain and each band alone.

    All voxels in one batch; smaller batches need less memory.

    Parameters
    ----------
    n_train, n_test : int
        Rows.
    widths : sequence of int
        Columns of each band.
    n_voxels, n_candidates, n_alphas, n_folds : int
    itemsize : int
        Bytes per number: 4 for float32, 8 for float64.

    Returns
    -------
    cost : Cost

    Examples
    --------
    >>> cost = estimate_cost(n_train=4800, n_test=600, widths=(40, 40), n_voxels=1000,
    ...     n_candidates=20, n_alphas=7, n_folds=6, itemsize=4)
    >>> round(cost.bytes_peak / 1e6)
    75
    """
    joint = FitSize(
        n_train, widths, n_voxels, n_candidates, n_alphas, n_folds, itemsize
    )
    others = [[sum(widths)], *([width] for width in widths)]
    plain_and_alone = [replace(joint, widths=w, n_candidates=1) for w in others]
    sizes = [joint, *plain_and_alone] if len(widths) > 1 else [joint]
    costs = [estimate_fit(size) for size in sizes]
    kept = sum(sum(size.widths) for size in sizes) * n_voxels
    kept += (2 * len(widths) + 2) * n_test * n_voxels
    return Cost(
        flops=sum(cost.flops for cost in costs),
        bytes_peak=max(cost.bytes_peak for cost in costs) + kept * itemsize,
    )


def estimate_fit(size: FitSize, form: Form = "auto") -> Cost:
    """Return the expected cost of one `fit_banded_ridge` on data of this size.

    Parameters
    ----------
    size : FitSize
    form : 'auto', 'primal' or 'kernel'

    Examples
    --------
    >>> size = FitSize(4800, (40, 40), 1000, 20, 7, 6)
    >>> round(estimate_fit(size).bytes_peak / 1e6)
    60
    """
    if choose_form(form, size.n_samples, sum(size.widths)) == "primal":
        return _primal_cost(size)
    return _kernel_cost(size)


def _primal_cost(size: FitSize) -> Cost:
    n, p, V, K = size.n_samples, sum(size.widths), size.n_voxels, size.n_folds
    n_train, n_held = n - n // K, -(-n // K)
    m, h = min(n_train, p), min(n_held, p + 1)  # rows that are left of a fold
    per_fold = SVD * m * m * p + size.n_alphas * (
        2 * p * m * m + 2 * h * p * m + 2 * h * m * V + PER_ERROR * h * V
    )
    reduce = K * (QR * n * p * min(n, p) + 6 * n * p * V)
    refit = size.n_candidates * SVD * p * min(n, p) ** 2 + 4 * p * p * V
    batch = min(size.n_voxels_batch or V, V)
    rows = K * (m + h)
    reducing = 2 * n_train * (p + batch) + rows * (p + batch)
    searching = rows * (3 * p + batch) + 5 * m * p
    searching += (m + 4 * h + K * size.n_alphas) * batch
    refitting = 3 * p * batch + 5 * m * p
    numbers = n * p + n * batch + p * V
    numbers += max(reducing, searching, refitting, 2 * rows * batch)
    flops = size.n_candidates * K * per_fold + reduce + refit
    return Cost(_as_float32(flops, size), float(numbers * size.itemsize))


def _kernel_cost(size: FitSize) -> Cost:
    n, p, V, K = size.n_samples, sum(size.widths), size.n_voxels, size.n_folds
    n_train, n_held = n - n // K, -(-n // K)
    per_fold = EIGH * n_train**3 + size.n_alphas * (
        2 * n_held * n_train**2 + 2 * n_held * n_train * V + PER_ERROR * n_held * V
    )
    refit = EIGH * n**3 + size.n_alphas * (2 * n**3 + 2 * n * n * V / 2)
    batch = min(size.n_voxels_batch or V, V)
    B = len(size.widths)
    searching = (2 * B + 6) * n * n + 2 * n * V + (n_train + 3 * n_held) * batch
    ending = 3 * n * V + 2 * p * V
    numbers = n * p + p * V + max(searching, ending)
    flops = size.n_candidates * (K * per_fold + refit) + 2 * n * n * p
    return Cost(_as_float32(flops, size), float(numbers * size.itemsize))


def _as_float32(flops: float, size: FitSize) -> float:
    return flops * size.itemsize / 4
