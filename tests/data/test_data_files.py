"""Tests of finding files by pattern."""

from pathlib import Path

import pytest

from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.types import Run
from brain2music.data.files import (
    find_runs,
    find_subjects,
    path_of,
    placeholders,
    select_runs,
)

BIDS = (
    "sub-{subject}/[ses-{session}/]func/"
    "sub-{subject}[_ses-{session}]_task-{task}[_run-{run}]_bold.csv"
)
PLAIN = "sub-{subject}_run-{run}.csv"


def test_runs_are_sorted_as_numbers_and_not_as_letters(touch):
    root = touch(*[f"sub-01_run-{run}.csv" for run in (10, 2, 1)])
    assert [run.run for run in find_runs(root, PLAIN, "01")] == ["1", "2", "10"]


def test_optional_parts_are_found_with_and_without_their_label(touch):
    root = touch(
        "sub-1/func/sub-1_task-music_bold.csv",
        "sub-1/ses-b/func/sub-1_ses-b_task-rest_run-3_bold.csv",
    )
    found = find_runs(root, BIDS, "1")
    assert list(found) == [Run("music", ""), Run("rest", "3", "b")]
    assert all(path.is_file() for path in found.values())


def test_every_path_found_is_the_path_that_its_run_names(touch):
    root = touch(
        "sub-1/func/sub-1_task-music_run-2_bold.csv",
        "sub-1/ses-1/func/sub-1_ses-1_task-music_bold.csv",
    )
    for run, path in find_runs(root, BIDS, "1").items():
        assert path_of(root, BIDS, "1", run) == path


def test_a_file_of_another_subject_or_session_inside_is_not_taken(touch):
    root = touch(
        "sub-1/func/sub-2_task-music_bold.csv",
        "sub-1/func/sub-1_task-music_bold.csv",
        "sub-1/func/sub-1_task-mu-sic_bold.csv",
        "sub-1/func/sub-1_task-music_bold.csv.old",
        "sub-11/func/sub-11_task-music_bold.csv",
    )
    assert list(find_runs(root, BIDS, "1")) == [Run("music", "")]


@pytest.mark.parametrize(
    "names",
    [
        ("a/sub-1_run-1.csv", "a/sub-1_run-01.csv"),
        ("a/x/sub-1_run-1.csv", "a/sub-1_run-1.csv"),
    ],
)
def test_two_files_for_one_run_are_refused_and_both_named(touch, names):
    root = touch(*names)
    pattern = "a/[x{task}/]sub-{subject}_run-{run}.csv"
    if "x" in names[0]:
        root = touch("a/ses-1/sub-1_run-1.csv", "a/ses-1/sub-1_ses-1_run-1.csv")
        pattern = "a/ses-{session}/sub-{subject}[_ses-{session}]_run-{run}.csv"
    with pytest.raises(InputError, match=r"two files for one run, a/\S+ and a/\S+\."):
        find_runs(root, pattern, "1")


def test_a_pattern_without_subject_serves_every_subject(touch):
    root = touch("music_run-1.tsv")
    assert list(find_runs(root, "music_run-{run}.tsv", "07")) == [Run("", "1")]


def test_a_label_that_stands_twice_must_be_the_same_label(touch):
    root = touch("ses-1/sub-1_ses-2.csv", "ses-2/sub-1_ses-2.csv")
    pattern = "ses-{session}/sub-{subject}_ses-{session}.csv"
    assert list(find_runs(root, pattern, "1")) == [Run("", "", "2")]


def test_a_link_to_nothing_is_listed(tmp_path):
    (tmp_path / "sub-1_run-1.csv").symlink_to(tmp_path / "annex")
    assert list(find_runs(tmp_path, PLAIN, "1")) == [Run("", "1")]


def test_a_missing_subject_is_told_who_is_there(touch):
    root = touch("sub-02_run-1.csv", "sub-10_run-1.csv")
    with pytest.raises(
        MissingFileError, match=r"sub-3 .*expected sub-3_run.*for: 02, 10\."
    ):
        find_runs(root, PLAIN, "3")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="no folder"):
        find_runs(tmp_path / "nowhere", PLAIN, "1")


def test_subjects_are_found_once_and_sorted(touch):
    root = touch("sub-10_run-1.csv", "sub-2_run-1.csv", "sub-2_run-2.csv")
    assert find_subjects(root, PLAIN) == ("2", "10")


