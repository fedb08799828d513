"""Tests of the ceiling of each voxel."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.analysis.noise_ceiling import (
    explainable_variance,
    jackknife_explainable_variance,
)
from brain2music.analysis.voxel_ceilings import voxel_ceiling_table
from brain2music.core.checks import InputError


def test_the_true_model_reaches_the_ceiling_of_each_voxel(rng):
    signal = rng.standard_normal((4000, 3)) * [0.5, 1.0, 0.0]
    responses = signal + rng.standard_normal((4, 4000, 3))
    clips = np.repeat(np.arange(40), 100)
    mean = responses.mean(axis=0)
    r = [np.corrcoef(signal[:, v], mean[:, v])[0, 1] for v in range(2)] + [0.0]
    share = explainable_variance(responses)
    left_out = jackknife_explainable_variance(responses, clips)
    table = voxel_ceiling_table(share, left_out, r, subject="01", n_averaged=4)
    assert_allclose(table["explainable_variance"], [0.2, 0.5, 0.0], atol=0.02)
    assert_allclose(table["largest_r"][:2], np.sqrt([0.5, 0.8]), atol=0.02)
    assert_allclose(table["r_over_largest_r"][:2], 1.0, atol=0.03)
    assert table["explainable_variance_se"].between(0.001, 0.02).all()
    assert table["voxel"].tolist() == [0, 1, 2]


def test_a_voxel_without_a_ceiling_has_no_normalised_score():
    table = voxel_ceiling_table(
        [-0.1, 0.5], [[-0.2, 0.4]] * 3, [0.3, 0.3], subject="01", n_averaged=1
    )
    assert_allclose(table["largest_r"], [np.nan, np.sqrt(0.5)])
    assert_allclose(table["r_over_largest_r"], [np.nan, 0.3 / np.sqrt(0.5)])
    assert_allclose(table["r"], 0.3)


def test_says_which_shapes_do_not_fit():
    with pytest.raises(InputError, match=r"left_out \(3, 2\) and r \(3,\)"):
        voxel_ceiling_table(
            [0.1, 0.5], [[0.2, 0.4]] * 3, [0.3] * 3, subject="01", n_averaged=1
        )
