"""Tests of responses in tables, and of text tables and sidecars."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.types import Run
from brain2music.data.recordings import open_recording

RESPONSES = "sub-{subject}_run-{run}.csv"


def write_table(path, labels, values, delimiter=","):
    rows = [delimiter.join(labels)]
    rows += [delimiter.join(repr(float(x)) for x in row) for row in values]
    path.write_text("\n".join(rows) + "\n")


def open_tables(folder, pattern=RESPONSES):
    return open_recording(folder, "01", responses=pattern)


@pytest.fixture
def study(tmp_path, rng):
    values = {run: rng.standard_normal((11 + run, 3)) for run in (1, 2, 10)}
    for run, array in values.items():
        write_table(tmp_path / f"sub-01_run-{run}.csv", ["7", "56", "a b"], array)
    return tmp_path, values


def test_runs_come_back_in_order_and_as_they_stand(study):
    folder, values = study
    recording = open_tables(folder)
    assert [run.run for run in recording.runs] == ["1", "2", "10"]
    assert [path.name for path in recording.files] == [
        f"sub-01_run-{run}.csv" for run in (1, 2, 10)
    ]
    assert recording.space.kind == "labels"
    assert recording.space.ids == ("7", "56", "a b")
    assert recording.subject == "01"
    for run in recording.runs:
        expected = values[int(run.run)].astype(np.float32)
        assert_array_equal(recording.read(run), expected)
        assert recording.read(run).dtype == np.float32
        assert recording.n_samples(run) == len(expected)


def test_columns_are_joined_by_label_and_not_by_position(study, rng):
    folder, _ = study
    values = rng.standard_normal((9, 3))
    write_table(folder / "sub-01_run-3.csv", ["a b", "7", "56"], values)
    recording = open_tables(folder)
    assert_array_equal(
        recording.read(Run("", "3")), values[:, [1, 2, 0]].astype(np.float32)
    )
    assert recording.space.ids == ("7", "56", "a b")


def test_a_tab_separated_table_is_read(tmp_path, rng):
    values = rng.standard_normal((5, 2))
    write_table(tmp_path / "sub-01_run-1.tsv", ["A", "B"], values, delimiter="\t")
    recording = open_tables(tmp_path, "sub-{subject}_run-{run}.tsv")
    assert_array_equal(recording.read(recording.runs[0]), values.astype(np.float32))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["7", "56"], r"run-3: not the labels of run-1: it lacks a b"),
        (["7", "56", "c"], r"it lacks a b, and only it has c"),
        (["7", "56", "a b", "c"], r"only it has c"),
        (["7", "7", "a b"], r"run-3: labels stand twice .*: 7\."),
        (["", "7", "56", "a b"], r"1 of the 4 columns .* no label"),
        (["-0.5", "1.25", "0.0"], r"holds numbers such as -0\.5"),
    ],
)
def test_a_run_with_other_labels_is_named_with_them(study, rng, labels, words):
    folder, _ = study
    write_table(
        folder / "sub-01_run-3.csv", labels, rng.standard_normal((4, len(labels)))
    )
    with pytest.raises(InputError, match=f"sub-01, .*{words}"):
        open_tables(folder)


def test_a_subject_may_lack_a_label_that_another_has(study, rng):
    folder, _ = study
    write_table(folder / "sub-02_run-1.csv", ["56", "a b"], rng.standard_normal((6, 2)))
    other = open_recording(folder, "02", responses=RESPONSES)
    assert other.space.ids == ("56", "a b")
    assert open_tables(folder).space.n_voxels == 3


def test_nan_is_read_and_left_to_cleaning(tmp_path):
    (tmp_path / "sub-01_run-1.csv").write_text("a,b\n1,nan\n2,3\n")
    table = open_tables(tmp_path).read(Run("", "1"))
    assert_array_equal(table, [[1, np.nan], [2, 3]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n3\n", "write nan for a missing one"),
        ("a,b\n1,2\n3,\n", "write nan for a missing one"),
        ("a,b\n1,2,3\n1,2,3\n", "3 columns of numbers under 2 labels"),
        ("a,b\n1,x\n", "could not convert string 'x'"),
        ("a,b\n", "0 columns of numbers under 2 labels"),
    ],
)
def test_a_ragged_or_empty_table_is_refused(tmp_path, text, words):
    (tmp_path / "sub-01_run-1.csv").write_text(text)
    recording = open_tables(tmp_path)
    with pytest.raises(InputError, match=f"sub-01, run-1: .*{words}"):
        recording.n_samples(Run("", "1"))


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "sub-01_run-1.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(InputError, match="is not UTF-8"):
        open_tables(tmp_path)


def test_the_tr_comes_from_the_sidecar_if_there_is_one(study):
    folder, _ = study
    sidecar = folder / "sub-01_run-2.json"
    sidecar.write_text(json.dumps({"RepetitionTime": 1.5}))
    recording = open_tables(folder)
    assert [recording.tr_s(run) for run in recording.runs] == [None, 1.5, None]
    sidecar.write_text("{}")
    assert recording.tr_s(Run("", "2")) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"RepetitionTime": 1500}', "milliseconds"),
        ('{"RepetitionTime": "1.5"}', "number of seconds"),
        ('{"RepetitionTime": NaN}', "number of seconds"),
        ('{"RepetitionTime": 0}', "number of seconds"),
        ('{"RepetitionTime": true}', "number of seconds"),
        ("[1.5]", "one JSON object"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_a_sidecar_that_cannot_be_meant_is_refused(study, text, words):
    folder, _ = study
    (folder / "sub-01_run-2.json").write_text(text)
    with pytest.raises(InputError, match=words):
        open_tables(folder).tr_s(Run("", "2"))


@pytest.mark.dataset
def test_real_parcels_are_joined_by_label(shared_data):
    root = shared_data / "studyforrest"
    pattern = "bold/sub-{subject}/sub-{subject}_task-{task}_run-{run}_bold.csv"
    lengths = [451, 441, 438, 488, 462, 439, 542, 338]
    labels = set()
    for subject, n_labels in {"01": 273, "02": 275, "03": 278, "04": 277}.items():
        recording = open_recording(root, subject, responses=pattern)
        assert recording.space.n_voxels == n_labels
        labels |= set(recording.space.ids)
        assert len(recording.runs) == 8
    assert labels == {str(i) for i in range(1, 279)}
    assert [recording.n_samples(run) for run in recording.runs] == lengths
    Y = recording.read(recording.runs[7])
    np.testing.assert_allclose(Y.std(axis=0), 1, atol=0.01)
