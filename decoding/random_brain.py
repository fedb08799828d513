"""Responses that know nothing of any stimulus, and are like measured ones."""

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from ..core.rows import each_run

RANDOM_BRAIN = (
    "Gaussian, with the mean of the test responses and their covariance over voxels "
    "and time, drawn for each clip by itself"
)


def random_responses(
    Y: ArrayLike, runs: ArrayLike, clips: ArrayLike, *, seed: int, name: str = ""
) -> Floats:
    """Return Gaussian responses with the course and covariance of `Y`, clip by clip.

    The responses to a clip are a random mixture of `Y` at all of its moments, which
    goes on in time as `Y` does: row t of the clip mixes what came t rows after each
    moment, around the end of its run. So voxels go together as they did, and rows that
    follow each other are as alike, while two clips have nothing in common. Nothing says
    which clip it is, or which run it was heard in.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
    runs : array of shape (n_samples,)
        Run of each row, its rows adjacent and in the order of time.
    clips : array of shape (n_samples,)
        Clip of each row; rows of one clip are taken in their order.
    seed : int
    name : str
        Whose responses they are: others have other draws by the same seed.

    Returns
    -------
    random : array of shape (n_samples, n_voxels)
        Of the precision of `Y`.

    Raises
    ------
    InputError
        If shapes do not fit, or a run comes in two pieces.

    Examples
    --------
    >>> Y = np.random.default_rng(0).standard_normal((40, 3))
    >>> runs, clips = np.repeat([1, 2], 20), np.repeat(["a", "b", "c", "d"], 10)
    >>> random_responses(Y, runs, clips, seed=1).shape
    (40, 3)
    """
    Y = as_matrix(Y, "Y")
    runs, clips = np.asarray(runs), np.asarray(clips).astype(str)
    for given, what in ((runs, "runs"), (clips, "clips")):
        if given.shape != (len(Y),):
            raise InputError(f"Y has {len(Y)} rows, and {what} has {given.shape}.")
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    mean = Y.mean(axis=0, dtype=np.float64)
    mixed = _mixture(runs, clips, rng).astype(Y.dtype) @ (Y - mean.astype(Y.dtype))
    mixed += mean.astype(Y.dtype)
    return np.asarray(mixed)


def _mixture(runs: NDArray, clips: NDArray, rng: np.random.Generator) -> Floats:
    """Return how much of each row there is in each random row."""
    n = len(runs)
    places = [np.arange(rows.start, rows.stop) for rows in each_run(runs)]
    mixture = np.empty((n, n))
    for clip in dict.fromkeys(clips.tolist()):
        inside = np.flatnonzero(clips == clip)
        shares = rng.standard_normal(n) / np.sqrt(n)
        for t, row in enumerate(inside):
            for run in places:
                mixture[row, run] = np.roll(shares[run], t)
    return mixture
