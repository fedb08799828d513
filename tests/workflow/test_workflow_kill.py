"""A run that is killed goes on where it was, and ends with the same numbers."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from brain2music import load_study
from brain2music import run as run_study

RUN = "from brain2music.cli import main; main()"
# A run that ends itself when the work of one artefact is done, before it is whole.
RUN_AND_DIE = (
    """
import os, signal, sys
from contextlib import contextmanager
from brain2music.core.artefacts import new_artefact
from brain2music.workflow import session

place = sys.argv.pop(1)

@contextmanager
def die_inside(folder, recipe, notes):
    with new_artefact(folder, recipe, notes) as partial:
        yield partial
        if str(folder).endswith(place):
            os.kill(os.getpid(), signal.SIGKILL)

session.new_artefact = die_inside
"""
    + RUN
)
PLACES = (  # in the order in which they are made
    "responses/sub-01",
    "responses/sub-02",
    "features/sub-01",
    "features/sub-02",
    "models/sub-01",
    "models/sub-02",
    "tables",
    "maps",
    "figures",
    "report",
)


OPENED, CLOSED = ".brain2music.lock", "about.json"  # the first file and the last one


@dataclass
class Run:
    """The command in a process of its own."""

    process: subprocess.Popen
    out: Path

    def wait_for(self, name):
        """Wait until `name` is in the output folder; return when that was."""
        while not (self.out / name).exists():
            assert self.process.poll() is None, self.errors()
            time.sleep(0.002)
        return time.monotonic()

    def end(self):
        assert self.process.wait() == 0, self.errors()

    def kill(self):
        """Kill it; return whether it was at work until then."""
        self.process.send_signal(signal.SIGKILL)
        killed = self.process.wait() == -signal.SIGKILL
        return killed and not (self.out / CLOSED).exists()

    def errors(self):
        return self.out.with_name(f"{self.out.name}.txt").read_text()


def start(path, out, code=RUN, *args):
    command = [sys.executable, "-c", code, *args, "run", str(path), "--out", str(out)]
    with out.with_name(f"{out.name}.txt").open("w") as errors:
        process = subprocess.Popen(
            [*command, "--quiet"], stdout=subprocess.DEVNULL, stderr=errors
        )
    return Run(process, out)


def tables(out):
    return {path.name: path.read_bytes() for path in sorted(out.glob("tables/*.csv"))}


def leftovers(out):
    names = (".partial-*", ".old-*")
    return {str(p.relative_to(out)) for name in names for p in out.rglob(name)}


def finished_places(out):
    return tuple(place for place in PLACES if (out / place / "about.json").exists())


def measure(path, out):
    """Run to the end; return the seconds to the first file, and in each artefact."""
    begun = time.monotonic()
    run = start(path, out)
    moments = [run.wait_for(name) for name in (OPENED, *PLACES)]
    run.end()
    return moments[0] - begun, np.diff(moments)


def kill_after(path, out, place, wait_s):
    """Kill a new run some time after `place` was there; sooner, if it had ended."""
    for attempt in range(10):
        run = start(path, out.with_name(f"{out.name}-{attempt}"))
        run.wait_for(place)
        time.sleep(wait_s * 0.8**attempt)
        if run.kill():
            return run.out
    raise AssertionError(f"each of 10 runs had ended {wait_s:.3f} s after {place}")


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_no_digit(write_study, tmp_path):
    """One kill before the first file, and one while each artefact is made."""
    path = write_study(tmp_path / "data")
    import_s, seconds = measure(path, tmp_path / "whole")
    expected = tables(tmp_path / "whole")
    assert {"roi_scores.csv", "voxel_scores.csv", "alignment.csv"} <= set(expected)
    shares = np.random.default_rng(0).uniform(0.05, 0.95, 1 + len(PLACES))
    early = start(path, tmp_path / "early")
    time.sleep(shares[0] * import_s / 2)
    assert early.kill()
    killed = [early.out]
    for number, place in enumerate((OPENED, *PLACES[:-1])):
        wait_s = shares[number + 1] * seconds[number]
        killed.append(kill_after(path, tmp_path / f"killed{number}", place, wait_s))
    done = [finished_places(out) for out in killed]
    assert done == [PLACES[: len(places)] for places in done]
    assert len(set(done)) >= 5, done  # on a busy machine some come late
    assert any(leftovers(out) for out in killed)
    for out in killed:
        start(path, out).end()
        assert tables(out) == expected
        assert finished_places(out) == PLACES
        assert leftovers(out) == set()


@pytest.mark.slow
def test_a_kill_inside_the_writing_of_each_artefact_changes_no_digit(
    write_study, tmp_path
):
    path, out = write_study(tmp_path / "data"), tmp_path / "out"
    for place in (place for place in PLACES if not place.endswith("02")):
        run = start(path, out, RUN_AND_DIE, place)  # goes on from the last kill
        assert run.process.wait() == -signal.SIGKILL, run.errors()
        assert finished_places(out) == PLACES[: PLACES.index(place)]
        partial = (out / place).with_name(f".partial-{(out / place).name}")
        # Factorisations that waited for their models go with the next run.
        left = {x for x in leftovers(out) if not x.startswith(".partial-factors-")}
        assert left == {str(partial.relative_to(out))}
        assert any(path.name != ".brain2music" for path in partial.iterdir())
    start(path, out).end()
    assert tables(out) == tables(run_study(load_study(path), tmp_path / "whole").out)
    assert finished_places(out) == PLACES
    assert leftovers(out) == set()
