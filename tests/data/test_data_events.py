"""Tests of events, clips and repeats."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from brain2music.core.checks import InputError, MissingFileError
from brain2music.data.events import (
    check_events_fit,
    clip_ids,
    clip_rows,
    group_repeats,
    read_events,
)
from brain2music.data.files import find_runs

PATTERN = "{genre}.{track:0>5}"


@pytest.fixture
def write(tmp_path):
    def make(text, name="e.tsv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return make


def events_of(*triples):
    return pd.DataFrame(triples, columns=["onset", "duration", "clip"])


def test_quote_marks_are_taken_off_and_counted_also_without_a_pair(write):
    path = write(
        "onset\tduration\tgenre\ttrack\r\n0\t15\t'pop'\t7\r\n15\t15\tpop'\t8\r\n"
        '30\t15\t"pop\t9\r\n45\t15\tpop\t10'
    )
    events, notes = read_events(path)
    assert events["genre"].tolist() == ["pop"] * 4
    assert events["track"].tolist() == [7, 8, 9, 10]
    assert len(notes) == 1
    assert "3 of 4 cells of column 'genre', 2 of them without a pair" in notes[0]


def test_missing_cells_are_missing_and_nothing_else(write):
    events, notes = read_events(
        write("onset\tduration\tartist\tyear\n0\t0\tNA\tn/a\n1\t.5\tn/a\t1994\n")
    )
    assert events["artist"].isna().tolist() == [False, True]
    assert events["year"].isna().tolist() == [True, False]
    assert notes == []


def test_labels_with_leading_zeros_stay_text_but_times_are_numbers(write):
    events, _ = read_events(write("onset\tduration\tclip\n00\t15\t007\n015\t15\t12\n"))
    assert events["clip"].tolist() == ["007", "12"]
    assert events["onset"].tolist() == [0, 15]


def test_a_byte_order_mark_and_quoted_commas_are_read(write):
    path = write('onset,duration,title\n1,2,"Oh, boy"\n', "e.csv", "utf-8-sig")
    events, notes = read_events(path)
    assert events.loc[0].tolist() == [1, 2, "Oh, boy"]
    assert notes == []


def test_a_run_without_events_has_an_empty_table(write):
    events, _ = read_events(write("onset\tduration\tgenre\ttrack\n"))
    assert len(events) == 0
    assert clip_ids(events, PATTERN) == []
    assert (clip_rows(events, [], n_samples=3, tr_s=2.0)["clip"] == "").all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("onst\tduration\n0\t1\n", "no column 'onset'.*found onst, duration"),
        ("", "no column 'onset'"),
        ("onset\tduration\n0\tn/a\n", "row 2, is 'nan'"),
        ("onset\tduration\n0\t-1\n", "'duration' are no time"),
        ("onset\tduration\n0\t1\n1,5\t1\n", "row 3, is '1,5'"),
        ("onset\tduration\ninf\t1\n", "'onset' are no time"),
        ("onset\tduration\n5\t1\n2\t1\n", "row 3 starts before the row above"),
        ("onset\tduration\n0\t1\t2\n", "row 2 has 3 cells, the header 2"),
        ("onset\tduration\n0\n", "row 2 has 1 cells"),
        ("onset\tonset\n0\t1\n", "one name each"),
    ],
)
def test_a_table_that_cannot_be_trusted_is_refused(write, text, words):
    with pytest.raises(InputError, match=words):
        read_events(write(text))


def test_a_file_that_is_no_table_is_refused(write, tmp_path):
    with pytest.raises(InputError, match="UTF-8"):
        read_events(write("onset\tduration\tx\n0\t1\té\n", encoding="latin-1"))
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_events(write('onset,duration,x\n0,1,"open\n', "e.csv"))
    with pytest.raises(InputError, match=r"\.tsv or \.csv"):
        read_events(write("onset", "e.txt"))
    with pytest.raises(MissingFileError, match="no events at"):
        read_events(tmp_path / "none.tsv")


def test_clips_are_named_from_columns(write):
    text = "onset\tduration\tgenre\ttrack\n0\t1\tpop\t3\n1\t1\tn/a\tn/a\n"
    events, _ = read_events(write(text))
    assert clip_ids(events, PATTERN) == ["pop.00003", ""]


def test_numbers_keep_their_decimals_and_whole_numbers_have_none():
    events = pd.DataFrame({"a": [1.5, 2.0], "b": [3.0, 4.0]})
    assert clip_ids(events, "{a}-{b}-{b:0>3}") == ["1.5-3-003", "2.0-4-004"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{genre.__class__}", "plain column names"),
        ("{genre[0]}", "plain column names"),
        ("{genre!r}", "plain column names"),
        ("{track:{genre}}", "plain column names"),
        ("{gnre}", "Did you mean 'genre'"),
        ("{}", "no column of the events"),
        ("{genre", "cannot be read"),
        ("same", "names no column"),
        ("{genre:d}", "does not suit"),
    ],
)
def test_a_clip_pattern_is_text_and_plain_names(pattern, words):
    events = pd.DataFrame({"genre": ["pop"], "track": [3]})
    with pytest.raises(InputError, match=words):
        clip_ids(events, pattern)


def test_a_clip_with_half_a_name_is_refused():
    events = pd.DataFrame({"genre": ["pop", None], "track": [3, 4]})
    with pytest.raises(InputError, match=r"event 1 \(row 3 of its file\) has no genre"):
        clip_ids(events, PATTERN)


def test_events_may_end_half_a_tr_late_and_no_more():
    check = {"n_samples": 10, "tr_s": 2.0, "name": "sub-1, run-2"}
    check_events_fit(events_of((0, 21.0, "a")), **check)
    check_events_fit(events_of((-1.0, 2, "a")), **check)
    with pytest.raises(
        InputError,
        match=r"sub-1, run-2: 1 events .*event 1 ends at 21\.5 s, the volumes at 20 s",
    ):
        check_events_fit(events_of((0, 1, "a"), (20, 1.5, "b")), **check)
    with pytest.raises(InputError, match=r"event 0 starts at -1\.5 s, .*at 0 s"):
        check_events_fit(events_of((-1.5, 1, "a")), **check)


def test_a_sample_belongs_to_the_clip_in_which_its_middle_lies():
    events = events_of((1.0, 5.0, "a"), (6.0, 3.1, "b"), (12.0, 2.0, ""))
    rows = clip_rows(events, events["clip"], n_samples=8, tr_s=2.0)
    assert rows["clip"].tolist() == ["a", "a", "a", "b", "b", "", "", ""]
    assert rows["time_s"].tolist() == [0, 2, 4, 6, 8, 10, 12, 14]


def test_rows_equal_a_slow_search(rng):
    lengths = rng.uniform(3.0, 9.0, size=23)
    gaps = rng.choice([0.0, 1.3], size=23)
    onset = np.cumsum(lengths + gaps) - lengths
    names = [f"c{i % 7}" if i % 5 else "" for i in range(23)]
    events = pd.DataFrame({"onset": onset, "duration": lengths})
    rows = clip_rows(events, names, n_samples=101, tr_s=1.7)
    for row in rows.itertuples():
        middle = (row.sample + 0.5) * 1.7
        held = [
            i
            for i in range(23)
            if names[i] and onset[i] <= middle < onset[i] + lengths[i]
        ]
        assert row.presentation == (held[0] if held else -1)
        assert row.clip == (names[held[0]] if held else "")
    for _, part in rows[rows["clip"] != ""].groupby("presentation"):
        assert part["sample_in_clip"].tolist() == list(range(len(part)))
    assert (rows.loc[rows["clip"] == "", "sample_in_clip"] == -1).all()


def test_borders_do_not_move_with_rounding():
    tr_s = 0.7  # whose multiples are not exact
    onset = np.arange(0, 600) * 3 * tr_s + tr_s / 2
    events = pd.DataFrame({"onset": onset, "duration": 3 * tr_s})
    rows = clip_rows(events, ["x"] * 600, n_samples=1800, tr_s=tr_s)
    np.testing.assert_array_equal(rows["presentation"], np.arange(1800) // 3)


def test_clips_that_overlap_or_have_no_sample_are_refused():
    with pytest.raises(InputError, match=r"a ends at 5 s, but b starts at 4 s"):
        clip_rows(
            events_of((0, 5, "a"), (4, 5, "b")), ["a", "b"], n_samples=9, tr_s=1.0
        )
    with pytest.raises(InputError, match=r"no sample: b at 4 s lasts 0 s"):
        clip_rows(
            events_of((0, 4, "a"), (4, 0, "b")), ["a", "b"], n_samples=9, tr_s=1.0
        )
    with pytest.raises(InputError, match="1 clips for 2 events"):
        clip_rows(events_of((0, 4, "a"), (4, 1, "b")), ["a"], n_samples=9, tr_s=1.0)


def test_repeats_are_the_same_moment_of_the_same_clip():
    rows = pd.DataFrame(
        {
            "run": ["1", "1", "1", "2", "2", "2", "2"],
            "clip": ["b", "b", "", "a", "b", "", "b"],
            "sample_in_clip": [1, 2, -1, 1, 2, -1, 1],
        },
        index=[5, 6, 7, 8, 9, 10, 11],
    )
    group, groups = group_repeats(rows)
    assert group.tolist() == [0, 1, 2, 3, 1, 4, 0]
    assert groups["n_repeats"].tolist() == [2, 2, 1, 1, 1]
    assert groups["clip"].tolist() == ["b", "b", "", "a", ""]
    assert groups["run"].tolist() == ["1", "1", "1", "2", "2"]


def test_repeats_need_to_know_the_clips():
    with pytest.raises(InputError, match="no column 'clip'"):
        group_repeats(pd.DataFrame({"run": ["1"]}))


@pytest.mark.dataset
def test_the_real_design_has_its_clips_genres_and_repeats(shared_data):
    root, genres, n_files, tables = shared_data / "ds003720", set(), 0, {}
    pattern = "sub-{subject}/func/sub-{subject}_task-{task}_run-{run}_events.tsv"
    for subject in ("001", "002", "003", "004", "005"):
        tables[subject] = []
        for run, path in find_runs(root, pattern, subject).items():
            events, _ = read_events(path)
            check_events_fit(events, n_samples=410, tr_s=1.5, name=str(run))
            clips = clip_ids(events, PATTERN)
            rows = clip_rows(events, clips, n_samples=410, tr_s=1.5).iloc[10:]
            tables[subject].append(rows.assign(task=run.task, run=run.run))
            genres |= set(events["genre"])
            n_files += 1
    assert (n_files, len(genres)) == (90, 10)
    for several in tables.values():
        rows = pd.concat(several)
        train, test = rows[rows["task"] == "Training"], rows[rows["task"] == "Test"]
        assert (train["clip"].nunique(), test["clip"].nunique()) == (480, 60)
        assert not set(train["clip"]) & set(test["clip"])
        _, groups = group_repeats(test)
        assert Counter(groups["n_repeats"]) == {4: 600}
        assert set(group_repeats(train)[1]["n_repeats"]) == {1}
