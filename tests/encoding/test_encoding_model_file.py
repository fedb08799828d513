"""Tests of the file that holds a fitted model."""

import json

import numpy as np
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


def test_a_later_version_is_refused(fitted, tmp_path):
    path = tmp_path / "model.npz"
    save_ridge(fitted[0], path)
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(str(arrays.pop("about"))) | {"version": 2}
    np.savez(path, about=np.array(json.dumps(about)), **arrays)
    with pytest.raises(InputError, match=r"version 2; this release reads .* version 1"):
        load_ridge(path)
