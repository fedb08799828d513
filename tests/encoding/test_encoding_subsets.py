"""Tests of models of subsets, and of held-out predictions."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.core.ridge import design
from brain2music.core.ridge.axes import BandAxes
from brain2music.core.ridge.levers import Levers
from brain2music.core.types import Band
from brain2music.encoding import subsets as module
from brain2music.encoding.evaluate import RidgeSettings, fit_models
from brain2music.encoding.streamed import Job, Place
from brain2music.encoding.subsets import (
    band_axes,
    predict_held_out,
    predict_subsets,
    stack_bands,
)

BANDS = (Band("mel", 2, (2, 3)), Band("clap", 3), Band("genre", 1, (2, 4)))
SETTINGS = RidgeSettings(alphas=(0.1, 1.0, 10.0, 100.0), n_candidates=9)
FOLDS = np.repeat([0, 1, 2], [70, 60, 50])


@pytest.fixture
def study(rng):
    X = rng.standard_normal((240, 9)) @ (np.eye(9) + 0.3 * rng.standard_normal((9, 9)))
    Y = X @ rng.standard_normal((9, 7)) + 3 * rng.standard_normal((240, 7)) + 2
    return X[:180], Y[:180], X[180:]


def test_subsets_of_one_and_of_all_are_the_models_alone_and_joint(study):
    options = {"folds": FOLDS, "settings": SETTINGS}
    names = tuple(band.name for band in BANDS)
    result = fit_models(*study, bands=BANDS, **options)
    subsets = [("clap",), names, ("mel", "genre")]
    found = predict_subsets(*study, bands=BANDS, subsets=subsets, **options)
    assert list(found) == subsets
    assert_allclose(found["clap",], result.alone[1])
    assert_allclose(found[names], result.predictions)
    kept = [0, 1, 2, 3, 7, 8]
    X_train, Y_train, X_test = study
    without = fit_models(
        X_train[:, kept],
        Y_train,
        X_test[:, kept],
        bands=[BANDS[0], BANDS[2]],
        **options,
    )
    assert_allclose(found["mel", "genre"], without.predictions)


def test_subsets_in_chunks_and_files_and_by_himalaya_predict_the_same(study, tmp_path):
    subsets = [("mel", "genre"), ("clap",)]
    options = {"bands": BANDS, "subsets": subsets, "folds": FOLDS}
    whole = predict_subsets(*study, settings=SETTINGS, **options)
    made = {}

    def make(name, shape, dtype):
        made[name] = np.lib.format.open_memmap(
            tmp_path / f"{name}.npy", mode="w+", dtype=dtype, shape=shape
        )
        return made[name]

    chunked = replace(SETTINGS, n_voxels_batch=3)
    predict_subsets(*study, settings=chunked, place=Place(make=make), **options)
    assert set(made) == {"mel+genre", "clap"}
    other = predict_subsets(
        *study, settings=replace(SETTINGS, solver="himalaya"), **options
    )
    for subset in subsets:
        assert_allclose(made["+".join(subset)], whole[subset], rtol=1e-9)
        assert_allclose(other[subset], whole[subset], rtol=1e-6, atol=1e-8)


def test_columns_of_one_subset_alone_are_held_at_once(study, monkeypatch):
    made, job_of = [], module._job

    def watched(*given):
        assert [one() for one in made if one() is not None] == []
        job = job_of(*given)
        made.append(weakref.ref(job.X_train))
        return job

    monkeypatch.setattr(module, "_job", watched)
    subsets = [("mel", "genre"), ("clap",), ("mel", "clap")]
    predict_subsets(
        *study, bands=BANDS, subsets=subsets, folds=FOLDS, settings=SETTINGS
    )
    assert len(made) == 3


def test_a_band_is_put_on_its_axes_once_for_all_subsets(study, monkeypatch):
    settings = replace(SETTINGS, levers=Levers(tolerance=0.2))
    options = {"folds": FOLDS, "settings": settings}
    X, Y, X_test = study
    apart = fit_models(X[:, :7], Y, X_test[:, :7], bands=BANDS[:2], **options)
    calls, principal = [], design.principal_axes

    def counted(X, widths, *rest):
        calls.append(tuple(widths))
        return principal(X, widths, *rest)

    monkeypatch.setattr(design, "principal_axes", counted)
    subsets = [("mel", "clap"), ("clap",), ("mel", "genre")]
    found = predict_subsets(*study, bands=BANDS, subsets=subsets, **options)
    assert calls == [(4,), (3,), (2,)]
    assert_allclose(found["mel", "clap"], apart.predictions, rtol=1e-9)
    axes = band_axes(X, Y, bands=BANDS, names={"clap"}, settings=settings)
    assert axes["clap"].kept == (2,)  # so that axes there are
    given = {"bands": BANDS[1:2], "subsets": [("clap",)], "axes": axes}
    again = predict_subsets(X[:, 4:7], Y, X_test[:, 4:7], **given, **options)
    assert_allclose(again["clap",], found["clap",], rtol=1e-12)
    assert len(calls) == 4


def test_factorisations_on_given_axes_are_kept_apart_from_those_on_own(study):
    settings = replace(SETTINGS, levers=Levers(tolerance=0.2))
    job = Job(study[0], study[2], BANDS, FOLDS, settings)
    names = {band.name for band in BANDS}
    axes = band_axes(*study[:2], bands=BANDS, names=names, settings=settings)
    shared = replace(job, axes=BandAxes.of(axes.values()))
    dtype = np.dtype("float64")
    assert shared.identity(dtype) != job.identity(dtype)
    assert_allclose(shared.open("float64").design.X, job.open("float64").design.X)


def test_the_stack_of_bands_is_that_of_the_models_fitted_with_it(study):
    options = {"bands": BANDS, "folds": FOLDS}
    fitted = fit_models(*study, settings=replace(SETTINGS, stacking=True), **options)
    told = []
    shares = stack_bands(
        *study[:2],
        settings=replace(SETTINGS, n_voxels_batch=3, solver="himalaya"),
        advance=told.append,
        **options,
    )
    assert_allclose(shares, fitted.shares, atol=1e-8)
    assert_allclose(shares.sum(axis=0), 1)
    assert (shares > 0.01).sum(axis=0).max() > 1  # a mixture, not a choice
    assert sum(told) == study[1].shape[1]
    some = stack_bands(
        study[0][:, :7],
        study[1],
        bands=BANDS[:2],
        folds=FOLDS,
        settings=SETTINGS,
    )
    assert some.shape == (2, 7)
    with pytest.raises(InputError, match="1 band to stack"):
        stack_bands(*study[:2], bands=BANDS[:1], folds=FOLDS, settings=SETTINGS)


def test_each_fold_is_predicted_by_the_others(study):
    X, Y, _ = study
    done = []
    found = predict_held_out(
        X, Y, bands=BANDS, folds=FOLDS, settings=SETTINGS, advance=done.append
    )
    assert found.shape == (3, 180, 7)
    assert sum(done) == 7 * 3 * 3
    for fold in range(3):
        inside = fold == FOLDS
        expected = fit_models(
            X[~inside][:, 4:7],
            Y[~inside],
            X[inside][:, 4:7],
            bands=BANDS[1:2],
            folds=FOLDS[~inside],
            settings=SETTINGS,
        )
        assert_allclose(found[1, inside], expected.predictions)


def test_a_fold_is_not_seen_by_what_predicts_it(study):
    X, Y, _ = study
    options = {"bands": BANDS, "folds": FOLDS, "settings": SETTINGS}
    before = predict_held_out(X, Y, **options)
    Y = Y.copy()
    Y[FOLDS == 1] += 100 * np.arange(60)[:, None] + 1e4
    after = predict_held_out(X, Y, **options)
    assert_allclose(after[:, FOLDS == 1], before[:, FOLDS == 1])
    assert (after[:, FOLDS == 0] != before[:, FOLDS == 0]).all()


def test_what_cannot_be_fitted_is_named(study):
    options = {"bands": BANDS, "settings": SETTINGS}
    with pytest.raises(
        InputError, match=r"\(mel, clip\) must name .* mel, clap, genre"
    ):
        predict_subsets(*study, subsets=[("mel", "clip")], folds=FOLDS, **options)
    with pytest.raises(InputError, match="different numbers of samples"):
        predict_subsets(*study, subsets=[("mel",)], folds=FOLDS[1:], **options)
    axes = band_axes(*study[:2], bands=BANDS, names={"mel"}, settings=SETTINGS)
    with pytest.raises(InputError, match="axes hold mel, and not genre"):
        predict_subsets(
            *study, subsets=[("mel", "genre")], folds=FOLDS, axes=axes, **options
        )
    with pytest.raises(InputError, match=r"2 folds: .* at least 3"):
        predict_held_out(*study[:2], folds=FOLDS > 0, **options)
