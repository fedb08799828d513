"""Tests of the fold-Gram search against himalaya's solvers, called by hand."""

from inspect import signature

import numpy as np
import pytest
from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
from himalaya.ridge import solve_group_ridge_random_search
from numpy.testing import assert_allclose
from sklearn.model_selection import KFold, PredefinedSplit, ShuffleSplit

from brain2music.core.checks import InputError
from brain2music.core.device import use_backend
from brain2music.core.ridge.as_himalaya import (
    solve_group_ridge_fold_gram,
    solve_multiple_kernel_ridge_fold_gram,
)

ALPHAS = np.logspace(-1, 4, 6)
FOLDS = np.repeat([1, 0, 2], [31, 44, 25])
SHAPES = {
    "more samples, held-out rows": (8, 30, 21),
    "fewer columns than held-out rows": (4, 7, 3),
    "more columns than samples": (40, 70, 35),
}
TOLERANCES = {"float32": 1e-4, "float64": 1e-8}


def study(rng, widths, dtype, *, n_voxels=9):
    """Correlated features with a baseline; the responses are on the scale of 1."""
    p = sum(widths)
    mixing = np.eye(p) + 0.3 * rng.standard_normal((p, p))
    X = rng.standard_normal((100, p)) @ mixing / 3 + 2
    Y = X @ rng.standard_normal((p, n_voxels)) / p**0.5
    Y = Y + rng.standard_normal(Y.shape) * Y.std(axis=0)
    Y = Y / Y.std(axis=0) - 3
    Xs = np.split(X.astype(dtype), np.cumsum(widths)[:-1], axis=1)
    return Xs, Y.astype(dtype), np.random.default_rng(1).dirichlet([1, 1, 1], size=8)


def ours_and_himalayas(Xs, Y, candidates, **params):
    params = {"n_iter": candidates, "alphas": ALPHAS.astype(Y.dtype)} | params
    cv = PredefinedSplit(FOLDS)
    ours = solve_group_ridge_fold_gram(Xs, Y, cv=cv, **params)
    theirs = solve_group_ridge_random_search(
        Xs, Y, cv=cv, **params, progress_bar=False, warn=False
    )
    return ours, theirs


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("widths", SHAPES.values(), ids=SHAPES)
def test_bands_get_himalayas_scores_choices_and_weights(rng, widths, intercept, dtype):
    Xs, Y, candidates = study(rng, widths, dtype)
    ours, theirs = ours_and_himalayas(
        Xs, Y, candidates, fit_intercept=intercept, return_weights=True
    )
    assert len(ours) == len(theirs) == 3 + intercept
    tolerance = TOLERANCES[dtype]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        assert mine.dtype == other.dtype == dtype
    assert_allclose(ours[2], theirs[2], atol=tolerance)
    # A tie within rounding may go either way, which its score does not show.
    gaps = np.sort(theirs[2], axis=0)
    clear = gaps[-1] - gaps[-2] > 2 * tolerance
    assert clear.sum() > 5
    assert_allclose(ours[0][:, clear], theirs[0][:, clear], atol=tolerance)
    scale = np.abs(theirs[1]).max()
    for number in (1, *([3] if intercept else [])):
        mine, other = ours[number][..., clear], theirs[number][..., clear]
        assert_allclose(mine, other, atol=10 * tolerance * scale)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("intercept", [True, False])
def test_kernels_get_himalayas_scores_choices_and_dual_weights(rng, intercept, dtype):
    Xs, Y, candidates = study(rng, (40, 70, 35), dtype)
    if not intercept:
        Y = Y - Y.mean(axis=0)
    Ks = np.stack([X @ X.T for X in Xs])
    params = {
        "n_iter": candidates,
        "alphas": ALPHAS.astype(dtype),
        "cv": PredefinedSplit(FOLDS),
        "fit_intercept": intercept,
        "return_weights": "dual",
        "return_alphas": True,
    }
    ours = solve_multiple_kernel_ridge_fold_gram(Ks, Y, **params)
    theirs = solve_multiple_kernel_ridge_random_search(
        Ks, Y, **params, progress_bar=False
    )
    tolerance = TOLERANCES[dtype]
    assert len(ours) == len(theirs) == 4 + intercept
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert mine.shape == other.shape, number
        atol = tolerance * max(1, np.abs(other).max())
        assert_allclose(mine, other, atol=10 * atol, err_msg=str(number))
    assert_allclose(ours[2], theirs[2], atol=tolerance)


