"""Tests of the regions of feature spaces, and of the three views."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from brain2music.analysis.partition import (
    partition_table,
    partition_variance,
    subsets_of,
    unique_shares,
    views_notes,
    views_table,
)
from brain2music.core.checks import InputError

NAMES = ("mel", "clap", "genre", "text")
ROIS = {"A1": np.arange(5) < 2, "V1": np.arange(5) == 2, "none": np.zeros(5, bool)}


def planted(rng, spaces, n_voxels=5):
    """Return regions, and the scores that they make."""
    subsets = subsets_of(spaces)
    regions = rng.uniform(0.01, 0.1, (len(subsets), n_voxels))
    scores = {
        subset: sum(
            region
            for other, region in zip(subsets, regions, strict=True)
            if set(other) & set(subset)
        )
        for subset in subsets
    }
    return regions, scores


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_planted_regions_come_back(rng, n):
    regions, scores = planted(rng, NAMES[:n])
    found = partition_variance(scores, NAMES[:n])
    assert len(found.subsets) == 2**n - 1
    assert_allclose(found.regions, regions)
    assert_allclose(found.positive, regions)
    assert_allclose(found.bias, 0, atol=1e-12)
    assert_allclose(found.regions.sum(axis=0), scores[NAMES[:n]])


def test_regions_are_those_of_inclusion_and_exclusion(rng):
    scores = {subset: rng.uniform(0, 0.4, 5) for subset in subsets_of(NAMES[:3])}
    found = partition_variance(scores, NAMES[:3])
    a, b, c = ((name,) for name in NAMES[:3])
    joint = scores[NAMES[:3]]
    region = dict(zip(found.subsets, found.regions, strict=True))
    assert_allclose(region[a], joint - scores["clap", "genre"])
    assert_allclose(
        region["mel", "clap"],
        scores["mel", "genre"] + scores["clap", "genre"] - scores[c] - joint,
    )
    pairs = sum(scores[pair] for pair in subsets_of(NAMES[:3])[3:6])
    assert_allclose(
        region[NAMES[:3]], scores[a] + scores[b] + scores[c] - pairs + joint
    )
    assert_allclose(unique_shares(found)["mel"], region[a])


def test_explained_variance_of_gaussian_features_is_split_in_closed_form():
    # y = 2 a + b + noise, with a and b correlated by 0.6.
    rho, weights, noise = 0.6, np.array([2.0, 1.0]), 3.0
    cov = np.array([[1, rho], [rho, 1]])
    total = weights @ cov @ weights + noise**2
    alone = (cov @ weights) ** 2 / total
    joint = weights @ cov @ weights / total
    scores = {("a",): alone[:1], ("b",): alone[1:], ("a", "b"): np.array([joint])}
    found = partition_variance(scores, ["a", "b"])
    unique = weights**2 * (1 - rho**2) / total
    assert_allclose(found.regions[:2, 0], unique)
    assert_allclose(found.regions[2, 0], alone.sum() - joint)


def test_the_bias_is_the_least_that_leaves_no_region_negative(rng):
    _, scores = planted(rng, NAMES[:3])
    scores[NAMES[:3]] = scores[NAMES[:3]] - np.array([0.0, 0.2, 0.0, 0.05, 0.3])
    found = partition_variance(scores, NAMES[:3])
    assert (found.regions[:, 1] < 0).any()
    assert (found.positive >= 0).all()
    table = np.stack([scores[subset] for subset in found.subsets])
    touches = np.array(
        [[bool(set(a) & set(b)) for b in found.subsets] for a in found.subsets]
    ).astype(float)
    assert_allclose(table - touches @ found.positive, found.bias)
    for voxel in range(5):
        best = minimize(
            lambda x, v=voxel: ((touches @ x - table[:, v]) ** 2).sum(),
            np.full(7, 0.05),
            bounds=[(0, None)] * 7,
            options={"ftol": 1e-15, "gtol": 1e-12},
        )
        assert_allclose((found.bias[:, voxel] ** 2).sum(), best.fun, atol=1e-8)


def test_the_table_means_over_voxels_with_all_scores(rng):
    regions, scores = planted(rng, NAMES[:2])
    scores["mel",] = scores["mel",].copy()
    scores["mel",][0] = np.nan
    scores["mel",][1] = scores["mel", "clap"][1] + 0.1
    table = partition_table(partition_variance(scores, NAMES[:2]), ROIS, subject="07")
    rows = table.set_index(["roi", "region"])
    assert list(rows.loc["A1"].index) == ["mel", "clap", "mel & clap"]
    assert (rows.loc["A1", "n_voxels"] == 1).all()
    clap = rows.loc[("A1", "clap")]
    assert_allclose(clap["r2"], -0.1)
    assert clap["voxels_below_0"] == 1
    assert clap["r2_positive"] >= 0
    assert abs(rows.loc["A1", "score_bias"]).max() > 0.01
    assert_allclose(rows.loc["V1", "r2"], regions[:, 2])
    assert rows.loc["none", "r2"].isna().all()
    assert_array_equal(rows["n_spaces"].to_numpy()[:3], [1, 1, 2])


@pytest.mark.parametrize(
    ("spaces", "words"),
    [
        (list("abcde"), "5 feature spaces"),
        ([], "0 feature"),
        (["a", "a"], "named once"),
    ],
)
def test_more_than_four_spaces_are_refused(spaces, words):
    with pytest.raises(InputError, match=words):
        subsets_of(spaces)


def test_a_missing_model_is_named(rng):
    _, scores = planted(rng, NAMES[:3])
    del scores["mel", "genre"]
    with pytest.raises(InputError, match="model of mel \\+ genre, one of 1"):
        partition_variance(scores, NAMES[:3])


def test_scores_of_other_voxels_are_named(rng):
    _, scores = planted(rng, NAMES[:2])
    scores["mel",] = scores["mel",][1:]
    with pytest.raises(InputError, match=r"the shapes .*mel \(\d+,\), .*same voxels"):
        partition_variance(scores, NAMES[:2])


def views_of(**values):
    names = ("mel", "clap")
    return {
        view: {n: np.full(5, x) for n, x in zip(names, pair, strict=True)}
        for view, pair in values.items()
    }


def test_views_that_agree_need_no_note():
    views = views_of(
        alone=(0.1, 0.3),
        product=(0.05, 0.3),
        unique=(0.02, 0.2),
        stacked=(0.05, 0.25),
        weight=(0.3, 0.7),
    )
    views["alone"]["mel"][0] = np.nan
    table = views_table(views, ROIS, subject="01")
    assert views_notes(table) == []
    row = table.query("roi == 'A1' and feature_space == 'clap'").iloc[0]
    assert (row["n_voxels"], row["leads"]) == (1, "product, unique, stacked")
    assert_allclose(row["r2_shared"], 0.1)
    assert_allclose(row["stacking_weight"], 0.7)
    assert table.query("roi == 'none'")["r2_product"].isna().all()


def test_views_that_disagree_are_told_of():
    views = views_of(
        alone=(0.1, 0.3),
        product=(0.05, 0.3),
        unique=(0.02, -0.01),
        stacked=(0.3, 0.25),
        weight=(0.6, 0.4),
    )
    notes = views_notes(views_table(views, ROIS, subject="01"))
    assert len(notes) == 4
    assert notes[0] == (
        "sub-01, A1: the views name different leaders (clap by product, mel by unique, "
        "mel by stacked)."
    )
    assert "A1: clap has part of the joint score and nothing of its own" in notes[1]


def test_nothing_is_said_where_there_is_only_chance():
    views = views_of(
        alone=(0.1, 0.3),
        product=(0.05, 0.3),
        unique=(0.02, -0.01),
        stacked=(0.3, 0.25),
        weight=(0.6, 0.4),
    )
    table = views_table(views, ROIS, subject="01")
    notes = views_notes(table, above_chance=["V1"])
    assert len(notes) == 2
    assert all(note.startswith("sub-01, V1: ") for note in notes)
    assert views_notes(table, above_chance=[]) == []
    # A view whose first is not above 0 names no leader, and what can be told from 0
    # is a share of its own.
    table = table.assign(r2_product_low=0.01, r2_unique_low=-0.02, r2_stacked_low=-0.1)
    (found,) = views_notes(table, above_chance=["A1"])
    assert "A1: mel, clap has part of the joint score and nothing" in found
    table = table.assign(r2_unique_low=0.001, r2_stacked_low=0.2)
    (found,) = views_notes(table, above_chance=["A1"])
    assert "clap by product, mel by unique, mel by stacked" in found


def test_parcels_are_called_so():
    views = views_of(
        alone=(0.1, 0.3),
        product=(0.05, 0.3),
        unique=(0.02, -0.01),
        stacked=(0.05, 0.25),
        weight=(0.6, 0.4),
    )
    table = views_table({**views}, {"44": np.ones(5, bool)}, subject="01")
    assert views_notes(table)[0].startswith("sub-01, parcel 44: ")


def test_views_must_be_complete():
    views = views_of(alone=(0.1, 0.3), product=(0.1, 0.2))
    with pytest.raises(
        InputError, match=r"stacked, weight, each .*'product': 'mel, clap"
    ):
        views_table(views, ROIS, subject="01")
