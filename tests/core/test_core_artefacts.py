"""Tests of artefacts: whole or not at all, and remade when what made them changes."""

import json
import signal
import subprocess
import sys

import pytest

from brain2music.core.artefacts import (
    Recipe,
    file_identity,
    is_current,
    locked,
    new_artefact,
    read_about,
)
from brain2music.core.checks import InputError

RECIPE = Recipe("encoding", 1, {"alphas": [1.0, 10.0]}, {"X": "a", "Y": "b"})


def make(folder, recipe=RECIPE, text="whole"):
    with new_artefact(folder, recipe, notes=["a note"]) as partial:
        (partial / "table.csv").write_text(text)
        (partial / "deep").mkdir()
        (partial / "deep" / "array.npy").write_bytes(b"1234")


def test_is_current_when_nothing_changed(tmp_path):
    make(tmp_path / "a")
    assert is_current(tmp_path / "a", RECIPE)
    assert read_about(tmp_path / "a")["notes"] == ["a note"]


@pytest.mark.parametrize(
    "other",
    [
        Recipe("encoding", 2, RECIPE.settings, RECIPE.inputs),
        Recipe("encoding", 1, {"alphas": [1.0]}, RECIPE.inputs),
        Recipe("encoding", 1, RECIPE.settings, {"X": "a", "Y": "c"}),
        Recipe("features", 1, RECIPE.settings, RECIPE.inputs),
    ],
)
def test_is_not_current_when_anything_that_made_it_changed(tmp_path, other):
    make(tmp_path / "a")
    assert not is_current(tmp_path / "a", other)


def test_the_order_of_settings_does_not_matter():
    turned = Recipe("encoding", 1, RECIPE.settings, {"Y": "b", "X": "a"})
    assert turned.identity == RECIPE.identity


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_is_not_current_when_a_file_of_it_was_touched(tmp_path, harm):
    make(tmp_path / "a")
    file = tmp_path / "a" / "deep" / "array.npy"
    file.write_bytes(b"123") if harm == "change" else file.unlink()
    assert not is_current(tmp_path / "a", RECIPE)


def fail_half_way(folder):
    with new_artefact(folder, RECIPE, []) as partial:
        (partial / "table.csv").write_text("new")
        raise RuntimeError


def test_an_error_leaves_the_old_one_and_no_half(tmp_path):
    make(tmp_path / "a", text="old")
    with pytest.raises(RuntimeError):
        fail_half_way(tmp_path / "a")
    assert (tmp_path / "a" / "table.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_newer_one_replaces_the_older(tmp_path):
    make(tmp_path / "a", text="old")
    make(tmp_path / "a", text="new")
    assert (tmp_path / "a" / "table.csv").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "mine.csv").write_text("mine")
    with pytest.raises(InputError, match=r"brain2music did not make it"):
        make(tmp_path / "tables")
    assert (tmp_path / "tables" / "mine.csv").read_text() == "mine"


DIE_HALF_WAY = """
import os, signal, sys
from pathlib import Path
from brain2music.core.artefacts import Recipe, new_artefact
with new_artefact(Path(sys.argv[1]), Recipe("encoding", 1), []) as partial:
    (partial / "table.csv").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_half_way_leaves_nothing_that_looks_whole(tmp_path):
    out = tmp_path / "out"
    folder = out / "models" / "sub-01"
    killed = subprocess.run([sys.executable, "-c", DIE_HALF_WAY, str(folder)])
    assert killed.returncode == -signal.SIGKILL
    assert not is_current(folder, Recipe("encoding", 1))
    assert len(list((out / "models").iterdir())) == 1
    with locked(out):
        assert list((out / "models").iterdir()) == []


def test_one_process_at_a_time_writes(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(InputError, match=r"another brain2music process"),
        locked(tmp_path),
    ):
        pass


def test_says_where_it_cannot_write(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match=r"cannot write to .*--out"), locked(file):
        pass


def test_no_about_and_a_broken_about_are_no_artefact(tmp_path):
    assert read_about(tmp_path) is None
    (tmp_path / "about.json").write_text("{")
    assert read_about(tmp_path) is None
    (tmp_path / "about.json").write_text(json.dumps({"study": 1}))
    assert read_about(tmp_path) is None


def test_a_file_is_known_by_its_content(tmp_path):
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name).write_text(text)
    a, b, c = (file_identity(tmp_path / name) for name in "abc")
    assert a == b != c
