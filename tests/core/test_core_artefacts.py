"""Tests of artefacts: whole or not at all, and remade when what made them changes."""

import json
import shutil
import signal
import subprocess
import sys

import pytest

from brain2music.core.artefacts import (
    PARTIAL,
    Recipe,
    check_places,
    file_identity,
    is_current,
    link_artefact,
    locked,
    new_artefact,
    read_about,
    write_json,
)
from brain2music.core.checks import InputError

PLACES = (
    "tables",
    "figures",
    "report",
    "study",
    "responses/sub-01",
    "features/sub-01",
    "models/sub-01",
)
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


# The step named by the second argument is the last thing that the process does.
DIE = """
import os, shutil, signal, sys
from pathlib import Path
from brain2music.core import artefacts
from brain2music.core.artefacts import Recipe, new_artefact

folder, moment = Path(sys.argv[1]), sys.argv[2]
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
calls = {"marker": "touch", "rename": "rename", "taken out": "unlink"}
if moment in calls:
    setattr(Path, calls[moment], die)
if moment == "second rename":
    rename = Path.rename
    def rename_old(path, target):
        rename(path, target) if path == folder else die()
    Path.rename = rename_old
if moment == "removal":
    shutil.rmtree = die
with new_artefact(folder, Recipe("encoding", 1), []) as partial:
    (partial / "table.csv").write_text("new")
    (partial / "deep").mkdir()
    if moment == "half way":
        die()
"""
MOMENTS = ("marker", "half way", "rename", "second rename", "taken out", "removal")


