"""Tests of the study file."""

import copy
import dataclasses
from pathlib import Path

import pytest

from brain2music.feature_spaces import FEATURE_KINDS
from brain2music.study import StudyError, load_study, read_study

EXAMPLES = Path(__file__).parents[1] / "examples"
PLAIN = {
    "title": "a study",
    "dataset": {
        "root": "ds",
        "subjects": ["01"],
        "responses": "sub-{subject}_run-{run}_bold.csv",
        "tr_s": 1.5,
        "train": {"run": ["1", "2"]},
        "test": {"run": "3"},
    },
    "features": {
        "mel": {"kind": "array", "path": "mel.npy", "per": "run", "rate_hz": 2}
    },
    "encoding": {"bands": ["mel"]},
}


def changed(**tables):
    """Return a study's tables with some of their keys set, or added."""
    raw = copy.deepcopy(PLAIN)
    for name, keys in tables.items():
        raw[name] = {**raw.get(name, {}), **keys}
    return raw


def read(raw):
    return read_study(raw, folder=Path())


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda p: p.stem)
def test_each_example_is_read(path):
    study = load_study(path)
    assert study.title
    assert study.encoding.bands


def test_paths_start_at_the_study_file(tmp_path):
    path = tmp_path / "study.toml"
    text = (EXAMPLES / "studyforrest.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("../../shared/data/studyforrest", "here"))
    assert load_study(path).root == (tmp_path / "here").resolve()


def test_a_study_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        read(PLAIN).title = "another"


def test_the_machine_is_no_part_of_what_a_study_is():
    quick = read(changed(machine={"threads": 8}))
    assert quick == read(PLAIN)
    assert quick.machine.threads == 8


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"dataset": {"tr": 2.0}}, r"'dataset.tr'. Known there: .*tr_s.*mean 'tr_s'"),
        ({"encodin": {}}, r"unknown key 'encodin'.*Did you mean 'encoding'"),
        ({"folder": {}}, r"unknown key 'folder'"),
        ({"machine": {"thread": 2}}, r"'machine.thread'.*Did you mean 'threads'"),
        ({"responses": {"zscore": "runs"}}, r"'responses.zscore'.*'train' or 'none'"),
        ({"dataset": {"tr_s": -1}}, r"'dataset.tr_s'.*greater than 0, got -1"),
        ({"dataset": {"subjects": [1]}}, r"'dataset.subjects.0'.*string"),
        ({"dataset": {"subjects": []}}, r"name at least one subject"),
        ({"encoding": {"bands": ["mell"]}}, r"no \[features.mell\].*mean 'mel'"),
        ({"encoding": {"bands": ["mel", "mel"]}}, r"each only once"),
        ({"encoding": {"delays": []}}, r"needs at least one"),
        ({"encoding": {"delays": [1, 1]}}, r"each only once"),
        ({"encoding": {"alphas": [float("inf")]}}, r"'encoding.alphas.0'.*finite"),
        ({"encoding": {"seed": -1}}, r"'encoding.seed'.*greater than or equal to 0"),
        ({"dataset": {"subjects": ["1", "1"]}}, r"each only once"),
        ({"dataset": {"train": {"taks": "a"}}}, r"'dataset.train.taks'.*mean 'task'"),
        ({"dataset": {"train": {"run": [1]}}}, r"'dataset.train.run.*in quotes"),
        ({"encoding": {"folds": 1}}, r"'encoding.folds'"),
        ({"encoding": {"alphas": [1, 1]}}, r"holds a value twice"),
        ({"dataset": {"clip": "{genre}"}}, r"dataset.events is missing"),
    ],
)
def test_says_what_is_wrong_and_what_was_meant(tables, words):
    with pytest.raises(StudyError, match=words):
        read(changed(**tables))


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"kind": "arrays"}, r"'features.mel.kind' is 'arrays'.*mean 'array'"),
        ({"kind": "array", "path": "x", "per": "clip"}, r"dataset.clip must say"),
        ({"kind": "array", "path": "x", "per": "run"}, r"give its rate_hz"),
        ({"kind": "category", "column": "genre"}, r"dataset.events is missing"),
        (
            {"kind": "array", "path": "x", "per": "run", "rate": 2},
            r"'features.mel.rate'. Known there: .*Did you mean 'rate_hz'",
        ),
        (
            {"kind": "events", "path": "x", "columns": [{"colum": "a"}]},
            r"colum'. Known there: .*Did you mean 'column'",
        ),
    ],
)
def test_says_what_is_wrong_with_a_feature_space(space, words):
    raw = copy.deepcopy(PLAIN) | {"features": {"mel": space}}
    with pytest.raises(StudyError, match=words):
        read(raw)


@pytest.mark.parametrize("kind", FEATURE_KINDS)
def test_every_kind_of_feature_space_names_its_keys(kind):
    raw = copy.deepcopy(PLAIN) | {"features": {"mel": {"kind": kind, "sourc": "x"}}}
    with pytest.raises(StudyError, match=r"Did you mean 'source'"):
        read(raw)


