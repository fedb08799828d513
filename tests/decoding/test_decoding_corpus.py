"""Tests of embedding a folder of music."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import soundfile as sf
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.decoding.corpus import (
    Track,
    embed_corpus,
    find_music,
    fma_note,
)
from brain2music.decoding.sounds import read_start

RATE = 8000
WHO = {"identity": "bands-1", "source": "bands"}


def tone(path, hz, *, seconds=1.0, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = np.sin(20 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE) / 2
    sf.write(path, np.stack([wave] * channels, axis=1), RATE)
    return path


def spectrum(sounds):
    """Embed: the size of 12 bands of each sound's spectrum."""
    spectra = [np.abs(np.fft.rfft(sound.waveform, 800)) for sound in sounds]
    return np.stack([s[:396].reshape(12, 33).sum(axis=1) for s in spectra])


@pytest.fixture
def music(tmp_path):
    """Return a folder of 7 tones, one every 500 Hz."""
    for k in range(7):
        tone(tmp_path / f"music/album {k % 2}/{k}.wav", 40 + 50 * k)
    return tmp_path / "music"


class Counting:
    """Embed, and count what was embedded."""

    def __init__(self):
        self.n = 0

    def __call__(self, sounds):
        self.n += len(sounds)
        return spectrum(sounds)


def test_the_folder_of_fma_gives_its_track_numbers(tmp_path):
    root = tmp_path / "fma_large"
    for name in ("000/000002.mp3", "000/000140.mp3", "155/155320.MP3"):
        tone(root / name, 100)
    tracks = find_music(root)
    assert [track.id for track in tracks] == ["2", "140", "155320"]
    assert tracks[0].path == root / "000/000002.mp3"
    assert fma_note(root, tracks) == "fma_large has 106574 tracks, and 3 were found."
    assert fma_note(tmp_path / "fma_small", tracks * 2666 + tracks[:2]) is None
    assert fma_note(tmp_path, tracks) is None
    assert [track.id for track in find_music(tmp_path)] == ["2", "140", "155320"]
    tone(tmp_path / "fma_small/000/000140.mp3", 100)
    with pytest.raises(InputError, match="1 FMA tracks more than once"):
        find_music(tmp_path)


def test_any_other_folder_gives_paths(music):
    tone(music / ".hidden/1.wav", 10)
    tone(music / "album 0/._2.wav", 10)
    (music / "cover.jpg").touch()
    names = [track.id for track in find_music(music)]
    assert names[:2] == ["album 0/0.wav", "album 0/2.wav"]
    assert len(names) == 7
    tone(music / "000/001002.mp3", 10)  # not where FMA would have it
    assert "000/001002.mp3" in [track.id for track in find_music(music)]


def test_folders_without_music_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"holds no music.*\.flac"):
        find_music(tmp_path)
    with pytest.raises(MissingFileError, match="is no folder"):
        find_music(tmp_path / "no")


def test_what_was_embedded_is_found(music, tmp_path):
    tracks = find_music(music)
    corpus = embed_corpus(tracks, spectrum, folder=tmp_path / "parts", **WHO)
    assert corpus.tracks == tuple(tracks)
    assert corpus.embeddings.dtype == np.float32
    assert_allclose(corpus.seconds, 1.0)
    by_hand = [spectrum([read_start(track.path)])[0] for track in tracks]
    assert_allclose(corpus.embeddings, by_hand, rtol=1e-6)
    found = corpus.index().search(np.array(by_hand) * 3, identity="bands-1")
    assert found.rows.ravel().tolist() == list(range(7))


def test_unreadable_files_are_listed_and_stop_nothing(music, tmp_path):
    (music / "album 0/broken.mp3").write_bytes(b"no sound")
    sf.write(music / "empty.wav", np.zeros(0), RATE)
    sf.write(music / "nan.wav", np.full(9, np.nan), RATE, subtype="FLOAT")
    sf.write(music / "silent.wav", np.zeros(RATE), RATE)
    tracks = [*find_music(music), Track("gone", music / "gone.wav")]
    embed = Counting()
    corpus = embed_corpus(tracks, embed, folder=tmp_path / "parts", part=5, **WHO)
    assert len(corpus.tracks) == 7
    assert list(corpus.unreadable) == [
        "album 0/broken.mp3",
        "empty.wav",
        "nan.wav",
        "silent.wav",
        "gone",
    ]
    whys = list(corpus.unreadable.values())
    assert "broken.mp3 cannot be read as sound" in whys[0]
    assert "holds no sound" in whys[1]
    assert "holds NaN" in whys[2]
    assert "length 0 (is it silent?)" in whys[3]
    assert corpus.reasons[2].startswith("nan.wav: ")
    assert embed.n == 8
    again = embed_corpus(tracks, embed, folder=tmp_path / "parts", **WHO)
    assert embed.n == 9  # the silent one is tried again
    assert again.unreadable == corpus.unreadable
    assert_array_equal(again.embeddings, corpus.embeddings)


