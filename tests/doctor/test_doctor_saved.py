"""Failures that results tell of, planted before a run: the right check fails."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from brain2music import load_study, run
from brain2music.doctor.saved import check_saved
from brain2music.workflow.generation import PRIOR

ALPHAS = "alphas = [0.1, 10, 1000, 100000]"


def after_a_run(path, stage="encoding"):
    """Run a study up to a stage; return what its results say, by check."""
    out = path.parent.parent / "out"
    study = load_study(path)
    run(study, out, stage=stage)
    found = {}
    for one in check_saved(study, out):
        found.setdefault(one.key, one)
    return found


@pytest.mark.slow
def test_results_of_a_clean_study_have_no_failed_check(made):
    found = after_a_run(made.write(), stage="tables")
    assert {key for key, one in found.items() if one.status == "failed"} == set()
    passed = {key for key, one in found.items() if one.status == "passed"}
    assert passed == {"stale", "grid-ends", "above-ceiling", "ceiling-table"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alphas", "words"),
    [
        ("[0.001, 0.01]", "took the largest penalty that was tried (0.01)"),
        ("[1e7, 1e8]", "chose the smallest penalty that was tried (1e+07 to 1e+08)"),
    ],
)
@pytest.mark.plants(12, "grid-ends")
def test_a_grid_that_ends_too_early_is_named(made, tools, alphas, words):
    """Mode 12: the penalties that voxels with a signal want are not on the grid."""
    wanted = f"alphas = {alphas}\nwiden_alphas = 0"
    found = after_a_run(tools.edit(made.write(), (ALPHAS, wanted)))["grid-ends"]
    assert found.status == "failed"
    assert words in found.found
    assert "sub-01" in found.found


def without_repeats(made):
    """Plant that of four repeats three are of something else."""
    rng = np.random.default_rng(0)
    for run_ in (("Test", "1"), ("Test", "2")):
        rest = made.Y[run_][70:]
        made.Y[run_][70:] = 100 + rng.standard_normal(rest.shape)


@pytest.mark.slow
@pytest.mark.plants(22, "above-ceiling")
def test_repeats_that_are_none_give_scores_above_their_ceiling(make, tmp_path):
    """Mode 22."""
    made = make(tmp_path / "data", strength=1.5)
    without_repeats(made)
    found = after_a_run(made.write(), stage="tables")["above-ceiling"]
    assert found.status == "failed"
    assert found.where == ("sub-01", "all voxels")
    assert "Look for a shift between them" in found.found


@pytest.mark.slow
def test_a_score_above_its_ceiling_that_chance_may_give_is_shown(made):
    """It passes the interval of 95 %, and not the level of the study."""
    without_repeats(made)
    found = after_a_run(made.write(), stage="tables")["above-ceiling"]
    assert found.status == "shown"
    assert "all voxels (p 0.006)" in found.found


def spoilt(path, name, spoil):
    """Run a study, spoil one of its tables, and return what is said of ceilings."""
    out = path.parent.parent / "out"
    study = load_study(path)
    if not out.exists():
        run(study, out, stage="tables")
    file = out / f"tables/{name}.csv"
    whole = file.read_text()
    table = pd.read_csv(file, dtype={"subject": str, "voxel": str})
    spoil(table)
    table.to_csv(file, index=False)
    found = {one.key: one for one in check_saved(study, out)}
    file.write_text(whole)
    return found["ceiling-table"]


@pytest.mark.slow
@pytest.mark.plants(22, "ceiling-table")
def test_a_saved_ceiling_that_is_another_is_named(made):
    """Mode 22: r for r2, other repeats, another ROI."""

    def root(table):
        table["explainable_variance"] = table["explainable_variance"].clip(0) ** 0.5

    def square(table):
        table["largest_r"] **= 2

    def turn(table):
        share = table["explainable_variance"]
        table["explainable_variance"] = share.to_numpy()[::-1]

    def larger(table):
        table["explainable_variance"] += 0.01

    path = made.write()
    found = spoilt(path, "voxel_ceilings", lambda _table: None)
    assert (found.key, found.status) == ("ceiling-table", "passed")
    for spoil, said in ((root, "variance"), (square, "largest r"), (turn, "variance")):
        found = spoilt(path, "voxel_ceilings", spoil)
        assert found.status == "failed"
        assert found.where == ("sub-01", "voxel_ceilings", "ceilings")
        assert said in found.found
    found = spoilt(path, "ceilings", larger)
    assert found.status == "failed"
    assert "all voxels has another explainable variance" in found.found


@pytest.mark.slow
@pytest.mark.plants(30, "pools")
def test_scores_without_their_pool_are_named(made, tools):
    """Mode 30: a table of decoding that says of no score how many it chose among."""
    text = "[analysis]\n"
    path = tools.edit(
        made.write(), (text, f'[decoding]\ntargets = ["music"]\n\n{text}')
    )
    assert after_a_run(path, stage="tables")["pools"].status == "passed"
    out = path.parent.parent / "out"
    table = pd.read_csv(out / "tables/decoding.csv", dtype={"subject": str})
    rest = table.drop(columns=["n_candidates", "n_ties"])
    rest.to_csv(out / "tables/decoding.csv", index=False)
    found = {one.key: one for one in check_saved(load_study(path), out)}["pools"]
    assert found.status == "failed"
    assert found.where == ("decoding.csv",)
    assert "no column n_candidates, n_ties" in found.found


@pytest.mark.slow
@pytest.mark.plants(31, "prior")
def test_a_generator_that_needs_no_brain_is_found(made):
    """Mode 31: what is made of a random brain is identified as often, or more."""
    path = made.write()
    after_a_run(path, stage="responses")
    out = path.parent.parent / "out"
    (out / "tables").mkdir()
    about = {"subject": "01", "target": "clap", "scored_by": "w2v", "metric": PRIOR}
    found = []
    for decoded, p in ((0.9, 0.001), (0.9, 0.2), (0.6, 0.01)):
        rows = [("decoded", decoded, p), ("random, as decoded", 0.65, 0.3)]
        table = pd.DataFrame(rows, columns=["conditioning", "value", "p"])
        table.assign(**about).to_csv(out / "tables/generation.csv", index=False)
        said = {one.key: one for one in check_saved(load_study(path), out)}
        found.append(said["prior"])
    assert [one.status for one in found] == ["passed", "shown", "failed"]
    assert found[2].where == ("generation.csv",)
    assert "random, as decoded 0.650" in found[2].found


@pytest.mark.slow
@pytest.mark.plants(33, "group-size")
def test_what_five_people_can_say_is_shown(made):
    """Mode 33."""
    path = made.write()
    out = path.parent.parent / "out"
    study = load_study(path)
    run(study, out, stage="responses")
    five = replace(study.dataset, subjects=("01", "02", "03", "04", "05"))
    found = {one.key: one for one in check_saved(replace(study, dataset=five), out)}
    assert found["group-size"].status == "shown"
    assert found["group-size"].values == {"smallest_p": 0.0625}
    assert "cannot give less than 0.062" in found["group-size"].found