def test_a_missing_key_is_named():
    raw = copy.deepcopy(PLAIN)
    del raw["dataset"]["tr_s"]
    with pytest.raises(StudyError, match=r"'dataset.tr_s' is missing"):
        read(raw)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("title = ")
    with pytest.raises(StudyError, match=r"study.toml: not a readable TOML"):
        load_study(path)


def with_bands(n, **analysis):
    """Return a study of `n` bands, a to e, with these keys of [analysis]."""
    names = list("abcde")[:n]
    raw = changed(encoding={"bands": names}, analysis=analysis)
    raw["features"] = dict.fromkeys(names, PLAIN["features"]["mel"])
    return raw


def test_two_bands_are_partitioned_without_more_fits_and_more_when_asked():
    two, three = (read(with_bands(n)) for n in (2, 3))
    bands = two.encoding.bands
    assert two.analysis.partitioned(bands) == ("a", "b")
    assert two.analysis.questions(bands) == (("b", "a"), ("a", "b"))
    assert three.analysis.partitioned(three.encoding.bands) == ()
    assert three.analysis.questions(three.encoding.bands) == ()
    asked = read(with_bands(5, partition=["d", "b"])).analysis
    assert asked.partitioned(tuple("abcde")) == ("b", "d")


def test_the_papers_question_is_asked_where_both_are_bands():
    bands = ("mulan-text", "genre", "mulan-music")
    assert read(PLAIN).analysis.questions(bands) == (("mulan-text", "mulan-music"),)
    assert read(with_bands(2, added=[])).analysis.questions(bands) == ()


@pytest.mark.parametrize(
    ("n", "keys", "words"),
    [
        (2, {"low": ["a"], "high": ["c"]}, r"analysis\.high names 'c', which is no"),
        (2, {"low": ["a"]}, r"two sides of one index"),
        (2, {"low": ["a"], "high": ["a", "b"]}, r"none on both"),
        (5, {"partition": True}, r"is of 5 feature spaces; it takes 2 to 4"),
        (3, {"partition": ["a"]}, r"is of 1 feature spaces"),
        (2, {"added": [["a", "a"]]}, r"a pair of one feature space"),
        (2, {"method": "tail", "n_permutations": 300}, r"'tail' needs .* = 500"),
        (2, {"hierarchy": [["A1"]]}, r"has one level, or an empty one"),
        (2, {"null": "shuffle"}, r"analysis\.null"),
    ],
)
def test_keys_of_the_analysis_that_cannot_be_are_refused(n, keys, words):
    with pytest.raises(StudyError, match=words):
        read(with_bands(n, **keys))


@pytest.mark.parametrize("backend", ["numpy", "torch", "torch_cuda"])
def test_the_library_of_the_fits_is_named_as_himalaya_names_it(backend):
    study = read(changed(machine={"backend": backend}))
    assert study.machine.backend == backend
    assert study == read(PLAIN)  # how, and not what


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"machine": {"backend": "cuda"}}, "machine.backend.*'torch_cuda'"),
        (
            {"machine": {"backend": "torch"}, "encoding": {"solver": "himalaya"}},
            "machine.backend = 'torch' is for solver = 'fold-gram'",
        ),
        (
            {"machine": {"backend": "torch_cuda", "scheduler": "local", "workers": 2}},
            "'torch_cuda' with 2 workers of one machine: they would share its GPU",
        ),
    ],
)
def test_a_library_that_cannot_make_the_fits_is_refused(tables, words):
    with pytest.raises(StudyError, match=words):
        read(changed(**tables))


def test_one_worker_or_other_machines_may_have_a_gpu_each():
    for machine in (
        {"scheduler": "local", "workers": 1},
        {"scheduler": "slurm", "workers": 4, "slurm": {"interface": "ib0"}},
        {"scheduler": "tcp://10.0.0.1:8786", "workers": 2},
    ):
        study = read(changed(machine={"backend": "torch_cuda", **machine}))
        assert study.machine.workers == machine["workers"]


@pytest.mark.parametrize(
    ("decoding", "words"),
    [
        (
            {"lags": [0, 1]},
            r"decoding.lags decodes from single volumes, .* are windows",
        ),
        ({"responses": "stack"}, "keeps delays apart, and windows have none"),
    ],
)
def test_what_windows_have_not_is_refused_by_the_study_file(decoding, words):
    dataset = {"events": "events.tsv", "clip": "{track}"}
    decoding = {"targets": ["mel"]} | decoding
    by_volume = changed(decoding=decoding, dataset=dataset)
    assert read(by_volume).decoding.targets == ("mel",)
    windows = changed(decoding=decoding, dataset=dataset, alignment={"rows": "windows"})
    with pytest.raises(StudyError, match=words):
        read(windows)
