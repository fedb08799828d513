"""Tests of blocks to resample."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.signal import lfilter

from brain2music.analysis.autocorrelation import memory_of
from brain2music.analysis.bootstrap import block_of_clip, block_of_row
from brain2music.analysis.clip_blocks import blocks_to_resample, join_blocks
from brain2music.core.checks import InputError

RUNS = np.repeat([7, 3, 5, 4], 80)
ROWS = pd.DataFrame(
    {"run": RUNS.astype(str), "clip": (np.arange(320) // 8).astype(str)}
)
CLIPS = np.arange(320) // 8


def slow(rng, memory):
    series = lfilter([1], [1, -memory], rng.standard_normal((380, 9)), axis=0)[60:]
    return series - series.mean(axis=0)


def test_neighbours_of_one_run_are_joined_evenly():
    blocks = np.repeat(np.arange(8), [2, 2, 2, 2, 2, 3, 3, 3])
    runs = np.repeat([1, 2], [10, 9])
    expected = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, *[2] * 6, *[3] * 3]
    assert_array_equal(join_blocks(blocks, runs, 4), expected)
    assert_array_equal(join_blocks(blocks, runs, 1), blocks)
    whole = join_blocks(blocks, runs, 100)
    assert_array_equal(whole, np.repeat([0, 1], [10, 9]))


def test_repeats_go_where_the_first_presentation_goes():
    # Two cycles in one run, and one more in another order in the next.
    order = [0, 1, 2, 3, 0, 1, 2, 3, 3, 1, 0, 2]
    blocks = np.repeat(order, 5)
    runs = np.repeat([1, 2], [40, 20])
    joined = join_blocks(blocks, runs, 10)
    assert_array_equal(joined, np.repeat([0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1], 5))


def test_blocks_grow_with_what_responses_remember(rng):
    counts = []
    for memory in (0.0, 0.5, 0.6):
        known = memory_of(slow(rng, memory), slow(rng, memory), RUNS)
        blocks, notes = blocks_to_resample(ROWS, CLIPS, RUNS, memory=known)
        assert notes == []
        assert known.lost(blocks) <= 0.03
        for label in np.unique(blocks):
            assert len(set(RUNS[blocks == label])) == 1
        counts.append(blocks.max() + 1)
    assert counts[0] == 40
    assert counts[0] > counts[1] > counts[2] >= 10


def test_blocks_that_cannot_grow_are_told_of(rng):
    known = memory_of(slow(rng, 0.98), slow(rng, 0.98), RUNS)
    blocks, notes = blocks_to_resample(ROWS, CLIPS, RUNS, memory=known)
    assert blocks.max() + 1 >= 10
    share = known.lost(blocks)
    assert share > 0.03
    assert f"intervals err to be narrow: the {blocks.max() + 1} blocks" in notes[0]
    assert f"make {share:.0%} of the variance" in notes[0]


def test_without_a_memory_clips_stand_by_themselves():
    rows = ROWS.assign(clip=[f"{k % 160 // 8}" for k in range(320)])
    moved = block_of_row(rows, 1.5, 30.0)
    blocks, notes = blocks_to_resample(rows, moved, RUNS, memory=None)
    assert_array_equal(blocks, block_of_clip(rows, moved))
    assert (blocks.max() + 1, notes) == (20, [])


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match=r"runs \(319,\) and n_samples is 4"):
        join_blocks(CLIPS, RUNS[1:], 4)
    with pytest.raises(InputError, match="join at least one sample"):
        join_blocks(CLIPS, RUNS, 0)
