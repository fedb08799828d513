"""Tests of mean, median and best tenth over resamples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.analysis.bootstrap import block_counts
from brain2music.analysis.summaries import (
    SUMMARIES,
    best_tenths,
    bootstrap_summaries,
)
from brain2music.core.checks import InputError
from brain2music.core.stats import correlation, correlation_parts

SIZES = [9, 12, 10, 10, 11, 8]
BLOCKS = np.repeat(np.arange(6), SIZES)
MEMBERS = np.array([[1, 1, 1, 0, 1, 0, 0], [0, 0, 1, 1, 0, 1, 1], [0] * 7], dtype=bool)
BEST = np.array([[0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1], [0] * 7], dtype=bool)


@pytest.fixture
def study(rng):
    parts = rng.standard_normal((2, 60, 7)) + rng.standard_normal((60, 7))
    Y = parts.sum(axis=0) + 2 * rng.standard_normal((60, 7)) + 5
    predictions = {("joint", "all"): parts.sum(axis=0) + 1}
    predictions |= {("part", n): p for n, p in zip("ab", parts, strict=True)}
    return Y, predictions | {("alone", "a"): parts[0]}


def resample(study, **options):
    given = {"best": BEST, "n_resamples": 15, "seed": 4} | options
    return bootstrap_summaries(*study, MEMBERS, BLOCKS, **given)


def by_hand(r):
    """Return (summary, roi) of one row of scores."""
    nan = np.nan
    mean = [np.mean(r[m]) if m.any() else nan for m in MEMBERS]
    median = [np.median(r[m]) if m.any() else nan for m in MEMBERS]
    best = [np.mean(r[b]) if b.any() else nan for b in BEST]
    return dict(zip(SUMMARIES, (mean, median, best), strict=True))


def test_equals_scores_of_rows_drawn_by_hand(study):
    Y, predictions = study
    found = resample(study)
    parts = np.stack([predictions["part", n] for n in "ab"])
    rows_of = [np.flatnonzero(b == BLOCKS) for b in range(6)]
    draws = [[1] * 6, *block_counts(6, 15, 4).astype(int)]
    for k, counts in enumerate(draws):
        rows = np.concatenate(
            [r for r, n in zip(rows_of, counts, strict=True) for _ in range(n)]
        )
        r_parts = correlation_parts(Y[rows], parts[:, rows])
        expected = {
            ("joint", "all"): correlation(Y[rows], predictions["joint", "all"][rows]),
            ("alone", "a"): correlation(Y[rows], parts[0][rows]),
            ("part", "a"): r_parts[0],
            ("part", "b"): r_parts[1],
        }
        for key, r in expected.items():
            for name, values in by_hand(r).items():
                one = found[key, name]
                row = one.observed if k == 0 else one.resampled[k - 1]
                assert_allclose(row, values, atol=1e-12)


def test_counts_the_voxels_that_have_a_score(study):
    Y, predictions = study
    Y[:, 2] = 0.1
    found = resample((Y, predictions))
    assert_array_equal(found[("joint", "all"), "mean"].n_voxels, [3, 3, 0])
    assert_array_equal(found[("joint", "all"), "median"].n_voxels, [3, 3, 0])
    assert_array_equal(found[("joint", "all"), "best_tenth"].n_voxels, [1, 1, 0])
    r = correlation(Y, predictions["joint", "all"])
    assert_allclose(
        found[("joint", "all"), "median"].observed[0], np.median(r[[0, 1, 4]])
    )


def test_a_resample_in_which_a_voxel_never_varies_says_nothing_of_it(study):
    Y, predictions = study
    Y[:, 1] = np.where(BLOCKS == 3, Y[:, 1], 0.0)
    found = resample((Y, predictions), n_resamples=60)
    lacks = block_counts(6, 60, 4)[:, 3] == 0
    assert 0 < lacks.sum() < 60
    # The best of the first ROI are voxels 1 and 2; where 1 is silent, 2 is left.
    alone = resample((Y, predictions), n_resamples=60, best=BEST & (np.arange(7) != 1))
    key = (("joint", "all"), "best_tenth")
    same = np.isclose(found[key].resampled[:, 0], alone[key].resampled[:, 0])
    assert_array_equal(same, lacks)


def test_differences_are_paired(study):
    found = resample(study)
    a, b = found[("part", "a"), "mean"], found[("part", "b"), "mean"]
    assert_allclose((a - b).resampled, a.resampled - b.resampled)
    assert_allclose((a - b).observed, a.observed - b.observed)
    assert_array_equal((a - b).take([1]).n_voxels, [4])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"members": MEMBERS.astype(int)}, "members has shape .* type int64"),
        ({"best": BEST[:2]}, r"best \(2, 7\): best must hold"),
        ({"best": ~MEMBERS}, "some of each ROI's voxels and no others"),
        ({"blocks": BLOCKS[1:]}, r"blocks \(59,\)"),
        ({"blocks": BLOCKS + 1}, "from 0 without gaps"),
    ],
)
def test_what_does_not_fit_is_named(study, change, words):
    given = {"members": MEMBERS, "blocks": BLOCKS, "best": BEST} | change
    masks, blocks = given.pop("members"), given.pop("blocks")
    with pytest.raises(InputError, match=words):
        bootstrap_summaries(*study, masks, blocks, **given, n_resamples=5, seed=0)


def test_predictions_that_do_not_fit_are_named(study):
    Y, predictions = study
    short = predictions | {("alone", "a"): np.zeros((60, 6))}
    with pytest.raises(InputError, match=r"\('alone', 'a'\): \(60, 6\)"):
        resample((Y, short))
    del predictions["joint", "all"]
    with pytest.raises(InputError, match="parts but not"):
        resample(study)
    alone = {("alone", "a"): predictions["alone", "a"]}
    assert len(resample((Y, alone))) == 3


def test_the_best_tenth_is_chosen_on_training_and_refused_on_test(rng):
    cv = rng.standard_normal(40)
    cv[3] = np.nan
    rois = {"A1": np.arange(40) < 25, "V1": np.arange(40) >= 15}
    runs = {"train_runs": ["run-1", "run-2"], "test_runs": ["run-7"]}
    best = best_tenths(rois, cv, **runs)
    assert_array_equal(best.sum(axis=1), [3, 3])
    for mask, chosen in zip(rois.values(), best, strict=True):
        assert not (chosen & ~mask).any()
        assert cv[chosen].min() > np.nanmax(cv[mask & ~chosen])
    with pytest.raises(InputError, match=r"'A1' .* made from responses of run-2"):
        best_tenths(rois, cv, **runs | {"test_runs": ["run-2"]})


def test_best_tenths_refuse_runs_that_are_one_text():
    rois = {"A1": np.ones(4, dtype=bool)}
    with pytest.raises(InputError, match="are one text, 'task-Test_run-1'"):
        best_tenths(
            rois, np.arange(4.0), train_runs="task-Test_run-1", test_runs=["task-Test"]
        )
