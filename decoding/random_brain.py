"""Responses that know nothing of any stimulus, and are like measured ones."""

import numpy as np
from numpy.typing import ArrayLike

from ..core.checks import Floats, InputError, as_matrix
from ..core.rows import each_run

RANDOM_BRAIN = (
    "phases of the test responses drawn anew, run by run, about the mean of all rows"
)


def random_responses(Y: ArrayLike, runs: ArrayLike, *, seed: int) -> Floats:
    """Return responses with the spectra of `Y` in each run, and phases at random.

    Each voxel keeps its mean over all rows and, in each run, its variance and its
    autocorrelation (around the end of the run). Phases are turned by the same in all
    voxels, so covariances of voxels stay, too. When what happened is lost; so is what
    tells the means of runs apart, which would say which run a clip was heard in.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
    runs : array of shape (n_samples,)
        Run of each row, its rows adjacent and in the order of time.
    seed : int

    Returns
    -------
    random : array of shape (n_samples, n_voxels), float64
        In a run of one row, the mean of all rows.

    Raises
    ------
    InputError
        If shapes do not fit, or a run comes in two pieces.

    References
    ----------
    Prichard, D. & Theiler, J. (1994). Generating surrogate data for time series with
    several simultaneously measured variables. Physical Review Letters 73.

    Examples
    --------
    >>> Y = np.random.default_rng(0).standard_normal((40, 3))
    >>> found = random_responses(Y, np.repeat([1, 2], 20), seed=1)
    >>> bool(np.allclose(found[:20].std(axis=0), Y[:20].std(axis=0)))
    True
    """
    Y = as_matrix(Y, "Y").astype(np.float64)
    runs = np.asarray(runs)
    if runs.shape != (len(Y),):
        raise InputError(f"Y has {len(Y)} rows, and runs has shape {runs.shape}.")
    rng, random = np.random.default_rng(seed), np.empty_like(Y)
    mean = Y.mean(axis=0)
    for rows in each_run(runs):
        random[rows] = mean + _turned(Y[rows] - Y[rows].mean(axis=0), rng)
    return random


def _turned(course: Floats, rng: np.random.Generator) -> Floats:
    """Return a course whose frequencies have other phases, the same in all columns."""
    n = len(course)
    spectrum = np.fft.rfft(course, axis=0)
    turns = np.exp(2j * np.pi * rng.random(len(spectrum)))
    if n % 2 == 0:  # the highest frequency is real: it may only change its sign
        turns[-1] = rng.choice([-1.0, 1.0])
    return np.fft.irfft(spectrum * turns[:, None], n, axis=0)
