"""Tests of music that is found and made from what a study decodes."""

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music import load_study
from brain2music.core.artefacts import Recipe
from brain2music.core.checks import InputError
from brain2music.data.stimuli import shape_clip
from brain2music.decoding.corpus import embed_corpus, find_music
from brain2music.decoding.retrieval import open_index
from brain2music.decoding.sounds import Sound, read_start
from brain2music.features.pretrained import extract_audio
from brain2music.features.tiny import write_tiny_clap, write_tiny_w2v_bert
from brain2music.features.windows import Windows
from brain2music.study import StudyError
from brain2music.workflow import corpus
from brain2music.workflow.alignment import align
from brain2music.workflow.corpus import make_corpus
from brain2music.workflow.encoders import embed_stimuli, encoder_of, stimuli_of
from brain2music.workflow.networks import network_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.reconstruction import (
    check_reconstruction,
    make_reconstruction,
)
from brain2music.workflow.session import Session
from brain2music.workflow.sources import space_runs

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


def generates(keys):
    """Return an edit that adds a section on generation."""
    return ("[encoding]\n", f"[generation]\nseed = 3\n{keys}\n\n[encoding]\n")


RETRIEVED = 'generator = "retrieved"\n'
MUSICLDM = 'generator = "musicldm"\nweights = "networks"'
GENRE = ('targets = ["clap"]', 'targets = ["clap", "genre"]')


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
        kept = np.arange(true.shape[1] - 1)

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
    layers, _ = space_runs(study, aligned, name)
    rows = []
    for run_, values in zip(aligned.opened.runs, layers[""], strict=True):
        mine = aligned.opened.rows[aligned.opened.rows["run_name"] == str(run_)]
        if run_ in aligned.opened.split.train:
            rows.append(values[mine["kept"].to_numpy()])
    rows = np.concatenate(rows)
    return rows.mean(axis=0), rows.std(axis=0)


@pytest.fixture(scope="module")
def planted(made, tmp_path_factory):
    """Return the study, its rows and what was found by errorless decoding."""
    study, out = load_study(made), tmp_path_factory.mktemp("planted")
    session, aligned, decoded = decoded_as(study, out)
    make_reconstruction(session, aligned, decoded)
    return study, aligned, out


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


def test_what_was_decoded_without_error_reaches_the_oracle(planted):
    study, aligned, out = planted
    for subject in ("01", "02"):
        scores = table(out, "retrieval", subject)
        for name in ("CLAP", "w2v"):
            got, best = (value(scores, kind, name) for kind in ("retrieved", "oracle"))
            assert got["value"] == best["value"]
            assert got["n_clips"] == 6
        assert value(scores, "oracle", "CLAP")["value"] > 0.7
        assert value(scores, "random", "CLAP")["value"] == pytest.approx(0.5, abs=0.1)
    found = table(out, "retrieved")
    assert len(found) == 6 * 3
    assert set(found["rank"]) == {1, 2, 3}
    by_hand = nearest_by_hand(study, aligned[0])
    first = found[found["rank"] == 1]
    assert dict(zip(first["clip"], first["track"], strict=True)) == by_hand
    assert (found.groupby("clip")["cosine"].diff().dropna() <= 0).all()


def nearest_by_hand(study, aligned):
    """Find each test clip's nearest track with the network alone, sound by sound."""
    root = study.folder / "corpus"
    tracks = {t.id: vector_by_hand(study, t.path) for t in find_music(root)}
    clips = aligned.rows.loc[aligned.rows["side"] == "test", "clip"].unique()
    mean, _ = moments(study, aligned, "clap")
    best = {}
    for clip in clips:
        query = vector_by_hand(study, study.root / f"sound/{clip}.wav")
        query[-1] = mean[-1]  # it was not decoded: its training mean stands in
        best[clip] = max(tracks, key=lambda name: cosine(tracks[name], query))
    return best


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def vector_by_hand(study, path):
    wave, rate_hz = soundfile.read(path)
    heard = shape_clip(wave[: 15 * rate_hz], rate_hz, fade_s=1, rms=0.05)
    rows = extract_audio(
        [heard.astype(np.float32)],
        rate_hz,
        network=network_of(study, study.features["clap"]),
        windows=Windows(10, 2.5),
    )
    return rows["embedding"][0].mean(axis=0)


