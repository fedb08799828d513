"""Tests of the file that holds a fitted model."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.device import use_backend
from brain2music.core.ridge.levers import Levers
from brain2music.core.types import Band
from brain2music.encoding.banded_ridge import BandedRidge
from brain2music.encoding.model_file import load_ridge, save_ridge

BANDS = [Band("mel", 2, delays=(2, 3), source="sound"), Band("genre", 3)]


@pytest.fixture
def fitted(rng):
    X = rng.standard_normal((90, 7)) @ rng.standard_normal((7, 7)) + 1
    Y = (X @ rng.standard_normal((7, 5)) + rng.standard_normal((90, 5))) * 10.0 ** (
        np.arange(-6, 9, 3)
    )
    runs = np.repeat(["run-10", "run-2", "run-1"], [35, 25, 30])
    model = BandedRidge(BANDS, n_candidates=6, levers=Levers(n_refined=1))
    return model.fit(X, Y, groups=runs), X


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-6), ("float16", 2e-3)]
)
def test_a_model_comes_back_and_predicts_the_same(
    fitted, tmp_path, precision, tolerance
):
    model, X = fitted
    path = tmp_path / "model.npz"
    save_ridge(model, path, precision=precision, provenance={"subject": "sub-01"})
    loaded = load_ridge(path)
    assert loaded.get_params() | {"cv": None} == model.get_params()
    assert loaded.provenance_ == {"subject": "sub-01"}
    expected = model.predict(X)
    error = np.abs(loaded.predict(X) - expected).max(axis=0) / expected.std(axis=0)
    assert error.max() < 4 * tolerance
    assert_allclose(loaded.intercept_, model.intercept_)
    assert_array_equal(loaded.alphas_, model.alphas_)
    parts = loaded.predict_bands(X)
    assert_allclose(sum(parts.values()) + loaded.intercept_, loaded.predict(X))
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def test_a_model_of_one_response_and_one_band_comes_back(fitted, tmp_path):
    _, X = fitted
    model = BandedRidge(alphas=[2.0], solver="himalaya", cv=None)
    model.fit(X, X[:, 0] + 3, groups=np.arange(90) % 4)
    save_ridge(model, tmp_path / "model.npz")
    loaded = load_ridge(tmp_path / "model.npz")
    assert loaded.predict(X).shape == (90,)
    assert_allclose(loaded.predict(X), model.predict(X), rtol=1e-5)
    assert loaded.bands is None


def test_the_weights_predict_the_same_on_torch(fitted, tmp_path):
    pytest.importorskip("torch")
    model, X = fitted
    save_ridge(model, tmp_path / "model.npz")
    loaded = load_ridge(tmp_path / "model.npz")
    with use_backend("torch") as backend:
        weights, rows = backend.asarray(loaded.coef_), backend.asarray(X)
        predicted = rows @ weights + backend.asarray(loaded.intercept_)
    assert_allclose(predicted.numpy(), loaded.predict(X), rtol=1e-9)


def test_half_precision_is_half_the_size(rng, tmp_path):
    X = rng.standard_normal((60, 40))
    Y = X @ rng.standard_normal((40, 300)) + rng.standard_normal((60, 300))
    model = BandedRidge(alphas=[1.0]).fit(X, Y, groups=np.arange(60) % 3)
    sizes = []
    for precision in ("float16", "float32"):
        save_ridge(model, tmp_path / "model.npz", precision=precision)
        sizes.append((tmp_path / "model.npz").stat().st_size)
    assert sizes[0] < 0.65 * sizes[1]


def test_other_files_are_refused(fitted, tmp_path):
    model, _ = fitted
    path = tmp_path / "model.npz"
    with pytest.raises(MissingFileError, match="is not there"):
        load_ridge(path)
    with pytest.raises(InputError, match=r"must end in .npz"):
        save_ridge(model, tmp_path / "model.pkl")
    with pytest.raises(InputError, match="Did you mean 'float16'"):
        save_ridge(model, path, precision="float61")
    save_ridge(model, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="no model that save_ridge wrote"):
        load_ridge(path)
    np.savez(path, about=np.array([{"code": 1}], dtype=object))
    with pytest.raises(InputError, match="no model that save_ridge wrote"):
        load_ridge(path)


@pytest.fixture
def loads(fitted, tmp_path):
    """Load a saved model of 7 columns and 5 voxels after `change(arrays, about)`."""
    path = tmp_path / "mine.npz"
    save_ridge(fitted[0], path)
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(str(arrays.pop("about")))

    def call(change):
        change(arrays, about)
        np.savez(path, about=np.array(json.dumps(about)), **arrays)
        return load_ridge(path)

    return call


def test_a_later_version_is_refused_before_its_arrays_are_looked_for(loads):
    def change(arrays, about):
        del arrays["alphas"], about["settings"]
        about["version"] = 2

    words = r"mine.npz is .* version 2; this release reads .* version 1\. Update"
    with pytest.raises(InputError, match=words):
        loads(change)


def test_an_archive_that_says_nothing_of_a_model_is_refused(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, about=np.array("[1]"))
    with pytest.raises(InputError, match=r"mine.npz is None, version None"):
        load_ridge(path)
    np.savez(path, about=np.array("{"))
    with pytest.raises(InputError, match=r"mine.npz is no model that save_ridge wrote"):
        load_ridge(path)
    np.save(tmp_path / "mine.npy", np.ones(3))
    with pytest.raises(InputError, match=r"mine.npy .*it is no archive"):
        load_ridge(tmp_path / "mine.npy")


def put(name, at, value):
    def change(arrays, _):
        arrays[name] = arrays[name].copy()
        arrays[name][at] = value

    return change


def take(name, at):
    return lambda arrays, _: arrays.update({name: arrays[name][at]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("coef", (6, 4), np.nan), "coef has NaN or infinity"),
        (put("scale", 0, np.inf), "scale has NaN or infinity"),
        (put("intercept", 2, np.nan), "intercept has NaN or infinity"),
        (put("band_weights", (1, 0), np.inf), "band_weights has infinity"),
        (put("cv_scores", 3, -np.inf), "cv_scores has infinity"),
        (put("scale", 1, 0.0), "scale is not above 0 everywhere"),
        (put("scale", 1, -2.0), "scale is not above 0 everywhere"),
        (put("alphas", 1, 0.0), "alphas is not above 0 everywhere"),
        (put("band_weights", (0, 3), -0.1), "band_weights are below 0"),
        (take("coef", slice(3)), r"coef has shape \(3, 5\), expected \(7, 5\)"),
        (take("coef", np.s_[:, :1]), r"coef has shape \(7, 1\), expected \(7, 5\)"),
        (take("coef", np.s_[:, 0]), r"coef has shape \(7,\), expected \(7, 5\)"),
        (take("scale", np.s_[:1]), r"scale has shape \(1,\), expected \(5,\)"),
        (take("intercept", np.s_[None]), r"intercept has shape \(1, 5\), expected"),
        (take("band_weights", np.s_[:1]), r"band_weights has shape \(1, 5\), expected"),
        (take("alphas", np.s_[1:]), r"alphas has shape \(4,\), expected \(5,\)"),
        (take("cv_scores", np.s_[1:]), r"cv_scores has shape \(4,\), expected"),
        (
            lambda arrays, _: arrays.pop("alphas"),
            "alphas is not a file in the archive",
        ),
        (
            lambda arrays, _: arrays.update(coef=arrays["coef"].astype("float64")),
            "coef is float64, but is said to be float32",
        ),
        (
            lambda arrays, _: arrays.update(scale=arrays["scale"].astype(int)),
            "scale holds int64 in place of floats",
        ),
        (
            lambda arrays, _: arrays.update(
                intercept=arrays["intercept"].astype("float32"),
                scale=np.full(5, 1e300),
            ),
            "beyond what their precision holds",
        ),
    ],
)
def test_arrays_that_no_fit_gives_are_refused(loads, change, words):
    with pytest.raises(InputError, match=rf"mine.npz is no model.*{words}"):
        loads(change)


def set_to(**changes):
    return lambda _, about: about["settings"].update(changes)


BAND = {"name": "mel", "n_features": 7, "delays": [0], "source": "", "layer": ""}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _, about: about.pop("settings"), "settings .*Field required"),
        (lambda _, about: about.update(settings=[1]), "settings is not"),
        (lambda _, about: about["settings"].pop("seed"), "settings.seed .*required"),
        (set_to(foo=1), "settings.foo is not"),
        (set_to(n_candidates="4"), "settings.n_candidates .*valid integer"),
        (set_to(n_candidates=0), "settings.n_candidates .*greater than or equal to 1"),
        (set_to(alphas=[]), "settings.alphas .*at least 1"),
        (set_to(alphas=[1.0, -1.0]), "settings.alphas.1 .*greater than 0"),
        (set_to(alphas=[float("nan")]), "settings.alphas.0 .*finite"),
        (set_to(form="other"), "settings.form .*'auto'"),
        (set_to(solver="other"), "settings.solver .*'himalaya'"),
        (set_to(backend="cupy"), "settings.backend .*'torch'"),
        (set_to(levers={"x": 1}), "settings.levers.x is not"),
        (set_to(levers={"tolerance": 2.0}), "settings.levers .*must be a share"),
        (set_to(bands=[BAND | {"n_features": 0}]), "settings.bands.0 .*needs at least"),
        (set_to(bands=[BAND | {"delays": [0.5]}]), "settings.bands.0.delays.0 .*int"),
        (set_to(bands=[BAND | {"code": "x"}]), "settings.bands.0.code is not"),
        (lambda _, about: about.update(n_features_in=7.5), "n_features_in .*integer"),
        (lambda _, about: about.update(more=1), "more is not"),
    ],
)
def test_settings_that_are_none_of_ours_are_refused(loads, change, words):
    with pytest.raises(InputError, match=rf"mine.npz: {words}"):
        loads(change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_to(bands=[BAND | {"n_features": 6}]), "bands of 6 columns in place of 7"),
        (set_to(bands=[BAND]), r"band_weights has shape \(2, 5\), expected \(1, 5\)"),
        (
            lambda _, about: about.update(feature_names_in=["a", "b"]),
            "2 names for 7 columns",
        ),
    ],
)
def test_settings_and_arrays_must_fit_each_other(loads, change, words):
    with pytest.raises(InputError, match=words):
        loads(change)


def test_a_file_from_before_names_of_columns_were_kept_is_read(fitted, loads):
    loaded = loads(lambda _, about: about.pop("feature_names_in"))
    assert not hasattr(loaded, "feature_names_in_")
    assert_allclose(loaded.predict(fitted[1]), fitted[0].predict(fitted[1]), rtol=1e-4)


def test_names_of_columns_are_kept_and_asked_for_again(fitted, tmp_path):
    X = pd.DataFrame(fitted[1], columns=list("gfedcba"))
    model = BandedRidge(alphas=[2.0]).fit(X, fitted[1][:, :2], groups=np.arange(90) % 4)
    save_ridge(model, tmp_path / "model.npz")
    loaded = load_ridge(tmp_path / "model.npz")
    assert_array_equal(loaded.feature_names_in_, model.feature_names_in_)
    assert_allclose(loaded.predict(X), model.predict(X), rtol=1e-4)
    with pytest.raises(ValueError, match="names should match"):
        loaded.predict(X[list("abcdefg")])


def test_numbers_of_numpy_are_saved_as_numbers(fitted, tmp_path):
    X = fitted[1]
    model = BandedRidge(
        [Band("mel", np.int64(7), delays=(np.int32(0),))],
        n_candidates=np.int64(3),
        seed=np.uint8(5),
        alphas=np.array([1, 10]),
        levers=Levers(n_refined=np.int64(1), margin=np.float32(0.25)),
    ).fit(X, X[:, :2], groups=np.arange(90) % 4)
    provenance = {"n": np.int64(4), "runs": ("a", [np.float32(0.5), None, True])}
    save_ridge(model, tmp_path / "model.npz", provenance=provenance)
    loaded = load_ridge(tmp_path / "model.npz")
    assert (loaded.n_candidates, loaded.seed, loaded.alphas) == (3, 5, (1.0, 10.0))
    assert loaded.bands == model.bands
    assert loaded.levers == model.levers
    assert loaded.provenance_ == {"n": 4, "runs": ["a", [0.5, None, True]]}


@pytest.mark.parametrize(
    ("provenance", "words"),
    [
        ({"made": {"from": [1, Path("x")]}}, r"provenance.made.from\[1\] is a .*Path"),
        ({"snr": float("nan")}, "provenance.snr is nan, which JSON does not have"),
        ({"snr": np.float32("inf")}, "provenance.snr is inf"),
        ({"w": np.ones(2)}, "provenance.w is a ndarray.*numbers and lists"),
        ({"by": {1: "x"}}, "provenance.by has the key 1. Use texts"),
    ],
)
def test_provenance_that_json_cannot_hold_is_named(fitted, tmp_path, provenance, words):
    with pytest.raises(InputError, match=words):
        save_ridge(fitted[0], tmp_path / "model.npz", provenance=provenance)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_finite_or_not_whole_is_not_saved(fitted, tmp_path):
    model, path = fitted[0], tmp_path / "model.npz"
    whole = model.coef_
    model.coef_ = whole.copy()
    model.coef_[2, 3:] = np.nan, np.inf
    with pytest.raises(InputError, match="NaN or infinity in 2 of 5 voxels"):
        save_ridge(model, path)
    model.coef_ = whole[:, :4]
    with pytest.raises(InputError, match=r"cannot be saved: coef has shape \(7, 4\)"):
        save_ridge(model, path)
    model.coef_ = whole
    model.intercept_ = model.intercept_ * np.nan
    with pytest.raises(InputError, match="cannot be saved: intercept has NaN"):
        save_ridge(model, path)
    assert not list(tmp_path.iterdir())


def test_a_voxel_that_held_nothing_to_fit_comes_back(fitted, tmp_path):
    X, runs = fitted[1], np.repeat([1, 2, 3], 30)
    Y = np.column_stack([X[:, 0], np.full(90, 3.0)])
    model = BandedRidge(BANDS, n_candidates=4).fit(X, Y, groups=runs)
    assert np.isnan(model.alphas_[1])
    save_ridge(model, tmp_path / "model.npz")
    loaded = load_ridge(tmp_path / "model.npz")
    assert_array_equal(loaded.alphas_, model.alphas_)
    assert_allclose(loaded.predict(X)[:, 1], 3.0)
