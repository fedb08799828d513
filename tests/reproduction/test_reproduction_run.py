"""Tests of a whole reproduction, of the shipped study in small."""

import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from brain2music import load_study
from brain2music.cli import app
from brain2music.core.checks import InputError, MissingFileError
from brain2music.reproduction import reproduce as module
from brain2music.reproduction.published import literature
from brain2music.reproduction.reproduce import reproduce
from brain2music.workflow.paper_figures import PaperFigures

SUBJECTS = ("001", "002")  # of the five of the study
RUNS = ("volumes", "repeats", "folds")
SWEEPS = (*RUNS, "items", "axis", "null", "controls", "overlap")
# Tables that need sound and networks, or another decoder; and a clip more than 20.
MUSIC = {"retrieval", "generation", "class_agreement"}


@pytest.fixture(scope="module")
def done(paper_folder):
    return reproduce(paper_folder, sweeps=SWEEPS, subjects=SUBJECTS)


@pytest.mark.slow
def test_the_shipped_study_has_a_number_for_each_that_it_can_have(done):
    found = done.numbers.reset_index(drop=True)
    lacking = {}
    for one, (_, row) in zip(literature().numbers, found.iterrows(), strict=True):
        why = row["not_ours_since"]
        assert (why == "") == np.isfinite(row["ours"]) == (row["n"] > 0), row
        if why and not one.why:
            lacking.setdefault(one.table, []).append((one, why))
    assert set(lacking) == MUSIC | {"decoding_across", "decoding"}
    for one, why in lacking["decoding"]:  # all else is of a table that is not made
        few = one.rows["metric"] == "50-way accuracy"  # of 20 clips
        absent = one.subject in (3, 4, 5)
        assert few or absent or one.sweep == "decoder", why
    for table in MUSIC | {"decoding_across"}:
        (why,) = {why for _, why in lacking[table]}
        assert why.startswith(f"this study makes no table {table}; it needs ")
    assert (found["n"] > 0).sum() == 63


@pytest.mark.slow
def test_our_numbers_are_those_of_the_tables(done):
    numbers = done.numbers.set_index(["item", "what", "of"])
    label = "MuLan-music (mulan-music, made up)"
    table = done.result.table

    cards = table("decoding").query(
        "target == 'mulan-music' and metric == 'identification accuracy' "
        "and pool == 'clips'"
    )
    mine = numbers.loc["Table 2", "identification accuracy", label]
    assert mine["ours"] == pytest.approx(cards["value"].mean())
    assert (mine["published"], mine["n"]) == (0.876, 2)

    voxels = table("voxel_scores").query("model == 'alone' and score == 'r'")
    music = voxels[voxels["feature_space"] == "mulan-music"]
    what = "mean r over all voxels; MuLan explains far more than one-hot genre there"
    mean = music.groupby("subject")["value"].mean().mean()
    assert numbers.loc["Figure 7b", what, label]["ours"] == pytest.approx(mean)
    best = music.loc[music["subject"] == "001", "value"].max()
    mine = numbers.loc["Figure 5", "r of the best voxel of subject 1", label]
    assert (mine["ours"], mine["n"]) == (pytest.approx(best), 1)

    sides = table("roi_scores").query(
        "model == 'alone' and feature_space == 'mel' and subject == '001' "
        "and roi in ['L_LBelt_ROI', 'R_LBelt_ROI']"
    )
    assert len(sides) == 2
    both = np.average(sides["r_mean"], weights=sides["n_voxels"])
    mine = numbers.loc["Figure 3", "mean r in LBelt", "mel (mel, made up)"]
    assert float(mine["each"].split()[0]) == pytest.approx(both, abs=5e-4)