def test_noise_finds_no_stimulus_above_chance(made, tmp_path):
    study = load_study(made)
    values = []
    for seed in range(3):
        session, aligned, decoded = decoded_as(
            study, tmp_path, from_truth=False, seed=seed
        )
        make_reconstruction(session, aligned, decoded)
        for subject in ("01", "02"):
            row = value(table(tmp_path, "retrieval", subject), "retrieved", "CLAP")
            assert row["p"] > 0.01
            values.append(row["value"])
    assert np.mean(values) == pytest.approx(0.5, abs=0.15)


# The corpus


def corpus_of(study, out):
    make_corpus(Session(study, out, lambda *_: None))
    return pd.read_csv(out / "corpus/tracks.csv"), pd.read_csv(
        out / "corpus/unreadable.csv"
    )


def test_tracks_that_cannot_be_heard_are_listed(study_copy, tmp_path, rng):
    path = study_copy()
    album = path.parent / "corpus/some album"
    (album / "broken.wav").write_bytes(b"RIFF, and nothing more")
    soundfile.write(album / "short.wav", sound(rng, 6.0), RATE_HZ)
    soundfile.write(album / "silent.wav", np.zeros(15 * RATE_HZ), RATE_HZ)
    study = load_study(path)
    tracks, unreadable = corpus_of(study, tmp_path / "out")
    assert len(tracks) == 14
    assert [name.split("/")[1] for name in unreadable["track"]] == [
        "broken.wav",
        "short.wav",
        "silent.wav",
    ]
    assert not unreadable["reason"].str.contains(str(path.parent)).any()
    about = json.loads((tmp_path / "out/corpus/about.json").read_text())
    assert "3 of 17 tracks of the corpus could not be embedded" in about["notes"][0]
    assert str(path.parent) not in json.dumps(about)


def test_a_corpus_that_was_killed_goes_on_where_it_was(
    study_copy, tmp_path, monkeypatch
):
    path = study_copy()
    shutil.rmtree(path.parent / "cache", ignore_errors=True)
    study, heard = load_study(path), []

    def read(path, **options):
        if len(heard) == 9:
            raise KeyboardInterrupt
        heard.append(path.name)
        return read_start(path, **options)

    monkeypatch.setattr(corpus, "read_start", read)
    monkeypatch.setattr(corpus, "embed_corpus", partial(embed_corpus, part=4))
    with pytest.raises(KeyboardInterrupt):
        corpus_of(study, tmp_path)
    assert not (tmp_path / "corpus").exists()
    before, heard[:] = heard[:8], []
    seen = []
    monkeypatch.setattr(
        corpus,
        "read_start",
        lambda path, **options: seen.append(path.name) or read_start(path, **options),
    )
    tracks, _ = corpus_of(study, tmp_path)
    assert len(tracks) == 14
    assert sorted(seen + before) == sorted(tracks["track"].str.split("/").str[1])


def test_a_track_of_loud_peaks_is_levelled_as_others_are(made):
    encoder = encoder_of(load_study(made), "clap")
    wave = np.zeros(round(CLIP_S * RATE_HZ), np.float32)
    wave[::4000] = 0.9
    heard = encoder.shaped(Sound(wave, RATE_HZ), "clicks")
    assert np.sqrt(np.mean(heard.waveform**2)) == pytest.approx(0.05, rel=1e-5)
    assert heard.waveform.max() > 1


def test_a_corpus_is_made_once_and_anew_when_its_music_changes(study_copy, tmp_path):
    path = study_copy()
    study, out = load_study(path), tmp_path / "out"
    sessions = [Session(study, out, lambda *_: None) for _ in range(3)]
    first = make_corpus(sessions[0])
    assert make_corpus(sessions[1]) == first
    assert (sessions[0].made, sessions[1].reused) == (["corpus"], ["corpus"])
    (path.parent / "corpus/some album/piece 03.flac").unlink()
    assert make_corpus(sessions[2]) != first
    assert len(open_index(out / "corpus/index")) == 13


