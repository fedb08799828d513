"""How much memory a fit from the folds' moments takes, and the voxels for a bound."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from ..checks import InputError
from .candidates import equal_subsets
from .factors import pick_form

# How much memory factorisations may fill, and the share of a bound that is theirs.
FACTOR_BYTES, FACTOR_SHARE = 1e9, 1 / 3

# What a fit may take beyond X, Y and its results, where nothing else is said.
MEMORY_GB = 2.0

# What freed memory that the allocator keeps, in pieces, adds to what is in use.
PIECES = 1.2

# The fewest voxels at once that are worth a fit.
N_LEAST = 100


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
    n_placed : int
        Candidates beyond `n_candidates` that are placed; counted as of all bands.
    stacks : bool
        Whether the bands' own models are mixed.
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
    n_placed: int = 0
    stacks: bool = False
    factor_bytes: float = FACTOR_BYTES

    @property
    def n_held(self) -> int:
        """Rows of a fold."""
        return -(-self.n_samples // self.n_folds)

    @property
    def used(self) -> Counter[tuple[int, ...]]:
        """How many candidates use which bands; bands alone and all are always tried."""
        B = len(self.widths)
        subsets = equal_subsets(B, self.n_candidates)
        used = Counter(tuple(np.flatnonzero(row).tolist()) for row in subsets)
        everything = tuple(range(B))
        used[everything] += self.n_candidates - len(subsets) + self.n_placed
        for alone in ((band,) for band in range(B)):
            used[alone] = max(used[alone], 1)
        return used

    def form_of(self, bands: Sequence[int]) -> str:
        """Return the form in which candidates of these bands are solved."""
        return pick_form(self.form, self.n_samples, self.axes_of(bands), self.n_folds)

    def axes_of(self, bands: Sequence[int]) -> int:
        """Return the axes of some bands."""
        return sum(self.kept[band] for band in bands)

    @property
    def is_primal(self) -> bool:
        """Whether all bands together are solved in primal form."""
        return self.form_of(range(len(self.widths))) == "primal"


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
    n, i, K = size.n_samples, size.itemsize, size.n_folds
    turned = sum(w * k for w, k in zip(size.widths, size.kept, strict=True) if k < w)
    held = float(n * sum(size.kept) * i + turned * i)
    pairs, kernels = set(), set()
    for bands in size.used:
        if size.form_of(bands) == "primal":
            pairs |= set(combinations_with_replacement(bands, 2))
        else:
            kernels |= set(bands)
    held += 8 * K * sum(size.kept[one] * size.kept[other] for one, other in pairs)
    held += 8 * len(kernels) * n * n
    return held + min(size.factor_bytes, all_factor_bytes(size))


def all_factor_bytes(size: FoldGramSize) -> float:
    """Return what the factorisations of all candidates take, in memory or in files."""
    total = sum(
        count * sum(one_factor_bytes(size, bands)) for bands, count in size.used.items()
    )
    if not size.is_primal and len(size.widths) > 1:
        # Plain has penalties of its own, each with its blocks.
        total += size.n_alphas * size.n_samples * size.n_held * size.itemsize
    return total


def one_factor_bytes(size: FoldGramSize, bands: Sequence[int]) -> tuple[float, float]:
    """Return what one candidate's factorisation takes, and that of its refit."""
    n, p, K, h = size.n_samples, size.axes_of(bands), size.n_folds, size.n_held
    if size.form_of(bands) == "primal":
        numbers = (K * (p * p + min(h, p) * p), p * p)
    else:
        numbers = (n * n + size.n_alphas * n * h, n * p)
    return float(numbers[0] * size.itemsize), float(numbers[1] * size.itemsize)


def making_bytes(size: FoldGramSize) -> float:
    """Return what one factorisation takes while it is made, at most."""
    return max(_making(size, bands) for bands in size.used)


def _making(size: FoldGramSize, bands: Sequence[int]) -> float:
    n, p, K, h = size.n_samples, size.axes_of(bands), size.n_folds, size.n_held
    made, refit = one_factor_bytes(size, bands)
    if size.form_of(bands) == "primal":
        # Moments, cut from their blocks; then a fold's, decomposed.
        return max(16.0 * K * p * p, 8.0 * (K * p * p + 5 * p * p + 3 * h * p) + made)
    ending = 8 * n * n + 16 * h * n + size.itemsize * n * n + made
    return max(24.0 * n * n, ending, 2 * refit)


