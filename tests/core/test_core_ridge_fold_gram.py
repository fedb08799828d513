"""Tests of what the fold-Gram search may leave out, and of what it shares."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge

from brain2music.core.ridge import fold_gram
from brain2music.core.ridge.banded import fit_banded_ridge
from brain2music.core.ridge.candidates import structured_candidates
from brain2music.core.ridge.chunk import Aside
from brain2music.core.ridge.fold_gram import FoldGram, count_masked, open_fold_gram
from brain2music.core.ridge.levers import EXACT, Levers
from brain2music.core.ridge.penalties import best_penalty
from brain2music.core.ridge.responses import bytes_of
from brain2music.core.ridge.search import Search
from brain2music.core.ridge.store import Factors, _fields

WIDTHS = (12, 20, 9)
ALPHAS = np.logspace(-1, 5, 7)
FOLDS = np.repeat([2, 0, 1, 3], [60, 75, 55, 70])
FORMS = ["primal", "kernel"]


def study(rng, *, n_voxels=31, noise=1.0, n_silent=0):
    """Three bands that share axes of falling variance; the last voxels are noise."""
    n, p = len(FOLDS), sum(WIDTHS)
    sd = np.concatenate([np.arange(1, w + 1) ** -0.75 for w in WIDTHS])
    mixing = np.eye(p) + 0.2 * rng.standard_normal((p, p)) / p**0.5
    X = (rng.standard_normal((n, p)) * sd) @ mixing + 1
    shares = rng.dirichlet([0.6, 0.6, 0.6], n_voxels).T
    W = rng.standard_normal((p, n_voxels)) * np.sqrt(np.repeat(shares, WIDTHS, axis=0))
    signal = X @ W
    signal = (signal - signal.mean(axis=0)) / signal.std(axis=0)
    signal[:, n_voxels - n_silent :] = 0
    return X, signal + noise * rng.standard_normal(signal.shape) + 2


def search(levers=EXACT, *, n=9, alphas=ALPHAS, **options):
    candidates = structured_candidates(3, n, seed=0)
    return Search(alphas, candidates, levers=levers, **options)


def fit(X, Y, levers=EXACT, **options):
    given = search(levers, **options)
    return fit_banded_ridge(X, Y, widths=WIDTHS, folds=FOLDS, search=given)


def score_by_refitting(X, Y, band_weights, alphas):
    """Score each voxel's own penalties with scikit-learn, fold by fold."""
    losses, of_mean = np.zeros(Y.shape[1]), np.zeros(Y.shape[1])
    for fold in np.unique(FOLDS):
        train, held = fold != FOLDS, fold == FOLDS
        of_mean += ((Y[held] - Y[train].mean(axis=0)) ** 2).mean(axis=0)
        for voxel in range(Y.shape[1]):
            scale = np.sqrt(np.repeat(band_weights[:, voxel], WIDTHS))
            model = Ridge(alpha=alphas[voxel]).fit(X[train] * scale, Y[train, voxel])
            error = Y[held, voxel] - model.predict(X[held] * scale)
            losses[voxel] += (error**2).mean()
    return 1 - losses / of_mean


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_those_of_refitting_each_fold(rng, form):
    X, Y = study(rng)
    found = fit(X, Y, form=form)
    expected = score_by_refitting(X, Y, found.band_weights, found.alphas)
    assert_allclose(found.cv_scores, expected, atol=1e-9)


def test_the_parabola_finds_the_penalty_between_those_of_the_grid(rng):
    X, Y = study(rng, noise=2.0)
    coarse = fit(X, Y, replace(EXACT, interpolate=True), form="primal")
    grid = fit(X, Y, form="primal")
    fine = fit(X, Y, alphas=np.logspace(-1, 5, 61), form="primal")
    assert not np.isin(coarse.alphas, ALPHAS).all()
    true = score_by_refitting(X, Y, coarse.band_weights, coarse.alphas)
    assert_allclose(coarse.cv_scores, true, atol=1e-9)
    assert (true >= grid.cv_scores - 1e-9).all()
    assert (fine.cv_scores - true).mean() < (fine.cv_scores - grid.cv_scores).mean() / 2


