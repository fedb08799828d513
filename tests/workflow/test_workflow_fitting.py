"""Tests of what a study says of its fits, and of the library that makes them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music import check_study, load_study, run
from brain2music.core.checks import InputError
from brain2music.core.ridge.levers import EXACT
from brain2music.core.threads import limit_threads
from brain2music.encoding.layers import LayerChoice
from brain2music.workflow import fitting
from brain2music.workflow.fitting import ridge_settings


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return load_study(path)


ENCODING = """[encoding]
compression_tolerance = 0.01
racing_margin = -0.25
placed_candidates = 7
interpolate_alphas = true
follow_alphas = true
widen_alphas = 5
stacking = true
seed = 11
"""
MACHINE = """[machine]
voxels_per_batch = 13
max_memory_gb = 1.5
backend = "torch"

[encoding]
"""


def test_settings_of_the_study_reach_the_fit(study_file):
    edit(study_file, "[encoding]\n", MACHINE)
    study = edit(study_file, "[encoding]\n", ENCODING)
    settings = ridge_settings(study, 5e8)
    levers = settings.levers
    assert (levers.tolerance, levers.margin, levers.n_refined) == (0.01, -0.25, 7)
    assert (levers.interpolate, levers.follow, levers.widen) == (True, True, 5)
    assert (settings.alphas, settings.n_candidates) == ((0.1, 1, 10, 100, 1000), 5)
    assert (settings.seed, settings.stacking, settings.solver) == (
        11,
        True,
        "fold-gram",
    )
    assert (settings.n_voxels_batch, settings.max_memory_gb) == (13, 1.5)
    assert settings.other_gb == 0.5
    assert settings.backend == "torch"


def test_himalaya_leaves_nothing_out_and_runs_on_numpy(study_file):
    study = edit(study_file, "[encoding]\n", '[encoding]\nsolver = "himalaya"\n')
    settings = ridge_settings(study, 0)
    assert settings.levers == EXACT
    assert (settings.solver, settings.backend) == ("himalaya", "numpy")


FILES = ("weights", "predictions", "cv_scores", "predictions_alone", "band_weights")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_study_on_torch_has_the_results_of_numpy(study_file, tmp_path, precision):
    pytest.importorskip("torch")
    study = edit(study_file, '"float64"', f'"{precision}"')
    on_torch = replace(study, machine=replace(study.machine, backend="torch"))
    used = []
    original = fitting.fit_layers

    def fit_layers(*arrays, settings, **options):
        used.append(settings.backend)
        return original(*arrays, settings=settings, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit_layers", fit_layers)
        for name, one in (("numpy", study), ("torch", on_torch)):
            run(one, tmp_path / name, stage="encoding", subjects=["01"])
    assert used == ["numpy", "torch"]
    # In float32, candidates that tie may be chosen either way.
    for file in FILES if precision == "float64" else ["cv_scores"]:
        first, second = (
            np.load(tmp_path / name / f"models/sub-01/{file}.npy")
            for name in ("numpy", "torch")
        )
        assert_allclose(second, first, atol=1e-5, err_msg=file)
    # No part of a result's identity: what stands is not made again.
    again = run(on_torch, tmp_path / "numpy", stage="encoding", subjects=["01"])
    assert not again.made


@pytest.mark.parametrize(
    ("backend", "said", "advice"),
    [
        ("torch", "No module named 'torch'.", r"pip install 'brain2music\[models\]'"),
        ("torch_cuda", "PyTorch with CUDA is not available.", "needs an NVIDIA GPU"),
    ],
)
def test_a_backend_that_is_not_there_is_said_at_the_door(
    study_file, tmp_path, monkeypatch, backend, said, advice
):
    def missing(name):
        raise {"torch": ImportError, "torch_cuda": RuntimeError}[name](said)

    study = edit(
        study_file, "[encoding]\n", f'[machine]\nbackend = "{backend}"\n\n[encoding]\n'
    )
    monkeypatch.setattr("himalaya.backend.set_backend", missing)
    words = rf"^machine.backend '{backend}' cannot be used here: {said} .*{advice}"
    with pytest.raises(InputError, match=words):
        run(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (problem,) = check_study(study).problems
    assert problem.startswith(f"machine.backend '{backend}' cannot be used here")


PLAIN = """
import sys
import numpy as np
from brain2music.core.types import Band
from brain2music.encoding.banded_ridge import BandedRidge
import brain2music.workflow.pipeline
X = np.random.default_rng(0).standard_normal((40, 5))
BandedRidge([Band("a", 2), Band("b", 3)], alphas=[1.0]).fit(
    X, X[:, :2], groups=np.arange(40) % 4
)
sys.exit("torch" in sys.modules)
"""


def test_a_fit_on_numpy_does_not_load_torch():
    subprocess.run([sys.executable, "-c", PLAIN], check=True)


def test_the_threads_of_torch_are_limited_and_put_back():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with limit_threads(2):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_roi_that_could_not_choose_its_layer_is_in_the_notes(
    study_file, tmp_path, monkeypatch
):
    original = fitting.fit_layers

    def fit_layers(*arrays, **options):
        result, bands, _ = original(*arrays, **options)
        none = np.zeros((1, 12)), np.zeros(12, int)
        return result, bands, [LayerChoice("music", ("7",), *none, ("STG",))]

    monkeypatch.setattr(fitting, "fit_layers", fit_layers)
    study = load_study(study_file)
    notes = run(study, tmp_path / "out", stage="encoding", subjects=["01"]).notes
    assert any("sub-01: no voxel of STG has a score" in note for note in notes)


def test_rois_choose_by_their_names(study_file, tmp_path, monkeypatch):
    masks = np.zeros((2, 12), dtype=bool)
    masks[0, :4] = masks[1, 4:9] = True
    np.savez(study_file.parent / "rois.npz", one=masks[0], other=masks[1])
    study = edit(study_file, "[analysis]", '[rois]\nmasks = "rois.npz"\n\n[analysis]')
    seen = {}
    original = fitting.fit_layers

    def fit_layers(*arrays, by_roi, **options):
        seen.update(by_roi["music"])
        return original(*arrays, by_roi=by_roi, **options)

    monkeypatch.setattr(fitting, "fit_layers", fit_layers)
    monkeypatch.setattr(
        "brain2music.workflow.subject_steps.spaces_by_roi", lambda _: ["music"]
    )
    run(study, tmp_path / "out", stage="encoding", subjects=["01"])
    assert list(seen) == ["one", "other"]
    assert_array_equal(seen["other"], masks[1])