def test_a_saved_index_stands_for_its_music(made, tmp_path):
    study = load_study(made)
    corpus_of(study, tmp_path / "first")
    settings = replace(
        study.retrieval, corpus=str(tmp_path / "first/corpus/index"), checked_by=None
    )
    study = replace(study, retrieval=settings)
    session, aligned, decoded = decoded_as(study, tmp_path / "out")
    make_reconstruction(session, aligned, decoded)
    found = table(tmp_path / "out", "retrieved").query("rank == 1")
    by_hand = nearest_by_hand(study, aligned[0])
    assert dict(zip(found["clip"], found["track"], strict=True)) == by_hand
    assert not (tmp_path / "out/retrieval/sub-01/players.csv").exists()


def test_stimuli_in_the_corpus_are_left_out_by_sound_and_by_name(study_copy, tmp_path):
    path = study_copy()
    folder = path.parent
    study = load_study(path)
    test = align(study, open_subject(study, "01")).rows.query("side == 'test'")
    quiet, named, *_ = test["clip"].unique()
    wave, _ = soundfile.read(folder / f"sound/{quiet}.wav")
    soundfile.write(folder / "corpus/unknown.flac", 0.3 * wave, RATE_HZ)
    rng = np.random.default_rng(3)
    soundfile.write(folder / f"corpus/{named}.flac", sound(rng), RATE_HZ)
    session, aligned, decoded = decoded_as(study, tmp_path / "out")
    make_reconstruction(session, aligned, decoded)
    notes = json.loads((tmp_path / "out/retrieval/sub-01/about.json").read_text())
    (note,) = [text for text in notes["notes"] if "test stimuli" in text]
    assert "2 tracks of the corpus are test stimuli and were left out" in note
    assert f"unknown.flac has the sound of {quiet}" in note
    assert f"{named}.flac has the name of {named}" in note
    found = table(tmp_path / "out", "retrieved")
    assert not set(found["track"]) & {"unknown.flac", f"{named}.flac"}


def test_captions_find_music_by_the_tower_of_sound(study_copy, tmp_path):
    path = study_copy(
        ('["clap", "genre"]', '["clap", "words", "genre"]'),
        ('targets = ["clap"]', 'targets = ["words"]'),
        ('target = "clap"', 'target = "words"'),
    )
    study = load_study(path)
    for subject in ("01", "02"):
        one = align(study, open_subject(study, subject))
        check_reconstruction(study, one.opened, one.rows)
    session, aligned, decoded = decoded_as(study, tmp_path / "out", "words")
    make_reconstruction(session, aligned, decoded)
    scores = table(tmp_path / "out", "retrieval")
    got, best = (value(scores, kind, "w2v") for kind in ("retrieved", "oracle"))
    assert got["value"] == best["value"]
    assert set(scores["source"]) == {"CLAP, tiny-clap"}


# What can be listened to


def test_excerpts_are_few_short_and_inside_the_folder(planted):
    study, _, out = planted
    place = out / "retrieval/sub-01"
    players = pd.read_csv(place / "players.csv")
    assert players["clip"].nunique() == 6
    for row in players.itertuples():
        path = (place / row.file).resolve()
        assert path.is_relative_to(place.resolve())
        about = soundfile.info(path)
        assert about.duration == pytest.approx(15.0)
    played = players.query("what == 'stimulus'").iloc[0]
    wave, _ = soundfile.read(place / played["file"])
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(0.05, rel=1e-2)
    first = table(out, "retrieved").query("rank == 1").set_index("clip")["track"]
    for row in players.query("what == 'retrieved'").itertuples():
        assert row.track == first[row.clip]
        wave, _ = soundfile.read(place / row.file)
        own, _ = soundfile.read(study.folder / "corpus" / row.track)
        assert_allclose(wave, own[: len(wave)], atol=1e-4)


