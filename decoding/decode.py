"""The door of decoding: training rows and test rows, and nothing between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import Floats, InputError
from ..core.selection import masks_to_score
from ..core.stats import varies
from .decoders import Decoder, Fitted
from .folds import UNITS, Unit, check_folds, make_folds
from .identify import identification_accuracy
from .rows import Pairs, average_windows, check_apart, take_rows

ROUNDING = 1e-9  # of a sum of squares, below which nothing varies


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Predictions of test rows, and the decoder that made them.

    Parameters
    ----------
    predicted : array of shape (n_test, n_dimensions)
    test : Pairs
    decoder : Fitted
    """

    predicted: Floats
    test: Pairs
    decoder: Fitted


def decode(
    decoder: Decoder,
    train: Pairs,
    test: Pairs,
    *,
    n_folds: int = 5,
    unit: Unit = "run",
    shared_clips: bool = False,
) -> Decoded:
    """Fit a decoder on training rows and predict the test rows.

    Parameters
    ----------
    decoder : Decoder
        Such as `RoiRidge`, `CortexRidge` or `Contrastive`.
    train, test : Pairs
        Of different runs, and of different clips.
    n_folds : int
        Folds inside training, on which the decoder chooses.
    unit : 'run' or 'clip'
        What is kept together in a fold. 'clip' is the paper's way; see `optimism`.
    shared_clips : bool
        Whether a clip may be on both sides, as where another condition is tested.

    Returns
    -------
    decoded : Decoded

    Raises
    ------
    InputError
        If training and test share a run or a clip, or voxels or ROIs were chosen on
        responses of test runs.
    """
    check_apart(train, test, shared_clips=shared_clips)
    masks_to_score(decoder.selections, test.run_names)
    folds = make_folds(train, n_folds=n_folds, unit=unit)
    if unit == "run":
        check_folds(folds, train.runs)
    fitted = decoder.fit(train.Y, train.T, folds)
    return Decoded(fitted.predict(test.Y), test, fitted)


def held_out_predictions(
    decoder: Decoder, train: Pairs, *, n_folds: int = 5, unit: Unit = "run"
) -> tuple[Floats, NDArray[np.intp]]:
    """Return predictions of training rows by decoders that never saw their fold.

    Everything is chosen again without the fold: penalties, ROIs, voxels, epochs.

    Parameters
    ----------
    decoder : Decoder
    train : Pairs
        With at least 3 runs (or clips): one is held out, and the rest has folds.
    n_folds, unit
        As in `decode`.

    Returns
    -------
    predicted : array of shape (n_samples, n_dimensions)
    folds : array of int, shape (n_samples,)

    Raises
    ------
    InputError
        If a selection was made from the training runs, or there are too few.
    """
    masks_to_score(decoder.selections, train.run_names)
    folds = make_folds(train, n_folds=n_folds, unit=unit)
    predicted = np.empty(train.T.shape)
    for fold in np.unique(folds):
        rest = take_rows(train, folds != fold)
        inner = make_folds(rest, n_folds=n_folds, unit=unit)
        fitted = decoder.fit(rest.Y, rest.T, inner)
        predicted[folds == fold] = fitted.predict(train.Y[folds == fold])
    return predicted, folds


