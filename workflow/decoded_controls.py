"""The cards of what was decoded beside those of what should know nothing of it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..decoding.cards import Pool
from ..decoding.controls import compare_controls, control_roi
from ..decoding.decode import decode
from ..decoding.rows import average_windows
from ..study import Study
from .decoded_rows import ToDecode
from .decoding_choices import decoder_of, pool_of
from .decoding_targets import Target, unit_of

Floats = NDArray[np.floating]


def decode_control(study: Study, rows: ToDecode, target: Target) -> Floats | None:
    """Return what the control ROI alone predicts of the test rows, if one is named.

    By the study's own kind of decoder, with its settings: what is compared is the ROI.
    """
    name = study.decoding.control_roi
    if name is None:
        return None
    done = decode(
        decoder_of(study, (), inside=control_roi(rows.rois, name)),
        target.train,
        target.test,
        n_folds=study.decoding.n_folds,
        unit=unit_of(study, rows),
        shared_clips=True,
    )
    return done.predicted


def control_name(study: Study) -> str:
    """Return how tables call what the control ROI predicts."""
    return f"{study.decoding.control_roi} alone"


def controls_table(
    study: Study,
    target: Target,
    predicted: Floats,
    *,
    control: Floats | None,
    genres: NDArray[np.str_] | None,
) -> pd.DataFrame:
    """Return the cards of the decoder and of the controls, in all pools of `decoding`.

    Parameters
    ----------
    study : Study
    target : Target
    predicted : array of shape (n_test, n_dimensions)
    control : array of shape (n_test, n_dimensions), or None
        Of the control ROI.
    genres : array of str, shape (n_test,), or None
        For identification within each.

    Returns
    -------
    table : DataFrame
        Correlations are those of clips and of windows, as in `decoding`.
    """
    guesses = {"decoder": predicted}
    if control is not None:
        guesses[control_name(study)] = control
    test, varied = target.test, ~target.level_test.rows
    means = {name: average_windows(one, test.clips)[0] for name, one in guesses.items()}
    windows = {name: one[varied] for name, one in guesses.items()}
    truth, _ = average_windows(test.T, test.clips)
    tables = []
    for pool in _pools(study, target, genres):
        by_clip = pool.name.startswith("clips")
        table = compare_controls(
            means if by_clip else windows,
            truth if by_clip else test.T[varied],
            target.train.T,
            pool=pool,
        )
        if pool.groups is not None or pool.which != "all":
            table = table[~table["metric"].str.startswith("correlation")]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _pools(
    study: Study, target: Target, genres: NDArray[np.str_] | None
) -> Iterator[Pool]:
    """Yield the pools of `score_decoding`, but for subsets."""
    test = target.test
    windows = pool_of(study, test)
    _, clips = average_windows(test.T, test.clips)
    whole = replace(windows, clips=clips, name="clips")
    yield whole
    if genres is not None:
        of_clip = dict(zip(test.clips.tolist(), genres.tolist(), strict=True))
        groups = np.array([of_clip[clip] for clip in clips.tolist()])
        yield replace(whole, groups=groups, name="clips, within genre")
    if len(clips) < len(test.clips):
        windows = replace(windows, clips=test.clips[~target.level_test.rows])
        yield replace(windows, name="windows")
        yield replace(windows, which="other clips", name="windows of other clips")
