"""Tests of the models that are fitted and scored."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.cluster import Scheduler, open_client
from brain2music.core.ridge.factors import make_factor
from brain2music.core.ridge.levers import EXACT, Levers
from brain2music.core.stats import correlation, r2_score
from brain2music.core.types import Band
from brain2music.encoding.banded_ridge import BandedRidge
from brain2music.encoding.evaluate import (
    RidgeSettings,
    count_fits,
    fit_models,
    score_models,
)
from brain2music.encoding.streamed import Job, Place, fit_subjects, score_voxels

BANDS = (Band("mel", 2, (2, 3)), Band("clap", 3), Band("genre", 1, (2, 4)))
SETTINGS = RidgeSettings(alphas=(0.1, 1.0, 10.0, 100.0, 1e3), n_candidates=9)
FOLDS = np.repeat([0, 1, 2], [70, 60, 50])


@pytest.fixture
def study(rng):
    """Correlated features; the first four voxels follow 'mel' and nothing else."""
    X = rng.standard_normal((240, 9)) @ (np.eye(9) + 0.3 * rng.standard_normal((9, 9)))
    W = np.zeros((9, 7))
    W[:4, :4] = rng.standard_normal((4, 4))
    Y = X @ W + rng.standard_normal((240, 7))
    # The test mean is not the training mean, so that the offset has something to say.
    Y[180:] += 0.5
    return X[:180], Y[:180], X[180:], Y[180:]


def scored(result, Y_test):
    return score_models(result.by_model(BANDS), result.intercept, Y_test)


def fit(study, bands=BANDS, settings=SETTINGS, **options):
    return fit_models(
        *study[:3], bands=bands, folds=FOLDS, settings=settings, **options
    )


def test_parts_and_offset_add_up_to_the_joint_scores(study):
    result = fit(study)
    scores = scored(result, study[3])
    names = [*(band.name for band in BANDS), "offset"]
    for kind in ("r", "r2"):
        total = sum(scores["part", name][kind] for name in names)
        assert_allclose(total, scores["joint", "all"][kind], atol=1e-12)
    assert (scores["part", "offset"]["r2"] < -0.005).all()
    assert_array_equal(scores["part", "offset"]["r"], np.zeros(7))
    whole = result.parts.sum(axis=0) + result.intercept
    assert_allclose(whole, result.predictions, atol=1e-12)


def test_models_are_those_of_the_estimator(study):
    X, Y, X_test, _ = study
    result = fit(study)
    options = {"alphas": SETTINGS.alphas, "n_candidates": 9}
    joint = BandedRidge(BANDS, **options).fit(X, Y, groups=FOLDS)
    assert_allclose(result.predictions, joint.predict(X_test))
    assert_allclose(result.weights, joint.coef_)
    assert_allclose(result.parts, list(joint.predict_bands(X_test).values()))
    plain = BandedRidge(**options).fit(X, Y, groups=FOLDS)
    assert_allclose(result.plain, plain.predict(X_test))
    clap = BandedRidge(**options).fit(X[:, 4:7], Y, groups=FOLDS)
    assert_allclose(result.alone[1], clap.predict(X_test[:, 4:7]))


def test_scores_are_those_of_the_predictions(study):
    result = fit(study)
    scores = scored(result, study[3])
    for key in [("joint", "all"), ("plain", "all"), ("alone", "mel")]:
        prediction = result.by_model(BANDS)[key]
        assert_array_equal(scores[key]["r"], correlation(study[3], prediction))
        assert_array_equal(scores[key]["r2"], r2_score(study[3], prediction))
    assert set(result.by_model(BANDS)) | {("part", "offset")} == set(scores)


def test_the_planted_band_leads_and_noise_is_at_chance(study):
    scores = scored(fit(study), study[3])
    parts = np.stack([scores["part", band.name]["r"] for band in BANDS])
    assert (parts[:, :4].argmax(axis=0) == 0).all()
    assert scores["joint", "all"]["r"][:4].min() > 0.5
    assert abs(scores["joint", "all"]["r"][4:].mean()) < 0.25


def test_with_one_band_all_models_are_one(study):
    bands = (Band("mel", 9),)
    done = []
    result = fit(study, bands, advance=done.append)
    assert sum(done) == 7 * count_fits(1) == 7
    assert_allclose(result.plain, result.predictions, atol=1e-12)
    assert_allclose(result.alone[0], result.predictions, atol=1e-12)


def test_progress_adds_up_to_all_voxels_of_all_fits(study):
    done = []
    settings = RidgeSettings(SETTINGS.alphas, 9, n_voxels_batch=3)
    result = fit(study, settings=settings, advance=done.append)
    assert sum(done) == 7 * count_fits(3) == 7 * 5
    assert_allclose(result.weights, fit(study).weights, atol=1e-12)


def test_shares_at_the_ends_of_the_grid_are_told_per_model(study):
    settings = RidgeSettings(alphas=(1e-3, 1e6), n_candidates=5)
    ends = fit(study, settings=settings).grid_ends
    assert set(ends) == {"joint", "plain", "alone mel", "alone clap", "alone genre"}
    for low, high in ends.values():
        assert low + high == 1
    assert ends["plain"][0] >= 4 / 7


def test_precision_is_kept(study):
    single = [array.astype("float32") for array in study]
    result = fit(single)
    assert result.predictions.dtype == result.parts.dtype == "float32"
    assert_allclose(result.predictions, fit(study).predictions, atol=1e-4)


def test_a_test_voxel_that_never_varies_has_no_score(study):
    Y_test = study[3].copy()
    Y_test[:, 2] = 1.0
    scores = scored(fit(study), Y_test)
    for score in scores.values():
        assert_array_equal(np.isnan(score["r"]), np.arange(7) == 2)
        assert_array_equal(np.isnan(score["r2"]), np.arange(7) == 2)


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ((Band("mel", 4), Band("mel", 5)), "a name of its own"),
        ((Band("all", 9),), "mean something else"),
        ((Band("mel", 4), Band("clap", 4)), "X_test 9 and the bands 8"),
    ],
)
def test_bands_that_do_not_fit_are_refused(study, bands, words):
    with pytest.raises(InputError, match=words):
        fit(study, bands)


def test_a_training_voxel_that_never_varies_is_refused(study):
    study[1][:, 3] = 0.1
    with pytest.raises(InputError, match="1 of 7 voxels never vary in Y_train"):
        fit(study)


def test_test_responses_of_other_samples_are_refused(study):
    with pytest.raises(InputError, match="Y_test has 59, predictions has 60"):
        scored(fit(study), study[3][1:])


ARRAYS = ("weights", "intercept", "predictions", "parts", "alone", "plain", "alphas")


def test_one_pass_gives_what_himalaya_gives_model_by_model(study):
    ours = fit(study)
    theirs = fit(study, settings=replace(SETTINGS, solver="himalaya"))
    for name in (*ARRAYS, "band_weights", "cv_scores", "cv_scores_alone"):
        first, second = getattr(ours, name), getattr(theirs, name)
        assert_allclose(first, second, atol=1e-8, err_msg=name)
    assert ours.grid_ends == theirs.grid_ends
    assert theirs.counts == {}
    assert ours.counts["voxels"] == ours.counts["raced"] == 7


@pytest.mark.parametrize("form", ["primal", "kernel"])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_voxels_stream_from_and_to_files_in_chunks(study, tmp_path, form, size):
    np.save(tmp_path / "Y.npy", study[1])
    mapped = np.load(tmp_path / "Y.npy", mmap_mode="r")
    settings = replace(SETTINGS, n_voxels_batch=size, form=form, levers=Levers())

    def make(name, shape, dtype):
        return np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", dtype, shape)

    whole = fit(study, settings=replace(settings, n_voxels_batch=None))
    cut = fit((study[0], mapped, study[2]), settings=settings, place=Place(make=make))
    for name in (*ARRAYS, "band_weights", "cv_scores"):
        assert_allclose(getattr(cut, name), getattr(whole, name), atol=1e-9)
        assert isinstance(getattr(cut, name), np.memmap)
    assert_array_equal(np.load(tmp_path / "weights.npy"), cut.weights)
    assert cut.counts == whole.counts


def test_factorisations_that_do_not_fit_wait_in_a_file(study, monkeypatch):
    made = []
    monkeypatch.setattr(
        "brain2music.core.ridge.fold_gram.make_factor",
        lambda *given: made.append(given) or make_factor(*given),
    )
    whole, n_whole = fit(study), len(made)
    bound = replace(SETTINGS, max_memory_gb=3e-4, n_voxels_batch=2)
    cut = fit(study, settings=bound)
    assert len(made) == 2 * n_whole  # once, for all four batches
    assert_allclose(cut.weights, whole.weights, atol=1e-12)


def test_memory_bounds_the_batch_and_too_little_is_refused(study):
    small = replace(SETTINGS, max_memory_gb=3e-4)
    assert_allclose(fit(study, settings=small).weights, fit(study).weights, atol=1e-12)
    with pytest.raises(InputError, match="max_memory_gb = 1e-05 is not enough"):
        fit(study, settings=replace(SETTINGS, max_memory_gb=1e-5))


def test_stacking_mixes_the_bands_own_models(study):
    result = fit(study, settings=replace(SETTINGS, stacking=True))
    assert_allclose(result.shares.sum(axis=0), 1)
    mixed = np.einsum("bv,bsv->sv", result.shares, result.alone)
    assert_allclose(result.stacked, mixed)
    assert (result.shares[:, :4].argmax(axis=0) == 0).all()
    assert r2_score(study[3], result.stacked)[:4].min() > 0.3
    assert fit(study).stacked is None


def test_a_voxel_that_is_flat_in_a_fold_is_masked_and_counted(study):
    study[1][70:130, 5] = 0.4
    result = fit(study, settings=replace(SETTINGS, stacking=True))
    assert result.counts["flat in a fold"] == 1
    assert_array_equal(np.isnan(result.cv_scores), np.arange(7) == 5)
    assert_allclose(result.predictions[:, 5], study[1][:, 5].mean())
    assert_allclose(result.stacked[:, 5], study[1][:, 5].mean())
    assert any("1 of 7 voxels hold nothing to fit" in note for note in result.notes)


def test_what_a_search_left_out_is_said(study):
    settings = replace(
        SETTINGS, alphas=(10.0, 20.0), levers=Levers(margin=0.1, widen=4)
    )
    notes = " ".join(fit(study, settings=settings).notes)
    assert "went on after the first candidates" in notes
    assert "the grid of penalties was widened for" in notes
    assert fit(study).notes == []


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (0.0, r"1 of 7 voxels never vary in Y_train \(1 are all zero\)"),
        (np.nan, "Y_train has NaN or infinity in 1 of its 7"),
    ],
)
@pytest.mark.parametrize("solver", ["fold-gram", "himalaya"])
def test_voxels_that_hold_nothing_are_counted_and_refused(study, column, words, solver):
    study[1][:, 2] = column
    with pytest.raises(InputError, match=words):
        fit(study, settings=replace(SETTINGS, solver=solver, n_voxels_batch=2))


def test_nobody_beyond_the_margin_is_said_too(study):
    settings = replace(SETTINGS, levers=replace(EXACT, margin=0.99))
    result = fit(study, settings=settings)
    assert any("0 of " in note and "went on" in note for note in result.notes)


def test_himalaya_neither_stacks_nor_leaves_out(study):
    settings = replace(SETTINGS, solver="himalaya", stacking=True)
    with pytest.raises(InputError, match="'himalaya' does not stack"):
        fit(study, settings=settings)
    settings = replace(SETTINGS, solver="himalaya", levers=Levers())
    with pytest.raises(InputError, match="levers and backend are for solver"):
        fit(study, settings=settings)


def test_subjects_who_heard_the_same_share_one_pass(study):
    X, Y, X_test, _ = study
    job = Job(X, X_test, BANDS, FOLDS, SETTINGS)
    made = []

    def make(name, shape, dtype):
        made.append(name)
        return np.empty(shape, dtype)

    both = fit_subjects(job, {"01": Y[:, :3], "02": Y[:, 3:]}, place=Place(make=make))
    assert {"01/weights", "02/alone"} <= set(made)
    for name in ARRAYS:
        parts = [getattr(both[subject], name) for subject in ("01", "02")]
        whole = getattr(fit(study), name)
        assert_allclose(np.concatenate(parts, axis=-1), whole, atol=1e-12)


@pytest.mark.slow
def test_workers_fit_what_one_process_fits(study, tmp_path):
    pytest.importorskip("distributed")
    X, Y, X_test, _ = study
    settings = replace(SETTINGS, stacking=True, n_voxels_batch=3)
    job = Job(X, X_test, BANDS, FOLDS, settings)
    with open_client(Scheduler(n_workers=2)) as client:
        with pytest.raises(InputError, match="workers need a folder"):
            Place(client)
        found = fit_subjects(job, {"01": Y}, place=Place(client, tmp_path))["01"]
    expected = fit(study, settings=settings)
    for name in (*ARRAYS, "stacked", "shares"):
        assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-10)
    assert found.counts == expected.counts


def test_a_bands_own_score_is_that_of_a_fit_of_its_own(study):
    X, Y, X_test, _ = study
    result = fit(study)
    for number, columns in enumerate((slice(0, 4), slice(4, 7), slice(7, 9))):
        band = (Band("own", columns.stop - columns.start),)
        own = fit((X[:, columns], Y, X_test[:, columns]), band)
        assert_allclose(result.cv_scores_alone[number], own.cv_scores, atol=1e-12)
        assert_allclose(own.cv_scores_alone, own.cv_scores[None])
        job = Job(X[:, columns], X[:0, columns], band, FOLDS, SETTINGS)
        assert_allclose(score_voxels(job, Y), own.cv_scores, atol=1e-12)


@pytest.mark.parametrize("bound", [{"n_voxels_batch": 3}, {"max_memory_gb": 6e-5}])
def test_himalaya_fits_chunks_as_it_fits_all(study, bound):
    settings = replace(SETTINGS, solver="himalaya")
    whole, seen = fit(study, settings=settings), []
    cut = fit(study, settings=replace(settings, **bound), advance=seen.append)
    assert len(seen) > 1
    for name in (*ARRAYS, "cv_scores", "cv_scores_alone"):
        assert_allclose(getattr(cut, name), getattr(whole, name), atol=1e-10)
    assert cut.grid_ends == whole.grid_ends
    job = Job(study[0], study[0][:0], BANDS, FOLDS, replace(settings, **bound))
    assert_allclose(score_voxels(job, study[1]), whole.cv_scores, atol=1e-10)


def test_himalaya_stays_in_one_process(study, tmp_path):
    settings = replace(SETTINGS, solver="himalaya")
    with pytest.raises(InputError, match="'himalaya' runs in one process"):
        fit(study, settings=settings, place=Place("a client", tmp_path))


def test_kept_factorisations_are_found_again_and_never_taken_for_others(
    study, tmp_path, monkeypatch
):
    made = []
    monkeypatch.setattr(
        "brain2music.core.ridge.fold_gram.make_factor",
        lambda *given: made.append(given) or make_factor(*given),
    )
    place = Place(None, tmp_path, keep=True)
    first, n_first = fit(study, place=place), len(made)
    assert n_first > 0
    again = fit(study, place=place)
    assert len(made) == n_first
    assert_array_equal(again.weights, first.weights)
    for changed in ({"alphas": (0.5, 7.0)}, {"levers": Levers(), "form": "kernel"}):
        found = fit(study, settings=replace(SETTINGS, **changed), place=place)
        alone = fit(study, settings=replace(SETTINGS, **changed))
        assert_allclose(found.weights, alone.weights, atol=1e-12)
    moved = (study[0] * np.arange(1, 10), *study[1:3])
    assert_allclose(fit(moved, place=place).weights, fit(moved).weights, atol=1e-12)
    with pytest.raises(InputError, match="need a folder"):
        Place(keep=True)


def test_what_else_is_held_comes_off_the_bound(study):
    def n_chunks(**bound):
        seen = []
        fit(study, settings=replace(SETTINGS, **bound), advance=seen.append)
        return len(seen)

    assert n_chunks(max_memory_gb=1e-4) == n_chunks(max_memory_gb=1.1e-3, other_gb=1e-3)
    assert n_chunks(max_memory_gb=1.1e-3) < n_chunks(max_memory_gb=1e-4)
    with pytest.raises(InputError, match=r"max_memory_gb = 0.2 .* needs 0.2 GB"):
        n_chunks(max_memory_gb=0.2, other_gb=0.2)
