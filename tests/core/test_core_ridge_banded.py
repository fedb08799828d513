"""Tests of the banded ridge fit, against scikit-learn and himalaya called by hand."""

from dataclasses import replace

import himalaya.backend
import numpy as np
import pytest
from himalaya.kernel_ridge import MultipleKernelRidgeCV
from himalaya.ridge import GroupRidgeCV
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit

from brain2music.core.checks import InputError
from brain2music.core.ridge.banded import choose_form, fit_banded_ridge
from brain2music.core.ridge.candidates import structured_candidates
from brain2music.core.ridge.search import Search
from brain2music.core.stats import correlation

ALPHAS = np.logspace(-1, 4, 6)
FORMS = ["primal", "kernel"]


def study(rng, *, widths=(4, 7, 3), n_voxels=9, signal=0.3, sizes=(31, 44, 25)):
    n_samples, n_columns = sum(sizes), sum(widths)
    mixing = np.eye(n_columns) + 0.3 * rng.standard_normal((n_columns, n_columns))
    X = rng.standard_normal((n_samples, n_columns)) @ mixing + 2
    W = signal * rng.standard_normal((n_columns, n_voxels))
    W *= rng.random((n_columns, n_voxels)) < 0.4
    Y = X @ W + rng.standard_normal((n_samples, n_voxels)) - 3
    return X, Y, np.repeat(np.arange(len(sizes)), sizes)


def plain_by_hand(X, Y, folds, alphas):
    """Refit scikit-learn's Ridge per fold, alpha and voxel; the slow, plain way."""
    losses = np.zeros((len(alphas), Y.shape[1]))
    of_mean = np.zeros(Y.shape[1])
    for fold in np.unique(folds):
        train, held = folds != fold, folds == fold
        of_mean += ((Y[held] - Y[train].mean(axis=0)) ** 2).mean(axis=0)
        for number, alpha in enumerate(alphas):
            model = Ridge(alpha=alpha, solver="svd").fit(X[train], Y[train])
            error = Y[held] - model.predict(X[held])
            losses[number] += (error**2).mean(axis=0)
    chosen = np.asarray(alphas)[losses.argmin(axis=0)]
    models = [
        Ridge(alpha=a, solver="svd").fit(X, y) for a, y in zip(chosen, Y.T, strict=True)
    ]
    weights = np.stack([model.coef_ for model in models], axis=1)
    intercept = np.array([model.intercept_ for model in models])
    return weights, intercept, chosen, 1 - losses.min(axis=0) / of_mean


@pytest.mark.parametrize("width", [14, 130], ids=["n > p", "p > n"])
@pytest.mark.parametrize("form", ["auto", *FORMS])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_band_is_plain_ridge_as_scikit_learn_fits_it(rng, width, form, dtype):
    X, Y, folds = study(rng, widths=(width,), signal=1 / width**0.5)
    weights, intercept, alphas, scores = plain_by_hand(X, Y, folds, ALPHAS)
    search = Search(ALPHAS, np.ones((1, 1)), form)
    fit = fit_banded_ridge(
        X.astype(dtype), Y.astype(dtype), widths=[width], folds=folds, search=search
    )
    tolerance = 1e-8 if dtype == "float64" else 1e-4
    assert fit.weights.dtype == fit.intercept.dtype == dtype
    assert_allclose(fit.alphas, alphas)
    scale = np.abs(weights).max()
    assert_allclose(fit.weights, weights, atol=tolerance * scale, rtol=tolerance)
    prediction, expected = X @ fit.weights + fit.intercept, X @ weights + intercept
    assert_allclose(prediction, expected, atol=tolerance * np.abs(Y).max())
    assert_allclose(fit.cv_scores, scores, atol=tolerance)
    assert_array_equal(fit.band_weights, np.ones((1, Y.shape[1])))


