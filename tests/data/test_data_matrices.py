"""Tests of responses in matrices."""

import h5py
import numpy as np
import pytest
import scipy.io
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.types import Run
from brain2music.data.recordings import open_recording

N_ROWS = {"b": 4, "a10": 3, "a2": 5}  # as they stand in the file


@pytest.fixture(name="Y")
def matrix(rng):
    return rng.standard_normal((12, 7))


@pytest.fixture
def folder(tmp_path):
    labels = [run for run, n in N_ROWS.items() for _ in range(n)]
    (tmp_path / "runs.txt").write_text("\n".join(labels) + "\n")
    return tmp_path


def save(path, Y, key="Y"):
    if path.suffix == ".npy":
        np.save(path, Y)
    elif path.name.endswith("_v5.mat"):
        scipy.io.savemat(path, {key: Y})
    else:
        turned = path.suffix == ".mat"
        options = {"userblock_size": 512} if turned else {}
        with h5py.File(path, "w", **options) as file:
            file[key] = Y.T if turned else Y


def open_matrix(folder, ending=".npy", **options):
    options = {"runs": "runs.txt"} | options
    return open_recording(folder, "1", responses=f"sub-{{subject}}{ending}", **options)


@pytest.mark.parametrize("ending", [".npy", ".h5", ".hdf5", "_v5.mat", "_v73.mat"])
def test_rows_of_each_run_come_back_whatever_the_file(folder, Y, ending):
    save(folder / f"sub-1{ending}", Y)
    recording = open_matrix(folder, ending)
    assert [run.run for run in recording.runs] == ["a2", "a10", "b"]
    expected = {"b": Y[:4], "a10": Y[4:7], "a2": Y[7:]}
    for run in recording.runs:
        assert_array_equal(recording.read(run), expected[run.run].astype(np.float32))
        assert recording.read(run).dtype == np.float32
        assert recording.n_samples(run) == N_ROWS[run.run]
        assert recording.tr_s(run) is None
    assert recording.files == (folder / f"sub-1{ending}",)
    assert recording.space.kind == "labels"
    assert recording.space.ids == tuple("0123456")


def test_a_run_has_task_and_session_if_the_table_says(folder, Y):
    save(folder / "sub-1.npy", Y)
    rows = ["run,task,session"] + ["01,Test,a"] * 5 + ["01,Train,a"] * 7
    (folder / "runs.csv").write_text("\n".join(rows))
    recording = open_matrix(folder, runs="runs.csv")
    assert recording.runs == (Run("Test", "01", "a"), Run("Train", "01", "a"))
    assert_array_equal(recording.read(recording.runs[1]), Y[5:].astype(np.float32))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "<U2"])
def test_labels_may_be_an_array(folder, Y, dtype):
    save(folder / "sub-1.npy", Y)
    np.save(folder / "runs.npy", np.repeat([2, 10, 1], [4, 3, 5]).astype(dtype))
    runs = open_matrix(folder, runs="runs.npy").runs
    assert [run.run for run in runs] == ["1", "2", "10"]


def test_one_matrix_per_run_is_found_by_pattern(tmp_path, Y):
    for run, rows in (("10", Y[:5]), ("9", Y[5:])):
        np.save(tmp_path / f"sub-1_run-{run}.npy", rows)
    recording = open_recording(tmp_path, "1", responses="sub-{subject}_run-{run}.npy")
    assert [recording.n_samples(run) for run in recording.runs] == [7, 5]
    assert_array_equal(recording.read(Run("", "10")), Y[:5].astype(np.float32))


def test_runs_with_other_numbers_of_columns_are_refused(tmp_path, Y):
    np.save(tmp_path / "sub-1_run-1.npy", Y)
    np.save(tmp_path / "sub-1_run-2.npy", Y[:, :6])
    with pytest.raises(InputError, match="sub-1, run-2: 6 columns, but run-1 has 7"):
        open_recording(tmp_path, "1", responses="sub-{subject}_run-{run}.npy")


def test_a_run_in_two_pieces_is_refused(folder, Y):
    save(folder / "sub-1.npy", Y)
    (folder / "runs.txt").write_text("\n".join("112233111222"))
    with pytest.raises(InputError, match=r"runs of sub-1 .*run-1' comes in two pieces"):
        open_matrix(folder)


def test_rows_and_runs_must_match_and_a_turned_matrix_is_told(folder, Y):
    save(folder / "sub-1.npy", Y[:11])
    with pytest.raises(InputError, match="11 rows, but the runs are given for 12"):
        open_matrix(folder)
    save(folder / "sub-1.npy", np.r_[Y, Y[:1]])
    with pytest.raises(InputError, match="13 rows, but the runs are given for 12"):
        open_matrix(folder)
    save(folder / "sub-1.npy", Y.T)
    with pytest.raises(InputError, match=r"7 rows, .* transpose it"):
        open_matrix(folder)


@pytest.mark.parametrize("ending", [".h5", "_v5.mat", "_v73.mat"])
def test_a_matrix_is_found_by_its_key(folder, Y, ending):
    path = folder / f"sub-1{ending}"
    if ending == "_v5.mat":
        scipy.io.savemat(path, {"bold": Y, "other": Y + 1})
    else:
        with h5py.File(path, "w") as file:
            file["bold"], file["other"] = (
                a.T if "mat" in ending else a for a in (Y, Y)
            )
    assert_array_equal(
        open_matrix(folder, ending, key="bold").read(Run("", "b")),
        Y[:4].astype(np.float32),
    )
    with pytest.raises(InputError, match=r"which matrix is not said .*: bold, other\."):
        open_matrix(folder, ending)
    with pytest.raises(InputError, match=r"no matrix 'Bold' .*: bold, other\."):
        open_matrix(folder, ending, key="Bold")


