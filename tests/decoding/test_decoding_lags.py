"""Tests of identification by lag and by window."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.cards import Pool
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.lags import Presented, lag_curve, responses_at, window_curve
from brain2music.decoding.rows import Pairs

N_TR, PEAK = 6, 3  # TRs of a clip, and the TR after its onset that holds it


def presented(rng, weights, *, runs, first_clip, n_repeats=1):
    """Return runs of 10 clips, each one of n_repeats times, known at one lag only."""
    Y, labels, onsets, clips, T = [], [], [], [], []
    for k, run in enumerate(runs):
        names = [f"c{first_clip + 10 * k + i}" for i in range(10)]
        targets = rng.standard_normal((10, 4))
        for name, target in list(zip(names, targets, strict=True)) * n_repeats:
            onsets.append(len(labels))
            block = rng.standard_normal((N_TR, 12))
            block[PEAK] += 1.5 * target @ weights
            Y.append(block)
            labels += [run] * N_TR
            clips.append(name)
            T.append(target)
    return Presented(np.concatenate(Y), labels, onsets, clips, np.array(T))


@pytest.fixture
def shown(rng):
    weights = rng.standard_normal((4, 12))
    train = presented(rng, weights, runs=["a1", "a2", "a3", "a4"], first_clip=0)
    test = presented(rng, weights, runs=["b1", "b2"], first_clip=40, n_repeats=2)
    return train, test


def test_the_curve_has_its_peak_where_the_clip_is(shown):
    train, test = shown
    pool = Pool([], n_permutations=200, n_resamples=100)
    table = lag_curve(
        CortexRidge(), train, test, lags=range(-2, 6), tr_s=1.5, pool=pool
    ).set_index("lag")
    assert table["value"].idxmax() == PEAK
    assert table.loc[PEAK, "value"] > 0.9
    assert table.loc[PEAK, "p"] < 0.01
    others = table.drop(PEAK)["value"]
    assert abs(others.mean() - 0.5) < 0.08
    assert_allclose(table["lag_s"], 1.5 * table.index)
    assert table.loc[PEAK, "n"] == 20
    assert table.loc[0, "n_outside"] == 0
    # Before the onset of a run's first clip there is no sample: 4 + 2 runs.
    assert table.loc[-1, "n_outside"] == 6


def test_one_lag_equals_rows_taken_by_hand(shown):
    train, test = shown
    found = lag_curve(CortexRidge(), train, test, lags=[PEAK], tr_s=1.5)
    fit = Pairs(train.Y[PEAK::N_TR], train.T, train.runs[::N_TR], train.clips)
    Y = test.Y[PEAK::N_TR].reshape(2, 2, 10, 12).mean(axis=1).reshape(20, 12)
    T = test.T.reshape(2, 2, 10, 4)[:, 0].reshape(20, 4)
    held = Pairs(Y, T, np.repeat(["b1", "b2"], 10), [f"c{k}" for k in range(40, 60)])
    predicted = decode(CortexRidge(), fit, held).predicted
    assert_allclose(found["value"], identification_accuracy(predicted, T).mean())


def test_a_lag_never_reaches_into_the_next_run(shown):
    train, _ = shown
    pairs, n_outside = responses_at(train, N_TR + 1)
    assert n_outside == 4
    rows = train.onset_rows + N_TR + 1
    keep = np.arange(40) % 10 != 9
    assert_array_equal(pairs.Y, train.Y[rows[keep]])
    assert_array_equal(pairs.clips, train.clips[keep])
    with pytest.raises(InputError, match="no presentation has a sample 60 TRs"):
        responses_at(train, 60)


def test_windows_equal_the_loops(rng):
    clips, windows = np.repeat(list("abcde"), 3), np.tile([0, 1, 2], 5)
    target = rng.standard_normal((15, 6))
    predicted = target + 2 * rng.standard_normal((15, 6))
    for which in ("all", "other clips", "own clip"):
        table = window_curve(predicted, target, clips, windows, which=which)
        for window in range(3):
            shares = []
            for i in np.flatnonzero(windows == window):
                own = np.corrcoef(predicted[i], target[i])[0, 1]
                won = [
                    own > np.corrcoef(predicted[i], target[j])[0, 1]
                    for j in range(15)
                    if j != i
                    and (
                        which == "all"
                        or (clips[i] == clips[j]) == (which == "own clip")
                    )
                ]
                shares.append(np.mean(won))
            assert_allclose(table["accuracy"][window], np.mean(shares))
        assert_allclose(table["chance"], 0.5)
        assert table["n"].tolist() == [5, 5, 5]


def test_equal_windows_of_a_clip_cannot_be_told_apart(rng):
    clips, windows = np.repeat(list("abcd"), 2), np.tile([0, 1], 4)
    target = np.repeat(rng.standard_normal((4, 5)), 2, axis=0)
    table = window_curve(target, target, clips, windows, which="own clip")
    assert table["accuracy"].tolist() == table["chance"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("rows", "words"),
    [([0, 9], "whole numbers from 0 to 5"), ([0.5, 1], "got float64")],
)
def test_onsets_outside_the_runs_are_refused(rows, words):
    with pytest.raises(InputError, match=words):
        Presented(np.eye(6), ["1"] * 6, rows, ["a", "b"], np.eye(2))


def test_a_period_of_nothing_is_refused(shown):
    with pytest.raises(InputError, match="above 0"):
        lag_curve(CortexRidge(), *shown, lags=[1], tr_s=0)
