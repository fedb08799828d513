"""Tests of the block bootstrap."""

import time

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.analysis import bootstrap
from brain2music.analysis.bootstrap import (
    block_counts,
    block_of_row,
    bootstrap_roi_scores,
)
from brain2music.core.checks import InputError
from brain2music.core.stats import correlation, correlation_parts

BLOCKS = np.repeat(np.arange(9), [5, 7, 4, 6, 9, 5, 5, 8, 3])


def responses(rng, *, n_voxels=6, n_bands=2):
    n_samples = len(BLOCKS)
    parts = rng.standard_normal((n_bands, n_samples, n_voxels)) + 0.5
    joint = parts.sum(axis=0) + 2
    Y = joint + 2 * rng.standard_normal((n_samples, n_voxels)) - 7
    predictions = {("joint", "all"): joint}
    predictions |= {("part", str(i)): part for i, part in enumerate(parts)}
    predictions["alone", "0"] = parts[0] + rng.standard_normal((n_samples, n_voxels))
    return Y, predictions


MEMBERS = np.array(
    [[1, 1, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1], [0] * 6], dtype=bool
)


def resample(Y, predictions, *, members=MEMBERS, n_resamples=12, seed=4):
    return bootstrap_roi_scores(
        Y, predictions, members, BLOCKS, n_resamples=n_resamples, seed=seed
    )


def test_equals_a_literal_resampling_of_rows(rng):
    Y, predictions = responses(rng)
    found = resample(Y, predictions)
    for number, counts in enumerate(block_counts(9, 12, seed=4).astype(int)):
        rows = np.concatenate(
            [np.flatnonzero(b == BLOCKS) for b in np.repeat(range(9), counts)]
        )
        parts = np.stack([predictions["part", name][rows] for name in "01"])
        r = {
            ("joint", "all"): correlation(Y[rows], predictions["joint", "all"][rows]),
            ("alone", "0"): correlation(Y[rows], predictions["alone", "0"][rows]),
        }
        for name, part in zip("01", correlation_parts(Y[rows], parts), strict=True):
            r["part", name] = part
        for key, scores in r.items():
            expected = [scores[mask].mean() for mask in MEMBERS[:3]]
            assert_allclose(found[key][number, :3], expected)
    assert np.isnan(found["joint", "all"][:, 3]).all()


def test_parts_add_up_to_joint_in_every_resample(rng):
    found = resample(*responses(rng))
    assert_allclose(found["part", "0"] + found["part", "1"], found["joint", "all"])


def test_memory_chunks_change_nothing(rng, monkeypatch):
    Y, predictions = responses(rng)
    whole = resample(Y, predictions)
    monkeypatch.setattr(bootstrap, "CHUNK", 17)
    for key, found in resample(Y, predictions).items():
        assert_allclose(found, whole[key])


def test_order_of_rows_unit_and_baseline_do_not_matter(rng):
    Y, predictions = responses(rng)
    order = rng.permutation(len(BLOCKS))
    scaled = {key: 30 * p[order] + 1e4 for key, p in predictions.items()}
    found = bootstrap_roi_scores(
        1e-3 * Y[order], scaled, MEMBERS, BLOCKS[order], n_resamples=12, seed=4
    )
    for key, expected in resample(Y, predictions).items():
        assert_allclose(found[key], expected)


def test_models_share_their_resamples(rng):
    Y, predictions = responses(rng)
    predictions["alone", "same"] = predictions["alone", "0"]
    found = resample(Y, predictions)
    assert_array_equal(found["alone", "same"], found["alone", "0"])
    assert (found["alone", "0"] != resample(Y, predictions, seed=5)["alone", "0"]).any()


def test_voxels_without_a_score_are_left_out(rng):
    Y, predictions = responses(rng)
    expected = resample(Y, predictions, members=MEMBERS & (np.arange(6) != 1))
    Y[:, 1] = 0.1
    for key, found in resample(Y, predictions).items():
        assert_allclose(found, expected[key])


def test_a_resample_that_never_varies_is_left_out_of_the_mean(rng):
    Y, predictions = responses(rng)
    Y[BLOCKS != 2, 0] = 0.3
    found = resample(Y, predictions, members=MEMBERS[:1], n_resamples=60)
    without = block_counts(9, 60, seed=4)[:, 2] == 0
    second = resample(Y, predictions, members=np.arange(6)[None] == 1, n_resamples=60)
    assert without.any()
    for key, r in found.items():
        assert_allclose(r[without], second[key][without])
        assert np.isfinite(r).all()


