"""Tests of the time that `brain2music check --time` tells."""

import re
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from brain2music import check_study, load_study, run
from brain2music.cli import app
from brain2music.workflow import timed_fit
from brain2music.workflow.opening import open_subject
from brain2music.workflow.session import Session
from brain2music.workflow.timed_fit import FitTime, describe_time, time_fit


def widen(path, n_voxels):
    """Give each subject more voxels: those that it has, with more noise."""
    rng = np.random.default_rng(0)
    for file in (path.parent / "npy").glob("*.npy"):
        Y = np.load(file)
        more = np.tile(Y, -(-n_voxels // Y.shape[1]))[:, :n_voxels]
        np.save(file, more + rng.standard_normal(more.shape).astype("f4") * Y.std())


@pytest.fixture
def many(study_file):
    """Return a study of 2,500 voxels."""
    widen(study_file, 2500)
    return study_file


class Clock:
    """Tells the time that a fit of so many voxels would have taken, and no other."""

    def __init__(self):
        self.now = 0.0
        self.fitted = []

    def perf_counter(self):
        return self.now

    def fit(self, _X, Y, _X_test, **_):
        self.fitted.append(np.asarray(Y[:, slice(0, Y.shape[1])]))
        self.now += 5 + 0.01 * Y.shape[1]


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timed_fit, "time", clock)
    monkeypatch.setattr(timed_fit, "fit_layers", clock.fit)
    return clock


def without_partition(path):
    text = path.read_text()
    path.write_text(text.replace("[analysis]", "[analysis]\npartition = false"))


def test_two_samples_tell_what_is_shared_from_what_a_voxel_adds(many, clock):
    without_partition(many)
    study = load_study(many)
    took = time_fit(study, open_subject(study, "01"))
    assert [Y.shape[1] for Y in clock.fitted] == [1000, 2500]
    small, large = ({column.tobytes() for column in Y.T} for Y in clock.fitted)
    assert len(small) == 1000
    assert small < large
    assert took == FitTime(0.0, pytest.approx(5), pytest.approx(0.01), 2500)
    assert took.fit_s(60_000) == pytest.approx(605)
    subjects = [open_subject(study, name) for name in ("01", "02")]
    lines = describe_time(study, subjects)
    assert "about 30 s of fitting" in lines[0]
    assert lines[1].endswith("and about 60 s of fitting")


def three_bands(path, **keys):
    """Add a third band: a partition takes three pairs of bands, and a stack."""
    asked = "".join(f"{name} = {value}\n" for name, value in keys.items())
    text = path.read_text()
    noise = '[features.noise]\nkind = "control"\ncontrol = "noise"\nof = "music"\n'
    for old, new in {
        "[analysis]\n": "[analysis]\npartition = true\n",
        "[encoding]\n": f"{noise}\n[encoding]\n{asked}",
        'bands = ["music", "genre"]': 'bands = ["music", "genre", "noise"]',
    }.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


@pytest.mark.usefixtures("clock")
def test_subsets_are_counted_from_what_all_bands_took(many):
    study = load_study(many)
    stack = time_fit(study, open_subject(study, "01"))
    assert 0 < stack.subsets_s(2500) < stack.fit_s(2500)  # of two bands, each alone
    three_bands(many)
    study = load_study(many)
    took = time_fit(study, open_subject(study, "01"))
    assert took.fit_s(2500) == stack.fit_s(2500)  # by the clock
    # Three pairs of three bands cost more than all bands once, and less than thrice.
    assert took.shared_s < took.subsets_shared_s < 3 * took.shared_s
    assert took.voxel_s < took.subsets_voxel_s < 3 * took.voxel_s
    (line,) = describe_time(study, [open_subject(study, "01")])
    assert "for models of subsets of the bands" in line
    text = many.read_text()
    many.write_text(text.replace("[encoding]", '[encoding]\nsolver = "himalaya"'))
    study = load_study(many)
    took = time_fit(study, open_subject(study, "01"))
    assert 0 < took.subsets_s(2500) < 3 * took.fit_s(2500)


def test_few_voxels_are_fitted_all(study_file, clock):
    study = load_study(study_file)
    opened = open_subject(study, "01")
    took = time_fit(study, opened)
    (Y,) = clock.fitted
    assert Y.shape[1] == opened.recording.space.n_voxels == took.n_sampled
    assert took.fit_s(Y.shape[1]) == pytest.approx(5 + 0.01 * Y.shape[1])


def test_noise_in_the_clock_makes_no_time_below_zero():
    took = timed_fit._line([1000, 3000], [10.0, 9.0], 0.0)
    assert (took.shared_s, took.voxel_s) == (9.0, 0.0)
    took = timed_fit._line([1000, 3000], [1.0, 9.0], 0.0)
    assert took.shared_s == 0.0


def test_check_says_the_time_only_if_asked(study_file):
    found = CliRunner().invoke(app, ["check", str(study_file), "--time", "--quiet"])
    assert found.exit_code == 0
    assert "measured on" in found.stdout
    assert "measured on" not in str(check_study(load_study(study_file)))


@pytest.mark.slow
def test_the_time_is_that_of_a_run_to_a_half(many, tmp_path, monkeypatch):
    widen(many, 10_000)
    three_bands(many, compression_tolerance=0.01, racing_margin=0.003)
    music = many.parent / "features/music.npz"
    arrays = dict(np.load(music))
    shape = (*arrays["features"].shape[:2], 300)
    arrays["features"] = np.random.default_rng(1).standard_normal(shape)
    np.savez(music, **arrays)
    text = many.read_text()
    many.write_text(re.sub(r"n_candidates = \d+", "n_candidates = 60", text))
    monkeypatch.setattr(time, "perf_counter", time.process_time)  # others run, too
    study = load_study(many)
    told = time_fit(study, open_subject(study, "01"))
    seconds, make = {}, Session.make

    def timed(self, folder, *rest):
        start = time.process_time()
        identity = make(self, folder, *rest)
        seconds[folder] = time.process_time() - start
        return identity

    monkeypatch.setattr(Session, "make", timed)
    run(study, tmp_path / "out", subjects=["01"], stage="tables")
    took = seconds["models/sub-01"], seconds["subsets/sub-01"]
    for one, two in zip(
        (told.fit_s(10_000), told.subsets_s(10_000)), took, strict=True
    ):
        assert two / 1.5 < one < two * 1.5
