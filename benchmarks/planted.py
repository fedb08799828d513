"""Planted data for the benchmarks: music on the real event timing of ds003720.

Features change within a clip and from clip to clip, bands share a part, delays stay
inside runs, and responses are autocorrelated. A share of the voxels responds, with a
planted R2 between 0.005 and 0.3 and band weights from a Dirichlet distribution.
"""

import csv
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

TR_S = 1.5
DELAYS = (2, 3, 4, 5)
HRF = (0.6, 1.0, 0.8, 0.3)  # of the delays
WIDTHS = (128, 128, 1024, 10)  # features of each band
N_RUNS, N_FOLDS = 12, 6
R2_LOW, R2_HIGH = 0.005, 0.3


@dataclass(frozen=True, slots=True)
class Case:
    """What is planted.

    Parameters
    ----------
    n_samples : int
        Training rows: 12 runs, each cut after the same number of samples.
    n_voxels : int
    responsive : float
        Share of the voxels that respond.
    spectrum : float
        Variance of a band's axis k falls as k to this power.
    low_variance : bool
        Whether the signal lies in the half of the axes that hold least variance.
    widths : tuple of int
        Features of each band, before delays.
    delays : tuple of int
    seed : int
    """

    n_samples: int = 4800
    n_voxels: int = 20_000
    responsive: float = 0.2
    spectrum: float = -1.5
    low_variance: bool = False
    widths: tuple[int, ...] = WIDTHS
    delays: tuple[int, ...] = DELAYS
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """Planted data in float32.

    Parameters
    ----------
    X, Y : arrays of shape (n_samples, n_columns) and (n_samples, n_voxels)
    X_test, Y_test : arrays with 600 rows
        Of clips that were never heard in training.
    folds : array of shape (n_samples,)
        12 runs in 6 folds.
    widths : tuple of int
        Columns of each band.
    responsive : array of bool, shape (n_voxels,)
    """

    X: Floats
    Y: Floats
    X_test: Floats
    Y_test: Floats
    folds: NDArray
    widths: tuple[int, ...]
    responsive: NDArray[np.bool_]


def plant(case: Case) -> Planted:
    """Return planted data."""
    rng = np.random.default_rng(case.seed)
    per_run = case.n_samples // N_RUNS
    train = [clips_of("Training", run, per_run) for run in range(1, N_RUNS + 1)]
    test = [clips_of("Test", run, 100) for run in range(1, 7)]
    both = design(rng, [*train, *test], case)
    n = N_RUNS * per_run
    X, X_test = both[:n], both[n:]
    responsive = np.arange(case.n_voxels) < case.responsive * case.n_voxels
    responsive = rng.permutation(responsive)
    Y = noise(rng, len(both), case.n_voxels, per_run)
    weights = planted_weights(rng, int(responsive.sum()), case)
    signal = both @ weights
    signal *= np.sqrt(_r2(rng, signal.shape[1])) / signal.std(axis=0)
    size = np.sqrt(1 - signal.var(axis=0))
    Y[:, responsive] = signal + Y[:, responsive] * size
    folds = np.arange(n) // (per_run * N_RUNS // N_FOLDS)
    widths = tuple(w * len(case.delays) for w in case.widths)
    return Planted(X, Y[:n], X_test, Y[n:], folds, widths, responsive)


def clips_of(task: str, run: int, n_samples: int) -> NDArray:
    """Return, for each sample of a run, the name of the clip that was heard."""
    name = f"data/designs/ds003720/task-{task}_run-{run:02d}_events.tsv"
    text = (files("brain2music") / name).read_text(encoding="utf-8")
    clips = []
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        label = f"{task} {row['genre']} {row['track']} {row['start']}"
        clips += [label] * round(float(row["duration"]) / TR_S)
    return np.array(clips[:n_samples])


def design(rng: np.random.Generator, runs: list[NDArray], case: Case) -> Floats:
    """Return delayed features of all runs, (n_samples, n_columns), in float32."""
    names = np.concatenate(runs)
    starts = np.cumsum([0, *(len(run) for run in runs)])
    shared = _course(rng, names, max(case.widths))
    bands = []
    for width in case.widths:
        own = 0.6 * shared[:, :width] + 0.8 * _course(rng, names, width)
        sd = np.arange(1, width + 1) ** (case.spectrum / 2)
        features = (own * sd / sd.max()).astype(np.float32)
        delayed = [_delay(features, starts, delay) for delay in case.delays]
        bands.append(np.hstack(delayed))
    return np.hstack(bands)


def _course(rng: np.random.Generator, names: NDArray, width: int) -> Floats:
    """Return unit-variance courses: a level per clip, and slow change inside it."""
    clips, which = np.unique(names, return_inverse=True)
    level = rng.standard_normal((len(clips), width))[which]
    change = rng.standard_normal((len(names), width))
    for row in range(1, len(names)):
        if which[row] == which[row - 1]:
            change[row] = 0.7 * change[row - 1] + 0.51**0.5 * change[row]
    return 0.7**0.5 * level + 0.3**0.5 * change


def _delay(features: Floats, starts: NDArray, delay: int) -> Floats:
    out = np.zeros_like(features)
    for start, stop in pairwise(starts):
        out[start + delay : stop] = features[start : stop - delay]
    return out


def planted_weights(rng: np.random.Generator, n_voxels: int, case: Case) -> Floats:
    """Return weights of the columns whose bands' shares come from a Dirichlet."""
    shares = rng.dirichlet(np.full(len(case.widths), 0.7), n_voxels).T
    hrf = np.resize(HRF, len(case.delays))
    rows = []
    for width, share in zip(case.widths, shares, strict=True):
        w = rng.standard_normal((width, n_voxels))
        sd = np.arange(1, width + 1)[:, None] ** (case.spectrum / 2)
        if case.low_variance:
            w[: width // 2] = 0
        size = np.sqrt(((w * sd) ** 2).sum(axis=0))
        w *= np.sqrt(share) / size
        jitter = 1 + 0.2 * rng.standard_normal((len(hrf), n_voxels))
        rows += [w * h * j for h, j in zip(hrf, jitter, strict=True)]
    return np.vstack(rows).astype(np.float32)


def noise(
    rng: np.random.Generator, n_samples: int, n_voxels: int, per_run: int
) -> Floats:
    """Return autocorrelated noise of unit variance, (n_samples, n_voxels)."""
    out = rng.standard_normal((n_samples, n_voxels), dtype=np.float32)
    for row in range(1, n_samples):
        if row % per_run:
            out[row] = 0.4 * out[row - 1] + np.float32(0.84**0.5) * out[row]
    return out


def _r2(rng: np.random.Generator, n: int) -> Floats:
    """Return planted R2, evenly spread on a logarithmic axis."""
    return np.exp(rng.uniform(np.log(R2_LOW), np.log(R2_HIGH), n)).astype(np.float32)
