"""Tests of alignment of subjects, and of decoding across them."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.across_subjects import NewSubject, decode_across
from brain2music.decoding.alignment import align, fit_alignment
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.rows import Pairs, take_rows

FIELDS = ("Y", "T", "runs", "clips")
METHODS = ["procrustes", "ridge", "transport"]


def other_subject(pairs, rng, *, method, noise=0.2):
    """Return the responses of one who has the same patterns in other places."""
    order = np.random.default_rng(7).permutation(pairs.Y.shape[1])
    Y = pairs.Y[:, order]
    if method != "transport":
        mixing, _ = np.linalg.qr(np.random.default_rng(8).standard_normal((30, 30)))
        Y = Y @ mixing
    Y = Y + noise * Y.std(axis=0) * rng.standard_normal(Y.shape)
    return Pairs(Y, pairs.T, pairs.runs, pairs.clips)


def test_procrustes_finds_a_rotation_exactly(study):
    train, _ = study
    mixing, _ = np.linalg.qr(np.random.default_rng(8).standard_normal((30, 30)))
    standard = (train.Y - train.Y.mean(axis=0)) / train.Y.std(axis=0)
    source = Pairs(standard @ mixing, train.T, train.runs, train.clips)
    fitted = fit_alignment(source, train, method="procrustes")
    scale = 1 / source.Y.std(axis=0)
    # By hand: the rotation that the closed form gives for standardised columns.
    U, s, Vt = np.linalg.svd((source.Y * scale).T @ standard)
    total = ((source.Y * scale) ** 2).sum()
    assert_allclose(fitted.weights, s.sum() / total * U @ Vt)
    back = align(fitted, source, tested=False)
    assert np.corrcoef(back.Y.ravel(), train.Y.ravel())[0, 1] > 0.95


def test_subjects_may_have_different_numbers_of_voxels(study):
    train, _ = study
    few = Pairs(train.Y[:, 3:20], train.T, train.runs, train.clips)
    for method in METHODS:
        fitted = fit_alignment(few, train, method=method)
        assert fitted.weights.shape == (17, 30)
        assert align(fitted, few, tested=False).Y.shape == train.Y.shape
    wide = fit_alignment(train, few, method="procrustes")
    assert wide.weights.shape == (30, 17)


def test_transport_brings_permuted_voxels_back(study, rng):
    train, _ = study
    source = other_subject(train, rng, method="transport", noise=0.05)
    fitted = fit_alignment(source, train, method="transport")
    order = np.random.default_rng(7).permutation(30)
    assert (fitted.weights.argmax(axis=1) == order).all()
    assert_allclose(fitted.weights.sum(axis=0), 1, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_new_subject_is_decoded_by_others(study, rng, method):
    train, test = study
    trained = {"01": train, "02": other_subject(train, rng, method=method)}
    shared = other_subject(train, rng, method=method)
    held = other_subject(test, rng, method=method)
    new = NewSubject("03", shared, held)
    found = decode_across(CortexRidge(), trained, new, reference="01", method=method)
    assert identification_accuracy(found.predicted, test.T).mean() > 0.75
    order = rng.permutation(len(train.T))
    none = {
        name: Pairs(p.Y, p.T[order], p.runs, p.clips) for name, p in trained.items()
    }
    wrong = NewSubject(
        "03", Pairs(shared.Y, none["01"].T, shared.runs, shared.clips), held
    )
    lost = decode_across(CortexRidge(), none, wrong, reference="01", method=method)
    assert abs(identification_accuracy(lost.predicted, test.T).mean() - 0.5) < 0.12


@pytest.mark.parametrize("unit", ["run", "clip"])
def test_no_clip_lies_in_two_folds_where_subjects_heard_it_in_other_runs(
    study, rng, unit
):
    train, test = study

    class Spy:
        selections = ()

        def fit(self, Y, T, folds):
            self.T, self.folds = T, folds
            return CortexRidge().fit(Y, T, folds)

    second = other_subject(train, rng, method="ridge")
    # The same stimuli in the same order, of runs that are cut at other places.
    moved = Pairs(second.Y, second.T, np.roll(second.runs, 6), second.clips)
    new = NewSubject("03", train, test)
    spy = Spy()
    decode_across(
        *(spy, {"02": moved, "01": train}, new),
        reference="01",
        method="procrustes",
        unit=unit,
    )
    assert_array_equal(spy.T, np.tile(train.T, (2, 1)))
    assert_array_equal(spy.folds[:96], spy.folds[96:])
    folds = {c: set(spy.folds[np.tile(train.clips, 2) == c]) for c in train.clips}
    assert {len(found) for found in folds.values()} == {1}
    n_of_run = len(set(spy.folds[:16]))
    assert n_of_run == (1 if unit == "run" else 5)


def test_an_alignment_that_saw_the_tested_rows_is_refused(study, rng):
    _, test = study
    everything = Pairs(
        *(np.concatenate([getattr(p, n) for p in study]) for n in FIELDS)
    )
    source = other_subject(everything, rng, method="ridge")
    fitted = fit_alignment(source, everything, method="procrustes")
    held = other_subject(test, rng, method="ridge")
    with pytest.raises(InputError, match="runs that are now tested: task-test"):
        align(fitted, held, tested=True)
    renamed = Pairs(held.Y, held.T, np.full(len(held.Y), "new"), held.clips)
    with pytest.raises(InputError, match="clips that are now tested: c48"):
        align(fitted, renamed, tested=True)
    new = NewSubject("03", source, held)
    with pytest.raises(InputError, match="task-test_run-1"):
        decode_across(
            CortexRidge(), {"01": everything}, new, reference="01", method="procrustes"
        )


def test_a_leak_in_alignment_would_be_seen(study, rng):
    # Fitted on the tested rows, a map from noise decodes; on other rows it cannot.
    train, test = study
    noise = Pairs(rng.standard_normal((32, 60)), test.T, test.runs, test.clips)
    leaky = fit_alignment(noise, test, method="procrustes")
    decoder = CortexRidge().fit(train.Y, train.T, train.runs)
    seen = decoder.predict(align(leaky, noise, tested=False).Y)
    assert identification_accuracy(seen, test.T).mean() > 0.75
    before = Pairs(rng.standard_normal((96, 60)), train.T, train.runs, train.clips)
    fair = fit_alignment(before, train, method="procrustes")
    unseen = decoder.predict(align(fair, noise, tested=True).Y)
    assert abs(identification_accuracy(unseen, test.T).mean() - 0.5) < 0.12


def test_a_tested_subject_cannot_train(study):
    train, test = study
    new = NewSubject("01", train, test)
    with pytest.raises(InputError, match="must not be among the trained"):
        decode_across(CortexRidge(), {"01": train}, new, reference="01", method="ridge")
    with pytest.raises(InputError, match="reference must be one"):
        decode_across(CortexRidge(), {"02": train}, new, reference="05", method="ridge")


def test_rows_of_other_stimuli_are_refused(study):
    train, test = study
    with pytest.raises(InputError, match="not the same stimuli in the same order"):
        fit_alignment(train, test, method="ridge")
    turned = take_rows(train, np.arange(len(train.Y))[::-1])
    with pytest.raises(InputError, match="not the same stimuli in the same order"):
        fit_alignment(turned, train, method="ridge")
    with pytest.raises(InputError, match="Did you mean 'procrustes'"):
        fit_alignment(train, train, method="procrustean")
    fitted = fit_alignment(train, train, method="ridge")
    with pytest.raises(InputError, match="alignment is of 30"):
        align(
            fitted,
            Pairs(test.Y[:, :4], *(getattr(test, n) for n in FIELDS[1:])),
            tested=True,
        )
    fixed = Pairs(np.ones((96, 2)), train.T, train.runs, train.clips)
    with pytest.raises(InputError, match="2 of 2 voxels never vary"):
        fit_alignment(fixed, train, method="ridge")


def test_without_fmralign_the_error_says_what_to_install(study, monkeypatch):
    train, _ = study
    monkeypatch.setitem(sys.modules, "fmralign.methods", None)
    with pytest.raises(InputError, match=r"brain2music\[decode\]"):
        fit_alignment(train, train, method="transport")
