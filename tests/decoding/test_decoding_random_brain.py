"""Tests of responses that know nothing and are like those that were measured."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.chance import clip_permutations, one_sided_p
from brain2music.decoding.identify import similarity
from brain2music.decoding.random_brain import random_responses

LENGTHS = (30, 45, 1)
RUNS = np.repeat(["a", "b", "c"], LENGTHS)
CLIPS = np.repeat(["p", "q", "r", "s", "t", "u"], [15, 15, 15, 15, 15, 1])


@pytest.fixture
def slow(rng):
    """Return slow responses of 3 voxels that go together, each run about its mean."""
    Y = np.cumsum(rng.standard_normal((len(RUNS), 3)), axis=0)
    return Y @ rng.standard_normal((3, 3)) + [100, 0, 3]


def around(course, lag):
    """Return the covariance of rows with those `lag` later, around each run's end."""
    total = 0
    for run in dict.fromkeys(RUNS.tolist()):
        inside = course[run == RUNS]
        total = total + inside.T @ np.roll(inside, -lag, axis=0)
    return total / len(course)


def test_mean_and_covariance_over_voxels_and_time_stay_over_seeds(slow):
    centred = slow - slow.mean(axis=0)
    draws = np.stack([random_responses(slow, RUNS, CLIPS, seed=s) for s in range(1500)])
    size = np.abs(around(centred, 0)).max()
    assert_allclose(draws.mean(axis=(0, 1)), slow.mean(axis=0), atol=0.08 * size**0.5)
    draws -= slow.mean(axis=0)
    for lag in (0, 1, 5):
        inside = draws[:, : 15 - lag], draws[:, lag:15]  # of one clip
        found = np.einsum("dsv,dsw->vw", *inside) / (len(draws) * (15 - lag))
        assert_allclose(found, around(centred, lag), atol=0.12 * size)
    between = np.einsum("dsv,dsw->vw", draws[:, :15], draws[:, 15:30])
    assert_allclose(between / (len(draws) * 15), 0, atol=0.12 * size)


def test_a_clip_goes_on_in_time_as_the_responses_do():
    Y = np.zeros((20, 1))
    Y[7] = 1.0  # one event: a clip that mixes it has it at one moment each time
    found = random_responses(Y, ["a"] * 20, ["x"] * 20, seed=0)[:, 0] - Y.mean()
    later = random_responses(np.roll(Y, 3, axis=0), ["a"] * 20, ["x"] * 20, seed=0)
    assert_allclose(np.roll(found, 3), later[:, 0] - Y.mean())


@pytest.mark.slow
def test_p_of_a_random_brain_is_uniform_and_subjects_differ():
    rng = np.random.default_rng(1)
    runs, clips = np.repeat(np.arange(6), 50), np.repeat(np.arange(30).astype(str), 10)
    p, accuracies = [], []
    for study in range(200):
        T = np.repeat(rng.standard_normal((30, 8)), 10, axis=0)
        W = rng.standard_normal((8, 20))
        Y = T @ W + 2 * rng.standard_normal((300, 20))
        train = np.repeat(rng.standard_normal((60, 8)), 10, axis=0)
        seen = train @ W + 2 * rng.standard_normal((600, 20))
        decoder = np.linalg.lstsq(seen, train, rcond=None)[0]
        accuracy = []
        for subject in ("01", "02"):  # the same brain: only the draws differ
            random = random_responses(Y, runs, clips, seed=0, name=f"{study} {subject}")
            C = similarity((random @ decoder).reshape(30, 10, 8).mean(axis=1), T[::10])
            won = (C[:, :, None] > C[:, None]).sum(axis=2) / 29
            accuracy.append(np.diag(won).mean())
        orders = clip_permutations(np.arange(30), 199, seed=study)
        null = won[orders, np.arange(30)].mean(axis=1)
        p.append(one_sided_p(accuracy[-1], null))
        accuracies.append(accuracy)
    share = np.mean(np.array(p) <= 0.05)
    assert 0.005 <= share <= 0.1  # 10 of 200 by chance, with 3 standard errors
    assert abs(np.mean(p) - 0.5) < 0.07
    assert abs(np.corrcoef(np.transpose(accuracies))[0, 1]) < 0.25


def test_the_seed_and_the_name_decide(slow):
    def draw(seed, name=""):
        return random_responses(slow, RUNS, CLIPS, seed=seed, name=name)

    assert_array_equal(draw(1), draw(1))
    assert abs(draw(1) - draw(2)).max() > 1
    assert abs(draw(1, "01") - draw(1, "02")).max() > 1
    single = random_responses(slow.astype("float32"), RUNS, CLIPS, seed=1)
    assert single.dtype == np.float32
    assert_allclose(single, draw(1), rtol=1e-3, atol=1e-2)


def test_rows_that_do_not_fit_are_refused(slow):
    with pytest.raises(InputError, match="76 rows, and runs has"):
        random_responses(slow, RUNS[1:], CLIPS, seed=0)
    with pytest.raises(InputError, match="76 rows, and clips has"):
        random_responses(slow, RUNS, CLIPS[1:], seed=0)
    with pytest.raises(InputError, match="comes in two pieces"):
        random_responses(slow, np.resize(["a", "b"], len(slow)), CLIPS, seed=0)
