"""Tests of features that come from elsewhere."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.features.arrays import (
    ClipFeatures,
    clips_to_tr,
    read_clip_table,
    read_series,
    series_to_tr,
)
from brain2music.features.resample import average_to_tr

CLIPS = ("blues.00002", "blues.00010", "rock.00007")


def series(rng, n_frames=37, n_features=3):
    shared = rng.standard_normal((n_frames, 1))
    return shared + rng.standard_normal((n_frames, n_features))


def framed(rng, *, n_frames=6, rate_hz=2.0):
    return ClipFeatures(CLIPS, rng.standard_normal((3, n_frames, 4)), rate_hz)


def csv(path, table, header, ids=None):
    lines = [",".join(header)]
    for k, row in enumerate(table):
        cells = [repr(float(cell)) for cell in row]
        lines.append(",".join(cells if ids is None else [ids[k], *cells]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_a_series_is_the_same_from_each_kind_of_file(rng, tmp_path):
    values = series(rng)
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", features=values, rate_hz=2.5)
    csv(tmp_path / "a.csv", values, ["f0", "f1", "f2"])
    for ending in ("npy", "npz", "csv"):
        read = read_series(tmp_path / f"a.{ending}", rate_hz=2.5)
        assert_allclose(read, values, rtol=1e-14)


@pytest.mark.parametrize(
    ("save", "match"),
    [
        (lambda p: np.save(p, np.zeros(5)), r"a\.npy must be 2D"),
        (lambda p: np.save(p, np.full((5, 2), np.inf)), r"a\.npy has NaN or infinity"),
        (lambda p: np.save(p, np.array([{}, []], object), allow_pickle=True),
         r"a\.npy cannot be read: .* objects are not loaded"),
        (lambda p: np.save(p, np.array([["a"]])), r"a\.npy must hold numbers"),
        (lambda p: p.write_bytes(b""), r"a\.npy cannot be read"),
        (lambda p: p.write_bytes(b"\x93NUMPY\x01\x00"), r"a\.npy cannot be read"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_with_an_array_on_disk(tmp_path, save, match):
    save(tmp_path / "a.npy")
    with pytest.raises(InputError, match=match):
        read_series(tmp_path / "a.npy", rate_hz=2.0)


def test_says_what_is_wrong_with_an_archive(rng, tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, feats=series(rng))
    with pytest.raises(InputError, match=r"no array 'features', only: feats"):
        read_series(path, rate_hz=2.0)
    np.savez(path, features=series(rng), rate_hz=50.0)
    with pytest.raises(InputError, match=r"says 50 frames per second, the study 2\."):
        read_series(path, rate_hz=2.0)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"a\.npz cannot be read"):
        read_series(path, rate_hz=2.0)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("0.5,1.5\n2.5,3.5\n", r"begins with 0\.5, 1\.5: expected a header line"),
        ("", r"begins with nothing"),
        (",f0\n0,1.5\n", r"first column of a\.csv has no name"),
        ("f0,f1\n0,high\n", r"text in 1 of its columns, the first 'f1'"),
        ("f0,f1\n0,1,2\n", r"as many cells in each row"),
        ("f0,f1\n0\n", r"a\.csv has NaN or infinity in 1 of its 2"),
    ],
)
def test_says_what_is_wrong_with_a_csv(tmp_path, text, match):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=match):
        read_series(tmp_path / "a.csv", rate_hz=2.0)


def test_says_which_series_cannot_be_found_or_used(tmp_path):
    with pytest.raises(MissingFileError, match=r"no features at .*run-2\.npy"):
        read_series(tmp_path / "run-2.npy", rate_hz=2.0)
    (tmp_path / "run-2.pkl").touch()
    with pytest.raises(
        InputError, match=r"run-2\.pkl is no \.npy, \.npz, \.csv or \.zarr"
    ):
        read_series(tmp_path / "run-2.pkl", rate_hz=2.0)
    with pytest.raises(InputError, match=r"run-2\.pkl must be frames per second"):
        read_series(tmp_path / "run-2.pkl", rate_hz=0)


def test_a_clip_table_is_the_same_from_each_kind_of_file(rng, tmp_path):
    values = series(rng, 3, 5)
    np.savez(tmp_path / "t.npz", clips=np.array(CLIPS), features=values)
    for header in (["clip", *"vwxyz"], ["clip", *"01234"]):
        csv(tmp_path / "t.csv", values, header, CLIPS)
        for ending in ("npz", "csv"):
            table = read_clip_table(tmp_path / f"t.{ending}")
            assert table.clips == CLIPS
            assert table.rate_hz is None
            assert_allclose(table.values, values[:, None], rtol=1e-14)


def test_a_clip_table_may_hold_frames(rng, tmp_path):
    values = rng.standard_normal((3, 6, 2)).astype(np.float32)
    np.savez(tmp_path / "t.npz", clips=np.array(CLIPS), features=values, rate_hz=0.5)
    table = read_clip_table(tmp_path / "t.npz")
    assert table.rate_hz == 0.5
    assert table.values.dtype == np.float32
    assert_array_equal(table.values, values)


def test_the_rate_of_frames_may_come_with_the_file_or_be_given(rng, tmp_path):
    values = rng.standard_normal((3, 6, 2))
    np.savez(tmp_path / "own.npz", clips=np.array(CLIPS), features=values, rate_hz=0.4)
    np.savez(tmp_path / "none.npz", clips=np.array(CLIPS), features=values)
    for name, given in (("own", None), ("own", 0.4), ("none", 0.4)):
        table = read_clip_table(tmp_path / f"{name}.npz", rate_hz=given)
        assert table.rate_hz == 0.4
    with pytest.raises(InputError, match=r"own\.npz says 0\.4 frames .* study 2\."):
        read_clip_table(tmp_path / "own.npz", rate_hz=2.0)
    with pytest.raises(InputError, match=r"none\.npz: 6 frames .* or the study"):
        read_clip_table(tmp_path / "none.npz")


def test_a_rate_is_refused_where_one_row_holds_for_a_whole_clip(rng, tmp_path):
    csv(tmp_path / "t.csv", series(rng, 3, 2), ["clip", "a", "b"], CLIPS)
    np.savez(tmp_path / "t.npz", clips=np.array(CLIPS), features=np.eye(3))
    for ending in ("csv", "npz"):
        with pytest.raises(InputError, match=r"1 frames .* rate_hz 2\.0.*leave it out"):
            read_clip_table(tmp_path / f"t.{ending}", rate_hz=2.0)


def test_ids_that_look_like_something_else_stay_words(tmp_path):
    csv(tmp_path / "t.csv", np.eye(3), ["clip", "a", "b", "c"], ["007", "NA", "None"])
    assert read_clip_table(tmp_path / "t.csv").clips == ("007", "NA", "None")


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"features": np.eye(3)}, r"t\.npz has no array 'clips'"),
        ({"clips": np.arange(3), "features": np.eye(3)}, r"t\.npz: `clips` must"),
        ({"clips": np.array(CLIPS), "features": np.arange(3)}, r"of shape \(3,\)"),
        ({"clips": np.array(CLIPS), "features": np.eye(4)}, r"3 clips and values of"),
        ({"clips": np.array(["a", "b", "a"]), "features": np.eye(3)}, r"twice: a\."),
        ({"clips": np.array(CLIPS), "features": np.ones((3, 4, 2))}, r"need their"),
        ({"clips": np.array(CLIPS), "features": np.eye(3), "rate_hz": 2}, r"has none"),
        ({"clips": np.array(CLIPS), "features": np.ones((3, 4, 2)), "rate_hz": -2},
         r"rate_hz must be frames per second"),
        ({"clips": np.array(CLIPS), "features": np.eye(3), "rate_hz": [1, 2]},
         r"t\.npz: `rate_hz` must be one number, got int64 of shape \(2,\)"),
        ({"clips": np.array(CLIPS), "features": np.diag([1, np.nan, 1])},
         r"1 clips hold NaN or infinity: blues\.00010"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_with_a_clip_table(tmp_path, arrays, match):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(InputError, match=match):
        read_clip_table(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("blues.00001,0.5\nrock.00002,0.7\n", r"expected a header line"),
        ("clip\nblues.00001\n", r"a column of ids and one of numbers"),
        ("clip,f0\n,0.5\n", r"1 rows without an id"),
        ("clip,f0\na,\n", r"t\.csv: 1 clips hold NaN"),
        ("clip,f0\na,loud\n", r"the first 'f0'"),
    ],
)
def test_says_what_is_wrong_with_a_csv_of_clips(tmp_path, text, match):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=match):
        read_clip_table(tmp_path / "t.csv")


def test_says_which_clip_table_cannot_be_found_or_used(tmp_path):
    with pytest.raises(MissingFileError, match=r"no features at .*mulan\.npz"):
        read_clip_table(tmp_path / "mulan.npz")
    (tmp_path / "mulan.npy").touch()
    with pytest.raises(InputError, match=r"mulan\.npy is no \.npz, \.csv or \.zarr"):
        read_clip_table(tmp_path / "mulan.npy")


def test_a_series_is_averaged_over_each_sample(rng):
    values = series(rng, 40)
    rows, notes = series_to_tr(values, rate_hz=4.0, n_samples=5, tr_s=2.0)
    assert_allclose(rows, values.reshape(5, 8, 3).mean(axis=1))
    assert notes == []


def test_a_series_at_the_tr_stays_as_it_is(rng):
    values = series(rng, 410)
    rows, _ = series_to_tr(values, rate_hz=1 / 1.5, n_samples=410, tr_s=1.5)
    assert_allclose(rows, values, atol=1e-9)


def test_a_series_that_is_too_long_is_refused_or_cut(rng):
    values, grid = series(rng, 44), {"rate_hz": 4.0, "n_samples": 4, "tr_s": 2.0}
    match = r"mel, run-2: 11 s of frames for 4 samples \(8 s\)"
    with pytest.raises(InputError, match=match):
        series_to_tr(values, **grid, name="mel, run-2")
    rows, notes = series_to_tr(values, **grid, beyond="cut", name="mel, run-2")
    assert_allclose(rows, values[:32].reshape(4, 8, 3).mean(axis=1))
    assert notes == [
        "mel, run-2: 11 s of frames for 4 samples (8 s). The last 3 s are cut."
    ]
    assert series_to_tr(values[:36], **grid)[1] == []


def test_a_series_that_is_too_short_is_refused(rng):
    grid = {"rate_hz": 4.0, "n_samples": 6, "tr_s": 2.0}
    match = r"mel: nothing covers 1 of 6 samples.* lasts 10 s, the run 12 s: check rate"
    with pytest.raises(InputError, match=match):
        series_to_tr(series(rng, 40), **grid, name="mel")
    with pytest.raises(InputError, match=r"beyond must be"):
        series_to_tr(series(rng, 48), **grid, beyond="trim")


def test_clips_equal_their_frames_written_out_as_events(rng):
    table, order = framed(rng), [2, 0, 2]
    onset_s = np.array([0.2, 3.3, 5.7])
    rows = clips_to_tr(
        table,
        onset_s,
        [3.0, 2.4, 3.0],
        [CLIPS[k] for k in order],
        n_samples=7,
        tr_s=1.3,
    )
    onsets = (onset_s[:, None] + np.arange(6) / 2.0).ravel()
    durations = np.full((3, 6), 0.5)
    durations[1, 4:] = 0.4, 0.0  # cut where the clip ends
    heard = durations.ravel() > 0
    expected = average_to_tr(
        onsets[heard],
        durations.ravel()[heard],
        table.values[order].reshape(18, 4)[heard],
        n_samples=7,
        tr_s=1.3,
        measure="mean",
    )
    assert_allclose(rows, expected)


def test_one_row_per_clip_holds_while_the_clip_lasts():
    table = ClipFeatures(CLIPS, np.arange(6.0).reshape(3, 1, 2))
    rows = clips_to_tr(
        table, [0, 3, 6], [3, 3, 4], [CLIPS[2], CLIPS[0], CLIPS[1]], n_samples=5, tr_s=2
    )
    assert_allclose(rows, [[4, 5], [2, 3], [0, 1], [2, 3], [2, 3]])


def test_the_order_of_the_table_does_not_matter(rng):
    table = framed(rng)
    turned = ClipFeatures(CLIPS[::-1], table.values[::-1], 2.0)
    heard = ([0, 3], [3, 3], [CLIPS[1], CLIPS[2]])
    grid = {"n_samples": 4, "tr_s": 1.5}
    assert_array_equal(
        clips_to_tr(table, *heard, **grid), clips_to_tr(turned, *heard, **grid)
    )


def test_gaps_between_clips_are_refused_or_filled(rng):
    heard = ([0, 6], [3, 3], [CLIPS[1], CLIPS[2]])
    grid = {"n_samples": 6, "tr_s": 1.5}
    with pytest.raises(InputError, match=r"mel: nothing covers 2 of 6 .* 2, 3"):
        clips_to_tr(framed(rng), *heard, **grid, name="mel")
    rows = clips_to_tr(framed(rng), *heard, **grid, empty=0.0)
    assert_array_equal(np.flatnonzero(~rows.any(axis=1)), [2, 3])


@pytest.mark.parametrize("duration_s", [1.9, 4.1])
def test_frames_must_last_as_long_as_the_clip(rng, duration_s):
    grid = {"n_samples": 2, "tr_s": 2.0}
    match = r"'blues.00010' is heard for .*6 frames at 2 Hz last 3 s"
    with pytest.raises(InputError, match=match):
        clips_to_tr(framed(rng), [0], [duration_s], [CLIPS[1]], **grid)
    nearly = 2.0 if duration_s < 3 else 4.0
    assert clips_to_tr(framed(rng), [0], [nearly], [CLIPS[1]], **grid, empty=0).any()


def test_says_which_clips_the_table_lacks(rng):
    match = (
        r"mel: 1 clips that are heard are not in the table of 3 clips: blues\.0001\."
    )
    with pytest.raises(InputError, match=match + r".* Did you mean 'blues\.00010'"):
        clips_to_tr(
            framed(rng), [0, 3], [3, 3], ["blues.0001", CLIPS[0]],
            n_samples=4, tr_s=1.5, name="mel",
        )  # fmt: skip
    with pytest.raises(InputError, match=r"mel: 2 onsets but 1 clips"):
        clips_to_tr(
            framed(rng), [0, 3], [3, 3], [CLIPS[0]], n_samples=4, tr_s=1.5, name="mel"
        )
