"""Tests of agreement in time between stimuli and what was found or made."""

import sys

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music.data.stimuli import ClipSource
from brain2music.decoding.contours import contours, temporal_agreement
from brain2music.decoding.sounds import Sound
from brain2music.workflow.courses import as_in_its_file, compare_courses

pytest.importorskip("librosa")

RATE_HZ = 16_000


def beats(rng, seconds=5.0, rate_hz=RATE_HZ):
    """Return noise whose level goes up and down at a pace of its own."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    level = 0.1 + np.abs(np.sin(np.pi * t * rng.uniform(1, 4)))
    return Sound((level * rng.standard_normal(len(t))).astype(np.float32), rate_hz)


def compare(heard, made):
    return compare_courses(
        [f"clip {k}" for k in range(len(heard))],
        heard,
        made,
        "stimulus and found",
        n_permutations=200,
        n_resamples=100,
        seed=1,
    )


def test_a_sound_goes_with_itself_and_not_with_another(rng):
    sounds = [beats(rng) for _ in range(6)]
    table, notes = compare(sounds, sounds)
    table = table.set_index("measure")
    assert not notes
    assert set(table["compared"]) == {"stimulus and found"}
    assert table.loc["tempo distance", "value"] == 0
    assert table.loc["loudness correlation", "value"] == pytest.approx(1)
    assert table.loc["loudness correlation", "p"] < 0.02
    other, _ = compare(sounds, sounds[1:] + sounds[:1])
    assert (other["p"] > 0.05).all()


def test_all_are_cut_to_the_shortest_from_their_beginnings(rng):
    short, long = [[beats(rng, s) for _ in range(3)] for s in (4.0, 6.0)]
    table, _ = compare(short, long)
    cut = [contours(one.waveform[: 4 * RATE_HZ], RATE_HZ) for one in long]
    whole = [contours(one.waveform, RATE_HZ) for one in short]
    expected = temporal_agreement(whole, cut, n_permutations=200, seed=1)
    assert table["value"].tolist() == expected["value"].tolist()
    assert set(table["seconds"]) == {4.0}
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()


def test_a_fade_of_the_space_is_in_none_of_the_two(rng, tmp_path):
    """What was heard may be faded by the study; a track that is found is not."""
    sounds = [beats(rng) for _ in range(3)]
    sources = []
    for k, sound in enumerate(sounds):
        path = tmp_path / f"{k}.wav"
        soundfile.write(path, sound.waveform, RATE_HZ, subtype="FLOAT")
        sources.append(ClipSource(str(k), path, 1.0, 4.0))
    heard = [as_in_its_file(source) for source in sources]
    for found, sound in zip(heard, sounds, strict=True):
        assert found.rate_hz == RATE_HZ
        cut = sound.waveform[RATE_HZ : 4 * RATE_HZ]
        assert_allclose(found.waveform, cut, atol=1e-6)


def test_a_clip_without_course_is_left_out_and_named(rng):
    sounds = [beats(rng) for _ in range(5)]
    silent = Sound(np.zeros(3 * RATE_HZ, np.float32), RATE_HZ)
    short = beats(rng, 1.5)
    found = [*sounds[:2], silent, sounds[3], short]
    table, (note,) = compare(sounds, found)
    kept = [*sounds[:2], sounds[3]]
    rest, notes = compare(kept, kept)
    assert not notes
    assert table.to_dict() == rest.to_dict()  # nor are the others cut to 1.5 or 3 s
    assert set(table["seconds"]) == {5.0}
    assert note == (
        "agreement in time of stimulus and found is without 2 of 5 clips. Their sound "
        "has no course: clip 2 (it is silent); clip 4 (it lasts 1.5 s, and 2 s are "
        "needed for a tempo)"
    )


def test_where_too_few_have_a_course_that_is_a_note(rng):
    sounds = [beats(rng) for _ in range(2)]
    silent = Sound(np.zeros(5 * RATE_HZ, np.float32), RATE_HZ)
    table, (note,) = compare(sounds, [sounds[0], silent])
    assert table.empty
    assert note.startswith("no agreement in time of stimulus and found: 1 heard and 1")
    assert note.endswith("Their sound has no course: clip 1 (it is silent)")
    assert "no agreement in time" in compare([], [])[1][0]


def test_without_librosa_nothing_is_said_of_the_clips(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "librosa", None)
    table, (note,) = compare(*[[beats(rng) for _ in range(2)]] * 2)
    assert table.empty
    assert "needs librosa" in note
