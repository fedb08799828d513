"""Tests of the way from a study's feature spaces to rows on the scanner's grid."""

import os

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from brain2music import load_study, run
from brain2music.core.checks import InputError, MissingFileError
from brain2music.features.audio import loudness
from brain2music.study import StudyError
from brain2music.workflow.alignment import align
from brain2music.workflow.opening import open_subject
from brain2music.workflow.prepare import build_features
from brain2music.workflow.sources import check_features, space_runs

TR_S, RATE_HZ, CLIP_S = 1.5, 8000, 12.0
SOUND = """
[features.level]
kind = "loudness"
path = "sound/{genre}.{track:0>5}.wav"
hop_s = 0.5
"""
EVENTS = "events/task-Training_run-2_events.tsv"


def edit(path, *pairs):
    """Replace parts of the study file, and read it."""
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return load_study(path)


def edit_events(study_file, change, name=EVENTS):
    path = study_file.parent / name
    table = pd.read_csv(path, sep="\t")
    change(table).to_csv(path, sep="\t", index=False, na_rep="n/a")


def edit_array(study_file, **changes):
    path = study_file.parent / "features/music.npz"
    with np.load(path) as old:
        arrays = {**old, **changes}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    np.savez(path, **arrays)
    return arrays


def features_of_runs(study, opened, name):
    layers, notes = space_runs(study, align(study, opened), name)
    assert list(layers) == [""]
    return layers[""], notes


def rows_of(study, name, run_name="task-Training_run-2"):
    opened = open_subject(study, "01")
    runs, notes = features_of_runs(study, opened, name)
    place = [str(one) for one in opened.runs].index(run_name)
    return runs[place], notes


def rest(table):
    """Make the third event a rest: no genre, no track."""
    return table.assign(
        genre=table["genre"].where(table.index != 2),
        track=table["track"].astype(object).where(table.index != 2),
    )


REST = slice(16, 24)  # its 8 volumes


@pytest.fixture
def sound_file(study_file):
    """Return a study with a band of sound: noise at a level of its own per clip."""
    folder = study_file.parent / "sound"
    folder.mkdir()
    with np.load(study_file.parent / "features/music.npz") as arrays:
        clips = list(arrays["clips"])
    rng = np.random.default_rng(5)
    for clip in clips:
        steps = np.repeat(rng.uniform(0.01, 0.2, 16), RATE_HZ)  # 16 s
        waveform = steps * rng.uniform(-1, 1, len(steps))
        soundfile.write(folder / f"{clip}.wav", waveform, RATE_HZ)
    edit(
        study_file, ("[encoding]", SOUND + "\n[encoding]"), ('["music", ', '["level", ')
    )
    return study_file


def add_borders(study_file, change=lambda table: table):
    """Let each clip be heard from 2 s on; `change` what run 2 says of it."""
    for path in (study_file.parent / "events").iterdir():
        edit_events(study_file, lambda t: t.assign(a=2.0, b=14.0), path)
    edit_events(study_file, change)
    return edit(study_file, ("hop_s = 0.5", 'hop_s = 0.5\nstart = "a"\nend = "b"'))