def test_in_kernel_form_scores_are_of_the_grid_and_the_fit_lies_between(rng):
    X, Y = study(rng, noise=2.0)
    levers = replace(EXACT, interpolate=True, widen=2)
    coarse = fit(X, Y, levers, form="kernel")
    grid = fit(X, Y, replace(EXACT, widen=2), form="kernel")
    assert_array_equal(coarse.band_weights, grid.band_weights)
    assert_array_equal(coarse.cv_scores, grid.cv_scores)
    assert not np.isin(coarse.alphas, ALPHAS).any()
    half = np.log(ALPHAS[1] / ALPHAS[0]) / 2
    assert (abs(np.log(coarse.alphas / grid.alphas)) <= half + 1e-9).all()
    tried, between = (
        score_by_refitting(X, Y, found.band_weights, found.alphas)
        for found in (grid, coarse)
    )
    assert (between - tried).mean() > 0
    fine = fit(X, Y, alphas=np.logspace(-1, 5, 61), form="kernel")
    assert (fine.cv_scores - between).mean() < (fine.cv_scores - tried).mean() / 2


def test_an_uneven_grid_is_interpolated_and_widened_where_it_lies(rng):
    X, Y = study(rng, noise=1.5)
    levers = replace(EXACT, widen=3, interpolate=True)
    found = fit(X, Y, levers, alphas=[1e3, 3e3, 1e6], form="primal")
    true = score_by_refitting(X, Y, found.band_weights, found.alphas)
    assert_allclose(found.cv_scores, true, atol=1e-9)


def test_a_narrow_grid_chooses_the_candidate_that_a_wide_grid_chooses(rng):
    X, Y = study(rng, noise=2.0)
    wide = fit(X, Y, alphas=10.0 ** np.arange(-3, 7))
    assert len(np.unique(wide.band_weights.round(6), axis=1).T) > 2
    for alphas in ([1e-3, 1e-2, 1e-1], [1e4, 1e5, 1e6]):
        narrow = fit(X, Y, replace(EXACT, widen=7), alphas=alphas)
        same = wide.cv_scores > 0
        assert_allclose(narrow.cv_scores[same], wide.cv_scores[same], atol=1e-9)
        assert_allclose(narrow.band_weights[:, same], wide.band_weights[:, same])


def test_a_grid_does_not_grow_upwards_for_voxels_without_signal(rng):
    X, Y = study(rng, n_silent=6)
    Y[:, :6] = np.random.default_rng(1).standard_normal((len(Y), 6))
    found = fit(X, Y, replace(EXACT, widen=3), alphas=[1e5, 1e7, 1e9], n=1)
    assert (found.alphas[:6] <= 1e9).all()
    assert found.at_high_end[:6].any()


def test_following_looks_on_both_sides_of_equal_losses():
    class Flat:
        """Losses that are equal but for less than himalaya tells apart."""

        def __init__(self):
            self.responses = SimpleNamespace(n_voxels=3)

        def loss(self, alpha, voxels=None):
            return np.full(3 if voxels is None else len(voxels), 1 + 1e-13 * alpha)

    levers = Levers(interpolate=True, follow=True)
    best = best_penalty(Flat(), np.array([0.1, 1, 10]), levers, start=np.full(3, 0.1))
    assert np.isfinite(best.loss).all()
    assert_allclose(best.loss, 1, atol=1e-9)
    assert (best.alpha == 10).all()


def test_following_the_best_penalty_finds_what_trying_all_finds(rng):
    X, Y = study(rng, noise=2.0)
    some, whole = (fit(X, Y, replace(EXACT, follow=f)) for f in (True, False))
    assert_array_equal(some.alphas, whole.alphas)
    assert_allclose(some.cv_scores, whole.cv_scores, atol=1e-12)


def test_a_narrow_grid_widens_until_it_holds_the_best_penalty(rng):
    X, Y = study(rng, noise=2.0, n_silent=6)
    wide = fit(X, Y, alphas=10.0 ** np.arange(-5, 8), n=1)
    for alphas in ([1e-3, 1e-2, 1e-1], [1e4, 1e5, 1e6]):
        steps = replace(EXACT, widen=6)
        found = fit(X, Y, steps, alphas=alphas, n=1)
        signal = wide.cv_scores > 0
        assert_allclose(found.alphas[signal], wide.alphas[signal])
        assert_allclose(found.cv_scores[signal], wide.cv_scores[signal], atol=1e-9)
        assert found.counts["widened"] >= signal.sum()
        assert not (found.at_low_end | found.at_high_end)[signal].any()
    short = fit(X, Y, replace(EXACT, widen=1), alphas=[1e4, 1e5, 1e6], n=1)
    assert short.at_low_end[signal].mean() > 0.5
    assert_allclose(short.alphas[short.at_low_end], 1e3)


