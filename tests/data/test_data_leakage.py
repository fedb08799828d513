"""Tests of the guards against clips that training has heard."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError
from brain2music.data.leakage import (
    artist_safe,
    clips_straddle_folds,
    duplicate_safe,
    find_shared,
)

TRAIN, TEST = ["a", "b", "c"], ["t", "u", "v", "w", "x"]
TABLE = pd.DataFrame(
    {
        "clip": [*TRAIN, *TEST],
        "track": [1, 2, 3, 1, 5, 6, 7, 8],
        "artist": ["Abba", "Bo", None, " ABBA", "bo", "Cy", "Dee", ""],
        "title": ["One", "Two  three", "Four", "x", "two three", "Four", "y", "z"],
    }
)


def test_pairs_are_those_with_a_field_in_common():
    pairs, notes = find_shared([*TRAIN, "a"], TEST, TABLE)
    assert pairs.to_numpy().tolist() == [
        ["t", "a", "track"],
        ["t", "a", "artist"],
        ["u", "b", "artist and title"],
        ["v", "c", "title"],
        ["x", "", "artist unknown"],
    ]
    assert notes == [
        "no artist is known of 1 of 5 test clips and 1 of 3 training clips, which may "
        "share one."
    ]


def test_each_pair_agrees_with_a_plain_search(rng):
    clips = [f"k{i}" for i in range(70)]
    table = pd.DataFrame({"clip": clips, "artist": rng.integers(0, 30, 70).astype(str)})
    artist = dict(zip(table["clip"], table["artist"], strict=True))
    pairs, _ = find_shared(clips[:47], clips[47:], table.sample(frac=1, random_state=1))
    expected = {
        (t, s) for t in clips[47:] for s in clips[:47] if artist[t] == artist[s]
    }
    assert set(zip(pairs["test_clip"], pairs["train_clip"], strict=True)) == expected
    safe = [all(artist[t] != artist[s] for s in clips[:47]) for t in clips[47:]]
    assert_array_equal(artist_safe(clips[47:], pairs), safe)


def test_subsets_leave_out_what_their_name_says():
    pairs, _ = find_shared(TRAIN, TEST, TABLE)
    assert_array_equal(duplicate_safe(TEST, pairs), [False, False, True, True, True])
    assert_array_equal(artist_safe(TEST, pairs), [False, False, True, True, False])
    more = pd.DataFrame([("w", "a", "near duplicate")], columns=list(pairs.columns))
    both = pd.concat([pairs, more])
    assert_array_equal(duplicate_safe(TEST, both), [False, False, True, False, True])
    none = pairs.iloc[:0]
    assert duplicate_safe(TEST, none).all()
    assert artist_safe(TEST, none).all()


def test_clips_that_the_table_does_not_have_are_counted():
    pairs, notes = find_shared(TRAIN, [*TEST, "new"], TABLE[["clip", "artist"]])
    assert "does not have 1 of 9 clips" in notes[0]
    assert not artist_safe(["new"], pairs)[0]


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (
            TABLE.rename(columns={"clip": "id"}),
            "needs a column 'clip' and at least one",
        ),
        (TABLE[["clip"]], "It has: clip"),
        (pd.concat([TABLE, TABLE[:2]]), "a clip twice: a, b"),
    ],
)
def test_says_what_the_table_needs(table, match):
    with pytest.raises(InputError, match=match):
        find_shared(TRAIN, TEST, table)
    with pytest.raises(InputError, match="1 clips are in training and in test: a"):
        find_shared(TRAIN, ["a"], TABLE)


def test_a_clip_in_two_folds_is_reported_with_its_folds():
    rows = pd.DataFrame({"clip": ["a", "a", "", "b", "b", "b", "", "c"]})
    found = clips_straddle_folds(rows, [0, 0, 0, 10, 2, 2, 1, 2])
    assert found.to_numpy().tolist() == [["b", "2, 10", 3]]
    assert clips_straddle_folds(rows, np.zeros(8, int)).empty
    with pytest.raises(InputError, match=r"8 rows but folds of shape \(7,\)"):
        clips_straddle_folds(rows, np.zeros(7, int))


def test_lead_in_clips_straddle_folds_unless_they_are_dropped():
    runs = [["z", "a", "b"], ["b", "c", "d"]]  # each starts with the last clip before
    rows = pd.DataFrame({"clip": [c for run in runs for c in run for _ in range(4)]})
    fold = np.repeat([0, 1], 12)
    assert clips_straddle_folds(rows, fold)["clip"].tolist() == ["b"]
    kept = np.tile(np.arange(12) >= 4, 2)
    assert clips_straddle_folds(rows[kept], fold[kept]).empty
