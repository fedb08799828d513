"""Tests of differences between groups of subjects."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import t

from brain2music.core.checks import InputError
from brain2music.decoding.groups import compare_groups

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


def test_the_interval_is_welchs():
    found = compare_groups(SCORES, PEOPLE, "expertise", seed=0)
    a, b = np.array([0.7, 0.8, 0.75, 0.6]), np.array([0.5, 0.6, 0.55])
    parts = [x.var(ddof=1) / len(x) for x in (a, b)]
    degrees = sum(parts) ** 2 / sum(
        part**2 / (len(x) - 1) for part, x in zip(parts, (a, b), strict=True)
    )
    half = t.ppf(0.975, degrees) * np.sqrt(sum(parts))
    middle = b.mean() - a.mean()
    assert_allclose([found.low, found.high], [middle - half, middle + half])


def test_groups_without_spread_have_no_interval():
    scores = {"00": 0.5, "01": 0.5, "03": 0.7, "04": 0.7}
    found = compare_groups(scores, PEOPLE, "expertise", seed=0)
    assert_allclose(found.difference, -0.2)
    assert np.isnan([found.low, found.high]).all()


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