def test_a_wider_grid_and_the_parabola_work_together(rng):
    X, Y = study(rng, noise=1.5)
    levers = replace(EXACT, widen=6, interpolate=True)
    narrow = fit(X, Y, levers, alphas=[1e4, 1e5, 1e6], n=1)
    wide = fit(X, Y, levers, alphas=10.0 ** np.arange(-2, 7), n=1)
    assert_allclose(narrow.alphas, wide.alphas, rtol=1e-9)
    assert_allclose(narrow.cv_scores, wide.cv_scores, atol=1e-12)


def test_voxels_below_the_margin_stop_and_the_others_notice_nothing(rng):
    X, Y = study(rng, n_silent=14)
    raced, whole = (fit(X, Y, replace(EXACT, margin=m)) for m in (0.05, None))
    going = raced.counts["raced"]
    assert 10 < going <= 17
    assert whole.counts["raced"] == 31
    first = fit(X, Y, n=4)
    stopped = first.cv_scores <= 0.05
    assert going == 31 - stopped.sum()
    for name in ("alphas", "band_weights", "cv_scores", "weights"):
        one, other, early = (getattr(f, name) for f in (raced, whole, first))
        assert_allclose(one[..., ~stopped], other[..., ~stopped], atol=1e-12)
        assert_allclose(one[..., stopped], early[..., stopped], atol=1e-12)


def test_placed_candidates_improve_the_score_and_do_not_depend_on_chunks(rng):
    X, Y = study(rng, n_voxels=60)
    levers = replace(EXACT, n_refined=8, n_sampled=1000)
    base, placed = fit(X, Y), fit(X, Y, levers)
    assert (placed.cv_scores >= base.cv_scores - 1e-12).all()
    assert (placed.cv_scores - base.cv_scores).mean() > 1e-4
    cut = fit(X, Y, levers, n_voxels_batch=7)
    for name in ("alphas", "band_weights", "cv_scores", "weights"):
        assert_allclose(getattr(cut, name), getattr(placed, name), atol=1e-9)


def test_planted_band_weights_come_back(rng):
    n, widths = 480, (50, 70, 40)
    shared = rng.standard_normal((n, 4))
    X = np.hstack(
        [
            shared @ rng.standard_normal((4, w)) / 2 + rng.standard_normal((n, w))
            for w in widths
        ]
    )
    planted = np.array([[0.8, 0.15, 0.05], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]]).repeat(
        8, 0
    )
    W = rng.standard_normal((160, 24)) * np.sqrt(np.repeat(planted.T, widths, axis=0))
    Y = X @ W
    Y += Y.std(axis=0) * rng.standard_normal(Y.shape)
    found = fit_banded_ridge(
        X,
        Y,
        widths=widths,
        folds=np.arange(n) // 96,
        search=search(Levers(tolerance=0), n=20),
    )
    near = np.abs(found.band_weights - planted.T).mean()
    blind = np.abs(1 / 3 - planted.T).mean()
    assert near < 0.6 * blind
    leads = found.band_weights.argmax(axis=0) == planted.argmax(axis=1)
    assert leads.mean() > 0.9


@pytest.mark.parametrize("form", FORMS)
def test_compression_with_a_tolerance_keeps_the_scores(rng, form):
    X, Y = study(rng)
    exact = fit(X, Y, form=form)
    lossless = fit(X, Y, replace(EXACT, tolerance=1e-14), form=form)
    assert_allclose(lossless.weights, exact.weights, atol=1e-7)
    assert_allclose(lossless.cv_scores, exact.cv_scores, atol=1e-9)
    less = fit(X, Y, replace(EXACT, tolerance=0.02), form=form)
    assert abs(less.cv_scores - exact.cv_scores).max() < 0.05
    engine = open_fold_gram(
        X, widths=WIDTHS, folds=FOLDS, dtype="float64", search=search(Levers(0.02))
    )
    assert all(k < w for k, w in zip(engine.design.widths, WIDTHS, strict=True))
    lost = [
        1 - (part @ turn).var(axis=0).sum() / part.var(axis=0).sum()
        for part, turn in zip(
            np.split(X - X.mean(axis=0), [12, 32], axis=1),
            engine.design.axes.turns,
            strict=True,
        )
    ]
    assert 0 < max(lost) <= 0.02


