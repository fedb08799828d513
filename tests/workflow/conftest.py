"""A small study on disk, with a planted truth, in the form of each road in."""

import json
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music import load_study, run
from brain2music.core.artefacts import Recipe
from brain2music.workflow.alignment import align
from brain2music.workflow.encoders import embed_stimuli, stimuli_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.session import Session
from brain2music.workflow.sources import space_runs

TR_S = 1.5
GENRES = ("blues", "jazz", "rock")
TRAIN, TEST = ("1", "2", "10"), ("1", "2")
N_CLIPS, CLIP_SAMPLES = 6, 8
GRID = (3, 4, 2)

STUDY = """\
title = "A small <study> & its truth"

[dataset]
root = "."
subjects = ["01", "02"]
events = "events/task-{{task}}_run-{{run}}_events.tsv"
clip = "{{genre}}.{{track:0>5}}"
tr_s = 1.5
train = {{ task = "Training" }}
test = {{ task = "Test" }}
simulated = true
{responses}

[responses]
lead_in_s = 12
detrend = "linear"

[features.music]
kind = "array"
source = "made up"
path = "features/music.npz"
per = "clip"

[features.genre]
kind = "category"
column = "genre"

[encoding]
bands = ["music", "genre"]
delays = [1, 2]
alphas = [0.1, 1, 10, 100, 1000]
n_candidates = 5
precision = "float64"

[analysis]
n_resamples = 200
n_permutations = 200
{rois}
"""
ROADS = {
    "matrix": 'responses = "npy/sub-{subject}.npy"\nruns = "runs.csv"',
    "tables": 'responses = "csv/sub-{subject}/task-{task}_run-{run}_bold.csv"',
    "images": 'responses = "nii/sub-{subject}_task-{task}_run-{run}_bold.nii.gz"\n'
    'mask = "nii/mask.nii.gz"',
}


def write_study(
    folder, *, road="matrix", rois="", seed=0, runs=None, clip_samples=CLIP_SAMPLES
):
    """Write the study, its responses by one road; `runs` sets their order in a matrix.

    In voxels 0 to 3 music leads, in 4 to 7 genre, and the other 4 hold noise.
    """
    rng = np.random.default_rng(seed)
    names = [("Training", run) for run in TRAIN] + [("Test", run) for run in TEST]
    clips = _write_events(folder, names, rng, clip_samples)
    features = {clip: rng.standard_normal((clip_samples, 3)) for clip in clips}
    (folder / "features").mkdir()
    values = np.stack([features[clip] for clip in clips])
    np.savez(
        folder / "features/music.npz", clips=clips, features=values, rate_hz=1 / TR_S
    )
    for subject in ("01", "02"):
        Y = {name: _respond(folder, name, features, seed, rng) for name in names}
        _write_responses(folder, subject, Y, road, runs or names)
    text = STUDY.format(responses=ROADS[road], rois=rois)
    lead_in = f"lead_in_s = {clip_samples * TR_S:g}"
    text = text.replace("lead_in_s = 12", lead_in)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder / "study.toml"


def _write_events(folder, names, rng, clip_samples):
    """Write events: a lead-in that repeats the last clip; test clips come twice."""
    (folder / "events").mkdir(parents=True)
    clips = []
    for number, (task, label) in enumerate(names):
        n_new = N_CLIPS if task == "Training" else N_CLIPS // 2
        new = [(GENRES[k % 3], 10 * number + k) for k in range(n_new)]
        order = [new[k] for k in rng.permutation(n_new)]
        order = order if task == "Training" else order * 2
        clips += [f"{genre}.{track:05d}" for genre, track in new]
        rows = [order[-1], *order]
        table = {
            "onset": clip_samples * TR_S * np.arange(len(rows)),
            "duration": clip_samples * TR_S,
            "genre": [f"'{genre}'" for genre, _ in rows],
            "track": [track for _, track in rows],
        }
        path = folder / f"events/task-{task}_run-{label}_events.tsv"
        pd.DataFrame(table).to_csv(path, sep="\t", index=False)
    return clips


