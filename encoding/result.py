"""What the ridge models of a study try, and what they give back."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core.checks import Floats
from ..core.device import Backend
from ..core.ridge.banded import ALPHAS
from ..core.ridge.candidates import structured_candidates
from ..core.ridge.levers import EXACT, Levers
from ..core.ridge.memory import MEMORY_GB, factor_bytes
from ..core.ridge.search import Form, Search, Solver
from ..core.types import Band

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RidgeSettings:
    """What the ridge models of a study try.

    Parameters
    ----------
    alphas : tuple of float
        Penalties tried for each voxel.
    n_candidates : int
        Divisions of the penalty over the bands that the joint model tries.
    seed : int
        Seed of those divisions that are drawn.
    form : 'auto', 'primal' or 'kernel'
    n_voxels_batch : int, optional
        Voxels worked on at once; memory, and not results, depends on it.
    solver : 'fold-gram' or 'himalaya'
        Ours, in which all models share their factorisations, or himalaya's own, the
        reference. The same candidates and penalties get the same scores.
    levers : Levers
        What 'fold-gram' may leave out. Nothing by default.
    backend : 'numpy', 'torch' or 'torch_cuda'
        The library of the arithmetic of 'fold-gram'.
    max_memory_gb : float, optional
        How much memory a fit may take beyond X, Y and its results: sets the batches,
        where `n_voxels_batch` does not. 2 if None.
    other_gb : float
        What of `max_memory_gb` is taken already, by X and the interpreter, where the
        bound is to hold them as well.
    stacking : bool
        Whether the bands' own models are also mixed; with 'fold-gram' alone.
    """

    alphas: tuple[float, ...] = ALPHAS
    n_candidates: int = 20
    seed: int = 0
    form: Form = "auto"
    n_voxels_batch: int | None = None
    solver: Solver = "fold-gram"
    levers: Levers = EXACT
    backend: Backend = "numpy"
    max_memory_gb: float | None = None
    other_gb: float = 0.0
    stacking: bool = False

    def search(self, n_bands: int) -> Search:
        """Return what a model with `n_bands` bands tries."""
        return Search(
            self.alphas,
            structured_candidates(n_bands, self.n_candidates, self.seed),
            self.form,
            self.n_voxels_batch,
            self.solver,
            self.levers,
            self.backend,
            self.factor_bytes / 1e9,
        )

    @property
    def max_bytes(self) -> float:
        """How much memory a fit may take beyond X, Y and its results."""
        if self.max_memory_gb is None:
            return MEMORY_GB * 1e9
        return (self.max_memory_gb - self.other_gb) * 1e9

    @property
    def factor_bytes(self) -> float:
        """How much of it factorisations may fill."""
        bound = self.max_memory_gb
        return factor_bytes(None if bound is None else max(bound - self.other_gb, 0))


@dataclass(frozen=True, slots=True)
class EncodingResult:
    """What was learnt on the training runs, and the predictions of the test runs.

    Parameters
    ----------
    weights : array of shape (n_columns, n_voxels)
        Of the joint model, as are the intercept and the choices below.
    intercept : array of shape (n_voxels,)
    predictions : array of shape (n_test, n_voxels)
        Test responses predicted by joint: the sum of `parts`, plus the intercept.
    parts : array of shape (n_bands, n_test, n_voxels)
        Each band's part of `predictions`, without the intercept.
    alone : array of shape (n_bands, n_test, n_voxels)
        Predictions of each band's own model.
    plain : array of shape (n_test, n_voxels)
    band_weights : array of shape (n_bands, n_voxels)
    alphas : array of shape (n_voxels,)
    cv_scores : array of shape (n_voxels,)
        Share of variance explained on held-out training folds, for the best choice.
    cv_scores_alone : array of shape (n_bands, n_voxels)
        The same of each band's own model.
    grid_ends : dict of str to (float, float)
        For each fitted model ('joint', 'plain', 'alone BAND'), the share of voxels
        that chose the smallest and the largest penalty. Voxels without signal choose
        the largest; many at the smallest mean that the grid is too narrow.
    counts : dict of str to int
        Voxels by what became of them in the joint search: 'voxels', 'raced',
        'widened', 'flat in a fold' and others, as `Searched.counts` names them. Empty
        for 'himalaya'.
    stacked : array of shape (n_test, n_voxels), or None
        Predictions of the bands' own models, mixed by `shares`.
    shares : array of shape (n_bands, n_voxels), or None
    """

    weights: Floats
    intercept: Floats
    predictions: Floats
    parts: Floats
    alone: Floats
    plain: Floats
    band_weights: Floats
    alphas: Floats
    cv_scores: Floats
    cv_scores_alone: Floats
    grid_ends: dict[str, tuple[float, float]]
    counts: dict[str, int] = field(default_factory=dict)
    stacked: Floats | None = None
    shares: Floats | None = None

    def by_model(self, bands: Sequence[Band]) -> dict[Key, Floats]:
        """Return the test predictions by (model, feature space)."""
        names = [band.name for band in bands]
        return {
            ("joint", "all"): self.predictions,
            ("plain", "all"): self.plain,
            **{("alone", n): a for n, a in zip(names, self.alone, strict=True)},
            **{("part", n): p for n, p in zip(names, self.parts, strict=True)},
        }

    @property
    def notes(self) -> list[str]:
        """What the user should know of the search, in a sentence each."""
        return count_notes(self.counts)


def count_notes(counts: dict[str, int]) -> list[str]:
    """Return a sentence for each count of a search that is worth one."""
    notes, n = [], counts.get("voxels", 0)
    masked = {k: counts.get(k, 0) for k in ("all zero", "constant", "flat in a fold")}
    if any(masked.values()):
        listed = ", ".join(f"{c} {k}" for k, c in masked.items() if c)
        notes.append(
            f"{sum(masked.values())} of {n} voxels hold nothing to fit in the training "
            f"runs ({listed}): they have weights of 0 and no score."
        )
    if counts.get("widened"):
        notes.append(
            f"the grid of penalties was widened for {counts['widened']} of {n} voxels, "
            "whose best one was at its end."
        )
    if counts.get("raced", n) < n - sum(masked.values()):
        notes.append(
            f"{counts['raced']} of {n} voxels went on after the first candidates; the "
            "others did not beat the mean by the margin."
        )
    return notes
