"""Controls: features that know nothing of the sound and must not do well.

They go into a study as feature spaces of their own, beside those that they control:

- `noise_like`: as wide and as slow as a space, and otherwise noise. It scores above
  chance where neighbouring samples leak from training into test.
- `clip_position`: when a sample comes in its clip and in its run. It scores where the
  brain answers to onsets, tires or drifts, whatever is played.
- `permute_clips`: the space itself, of another clip. It scores where clips need not
  be told apart.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from .resample import check_grid, check_times

POSITIONS = ("time since clip onset (s)", "number of the clip", "time in run (s)")


def noise_like(runs: Sequence[Floats], *, seed: int) -> list[NDArray[np.float64]]:
    """Return noise as wide, as variable and as slow as a feature space.

    Each column is a first-order autoregressive series with the mean, the variance and
    the lag-1 autocorrelation of its column, taken over all runs, inside runs. Each
    run starts anew from the stationary distribution, and its draws depend on the
    seed and its place among the runs alone. Columns are independent of each other.

    Parameters
    ----------
    runs : sequence of array of shape (n_samples_of_run, n_features)
        The feature space to be matched, run by run, one row per sample.
    seed : int

    Returns
    -------
    noise : list of array of shape (n_samples_of_run, n_features)

    Raises
    ------
    InputError
        If a run has fewer than 2 samples, runs differ in columns, or a column never
        varies.

    Examples
    --------
    >>> space = [np.random.default_rng(k).standard_normal((50, 3)) for k in range(2)]
    >>> [run.shape for run in noise_like(space, seed=0)]
    [(50, 3), (50, 3)]
    """
    checked = _runs(runs)
    mean, spread, slowness = _moments(checked)
    noise = []
    for place, run in enumerate(checked):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(place,)))
        fresh = rng.standard_normal(run.shape)
        series = fresh.copy()
        for k in range(1, len(series)):
            series[k] *= np.sqrt(1 - slowness**2)
            series[k] += slowness * series[k - 1]
        noise.append(mean + spread * series)
    return noise


def autocorrelation(runs: Sequence[Floats]) -> NDArray[np.float64]:
    """Return each column's lag-1 autocorrelation, taken inside runs.

    sum(d[k] d[k + 1]) / sqrt(sum(d[k]^2) sum(d[k + 1]^2)) over all pairs of
    neighbours in all runs, with d the distance from the mean over all samples.

    Parameters
    ----------
    runs : sequence of array of shape (n_samples_of_run, n_features)

    Returns
    -------
    slowness : array of shape (n_features,)
        From -1 to 1.
    """
    return _moments(_runs(runs))[2]


def clip_position(
    onset_s: ArrayLike,
    duration_s: ArrayLike,
    *,
    n_samples: int,
    tr_s: float,
    outside: float | None = None,
    name: str = "events",
) -> NDArray[np.float64]:
    """Return when each sample comes: in its clip, among the clips, in its run.

    A sample belongs to the clip in which its middle lies, and its times are those of
    its middle.

    Parameters
    ----------
    onset_s, duration_s : array of shape (n_clips,)
        Of the clips of one run, in seconds from the start of the first sample, in the
        order in which they are played.
    n_samples, tr_s : int, float
        Of the run.
    outside : float, optional
        What stands for the first two columns where no clip is played. None refuses
        such samples.
    name : str
        What the errors call these events.

    Returns
    -------
    position : array of shape (n_samples, 3)
        Seconds since the clip's onset, number of the clip (0, 1, ...), seconds since
        the start of the run: `POSITIONS`.

    Raises
    ------
    InputError
        If clips are out of order or overlap, or a sample is in no clip and `outside`
        is None.

    Examples
    --------
    >>> clip_position([0, 4], [4, 4], n_samples=4, tr_s=2.0)[:, 0]
    array([1., 3., 1., 3.])
    """
    check_grid(n_samples, tr_s)
    onset, duration = check_times(onset_s, duration_s, name)
    if (np.diff(onset) < 0).any() or (onset[1:] < (onset + duration)[:-1] - 1e-3).any():
        raise InputError(
            f"{name}: clips overlap or are out of order. A sample belongs to one clip: "
            "correct the onsets and durations."
        )
    middle = (np.arange(n_samples) + 0.5) * tr_s
    clip = np.searchsorted(onset, middle + 1e-6, side="right") - 1
    held = clip >= 0
    held[held] = middle[held] + 1e-6 < (onset + duration)[clip[held]]
    if not held.all() and outside is None:
        first = int(np.argmin(held))
        raise InputError(
            f"{name}: {int((~held).sum())} of {n_samples} samples are in no clip, the "
            f"first of them {first} (at {middle[first]:g} s). Say with `outside` which "
            "value they get."
        )
    position = np.full((n_samples, 3), np.nan if outside is None else outside)
    position[held, 0] = middle[held] - onset[clip[held]]
    position[held, 1] = clip[held]
    position[:, 2] = middle
    return position


def permute_clips(groups: Mapping[str, str], *, seed: int) -> dict[str, str]:
    """Return for each clip another clip of its group, whose features it takes.

    The clips of a group change places in one random round: none keeps its own, each
    is taken once, and all presentations of a clip get the same other one.

    Parameters
    ----------
    groups : mapping of clip to the name of its group
        Such as 'train' and 'test': nothing moves from one group to another.
    seed : int

    Returns
    -------
    taken : dict of clip to clip
        In the order of `groups`. It does not depend on that order.

    Raises
    ------
    InputError
        If a group has a single clip.

    Examples
    --------
    >>> permute_clips({"a": "test", "b": "test"}, seed=0)
    {'a': 'b', 'b': 'a'}
    """
    taken: dict[str, str] = {}
    for place, group in enumerate(sorted(set(groups.values()))):
        clips = sorted(clip for clip, its in groups.items() if its == group)
        if len(clips) < 2:
            raise InputError(
                f"group {group!r} has the single clip {clips[0]!r}, which can change "
                "places with none. Leave it out, or join two groups."
            )
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(place,)))
        around = rng.permutation(clips).tolist()
        taken |= dict(zip(around, [*around[1:], around[0]], strict=True))
    return {clip: taken[clip] for clip in groups}


def _runs(runs: Sequence[Floats]) -> list[Floats]:
    checked = [as_matrix(run, f"run {k}") for k, run in enumerate(runs)]
    widths = sorted({run.shape[1] for run in checked})
    if len(widths) != 1 or min(len(run) for run in checked) < 2:
        raise InputError(
            f"{len(checked)} runs of {widths} columns, the shortest of "
            f"{min((len(run) for run in checked), default=0)} samples. Give runs of "
            "one feature space, of 2 samples at least."
        )
    return checked


def _moments(
    runs: Sequence[Floats],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, standard deviation and lag-1 autocorrelation of each column."""
    rows = np.concatenate(runs).astype(np.float64)
    constant = ~(rows[:1] != rows).any(axis=0)
    if constant.any():
        raise InputError(
            f"{int(constant.sum())} of {rows.shape[1]} columns never vary, the first "
            f"of them {int(constant.argmax())}: noise cannot be as slow as they are. "
            "Leave them out."
        )
    mean = rows.mean(axis=0)
    away = [run - mean for run in runs]
    before = np.concatenate([run[:-1] for run in away])
    after = np.concatenate([run[1:] for run in away])
    size = np.sqrt((before**2).sum(axis=0) * (after**2).sum(axis=0))
    product = (before * after).sum(axis=0)
    slowness = np.divide(product, size, out=np.zeros_like(size), where=size > 0)
    return mean, rows.std(axis=0), np.clip(slowness, -1, 1)
