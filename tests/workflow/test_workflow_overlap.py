"""Tests of test stimuli in a corpus: by which sound they are looked for, and told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music import load_study
from brain2music.core.checks import InputError
from brain2music.data.stimuli import ClipSource
from brain2music.decoding.retrieval import build_index
from brain2music.workflow import overlap, reconstruction
from brain2music.workflow.alignment import align
from brain2music.workflow.check import check_study
from brain2music.workflow.corpus import make_corpus
from brain2music.workflow.encoders import encoder_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.overlap import (
    Stimuli,
    find_stimuli,
    hear_stimuli,
    overlap_notes,
    sounds_identity,
    stimulus_sounds,
)
from brain2music.workflow.reconstruction import (
    check_reconstruction,
    make_reconstruction,
    retrieval_notes,
)
from brain2music.workflow.session import Session, silent

pytest.importorskip("torch")
pytest.importorskip("transformers")

RATE_HZ = 16_000
CAPTIONS = (
    ('["clap", "genre"]', '["clap", "words", "genre"]'),
    ('targets = ["clap"]', 'targets = ["words"]'),
    ('target = "clap"', 'target = "words"'),
)


def heard(sources, vectors):
    names = list(sources)
    return Stimuli(tuple(names), sources, dict(zip(names, vectors, strict=True)))


def clips_of(study):
    one = align(study, open_subject(study, "01"))
    return one, list(one.rows.query("side == 'test'")["clip"].unique())


def copies(folder, clips, *, level=0.3):
    """Put a quieter copy of each clip into the corpus, under another name."""
    for k, clip in enumerate(clips):
        wave, _ = soundfile.read(folder / f"sound/{clip}.wav")
        soundfile.write(folder / f"corpus/unknown {k}.flac", level * wave, RATE_HZ)


def notes_of(out, step="retrieval/sub-01"):
    return json.loads((out / step / "about.json").read_text())["notes"]


@pytest.mark.slow
def test_captions_look_for_stimuli_by_their_sound_and_not_by_their_text(
    heard_copy, tmp_path, decoded_as, step_table
):
    path = heard_copy(*CAPTIONS)
    study = load_study(path)
    _, clips = clips_of(study)
    copies(path.parent, clips, level=1.0)  # captions set no level of their sound
    session, aligned, decoded = decoded_as(study, tmp_path / "out", "words")
    make_reconstruction(session, aligned[:1], decoded)
    (note,) = [n for n in notes_of(tmp_path / "out") if "were left out" in n]
    assert "6 tracks of the corpus are test stimuli and were left out" in note
    found = step_table(tmp_path / "out", "retrieved")
    assert not found["track"].str.contains("unknown").any()
    assert not (tmp_path / "out/retrieval/sub-01/not_compared.csv").exists()


def test_stimuli_are_heard_by_the_encoder_of_the_corpus(heard_copy):
    study = load_study(heard_copy(*CAPTIONS))
    one, clips = clips_of(study)
    sources = stimulus_sounds(study, one.opened, clips)
    encoder = encoder_of(study, "words")
    stimuli = hear_stimuli(study, encoder, clips, sources, silent)
    by_hand = encoder.embed([encoder.stimulus(sources[clip]) for clip in clips])
    assert list(stimuli.vectors) == clips
    assert_allclose(list(stimuli.vectors.values()), by_hand, rtol=1e-4, atol=1e-6)
    assert stimuli.not_compared == {}


def test_one_clip_without_sound_turns_nothing_off_for_the_others(
    heard_copy, tmp_path, monkeypatch
):
    study = load_study(heard_copy(*CAPTIONS, ('checked_by = "other"\n', "")))
    one, clips = clips_of(study)
    all_sounds = overlap.stimuli_of

    def without(study, opened, name):
        every = all_sounds(study, opened, name)
        short = replace(every[clips[1]], end_s=4.0)
        return {c: s for c, s in every.items() if c != clips[0]} | {clips[1]: short}

    monkeypatch.setattr(overlap, "stimuli_of", without)
    (note,) = retrieval_notes(study, one.opened, one.rows)
    assert "1 of 6 test clips cannot be compared by sound with the tracks" in note
    assert "names no sound of it). A copy of one by another name" in note
    assert note.endswith(f"as music: {clips[0]}.")
    sources = stimulus_sounds(study, one.opened, clips)
    encoder = encoder_of(study, "words")
    stimuli = hear_stimuli(study, encoder, clips, sources, silent)
    assert list(stimuli.vectors) == clips[2:]
    assert list(stimuli.not_compared) == clips[:2]
    assert "CLAP, tiny-clap cannot hear it: " in stimuli.not_compared[clips[1]]
    assert len(overlap_notes(stimuli.not_compared, 6)) == 2
    copy = np.stack([stimuli.vectors[clip] for clip in clips[2:]])
    ids = [f"track {k}" for k in range(4)]
    files = {name: tmp_path / f"{name}.wav" for name in ids}
    for name, clip in zip(ids, clips[2:], strict=True):
        shutil.copy(sources[clip].path, files[name])
    index = build_index(copy, ids, identity=encoder.identity, source="")
    found, _ = find_stimuli(index, files, stimuli)
    assert list(found.values()) == [f"has the sound of {clip}" for clip in clips[2:]]


def test_sound_of_the_second_space_stands_in_where_captions_have_none(
    heard_copy, monkeypatch
):
    study = load_study(heard_copy(*CAPTIONS))
    one, clips = clips_of(study)
    all_sounds = overlap.stimuli_of
    monkeypatch.setattr(
        overlap,
        "stimuli_of",
        lambda s, o, name: {} if name == "words" else all_sounds(s, o, name),
    )
    assert list(stimulus_sounds(study, one.opened, clips)) == clips
    assert retrieval_notes(study, one.opened, one.rows) == []


@pytest.mark.slow
def test_a_saved_index_tells_stimuli_by_name_and_vector_and_says_so(
    heard_copy, tmp_path, decoded_as, step_table, make_sound
):
    path = heard_copy(('checked_by = "other"\n', ""))
    folder, study = path.parent, load_study(path)
    _, clips = clips_of(study)
    copies(folder, clips[:2])
    rng = np.random.default_rng(3)
    soundfile.write(folder / f"corpus/{clips[2]}.wav", make_sound(rng), RATE_HZ)
    make_corpus(Session(study, tmp_path / "first", lambda *_: None))
    place = str(tmp_path / "first/corpus/index")
    study = replace(study, retrieval=replace(study.retrieval, corpus=place))
    session, aligned, decoded = decoded_as(study, tmp_path / "out")
    make_reconstruction(session, aligned[:1], decoded)
    notes = notes_of(tmp_path / "out")
    (note,) = [n for n in notes if "were left out" in n]
    assert "3 tracks of the corpus are test stimuli" in note
    assert f"unknown 1.flac has the vector of {clips[1]}" in note
    assert f"{clips[2]}.wav has the name of {clips[2]}" in note
    (note,) = [n for n in notes if "cannot be compared by sound" in n]
    assert "6 of 6 test clips" in note
    assert "the corpus is a saved index, which holds no sound" in note
    table = pd.read_csv(tmp_path / "out/retrieval/sub-01/not_compared.csv")
    assert table["clip"].tolist() == clips
    found = step_table(tmp_path / "out", "retrieved")
    assert not found["track"].str.contains(f"unknown|{clips[2]}").any()
    lines = [x for x in check_study(study).lines if "cannot be compared" in x]
    assert len(lines) == 2  # one a subject
    assert lines[0].startswith("  note: sub-01, retrieval: 6 of 6 test clips")


def test_what_only_begins_like_a_stimulus_is_no_stimulus():
    ids = ["blues.wav", "blues.00004", "x/blues.00003.MP3", "000/000002.mp3"]
    index = build_index(np.eye(4), ids, identity="x", source="")
    clip = "blues.00003"
    sources = {clip: ClipSource(clip, Path(f"sound/{clip}"))}  # no ending is written
    found, notes = find_stimuli(index, {}, Stimuli((clip,), sources, {}))
    assert (found, notes) == ({ids[2]: f"has the name of {clip}"}, [])
    index = build_index(np.eye(4), ["1", "2", "22", "3"], identity="x", source="")
    found, _ = find_stimuli(index, {}, Stimuli(("000002",), {}, {}))
    assert found == {"2": "has the name of 000002"}


def test_a_vector_that_is_only_near_is_no_stimulus(rng):
    table = rng.standard_normal((30, 6))
    index = build_index(table, [f"t{k}" for k in range(30)], identity="x", source="")
    near = table[4] + 0.01 * rng.standard_normal(6)
    vectors = {"a": 3 * table[7], "b": near, "c": rng.standard_normal(6)}
    sources = {name: ClipSource(name, Path(f"{name}.wav")) for name in vectors}
    found, notes = find_stimuli(index, {}, Stimuli(tuple(vectors), sources, vectors))
    assert (found, notes) == ({"t7": "has the vector of a"}, [])


def test_clips_of_few_points_are_said_to_have_no_near_duplicates(tmp_path, make_sound):
    rng = np.random.default_rng(2)
    files, rows = {}, rng.standard_normal((24, 6))
    for k in range(24):
        files[f"track {k}"] = tmp_path / f"track {k}.wav"
        soundfile.write(files[f"track {k}"], make_sound(rng, 3.0), RATE_HZ)
    sources = {}
    for k, rate_hz in enumerate([RATE_HZ] * 9 + [8000] * 2):
        name = f"clip {k}"
        sources[name] = ClipSource(name, tmp_path / f"{name}.wav")
        soundfile.write(sources[name].path, make_sound(rng, 3.0), rate_hz)
    index = build_index(rows, list(files), identity="x", source="")
    queries = rows[np.arange(11) * 2] + 0.1
    _, notes = find_stimuli(index, files, heard(sources, queries))
    assert any("for 2 of 11 clips" in n and "clip 9, clip 10." in n for n in notes)


def test_near_duplicates_of_stimuli_are_found_by_their_sound(tmp_path, make_sound):
    rng = np.random.default_rng(1)
    files, sources, rows, queries = {}, {}, [], rng.standard_normal((10, 6))
    for k in range(10):
        wave = make_sound(rng, 8.0)
        place = tmp_path / f"clip {k}.wav"
        soundfile.write(place, wave, RATE_HZ)
        sources[f"clip {k}"] = ClipSource(f"clip {k}", place)
        for j in range(3):
            name = f"track {k}-{j}"
            copy = k == 4 and j == 1  # the same piece, cut 0.2 s later
            files[name] = tmp_path / f"{name}.wav"
            other = wave[3200:] if copy else make_sound(rng, 8.0)
            soundfile.write(files[name], other, RATE_HZ)
            rows.append(queries[k] + 0.01 * rng.standard_normal(6))
    index = build_index(rows, list(files), identity="x", source="")
    found, notes = find_stimuli(index, files, heard(sources, queries))
    assert found == {"track 4-1": "sounds almost as clip 4"}
    assert notes == []
    few = dict(list(sources.items())[:2])
    _, (note,) = find_stimuli(index, files, heard(few, queries[:2]))
    assert "only 6 of its tracks could be compared" in note


# What makes scores stale


def test_other_sound_of_a_stimulus_makes_another_identity(heard_copy, make_sound, rng):
    path = heard_copy()
    study = load_study(path)
    one, clips = clips_of(study)
    first = sounds_identity(study, one.opened, clips)
    assert sounds_identity(study, one.opened, clips) == first
    training = next(c for c in one.rows["clip"].unique() if c and c not in clips)
    soundfile.write(path.parent / f"sound/{training}.wav", make_sound(rng), RATE_HZ)
    assert sounds_identity(study, one.opened, clips) == first
    soundfile.write(path.parent / f"sound/{clips[3]}.wav", make_sound(rng), RATE_HZ)
    assert sounds_identity(study, one.opened, clips) != first


def test_a_target_without_the_sound_of_a_test_clip_is_refused(heard_copy, monkeypatch):
    study = load_study(heard_copy())
    one, clips = clips_of(study)
    all_sounds = reconstruction.stimuli_of
    monkeypatch.setattr(
        reconstruction,
        "stimuli_of",
        lambda *a: {c: s for c, s in all_sounds(*a).items() if c != clips[0]},
    )
    with pytest.raises(InputError, match="no sound in features\\.clap, which"):
        check_reconstruction(study, one.opened, one.rows)


def test_controls_of_a_single_training_clip_are_refused(heard_copy, monkeypatch):
    study = load_study(heard_copy())
    one, _ = clips_of(study)
    monkeypatch.setattr(reconstruction, "training_clips", lambda *_: ["alone"])
    with pytest.raises(InputError, match="1 training clips have a target in features"):
        check_reconstruction(study, one.opened, one.rows)