def optimism(
    decoder: Decoder,
    train: Pairs,
    *,
    n_folds: int = 5,
    level: Sequence[str] = (),
    n_resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return training scores by held-out runs beside those by held-out clips.

    Clips next to each other in a run share haemodynamics and noise; with one in
    training and one held out, that is decoded too.

    Parameters
    ----------
    decoder : Decoder
    train : Pairs
    n_folds : int
    level : sequence of str
        Clips whose target is one value in all dimensions: they are not identified.
    n_resamples, seed : int
        Of the interval.

    Returns
    -------
    table : DataFrame
        Columns metric, by_run, by_clip, optimism (by_clip - by_run), low and high
        (the 95% interval of optimism, by bootstrap over clips, the same in both);
        metrics 'correlation per dimension' (means over folds of each fold's
        correlation, over the dimensions that vary in it) and 'identification accuracy'
        of clips, told apart from all clips.

    Raises
    ------
    InputError
        As `held_out_predictions`, or if fewer than two clips can be told apart.
    """
    names, of_row = np.unique(train.clips, return_inverse=True)
    told = ~np.isin(names, list(level))
    if told.sum() < 2:
        raise InputError(
            f"{int(told.sum())} of {len(names)} training clips have a target that is "
            "not one value in all dimensions, and 2 are needed to tell them apart."
        )
    counts = _clip_counts(len(names), n_resamples, seed)
    scores, again = {}, {}
    for unit in UNITS:
        predicted, folds = held_out_predictions(
            decoder,
            train,
            n_folds=n_folds,
            unit=unit,
        )
        r = _RByFold(train.T, predicted, folds, of_row)
        kept = told[of_row]
        means, clips = average_windows(predicted[kept], train.clips[kept])
        truth, _ = average_windows(train.T[kept], train.clips[kept])
        won = np.zeros(len(names))
        won[np.searchsorted(names, clips)] = identification_accuracy(means, truth)
        scores[unit] = [
            float(r.of(np.ones((1, len(names))))[0]),
            float(won[told].mean()),
        ]
        again[unit] = [r.of(counts), (counts @ won) / (counts @ told)]
    rows = []
    metrics = ("correlation per dimension", "identification accuracy")
    for k, metric in enumerate(metrics):
        by_run, by_clip = scores["run"][k], scores["clip"][k]
        low, high = np.nanquantile(again["clip"][k] - again["run"][k], [0.025, 0.975])
        rows.append((metric, by_run, by_clip, by_clip - by_run, low, high))
    columns = ["metric", "by_run", "by_clip", "optimism", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _clip_counts(n_clips: int, n_resamples: int, seed: int) -> Floats:
    """Return how often each clip is drawn in each resample."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_clips, np.full(n_clips, 1 / n_clips), n_resamples) * 1.0


class _RByFold:
    """The mean over folds of the correlation in each, with clips counted any times."""

    def __init__(
        self, T: Floats, predicted: Floats, folds: NDArray, of_row: NDArray
    ) -> None:
        self.sums: list[Floats] = []
        n_clips = int(of_row.max()) + 1
        for fold in np.unique(folds):
            inside = folds == fold
            truth, guess = T[inside], predicted[inside]
            scored = varies(truth) & varies(guess)
            if not scored.any():
                raise InputError(
                    f"no dimension varies in fold {fold}, so it has no correlation. "
                    "Use fewer folds."
                )
            a, b = (
                (one[:, scored] - one[:, scored].mean(axis=0)).astype(np.float64)
                for one in (truth, guess)
            )
            parts = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b])
            sums = np.zeros((n_clips, *parts.swapaxes(0, 1).shape[1:]))
            np.add.at(sums, of_row[inside], parts.swapaxes(0, 1))
            self.sums.append(sums)

    def of(self, counts: Floats) -> Floats:
        """Return the score of each row of `counts`; NaN where a fold has no clip.

        A dimension that does not vary in what was drawn of a fold is left out there.
        """
        means = []
        for sums in self.sums:
            total = np.einsum("rc,cpd->prd", counts, sums, optimize=True)
            with np.errstate(divide="ignore", invalid="ignore"):
                n, a, b, aa, bb, ab = total
                spread_a, spread_b = aa - a * a / n, bb - b * b / n
                varied = (spread_a > ROUNDING * aa) & (spread_b > ROUNDING * bb)
                r = (ab - a * b / n) / np.sqrt(spread_a * spread_b)
                means.append(np.where(varied, r, 0).sum(axis=1) / varied.sum(axis=1))
        return np.mean(means, axis=0)
