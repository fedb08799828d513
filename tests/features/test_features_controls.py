"""Tests of the controls."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter

from brain2music.core.checks import InputError
from brain2music.features.controls import (
    autocorrelation,
    clip_position,
    noise_like,
    permute_clips,
)


def slow_space(rng, lengths, slowness=(0.9, 0.5, 0.0, -0.4)):
    return [
        3
        + np.stack([lfilter([1], [1, -a], rng.standard_normal(n)) for a in slowness], 1)
        for n in lengths
    ]


def test_noise_has_the_slowness_spread_and_mean_of_the_space(rng):
    space = slow_space(rng, [4000, 2500, 3001])
    noise = noise_like(space, seed=5)
    assert [run.shape for run in noise] == [run.shape for run in space]
    assert_allclose(autocorrelation(space), [0.9, 0.5, 0.0, -0.4], atol=0.03)
    assert_allclose(autocorrelation(noise), autocorrelation(space), atol=0.03)
    rows, expected = np.concatenate(noise), np.concatenate(space)
    assert_allclose(rows.std(axis=0), expected.std(axis=0), rtol=0.08)
    assert_allclose(rows.mean(axis=0), expected.mean(axis=0), atol=0.25)


def test_noise_knows_nothing_of_the_space_or_of_other_columns_and_runs(rng):
    space = slow_space(rng, [3000, 3000])
    first, second = noise_like(space, seed=1)
    between = np.corrcoef(np.hstack([first, second, space[0]]).T)
    np.fill_diagonal(between, 0)
    between[8:, 8:] = 0
    assert np.abs(between).max() < 0.2


def test_every_run_starts_from_the_stationary_distribution(rng):
    space = slow_space(rng, [2] * 3000, slowness=(0.0, 0.3))
    space[0] = slow_space(rng, [20_000], slowness=(0.95, 0.3))[0]
    noise = noise_like(space, seed=2)
    starts = np.stack([run[0] for run in noise])
    assert_allclose(starts.std(axis=0), np.concatenate(space).std(axis=0), rtol=0.08)


def test_a_runs_noise_depends_on_seed_and_place_and_not_on_later_runs(rng):
    space = slow_space(rng, [60, 50, 40])
    again = noise_like(space, seed=3)
    for run, same in zip(noise_like(space, seed=3), again, strict=True):
        assert_array_equal(run, same)
    assert not np.allclose(noise_like(space, seed=4)[0], again[0])
    assert not np.allclose(again[0][:40], again[2])


def test_neighbours_across_a_border_between_runs_do_not_count():
    flat = [np.full((20, 1), level) for level in (1.0, -1.0, 1.0, -1.0)]
    assert_allclose(autocorrelation(flat), 1)
    assert autocorrelation([np.concatenate(flat)])[0] < 0.95


@pytest.mark.parametrize(
    ("runs", "match"),
    [
        ([np.eye(3), np.ones((4, 2))], r"2 runs of \[2, 3\] columns"),
        ([np.eye(3), np.ones((1, 3))], "the shortest of 1 samples"),
        ([], "0 runs"),
        ([np.c_[np.arange(4.0), np.ones(4)]], "1 of 2 columns never vary, the first"),
        ([np.full((3, 2), np.nan)], "run 0 has NaN"),
    ],
)
def test_says_what_noise_needs(runs, match):
    with pytest.raises(InputError, match=match):
        noise_like(runs, seed=0)


def test_position_counts_time_from_the_clips_onset():
    onset, duration = [3.0, 7.5, 15.0], [4.5, 7.5, 3.0]
    found = clip_position(onset, duration, n_samples=13, tr_s=1.5, outside=-1.0)
    middle = (np.arange(13) + 0.5) * 1.5
    assert_allclose(found[:, 2], middle)
    for k in range(13):
        inside = [
            (middle[k] - o, i)
            for i, (o, d) in enumerate(zip(onset, duration, strict=True))
            if o <= middle[k] < o + d
        ]
        assert_allclose(found[k, :2], inside[0] if inside else (-1, -1))
    assert (found[[0, 1, 12], 0] == -1).all()


def test_positions_of_clips_back_to_back_repeat():
    onset = np.arange(0, 60, 15.0)
    found = clip_position(onset, np.full(4, 15.0), n_samples=40, tr_s=1.5)
    assert_allclose(found[:, 0].reshape(4, 10), np.tile(found[:10, 0], (4, 1)))
    assert_allclose(found[:, 1], np.repeat(np.arange(4), 10))


def test_says_what_positions_need():
    with pytest.raises(
        InputError, match=r"2 of 4 samples are in no clip.*0 \(at 1 s\)"
    ):
        clip_position([4.0], [9.0], n_samples=4, tr_s=2.0)
    with pytest.raises(InputError, match="run 3: clips overlap or are out of order"):
        clip_position([4.0, 0.0], [4.0, 4.0], n_samples=4, tr_s=2.0, name="run 3")
    with pytest.raises(InputError, match="overlap"):
        clip_position([0.0, 3.0], [4.0, 4.0], n_samples=4, tr_s=2.0)


def test_every_clip_takes_another_of_its_group_and_each_is_taken_once():
    groups = {f"c{k}": "train" if k % 3 else "test" for k in range(31)}
    for seed in range(20):
        taken = permute_clips(groups, seed=seed)
        assert list(taken) == list(groups)
        assert sorted(taken.values()) == sorted(groups)
        assert all(clip != other for clip, other in taken.items())
        assert all(groups[clip] == groups[other] for clip, other in taken.items())
    assert permute_clips(dict(sorted(groups.items())), seed=19) == taken
    assert permute_clips(groups, seed=0) != taken


def test_a_single_clip_has_none_to_change_places_with():
    with pytest.raises(InputError, match="group 'test' has the single clip 'c'"):
        permute_clips({"a": "train", "b": "train", "c": "test"}, seed=0)
