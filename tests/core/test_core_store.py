"""Tests of the store of responses: what goes in by rows comes out by columns."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from brain2music.core import store as store_module
from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.rows import average_rows
from brain2music.core.store import (
    StoredRun,
    Turner,
    column_writer,
    open_store,
    write_store,
)
from brain2music.core.types import Space

LENGTHS = {"task-A_run-1": 5, "task-A_run-2": 7, "task-B_run-1": 6}
N_VOXELS = 11


@pytest.fixture
def runs(rng):
    return {
        name: rng.standard_normal((n, N_VOXELS)).astype("f4")
        for name, n in LENGTHS.items()
    }


@pytest.fixture
def store(tmp_path, runs):
    stored = []
    for name, Y in runs.items():
        file = f"runs/{name}.npy"
        with column_writer(tmp_path / file, Y.shape) as writer:
            for start in range(0, N_VOXELS, 4):
                writer.append(Y[:, start : start + 4])
        side = "train" if "task-A" in name else "test"
        stored.append(StoredRun(name, side, len(Y), file))
    valid = np.ones((3, N_VOXELS), bool)
    valid[1, 2] = valid[2, 9] = False
    rows = pd.DataFrame({"run_name": ["task-B_run-1"] * 6, "row": [0, 1, 2, 0, 1, 2]})
    tables = {"train_rows": rows, "test_rows": rows[:3], "repeat_rows": rows}
    space = Space("labels", "x", tuple(map(str, range(N_VOXELS))))
    validity = (valid, np.ones(valid.shape, "f4"))
    write_store(tmp_path, space, stored, validity, tables)
    return open_store(tmp_path)


def test_runs_are_stacked_in_their_order_and_columns_picked(store, runs):
    train = np.vstack([runs["task-A_run-1"], runs["task-A_run-2"]])
    assert_array_equal(store.train(), train)
    for columns in (slice(3, 8), np.array([9, 0, 4]), np.arange(N_VOXELS) % 3 == 0):
        assert_array_equal(store.train(columns), train[:, columns])
        assert_array_equal(store.repeats(columns), runs["task-B_run-1"][:, columns])
    assert store.train(slice(1, 1)).shape == (12, 0)


def test_repeats_are_averaged_as_rows_are(store, runs):
    expected = average_rows(runs["task-B_run-1"], [0, 1, 2, 0, 1, 2])
    assert_array_equal(store.test(), expected)
    assert_array_equal(store.test(slice(2, 5)), expected[:, 2:5])


def test_a_run_is_one_file_that_numpy_opens_with_voxels_in_one_piece(store, runs):
    for name, Y in runs.items():
        found = np.load(store.folder / f"runs/{name}.npy", mmap_mode="r")
        assert_array_equal(found, Y)
        assert found.dtype == np.float32
        assert found[:, 3].flags["C_CONTIGUOUS"]
        assert_array_equal(store.run(name), Y)


def test_validity_is_kept_per_voxel_and_run(store):
    assert np.flatnonzero(~store.valid).tolist() == [2, 9]
    assert np.argwhere(~store.valid_runs).tolist() == [[1, 2], [2, 9]]


def test_blocks_cover_every_voxel_once(store):
    columns = [np.arange(N_VOXELS)[block] for block in store.blocks(4)]
    assert np.concatenate(columns).tolist() == list(range(N_VOXELS))


def test_what_is_missing_is_said(store, tmp_path):
    with pytest.raises(InputError, match=r"no run 'x' .*task-A_run-1, task-A_run-2"):
        store.run("x")
    (tmp_path / "runs/task-A_run-2.npy").unlink()
    with pytest.raises(MissingFileError, match=r"run-2\.npy is not there"):
        store.train()
    with pytest.raises(MissingFileError, match="no store of responses"):
        open_store(tmp_path / "runs")


def test_a_run_that_is_not_written_whole_is_refused(tmp_path, runs):
    Y = runs["task-A_run-1"]
    with (
        pytest.raises(InputError, match="4 of 11 columns are missing"),
        column_writer(tmp_path / "a.npy", Y.shape) as writer,
    ):
        writer.append(Y[:, :7])
    with column_writer(tmp_path / "a.npy", Y.shape) as writer:
        writer.append(Y[:, :7])
        with pytest.raises(InputError, match=r"\(5, 11\), where 5 rows and .* 4 col"):
            writer.append(Y)
        writer.append(Y[:, 7:])


@pytest.mark.parametrize("on_disk", [False, True])
def test_rows_come_back_as_columns(tmp_path, runs, on_disk, monkeypatch):
    if on_disk:
        monkeypatch.setattr(store_module, "IN_MEMORY_BYTES", 0)
    Y = runs["task-A_run-2"].copy()
    Y[:, 4] = np.nan
    Y[2, 6] = np.inf
    with Turner(*Y.shape, folder=tmp_path) as turner:
        for start in (0, 3, 6):
            turner.write(start, Y[start : start + 3])
        assert_array_equal(turner.columns(slice(2, 9)), Y[:, 2:9])
        assert_array_equal(turner.columns(slice(0, 11)), Y)
        assert np.flatnonzero(~turner.finite).tolist() == [4, 6]
        assert np.flatnonzero(turner.nan).tolist() == [4]
    assert list(tmp_path.iterdir()) == []
