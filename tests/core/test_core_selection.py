"""Tests of selections that know what made them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.selection import Selection, masks_to_score, select_best
from brain2music.core.stats import correlation
from brain2music.core.types import Run

TRAIN = [Run("Training", f"{n:02d}") for n in range(1, 4)]
TEST = [Run("Test", "01"), Run("Test", "02")]
ATLAS = Selection("A1", np.array([1, 1, 1, 1, 0, 1, 1], dtype=bool), "atlas")
SCORES = np.array([0.3, np.nan, 0.1, 0.5, 0.9, 0.3, 0.2])


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.01, [3]), (0.2, [3]), (0.21, [0, 3]), (1.0, [0, 2, 3, 5, 6])],
)
def test_the_best_share_of_the_scored_voxels_is_chosen(share, expected):
    best = select_best(SCORES, TRAIN, name="best", share=share, inside=ATLAS)
    assert_array_equal(np.flatnonzero(best.mask), expected)
    everywhere = select_best(SCORES, TRAIN, name="best", share=0.01)
    assert_array_equal(np.flatnonzero(everywhere.mask), [4])


def test_a_choice_made_on_training_may_be_scored_on_test():
    best = select_best(SCORES, TRAIN, name="best", share=0.3, inside=ATLAS)
    assert best.runs == {str(run) for run in TRAIN}
    masks = masks_to_score([ATLAS, best], TEST)
    assert list(masks) == ["A1", "best"]
    assert_array_equal(masks["best"], best.mask)


def test_a_choice_made_on_test_is_refused_with_the_way_to_do_it():
    best = select_best(SCORES, TEST[:1], name="best", share=0.3)
    with pytest.raises(InputError, match="training folds") as error:
        masks_to_score([ATLAS, best], TEST)
    assert "task-Test_run-01, which" in str(error.value)
    assert "'best' (best 0.3 by scores on 1 runs)" in str(error.value)
    # Other test runs are other data.
    assert list(masks_to_score([best], TEST[1:])) == ["best"]


@pytest.mark.parametrize("name", ["task-Test_run-1", "task-Test_run-001"])
def test_a_run_is_the_same_with_and_without_zeros_before_its_number(name):
    best = select_best(SCORES, [name], name="best", share=0.3)
    with pytest.raises(InputError, match=f"responses of {name}, which"):
        masks_to_score([best], TEST)
    other = select_best(SCORES, ["task-Test_run-10"], name="best", share=0.3)
    assert list(masks_to_score([other], TEST)) == ["best"]


def test_what_a_selection_was_made_from_stays_with_it():
    peek = select_best(SCORES, TEST, name="peek", share=0.5)
    for mixed in (
        ATLAS & peek,
        select_best(SCORES, TRAIN, name="inside", share=0.5, inside=peek),
    ):
        with pytest.raises(InputError, match="would now be scored on"):
            masks_to_score([mixed], TEST)
    assert_array_equal((ATLAS & peek).mask, ATLAS.mask & peek.mask)
    assert (ATLAS & peek).name == "A1 & peek"


def test_choosing_on_what_is_scored_lifts_the_scores_of_noise(rng):
    Y, P = rng.standard_normal((2, 200, 400))
    r = [correlation(Y[half], P[half]) for half in (slice(100), slice(100, 200))]
    best = select_best(r[0], ["run-1"], name="best", share=0.1)
    assert r[0][best.mask].mean() > 0.15
    assert abs(r[1][best.mask].mean()) < 0.05


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Selection("x", np.ones(3), "atlas"), "type float64, expected bool"),
        (lambda: Selection("x", ATLAS.mask, "atlas", "run-1"), "are one text, 'run-1'"),
        (lambda: select_best(SCORES, [], name="x", share=0.1), "made on 0 runs"),
        (lambda: select_best(SCORES, TRAIN, name="x", share=0), "a share of 0 made"),
        (lambda: masks_to_score([ATLAS, ATLAS], TEST), "same name: A1"),
        (lambda: masks_to_score([ATLAS], "run-1"), "scored on are one text, 'run-1'"),
        (lambda: select_best(SCORES, "run-1", name="x", share=1), "are one text"),
    ],
)
def test_what_is_no_selection_is_named(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_one_text_is_not_a_list_of_runs():
    with pytest.raises(InputError, match=r"'best' was made on are one text, 'task-T"):
        select_best(SCORES, "task-Test_run-01", name="best", share=0.3)
    best = select_best(SCORES, TEST, name="best", share=0.3)
    with pytest.raises(
        InputError, match=r"give a list of runs: \['task-Test_run-01'\]"
    ):
        masks_to_score([best], "task-Test_run-01")


def test_zeros_before_a_number_do_not_make_another_run():
    best = select_best(SCORES, ["ses-01_task-Test_run-1"], name="best", share=0.3)
    with pytest.raises(InputError, match="of ses-01_task-Test_run-1, which"):
        masks_to_score([best], ["ses-1_task-Test_run-001"])
    assert list(masks_to_score([best], ["ses-1_task-Test_run-10"])) == ["best"]
