"""Tests that the pages of docs/ say what the study file really takes."""

import re
import tomllib
from pathlib import Path

import pytest

from brain2music.study import read_study

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
