"""Tests of what the headers of sound files promise."""

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music.data.sound_headers import UNKNOWN, lacking_share


@pytest.fixture
def make(tmp_path, rng):
    def write(name, **options):
        sound = 0.1 * rng.standard_normal((1001, options.pop("channels", 1)))
        soundfile.write(tmp_path / name, sound, 8000, **options)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_16"}),
        ("a.wav", {"subtype": "FLOAT", "channels": 2}),
        ("a.wav", {"subtype": "PCM_U8"}),  # an odd number of bytes
        ("a.wav", {"subtype": "PCM_16", "endian": "BIG"}),
        ("a.au", {"subtype": "PCM_16", "endian": "BIG"}),
        ("a.au", {"subtype": "ULAW"}),
    ],
)
def test_what_is_cut_off_is_lacking(make, name, options):
    path = make(name, **options)
    assert lacking_share(path) == 0
    content, width = path.read_bytes(), {"PCM_16": 2, "FLOAT": 8}
    n_bytes = 1001 * width.get(options["subtype"], 1)
    path.write_bytes(content[: len(content) - n_bytes // 4])
    lost = n_bytes // 4 - (len(content) - n_bytes) % 2 * (name == "a.wav")
    assert_allclose(lacking_share(path), lost / n_bytes, atol=2 / n_bytes)
    path.write_bytes(content + b"LIST\0\0\0\0")
    assert lacking_share(path) == 0


def test_chunks_before_the_sound_are_passed_over(make):
    path = make("a.wav", subtype="PCM_16")
    content = path.read_bytes()
    note = b"note" + (5).to_bytes(4, "little") + b"jazz!\0"
    path.write_bytes(content[:12] + note + content[12:-1001])
    assert_allclose(lacking_share(path), 0.5)


def test_other_formats_and_unknown_sizes_promise_nothing(make):
    for name in ("a.flac", "a.ogg"):
        path = make(name)
        path.write_bytes(path.read_bytes()[:-100])
        assert lacking_share(path) == 0
    path = make("a.au", subtype="PCM_16")
    content = path.read_bytes()
    path.write_bytes(content[:8] + UNKNOWN.to_bytes(4, "big") + content[12:-900])
    assert lacking_share(path) == 0
    for content in (b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt "):
        path.write_bytes(content)
        assert lacking_share(path) == 0


def test_a_header_without_sound_lacks_all_of_it(make):
    path = make("a.au", subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:20])
    assert lacking_share(path) == 1
    assert np.isfinite(lacking_share(path))
