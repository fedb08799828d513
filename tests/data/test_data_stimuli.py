"""Tests of finding, reading, checking and shaping the music."""

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.data.stimuli import (
    ClipSource,
    check_tracks,
    cut_clip,
    find_track,
    read_clip,
    shape_clip,
)

RATE = 22050


def tone(freq_hz, *, seconds=1.0):
    time_s = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * freq_hz * time_s)).astype(np.float32)


def noise(rng, *, seconds=1.0):
    return (0.1 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def written(path, waveform, rate_hz=RATE, **options):
    soundfile.write(path, waveform, rate_hz, **options)
    return path


@pytest.mark.parametrize("ending", ["wav", "flac", "au"])
def test_reads_the_piece_that_is_asked_for(tmp_path, rng, ending):
    waveform = noise(rng, seconds=2.0)
    path = written(tmp_path / f"blues.00000.{ending}", waveform)
    piece, rate_hz = read_clip(path, start_s=0.5, end_s=1.25)
    assert rate_hz == RATE
    assert piece.dtype == np.float32
    expected = waveform[round(0.5 * RATE) : round(1.25 * RATE)]
    assert_allclose(piece, expected, atol=1e-4)
    assert len(read_clip(path)[0]) == 2 * RATE


def test_channels_are_averaged(tmp_path):
    stereo = np.column_stack([tone(440), np.zeros(RATE)])
    path = written(tmp_path / "stereo.wav", stereo, subtype="FLOAT")
    assert_allclose(read_clip(path)[0], tone(440) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("piece", "match"),
    [
        ({"end_s": 15.0}, r"short.wav lasts 2.000 s, but the piece from 0 s to 15 s"),
        ({"start_s": 2.5}, r"short.wav lasts 2.000 s"),
        ({"start_s": 1.0, "end_s": 1.0}, r"end must come after the start"),
        ({"start_s": -1.0}, r"not before 0"),
    ],
)
def test_says_what_the_file_does_not_hold(tmp_path, piece, match):
    path = written(tmp_path / "short.wav", tone(440, seconds=2.0))
    with pytest.raises(InputError, match=match):
        read_clip(path, **piece)


def test_says_which_file_is_missing_or_no_sound(tmp_path):
    with pytest.raises(MissingFileError, match=r"no sound at .*jazz\.00054\.wav"):
        read_clip(tmp_path / "jazz.00054.wav")
    path = tmp_path / "jazz.00054.wav"
    path.write_bytes(b"no sound at all")
    with pytest.raises(InputError, match=r"jazz\.00054\.wav cannot be read as sound"):
        read_clip(path)


def test_a_file_that_breaks_off_is_refused(tmp_path, rng):
    for ending, match in {
        "flac": r"cut\.flac cannot be read as sound",
        "mp3": r"cut\.mp3 breaks off: \d\.\d+ s could be read of the 3\.500 s",
        "wav": r"cut\.wav breaks off: [12]\.\d+ s could be read, and 50\.\d%",
        "au": r"cut\.au breaks off: [12]\.\d+ s could be read, and 50\.\d%",
    }.items():
        path = written(tmp_path / f"cut.{ending}", noise(rng, seconds=4.0))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match=match):
            read_clip(path, start_s=0.5, end_s=4.0)


@pytest.mark.parametrize("ending", ["wav", "au"])
def test_a_file_that_breaks_off_does_not_pass_for_a_shorter_one(tmp_path, rng, ending):
    path = written(tmp_path / f"jazz.00054.{ending}", noise(rng, seconds=4.0))
    whole, _ = read_clip(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"jazz\.00054\.\w+ breaks off: [12]\.\d+"):
        read_clip(path)
    assert_array_equal(read_clip(path, end_s=1.5)[0], whole[: round(1.5 * RATE)])
    problems, warnings = check_tracks([ClipSource("j", path, 0, 1.5)])
    assert (problems, len(warnings)) == ([], 1)
    assert warnings[0].startswith("1 of 1 clips lie in files that break off after them")
    path.write_bytes(path.read_bytes()[: {"au": 24, "wav": 44}[ending]])
    with pytest.raises(InputError, match=r"breaks off: 0\.000 s .* and 100\.0% of"):
        read_clip(path, end_s=1.5)


def test_an_au_without_its_header_is_no_sound(tmp_path, rng):
    path = written(tmp_path / "jazz.00054.au", noise(rng, seconds=2.0))
    for content in (b"\0" * 24 + path.read_bytes()[24:], b""):
        path.write_bytes(content)
        with pytest.raises(
            InputError, match=r"cannot be read as sound: it has no head"
        ):
            read_clip(path, end_s=1.0)