def test_a_nested_data_set_is_named_by_its_path(folder, Y):
    with h5py.File(folder / "sub-1.h5", "w") as file:
        file["prep/bold"], file["rest"] = Y, Y
    recording = open_matrix(folder, ".h5", key="prep/bold")
    assert recording.space.n_voxels == 7


def test_a_key_for_a_npy_file_is_refused(folder, Y):
    save(folder / "sub-1.npy", Y)
    with pytest.raises(InputError, match="Leave the key out"):
        open_matrix(folder, key="Y")


@pytest.mark.parametrize("ending", [".npy", ".h5", "_v5.mat", "_v73.mat"])
def test_a_shortened_file_is_refused_with_its_bytes(folder, Y, ending):
    path = folder / f"sub-1{ending}"
    save(path, np.tile(Y, (1, 90)))
    n_bytes = path.stat().st_size
    path.write_bytes(path.read_bytes()[: n_bytes - 2000])
    with pytest.raises(InputError, match=rf"sub-1, run-a2: .*{n_bytes - 2000} bytes"):
        open_matrix(folder, ending)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(12),
        np.zeros((12, 2, 3)),
        np.zeros((12, 7), bool),
        np.zeros((12, 7), complex),
        np.zeros((12, 0)),
    ],
)
def test_a_matrix_is_2d_and_of_real_numbers(folder, array):
    np.save(folder / "sub-1.npy", array)
    with pytest.raises(InputError, match="2D matrix of real numbers"):
        open_matrix(folder)


def test_pickled_objects_are_never_loaded(folder):
    np.save(folder / "sub-1.npy", np.array([[object()]]), allow_pickle=True)
    with pytest.raises(InputError, match="array of numbers"):
        open_matrix(folder)


def test_a_run_in_one_file_needs_the_run_of_each_row(folder, Y):
    save(folder / "sub-1.npy", Y)
    with pytest.raises(InputError, match="give the file that says the run of each row"):
        open_matrix(folder, runs=None)
    np.save(folder / "sub-1_run-1.npy", Y)
    with pytest.raises(InputError, match="Leave one of them out"):
        open_matrix(folder, "_run-{run}.npy")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("r.csv", "rn\n1\n", "no column 'run'"),
        ("r.csv", "run,task\n,a\n", "row 2 of .* has no run"),
        ("r.txt", "", "is empty"),
        ("r.dat", "1", r"\.npy or \.txt"),
    ],
)
def test_the_runs_of_the_rows_must_be_readable(folder, Y, name, text, words):
    save(folder / "sub-1.npy", Y)
    (folder / name).write_text(text)
    with pytest.raises(InputError, match=words):
        open_matrix(folder, runs=name)


def test_run_labels_that_are_fractions_or_missing_are_refused(folder, Y):
    save(folder / "sub-1.npy", Y)
    np.save(folder / "r.npy", np.ones(12))
    with pytest.raises(InputError, match="one whole number or text per row"):
        open_matrix(folder, runs="r.npy")
    with pytest.raises(MissingFileError, match="no file"):
        open_matrix(folder, runs="none.npy")


def test_columns_lie_on_the_vertices_that_are_given(folder, Y):
    save(folder / "sub-1.npy", Y)
    vertices = [20483, 3, 10242, 5, 0, 1, 2]
    np.save(folder / "vertices.npy", vertices)
    recording = open_matrix(folder, mesh="fsaverage5", vertices="vertices.npy")
    space = recording.space
    assert (space.kind, space.name, space.shape) == ("surface", "fsaverage5", (20484,))
    assert space.index.tolist() == vertices
    assert space.ids == tuple(map(str, vertices))
    assert recording.files[-1] == folder / "vertices.npy"


def test_columns_of_a_whole_mesh_need_no_numbers(folder, Y):
    save(folder / "sub-1.npy", Y)
    space = open_matrix(folder, mesh="mine:7").space
    assert (space.kind, space.name, space.shape) == ("surface", "mine", (7,))
    assert space.index.tolist() == list(range(7))


@pytest.mark.parametrize(
    ("mesh", "vertices", "words"),
    [
        ("fsaverage5", None, "7 columns, the mesh fsaverage5 20484 vertices"),
        (None, "0 1 2 3 4 5 6", "without a mesh"),
        ("fsaverage4", None, "is not known. Known: fsaverage5"),
        ("fsaverage5:7", None, "is not known"),
        ("m:0", None, "is not known"),
        ("m:9", "0 1 2", "numbers 3 vertices"),
        ("m:9", "0 1 2 3 4 5 9", "MATLAB counts from 1"),
        ("m:9", "0 1 2 3 4 5 5", "names a column twice: 5"),
        ("m:9", "0 1 2 3 4 5 -6", "whole and from 0"),
        ("m:9", "0 1 2 3 4 5 6.0", "whole and from 0"),
    ],
)
def test_a_mesh_must_fit_the_columns(folder, Y, mesh, vertices, words):
    save(folder / "sub-1.npy", Y)
    if vertices:
        (folder / "v.txt").write_text("\n".join(vertices.split()))
    with pytest.raises(InputError, match=words):
        open_matrix(folder, mesh=mesh, vertices="v.txt" if vertices else None)


@pytest.mark.parametrize(
    ("mesh", "n_vertices"),
    [("fsaverage5", 20484), ("fsaverage6", 81924), ("S1", 304380)],
)
def test_known_meshes_have_their_size(folder, mesh, n_vertices):
    np.save(folder / "sub-1.npy", np.zeros((12, 1), np.float32))
    (folder / "v.txt").write_text(str(n_vertices - 1))
    space = open_matrix(folder, mesh=mesh, vertices="v.txt").space
    assert space.shape == (n_vertices,)