def _respond(folder, name, features, seed, rng):
    """Return a run's responses, of shape (n_samples, 12)."""
    weights = np.random.default_rng(seed + 100).standard_normal((6, 12))
    events = pd.read_csv(
        folder / f"events/task-{name[0]}_run-{name[1]}_events.tsv", sep="\t"
    )
    X = []
    for event in events.itertuples():
        genre = event.genre.strip("'")
        music = features[f"{genre}.{event.track:05d}"]
        one_hot = np.tile([genre == g for g in GENRES], (len(music), 1))
        X.append(np.hstack([music, 2.0 * one_hot]))
    X = np.vstack(X)
    heard = np.vstack([np.zeros((1, 6)), X[:-1]])
    plan = np.zeros((6, 12))
    plan[:3, :4] = plan[3:, 4:8] = 1
    noise = rng.standard_normal((len(X), 12))
    return (20 + heard @ (weights * plan) + 0.8 * noise).astype(np.float32)


def _write_responses(folder, subject, Y, road, order):
    if road == "matrix":
        (folder / "npy").mkdir(exist_ok=True)
        np.save(folder / f"npy/sub-{subject}.npy", np.vstack([Y[n] for n in order]))
        rows = [name for name in order for _ in range(len(Y[name]))]
        table = pd.DataFrame(rows, columns=["task", "run"])
        table.to_csv(folder / "runs.csv", index=False)
    for (task, label), values in Y.items():
        if road == "tables":
            path = folder / f"csv/sub-{subject}/task-{task}_run-{label}_bold.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(values).to_csv(path, index=False, float_format="%.9g")
        if road == "images":
            _write_image(folder, f"sub-{subject}_task-{task}_run-{label}", values)


def _write_image(folder, name, values):
    (folder / "nii").mkdir(exist_ok=True)
    mask = np.zeros(GRID, dtype=np.uint8)
    mask.ravel()[::2] = 1
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    nib.save(nib.Nifti1Image(mask, affine), folder / "nii/mask.nii.gz")
    data = np.zeros((*GRID, len(values)), dtype=np.float32)
    data[mask.astype(bool)] = values.T
    image = nib.Nifti1Image(data, affine)
    image.header.set_zooms((2, 2, 2, TR_S))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, folder / f"nii/{name}_bold.nii.gz")
    sidecar = folder / f"nii/{name}_bold.json"
    sidecar.write_text(json.dumps({"RepetitionTime": TR_S}))


@pytest.fixture(name="write_study", scope="session")
def write_study_fixture():
    return write_study


@pytest.fixture
def study_file(tmp_path):
    return write_study(tmp_path / "data")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Return the small study and its results; do not write into them."""
    folder = tmp_path_factory.mktemp("finished")
    masks = np.zeros((3, 12), dtype=bool)
    masks[0, :4] = masks[1, 4:8] = masks[2, 8:] = True
    path = write_study(folder / "data", rois='[rois]\nmasks = "rois.npz"')
    names = ("leads <music>", "leads genre", "noise")
    np.savez(folder / "data/rois.npz", **dict(zip(names, masks, strict=True)))
    text = path.read_text() + 'planted = "truth.csv"\n'
    path.write_text(
        text.replace('[rois]\nmasks = "rois.npz"\n', "").replace(
            "[analysis]", '[rois]\nmasks = "rois.npz"\n\n[analysis]'
        )
    )
    truth = pd.DataFrame({"roi": names, "planted": ["music", "genre", "none"]})
    truth.to_csv(folder / "data/truth.csv", index=False)
    study = load_study(path)
    return study, run(study, folder / "out")


SPACES = {"volume": "MNI152NLin2009cAsym", "surface": "fsnative", "cifti": "fsLR"}


@pytest.fixture
def write_fmriprep(Fmriprep):
    """Return a function that turns the matrices of a study into fMRIPrep's outputs."""

    def write(path, kind="volume", *, sessions=None, **sidecar):
        folder = path.parent
        writer = Fmriprep(folder)
        rows = pd.read_csv(folder / "runs.csv", dtype=str)
        for subject in ("01", "02"):
            Y = np.load(folder / f"npy/sub-{subject}.npy")
            for run_, there in rows.groupby(["task", "run"]).groups.items():
                session = sessions and sessions[run_]
                writer.write(kind, subject, run_, Y[there], session=session, **sidecar)
        lines = path.read_text().splitlines()
        kept = [x for x in lines if not x.startswith(("responses =", "runs ="))]
        place = kept.index("[dataset]") + 1
        kept.insert(place, 'derivatives = "derivatives/fmriprep"')
        kept.insert(place, f'space = "{SPACES[kind]}"')
        path.write_text("\n".join(kept) + "\n")
        return path, writer

    return write


