"""Tests of what a group of subjects can say."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ttest_1samp

from brain2music.analysis.group import (
    corrected_over_rows,
    group_notes,
    group_table,
    prevalence,
    random_effects,
    sign_test,
    smallest_sign_p,
)
from brain2music.core.checks import InputError

EFFECTS = np.array([0.11, 0.24, 0.02, 0.31, 0.18])
ERRORS = np.array([0.05, 0.08, 0.03, 0.09, 0.04])


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_no_sign_test_goes_below_its_smallest_p(n):
    assert_allclose(sign_test(np.ones(n))[2], smallest_sign_p(n))
    assert_allclose(sign_test(-np.ones(n))[2], smallest_sign_p(n))


def test_the_sign_test_counts_all_outcomes_as_rare(rng):
    effects = np.array([1, 1, 1, 1, 1, -1, 1.0, 0.0])
    n_positive, n, p = sign_test(effects)
    assert (n_positive, n) == (6, 7)
    flips = rng.integers(2, size=(200_000, 7)).sum(axis=1)
    assert_allclose(p, np.mean(np.abs(flips - 3.5) >= 2.5), atol=0.005)
    assert sign_test([0.0, 0.0]) == (0, 0, 1.0)


def test_five_subjects_are_told_of_their_limit():
    (note,) = group_notes(5)
    assert "cannot give a p below 0.0625" in note
    assert "4 degrees of freedom" in note


@pytest.mark.parametrize(("k", "n"), [(0, 5), (2, 5), (5, 5), (7, 12)])
def test_prevalence_is_the_posterior_of_a_grid(k, n):
    g = np.linspace(0, 1, 200_001)
    h = 0.05 + 0.95 * g
    density = h**k * (1 - h) ** (n - k)
    mass = density.cumsum() / density.sum()
    found = prevalence(k, n)
    assert_allclose(found.estimate, g[density.argmax()], atol=1e-4)
    ends = g[np.searchsorted(mass, [0.025, 0.975])]
    assert_allclose([found.low, found.high], ends, atol=1e-4)
    outcomes = np.random.default_rng(0).binomial(n, 0.05, 100_000)
    assert_allclose(found.p_none, np.mean(outcomes >= k), atol=0.004)


def test_prevalence_finds_what_was_planted(rng):
    # 70 % of 4,000 people have the effect; the test finds it in all, and in 5 % more.
    shown = (rng.uniform(size=4000) < 0.7) | (rng.uniform(size=4000) < 0.05)
    found = prevalence(int(shown.sum()), 4000)
    assert found.low < 0.7 < found.high
    assert found.high - found.low < 0.04


def test_the_mean_has_the_interval_of_students_t():
    found = random_effects(EFFECTS)
    test = ttest_1samp(EFFECTS, 0)
    interval = test.confidence_interval(0.95)
    assert_allclose(found.p, test.pvalue)
    assert_allclose([found.low, found.high], [interval.low, interval.high])
    assert (found.n_subjects, found.mean) == (5, EFFECTS.mean())
    assert np.isnan(found.sd_between)
    one = random_effects([0.2])
    assert one.mean == 0.2
    assert np.isnan([one.low, one.p, one.sd_between]).all()
    assert np.isnan(random_effects([0.2, 0.2]).p)


def test_the_spread_between_subjects_is_that_of_statsmodels():
    meta = pytest.importorskip("statsmodels.stats.meta_analysis")
    theirs = meta.combine_effects(EFFECTS, ERRORS**2, method_re="dl")
    found = random_effects(EFFECTS, ERRORS)
    assert_allclose(found.sd_between, np.sqrt(theirs.tau2))
    assert found.sd_between > 0
    assert random_effects(EFFECTS, 10 * ERRORS).sd_between == 0


def test_the_spread_between_subjects_is_what_was_planted(rng):
    spreads = []
    for _ in range(300):
        errors = rng.uniform(0.05, 0.2, 40)
        effects = (
            0.3 + 0.15 * rng.standard_normal(40) + errors * rng.standard_normal(40)
        )
        spreads.append(random_effects(effects, errors).sd_between ** 2)
    assert_allclose(np.mean(spreads), 0.15**2, rtol=0.1)


@pytest.fixture
def table():
    rows = [
        (subject, roi, effect * sign, p, 0.05)
        for roi, sign in (("A1", 1), ("V1", -1))
        for subject, effect, p in zip(
            "abcde", EFFECTS, [0.01, 0.03, 0.6, 0.001, 0.2], strict=True
        )
    ]
    return pd.DataFrame(rows, columns=["subject", "roi", "r_diff", "p", "r_diff_se"])


def test_a_table_of_subjects_becomes_one_row_per_roi(table):
    table.loc[4, "r_diff"] = np.nan
    found = group_table(table, by=["roi"], effect="r_diff", p="p", error="r_diff_se")
    a1, v1 = found.set_index("roi").loc[["A1", "V1"]].to_dict("records")
    assert (a1["n_subjects"], v1["n_subjects"]) == (4, 5)
    assert (a1["n_positive"], v1["n_positive"]) == (4, 0)
    assert (a1["smallest_p_sign"], v1["p_sign"]) == (0.125, 0.0625)
    assert a1["n_significant"] == v1["n_significant"] == 3
    expected = prevalence(3, 5, alpha=0.025)
    assert_allclose(v1["prevalence"], expected.estimate)
    assert_allclose(v1["prevalence_low"], expected.low)
    mean = random_effects(-EFFECTS, np.full(5, 0.05))
    assert_allclose(
        [v1["mean"], v1["mean_low"], v1["p_mean"], v1["sd_between"]],
        [mean.mean, mean.low, mean.p, mean.sd_between],
    )


def test_a_subject_counts_only_with_the_sign_of_the_mean(table):
    table.loc[1, "r_diff"] = -0.01
    found = group_table(table, by=["roi"], effect="r_diff", p="p")
    assert found.loc[0, "n_significant"] == 2
    assert np.isnan(found.loc[0, "sd_between"])


def test_p_of_a_group_are_corrected_over_the_rows_of_each_family():
    multiple = pytest.importorskip("statsmodels.stats.multitest")
    rng = np.random.default_rng(0)
    rows = [
        (subject, roi, effect, rng.normal(0.1 * (k < 3), 0.1), 0.5)
        for effect, n in (("r", 11), ("r_diff", 7))
        for k, roi in enumerate(f"R{k}" for k in range(n))
        for subject in "abcd"
    ]
    table = pd.DataFrame(rows, columns=["subject", "roi", "effect", "value", "p_all"])
    found = group_table(table, by=["effect", "roi"], effect="value", p="p_all")
    found.loc[2, "p_mean"] = np.nan
    corrected = corrected_over_rows(found, within=["effect"])
    assert set(corrected["counted_by"]) == {"p_all"}
    for name in ("mean", "sign"):
        for _, part in corrected.groupby("effect"):
            p = part[f"p_{name}"].to_numpy()
            known = np.isfinite(p)
            expected = multiple.multipletests(p[known], method="fdr_bh")[1]
            assert_allclose(part[f"q_{name}"][known], expected)
    assert np.isnan(corrected.loc[2, "q_mean"])


def test_tables_that_cannot_be_read_are_refused(table):
    with pytest.raises(InputError, match="no column q; it has subject, roi"):
        group_table(table, by=["roi"], effect="r_diff", p="q")
    with pytest.raises(InputError, match="comes twice with the same subject"):
        group_table(table, by=["subject"], effect="r_diff", p="p")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: smallest_sign_p(0), "n_subjects is 0"),
        (lambda: prevalence(6, 5), "6 of 5 subjects"),
        (lambda: prevalence(1, 5, alpha=0.0), "alpha is 0.0"),
        (lambda: random_effects([0.1, np.nan]), "1 NaN"),
        (lambda: random_effects([0.1, 0.2], [0.1, 0.0]), "above 0"),
        (lambda: random_effects([0.1, 0.2], [0.1]), r"errors has shape \(1,\)"),
    ],
)
def test_numbers_that_cannot_be_are_named(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_one_subject_far_surer_than_the_others_leaves_a_spread_that_can_be_told():
    found = random_effects([0.0, 0.3], [1e-16, 1e-3])
    assert 0.2 < found.sd_between < 0.4


def test_an_effect_below_0_does_not_count_where_only_gains_do():
    table = pd.DataFrame(
        {
            "subject": list("12345"),
            "roi": "A1",
            "r2_added": [-0.02, -0.03, -0.01, -0.02, 0.01],
            "p": [0.01, 0.01, 0.01, 0.2, 0.01],
        }
    )
    named = {"by": ["roi"], "effect": "r2_added", "p": "p"}
    assert group_table(table, **named).loc[0, "n_significant"] == 3
    found = group_table(table, **named, direction="above").loc[0]
    assert found["n_significant"] == 1
    with pytest.raises(InputError, match="direction"):
        group_table(table, **named, direction="below")