# At the door


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([('target = "clap"', 'target = "clop"')], "Did you mean 'clap'"),
        ([('corpus = "corpus"\n', "")], r"retrieval\.corpus is missing"),
        ([('checked_by = "other"', 'checked_by = "clap"')], "is the target itself"),
        ([('target = "clap"\n', "")], r"retrieval\.target names nothing"),
        ([("n_nearest = 3", "n_nearst = 3")], "Did you mean 'n_nearest'"),
        ([generates("")], r"generation\.generator names none"),
        ([generates('generator = "retrieved"\nweights = "x"')], "'retrieved' has none"),
        ([generates('generator = "musicldm"')], "every other generator needs it"),
        (
            [generates('generator = "musicldm"\nweights = "x"\nrank = "likelihood"')],
            "n_candidates is 1",
        ),
        (
            [
                generates('generator = "retrieved"\ntarget = "genre"'),
                ('targets = ["clap"]', 'targets = ["clap", "genre"]'),
            ],
            "searched by 'clap'",
        ),
    ],
)
def test_says_what_the_study_file_lacks(study_copy, edits, message):
    with pytest.raises(StudyError, match=message):
        load_study(study_copy(*edits))


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([('target = "clap"', 'target = "genre"'), GENRE], "of kind 'category'"),
        ([('corpus = "corpus"', 'corpus = "korpus"')], "retrieval.corpus: .*no folder"),
        ([('corpus = "corpus"', 'corpus = "networks"')], "holds no music"),
        ([("n_nearest = 3", "n_nearest = 30")], "has 14 tracks. Ask for fewer"),
        ([("n_nearest = 3", "approximate = true")], "has 14 tracks, and below 1000"),
        ([('checked_by = "other"', 'checked_by = "none"')], r"no \[features\.none\]"),
        ([('checked_by = "other"', 'checked_by = "words"')], "which is of captions"),
        ([("rms = 0.05", "rms = 0.05\nn_components = 4")], "has n_components"),
        ([generates(RETRIEVED + "n_clips = 7")], "n_clips is 7, and there are 6"),
        ([generates(RETRIEVED + "seconds = 16")], "the first 15 s"),
        ([generates(RETRIEVED + "seconds = 4")], "hears windows of 10 s"),
        ([generates(MUSICLDM)], "no model_index.json"),
        ([generates(RETRIEVED + 'tagger = "networks"')], "no config.json"),
    ],
)
def test_says_at_the_door_what_cannot_be_found_or_made(study_copy, edits, message):
    study = load_study(study_copy(*edits))
    one = align(study, open_subject(study, "01"))
    with pytest.raises(InputError, match=message):
        check_reconstruction(study, one.opened, one.rows)


def test_an_index_of_other_weights_or_level_is_refused(study_copy, tmp_path):
    path = study_copy()
    corpus_of(load_study(path), tmp_path / "first")
    text = path.read_text().replace('checked_by = "other"\n', "")
    place = json.dumps(str(tmp_path / "first/corpus/index"))
    text = text.replace('corpus = "corpus"', f"corpus = {place}")
    path.write_text(text)
    study = load_study(path)
    one = align(study, open_subject(study, "01"))
    check_reconstruction(study, one.opened, one.rows)
    for old, new in (("rms = 0.05", "rms = 0.04"), ("step_s = 2.5", "step_s = 5")):
        path.write_text(text.replace(old, new))
        study = load_study(path)
        with pytest.raises(InputError, match="with other weights, layer, windows or"):
            check_reconstruction(study, one.opened, one.rows)
    path.write_text(
        text.replace("[encoding]", f"[generation]\n{RETRIEVED}\n[encoding]")
    )
    study = load_study(path)
    with pytest.raises(InputError, match="is a saved index, which has none"):
        check_reconstruction(study, one.opened, one.rows)


# What is made


GENERATION = """
[generation]
generator = "musicldm"
weights = "networks/tiny-musicldm"
seconds = 10
steps = 2
n_candidates = 2
n_clips = 4
n_permutations = 100
n_resamples = 100
seed = 5
"""


@pytest.fixture(scope="module")
def with_generator(made):
    """Add a generator of the study's own CLAP, and a tagger, to its networks."""
    pytest.importorskip("diffusers")
    from brain2music.decoding.agreement import paper_groups
    from brain2music.decoding.tiny import write_tiny_generator, write_tiny_tagger

    networks = made.parent / "networks"
    clap = networks / "tiny-clap"
    write_tiny_generator("musicldm", networks / "tiny-musicldm", seed=3, clap=clap)
    write_tiny_generator("musicldm", networks / "other-musicldm", seed=3)
    labels = [name for group in paper_groups().values() for name in group.classes]
    write_tiny_tagger(networks / "tiny-tagger", labels, seed=4)
    return made


