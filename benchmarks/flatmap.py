"""Times the flatmap of pycortex's S1 (304,380 vertices): ours against quickflat.

python benchmarks/flatmap.py [--repeats 7] [--store FOLDER]

Both draw the same values, curvature and a colour bar from pixel maps of 800 pixels that
lie ready in one store; ours writes its caption, too. Ours and pycortex's calls take
turns. "First" is the first call of a new process, in which both packages are imported
already; "later" are the others of one process. The call alone returns a figure that is
not drawn yet, so it is timed with its PNG, as wide in pixels on both sides, as well.
Outlines of ROIs need Inkscape in quickflat, and none in ours; without it they are
left out. Prints medians; ends with 1 if a goal is missed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
from table import Row, head

from brain2music.figures.cortex import add_s1, open_cortex
from brain2music.figures.flatmap import plot_flatmap
from brain2music.figures.style import Scale, size_mm
from brain2music.figures.surfaces import HEIGHT_PX

N_VERTICES = 304380
ROIS = ["AC", "Broca", "V1", "M1F", "S1F", "FFA"]
SIDES = ("theirs", "ours")
PARTS = ("the call alone", "call and PNG")
MOST = {False: 1.1, True: 1.0}  # ours, of theirs: without ROIs and with them


def values() -> np.ndarray:
    """Return what is drawn: a smooth gradient, NaN in a third of the vertices."""
    drawn = np.linspace(0.0, 0.5, N_VERTICES)
    drawn[::3] = np.nan
    return drawn


def timed(draw: Callable, path: Path, width_px: int) -> list[float]:
    """Return seconds of a call, and of the call with its PNG."""
    start = time.perf_counter()
    figure = draw()
    called = time.perf_counter()
    figure.savefig(path, dpi=width_px / (size_mm(figure)[0] / 25.4))
    written = time.perf_counter()
    plt.close(figure)
    return [called - start, written - start]


def ways(cortex, store: Path, *, rois: bool) -> dict[str, Callable]:
    """Return the two calls."""
    given, scale = values(), Scale(0.0, 0.5, "r")

    def theirs():
        vertices = cortex.Vertex(given, "S1", cmap="inferno", vmin=0.0, vmax=0.5)
        return cortex.quickflat.make_figure(
            vertices,
            height=HEIGHT_PX,
            with_curvature=True,
            with_rois=rois,
            roi_list=ROIS if rois else None,
        )

    def ours():
        return plot_flatmap(
            given, mesh="S1", scale=scale, rois=ROIS if rois else None, store=store
        )

    return {"theirs": theirs, "ours": ours}


def some_calls(store: Path, sides: list[str], n_calls: int, *, rois: bool) -> list:
    """Return the seconds of so many calls of each side, in turns."""
    found = []
    with open_cortex(store) as cortex, tempfile.TemporaryDirectory() as folder:
        known = ways(cortex, store, rois=rois)
        for _ in range(n_calls):
            for side in sides:
                path = Path(folder) / f"{side}.png"
                found.append([side, *timed(known[side], path, width_px=1900)])
    return found


def in_a_process(store: Path, sides: list[str], n_calls: int, *, rois: bool) -> list:
    """Return `some_calls` of a new process."""
    asked = json.dumps([str(store), sides, n_calls, rois])
    command = [sys.executable, __file__, "--calls", asked]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def medians(calls: list) -> dict[str, np.ndarray]:
    """Return the median seconds of each side: of the call, and with the PNG."""
    return {
        side: np.median([row[1:] for row in calls if row[0] == side], axis=0)
        for side in SIDES
    }


def measure(store: Path, n_repeats: int, *, rois: bool) -> list[Row]:
    """Return the rows with or without outlines of ROIs."""
    first = []
    for number in range(n_repeats):
        for side in SIDES[:: 1 if number % 2 else -1]:
            first += in_a_process(store, [side], 1, rois=rois)
    both = in_a_process(store, list(SIDES), n_repeats + 1, rois=rois)
    later = both[2:]
    rows = []
    what = f"{len(ROIS)} ROIs" if rois else "no ROIs"
    for when, calls in (("first", first), ("later", later)):
        seconds = medians(calls)
        for k, part in enumerate(PARTS):
            theirs, ours = seconds["theirs"][k], seconds["ours"][k]
            rows.append(
                Row(
                    f"{what}, {when}",
                    part,
                    "quickflat",
                    theirs,
                    ours,
                    figure=ours / theirs,
                    goal=f"{MOST[rois]:g} of its time" if not rois else "less time",
                    most=MOST[rois],
                    unit="of its time",
                )
            )
    return rows


def prepare(store: Path) -> None:
    """Let the store have S1 and all that is kept on disk."""
    with open_cortex(store) as cortex:
        add_s1(cortex)
    some_calls(store, list(SIDES), 1, rois=False)


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Print the table; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--calls", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.calls:
        store, sides, n_calls, rois = json.loads(asked.calls)
        say(json.dumps(some_calls(Path(store), sides, n_calls, rois=rois)))
        return 0
    reached = []
    with tempfile.TemporaryDirectory() as temporary:
        store = asked.store or Path(temporary)
        prepare(store)
        say(head())
        for rois in (False, True) if shutil.which("inkscape") else (False,):
            for row in measure(store, asked.repeats, rois=rois):
                say(row.line())
                reached.append(row.reached != "no")
    if not shutil.which("inkscape"):
        say("no inkscape: quickflat draws no ROIs, and they are left out")
    say(f"load of the machine {os.getloadavg()[0]:.1f}, medians of {asked.repeats}")
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
