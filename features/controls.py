"""Controls: features that know nothing of the sound and must not do well.

They go into a study as feature spaces of their own, beside those that they control:

- `noise_like`: as wide and as slow as a space, and otherwise noise, the same again
  where a clip comes again. It scores above chance where samples or clips leak from
  training into test.
- `clip_position`: when a sample comes in its clip and in its run. It scores where the
  brain answers to onsets, tires or drifts, whatever is played.
- `permute_clips`: the space itself, of another clip. It scores where clips need not
  be told apart.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix
from .resample import check_grid, check_times

Places = Sequence[tuple[str, int] | None]  # a clip and its sample, for each sample
Key = str | int  # the series of a clip, or of a run
POSITIONS = ("time since clip onset (s)", "number of the clip", "time in run (s)")


def noise_like(
    runs: Sequence[Floats], *, seed: int, clips: Sequence[Places] | None = None
) -> list[NDArray[np.float64]]:
    """Return noise as wide, as variable and as slow as a feature space.

    Each column is a first-order autoregressive series with the mean, the variance and
    the lag-1 autocorrelation of its column, taken over all runs. With `clips`, each
    clip has noise of its own, which starts anew with the clip from the stationary
    distribution and comes again whenever the clip does, so that repeats are repeats
    for it as for the space; autocorrelation is that inside presentations. Its draws
    depend on the seed and the clip's id alone. Without, each run starts anew, and its
    draws depend on the seed and its place among the runs. Columns are independent of
    each other.

    Parameters
    ----------
    runs : sequence of array of shape (n_samples_of_run, n_features)
        The feature space to be matched, run by run, one row per sample.
    seed : int
    clips : sequence of sequence of ((str, int) or None), optional
        For each run and sample the clip that is heard and which of its samples this
        is, as `clip_samples` gives; None in no clip, where noise is each run's own.
        None as a whole is for studies without clips.

    Returns
    -------
    noise : list of array of shape (n_samples_of_run, n_features)

    Raises
    ------
    InputError
        If a run has fewer than 2 samples, runs differ in columns, a column never
        varies, or `clips` has not a place for each sample.

    Examples
    --------
    >>> space = [np.random.default_rng(k).standard_normal((50, 3)) for k in range(2)]
    >>> [run.shape for run in noise_like(space, seed=0)]
    [(50, 3), (50, 3)]
    """
    checked = _runs(runs)
    places = _places(checked, clips)
    mean, spread, slowness = _moments(checked, [_follows(each) for each in places])
    lasts: dict[Key, int] = {}
    for key, step in (each for run in places for each in run):
        lasts[key] = max(lasts.get(key, 0), step + 1)
    series = {key: _series(key, n, slowness, seed) for key, n in lasts.items()}
    return [
        mean + spread * np.stack([series[key][step] for key, step in run])
        for run in places
    ]


def clip_samples(
    onset_s: ArrayLike,
    duration_s: ArrayLike,
    clips: Sequence[str],
    *,
    n_samples: int,
    tr_s: float,
    name: str = "events",
) -> list[tuple[str, int] | None]:
    """Return for each sample of a run which clip is heard, and which sample of it.

    A sample belongs to the clip in which its middle lies; it is the k-th if its middle
    comes k to k + 1 TRs after the onset.

    Parameters
    ----------
    onset_s, duration_s : array of shape (n_clips,)
        Of the clips of the run, in the order in which they are played.
    clips : sequence of str, length n_clips
        Which clip is heard.
    n_samples, tr_s : int, float
        Of the run.
    name : str
        What the errors call these events.

    Returns
    -------
    places : list of (clip, sample of the clip) or None
        None where no clip is heard. For `noise_like`.

    Raises
    ------
    InputError
        If clips are out of order or overlap, or there are not as many as onsets.

    Examples
    --------
    >>> clip_samples([0, 4], [4, 2], ["a", "b"], n_samples=4, tr_s=2.0)
    [('a', 0), ('a', 1), ('b', 0), None]
    """
    place, since_s = _clip_of(onset_s, duration_s, n_samples, tr_s, name)
    n_onsets = len(np.asarray(onset_s))
    if len(clips) != n_onsets:
        raise InputError(f"{name}: {n_onsets} onsets but {len(clips)} clips.")
    step = np.floor(since_s / tr_s + 1e-6).astype(int)
    return [
        (str(clips[k]), int(n)) if k >= 0 else None
        for k, n in zip(place, step, strict=True)
    ]


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
    checked = _runs(runs)
    return _moments(checked, [np.ones(len(run) - 1, bool) for run in checked])[2]


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
    place, since_s = _clip_of(onset_s, duration_s, n_samples, tr_s, name)
    held, middle = place >= 0, (np.arange(n_samples) + 0.5) * tr_s
    if not held.all() and outside is None:
        first = int(np.argmin(held))
        raise InputError(
            f"{name}: {int((~held).sum())} of {n_samples} samples are in no clip, the "
            f"first of them {first} (at {middle[first]:g} s). Say with `outside` which "
            "value they get."
        )
    position = np.full((n_samples, 3), np.nan if outside is None else outside)
    position[held, 0] = since_s[held]
    position[held, 1] = place[held]
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


def _clip_of(
    onset_s: ArrayLike, duration_s: ArrayLike, n_samples: int, tr_s: float, name: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each sample's clip by its number, -1 for none, and the time since it."""
    check_grid(n_samples, tr_s)
    onset, duration = check_times(onset_s, duration_s, name)
    if (np.diff(onset) < 0).any() or (onset[1:] < (onset + duration)[:-1] - 1e-3).any():
        raise InputError(
            f"{name}: clips overlap or are out of order. A sample belongs to one clip: "
            "correct the onsets and durations."
        )
    middle = (np.arange(n_samples) + 0.5) * tr_s
    place = np.searchsorted(onset, middle + 1e-6, side="right") - 1
    held = place >= 0
    held[held] = middle[held] + 1e-6 < (onset + duration)[place[held]]
    since_s = np.zeros(n_samples)
    since_s[held] = middle[held] - onset[place[held]]
    return np.where(held, place, -1), since_s


