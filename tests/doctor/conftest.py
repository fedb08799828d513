"""A study on disk with a planted signal, large enough for the doctor's statistics."""

from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from brain2music import load_study
from brain2music.doctor.examine import examine
from brain2music.doctor.verdict import Finding

TR_S, CLIP = 1.5, 10
N_CLIPS, N_TEST, N_REPEATS = 28, 7, 4
TRAIN = tuple(("Training", f"{k}") for k in range(1, 7))
TEST = tuple(("Test", f"{k}") for k in (1, 2))
N_VOXELS, N_SILENT = 40, 10
HRF = {3: 0.7, 4: 0.7}

STUDY = """\
title = "A study to <doctor>"

[dataset]
root = "."
subjects = ["01"]
responses = "bold/sub-{{subject}}_task-{{task}}_run-{{run}}.npy"
events = "events/task-{{task}}_run-{{run}}_events.tsv"
clip = "{{genre}}.{{track}}"
tr_s = 1.5
train = {{ task = "Training" }}
test = {{ task = "Test" }}
simulated = true

[responses]
detrend = "linear"

[features.music]
kind = "array"
source = "made up"
path = "features/music.npz"
per = "clip"{empty}

[features.timbre]
kind = "array"
source = "made up"
path = "features/timbre.npz"
per = "clip"{empty}

[encoding]
bands = ["music", "timbre"]
delays = [2, 3, 4]
alphas = [0.1, 10, 1000, 100000]
n_candidates = 5
folds = 3

[analysis]
n_permutations = 500
{more}
"""


@dataclass
class Made:
    """What a study is made of; tests change it before it is written."""

    folder: object
    events: dict = field(default_factory=dict)
    Y: dict = field(default_factory=dict)
    features: dict = field(default_factory=dict)
    more: str = ""
    silences: dict = field(default_factory=dict)  # volumes after each event

    def write(self):
        """Write all of it, and return the study file."""
        for part in ("events", "bold", "features"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        for (task, run), table in self.events.items():
            path = self.folder / f"events/task-{task}_run-{run}_events.tsv"
            table.to_csv(path, sep="\t", index=False)
        for (task, run), values in self.Y.items():
            path = self.folder / f"bold/sub-01_task-{task}_run-{run}.npy"
            np.save(path, values.astype(np.float32))
        clips = sorted(self.features)
        for k, name in enumerate(("music", "timbre")):
            values = np.stack([self.features[clip][k] for clip in clips])
            np.savez(
                self.folder / f"features/{name}.npz",
                clips=clips,
                features=values,
                rate_hz=1 / TR_S,
            )
        path = self.folder / "study.toml"
        empty = "\nempty = 0" if any(map(any, self.silences.values())) else ""
        text = STUDY.format(more=self.more, empty=empty)
        path.write_text(text, encoding="utf-8")
        return path


def make(folder, seed=0, strength=0.7, gap=(0, 0)):
    """Return a clean study: three voxels of four follow music or timbre.

    `gap` are the least and the most volumes of silence after a clip. With silence,
    features are above 0, so that responses tell sound from silence as well.
    """
    rng = np.random.default_rng(seed)
    made = Made(folder)
    for number, (task, run) in enumerate((*TRAIN, *TEST)):
        table = _events(number, task, rng)
        n_silent = np.random.default_rng([seed, number]).integers(
            *gap, len(table), endpoint=True
        )
        volumes = np.r_[0, np.cumsum(CLIP + n_silent)[:-1]]
        made.events[task, run] = table.assign(onset=TR_S * volumes)
        made.silences[task, run] = n_silent
    names = {
        f"{row.genre}.{row.track}"
        for table in made.events.values()
        for row in table.itertuples()
    }
    for clip in sorted(names):
        level = rng.standard_normal((2, 1, 3))
        moving = _ar(rng, (CLIP, 6), 0.5).reshape(CLIP, 2, 3).transpose(1, 0, 2)
        made.features[clip] = level + 0.7 * moving + 3 * (gap[1] > 0)
    weights = rng.standard_normal((6, N_VOXELS))
    weights[3:, ::2] = 0
    weights[:3, 1::2] = 0
    weights[:, -N_SILENT:] = 0
    for name, table in made.events.items():
        F = np.vstack(
            [
                np.pad(
                    np.hstack(made.features[f"{row.genre}.{row.track}"]),
                    ((0, n), (0, 0)),
                )
                for row, n in zip(table.itertuples(), made.silences[name], strict=True)
            ]
        )
        signal = sum(
            w * np.vstack([np.zeros((d, N_VOXELS)), (F @ weights)[:-d]])
            for d, w in HRF.items()
        )
        noise = _ar(rng, signal.shape, 0.4)
        made.Y[name] = 100 + strength * signal / 2.4 + noise
    return made


def _events(number, task, rng):
    n = N_CLIPS if task == "Training" else N_TEST
    new = [(f"g{k % 3}", 100 * number + k) for k in range(n)]
    order = [new[k] for k in rng.permutation(n)]
    order = order if task == "Training" else order * N_REPEATS
    return pd.DataFrame(
        {
            "onset": 0.0,
            "duration": CLIP * TR_S,
            "genre": [genre for genre, _ in order],
            "track": [track for _, track in order],
        }
    )


def _ar(rng, shape, slowness):
    out = rng.standard_normal(shape)
    for row in range(1, len(out)):
        out[row] = slowness * out[row - 1] + np.sqrt(1 - slowness**2) * out[row]
    return out


GRID, AFFINE = (5, 4, 2), np.diag([-2.0, 2.0, 2.0, 1.0])
COLUMNS = [*range(9), -3, -2, -1]  # of which fMRIPrep's files are made
SPACES = {"volume": "MNI152NLin2009cAsym", "surface": "fsnative", "cifti": "fsLR"}
RESPONSES = 'responses = "bold/sub-{subject}_task-{task}_run-{run}.npy"'


def edit(path, *edits):
    """Replace text of a study file; each must be there."""
    text = path.read_text()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)
    return path