@pytest.mark.slow
def test_a_volume_alone_is_read_from_the_run_that_decodes_volumes(done, paper_folder):
    numbers = done.numbers[done.numbers["item"] == "one volume alone"]
    assert numbers["n"].tolist() == [1] * 7 + [0] * 3
    lags = next(paper_folder.glob("reproduction/sweeps/volumes-*/tables"))
    lags = pd.read_csv(lags / "decoding_lags.csv").query("target == 'mulan-music'")
    value = lags.set_index("lag")["value"]
    np.testing.assert_allclose(numbers["ours"].iloc[:7], value.loc[3:9], rtol=1e-6)


@pytest.mark.slow
def test_each_reading_shows_what_it_changes(done):
    sweeps = done.sweeps
    assert set(sweeps["choice"]) == set(SWEEPS)
    change = sweeps["instead_value"] - sweeps["as_taken"]
    np.testing.assert_allclose(sweeps["change"], change)
    measured = sweeps.groupby(["choice", "measure"])["change"]
    moved = measured.agg(lambda values: bool((values != 0).any()))
    assert moved["repeats", "mean r over all voxels"]
    windows = "identification accuracy of windows among other clips"
    assert moved["repeats", windows]
    assert moved["items", "identification accuracy"]
    assert moved["folds", "identification accuracy of clips"]
    assert ("folds", "mean r over all voxels") not in moved  # nothing is fitted again
    taken = dict(zip(sweeps["choice"], sweeps["taken"], strict=True))
    assert taken["repeats"].startswith("responses.repeats = average: averaged, as")
    control = sweeps[sweeps["instead"].str.contains("should not reach")]
    assert set(control["of"]) >= {"mulan-music", "mulan-text"}
    genre = sweeps[sweeps["instead"] == "among clips of the same genre"]
    assert set(genre["of"]) == {"mulan-music", "mulan-text", "w2v-bert", "soundstream"}


@pytest.mark.slow
def test_the_page_names_everything(done):
    page = done.page.read_text(encoding="utf-8")
    for text in (
        "ds003720, as in Brain2Music: the reproduction",
        "Numbers: Denk, Takagi",
        "Where the paper is silent",
        "Figure: ",
        "figure maps: ",  # listed with its reason
        "no pool clips, artist-safe",  # a reading that this study does not have
    ):
        assert text in page, text
    written = pd.read_csv(done.page.parent / "numbers.csv")
    assert len(written) == len(literature().numbers)
    assert (done.page.parent / "sweeps.csv").exists()


@pytest.fixture
def undrawn(monkeypatch, tmp_path):
    """Draw no figure, which takes longest of what is done again."""
    nothing = PaperFigures(tmp_path, {}, {})
    monkeypatch.setattr(module, "draw_paper", lambda *_, **__: nothing)


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_second_call_makes_nothing_again_and_shows_no_older_sweeps(
    done, paper_folder, tmp_path
):
    place = tmp_path / "again"
    shutil.copytree(paper_folder, place)
    again = reproduce(place, sweeps=[*RUNS, "items"], subjects=SUBJECTS)
    assert again.result.made == ()
    assert set(again.sweeps["choice"]) == {*RUNS, "items"}
    assert again.numbers.to_csv() == done.numbers.to_csv()
    again = reproduce(place, sweeps=["none"], subjects=SUBJECTS)
    assert again.sweeps is None
    assert not (again.page.parent / "sweeps.csv").exists()
    assert "Where the paper is silent" not in again.page.read_text(encoding="utf-8")
    assert again.numbers["n"].sum() == done.numbers["n"].sum() - 7  # single volumes


