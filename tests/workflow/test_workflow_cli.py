"""Tests of the command line: exit codes, messages, and that nothing is lost."""

import gzip
import re
import sys

import numpy as np
import pandas as pd
import pytest

from brain2music import cli


@pytest.fixture
def command(monkeypatch, capsys):
    """Run a command line; return its exit code and what it said."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["brain2music", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_run_check_and_report_work_together(command, study_file, tmp_path):
    out = tmp_path / "out"
    code, said = command("check", study_file)
    assert code == 0
    assert "3 training runs (task-Training_run-1 ... task-Training_run-10)" in said
    assert "6 clips (6 heard 2 times)" in said
    assert "music (made up): 3 features at 2 delays" in said
    assert "memory while it fits" in said
    code, said = command("run", study_file, "--out", out, "--quiet", "--subject", "01")
    assert code == 0
    assert "models/sub-01" in said
    code, said = command("report", out)
    assert code == 0
    assert str(out / "report/index.html") in said


def test_check_does_not_fit_or_write(command, study_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert command("check", study_file)[0] == 0
    assert sorted(tmp_path.rglob("*")) == before


def late_event(folder):
    path = folder / "events/task-Test_run-1_events.tsv"
    table = pd.read_csv(path, sep="\t")
    table.loc[table.index[-1], "duration"] += 9
    table.to_csv(path, sep="\t", index=False)


def nan_column(folder):
    Y = np.load(folder / "npy/sub-02.npy")
    Y[200:, 3] = np.nan
    np.save(folder / "npy/sub-02.npy", Y)


def missing_run(folder):
    (folder / "csv/sub-02/task-Training_run-10_bold.csv").unlink()


def run_without_events(folder):
    """No events announce the run, but the other subject has it."""
    missing_run(folder)
    edit(folder / "study.toml", 'events = "', '# events = "')
    edit(folder / "study.toml", 'clip = "', '# clip = "')
    text = (folder / "study.toml").read_text()
    start, end = text.index("[features.music]"), text.index("[encoding]")
    space = '[features.genre]\nkind = "events"\npath = "events/task-{task}_run-{run}'
    space += '_events.tsv"\ncolumns = [{ column = "track" }]\n\n'
    text = text[:start] + space + text[end:]
    text = text.replace('bands = ["music", "genre"]', 'bands = ["genre"]')
    (folder / "study.toml").write_text(text)


def missing_label(folder):
    path = folder / "csv/sub-02/task-Test_run-2_bold.csv"
    pd.read_csv(path).drop(columns="7").to_csv(path, index=False)


def missing_events(folder):
    (folder / "events/task-Training_run-2_events.tsv").unlink()


def truncated_image(folder):
    path = folder / "nii/sub-02_task-Training_run-2_bold.nii.gz"
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole[: len(whole) // 2]))


def other_tr(folder):
    sidecar = folder / "nii/sub-02_task-Test_run-1_bold.json"
    sidecar.write_text('{"RepetitionTime": 2.0}')


def unknown_key(folder):
    edit(folder / "study.toml", "lead_in_s", "leed_in_s")


def missing_clip(folder):
    edit(folder / "study.toml", "{track:0>5}", "{track:0>6}")


FAULTS = [
    (late_event, "matrix", r"Test_run-1.*ends"),
    (nan_column, "matrix", r"sub-02, task-\w+_run-\w+.*NaN"),
    (missing_run, "tables", r"sub-02: 1 runs have events but no.*Training_run-10"),
    (missing_label, "tables", r"sub-02.*Test_run-2.*7"),
    (run_without_events, "tables", r"sub-02 lacks 1 runs.*task-Training_run-10"),
    (missing_events, "matrix", r"no events for sub-01, task-Training_run-2: expected"),
    (truncated_image, "images", r"sub-02_task-Training_run-2_bold.nii.gz"),
    (other_tr, "images", r"2.*1.5"),
    (unknown_key, "matrix", r"unknown key 'responses.leed_in_s'.*mean 'lead_in_s'"),
    (missing_clip, "matrix", r"jazz|rock|blues"),
]


@pytest.mark.parametrize(("fault", "road", "words"), FAULTS)
def test_bad_input_is_said_once_and_nothing_is_lost(
    command, write_study, tmp_path, fault, road, words
):
    path = write_study(tmp_path / "data", road=road)
    out = tmp_path / "out"
    assert command("run", path, "--out", out, "--quiet", "--stage", "tables")[0] == 0
    before = {file: file.read_bytes() for file in sorted(out.rglob("*.csv"))}
    fault(tmp_path / "data")
    code, said = command("run", path, "--out", out, "--quiet", "--stage", "tables")
    assert code == 2, said
    assert "Traceback" not in said
    assert said.startswith("brain2music: ")
    assert re.search(words, said, flags=re.DOTALL), said
    assert {file: file.read_bytes() for file in sorted(out.rglob("*.csv"))} == before


def test_an_output_folder_that_cannot_be_written_is_said_at_the_door(
    command, study_file, tmp_path
):
    file = tmp_path / "file"
    file.write_text("mine")
    code, said = command("run", study_file, "--out", file / "out", "--quiet")
    assert code == 2
    assert "cannot write to" in said
    assert "--out" in said
    assert file.read_text() == "mine"


def test_a_missing_study_file_is_named(command, tmp_path):
    code, said = command("run", tmp_path / "nothing.toml")
    assert code == 2
    assert "there is no such study file" in said


def test_a_folder_without_results_has_no_report(command, tmp_path):
    code, said = command("report", tmp_path)
    assert code == 2
    assert "holds no results of a study" in said


def test_a_fault_of_ours_is_told_apart(command, study_file, monkeypatch):
    def broken(*_, **__):
        raise KeyError("a bug")

    monkeypatch.setattr(cli, "run_study", broken)
    code, said = command("run", study_file, "--quiet")
    assert code == 1
    assert "a fault of ours" in said
    assert "Traceback" in said


def test_usage_errors_leave_with_2(command):
    assert command("run")[0] == 2
    assert command("runn")[0] == 2


def test_the_networks_are_listed_with_their_terms(command):
    code, said = command("features", "list")
    assert code == 0
    assert "w2v-bert" in said
    assert "licence: " in said
    assert "never seen by us" in said
    assert "rate_hz: 48000\n" in said
    assert {"clip-position", "noise", "category"} <= set(said.splitlines())


def test_a_folder_without_weights_cannot_be_converted(command, tmp_path):
    code, said = command("weights", "convert", tmp_path)
    assert code == 2
    assert "Traceback" not in said


def test_the_version_is_told(command):
    code, said = command("--version")
    assert code == 0
    assert said.startswith("brain2music 0.")


def test_check_tells_the_design_of_a_data_set_without_images(
    command, write_study, tmp_path
):
    path = write_study(tmp_path / "data", road="images")
    for image in (tmp_path / "data/nii").glob("*_bold.*"):
        image.unlink()
    code, said = command("check", path)
    assert code == 2
    assert "sub-01: the images of all 5 runs are missing" in said
    assert "2 test runs" in said
    assert "6 clips (6 heard 2 times)" in said


def test_figures_of_a_study_are_drawn_and_the_others_listed(
    command, finished, tmp_path
):
    _, result = finished
    folder = tmp_path / "figures"
    asked = ("figures", result.out, "--out", folder, "--quiet")
    code, said = command(*asked, "--format", "svg,png", "--width", "85", "--dpi", 300)
    assert code == 0
    assert "rois: 4 files" in said
    assert "not drawn: lags (no lags were decoded" in said
    assert "not drawn: maps (" in said
    assert (folder / "rois.svg").exists()
    assert (folder / "rois.csv").exists()
    code, said = command(*asked, "--only", "rois", "--only", "lags")
    assert code == 2
    assert "lags: no lags were decoded" in said
    code, said = command(*asked, "--only", "roi")
    assert code == 2
    assert "Did you mean 'rois'?" in said
    code, said = command("figures", tmp_path / "nothing")
    assert code == 2
    assert "holds no results of a study" in said