def opening_bytes(size: FoldGramSize) -> float:
    """Return what the design takes while it is put on its axes."""
    n, i = size.n_samples, size.itemsize
    most = max(
        24 * min(n, w) ** 2 + (w > n) * 8 * w * k if k < w else 0
        for w, k in zip(size.widths, size.kept, strict=True)
    )
    rows = n * sum(size.widths)
    return float(8 * rows + max(i * rows, most, i * n * sum(size.kept)))


def bytes_per_voxel(size: FoldGramSize) -> tuple[float, float]:
    """Return what each voxel adds: as a factorisation is made, and at most."""
    n, p, K, B = size.n_samples, sum(size.kept), size.n_folds, len(size.widths)
    primal = any(size.form_of(bands) == "primal" for bands in size.used)
    # The chunk as it was read, on the scale of 1, and its products with the columns.
    base = 2 * n + primal * (K + 1) * p
    searching = max(_turned(size, b) + _trying(size, b) for b in size.used)
    most = max(searching, _modelling(size), size.stacks * _stacking(size))
    # Choices, and losses of all candidates and penalties, in float64.
    choices = size.n_candidates + size.n_placed + 2 * size.n_alphas + 6 * (B + 3)
    first = size.itemsize * base + 8 * choices
    return float(first), float(first + size.itemsize * most)


def _turned(size: FoldGramSize, bands: Sequence[int]) -> int:
    """Return the numbers of a voxel on the eigenvectors of a candidate."""
    n, p, K = size.n_samples, size.axes_of(bands), size.n_folds
    if size.form_of(bands) == "kernel":
        return n
    return K * p + (n if size.n_held <= p else K * p)


def _trying(size: FoldGramSize, bands: Sequence[int]) -> int:
    """Return the numbers that come to these while a penalty is tried."""
    p, h = size.axes_of(bands), size.n_held
    if size.form_of(bands) == "kernel":
        return 2 * size.n_samples + 2 * h
    return max(3 * p, 2 * (p + h))


def _solving(size: FoldGramSize, bands: Sequence[int]) -> int:
    """Return the numbers of a voxel while the weights of a candidate are made."""
    n, p, used = size.n_samples, sum(size.kept), size.axes_of(bands)
    working = 2 * used if size.form_of(bands) == "primal" else n + max(n, used)
    back = 2 * sum(size.widths) if size.kept != size.widths else 0
    return p + max(working, back)


def _modelling(size: FoldGramSize) -> int:
    """Return the numbers of a voxel while its models are made, one after the other."""
    B, n_test = len(size.widths), size.n_test
    joint = max(_solving(size, bands) for bands in size.used)
    asides = [(band,) for band in range(B)] + [tuple(range(B))]
    aside = max(_solving(size, bands) for bands in asides)
    n_columns = sum(size.widths)
    if B == 1:
        return max(joint, n_columns + 2 * n_test)
    more = n_columns + (2 * B + 2) * n_test
    return max(joint, n_columns + 2 * B * n_test, more + aside)


def _stacking(size: FoldGramSize) -> int:
    """Return the numbers of a voxel while its bands' own models are mixed."""
    B, h = len(size.widths), size.n_held
    turned = sum(_turned(size, (band,)) for band in range(B))
    solved = (8 * (B + 1) ** 2 + 4 * B * B) * 8 // size.itemsize
    models = sum(size.widths) + (2 * B + 2) * size.n_test
    return models + turned + max((B + 2) * h + 2 * max(size.kept), solved)


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
        If it does not hold what a fit needs for a hundred voxels.
    """
    first, most = bytes_per_voxel(size)
    left = (max_bytes - other_bytes) / PIECES - held_bytes(size)
    n_voxels = int(
        min((left - making_bytes(size)) / first, (left - _mapped(size)) / most)
    )
    least = peak_bytes(size, N_LEAST) + other_bytes
    if n_voxels < 1 or PIECES * opening_bytes(size) + other_bytes > max_bytes:
        raise InputError(
            f"max_memory_gb = {max_bytes / 1e9:g} is not enough for {size.n_samples} "
            f"samples and {sum(size.kept)} columns: this fit needs {least / 1e9:.2g} "
            "GB. Raise it, or allow a tolerance, which leaves fewer columns."
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
    work = max(making_bytes(size) + n_voxels * first, _mapped(size) + n_voxels * most)
    return PIECES * max(held_bytes(size) + work, opening_bytes(size))


def _mapped(size: FoldGramSize) -> float:
    """Return what a factorisation takes that is read from its file."""
    if all_factor_bytes(size) <= size.factor_bytes:
        return 0.0
    return max(sum(one_factor_bytes(size, bands)) for bands in size.used)
