"""Tests of the null of a ROI's score."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter
from scipy.stats import kstest

from brain2music.analysis.significance import inside_null, recovered_bands, roi_null
from brain2music.core.checks import InputError
from brain2music.core.stats import correlation

SIZES = [9, 12, 10, 10, 11, 8, 10]
BLOCKS = np.repeat(np.arange(7), SIZES)
MEMBERS = np.array([[1, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]], dtype=bool)


def autocorrelated(rng, n_samples, n_voxels, rho=0.8):
    noise = rng.standard_normal((n_samples + 50, n_voxels))
    return lfilter([1], [1, -rho], noise, axis=0)[50:]


def test_equals_correlations_of_moved_predictions(rng):
    Y, P = autocorrelated(rng, 70, 4), autocorrelated(rng, 70, 4) + 2
    found = roi_null(Y, P, MEMBERS, BLOCKS, n_permutations=8, seed=3)
    draws = np.random.default_rng(3)
    pieces = np.split(P, np.cumsum(SIZES)[:-1])
    for row in found:
        moved = np.concatenate([pieces[i] for i in draws.permutation(7)])
        r = correlation(Y, moved)
        assert_allclose(row[:2], [r[[0, 1, 3]].mean(), r[2]])
    assert np.isnan(found[:, 2]).all()


def test_blocks_of_one_length_keep_what_all_of_them_share(rng):
    onset = np.tile(np.r_[1.0, np.zeros(9)], 20)[:, None]
    Y, P = (onset + 1e-3 * rng.standard_normal((200, 1)) for _ in range(2))
    null = roi_null(Y, P, [[True]], np.arange(200) // 10, n_permutations=50, seed=0)
    assert null.min() > 0.99


def test_voxels_without_a_score_are_left_out(rng):
    Y, P = autocorrelated(rng, 70, 4), autocorrelated(rng, 70, 4)
    options = {"n_permutations": 5, "seed": 0}
    expected = roi_null(Y, P, MEMBERS & (np.arange(4) != 1), BLOCKS, **options)
    Y[:, 1] = 0.1
    assert_allclose(roi_null(Y, P, MEMBERS, BLOCKS, **options), expected)


def test_p_values_are_uniform_on_autocorrelated_noise(rng):
    blocks = np.arange(300) // 15
    p = []
    for seed in range(150):
        Y, P = autocorrelated(rng, 300, 1), autocorrelated(rng, 300, 1)
        null = roi_null(Y, P, [[True]], blocks, n_permutations=99, seed=seed)
        p.append((1 + (null >= correlation(Y, P)).sum()) / 100)
    assert kstest(p, "uniform").pvalue > 0.01
    # Shuffled samples would call three times as many significant.
    assert np.mean(np.array(p) <= 0.05) < 0.1


def test_a_planted_response_is_outside_and_noise_inside(rng):
    blocks = np.arange(600) // 10
    P = autocorrelated(rng, 600, 40)
    Y = autocorrelated(rng, 600, 40)
    Y[:, :20] += 0.5 * P[:, :20]
    members = np.repeat(np.eye(2, dtype=bool), 20, axis=1)
    null = roi_null(Y, P, members, blocks, n_permutations=400, seed=0)
    r = correlation(Y, P).reshape(2, 20).mean(axis=1)
    assert_array_equal(inside_null(r, null), [False, True])


def test_the_interval_has_two_sides():
    null = np.linspace(-1, 1, 201)[:, None].repeat(4, axis=1)
    found = inside_null([-0.999, -0.9, 0.9, 0.999], null)
    assert_array_equal(found, [False, True, True, False])
    assert_array_equal(inside_null([0.5], null[:, :1], level=0.4), [False])
    assert not inside_null([np.nan], null[:, :1])[0]


@pytest.mark.parametrize(
    ("r", "null", "words"),
    [
        ([0.1], np.zeros((50, 1)), "use at least 200"),
        ([0.1], np.zeros((500, 2)), r"null \(500, 2\)"),
    ],
)
def test_nulls_that_cannot_answer_are_refused(r, null, words):
    with pytest.raises(InputError, match=words):
        inside_null(r, null)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Y_hat": np.zeros((70, 3))}, r"Y_hat \(70, 3\)"),
        ({"members": np.ones((2, 3), bool)}, r"members\s+\(2, 3\)"),
        ({"blocks": BLOCKS[1:]}, "for 70 samples"),
        ({"blocks": BLOCKS // 2}, "4 blocks have too few orders"),
    ],
)
def test_what_does_not_fit_is_named(rng, change, words):
    Y = rng.standard_normal((70, 4))
    inputs = {"Y_hat": Y, "members": MEMBERS, "blocks": BLOCKS} | change
    with pytest.raises(InputError, match=words):
        roi_null(Y, **inputs, n_permutations=5, seed=0)


@pytest.fixture
def table():
    scores = {
        "A1": (0.3, 0.1, 0.2),
        "V1": (0.01, 0.02, -0.01),
        "none left": [np.nan] * 3,
    }
    rows = [
        (roi, model, space, r)
        for roi, values in scores.items()
        for (model, space), r in zip(
            [("joint", "all"), ("part", "mel"), ("part", "clap")], values, strict=True
        )
    ] + [("A1", "part", "offset", 0.9), ("A1", "alone", "mel", 0.9)]
    out = pd.DataFrame(rows, columns=["roi", "model", "feature_space", "r_mean"])
    return out.assign(subject="02")


def test_the_largest_part_is_recovered_unless_joint_is_at_chance(table):
    null = dict.fromkeys(table["roi"], np.linspace(-0.1, 0.1, 1001))
    found = recovered_bands(table, null)
    assert list(found["roi"]) == ["A1", "V1", "none left"]
    assert list(found["recovered"]) == ["clap", "none", "no voxels"]
    assert (found["subject"] == "02").all()
    assert_allclose(
        found.loc[0, ["null_low", "null_high"]].astype(float), [-0.099, 0.099]
    )


def test_tables_that_cannot_be_read_are_refused(table):
    null = dict.fromkeys(["A1", "V1"], np.zeros(1001))
    with pytest.raises(InputError, match="'none left' has no null"):
        recovered_bands(table, null)
    with pytest.raises(InputError, match="has 0 rows of the joint model"):
        recovered_bands(table[table["model"] != "joint"], null)
    table.loc[0, "subject"] = "01"
    with pytest.raises(InputError, match="holds 2 subjects"):
        recovered_bands(table, null)
