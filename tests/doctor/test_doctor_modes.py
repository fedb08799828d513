"""The table of failure modes: which check finds each, and which test plants it.

Numbers are those of docs/doctor.md. Tests of this folder that are marked
`plants(mode, *checks)` plant the failure in a clean study and see the checks fail (or
speak, where the failure is one to be shown). What cannot be in this suite names the
tests that hold it.
"""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from brain2music.doctor.catalogue import CARDS

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs/doctor.md"


@dataclass(frozen=True)
class Mode:
    """A failure: the checks that find it, or tests that hold it in place of these."""

    failure: str
    checks: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()


MODES = {
    1: Mode(
        "sound and volumes out of step",
        ("inputs", "event-end", "shift-lag", "shift-run", "shift-drift"),
    ),
    2: Mode("half a TR by slice timing", ("reference-time",)),
    3: Mode("rows swapped between runs", ("swapped-runs", "run-order")),
    4: Mode("delays across runs", ("run-walls",)),
    5: Mode("anything fitted on training and test", ("test-spike",)),
    6: Mode("folds that cut runs, or share clips", ("folds",)),
    7: Mode("autocorrelation alone predicts", ("noise-features", "controls")),
    8: Mode(
        "the same stimulus on both sides",
        ("shared-clips", "noise-features", "permuted-clips"),
    ),
    9: Mode("unequal repeats", ("repeats",)),
    10: Mode("voxels chosen on test responses", ("inputs", "roi-origin")),
    11: Mode(
        "layers, lags or penalties chosen on test: chosen inside training only",
        held_by=(
            "encoding/test_encoding_layers.py"
            "::test_the_test_rows_have_no_part_in_the_choice",
            "workflow/test_workflow_alignment.py"
            "::test_the_test_runs_have_no_part_in_the_choice_of_the_lag",
        ),
    ),
    12: Mode("penalties at the end of their grid", ("grid-ends", "planted-signal")),
    13: Mode("p that ignores autocorrelation", ("p-values",)),
    14: Mode("values that are none, and constant voxels", ("inputs", "dead-voxels")),
    15: Mode("a voxel that is bad in one run", ("dead-voxels", "odd-run")),
    16: Mode("values where there is no cortex", ("medial-wall",)),
    17: Mode("left and right swapped", ("inputs", "sides", "planted-place")),
    18: Mode("another affine or mask of the same shape", ("inputs",)),
    19: Mode("another mesh", ("inputs",)),
    20: Mode("labels beyond their type", ("inputs",)),
    21: Mode(
        "ROIs that lose voxels at the cuts of a flatmap: masks are of the surface",
        held_by=(
            "workflow/test_workflow_maps.py"
            "::test_vertices_at_the_cuts_are_taken_in_with_their_neighbours",
            "figures/test_figures_flatmap.py"
            "::test_an_roi_that_the_flatmap_does_not_show_is_named",
        ),
    ),
    22: Mode("wrong ceilings", ("repeat-ceiling", "above-ceiling", "ceiling-table")),
    23: Mode(
        "NaN drawn as a colour: pixels are tested",
        held_by=(
            "figures/test_figures_flatmap.py::test_nan_shows_the_curvature_in_grey",
        ),
    ),
    24: Mode(
        "a colour scale that hides the sign: limits are tested",
        held_by=(
            "figures/test_figures_flatmap.py"
            "::test_several_maps_share_limits_bar_and_numbered_rois",
            "workflow/test_workflow_map_figures.py"
            "::test_maps_of_a_kind_have_the_same_limits_in_all_subjects",
        ),
    ),
    25: Mode("stale results", ("stale",)),
    26: Mode("a network that is random, or hears what comes later", ("extractor",)),
    27: Mode(
        "digits lost in the solver", ("precision", "voxel-order", "planted-signal")
    ),
    28: Mode(
        "batches, another library or another process change scores",
        ("voxel-order", "backend", "second-process"),
    ),
    29: Mode("motion follows the music", ("confounds",)),
    30: Mode("scores without their pool", ("pools",)),
    31: Mode("a generator that needs no brain", ("prior",)),
    32: Mode(
        "alignment that has seen what is tested: refused where it is used",
        held_by=(
            "decoding/test_decoding_alignment.py"
            "::test_an_alignment_that_saw_the_tested_rows_is_refused",
            "decoding/test_decoding_alignment.py::test_a_tested_subject_cannot_train",
        ),
    ),
    33: Mode("a few people read as all", ("group-size",)),
}


@cache
def functions_of(file):
    """Return the tests of a file, by name."""
    text = (TESTS / file).read_text(encoding="utf-8")
    tree = ast.parse(text).body
    return {one.name: one for one in tree if isinstance(one, ast.FunctionDef)}


def plants():
    """Yield the mode and the check of each plant, as the marks of this folder say."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for function in functions_of(f"doctor/{path.name}").values():
            for mark in function.decorator_list:
                text = ast.unparse(mark)
                if text.startswith("pytest.mark.plants("):
                    mode, *checks = (ast.literal_eval(one) for one in mark.args)
                    yield from ((mode, check) for check in checks)


def test_each_mode_is_planted_or_held():
    assert sorted(MODES) == list(range(1, 34))
    for number, mode in MODES.items():
        assert bool(mode.checks) != bool(mode.held_by), number


def test_each_check_of_a_mode_is_planted_and_nothing_else():
    """The marks are held to what their tests see: `planted_failures_are_seen`."""
    shown = {(number, key) for number, mode in MODES.items() for key in mode.checks}
    assert set(plants()) == shown


@pytest.mark.parametrize("number", [n for n, mode in MODES.items() if mode.held_by])
def test_the_tests_that_hold_a_mode_are_there(number):
    for test in MODES[number].held_by:
        file, name = test.split("::")
        source = ast.unparse(functions_of(file)[name])
        assert "assert" in source or "pytest.raises" in source


def test_every_check_that_claims_a_mode_is_seen_to_find_it():
    claimed = {(number, key) for key, card in CARDS.items() for number in card.modes}
    shown = {(number, key) for number, mode in MODES.items() for key in mode.checks}
    assert claimed == shown


def test_the_page_of_the_docs_has_the_same_table():
    rows = {}
    for line in DOCS.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].isdigit():
            rows[int(cells[0])] = tuple(cells[2].split(", "))
    assert rows == {n: mode.checks for n, mode in MODES.items() if mode.checks}