def write_image(path, values, affine=AFFINE):
    """Write rows of 40 voxels as an image of their grid."""
    data = np.moveaxis(values.reshape(-1, *GRID), 0, -1).astype(np.float32)
    image = nib.Nifti1Image(data, affine)
    image.header.set_zooms((2, 2, 2, TR_S))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)


def as_images(made):
    """Write a study whose responses are NIfTI images and a mask."""
    path = made.write()
    for (task, run), values in made.Y.items():
        name = f"sub-01_task-{task}_run-{run}.nii"
        write_image(path.parent / "bold" / name, values)
    mask = nib.Nifti1Image(np.ones(GRID, np.uint8), AFFINE)
    nib.save(mask, path.parent / "mask.nii.gz")
    images = RESPONSES.replace(".npy", ".nii")
    return edit(path, (RESPONSES, f'{images}\nmask = "mask.nii.gz"'))


def as_scans(made, Fmriprep, kind):
    """Write a study of 12 columns as fMRIPrep's outputs; return file and writer."""
    path = made.write()
    writer = Fmriprep(path.parent)
    for run, values in made.Y.items():
        writer.write(kind, "01", run, values[:, COLUMNS])
    lines = f'derivatives = "derivatives/fmriprep"\nspace = "{SPACES[kind]}"'
    return edit(path, (RESPONSES, lines)), writer


def examined(path, **options):
    """Return the verdict on a study file, and the failed checks by their key."""
    verdict = examine(load_study(path), path.parent.parent / "out", **options)
    failed = {}
    for one in verdict.failed:
        failed.setdefault(one.key, []).append(one)
    return verdict, failed


@pytest.fixture(scope="session")
def tools():
    """Give what tests of planted failures are written with."""
    return Tools


class Tools:
    """Functions that tests of planted failures share."""

    as_images = staticmethod(as_images)
    as_scans = staticmethod(as_scans)
    edit = staticmethod(edit)
    examined = staticmethod(examined)
    write_image = staticmethod(write_image)


@pytest.fixture(name="make", scope="session")
def make_fixture():
    return make


@pytest.fixture
def made(tmp_path):
    return make(tmp_path / "data")


SHOWN = {"controls", "confounds", "group-size", "repeats", "roi-origin"}


@pytest.fixture(autouse=True)
def planted_failures_are_seen(request, monkeypatch):
    """Hold a test that says which failure it plants to having seen it found.

    `plants(mode, *checks)`: each of the checks must have failed in the test, or spoken
    where it never fails.
    """
    marks = list(request.node.iter_markers("plants"))
    seen = set()

    def init(self, key, status, *args, **options):
        seen.add((key, status))
        right(self, key, status, *args, **options)

    right = Finding.__init__
    monkeypatch.setattr(Finding, "__init__", init)
    yield
    for mark in marks:
        for key in mark.args[1:]:
            assert (key, "shown" if key in SHOWN else "failed") in seen, key
