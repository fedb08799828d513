"""Tests of clips whose target is the same in all dimensions: nothing on, or silent."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music import load_study, run
from brain2music.decoding.identify import identification_accuracy
from brain2music.workflow.level_rows import find_level, level_notes
from brain2music.workflow.tables import read_table

SPACES = """[features.mood]
kind = "category"
column = "mood"

[features.on]
kind = "events"
path = "events/task-{task}_run-{run}_events.tsv"
columns = [{ column = "a" }, { column = "b" }, { column = "c" }, { column = "d" }]

[encoding]
"""
DECODING = """
[decoding]
targets = ["music", "mood", "on"]
genres = "genre"
n_folds = 3
lags = [2]
across = "procrustes"
n_permutations = 100
n_resamples = 100
"""
MOODS = ("calm", "loud", "odd")


@pytest.fixture(scope="module")
def quiet(tmp_path_factory, write_study):
    """Return a run in which a test clip is silent, and without mood and events."""
    folder = tmp_path_factory.mktemp("quiet")
    path = write_study(folder / "data", clip_samples=12)
    silent, half = None, None
    for k, events in enumerate(sorted((folder / "data/events").iterdir())):
        table = pd.read_csv(events, sep="\t")
        numbers = table["track"].to_numpy()
        clips = [
            f"{g.strip(chr(39))}.{t:05d}"
            for g, t in zip(table["genre"], numbers, strict=True)
        ]
        if silent is None:  # the first file is of a test run
            silent, half, *_ = dict.fromkeys(clips)
        table["mood"] = [MOODS[n % 3] for n in numbers]
        for shift, name in enumerate("abc"):
            table[name] = 1.0 + np.sin(numbers * (2.3 + shift) + k)
        off = np.array(clips) == silent
        # The same in all test clips that are left.
        table["d"] = np.where(off, 0.0, 1.0) if "Test" in events.name else numbers % 2
        table.loc[off, "mood"] = "n/a"
        table.loc[off, list("abc")] = 0.0
        table.to_csv(events, sep="\t", index=False)
    file = folder / "data/features/music.npz"
    with np.load(file) as saved:
        arrays = dict(saved)
    names = arrays["clips"].tolist()
    arrays["features"] += [100.0, -2.0, 0.3]
    arrays["features"][names.index(silent)] = -7.3
    arrays["features"][names.index(half), :6] = -7.3
    np.savez(file, **arrays)
    text = path.read_text().replace("[encoding]\n", SPACES)
    text = text.replace('["music", "genre"]', '["music", "mood", "on"]')
    path.write_text(text + DECODING)
    result = run(load_study(path), folder / "out")
    return result, silent, half


def table(result, name, target):
    found = read_table(result.out / "tables", name)
    assert found is not None, name
    return found[(found["target"] == target) & (found["subject"] == "01")]


@pytest.mark.parametrize("target", ["music", "on"])
def test_a_clip_that_is_level_is_left_out_on_both_sides_and_named(quiet, target):
    result, silent, _ = quiet
    cards = table(result, "decoding", target).query("pool == 'clips'")
    assert set(cards["n_clips"]) == {5}
    with np.load(result.out / f"decoding/sub-01/{target}.npz") as saved:
        both = [saved["predicted"], saved["true"]]
    rows = pd.read_csv(result.out / "decoding/sub-01/rows.csv", dtype=str)
    assert len(rows) == len(both[0])  # rows themselves stay
    means = [
        pd.DataFrame(one).groupby(rows["clip"]).mean().drop(silent) for one in both
    ]
    accuracy = identification_accuracy(*means).mean()
    found = cards.set_index("metric")["value"]["identification accuracy"]
    assert_allclose(found, accuracy)
    for name in ("decoding_controls", "decoding_lags"):
        assert set(table(result, name, target)["n_clips"]) == {5}
    genres = table(result, "decoding_genres", target).query("pool == 'all'")
    assert set(genres["n_candidates"]) == {4}
    across = table(result, "decoding_across", target)
    assert set(across.query("pool == 'clips'")["n_clips"]) == {5}
    by_others = f"subjects by each other, {target}: sub-01: 1 of 6 test clips"
    assert sum(note.startswith(by_others) for note in result.notes) == 1
    (note,) = [n for n in result.notes if f"sub-01, {target}: 1 of 6 test clips" in n]
    assert note.endswith(f"They are not identified: {silent}.")


def test_windows_that_are_level_are_left_out_and_stay_in_the_mean(quiet):
    result, silent, half = quiet
    windows = table(result, "decoding", "music").query("pool == 'windows'")
    rows = pd.read_csv(result.out / "decoding/sub-01/rows.csv", dtype={"clip": str})
    level = (rows["clip"] == half) & (rows["sample_in_clip"] < 6)
    assert level.sum() == 6
    n_left = len(rows) - 6 - (rows["clip"] == silent).sum()
    assert set(windows["n"]) == {n_left}
    across = table(result, "decoding_across", "music").query("pool == 'windows'")
    assert set(across["n"]) == {n_left}
    curve = table(result, "decoding_windows", "music").set_index("window")["n"]
    assert curve[0] == 4
    assert curve[7] == 5
    assert any("6 of 50 test rows of clips that are" in note for note in result.notes)


def test_a_clip_without_a_category_has_no_label(quiet):
    result, *_ = quiet
    assert set(table(result, "decoding_labels", "mood")["n"]) == {5}
    confusion = table(result, "decoding_confusion", "mood")
    assert confusion["n"].sum() == 5


def test_rounding_alone_is_level_and_what_was_there_is_not(rng):
    raw = rng.standard_normal((8, 5)) * [1, 10, 0.1, 1e3, 1] + [0, 5, 1e4, -3, 1]
    raw[2], raw[5] = 0.0, -80.0
    raw[6] = 1 + 1e-4 * np.arange(5)
    shift, scale = raw.mean(axis=0), raw.std(axis=0)
    X = ((raw - shift) / scale).astype(np.float32)
    T = X.astype(float) * scale + shift
    assert (np.ptp(T[[2, 5]], axis=1) > 0).all()  # as noise it comes back
    small = [0, 1, 4]
    labels = np.array(list("aabbccdd"))
    rounding = np.finfo(np.float32).eps * (np.abs(T - shift) + np.abs(T))
    found = find_level(T[:, small], rounding[:, small], labels)
    assert_array_equal(np.flatnonzero(found.rows), [2, 5])
    assert found.clips == ()
    found = find_level(T[:, small], rounding[:, small], np.array(list("aabccddd")))
    assert found.clips == ("b",)
    assert_array_equal(found.apart(np.array(list("ab"))), [True, False])
    (note,) = level_notes(found, np.array(list("aabccddd")))[:1]
    assert "1 of 4 test clips" in note
