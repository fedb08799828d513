"""What drift does to a noise ceiling where repeats share a run and an order.

If the clips of a run are played in the same order several times, a repeat comes one
cycle after the other (ds003720: 150 s). A drift that comes round with that period looks
like a response to the clips, and counts as signal.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import irfft, rfft, rfftfreq

from ..core.checks import Floats, InputError, as_matrix, check_same_samples
from ..core.rows import each_run
from ..core.stats import varies
from .noise_ceiling import explainable_variance, largest_r

N_VOXELS_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Drift:
    """A slow noise, by its spectrum: power in proportion to frequency^-exponent.

    Parameters
    ----------
    share : float
        Of a single response's variance, between 0 and 1; the rest is white.
    slowest_s, fastest_s : float
        Periods between which it has power, in s. What slow waves a filter takes out
        are not in it: a 240-s window leaves periods up to about 240 s.
    exponent : float
        0 for equal power, 1 for pink noise, 2 for Brownian.
    """

    share: float
    slowest_s: float
    fastest_s: float
    exponent: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and 0 < self.fastest_s < self.slowest_s):
            raise InputError(
                f"a drift of share {self.share:g} with periods from {self.fastest_s:g} "
                f"to {self.slowest_s:g} s: the share must lie between 0 and 1, and "
                "slowest_s be longer than fastest_s."
            )

    def __str__(self) -> str:
        return (
            f"drift of {self.share:.0%} of the variance, periods {self.fastest_s:g} to "
            f"{self.slowest_s:g} s, power ~ f^-{self.exponent:g}"
        )


@dataclass(frozen=True, slots=True)
class DriftCeiling:
    """The ceiling that drift alone gives, with no response to any clip.

    Parameters
    ----------
    explainable_variance : float
        Mean over simulated voxels.
    standard_error : float
        Of that mean.
    largest_r : float
        NaN if the explainable variance is below 0: drift then gives no ceiling.
    text : str
        What was planted, and what came of it.
    """

    explainable_variance: float
    standard_error: float
    largest_r: float
    text: str


def planted_drift_ceiling(
    drift: Drift,
    *,
    tr_s: float,
    n_runs: int,
    n_repeats: int,
    n_samples: int,
    n_averaged: int,
    n_voxels: int = 500,
    seed: int = 0,
) -> DriftCeiling:
    """Simulate runs of drift and white noise alone, and take their noise ceiling.

    Each run's mean is taken out, as cleaning does, before its cycles are read as
    repeats.

    Parameters
    ----------
    drift : Drift
    tr_s : float
        Sampling period, in s.
    n_runs : int
    n_repeats : int
        How often a run's clips are played, one cycle after the other.
    n_samples : int
        Samples (TRs) of one cycle.
    n_averaged : int
        How many repeats were averaged into what is scored; 1 for single repeats.
    n_voxels : int
        Simulated voxels, all independent.
    seed : int

    Returns
    -------
    ceiling : DriftCeiling
    """
    n_cycle = n_repeats * n_samples
    if drift.slowest_s > 8 * n_cycle * tr_s or drift.fastest_s < 2 * tr_s:
        raise InputError(
            f"a run lasts {n_cycle * tr_s:g} s and a sample {tr_s:g} s: periods can be "
            f"{2 * tr_s:g} to {8 * n_cycle * tr_s:g} s, not {drift.fastest_s:g} to "
            f"{drift.slowest_s:g}. Change slowest_s or fastest_s."
        )
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(n_runs):
        Y = np.sqrt(drift.share) * draw_drift(
            drift, rng, tr_s=tr_s, n_samples=n_cycle, n_voxels=n_voxels
        )
        Y += np.sqrt(1 - drift.share) * rng.standard_normal(Y.shape)
        Y -= Y.mean(axis=0)
        runs.append(Y.reshape(n_repeats, n_samples, n_voxels))
    shares = explainable_variance(np.concatenate(runs, axis=1))
    mean, error = float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(n_voxels))
    r = float(largest_r(np.array([mean]), n_averaged)[0])
    reach = "no ceiling above 0" if np.isnan(r) else f"a largest r of {r:.2f}"
    text = (
        f"{drift}, in {n_runs} runs of {n_repeats} cycles of {n_samples * tr_s:g} s, "
        f"alone gives an explainable variance of {mean:.3f} and {reach}."
    )
    return DriftCeiling(mean, error, r, text)


def draw_drift(
    drift: Drift,
    rng: np.random.Generator,
    *,
    tr_s: float,
    n_samples: int,
    n_voxels: int,
) -> Floats:
    """Draw drift of variance 1 on average: a stretch of a series eight times as long.

    Returns
    -------
    series : array of shape (n_samples, n_voxels)
    """
    n_long = 8 * n_samples
    power = _power(drift, n_long, tr_s)
    parts = rng.standard_normal((2, len(power), n_voxels))
    waves = (parts[0] + 1j * parts[1]) * np.sqrt(power / power.sum())[:, None]
    return irfft(waves, n=n_long, axis=0)[:n_samples] * n_long / 2


def drift_in_ceiling(Y: ArrayLike, runs: ArrayLike, n_repeats: int) -> Floats:
    """Estimate how much of each voxel's explainable variance is drift, from its runs.

    What repeats with every cycle has power at the cycle's harmonics only. Noise has
    about as much there as in the frequencies next to them, on both sides; the
    explainable variance takes it to have as much as in all other frequencies, on
    average. The difference is counted as signal, and is none. Where a filter cuts
    between the cycle's frequency and its neighbours, they do not tell of each other.

    Parameters
    ----------
    Y : array of shape (n_rows, n_voxels)
        Cleaned responses before repeats are averaged, in the order of time.
    runs : array, shape (n_rows,)
        Run of each row; every run holds `n_repeats` cycles of the same clips.
    n_repeats : int

    Returns
    -------
    share : array of shape (n_voxels,)
        Share of the variance; negative where drift hides signal. To be taken from the
        explainable variance. NaN where a voxel never varies.

    Raises
    ------
    InputError
        If a run is not a whole number of cycles.
    """
    powers, used = _cycle_power(Y, runs, n_repeats)
    return _drift_shares(powers.sum(axis=0, keepdims=True), used, n_repeats)[0]


def jackknife_drift(Y: ArrayLike, runs: ArrayLike, n_repeats: int) -> Floats:
    """Return the drift of `drift_in_ceiling` without each run in turn.

    Parameters
    ----------
    Y : array of shape (n_rows, n_voxels)
    runs : array, shape (n_rows,)
    n_repeats : int

    Returns
    -------
    shares : array of shape (n_runs, n_voxels)
        Give them, or their mean over a ROI's voxels, to `jackknife_error`.

    Raises
    ------
    InputError
        If there is one run, or a run is not a whole number of cycles.
    """
    powers, used = _cycle_power(Y, runs, n_repeats)
    if len(powers) < 2:
        raise InputError(
            f"{len(powers)} run has no error to tell: leave each of 2 runs or more "
            "out in turn."
        )
    return _drift_shares(powers.sum(axis=0) - powers, used, n_repeats)


def _cycle_power(
    Y: ArrayLike, runs: ArrayLike, n_repeats: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return each run's power, (n_runs, 3, n_voxels) as `_run_power` has it.

    And which voxels vary.
    """
    Y = as_matrix(Y, "Y")
    check_same_samples(Y=Y, runs=np.asarray(runs))
    slices = list(each_run(runs))
    lengths = {rows.stop - rows.start for rows in slices}
    if n_repeats < 2 or any(n % n_repeats or n // n_repeats < 2 for n in lengths):
        raise InputError(
            f"runs of {', '.join(map(str, sorted(lengths)))} samples do not hold "
            f"{n_repeats} cycles of 2 samples or more. Drop lead-in samples, and give "
            "the number of times that a run's clips are played (2 or more)."
        )
    powers = np.zeros((len(slices), 3, Y.shape[1]))
    used = varies(Y)
    for start in range(0, Y.shape[1], N_VOXELS_BATCH):
        batch = slice(start, start + N_VOXELS_BATCH)
        for number, rows in enumerate(slices):
            powers[number, :, batch] = _run_power(Y[rows, batch], n_repeats)
    return powers, used


def _drift_shares(powers: Floats, used: NDArray[np.bool_], n_repeats: int) -> Floats:
    """Return drift in each sum of runs, (n_sums, n_voxels); NaN where none varies."""
    beside, others, total = np.moveaxis(powers, 1, 0)
    drift = beside - others / (n_repeats - 1)
    out = np.full(drift.shape, np.nan)
    return np.divide(drift, total, out=out, where=used & (total > 0))


def _run_power(Y: NDArray, n_repeats: int) -> Floats:
    """Return one run's power: expected at the harmonics, at the others, and in all."""
    power = np.abs(rfft(Y - Y.mean(axis=0, dtype=np.float64), axis=0)) ** 2
    # Each frequency stands for itself and its negative, but for 0 and the last.
    twice = np.full(len(power), 2.0)
    twice[0] = 1.0
    if len(Y) % 2 == 0:
        twice[-1] = 1.0
    number = np.arange(len(power))
    harmonic = (number % n_repeats == 0) & (number > 0)
    other = (number % n_repeats != 0)[:, None] * power
    below = np.flatnonzero(harmonic) - 1
    # The last harmonic may have no neighbour above it.
    above = np.minimum(below + 2, len(power) - 1)
    above = np.where(above % n_repeats == 0, below, above)
    beside = (other[below] + other[above]) / 2
    return np.stack(
        [twice[harmonic] @ beside, twice @ other, twice @ power],
    )


def _power(drift: Drift, n_samples: int, tr_s: float) -> Floats:
    """Return the power at each frequency of a series of `n_samples`."""
    hz = rfftfreq(n_samples, tr_s)
    inside = (hz >= 1 / drift.slowest_s) & (hz <= 1 / drift.fastest_s)
    if not inside.any():
        raise InputError(
            f"no frequency lies between periods of {drift.fastest_s:g} and "
            f"{drift.slowest_s:g} s in a series of {n_samples * tr_s:g} s. Widen them."
        )
    return np.where(inside, np.where(hz > 0, hz, 1.0) ** -drift.exponent, 0.0)
