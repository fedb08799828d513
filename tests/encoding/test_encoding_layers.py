"""Tests of the choice of a network's layer for each voxel."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.ridge.stream import Spread
from brain2music.core.types import Band
from brain2music.encoding.evaluate import RidgeSettings, fit_models
from brain2music.encoding.layers import (
    columns_of,
    count_layer_fits,
    fit_layers,
    spaces_of,
)
from brain2music.encoding.streamed import Place

SETTINGS = RidgeSettings(alphas=(1.0, 10.0, 100.0), n_candidates=4)
N_TRAIN, N_TEST, WIDTHS = 240, 60, (4, 4, 4, 3)
BANDS = (
    Band("net", 2, (0, 1), "HuBERT", "1"),
    Band("net", 2, (0, 1), "HuBERT", "2"),
    Band("net", 2, (0, 1), "HuBERT", "3"),
    Band("genre", 3, (0,), "labels"),
)
PLANTED = (0, 0, 1, 2, 2, 2, 1, 0, 2)  # layer of each voxel


@pytest.fixture
def data(rng):
    """Layers that are alike, and voxels that answer to one of them and to genre."""
    shared = rng.standard_normal((N_TRAIN + N_TEST, 4))
    X = np.hstack(
        [
            shared + rng.standard_normal((len(shared), width))[:, :width]
            for width in WIDTHS[:3]
        ]
        + [rng.standard_normal((len(shared), 3))]
    )
    Y = rng.standard_normal((len(X), len(PLANTED)))
    for voxel, layer in enumerate(PLANTED):
        Y[:, voxel] += 2 * X[:, 4 * layer : 4 * layer + 4] @ rng.standard_normal(4)
        Y[:, voxel] += X[:, 12:] @ rng.standard_normal(3)
    folds = np.repeat(np.arange(4), N_TRAIN // 4)
    return X[:N_TRAIN], Y[:N_TRAIN], X[N_TRAIN:], Y[N_TRAIN:], folds


def fitted(data, bands=BANDS, **options):
    X, Y, X_test, _, folds = data
    return fit_layers(
        X, Y, X_test, bands=bands, folds=folds, settings=SETTINGS, **options
    )


def test_the_planted_layer_of_each_voxel_comes_back(data):
    result, bands, (choice,) = fitted(data)
    assert_array_equal(choice.chosen, PLANTED)
    assert choice.layers == ("1", "2", "3")
    assert [band.name for band in bands] == ["net", "genre"]
    assert bands[0].layer == "chosen"
    residual = ((data[3] - result.predictions) ** 2).mean(axis=0)
    assert (residual < 0.5 * data[3].var(axis=0)).all()


def test_each_voxel_is_fitted_as_if_its_layer_were_the_only_one(data):
    X, Y, X_test, _, folds = data
    result, bands, _ = fitted(data)
    for layer in range(3):
        voxels = np.flatnonzero(np.equal(PLANTED, layer))
        columns = columns_of(BANDS, [layer, 3])
        alone = fit_models(
            X[:, columns],
            Y[:, voxels],
            X_test[:, columns],
            bands=bands,
            folds=folds,
            settings=SETTINGS,
        )
        for name in ("weights", "predictions", "parts", "alone", "plain", "cv_scores"):
            expected = getattr(alone, name)
            assert_allclose(getattr(result, name)[..., voxels], expected)


def test_a_roi_takes_the_layer_that_is_best_on_average(data):
    masks = [np.zeros(9, bool), np.zeros(9, bool)]
    masks[0][:3] = masks[1][3:7] = True
    rois = dict(zip(("STG", "Heschl"), masks, strict=True))
    _, _, (choice,) = fitted(data, by_roi={"net": rois})
    assert choice.notes == []
    assert_array_equal(choice.chosen[:3], choice.cv_scores[:, :3].mean(axis=1).argmax())
    assert_array_equal(choice.chosen[3:7], [2] * 4)
    assert_array_equal(choice.chosen[7:], PLANTED[7:])  # in no ROI: by themselves


def test_a_voxel_that_holds_nothing_has_no_say_in_its_roi(data):
    X, Y, X_test, Y_test, folds = data
    Y = Y.copy()
    Y[folds == 1, 3] = 0.5  # flat in a fold
    mask = np.zeros(9, bool)
    mask[3:6] = True
    _, _, (choice,) = fitted((X, Y, X_test, Y_test, folds), by_roi={"net": {"a": mask}})
    assert_array_equal(choice.chosen[mask], [2] * 3)
    assert choice.notes == []


def test_a_roi_without_a_scored_voxel_is_named(data):
    X, Y, X_test, Y_test, folds = data
    Y = Y.copy()
    Y[folds == 1, 3:5] = 0.5  # flat in a fold
    rois = {name: np.zeros(9, bool) for name in ("STG", "Heschl", "nobody")}
    rois["STG"][3:5] = rois["Heschl"][5:7] = True
    _, _, (choice,) = fitted((X, Y, X_test, Y_test, folds), by_roi={"net": rois})
    assert choice.unscored == ("STG", "nobody")
    assert_array_equal(choice.chosen[5:7], choice.chosen[5])
    first, second = choice.notes
    assert "no voxel of STG has a score" in first
    assert "a layer of net by: the first, 1, stands there" in first
    assert "nobody" in second


def test_the_test_rows_have_no_part_in_the_choice(data):
    X, Y, X_test, Y_test, folds = data
    _, _, (before,) = fitted(data)
    _, _, (after,) = fitted((X, Y, X_test[:, ::-1] * 50, Y_test, folds))
    assert_array_equal(before.chosen, after.chosen)
    assert_array_equal(before.cv_scores, after.cv_scores)


def test_without_layers_it_is_the_ordinary_fit(data):
    X, Y, X_test, _, folds = data
    bands = (Band("a", 4), Band("b", 4), Band("c", 7))
    result, same, choices = fitted(data, bands)
    expected = fit_models(X, Y, X_test, bands=bands, folds=folds, settings=SETTINGS)
    assert_array_equal(result.predictions, expected.predictions)
    assert same == bands
    assert choices == []


def test_the_fits_are_counted(data):
    ticks = []
    fitted(data, advance=ticks.append)
    assert sum(ticks) == count_layer_fits(BANDS) * len(PLANTED)
    assert spaces_of(BANDS) == {"net": [0, 1, 2], "genre": [3]}


def test_says_what_layers_and_rois_must_be(data):
    wide = (Band("net", 3, (0,), "", "1"), Band("net", 5, (0,), "", "2"), Band("b", 7))
    with pytest.raises(InputError, match=r"'net' have \[3, 5\] columns"):
        fitted(data, wide)
    mixed = (
        Band("net", 4, (0,), "", "1"),
        Band("b", 4),
        Band("net", 4, (0,), "", "2"),
        BANDS[3],
    )
    with pytest.raises(InputError, match=r"at places \[0, 2\].*adjacent"):
        fitted(data, mixed)
    both = {"a": np.ones(9, bool), "b": np.ones(9, bool)}
    with pytest.raises(InputError, match="9 voxels lie in two ROIs"):
        fitted(data, by_roi={"net": both})


@pytest.mark.parametrize("solver", ["fold-gram", "himalaya"])
def test_groups_of_voxels_are_written_into_one_file_in_chunks(data, tmp_path, solver):
    X, Y, X_test, _, folds = data
    np.save(tmp_path / "Y.npy", Y)

    def make(name, shape, dtype):
        whole = np.lib.format.open_memmap(
            tmp_path / f"{name}.npy", "w+", dtype, (*shape[:-1], 12)
        )
        whole[...] = np.nan
        return Spread(whole, np.arange(1, 10))

    settings = replace(SETTINGS, n_voxels_batch=2, solver=solver)
    cut, _, (choice,) = fit_layers(
        X,
        np.load(tmp_path / "Y.npy", mmap_mode="r"),
        X_test,
        bands=BANDS,
        folds=folds,
        settings=settings,
        place=Place(make=make),
    )
    assert_array_equal(choice.chosen, PLANTED)
    whole, _, _ = fitted(data)
    for name in ("weights", "predictions", "alone", "cv_scores", "cv_scores_alone"):
        saved = np.load(tmp_path / f"{name}.npy")
        assert_allclose(saved[..., 1:10], getattr(whole, name), atol=1e-8)
        assert np.isnan(saved[..., [0, 10, 11]]).all()
    assert cut.grid_ends == whole.grid_ends
