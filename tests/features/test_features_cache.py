"""Tests of the cache of features."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError
from brain2music.features.cache import cached, content_key, is_kept, load, save


def results_of(items, tmp_path, *, done=None, stop_after=None):
    """Double and square each number, with what is kept; note what was computed."""

    def compute(missing):
        for n, item in enumerate(missing):
            if n == stop_after:
                raise KeyboardInterrupt
            if done is not None:
                done.append(item)
            yield (np.array([2.0 * item]), np.array([item, item**2]))

    return cached(
        items,
        keys_of=lambda item: (content_key(item, "a"), content_key(item, "b")),
        compute=compute,
        folder=tmp_path,
    )


def test_gives_the_same_from_disk_as_computed(tmp_path):
    done = []
    first = results_of([3, 1, 2], tmp_path, done=done)
    second = results_of([2, 3, 1], tmp_path, done=done)
    assert done == [3, 1, 2]
    for item, (double, square) in zip([3, 1, 2], first, strict=True):
        assert double.tolist() == [2 * item]
        assert square.tolist() == [item, item**2]
    for a, b in zip(second, [first[2], first[0], first[1]], strict=True):
        assert_array_equal(a[0], b[0])


def test_goes_on_where_it_was_stopped(tmp_path):
    done = []
    with pytest.raises(KeyboardInterrupt):
        results_of(range(1, 6), tmp_path, done=done, stop_after=3)
    results_of(range(1, 6), tmp_path, done=done)
    assert done == [1, 2, 3, 4, 5]


def test_computes_what_comes_twice_once(tmp_path):
    done = []
    rows = results_of([4, 4, 5, 4], tmp_path, done=done)
    assert done == [4, 5]
    assert [row[0].item() for row in rows] == [8, 8, 10, 8]


def test_computes_what_comes_twice_once_where_batches_read_ahead(tmp_path):
    done = []

    def compute(missing):
        done.extend(missing)
        return [(np.array([2.0 * item]),) for item in done]

    rows = cached(
        [4, 4, 5, 4],
        keys_of=lambda item: (content_key(item),),
        compute=compute,
        folder=tmp_path,
    )
    assert done == [4, 5]
    assert [row[0].item() for row in rows] == [8, 8, 10, 8]


def test_reports_each_item_once(tmp_path):
    ticks = []
    for _ in range(2):
        cached(
            [1, 2, 2],
            keys_of=lambda item: (content_key(item),),
            compute=lambda missing: ((np.zeros(1),) for _ in missing),
            folder=tmp_path,
            advance=ticks.append,
        )
    assert ticks == [1] * 6


def test_a_process_that_is_killed_leaves_nothing_half_written(tmp_path):
    code = """
        import os, sys
        from pathlib import Path
        import numpy as np
        from brain2music.features.cache import save
        folder = Path(sys.argv[1])
        save(folder, "aa00", np.arange(3))
        def halfway(file, array, **_):
            file.write(b"half"); file.flush(); os._exit(9)
        np.save = halfway
        save(folder, "bb00", np.arange(3))
    """
    run = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    assert subprocess.run(run, check=False, env=os.environ).returncode == 9
    assert load(tmp_path, "aa00").tolist() == [0, 1, 2]
    assert load(tmp_path, "bb00") is None
    assert not is_kept(tmp_path, "bb00")


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("no rename")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OSError, match="no rename"):
        save(tmp_path, "aa00", np.zeros(2))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_failure_to_write_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="pickle"):
        save(tmp_path, "ab", np.array([object()]))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_key_is_the_content_and_nothing_else(rng):
    sound = rng.standard_normal(50).astype(np.float32)
    key = content_key(sound, "clap", 1.5, (True, None))
    assert key == content_key(sound.copy(), "clap", 1.5, (True, None))
    assert key == content_key(np.repeat(sound, 2)[::2], "clap", 1.5, (True, None))
    louder = sound.copy()
    louder[-1] += np.float32(1e-7) + np.spacing(louder[-1])
    others = [
        (louder, "clap", 1.5, (True, None)),
        (sound.astype(np.float64), "clap", 1.5, (True, None)),
        (sound[None], "clap", 1.5, (True, None)),
        (sound, "clap", 1, (True, None)),
        (sound, "clap", "1.5", (True, None)),
        (sound, "clap", 1.5, True, None),
        ("clap", sound, 1.5, (True, None)),
    ]
    assert len({key, *(content_key(*parts) for parts in others)}) == 8


def test_refuses_parts_that_hide_what_they_hold():
    with pytest.raises(InputError, match="cannot be made from dict"):
        content_key({"a": 1})
    with pytest.raises(InputError, match="cannot be made from list"):
        content_key(([1, 2],))


def test_names_a_file_that_is_damaged(tmp_path):
    save(tmp_path, "cd00", np.zeros(4))
    path = tmp_path / "cd" / "cd00.npy"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(InputError, match=r"cd00\.npy .* Delete that file"):
        load(tmp_path, "cd00")


def test_never_reads_a_pickle(tmp_path):
    path = tmp_path / "ef" / "ef00.npy"
    path.parent.mkdir()
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path, "ef00")
