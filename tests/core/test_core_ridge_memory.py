"""Tests of the memory that is told before a fit, against a process that fits."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.core.ridge.memory import (
    FoldGramSize,
    batch_within,
    bytes_per_voxel,
    factor_bytes,
    kept_axes,
    peak_bytes,
)

SCRIPT = """
import json, resource, sys
import numpy as np, scipy.linalg
from brain2music.core.ridge.stream import release
from brain2music.core.types import Band
from brain2music.encoding.evaluate import RidgeSettings, fit_models
from brain2music.encoding.streamed import Place

def peak():
    # Linux's ru_maxrss starts at what the parent held when it forked.
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

size, folder = json.loads(sys.argv[1]), sys.argv[2]
n, V, n_test, K = size["n"], size["V"], size["n_test"], size["K"]
rng = np.random.default_rng(0)
X, X_test = (rng.standard_normal((k, sum(size["widths"])), "f4") for k in (n, n_test))
Y = np.lib.format.open_memmap(folder + "/Y.npy", "w+", "f4", (n, V))
for row in range(0, n, 50):
    Y[row : row + 50] = rng.standard_normal((50, V), "f4")
release(Y)
del Y

def make(name, shape, dtype):
    return np.lib.format.open_memmap(f"{folder}/{name}.npy", "w+", dtype, shape)

scipy.linalg.eigh(np.eye(50))
before = peak()
fit_models(
    X,
    np.load(folder + "/Y.npy", mmap_mode="r"),
    X_test,
    bands=[Band(f"band {k}", w) for k, w in enumerate(size["widths"])],
    folds=np.arange(n) * K // n,
    settings=RidgeSettings(
        alphas=tuple(np.logspace(0, 5, size["A"])),
        n_candidates=size["J"],
        form=size["form"],
        **size["bound"],
    ),
    place=Place(make=make),
)
print(json.dumps([before, peak()]))
"""
BASE = {"n": 1000, "n_test": 100, "V": 8000, "K": 5, "A": 5, "J": 5}


def sizes(case):
    widths = tuple(case["widths"])
    kept = kept_axes(widths, case["n"])
    numbers = (case["K"], case["A"], case["J"], 4, case["form"])
    bytes_ = factor_bytes(case["bound"].get("max_memory_gb"))
    return FoldGramSize(
        case["n"], case["n_test"], widths, kept, *numbers, factor_bytes=bytes_
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        {"widths": [80, 120, 200], "form": "primal", "bound": {"n_voxels_batch": 3000}},
        {"widths": [60, 70, 90], "form": "primal", "bound": {"max_memory_gb": 0.2}},
        {
            "widths": [300, 400, 500],
            "form": "kernel",
            "bound": {"n_voxels_batch": 2500},
        },
    ],
    ids=["rows", "columns", "kernel"],
)
def test_the_peak_of_a_process_is_told_to_a_fifth(case, tmp_path):
    case = BASE | case
    given = [json.dumps(case), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *given], capture_output=True, check=True
    )
    before, peak = json.loads(done.stdout)
    size, bound = sizes(case), case["bound"]
    batch = bound.get("n_voxels_batch") or batch_within(
        size, bound["max_memory_gb"] * 1e9
    )
    told = before + peak_bytes(size, min(batch, case["V"]))
    assert_allclose(told, peak, rtol=0.2)
    assert peak - before > 6e7  # that is, not of the interpreter alone


def test_batches_fill_the_bound_and_no_more():
    size = FoldGramSize(4800, 600, (512, 512, 40), (300, 300, 40), 6, 8, 20)
    n_voxels = batch_within(size, 1.5e9)
    assert peak_bytes(size, n_voxels) <= 1.5e9
    assert peak_bytes(size, n_voxels + 1) > 1.5e9
    racing = replace(size, races=True)
    assert bytes_per_voxel(racing)[1] > bytes_per_voxel(size)[1]
    with pytest.raises(InputError, match=r"needs \d.* GB. Raise it, or allow"):
        batch_within(size, 1e8)


def test_bands_wider_than_the_samples_keep_their_rank():
    assert kept_axes((40, 299, 300, 500), 300) == (40, 299, 300, 299)
