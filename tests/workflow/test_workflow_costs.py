"""Tests of what `brain2music check` says of memory, against the process of a fit."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from brain2music import check_study, load_study, run
from brain2music.workflow import check as check_module
from brain2music.workflow.costs import cost_of

N_VOXELS, N_FEATURES, CLIP_SAMPLES = 12_000, 350, 30

LEVERS = "# levers"
SCRIPT = """
import sys
from brain2music import load_study, run

run(load_study(sys.argv[1]), sys.argv[2], stage="encoding")
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


@pytest.fixture
def large_study(tmp_path, write_study):
    """Return a study of one subject; its music has more columns than rows."""
    path = write_study(tmp_path / "data", clip_samples=CLIP_SAMPLES)
    folder, rng = path.parent, np.random.default_rng(0)
    found = np.load(folder / "features/music.npz")
    shape = (*found["features"].shape[:2], N_FEATURES)
    falling = np.arange(1, N_FEATURES + 1) ** -1.0
    arrays = {name: found[name] for name in ("clips", "rate_hz")}
    arrays["features"] = rng.standard_normal(shape) * falling
    np.savez(folder / "features/music.npz", **arrays)
    n_rows = len(pd.read_csv(folder / "runs.csv"))
    Y = rng.standard_normal((n_rows, N_VOXELS), dtype=np.float32)
    np.save(folder / "npy/sub-01.npy", Y)
    text = path.read_text().replace('["01", "02"]', '["01"]')
    text = text.replace('precision = "float64"', 'precision = "float32"\n' + LEVERS)
    return path, text + "\n[machine]\nmax_memory_gb = 0.6\n"


def told_and_used(path, out, monkeypatch):
    """Return the bytes that `check` tells of, and the peak of a process that fits."""
    seen = []

    def keep(*given):
        seen.append(max(cost_of(given[0], o, *given[2:]).fit_bytes for o in given[1]))
        return describe(*given)

    describe = check_module.describe_cost
    monkeypatch.setattr(check_module, "describe_cost", keep)
    study = load_study(path)
    lines = str(check_study(study))
    run(study, out, stage="features")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), str(out)],
        capture_output=True,
        check=True,
    )
    printed = float(re.search(r"while it fits: ([\d.]+) GB", lines)[1])
    assert abs(printed - seen[0] / 1e9) < 0.006
    return lines, seen[0], json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_check_tells_the_memory_of_a_run_to_a_fifth(large_study, tmp_path, monkeypatch):
    path, text = large_study
    path.write_text(text.replace(LEVERS, "compression_tolerance = 0"))
    lines, told, used = told_and_used(path, tmp_path / "out", monkeypatch)
    assert "of machine.max_memory_gb = 0.6; while" in lines
    assert 0.8 * told < used <= told


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_check_tells_no_less_than_a_compressed_run_takes(
    large_study, tmp_path, monkeypatch
):
    path, text = large_study
    path.write_text(text.replace(LEVERS, "compression_tolerance = 0.05"))
    lines, told, used = told_and_used(path, tmp_path / "out", monkeypatch)
    assert "= 0.6, and less after compression; while" in lines
    assert used <= told


def test_check_tells_the_memory_of_the_client_and_of_each_worker(study_file):
    text = study_file.read_text() + '\n[machine]\nscheduler = "local"\nworkers = 3\n'
    study_file.write_text(text)
    lines = str(check_study(load_study(study_file)))
    assert "GB in the client and 0.30 GB per worker; while" in lines
