"""Tests of a study that learns from one task and is tested on another."""

import shutil

import numpy as np
import pandas as pd
import pytest

from brain2music import load_study, run
from brain2music.workflow.tables import read_table


def imagine(path, rng):
    """Let test runs be of the training clips; only subject 01 responds to these."""
    folder = path.parent
    for label in ("1", "2"):
        heard = folder / f"events/task-Training_run-{label}_events.tsv"
        shutil.copy(heard, folder / f"events/task-Test_run-{label}_events.tsv")
    with np.load(folder / "features/music.npz") as saved:
        features = dict(zip(saved["clips"].tolist(), saved["features"], strict=True))
    runs = pd.read_csv(folder / "runs.csv", dtype=str)
    weights = rng.standard_normal((3, 12))
    for subject in ("01", "02"):
        Y = rng.standard_normal((len(runs), 12))
        for (task, label), rows in runs.groupby(
            ["task", "run"], sort=False
        ).groups.items():
            name = f"events/task-{task}_run-{label}_events.tsv"
            events = pd.read_csv(folder / name, sep="\t")
            clips = events["genre"].str.strip("'") + "."
            clips += events["track"].astype(str).str.zfill(5)
            X = np.vstack([features[clip] for clip in clips])
            if task == "Training" or subject == "01":
                Y[rows] += np.vstack([np.zeros((1, 3)), X[:-1]]) @ weights
        np.save(folder / f"npy/sub-{subject}.npy", Y.astype(np.float32))


@pytest.mark.slow
def test_what_was_learned_of_one_task_is_tested_on_another(tmp_path, write_study, rng):
    path = write_study(tmp_path / "data", clip_samples=12)
    imagine(path, rng)
    text = '[decoding]\ntargets = ["music"]\nn_folds = 3\nn_permutations = 500\n'
    whole = path.read_text().replace("tr_s", 'shared_clips = "allow"\ntr_s', 1)
    path.write_text(whole + text)
    result = run(load_study(path), tmp_path / "out", stage="tables")
    found = read_table(result.out / "tables", "decoding")
    found = found[found["pool"] == "windows of other clips"].set_index("subject")
    accuracy = found[found["metric"] == "identification accuracy"]
    assert accuracy.loc["01", "value"] > accuracy.loc["01", "chance"] + 0.15
    assert accuracy.loc["01", "p"] < 0.01
    assert abs(accuracy.loc["02", "value"] - accuracy.loc["02", "chance"]) < 0.1
    assert accuracy.loc["02", "p"] > 0.01
    assert "12 test clips were in training, too" in "\n".join(result.notes)
