"""Leaks and statistics, planted in a clean study: the right check fails."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from brain2music.analysis import noise_ceiling
from brain2music.core.store import ResponseStore
from brain2music.encoding import evaluate
from brain2music.workflow import prepare, responses

pytestmark = pytest.mark.slow
DOOR = {"only": ["saved"]}
SAME = {"only": ["invariance"]}


@pytest.mark.plants(5, "test-spike")
def test_test_runs_that_scale_training_responses_are_found(made, tools, monkeypatch):
    """Mode 5, a fault of ours: all runs make the scale of all."""

    def mean_and_sd(paths):
        return right(sorted(paths[0].parent.glob("*.npy")))

    right = responses._mean_and_sd
    monkeypatch.setattr(responses, "_mean_and_sd", mean_and_sd)
    path = tools.edit(made.write(), ("detrend", 'zscore = "train"\ndetrend'))
    _, failed = tools.examined(path, **SAME)
    assert set(failed) == {"test-spike"}
    assert "training responses" in failed["test-spike"][0].found


@pytest.mark.plants(5, "test-spike")
def test_components_of_all_runs_are_found(made, tools, monkeypatch):
    """Mode 5, a fault of ours: principal components of training and test rows."""

    def components(runs, training, **options):
        return right(runs, [np.ones_like(keep) for keep in training], **options)

    right = prepare.principal_components
    monkeypatch.setattr(prepare, "principal_components", components)
    text = 'per = "clip"\n\n[features.timbre]'
    path = tools.edit(
        made.write(), (text, text.replace("\n", "\nn_components = 2\n", 1))
    )
    _, failed = tools.examined(path, **SAME)
    assert "test-spike" in failed
    assert "training features" in failed["test-spike"][0].found


@pytest.mark.plants(6, "folds")
def test_folds_that_cut_runs_are_found(made, tools):
    """Mode 6: the study itself asks for them, as the paper did."""
    path = tools.edit(
        made.write(),
        ("[analysis]", '[decoding]\ntargets = ["music"]\nfolds = "clip"\n\n[analysis]'),
    )
    _, failed = tools.examined(path, **DOOR)
    assert set(failed) == {"folds"}
    assert "decoding.folds is 'clip'" in failed["folds"][0].found
    assert failed["folds"][0].where == ("decoding.folds",)


@pytest.mark.plants(6, "folds")
def test_a_clip_that_is_heard_in_two_folds_is_named(made, tools):
    """Mode 6: the study allows it, and penalties are chosen on what is known."""
    a, b = ("Training", "1"), ("Training", "5")
    made.events[b].loc[3, ["genre", "track"]] = made.events[a].loc[
        5, ["genre", "track"]
    ]
    clip = "{genre}.{track}".format(**made.events[a].loc[5])
    path = made.write()
    _, failed = tools.examined(path, **DOOR)
    assert set(failed) == {"inputs"}  # refused, unless it is allowed
    tools.edit(path, ("[encoding]\n", '[encoding]\nclips_over_folds = "allow"\n'))
    _, failed = tools.examined(path, **DOOR)
    assert set(failed) == {"folds"}
    assert failed["folds"][0].where == ("sub-01", clip)
    assert "1 training clips are heard in more than one" in failed["folds"][0].found


@pytest.mark.plants(7, "controls")
def test_responses_to_the_place_in_the_clip_stand_beside_the_scores(made, tools):
    """Mode 7: what predicts is where in the clip a volume lies, and never a failure."""
    place = np.tile(np.sin(np.pi * np.arange(10) / 10), 28)[:, None]
    for values in made.Y.values():
        values += 3 * place
    verdict, failed = tools.examined(made.write(), only=["null"])
    (found,) = [one for one in verdict.findings if one.key == "controls"]
    assert found.status == "shown"
    assert "clip position alone predicts" in found.found
    assert found.values["r"] > 0.3  # 0.02 in the clean study
    assert "controls" not in failed


@pytest.mark.plants(8, "shared-clips")
def test_the_same_track_on_both_sides_is_named(made, tools):
    """Mode 8: another excerpt of a track that was in training."""
    test = made.events["Test", "1"].iloc[2]
    train = made.events["Training", "3"].iloc[5]
    names = [f"{one.genre}.{one.track}" for one in (test, train)]
    rows = {
        f"{row.genre}.{row.track}": f"track {row.genre}.{row.track}"
        for table in made.events.values()
        for row in table.itertuples()
    }
    rows[names[0]] = rows[names[1]]
    path = made.write()
    table = pd.DataFrame({"clip": list(rows), "track": list(rows.values())})
    table.to_csv(path.parent / "tracks.csv", index=False)
    tools.edit(
        path,
        ("[features.music]", '[stimuli]\ntable = "tracks.csv"\n\n[features.music]'),
    )
    _, failed = tools.examined(path, **DOOR)
    assert set(failed) == {"shared-clips"}
    assert failed["shared-clips"][0].where == tuple(names)
    assert (
        "1 of 14 test clips share with a training clip"
        in failed["shared-clips"][0].found
    )


def test_features_of_whole_runs_are_no_alarm_where_clips_change_places(made, tools):
    """A series over the run stays when clips move: it says nothing of a leak."""
    path = tools.edit(
        made.write(),
        ('timbre.npz"\nper = "clip"', 'timbre_{task}_{run}.npy"\nper = "run"'),
        ("[encoding]", f"rate_hz = {1 / 1.5!r}\n\n[encoding]"),
    )
    for (task, run), table in made.events.items():
        heard = [
            made.features[f"{row.genre}.{row.track}"][1] for row in table.itertuples()
        ]
        file = path.parent / f"features/timbre_{task}_{run}.npy"
        np.save(file, np.concatenate(heard))
    verdict, failed = tools.examined(path, only=["null"])
    (found,) = [one for one in verdict.findings if one.key == "permuted-clips"]
    assert found.status == "passed"
    assert failed == {}
    tools.edit(path, ('bands = ["music", "timbre"]', 'bands = ["timbre"]'))
    verdict, failed = tools.examined(path, only=["null"])
    (found,) = [one for one in verdict.findings if one.key == "permuted-clips"]
    assert found.status == "not made"
    assert "none is moved" in found.found


@pytest.mark.plants(9, "repeats")
def test_unequal_repeats_are_said(made, tools):
    """Mode 9: one presentation of a test clip was not recorded."""
    key = ("Test", "2")
    lost = "{genre}.{track}".format(**made.events[key].iloc[-1])
    made.events[key], made.Y[key] = made.events[key].iloc[:-1], made.Y[key][:-10]
    verdict, failed = tools.examined(made.write(), **DOOR)
    (found,) = [one for one in verdict.findings if one.key == "repeats"]
    assert found.status == "shown"
    assert "3 to 4" in found.found
    assert found.where == ("sub-01", "task-Test_run-2", lost)
    assert failed == {}


@pytest.mark.plants(10, "inputs")
def test_an_roi_that_test_responses_made_is_refused(made, tools):
    """Mode 10."""
    path = made.write()
    np.savez(path.parent / "rois.npz", A1=np.arange(40) < 9)
    rois = '[rois]\nmasks = "rois.npz"\nmade_from = ["task-Test_run-2"]\n\n[analysis]'
    _, failed = tools.examined(tools.edit(path, ("[analysis]", rois)), **DOOR)
    assert set(failed) == {"inputs"}
    assert "'A1'" in failed["inputs"][0].found
    assert "task-Test_run-2" in failed["inputs"][0].where


@pytest.mark.plants(10, "roi-origin")
def test_an_roi_of_which_nobody_says_what_made_it_is_shown(made, tools):
    """Mode 10: it may have been the test responses."""
    path = made.write()
    np.savez(path.parent / "rois.npz", A1=np.arange(40) < 9)
    tools.edit(path, ("[analysis]", '[rois]\nmasks = "rois.npz"\n\n[analysis]'))
    verdict, failed = tools.examined(path, **DOOR)
    (found,) = [one for one in verdict.findings if one.key == "roi-origin"]
    assert failed == {}
    assert found.status == "shown"
    assert found.where == ("rois.npz", "sub-01")
    said = 'masks = "rois.npz"'
    tools.edit(path, (said, f'{said}\nmade_from = ["other: a localiser"]'))
    verdict, _ = tools.examined(path, **DOOR)
    (found,) = [one for one in verdict.findings if one.key == "roi-origin"]
    assert found.status == "passed"
    assert "a localiser" in found.found


@pytest.mark.plants(13, "p-values")
def test_p_of_blocks_that_are_too_short_is_found(made, tools):
    """Mode 13: blocks of 3 s change places, and all remember for a minute."""
    path = tools.edit(
        made.write(),
        ('clip = "{genre}.{track}"\n', ""),
        ('per = "clip"', f'per = "run"\nrate_hz = {1 / 1.5!r}'),
        ("music.npz", "music_{task}_{run}.npy"),
        ("timbre.npz", "timbre_{task}_{run}.npy"),
        ("500", '500\nnull = "blocks"\nblocks = "clip"\nblock_s = 3'),
    )
    rng = np.random.default_rng(1)
    for (task, run), values in made.Y.items():
        for name, n in (("music", 3), ("timbre", 3)):
            file = path.parent / f"features/{name}_{task}_{run}.npy"
            np.save(file, slow(rng, (len(values), n)))
        file = path.parent / f"bold/sub-01_task-{task}_run-{run}.npy"
        np.save(file, 100 + slow(rng, values.shape))
    _, failed = tools.examined(path, only=["null"])
    assert set(failed) == {"p-values"}
    assert "times as wide as the study's null" in failed["p-values"][0].found
    assert failed["p-values"][0].where == ("sub-01", "analysis.null")


def slow(rng, shape, slowness=0.97):
    """Return series that remember most of the sample before, of unit variance."""
    out = rng.standard_normal(shape)
    for row in range(1, len(out)):
        out[row] = slowness * out[row - 1] + np.sqrt(1 - slowness**2) * out[row]
    return out


@pytest.mark.plants(22, "repeat-ceiling")
def test_a_ceiling_that_is_too_high_is_found(made, tools, monkeypatch):
    """Mode 22, a fault of ours: r is taken for r squared."""

    def share(Y):
        return np.sqrt(np.clip(right(Y), 0, None))

    right = noise_ceiling.explainable_variance
    monkeypatch.setattr(noise_ceiling, "explainable_variance", share)
    _, failed = tools.examined(made.write(), only=["oracle"])
    assert set(failed) == {"repeat-ceiling"}
    assert failed["repeat-ceiling"][0].where == ("sub-01",)


def test_repeats_of_other_amplitudes_are_no_alarm(made, tools):
    """Their ceiling is one of r, which knows no amplitude."""
    path = tools.edit(made.write(), ("[responses]", '[responses]\nzscore = "none"'))
    for run in ("1", "2"):
        file = path.parent / f"bold/sub-01_task-Test_run-{run}.npy"
        values = np.load(file)
        for start, times in ((0, 1.6), (140, 1 / 1.6)):
            rows = slice(start, start + 70)
            values[rows] = 100 + times * (values[rows] - 100)
        np.save(file, values)
    verdict, failed = tools.examined(path, only=["oracle"])
    (found,) = [one for one in verdict.findings if one.key == "repeat-ceiling"]
    assert found.status == "passed"
    assert failed == {}


def faulty(monkeypatch, spoil):
    """Spoil the predictions of each fit that `spoil` says yes to."""

    def fit_models(X, Y, X_test, *, settings, **options):
        made = right(X, Y, X_test, settings=settings, **options)
        if not spoil(X, settings):
            return made
        noise = np.random.default_rng(0).standard_normal(made.predictions.shape)
        return replace(made, predictions=made.predictions + 0.3 * noise)

    right = evaluate.fit_models
    monkeypatch.setattr(evaluate, "fit_models", fit_models)


@pytest.mark.plants(27, "precision")
def test_a_precision_that_changes_scores_is_found(made, tools, monkeypatch):
    """Mode 27, a fault of the solver: float64 gives something else."""
    faulty(monkeypatch, lambda X, _settings: X.dtype == np.float64)
    _, failed = tools.examined(made.write(), **SAME)
    assert set(failed) == {"precision"}


@pytest.mark.plants(27, "planted-signal")
def test_a_fit_that_shrinks_what_it_finds_loses_planted_signals(
    made, tools, monkeypatch
):
    """Mode 27, a fault of the solver."""

    def fit_models(X, Y, X_test, **options):
        made = right(X, Y, X_test, **options)
        return replace(made, predictions=0.1 * made.predictions)

    right = evaluate.fit_models
    monkeypatch.setattr(evaluate, "fit_models", fit_models)
    _, failed = tools.examined(made.write(), only=["oracle"])
    assert set(failed) == {"planted-signal"}
    assert failed["planted-signal"][0].values["size"] < 0.15


@pytest.mark.plants(12, "planted-signal")
def test_penalties_that_are_all_too_large_lose_planted_signals(made, tools):
    """Mode 12: the study file's own grid."""
    alphas = "alphas = [0.1, 10, 1000, 100000]"
    path = tools.edit(made.write(), (alphas, "alphas = [1e7, 1e8]\nwiden_alphas = 0"))
    _, failed = tools.examined(path, only=["oracle"])
    assert set(failed) == {"planted-signal"}


