"""A study from responses to music, by small networks of the real classes."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music import load_study, run
from brain2music.workflow.alignment import align
from brain2music.workflow.generation import PRIOR, RANKED
from brain2music.workflow.opening import open_subject
from brain2music.workflow.same_tracks import HALVES
from brain2music.workflow.sources import space_runs
from brain2music.workflow.tagging import GENERATED, NEAREST, RANDOM, RETRIEVED

pytest.importorskip("torch")
pytest.importorskip("transformers")

GENERATION = """
[generation]
generator = "musicldm"
weights = "networks/tiny-musicldm"
tagger = "networks/tiny-tagger"
seconds = 10
steps = 2
strength = 0.5
rank = "likelihood"
n_candidates = 2
n_permutations = 200
n_resamples = 200
seed = 5
"""
N_VOXELS = 40
CONDITIONS = ["decoded", "decoded of random responses", "mean decoded"]
IDENTIFICATION = "identification accuracy"


def plant(study, name):
    """Write responses of subject 01 that follow a feature space, one TR later."""
    aligned = align(study, open_subject(study, "01"))
    layers, _ = space_runs(study, aligned, name)
    runs = dict(zip(map(str, aligned.opened.runs), layers[""], strict=True))
    rows = np.concatenate([*runs.values()])
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    _, s, axes = np.linalg.svd((rows - mean) / scale, full_matrices=False)
    kept = s > 0.05 * s[0]
    turned = axes[kept].T / (s[kept] / np.sqrt(len(rows)))
    rng = np.random.default_rng(12)
    W = rng.standard_normal((kept.sum(), N_VOXELS))
    table = pd.read_csv(study.root / "runs.csv", dtype=str)
    Y = np.empty((len(table), N_VOXELS), np.float32)
    for (task, label), mine in table.groupby(["task", "run"]).groups.items():
        X = (runs[f"task-{task}_run-{label}"] - mean) / scale @ turned
        heard = np.vstack([np.zeros((1, X.shape[1])), X[:-1]])
        Y[mine] = 20 + heard @ W + 0.3 * rng.standard_normal((len(X), N_VOXELS))
    np.save(study.root / "npy/sub-01.npy", Y)


@pytest.fixture(scope="module")
def made(with_generator, tmp_path_factory):
    """Return the folder of a run of one subject, and its page."""
    folder = tmp_path_factory.mktemp("music")
    shutil.copytree(with_generator.parent, folder / "data")
    path = folder / "data/study.toml"
    text = path.read_text().replace("[encoding]\n", f"{GENERATION}\n[encoding]\n")
    path.write_text(text.replace('subjects = ["01", "02"]', 'subjects = ["01"]'))
    study = load_study(path)
    plant(study, "clap")
    return folder / "out", run(study, folder / "out")


def table(made, name):
    return pd.read_csv(made[0] / f"tables/{name}.csv", dtype={"subject": str})


@pytest.mark.slow
def test_what_was_planted_is_decoded_and_found(made):
    decoded = table(made, "decoding").set_index(["pool", "metric"])
    clips = decoded.loc["clips", IDENTIFICATION]
    assert clips["p"] < 0.05
    assert clips["value"] > clips["chance"] == 0.5
    found = table(made, "retrieval").query(f"metric == {IDENTIFICATION!r}")
    found = found[found["pool"].str.startswith("all ")]
    own = found[found["scored_by"] == "CLAP, tiny-clap"].set_index("items")
    assert own.loc["retrieved", "p"] < 0.05
    assert own.loc["retrieved", "value"] <= own.loc["oracle", "value"]
    assert own.loc["retrieved", "value"] > own.loc["random track", "value"]
    assert own.loc["random track", "p"] > 0.01
    assert len(table(made, "retrieved")) == 6 * 3


@pytest.mark.slow
def test_controls_of_what_is_made_stand_beside_it_and_are_at_chance(made):
    scores = table(made, "generation")
    assert set(scores["generator"]) == {"musicldm, tiny-musicldm (random weights)"}
    plain = scores[scores["metric"] == IDENTIFICATION]
    judge = "w2v-BERT 2.0, tiny-w2v-bert, layer 3"
    assert plain["scored_by"].tolist() == ["CLAP, tiny-clap", judge]
    ranked = "most likely of 2 by the response that is scored"
    for metric, candidate in ((PRIOR, "first"), (RANKED, ranked)):
        rows = scores[scores["metric"] == metric]
        assert rows["conditioning"].tolist() == CONDITIONS
        assert set(rows["candidate"]) == {candidate}
        assert set(rows["scored_by"]) == {judge}
        assert (rows["p"] > 0.01).all()  # 1 / 201 is the least: weights are random
        assert (rows["low"] <= rows["value"]).all()
        assert (rows["value"] <= rows["high"]).all()
    again = scores[(scores["metric"] == RANKED)].iloc[0]
    assert again["value"] == pytest.approx(plain["value"].iloc[1])


@pytest.mark.slow
def test_classes_agree_inside_a_track_and_not_in_random_pairs(made):
    agreed = table(made, "class_agreement")
    assert set(agreed["tagger"]) == {"tiny-tagger (random weights)"}
    by = dict(list(agreed.groupby("compared")))
    assert set(by) == {GENERATED, RETRIEVED, NEAREST, HALVES, RANDOM}
    assert all(
        set(rows["group"]) == {"genres", "instruments", "moods"} for rows in by.values()
    )
    assert (by[HALVES]["p"] < 0.05).all()
    assert (by[HALVES]["low"] > by[HALVES]["chance"]).all()
    assert (by[RANDOM]["p"] > 0.01).all()


@pytest.mark.slow
def test_sound_says_what_made_it_and_can_be_played(made):
    out, done = made
    place = out / "generation/sub-01"
    waves = sorted(place.glob("*.wav"))
    tracks = set(pd.read_csv(out / "corpus/tracks.csv", dtype=str)["track"])
    assert len(waves) == 6
    clips = set()
    for wave in waves:
        facts = json.loads(wave.with_suffix(".json").read_text())
        assert soundfile.info(wave).duration == pytest.approx(10)
        assert len(facts["scores"]) == 2
        assert facts["candidate"] == int(np.argmax(facts["scores"]))
        assert (facts["trained"], facts["rank"]) == (False, "likelihood")
        assert (facts["strength"], facts["steps"]) == (0.5, 2)
        assert facts["anchor"] in tracks
        clips.add(facts["clip"])
    assert len(clips) == 6
    page = done.report.read_text()
    assert page.count("<audio controls") == 3 * 6
    assert "never trained: what it makes is noise" in page
    assert "the ranking is part of the decoder" in page
    assert run(load_study(out.parent / "data/study.toml"), out).made == ()


@pytest.mark.slow
def test_text_is_decoded_while_music_is_heard(heard_copy, tmp_path):
    """Captions are a target like any other: one vector for the whole of a clip."""
    path = heard_copy(
        ('["clap", "genre"]', '["words", "genre"]'),
        ('targets = ["clap"]', 'targets = ["words"]'),
        ('target = "clap"', 'target = "words"'),
        ('subjects = ["01", "02"]', 'subjects = ["01"]'),
    )
    study = load_study(path)
    plant(study, "words")
    out = tmp_path / "out"
    made = out, run(study, out)
    decoded = table(made, "decoding").set_index(["pool", "metric"])
    clips = decoded.loc["clips", IDENTIFICATION]
    assert clips["source"] == "CLAP, tiny-clap"
    assert clips["p"] < 0.05
    assert clips["value"] > clips["chance"] == 0.5
    with np.load(out / "decoding/sub-01/words.npz") as saved:
        true, kept = saved["true"], saved["dimensions"]
    rows = pd.read_csv(out / "decoding/sub-01/rows.csv", dtype=str)
    aligned = align(study, open_subject(study, "01"))
    layers, _ = space_runs(study, aligned, "words")
    for clip in rows["clip"].unique():
        first, *others = true[rows["clip"] == clip]
        np.testing.assert_allclose(others, np.tile(first, (len(others), 1)), atol=1e-5)
        run_of = aligned.rows.query("clip == @clip")["run_name"].iloc[0]
        runs = dict(zip(map(str, aligned.opened.runs), layers[""], strict=True))
        gaps = np.abs(runs[run_of][:, kept] - first).max(axis=1)
        assert gaps.min() < 1e-5  # it is what the network makes of the caption
    found = table(made, "retrieved")
    assert set(found["target"]) == {"words"}
