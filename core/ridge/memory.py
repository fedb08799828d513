"""How much memory a fit from the folds' moments takes, and the voxels for a bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from ..checks import InputError
from .factors import pick_form

FACTOR_BYTES = 1e9


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

    @property
    def n_held(self) -> int:
        """Rows of a fold."""
        return -(-self.n_samples // self.n_folds)

    @property
    def is_primal(self) -> bool:
        """Whether all bands together are solved in primal form."""
        p = sum(self.kept)
        return pick_form(self.form, self.n_samples, p, self.n_folds) == "primal"


def kept_axes(widths: Sequence[int], n_samples: int) -> tuple[int, ...]:
    """Return the axes of each band where no variance is given up.

    Examples
    --------
    >>> kept_axes((40, 500), 300)
    (40, 299)
    """
    return tuple(w if w <= n_samples else n_samples - 1 for w in widths)


def fixed_bytes(size: FoldGramSize) -> float:
    """Return what is held whatever the number of voxels: design and factorisations."""
    n, p, i, K = size.n_samples, sum(size.kept), size.itemsize, size.n_folds
    m = min(size.n_held, p)
    turned = sum(w * k for w, k in zip(size.widths, size.kept, strict=True) if k < w)
    held = n * p * i + turned * i
    if size.is_primal:
        pairs = combinations_with_replacement(size.kept, 2)
        held += 8 * K * sum(one * other for one, other in pairs)
        factor = K * (p * p + m * p) * i
        rows = p * p * i
        making = 8 * (K * p * p + 6 * p * p + size.n_held * p)
    else:
        held += 8 * len(size.kept) * n * n
        factor = (n * n + size.n_alphas * n * size.n_held) * i
        rows = n * p * i
        making = 8 * 6 * n * n
    return held + min(FACTOR_BYTES, size.n_candidates * (factor + rows)) + making


def bytes_per_voxel(size: FoldGramSize) -> float:
    """Return what each voxel of a chunk adds."""
    n, p, K = size.n_samples, sum(size.kept), size.n_folds
    n_bands, n_columns = len(size.widths), sum(size.widths)
    h = size.n_held
    if size.is_primal:
        responses = n + (K + 1) * p
        turned = K * p + (n if h <= p else K * p) + 2 * (p + h)
    else:
        responses = n
        turned = n + 2 * n + 2 * h
    models = 3 * p + 2 * n_columns + (3 * n_bands + 2) * size.n_test
    if size.races:
        turned += responses
    return size.itemsize * (n + responses + max(turned, models, p))


def batch_within(size: FoldGramSize, max_bytes: float) -> int:
    """Return how many voxels may be worked on at once within so much memory.

    Raises
    ------
    InputError
        If it does not hold what a fit needs for a single voxel.
    """
    left = max_bytes - fixed_bytes(size)
    n_voxels = int(left / bytes_per_voxel(size))
    if n_voxels < 1:
        least = (fixed_bytes(size) + 100 * bytes_per_voxel(size)) / 1e9
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
    return fixed_bytes(size) + n_voxels * bytes_per_voxel(size)
