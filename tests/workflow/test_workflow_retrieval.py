"""Tests of music that is found by what a study decodes."""

import json
import re
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music import load_study, run
from brain2music.data.stimuli import shape_clip
from brain2music.decoding.corpus import find_music
from brain2music.decoding.retrieval import build_index
from brain2music.decoding.sounds import Sound
from brain2music.features.pretrained import extract_audio
from brain2music.features.windows import Windows
from brain2music.workflow.alignment import align
from brain2music.workflow.corpus import make_corpus
from brain2music.workflow.excerpts import played_clips, spread, write_excerpt
from brain2music.workflow.networks import network_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.reconstruction import (
    check_reconstruction,
    make_reconstruction,
)
from brain2music.workflow.retrieval import nearest
from brain2music.workflow.session import Session

pytest.importorskip("torch")
pytest.importorskip("transformers")

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def planted(heard_study, tmp_path_factory, decoded_as):
    """Return the study, its rows and what was found by errorless decoding."""
    study, out = load_study(heard_study), tmp_path_factory.mktemp("planted")
    session, aligned, decoded = decoded_as(study, out)
    make_reconstruction(session, aligned, decoded)
    return study, aligned, out


def value(scores, items, scored_by, metric="identification accuracy"):
    asked = (scores["items"] == items) & (scores["metric"] == metric)
    (row,) = scores[asked & scores["scored_by"].str.contains(scored_by)].to_dict(
        "records"
    )
    return row


# What is found


def test_what_was_decoded_without_error_reaches_the_oracle(
    planted, step_table, nearest_by_hand
):
    study, aligned, out = planted
    for subject in ("01", "02"):
        scores = step_table(out, "retrieval", subject)
        for name in ("CLAP", "w2v"):
            got, best = (value(scores, kind, name) for kind in ("retrieved", "oracle"))
            assert got["value"] == best["value"]
            assert got["n_clips"] == 6
        assert value(scores, "oracle", "CLAP")["value"] > 0.7
        assert value(scores, "random", "CLAP")["value"] == pytest.approx(0.5, abs=0.1)
    table_of_first = step_table(out, "retrieval")
    found = step_table(out, "retrieved")
    assert len(found) == 6 * 3
    assert set(found["rank"]) == {1, 2, 3}
    by_hand = nearest_by_hand(study, aligned[0])
    first = found[found["rank"] == 1]
    assert dict(zip(first["clip"], first["track"], strict=True)) == by_hand
    assert (found.groupby("clip")["cosine"].diff().dropna() <= 0).all()
    root = study.folder / "corpus"
    tracks = {t.id: vector_by_hand(study, t.path) for t in find_music(root)}
    clips = {c: vector_by_hand(study, study.root / f"sound/{c}.wav") for c in by_hand}
    every = np.array(
        [[cosine(tracks[by_hand[a]], clips[b]) for b in clips] for a in clips]
    )
    got = value(table_of_first, "retrieved", "CLAP", "mean cosine")
    assert got["value"] == pytest.approx(np.trace(every) / 6, abs=1e-4)
    others = (every.sum() - np.trace(every)) / 30
    assert got["chance"] == pytest.approx(others, abs=1e-4)


@pytest.fixture
def nearest_by_hand(moments):
    """Find each test clip's nearest track with the network alone, sound by sound."""

    def find(study, aligned):
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

    return find


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


@pytest.mark.slow
def test_noise_finds_no_stimulus_above_chance(
    heard_study, tmp_path, decoded_as, step_table
):
    study = load_study(heard_study)
    values = []
    for seed in range(3):
        session, aligned, decoded = decoded_as(
            study, tmp_path, from_truth=False, seed=seed
        )
        make_reconstruction(session, aligned, decoded)
        for subject in ("01", "02"):
            row = value(step_table(tmp_path, "retrieval", subject), "retrieved", "CLAP")
            assert row["p"] > 0.01
            values.append(row["value"])
    assert np.mean(values) == pytest.approx(0.5, abs=0.15)


def test_a_saved_index_stands_for_its_music(
    heard_study, tmp_path, decoded_as, step_table, nearest_by_hand
):
    study = load_study(heard_study)
    make_corpus(Session(study, tmp_path / "first", lambda *_: None))
    settings = replace(
        study.retrieval, corpus=str(tmp_path / "first/corpus/index"), checked_by=None
    )
    study = replace(study, retrieval=settings)
    session, aligned, decoded = decoded_as(study, tmp_path / "out")
    make_reconstruction(session, aligned, decoded)
    found = step_table(tmp_path / "out", "retrieved").query("rank == 1")
    by_hand = nearest_by_hand(study, aligned[0])
    assert dict(zip(found["clip"], found["track"], strict=True)) == by_hand
    assert not (tmp_path / "out/retrieval/sub-01/players.csv").exists()


