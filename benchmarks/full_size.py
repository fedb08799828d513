"""What one subject of ds003720 costs from responses to page, beside what `check` says.

Run from anywhere, on a quiet machine, with the package installed:

    python benchmarks/full_size.py --out FOLDER

It simulates a subject on the recorded design (18 runs of 410 volumes, 540 clips, the
real event timing): features with the real dimensions and windows, falling spectra and
slow courses that the spaces share, 60,000 cortical voxels of which a fifth respond, 150
regions. The study file is that of examples/ds003720.toml with the paper's decoder.
Then the study is checked and run, each step by itself, and a table is printed: seconds,
seconds of the processor (of all threads), what `check --time` told, and the most memory
of each step; it fails where that is more than `machine.max_memory_gb`. `--tenth` is a
tenth of the voxels and of the columns. `--reproduce` then takes windows as rows, as the
paper does, and makes the page of `brain2music reproduce`. No scans, sound or network
are in it: extraction and generation are measured apart (`networks_full_size.py`).
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402 - see above
import pandas as pd  # noqa: E402 - see above
from memory import fresh_peak, peak_bytes  # noqa: E402 - see above
from planted import Case, planted_weights  # noqa: E402 - see above

from brain2music import load_study, run  # noqa: E402 - see above
from brain2music.data.simulated_features import (  # noqa: E402 - see above
    DESIGN,
    FRAMES,
    N_SAMPLES,
    TR_S,
    design_clips,
    genre_of,
    one_hot,
    read_design,
)
from brain2music.reproduction.reproduce import reproduce  # noqa: E402 - see above
from brain2music.workflow import pipeline  # noqa: E402 - see above
from brain2music.workflow.check import check_study  # noqa: E402 - see above
from brain2music.workflow.opening import open_subject  # noqa: E402 - see above
from brain2music.workflow.session import Session  # noqa: E402 - see above
from brain2music.workflow.timed_fit import time_fit  # noqa: E402 - see above

N_VOXELS = 60_000
# Columns, and volumes that a window lasts: 4, 1 and 7 windows a clip, as in the paper.
SPACES = {"mulan-music": (128, 7), "mulan-text": (128, FRAMES), "w2v-bert": (1024, 4)}
DELAYS, HRF = (2, 3, 4, 5), (0.6, 1.0, 0.8, 0.3)
SPECTRUM, N_REGIONS, SHARE = -1.5, 150, 0.2
R2 = (0.005, 0.3)
STUDY = """\
title = "Full size: ds003720, simulated"

[dataset]
root = "."
subjects = ["001"]
responses = "responses/sub-{{subject}}.npy"
runs = "runs.csv"
events = "events/task-{{task}}_run-{{run}}_events.tsv"
clip = "{{genre}}.{{track:0>5}}"
tr_s = 1.5
train = {{ task = "Training" }}
test = {{ task = "Test" }}
simulated = true

[responses]
lead_in_s = 15
detrend = "median"
period_s = 240
zscore = "run"
repeats = "average"
{spaces}
[features.genre]
kind = "category"
column = "genre"

[rois]
masks = "rois.npz"

[encoding]
bands = ["mulan-music", "mulan-text", "w2v-bert", "genre"]
delays = [2, 3, 4, 5]
folds = 6
compression_tolerance = 0.01
racing_margin = 0.003
{candidates}
[analysis]
partition = true
added = [["mulan-text", "mulan-music"]]
low = ["w2v-bert"]
high = ["mulan-text", "genre"]

[decoding]
targets = ["mulan-music", "mulan-text", "w2v-bert", "genre"]
decoder = "rois"
n_best = 6
genres = "genre"

[machine]
threads = {threads}
max_memory_gb = {memory}
"""
PAPER = """\
[alignment]
rows = "windows"
window_s = 10.5
step_s = 1.5
lag_s = 4.5
scans = "middle"

[encoding]
bands = ["mulan-music", "mulan-text", "w2v-bert", "genre"]
folds = 6
{candidates}
[analysis]
partition = ["mulan-music", "mulan-text"]
added = [["mulan-text", "mulan-music"]]

[decoding]
targets = ["mulan-music", "mulan-text", "w2v-bert", "genre"]
decoder = "rois"
n_best = 6
n_folds = 5
folds = "clip"
genres = "genre"