def test_the_spread_is_that_of_independent_blocks(rng):
    blocks = np.repeat(np.arange(200), 3)
    signal = rng.standard_normal((200, 1)).repeat(3, axis=0)
    Y = 0.5 * signal + rng.standard_normal((200, 1)).repeat(3, axis=0)
    found = bootstrap_roi_scores(
        Y, {("joint", "all"): signal}, [[True]], blocks, n_resamples=2000, seed=0
    )["joint", "all"]
    r = correlation(Y, signal)[0]
    # Rows repeat inside a block: 200 blocks are 200 samples and not 600.
    assert_allclose(found.std(), (1 - r**2) / np.sqrt(200), rtol=0.15)


def test_many_single_voxels_and_models_stay_quick(rng):
    Y = rng.standard_normal((600, 278)).astype("float32")
    predictions = {
        ("alone", str(n)): Y + rng.standard_normal((600, 278)) for n in range(4)
    }
    blocks = np.arange(600) // 10
    start = time.perf_counter()
    found = bootstrap_roi_scores(
        Y, predictions, np.eye(278, dtype=bool), blocks, n_resamples=1000, seed=0
    )
    assert found["alone", "0"].shape == (1000, 278)
    assert time.perf_counter() - start < 10


def rows_of(clips, **columns):
    return pd.DataFrame({"run": ["1"] * len(clips), "clip": list(clips)} | columns)


def test_each_presentation_of_a_clip_is_a_block():
    rows = rows_of("aabbbaacc", run=list("111111122"))
    assert_array_equal(block_of_row(rows, 1.5, 3.0), [0, 0, 1, 1, 1, 2, 2, 3, 3])


def test_a_clip_right_after_itself_is_another_block():
    within = rows_of("aaaa", sample_in_clip=[0, 1, 0, 1])
    assert_array_equal(block_of_row(within, 1.5, 3.0), [0, 0, 1, 1])
    shown = rows_of("aaaa", presentation=[5, 5, 5, 6])
    assert_array_equal(block_of_row(shown, 1.5, 3.0), [0, 0, 0, 1])
    runs = pd.DataFrame({"task": list("ttuu"), "run": ["1"] * 4, "clip": ["a"] * 4})
    assert_array_equal(block_of_row(runs, 1.5, 3.0), [0, 0, 1, 1])


@pytest.mark.parametrize(
    ("n_rows", "sizes"),
    [(3, [3]), (7, [5, 2]), (8, [5, 3]), (12, [5, 7]), (13, [5, 5, 3]), (15, [5] * 3)],
)
def test_a_run_without_clips_is_cut_into_blocks_of_time(n_rows, sizes):
    sizes = [n_rows] if n_rows == 7 else sizes
    rows = pd.DataFrame({"run": ["2"] * n_rows + ["1"] * 5})
    found = np.bincount(block_of_row(rows, tr_s=2.0, block_s=10.0))
    assert_array_equal(found, [*sizes, 5])


def test_rows_without_a_clip_among_clips_are_cut_by_time():
    clips = ["a", "a", "", "", "", "", None, "b"]
    found = block_of_row(rows_of(clips, sample_in_clip=[0, 1, *[-1] * 5, 0]), 1.5, 3.0)
    assert_array_equal(found, [0, 0, 1, 1, 2, 2, 3, 4])


def test_blocks_need_runs_and_a_length():
    with pytest.raises(InputError, match="no column session, task or run"):
        block_of_row(pd.DataFrame({"clip": ["a"]}), 1.5, 20)
    with pytest.raises(InputError, match="holds no sample"):
        block_of_row(rows_of("ab"), 1.5, 0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": np.ones((2, 6))}, "expected bool"),
        ({"members": np.ones((2, 5), bool)}, r"\(n_rois, 6\)"),
        ({"blocks": BLOCKS + 1}, "without gaps"),
        ({"blocks": BLOCKS[1:]}, "without gaps"),
        ({"blocks": BLOCKS * 0}, "at least 2 blocks"),
        ({"n_resamples": 0}, "1 resample"),
        ({"drop": ("joint", "all")}, "of which they are parts"),
        ({"add": np.zeros((52, 5))}, r"'more'.* has shape \(52, 5\)"),
        ({"add": np.full((52, 6), np.nan)}, "NaN or infinity in 6"),
    ],
)
def test_what_does_not_fit_is_named(rng, change, words):
    Y, predictions = responses(rng)
    predictions.pop(change.pop("drop", None), None)
    if "add" in change:
        predictions["alone", "more"] = change.pop("add")
    options = {"members": MEMBERS, "blocks": BLOCKS, "n_resamples": 3, "seed": 0}
    with pytest.raises(InputError, match=words):
        bootstrap_roi_scores(Y, predictions, **options | change)
