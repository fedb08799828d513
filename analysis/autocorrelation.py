"""How long responses and predictions remember: the length that blocks of time need."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import irfft, next_fast_len, rfft

from ..core.checks import Floats, InputError, as_matrix, check_same_samples
from ..core.rows import each_run
from ..core.stats import varies

SMALL = 0.05  # an autocorrelation product that is taken for none
LOST = 0.1
N_VOXELS_BATCH = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What responses and predictions have in common with themselves later on.

    Parameters
    ----------
    product : array of shape (1 + max_lag,)
        Autocorrelation of the response times that of the prediction, by lag in
        samples (TRs), mean over voxels; 1 at lag 0.
    last : int
        The last lag before the product falls below 0.05.
    settles : bool
        False if it does not within half of the shortest run.
    """

    product: Floats
    last: int
    settles: bool

    def lost(self, n_samples: int) -> float:
        """Return the share of the null's variance that blocks of this length lose.

        The variance of a chance correlation is proportional to the sum over lags of
        the product of autocorrelations. Blocks of L samples break a share k / L of the
        pairs at lag k.
        """
        lags = np.arange(1, self.last + 1)
        kept = self.product[1 : self.last + 1]
        broken = 2 * (np.minimum(lags / n_samples, 1) * kept).sum()
        return float(broken / (1 + 2 * kept.sum()))


def memory_of(Y: ArrayLike, Y_hat: ArrayLike, runs: ArrayLike) -> Memory:
    """Measure the autocorrelations that a chance correlation of the two depends on.

    Parameters
    ----------
    Y, Y_hat : array of shape (n_samples, n_voxels)
        Test responses and their prediction. Voxels that never vary are left out.
    runs : array, shape (n_samples,)
        Run of each sample, in adjacent rows. No pair of samples crosses a run.

    Returns
    -------
    memory : Memory

    Raises
    ------
    InputError
        If the shapes do not fit, or no run has 4 samples or no voxel varies.

    References
    ----------
    Bartlett, M. S. (1935). Some aspects of the time-correlation problem in regard to
    tests of significance. Journal of the Royal Statistical Society 98.
    """
    Y, Y_hat = as_matrix(Y, "Y"), as_matrix(Y_hat, "Y_hat")
    check_same_samples(Y=Y, Y_hat=Y_hat, runs=np.asarray(runs))
    scored = np.flatnonzero(varies(Y) & varies(Y_hat)) if Y.shape == Y_hat.shape else []
    shortest = min(s.stop - s.start for s in each_run(runs)) if len(Y) else 0
    if shortest < 4 or not len(scored):
        raise InputError(
            f"Y has shape {Y.shape}, Y_hat {Y_hat.shape}, the shortest run "
            f"{shortest} samples, and {len(scored)} voxels vary in both. "
            "Autocorrelation needs the same shape twice, runs of 4 samples or more, "
            "and a voxel that varies."
        )
    max_lag = shortest // 2
    total = np.zeros(max_lag + 1)
    for start in range(0, len(scored), N_VOXELS_BATCH):
        batch = scored[start : start + N_VOXELS_BATCH]
        both = (autocorrelation(a[:, batch], runs, max_lag) for a in (Y, Y_hat))
        total += np.prod(list(both), axis=0).sum(axis=1)
    product = total / len(scored)
    small = np.flatnonzero(product < SMALL)
    last = int(small[0]) - 1 if len(small) else max_lag
    return Memory(product, last, len(small) > 0)


def block_length(memory: Memory, *, lost: float = LOST) -> int:
    """Return the shortest block that loses no more than this of the null's variance.

    Parameters
    ----------
    memory : Memory
    lost : float
        Share of the variance: 0.1 makes the null 5 % too narrow, so that a p of 0.05
        is one of 0.06.

    Returns
    -------
    n_samples : int
        Length of a block in samples (TRs).

    Examples
    --------
    >>> block_length(Memory(0.5 ** np.arange(20), last=10, settles=True))
    14
    """
    if not 0 < lost < 1:
        raise InputError(f"lost must lie between 0 and 1, got {lost}. Try {LOST}.")
    n_samples = 1
    while memory.lost(n_samples) > lost:
        n_samples += 1
    return n_samples


def memory_notes(memory: Memory, n_samples: int, *, lost: float = LOST) -> list[str]:
    """Return what is to be known of blocks of `n_samples`: what they lose, if much."""
    notes = []
    if not memory.settles:
        notes.append(
            "responses and predictions still resemble themselves after half of the "
            "shortest run: filter slow drifts, or no block is long enough."
        )
    share = memory.lost(n_samples)
    if share > lost:
        notes.append(
            f"blocks of {n_samples} samples lose {share:.0%} of the null's variance; "
            f"the autocorrelation asks for {block_length(memory, lost=lost)} samples, "
            "or a circular shift. p errs downwards."
        )
    return notes


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