# A study with sound, networks and a corpus


RATE_HZ, CLIP_S = 16_000, 15.0
HEARD = """
[features.clap]
kind = "network"
model = "clap"
weights = "networks/tiny-clap"
path = "sound/{genre}.{track:0>5}"
rms = 0.05
fade_s = 1
window_s = 10
step_s = 2.5

[features.words]
kind = "captions"
model = "clap"
weights = "networks/tiny-clap"
captions = "captions.csv"

[features.other]
kind = "network"
model = "w2v-bert"
weights = "networks/tiny-w2v-bert"
path = "sound/{genre}.{track:0>5}"
layers = 3
window_s = 5
step_s = 5

[machine]
cache = "cache"

[decoding]
targets = ["clap"]
n_permutations = 100
n_resamples = 100

[retrieval]
target = "clap"
corpus = "corpus"
checked_by = "other"
n_nearest = 3
n_permutations = 100
n_resamples = 100

[encoding]
"""


def _sound(rng, seconds=CLIP_S):
    """Return a beat on a tone in noise, no two alike."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    beat = 1 + np.sin(2 * np.pi * rng.uniform(0.5, 4) * t)
    tone = beat * np.sin(2 * np.pi * rng.uniform(100, 2000) * t)
    noise = rng.uniform(0.01, 0.6) * rng.standard_normal(len(t))
    wave = tone + noise
    return 0.2 * wave / np.abs(wave).max()


@pytest.fixture(scope="session")
def make_sound():
    return _sound


@pytest.fixture(scope="session")
def heard_study(write_study, tmp_path_factory):
    """Return a study of clips with sound, a corpus and networks; not to edit."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from brain2music.features.tiny import write_tiny_clap, write_tiny_w2v_bert

    folder = tmp_path_factory.mktemp("reconstruction") / "data"
    path = write_study(folder, clip_samples=10)
    with np.load(folder / "features/music.npz") as saved:
        clips = saved["clips"].tolist()
    rng = np.random.default_rng(7)
    for name in ("sound", "corpus/some album"):
        (folder / name).mkdir(parents=True)
    for clip in clips:
        soundfile.write(folder / f"sound/{clip}.wav", _sound(rng), RATE_HZ)
    for k in range(14):
        place = folder / f"corpus/some album/piece {k:02d}.flac"
        soundfile.write(place, _sound(rng), RATE_HZ)
    texts = [
        f"a {clip.split('.')[0]} piece with {k} drums" for k, clip in enumerate(clips)
    ]
    ids = [f"{clip}_15s" for clip in clips]
    captions = pd.DataFrame({"ID": ids, "DescEN": texts})
    captions.to_csv(folder / "captions.csv", index=False)
    write_tiny_clap(folder / "networks/tiny-clap", texts, seed=1, n_features=16)
    write_tiny_w2v_bert(folder / "networks/tiny-w2v-bert", seed=2, n_features=8)
    text = path.read_text().replace("[encoding]\n", HEARD)
    path.write_text(text.replace('["music", "genre"]', '["clap", "genre"]'))
    return path


