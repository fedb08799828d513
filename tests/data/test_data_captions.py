"""Tests of reading captions."""

import pytest

from brain2music.core.checks import InputError, MissingFileError
from brain2music.data.captions import names_genre, read_captions
from brain2music.data.recipes import RECIPES
from brain2music.data.synthesise import write_tracks

CLIPS = ("blues.00000", "disco.00011", "hiphop.00049")
ROWS = (
    ("blues.00000_15s", "A slow blues, with a guitar.\nIt is sad."),
    ("disco.00011_15s", 'A "four on the floor" beat.'),
    ("hiphop.00049_15s", "Hip-hop, spoken."),
)


def written(path, rows=ROWS, *, header="ID,DescEN", encoding="utf-8-sig"):
    lines = [
        header,
        *(f'{i},"{text.replace(chr(34), chr(34) * 2)}"' for i, text in rows),
    ]
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_each_clip_gets_its_caption_in_the_order_of_the_clips(tmp_path, encoding):
    path = written(tmp_path / "c.csv", encoding=encoding)
    captions, notes = read_captions(path, clips=[*CLIPS[::-1], CLIPS[0]])
    assert list(captions) == list(CLIPS[::-1])
    assert captions == {i[:-4]: text for i, text in ROWS}
    assert notes == [
        "c.csv: 2 of 3 captions name their clip's own genre, so features of this text "
        "carry the genre label."
    ]


def test_captions_of_other_clips_are_left_out_and_counted(tmp_path):
    rows = [(i, "Quiet.") for i, _ in ROWS]
    captions, notes = read_captions(written(tmp_path / "c.csv", rows), clips=CLIPS[1:])
    assert list(captions) == list(CLIPS[1:])
    assert len(notes) == 1
    assert "1 of 3 captions belong to no clip" in notes[0]
    assert "blues.00000_15s" in notes[0]


def test_a_faulty_id_is_repaired_only_when_told(tmp_path):
    rows = [ROWS[0], ("disco.000011_15s", "Strings."), ROWS[2]]
    path = written(tmp_path / "c.csv", rows)
    fix = {"disco.000011_15s": "disco.00011_15s"}
    with pytest.raises(
        InputError,
        match=r"no caption for 1 of 3 clips: disco\.00011_15s\. Perhaps fixes: "
        r"'disco\.000011_15s' = 'disco\.00011_15s'\.",
    ):
        read_captions(path, clips=CLIPS)
    captions, notes = read_captions(path, clips=CLIPS, fixes=fix)
    assert captions["disco.00011"] == "Strings."
    assert notes[0].startswith("c.csv: 1 faulty ids repaired as told: disco.000011_15s")
    with pytest.raises(InputError, match=r"no id disco\.000011_15s, which the fixes"):
        read_captions(written(tmp_path / "d.csv"), clips=CLIPS, fixes=fix)


def test_all_missing_clips_stand_in_one_message(tmp_path):
    clips = [f"pop.{k:05d}" for k in range(12)]
    with pytest.raises(InputError, match=r"for 12 of 15 clips") as error:
        read_captions(written(tmp_path / "c.csv"), clips=[*CLIPS, *clips])
    assert all(clip in str(error.value) for clip in clips)
    assert "Perhaps" not in str(error.value)


@pytest.mark.parametrize(
    ("rows", "options", "match"),
    [
        ((*ROWS, ROWS[0]), {}, r"1 ids come more than once: blues\.00000_15s"),
        ((("blues.00000_15s", ""), *ROWS[1:]), {}, r"1 clips are empty: blues\.00000"),
        ((("blues.00000_15s", "n/a"), *ROWS[1:]), {}, r"1 clips are empty"),
        (ROWS, {"text_column": "DescEn"}, r"no column 'DescEn'.*mean 'DescEN'"),
        (ROWS, {"pattern": "caption"}, r"must hold \{clip\} once"),
        (ROWS, {"pattern": "{clip}"}, r"no caption for 3 of 3 clips"),
    ],
)
def test_says_what_is_wrong(tmp_path, rows, options, match):
    with pytest.raises(InputError, match=match):
        read_captions(written(tmp_path / "c.csv", rows), clips=CLIPS, **options)
    with pytest.raises(MissingFileError, match="no captions at"):
        read_captions(tmp_path / "none.csv", clips=CLIPS)


@pytest.mark.parametrize(
    ("caption", "genre", "named"),
    [
        ("HIP HOP beat", "hiphop", True),
        ("hip-hop", "hiphop", True),
        ("Rocking along", "rock", False),
        ("Metallic sounds", "metal", False),
        ("rocks", "rock", True),
        ("anything", "", False),
    ],
)
def test_a_genre_is_named_by_its_word_alone(caption, genre, named):
    assert names_genre(caption, genre) is named


def test_reads_the_captions_of_the_synthetic_tracks(tmp_path):
    clips = [f"{genre}.{k:05d}" for genre in RECIPES for k in range(2)]
    write_tracks(tmp_path, seed=0, clips=clips, duration_s=0.5)
    captions, notes = read_captions(tmp_path / "captions.csv", clips=clips)
    assert list(captions) == clips
    assert "captions name their clip's own genre" in notes[-1]