def test_an_overwritten_file_gives_new_features_in_the_same_process(
    study_file, tmp_path
):
    study, file = load_study(study_file), tmp_path / "out/features/sub-01/X_train.npy"
    run(study, tmp_path / "out", stage="features")
    before = np.load(file)
    path = study_file.parent / "features/music.npz"
    stat = path.stat()
    with np.load(path) as old:
        arrays = {**old}
    turned = edit_array(study_file, features=arrays["features"][::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    run(study, tmp_path / "out", stage="features")
    run(study, tmp_path / "fresh", stage="features")
    assert not np.allclose(np.load(file), before)
    opened = open_subject(study, "01")
    raw = features_of_runs(study, opened, "music")[0][0]
    place = list(turned["clips"]).index(opened.events[opened.runs[0]]["clip"][3])
    assert_allclose(raw[24:32], turned["features"][place])


def test_an_overwritten_sound_gives_new_features_in_the_same_process(sound_file):
    study = load_study(sound_file)
    before, _ = rows_of(study, "level")
    for path in (sound_file.parent / "sound").iterdir():
        waveform, rate_hz = soundfile.read(path)
        soundfile.write(path, waveform / 10, rate_hz)
    after, _ = rows_of(study, "level")
    assert_allclose(after, before - 20, atol=0.1)


@pytest.mark.parametrize("how", ["none", "centre", "zscore"])
def test_rows_without_history_hold_the_training_mean(study_file, how):
    study = edit(
        study_file,
        ("lead_in_s = 12", "lead_in_s = 0"),
        ('per = "clip"', f'per = "clip"\nstandardise = "{how}"'),
    )
    edit_array(
        study_file,
        features=5 + np.random.default_rng(1).standard_normal((24, 8, 3)) * [1, 9, 2],
    )
    opened = open_subject(study, "01")
    X, _, bands, notes, _ = build_features(study, align(study, opened))
    assert [band.name for band in bands] == ["music", "genre"]
    runs, _ = features_of_runs(study, opened, "music")
    rows = np.vstack(runs[: len(opened.split.train)])
    mean = rows.mean(axis=0)
    scale = rows.std(axis=0) if how == "zscore" else 1
    fill, shift = (mean, 0) if how == "none" else (np.zeros(3), mean)
    n = len(runs[0])
    for row in (0, n, 2 * n):  # delays 1 and 2: both lack history, then one
        assert_allclose(X[row, :6], np.tile(fill, 2), atol=1e-10)
        assert_allclose(X[row + 1, 3:6], fill, atol=1e-10)
    assert_allclose(X[n + 2, :3], (rows[n + 1] - shift) / scale)
    assert_allclose(X[n + 2, 3:6], (rows[n] - shift) / scale)
    assert any("the features' training mean stands in" in note for note in notes)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_design_keeps_the_precision_of_the_study(study_file, precision):
    study = edit(study_file, ('"float64"', f'"{precision}"'))
    X, X_test, *_ = build_features(study, align(study, open_subject(study, "01")))
    assert X.dtype == X_test.dtype == precision


def test_the_rate_of_clips_may_stand_in_the_study(study_file):
    expected, _ = rows_of(load_study(study_file), "music")
    edit_array(study_file, rate_hz=None)
    with pytest.raises(InputError, match=r"music.npz: 8 frames .*or the study"):
        rows_of(load_study(study_file), "music")
    study = edit(study_file, ('per = "clip"', f'per = "clip"\nrate_hz = {1 / TR_S}'))
    assert_array_equal(rows_of(study, "music")[0], expected)


def test_another_rate_than_the_files_is_refused(study_file):
    study = edit(study_file, ('per = "clip"', 'per = "clip"\nrate_hz = 2'))
    with pytest.raises(InputError, match=r"music.npz says 0\.66.* the study 2\."):
        check_features(study, align(study, open_subject(study, "01")))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('per = "clip"\nbeyond = "cut"', r"`beyond` of the array 'features/music.npz'"),
        (
            'per = "run"\nrate_hz = 2\nempty = 0',
            r"`empty` of the array .* per = 'clip'",
        ),
        ('per = "clip"\nempty = nan', r"features.music.empty.* finite"),
    ],
)
def test_keys_that_would_have_no_effect_are_refused(study_file, keys, words):
    with pytest.raises(StudyError, match=words):
        edit(study_file, ('per = "clip"', keys))


def test_sound_stands_at_the_onset_of_its_clip(sound_file):
    rows, notes = rows_of(add_borders(sound_file), "level")
    events = pd.read_csv(sound_file.parent / EVENTS, sep="\t")
    for k, event in events.iterrows():
        name = f"{event['genre'].strip(chr(39))}.{event['track']:05d}.wav"
        waveform, rate_hz = soundfile.read(sound_file.parent / "sound" / name)
        piece = waveform[2 * rate_hz : 14 * rate_hz]
        expected = loudness(piece, rate_hz, hop_s=0.5).reshape(8, 3).mean(axis=1)
        assert_allclose(rows[8 * k : 8 * k + 8, 0], expected, rtol=1e-4)
    assert notes == []