def test_captions_find_music_by_the_tower_of_sound(
    heard_copy, tmp_path, decoded_as, step_table
):
    path = heard_copy(
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
    scores = step_table(tmp_path / "out", "retrieval")
    got, best = (value(scores, kind, "w2v") for kind in ("retrieved", "oracle"))
    assert got["value"] == best["value"]
    assert set(scores["source"]) == {"CLAP, tiny-clap"}


def test_stimuli_in_the_corpus_are_left_out_by_sound_and_by_name(
    heard_copy, tmp_path, decoded_as, step_table, make_sound
):
    path = heard_copy()
    folder = path.parent
    study = load_study(path)
    test = align(study, open_subject(study, "01")).rows.query("side == 'test'")
    quiet, named, *_ = test["clip"].unique()
    wave, _ = soundfile.read(folder / f"sound/{quiet}.wav")
    soundfile.write(folder / "corpus/unknown.flac", 0.3 * wave, RATE_HZ)
    rng = np.random.default_rng(3)
    soundfile.write(folder / f"corpus/{named}.flac", make_sound(rng), RATE_HZ)
    session, aligned, decoded = decoded_as(study, tmp_path / "out")
    make_reconstruction(session, aligned, decoded)
    notes = json.loads((tmp_path / "out/retrieval/sub-01/about.json").read_text())
    (note,) = [text for text in notes["notes"] if "test stimuli" in text]
    assert "2 tracks of the corpus are test stimuli and were left out" in note
    assert f"unknown.flac has the sound of {quiet}" in note
    assert f"{named}.flac has the name of {named}" in note
    found = step_table(tmp_path / "out", "retrieved")
    assert not set(found["track"]) & {"unknown.flac", f"{named}.flac"}


def test_an_approximate_search_says_how_much_it_misses(heard_study, rng):
    pytest.importorskip("faiss")
    study = load_study(heard_study)
    table_ = rng.standard_normal((1200, 5))
    index = build_index(table_, [str(k) for k in range(1200)], identity="x", source="")
    queries = table_[:7] + 0.1
    exact, none = nearest(study, index, queries, 3)
    assert none == []
    settings = replace(study.retrieval, approximate=True)
    found, (note,) = nearest(replace(study, retrieval=settings), index, queries, 3)
    share = np.mean(
        [len(set(a) & set(b)) / 3 for a, b in zip(found.rows, exact.rows, strict=True)]
    )
    assert f"found {share:.1%} of the 3 nearest" in note


# What can be listened to


def test_excerpts_are_few_short_and_inside_the_folder(planted, step_table):
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
    first = step_table(out, "retrieved").query("rank == 1").set_index("clip")["track"]
    for row in players.query("what == 'retrieved'").itertuples():
        assert row.track == first[row.clip]
        wave, _ = soundfile.read(place / row.file)
        own, _ = soundfile.read(study.folder / "corpus" / row.track)
        assert_allclose(wave, own[: len(wave)], atol=1e-4)


def test_courses_of_what_was_found_are_compared(planted, step_table):
    _, _, out = planted
    found = step_table(out, "retrieval_in_time")
    assert set(found["measure"]) == {
        "tempo distance",
        "onset correlation",
        "loudness correlation",
    }
    assert set(found["compared"]) == {"stimulus and retrieved"}
    assert (found["n"] == 6).all()


def test_a_sound_louder_than_full_scale_is_turned_down_as_a_whole(tmp_path, rng):
    wave = (0.4 * rng.standard_normal(20 * 8000)).astype(np.float32)
    peak = np.abs(wave[: 15 * 8000]).max()
    assert peak > 1
    write_excerpt(tmp_path / "x.flac", Sound(wave, 8000))
    back, rate_hz = soundfile.read(tmp_path / "x.flac")
    assert (len(back), rate_hz) == (15 * 8000, 8000)
    assert_allclose(back * peak, wave[: 15 * 8000], atol=2e-4)


def test_clips_are_spread_and_the_same_are_played_everywhere():
    assert played_clips(60, None) == [0, 11, 23, 35, 47, 59]
    assert played_clips(60, 6) == played_clips(60, None)
    assert played_clips(60, 3) == spread(60, 3) == [0, 29, 59]
    assert set(played_clips(60, 20)) <= set(spread(60, 20))
    assert played_clips(4, 20) == [0, 1, 2, 3]


# In a run


def generates(keys):
    """Return an edit that adds a section on generation."""
    return ("[encoding]\n", f"[generation]\nseed = 3\n{keys}\n\n[encoding]\n")


RETRIEVED = 'generator = "retrieved"\n'


@pytest.mark.slow
def test_a_run_shows_it_and_does_not_make_it_again(heard_copy, tmp_path):
    path = heard_copy(
        ("[encoding]\n", f"[generation]\n{RETRIEVED}\n[encoding]\n"),
    )
    out = tmp_path / "out"
    done = run(load_study(path), out)
    assert {"corpus", "retrieval/sub-01", "generation/sub-02"} <= set(done.made)
    page = done.report.read_text()
    assert "From brain to music" in page
    players = re.findall(r'<audio controls preload="none" src="([^"]+)"', page)
    assert len(players) == 2 * 6 * 3
    for player in players:
        file = (done.report.parent / unquote(player)).resolve()
        assert file.is_file()
        assert file.is_relative_to(out.resolve())
    tables = {path.stem for path in (out / "tables").glob("*.csv")}
    assert {"retrieval", "retrieved", "generation"} <= tables
    assert set(pd.read_csv(out / "tables/retrieval.csv", dtype=str)["subject"]) == {
        "01",
        "02",
    }
    assert run(load_study(path), out).made == ()
    text = path.read_text()
    kept = text[: text.index("[retrieval]")] + text[text.index("\n[encoding]") :]
    path.write_text(kept)
    again = run(load_study(path), out)
    assert not (out / "corpus").exists()
    assert not (out / "retrieval/sub-01").exists()
    assert "From brain to music" not in again.report.read_text()
