"""Tests of windows over a clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.features.windows import (
    Windows,
    cut_windows,
    window_mean,
    window_notes,
    window_times,
    windows_of,
)

PAPER = [
    (10.0, [0, 1.5, 3, 4.5]),
    (5.0, np.arange(7) * 1.5),
    (1.5, np.arange(10) * 1.5),
]


@pytest.mark.parametrize(("window_s", "starts"), PAPER)
@pytest.mark.parametrize("rate_hz", [50, 22_050, 44_100, 100.5])
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_the_paper_has_4_7_and_10_windows_in_15_s(window_s, starts, rate_hz, off):
    n_points = round(15 * rate_hz) + off * (rate_hz > 10_000)
    found, ends = windows_of(
        n_points, rate_hz, window_s=window_s, step_s=1.5, causal=False
    )
    assert_allclose(found / rate_hz, starts, atol=0.5 / rate_hz)
    assert set(ends - found) == {round(window_s * rate_hz)}


@given(
    n_points=st.integers(50, 4000),
    window_s=st.floats(0.1, 2),
    step_s=st.floats(0.05, 1.5),
)
def test_windows_equal_a_walk_through_the_clip(n_points, window_s, step_s):
    rate_hz, expected, k = 100.0, [], 0
    while k * step_s + 0.99 * window_s <= n_points / rate_hz:
        expected.append(k * step_s * rate_hz)
        k += 1
    if not expected:
        return
    starts, ends = windows_of(
        n_points, rate_hz, window_s=window_s, step_s=step_s, causal=False
    )
    # A window that ends within rounding of the clip's end may go either way.
    assert abs(len(starts) - len(expected)) <= 1
    n = min(len(starts), len(expected))
    # A start that falls between two points may be rounded to either.
    assert_allclose(starts[:n], expected[:n], atol=0.5 + 1e-6)
    assert ends[-1] <= n_points + 0.01 * window_s * rate_hz + 1


def test_causal_windows_end_with_each_step_and_see_nothing_later():
    starts, ends = windows_of(150, 10, window_s=4, step_s=1.5, causal=True)
    assert_array_equal(ends, np.arange(1, 11) * 15)
    assert_array_equal(ends - starts, np.full(10, 40))
    assert starts[0] == -25


def test_what_lies_outside_the_clip_is_silent():
    wave = np.arange(1, 31, dtype=np.float32)
    causal = cut_windows(wave, 10, Windows(2.0, 1.0, causal=True))
    assert_array_equal(causal[0], [0] * 10 + list(range(1, 11)))
    assert_array_equal(causal[2], range(11, 31))
    apart = cut_windows(wave, 10, Windows(0.3, 1.0, causal=True))
    assert_array_equal(apart, [[8, 9, 10], [18, 19, 20], [28, 29, 30]])
    rate_hz = 22_050
    short = np.ones(round(1.5 * rate_hz) - 1, np.float32)
    assert cut_windows(short, rate_hz, Windows(1.5, 1.5))[0, -3:].tolist() == [1, 1, 0]


@pytest.mark.parametrize("causal", [False, True])
def test_times_and_points_agree(causal):
    windows = Windows(2.5, 0.7, causal)
    for n_points in (2500, 7399, 9001):
        starts, ends = windows_of(
            n_points, 1000, window_s=2.5, step_s=0.7, causal=causal
        )
        times = window_times(n_points / 1000, windows)
        assert_allclose(np.stack([starts, ends]) / 1000, times, atol=6e-4)


def test_a_mean_is_that_of_the_frames_a_window_holds(rng):
    frames = rng.standard_normal((47, 3))
    starts, ends = windows_of(47, 5, window_s=2, step_s=0.6, causal=False)
    expected = [frames[a:b].mean(axis=0) for a, b in zip(starts, ends, strict=True)]
    assert_allclose(window_mean(frames, 5, Windows(2.0, 0.6)), expected)


def test_a_frame_counts_by_the_part_that_a_window_holds(rng):
    frames = rng.standard_normal((9, 2))
    fine = np.repeat(frames, 100, axis=0)
    windows = Windows(2.35, 0.77)
    assert_allclose(
        window_mean(frames, 1, windows), window_mean(fine, 100, windows), atol=1e-12
    )


def test_a_causal_mean_is_of_what_there_is_of_the_clip():
    frames = np.arange(6.0)[:, None]
    means = window_mean(frames, 1, Windows(4.0, 2.0, causal=True))
    assert_allclose(means.ravel(), [0.5, 1.5, 3.5])


def test_notes_count_silence_and_sound_that_is_left_out():
    causal = window_notes([15.0, 15.0], Windows(10.0, 1.5, causal=True))
    assert len(causal) == 1
    assert causal[0].startswith("12 of 20 causal windows")
    # 15 s hold windows of 10 s up to 14.5 s.
    assert window_notes([15.0, 14.5], Windows(10.0, 1.5))[0].startswith("1 clips end")
    assert window_notes([15.0], Windows(1.5, 1.5)) == []


@pytest.mark.parametrize(
    ("window_s", "step_s", "causal", "words"),
    [
        (10.0, 1.5, False, "9 s is shorter than one window of 10 s"),
        (10.0, 9.5, True, "9 s is shorter than one step of 9.5 s"),
        (0.0, 1.5, False, "expected seconds above 0"),
        (1.0, float("nan"), False, "expected seconds above 0"),
        (1e-6, 1.5, False, "holds no point"),
    ],
)
def test_says_what_does_not_fit(window_s, step_s, causal, words):
    with pytest.raises(InputError, match=words):
        windows_of(9000, 1000, window_s=window_s, step_s=step_s, causal=causal)


def test_a_clip_whose_border_was_rounded_keeps_its_windows():
    """One clip of ds003720 is written as 14.99 s, and was heard for 15 s."""
    clip = {"n_points": 14_990, "rate_hz": 1000, "step_s": 1.5, "causal": False}
    assert [len(windows_of(**clip, window_s=s)[0]) for s in (10, 5, 1.5)] == [4, 7, 10]
    clip["n_points"] = 14_980
    assert len(windows_of(**clip, window_s=1.5)[0]) == 9
