"""Tests of the design: scale, delays, and bands side by side."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.types import Band
from brain2music.features.design import (
    build_design,
    delay_run,
    has_history,
    join_delays,
    split_delays,
    standardise,
)

LENGTHS = (11, 7, 9)


def space(rng, n_features=4):
    """One feature space in three runs, with columns that share a part."""
    runs = []
    for n_samples in LENGTHS:
        shared = rng.standard_normal((n_samples, 1))
        own = rng.standard_normal((n_samples, n_features))
        runs.append(5 + 3 * shared + own * np.arange(1, n_features + 1))
    return runs


def training_rows():
    """Return the rows of two runs, without the first three, and none of the last."""
    used = [np.arange(n) >= 3 for n in LENGTHS]
    used[2][:] = False
    return used


def test_training_rows_have_mean_0_and_deviation_1(rng):
    result = standardise(space(rng), training_rows(), how="zscore", name="mel")
    scaled = result.runs
    rows = np.vstack(
        [run[keep] for run, keep in zip(scaled, training_rows(), strict=True)]
    )
    assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
    assert_allclose(rows.std(axis=0), 1)
    assert [len(run) for run in scaled] == list(LENGTHS)


def test_centring_keeps_the_unit_and_none_keeps_all(rng):
    runs = space(rng)
    mean = np.vstack([runs[0][3:], runs[1][3:]]).mean(axis=0)
    centred = standardise(runs, training_rows(), how="centre", name="mel").runs
    for before, after in zip(runs, centred, strict=True):
        assert_allclose(after, before - mean)
    untouched = standardise(runs, training_rows(), how="none", name="mel").runs
    assert_array_equal(np.vstack(untouched), np.vstack(runs))
    assert not np.shares_memory(untouched[0], runs[0])


@pytest.mark.parametrize("how", ["zscore", "centre"])
def test_a_spike_in_rows_not_used_changes_no_statistic(rng, how):
    runs = space(rng)
    spiked = [run.copy() for run in runs]
    spiked[2][4] = 1e6
    spiked[0][1] = -1e6
    before = standardise(runs, training_rows(), how=how, name="mel").runs
    after = standardise(spiked, training_rows(), how=how, name="mel").runs
    untouched = [np.ones(n, bool) for n in LENGTHS]
    untouched[2][4] = untouched[0][1] = False
    for a, b, rows in zip(before, after, untouched, strict=True):
        assert_array_equal(a[rows], b[rows])


def test_the_given_runs_stay_as_they_are(rng):
    runs = space(rng)
    copies = [run.copy() for run in runs]
    standardise(runs, training_rows(), how="zscore", name="mel")
    delay_run(runs[0], [1, 2])
    for run, copy in zip(runs, copies, strict=True):
        assert_array_equal(run, copy)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_column_that_varies_by_rounding_alone_is_named(rng, dtype):
    runs = [run.astype(dtype) for run in space(rng)]
    rounding = max(1e-10, np.finfo(dtype).eps)
    for run in runs:
        run[:, 2] = 0.3 * (1 + np.arange(len(run)) % 2 * rounding)
    match = r"'mel': 1 of 4 columns do not vary over the training rows: "
    with pytest.raises(InputError, match=match + r"2 \(counted from 0\)"):
        standardise(runs, training_rows(), how="zscore", name="mel")
    with pytest.raises(InputError, match=match + r"c\. "):
        standardise(runs, training_rows(), how="centre", name="mel", columns="abcd")


def test_a_small_variation_on_a_large_mean_is_kept(rng):
    runs = [1964 + 1e-3 * run for run in space(rng)]
    scaled = standardise(runs, training_rows(), how="zscore", name="year")
    assert np.isfinite(np.vstack(scaled.runs)).all()


@pytest.mark.parametrize("how", ["zscore", "centre", "none"])
def test_the_mean_is_that_of_the_training_rows_as_returned(rng, how):
    result = standardise(space(rng), training_rows(), how=how, name="mel")
    rows = [run[keep] for run, keep in zip(result.runs, training_rows(), strict=True)]
    assert_allclose(result.mean, np.vstack(rows).mean(axis=0), atol=1e-12)
    assert result.mean.any() == (how == "none")


def rows_of(lengths, dtype=bool):
    return [np.ones(n, dtype) for n in lengths]


NARROW = [np.eye(11, 4), np.eye(7, 4), np.eye(9, 3)]
HOLES = [np.full((n, 2), np.nan) for n in LENGTHS]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"how": "z-score"}, r"how must be .* Did you mean 'zscore'"),
        ({"rows_used": [~rows for rows in rows_of(LENGTHS)]}, r"no training row"),
        ({"rows_used": rows_of((11, 9, 7))}, r"runs of \[11, 7, 9\] .* \[11, 9, 7\]"),
        ({"rows_used": rows_of(LENGTHS, int)}, r"one True or False"),
        ({"features": NARROW}, r"3 or 4 features"),
        ({"features": HOLES}, r"mel, run 0 has NaN"),
    ],
)
def test_says_what_cannot_be_standardised(rng, change, match):
    given = {"features": space(rng), "rows_used": training_rows(), "how": "zscore"}
    with pytest.raises(InputError, match=match):
        standardise(**{**given, **change}, name="mel")


def test_each_delay_holds_what_was_there_before(rng):
    run, delays = space(rng)[0], (4, 1, 2)
    delayed = delay_run(run, delays).reshape(len(run), len(delays), run.shape[1])
    for sample in range(len(run)):
        for k, delay in enumerate(delays):
            before = run[sample - delay] if sample >= delay else np.zeros(4)
            assert_array_equal(delayed[sample, k], before)


def test_rows_without_history_hold_the_fill_of_their_feature(rng):
    run, delays, fill = space(rng)[0], (0, 3, 1), np.array([7.0, -2.0, 0.5, 40.0])
    delayed = delay_run(run, delays, fill=fill).reshape(len(run), 3, 4)
    plain = delay_run(run, delays).reshape(len(run), 3, 4)
    for k, delay in enumerate(delays):
        assert_array_equal(delayed[:delay, k], np.tile(fill, (delay, 1)))
        assert_array_equal(delayed[delay:, k], plain[delay:, k])


@pytest.mark.parametrize(
    ("fill", "match"),
    [
        ([1.0, 2.0], r"fill has shape \(2,\) .* each of 4 features"),
        ([0.0, np.nan, 0.0, 0.0], r"fill has shape \(4,\) and 1 values"),
        (np.zeros((1, 4)), r"fill has shape \(1, 4\)"),
    ],
)
def test_says_when_a_fill_is_not_one_number_per_feature(rng, fill, match):
    with pytest.raises(InputError, match=match):
        delay_run(space(rng)[0], [1], fill=fill)


def test_rows_with_history_are_those_whose_delays_reach_inside_the_run():
    delays = (3, 0, 5)
    whole = delay_run(np.ones((9, 1)), delays).all(axis=1)
    assert_array_equal(has_history(9, delays), whole)


@pytest.mark.parametrize(
    ("delays", "match"),
    [
        ([1, -2], r"delay -2 looks into the future"),
        ([1, 1], r"each once, got \[1, 1\]"),
        ([1.5], r"whole numbers of samples"),
        ([], r"whole numbers of samples"),
        ([2, 11], r"delay 11 is as long as a run of 11 samples"),
    ],
)
def test_says_which_delay_is_wrong(rng, delays, match):
    with pytest.raises(InputError, match=match):
        delay_run(space(rng)[0], delays)
    with pytest.raises(InputError, match=match):
        has_history(11, delays)


def test_weights_split_by_delay_predict_what_the_columns_predict(rng):
    band, run = Band("mel", 4, (2, 0, 3)), space(rng)[0]
    weights = rng.standard_normal((12, 5))
    split = split_delays(weights, band)
    expected = sum(
        delay_run(run, [delay]) @ split[k] for k, delay in enumerate(band.delays)
    )
    assert split.shape == (3, 4, 5)
    assert_allclose(delay_run(run, band.delays) @ weights, expected)
    assert_array_equal(join_delays(split, band), weights)


def test_says_when_weights_are_not_of_the_band():
    band = Band("mel", 4, (2, 3))
    with pytest.raises(InputError, match=r"'mel': expected \(8, n_voxels\)"):
        split_delays(np.zeros((12, 5)), band)
    with pytest.raises(InputError, match=r"'mel': expected \(2, 4\)"):
        join_delays(np.zeros((4, 2, 5)), band)


BANDS = (Band("mel", 4, (1, 2)), Band("genre", 2, (0, 3, 5)))


def test_the_design_is_each_bands_delays_side_by_side(rng):
    mel, genre = space(rng, 4), space(rng, 2)
    X = build_design(BANDS, [mel, genre])
    assert X.dtype == np.float32
    assert X.shape == (sum(LENGTHS), 8 + 6)
    expected = [
        np.hstack([delay_run(m, (1, 2)), delay_run(g, (0, 3, 5))])
        for m, g in zip(mel, genre, strict=True)
    ]
    assert_allclose(X, np.vstack(expected), rtol=1e-6)


def test_the_design_takes_each_bands_fill_and_the_precision_asked_for(rng):
    mel, genre = space(rng, 4), space(rng, 2)
    fills = [np.arange(4.0) + 9, np.array([-3.0, 0.25])]
    X = build_design(BANDS, [mel, genre], fills=fills, dtype="float64")
    expected = [
        np.hstack(
            [
                delay_run(m, (1, 2), fill=fills[0]),
                delay_run(g, (0, 3, 5), fill=fills[1]),
            ]
        )
        for m, g in zip(mel, genre, strict=True)
    ]
    assert X.dtype == np.float64
    assert_array_equal(X, np.vstack(expected))


@pytest.mark.parametrize("changed", range(3))
def test_changing_one_run_changes_no_row_of_another(rng, changed):
    mel, genre = space(rng, 4), space(rng, 2)
    before = build_design(BANDS, [mel, genre])
    mel[changed], genre[changed] = mel[changed] + 100, genre[changed] - 100
    after = build_design(BANDS, [mel, genre])
    run = np.repeat(np.arange(3), LENGTHS)
    rows = (before != after).any(axis=1)
    assert rows[run == changed].any()
    assert not rows[run != changed].any()


def test_says_when_bands_do_not_fit_together(rng):
    mel, genre = space(rng, 4), space(rng, 2)
    with pytest.raises(InputError, match=r"'genre' has runs of \[7, 11, 9\] samples"):
        build_design(BANDS, [mel, [genre[1], genre[0], genre[2]]])
    with pytest.raises(InputError, match=r"'genre' has 2 features, but its runs 4"):
        build_design(BANDS, [mel, mel])
    with pytest.raises(InputError, match=r"2 bands but features of 1"):
        build_design(BANDS, [mel])
    with pytest.raises(InputError, match=r"2 bands but fills of 1"):
        build_design(BANDS, [mel, genre], fills=[0.0])