def test_a_corpus_of_nothing_has_no_index(tmp_path):
    gone = [Track("gone", tmp_path / "gone.wav")]
    corpus = embed_corpus(gone, spectrum, folder=tmp_path / "parts", **WHO)
    with pytest.raises(InputError, match=r"none of 1 tracks could be read.*gone\.wav"):
        corpus.index()


def test_new_and_changed_tracks_alone_are_embedded(music, tmp_path):
    embed, seen = Counting(), []
    options = {"folder": tmp_path / "parts", "part": 3, **WHO}
    embed_corpus(find_music(music), embed, **options)
    tone(music / "album 0/1.wav", 333)
    path = music / "album 1/3.wav"
    os.utime(tone(path, 222), ns=(1, 1))
    corpus = embed_corpus(find_music(music), embed, advance=seen.append, **options)
    assert embed.n == 7 + 2
    assert seen == [1] * 8
    row = [track.path for track in corpus.tracks].index(path)
    assert_allclose(corpus.embeddings[row], spectrum([read_start(path)])[0], rtol=1e-6)
    other = {**options, "identity": "bands-2"}
    embed_corpus(find_music(music), embed, **other)
    assert embed.n == 9 + 8


def test_the_same_name_in_another_folder_is_another_track(tmp_path):
    embed, options = Counting(), {"folder": tmp_path / "parts", **WHO}
    vectors = []
    for folder, pitch in (("a", 222), ("b", 444)):
        (tmp_path / folder).mkdir()
        os.utime(tone(tmp_path / folder / "t.wav", pitch), ns=(1, 1))
        tracks = find_music(tmp_path / folder)
        vectors.append(embed_corpus(tracks, embed, **options).embeddings[0])
    assert embed.n == 2
    assert not np.allclose(*vectors)


SCRIPT = """
    import os, signal, sys
    import numpy as np
    from pathlib import Path
    from brain2music.decoding.corpus import embed_corpus, find_music

    def embed(sounds):
        if sys.argv[3] == str(embed.calls):
            os.kill(os.getpid(), signal.SIGKILL)
        embed.calls += 1
        return np.ones((len(sounds), 4))

    embed.calls = 0
    embed_corpus(find_music(sys.argv[1]), embed, folder=sys.argv[2], part=2,
                 identity="x", source="x")
"""


def test_a_killed_run_goes_on_where_it_was(music, tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(music)]
    ended = subprocess.run([*command, str(tmp_path / "parts"), "2"], check=False)
    assert ended.returncode == -signal.SIGKILL
    embed = Counting()
    who = {"identity": "x", "source": "x"}
    (tmp_path / "parts/.partial-half").write_bytes(b"begun")
    options = {"folder": tmp_path / "parts", "part": 2, **who}
    with pytest.raises(InputError, match="4 and 12 dimensions under one identity"):
        embed_corpus(find_music(music), embed, **options)
    assert embed.n == 7 - 4


def test_wrong_embedders_and_damaged_parts_are_refused(music, tmp_path):
    tracks, parts = find_music(music), tmp_path / "parts"
    with pytest.raises(InputError, match=r"shape \(12,\) for 7 sounds"):
        embed_corpus(tracks, lambda s: spectrum(s)[0], folder=parts, **WHO)
    assert not list(parts.glob("*"))
    embed_corpus(tracks, spectrum, folder=parts, **WHO)
    (path,) = parts.iterdir()
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InputError, match="Delete that file"):
        embed_corpus(tracks, spectrum, folder=parts, **WHO)


def test_embeddings_that_are_not_finite_are_listed(music, tmp_path):
    def spoiled(sounds):
        vectors = spectrum(sounds)
        vectors[2, 3] = np.nan
        return vectors

    tracks = find_music(music)
    corpus = embed_corpus(tracks, spoiled, folder=tmp_path / "parts", **WHO)
    assert corpus.unreadable == {tracks[2].id: "its embedding is not finite."}
