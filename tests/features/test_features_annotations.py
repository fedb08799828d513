"""Tests of features from tables of events."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import brain2music
from brain2music.core.checks import InputError, MissingFileError
from brain2music.features.annotations import (
    Column,
    event_features,
    read_annotation,
)

GRID = {"n_samples": 4, "tr_s": 2.0}
EVENTS = pd.DataFrame(
    {
        "onset": [0.0, 3.0, 5.0],
        "duration": [3.0, 2.0, 3.0],
        "rms": [0.5, 0.1, 0.9],
        "fg": [1, 0, 1],
        "where": ["int", "ext", "int"],
        "year": [1966, np.nan, np.nan],
    }
)


def feature(column, table=EVENTS, **options):
    values, notes = event_features(table, [column], **{**GRID, **options})
    assert values.shape == (4, 1)
    return values[:, 0], notes


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column("rms"), [0.5, 0.3, 0.5, 0.9]),
        (Column("rms", measure="sum"), [0.5, 0.3, 0.5, 0.9]),
        (Column("fg", equals="1"), [1, 0.5, 0.5, 1]),
        (Column("fg", equals="1", measure="on"), [1, 0.5, 0.5, 1]),
        (Column("where", equals="ext"), [0, 0.5, 0.5, 0]),
        (Column("where", equals="ext", measure="sum"), [0, 0.5, 0.5, 0]),
        (Column(measure="on"), [1, 1, 1, 1]),
        (Column(measure="sum"), [1, 1, 1, 1]),
    ],
)
def test_each_measure_by_hand(column, expected):
    values, notes = feature(column)
    assert_allclose(values, expected, atol=1e-12)
    assert notes == []


def test_overlapping_events_add_up_in_sum_and_count_once_in_on():
    table = pd.DataFrame({"onset": [0, 1], "duration": [4, 2], "arousal": [0.5, -0.25]})
    assert_allclose(
        feature(Column("arousal", measure="sum"), table)[0], [0.375, 0.375, 0, 0]
    )
    assert_allclose(feature(Column(measure="sum"), table)[0], [1.5, 1.5, 0, 0])
    assert_allclose(feature(Column(measure="on"), table)[0], [1, 1, 0, 0])
    mean, _ = feature(Column("arousal"), table, n_samples=4, tr_s=1.0)
    assert_allclose(mean, [0.5, 0.125, 0.125, 0.5])


def test_the_logarithm_is_taken_of_the_average_and_not_averaged():
    values, _ = feature(Column("rms", transform="log", offset=1e-4))
    assert_allclose(values, np.log(np.array([0.5, 0.3, 0.5, 0.9]) + 1e-4))


def test_columns_come_in_the_order_asked_for():
    columns = [Column("fg"), Column(measure="on"), Column("rms")]
    together, _ = event_features(EVENTS, columns, **GRID)
    alone = [feature(column)[0] for column in columns]
    assert_allclose(together, np.column_stack(alone))


def test_a_true_or_false_column_is_read_by_its_words():
    table = EVENTS.assign(loud=[True, False, True])
    assert_allclose(feature(Column("loud", equals="False"), table)[0], [0, 0.5, 0.5, 0])
    assert_allclose(feature(Column("loud"), table)[0], [1, 0.5, 0.5, 1])


def test_a_missing_cell_matters_only_where_it_is_used():
    feature(Column("rms"))
    match = r"music, run-6: column 'year' is empty in 2 of 3 rows \(rows 1, 2,"
    for column in (Column("year"), Column("year", equals="1966")):
        with pytest.raises(InputError, match=match):
            feature(column, name="music, run-6")


def test_text_where_a_number_is_needed_is_shown():
    table = EVENTS.assign(rms=["0.5", "loud", "0.9"])
    match = r"'rms' holds 1 cells that are no finite number, the first 'loud' in row 1"
    with pytest.raises(InputError, match=match):
        feature(Column("rms"), table)


def test_a_word_that_no_row_holds_is_noted():
    values, notes = feature(Column("where", equals="Int", measure="on"), name="places")
    assert not values.any()
    assert notes == [
        "places: no row of column 'where' equals 'Int', so this feature is 0 all "
        "through; there are ext, int."
    ]


def test_a_run_without_events_is_noted_and_zero():
    values, notes = feature(
        Column("fg", equals="1", measure="on"), EVENTS[:0], name="music"
    )
    assert not values.any()
    assert notes == ["music: no events, so none of their features is on in this run."]


@pytest.mark.parametrize(("n_samples", "late"), [(4, False), (3, True)])
def test_events_may_reach_half_a_tr_beyond_the_samples(n_samples, late):
    table = EVENTS.assign(duration=[3.0, 2.0, 4.0])
    grid = {"n_samples": n_samples, "tr_s": 2.0, "name": "rms, run-1"}
    if not late:
        assert event_features(table, [Column("rms")], **grid)[1] == []
        return
    match = (
        r"rms, run-1: 1 of 3 events lie or reach outside the 3 samples \(0 to 6 s\); "
        r"they run from 0 s to 9 s\. .* set `beyond` to 'cut'"
    )
    with pytest.raises(InputError, match=match):
        event_features(table, [Column("rms")], **grid)
    values, notes = event_features(table, [Column("rms")], **grid, beyond="cut")
    assert_allclose(values.ravel(), [0.5, 0.3, 0.5])
    assert notes[0].endswith("from 0 s to 9 s. What lies outside is cut.")


def test_events_before_the_first_sample_are_refused_or_cut():
    table = EVENTS.assign(onset=[-1.5, 3.0, 5.0], duration=[4.5, 2.0, 3.0])
    with pytest.raises(InputError, match=r"run from -1.5 s to 8 s"):
        feature(Column("rms"), table)
    values, notes = feature(Column("rms"), table, beyond="cut")
    assert_allclose(values, [0.5, 0.3, 0.5, 0.9])
    assert len(notes) == 1


@pytest.mark.parametrize(
    ("column", "options", "match"),
    [
        (Column("rmz"), {}, r"no column 'rmz', only: onset, .*Did you mean 'rms'"),
        (Column("fg", equals="yes"), {}, r"'fg' holds numbers, and equals is 'yes'"),
        (Column("fg", transform="log"), {"tr_s": 3.0, "n_samples": 3},
         r"events, log fg: 1 samples are 0 or less before the logarithm"),
        (Column("rms"), {"beyond": "drop"}, r"beyond must be 'refuse' or 'cut'"),
        (Column("rms"), {"n_samples": 6},
         r"events, rms: nothing covers 1 of 6 .*, or use measure 'on'"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_with_a_column(column, options, match):
    table = EVENTS.assign(onset=[0.0, 3.0, 6.0], duration=[3.0, 3.0, 3.0])
    with pytest.raises(InputError, match=match):
        event_features(table, [column], **{"n_samples": 4, "tr_s": 2.0, **options})


def test_no_columns_are_refused():
    with pytest.raises(InputError, match=r"no columns asked for"):
        event_features(EVENTS, [], **GRID)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({}, r"measure 'mean' needs a column"),
        ({"equals": "1", "measure": "on"}, r"equals needs a column"),
        ({"column": "fg", "measure": "on"}, r"'on' does not read the values of .*'fg'"),
        ({"column": "fg", "measure": "max"}, r"measure must be"),
        (
            {"column": "fg", "transform": "log10"},
            r"transform must .*Did you mean 'log'",
        ),
        ({"column": "fg", "offset": 1.0}, r"offset 1 has no use without"),
    ],
)
def test_a_column_checks_itself(fields, match):
    with pytest.raises(InputError, match=match):
        Column(**fields)


@pytest.mark.parametrize(
    ("column", "label"),
    [
        (Column("rms"), "rms"),
        (Column("rms", transform="log", offset=1.0), "log rms"),
        (Column("fg", equals="1", measure="on"), "fg=1 (on)"),
        (Column(measure="sum"), "events (sum)"),
        (Column("rms", name="volume", transform="log"), "volume"),
    ],
)
def test_a_column_names_its_feature(column, label):
    assert column.label == label


def test_reads_a_table_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "music_events.tsv"
    text = "\ufeffonset\tduration\twhere\tyear\n1.5\t2\tNone\t1966\n0\t1\tn/a\t\n"
    path.write_text(text, encoding="utf-8")
    table = read_annotation(path)
    assert list(table) == ["onset", "duration", "where", "year"]
    assert list(table["onset"]) == [1.5, 0]
    assert table["where"][0] == "None"
    assert table.isna().sum().tolist() == [0, 0, 1, 1]


def test_reads_commas_in_a_csv(tmp_path):
    path = tmp_path / "music.csv"
    path.write_text("onset,duration,fg\n0,1,1\n", encoding="utf-8")
    assert read_annotation(path).to_numpy().tolist() == [[0, 1, 1]]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"cannot be read as a table"),
        ("onset\tdur\n0\t1\n", r"no column 'duration', only: onset, dur"),
        ("onset\tduration\n0\t1\n\t2\n", r"'onset' is empty in 1 of 2 rows \(rows 1,"),
        ("onset\tduration\n0\tlong\n", r"'duration' holds 1 cells .* first 'long'"),
        ("onset\tduration\n0\tinf\n", r"'duration' holds 1 cells"),
        ("onset\tduration\n0\t-1\n", r"1 negative durations"),
        ("onset\tduration\n0\t1\t5\n", r"as many cells in each row"),
        ("onset\tduration\n0\t1\n0\t1\t5\n", r"as many cells in each row"),
    ],
)
def test_says_what_is_wrong_with_a_table(tmp_path, text, match):
    path = tmp_path / "music_events.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"music_events\.tsv.*" + match):
        read_annotation(path)


def test_says_which_table_is_not_there(tmp_path):
    with pytest.raises(MissingFileError, match=r"no events at .*run-3_events\.tsv"):
        read_annotation(tmp_path / "run-3_events.tsv")
    (tmp_path / "events.xlsx").touch()
    with pytest.raises(InputError, match=r"events\.xlsx is no \.tsv or \.csv table"):
        read_annotation(tmp_path / "events.xlsx")
    (tmp_path / "latin.csv").write_bytes(b"onset,duration,d\xe9cor\n")
    with pytest.raises(InputError, match=r"latin\.csv cannot be read .*UTF-8"):
        read_annotation(tmp_path / "latin.csv")


@pytest.fixture(scope="module")
def annotations():
    beside = Path(brain2music.__path__[0]).parent / "shared" / "data"
    folder = Path(os.environ.get("BRAIN2MUSIC_DATA", beside))
    folder = folder / "studyforrest" / "annotations"
    if not folder.is_dir():
        pytest.skip("the recorded data are not here")
    return folder


def forrest(folder, kind, run, columns, n_samples, beyond="cut"):
    table = read_annotation(folder / f"{kind}_run-{run}_events.tsv")
    return event_features(
        table, columns, n_samples=n_samples, tr_s=2.0, beyond=beyond, name=kind
    )


@pytest.mark.dataset
def test_sound_frames_average_as_a_plain_mean_of_fifty(annotations):
    columns = [Column("rms", transform="log", offset=1e-4), Column("lrdiff")]
    values, notes = forrest(annotations, "conf_audio", 1, columns, 451)
    table = read_annotation(annotations / "conf_audio_run-1_events.tsv")
    frames = table[["rms", "lrdiff"]].to_numpy()[: 451 * 50].reshape(451, 50, 2)
    plain = frames.mean(axis=1)
    assert_allclose(values, np.c_[np.log(plain[:, 0] + 1e-4), plain[:, 1]], atol=1e-9)
    assert "103 of 22653 events" in notes[0]


@pytest.mark.dataset
def test_music_that_plays_past_the_end_is_refused_or_cut(annotations):
    columns = [Column(measure="on"), Column("fg", equals="1", measure="on")]
    with pytest.raises(InputError, match=r"they run from 64\.101 s to 980\.541 s"):
        forrest(annotations, "music", 6, columns, 439, beyond="refuse")
    values, notes = forrest(annotations, "music", 6, columns, 439)
    assert len(notes) == 1
    assert ((values >= 0) & (values <= 1 + 1e-9)).all()
    assert (values[:, 1] <= values[:, 0] + 1e-9).all()


@pytest.mark.dataset
def test_emotions_of_several_characters_add_up_and_places_have_gaps(annotations):
    emotions, _ = forrest(
        annotations, "emotions_av_1s_events", 5, [Column(measure="sum")], 462
    )
    assert emotions.max() > 2
    with pytest.raises(InputError, match=r"nothing covers"):
        forrest(annotations, "locations", 5, [Column("int_or_ext", equals="int")], 462)
    inside, _ = forrest(
        annotations,
        "locations",
        5,
        [Column("int_or_ext", equals="int", measure="on")],
        462,
    )
    assert 0 < inside.mean() < 1
