"""Time and peak memory of reading and cleaning full-size runs into the store.

    python benchmarks/ingest.py [--kind volume surface cifti] [--runs 3 6]
                                [--subjects 1] [--dtype int16 float32] [--small]

Makes runs of 410 volumes: 96 x 96 x 68 (the design of ds003720 at a whole-brain grid)
whose mask holds every voxel, the largest that such a run can be; fsaverage, 163,842
vertices a side; or 91,282 grayordinates. They are cleaned as a study does: high-pass
cosines of 240 s, 24 motion parameters and z-scores, in a process of its own whose
largest resident size is asked of the system. Leaves with 1 if a peak is above 1.5 GB,
or grows by more than a tenth with runs or subjects.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from memory import peak_bytes

SHAPE, N_SAMPLES, TR_S = (96, 96, 68), 410, 1.5
SMALL = 4  # times less in each direction
N_VERTICES, N_GRAY = 163_842, 91_282
LIMIT_GB, GROWTH = 1.5, 1.1
SPACES = {"volume": "T1w", "surface": "fsaverage", "cifti": "fsLR:91k"}
STUDY = """\
title = "ingest"

[dataset]
root = "."
subjects = {subjects}
derivatives = "derivatives/fmriprep"
space = "{space}"
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


def write_runs(folder: Path, kind: str, n_runs: int, subject: str, dtype: str) -> None:
    """Write fMRIPrep's files of a subject's runs, the last one for the test."""
    rng = np.random.default_rng(0)
    place = folder / f"derivatives/fmriprep/sub-{subject}/func"
    place.mkdir(parents=True)
    names = [f"task-train_run-{k + 1}" for k in range(n_runs - 1)]
    for name in [*names, "task-test_run-1"]:
        stem = place / f"sub-{subject}_{name}"
        for path in WRITERS[kind](stem, rng, dtype):
            facts = {"RepetitionTime": TR_S, "StartTime": TR_S / 2}
            sidecar = path.with_name(path.name.split(".")[0] + ".json")
            sidecar.write_text(json.dumps(facts))
        _write_confounds(Path(f"{stem}_desc-confounds_timeseries.tsv"), rng)


def _write_volume(stem: Path, rng: np.random.Generator, dtype: str) -> list[Path]:
    path = Path(f"{stem}_space-T1w_desc-preproc_bold.nii.gz")
    _write_image(path, rng, SHAPE, dtype)
    mask = nib.Nifti1Image(np.ones(SHAPE, np.uint8), np.eye(4) * 2)
    nib.save(mask, Path(f"{stem}_space-T1w_desc-brain_mask.nii.gz"))
    return [path]


def _write_surface(stem: Path, rng: np.random.Generator, _dtype: str) -> list[Path]:
    paths = []
    for side, structure in (("L", "CortexLeft"), ("R", "CortexRight")):
        base = rng.uniform(400, 1200, N_VERTICES)
        arrays = [
            nib.gifti.GiftiDataArray(
                (base + rng.normal(0, 20, N_VERTICES)).astype(np.float32),
                "NIFTI_INTENT_TIME_SERIES",
                "NIFTI_TYPE_FLOAT32",
            )
            for _ in range(N_SAMPLES)
        ]
        meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
        paths.append(
            Path(f"{stem}_hemi-{side}_space-{SPACES['surface']}_bold.func.gii")
        )
        nib.save(nib.GiftiImage(darrays=arrays, meta=meta), paths[-1])
    return paths


def _write_cifti(stem: Path, rng: np.random.Generator, _dtype: str) -> list[Path]:
    models = nib.cifti2.BrainModelAxis
    half = N_GRAY // 2
    axis = models.from_surface(np.arange(half), half + 10, "CortexLeft")
    axis += models.from_surface(np.arange(N_GRAY - half), half + 10, "CortexRight")
    Y = rng.normal(800, 20, (N_SAMPLES, N_GRAY)).astype(np.float32)
    series = nib.cifti2.SeriesAxis(0, TR_S, N_SAMPLES, "SECOND")
    path = Path(f"{stem}_space-fsLR_den-91k_bold.dtseries.nii")
    nib.save(nib.Cifti2Image(Y, (series, axis)), path)
    return [path]


WRITERS = {"volume": _write_volume, "surface": _write_surface, "cifti": _write_cifti}


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
    told = {"seconds": seconds, "peak_gb": peak_bytes() / 1e9}
    sys.stdout.write(json.dumps(told))


def measure(
    options: argparse.Namespace, kind: str, dtype: str, n_runs: int, n_subjects: int
) -> dict:
    """Return what a process of its own took for the runs of some subjects."""
    subjects = [f"{k + 1:02d}" for k in range(n_subjects)]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        place = Path(name)
        for subject in subjects:
            write_runs(place, kind, n_runs, subject, dtype)
        events = pd.DataFrame({"onset": [0.0], "duration": [60.0]})
        events.to_csv(place / "none.tsv", sep="\t", index=False)
        text = STUDY.format(
            tr_s=TR_S,
            detrend=options.detrend,
            space=SPACES[kind],
            subjects=json.dumps(subjects),
        )
        (place / "study.toml").write_text(text)
        command = [sys.executable, __file__, "--child", str(place / "study.toml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout)


def shrink() -> None:
    """Make everything small, to see that it runs."""
    global SHAPE, N_VERTICES, N_GRAY
    SHAPE = tuple(n // SMALL for n in SHAPE)
    N_VERTICES, N_GRAY = 10_242, N_GRAY // SMALL**3
    SPACES["surface"] = "fsaverage5"


def main() -> None:
    """Measure what the arguments ask for, and say it as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", nargs="+", default=["volume"], choices=SPACES)
    parser.add_argument("--runs", type=int, nargs="+", default=[3, 6])
    parser.add_argument("--subjects", type=int, nargs="+", default=[1])
    parser.add_argument("--dtype", nargs="+", default=["int16", "float32"])
    parser.add_argument("--detrend", default="cosine")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--small", action="store_true", help="about a 64th of the size")
    parser.add_argument("--child", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        ingest(options.child, options.child.parent / "out")
        return
    if min(options.runs) < 3:
        parser.error("--runs: two for training and one for the test are the fewest")
    if options.small:
        shrink()
    raise SystemExit(int(not _report(options)))


def _report(options: argparse.Namespace) -> bool:
    """Print a line for each size; return whether memory keeps to its bounds."""
    good = True
    for kind in options.kind:
        for dtype in options.dtype if kind == "volume" else ["float32"]:
            peaks = []
            for n_subjects, n_runs in itertools.product(options.subjects, options.runs):
                found = measure(options, kind, dtype, n_runs, n_subjects)
                peaks.append(found["peak_gb"])
                verdict = "within" if peaks[-1] < LIMIT_GB else "ABOVE"
                each = found["seconds"] / n_runs / n_subjects
                sys.stdout.write(
                    f"{kind}, {dtype}, {n_subjects} subjects of {n_runs} runs: "
                    f"{found['seconds']:.0f} s ({each:.0f} s a run), peak "
                    f"{peaks[-1]:.2f} GB, {verdict} {LIMIT_GB} GB\n"
                )
                sys.stdout.flush()
            good &= max(peaks) < LIMIT_GB
            if max(peaks) > GROWTH * min(peaks):
                good = False
                sys.stdout.write(
                    f"{kind}, {dtype}: the peak GROWS from {min(peaks):.2f} to "
                    f"{max(peaks):.2f} GB\n"
                )
    return good


if __name__ == "__main__":
    main()
