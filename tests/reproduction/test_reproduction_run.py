"""Tests of a whole reproduction, on a small simulated study."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from brain2music.cli import app
from brain2music.core.checks import InputError, MissingFileError
from brain2music.reproduction.published import Choice, Variation, literature
from brain2music.reproduction.reproduce import reproduce
from brain2music.reproduction.sweeps import chosen_sweeps, vary
from brain2music.study import load_study

N_VOXELS, TR_S, CLIP = 12, 1.5, 8
STUDY = """
title = "The paper's study, small & <simulated>"

[dataset]
root = "."
subjects = ["01", "02"]
responses = "sub-{subject}.npy"
runs = "runs.csv"
events = "task-{task}_run-{run}_events.tsv"
clip = "{genre}.{track:0>5}"
tr_s = 1.5
train = { task = "Training" }
test = { task = "Test" }
simulated = true

[responses]
lead_in_s = 12
detrend = "linear"

[features.mulan-music]
kind = "array"
source = "made up"
path = "music.npz"
per = "clip"

[features.genre]
kind = "category"
column = "genre"

[encoding]
bands = ["mulan-music", "genre"]
delays = [1, 2]
n_candidates = 5
alphas = [0.1, 1, 10, 100, 1000]

[analysis]
n_resamples = 200
n_permutations = 200