@pytest.mark.parametrize("end", [14.8, 13.2, 8.0, 16.0])
def test_a_piece_must_last_as_long_as_its_event(sound_file, end):
    def change(table):
        return table.assign(b=np.where(table.index == 1, end, table["b"]))

    study = add_borders(sound_file, change)
    table = pd.read_csv(sound_file.parent / EVENTS, sep="\t")
    clip = f"{table['genre'][1].strip(chr(39))}.{table['track'][1]:05d}"
    match = (
        rf"sub-01, task-Training_run-2, features.level: {clip} at 12 s is heard for 12 "
        rf"s, but its piece .*from 2 s to {end:g} s"
    )
    with pytest.raises(InputError, match=match):
        check_features(study, align(study, open_subject(study, "01")))


@pytest.mark.parametrize("end", [13.5, 14.7])
def test_half_a_tr_is_let_pass_and_no_frame_reaches_the_next_clip(sound_file, end):
    expected, _ = rows_of(add_borders(sound_file), "level")
    edit_events(sound_file, lambda table: table.assign(b=end))
    rows, _ = rows_of(load_study(sound_file), "level")
    last = np.arange(len(rows)) % 8 == 7
    assert_allclose(rows[~last], expected[~last], rtol=1e-4)
    assert_allclose(rows[last], expected[last], rtol=1e-4 if end > 14 else 1)


def test_a_file_that_is_too_short_is_named_with_its_clip_and_run(sound_file):
    for path in (sound_file.parent / "sound").iterdir():
        soundfile.write(path, soundfile.read(path)[0][: 11 * RATE_HZ], RATE_HZ)
    match = r"sub-01, task-Training_run-1, features.level: \w+.\d+ at 0 s: .* 11\.000 s"
    with pytest.raises(InputError, match=match):
        rows_of(load_study(sound_file), "level")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.rename(columns={"a": "begin"}), r"no column 'a', only: .*begin"),
        (lambda t: t.assign(b=t["b"].where(t.index != 3)), r"'b' holds 1 cells that"),
        (lambda t: t.assign(b="late"), r"'b' holds 7 cells that are no time"),
    ],
)
def test_borders_that_are_no_times_are_named(sound_file, change, words):
    study = add_borders(sound_file, change)
    with pytest.raises(InputError, match=r"run-2, features.level.* " + words):
        check_features(study, align(study, open_subject(study, "01")))


@pytest.mark.parametrize("name", ["music", "level"])
def test_a_rest_is_refused_with_the_key_that_fills_it(sound_file, name):
    edit_events(sound_file, rest)
    match = (
        rf"sub-01, task-Training_run-2, features.{name}: nothing covers 8 of 56 .* 16, "
        rf".*set features.{name}.empty in the study"
    )
    with pytest.raises(InputError, match=match):
        rows_of(load_study(sound_file), name)


@pytest.mark.parametrize(
    ("name", "old"), [("music", 'per = "clip"'), ("level", "hop_s = 0.5")]
)
def test_a_rest_takes_the_value_that_the_study_gives(sound_file, name, old):
    expected, _ = rows_of(load_study(sound_file), name)
    edit_events(sound_file, rest)
    rows, notes = rows_of(edit(sound_file, (old, f"{old}\nempty = -60.5")), name)
    expected[REST] = -60.5
    assert_allclose(rows, expected)
    assert notes == [
        f"sub-01, task-Training_run-2, features.{name}: 1 of 7 events name no clip "
        "(n/a) and have no part in it."
    ]


def test_a_run_without_a_clip_holds_the_empty_value(sound_file):
    edit_events(sound_file, lambda t: t.assign(genre="n/a", track="n/a"))
    study = edit(
        sound_file,
        ("hop_s = 0.5", "hop_s = 0.5\nempty = -100"),
        ('per = "clip"', 'per = "clip"\nempty = 0'),
    )
    assert_array_equal(rows_of(study, "level")[0], np.full((56, 1), -100))
    assert_array_equal(rows_of(study, "music")[0], np.zeros((56, 3)))
    assert_array_equal(rows_of(study, "genre")[0], np.zeros((56, 3)))


def test_a_rest_has_no_category(study_file):
    expected, _ = rows_of(load_study(study_file), "genre")
    edit_events(study_file, rest)
    rows, notes = rows_of(load_study(study_file), "genre")
    expected[REST] = 0
    assert_array_equal(rows, expected)
    assert len(notes) == 1
    assert "1 of 7 events name no clip" in notes[0]


