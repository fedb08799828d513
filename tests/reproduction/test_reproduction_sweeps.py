"""Tests of other readings of what the paper leaves open."""

import os
import re
import tomllib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from brain2music import load_study
from brain2music.core.artefacts import MARKER, PARTIAL, Recipe, new_artefact
from brain2music.core.checks import InputError
from brain2music.reproduction import sweeps as module
from brain2music.reproduction.published import Choice, Reading, Variation, literature
from brain2music.reproduction.sweeps import (
    MEAN_R,
    chosen_sweeps,
    name_of,
    read_otherwise,
    run_sweeps,
    taken_by,
    vary,
    without_music,
)
from brain2music.study import read_study
from brain2music.study_reconstruction import Generation, Retrieval
from brain2music.workflow.result import Result

CHOICES = literature().choices
READINGS = [(one.name, each) for one in CHOICES for each in one.variations]


@pytest.fixture(scope="module")
def shipped(paper_file):
    return load_study(paper_file)


@pytest.fixture(scope="module")
def study(shipped):
    return without_music(shipped)


def choice_of(name):
    (choice,) = chosen_sweeps([name])
    return choice


def test_a_choice_has_another_reading_or_says_why_it_has_none():
    for choice in CHOICES:
        assert re.fullmatch(r"[a-z]+", choice.name)
        assert bool(choice.unswept) != bool(choice.variations or choice.readings)
        assert bool(choice.key) or not choice.variations
    assert len({choice.name for choice in CHOICES}) == len(CHOICES)


@pytest.mark.parametrize(("name", "variation"), READINGS)
def test_the_shipped_study_can_be_read_otherwise(name, variation, study):
    varied = vary(study, variation)
    assert varied != study, name
    assert varied.dataset == study.dataset


def test_the_shipped_study_takes_what_is_said_to_be_taken(study):
    for choice in CHOICES:
        said = taken_by(study, choice)
        assert choice.taken in said, choice.name
        if choice.key:
            assert said.startswith(f"{choice.key} = ")


def test_what_another_study_takes_is_what_is_printed(study):
    other = replace(study, alignment=replace(study.alignment, lag_s=6.0))
    assert taken_by(other, choice_of("lag")) == "alignment.lag_s = 6.0"
    one = choice_of("windows").variations[0]  # of SoundStream alone
    features = {"soundstream": study.features["soundstream"]}
    other = replace(vary(study, one), features=features)
    assert "not in this study" in taken_by(other, choice_of("fade"))


def test_tables_that_are_reset_have_their_defaults(study):
    varied = vary(study, choice_of("volumes").variations[0])
    assert varied.alignment == type(study.alignment)()
    assert varied.decoding.lags == tuple(range(10))
    assert varied.decoding.decoder == study.decoding.decoder


def test_spaces_that_lack_a_key_are_named(study):
    fade = {"genre": {"fade_s": 0.0}}
    with pytest.raises(InputError, match=r"features.genre is of kind 'category'"):
        vary(study, Variation("x", {"features": fade}))
    with pytest.raises(InputError, match=r"no features.drums"):
        vary(study, Variation("x", {"features": {"drums": {"fade_s": 0.0}}}))
    with pytest.raises(InputError, match="greater than 0"):
        vary(study, Variation("x", {"alignment": {"window_s": -1.0}}))


def test_unknown_sweeps_and_none_beside_others_are_refused():
    with pytest.raises(InputError, match="Did you mean 'folds'"):
        chosen_sweeps(["fold"])
    with pytest.raises(InputError, match=r"none asks for no sweep, and lag stands"):
        chosen_sweeps(["none", "lag"])
    assert chosen_sweeps(["none"]) == chosen_sweeps([]) == []
    assert chosen_sweeps(None) == list(CHOICES)


def test_each_reading_has_a_folder_of_its_own():
    names = [name_of(choice, one) for choice in CHOICES for one in choice.variations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}", name) for name in names)
    assert names[0] == "lag-3-s"


# Readings of the tables of a run


def result_with(folder, **tables):
    (folder / "tables").mkdir()
    for name, table in tables.items():
        table.to_csv(folder / f"tables/{name}.csv", index=False)
    return Result(folder)


def test_other_rows_and_other_columns_are_readings(tmp_path):
    cards = pd.DataFrame(
        {
            "subject": ["01", "01", "01", "02"],
            "target": ["a", "a", "b", "a"],
            "pool": ["clips", "windows", "clips", "clips"],
            "value": [0.9, 0.7, 0.8, 0.1],
        }
    )
    found = pd.DataFrame(
        {"subject": "01", "space": "a", "n_a": [3, 4], "n_b": [5, 6], "roi": [1, 2]}
    )
    pools = {"as_taken": {"pool": "clips"}, "instead": {"pool": "windows"}}
    choice = Choice(
        "x",
        "",
        "",
        readings=(
            Reading("windows", "accuracy", "cards", "target", **pools),
            Reading("b", "n", "found", "space", {}, {}, "n_a", "n_b", "sum"),
            Reading("c", "n", "nowhere", "space", {}, {}),
        ),
    )
    result = result_with(tmp_path, cards=cards, found=found)
    rows, notes = read_otherwise(result, choice, "01")
    numbers = [(one["of"], one["as_taken"], one["instead_value"]) for one in rows]
    assert numbers == [("a", 0.9, 0.7), ("a", 7, 11)]
    np.testing.assert_allclose([one["change"] for one in rows], [-0.2, 4])
    assert len(notes) == 1
    assert "has no table 'nowhere'" in notes[0]


# Runs