@pytest.mark.parametrize("form", FORMS)
def test_bands_are_weighed_as_himalaya_weighs_them(rng, form):
    X, Y, folds = study(rng)
    Y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    candidates = np.random.default_rng(1).dirichlet([1, 1, 1], size=8)
    fit = fit_banded_ridge(
        X, Y, widths=(4, 7, 3), folds=folds, search=Search(ALPHAS, candidates, form)
    )
    params = {"alphas": ALPHAS, "n_iter": candidates, "progress_bar": False}
    model = GroupRidgeCV(
        groups=np.repeat([0, 1, 2], [4, 7, 3]),
        cv=PredefinedSplit(folds),
        fit_intercept=True,
        solver_params=params,
    ).fit(X, Y)
    assert_allclose(fit.weights, model.coef_, atol=1e-9)
    assert_allclose(fit.intercept, model.intercept_, atol=1e-9)
    assert_allclose(np.log(fit.band_weights / fit.alphas), model.deltas_, atol=1e-9)
    loss = -model.cv_scores_.max(axis=0)
    of_mean = np.mean(
        [
            ((Y[folds == f] - Y[folds != f].mean(axis=0)) ** 2).mean(axis=0)
            for f in np.unique(folds)
        ],
        axis=0,
    )
    assert_allclose(fit.cv_scores, 1 - loss / of_mean, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_candidates_without_some_bands_agree_with_himalaya_kernels(rng, form):
    X, Y, folds = study(rng, n_voxels=13)
    Y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    candidates = structured_candidates(3, 9, seed=0)
    fit = fit_banded_ridge(
        X, Y, widths=(4, 7, 3), folds=folds, search=Search(ALPHAS, candidates, form)
    )
    kernels = np.stack([x @ x.T for x in np.split(X, [4, 11], axis=1)])
    params = {"alphas": ALPHAS, "n_iter": candidates, "progress_bar": False}
    model = MultipleKernelRidgeCV(
        kernels="precomputed",
        cv=PredefinedSplit(folds),
        fit_intercept=True,
        solver_params=params,
    )
    with np.errstate(divide="ignore"):
        model.fit(kernels, Y)
    predicted = X @ fit.weights + fit.intercept
    assert_allclose(predicted, model.predict(kernels), atol=1e-8)
    assert_allclose(fit.band_weights / fit.alphas, np.exp(model.deltas_), atol=1e-9)
    assert ((fit.band_weights == 0).any(axis=0)).any()
    bands = np.split(fit.weights, [4, 11])
    for weights, share in zip(bands, fit.band_weights, strict=True):
        assert_array_equal((weights == 0).all(axis=0), share == 0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("widths", [(4, 7, 3), (80, 20, 31)], ids=["n > p", "p > n"])
def test_himalaya_can_be_asked_for_and_gives_the_same(rng, widths, dtype):
    X, Y, folds = study(rng, widths=widths, signal=0.1)
    X, Y = X.astype(dtype), Y.astype(dtype)
    search = Search(ALPHAS, np.random.default_rng(1).dirichlet([1, 1, 1], size=7))
    ours, *theirs = (
        fit_banded_ridge(X, Y, widths=widths, folds=folds, search=one)
        for one in (
            search,
            replace(search, solver="himalaya", form="primal"),
            replace(search, solver="himalaya", form="kernel", n_voxels_batch=4),
        )
    )
    tolerance = 1e-8 if dtype == "float64" else 1e-4
    for other in theirs:
        assert_allclose(ours.cv_scores, other.cv_scores, atol=tolerance)
        assert_allclose(ours.alphas, other.alphas)
        assert_allclose(ours.band_weights, other.band_weights, atol=1e-6)
        assert_allclose(ours.weights, other.weights, atol=10 * tolerance)


@pytest.mark.parametrize("widths", [(4, 7, 3), (80, 20, 31)], ids=["n > p", "p > n"])
def test_primal_and_kernel_form_agree(rng, widths):
    X, Y, folds = study(rng, widths=widths, signal=0.1)
    search = Search(ALPHAS, structured_candidates(3, 10, seed=0))
    fits = [
        fit_banded_ridge(
            X, Y, widths=widths, folds=folds, search=replace(search, form=form)
        )
        for form in FORMS
    ]
    assert [fit.form for fit in fits] == FORMS
    for name in ("weights", "intercept", "band_weights", "alphas", "cv_scores"):
        first, second = (getattr(fit, name) for fit in fits)
        assert_allclose(first, second, atol=1e-8)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 4, 9, 100])
