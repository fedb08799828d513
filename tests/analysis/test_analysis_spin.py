"""Tests of turning maps on the sphere."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import pearsonr, rankdata

from brain2music.analysis import spin
from brain2music.analysis.spin import each_spin, spin_test
from brain2music.core.checks import InputError


def grid(n, mirror=False):
    """Return points that cover a sphere evenly."""
    k = np.arange(n) + 0.5
    z, turn = 1 - 2 * k / n, np.pi * (1 + 5**0.5) * k
    flat = np.sqrt(1 - z**2)
    points = np.c_[flat * np.cos(turn), flat * np.sin(turn), z]
    return 100 * points * ([-1, 1, 1] if mirror else [1, 1, 1])


POINTS = np.vstack([grid(300), grid(200, mirror=True)])
LEFT = np.arange(500) < 300
OPTIONS = {"is_left": LEFT, "n_spins": 99, "seed": 0}


def smooth(rng):
    """Return a map of waves along random directions, the same on both sides."""
    directions = 0.02 * rng.standard_normal((8, 3))
    phases = rng.uniform(0, 2 * np.pi, 8)
    points = np.where(LEFT[:, None], POINTS, POINTS * [-1, 1, 1])
    return np.cos(points @ directions.T + phases) @ rng.standard_normal(8)


@pytest.fixture
def brainspace():
    return pytest.importorskip("brainspace.null_models")


@pytest.mark.usefixtures("brainspace")
def test_a_turn_takes_each_vertex_from_where_it_was():
    spins = list(each_spin(POINTS, LEFT, n_spins=6, seed=3))
    stream = np.random.RandomState(3)
    mirror = np.diag([-1, 1, 1])
    for rows in spins:
        turn, upper = np.linalg.qr(stream.normal(size=(3, 3)))
        turn *= np.sign(np.diag(upper))
        turn[:, 0] *= np.sign(np.linalg.det(turn))
        for side, rotation in ((LEFT, turn), (~LEFT, mirror @ turn @ mirror)):
            here = np.flatnonzero(side)
            moved = POINTS[here] @ rotation
            far = np.linalg.norm(moved[:, None] - POINTS[here], axis=2)
            assert_array_equal(rows[here], here[far.argmin(axis=1)])


@pytest.mark.usefixtures("brainspace")
def test_batches_and_radius_do_not_change_the_turns(monkeypatch):
    whole = list(each_spin(POINTS, LEFT, n_spins=7, seed=1))
    monkeypatch.setattr(spin, "N_SPINS_BATCH", 3)
    assert_array_equal(list(each_spin(2 * POINTS, LEFT, n_spins=7, seed=1)), whole)
    right = np.zeros(200, bool)
    assert len(list(each_spin(POINTS[300:], right, n_spins=4, seed=1))) == 4


@pytest.mark.usefixtures("brainspace")
@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_the_null_is_of_maps_that_were_turned(rng, method):
    a, b = smooth(rng), smooth(rng)
    a[10:40], b[30:60] = np.nan, np.nan
    test = spin_test(a, b, POINTS, method=method, **OPTIONS)
    if method == "spearman":  # ranks of each whole map: turns do not rank anew
        a, b = (rankdata(x, nan_policy="omit") for x in (a, b))
    known = np.isfinite(a) & np.isfinite(b)
    assert test.n_vertices == known.sum() == 450
    assert_allclose(test.r, pearsonr(a[known], b[known])[0])
    spins = each_spin(POINTS, LEFT, n_spins=99, seed=0)
    for found, rows in zip(test.null, spins, strict=True):
        turned = a[rows]
        both = np.isfinite(turned) & np.isfinite(b)
        assert_allclose(found, pearsonr(turned[both], b[both])[0])
    above = (np.abs(test.null) >= abs(test.r)).sum()
    assert_allclose(test.p, (1 + above) / 100)


@pytest.mark.usefixtures("brainspace")
def test_alike_maps_are_found_and_smooth_ones_are_not(rng):
    same = smooth(rng)
    noisy = same + 0.3 * rng.standard_normal(500)
    assert spin_test(same, noisy, POINTS, **OPTIONS).p == 0.01
    p, naive = [], []
    for _ in range(60):
        a, b = smooth(rng), smooth(rng)
        p.append(spin_test(a, b, POINTS, **OPTIONS).p)
        naive.append(pearsonr(a, b)[1])
    assert np.mean(np.array(p) <= 0.05) < 0.15
    assert np.mean(np.array(naive) <= 0.05) > 0.4


@pytest.mark.usefixtures("brainspace")
def test_turns_that_leave_too_few_vertices_do_not_count(rng):
    a, b = smooth(rng), smooth(rng)
    high = POINTS[:, 2] / np.abs(POINTS).max()
    a[high > 0], b[high > 0] = np.nan, np.nan
    test = spin_test(a, b, POINTS, **OPTIONS)
    few = []
    for rows in each_spin(POINTS, LEFT, n_spins=99, seed=0):
        both = np.isfinite(a[rows]) & np.isfinite(b)
        few.append(both.sum() < 0.25 * test.n_vertices)
    assert_array_equal(np.isnan(test.null), few)
    assert test.n_turns == 99 - np.sum(few)
    assert 0 < np.sum(few) < 50
    a[high > -0.8], b[high > -0.8] = np.nan, np.nan
    with pytest.raises(InputError, match="of 99 turns leave a quarter of these"):
        spin_test(a, b, POINTS, **OPTIONS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"b": np.zeros(499)}, r"\(500,\) and \(499,\)"),
        ({"points": POINTS[:, :2]}, r"points \(500, 2\)"),
        ({"is_left": ~LEFT}, "which come first"),
        ({"is_left": LEFT.astype(int)}, "which come first"),
        ({"n_spins": 0}, "n_spins is 0"),
        ({"points": 0 * POINTS}, "500 points lie at the centre"),
        ({"b": np.full(500, np.nan)}, "both known at 0 vertices"),
        ({"a": np.full(500, 0.3)}, "constant over the 500 vertices"),
        ({"method": "kendall"}, "'pearson' or 'spearman'"),
    ],
)
def test_what_does_not_fit_is_named(rng, change, words):
    given = {"a": smooth(rng), "b": smooth(rng), "points": POINTS} | OPTIONS | change
    maps = [given.pop(name) for name in ("a", "b", "points")]
    with pytest.raises(InputError, match=words):
        spin_test(*maps, **given)


def test_a_missing_library_is_named(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "brainspace.null_models", None)
    with pytest.raises(InputError, match=r"pip install 'brain2music\[spin\]'"):
        spin_test(smooth(rng), smooth(rng), POINTS, **OPTIONS)