@pytest.mark.parametrize("form", ["auto", *FORMS])
def test_all_levers_give_the_same_on_torch(rng, form):
    pytest.importorskip("torch")
    X, Y = study(rng, n_silent=9)
    first, second = (
        fit(X, Y, Levers(margin=0.01), backend=backend, form=form)
        for backend in ("numpy", "torch")
    )
    assert first.counts == second.counts
    for name in ("alphas", "band_weights", "cv_scores", "weights"):
        assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-6)


def test_an_aside_is_the_model_of_its_own(rng):
    X, Y = study(rng)
    options = {"folds": FOLDS, "dtype": "float64"}
    engine = open_fold_gram(X, widths=WIDTHS, search=search(), **options)
    asides = {
        "one": Aside(np.array([0, 1.0, 0])),
        "odd": Aside(np.array([0.1, 0.2, 0.7])),
        "plain": Aside(np.full(3, 1 / 3), 3.0),
    }
    found = engine.fit(Y, asides)
    one = Search(ALPHAS, np.ones((1, 1)))
    plain = fit_banded_ridge(X, Y, widths=[41], folds=FOLDS, search=one)
    band = fit_banded_ridge(X[:, 12:32], Y, widths=[20], folds=FOLDS, search=one)
    odd = Search(ALPHAS, np.array([[0.1, 0.2, 0.7]]))
    odd = fit_banded_ridge(X, Y, widths=WIDTHS, folds=FOLDS, search=odd)
    for name, expected in (("plain", plain), ("odd", odd)):
        assert_allclose(found.model(name).weights, expected.weights, atol=1e-9)
        assert_allclose(found.model(name).alphas, expected.alphas)
        assert_allclose(found.model(name).cv_scores, expected.cv_scores, atol=1e-9)
    assert_allclose(found.model("one").weights[12:32], band.weights, atol=1e-9)
    assert_allclose(found.model("one").weights[:12], 0)


def test_factorisations_are_made_once_for_all_chunks_and_subjects(rng, tmp_path):
    X, Y = study(rng)
    made = []
    for folder, kept in ((None, 1e9), (tmp_path, 0), (tmp_path, 1e9)):
        options = {"widths": WIDTHS, "folds": FOLDS, "dtype": "float64"}
        given = search(factor_gb=kept / 1e9)
        engine = open_fold_gram(X, search=given, folder=folder, **options)
        models = [engine.fit(Y[:, s]).model() for s in (slice(0, 9), slice(9, 31))]
        made.append(engine.factors.n_made)
        weights = np.concatenate([model.weights for model in models], axis=1)
        assert_allclose(weights, fit(X, Y).weights, atol=1e-12)
    assert made[0] <= 2 * 9
    assert made[1] == made[0]
    assert made[2] == 0


def test_voxels_that_hold_nothing_are_told_apart_and_counted(rng):
    X, Y = study(rng)
    Y[:, 3], Y[:, 7] = 0.0, 5.0
    Y[FOLDS == 1, 11] = 2.0
    Y[FOLDS != 3, 12] = 1.0
    found = fit(X, Y)
    empty = np.isin(np.arange(31), [3, 7, 11, 12])
    assert found.counts["all zero"] == found.counts["constant"] == 1
    assert found.counts["flat in a fold"] == 2
    assert_array_equal(np.isnan(found.cv_scores), empty)
    assert_array_equal(np.isnan(found.alphas), empty)
    assert_array_equal((found.weights == 0).all(axis=0), empty)
    assert_allclose(found.intercept[empty], Y[:, empty].mean(axis=0))
    rest = fit(X, Y[:, ~empty])
    assert_allclose(found.weights[:, ~empty], rest.weights, atol=1e-12)


