"""Tests of what one vertex is asked: weights per delay, and its clips."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.types import Band
from brain2music.viewer.vertices import clip_names, delay_norms, extreme_clips

CLIPS = ["b", "b", "", "a", "c", "a", "d", "b", "d"]


def test_norms_are_those_of_each_delay_by_hand(rng):
    weights = rng.standard_normal((6, 4))  # 3 delays of 2 features
    norms = delay_norms(weights, Band("x", 2, (1, 2, 5)))
    for delay in range(3):
        for voxel in range(4):
            two = weights[2 * delay : 2 * delay + 2, voxel]
            assert_allclose(norms[delay, voxel], np.hypot(*two))


def test_norms_are_refused_of_rows_that_are_not_the_bands():
    with pytest.raises(InputError, match="3 delays of 2 features"):
        delay_norms(np.zeros((5, 4)), Band("x", 2, (1, 2, 5)))


def test_clips_are_ranked_as_a_loop_ranks_them(rng):
    predictions = rng.standard_normal((9, 30))
    found = extreme_clips(predictions, CLIPS, n=2)
    names = clip_names(CLIPS)
    assert names == ["b", "a", "c", "d"]
    for voxel in range(30):
        mean = {
            name: np.mean(
                [
                    p
                    for p, c in zip(predictions[:, voxel], CLIPS, strict=True)
                    if c == name
                ]
            )
            for name in names
        }
        order = sorted(names, key=mean.get)
        shown = [names[k] for k in found.which[:, voxel]]
        assert shown == [order[-1], order[-2], order[0], order[1]]
        assert_allclose(found.values[:, voxel], [mean[name] for name in shown])


@pytest.mark.parametrize(("n_clips", "n_shown"), [(2, 2), (3, 2), (5, 4), (9, 6)])
def test_no_clip_is_strongest_and_weakest(rng, n_clips, n_shown):
    found = extreme_clips(
        rng.standard_normal((n_clips, 3)), list("abcdefghi")[:n_clips]
    )
    assert found.which.shape == (n_shown, 3)
    for column in found.which.T:
        assert len(set(column)) == n_shown


def test_a_voxel_without_a_prediction_has_no_clips(rng):
    predictions = rng.standard_normal((9, 3))
    predictions[:, 1] = np.nan
    found = extreme_clips(predictions, CLIPS)
    assert_array_equal(np.isnan(found.values).all(axis=0), [False, True, False])
    assert_array_equal(found.which[:, 1], 0)
