"""The table of failure modes: which check finds each, and which test plants it.

Numbers are those of docs/doctor.md. A test of this folder plants each failure in a
clean study and sees the check fail (or speak, where the failure is one to be shown).
What cannot be in this suite names the tests that hold it.
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
    """A failure: the checks that find it, tests that plant it, or why there is none."""

    failure: str
    checks: tuple[str, ...] = ()
    plants: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()


def planted(file, *names):
    return tuple(f"doctor/test_doctor_{file}.py::test_{name}" for name in names)


MODES = {
    1: Mode(
        "sound and volumes out of step",
        ("inputs", "event-end", "shift-lag", "shift-run", "shift-drift"),
        planted(
            "timing",
            "a_header_with_another_tr_is_named_with_its_run",
            "runs_that_all_begin_too_early_have_a_lag_that_blood_cannot_have",
            "a_tr_that_is_off_by_one_percent_moves_the_lag_within_runs",
        )
        + planted(
            "examine",
            "events_that_end_long_before_the_volumes_are_named",
            "a_shifted_run_is_named",
        ),
    ),
    2: Mode(
        "half a TR by slice timing",
        ("reference-time",),
        planted("timing", "slice_timing_of_one_run_that_is_another_is_named"),
    ),
    3: Mode(
        "rows swapped between runs",
        ("swapped-runs", "run-order"),
        planted("examine", "swapped_runs_are_named")
        + planted(
            "timing",
            "runs_that_are_all_one_too_far_are_found_by_their_order",
            "a_run_that_was_written_backwards_is_named",
            "runs_that_were_all_written_backwards_are_found",
            "runs_that_are_read_by_their_place_are_found",
        ),
    ),
    4: Mode(
        "delays across runs",
        ("run-walls",),
        planted(
            "examine",
            "delays_that_cross_runs_are_found",
            "a_delay_that_crosses_between_two_training_runs_is_found",
        ),
    ),
    5: Mode(
        "anything fitted on training and test",
        ("test-spike",),
        planted("examine", "features_standardised_on_test_rows_are_found")
        + planted(
            "leaks",
            "test_runs_that_scale_training_responses_are_found",
            "components_of_all_runs_are_found",
        ),
    ),
    6: Mode(
        "folds that cut runs",
        ("folds",),
        planted(
            "leaks",
            "folds_that_cut_runs_are_found",
            "a_clip_that_is_heard_in_two_folds_is_named",
        ),
    ),
    7: Mode(
        "autocorrelation alone predicts",
        ("noise-features", "controls"),
        planted(
            "leaks",
            "responses_to_the_place_in_the_clip_stand_beside_the_scores",
        )
        + planted("examine", "clips_that_are_heard_on_both_sides_leak_and_are_found"),
    ),
    8: Mode(
        "the same stimulus on both sides",
        ("shared-clips", "noise-features", "permuted-clips"),
        planted("leaks", "the_same_track_on_both_sides_is_named")
        + planted("examine", "clips_that_are_heard_on_both_sides_leak_and_are_found"),
    ),
    9: Mode(
        "unequal repeats", ("repeats",), planted("leaks", "unequal_repeats_are_said")
    ),
    10: Mode(
        "voxels chosen on test responses",
        ("inputs", "roi-origin"),
        planted(
            "leaks",
            "an_roi_that_test_responses_made_is_refused",
            "an_roi_of_which_nobody_says_what_made_it_is_shown",
        ),
    ),
    11: Mode(
        "layers, lags or penalties chosen on test: chosen inside training only",
        held_by=(
            "encoding/test_encoding_layers.py"
            "::test_the_test_rows_have_no_part_in_the_choice",
            "workflow/test_workflow_alignment.py"
            "::test_the_test_runs_have_no_part_in_the_choice_of_the_lag",
        ),
    ),
    12: Mode(
        "penalties at the end of their grid",
        ("grid-ends",),
        planted("saved", "a_grid_that_ends_too_early_is_named"),
    ),
    13: Mode(
        "p that ignores autocorrelation",
        ("p-values",),
        planted("leaks", "p_of_blocks_that_are_too_short_is_found"),
    ),
    14: Mode(
        "values that are none, and constant voxels",
        ("inputs", "dead-voxels"),
        planted(
            "examine",
            "a_value_that_is_no_number_is_a_failed_check_and_no_crash",
            "a_voxel_that_is_dead_in_one_run_is_named_with_the_run",
        )
        + planted("unseen", "vertices_that_were_not_measured_in_one_run_are_named"),
    ),
    15: Mode(
        "a voxel that is bad in one run",
        ("dead-voxels", "odd-run"),
        planted(
            "examine",
            "a_voxel_that_is_dead_in_one_run_is_named_with_the_run",
            "a_run_that_varies_far_more_is_named",
        ),
    ),
    16: Mode(
        "values where there is no cortex",
        ("medial-wall",),
        planted("geometry", "a_medial_wall_that_holds_values_is_found"),
    ),
    17: Mode(
        "left and right swapped",
        ("inputs", "sides", "planted-place"),
        planted(
            "geometry",
            "hemispheres_that_were_swapped_are_named",
            "headers_that_tell_two_sides_apart_differently_are_named",
            "hemispheres_that_change_places_on_the_way_to_a_map_are_found",
            "voxels_that_take_each_others_place_are_found",
        ),
    ),
    18: Mode(
        "another affine or mask of the same shape",
        ("inputs",),
        planted(
            "geometry",
            "an_image_that_was_flipped_is_named_with_its_run",
            "a_mask_of_another_place_is_named",
        ),
    ),
    19: Mode(
        "another mesh",
        ("inputs",),
        planted("geometry", "responses_of_another_mesh_are_refused"),
    ),
    20: Mode(
        "labels beyond their type",
        ("inputs",),
        planted("geometry", "labels_beyond_their_type_are_refused"),
    ),
    21: Mode(
        "ROIs that lose voxels at the cuts of a flatmap: masks are of the surface",
        held_by=(
            "workflow/test_workflow_maps.py"
            "::test_vertices_at_the_cuts_are_taken_in_with_their_neighbours",
            "figures/test_figures_flatmap.py"
            "::test_an_roi_that_the_flatmap_does_not_show_is_named",
        ),
    ),
    22: Mode(
        "wrong ceilings",
        ("repeat-ceiling", "above-ceiling", "ceiling-table"),
        planted("leaks", "a_ceiling_that_is_too_high_is_found")
        + planted(
            "saved",
            "repeats_that_are_none_give_scores_above_their_ceiling",
            "a_saved_ceiling_that_is_another_is_named",
        ),
    ),
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
    25: Mode(
        "stale results",
        ("stale",),
        planted("examine", "results_are_read_and_none_is_changed"),
    ),
    26: Mode(
        "a network that is random, or hears what comes later",
        ("extractor",),
        planted(
            "extractors",
            "dropout_that_is_left_on_is_found",
            "an_extractor_that_hears_the_future_is_found",
            "features_that_were_kept_of_something_else_are_found",
            "a_network_of_a_study_is_run_again",
        ),
    ),
    27: Mode(
        "digits lost in the solver",
        ("precision", "voxel-order", "planted-signal"),
        planted(
            "leaks",
            "a_precision_that_changes_scores_is_found",
            "features_that_are_nearly_the_same_are_found_by_order_or_precision",
        )
        + planted(
            "examine",
            "a_signal_that_is_lost_is_missed_although_the_voxels_have_their_own",
        ),
    ),
    28: Mode(
        "batches or another process change scores",
        ("voxel-order", "second-process"),
        planted(
            "leaks",
            "batches_that_change_scores_are_found",
            "a_process_that_computes_something_else_is_found",
        ),
    ),
    29: Mode(
        "motion follows the music",
        ("confounds",),
        planted("roads", "motion_that_follows_the_music_is_shown"),
    ),
    30: Mode(
        "scores without their pool",
        ("pools",),
        planted("saved", "scores_without_their_pool_are_named"),
    ),
    31: Mode(
        "a generator that needs no brain",
        ("prior",),
        planted("examine", "a_generator_that_needs_no_brain_is_found"),
    ),
    32: Mode(
        "alignment that has seen what is tested: refused where it is used",
        held_by=(
            "decoding/test_decoding_alignment.py"
            "::test_an_alignment_that_saw_the_tested_rows_is_refused",
            "decoding/test_decoding_alignment.py::test_a_tested_subject_cannot_train",
        ),
    ),
    33: Mode(
        "a few people read as all",
        ("group-size",),
        planted("saved", "what_five_people_can_say_is_shown"),
    ),
}


@cache
def functions_of(file):
    """Return the source of each test of a file, by its name."""
    text = (TESTS / file).read_text(encoding="utf-8")
    return {
        node.name: ast.get_source_segment(text, node)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
    }


def source_of(test):
    file, name = test.split("::")
    return functions_of(file)[name]


def test_each_mode_is_planted_or_held():
    assert sorted(MODES) == list(range(1, 34))
    for number, mode in MODES.items():
        assert bool(mode.plants) == bool(mode.checks), number
        assert bool(mode.plants) != bool(mode.held_by), number


@pytest.mark.parametrize("number", MODES)
def test_the_tests_of_a_mode_are_there_and_speak_of_its_checks(number):
    mode = MODES[number]
    sources = [source_of(test) for test in (*mode.plants, *mode.held_by)]
    assert all("assert" in one or "pytest.raises" in one for one in sources)
    said = "\n".join(sources)
    for key in mode.checks:
        named = {"prior": "judge_prior", "pools": "judge_pools"}
        named |= {"extractor": "judge", "above-ceiling": "above-ceiling"}
        assert f'"{key}"' in said or named.get(key, key) in said, key


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
