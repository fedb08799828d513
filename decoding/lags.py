"""When the music is in the brain: identification by single TR after a clip's onset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix, check_same_samples
from .cards import Pool, card_table, identification_cards
from .chance import clip_permutations
from .decode import decode
from .decoders import Decoder
from .folds import Unit
from .identify import similarity
from .parts import Known, score_part
from .ranks import Which, candidates
from .rows import Pairs, average_repeats, average_windows


@dataclass(frozen=True, slots=True, eq=False)
class Presented:
    """Responses of whole runs, and the clips that were presented in them.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
        Responses, one row per volume.
    runs : array of str, shape (n_samples,)
    samples : array of int, shape (n_samples,)
        Number of each volume in its run. A volume that was cut out, such as a censored
        one, has no row, and the others keep their numbers.
    onset_runs : array of str, shape (n_presentations,)
    onsets : array of int, shape (n_presentations,)
        Number of the volume at which each presentation starts; it may be cut out.
    clips : array of str, shape (n_presentations,)
    T : array of shape (n_presentations, n_dimensions)
        Target of each presented clip.
    """

    Y: Floats
    runs: NDArray[np.str_]
    samples: NDArray[np.integer]
    onset_runs: NDArray[np.str_]
    onsets: NDArray[np.integer]
    clips: NDArray[np.str_]
    T: Floats

    def __post_init__(self) -> None:
        for name in ("Y", "T"):
            object.__setattr__(self, name, as_matrix(getattr(self, name), name))
        for name in ("runs", "onset_runs", "clips"):
            object.__setattr__(self, name, np.asarray(getattr(self, name)).astype(str))
        for name in ("samples", "onsets"):
            numbers = np.asarray(getattr(self, name))
            object.__setattr__(self, name, numbers)
            if not np.issubdtype(numbers.dtype, np.integer):
                raise InputError(
                    f"{name} must be numbers of volumes, counted from the start of "
                    f"their run, whole; got {numbers.dtype}."
                )
        check_same_samples(Y=self.Y, runs=self.runs, samples=self.samples)
        check_same_samples(
            onset_runs=self.onset_runs, onsets=self.onsets, clips=self.clips, T=self.T
        )
        unknown = sorted(set(self.onset_runs.tolist()) - set(self.runs.tolist()))
        if unknown:
            raise InputError(
                f"clips were presented in run {unknown[0]!r}, of which there is no "
                "volume. Give its responses, or leave its clips out."
            )
        if self.volumes.has_duplicates:
            raise InputError(
                "two rows of Y are the same volume of one run. Number the volumes of "
                "each run, and give each run a name of its own."
            )

    @property
    def volumes(self) -> pd.MultiIndex:
        """Run and number of each row of Y."""
        return pd.MultiIndex.from_arrays([self.runs, self.samples])


@dataclass(frozen=True, slots=True, eq=False)
class AtLag:
    """Responses so many TRs after each onset, and how many presentations have none.

    Parameters
    ----------
    pairs : Pairs
        Of the presentations whose volume is there.
    n_outside : int
        Presentations whose volume would lie before the first or beyond the last volume
        of their run: left out, not filled.
    n_cut_out : int
        Those whose volume was cut out from between others: left out as well.
    """

    pairs: Pairs
    n_outside: int
    n_cut_out: int


def responses_at(presented: Presented, lag: int) -> AtLag:
    """Return the response `lag` TRs after each onset, in the same run.

    Parameters
    ----------
    presented : Presented
    lag : int
        In TRs; negative before the onset, where nothing of the clip can be known.

    Returns
    -------
    found : AtLag

    Raises
    ------
    InputError
        If no presentation has such a volume.

    Examples
    --------
    >>> Y, runs = np.arange(5.0)[:, None], ["1", "1", "2", "2", "2"]
    >>> samples = [0, 2, 0, 1, 2]  # volume 1 of run 1 was censored
    >>> shown = Presented(Y, runs, samples, ["1", "2"], [0, 0], ["a", "b"], np.eye(2))
    >>> found = responses_at(shown, 1)
    >>> found.pairs.Y.tolist(), found.n_outside, found.n_cut_out
    ([[3.0]], 0, 1)
    """
    asked = presented.onsets + lag
    wanted = pd.MultiIndex.from_arrays([presented.onset_runs, asked])
    rows = presented.volumes.get_indexer(wanted)
    there = rows >= 0
    if not there.any():
        raise InputError(
            f"no presentation has a sample {lag} TRs after its onset in its run. Use "
            "shorter lags."
        )
    ends = pd.Series(presented.samples).groupby(presented.runs).agg(["min", "max"])
    first, last = ends.loc[pd.Index(presented.onset_runs)].to_numpy().T
    outside = (asked < first) | (asked > last)
    pairs = Pairs(
        presented.Y[rows[there]],
        presented.T[there],
        presented.onset_runs[there],
        presented.clips[there],
    )
    return AtLag(pairs, int(outside.sum()), int((~there & ~outside).sum()))


def lag_curve(
    decoder: Decoder,
    train: Presented,
    test: Presented,
    *,
    lags: Sequence[int],
    tr_s: float,
    pool: Pool | None = None,
    n_folds: int = 5,
    unit: Unit = "run",
) -> pd.DataFrame:
    """Return identification of test clips from one TR, for each lag after the onset.

    A decoder of its own is fitted at each lag. The responses to the repeats of a test
    clip are averaged, and its target is the mean over all its presentations in the
    test, whose targets may differ, such as where a run ended in a clip. The curve
    describes; to choose a lag by its best point, use training runs for both.

    Parameters
    ----------
    decoder : Decoder
    train, test : Presented
        Of different runs and clips.
    lags : sequence of int
        In TRs.
    tr_s : float
        Sampling period, in s.
    pool : Pool, optional
        Its numbers of permutations and resamples, and seed; its clips are replaced by
        the test clips.
    n_folds, unit
        As in `decode`.

    Returns
    -------
    table : DataFrame
        One row per lag: lag, lag_s, n_train, the fields of the card of identification
        accuracy, and n_outside and n_cut_out: presentations, of both sides, that have
        no such volume, as `AtLag` counts them.

    Raises
    ------
    InputError
        As `decode`; if tr_s is not above 0.
    """
    if not tr_s > 0:
        raise InputError(f"tr_s is {tr_s}; give the sampling period in s, above 0.")
    means, names = average_windows(test.T, test.clips)
    place = dict(zip(names.tolist(), range(len(names)), strict=True))
    test = replace(test, T=means[[place[clip] for clip in test.clips.tolist()]])
    rows = []
    for lag in lags:
        sides = responses_at(train, lag), responses_at(test, lag)
        training, held = (side.pairs for side in sides)
        held = average_repeats(held, np.zeros(len(held.Y), int))
        decoded = decode(decoder, training, held, n_folds=n_folds, unit=unit)
        this = replace(pool or Pool(held.clips), clips=held.clips)
        cards = identification_cards(
            decoded.predicted, held.T, this, n_ways=(), tops=()
        )
        facts = {"lag": lag, "lag_s": lag * tr_s, "n_train": len(training.Y)}
        lost = {
            name: sum(getattr(side, name) for side in sides)
            for name in ("n_outside", "n_cut_out")
        }
        rows.append(card_table(cards[:1], **facts, **lost))
    return pd.concat(rows, ignore_index=True)


def window_curve(
    predicted: ArrayLike,
    target: ArrayLike,
    clips: ArrayLike,
    windows: ArrayLike,
    *,
    which: Which = "other clips",
    seed: int = 0,
    n_permutations: int = 1000,
    n_resamples: int = 1000,
) -> pd.DataFrame:
    """Return identification accuracy by the window's place in its clip.

    Parameters
    ----------
    predicted, target : array of shape (n_items, n_dimensions)
    clips : array of shape (n_items,)
    windows : array of int, shape (n_items,)
        Number of the window inside its clip.
    which : 'all', 'other clips' or 'own clip'
        Candidates; 'own clip' asks which moment of the clip it was.
    seed, n_permutations, n_resamples : int

    Returns
    -------
    table : DataFrame
        One row per window number: window, and what `score_part` tells of the items of
        that number. Predictions are handed to other clips window by window; see
        `clip_permutations`.

    Raises
    ------
    InputError
        If shapes do not fit, an item has no candidate, or there is one clip only.
    """
    C, windows, clips = (
        similarity(predicted, target),
        *map(np.asarray, (windows, clips)),
    )
    mask = candidates(clips, which)
    check_same_samples(predicted=C, windows=windows, clips=mask)
    in_time = np.argsort(windows, kind="stable")  # so that the first meets the first
    orders = np.empty((n_permutations, len(windows)), np.intp)
    orders[:, in_time] = in_time[
        clip_permutations(clips[in_time], n_permutations, seed=seed)
    ]
    known = Known.of(clips, target, mask, orders)
    won, rows = known.won(C), []
    for window in np.unique(windows):
        inside = np.flatnonzero(windows == window)
        scored = score_part(known, won, inside, n_resamples=n_resamples, seed=seed)
        rows.append({"window": int(window)} | scored)
    return pd.DataFrame(rows)
