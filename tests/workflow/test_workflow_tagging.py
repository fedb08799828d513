"""Tests of the agreement of classes: its oracles, its chance, what it leaves out."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.data.stimuli import ClipSource
from brain2music.decoding.agreement import paper_groups
from brain2music.decoding.sounds import Sound
from brain2music.study_reconstruction import Generation
from brain2music.workflow.same_tracks import (
    EXCERPT,
    HALVES,
    another_excerpt,
    same_tracks,
)
from brain2music.workflow.tagging import (
    GENERATED,
    RANDOM,
    Reference,
    _groups,
    agreement,
)

RATE_HZ = 1000
LABELS = tuple(name for group in paper_groups().values() for name in group.classes)


class Encoder:
    """Hears sound as it is, but refuses silence."""

    def stimulus(self, source):
        waveform, rate_hz = soundfile.read(source.path, dtype="float32")
        first, last = (round(t * rate_hz) for t in (source.start_s, source.end_s))
        return Sound(waveform[first:last], rate_hz)

    def shaped(self, sound, _name):
        if not sound.waveform.any():
            raise InputError("it is silent")
        return sound


@pytest.fixture
def track(tmp_path, rng):
    """Give `track(lasts_s, start_s, end_s)`: a clip of a track of noise."""

    def make(lasts_s, start_s, end_s, *, name="a", silent=()):
        wave = 0.1 * rng.standard_normal(round(lasts_s * RATE_HZ))
        if silent:
            wave[silent[0] * RATE_HZ : silent[1] * RATE_HZ] = 0
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, wave, RATE_HZ, "FLOAT")
        return ClipSource(name, path, start_s, end_s)

    return make


# The same track again


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ((30, 4, 14), (14, 24)),
        ((30, 15, 25), (5, 15)),
        ((30, 8, 23), (0, 8)),
        ((30, 7.5, 22.5), (22.5, 30)),
        ((30, 7.49, 22.49), (22.49, 30)),
        ((30, 7.6, 23), None),  # less than half of it
        ((20, 4, 16), None),
        ((15, 0, None), None),
        ((25, 15, None), (5, 15)),
    ],
)
def test_another_excerpt_has_no_part_of_the_clip(track, clip, expected):
    source = track(*clip)
    found = another_excerpt(source)
    if expected is None:
        assert found is None
        return
    assert_allclose((found.start_s, found.end_s), expected)
    assert (found.clip, found.path) == (source.clip, source.path)


def test_a_file_that_breaks_off_has_no_other_excerpt(track):
    source = track(30, 0, 10)
    assert another_excerpt(source) is not None
    source.path.write_bytes(source.path.read_bytes()[:-40_000])
    assert another_excerpt(source) is None


def test_excerpts_are_of_all_clips_or_halves_are(track):
    clips = [track(30, 4, 14, name="a"), track(30, 15, 25, name="b")]
    encoder = Encoder()
    heard = [encoder.stimulus(clip) for clip in clips]
    what, first, second = same_tracks(encoder, clips, heard)
    assert what == EXCERPT
    whole, _ = soundfile.read(clips[1].path, dtype="float32")
    assert_array_equal(first[1].waveform, whole[15_000:25_000])
    assert_array_equal(second[1].waveform, whole[5_000:15_000])
    for other in (
        track(15, 0, 15, name="c"),
        track(30, 0, 9, name="d", silent=(9, 30)),
    ):
        clips[1] = other
        heard = [encoder.stimulus(clip) for clip in clips]
        what, first, second = same_tracks(encoder, clips, heard)
        assert what == HALVES
        for k in range(2):
            both = np.concatenate([first[k].waveform, second[k].waveform])
            assert_array_equal(both, heard[k].waveform)
            assert abs(len(first[k].waveform) - len(second[k].waveform)) <= 1


# Rows


class Tagger:
    """Reads probabilities off a sound: its points are those of the classes."""

    labels = LABELS

    def __call__(self, sounds):
        return np.array([sound.waveform[: len(self.labels)] for sound in sounds])


def sounds_of(table):
    return [Sound(row.astype(np.float32), RATE_HZ) for row in table]


@pytest.fixture
def reference(rng):
    """Return a reference of 40 clips whose excerpts sound of nearly the same."""
    stimuli = rng.random((40, len(LABELS)))
    again = stimuli + 0.05 * rng.random(stimuli.shape)
    groups, _ = _groups(LABELS)
    return Reference(
        tagger=Tagger(),
        label="planted",
        source=SimpleNamespace(encoder=Encoder()),
        groups=groups,
        stimuli=stimuli,
        pairs={EXCERPT: (stimuli, again)},
        notes=["said before"],
    )


STUDY = SimpleNamespace(generation=Generation(n_permutations=400, n_resamples=400))


def test_what_is_made_lies_between_random_pairs_and_the_oracle(reference, rng):
    made = reference.stimuli + 0.4 * rng.random(reference.stimuli.shape)
    table, notes = agreement(STUDY, reference, sounds_of(made))
    assert notes == ["said before"]
    assert list(dict.fromkeys(table["compared"])) == [GENERATED, EXCERPT, RANDOM]
    for _, rows in table.groupby("group"):
        rows = rows.set_index("compared")
        made_, oracle, random = rows.loc[[GENERATED, EXCERPT, RANDOM]].itertuples()
        assert random.agreement < made_.agreement < oracle.agreement
        assert made_.p == oracle.p == 1 / 401
        assert random.p > 0.01
        assert random.low <= random.chance <= random.high
        assert made_.low > made_.chance
    assert (table["n_clips"] == 40).all()


def test_random_pairs_are_at_chance_whatever_the_seed(reference):
    made, p, gap = sounds_of(reference.stimuli), [], []
    for seed in range(12):
        settings = Generation(seed=seed, n_permutations=100, n_resamples=100)
        study = SimpleNamespace(generation=settings)
        table, _ = agreement(study, reference, made)
        random = table[table["compared"] == RANDOM]
        p += random["p"].tolist()
        gap += (random["agreement"] - random["chance"]).tolist()
        assert (table.loc[table["compared"] == GENERATED, "agreement"] == 1).all()
    assert (np.array(p) < 0.05).sum() <= 6  # of 36
    assert abs(np.mean(gap)) < 0.04


def test_groups_that_tie_or_are_not_there_are_left_out_and_said(reference, rng):
    made = rng.random(reference.stimuli.shape)
    moods = [LABELS.index(one) for one in paper_groups()["moods"].classes]
    made[3, moods] = 0.5
    table, notes = agreement(STUDY, reference, sounds_of(made))
    assert set(table.loc[table["compared"] == GENERATED, "group"]) == {
        "genres",
        "instruments",
    }
    assert any("no agreement of moods (stimulus and generated)" in n for n in notes)
    gone = paper_groups()["genres"].classes[3:5]
    groups, said = _groups([name for name in LABELS if name not in gone])
    assert list(groups) == ["instruments", "moods"]
    (note,) = said
    assert "lacks 2 of 25 classes" in note
    assert all(name in note for name in gone)


def test_other_errors_are_not_passed_over(reference):
    short = replace(reference, stimuli=reference.stimuli[:5])
    with pytest.raises(InputError, match="row i of both must be the same clip"):
        agreement(STUDY, short, sounds_of(reference.stimuli))
