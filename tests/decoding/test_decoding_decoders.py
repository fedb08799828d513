"""Tests of ridge decoders and of the door that they go through."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from brain2music.core.checks import InputError
from brain2music.core.selection import Selection
from brain2music.core.stats import correlation
from brain2music.decoding.decode import decode, held_out_predictions, optimism
from brain2music.decoding.decoders import CortexRidge, RoiRidge, held_out_r
from brain2music.decoding.folds import make_folds
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.rows import Pairs, average_windows
from brain2music.decoding.voxels import best_voxels

ALPHAS = (1.0, 30.0, 1000.0)


def roi(name, start, stop, n_voxels=30, **facts):
    mask = np.zeros(n_voxels, bool)
    mask[start:stop] = True
    return Selection(name, mask, "atlas", **facts)


ROIS = (roi("V1", 20, 30), roi("A1", 0, 7), roi("A4", 5, 12), roi("M1", 12, 21))


def by_hand(train, test, columns, folds):
    """Return predictions, penalties and held-out r by scikit-learn, one by one."""
    X = train.Y[:, columns]
    mean, sd = X.mean(axis=0), X.std(axis=0)
    X, X_test = (X - mean) / sd, (test.Y[:, columns] - mean) / sd
    predicted, alphas = [], []
    for t in train.T.T:
        loss = []
        for alpha in ALPHAS:
            errors = []
            for fold in np.unique(folds):
                inside, held = folds != fold, folds == fold
                model = Ridge(alpha).fit(X[inside], t[inside])
                errors.append(((model.predict(X[held]) - t[held]) ** 2).mean())
            loss.append(np.mean(errors))
        alphas.append(ALPHAS[int(np.argmin(loss))])
        predicted.append(Ridge(alphas[-1]).fit(X, t).predict(X_test))
    return np.transpose(predicted), np.array(alphas)


def test_cortex_ridge_equals_scikit_learn(study):
    train, test = study
    folds = make_folds(train, n_folds=3)
    decoded = decode(CortexRidge(ALPHAS), train, test, n_folds=3)
    predicted, alphas = by_hand(train, test, np.arange(30), folds)
    assert_array_equal(decoded.decoder.alphas, alphas)
    assert_allclose(decoded.predicted, predicted)


def test_more_voxels_than_samples_are_solved_alike(study, rng):
    train, test = study
    more = rng.standard_normal((128, 90))
    wide = Pairs(np.hstack([train.Y, more[:96]]), train.T, train.runs, train.clips)
    held = Pairs(np.hstack([test.Y, more[96:]]), test.T, test.runs, test.clips)
    folds = make_folds(wide, n_folds=3)
    predicted, _ = by_hand(wide, held, np.arange(120), folds)
    assert_allclose(
        decode(CortexRidge(ALPHAS), wide, held, n_folds=3).predicted, predicted
    )


def test_the_best_rois_are_averaged(study):
    train, test = study
    folds = make_folds(train, n_folds=3)
    decoded = decode(RoiRidge(ROIS, 2, ALPHAS), train, test, n_folds=3)
    assert set(decoded.decoder.names) == {"A1", "A4"}
    assert set(decoded.decoder.cv_scores) == {"V1", "A1", "A4", "M1"}
    single = [by_hand(train, test, r.mask, folds)[0] for r in ROIS[1:3]]
    assert_allclose(decoded.predicted, np.mean(single, axis=0))


def test_rois_are_ranked_by_the_correlation_on_held_out_folds(study):
    train, _ = study
    folds, alphas = make_folds(train, n_folds=3), np.array([1.0, 5, 9, 20, 70])
    truth, guess = [], []
    for fold in range(3):
        inside, held = folds != fold, folds == fold
        X = (train.Y - train.Y[inside].mean(axis=0)) / train.Y[inside].std(axis=0)
        model = Ridge(alphas).fit(X[inside], train.T[inside])
        centre = train.T[inside].mean(axis=0)
        truth.append(train.T[held] - centre)
        guess.append(model.predict(X[held]) - centre)
    r = correlation(np.concatenate(truth), np.concatenate(guess)).mean()
    assert_allclose(held_out_r(train.Y, train.T, folds, alphas), r)


def test_what_is_in_the_brain_comes_back_and_shuffled_is_chance(study, rng):
    train, test = study
    order = rng.permutation(len(train.T))
    shuffled = Pairs(train.Y, train.T[order], train.runs, train.clips)
    for decoder in (CortexRidge(), CortexRidge(n_voxels=9), RoiRidge(ROIS, 2)):
        found = decode(decoder, train, test).predicted
        none = decode(decoder, shuffled, test).predicted
        assert identification_accuracy(found, test.T).mean() > 0.8
        assert abs(identification_accuracy(none, test.T).mean() - 0.5) < 0.12


def test_a_control_roi_is_chance(study):
    train, test = study
    found = decode(CortexRidge(inside=ROIS[0]), train, test).predicted
    assert abs(identification_accuracy(found, test.T).mean() - 0.5) < 0.12


def test_test_responses_change_nothing_that_was_learnt(study):
    train, test = study
    changed = test.Y.copy()
    changed[1:] *= 1000
    for decoder in (CortexRidge(n_voxels=9), RoiRidge(ROIS, 2)):
        first = decode(decoder, train, test).predicted[0]
        other = Pairs(changed, test.T, test.runs, test.clips)
        assert_allclose(decode(decoder, train, other).predicted[0], first)


def test_runs_or_clips_on_both_sides_are_refused(study):
    train, test = study
    with pytest.raises(InputError, match="in training and in test"):
        decode(CortexRidge(), train, train)
    renamed = Pairs(train.Y, train.T, np.char.add(train.runs, "b"), train.clips)
    with pytest.raises(InputError, match="48 clips were heard in training"):
        decode(CortexRidge(), train, renamed)
    both = decode(CortexRidge(), train, renamed, shared_clips=True)
    assert both.predicted.shape == train.T.shape
    assert decode(CortexRidge(), train, test).test is test


def test_voxels_chosen_on_test_runs_are_refused(study):
    train, test = study
    peeked = best_voxels(test, 6)
    for decoder in (CortexRidge(inside=peeked), RoiRidge([peeked, ROIS[0]], 1)):
        with pytest.raises(InputError, match="was made from responses of task-test"):
            decode(decoder, train, test)
    chosen = best_voxels(train, 6)
    decode(CortexRidge(inside=chosen), train, test)
    with pytest.raises(InputError, match="was made from responses of task-music"):
        held_out_predictions(CortexRidge(inside=chosen), train)


def test_voxels_chosen_on_noise_give_chance_on_held_out_runs(rng):
    Y, T = rng.standard_normal((96, 400)), rng.standard_normal((96, 3))
    runs = np.repeat([f"r{k}" for k in range(6)], 16)
    noise = Pairs(Y, T, runs, np.arange(96))
    predicted, _ = held_out_predictions(CortexRidge(n_voxels=10), noise)
    assert abs(correlation(T, predicted).mean()) < 0.15
    # The same choice made on all rows, as one would if runs were not walls, finds much.
    mask = best_voxels(noise, 10).mask
    leaky = Pairs(Y[:, mask], T, runs, np.arange(96))
    predicted, _ = held_out_predictions(CortexRidge(), leaky)
    assert correlation(T, predicted).mean() > 0.2


def test_voxels_are_those_with_the_largest_correlation(study):
    train, _ = study
    r = [[abs(np.corrcoef(y, t)[0, 1]) for t in train.T.T] for y in train.Y.T]
    best = np.argsort(-np.max(r, axis=1))[:7]
    found = best_voxels(train, 7)
    assert set(np.flatnonzero(found.mask)) == set(best)
    assert found.runs == train.run_names
    inside = best_voxels(train, 3, inside=ROIS[0])
    assert not inside.mask[:20].any()


def test_folds_by_clip_are_optimistic_where_a_run_has_its_own_noise(rng):
    # Targets and responses hold still for 6 clips, and know nothing of each other.
    runs = np.repeat([f"r{k}" for k in range(12)], 24)
    slow = np.repeat(rng.standard_normal((48, 6)), 6, axis=0)
    state = np.repeat(rng.standard_normal((48, 80)), 6, axis=0)
    T = slow + 0.3 * rng.standard_normal(slow.shape)
    Y = state + 0.3 * rng.standard_normal(state.shape)
    pairs = Pairs(Y, T, runs, np.arange(len(Y)).astype(str))
    table = optimism(CortexRidge(), pairs).set_index("metric")
    assert abs(table["by_run"] - [0, 0.5]).max() < 0.12
    assert (table["optimism"] > 0.25).all()
    assert_allclose(table["optimism"], table["by_clip"] - table["by_run"])
    assert (table["low"] > 0).all()
    assert (table["low"] < table["optimism"]).all()
    assert (table["optimism"] < table["high"]).all()


def test_optimism_needs_two_clips_that_are_told_apart(study):
    train, _ = study
    level = np.unique(train.clips)[1:].tolist()
    with pytest.raises(InputError, match=r"1 of \d+ training clips .* 2 are needed"):
        optimism(CortexRidge(), train, level=level)


def test_optimism_equals_the_loops_and_leaves_level_clips_out(study):
    train, _ = study
    options = {"n_folds": 3, "n_resamples": 40, "seed": 5}
    table = optimism(CortexRidge(), train, **options, level=["c3"]).set_index("metric")
    names = np.unique(train.clips)
    draws = np.random.default_rng(5).multinomial(48, np.full(48, 1 / 48), 40)
    scores, again = {}, {}
    for unit in ("run", "clip"):
        predicted, folds = held_out_predictions(
            CortexRidge(), train, n_folds=3, unit=unit
        )
        told = train.clips != "c3"
        both = [
            average_windows(x[told], train.clips[told])[0] for x in (predicted, train.T)
        ]
        clips = average_windows(predicted[told], train.clips[told])[1].tolist()
        won = identification_accuracy(*both)

        def r_of(rows, predicted=predicted, folds=folds):
            each = []
            for fold in range(3):
                mine = [k for k in rows if folds[k] == fold]
                pairs = zip(train.T[mine].T, predicted[mine].T, strict=True)
                each.append(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))
            return np.mean(each)

        scores[unit] = r_of(range(len(folds))), won.mean()
        again[unit] = []
        for draw in draws:
            times = dict(zip(names.tolist(), draw.tolist(), strict=True))
            rows = [k for k, c in enumerate(train.clips) for _ in range(times[c])]
            weights = [times[c] for c in clips]
            again[unit].append((r_of(rows), np.average(won, weights=weights)))
    assert_allclose(table["by_run"], scores["run"])
    assert_allclose(table["by_clip"], scores["clip"])
    gained = np.array(again["clip"]) - again["run"]
    bounds = np.quantile(gained, [0.025, 0.975], axis=0)
    assert_allclose(table[["low", "high"]].T, bounds, atol=1e-9)


def test_held_out_predictions_are_refits_without_the_fold(study):
    train, _ = study
    predicted, folds = held_out_predictions(CortexRidge(ALPHAS), train, n_folds=3)
    rest, held = folds != 1, folds == 1
    part = Pairs(train.Y[rest], train.T[rest], train.runs[rest], train.clips[rest])
    fitted = CortexRidge(ALPHAS).fit(part.Y, part.T, make_folds(part, n_folds=3))
    assert_allclose(predicted[held], fitted.predict(train.Y[held]))


@pytest.mark.parametrize(
    ("rois", "n_best", "words"),
    [(ROIS, 6, "best 6 of 4 ROIs"), ([ROIS[0]] * 2, 1, "1 different names")],
)
def test_rois_that_cannot_be_ranked_are_refused(rois, n_best, words):
    with pytest.raises(InputError, match=words):
        RoiRidge(rois, n_best)


@pytest.mark.parametrize(
    ("decoder", "change", "words"),
    [
        (CortexRidge(inside=roi("x", 0, 0)), (1, 1), "'x' has 0 voxels"),
        (CortexRidge(n_voxels=31), (1, 1), "chosen from 30"),
        (CortexRidge(), (0, 1), "30 of 30 voxels never vary"),
        (CortexRidge(), (1, 0), "5 of 5 target dimensions never vary"),
    ],
)
def test_what_cannot_be_decoded_is_refused(study, decoder, change, words):
    train, _ = study
    with pytest.raises(InputError, match=words):
        decoder.fit(change[0] * train.Y, change[1] * train.T, make_folds(train))


def test_other_voxels_than_in_training_are_refused(study):
    train, _ = study
    fitted = CortexRidge().fit(train.Y, train.T, make_folds(train))
    with pytest.raises(InputError, match="3 voxels, and the decoder was fitted on 30"):
        fitted.predict(train.Y[:, :3])


@pytest.mark.parametrize("n_columns", [30, 300])
def test_penalties_by_correlation_are_those_of_scikit_learn(n_columns, study, rng):
    train, test = study
    Y = [np.hstack([p.Y, rng.standard_normal((len(p.Y), 270))]) for p in study]
    Y = [values[:, :n_columns] for values in Y]
    folds = make_folds(train, n_folds=3)
    scale = StandardScaler().fit(Y[0])
    X, X_test = scale.transform(Y[0]), scale.transform(Y[1])
    r = np.empty((len(ALPHAS), 3, train.T.shape[1]))
    for a, alpha in enumerate(ALPHAS):
        for k in range(3):
            model = Ridge(alpha).fit(X[folds != k], train.T[folds != k])
            guess = model.predict(X[folds == k])
            r[a, k] = correlation(train.T[folds == k], guess)
    chosen = np.array(ALPHAS)[r.mean(axis=1).argmax(axis=0)]
    decoder = CortexRidge(ALPHAS, choose_by="r")
    fitted = decoder.fit(Y[0], train.T, folds)
    assert_array_equal(fitted.alphas, chosen)
    expected = Ridge(chosen).fit(X, train.T).predict(X_test)
    assert_allclose(fitted.predict(Y[1]), expected, rtol=1e-8)
    single = RoiRidge(ROIS[:1], 1, ALPHAS, choose_by="r").fit(train.Y, train.T, folds)
    alone = CortexRidge(ALPHAS, inside=ROIS[0], choose_by="r")
    assert_allclose(
        single.predict(test.Y), alone.fit(train.Y, train.T, folds).predict(test.Y)
    )


def test_a_weak_dimension_is_not_shrunk_away_by_correlation(rng):
    folds = np.repeat(np.arange(4), 60)
    own = rng.standard_normal((240, 80))
    Y = own + 3 * rng.standard_normal((240, 1))  # all columns share what says nothing
    T = 0.25 * (own[:, :1] - own[:, 1:2]) + rng.standard_normal((240, 1))
    alphas = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
    by_error = CortexRidge(alphas).fit(Y, T, folds).alphas[0]
    by_r = CortexRidge(alphas, choose_by="r").fit(Y, T, folds).alphas[0]
    assert by_r < by_error


def test_a_dimension_that_a_fold_does_not_vary_in_is_refused(study):
    train, _ = study
    folds, T = make_folds(train, n_folds=3), train.T.copy()
    T[folds == 1, 2] = 4.0
    for decoder in (CortexRidge(ALPHAS), RoiRidge(ROIS, 2, ALPHAS)):
        with pytest.raises(InputError, match=r"1 of 5 target .* the first in column 2"):
            decoder.fit(train.Y, T, folds)


def test_an_unknown_criterion_is_refused():
    for make in (CortexRidge, lambda **given: RoiRidge(ROIS, 2, **given)):
        with pytest.raises(InputError, match="choose_by"):
            make(choose_by="r2")
