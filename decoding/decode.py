"""The door of decoding: training rows and test rows, and nothing between them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.checks import Floats, InputError
from ..core.selection import masks_to_score
from ..core.stats import correlation, varies
from .decoders import Decoder, Fitted
from .folds import UNITS, Unit, check_folds, make_folds
from .identify import identification_accuracy
from .rows import Pairs, average_windows, check_apart, take_rows


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


def optimism(decoder: Decoder, train: Pairs, *, n_folds: int = 5) -> pd.DataFrame:
    """Return training scores by held-out runs beside those by held-out clips.

    Clips next to each other in a run share haemodynamics and noise; with one in
    training and one held out, that is decoded too.

    Parameters
    ----------
    decoder : Decoder
    train : Pairs
    n_folds : int

    Returns
    -------
    table : DataFrame
        Columns metric, by_run, by_clip, optimism (by_clip - by_run); metrics
        'correlation per dimension' (means over folds of each fold's correlation, over
        the dimensions that vary in it) and 'identification accuracy' of clips, told
        apart from all clips.

    Raises
    ------
    InputError
        As `held_out_predictions`.
    """
    scores = {}
    for unit in UNITS:
        predicted, folds = held_out_predictions(
            decoder,
            train,
            n_folds=n_folds,
            unit=unit,
        )
        means, _ = average_windows(predicted, train.clips)
        truth, _ = average_windows(train.T, train.clips)
        scores[unit] = {
            "correlation per dimension": _r_of_folds(train.T, predicted, folds),
            "identification accuracy": identification_accuracy(means, truth).mean(),
        }
    by_run, by_clip = scores["run"], scores["clip"]
    rows = [(m, by_run[m], by_clip[m], by_clip[m] - by_run[m]) for m in by_run]
    return pd.DataFrame(rows, columns=["metric", "by_run", "by_clip", "optimism"])


def _r_of_folds(T: Floats, predicted: Floats, folds: NDArray) -> float:
    means = []
    for fold in np.unique(folds):
        truth, guess = T[folds == fold], predicted[folds == fold]
        scored = varies(truth) & varies(guess)
        if not scored.any():
            raise InputError(
                f"no dimension varies in fold {fold}, so it has no correlation. Use "
                "fewer folds."
            )
        means.append(correlation(truth[:, scored], guess[:, scored]).mean())
    return float(np.mean(means))
