"""Tests of a study's corpus: embedded once, resumed, and what is no part of it."""

import json
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music import load_study
from brain2music.core.checks import InputError
from brain2music.decoding.corpus import embed_corpus
from brain2music.decoding.retrieval import build_index, open_index
from brain2music.decoding.sounds import Sound, read_start
from brain2music.workflow import corpus, encoders
from brain2music.workflow.alignment import align
from brain2music.workflow.corpus import OpenCorpus, check_outside, make_corpus
from brain2music.workflow.encoders import encoder_of
from brain2music.workflow.generators import _sound_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.reconstruction import (
    check_reconstruction,
)
from brain2music.workflow.session import Session

pytest.importorskip("torch")
pytest.importorskip("transformers")

RATE_HZ, CLIP_S = 16_000, 15.0


def corpus_of(study, out):
    make_corpus(Session(study, out, lambda *_: None))
    return pd.read_csv(out / "corpus/tracks.csv"), pd.read_csv(
        out / "corpus/unreadable.csv"
    )


def test_a_second_network_that_comes_later_asks_of_tracks_that_are_known(
    heard_copy, tmp_path, rng, make_sound
):
    path = heard_copy()
    whole = path.read_text(encoding="utf-8")
    (line,) = [line for line in whole.splitlines() if line.startswith("checked_by")]
    soundfile.write(path.parent / "corpus/short.wav", make_sound(rng, 6.0), RATE_HZ)
    second = encoder_of(load_study(path), line.split('"')[1])
    first = encoder_of(load_study(path), "clap")
    seconds = first.windows.window_s, second.windows.window_s
    for text in (whole.replace(line, ""), whole):
        path.write_text(text, encoding="utf-8")
        tracks, _ = corpus_of(load_study(path), tmp_path / "out")
        needed = seconds[:1] if "checked_by" not in text else seconds
        assert ("short.wav" in set(tracks["track"])) == (max(needed) <= 6)


def test_results_inside_the_corpus_are_refused(heard_copy):
    path = heard_copy()
    study = load_study(path)
    for out in ("corpus", "corpus/some album/out", "corpus/../corpus/x"):
        with pytest.raises(InputError, match=r"inside the folder of retrieval.corpus"):
            check_outside(study, path.parent / out)
    check_outside(study, path.parent / "corpus-results")


def test_tracks_that_cannot_be_heard_are_listed(heard_copy, tmp_path, rng, make_sound):
    path = heard_copy()
    album = path.parent / "corpus/some album"
    (album / "broken.wav").write_bytes(b"RIFF, and nothing more")
    soundfile.write(album / "short.wav", make_sound(rng, 6.0), RATE_HZ)
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
    heard_copy, tmp_path, monkeypatch
):
    path = heard_copy()
    shutil.rmtree(path.parent / "cache", ignore_errors=True)
    study, heard = load_study(path), []

    def read(path, **options):
        if len(heard) == 9:
            raise KeyboardInterrupt
        heard.append(path.name)
        return read_start(path, **options)

    monkeypatch.setattr(encoders, "read_start", read)
    monkeypatch.setattr(corpus, "embed_corpus", partial(embed_corpus, part=4))
    with pytest.raises(KeyboardInterrupt):
        corpus_of(study, tmp_path)
    assert not (tmp_path / "corpus").exists()
    before, heard[:] = heard[:8], []
    seen = []
    monkeypatch.setattr(
        encoders,
        "read_start",
        lambda path, **options: seen.append(path.name) or read_start(path, **options),
    )
    tracks, _ = corpus_of(study, tmp_path)
    assert len(tracks) == 14
    assert sorted(seen + before) == sorted(tracks["track"].str.split("/").str[1])


def test_what_the_second_network_cannot_hear_is_no_part_of_it(
    heard_copy, tmp_path, make_sound, rng
):
    path = heard_copy(("window_s = 5\nstep_s = 5", "window_s = 12\nstep_s = 2"))
    album = path.parent / "corpus/some album"
    soundfile.write(album / "medium.wav", make_sound(rng, 11.0), RATE_HZ)
    tracks, unreadable = corpus_of(load_study(path), tmp_path / "out")
    assert len(tracks) == 14
    assert unreadable["track"].tolist() == ["some album/medium.wav"]


def test_a_track_of_loud_peaks_is_levelled_as_others_are(heard_study):
    encoder = encoder_of(load_study(heard_study), "clap")
    wave = np.zeros(round(CLIP_S * RATE_HZ), np.float32)
    wave[::4000] = 0.9
    heard = encoder.shaped(Sound(wave, RATE_HZ), "clicks")
    assert np.sqrt(np.mean(heard.waveform**2)) == pytest.approx(0.05, rel=1e-5)
    assert heard.waveform.max() > 1


def test_each_track_is_read_at_its_own_rate(tmp_path, rng):
    files, waves = {}, {}
    for rate_hz in (8000, 44_100, 16_000):
        name = f"at {rate_hz}"
        files[name], waves[name] = tmp_path / f"{name}.wav", rng.uniform(-1, 1, 9000)
        soundfile.write(files[name], waves[name], rate_hz, "FLOAT")
    index = build_index(np.eye(3), list(files), identity="x", source="")
    sound_of = _sound_of(OpenCorpus(index, files, dict.fromkeys(files, 1.0)))
    for name in files:
        sound = sound_of(name)
        assert name == f"at {sound.rate_hz}"
        assert_allclose(sound.waveform, waves[name], atol=1e-6)


def test_a_corpus_is_made_once_and_anew_when_its_music_changes(
    heard_copy, tmp_path, make_sound, rng
):
    path = heard_copy()
    study, out = load_study(path), tmp_path / "out"
    sessions = [Session(study, out, lambda *_: None) for _ in range(3)]
    first = make_corpus(sessions[0])
    assert make_corpus(sessions[1]) == first
    assert (sessions[0].made, sessions[1].reused) == (["corpus"], ["corpus"])
    album = path.parent / "corpus/some album"
    (album / "piece 03.flac").unlink()
    second = make_corpus(sessions[2])
    assert second != first
    assert len(open_index(out / "corpus/index")) == 13
    soundfile.write(album / "piece 04.flac", make_sound(rng), RATE_HZ)
    assert make_corpus(Session(study, out, lambda *_: None)) != second


RETRIEVED = 'generator = "retrieved"\n'


def test_an_index_of_other_weights_or_level_is_refused(heard_copy, tmp_path):
    path = heard_copy()
    corpus_of(load_study(path), tmp_path / "first")
    text = path.read_text().replace('checked_by = "other"\n', "")
    place = json.dumps(str(tmp_path / "first/corpus/index"))
    text = text.replace('corpus = "corpus"', f"corpus = {place}")
    path.write_text(text)
    study = load_study(path)
    one = align(study, open_subject(study, "01"))
    check_reconstruction(study, one.opened, one.rows)
    for old, new in (
        ("rms = 0.05", "rms = 0.04"),
        ("step_s = 2.5", "step_s = 5"),
        ("window_s = 10", "window_s = 9"),
    ):
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
