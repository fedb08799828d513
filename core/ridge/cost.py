"""What a banded ridge fit will cost, before it is run."""

from collections.abc import Sequence
from dataclasses import dataclass

from .banded import choose_form
from .flops import fold_gram_flops
from .memory import (
    MEMORY_GB,
    FoldGramSize,
    batch_within,
    factor_bytes,
    kept_axes,
    peak_bytes,
)
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


def estimate_cost(  # noqa: PLR0913 - the sizes of a study
    *,
    n_train: int,
    n_test: int,
    widths: Sequence[int],
    n_voxels: int,
    n_candidates: int,
    n_alphas: int,
    n_folds: int,
    itemsize: int,
    n_voxels_batch: int | None = None,
    max_memory_gb: float | None = None,
) -> Cost:
    """Return what all models of a subject will cost: joint, plain and each band alone.

    With 'fold-gram' and no lever. X and Y are not counted, the results are.

    Parameters
    ----------
    n_train, n_test : int
        Rows.
    widths : sequence of int
        Columns of each band.
    n_voxels, n_candidates, n_alphas, n_folds : int
    itemsize : int
        Bytes per number: 4 for float32, 8 for float64.
    n_voxels_batch : int, optional
        Voxels worked on at once.
    max_memory_gb : float, optional
        Sets the batch where `n_voxels_batch` does not; 2 if both are None.

    Returns
    -------
    cost : Cost
        Its memory is right to about a fifth.

    Examples
    --------
    >>> cost = estimate_cost(n_train=4800, n_test=600, widths=(40, 40), n_voxels=1000,
    ...     n_candidates=20, n_alphas=7, n_folds=6, itemsize=4)
    >>> round(cost.bytes_peak / 1e6)
    92
    """
    kept = kept_axes(widths, n_train)
    n_candidates = 1 if len(widths) == 1 else n_candidates
    sizes = (n_folds, n_alphas, n_candidates, itemsize)
    size = FoldGramSize(
        n_train,
        n_test,
        tuple(widths),
        kept,
        *sizes,
        factor_bytes=factor_bytes(max_memory_gb),
    )
    if n_voxels_batch is None:
        bound = MEMORY_GB if max_memory_gb is None else max_memory_gb
        n_voxels_batch = batch_within(size, bound * 1e9)
    results = sum(widths) + (2 * len(widths) + 2) * n_test
    return Cost(
        flops=fold_gram_flops(size).of(n_voxels),
        bytes_peak=peak_bytes(size, min(n_voxels_batch, n_voxels))
        + results * n_voxels * itemsize,
    )


def estimate_fit(size: FitSize, form: Form = "auto") -> Cost:
    """Return the expected cost of one fit with himalaya on data of this size.

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
