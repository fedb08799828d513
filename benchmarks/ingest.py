"""Time and peak memory of reading and cleaning full-size runs into the store.

    python benchmarks/ingest.py [--runs 2] [--dtype int16 float32] [--gz] [--small]

Makes runs of 410 x 96 x 96 x 68 (the design of ds003720 at a whole-brain grid) whose
mask holds every voxel, the largest that such a run can be, and cleans them as a study
does: high-pass cosines of 240 s, 24 motion parameters and z-scores, in a process of its
own whose largest resident size is asked of the system. With one run and with several
the peak must be the same.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

SHAPE, N_SAMPLES, TR_S = (96, 96, 68), 410, 1.5
LIMIT_GB = 1.5
STUDY = """\
title = "ingest"

[dataset]
root = "."
subjects = ["01"]
derivatives = "derivatives/fmriprep"
space = "T1w"
tr_s = {tr_s}
train = {{ task = "train" }}
test = {{ task = "test" }}

[responses]
detrend = "{detrend}"
period_s = 240
confounds = ["motion"]

[features.none]
kind = "events"
path = "none.tsv"
columns = [{{ name = "on", measure = "on" }}]

[encoding]
bands = ["none"]
folds = 2
"""


def write_runs(
    folder: Path, shape: tuple[int, int, int], n_runs: int, dtype: str, ending: str
) -> None:
    """Write fMRIPrep's files of `n_runs` runs, two of them for training at least."""
    rng = np.random.default_rng(0)
    place = folder / "derivatives/fmriprep/sub-01/func"
    place.mkdir(parents=True)
    pd.DataFrame({"onset": [0.0], "duration": [60.0]}).to_csv(
        folder / "none.tsv", sep="\t", index=False
    )
    names = [f"task-train_run-{k + 1}" for k in range(max(2, n_runs - 1))]
    for name in [*names, "task-test_run-1"]:
        stem = f"sub-01_{name}"
        path = place / f"{stem}_space-T1w_desc-preproc_bold.{ending}"
        _write_image(path, rng, shape, dtype)
        mask = nib.Nifti1Image(np.ones(shape, np.uint8), np.eye(4) * 2)
        nib.save(mask, place / f"{stem}_space-T1w_desc-brain_mask.nii.gz")
        facts = {"RepetitionTime": TR_S, "StartTime": TR_S / 2}
        sidecar = place / f"{stem}_space-T1w_desc-preproc_bold.json"
        sidecar.write_text(json.dumps(facts))
        _write_confounds(place / f"{stem}_desc-confounds_timeseries.tsv", rng)


def _write_image(
    path: Path, rng: np.random.Generator, shape: tuple[int, int, int], dtype: str
) -> None:
    """Write a 4D image volume by volume, so that this takes no memory either."""
    image = nib.Nifti1Image(np.zeros((*shape, 1), dtype), np.eye(4) * 2)
    header = image.header.copy()
    header.set_data_shape((*shape, N_SAMPLES))
    header.set_zooms((2, 2, 2, TR_S))
    header.set_xyzt_units("mm", "sec")
    if dtype == "int16":
        header["scl_slope"], header["scl_inter"] = 0.5, 100.0
    header["vox_offset"] = 352
    base = rng.integers(400, 1200, shape)
    with nib.openers.ImageOpener(str(path), "wb") as file:
        header.write_to(file)
        file.write(b"\0" * (352 - 348))
        for _ in range(N_SAMPLES):
            volume = base + rng.integers(-40, 40, shape)
            file.write(np.asfortranarray(volume.astype(dtype)).tobytes(order="F"))


def _write_confounds(path: Path, rng: np.random.Generator) -> None:
    columns: dict[str, np.ndarray] = {}
    for name in [f"{k}_{axis}" for k in ("trans", "rot") for axis in "xyz"]:
        x = rng.standard_normal(N_SAMPLES).cumsum()
        d = np.r_[np.nan, np.diff(x)]
        columns |= {name: x, f"{name}_derivative1": d}
        columns |= {f"{name}_power2": x**2, f"{name}_derivative1_power2": d**2}
    pd.DataFrame(columns).to_csv(path, sep="\t", index=False, na_rep="n/a")
    path.with_suffix(".json").write_text("{}")


def ingest(study_file: Path, out: Path) -> None:
    """Read and clean a study's responses, and print seconds and peak memory."""
    from brain2music import load_study, run

    start = time.perf_counter()
    run(load_study(study_file), out, stage="responses")
    seconds = time.perf_counter() - start
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_gb": peak / 1e9}))


def measure(folder: Path, options: argparse.Namespace, dtype: str, n_runs: int) -> dict:
    """Return what a process of its own took for `n_runs` runs."""
    shape = (24, 24, 17) if options.small else SHAPE
    ending = "nii.gz"
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        write_runs(place, shape, n_runs, dtype, ending)
        text = STUDY.format(tr_s=TR_S, detrend=options.detrend)
        (place / "study.toml").write_text(text)
        command = [sys.executable, __file__, "--child", str(place / "study.toml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout)


def main() -> None:
    """Measure what the arguments ask for, and say it as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[3, 6])
    parser.add_argument("--dtype", nargs="+", default=["int16", "float32"])
    parser.add_argument("--detrend", default="cosine")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--small", action="store_true", help="a 64th of the grid")
    parser.add_argument("--child", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        ingest(options.child, options.child.parent / "out")
        return
    for dtype in options.dtype:
        for n_runs in options.runs:
            found = measure(options.folder, options, dtype, n_runs)
            verdict = "within" if found["peak_gb"] < LIMIT_GB else "ABOVE"
            sys.stdout.write(
                f"{dtype}, {n_runs} runs: {found['seconds']:.0f} s "
                f"({found['seconds'] / n_runs:.0f} s a run), peak "
                f"{found['peak_gb']:.2f} GB, {verdict} {LIMIT_GB} GB\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
