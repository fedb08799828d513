"""Tests of music that is found and made from what a study decodes."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music import load_study, run
from brain2music.core.artefacts import Recipe
from brain2music.core.checks import InputError, MissingFileError
from brain2music.decoding.corpus import find_music
from brain2music.decoding.retrieval import open_index
from brain2music.decoding.sounds import read_start
from brain2music.features.tiny import write_tiny_clap, write_tiny_w2v_bert
from brain2music.study import StudyError
from brain2music.workflow.alignment import align
from brain2music.workflow.corpus import make_corpus
from brain2music.workflow.encoders import embed_stimuli, encoder_of, stimuli_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.prepare import build_features
from brain2music.workflow.reconstruction import (
    check_reconstruction,
    make_reconstruction,
)
from brain2music.workflow.session import Session

pytest.importorskip("torch")
pytest.importorskip("transformers")

RATE_HZ, CLIP_S = 16_000, 15.0
SPACES = """
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


def sound(rng, seconds=CLIP_S):
    """Return a beat on a tone in noise, no two alike."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    beat = 1 + np.sin(2 * np.pi * rng.uniform(0.5, 4) * t)
    tone = beat * np.sin(2 * np.pi * rng.uniform(100, 2000) * t)
    noise = rng.uniform(0.01, 0.6) * rng.standard_normal(len(t))
    wave = tone + noise
    return 0.2 * wave / np.abs(wave).max()


@pytest.fixture(scope="module")
def made(write_study, tmp_path_factory):
    """Return a study of clips with sound, a corpus and networks; not to edit."""
    folder = tmp_path_factory.mktemp("reconstruction") / "data"
    path = write_study(folder, clip_samples=10)
    with np.load(folder / "features/music.npz") as saved:
        clips = saved["clips"].tolist()
    rng = np.random.default_rng(7)
    for name in ("sound", "corpus/some album"):
        (folder / name).mkdir(parents=True)
    for clip in clips:
        soundfile.write(folder / f"sound/{clip}.wav", sound(rng), RATE_HZ)
    for k in range(14):
        place = folder / f"corpus/some album/piece {k:02d}.flac"
        soundfile.write(place, sound(rng), RATE_HZ)
    texts = [
        f"a {clip.split('.')[0]} piece with {k} drums" for k, clip in enumerate(clips)
    ]
    ids = [f"{clip}_15s" for clip in clips]
    captions = pd.DataFrame({"ID": ids, "DescEN": texts})
    captions.to_csv(folder / "captions.csv", index=False)
    write_tiny_clap(folder / "networks/tiny-clap", texts, seed=1, n_features=16)
    write_tiny_w2v_bert(folder / "networks/tiny-w2v-bert", seed=2, n_features=8)
    text = path.read_text().replace("[encoding]\n", SPACES)
    path.write_text(text.replace('["music", "genre"]', '["clap", "genre"]'))
    return path


@pytest.fixture
def study_copy(made, tmp_path):
    """Give `study_copy(*edits)`: the study anew, text replaced."""

    def copy(*edits):
        folder = tmp_path / "copy"
        shutil.copytree(made.parent, folder)
        text = (folder / "study.toml").read_text()
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        (folder / "study.toml").write_text(text)
        return folder / "study.toml"

    return copy


def decoded_as(study, out, target="clap", *, from_truth=True, seed=0):
    """Write a decoding of both subjects: its targets as they are, or noise like them.

    The last dimension is not decoded. Returns sessions' arguments.
    """
    session = Session(study, out, lambda *_: None)
    aligned = [align(study, open_subject(study, one)) for one in study.dataset.subjects]
    identities = {}
    for one in aligned:
        subject = one.opened.subject
        X_train, X_test, bands, _ = build_features(study, one)
        start = sum(b.n_columns for b in bands[: [b.name for b in bands].index(target)])
        band = next(b for b in bands if b.name == target)
        rows = one.rows[one.rows["side"] == "test"].drop_duplicates(
            ["clip", "sample_in_clip"]
        )
        clips = rows["clip"].to_numpy()
        every = stimuli_of(study, one.opened, target)
        named = {clip: every[clip] for clip in dict.fromkeys(clips)}
        raw = embed_stimuli(study, target, named, session.ticker)
        mean, scale = moments(study, one, target)
        true = ((raw - mean) / scale)[[list(named).index(clip) for clip in clips]]
        rng = np.random.default_rng(seed)
        predicted = true if from_truth else rng.standard_normal(true.shape)
        kept = np.arange(band.n_features - 1)
        assert start >= 0 and X_train.shape[1] == X_test.shape[1]

        def work(folder, predicted=predicted, true=true, kept=kept, rows=rows):
            np.savez(
                folder / f"{target}.npz",
                predicted=predicted[:, kept],
                true=true[:, kept],
                dimensions=kept,
            )
            rows.to_csv(folder / "rows.csv", index=False)
            return []

        recipe = Recipe("decoding", 1, {"from_truth": from_truth, "seed": seed}, {})
        identities[subject] = session.make(f"decoding/sub-{subject}", recipe, work)
    return session, aligned, identities


def moments(study, aligned, name):
    """Return mean and standard deviation of a space over training rows, by hand."""
    from brain2music.workflow.sources import space_runs

    layers, _ = space_runs(study, aligned, name)
    rows = []
    for run_, values in zip(aligned.opened.runs, layers[""], strict=True):
        mine = aligned.opened.rows[aligned.opened.rows["run_name"] == str(run_)]
        if run_ in aligned.opened.split.train:
            rows.append(values[mine["kept"].to_numpy()])
    rows = np.concatenate(rows)
    return rows.mean(axis=0), rows.std(axis=0)


def table(out, name, subject="01"):
    step = "generation" if name in ("generation", "class_agreement") else "retrieval"
    return pd.read_csv(out / f"{step}/sub-{subject}/{name}.csv", dtype={"subject": str})


def value(scores, items, scored_by, metric="identification accuracy"):
    asked = (scores["items"] == items) & (scores["metric"] == metric)
    (row,) = scores[asked & scores["scored_by"].str.contains(scored_by)].to_dict(
        "records"
    )
    return row


# What is found


def test_what_was_decoded_without_error_reaches_the_oracle(made, tmp_path):
    study = load_study(made)
    session, aligned, decoded = decoded_as(study, tmp_path)
    make_reconstruction(session, aligned, decoded)
    for subject in ("01", "02"):
        scores = table(tmp_path, "retrieval", subject)
        for name in ("CLAP", "w2v"):
            got, best = (value(scores, kind, name) for kind in ("retrieved", "oracle"))
            assert got["value"] == best["value"]
            assert got["n_clips"] == 6
        assert value(scores, "oracle", "CLAP")["value"] > 0.7
        assert value(scores, "random", "CLAP")["value"] == pytest.approx(0.5, abs=0.1)
    found = table(tmp_path, "retrieved")
    assert len(found) == 6 * 3
    assert set(found["rank"]) == {1, 2, 3}
    by_hand = nearest_by_hand(study, aligned[0])
    first = found[found["rank"] == 1]
    assert dict(zip(first["clip"], first["track"], strict=True)) == by_hand
    assert (found.groupby("clip")["cosine"].diff().dropna() <= 0).all()


def nearest_by_hand(study, aligned):
    """Find each test clip's nearest track with the network alone, sound by sound."""
    from brain2music.data.stimuli import shape_clip
    from brain2music.features.pretrained import extract_audio
    from brain2music.features.windows import Windows
    from brain2music.workflow.networks import network_of

    network = network_of(study, study.features["clap"])

    def vector(path):
        wave, rate_hz = soundfile.read(path)
        heard = shape_clip(wave[: 15 * rate_hz], rate_hz, fade_s=1, rms=0.05)
        rows = extract_audio(
            [heard.astype(np.float32)],
            rate_hz,
            network=network,
            windows=Windows(10, 2.5),
        )
        mean = rows["embedding"][0].mean(axis=0)
        return mean / np.linalg.norm(mean)

    root = study.folder / "corpus"
    tracks = {t.id: vector(t.path) for t in find_music(root)}
    clips = aligned.rows.loc[aligned.rows["side"] == "test", "clip"].unique()
    mean, _ = moments(study, aligned, "clap")
    best = {}
    for clip in clips:
        query = vector(study.root / f"sound/{clip}.wav")
        # The last dimension was not decoded: its training mean stands in.
        raw = np.mean([v for v in [vector_unscaled(study, network, clip)]], axis=0)
        raw[-1] = mean[-1]
        assert query.shape == raw.shape
        best[clip] = max(tracks, key=lambda name: tracks[name] @ raw)
    return best


def vector_unscaled(study, network, clip):
    from brain2music.data.stimuli import shape_clip
    from brain2music.features.pretrained import extract_audio
    from brain2music.features.windows import Windows

    wave, rate_hz = soundfile.read(study.root / f"sound/{clip}.wav")
    heard = shape_clip(wave, rate_hz, fade_s=1, rms=0.05).astype(np.float32)
    rows = extract_audio([heard], rate_hz, network=network, windows=Windows(10, 2.5))
    return rows["embedding"][0].mean(axis=0)
