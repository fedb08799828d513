"""Tests of how sure regions and views are."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from brain2music.analysis.bootstrap import block_counts
from brain2music.analysis.comparison import LEVEL, interval_of
from brain2music.analysis.partition import (
    partition_table,
    partition_variance,
    subsets_of,
)
from brain2music.analysis.partition_intervals import (
    Drawn,
    bootstrap_parts,
    bootstrap_regions,
    with_intervals,
)
from brain2music.core.checks import InputError
from brain2music.core.stats import r2_parts, r2_score

NAMES = ("mel", "clap", "text")
SUBSETS = subsets_of(NAMES)
ROIS = {"A1": np.arange(7) < 3, "V1": np.arange(7) > 4, "none": np.zeros(7, bool)}
BLOCKS = np.repeat(np.arange(11), 5)[np.random.default_rng(5).permutation(55)]


def drawn(Y, blocks=BLOCKS, n_resamples=40):
    return Drawn(Y, np.stack(list(ROIS.values())), blocks, n_resamples, 3)


@pytest.fixture
def data(rng):
    signal = rng.standard_normal((3, 55, 7))
    signal[1] += signal[0]
    Y = 0.7 * signal.sum(axis=0) + rng.standard_normal((55, 7)) + 2.0
    Y[:, 6] = 1.0
    predictions = {
        subset: 2.0 + 0.5 * sum(signal[NAMES.index(name)] for name in subset)
        for subset in SUBSETS
    }
    return Y, predictions


def test_resampled_regions_are_those_of_blocks_written_out_again(data):
    Y, predictions = data
    found = bootstrap_regions(drawn(Y), predictions, SUBSETS)
    middle = Y.mean(axis=0)
    for k, counts in enumerate(block_counts(11, 40, 3).astype(int)):
        rows = np.concatenate(
            [np.flatnonzero(b == BLOCKS) for b in np.repeat(np.arange(11), counts)]
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = {
                s: 1
                - ((Y[rows] - p[rows]) ** 2).sum(axis=0)
                / ((Y[rows] - middle) ** 2).sum(axis=0)
                for s, p in predictions.items()
            }
        for one in r2.values():
            one[6] = np.nan
        table = partition_table(partition_variance(r2, NAMES), ROIS, subject="1")
        for place, subset in enumerate(SUBSETS):
            expected = table[table["region"] == " & ".join(subset)]["r2"]
            assert_allclose(found[place].resampled[k], expected)
    scores = {s: r2_score(Y, p) for s, p in predictions.items()}
    table = partition_table(partition_variance(scores, NAMES), ROIS, subject="1")
    for place, subset in enumerate(SUBSETS):
        rows = table[table["region"] == " & ".join(subset)]
        assert_allclose(found[place].observed, rows["r2"])
        assert found[place].n_voxels.tolist() == [3, 1, 0]


def test_parts_are_those_of_the_product_measure(data, rng):
    Y, _ = data
    parts = rng.standard_normal((3, 55, 7))
    found = bootstrap_parts(drawn(Y), parts)
    expected, _ = r2_parts(Y, parts, np.zeros(7))
    for one, of_voxels in zip(found, expected, strict=True):
        assert_allclose(one.observed[0], of_voxels[:3].mean())
        assert_allclose(one.observed[1], of_voxels[5])
        assert np.isnan(one.observed[2])


def test_intervals_hold_the_true_share_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    blocks, inside, observed = np.repeat(np.arange(40), 5), [], []
    rois = np.ones((1, 3), bool)
    for _ in range(150):
        a, b, noise = rng.standard_normal((3, 200, 3))
        Y = a + b + noise
        known = {("a",): a, ("b",): b, ("a", "b"): a + b}
        regions = bootstrap_regions(
            Drawn(Y, rois, blocks, 200, 0), known, subsets_of("ab")
        )
        table = pd.DataFrame({"roi": "all", "region": ["a"]})
        (row,) = with_intervals(table, {"a": regions[0]}, ["all"], by="region").to_dict(
            "records"
        )
        observed.append(regions[0].observed[0])
        inside.append(row["low"] <= 1 / 3 <= row["high"])
        assert row["p"] < 0.05
        assert row["se"] > 0
    assert_allclose(np.mean(observed), 1 / 3, atol=0.01)
    assert 0.88 <= np.mean(inside) <= 0.99


def test_a_table_of_rois_gets_the_columns_that_are_asked(data):
    Y, predictions = data
    scores = {s: r2_score(Y, p) for s, p in predictions.items()}
    table = partition_table(partition_variance(scores, NAMES), ROIS, subject="1")
    regions = bootstrap_regions(drawn(Y), predictions, SUBSETS)
    shares = {" & ".join(s): r for s, r in zip(SUBSETS, regions, strict=True)}
    options = {"by": "region", "name": "x_", "kept": ["low", "p_all"]}
    found = with_intervals(table, shares, list(ROIS), **options)
    pd.testing.assert_frame_equal(found[list(table)], table)
    assert list(found)[len(list(table)) :] == ["x_low", "x_p_all"]
    assert found[found["roi"] == "none"]["x_low"].isna().all()
    mel = found[(found["roi"] == "A1") & (found["region"] == "mel")]
    expected = interval_of(shares["mel"], LEVEL)[0][0]  # by the jackknife's error
    assert_allclose(mel["x_low"], expected)


def test_blocks_must_be_of_the_samples(data):
    Y, _ = data
    with pytest.raises(InputError, match=r"blocks \(54,\)"):
        drawn(Y, BLOCKS[:-1])
    with pytest.raises(InputError, match="from 0 without gaps"):
        drawn(Y, BLOCKS + 1)
