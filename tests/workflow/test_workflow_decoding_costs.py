"""Tests of the memory that decoding is said to take."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from brain2music import check_study, load_study
from brain2music.workflow.decoding_costs import GB, DecodingSize, peak_of

SIZE = DecodingSize(
    n_train=900,
    n_test=300,
    n_columns=60_000,
    n_used=60_000,
    width=64,
    decoder="cortex",
)
DECODE = """
import json, sys
import numpy as np
from brain2music.core.selection import Selection
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge, RoiRidge
from brain2music.decoding.rows import Pairs

size = json.loads(sys.argv[1])
rng = np.random.default_rng(0)

def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024

def pairs(n, name):
    Y = np.empty((n, size["n_columns"]), np.float32, order="F")
    for k in range(0, Y.shape[1], 1000):
        Y[:, k : k + 1000] = rng.standard_normal((n, 1000))
    runs = np.array([f"{name} {k * 4 // n}" for k in range(n)])
    clips = np.array([f"{name} {k // 10}" for k in range(n)])
    return Pairs(Y, rng.standard_normal((n, size["width"])), runs, clips)

before = peak()
train, test = pairs(size["n_train"], "train"), pairs(size["n_test"], "test")
decoder = CortexRidge((1.0, 1e3, 1e6), choose_by="r")
if size["decoder"] == "rois":
    which = np.arange(size["n_columns"]) // size["n_used"]
    rois = [Selection(str(k), which == k, "made up") for k in range(which.max() + 1)]
    decoder = RoiRidge(rois, n_best=2, alphas=(1.0, 1e3, 1e6), choose_by="r")
decode(decoder, train, test, n_folds=2)
print(peak() - before)
"""


def test_more_of_all_takes_more():
    base = peak_of(SIZE)
    for name in ("n_train", "n_test", "n_columns", "width"):
        assert peak_of(replace(SIZE, **{name: 2 * getattr(SIZE, name)})) > base, name
    assert peak_of(replace(SIZE, copies=True)) > base
    assert peak_of(replace(SIZE, decoder="contrastive")) > 2 * base
    assert peak_of(replace(SIZE, decoder="rois", n_used=400)) < base


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux")
@pytest.mark.parametrize("decoder", ["cortex", "rois"])
def test_what_decoding_takes_is_what_is_said(decoder):
    size = replace(SIZE, decoder=decoder)
    size = replace(size, n_used=2000, n_best=2) if decoder == "rois" else size
    done = subprocess.run(
        [sys.executable, "-c", DECODE, json.dumps(asdict(size))],
        capture_output=True,
        text=True,
        check=True,
    )
    measured = int(done.stdout)
    assert measured / 1.5 < peak_of(size) < 1.5 * measured


def test_check_says_it_and_where_it_is_more_than_the_bound(tmp_path, write_study):
    path = write_study(tmp_path / "data", clip_samples=12)
    plain = check_study(load_study(path)).lines
    assert not [line for line in plain if "decodes" in line]
    text = '\n[decoding]\ntargets = ["music", "genre"]\n'
    path.write_text(path.read_text() + text)
    (line,) = [x for x in check_study(load_study(path)).lines if "decodes" in x]
    said = float(line.removeprefix("memory while it decodes: about ").split()[0])
    assert 0.3 <= said < 0.4  # the interpreter, and little else
    bound = "\n[machine]\nmax_memory_gb = 0.2\n"
    path.write_text(path.read_text() + bound)
    (line,) = [x for x in check_study(load_study(path)).lines if "decodes" in x] or [""]
    assert not line or "more than machine.max_memory_gb = 0.2" in line
    assert np.isfinite(GB)
