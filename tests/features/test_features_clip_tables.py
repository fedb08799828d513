"""Tests of tables of clips: their windows, and what is read from .zarr."""

import json
import shutil
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.features.arrays import clips_to_tr, read_clip_table, read_series
from brain2music.features.clip_tables import ClipFeatures, write_clip_table
from brain2music.features.resample import average_to_tr
from brain2music.features.windows import Windows

CLIPS = ("blues.00002", "blues.00010", "rock.00007")
PAPER = Windows(10.0, 1.5)
SOURCE = "MuQ-MuLan, OpenMuQ/MuQ-MuLan-large"


def windowed(rng, n_rows=4, windows=PAPER):
    values = rng.standard_normal((3, 1, 2)) + rng.standard_normal((3, n_rows, 2))
    return ClipFeatures(CLIPS, values.astype(np.float32), windows=windows)


def write_zarr(path, **entries):
    """Write a group; arrays as arrays, and all else as attributes."""
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(path, mode="w", zarr_format=3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3")
        for key, value in entries.items():
            if isinstance(value, np.ndarray):
                group.create_array(key, data=value)
            else:
                group.attrs[key] = value
    return path


# Windows


@pytest.mark.parametrize("causal", [False, True])
def test_a_sample_is_the_mean_of_the_windows_that_cover_it(rng, causal):
    windows = Windows(5.0, 1.5, causal)
    table = windowed(rng, 10 if causal else 7, windows)
    onset, duration, heard = [3.0, 18.5], [15.0, 14.2], [CLIPS[2], CLIPS[0]]
    rows = clips_to_tr(
        table, onset, duration, heard, n_samples=20, tr_s=1.7, empty=np.nan
    )
    fine, step = np.full((3400, 40, 2), np.nan), 0.01
    for k, (begin, lasts) in enumerate(zip(onset, duration, strict=True)):
        for w in range(table.values.shape[1]):
            # A causal window has heard up to its end, so its last step alone is its.
            start, end = w * 1.5, w * 1.5 + (1.5 if causal else 5)
            inside = np.arange(3400) * step + step / 2 - begin
            held = (inside > start) & (inside < min(end, lasts))
            fine[held, k * 20 + w] = table.values[[2, 0][k], w]
    by_sample = fine.reshape(20, -1, 2)
    covered = np.isfinite(by_sample).any(axis=(1, 2))
    assert_allclose(rows[covered], np.nanmean(by_sample[covered], axis=1), atol=0.02)
    assert np.isnan(rows[~covered]).all()


def test_windows_that_do_not_overlap_are_frames(rng):
    table = windowed(rng, 10, Windows(1.5, 1.5))
    frames = ClipFeatures(CLIPS, table.values, rate_hz=1 / 1.5)
    heard = ([0.7, 16.0], [15.0, 15.0], [CLIPS[1], CLIPS[0]])
    grid = {"n_samples": 18, "tr_s": 1.7, "empty": 0.0}
    assert_allclose(
        clips_to_tr(table, *heard, **grid), clips_to_tr(frames, *heard, **grid)
    )


def test_windows_are_placed_as_events_of_their_own_would_be(rng):
    table = windowed(rng)
    rows = clips_to_tr(table, [2.0], [15.0], [CLIPS[1]], n_samples=9, tr_s=2, empty=0.0)
    expected = average_to_tr(
        2 + 1.5 * np.arange(4), np.full(4, 10.0), table.values[1],
        n_samples=9, tr_s=2, measure="mean", empty=0.0,
    )  # fmt: skip
    assert_allclose(rows, expected)


@pytest.mark.parametrize(("seconds", "fits"), [(13, False), (14.2, True), (17, False)])
def test_windows_must_be_those_of_the_piece_that_was_heard(rng, seconds, fits):
    heard = ([0.0], [seconds], [CLIPS[1]])
    grid = {"n_samples": 9, "tr_s": 1.5, "empty": 0.0}
    if fits:
        assert clips_to_tr(windowed(rng), *heard, **grid).any()
        return
    match = rf"mel: clip 'blues.00010' is heard for {seconds} s.* end at 14.5 s"
    with pytest.raises(InputError, match=match):
        clips_to_tr(windowed(rng), *heard, **grid, name="mel")


def test_rows_are_frames_or_windows():
    with pytest.raises(
        InputError, match=r"rate_hz 2 and windows of 10 s: .* of the two"
    ):
        ClipFeatures(CLIPS, np.zeros((3, 4, 2)), 2.0, Windows(10.0, 1.5))


# Files


@pytest.mark.parametrize("causal", [False, True])
def test_a_table_comes_back_as_it_was_written(rng, tmp_path, causal):
    values = windowed(rng).values
    windows = Windows(10.0, 1.5, causal)
    for table in (
        ClipFeatures(CLIPS, values, windows=windows, source=SOURCE),
        ClipFeatures(CLIPS, values, 2.0),
        ClipFeatures(CLIPS, values[:, :1], source=SOURCE),
    ):
        write_clip_table(tmp_path / "new" / "t.npz", table)
        read = read_clip_table(tmp_path / "new" / "t.npz")
        assert_array_equal(read.values, table.values)
        assert read.values.dtype == np.float32
        for field in ("clips", "rate_hz", "windows", "source"):
            assert getattr(read, field) == getattr(table, field)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["t.npz"]


def test_a_table_is_written_as_npz_only(rng, tmp_path):
    with pytest.raises(InputError, match=r"t\.csv must end in \.npz"):
        write_clip_table(tmp_path / "t.csv", windowed(rng))


@pytest.mark.parametrize("texts", [np.dtype("U11"), np.dtypes.StringDType()])
def test_a_clip_table_is_the_same_from_zarr(rng, tmp_path, texts):
    table = ClipFeatures(
        CLIPS, windowed(rng).values, windows=Windows(10.0, 1.5), source=SOURCE
    )
    path = write_zarr(
        tmp_path / "t.zarr",
        clips=np.array(CLIPS, dtype=texts),
        features=table.values,
        window_s=10.0,
        step_s=np.array([1.5]),
        source=SOURCE,
    )
    read = read_clip_table(path)
    assert_array_equal(read.values, table.values)
    assert (read.clips, read.windows) == (CLIPS, table.windows)
    assert read.source == SOURCE


def test_a_series_is_the_same_from_zarr(rng, tmp_path):
    zarr = pytest.importorskip("zarr")
    values = rng.standard_normal((37, 3)) + rng.standard_normal((37, 1))
    zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(10, 2))
    assert_array_equal(read_series(tmp_path / "a.zarr", rate_hz=2.5), values)
    write_zarr(tmp_path / "g.zarr", features=values, rate_hz=2.5)
    assert_array_equal(read_series(tmp_path / "g.zarr", rate_hz=2.5), values)
    with pytest.raises(InputError, match=r"g\.zarr says 2\.5 frames .* the study 2\."):
        read_series(tmp_path / "g.zarr", rate_hz=2.0)