@pytest.mark.plants(27, "precision", "voxel-order")
def test_features_that_are_nearly_the_same_are_found_by_order_or_precision(made, tools):
    """Mode 27: a column three times but for 1e-6, and no penalty to speak of."""
    rng = np.random.default_rng(0)
    for clip, (music, timbre) in made.features.items():
        copies = music[:, :1] + 1e-6 * rng.standard_normal((len(music), 3))
        made.features[clip] = np.stack([copies, timbre])
    alphas = "alphas = [0.1, 10, 1000, 100000]"
    path = tools.edit(made.write(), (alphas, "alphas = [1e-9]"))
    _, failed = tools.examined(path, **SAME)
    assert {"precision", "voxel-order"} <= set(failed)


@pytest.mark.plants(28, "voxel-order")
def test_batches_that_change_scores_are_found(made, tools, monkeypatch):
    """Mode 28, a fault of the solver: 7 voxels at a time."""
    faulty(monkeypatch, lambda _X, settings: settings.n_voxels_batch == 7)
    _, failed = tools.examined(made.write(), **SAME)
    assert set(failed) == {"voxel-order"}


@pytest.mark.plants(28, "second-process")
def test_a_process_that_computes_something_else_is_found(made, tools, monkeypatch):
    """Mode 28, a fault of ours: this process is spoilt, and the second is not."""
    faulty(monkeypatch, lambda *_: True)
    _, failed = tools.examined(made.write(), **SAME)
    assert "second-process" in failed