def generate(study_copy, out, *edits, **options):
    study = load_study(
        study_copy(("[encoding]\n", GENERATION + "\n[encoding]\n"), *edits)
    )
    session, aligned, decoded = decoded_as(study, out, **options)
    for one in aligned:
        check_reconstruction(study, one.opened, one.rows)
    make_reconstruction(session, aligned[:1], decoded)
    about = json.loads((out / "generation/sub-01/about.json").read_text())
    return study, about["notes"]


@pytest.mark.slow
@pytest.mark.usefixtures("with_generator")
def test_music_is_made_of_each_clip_with_provenance(study_copy, tmp_path):
    edits = [("steps = 2", 'steps = 2\ntagger = "networks/tiny-tagger"')]
    study, notes = generate(study_copy, tmp_path, *edits)
    place = tmp_path / "generation/sub-01"
    assert len(list(place.glob("*.wav"))) == 4
    first = table(tmp_path, "retrieved").query("rank == 1").set_index("clip")["track"]
    for path in place.glob("*.wav"):
        facts = json.loads(path.with_suffix(".json").read_text())
        assert soundfile.info(path).duration == pytest.approx(10.0)
        assert facts["trained"] is False
        assert facts["responses_simulated"] is True
        assert facts["anchor"] == first[facts["clip"]]
        assert facts["target_source"] == "CLAP, tiny-clap"
        assert str(study.folder) not in json.dumps(facts)
    scores = table(tmp_path, "generation")
    assert set(scores["generator"]) == {"musicldm, tiny-musicldm (random weights)"}
    prior = scores[scores["metric"].str.contains("prior")].set_index("conditioning")
    assert list(prior.index) == ["decoded", "random, as decoded", "mean decoded"]
    assert (prior.loc[["random, as decoded", "mean decoded"], "p"] > 0.01).all()
    assert (prior["chance"] == 0.5).all()
    plain = scores[(scores["metric"] == "identification accuracy")]
    mine = plain[plain["scored_by"].str.contains("w2v")]["value"].item()
    assert mine == pytest.approx(prior.loc["decoded", "value"])
    assert any("random weights and was never trained" in note for note in notes)
    agreed = table(tmp_path, "class_agreement")
    assert set(agreed["tagger"]) == {"tiny-tagger (random weights)"}
    assert set(agreed["group"]) == {"genres", "instruments", "moods"}
    assert set(agreed["compared"]) == {
        "stimulus and generated",
        "stimulus and retrieved",
    }


@pytest.mark.slow
@pytest.mark.usefixtures("with_generator")
def test_another_clap_is_refused_before_anything_is_made(study_copy, tmp_path):
    with pytest.raises(
        InputError, match=r"is not that of features.clap: one sound has"
    ):
        generate(study_copy, tmp_path, ("tiny-musicldm", "other-musicldm"))


def test_the_nearest_tracks_are_given_as_they_are(study_copy, tmp_path):
    edits = [
        ('"musicldm"\nweights = "networks/tiny-musicldm"\n', '"retrieved"\n'),
        ("n_candidates = 2\nn_clips = 4", "n_candidates = 1"),
    ]
    study, _ = generate(study_copy, tmp_path, *edits)
    first = table(tmp_path, "retrieved").query("rank == 1").set_index("clip")["track"]
    for path in (tmp_path / "generation/sub-01").glob("*.wav"):
        facts = json.loads(path.with_suffix(".json").read_text())
        assert facts["items"] == [first[facts["clip"]]]
        own, _ = soundfile.read(study.folder / "corpus" / facts["items"][0])
        wave, _ = soundfile.read(path)
        assert_allclose(wave, own[: 10 * RATE_HZ], atol=1e-6)
    scores = table(tmp_path, "generation").query("metric == 'identification accuracy'")
    both = table(tmp_path, "retrieval").query(
        "metric == 'identification accuracy' and items == 'retrieved'"
    )
    assert len(scores) == len(both) == 2