def test_batches_change_nothing_and_are_reported(rng, form, size):
    X, Y, folds = study(rng)
    search = Search(ALPHAS, structured_candidates(3, 9, seed=0), form)
    done = []
    whole, cut = (
        fit_banded_ridge(
            X, Y, widths=(4, 7, 3), folds=folds, search=one, advance=advance
        )
        for one, advance in [
            (search, None),
            (replace(search, n_voxels_batch=size), done.append),
        ]
    )
    assert_allclose(cut.weights, whole.weights, atol=1e-12)
    assert_array_equal(cut.alphas, whole.alphas)
    assert_array_equal(cut.band_weights, whole.band_weights)
    assert sum(done) == 9


def test_planted_bands_come_back_from_correlated_features(rng):
    n_samples, widths = 900, (6, 5, 8)
    shared = rng.standard_normal((n_samples, 3))
    X = np.hstack(
        [
            shared @ rng.standard_normal((3, w)) + rng.standard_normal((n_samples, w))
            for w in widths
        ]
    )
    owner = np.repeat([0, 1, 2], widths)
    planted = np.repeat([0, 1, 2], 10)
    W = rng.standard_normal((19, 30)) * (owner[:, None] == planted)
    noise = 1.5 * (X @ W).std(axis=0) * rng.standard_normal((n_samples, 30))
    fit = fit_banded_ridge(
        X,
        X @ W + noise,
        widths=widths,
        folds=np.repeat([0, 1, 2, 3], [250, 200, 225, 225]),
        search=Search(ALPHAS, structured_candidates(3, 15, seed=0)),
    )
    # Candidates such as (1/2, 1/2, 0) tie, so ask whether the planted one leads.
    of_planted = fit.band_weights[planted, np.arange(30)]
    assert_array_equal(of_planted, fit.band_weights.max(axis=0))
    assert of_planted.mean() > 0.85


def test_noise_gives_chance_in_the_folds_and_on_held_out_rows(rng):
    X, _, folds = study(rng, sizes=(300, 280, 320))
    Y = rng.standard_normal((len(X), 200))
    train = folds < 2
    fit = fit_banded_ridge(
        X[train],
        Y[train],
        widths=(4, 7, 3),
        folds=np.arange(train.sum()) // 145,
        search=Search((*ALPHAS, 1e6), structured_candidates(3, 10, seed=0)),
    )
    held_out = correlation(Y[~train], X[~train] @ fit.weights + fit.intercept)
    assert abs(fit.cv_scores.mean()) < 0.01
    assert abs(held_out.mean()) < 3 / np.sqrt(320 * 200)
    assert fit.at_high_end.mean() > 0.2


def test_the_unit_and_baseline_of_the_responses_do_not_matter_to_the_choice(rng):
    X, Y, folds = study(rng)
    search = Search(ALPHAS, structured_candidates(3, 9, seed=0))
    unit = 10.0 ** np.arange(-8, 1)
    first, second = (
        fit_banded_ridge(
            responses, targets, widths=(4, 7, 3), folds=folds, search=search
        )
        for responses, targets in [(X, Y), (X - 5, Y * unit + 7)]
    )
    assert_array_equal(first.alphas, second.alphas)
    assert_allclose(first.band_weights, second.band_weights)
    assert_allclose(first.weights, second.weights / unit, rtol=1e-5)


def test_names_of_folds_and_order_of_alphas_do_not_matter(rng):
    X, Y, folds = study(rng)
    candidates = structured_candidates(3, 9, seed=0)
    first = fit_banded_ridge(
        X, Y, widths=(4, 7, 3), folds=folds, search=Search(ALPHAS, candidates)
    )
    second = fit_banded_ridge(
        X,
        Y,
        widths=(4, 7, 3),
        folds=np.array(["b", "c", "a"])[folds],
        search=Search(ALPHAS[::-1], candidates),
    )
    assert_allclose(first.weights, second.weights, atol=1e-12)
    assert_array_equal(first.at_low_end, second.at_low_end)


