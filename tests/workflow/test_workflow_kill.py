"""A run that is killed goes on where it was, and ends with the same numbers."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

RUN = "import sys; from brain2music.cli import main; main()"


def start(path, out):
    command = [sys.executable, "-c", RUN, "run", str(path), "--out", str(out)]
    return subprocess.Popen(
        [*command, "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def tables(out):
    return {path.name: path.read_bytes() for path in sorted(out.glob("tables/*.csv"))}


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_no_digit(write_study, tmp_path):
    path = write_study(tmp_path / "data")
    begun = time.monotonic()
    whole = start(path, tmp_path / "whole")
    assert whole.wait() == 0, whole.stderr.read()
    duration = time.monotonic() - begun
    rng = np.random.default_rng(0)
    n_killed = 0
    for wait in np.sort(rng.uniform(0.2, 1.0, 10)) * duration:
        process = start(path, tmp_path / "killed")
        try:
            process.wait(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            n_killed += process.wait() == -signal.SIGKILL
        process.stderr.close()
    assert n_killed >= 3
    last = start(path, tmp_path / "killed")
    assert last.wait() == 0, last.stderr.read()
    expected = tables(tmp_path / "whole")
    assert len(expected) == 4
    assert tables(tmp_path / "killed") == expected
    for process in (whole, last):
        process.stderr.close()
    left = [p.name for p in (tmp_path / "killed").rglob(".*") if p.name != ".lock"]
    assert left == []
