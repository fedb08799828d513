"""How long a fit from the folds' moments takes, in operations of a product."""

from collections.abc import Sequence
from dataclasses import dataclass

from .factors import EIGH
from .memory import FoldGramSize

# What a held-out error takes, in operations of a product of the same duration.
PER_ERROR = 20


@dataclass(frozen=True, slots=True)
class Flops:
    """Operations of a float32 product that takes as long.

    Parameters
    ----------
    shared : float
        Of what all voxels share: the factorisations.
    voxel : float
        Of what each voxel adds.
    """

    shared: float
    voxel: float

    def of(self, n_voxels: int) -> float:
        """Return those of so many voxels."""
        return self.shared + self.voxel * n_voxels


def fold_gram_flops(size: FoldGramSize, n_models: int | None = None) -> Flops:
    """Return the operations of a search and of its models; right to a factor of three.

    All voxels are taken to try all candidates.

    Parameters
    ----------
    size : FoldGramSize
    n_models : int, optional
        How many models are made; joint, plain and each band alone if None.

    Examples
    --------
    >>> size = FoldGramSize(100, 50, (8, 8), (8, 8), 5, 8, 20)
    >>> one, all_of_them = fold_gram_flops(size, 1), fold_gram_flops(size)
    >>> one.voxel < all_of_them.voxel, one.shared < all_of_them.shared
    (True, False)
    """
    n, p, B = size.n_samples, sum(size.kept), len(size.widths)
    n_models = B + 2 if n_models is None else n_models
    shared = voxel = 0.0
    if n_models > B + 1:  # plain's penalties
        voxel += _candidate(size, range(B)).voxel
    for bands, count in size.used.items():
        one = _candidate(size, bands)
        shared += count * one.shared
        voxel += count * one.voxel
    square, refit = (p * p, 2 * p * p) if size.is_primal else (n * p, n * (n + p))
    shared += 4 * n * square
    voxel += 2 * n * p + n_models * 2 * (refit + size.n_test * sum(size.widths))
    scale = size.itemsize / 4
    return Flops(shared * scale, voxel * scale)


def _candidate(size: FoldGramSize, bands: Sequence[int]) -> Flops:
    """Return the operations of one candidate of these bands."""
    n, p, K, h = size.n_samples, size.axes_of(bands), size.n_folds, size.n_held
    A = size.n_alphas
    if size.form_of(bands) == "primal":
        by_rows = h <= p
        turn = K * 2 * p * p * (2 - by_rows)
        losses = A * K * (2 * p * min(p, h) + PER_ERROR * (h if by_rows else p))
        return Flops(K * (EIGH * p**3 + 4 * p * p * h) + EIGH * p**3, turn + losses)
    factor = EIGH * n**3 + A * (4 * n * n * h + K * EIGH * h**3)
    return Flops(factor, 2 * n * n + A * (2 * n * n + 2 * n * h + PER_ERROR * n))