def test_grid_ends_are_told_apart(rng):
    X, Y, folds = study(rng)
    Y[:, 0] = X[:, 0]
    Y[:, 1] = rng.standard_normal(len(X))
    search = Search((1e-3, 10.0, 1e9), np.ones((1, 1)))
    fit = fit_banded_ridge(X, Y, widths=[14], folds=folds, search=search)
    assert fit.at_low_end[0]
    assert not fit.at_high_end[0]
    assert fit.at_high_end[1]
    assert_array_equal(fit.at_low_end, fit.alphas == 1e-3)
    one = fit_banded_ridge(
        X, Y, widths=[14], folds=folds, search=replace(search, alphas=(1.0,))
    )
    assert not (one.at_low_end | one.at_high_end).any()


def test_a_constant_voxel_has_no_score_and_no_weights(rng):
    X, Y, folds = study(rng)
    Y[:, 3] = 0.1
    search = Search(ALPHAS, structured_candidates(3, 9, seed=0))
    fit = fit_banded_ridge(X, Y, widths=(4, 7, 3), folds=folds, search=search)
    assert_array_equal(np.isnan(fit.cv_scores), np.arange(9) == 3)
    assert_allclose(fit.weights[:, 3], 0, atol=1e-15)
    assert_allclose(fit.intercept[3], 0.1)


def test_inputs_and_himalaya_setting_are_left_as_they_were(rng):
    X, Y, folds = study(rng)
    copies = X.copy(), Y.copy()
    before = himalaya.backend.get_backend().name
    search = Search(ALPHAS, structured_candidates(3, 9, seed=0))
    for form in FORMS:
        fit_banded_ridge(
            X, Y, widths=(4, 7, 3), folds=folds, search=replace(search, form=form)
        )
    assert_array_equal(X, copies[0])
    assert_array_equal(Y, copies[1])
    assert himalaya.backend.get_backend().name == before


def test_form_follows_the_smaller_side():
    assert choose_form("auto", 100, 100) == "primal"
    assert choose_form("auto", 100, 101) == "kernel"
    assert choose_form("kernel", 100, 3) == "kernel"
    with pytest.raises(InputError, match="Did you mean 'primal'"):
        choose_form("primary", 100, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"widths": (4, 7)}, r"X has 14 columns, .* \[4, 7\]"),
        ({"widths": (14, 0)}, "at least 1 and add up"),
        ({"folds": np.zeros(100)}, "names 1 fold"),
        ({"folds": np.arange(99)}, "folds has 99"),
        ({"Y": np.zeros((100, 0))}, "no voxel"),
        ({"Y": np.full((100, 2), np.nan)}, "NaN or infinity in 2 of its 2"),
        ({"alphas": (0.0, 1.0)}, "penalties above 0"),
        ({"alphas": ()}, "penalties above 0"),
        ({"candidates": np.ones((2, 2)) / 2}, r"expected \(n_candidates, 3\)"),
        ({"candidates": np.ones((2, 3))}, r"add up to 1; rows \[0, 1\]"),
        ({"candidates": np.array([[2.0, -1.0, 0.0]])}, "or a weight is negative"),
        ({"n_voxels_batch": 0}, "at least 1 or None, got 0"),
    ],
)
def test_bad_input_is_named(rng, change, words):
    X, Y, folds = study(rng)
    search = Search(ALPHAS, structured_candidates(3, 4, seed=0))
    inputs = {"Y": Y, "widths": (4, 7, 3), "folds": folds}
    inputs |= {k: v for k, v in change.items() if k in inputs}
    search = replace(search, **{k: v for k, v in change.items() if k not in inputs})
    with pytest.raises(InputError, match=words):
        fit_banded_ridge(X, inputs.pop("Y"), **inputs, search=search)
