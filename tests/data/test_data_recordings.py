"""Tests of how a recording is opened."""

import numpy as np
import pytest

from brain2music.core.checks import InputError, MissingFileError
from brain2music.data.recordings import (
    MatrixRecording,
    TableRecording,
    open_recording,
)


def test_the_ending_tells_the_kind(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    np.save(tmp_path / "1_run-1.npy", np.zeros((3, 2)))
    table = open_recording(tmp_path, "1", responses="{subject}.csv")
    matrix = open_recording(tmp_path, "1", responses="{subject}_run-{run}.npy")
    assert isinstance(table, TableRecording)
    assert isinstance(matrix, MatrixRecording)


@pytest.mark.parametrize(
    ("responses", "options", "words"),
    [
        ("bold.csv", {}, "every subject would get the same data"),
        ("{subject}.parquet", {}, r"unknown ending\. Known: \.csv"),
        ("{subject}.dtseries.nii", {"mask": "m.nii"}, "CIFTI is found by its space"),
        ("{subject}.nii", {}, "need a mask"),
        ("{subject}.csv", {"mask": "m.nii"}, "do not take mask"),
        ("{subject}.csv", {"mesh": "S1"}, "do not take mesh"),
        ("{subject}.nii", {"mask": "m.nii", "key": "Y"}, "do not take key"),
        ("{subject}.npy", {"mask": "m.nii"}, "do not take mask; they take runs, key"),
        ("../{subject}.csv", {}, "leaves the data set's folder"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path, responses, options, words
):
    with pytest.raises(InputError, match=words):
        open_recording(tmp_path, "1", responses=responses, **options)


def test_a_mask_outside_the_data_set_is_refused(touch):
    root = touch("1.nii")
    with pytest.raises(InputError, match="leaves the data set's folder"):
        open_recording(root, "1", responses="{subject}.nii", mask="../m.nii")


@pytest.mark.dataset
def test_missing_images_of_the_real_study_are_missed(shared_data):
    with pytest.raises(MissingFileError, match=r"no file for sub-001 .*_bold\.nii\.gz"):
        open_recording(
            shared_data / "ds003720",
            "001",
            responses="sub-{subject}/func/sub-{subject}_task-{task}_run-{run}_bold.nii.gz",
            mask="sub-{subject}_mask.nii.gz",
        )