def test_subjects_need_a_place_and_a_file(tmp_path):
    with pytest.raises(InputError, match="finds no subjects"):
        find_subjects(tmp_path, "run-{run}.csv")
    with pytest.raises(MissingFileError, match="no file"):
        find_subjects(tmp_path, PLAIN)


def test_a_path_leaves_out_what_a_run_does_not_have():
    run = Run("music", "3")
    assert (
        path_of(Path("ds"), BIDS, "01", run).as_posix()
        == "ds/sub-01/func/sub-01_task-music_run-3_bold.csv"
    )
    assert path_of(Path("ds"), "sub-{subject}_mask.nii", "01") == Path(
        "ds/sub-01_mask.nii"
    )


def test_a_path_that_needs_a_label_says_which(tmp_path):
    with pytest.raises(InputError, match=r"asks for session, task"):
        path_of(tmp_path, "ses-{session}_task-{task}.csv", "1", Run("", "1"))


@pytest.mark.parametrize("pattern", ["../sub-{subject}.csv", "a/../../{subject}.csv"])
def test_a_pattern_cannot_leave_the_folder(tmp_path, pattern):
    with pytest.raises(InputError, match="leaves the data set's folder"):
        path_of(tmp_path, pattern, "1")
    with pytest.raises(InputError, match="leaves the data set's folder"):
        find_runs(tmp_path, f"{tmp_path}/{{subject}}.csv", "1")


@pytest.mark.parametrize("label", ["../1", "a/b", "a_b", "a-b", "", "é", "*"])
def test_a_label_holds_letters_and_digits_only(tmp_path, label):
    with pytest.raises(InputError, match="only letters and digits"):
        find_runs(tmp_path, PLAIN, label)
    if label:
        with pytest.raises(InputError, match=r"run is .*only letters and digits"):
            path_of(tmp_path, PLAIN, "1", Run("", label))


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{subjct}.csv", "Did you mean 'subject'"),
        ("{subject}_*.csv", "cannot be read"),
        ("{subject.x}.csv", "cannot be read"),
        ("{subject[_{run}.csv", "cannot be read"),
        ("{subject}[_[{run}]].csv", "cannot be read"),
        ("{subject}[_bold].csv", "has no placeholder"),
    ],
)
def test_a_pattern_that_cannot_be_read_says_why(pattern, words):
    with pytest.raises(InputError, match=words):
        placeholders(pattern)


RUNS = (
    Run("Train", "10"),
    Run("Train", "2"),
    Run("Test", "1"),
    Run("Test", "2"),
)


def test_a_rule_takes_the_runs_that_fit_all_its_keys():
    assert select_runs(RUNS, {"task": "Train"}) == (RUNS[1], RUNS[0])
    assert select_runs(RUNS, {"task": ["Test", "Train"], "run": ["2"]}) == (
        RUNS[3],
        RUNS[1],
    )
    assert len(select_runs(RUNS, {})) == 4


def test_a_missing_run_names_the_subject_and_what_is_there():
    with pytest.raises(
        InputError, match=r"sub-03: no run 3 among task Test\. There are: 1, 2\."
    ):
        select_runs(RUNS, {"task": "Test", "run": ["1", "3"]}, name="sub-03")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"tsk": "Test"}, "Did you mean 'task'"),
        ({"task": "test"}, "Did you mean 'Test'"),
        ({"run": [1]}, "write '1' in quotes"),
        ({"run": []}, "a label or a list"),
        ({"run": 1}, "a label or a list"),
        ({"session": "1"}, "There are: none"),
        ({"task": "test", "run": "9"}, "no task test. There are: Test, Train"),
    ],
)
def test_a_rule_that_cannot_hold_says_why(rule, words):
    with pytest.raises(InputError, match=words):
        select_runs(RUNS, rule)


@pytest.mark.dataset
def test_the_real_design_has_12_training_and_6_test_runs(shared_data):
    root = shared_data / "ds003720"
    pattern = BIDS.replace("bold.csv", "events.tsv")
    subjects = find_subjects(root, pattern)
    assert subjects == ("001", "002", "003", "004", "005")
    for subject in subjects:
        runs = find_runs(root, pattern, subject)
        assert len(select_runs(runs, {"task": "Training"})) == 12
        assert len(select_runs(runs, {"task": "Test"})) == 6
