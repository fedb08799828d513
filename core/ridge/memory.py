"""How much memory a fit from the folds' moments takes, and the voxels for a bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from ..checks import InputError
from .factors import EIGH, pick_form

# How much memory factorisations may fill, and the share of a bound that is theirs.
FACTOR_BYTES, FACTOR_SHARE = 1e9, 1 / 3

# What a fit may take beyond X, Y and its results, where nothing else is said.
MEMORY_GB = 2.0

# What a held-out error takes, in operations of a product of the same duration.
PER_ERROR = 20


@dataclass(frozen=True, slots=True)
class FoldGramSize:
    """The sizes that the memory of a fit depends on.

    Parameters
    ----------
    n_samples, n_test : int
        Training and test rows.
    widths : tuple of int
        Columns of each band.
    kept : tuple of int
        Axes of each band that are left after compression; its columns, or the number
        of samples if that is smaller, where nothing is compressed.
    n_folds, n_alphas, n_candidates : int
    itemsize : int
        Bytes per number: 4 for float32, 8 for float64.
    form : 'auto', 'primal' or 'kernel'
    races : bool
        Whether voxels stop early: those that go on are copied. All are counted, so
        this is an upper bound.
    factor_bytes : float
        How much memory factorisations may fill; the others lie in a file.
    """

    n_samples: int
    n_test: int
    widths: tuple[int, ...]
    kept: tuple[int, ...]
    n_folds: int
    n_alphas: int
    n_candidates: int
    itemsize: int = 4
    form: str = "auto"
    races: bool = False
    factor_bytes: float = FACTOR_BYTES

    @property
    def n_held(self) -> int:
        """Rows of a fold."""
        return -(-self.n_samples // self.n_folds)

    @property
    def is_primal(self) -> bool:
        """Whether all bands together are solved in primal form."""
        p = sum(self.kept)
        return pick_form(self.form, self.n_samples, p, self.n_folds) == "primal"


def factor_bytes(max_memory_gb: float | None) -> float:
    """Return how much memory factorisations may fill, within a bound on all.

    Examples
    --------
    >>> factor_bytes(1.5), factor_bytes(None)
    (500000000.0, 1000000000.0)
    """
    if max_memory_gb is None:
        return FACTOR_BYTES
    return min(FACTOR_BYTES, FACTOR_SHARE * max_memory_gb * 1e9)


def kept_axes(widths: Sequence[int], n_samples: int) -> tuple[int, ...]:
    """Return the axes of each band where no variance is given up.

    Examples
    --------
    >>> kept_axes((40, 500), 300)
    (40, 299)
    """
    return tuple(w if w <= n_samples else n_samples - 1 for w in widths)


def held_bytes(size: FoldGramSize) -> float:
    """Return what stays whatever the number of voxels: design and factorisations."""
    n, p, i, K = size.n_samples, sum(size.kept), size.itemsize, size.n_folds
    turned = sum(w * k for w, k in zip(size.widths, size.kept, strict=True) if k < w)
    held = float(n * p * i + turned * i)
    if size.is_primal:
        pairs = combinations_with_replacement(size.kept, 2)
        held += 8 * K * sum(one * other for one, other in pairs)
    else:
        held += 8 * len(size.kept) * n * n
    return held + min(size.factor_bytes, all_factor_bytes(size))


def all_factor_bytes(size: FoldGramSize) -> float:
    """Return what the factorisations of all candidates take, in memory or in files."""
    n, p, K = size.n_samples, sum(size.kept), size.n_folds
    factor: float
    if size.is_primal:
        factor = K * (p * p + min(size.n_held, p) * p) + p * p
    else:
        # Candidates of some bands have fewer columns to be refitted.
        factor = n * n + size.n_alphas * n * size.n_held + n * p / 2
    return size.n_candidates * factor * size.itemsize


def making_bytes(size: FoldGramSize) -> float:
    """Return what one factorisation takes while it is made."""
    n, p, K = size.n_samples, sum(size.kept), size.n_folds
    return 8.0 * (
        K * p * p + 6 * p * p + size.n_held * p if size.is_primal else 6 * n * n
    )


def bytes_per_voxel(size: FoldGramSize) -> tuple[float, float]:
    """Return what each voxel adds: as a factorisation is made, and at most."""
    n, p, K = size.n_samples, sum(size.kept), size.n_folds
    n_bands, n_columns = len(size.widths), sum(size.widths)
    h = size.n_held
    if size.is_primal:
        responses = n + (K + 1) * p
        turned = K * p + (n if h <= p else K * p) + 2 * (p + h)
    else:
        responses = n
        turned = n + 2 * n + 2 * h
    # Joint's weights stay while another model's are made, and the one's before.
    compressed = size.kept != size.widths
    models = 2 * n_columns + 2 * p + min(n, p) + compressed * n_columns
    models += (3 * n_bands + 2) * size.n_test
    if size.races:
        turned += responses
    at_least = n + responses
    return size.itemsize * at_least, size.itemsize * (at_least + max(turned, models))


def batch_within(size: FoldGramSize, max_bytes: float, other_bytes: float = 0) -> int:
    """Return how many voxels may be worked on at once within so much memory.

    Parameters
    ----------
    size : FoldGramSize
    max_bytes : float
    other_bytes : float
        What else the bound has to hold, such as X and the interpreter.

    Raises
    ------
    InputError
        If it does not hold what a fit needs for a single voxel.
    """
    held, making = held_bytes(size), making_bytes(size)
    first, most = bytes_per_voxel(size)
    left = max_bytes - other_bytes - held
    n_voxels = int(min((left - making) / first, left / most))
    if n_voxels < 1:
        least = (peak_bytes(size, 100) + other_bytes) / 1e9
        raise InputError(
            f"max_memory_gb = {max_bytes / 1e9:g} is not enough for {size.n_samples} "
            f"samples and {sum(size.kept)} columns: this fit needs {least:.2g} GB. "
            "Raise it, or allow a tolerance, which leaves fewer columns."
        )
    return n_voxels


def peak_bytes(size: FoldGramSize, n_voxels: int) -> float:
    """Return the most memory that is held at once beyond X, Y and the results.

    Parameters
    ----------
    size : FoldGramSize
    n_voxels : int
        Those that are worked on at once.
    """
    first, most = bytes_per_voxel(size)
    work = max(making_bytes(size) + n_voxels * first, n_voxels * most)
    return held_bytes(size) + work


def fold_gram_flops(size: FoldGramSize, n_voxels: int) -> float:
    """Return the operations of all models of a subject: joint, plain, bands alone.

    Of a float32 product that takes as long; right to a factor of two or three. All
    candidates are taken to use all bands, and all voxels to try all of them.
    """
    n, p, K, h = size.n_samples, sum(size.kept), size.n_folds, size.n_held
    A, J, V = size.n_alphas, size.n_candidates, n_voxels
    if size.is_primal:
        by_rows = h <= p
        turn = K * 2 * p * p * (2 - by_rows) * V
        losses = A * K * (2 * p * min(p, h) + PER_ERROR * (h if by_rows else p)) * V
        factor = K * (EIGH * p**3 + 4 * p * p * h) + EIGH * p**3
        shared, refit = 4 * n * p * p, 4 * p * p
    else:
        turn, factor = (
            2 * n * n * V,
            EIGH * n**3 + A * (4 * n * n * h + K * EIGH * h**3),
        )
        losses = A * (2 * n * n + 2 * n * h + PER_ERROR * n) * V
        shared, refit = 4 * n * n * p, 2 * n * (n + p)
    models = len(size.widths) + 2
    total = J * (factor + turn + losses) + losses + shared + models * refit * V
    total += 2 * n * p * V + models * 2 * size.n_test * sum(size.widths) * V
    return float(total) * size.itemsize / 4