def test_a_chunk_that_is_not_there_does_not_pass_for_zeros(rng, tmp_path):
    zarr = pytest.importorskip("zarr")
    values = rng.standard_normal((30, 3))
    zarr.create_array(tmp_path / "a.zarr", data=values, chunks=(10, 3))
    shutil.rmtree(tmp_path / "a.zarr" / "c" / "1")
    with pytest.raises(InputError, match=r"a\.zarr: 1 of 3 chunks of .* are not there"):
        read_series(tmp_path / "a.zarr", rate_hz=1.0)


def _older(path):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(path, data=np.eye(3), zarr_format=2)


def _broken(path):
    write_zarr(path, features=np.eye(3))
    (path / "features" / "zarr.json").write_text("{broken")


def _corrupt(path):
    write_zarr(path, features=np.eye(3))
    (path / "features" / "c" / "0" / "0").write_bytes(b"no chunk")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda p: p.mkdir(), r"a\.zarr cannot be read.* zarr format 3"),
        (_older, r"a\.zarr cannot be read.* zarr format 3"),
        (_broken, r"a\.zarr cannot be read"),
        (_corrupt, r"a\.zarr cannot be read"),
        (lambda p: write_zarr(p, feats=np.eye(3)), r"no array 'features', only: feats"),
        (lambda p: write_zarr(p, features=np.eye(3) * np.nan), r"NaN or infinity in 3"),
        (lambda p: write_zarr(p, features=np.array([["a"]])), r"must hold numbers"),
    ],
)
def test_says_what_is_wrong_with_a_zarr(tmp_path, make, match):
    pytest.importorskip("zarr")
    make(tmp_path / "a.zarr")
    with pytest.raises(InputError, match=match):
        read_series(tmp_path / "a.zarr", rate_hz=2.0)


def test_says_which_zarr_is_missing(tmp_path):
    (tmp_path / "t.zarr").touch()  # a file, where a folder is meant
    for read in (read_clip_table, lambda path: read_series(path, rate_hz=1.0)):
        with pytest.raises(MissingFileError, match=r"no features at .*t\.zarr"):
            read(tmp_path / "t.zarr")


def test_says_how_to_get_zarr(tmp_path, monkeypatch):
    (tmp_path / "t.zarr").mkdir()
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(InputError, match=r"pip install 'brain2music\[io\]'"):
        read_clip_table(tmp_path / "t.zarr")


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"window_s": 10.0}, r"t\.npz: window_s 10\.0, step_s None.* need the numbers"),
        ({"window_s": 10.0, "step_s": 1.5, "causal": 3}, r"causal 3\.0: .* 0 or 1"),
        ({"causal": 1}, r"window_s None"),
        ({"window_s": 10.0, "step_s": 0.0}, r"t\.npz: window_s=10\.0 and step_s=0\.0"),
        ({"window_s": 10.0, "step_s": 1.5, "rate_hz": 2.0}, r"t\.npz: rate_hz 2 and"),
        ({"window_s": 10.0, "step_s": 1.5, "source": [1, 2]}, r"must be one text, got"),
    ],
)
def test_says_what_is_wrong_with_windows_of_a_table(tmp_path, entries, match):
    features = np.ones((3, 4, 2))
    np.savez(tmp_path / "t.npz", clips=np.array(CLIPS), features=features, **entries)
    with pytest.raises(InputError, match=match):
        read_clip_table(tmp_path / "t.npz")


def test_zarr_attributes_of_another_kind_are_refused(tmp_path):
    path = write_zarr(
        tmp_path / "t.zarr",
        clips=np.array(CLIPS),
        features=np.ones((3, 4, 2)),
        window_s="10 s",
        step_s=1.5,
    )
    assert json.loads((path / "zarr.json").read_text())["attributes"]["step_s"] == 1.5
    with pytest.raises(InputError, match=r"t\.zarr: `window_s` must be one number"):
        read_clip_table(path)
