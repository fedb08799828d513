"""Tests of the contrastive decoder."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding import contrastive
from brain2music.decoding.contrastive import Contrastive
from brain2music.decoding.decode import decode
from brain2music.decoding.folds import make_folds
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.rows import Pairs
from brain2music.decoding.voxels import best_voxels

torch = pytest.importorskip("torch")


def info_nce_by_hand(outputs, Z, temperature):
    total = 0.0
    n = len(Z)
    cosine = [
        [o @ z / np.linalg.norm(o) / np.linalg.norm(z) / temperature for z in Z]
        for o in outputs
    ]
    for i in range(n):
        for line in (cosine[i], [row[i] for row in cosine]):
            wrong = [
                np.exp(value)
                for j, value in enumerate(line)
                if j != i and (Z[j] != Z[i]).any()
            ]
            total -= np.log(np.exp(line[i]) / (np.exp(line[i]) + sum(wrong)))
    return total / (2 * n)


def test_the_loss_equals_the_loops(rng):
    outputs, Z = rng.standard_normal((2, 7, 4))
    Z[5] = Z[2]
    same = contrastive._equal_rows(torch, Z)
    found = contrastive._info_nce(
        torch, torch.from_numpy(outputs), torch.from_numpy(Z), same, 0.3
    )
    assert_allclose(float(found), info_nce_by_hand(outputs, Z, 0.3))


@pytest.mark.parametrize("n_hidden", [0, 16])
def test_what_is_in_the_brain_comes_back_and_shuffled_is_chance(study, rng, n_hidden):
    train, test = study
    decoder = Contrastive(
        0, n_hidden, temperature=0.5, n_epochs=200, learning_rate=0.03
    )
    found = decode(decoder, train, test)
    assert found.decoder.stopped_early
    assert identification_accuracy(found.predicted, test.T).mean() > 0.75
    order = rng.permutation(len(train.T))
    shuffled = Pairs(train.Y, train.T[order], train.runs, train.clips)
    none = decode(decoder, shuffled, test).predicted
    assert abs(identification_accuracy(none, test.T).mean() - 0.5) < 0.13


def test_a_seed_gives_one_network_and_leaves_global_chance_alone(study):
    train, test = study
    before = torch.random.get_rng_state()
    one, again, other = (
        decode(Contrastive(seed, 8, n_epochs=5), train, test).predicted
        for seed in (1, 1, 2)
    )
    assert_array_equal(one, again)
    assert abs(one - other).max() > 0.01
    assert (torch.random.get_rng_state() == before).all()


def test_predictions_have_the_unit_of_the_targets(study):
    train, test = study
    changed = Pairs(train.Y, 7 * train.T + 3, train.runs, train.clips)
    decoder = Contrastive(0, n_epochs=20)
    predicted = decode(decoder, train, test).predicted
    moved = decode(decoder, changed, test).predicted
    assert_allclose(moved, 7 * predicted + 3, rtol=1e-4, atol=1e-4)


def test_the_network_in_numpy_is_that_of_torch(study):
    train, _ = study
    fitted = Contrastive(3, 6, n_epochs=4).fit(train.Y, train.T, make_folds(train))
    X = (train.Y - train.Y.mean(axis=0)) / train.Y.std(axis=0)
    layers = [tuple(map(torch.from_numpy, layer)) for layer in fitted.layers]
    outputs = contrastive._forward(torch, torch.from_numpy(X).float(), layers).numpy()
    Z = (fitted.predict(train.Y) - train.T.mean(axis=0)) / train.T.std(axis=0)
    unit = outputs / np.linalg.norm(outputs, axis=1, keepdims=True)
    length = np.linalg.norm(
        (train.T - train.T.mean(axis=0)) / train.T.std(axis=0), axis=1
    )
    assert_allclose(Z, unit * length.mean(), atol=1e-4)


def test_noise_stops_earlier_than_signal(study, rng):
    train, _ = study
    folds = make_folds(train)
    decoder = Contrastive(0, n_epochs=30, learning_rate=0.02)
    signal = decoder.fit(train.Y, train.T, folds).n_epochs
    noise = decoder.fit(rng.standard_normal(train.Y.shape), train.T, folds).n_epochs
    assert noise < signal


def test_test_rows_change_nothing_that_was_learnt(study):
    train, test = study
    changed = test.Y.copy()
    changed[1:] *= 1000
    other = Pairs(changed, test.T, test.runs, test.clips)
    decoder = Contrastive(0, n_epochs=5, n_voxels=9)
    first = decode(decoder, train, test).predicted[0]
    assert_allclose(decode(decoder, train, other).predicted[0], first)
    with pytest.raises(InputError, match="was made from responses"):
        decode(Contrastive(0, inside=best_voxels(test, 5)), train, test)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_hidden": -1}, "-1 hidden units"),
        ({"temperature": 0}, "temperature is above 0"),
        ({"dropout": 1.0}, "share left out"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        Contrastive(0, **settings)


def test_one_fold_is_refused(study):
    train, _ = study
    with pytest.raises(InputError, match="names 1 fold"):
        Contrastive(0).fit(train.Y, train.T, np.zeros(len(train.Y)))


def test_a_column_without_variance_in_a_fold_is_refused(study):
    train, _ = study
    folds = make_folds(train)
    T = np.c_[train.T, folds == 1]
    with pytest.raises(InputError, match="1 target dimensions, or a voxel"):
        Contrastive(0, n_epochs=1).fit(train.Y, T, folds)


def test_without_torch_the_error_says_what_to_install(study, monkeypatch):
    train, _ = study
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match=r"brain2music\[models\]"):
        Contrastive(0).fit(train.Y, train.T, make_folds(train))