def test_without_names_of_clips_all_events_count(sound_file):
    study = edit(
        sound_file,
        ('clip = "{genre}.{track:0>5}"\n', ""),
        ('[features.music]\nkind = "array"', '[features.music]\nkind = "loudness"'),
        ('path = "features/music.npz"\nper = "clip"', 'path = "{genre}.{track}.wav"'),
    )
    for name, width in (("genre", 3), ("level", 1)):
        rows, notes = rows_of(study, name)
        assert rows.shape == (56, width)
        assert notes == []
    edit_events(sound_file, rest)
    rows, notes = rows_of(study, "genre")
    assert not rows[REST].any()
    assert notes[0].endswith(
        "1 of 7 events have no 'genre' and count as none of its levels."
    )
    with pytest.raises(InputError, match=r"set features.level.empty"):
        rows_of(study, "level")


def test_categories_that_are_numbers_are_the_same_in_runs_with_and_without_rests(
    study_file,
):
    for path in (study_file.parent / "events").iterdir():
        edit_events(study_file, lambda t: t.assign(code=t.index % 2 + 3), path)
    edit_events(
        study_file, lambda t: rest(t).assign(code=t["code"].where(t.index != 2))
    )
    rows, _ = rows_of(
        edit(study_file, ('column = "genre"', 'column = "code"')), "genre"
    )
    assert rows.shape == (56, 2)
    assert rows.sum() == 48


def test_a_category_that_no_event_has_is_refused(study_file):
    for path in (study_file.parent / "events").iterdir():
        edit_events(study_file, lambda t: t.assign(mood="n/a"), path)
    study = edit(study_file, ('column = "genre"', 'column = "mood"'))
    with pytest.raises(InputError, match=r"features.genre: column 'mood' is empty"):
        rows_of(study, "genre")


def test_all_files_that_are_missing_are_said_at_once(sound_file):
    study = edit(
        sound_file,
        ('path = "features/music.npz"\nper', 'path = "features/{run}.npz"\nper'),
        ('bands = ["level", ', 'bands = ["level", "music", '),
    )
    paths = sorted((sound_file.parent / "sound").iterdir())
    for path in paths[3:]:
        path.unlink()
    match = (
        r"sub-01: 24 of 27 feature files are missing in .*: features/1.npz, "
        r"features/10.npz, features/2.npz, sound/(.*wav, ){2}\.\.\.\. Bring them, or "
        r"correct features.music.path, features.level.path in the study file"
    )
    with pytest.raises(MissingFileError, match=match):
        check_features(study, align(study, open_subject(study, "01")))
    with pytest.raises(MissingFileError, match=r"sub-01: 3 of 3 feature files"):
        rows_of(study, "music")


def test_a_sound_outside_the_data_set_is_refused(sound_file):
    study = edit(sound_file, ('path = "sound/{genre}', 'path = "../{genre}'))
    with pytest.raises(InputError, match=r"wav lies outside the data set's folder"):
        check_features(study, align(study, open_subject(study, "01")))


def test_half_of_a_clips_name_is_refused_with_run_and_row(sound_file):
    study = edit(sound_file, ("sound/{genre}.", "sound/{mood}{genre}."))
    for path in (sound_file.parent / "events").iterdir():
        edit_events(sound_file, lambda t: t.assign(mood=""), path)
    match = r"task-Training_run-1, features.level.path: event 0 \(row 2 .* has no mood"
    with pytest.raises(InputError, match=match):
        check_features(study, align(study, open_subject(study, "01")))


def test_a_rest_may_have_part_of_the_name_of_a_sound(sound_file):
    for path in (sound_file.parent / "events").iterdir():
        edit_events(sound_file, lambda t: t.assign(format="wav"), path)
    edit_events(sound_file, rest)
    edit(sound_file, ("{track:0>5}.wav", "{track:0>5}.{format}"))
    study = edit(sound_file, ("hop_s = 0.5", "hop_s = 0.5\nempty = 3"))
    assert_array_equal(rows_of(study, "level")[0][REST], np.full((8, 1), 3.0))
    edit_events(sound_file, lambda t: t.assign(format=["wav"] * 4 + ["n/a"] * 3))
    match = r"run-2, features.level.path: event 4 \(row 6 of its file\) has no format"
    with pytest.raises(InputError, match=match):
        rows_of(study, "level")