@pytest.fixture
def heard_copy(heard_study, tmp_path):
    """Give `heard_copy(*edits)`: the study anew, text replaced."""

    def copy(*edits):
        folder = tmp_path / "copy"
        shutil.copytree(heard_study.parent, folder)
        text = (folder / "study.toml").read_text()
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        (folder / "study.toml").write_text(text)
        return folder / "study.toml"

    return copy


@pytest.fixture(scope="session")
def moments():
    return _moments


@pytest.fixture(scope="session")
def decoded_as():
    return _decoded_as


@pytest.fixture(scope="session")
def step_table():
    """Give `step_table(out, name, subject)`: a table of retrieval or generation."""
    return _step_table


def _decoded_as(study, out, target="clap", *, from_truth=True, seed=0, control=False):
    """Write a decoding of both subjects: its targets as they are, or noise like them.

    With `control`, a control ROI predicts the noise. The last dimension is not decoded.
    Returns sessions' arguments.
    """
    session = Session(study, out, lambda *_: None)
    aligned = [align(study, open_subject(study, one)) for one in study.dataset.subjects]
    identities = {}
    for one in aligned:
        subject = one.opened.subject
        rows = one.rows[one.rows["side"] == "test"].drop_duplicates(
            ["clip", "sample_in_clip"]
        )
        clips = rows["clip"].to_numpy()
        every = stimuli_of(study, one.opened, target)
        named = {clip: every[clip] for clip in dict.fromkeys(clips)}
        raw = embed_stimuli(study, target, named, session.ticker)
        mean, scale = _moments(study, one, target)
        true = raw[[list(named).index(clip) for clip in clips]]
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal(true.shape) * scale + mean
        predicted = true if from_truth else noise
        random = rng.standard_normal(true.shape) * scale + mean
        kept = np.arange(true.shape[1] - 1)
        arrays = {"predicted": predicted[:, kept], "true": true[:, kept]}
        arrays |= {"random": random[:, kept]}
        arrays |= {"dimensions": kept, "train_mean": mean}
        arrays |= {"control": noise[:, kept]} if control else {}

        def work(folder, arrays=arrays, rows=rows):
            np.savez(folder / f"{target}.npz", **arrays)
            rows.to_csv(folder / "rows.csv", index=False)
            return []

        settings = {"from_truth": from_truth, "seed": seed, "control": control}
        recipe = Recipe("decoding", 1, settings, {})
        identities[subject] = session.make(f"decoding/sub-{subject}", recipe, work)
    return session, aligned, identities


def _moments(study, aligned, name):
    """Return mean and standard deviation of a space over training rows, by hand."""
    layers, _ = space_runs(study, aligned, name)
    rows = []
    for run_, values in zip(aligned.opened.runs, layers[""], strict=True):
        mine = aligned.opened.rows[aligned.opened.rows["run_name"] == str(run_)]
        if run_ in aligned.opened.split.train:
            rows.append(values[mine["kept"].to_numpy()])
    rows = np.concatenate(rows)
    return rows.mean(axis=0), rows.std(axis=0)


def _step_table(out, name, subject="01"):
    made = ("generation", "generation_genres", "class_agreement")
    step = "generation" if name in made else "retrieval"
    return pd.read_csv(out / f"{step}/sub-{subject}/{name}.csv", dtype={"subject": str})


@pytest.fixture(scope="session")
def with_generator(heard_study):
    """Add generators, one of the study's own CLAP, and a tagger to its networks."""
    pytest.importorskip("diffusers")
    from brain2music.decoding.agreement import paper_groups
    from brain2music.decoding.tiny import write_tiny_generator, write_tiny_tagger

    networks = heard_study.parent / "networks"
    clap = networks / "tiny-clap"
    write_tiny_generator("musicldm", networks / "tiny-musicldm", seed=3, clap=clap)
    write_tiny_generator("musicldm", networks / "other-musicldm", seed=3)
    write_tiny_generator("musicgen", networks / "tiny-musicgen", seed=3)
    labels = [name for group in paper_groups().values() for name in group.classes]
    write_tiny_tagger(networks / "tiny-tagger", labels, seed=4)
    return heard_study