{machine}"""
SPACE = """
[features.{name}]
kind = "array"
source = "simulated"
path = "features/{name}.npz"
per = "clip"
"""


def main() -> None:
    """Write the study, check it, run it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tenth", action="store_true", help="a tenth of the size")
    parser.add_argument("--candidates", type=int, default=None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", type=float, default=4.0)
    parser.add_argument("--stage", default="report")
    parser.add_argument("--reproduce", action="store_true")
    given = parser.parse_args()
    folder = given.out / "study"
    if not (folder / "study.toml").exists():
        write_study(folder, given)
    study, steps = load_study(folder / "study.toml"), []
    with _step(steps, "check"):
        checked = check_study(study)
    sys.stdout.write("\n".join([*checked.lines, *checked.problems, ""]))
    with _step(steps, "telling the time"):
        told = time_fit(study, open_subject(study, "001"))
    n_voxels = N_VOXELS // (10 if given.tenth else 1)
    expected = {
        "models/sub-001": told.fit_s(n_voxels),
        "subsets/sub-001": told.subsets_s(n_voxels),
        "decoding/sub-001": told.decoding_s,
    }
    timed(steps)
    with _step(steps, "all of it"):
        result = run(study, given.out / "results", stage=given.stage)
    if given.reproduce:
        with _step(steps, "reproduce"):
            made = reproduce(folder, sweeps=["none"])
        n_ours = int(made.numbers["ours"].notna().sum())
        sys.stdout.write(f"{n_ours} of {len(made.numbers)} published numbers\n")
    table = pd.DataFrame(steps, columns=["step", "s", "processor_s", "peak_gb"])
    first = ~table["step"].duplicated()  # windows are another study
    table.insert(3, "told_s", table["step"].map(expected).where(first))
    table["peak_gb"] = (table["peak_gb"] / 1e9).round(2)
    table = table.round({"s": 1, "processor_s": 1, "told_s": 1})
    sys.stdout.write(table.to_string(index=False) + "\n")
    size = sum(path.stat().st_size for path in result.out.rglob("*") if path.is_file())
    sys.stdout.write(f"on disk: {size / 1e9:.2f} GB\n")
    table.to_csv(given.out / "steps.csv", index=False)
    if table["peak_gb"].max() > given.memory:
        sys.exit(f"more memory than {given.memory:g} GB")


@contextmanager
def _step(steps: list[tuple[str, float, float, int]], name: str) -> Iterator[None]:
    """Add a step's seconds and memory to the others."""
    fresh_peak()
    start, busy = time.perf_counter(), time.process_time()
    yield
    steps.append((name, *_since(start, busy), peak_bytes()))


def _since(start: float, busy: float) -> tuple[float, float]:
    return time.perf_counter() - start, time.process_time() - busy


def timed(steps: list[tuple[str, float, float, int]]) -> None:
    """Let each step that a run makes write its time and its most memory."""
    make = Session.make

    def make_timed(self: Session, folder: str, *rest: object) -> str:
        with _step(steps, folder):
            identity = make(self, folder, *rest)  # type: ignore[arg-type]
        if folder not in self.made:
            del steps[-1]  # it stood
        return identity

    Session.make = make_timed  # type: ignore[method-assign]
    assert pipeline.Session is Session


def write_study(folder: Path, given: argparse.Namespace) -> None:
    """Simulate a subject, run by run; only one run is in memory."""
    rng = np.random.default_rng(0)
    design = read_design()
    clips = design_clips(design)
    for name in ("events", "features", "responses"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for path in DESIGN.glob("*_events.tsv"):
        (folder / "events" / path.name).write_bytes(path.read_bytes())
    spaces = draw_spaces(rng, clips, share=0.1 if given.tenth else 1.0)
    n_voxels = N_VOXELS // (10 if given.tenth else 1)
    for name, values in spaces.items():
        arrays = {"clips": np.array(clips), "features": values}
        arrays["window_s"] = np.array(TR_S * (FRAMES - values.shape[1] + 1))
        arrays["step_s"] = np.array(TR_S)
        np.savez(folder / f"features/{name}.npz", **arrays)  # type: ignore[arg-type]
    runs = design[["task", "run"]].drop_duplicates()
    rows = runs.loc[runs.index.repeat(N_SAMPLES)]
    rows.to_csv(folder / "runs.csv", index=False)
    edges = np.linspace(0, n_voxels, N_REGIONS + 1).round().astype(int)
    inside = {
        f"region {k:03d}": (np.arange(n_voxels) >= a) & (np.arange(n_voxels) < b)
        for k, (a, b) in enumerate(pairwise(edges))
    }
    np.savez(folder / "rois.npz", **inside)  # type: ignore[arg-type]
    write_responses(folder, design, runs, clips, spaces, rng, n_voxels)
    candidates = ""
    if given.candidates is not None:
        candidates = f"n_candidates = {given.candidates}\n"
    text = STUDY.format(
        spaces="".join(SPACE.format(name=name) for name in SPACES),
        candidates=candidates,
        threads=given.threads,
        memory=given.memory,
    )
    (folder / "study.toml").write_text(text, encoding="utf-8")
    paper = text[: text.index("[encoding]")] + PAPER.format(
        candidates=candidates, machine=text[text.index("[machine]") :]
    )
    (folder / "paper.toml").write_text(paper, encoding="utf-8")


def draw_spaces(
    rng: np.random.Generator, clips: list[str], *, share: float
) -> dict[str, np.ndarray]:
    """Return windows per clip; variance of axis k falls as k to the power of -1.5.

    `share` of the columns are made.
    """
    sizes = {name: (int(share * w), lasts) for name, (w, lasts) in SPACES.items()}
    widest = max(width for width, _ in sizes.values())
    shared, spaces = _course(rng, len(clips), widest), {}
    for name, (width, lasts) in sizes.items():
        own = 0.6 * shared[..., :width] + 0.8 * _course(rng, len(clips), width)
        course = own * np.arange(1, width + 1) ** (SPECTRUM / 2)
        starts = range(FRAMES - lasts + 1)
        windows = [course[:, k : k + lasts].mean(axis=1) for k in starts]
        spaces[name] = np.stack(windows, axis=1).astype(np.float32)
    return spaces


def volumes_of(windows: np.ndarray) -> np.ndarray:
    """Return the mean of the windows that cover each volume of a clip."""
    n_windows = windows.shape[1]
    lasts = FRAMES - n_windows + 1
    covers = [
        [k for k in range(n_windows) if k <= frame < k + lasts]
        for frame in range(FRAMES)
    ]
    return np.stack([windows[:, found].mean(axis=1) for found in covers], axis=1)


def _course(rng: np.random.Generator, n_clips: int, width: int) -> np.ndarray:
    """Return unit-variance courses: a level per clip, and slow change inside it."""
    change = rng.standard_normal((n_clips, FRAMES, width))
    for k in range(1, FRAMES):
        change[:, k] = 0.7 * change[:, k - 1] + 0.51**0.5 * change[:, k]
    level = rng.standard_normal((n_clips, 1, width))
    return 0.7**0.5 * level + 0.3**0.5 * change


def write_responses(
    folder: Path,
    design: pd.DataFrame,
    runs: pd.DataFrame,
    clips: list[str],
    spaces: dict[str, np.ndarray],
    rng: np.random.Generator,
    n_voxels: int,
) -> None:
    """Write baseline + 15 (sqrt(R2) signal + sqrt(1 - R2) noise + drift), float32."""
    place = {clip: k for k, clip in enumerate(clips)}
    genre = one_hot([genre_of(clip) for clip in clips])
    every = {name: volumes_of(values) for name, values in spaces.items()}
    every["genre"] = np.repeat(genre[:, None], FRAMES, axis=1)
    scale = {
        name: values.reshape(-1, values.shape[-1]).std(axis=0)
        for name, values in every.items()
    }
    chosen = np.flatnonzero(rng.random(n_voxels) < SHARE)
    # Weights of standardised columns that have the variances of the axes.
    W = planted_weights(
        rng, len(chosen), Case(widths=tuple(v.shape[-1] for v in every.values()))
    )
    r2 = np.exp(rng.uniform(*np.log(R2), len(chosen))).astype(np.float32)
    baseline = rng.normal(1000, 100, n_voxels).astype(np.float32)
    shape = (len(runs) * N_SAMPLES, n_voxels)
    sd = None
    with (folder / "responses/sub-001.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for task, label in runs.itertuples(index=False):
            mine = design[(design["task"] == task) & (design["run"] == label)]
            order = [place[clip] for clip in mine["clip"]]
            parts = []
            for name, values in every.items():
                frames = values[order] / np.where(scale[name] > 0, scale[name], 1)
                F = frames.reshape(-1, frames.shape[-1])[:N_SAMPLES]
                F = F * np.arange(1, F.shape[1] + 1) ** (SPECTRUM / 2)
                parts += [
                    np.vstack([np.zeros((d, F.shape[1])), F[:-d]]) for d in DELAYS
                ]
            signal = np.hstack(parts).astype(np.float32) @ W
            sd = signal.std(axis=0) if sd is None else sd
            Y = rng.standard_normal((N_SAMPLES, n_voxels), dtype=np.float32)
            for row in range(1, N_SAMPLES):
                Y[row] = 0.4 * Y[row - 1] + np.float32(0.84**0.5) * Y[row]
            Y[:, chosen] *= np.sqrt(1 - r2)
            Y[:, chosen] += signal / sd * np.sqrt(r2)
            wave = np.cos(np.pi * (np.arange(N_SAMPLES) + 0.5) / N_SAMPLES)
            Y += np.outer(wave, 0.3 * rng.standard_normal(n_voxels)).astype(np.float32)
            file.write((baseline + 15 * Y).astype("<f4").tobytes())
    truth = {"voxel": chosen.tolist(), "r2": r2.tolist()}
    (folder / "planted.json").write_text(json.dumps(truth), encoding="utf-8")


if __name__ == "__main__":
    main()