def test_folds_of_one_sample_are_not_flat():
    Y = np.array([[0.0, 1.0], [0.0, 2.0], [1.0, 3.0]])
    held = tuple(slice(k, k + 1) for k in range(3))
    masked = count_masked(Y, held)
    assert_array_equal(masked["flat in a fold"], [True, False])  # 0, 0 without the last


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bands", [[0], [0, 1, 2]], ids=["one band", "all"])
@pytest.mark.parametrize("n_folds", [4, 13], ids=["columns", "rows"])
def test_held_out_predictions_are_those_of_refitting(rng, form, bands, n_folds):
    X, Y = study(rng)
    folds = FOLDS if n_folds == 4 else np.arange(len(X)) // 20
    engine = open_fold_gram(
        X, widths=WIDTHS, folds=folds, search=search(form=form), dtype="float64"
    )
    weights = np.isin(np.arange(3), bands) / len(bands)
    responses = engine.open(Y).responses
    turned = responses.turn(engine.factor(weights))
    alphas = ALPHAS[np.arange(31) % 7]
    scale = np.sqrt(np.repeat(weights, WIDTHS))
    Y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    for number, fold in enumerate(np.unique(folds)):
        train, held = folds != fold, folds == fold
        found = turned.predict(number, alphas) + responses.means[number]
        for voxel in range(0, 31, 5):
            model = Ridge(alpha=alphas[voxel]).fit(X[train] * scale, Y[train, voxel])
            expected = model.predict(X[held] * scale)
            assert_allclose(found[:, voxel], expected, atol=1e-9)


def test_a_fit_without_a_folder_makes_each_factorisation_once(rng, monkeypatch):
    X, Y = study(rng)
    made, made_whole = [], []

    def count(into, make):
        def counted(design, weights, *rest):
            into.append(tuple(weights))
            return make(design, weights, *rest)

        return counted

    whole = fold_gram.whole_factor
    monkeypatch.setattr(fold_gram, "make_factor", count(made, fold_gram.make_factor))
    monkeypatch.setattr(fold_gram, "whole_factor", count(made_whole, whole))
    batches = {"factor_gb": 0.0, "n_voxels_batch": 4}
    few = fit_banded_ridge(X, Y, widths=WIDTHS, folds=FOLDS, search=search(**batches))
    assert len(made) == len(set(made)) == 9
    assert len(made_whole) == len(set(made_whole))
    assert_allclose(few.weights, fit(X, Y).weights, atol=1e-12)


def test_blocks_that_are_made_late_stay_only_if_there_is_room(rng):
    X, Y = study(rng)
    results = []
    for room in (0.0, 1.0):
        engine = open_fold_gram(
            X,
            widths=WIDTHS,
            folds=FOLDS,
            dtype="float64",
            search=search(form="kernel"),
        )
        weights = np.full(3, 1 / 3)
        size = bytes_of(_fields(engine.factor(weights)).values())
        engine.factors = Factors(size + room * 1e6)
        factor = engine.factor(weights)
        turned = engine.open(Y).responses.turn(factor)
        late = float(ALPHAS[0]) / 7
        alphas = np.where(np.arange(31) % 2, late, ALPHAS[2])
        results.append((turned.loss(late), turned.predict(1, alphas)))
        assert (late in factor.blocks) == (room > 0)
        real = bytes_of(_fields(engine.factor(weights)).values())
        # The table of penalties is not counted.
        assert abs(engine.factors._bytes - real) <= 8
        assert engine.factors._bytes <= engine.factors.max_bytes
    for one, other in zip(*results, strict=True):
        assert_allclose(one, other, atol=1e-12)


def test_a_sample_is_read_in_batches_and_places_the_same(rng):
    X, Y = study(rng)
    found, widest = [], []

    class Watched:
        shape, dtype = Y.shape, Y.dtype

        def __getitem__(self, key):
            widest.append(Y[key].shape[1])
            return Y[key]

    for size in (None, 5):
        engine = open_fold_gram(
            X, widths=WIDTHS, folds=FOLDS, dtype="float64", search=search(Levers(0.0))
        )
        opened = []
        real = engine.open
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                FoldGram,
                "open",
                lambda _, rows, real=real, opened=opened: (
                    opened.append(rows.shape[1]) or real(rows)
                ),
            )
            engine.sample(Watched(), 20, seed=0, n_voxels_batch=size)
        found.append(engine.plan)
        assert max(opened) == (20 if size is None else 5)
        assert len(opened) == (1 if size is None else 12)
    assert len(found[0].candidates) > len(engine.search.candidates)
    assert found[0].rounds == found[1].rounds
    assert_allclose(found[0].candidates, found[1].candidates, atol=1e-9)