VALUES = {(MEAN_R, "a"): 0.3, ("accuracy", "a"): 0.9}


class Runs:
    """Stands for `run` and its door, and keeps what it was asked for."""

    def __init__(self, error=None, refused=()):
        self.studies, self.error, self.refused = [], error, refused

    def open_all(self, study, subjects, _progress):
        assert subjects == ["001"]
        if study.decoding.folds in self.refused:
            raise InputError("no clips")

    def run(self, study, place, **_options):
        if self.error:
            raise self.error
        self.studies.append(study)
        with new_artefact(place / "models/sub-001", Recipe("models", 2), []):
            pass
        return Result(place)


@pytest.fixture
def swept(monkeypatch, study, tmp_path):
    def sweep(runs, *choices, **changed):
        monkeypatch.setattr(module, "run", runs.run)
        monkeypatch.setattr(module, "open_all", runs.open_all)
        monkeypatch.setattr(module, "measures", lambda *_: dict(VALUES))
        asked = replace(study, **changed)
        out = tmp_path / "results"
        return run_sweeps(asked, out, choices, "001", lambda *_: None)

    return sweep


def test_music_is_neither_found_nor_made_again(swept, shipped):
    runs = Runs()
    assert shipped.retrieval != Retrieval()
    found = swept(runs, choice_of("folds"), retrieval=shipped.retrieval)
    (varied,) = runs.studies
    assert (varied.retrieval, varied.generation) == (Retrieval(), Generation())
    assert found.table["measure"].tolist() == [MEAN_R]  # nothing is decoded again
    assert found.table["change"].tolist() == [0]
    assert set(found.results) == {"folds"}


def test_what_is_refused_at_the_door_is_a_note_and_what_fails_later_an_error(swept):
    found = swept(Runs(refused=("run",)), choice_of("folds"), choice_of("penalty"))
    assert found.notes == ["sweep folds, whole runs: no clips"]
    assert set(found.table["choice"]) == {"penalty"}
    with pytest.raises(InputError, match="is there already"):
        swept(Runs(InputError("x is there already")), choice_of("folds"))


def test_a_study_that_has_it_so_is_not_run_again(swept, study):
    runs = Runs()
    decoding = replace(study.decoding, folds="run")
    found = swept(runs, choice_of("folds"), decoding=decoding)
    assert found.notes == ["sweep folds, whole runs: this study has it so."]
    assert not runs.studies


def test_what_cannot_be_swept_is_named_with_its_reason(swept):
    (row,) = swept(Runs(), choice_of("pooling")).table.to_dict("records")
    assert row["taken"].startswith("their mean")
    assert row["instead"].startswith("not shown: an index holds one vector")


@pytest.mark.parametrize("links", [True, False])
def test_a_sweep_goes_on_where_a_kill_stopped_it(links, swept, tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError("no links here")

    own = tmp_path / "results/features/sub-001"
    with new_artefact(own, Recipe("features", 1), []) as folder:
        (folder / "deeper").mkdir()
        (folder / "deeper/X.npy").write_bytes(b"x")
    there = tmp_path / "sweeps/folds-whole-runs/features"
    (there / f"{PARTIAL}sub-001").mkdir(parents=True)
    (there / f"{PARTIAL}sub-001" / MARKER).touch()
    (there / f"{PARTIAL}sub-001/X.npy").write_bytes(b"")
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    swept(Runs(), choice_of("folds"))
    assert [path.name for path in there.iterdir()] == ["sub-001"]
    copied = there / "sub-001/deeper/X.npy"
    assert copied.read_bytes() == b"x"
    assert not (there / "sub-001" / MARKER).exists()
    same = copied.stat().st_ino == (own / "deeper/X.npy").stat().st_ino
    assert same == links


def test_a_kill_while_linking_leaves_nothing_that_looks_whole(
    swept, tmp_path, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    own = tmp_path / "results/features/sub-001"
    with new_artefact(own, Recipe("features", 1), []) as folder:
        (folder / "X.npy").write_bytes(b"x")
    monkeypatch.setattr(os, "link", killed)
    with pytest.raises(KeyboardInterrupt):
        swept(Runs(), choice_of("folds"))
    (left,) = (tmp_path / "sweeps/folds-whole-runs/features").iterdir()
    assert left.name == f"{PARTIAL}sub-001"
    assert (left / MARKER).exists()


# The shipped study


def test_all_that_is_ready_in_the_shipped_study_passes_its_door(
    paper_file, all_switched_on
):
    text = paper_file.read_text(encoding="utf-8")
    before, after = (
        read_study(tomllib.loads(one), folder=paper_file.parent)
        for one in (text, all_switched_on)
    )
    assert before.decoding.lags == ()
    assert before.decoding.targets[-1] == "genre"
    assert before.generation.generator is None
    assert after.generation.rank == "likelihood"
    assert (after.decoding.decoder, after.decoding.across) == ("cortex", "ridge")
    assert {"hubert", "wav2vec2", "mel"} <= set(after.encoding.bands)
    assert after.rois.masks
    assert after.stimuli.table


def test_the_documentation_names_each_sweep_and_how_many_runs_they_are(paper_file):
    page = paper_file.parents[1] / "docs/reproduce.md"
    text = " ".join(page.read_text(encoding="utf-8").split())
    named = set(re.findall(r"\| `([a-z]+)` \|", text))
    assert {choice.name for choice in CHOICES} <= named
    decoding = [each for _, each in READINGS if set(each.changes) == {"decoding"}]
    fitted = len(READINGS) - len(decoding)
    assert f"All of them are {len(READINGS)} runs of one subject, {fitted} of" in text
