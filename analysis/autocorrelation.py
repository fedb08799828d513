"""How long responses and predictions remember: the length that blocks of time need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, next_fast_len, rfft

from ..core.checks import Floats, InputError, as_matrix, check_same_samples
from ..core.rows import each_run
from ..core.stats import varies

SMALL = 0.02  # a product of autocorrelations that is taken for none
LOST = 0.03
N_VOXELS_BATCH = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """How much pairs of samples add to the variance of a chance correlation.

    Parameters
    ----------
    pairs : array of shape (1 + last, n_samples)
        Row k: what each sample of the prediction, with the sample k later, adds. Mean
        over voxels; 0 where the later one lies in another run.
    settles : bool
        False if pairs half of the shortest run apart still add more than a fiftieth of
        what a sample by itself does.
    """

    pairs: Floats
    settles: bool

    @property
    def product(self) -> Floats:
        """Autocorrelation of the response times that of the prediction, by lag."""
        sums = self.pairs.sum(axis=1)
        return sums / sums[0]

    def lost(self, blocks: ArrayLike) -> float:
        """Return the share of the variance that a null of moved blocks lacks.

        Blocks keep the pairs inside them, and break those across their borders. A
        prediction that spills over from clip to clip loses most if blocks are clips.

        Parameters
        ----------
        blocks : array of int, shape (n_samples,)
        """
        blocks = np.asarray(blocks)
        if blocks.shape != self.pairs.shape[1:]:
            raise InputError(
                f"blocks has shape {blocks.shape} for {self.pairs.shape[1]} samples; "
                "number the block of each."
            )
        twice = np.full(len(self.pairs), 2.0)
        twice[0] = 1.0
        broken = np.zeros(len(self.pairs))
        for lag in range(1, len(self.pairs)):
            apart = blocks[lag:] != blocks[:-lag]
            broken[lag] = self.pairs[lag, :-lag][apart].sum()
        return float((twice @ broken) / (twice @ self.pairs.sum(axis=1)))


def memory_of(Y: ArrayLike, Y_hat: ArrayLike, runs: ArrayLike) -> Memory:
    """Measure what the variance of a chance correlation depends on.

    With p a prediction around its mean and g the autocorrelation of a response that it
    has nothing to do with, the variance of their correlation is the sum over pairs of
    samples of p[t] p[u] g(t - u), over that of their squares.

    Parameters
    ----------
    Y, Y_hat : array of shape (n_samples, n_voxels)
        Test responses and their prediction. Voxels that never vary are left out.
    runs : array, shape (n_samples,)
        Run of each sample, in adjacent rows. No pair of samples crosses a run.

    Returns
    -------
    memory : Memory
        Up to the last lag before pairs add less than a fiftieth of what samples do.

    Raises
    ------
    InputError
        If the shapes do not fit, or no run has 4 samples or no voxel varies.

    References
    ----------
    Bartlett, M. S. (1935). Some aspects of the time-correlation problem in regard to
    tests of significance. Journal of the Royal Statistical Society 98.
    """
    Y, Y_hat, runs = as_matrix(Y, "Y"), as_matrix(Y_hat, "Y_hat"), np.asarray(runs)
    check_same_samples(Y=Y, Y_hat=Y_hat, runs=runs)
    alike = Y.shape == Y_hat.shape
    scored = np.flatnonzero(varies(Y) & varies(Y_hat)) if alike else np.empty(0, int)
    shortest = min(s.stop - s.start for s in each_run(runs)) if len(Y) else 0
    if shortest < 4 or not len(scored):
        raise InputError(
            f"Y has shape {Y.shape}, Y_hat {Y_hat.shape}, the shortest run "
            f"{shortest} samples, and {len(scored)} voxels vary in both. "
            "Autocorrelation needs the same shape twice, runs of 4 samples or more, "
            "and a voxel that varies."
        )
    max_lag = shortest // 2
    pairs = np.zeros((max_lag + 1, len(Y)))
    for start in range(0, len(scored), N_VOXELS_BATCH):
        batch = scored[start : start + N_VOXELS_BATCH]
        known = autocorrelation(Y[:, batch], runs, max_lag)
        pairs += _pair_sums(Y_hat[:, batch], known, runs) / len(scored)
    small = np.flatnonzero(pairs.sum(axis=1) < SMALL * pairs[0].sum())
    last = int(small[0]) - 1 if len(small) else max_lag
    return Memory(pairs[: last + 1], len(small) > 0)


def block_length(memory: Memory, runs: ArrayLike, *, lost: float = LOST) -> int | None:
    """Return the shortest block that loses no more than this of the null's variance.

    Parameters
    ----------
    memory : Memory
    runs : array, shape (n_samples,)
        Each run is cut from its start; see `cut_runs`.
    lost : float
        Share of the variance: 0.03 makes the null 1.5 % too narrow, so that a p of
        0.05 is one of 0.053.

    Returns
    -------
    n_samples : int or None
        Length of a block in samples (TRs). None if no block up to half of the shortest
        run is long enough.
    """
    if not 0 < lost < 1:
        raise InputError(f"lost must lie between 0 and 1, got {lost}. Try {LOST}.")
    shortest = min(s.stop - s.start for s in each_run(runs))
    for n_samples in range(1, shortest // 2 + 1):
        if memory.lost(cut_runs(runs, n_samples)) <= lost:
            return n_samples
    return None


def cut_runs(runs: ArrayLike, n_samples: int) -> NDArray[np.integer]:
    """Return blocks of `n_samples`, cut from the start of each run.

    What is left at a run's end makes a block of its own.

    Examples
    --------
    >>> cut_runs([3, 3, 3, 3, 3, 1, 1], 2)
    array([0, 0, 1, 1, 2, 3, 3])
    """
    runs = np.asarray(runs)
    starts = np.zeros(len(runs), dtype=bool)
    for rows in each_run(runs):
        starts[rows.start : rows.stop : n_samples] = True
    return np.cumsum(starts) - 1


def memory_notes(
    memory: Memory, blocks: ArrayLike | None, runs: ArrayLike, *, lost: float = LOST
) -> list[str]:
    """Return what is to be known of a null, if the data remember too long for it.

    Parameters
    ----------
    memory : Memory
    blocks : array of int, shape (n_samples,), or None
        Blocks that are moved; None for runs that turn as a whole.
    runs : array, shape (n_samples,)
    lost : float
    """
    notes = []
    if not memory.settles:
        notes.append(
            "responses and predictions still resemble themselves after half of the "
            "shortest run: moved blocks and turned runs then resemble what was "
            "observed, and p is not to be trusted. Filter slow drifts."
        )
    share = 0.0 if blocks is None else memory.lost(blocks)
    if share > lost:
        length = block_length(memory, runs, lost=lost)
        wanted = f"blocks of {length} samples, or " if length else ""
        notes.append(
            f"the blocks break pairs of samples that make {share:.0%} of the variance "
            f"of chance correlations, so p errs downwards; use {wanted}a circular "
            "shift."
        )
    return notes


def _pair_sums(P: Floats, known: Floats, runs: NDArray) -> Floats:
    """Return the sum over voxels of p[t] p[t + k] g(k), with p of norm 1."""
    P = P - P.mean(axis=0, dtype=np.float64)
    P /= np.linalg.norm(P, axis=0)
    pairs = np.zeros((len(known), len(P)))
    for lag, g in enumerate(known):
        n = len(P) - lag
        same = runs[lag:] == runs[:n]
        pairs[lag, :n] = np.where(same, np.einsum("tv,tv,v->t", P[lag:], P[:n], g), 0)
    return pairs


def autocorrelation(Y: Floats, runs: ArrayLike, max_lag: int) -> Floats:
    """Return the correlation of each column with itself, 0 to `max_lag` samples later.

    Around the mean and variance of all samples, from pairs inside runs.

    Returns
    -------
    values : array of shape (1 + max_lag, n_voxels)
        The sum over pairs divided by their number, over that of lag 0.
    """
    Y = np.asarray(Y, np.float64) - np.mean(Y, axis=0, dtype=np.float64)
    sums, n_pairs = np.zeros((max_lag + 1, Y.shape[1])), np.zeros(max_lag + 1)
    for rows in each_run(runs):
        n = rows.stop - rows.start
        size = next_fast_len(n + max_lag + 1, real=True)
        power = np.abs(rfft(Y[rows], n=size, axis=0)) ** 2
        sums += irfft(power, n=size, axis=0)[: max_lag + 1]
        n_pairs += np.maximum(n - np.arange(max_lag + 1), 0)
    values = sums / n_pairs[:, None]
    return values / values[0]