def test_candidates_are_drawn_as_himalaya_draws_them(rng):
    Xs, Y, _ = study(rng, (4, 7, 3), "float64")
    ours, theirs = ours_and_himalayas(Xs, Y, 6, random_state=5)
    assert ours[1] is None
    assert_allclose(ours[2], theirs[2], atol=1e-8)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_batches_of_targets_change_nothing(rng, size):
    Xs, Y, candidates = study(rng, (40, 70, 35), "float64")
    whole, cut = (
        solve_group_ridge_fold_gram(
            Xs, Y, candidates, alphas=ALPHAS, cv=4, n_targets_batch=batch
        )
        for batch in (None, size)
    )
    for first, second in zip(whole, cut, strict=True):
        if first is not None:
            assert_allclose(first, second, atol=1e-12)


@pytest.mark.parametrize("widths", SHAPES.values(), ids=SHAPES)
def test_torch_gives_what_numpy_gives(rng, widths):
    torch = pytest.importorskip("torch")
    Xs, Y, candidates = study(rng, widths, "float64")
    params = {"alphas": ALPHAS, "fit_intercept": True, "return_weights": True}
    first = solve_group_ridge_fold_gram(Xs, Y, candidates, cv=KFold(3), **params)
    with use_backend("torch") as backend:
        second = solve_group_ridge_fold_gram(
            [backend.asarray(X) for X in Xs],
            backend.asarray(Y),
            backend.asarray(candidates),
            cv=KFold(3),
            **params,
        )
    for mine, other in zip(second, first, strict=True):
        assert isinstance(mine, torch.Tensor)
        assert_allclose(mine.numpy(), other, atol=1e-9)


@pytest.mark.gpu
def test_cuda_gives_what_numpy_gives(rng):
    pytest.importorskip("torch")
    Xs, Y, candidates = study(rng, (4, 7, 3), "float32")
    params = {"alphas": ALPHAS.astype("float32"), "fit_intercept": True, "cv": 4}
    first = solve_group_ridge_fold_gram(Xs, Y, candidates, **params)
    with use_backend("torch_cuda") as backend:
        second = solve_group_ridge_fold_gram(
            [backend.asarray(X) for X in Xs], backend.asarray(Y), candidates, **params
        )
    assert_allclose(second[2].cpu().numpy(), first[2], atol=1e-4)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (solve_group_ridge_fold_gram, solve_group_ridge_random_search),
        (
            solve_multiple_kernel_ridge_fold_gram,
            solve_multiple_kernel_ridge_random_search,
        ),
    ],
)
def test_arguments_are_himalayas_in_their_order(ours, theirs):
    names = [name for name in signature(ours).parameters if name != "levers"]
    assert names == list(signature(theirs).parameters)


def test_what_is_not_offered_is_refused(rng):
    Xs, Y, candidates = study(rng, (4, 7, 3), "float64")
    with pytest.raises(InputError, match="holds a sample out twice"):
        solve_group_ridge_fold_gram(Xs, Y, candidates, cv=ShuffleSplit(3, test_size=50))
    Ks = np.stack([X @ X.T for X in Xs])
    with pytest.raises(InputError, match="local_alpha is not as himalaya has it"):
        solve_group_ridge_fold_gram(Xs, Y, candidates, local_alpha=False)
    with pytest.raises(InputError, match="use solve_group_ridge_fold_gram"):
        solve_multiple_kernel_ridge_fold_gram(Ks, Y, return_weights="primal")
