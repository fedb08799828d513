"""Tests of decoding across conditions, and of groups of subjects."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.decoding.conditions import compare_groups, decode_across_conditions
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.rows import Pairs, take_rows


@pytest.fixture
def both(study, rng):
    """Return runs of listening and, with the same clips and weaker, of imagining."""
    train, _ = study
    heard = take_rows(train, np.arange(64))
    Y = heard.Y + 3 * rng.standard_normal(heard.Y.shape)
    runs = np.char.replace(heard.runs, "music", "imagine")
    names = ("T", "clips")
    T, clips = (np.concatenate([getattr(p, n) for p in (train, heard)]) for n in names)
    pairs = Pairs(
        np.concatenate([train.Y, Y]), T, np.concatenate([train.runs, runs]), clips
    )
    return pairs, {r: r.split("_")[0][5:] for r in np.unique(pairs.runs).tolist()}


def test_training_is_on_one_condition_and_test_on_the_other(both):
    pairs, conditions = both
    found = decode_across_conditions(
        CortexRidge(), pairs, conditions, train="music", test="imagine"
    )
    assert found.test.run_names == {f"task-imagine_run-{k}" for k in (1, 2, 3, 4)}
    assert identification_accuracy(found.predicted, found.test.T).mean() > 0.7
    heard = take_rows(pairs, np.char.find(pairs.runs, "music") >= 0)
    imagined = take_rows(pairs, np.char.find(pairs.runs, "imagine") >= 0)
    by_hand = decode(CortexRidge(), heard, imagined, shared_clips=True)
    assert_allclose(found.predicted, by_hand.predicted)


@pytest.mark.parametrize(
    ("train", "test", "drop", "words"),
    [
        ("music", "imagined", False, "Did you mean 'imagine'"),
        ("music", "music", False, "both 'music'"),
        ("music", "imagine", True, "run-1' has no condition"),
    ],
)
def test_conditions_that_are_not_there_are_refused(both, train, test, drop, words):
    pairs, conditions = both
    if drop:
        del conditions["task-imagine_run-1"]
    with pytest.raises(InputError, match=words):
        decode_across_conditions(
            CortexRidge(), pairs, conditions, train=train, test=test
        )


SCORES = {f"{k:02d}": v for k, v in enumerate([0.5, 0.6, 0.55, 0.7, 0.8, 0.75, 0.6])}
PEOPLE = pd.DataFrame(
    {
        "participant_id": [f"sub-{k:02d}" for k in range(9)],
        "expertise": ["none", "none", "none", *["musician"] * 4, "none", "n/a"],
        "hand": ["left", *["right"] * 8],
    }
)


def test_groups_equal_counting_of_all_exchanges():
    found = compare_groups(SCORES, PEOPLE, "expertise", seed=0)
    a, b = np.array([0.7, 0.8, 0.75, 0.6]), np.array([0.5, 0.6, 0.55])
    assert found.groups == ("musician", "none")
    assert found.n == (4, 3)
    assert_allclose(found.difference, b.mean() - a.mean())
    pairs = [(y > x) + 0.5 * (x == y) for x in a for y in b]
    assert_allclose(found.superiority, np.mean(pairs))
    values = np.r_[b, a]
    null = []
    for chosen in combinations(range(7), 3):
        inside = np.isin(np.arange(7), chosen)
        null.append(values[inside].mean() - values[~inside].mean())
    tail = np.mean(np.array(null) <= found.difference + 1e-12)
    assert_allclose(found.p_permutation, min(1, 2 * tail))
    assert_allclose(found.smallest_p, 2 / 35)


@pytest.mark.parametrize(
    ("scores", "column", "words"),
    [
        (SCORES, "expertice", "Did you mean 'expertise'"),
        (SCORES, "hand", "left: 1, right: 6"),
        (SCORES | {"08": 0.5}, "expertise", "'08' has no 'expertise'"),
        (SCORES | {"77": 0.5}, "expertise", "'77' has no 'expertise'"),
        (SCORES | {"07": np.nan}, "expertise", "'07' has score nan"),
    ],
)
def test_groups_that_cannot_be_compared_are_refused(scores, column, words):
    with pytest.raises(InputError, match=words):
        compare_groups(scores, PEOPLE, column, seed=0)


@pytest.mark.parametrize("cell", ["", " ", "\t ", "n/a", " n/a", None, np.nan])
def test_a_blank_cell_is_no_group(cell):
    people = PEOPLE.copy()
    people.loc[[0, 1], "expertise"] = cell
    with pytest.raises(InputError, match="'00' has no 'expertise'"):
        compare_groups(SCORES, people, "expertise", seed=0)
