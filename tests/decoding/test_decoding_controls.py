"""Tests of predictions that should score chance."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.core.selection import Selection
from brain2music.decoding.cards import Pool
from brain2music.decoding.controls import (
    compare_controls,
    control_roi,
    mean_embedding,
    random_embedding,
    shuffled_clips,
)


def test_random_embeddings_have_the_moments_of_training(rng):
    T = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 3)) + [1, 2, 3]
    found = random_embedding(T, 30000, seed=0)
    assert_allclose(found.mean(axis=0), T.mean(axis=0), atol=0.06)
    assert_allclose(np.cov(found.T), np.cov(T.T), atol=0.12)


def test_shuffled_predictions_are_the_same_rows_in_whole_clips(rng):
    predicted = rng.standard_normal((12, 4))
    clips = np.repeat(list("abcd"), 3)
    found = shuffled_clips(predicted, clips, seed=3)
    blocks = [block.tobytes() for block in predicted.reshape(4, 3, 4)]
    assert sorted(blocks) == sorted(b.tobytes() for b in found.reshape(4, 3, 4))
    assert abs(found - predicted).max() > 0


def test_controls_score_chance_beside_a_decoder_that_does_not(rng):
    T_train, target = rng.standard_normal((90, 6)), rng.standard_normal((30, 6))
    good = target + rng.standard_normal(target.shape)
    pool = Pool(np.arange(30), n_permutations=200, n_resamples=200)
    table = compare_controls(
        {"decoder": good, "V1": rng.standard_normal((30, 6))},
        target,
        T_train,
        pool=pool,
    )
    part = table[table["metric"] == "identification accuracy"].set_index("prediction")
    assert part.loc["decoder", "p"] < 0.01
    others = ["V1", "mean embedding", "random embedding", "shuffled clips"]
    assert (part.loc[others, "p"] > 0.05).all()
    assert_allclose(part.loc["mean embedding", "value"], 0.5)
    assert part.loc["mean embedding", "p"] == 1
    assert_allclose(mean_embedding(T_train, 2)[1], T_train.mean(axis=0))


def test_a_control_roi_is_found_by_its_name():
    rois = [Selection(n, np.ones(3, bool), "atlas") for n in ("V1", "A1")]
    assert control_roi(rois, "V1") is rois[0]
    with pytest.raises(InputError, match="Did you mean 'V1'"):
        control_roi(rois, "v1")
    with pytest.raises(InputError, match="no covariance"):
        random_embedding(np.ones((1, 2)), 3, seed=0)
