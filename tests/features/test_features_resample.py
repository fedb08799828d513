"""Tests of the way from events to samples."""

import time

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.features.resample import UncoveredError, average_to_tr, overlap_s

GRID = {"n_samples": 7, "tr_s": 1.7}
MEASURES = ["mean", "sum", "on"]


def events(rng, n=23, *, n_columns=3):
    """Events on whole milliseconds that overlap and stick out at both ends."""
    onset = rng.integers(-1500, 11500, n) / 1000
    duration = rng.integers(1, 4000, n) / 1000
    shared = rng.standard_normal((n, 1))
    return onset, duration, shared + rng.standard_normal((n, n_columns))


def on_a_fine_grid(onset, duration, values, *, n_samples, tr_s, measure):
    """Look at every millisecond, one after the other."""
    per_tr = round(tr_s * 1000)
    start, stop = (np.round(t * 1000) for t in (onset, onset + duration))
    moments = np.arange(n_samples * per_tr)
    held = (start <= moments[:, None]) & (moments[:, None] < stop)
    held = held.reshape(n_samples, per_tr, -1)
    if measure == "on":
        return held.any(axis=2).mean(axis=1)[:, None]
    total = held.sum(axis=1) @ values
    seconds = per_tr if measure == "sum" else held.sum(axis=(1, 2))[:, None]
    return total / seconds


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("seed", range(4))
def test_equals_a_walk_over_every_millisecond(measure, seed):
    given = events(np.random.default_rng(seed))
    expected = on_a_fine_grid(*given, **GRID, measure=measure)
    rows = average_to_tr(*given, **GRID, measure=measure)
    assert_allclose(rows, expected, atol=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_order_of_the_events_does_not_matter(rng, measure):
    onset, duration, values = events(rng)
    mixed = rng.permutation(len(onset))
    expected = average_to_tr(onset, duration, values, **GRID, measure=measure)
    rows = average_to_tr(
        onset[mixed], duration[mixed], values[mixed], **GRID, measure=measure
    )
    assert_allclose(rows, expected, atol=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_cutting_events_in_two_changes_nothing(rng, measure):
    onset, duration, values = events(rng)
    first = duration * 0.3
    halves = (
        np.r_[onset, onset + first],
        np.r_[first, duration - first],
        np.vstack([values, values]),
    )
    expected = average_to_tr(onset, duration, values, **GRID, measure=measure)
    assert_allclose(
        average_to_tr(*halves, **GRID, measure=measure), expected, atol=1e-9
    )


def test_the_sum_of_a_gapless_series_is_its_mean(rng):
    onset, duration = np.arange(50) * 0.4, np.full(50, 0.4)
    given = onset, duration, rng.standard_normal((50, 2))
    grid = {"n_samples": 11, "tr_s": 1.7}
    assert_allclose(
        average_to_tr(*given, **grid, measure="sum"),
        average_to_tr(*given, **grid, measure="mean"),
    )


def test_a_value_of_one_throughout_stays_one():
    onset = np.round(np.arange(2000) * 0.04, 2)
    duration, ones = np.full(2000, 0.04), np.ones((2000, 1))
    for measure in MEASURES:
        rows = average_to_tr(
            onset, duration, ones, n_samples=40, tr_s=2.0, measure=measure
        )
        assert_allclose(rows, 1, rtol=1e-9)


def test_an_event_up_to_a_border_does_not_reach_the_next_sample():
    # 0.1 + 0.2 is a little more than 0.3.
    given = [0.1], [0.2], [[5.0]]
    rows = average_to_tr(*given, n_samples=2, tr_s=0.3, measure="mean", empty=-1.0)
    assert_allclose(rows, [[5.0], [-1.0]])


def test_an_event_of_no_duration_is_counted_whole_by_sum():
    given = [0.0, 2.8, 2.9, 3.0, 3.1, 9.0], [0, 0, 0, 0, 1.5, 0]
    rows = average_to_tr(*given, np.ones((6, 1)), n_samples=3, tr_s=1.5, measure="sum")
    assert_allclose(rows.ravel(), [1, 2, 1 + 1.4 / 1.5])


@pytest.mark.parametrize("measure", ["mean", "on"])
def test_an_event_of_no_duration_needs_one_elsewhere(measure):
    with pytest.raises(InputError, match=r"1 of 2 events have no duration.*row 1"):
        average_to_tr([0, 1], [2, 0], np.ones((2, 1)), **GRID, measure=measure)


def test_a_mean_refuses_samples_that_nothing_covers():
    match = r"rms, run-3: nothing covers 4 of 7 samples, the first of them 1, 4"
    with pytest.raises(UncoveredError, match=match + r".* with `empty` which") as error:
        average_to_tr(
            [0, 3.4],
            [1.7, 3.0],
            [[1.0], [2.0]],
            **GRID,
            measure="mean",
            name="rms, run-3",
        )
    assert isinstance(error.value, InputError)
    assert error.value.found.endswith("needs a value in each sample.")


def test_a_mean_puts_there_what_it_is_told():
    rows = average_to_tr([0], [2.0], [[4.0]], **GRID, measure="mean", empty=np.nan)
    assert_allclose(rows.ravel(), [4, 4, *[np.nan] * 5])


@pytest.mark.parametrize("measure", ["on", "sum"])
def test_no_events_are_a_row_of_zeros(measure):
    rows = average_to_tr([], [], np.empty((0, 2)), **GRID, measure=measure)
    assert rows.shape == (7, 1 if measure == "on" else 2)
    assert not rows.any()


def test_overlaps_add_up_to_the_time_inside_the_run(rng):
    onset, duration, _ = events(rng)
    end = GRID["n_samples"] * GRID["tr_s"]
    inside = np.clip(onset + duration, 0, end) - np.clip(onset, 0, end)
    overlap = overlap_s(onset, duration, **GRID)
    assert overlap.shape == (7, 23)
    assert_allclose(overlap.sum(axis=0), inside, atol=1e-8)


def test_the_given_arrays_stay_as_they_are(rng):
    onset, duration, values = events(rng)
    copies = onset.copy(), duration.copy(), values.copy()
    for measure in MEASURES:
        average_to_tr(onset, duration, values, **GRID, measure=measure)
    for array, copy in zip((onset, duration, values), copies, strict=True):
        assert (array == copy).all()


def test_many_short_events_take_no_time(rng):
    onset = np.arange(27_000) * 0.04
    given = onset, np.full(len(onset), 0.04), rng.standard_normal((27_000, 2))
    took = []
    for _ in range(5):
        start = time.process_time()
        average_to_tr(*given, n_samples=540, tr_s=2.0, measure="mean")
        took.append(time.process_time() - start)
    assert min(took) < 0.1  # near 0.01 s on an idle core


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"measure": "average"}, r"measure of events must be 'on', 'mean' or 'sum'"),
        ({"duration_s": [1.0, -2.0]}, r"1 negative durations, the first at row 1"),
        ({"onset_s": [np.nan, 1.0]}, r"1 of 2 events without a finite onset"),
        ({"onset_s": [1.0]}, r"onsets of shape \(1,\) and durations of shape \(2,\)"),
        ({"values": np.ones((3, 1))}, r"2 onsets but 3 rows of values"),
        ({"values": [[1.0], [np.nan]]}, r"values of events has NaN"),
        ({"tr_s": 0.0}, r"TR above 0 s, got n_samples=7 and tr_s=0"),
        ({"n_samples": 0}, r"at least 1 sample"),
    ],
)
def test_says_what_does_not_fit(change, match):
    given = {"onset_s": [0, 6.0], "duration_s": [6.0, 6.0], "values": [[1.0], [2.0]]}
    with pytest.raises(InputError, match=match):
        average_to_tr(**{**given, **GRID, "measure": "mean", **change})
