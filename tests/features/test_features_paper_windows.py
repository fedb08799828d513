"""Tests of the paper's windows and of their scans."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.features.paper_windows import (
    PAPER_WINDOWS,
    Windowing,
    alignment_table,
    average_repeats,
    average_scans,
    joint_windows,
    response_windows,
    scans_in,
    windows_per_clip,
)

TR = 1.5
ONSET, DURATION = np.arange(0, 615, 15.0), np.full(41, 15.0)
RUN = {"tr_s": TR, "n_samples": 410}


@pytest.mark.parametrize(
    ("name", "n"), [("mulan-music", 4), ("w2v-bert", 7), ("soundstream", 10)]
)
def test_a_clip_has_as_many_windows_as_in_the_paper(name, n):
    own = PAPER_WINDOWS[name]
    assert windows_per_clip(15, own.window_s, own.step_s) == n
    windows, notes = response_windows(ONSET, DURATION, windowing=own, lag_s=0.0, **RUN)
    assert len(windows.table) == 41 * n
    assert notes == []


def test_the_count_of_windows_equals_stepping_through():
    for clip_s in (4.0, 14.99, 15.0, 29.7, 30.0):
        for window_s in (0.4, 1.5, 3.0, 4.0):
            for step_s in (0.1, 0.3, 1.5, 2.25):
                n = 0
                while n * step_s + window_s <= clip_s + 1e-9:
                    n += 1
                assert windows_per_clip(clip_s, window_s, step_s) == n
    assert windows_per_clip(0.6, 0.3, 0.1) == 4  # 0.6 - 0.3 is a little below 0.3


@pytest.mark.parametrize("lag_s", [0.0, 1.5, 4.5, 5.2])
@pytest.mark.parametrize("own", [Windowing(10.0, 1.5), Windowing(5.0, 2.0)])
def test_a_ramp_in_time_comes_out_at_the_windows_middles(own, lag_s):
    middle = (np.arange(410) + 0.5) * TR
    windows, _ = response_windows(ONSET, DURATION, windowing=own, lag_s=lag_s, **RUN)
    ramp = np.column_stack([middle, -2 * middle + 7])
    found = average_scans(ramp, windows)
    table = windows.table
    centre = (table["start_s"] + table["end_s"]).to_numpy() / 2 + lag_s
    # The mean over whole scans lies within half a TR of the window's own middle.
    assert np.abs(found[:, 0] - centre).max() <= TR / 2 + 1e-6
    assert_allclose(found[:, 1], -2 * found[:, 0] + 7)
    expected = [
        middle[(middle >= start) & (middle < start + own.window_s)].mean()
        for start in table["start_s"] + lag_s
    ]
    assert_allclose(found[:, 0], expected)


def test_a_clips_planted_response_meets_its_own_windows_at_the_lag():
    own = PAPER_WINDOWS["mulan-music"]
    Y = np.repeat(np.arange(41.0), 10)[:, None]
    Y = np.r_[np.full((3, 1), -1.0), Y[:-3]]  # answers three volumes late
    windows, _ = response_windows(ONSET, DURATION, windowing=own, lag_s=4.5, **RUN)
    first = windows.table["window"] == 0
    found = average_scans(Y, windows)[first.to_numpy(), 0]
    assert_allclose(found, np.arange(41))


def test_windows_past_the_last_volume_are_dropped_and_counted():
    own = PAPER_WINDOWS["mulan-music"]
    windows, notes = response_windows(ONSET, DURATION, windowing=own, lag_s=4.5, **RUN)
    kept = windows.table.groupby("presentation").size()
    assert kept.iloc[:-1].eq(4).all()
    assert kept.iloc[-1] == 1
    assert windows.n_dropped == 3
    assert notes == [
        "3 of 164 windows of 10 s at a lag of 4.5 s run past the volumes of the run "
        "and are dropped."
    ]
    for rule in ("overlap", "inside", 7, 5):
        again, _ = response_windows(
            ONSET, DURATION, windowing=own, lag_s=4.5, scans=rule, **RUN
        )
        assert again.n_dropped == 3
        assert max(held.max() for held in again.samples) < 410


@pytest.mark.parametrize("scans", ["middle", "overlap", "inside"])
def test_scans_are_those_of_the_rule(rng, scans):
    for _ in range(200):
        start, length = rng.uniform(0, 30), rng.uniform(3.1, 12)
        end = start + length
        begins = np.arange(60) * TR
        expected = {
            "middle": (begins + TR / 2 >= start) & (begins + TR / 2 < end),
            "overlap": (begins + TR > start) & (begins < end),
            "inside": (begins >= start) & (begins + TR <= end),
        }[scans]
        found = scans_in(start, end, tr_s=TR, scans=scans)
        assert_array_equal(found, np.flatnonzero(expected))


@pytest.mark.parametrize(
    ("window_s", "counts"), [(10, (7, 7, 6)), (5, (3, 4, 3)), (1.5, (1, 1, 1))]
)
def test_ten_seconds_hold_seven_scans_and_five_only_when_told(window_s, counts):
    rules = ("middle", "overlap", "inside")
    for lag in range(20):  # times such as 0.1 + 0.2 must not change a count
        start = lag * 0.1 * 15
        found = [
            len(scans_in(start, start + window_s, tr_s=TR, scans=rule))
            for rule in rules
        ]
        assert tuple(found) == counts
    assert_array_equal(scans_in(3, 13, tr_s=TR, scans=5), [2, 3, 4, 5, 6])


def test_a_scan_whose_middle_is_the_windows_end_belongs_to_the_next_window():
    for start in (0.75, 0.75 + 1e-9, 0.75 - 1e-9):  # the middle of scan 0
        assert_array_equal(scans_in(start, start + 6, tr_s=TR), [0, 1, 2, 3])
        assert_array_equal(scans_in(start + 6, start + 9, tr_s=TR), [4, 5])


def test_a_window_is_averaged_over_the_repeats_that_have_it(rng):
    onset = np.arange(0, 90, 15.0)  # clips a b c a b c
    clips = list("abcabc")
    own = PAPER_WINDOWS["mulan-music"]
    windows, _ = response_windows(
        onset, np.full(6, 15.0), windowing=own, tr_s=TR, lag_s=4.5, n_samples=60
    )
    Y = rng.standard_normal((60, 3))
    values = average_scans(Y, windows)
    names = [clips[k] for k in windows.table["presentation"]]
    means, table = average_repeats(values, names, windows.table["window"])
    assert table["clip"].tolist() == [c for c in "abc" for _ in range(4)]
    assert table["n_repeats"].tolist() == [2] * 9 + [1] * 3
    for row, (clip, k, _) in enumerate(table.itertuples(index=False)):
        start = 10 * "abc".index(clip) + k + 3
        both = [Y[s : s + 7].mean(axis=0) for s in (start, start + 30)]
        n = table["n_repeats"][row]
        assert_allclose(means[row], np.mean(both[:n], axis=0))


def test_responses_keep_their_type_and_are_averaged_in_float64():
    windows, _ = response_windows(
        [0.0], [15.0], windowing=Windowing(15, 1.5), tr_s=TR, lag_s=0, n_samples=10
    )
    Y = np.full((10, 2), 1e8, np.float32)
    assert average_scans(Y, windows).dtype == np.float32


def test_all_spaces_come_to_one_window(rng):
    vectors = {
        name: rng.standard_normal((windows_per_clip(15, w.window_s, w.step_s), d))
        for (name, w), d in zip(PAPER_WINDOWS.items(), (5, 4, 3, 2), strict=True)
    }
    frames = rng.standard_normal((750, 6))
    joint = joint_windows(
        {**vectors, "frames": frames},
        {**PAPER_WINDOWS, "frames": Windowing(0.02, 0.02)},
        clip_s=15,
        step_s=TR,
    )
    assert {len(values) for values in joint.values()} == {4}
    assert_allclose(joint["mulan-music"], vectors["mulan-music"])
    assert_allclose(joint["mulan-text"], np.tile(vectors["mulan-text"], (4, 1)))
    for k in range(4):
        # 5-s windows from 0 to 5 s, 1.5-s windows from 0 to 8.5 s after the start
        assert_allclose(joint["w2v-bert"][k], vectors["w2v-bert"][k : k + 4].mean(0))
        own = vectors["soundstream"][k : k + 6].mean(axis=0)
        assert_allclose(joint["soundstream"][k], own)
        expected = frames[75 * k : 75 * k + 500].mean(axis=0)
        assert_allclose(joint["frames"][k], expected)


def test_the_table_says_which_sound_meets_which_volumes():
    table = alignment_table(PAPER_WINDOWS, clip_s=15, tr_s=TR, lag_s=4.5)
    assert table["feature_space"].value_counts(sort=False).to_dict() == {
        "mulan-music": 4,
        "mulan-text": 1,
        "w2v-bert": 7,
        "soundstream": 10,
    }
    row = table[(table["feature_space"] == "mulan-music") & (table["window"] == 1)]
    assert row.iloc[0].to_dict() == {
        "feature_space": "mulan-music",
        "window": 1,
        "sound_from_s": 1.5,
        "sound_to_s": 11.5,
        "first_volume": 4,
        "last_volume": 10,
        "volumes_from_s": 6.0,
        "volumes_to_s": 16.5,
        "n_scans": 7,
        "after_clip_s": 1.0,
    }
    # A window is kept in the last clip if the run goes on for that long.
    for name, own in PAPER_WINDOWS.items():
        mine = table[table["feature_space"] == name]
        windows, _ = response_windows(
            ONSET[-2:], DURATION[-2:], windowing=own, lag_s=4.5, **RUN
        )
        last = windows.table[windows.table["presentation"] == 1]
        kept = mine.loc[mine["after_clip_s"] == 0, "window"]
        assert last["window"].tolist() == kept.tolist()


def test_says_what_is_wrong():
    own = Windowing(10.0, 1.5)
    clip = {"windowing": own, **RUN}
    with pytest.raises(InputError, match="10 s does not fit into a clip of 8 s"):
        response_windows([0.0], [8.0], lag_s=0.0, **clip)
    with pytest.raises(InputError, match="cannot come before the sound"):
        response_windows([0.0], [15.0], lag_s=-1.5, **clip)
    with pytest.raises(InputError, match=r"no window of 10 s at a lag of 4\.5 s lies"):
        response_windows([610.0], [15.0], lag_s=4.5, **clip)
    with pytest.raises(InputError, match="Did you mean 'middle'"):
        response_windows([0.0], [15.0], lag_s=0.0, scans="middles", **clip)
    with pytest.raises(InputError, match="both must be above 0"):
        Windowing(10.0, 0.0)
    with pytest.raises(InputError, match=r"no scan lies in a window from 0 to 0\.5 s"):
        scans_in(0, 0.5, tr_s=TR)
    with pytest.raises(InputError, match="no scan lies"):
        scans_in(0, 9, tr_s=TR, scans=0)
    windows, _ = response_windows([0.0], [15.0], lag_s=0.0, **clip)
    with pytest.raises(
        InputError, match="Y has 9 samples, but the windows reach sample 9"
    ):
        average_scans(np.ones((9, 2)), windows)
    with pytest.raises(InputError, match="2 rows of values for 1 windows"):
        average_repeats(np.ones((2, 2)), ["a"], [0])


def test_says_what_a_joint_window_needs():
    with pytest.raises(InputError, match="x has 5 vectors, but 4 windows of 10 s fit"):
        joint_windows(
            {"x": np.ones((5, 2))}, {"x": Windowing(10, 1.5)}, clip_s=15, step_s=1.5
        )
    with pytest.raises(
        InputError, match="none of its windows of 4 s matches the joint"
    ):
        joint_windows(
            {"x": np.ones((2, 2))},
            {"x": Windowing(4, 8.0)},
            clip_s=15,
            step_s=1.5,
            window_s=6,
        )
