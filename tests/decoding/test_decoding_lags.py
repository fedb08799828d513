"""Tests of identification by lag and by window."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.cards import Pool
from brain2music.decoding.chance import clip_permutations
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.lags import Presented, lag_curve, responses_at, window_curve
from brain2music.decoding.ranks import chance_p
from brain2music.decoding.rows import Pairs

N_TR, PEAK = 6, 3  # TRs of a clip, and the TR after its onset that holds it


def presented(rng, weights, *, runs, first_clip, n_repeats=1):
    """Return runs of 10 clips, each one of n_repeats times, known at one lag only."""
    Y, onset_runs, onsets, clips, T = [], [], [], [], []
    for k, run in enumerate(runs):
        names = [f"c{first_clip + 10 * k + i}" for i in range(10)]
        targets = rng.standard_normal((10, 4))
        for name, target in list(zip(names, targets, strict=True)) * n_repeats:
            onset_runs.append(run)
            onsets.append(N_TR * onset_runs[:-1].count(run))
            block = rng.standard_normal((N_TR, 12))
            block[PEAK] += 1.5 * target @ weights
            Y.append(block)
            clips.append(name)
            T.append(target)
    labels, n = np.repeat(onset_runs, N_TR), 10 * n_repeats * N_TR
    samples = np.tile(np.arange(n), len(runs))
    return Presented(
        np.concatenate(Y), labels, samples, onset_runs, onsets, clips, np.array(T)
    )


def without(shown, run, *samples):
    """Return what was presented with some volumes of a run cut out."""
    kept = ~((shown.runs == run) & np.isin(shown.samples, samples))
    rest = {name: getattr(shown, name)[kept] for name in ("Y", "runs", "samples")}
    return replace(shown, **rest)


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


def test_repeats_may_have_targets_that_differ(shown):
    # As means over presentations of other lengths: 20 clips twice, one of them thrice.
    train, test = shown
    again = np.r_[np.arange(len(test.clips)), 0]
    T = test.T[again]
    T[10:20] += 1e-16 + 1e-15 * np.abs(T[10:20])
    T[20:30] += 0.25
    block = test.Y[:N_TR]
    more = Presented(
        np.concatenate([test.Y, block + 1]),
        np.r_[test.runs, np.repeat("b3", N_TR)],
        np.r_[test.samples, np.arange(N_TR)],
        np.append(test.onset_runs, "b3"),
        np.r_[test.onsets, 0],
        test.clips[again],
        T,
    )
    assert not (T[:10] == T[10:20]).all()
    found = lag_curve(CortexRidge(), train, more, lags=[PEAK, N_TR], tr_s=1.5)
    fit = Pairs(train.Y[PEAK::N_TR], train.T, train.runs[::N_TR], train.clips)
    names = [f"c{k}" for k in range(40, 60)]
    rows = [np.flatnonzero(more.clips == name) for name in names]
    Y = np.array([more.Y[PEAK::N_TR][r].mean(axis=0) for r in rows])
    target = np.array([T[r].mean(axis=0) for r in rows])
    held = Pairs(Y, target, np.repeat(["b1", "b2"], 10), names)
    predicted = decode(CortexRidge(), fit, held).predicted
    by_hand = identification_accuracy(predicted, target).mean()
    assert_allclose(found["value"][0], by_hand)
    assert found["n"].tolist() == [20, 20]
    # At a lag of a whole clip the last presentation of each run has no sample.
    assert found["n_outside"].tolist() == [0, 4 + 2 + 1]


def test_folds_of_the_curve_may_be_of_clips(shown):
    train, test = shown

    class Spy:
        selections = ()

        def fit(self, Y, T, folds):
            self.folds = folds
            return CortexRidge().fit(Y, T, folds)

    spy = Spy()
    lag_curve(spy, train, test, lags=[PEAK], tr_s=1.5, unit="clip")
    assert_array_equal(spy.folds, np.arange(40) % 5)
    lag_curve(spy, train, test, lags=[PEAK], tr_s=1.5)
    assert_array_equal(spy.folds, np.repeat(np.arange(4), 10))


def test_a_lag_never_reaches_into_the_next_run(shown):
    train, _ = shown
    found = responses_at(train, N_TR + 1)
    assert (found.n_outside, found.n_cut_out) == (4, 0)
    keep = np.arange(40) % 10 != 9
    rows = N_TR * np.arange(40) + N_TR + 1
    assert_array_equal(found.pairs.Y, train.Y[rows[keep]])
    assert_array_equal(found.pairs.clips, train.clips[keep])
    with pytest.raises(InputError, match="no presentation has a sample 60 TRs"):
        responses_at(train, 60)


def test_a_censored_volume_is_left_out_and_never_another_one(shown):
    train, _ = shown
    # Of run a2: a volume, the onset of the next clip, and the end.
    onset, last = 4 * N_TR, 10 * N_TR - 1
    gone = (2 * N_TR + PEAK, onset, last - 1, last)
    cut = without(train, "a2", *gone)
    for lag in range(-1, N_TR + 1):
        found = responses_at(cut, lag)
        rows, clips = [], []
        for k, (run, first) in enumerate(zip(cut.onset_runs, cut.onsets, strict=True)):
            for row in np.flatnonzero((train.runs == run) & (train.samples == first)):
                at = row + lag
                inside = 0 <= first + lag < 10 * N_TR
                if inside and not (run == "a2" and first + lag in gone):
                    rows.append(at)
                    clips.append(cut.clips[k])
        assert_array_equal(found.pairs.Y, train.Y[rows])
        assert_array_equal(found.pairs.clips, clips)
        lost = 40 - len(rows)
        assert found.n_outside + found.n_cut_out == lost
        # A censored end is no more to be told from one that never was.
        outside = {-1: 4, N_TR - 2: 1, N_TR - 1: 1, N_TR: 4}.get(lag, 0)
        assert found.n_outside == outside
    assert responses_at(cut, PEAK).n_cut_out == 1


def test_the_curve_counts_what_was_cut_out_of_both_sides(shown):
    train, test = shown
    cut = without(train, "a1", PEAK), without(test, "b2", PEAK, 10 * N_TR + PEAK)
    found = lag_curve(CortexRidge(), *cut, lags=[PEAK, PEAK + 1], tr_s=1.5)
    assert found["n_cut_out"].tolist() == [3, 0]
    assert found["n_outside"].tolist() == [0, 0]
    assert found["n_train"].tolist() == [39, 40]
    assert found["n"].tolist() == [19, 20]  # one clip lost both of its repeats
    whole = lag_curve(CortexRidge(), *shown, lags=[PEAK + 1], tr_s=1.5)
    assert_allclose(found["value"][1], whole["value"][0])


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
        assert (table["chance"] >= 0.5 - 1e-12).all()
        assert table["n"].tolist() == table["n_clips"].tolist() == [5, 5, 5]
        n_others = {"all": 14, "other clips": 12, "own clip": 2}
        assert set(table["n_candidates"]) == {n_others[which]}


def _n_lost(predicted, target, other, inside):
    """Return how many candidates of other clips do as well as the true ones."""
    C = np.corrcoef(predicted, target)[: len(target), len(target) :]
    own = np.diag(C)[:, None]
    return int(((own <= C) & other)[inside].sum())


def test_windows_have_an_interval_and_p_over_clips(rng):
    n_windows = np.array([2, 3, 3, 4, 2, 3])
    clips = np.repeat(list("abcdef"), n_windows)
    windows = np.concatenate([np.arange(n) for n in n_windows])
    target = rng.standard_normal((17, 6))
    predicted = target + 2 * rng.standard_normal((17, 6))
    mixed = rng.permutation(17)  # rows need not be in the order of the windows
    parts = (predicted[mixed], target[mixed], clips[mixed], windows[mixed])
    table = window_curve(*parts, seed=5, n_permutations=99, n_resamples=300)
    other = clips[:, None] != clips[None]
    place = {(c, w): i for i, (c, w) in enumerate(zip(clips, windows, strict=True))}
    # As in `window_curve`, rows by window, clips inside a window as they came.
    in_time = mixed[np.argsort(windows[mixed], kind="stable")]
    orders = in_time[clip_permutations(clips[in_time], 99, seed=5)]
    for window in range(4):
        inside = np.flatnonzero(windows == window)
        scores = []
        for order in orders:
            source = dict(zip(in_time, order, strict=True))
            for i in inside:
                taken = clips[source[i]]
                n = n_windows["abcdef".index(taken)]
                assert source[i] == place[taken, window % n]
            C = np.corrcoef(predicted[[source[i] for i in inside]], target)
            C = C[: len(inside), len(inside) :]
            own = C[np.arange(len(inside)), inside][:, None]
            won = ((own > C) & other[inside]).sum(axis=1) / other[inside].sum(axis=1)
            scores.append(won.mean())
        n_as_good = (np.array(scores) >= table["accuracy"][window] - 1e-12).sum()
        permuted = np.mean(scores)
        assert_allclose(table["permuted"][window], permuted)
        assert_allclose(table["chance"][window], max(permuted, 0.5))
        expected = [np.full(n + 1, 1 / (n + 1)) for n in other[inside].sum(axis=1)]
        n_lost = _n_lost(predicted, target, other, inside)
        assert_allclose(
            table["p"][window], max((1 + n_as_good) / 100, chance_p(n_lost, expected))
        )
    known = table.iloc[:3]
    assert (known["low"] <= known["accuracy"]).all()
    assert (known["accuracy"] <= known["high"]).all()
    assert (known["low"] < known["high"]).all()
    # One clip has a fourth window.
    assert table.loc[3, ["low", "high"]].isna().all()
    assert table["n"].tolist() == [6, 6, 4, 1]


def test_equal_windows_of_a_clip_cannot_be_told_apart(rng):
    clips, windows = np.repeat(list("abcd"), 2), np.tile([0, 1], 4)
    target = np.repeat(rng.standard_normal((4, 5)), 2, axis=0)
    table = window_curve(target, target, clips, windows, which="own clip")
    assert table["accuracy"].tolist() == table["chance"].tolist() == [0, 0]
    assert table["n_ties"].tolist() == [4, 4]
    assert table["p"].tolist() == [1, 1]


def test_ignorance_is_at_chance_where_windows_differ(rng):
    """First windows are near the mean of all: noise that is near it finds them."""
    n_clips, centre = 12, rng.standard_normal(8)
    clips, windows = np.repeat(np.arange(n_clips), 2), np.tile([0, 1], n_clips)
    found, beyond, p = [], [], []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        spread = np.where(windows == 0, 0.2, 3.0)[:, None]
        target = 3 * centre + spread * draw.standard_normal((2 * n_clips, 8))
        predicted = 3 * centre + draw.standard_normal((2 * n_clips, 8))
        table = window_curve(
            predicted, target, clips, windows, n_permutations=200, n_resamples=2
        )
        found.append(table["accuracy"][0])
        beyond.append((table["accuracy"] - table["chance"]).tolist())
        p.append(table["p"].tolist())
    assert np.mean(found) > 0.6  # by no knowledge of any clip
    assert_allclose(np.mean(beyond, axis=0)[0], 0, atol=0.03)
    assert ((np.array(p) < 0.05).mean(axis=0) <= 0.1).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"onsets": [0.5, 1.0]}, "onsets must be numbers of volumes.*got float64"),
        ({"samples": np.arange(6.0)}, "samples must be .* got float64"),
        ({"onset_runs": ["1", "2"]}, "run '2', of which there is no volume"),
        ({"samples": np.arange(6) % 5}, "the same volume of one run"),
    ],
)
def test_volumes_that_cannot_be_told_are_refused(change, words):
    whole = {
        "Y": np.eye(6),
        "runs": ["1"] * 6,
        "samples": np.arange(6),
        "onset_runs": ["1", "1"],
        "onsets": [0, 3],
        "clips": ["a", "b"],
        "T": np.eye(2),
    }
    Presented(**whole)
    with pytest.raises(InputError, match=words):
        Presented(**whole | change)


def test_a_period_of_nothing_is_refused(shown):
    with pytest.raises(InputError, match="above 0"):
        lag_curve(CortexRidge(), *shown, lags=[1], tr_s=0)
