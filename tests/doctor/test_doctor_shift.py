"""Shifted and swapped runs are found, and named; clean ones raise no alarm."""

import numpy as np
import pytest
from statsmodels.api import OLS

from brain2music.core.types import Run
from brain2music.doctor.courses import Course
from brain2music.doctor.drift import trend_p
from brain2music.doctor.shift import check_shifts

TR_S, LAG, N = 1.5, 3, 400
TRAIN = tuple(Run("Training", str(k)) for k in range(1, 7))
TEST = (Run("Test", "1"), Run("Test", "2"))


def slow(rng, shape, slowness):
    out = rng.standard_normal(shape)
    for row in range(1, len(out)):
        out[row] = slowness * out[row - 1] + np.sqrt(1 - slowness**2) * out[row]
    return out


def courses(seed, *, off=None, lag=LAG, size=0.4, n_voxels=40, rate=1.0):
    """Return runs whose responses follow features by `lag`, in `off` by more.

    They are sampled `rate` times as far apart as they should be.
    """
    at = np.clip(np.arange(N) * rate, 0, N - 1)
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((4, n_voxels)) / 2
    found = {}
    for run in (*TRAIN, *TEST):
        F = slow(rng, (N, 4), 0.8)
        moved = np.roll(F, lag + (off or {}).get(run, 0), axis=0)
        Y = size * moved @ weights + slow(rng, (N, n_voxels), 0.4)
        Y = np.stack([np.interp(at, np.arange(N), one) for one in Y.T], axis=1)
        found[run] = Course(F - F.mean(0), Y - Y.mean(0), np.arange(N))
    return found


def judged(found, level=0.001):
    by_key = {}
    for one in check_shifts(found, TRAIN, TR_S, subject="sub-01", level=level):
        by_key.setdefault(one.key, one)  # failed runs come before the others
    return by_key


def test_runs_in_step_pass_and_the_lag_is_that_planted():
    found = judged(courses(0))
    assert {key: one.status for key, one in found.items()} == {
        "shift-lag": "passed",
        "shift-run": "passed",
        "swapped-runs": "passed",
        "shift-drift": "passed",
    }
    assert found["shift-lag"].values["lag_s"] == pytest.approx(LAG * TR_S)


@pytest.mark.parametrize("run", [TRAIN[2], TEST[1]])
@pytest.mark.parametrize("volumes", [-5, 2, 6])
def test_a_shifted_run_fails_and_is_named_with_its_shift(run, volumes):
    found = judged(courses(1, off={run: volumes}))
    assert found["shift-run"].status == "failed"
    assert found["shift-run"].where == ("sub-01", str(run))
    assert found["shift-run"].values == {"volumes_off": volumes}


def test_swapped_runs_fail_and_are_both_named():
    made = courses(2)
    a, b = made[TRAIN[1]], made[TRAIN[4]]
    made[TRAIN[1]] = Course(a.features, b.responses, a.kept)
    made[TRAIN[4]] = Course(b.features, a.responses, b.kept)
    found = judged(made)
    assert found["swapped-runs"].status == "failed"
    assert found["swapped-runs"].where == ("sub-01", str(TRAIN[1]), str(TRAIN[4]))


def test_a_run_backwards_fails_and_is_named():
    made = courses(2)
    a = made[TRAIN[1]]
    made[TRAIN[1]] = Course(a.features, a.responses[::-1], a.kept)
    found = judged(made)
    assert found["swapped-runs"].where == ("sub-01", str(TRAIN[1]))
    assert "backwards" in found["swapped-runs"].found


@pytest.mark.parametrize("rate", [0.99, 1.01])
def test_a_tr_that_is_off_by_one_percent_makes_the_lag_move(rate):
    found = judged(courses(7, size=0.2, rate=rate))
    assert found["shift-drift"].status == "failed"
    values = found["shift-drift"].values
    moved_s = values["last_third_s"] - values["first_third_s"]
    assert np.sign(moved_s) == np.sign(1 - rate)
    assert {found[key].status for key in ("shift-lag", "shift-run")} == {"passed"}


def test_a_trend_is_that_of_a_regression_with_a_mean_for_each_run():
    rng = np.random.default_rng(0)
    runs = [rng.standard_normal(n) + k for k, n in enumerate((9, 14, 11))]
    times = np.concatenate([np.linspace(-0.5, 0.5, len(one)) for one in runs])
    means = np.repeat(np.eye(3), [9, 14, 11], axis=0)
    fitted = OLS(np.concatenate(runs), np.c_[times, means]).fit()
    assert trend_p(runs) == pytest.approx(fitted.pvalues[0])


@pytest.mark.parametrize("moved", [1, -1])
def test_runs_that_are_all_out_of_order_are_found_by_another_order(moved):
    made = courses(2)
    there = {run: made[TRAIN[(k + moved) % len(TRAIN)]] for k, run in enumerate(TRAIN)}
    for run, other in there.items():
        own = made[run]
        made[run] = Course(own.features, other.responses, own.kept)
    found = judged(made)["swapped-runs"]
    assert found.status == "failed"
    pair = f"{TRAIN[1]} with the stimulus of {TRAIN[1 + moved]}"
    assert pair in found.found


def test_curves_lie_beside_what_is_found():
    found = judged(courses(1, off={TRAIN[2]: 5}))
    (own,) = found["shift-run"].curves
    assert own.name == str(TRAIN[2])
    assert own.lag_s == pytest.approx(LAG * TR_S)
    assert own.lags_s[int(np.argmax(own.r))] == pytest.approx((LAG + 5) * TR_S)
    (whole,) = found["shift-lag"].curves
    assert whole.lags_s[int(np.argmax(whole.r))] == pytest.approx(LAG * TR_S)


@pytest.mark.parametrize("lag", [-2, 0])
def test_a_lag_that_blood_cannot_have_fails(lag):
    found = judged(courses(3, lag=lag))
    assert found["shift-lag"].status == "failed"
    assert found["shift-lag"].values["lag_s"] == pytest.approx(lag * TR_S)


def test_where_nothing_is_predicted_nothing_is_said_to_be_in_step():
    found = judged(courses(4, size=0.0))
    assert {one.status for one in found.values()} == {"not made"}
    assert "no lag can be told" in found["shift-lag"].found


def test_voxels_chosen_on_noise_do_not_pass_for_predicted():
    """Choosing and scoring share no run: 400 voxels, at the level of a study."""
    for seed in range(5):
        found = judged(courses(40 + seed, size=0.0, n_voxels=400), level=0.0014)
        assert {one.status for one in found.values()} == {"not made"}


def test_short_trs_reach_as_far_in_seconds():
    made = check_shifts(courses(6, lag=9), TRAIN, 0.5, subject="sub-01", level=0.001)
    found = {one.key: one for one in made}
    assert found["shift-lag"].values["lag_s"] == pytest.approx(4.5)
    assert {one.status for one in found.values()} == {"passed"}


def test_two_training_runs_are_too_few_to_compare():
    made = courses(5)
    few = list(check_shifts(made, TRAIN[:2], TR_S, subject="sub-01", level=0.001))
    assert [one.status for one in few] == ["not made"] * 4
    assert "2 training runs that are long enough; 3 are" in few[0].found


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_the_level_says():
    """At a level of 10 % in each check, 40 clean studies raise about 4 in each."""
    keys = ("shift-lag", "shift-run", "swapped-runs", "shift-drift")
    alarms = np.zeros(len(keys))
    for seed in range(40):
        found = judged(courses(100 + seed, size=0.15), level=0.1)
        alarms += [found[key].status == "failed" for key in keys]
    assert (alarms <= 8).all(), alarms