@pytest.mark.slow
@pytest.mark.usefixtures("done", "undrawn")
def test_the_command_shows_what_is_of_the_asked_subject_alone(paper_folder, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(paper_folder, place)
    options = ["--sweep", "none", "--subject", "001", "--quiet"]
    result = CliRunner().invoke(app, ["reproduce", str(place), *options])
    assert result.exit_code == 0, result.output
    assert "published numbers have one of ours" in result.output
    page = (place / "reproduction/index.html").read_text(encoding="utf-8")
    notes = page.split('id="notes"')[1].split('id="numbers-B"')[0]
    assert "sub-001" in notes
    assert "sub-002" not in notes


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_subjects_by_each_other_are_held_against_aligned_ones(paper_folder):
    done = reproduce(
        paper_folder, study="across.toml", sweeps=["none"], subjects=SUBJECTS
    )
    assert done.page.parent.name == "reproduction-across"
    numbers = done.numbers[done.numbers["published"].isin([0.911, 0.9012, 0.914])]
    cards = done.result.table("decoding_across").query(
        "metric == 'identification accuracy' and pool == 'clips'"
    )
    np.testing.assert_allclose(numbers["ours"], cards["value"].mean())
    assert numbers["n"].tolist() == [2, 2, 2]


def test_classes_that_agree_have_the_generator_beside_them(tmp_path):
    tables = tmp_path / "tables"
    tables.mkdir()
    agreed = pd.DataFrame({"subject": ["01", "02"], "agreement": [0.1, 0.2]})
    agreed.to_csv(tables / "class_agreement.csv", index=False)
    assert "generator" not in module.table_of_run(tmp_path, "class_agreement")
    made = pd.DataFrame({"subject": ["02", "01", "01"], "generator": ["b", "a", "a"]})
    made.to_csv(tables / "generation.csv", index=False)
    found = module.table_of_run(tmp_path, "class_agreement")
    assert found["generator"].tolist() == ["a", "b"]
    assert module.table_of_run(tmp_path, "decoding") is None


@pytest.fixture
def written(monkeypatch):
    """Give what pages are written of; nothing is run."""
    pages = []
    monkeypatch.setattr(module, "run", lambda *_, **__: None)
    monkeypatch.setattr(module, "draw_paper", lambda *_, **__: None)
    monkeypatch.setattr(module, "compare_numbers", lambda *_: pd.DataFrame())
    monkeypatch.setattr(
        module,
        "write_reproduction",
        lambda place, **given: pages.append(given | {"place": place}),
    )
    return pages


def test_results_of_another_study_do_not_go_over_those_of_the_paper(tmp_path, written):
    for name in ("paper.toml", "across.toml"):
        (tmp_path / name).write_text(MINIMAL, encoding="utf-8")
        reproduce(tmp_path, study=name, sweeps=["none"])
    places = [page["place"].name for page in written]
    assert places == ["reproduction", "reproduction-across"]
    assert [page["out"].parent for page in written] == [p["place"] for p in written]


def test_the_page_is_there_when_a_sweep_fails(tmp_path, monkeypatch, written):
    def fails(*_):
        raise InputError("no space left")

    monkeypatch.setattr(module, "run_sweeps", fails)
    (tmp_path / "paper.toml").write_text(MINIMAL, encoding="utf-8")
    with pytest.raises(InputError, match="no space left"):
        reproduce(tmp_path)
    assert [given["sweeps"] for given in written] == [None]


MINIMAL = """
title = "x"
[dataset]
root = "."
subjects = ["01"]
responses = "x.npy"
tr_s = 1.5
train = { run = "1" }
test = { run = "2" }
[features.mel]
kind = "array"
path = "mel.npy"
per = "run"
rate_hz = 1
[encoding]
bands = ["mel"]
"""


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ("paper.toml", "brain2music init ds003720"),
        ("mine.toml", r"mine.toml is not there. Study files there: other.toml, y.toml"),
    ],
)
def test_a_missing_study_file_says_what_there_is(study, words, tmp_path):
    for name in ("other.toml", "y.toml"):
        (tmp_path / name).touch()
    with pytest.raises(MissingFileError, match=words):
        reproduce(tmp_path, study=study)


def test_what_the_design_shortens_is_still_the_shipped_study(paper_folder, paper_file):
    small, whole = load_study(paper_folder / "paper.toml"), load_study(paper_file)
    for name in ("alignment", "dataset", "encoding"):
        small_part, part = small.part(name)[name], whole.part(name)[name]
        different = {key for key in part if part[key] != small_part[key]}
        assert different <= {"root", "bands"}, name
    assert small.decoding.decoder == whole.decoding.decoder
