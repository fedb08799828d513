"""Tests that the pages of docs/ say what the study file really takes."""

import re
import subprocess
import sys
import tomllib
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from brain2music.cli import app
from brain2music.study import read_study
from brain2music.viewer.sounds import SECONDS
from brain2music.viewer.view import MOST_INLINE
from brain2music.workflow.decoding import TABLES

PAGE = (Path(__file__).parents[1] / "docs/scans.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
BASE = {
    "title": "x",
    "dataset": {
        "root": ".",
        "subjects": ["01"],
        "tr_s": 1.5,
        "train": {"task": "a"},
        "test": {"task": "b"},
    },
    "features": {"on": {"kind": "events", "path": "on.tsv", "columns": []}},
    "encoding": {"bands": ["on"]},
}
ROAD = {"derivatives": "derivatives/fmriprep", "space": "T1w"}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_table_of_the_page_on_scans_is_read(block, tmp_path):
    tables = tomllib.loads(block)
    if not re.search(r"^\[", block, re.M):
        tables = {"dataset": tables}
    raw = {**BASE, **{name: tables[name] for name in tables if name != "dataset"}}
    road = tables.get("dataset", ROAD)
    raw["dataset"] = {**BASE["dataset"], **road}
    study = read_study(raw, folder=tmp_path)
    for name in tables:
        assert getattr(study, name)


def test_the_page_shows_every_road():
    text = "\n".join(BLOCKS)
    for road in (
        '"MNI152NLin2009cAsym:res-2"',
        '"fsaverage5"',
        '"fsLR:91k"',
        ".nii.gz",
        ".csv",
        ".npy",
        ".annot",
        ".dlabel.nii",
        "overlays",
        "rois.npz",
    ):
        assert road in text


ANALYSIS = (Path(__file__).parents[1] / "docs/analysis.md").read_text(encoding="utf-8")


def test_the_page_on_analysis_shows_keys_that_are_read(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", ANALYSIS, re.S)
    names = ["mulan-music", "mulan-text", "w2v-bert"]
    raw = {**BASE, "analysis": tomllib.loads(block)["analysis"]}
    raw["dataset"] = {**BASE["dataset"], **ROAD}
    raw["features"] = dict.fromkeys(names, BASE["features"]["on"])
    raw["encoding"] = {"bands": names}
    study = read_study(raw, folder=tmp_path)
    assert study.analysis.partitioned(study.encoding.bands) == tuple(names)
    assert study.analysis.hierarchy[1] == ("LBelt", "MBelt")


ENCODING = (Path(__file__).parents[1] / "docs/encoding.md").read_text(encoding="utf-8")


def test_the_page_on_encoding_shows_keys_that_are_read(tmp_path):
    local, slurm = map(tomllib.loads, re.findall(r"```toml\n(.*?)```", ENCODING, re.S))
    raw = {**BASE, **local, "dataset": {**BASE["dataset"], **ROAD}}
    raw["features"] = dict.fromkeys(raw["encoding"]["bands"], BASE["features"]["on"])
    study = read_study(raw, folder=tmp_path)
    assert study.encoding.placed_candidates == 8
    assert study.machine.workers == 2
    study = read_study({**raw, **slurm}, folder=tmp_path)
    assert study.machine.slurm["queue"] == "normal"


def test_the_code_on_the_page_on_encoding_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", ENCODING, re.S)
    names: dict = {}
    exec(code, names)
    X = names["X"]
    assert set(names["parts"]) == {"mel", "genre"}
    np.testing.assert_allclose(
        names["again"].predict(X), names["model"].predict(X), rtol=0.01, atol=0.05
    )


DECODING = (Path(__file__).parents[1] / "docs/decoding.md").read_text(encoding="utf-8")


def test_the_page_on_decoding_runs_and_finds_what_is_there():
    (block,) = re.findall(r"```python\n(.*?)```", DECODING, re.S)
    check = """
row = table.set_index(["pool", "metric"]).loc[("clips", "identification accuracy")]
assert row["value"] > 0.9 and row["p"] < 0.01
"""
    subprocess.run([sys.executable, "-c", block + check], check=True)


def test_the_page_on_decoding_names_what_is_there():
    names = set(re.findall(r"`([a-z]+_[a-z_]+|[A-Z][a-zA-Z]+)`", DECODING))
    modules = (Path(__file__).parents[1] / "decoding").glob("*.py")
    text = "".join(path.read_text(encoding="utf-8") for path in modules)
    known = {"shared_clips", "n_voxels", "stopped_early", "decoding_across"}
    known |= {"across_rois", "decoding_groups", "n_components", "n_draws", *TABLES}
    known |= {"n_cut_out", "n_outside"}  # columns of tables
    for name in names - known:
        assert re.search(rf"^(def|class) {name}\b", text, re.M), name


def test_the_page_on_decoding_shows_keys_that_are_read(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", DECODING, re.S)
    names = ["mulan-music", "genre"]
    raw = {**BASE, "decoding": tomllib.loads(block)["decoding"]}
    raw["dataset"] = {**BASE["dataset"], **ROAD, "subjects": ["01", "02"]}
    raw["features"] = dict.fromkeys(names, BASE["features"]["on"])
    raw["encoding"] = {"bands": names}
    decoding = read_study(raw, folder=tmp_path).decoding
    assert decoding.targets == tuple(names)
    assert decoding.lags == (0, 2, 4, 6, 8)


RETRIEVAL = (Path(__file__).parents[1] / "docs/retrieval.md").read_text(
    encoding="utf-8"
)


def test_the_page_on_retrieval_shows_keys_that_are_read(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", RETRIEVAL, re.S)
    network = {"kind": "network", "model": "clap", "path": "sound/{track}"}
    raw = {**BASE, **tomllib.loads(block)}
    raw["dataset"] = {**BASE["dataset"], **ROAD, "clip": "{track}", "events": "e.tsv"}
    raw["features"] = {"clap": network, "w2v-bert": {**network, "model": "w2v-bert"}}
    raw["encoding"] = {"bands": ["clap"]}
    study = read_study(raw, folder=tmp_path)
    assert study.retrieval.checked_by == "w2v-bert"
    assert study.generation.rank == "likelihood"
    for table in ("retrieval", "retrieved", "generation", "class_agreement"):
        assert f"`{table}`" in RETRIEVAL


def test_the_page_on_the_viewer_shows_options_that_are_there():
    page = (Path(__file__).parents[1] / "docs/viewer.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.S)
    shown = {word for block in blocks for word in re.findall(r"--[a-z]+", block)}
    (command,) = [
        one.callback
        for one in app.registered_commands
        if one.callback and one.callback.__name__ == "view"
    ]
    known = {f"--{name.replace('_', '-')}" for name in signature(command).parameters}
    assert shown - {"--bind"} <= known
    assert f"{SECONDS:g} s" in page
    assert f"{MOST_INLINE / 1e6:g} MB" in page
