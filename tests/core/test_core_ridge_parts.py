"""Tests of the small parts of the fold-Gram search."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from brain2music.core.checks import InputError
from brain2music.core.device import use_backend
from brain2music.core.ridge.axes import principal_axes
from brain2music.core.ridge.decompose import decompose
from brain2music.core.ridge.folds import folds_of
from brain2music.core.ridge.levers import Levers
from brain2music.core.ridge.penalties import parabola
from brain2music.core.ridge.plan import (
    Plan,
    first_plan,
    nearest_placed,
    own_candidates,
    place,
)
from brain2music.core.ridge.stacking import convex_weights
from brain2music.core.ridge.stream import SideBySide, check_voxels, read, release


def test_a_decomposition_gives_the_matrix_back_and_has_no_negative_value(rng):
    X = rng.standard_normal((5, 12))
    values, vectors = decompose((X.T @ X).astype(np.float32))
    assert values.dtype == np.float64
    assert_allclose((vectors * values) @ vectors.T, X.T @ X, atol=1e-5)
    assert (values >= 0).all()
    _, rank = decompose(X.T @ X), np.linalg.matrix_rank(X)
    assert (decompose(X.T @ X)[0] > 0).sum() == rank == 5


def test_a_wrong_decomposition_is_noticed(rng):
    A = rng.standard_normal((9, 9))  # not symmetric: eigh reads one half of it
    with pytest.raises(FloatingPointError, match="of 9 rows is off by"):
        decompose(A)
    with pytest.raises((FloatingPointError, ValueError), match=r"off by|infs or NaNs"):
        decompose(np.full((3, 3), np.nan))


@pytest.mark.parametrize("width", [7, 40], ids=["n > p", "p > n"])
def test_axes_turn_and_turn_back(rng, width):
    X = rng.standard_normal((20, width + 3))
    X -= X.mean(axis=0)
    axes = principal_axes(X, [width, 3], 0.0, "float64")
    assert axes.kept == ((7, 3) if width == 7 else (19, 3))
    turned = axes.turn(X)
    assert_allclose(turned @ turned.T, X @ X.T, atol=1e-9)
    weights = rng.standard_normal((sum(axes.kept), 4))
    assert_allclose(X @ axes.back(weights), turned @ weights, atol=1e-9)


def test_axes_hold_all_but_the_tolerance_and_no_more_than_needed(rng):
    X = rng.standard_normal((200, 30)) * np.arange(1, 31) ** -1.0
    X -= X.mean(axis=0)
    values = np.sort(np.linalg.eigvalsh(X.T @ X))[::-1]
    lost = 1 - np.cumsum(values) / values.sum()
    for tolerance in (0.3, 0.05, 0.001):
        axes = principal_axes(X, [30], tolerance, "float64")
        assert axes.kept[0] == np.argmax(lost <= tolerance) + 1
    flat = principal_axes(np.zeros((20, 30)), [30], 0.1, "float64")
    assert flat.kept == (1,)
    assert np.isfinite(flat.turns[0]).all()
    with pytest.raises(InputError, match="from 0 to below 1, got 1"):
        principal_axes(X, [30], 1.0, "float64")


def test_a_parabola_of_unevenly_spaced_points_is_found(rng):
    low = rng.uniform(-1, 1, 8)
    x = [low - 1.3, low + 0.1, low + 2.0]
    y = [(v - low) ** 2 * 0.7 + 5 for v in x]
    vertex, lowest = parabola(*x, *y)
    assert_allclose(vertex, low)
    assert_allclose(lowest, 5)
    level = parabola(*x, *[np.ones(8)] * 3)
    assert_allclose(level, [x[1], np.ones(8)])


def test_the_first_candidates_are_bands_alone_and_all_alike():
    rows = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1 / 3] * 3, [0.5, 0.5, 0]])
    assert first_plan(rows).n_first == 4
    assert first_plan(rows[4:]).n_first == 1
    assert first_plan(np.tile([0.6, 0.4], (9, 1))).n_first == 3


def test_a_voxels_own_candidate_lies_between_its_best():
    rows = np.array([[1.0, 0], [0, 1], [0.5, 0.5], [0.8, 0.2]])
    scores = np.array([[0.5, 0.1], [0.1, 0.4], [0.3, 0.4], [0.5, np.nan]])
    own = own_candidates(Plan(rows, 2), scores)
    assert_allclose(own.sum(axis=1), 1)
    assert_allclose(own[0], (0.4 * rows[0] + 0.2 * rows[2] + 0.4 * rows[3]))
    assert own[1, 1] > 0.7


def test_candidates_are_placed_in_clusters_and_tried_nearby(rng):
    centres = np.array([[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    own = np.repeat(centres, 30, axis=0) + 0.01 * rng.random((90, 3))
    own /= own.sum(axis=1, keepdims=True)
    plan = place(Plan(np.eye(3), 3), own, 3, seed=0)
    placed = plan.candidates[3:]
    assert plan.rounds == ((3, 6),)
    assert_allclose(placed.sum(axis=1), 1)
    distance = np.abs(placed[:, None] - centres).sum(axis=2)
    assert (distance.min(axis=0) < 0.05).all()
    plan = Plan(np.vstack([np.eye(3), centres, centres[::-1]]), 3, ((3, 9),))
    tries = nearest_placed(plan, centres[:1], 3, 9)
    assert tries.sum() == 3
    assert tries[0, 0]
    assert tries[5, 0]
    same = place(Plan(np.eye(3), 3), np.repeat(centres[:1], 9, axis=0), 3, seed=0)
    assert len(same.candidates) == 4


def test_mixtures_are_those_of_a_general_solver(rng):
    parts = rng.standard_normal((4, 50, 6)) + rng.standard_normal((50, 6))
    Y = parts[0] * 0.4 + parts[1] * 0.5 + rng.standard_normal((50, 6))
    Y[:, 5] = -parts[0, :, 5]  # of which none is a good part
    P = np.einsum("bsv,csv->bcv", parts, parts)
    q, null = np.einsum("bsv,sv->bv", parts, Y), (Y**2).sum(axis=0)
    weights, value = convex_weights(P, q, null)
    assert_allclose(weights.sum(axis=0), 1)
    assert (weights >= 0).all()
    for v in range(6):
        found = minimize(
            lambda w, v=v: null[v] - 2 * w @ q[:, v] + w @ P[:, :, v] @ w,
            np.full(4, 0.25),
            bounds=[(0, 1)] * 4,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            tol=1e-12,
        )
        assert_allclose(value[v], found.fun, rtol=1e-7)
        assert_allclose(weights[:, v], found.x, atol=1e-4)


def test_mixtures_of_equal_or_empty_predictions_are_mixtures():
    P, q = np.ones((3, 3, 2)), np.full((3, 2), 0.5)
    P[:, :, 1], q[:, 1] = 0, 0
    weights, value = convex_weights(P, q, np.ones(2))
    assert_allclose(weights.sum(axis=0), 1)
    assert_allclose(value, [1.0, 1.0])


def test_subjects_lie_side_by_side(rng):
    Ys = [rng.standard_normal((6, n)) for n in (4, 1, 5)]
    together, whole = SideBySide(Ys), np.hstack(Ys)
    assert together.shape == (6, 10)
    for part in (slice(0, 10), slice(3, 6), slice(5, 99), slice(4, 4)):
        assert_array_equal(together[:, part], whole[:, part])


def test_what_was_written_to_a_file_is_there_after_it_is_let_go(rng, tmp_path):
    Y = rng.standard_normal((50, 400))
    file = np.lib.format.open_memmap(tmp_path / "Y.npy", "w+", np.float64, Y.shape)
    for start in range(0, 400, 90):
        file[:, start : start + 90] = Y[:, start : start + 90]
        release(file[3:])
    assert_array_equal(read(file, slice(5, 60)), Y[:, 5:60])
    private = np.load(tmp_path / "Y.npy", mmap_mode="c")
    private[:] = 7
    release(private)
    assert (private == 7).all()
    assert_array_equal(np.load(tmp_path / "Y.npy"), Y)
    file[:, 7], file[:, 300] = 0, 3
    with pytest.raises(InputError, match=r"2 of 400 voxels never vary in Y \(1 are"):
        check_voxels(file, 60)


def test_a_backend_that_is_not_there_is_named(monkeypatch):
    def missing(_):
        raise RuntimeError("PyTorch with CUDA is not available.")

    monkeypatch.setattr("himalaya.backend.set_backend", missing)
    with (
        pytest.raises(InputError, match="'torch_cuda' cannot be used here: PyTorch"),
        use_backend("torch_cuda"),
    ):
        pass


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="n_refined and widen must be at least 0"):
        Levers(n_refined=-1)
    with pytest.raises(InputError, match="tolerance must be a share"):
        Levers(tolerance=1.5)


def test_a_number_of_folds_is_enough_without_groups(rng):
    X = rng.standard_normal((10, 2))
    assert_array_equal(folds_of(5, X, X), np.repeat(np.arange(5), 2))