def die(folder, moment):
    command = [sys.executable, "-c", DIE, str(folder), moment]
    killed = subprocess.run(command, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


@pytest.mark.parametrize("place", ["tables", "models/sub-01"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_leaves_nothing_that_looks_whole_and_all_goes_on(
    tmp_path, moment, place
):
    folder, recipe = tmp_path / place, Recipe("encoding", 1)
    make(folder, text="old")
    die(folder, moment)
    if folder.exists() and is_current(folder, recipe):
        assert (folder / "table.csv").read_text() == "new"
    with locked(tmp_path):
        check_places(tmp_path, [place])
        left = [path for path in folder.parent.glob(".*-*") if any(path.iterdir())]
        assert left == []
        make(folder, recipe, text="newer")
    assert is_current(folder, recipe)
    assert hidden(tmp_path) == {".brain2music.lock"}


def hidden(out):
    return {str(path.relative_to(out)) for path in out.rglob(".*")}


def plant(folder, name):
    """Leave what a kill leaves that comes before the folder is in place."""
    die(folder, "half way")
    folder.with_name(f".partial-{folder.name}").rename(folder.with_name(name))


@pytest.fixture(scope="module")
def after_kills(tmp_path_factory):
    """Return a folder with two leftovers of each artefact, and one of a file."""
    out = tmp_path_factory.mktemp("killed") / "out"
    for place in PLACES:
        for prefix in (".old-", ".partial-"):
            plant(out / place, f"{prefix}{(out / place).name}")
    (out / ".partial-about.json").write_text('{\n "stu')
    return out


def test_what_kills_left_at_any_place_is_cleared(after_kills, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(after_kills, out)
    assert len(hidden(out)) == 4 * len(PLACES) + 1  # each with its marker
    check_places(out, PLACES)
    with locked(out):
        assert hidden(out) == {".brain2music.lock"}
    with locked(out):
        for place in PLACES:
            make(out / place)
    assert all(is_current(out / place, RECIPE) for place in PLACES)


@pytest.mark.parametrize("text", ["", "{", '{\n "study": {'])
def test_a_file_half_written_is_cleared(tmp_path, text):
    (tmp_path / ".partial-about.json").write_text(text)
    with locked(tmp_path):
        assert not (tmp_path / ".partial-about.json").exists()


def own_files(out):
    """Write what a user may have, by names like ours; return the contents."""
    for name in (".old-photos", ".partial-figures", "talks/.old-tables", "thesis"):
        (out / name).mkdir(parents=True)
        (out / name / "mine.txt").write_text(name)
    make(out / "thesis" / "tables")
    (out / "thesis" / "tables").rename(out / "thesis" / ".old-tables")
    for name in (".lock", ".partial-about.json", ".old-tables"):
        (out / name).write_text("mine")
    return contents(out)


def contents(folder):
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_what_the_user_has_by_such_names_is_left_alone(tmp_path):
    mine = own_files(tmp_path)
    with locked(tmp_path):
        pass
    assert contents(tmp_path) == mine | {".brain2music.lock": b""}


def test_links_are_not_followed(tmp_path):
    out, theirs = tmp_path / "out", tmp_path / "theirs"
    out.mkdir()
    plant(theirs / "figures", ".partial-figures")
    (theirs / "half.json").write_text("{")
    (out / "models").symlink_to(theirs)
    (out / ".partial-tables").symlink_to(theirs / ".partial-figures")
    (out / ".partial-about.json").symlink_to(theirs / "half.json")
    before = contents(theirs)
    with locked(out):
        assert len(list(out.iterdir())) == 4
    assert contents(theirs) == before


def test_the_work_of_another_process_in_a_folder_inside_is_left_alone(tmp_path):
    inner = tmp_path / "inner"
    with locked(inner), new_artefact(inner / "tables", RECIPE, []) as partial:
        (partial / "table.csv").write_text("whole")
        with locked(tmp_path):
            pass
    assert is_current(inner / "tables", RECIPE)


def test_the_lock_keeps_what_was_in_its_file(tmp_path):
    (tmp_path / ".brain2music.lock").write_text("mine")
    with locked(tmp_path):
        pass
    assert (tmp_path / ".brain2music.lock").read_text() == "mine"


def test_places_that_are_free_or_ours_pass(tmp_path):
    check_places(tmp_path / "new", PLACES)
    make(tmp_path / "tables")
    (tmp_path / "tables" / "extra.txt").write_text("a user's note")
    (tmp_path / "models").mkdir()
    write_json(tmp_path / "about.json", {"study": {}, "artefacts": {}})
    check_places(tmp_path, PLACES)
    assert is_current(tmp_path / "tables", RECIPE)


@pytest.mark.parametrize(
    "name",
    [
        "tables/mine.csv",
        "models/sub-01/mine.csv",
        "models",
        "figures",
        ".partial-figures/mine.csv",
        "models/.old-sub-01/mine.csv",
        "about.json",
        ".partial-about.json",
    ],
)
def test_a_place_that_is_not_ours_is_refused(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    with pytest.raises(InputError, match=r"brain2music did not make it.*--out"):
        check_places(tmp_path, PLACES)
    assert contents(tmp_path) == {name: b"mine"}


def test_a_link_in_the_place_of_an_artefact_is_refused(tmp_path):
    make(tmp_path / "elsewhere")
    for name, target in (("tables", "elsewhere"), ("report", "nowhere")):
        (tmp_path / name).symlink_to(tmp_path / target)
        with pytest.raises(InputError, match=rf"{name} is there already"):
            check_places(tmp_path, [name])
        with pytest.raises(InputError, match=rf"{name} is there already"):
            make(tmp_path / name)


def test_results_are_not_written_into_an_artefact(tmp_path):
    make(tmp_path / "tables")
    with pytest.raises(InputError, match=r"about\.json is there already"):
        check_places(tmp_path / "tables", PLACES)


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


def test_an_artefact_lies_in_another_place_as_well_and_replaces_nothing(tmp_path):
    source, place = tmp_path / "one/a", tmp_path / "other/a"
    with new_artefact(source, Recipe("a", 1), []) as folder:
        (folder / "x.npy").write_bytes(b"x")
    link_artefact(source, place)
    assert is_current(place, Recipe("a", 1))
    with new_artefact(place, Recipe("a", 2), []) as folder:
        (folder / "x.npy").write_bytes(b"y")
    assert is_current(source, Recipe("a", 1))  # replaced there, and not changed here
    link_artefact(source, place)
    assert is_current(place, Recipe("a", 2))


def test_what_is_no_artefact_or_in_the_way_is_left_as_it_is(tmp_path):
    (tmp_path / "mine").mkdir()
    link_artefact(tmp_path / "mine", tmp_path / "other/mine")
    assert not (tmp_path / "other").exists()
    with new_artefact(tmp_path / "a", Recipe("a", 1), []):
        pass
    theirs = tmp_path / "other" / f"{PARTIAL}a"
    theirs.mkdir(parents=True)
    (theirs / "thesis.txt").touch()
    with pytest.raises(InputError, match="brain2music did not make it"):
        link_artefact(tmp_path / "a", tmp_path / "other/a")
    assert (theirs / "thesis.txt").exists()