@pytest.mark.plants(28, "backend")
def test_a_backend_that_computes_something_else_is_found(made, tools, monkeypatch):
    """Mode 28, a fault of the solver on another library."""
    pytest.importorskip("torch")
    text = "[analysis]\n"
    path = tools.edit(made.write(), (text, f'[machine]\nbackend = "torch"\n\n{text}'))
    verdict, failed = tools.examined(path, **SAME)
    assert failed == {}
    (found,) = [one for one in verdict.findings if one.key == "backend"]
    assert found.status == "passed"
    faulty(monkeypatch, lambda _X, settings: settings.backend == "numpy")
    _, failed = tools.examined(path, **SAME)
    assert set(failed) == {"backend"}
    assert failed["backend"][0].where == ("sub-01",)


@pytest.mark.plants(7, "noise-features")
def test_training_time_points_among_those_of_test_are_found_by_noise(
    made, tools, monkeypatch
):
    """Modes 6 and 7, a fault of ours: time points are dealt to training and to test.

    Noise as slow as the responses then knows each test row by its neighbours.
    """
    rng = np.random.default_rng(0)
    for clip, (_, timbre) in made.features.items():
        made.features[clip] = (slow(rng, (10, 60), 0.9), timbre)
    for run, values in made.Y.items():
        made.Y[run] = values + slow(rng, values.shape, 0.9)
    order = np.random.default_rng(1).permutation(8 * 280)

    def build_design(*args, **options):
        return design(*args, **options)[order]

    def stacked(self, side, columns):
        both = np.concatenate([rows(self, one, columns) for one in ("train", "test")])
        return both[order][slice(6 * 280) if side == "train" else slice(6 * 280, None)]

    path = tools.edit(made.write(), ("[responses]", '[responses]\nrepeats = "keep"'))
    _, failed = tools.examined(path, only=["null"])
    assert failed == {}
    design, rows = prepare.build_design, ResponseStore._stacked
    monkeypatch.setattr(prepare, "build_design", build_design)
    monkeypatch.setattr(ResponseStore, "_stacked", stacked)
    _, failed = tools.examined(path, only=["null"])
    assert failed["noise-features"][0].where == ("sub-01",)
    assert failed["noise-features"][0].values["r"] > 0.1