@pytest.mark.parametrize("ending", ["wav", "au"])
def test_every_fault_of_a_track_comes_in_one_list(tmp_path, rng, ending):
    """As in GTZAN: 16 bits, in .au with the large byte first."""
    kind = {"subtype": "PCM_16"} | ({"endian": "BIG"} if ending == "au" else {})
    sounds = {
        "good": noise(rng, seconds=3.0),
        "clipped": np.clip(20 * noise(rng, seconds=3.0), -1, 1),
        "short": noise(rng, seconds=1.0),
        "silent": np.zeros(3 * RATE),
        "jazz.00054": noise(rng, seconds=3.0),
        "broken": noise(rng, seconds=3.0),
    }
    for name, sound in sounds.items():
        written(tmp_path / f"{name}.{ending}", sound, **kind)
    written(tmp_path / f"slow.{ending}", noise(rng, seconds=3.0), 16_000, **kind)
    header = (tmp_path / f"good.{ending}").read_bytes()[:4]
    assert header == {"au": b".snd", "wav": b"RIFF"}[ending]
    jazz, broken = (tmp_path / f"{name}.{ending}" for name in ("jazz.00054", "broken"))
    jazz.write_bytes(jazz.read_bytes()[: jazz.stat().st_size // 2])
    broken.write_bytes(b"no sound at all, but long enough to have a header" * 9)
    names = [*sounds, "slow", "missing"]
    clips = [ClipSource(name, tmp_path / name, 0.5, 2.5) for name in names]
    problems, warnings = check_tracks(clips, rate_hz=RATE)
    expected = {
        "short": "lasts 1.000 s, but the piece from 0.5 s to 2.5 s",
        "silent": "is silent where the clip lies",
        "jazz.00054": "breaks off: 1.",
        "broken": "cannot be read as sound",
        "slow": "has 16000 points per second, expected 22050",
        "missing": "no sound at",
    }
    assert [problem.split(":")[0] for problem in problems] == list(expected)
    for problem, words in zip(problems, expected.values(), strict=True):
        assert words in problem
    assert len(warnings) == 1
    assert "1 of 2 clips have more than 0.1 %" in warnings[0]
    assert "clipped" in warnings[0]


def test_a_file_with_nan_is_refused(tmp_path):
    waveform = tone(440)
    waveform[7] = np.nan
    path = written(tmp_path / "nan.wav", waveform, subtype="FLOAT")
    with pytest.raises(InputError, match=r"nan\.wav holds NaN .* in 1 of 22050"):
        read_clip(path)


# Finding and checking


def test_an_ending_that_is_left_out_is_found_in_small_letters_or_capitals(tmp_path):
    for name in ("blues.00000.AU", "blues.00001.au", "blues.00001.wav"):
        written(tmp_path / name, tone(440), format=name[-3:].strip(".").upper())
    assert find_track(tmp_path / "blues.00000").name == "blues.00000.AU"
    assert find_track(tmp_path / "blues.00001").name == "blues.00001.wav"
    assert find_track(tmp_path / "blues.00001.au").name == "blues.00001.au"
    with pytest.raises(MissingFileError, match=r"nor with the endings \.wav, \.au"):
        find_track(tmp_path / "blues.00002")
    with pytest.raises(MissingFileError, match=r"no sound at .*00000\.wav\. Check"):
        find_track(tmp_path / "blues.00000.wav")


def test_all_that_is_wrong_comes_in_one_list(tmp_path, rng):
    written(tmp_path / "good.wav", noise(rng, seconds=3.0))
    written(tmp_path / "short.wav", noise(rng, seconds=1.0))
    written(tmp_path / "silent.wav", np.zeros(3 * RATE))
    written(tmp_path / "wide.wav", noise(rng, seconds=3.0), 2 * RATE)
    (tmp_path / "jazz.00054.wav").write_bytes(b"no sound at all")
    nan = noise(rng, seconds=3.0)
    nan[-1] = np.nan
    written(tmp_path / "nan.wav", nan, subtype="FLOAT")
    names = ["gone", "good", "short", "silent", "jazz.00054", "nan", "wide"]
    clips = [ClipSource(name, tmp_path / name, 0.5, 1.5) for name in names]
    clips[-2] = ClipSource("nan", tmp_path / "nan")
    problems, warnings = check_tracks(clips, rate_hz=RATE)
    assert warnings == []
    expected = [
        "gone: no sound at",
        "short: short.wav lasts 1.000 s",
        "silent: silent.wav is silent where the clip lies",
        "jazz.00054: jazz.00054.wav cannot be read as sound",
        "nan: nan.wav holds NaN or infinity in 1",
        "wide: wide.wav has 44100 points per second, expected 22050",
    ]
    assert len(problems) == len(expected)
    for problem, start in zip(problems, expected, strict=True):
        assert problem.startswith(start)


def test_only_the_piece_that_was_heard_is_judged(tmp_path, rng):
    waveform = np.concatenate([np.zeros(RATE), noise(rng), np.ones(RATE)])
    path = written(tmp_path / "a.wav", waveform)
    assert check_tracks([ClipSource("a", path, 1.0, 2.0)]) == ([], [])
    problems, _ = check_tracks([ClipSource("a", path, 0.0, 1.0)])
    assert len(problems) == 1
    _, warnings = check_tracks([ClipSource("a", path, 1.0, 3.0)])
    assert warnings == [
        "1 of 1 clips have more than 0.1 % of their points at full scale: a 50.0 %."
    ]


def test_channels_and_mixed_rates_are_warned_of_with_their_clips(tmp_path, rng):
    for k in range(5):
        written(tmp_path / f"{k}.wav", noise(rng))
    written(tmp_path / "5.wav", np.column_stack([tone(440), tone(220)]), 16000)
    clips = [ClipSource(f"c{k}", tmp_path / f"{k}.wav") for k in range(6)]
    problems, warnings = check_tracks([*clips, *clips])
    assert problems == []
    assert warnings == [
        "1 of 6 clips have several channels, which are averaged to one: c5.",
        "the clips' sampling rates differ: 22050 Hz in 5 (c0, c1, c2 and 2 more); "
        "16000 Hz in 1 (c5).",
    ]


# Shaping


def test_without_a_level_only_the_fades_change(rng):
    waveform = noise(rng)
    clip = shape_clip(waveform, RATE, fade_s=0.2, rms=None)
    n_fade = round(0.2 * RATE)
    assert_array_equal(clip[n_fade:-n_fade], waveform[n_fade:-n_fade])
    assert_allclose(clip[n_fade // 2], waveform[n_fade // 2] * np.sin(np.pi / 4))
    assert_array_equal(shape_clip(waveform, RATE, fade_s=0, rms=None), waveform)


def test_shaping_a_piece_equals_cutting_it_out_of_its_track(rng):
    track = noise(rng, seconds=3.0)
    cut = cut_clip(track, RATE, start_s=1, end_s=2.5, fade_s=0.5)
    piece = track[RATE : RATE + round(1.5 * RATE)]
    assert_array_equal(shape_clip(piece, RATE, fade_s=0.5, rms=0.1321), cut)


def test_an_error_names_the_clip_that_is_shaped():
    with pytest.raises(InputError, match=r"blues\.00001 is silent"):
        shape_clip(np.zeros(90), 10, fade_s=1, rms=0.1, name="blues.00001")
    with pytest.raises(InputError, match=r"do not fit into blues\.00001, which lasts"):
        shape_clip(np.ones(90), 10, fade_s=5, rms=0.1, name="blues.00001")


def test_a_clip_is_cut_faded_and_set_to_its_level(rng):
    waveform = rng.standard_normal(900) + 2
    clip = cut_clip(waveform, 20, start_s=5, end_s=30, fade_s=4, rms=0.1)
    ramp = np.array([np.sin(np.pi / 2 * k / 80) for k in range(80)])
    expected = waveform[100:600] * np.r_[ramp, np.ones(340), ramp[::-1]]
    expected *= 0.1 / np.sqrt((expected**2).mean())
    assert_allclose(clip, expected)
    assert clip[0] == clip[-1] == 0


def test_the_level_of_the_track_does_not_matter(rng):
    waveform = 0.1 * rng.standard_normal(9000)
    cut = {"start_s": 1, "end_s": 8}
    clip = cut_clip(waveform, 1000, **cut)
    assert_allclose(cut_clip(waveform * 7, 1000, **cut), clip)
    assert_allclose(np.sqrt(np.mean(clip**2)), 0.1321)


def test_the_track_is_left_as_it_was(rng):
    waveform = 0.1 * rng.standard_normal(9000)
    before = waveform.copy()
    cut_clip(waveform, 1000, start_s=0, end_s=9)
    assert_array_equal(waveform, before)


def test_a_cut_without_fades_keeps_the_shape(rng):
    waveform = 0.1 * rng.standard_normal(3000)
    clip = cut_clip(waveform, 1000, start_s=0, end_s=3, fade_s=0)
    assert_allclose(clip / clip[0], waveform / waveform[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end_s": 9.01}, r"from 1 to 9\.01 s was asked of a track of 9\.000 s"),
        ({"start_s": -1}, "was asked of a track"),
        ({"start_s": 8, "end_s": 8}, "was asked of a track"),
        ({"fade_s": 4}, "two fades of 4 s do not fit into the clip from 1 to 8 s"),
        ({"fade_s": -1}, "do not fit"),
        ({"rms": 0.9}, r"beyond 1 in \d+ of 7000 points. Lower rms"),
    ],
)
def test_says_what_is_wrong_with_a_cut(rng, change, message):
    waveform = rng.standard_normal(9000)
    with pytest.raises(InputError, match=message):
        cut_clip(waveform, 1000, **{"start_s": 1, "end_s": 8, **change})


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (np.zeros(9000), "from 1 to 8 s is silent"),
        (np.ones((9000, 2)), "must be mono and finite, got shape"),
        (np.full(9000, np.nan), "look for NaN"),
    ],
)
def test_says_what_is_wrong_with_a_waveform(waveform, message):
    with pytest.raises(InputError, match=message):
        cut_clip(waveform, 1000, start_s=1, end_s=8)
