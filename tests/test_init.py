"""Tests of new studies: what is written, and what `check` says of it."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brain2music import check_study, load_study
from brain2music.cli import app
from brain2music.core.checks import InputError
from brain2music.decoding.tiny import write_tiny_generator, write_tiny_tagger
from brain2music.init import KNOWN, write_new_study
from brain2music.study import read_study
from brain2music.workflow.check import Check
from brain2music.workflow.inventory import missing_parts

ROOT = Path(__file__).parents[1]
DESIGN = ROOT / "data/designs/ds003720"


@pytest.mark.parametrize("name", KNOWN)
def test_each_known_study_is_written_and_read(name, tmp_path):
    path = write_new_study(name, tmp_path / "new")
    assert {file.name for file in path.parent.iterdir()} == set(KNOWN[name].written)
    for file in path.parent.glob("*.toml"):
        study = load_study(file)
        assert study.root == (tmp_path / "new" / KNOWN[name].root).resolve()
        assert study.encoding.bands


def test_the_root_is_what_was_given(tmp_path):
    path = write_new_study("ds003720", tmp_path / "new", root="../else/where")
    for file in ("study.toml", "paper.toml"):
        study = load_study(path.with_name(file))
        assert study.root == (tmp_path / "else/where").resolve()
        text = path.with_name(file).read_text(encoding="utf-8")
        example = (ROOT / KNOWN["ds003720"].written[file]).read_text(encoding="utf-8")
        different = [
            (a, b)
            for a, b in zip(text.splitlines(), example.splitlines(), strict=True)
            if a != b
        ]
        assert [a for a, _ in different] == ['root = "../else/where"']


def test_the_paper_mode_is_that_of_the_paper(tmp_path):
    study = load_study(write_new_study("ds003720", tmp_path).with_name("paper.toml"))
    assert study.alignment.rows == "windows"
    assert (study.alignment.window_s, study.alignment.step_s) == (10, 1.5)
    assert (study.decoding.decoder, study.decoding.n_best) == ("rois", 6)
    assert study.decoding.folds == "clip"
    assert study.retrieval.corpus == "fma_large"


@pytest.mark.parametrize("file", ["study.toml", "paper.toml"])
def test_what_the_list_puts_in_place_after_fmriprep_is_read(file, tmp_path):
    path = write_new_study("ds003720", tmp_path).with_name(file)
    text = path.with_name("NEEDED.md").read_text(encoding="utf-8")
    blocks = map(tomllib.loads, re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S))
    template, its_rois, native, own_rois, clap = blocks
    whole = tomllib.loads(path.read_text(encoding="utf-8"))
    for key in ("responses", "mask", "unprocessed"):
        del whole["dataset"][key]
    for dataset, rois in ((template, its_rois), (native, own_rois)):
        whole["dataset"] |= dataset
        study = read_study(whole | rois, folder=tmp_path)
        assert study.rois.mesh == study.dataset.space
    for name in ("mulan-music", "mulan-text"):
        whole["features"][name] |= clap
    assert read_study(whole, folder=tmp_path).features["mulan-text"].weights


def test_the_list_tells_what_each_commented_line_needs():
    text = (ROOT / "templates/studies/ds003720.md").read_text(encoding="utf-8")
    paper = (ROOT / "examples/ds003720_paper.toml").read_text(encoding="utf-8")
    folders = re.findall(r'^# (?:weights|tagger) = "(.*?)"', paper, re.M)
    assert len(folders) == 2
    for folder in folders:
        assert f"--local-dir {folder}" in text
    (lines,) = re.findall(r'^python -c "\n(.*?)^"$', text, re.M | re.S)
    compile(lines, "NEEDED.md", "exec")


@pytest.mark.parametrize(
    ("name", "root", "words"),
    [
        ("ds003721", None, "no study is known as 'ds003721'.*mean 'ds003720'"),
        ("blank", 'a"b', "cannot stand in the study file"),
        ("blank", "a\nb", "cannot stand in the study file"),
    ],
)
def test_what_cannot_be_written_is_refused(name, root, words, tmp_path):
    with pytest.raises(InputError, match=words):
        write_new_study(name, tmp_path / "new", root)
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "paper.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"has paper.toml already"):
        write_new_study("ds003720", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["paper.toml"]
    assert (tmp_path / "paper.toml").read_text(encoding="utf-8") == "mine"


def test_check_names_each_part_that_is_missing(tmp_path):
    path = write_new_study("ds003720", tmp_path)
    problems = "\n".join(check_study(load_study(path.with_name("paper.toml"))).problems)
    for part in (
        "sub-001",
        "sub-003_desc-cortex_mask.nii",
        "sub-005_atlas-Destrieux_dseg.nii",
        "atlas-Destrieux_dseg.tsv",
        "features.mulan-music: no folder stimuli/genres_original in",
        "captions.csv",
        "retrieval.corpus: no folder",
        "such as FMA's fma_small (8,000 tracks, 7.2 GiB); without one, leave",
    ):
        assert part in problems, part


def test_parts_that_are_there_are_not_named(tmp_path):
    study = load_study(write_new_study("ds003720", tmp_path).with_name("paper.toml"))
    before = list(missing_parts(study))
    (tmp_path / "fma_large").mkdir()
    stimuli = study.root / "stimuli/genres_original"
    stimuli.mkdir(parents=True)
    (stimuli.parent / "captions.csv").write_text("ID,DescEN\n", encoding="utf-8")
    masks = study.root / "derivatives/masks"
    masks.mkdir(parents=True)
    for subject in study.dataset.subjects[1:]:
        (masks / f"sub-{subject}_desc-cortex_mask.nii").touch()
    after = list(missing_parts(study))
    gone = [problem for problem in before if problem not in after]
    assert not [problem for problem in after if problem not in before]
    assert len(gone) == 1 + 3 + 1 + 4  # corpus, sound of three spaces, captions, masks


def with_generation(path):
    """Switch on the lines of paper.toml that make music."""
    whole = tomllib.loads(path.read_text(encoding="utf-8"))
    networks = {"weights": "networks/musicldm", "tagger": "networks/ast"}
    whole["generation"] = {"generator": "musicldm", **networks}
    return read_study(whole, folder=path.parent)


def test_weights_of_generator_and_tagger_are_named_where_missing(tmp_path):
    path = write_new_study("ds003720", tmp_path).with_name("paper.toml")
    off = list(missing_parts(load_study(path)))
    assert not [problem for problem in off if "generation." in problem]
    study = with_generation(path)
    generator, tagger = (one for one in missing_parts(study) if one not in off)
    assert generator.startswith("generation.weights: networks/musicldm is neither")
    assert tagger.startswith("generation.tagger: networks/ast is neither")
    for problem in (generator, tagger):
        assert "Name its folder, from the study file; or, if networks/" in problem
    assert {generator, tagger} <= set(check_study(study).problems)
    write_tiny_generator("audioldm", tmp_path / "networks/musicldm", seed=0)
    write_tiny_tagger(tmp_path / "networks/ast", ["Blues"], seed=0)
    generator, tagger = (one for one in missing_parts(study) if one not in off)
    assert generator.startswith("generation.weights holds a AudioLDMPipeline, and")
    assert tagger.startswith("generation.tagger: no agreement of genres")
    write_tiny_generator("musicldm", tmp_path / "networks/musicldm", seed=0)
    assert len([one for one in missing_parts(study) if one not in off]) == 1


def test_a_check_shows_itself_in_a_notebook_with_text_escaped():
    check = Check(["A <b>study</b>", "  note: " + "long " * 20], ["no <i>file</i>"])
    page = check._repr_html_()
    assert page.startswith("<p>1 problem</p>")
    assert "no &lt;i&gt;file&lt;/i&gt;" in page
    assert "A &lt;b&gt;study&lt;/b&gt;" in page
    assert page.index("no &lt;i&gt;") < page.index("A &lt;b&gt;")
    assert page.count("long") == 20  # not cut
    assert Check(["A study"])._repr_html_().startswith("<p>no problems</p>")


def test_the_design_alone_tells_of_runs_and_clips(tmp_path):
    path = write_new_study("ds003720", tmp_path)
    root = tmp_path / "ds003720"
    for events in sorted(DESIGN.rglob("*_events.tsv")):
        for subject in ("001", "002"):
            name = "_".join(["sub-" + subject, *events.name.split("_")[-3:]])
            (root / f"sub-{subject}/func").mkdir(parents=True, exist_ok=True)
            shutil.copy(events, root / f"sub-{subject}/func" / name)
    lines = check_study(load_study(path)).lines
    (training,) = {line for line in lines if "training runs" in line}
    assert "12 training runs" in training
    assert "480 clips" in training


def test_the_command_says_what_was_written_and_what_comes_next(tmp_path):
    done = CliRunner().invoke(app, ["init", "ds003720", str(tmp_path / "new")])
    assert done.exit_code == 0
    for file in KNOWN["ds003720"].written:
        assert f"written: {tmp_path / 'new' / file}" in done.stdout
    assert f"brain2music check {tmp_path / 'new/study.toml'}" in done.stdout
    again = CliRunner().invoke(app, ["init", "ds003720", str(tmp_path / "new")])
    assert again.exit_code != 0
