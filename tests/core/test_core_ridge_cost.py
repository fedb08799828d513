"""Tests of the cost that is told before a fit."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.ridge.banded import fit_banded_ridge
from brain2music.core.ridge.candidates import structured_candidates
from brain2music.core.ridge.cost import FitSize, estimate_cost, estimate_fit
from brain2music.core.ridge.search import Search


@pytest.mark.parametrize(
    ("size", "form"),
    [
        (FitSize(2400, (40, 30, 50), 1500, 7, 5, 6, 4), "primal"),
        (FitSize(1200, (40, 30, 50), 1500, 4, 5, 4, 8, 400), "primal"),
        (FitSize(450, (150, 150), 300, 3, 5, 3, 4), "primal"),
        (FitSize(250, (200, 150), 1200, 3, 5, 3, 8), "kernel"),
        (FitSize(150, (300, 200), 1500, 3, 5, 4, 4, 500), "kernel"),
    ],
)
def test_peak_memory_is_right_to_a_third(rng, size, form):
    X = rng.standard_normal((size.n_samples, sum(size.widths)))
    Y = X[:, :1] + rng.standard_normal((size.n_samples, size.n_voxels))
    dtype = f"f{size.itemsize}"
    X, Y = X.astype(dtype), Y.astype(dtype)
    candidates = structured_candidates(len(size.widths), size.n_candidates, 0)
    alphas = np.logspace(0, 4, size.n_alphas)
    search = Search(alphas, candidates, form, size.n_voxels_batch, solver="himalaya")
    folds = np.arange(size.n_samples) * size.n_folds // size.n_samples
    tracemalloc.start()
    fit_banded_ridge(X, Y, widths=size.widths, folds=folds, search=search)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_allclose(estimate_fit(size, form).bytes_peak, peak, rtol=0.35)


def test_all_models_cost_more_than_the_joint_one_and_grow_with_each_size():
    base = {
        "n_train": 4800,
        "n_test": 600,
        "widths": (40, 50, 60),
        "n_voxels": 2000,
        "n_candidates": 20,
        "n_alphas": 7,
        "n_folds": 6,
        "itemsize": 4,
    }
    cost = estimate_cost(**base)
    for name in set(base) - {"widths", "n_test", "itemsize", "n_train"}:
        assert estimate_cost(**base | {name: 2 * base[name]}).flops > cost.flops
    for name in ("n_train", "n_test", "n_voxels", "itemsize"):
        more = estimate_cost(**base | {name: 2 * base[name]})
        assert more.bytes_peak > cost.bytes_peak
    less = estimate_cost(**base, max_memory_gb=0.05)
    assert less.bytes_peak < cost.bytes_peak
    assert estimate_cost(**base, n_voxels_batch=9).bytes_peak < less.bytes_peak


def test_one_band_has_one_candidate():
    sizes = {"n_alphas": 7, "n_folds": 6, "itemsize": 4, "n_test": 99}
    costs = [
        estimate_cost(n_train=900, widths=[30], n_voxels=70, n_candidates=n, **sizes)
        for n in (1, 20)
    ]
    assert costs[0] == costs[1]


def test_smaller_batches_need_less_memory():
    whole = FitSize(4800, (40, 50), 20_000, 20, 7, 6, 4)
    cut = FitSize(4800, (40, 50), 20_000, 20, 7, 6, 4, n_voxels_batch=1000)
    assert estimate_fit(cut).bytes_peak < estimate_fit(whole).bytes_peak / 3
