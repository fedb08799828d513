"""Tests of reading the music."""

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError, MissingFileError
from brain2music.data.stimuli import read_clip

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
        "wav": r"cut\.wav lasts \d\.\d+ s, but the piece from 0\.5 s to 4 s",
    }.items():
        path = written(tmp_path / f"cut.{ending}", noise(rng, seconds=4.0))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match=match):
            read_clip(path, start_s=0.5, end_s=4.0)


def test_a_file_with_nan_is_refused(tmp_path):
    waveform = tone(440)
    waveform[7] = np.nan
    path = written(tmp_path / "nan.wav", waveform, subtype="FLOAT")
    with pytest.raises(InputError, match=r"nan\.wav holds NaN .* in 1 of 22050"):
        read_clip(path)
