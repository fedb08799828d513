"""Tests of the controls."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter

from brain2music.core.checks import InputError
from brain2music.features.controls import (
    autocorrelation,
    clip_position,
    clip_samples,
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


def places_of(order, n_rows=10):
    return [(clip, k) for clip in order for k in range(n_rows)]


def clip_space(rng, orders, n_rows=10):
    """Return rows that differ from clip to clip and move slowly inside of each."""
    level = {clip: rng.standard_normal(4) for order in orders for clip in order}
    return [
        np.concatenate(
            [
                level[clip] * (2, 1, 0.5, 1)
                + slow_space(rng, [n_rows], (0.8, 0.5, 0.9, 0))[0]
                for clip in order
            ]
        )
        for order in orders
    ]


def test_a_clip_that_comes_again_has_the_same_noise_again(rng):
    orders = [["a", "b", "b"], ["c", "a"], ["b", "d"]]
    clips = [places_of(order) for order in orders]
    noise = noise_like(clip_space(rng, orders), seed=1, clips=clips)
    seen = {}
    for order, run in zip(orders, noise, strict=True):
        for k, clip in enumerate(order):
            piece = run[10 * k : 10 * (k + 1)]
            assert_array_equal(seen.setdefault(clip, piece), piece)
    assert len({piece.tobytes() for piece in seen.values()}) == 4


def test_averaging_repeats_leaves_the_noise_of_clips_as_large_as_it_is(rng):
    orders = [[f"c{k}" for k in range(40)]] * 3
    space = clip_space(rng, orders)
    clips = [places_of(order) for order in orders]
    by_clip = np.mean(noise_like(space, seed=1, clips=clips), axis=0)
    by_run = np.mean(noise_like(space, seed=1), axis=0)
    spread = np.concatenate(space).std(axis=0)
    assert_allclose(by_clip.std(axis=0), spread, rtol=0.25)
    assert_allclose(by_run.std(axis=0), spread / np.sqrt(3), rtol=0.25)


def test_noise_of_clips_has_the_moments_of_the_space_inside_clips(rng):
    orders = [[f"c{k}" for k in range(r, r + 300)] for r in (0, 300)]
    space, clips = clip_space(rng, orders), [places_of(order) for order in orders]
    noise = noise_like(space, seed=2, clips=clips)

    def moments(runs):
        rows = np.concatenate(runs)
        blocks = (rows - rows.mean(axis=0)).reshape(-1, 10, 4)
        before, after = (b.reshape(-1, 4) for b in (blocks[:, :-1], blocks[:, 1:]))
        sizes = np.sqrt((before**2).sum(0) * (after**2).sum(0))
        return rows.mean(0), rows.std(0), (before * after).sum(0) / sizes

    expected = moments(space)
    near = (0.3, 0.15, 0.06)
    for found, of_space, atol in zip(moments(noise), expected, near, strict=True):
        assert_allclose(found, of_space, atol=atol)
    assert (expected[2] > 0.4).all()
    # The space's neighbours across a border are as foreign as those of the noise.
    assert_allclose(autocorrelation(noise), autocorrelation(space), atol=0.06)


def test_a_clips_noise_depends_on_seed_and_id_and_not_on_the_rest_of_the_study(rng):
    orders = [["a", "b"], ["c", "a"]]
    space = clip_space(rng, orders)
    clips = [places_of(order) for order in orders]
    noise = noise_like(space, seed=3, clips=clips)
    renamed = [places_of(["z", "b"]), places_of(["c", "z"])]
    other = noise_like(space, seed=3, clips=renamed)
    assert_array_equal(other[0][10:], noise[0][10:])
    assert not np.allclose(other[0][:10], noise[0][:10])
    assert not np.allclose(noise_like(space, seed=4, clips=clips)[0], noise[0])
    turned = noise_like(space[::-1], seed=3, clips=clips[::-1])
    assert_allclose(turned[0], noise[1])


def test_a_longer_presentation_begins_as_a_shorter_one(rng):
    space = [rng.standard_normal((12, 2)), rng.standard_normal((7, 2))]
    long, short = noise_like(
        space, seed=0, clips=[places_of(["a"], 12), places_of(["a"], 7)]
    )
    assert_array_equal(short, long[:7])


def test_samples_in_no_clip_have_noise_of_their_run(rng):
    clips = [[None, None, *places_of(["a"], 4), None]] * 2
    first, second = noise_like(
        list(rng.standard_normal((2, 7, 3))), seed=0, clips=clips
    )
    assert_array_equal(first[2:6], second[2:6])
    assert not np.isclose(first[[0, 1, 6]], second[[0, 1, 6]]).any()


def test_says_which_runs_have_no_place_for_each_sample(rng):
    with pytest.raises(InputError, match=r"runs of \[4, 9\] samples.* of \[4, 8\]"):
        noise_like(
            [rng.standard_normal((n, 2)) for n in (4, 8)],
            seed=0,
            clips=[[None] * 4, [None] * 9],
        )


def test_each_sample_belongs_to_the_clip_that_its_middle_is_in():
    found = clip_samples(
        [-1.5, 3.2, 7.7], [3.0, 4.5, 3.0], ["a", "b", "a"], n_samples=9, tr_s=1.5
    )
    expected = [("a", 1), None, ("b", 0), ("b", 1), ("b", 2), ("a", 0), ("a", 1),
                None, None]  # fmt: skip
    assert found == expected
    with pytest.raises(InputError, match="run 2: 1 onsets but 2 clips"):
        clip_samples([0.0], [3.0], ["a", "b"], n_samples=2, tr_s=1.5, name="run 2")


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