def _places(
    runs: Sequence[Floats], clips: Sequence[Places] | None
) -> list[list[tuple[Key, int]]]:
    """Return for each row of each run which series of noise it takes, and where."""
    n_rows = [len(run) for run in runs]
    if clips is None:
        return [[(k, row) for row in range(n)] for k, n in enumerate(n_rows)]
    if [len(run) for run in clips] != n_rows:
        raise InputError(
            f"clips for runs of {[len(run) for run in clips]} samples, and features "
            f"for runs of {n_rows}. Give each sample its clip, or None."
        )
    return [
        [(k, row) if place is None else place for row, place in enumerate(run)]
        for k, run in enumerate(clips)
    ]


def _follows(places: Sequence[tuple[Key, int]]) -> NDArray[np.bool_]:
    """Return which rows are followed by the next one of the same series."""
    return np.array([b == (a[0], a[1] + 1) for a, b in pairwise(places)], dtype=bool)


def _series(
    key: Key, n_rows: int, slowness: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Return the standard noise of a run (by its place) or of a clip (by its id)."""
    if isinstance(key, str):
        words = np.frombuffer(hashlib.sha256(key.encode()).digest(), dtype="<u4")
        spawn_key = tuple(words.tolist())
    else:
        spawn_key = (key,)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))
    series = rng.standard_normal((n_rows, len(slowness)))
    for k in range(1, n_rows):
        series[k] *= np.sqrt(1 - slowness**2)
        series[k] += slowness * series[k - 1]
    return series


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
    runs: Sequence[Floats], follows: Sequence[NDArray[np.bool_]]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, standard deviation and lag-1 autocorrelation of each column.

    `follows` says for each run which rows count with the one after them.
    """
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
    pairs = list(zip(away, follows, strict=True))
    before = np.concatenate([run[:-1][kept] for run, kept in pairs])
    after = np.concatenate([run[1:][kept] for run, kept in pairs])
    size = np.sqrt((before**2).sum(axis=0) * (after**2).sum(axis=0))
    product = (before * after).sum(axis=0)
    slowness = np.divide(product, size, out=np.zeros_like(size), where=size > 0)
    return mean, rows.std(axis=0), np.clip(slowness, -1, 1)
