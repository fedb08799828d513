"""When the music is in the brain: identification by single TR after a clip's onset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..core.checks import Floats, InputError, as_matrix, check_same_samples
from ..core.rows import each_run
from .cards import Pool, card_table, identification_cards
from .chance import clip_permutations, clip_resamples, interval, one_sided_p
from .decode import decode
from .decoders import Decoder
from .folds import Unit
from .identify import similarity
from .ranks import Which, accuracy, candidates, chance_losses, losses
from .rows import Pairs, average_repeats, average_windows


@dataclass(frozen=True, slots=True, eq=False)
class Presented:
    """Whole runs of responses, and the clips that were presented in them.

    Parameters
    ----------
    Y : array of shape (n_samples, n_voxels)
        Responses of one run after the other.
    runs : array of str, shape (n_samples,)
    onset_rows : array of int, shape (n_presentations,)
        Row of `Y` at which each presentation starts.
    clips : array of str, shape (n_presentations,)
    T : array of shape (n_presentations, n_dimensions)
        Target of each presented clip.
    """

    Y: Floats
    runs: NDArray[np.str_]
    onset_rows: NDArray[np.integer]
    clips: NDArray[np.str_]
    T: Floats

    def __post_init__(self) -> None:
        for name in ("Y", "T"):
            object.__setattr__(self, name, as_matrix(getattr(self, name), name))
        for name in ("runs", "clips"):
            object.__setattr__(self, name, np.asarray(getattr(self, name)).astype(str))
        rows = np.asarray(self.onset_rows)
        object.__setattr__(self, "onset_rows", rows)
        check_same_samples(Y=self.Y, runs=self.runs)
        check_same_samples(onset_rows=rows, clips=self.clips, T=self.T)
        whole = np.issubdtype(rows.dtype, np.integer)
        if not whole or rows.min(initial=0) < 0 or rows.max(initial=0) >= len(self.Y):
            raise InputError(
                f"onset_rows must be rows of Y, whole numbers from 0 to "
                f"{len(self.Y) - 1}; got {rows.dtype} from {rows.min(initial=0)} to "
                f"{rows.max(initial=0)}."
            )


def responses_at(presented: Presented, lag: int) -> tuple[Pairs, int]:
    """Return the response `lag` TRs after each onset, and how many have none.

    Parameters
    ----------
    presented : Presented
    lag : int
        In TRs; negative before the onset, where nothing of the clip can be known.

    Returns
    -------
    pairs : Pairs
        Of presentations whose row lies in the same run.
    n_outside : int
        Presentations whose row would lie outside their run: left out, not filled.

    Raises
    ------
    InputError
        If no presentation has such a row.

    Examples
    --------
    >>> Y = np.arange(6.0)[:, None]
    >>> shown = Presented(Y, ["1"] * 3 + ["2"] * 3, [1, 3], ["a", "b"], np.eye(2))
    >>> pairs, n_outside = responses_at(shown, 2)
    >>> pairs.Y.tolist(), n_outside
    ([[5.0]], 1)
    """
    first, last = np.empty(len(presented.Y), int), np.empty(len(presented.Y), int)
    for run in each_run(presented.runs):
        first[run], last[run] = run.start, run.stop - 1
    onsets = presented.onset_rows
    rows = onsets + lag
    inside = (rows >= first[onsets]) & (rows <= last[onsets])
    if not inside.any():
        raise InputError(
            f"no presentation has a sample {lag} TRs after its onset in its run. Use "
            "shorter lags."
        )
    pairs = Pairs(
        presented.Y[rows[inside]],
        presented.T[inside],
        presented.runs[onsets[inside]],
        presented.clips[inside],
    )
    return pairs, int((~inside).sum())


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
        One row per lag: lag, lag_s, n_train and n_outside (presentations, of both, that
        have no such sample) and the fields of the card of identification accuracy.

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
        training, n_out = responses_at(train, lag)
        held, n_out_test = responses_at(test, lag)
        held = average_repeats(held, np.zeros(len(held.Y), int))
        decoded = decode(decoder, training, held, n_folds=n_folds, unit=unit)
        this = replace(pool or Pool(held.clips), clips=held.clips)
        cards = identification_cards(
            decoded.predicted, held.T, this, n_ways=(), tops=()
        )
        facts = {"lag": lag, "lag_s": lag * tr_s, "n_train": len(training.Y)}
        rows.append(card_table(cards[:1], **facts, n_outside=n_out + n_out_test))
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
        One row per window number: window, accuracy, chance, low, high, p, n. low and
        high are the 95% interval by bootstrap over the clips that have the window,
        NaN where one clip has it. p is one-sided, with predictions handed to other
        clips, window by window; see `clip_permutations`.

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
    n = mask.sum(axis=1)
    # won[r, i]: item i scored with the prediction of item r.
    won = accuracy(losses(C, mask), n[None])
    in_time = np.argsort(windows, kind="stable")  # so that the first meets the first
    orders = np.empty((n_permutations, len(windows)), np.intp)
    orders[:, in_time] = in_time[
        clip_permutations(clips[in_time], n_permutations, seed=seed)
    ]
    by_chance = np.array(
        [
            p @ accuracy(np.arange(len(p)), np.full(len(p), k))
            for p, k in zip(chance_losses(target, mask), n, strict=True)
        ]
    )
    rows = []
    for window in np.unique(windows):
        inside = np.flatnonzero(windows == window)
        items, bounds = won[inside, inside], (np.nan, np.nan)
        if len(np.unique(clips[inside])) > 1:
            draws = clip_resamples(clips[inside], n_resamples, seed=seed)
            bounds = interval([items[draw].mean() for draw in draws])
        value = float(items.mean())
        p = one_sided_p(value, won[orders[:, inside], inside].mean(axis=1))
        chance = float(by_chance[inside].mean())
        rows.append((int(window), value, chance, *bounds, p, len(inside)))
    columns = ["window", "accuracy", "chance", "low", "high", "p", "n"]
    return pd.DataFrame(rows, columns=columns)