[decoding]
targets = ["mulan-music"]
folds = "clip"
genres = "genre"
lags = [0, 3]
n_folds = 3
n_permutations = 100
n_resamples = 100
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a study whose responses follow music."""
    folder = tmp_path_factory.mktemp("paper")
    rng = np.random.default_rng(0)
    genres, W = ("classical", "jazz", "rock"), rng.standard_normal((4, N_VOXELS))
    names = [("Training", str(k)) for k in range(1, 4)] + [("Test", "1")]
    music, rows, Y = {}, [], {"01": [], "02": []}
    for number, (task, label) in enumerate(names):
        order = [f"{genres[k % 3]}.{10 * number + k:05d}" for k in range(6)]
        order = order if task == "Training" else order * 2
        music |= {clip: rng.standard_normal((CLIP, 4)) for clip in order}
        heard = [order[-1], *order]
        events = pd.DataFrame(
            {
                "onset": CLIP * TR_S * np.arange(len(heard)),
                "duration": CLIP * TR_S,
                "genre": [clip.split(".")[0] for clip in heard],
                "track": [int(clip.split(".")[1]) for clip in heard],
            }
        )
        events.to_csv(
            folder / f"task-{task}_run-{label}_events.tsv", sep="\t", index=False
        )
        X = np.concatenate([music[clip] for clip in heard])
        late = np.vstack([np.zeros((1, 4)), X[:-1]])
        for subject, noise in (("01", 1.0), ("02", 3.0)):
            more = noise * rng.standard_normal((len(X), N_VOXELS))
            Y[subject].append(100 + late @ W + more)
        rows += [(task, label)] * len(X)
    for subject, parts in Y.items():
        np.save(folder / f"sub-{subject}.npy", np.concatenate(parts).astype("f4"))
    pd.DataFrame(rows, columns=["task", "run"]).to_csv(folder / "runs.csv", index=False)
    clips = list(music)
    values = np.stack([music[clip] for clip in clips])
    np.savez(folder / "music.npz", clips=clips, features=values, rate_hz=1 / TR_S)
    (folder / "paper.toml").write_text(STUDY, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def done(folder):
    return reproduce(folder, sweeps=["folds", "zscore", "lag"])


@pytest.mark.slow
def test_our_numbers_stand_beside_published_ones(done):
    numbers = done.numbers.set_index(["item", "what"])
    mine = numbers.loc["Table 2", "identification accuracy"]
    mine = mine[mine["of"] == "MuLan-music (made up)"]
    cards = done.result.table("decoding").query(
        "metric == 'identification accuracy' and pool == 'clips'"
    )
    assert mine["ours"].item() == pytest.approx(cards["value"].mean())
    assert mine["published"].item() == 0.876
    assert mine["n"].item() == 2
    text = numbers[numbers["of"] == "mulan-text"]["not_ours_since"]
    assert (text != "").all()
    lag = numbers.loc["one volume alone"]
    assert lag["ours"].notna().sum() == 1  # of the lags that the study asks for
    genre = numbers.loc["Figure 4c"]["ours"].item()
    assert 0 <= genre <= 1


@pytest.mark.slow
def test_each_reading_is_run_and_what_does_not_apply_is_said(done, folder):
    sweeps = done.sweeps
    assert set(sweeps["choice"]) == {"folds", "zscore"}
    assert set(sweeps["of"]) == {"MuLan-music", "mulan-music", "genre"} & set(
        sweeps["of"]
    )
    change = sweeps["instead_value"] - sweeps["as_taken"]
    np.testing.assert_allclose(sweeps["change"], change)
    encoded = sweeps["measure"] == "mean r over all voxels"
    folds = sweeps["choice"] == "folds"
    assert (sweeps.loc[folds & encoded, "change"] == 0).all()
    assert (sweeps.loc[~folds & encoded, "change"] != 0).any()
    page = done.page.read_text(encoding="utf-8")
    assert "sweep lag, 3 s" in page  # rows of volumes have no lag
    # What a reading does not touch is the same file, and made once.
    own, other = (
        folder / "reproduction" / place / "features/sub-01/X_train.npy"
        for place in ("results", "sweeps/folds-whole-runs")
    )
    assert own.stat().st_ino == other.stat().st_ino


@pytest.mark.slow
def test_the_page_names_everything_and_escapes_it(done):
    page = done.page.read_text(encoding="utf-8")
    assert "small &amp; &lt;simulated&gt;: the reproduction" in page
    assert "Simulated data" in page
    for text in ("Numbers: Denk, Takagi", "Where the paper is silent", "Figure: "):
        assert text in page
    assert "figure maps: " in page  # listed with its reason
    written = pd.read_csv(done.page.parent / "numbers.csv")
    assert len(written) == len(literature().numbers)
    assert (done.page.parent / "sweeps.csv").exists()


@pytest.mark.slow
def test_a_second_call_makes_nothing_again(done, folder):
    again = reproduce(folder, sweeps=[])
    assert again.result.made == ()
    assert again.sweeps is None
    assert again.numbers.to_csv() == done.numbers.to_csv()


@pytest.mark.slow
def test_the_command_does_the_same(folder, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(folder, place, ignore=shutil.ignore_patterns("reproduction"))
    options = ["--sweep", "none", "--subject", "01", "--quiet"]
    result = CliRunner().invoke(app, ["reproduce", str(place), *options])
    assert result.exit_code == 0, result.output
    assert "published numbers have one of ours" in result.output
    assert Path(place / "reproduction/index.html").exists()


def test_a_folder_without_a_study_says_how_to_write_one(tmp_path):
    with pytest.raises(MissingFileError, match="brain2music init ds003720"):
        reproduce(tmp_path)


def test_an_unknown_sweep_is_named():
    with pytest.raises(InputError, match="Did you mean 'folds'"):
        chosen_sweeps(["fold"])
    assert chosen_sweeps([]) == []
    assert len(chosen_sweeps(None)) == len(literature().choices)


def test_a_reading_that_cannot_be_is_refused(folder):
    study = load_study(folder / "paper.toml")
    (lag,) = chosen_sweeps(["lag"])
    assert isinstance(lag, Choice)
    with pytest.raises(ValueError, match="lag"):
        vary(study, lag.variations[0])
    other = vary(study, Variation("x", {"decoding": {"folds": "run"}}))
    assert other.decoding.folds == "run"
    assert other.encoding == study.encoding
