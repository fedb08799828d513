"""Tests of pycortex with a store of our own; pycortex runs for real."""

import contextlib
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from brain2music.core.checks import InputError
from brain2music.figures import cortex as module
from brain2music.figures.cortex import (
    add_fsaverage5,
    add_s1,
    curvature,
    has_pycortex,
    lay_flat,
    open_cortex,
    vertex_image,
)

needs_cortex = pytest.mark.skipif(not has_pycortex(), reason="pycortex is an extra")


@pytest.fixture
def store(cortex_store):
    return cortex_store


@needs_cortex
def test_fsaverage5_gets_into_the_store_whole_and_once(tmp_path):
    store = tmp_path / "made" / "here"
    with open_cortex(store) as cortex:
        assert add_fsaverage5(cortex) == "fsaverage5"
        before = (store / "fsaverage5/surfaces/flat_rh.gii").stat().st_mtime_ns
        add_fsaverage5(cortex)
        assert list(cortex.db) == ["fsaverage5"]
    assert (store / "fsaverage5/surfaces/flat_rh.gii").stat().st_mtime_ns == before
    assert [path.name for path in store.iterdir()] == ["fsaverage5"]


@needs_cortex
def test_what_the_session_had_set_is_put_back_after_an_error(
    store, tmp_path, monkeypatch
):
    with open_cortex(store) as cortex:
        pass
    config = cortex.options.config
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr(cortex.db, "filestore", str(tmp_path))
    cortex.db.reload_subjects()
    before = (str(tmp_path), config.get("basic", "filestore"))
    inside = None
    with contextlib.suppress(RuntimeError), open_cortex(store) as cortex:
        inside = cortex.db.filestore
        raise RuntimeError
    assert inside == str(store)
    assert (cortex.db.filestore, config.get("basic", "filestore")) == before
    assert list(cortex.db) == ["theirs"]


@needs_cortex
def test_prints_nothing_and_lets_no_warning_out(store, capsys):
    with open_cortex(store) as cortex:
        add_fsaverage5(cortex)
        vertex_image(cortex, "fsaverage5", 64)
        warnings.warn("from inside", stacklevel=1)
    assert capsys.readouterr() == ("", "")


@needs_cortex
def test_pixels_are_what_pycortex_draws_with_values_itself(store, rng):
    values = rng.standard_normal(20484)
    with open_cortex(store) as cortex:
        add_fsaverage5(cortex)
        pixels, extent = vertex_image(cortex, "fsaverage5", 100)
        image, expected = cortex.quickflat.utils.make_flatmap_image(
            cortex.Vertex(values, "fsaverage5"), height=100
        )
    np.testing.assert_array_equal(
        np.where(pixels < 0, np.nan, values[pixels])[::-1], image
    )
    np.testing.assert_allclose(extent, expected)


@needs_cortex
def test_half_a_cache_file_is_made_again(store):
    with open_cortex(store) as cortex:
        add_fsaverage5(cortex)
        first, _ = vertex_image(cortex, "fsaverage5", 80)
        for path in (store / "fsaverage5/cache").glob("*_80.npz"):
            path.write_bytes(path.read_bytes()[:50])
        again, _ = vertex_image(cortex, "fsaverage5", 80)
    np.testing.assert_array_equal(first, again)


@needs_cortex
def test_a_kill_while_a_subject_is_written_leaves_nothing_under_its_name(
    tmp_path, monkeypatch
):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_write_gifti", stop)
    with open_cortex(tmp_path) as cortex, pytest.raises(KeyboardInterrupt):
        add_fsaverage5(cortex)
    assert list(tmp_path.iterdir()) == []


@needs_cortex
@pytest.mark.slow
def test_imports_with_a_stale_setting_and_an_unwritable_home(tmp_path):
    settings = tmp_path / "home/pycortex/options.cfg"
    settings.parent.mkdir(parents=True)
    settings.write_text("[basic]\nfilestore = /gone/db\n[webgl]\ncolormaps = /gone/c\n")
    settings.parent.chmod(0o500)
    code = (
        "from pathlib import Path\n"
        "from brain2music.figures.cortex import *\n"
        "with open_cortex(Path('store')) as cortex:\n"
        "    add_fsaverage5(cortex); vertex_image(cortex, 'fsaverage5', 32)\n"
    )
    home = str(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "XDG_CONFIG_HOME": home, "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert "/gone/db" in settings.read_text()


@needs_cortex
@pytest.mark.slow
def test_s1_is_copied_without_touching_what_was_shipped(store):
    with open_cortex(store) as cortex:
        shipped = module._shipped(cortex) / "S1"
        before = sorted(
            path for path in shipped.rglob("*") if "cache" not in path.parts
        )
        add_s1(cortex)
        pixels, _ = vertex_image(cortex, "S1", 60)
        points, _ = cortex.db.get_surf("S1", "flat", merge=True, nudge=True)
        bends = curvature(cortex, "S1")
        own = np.ravel(cortex.db.get_surfinfo("S1", "curvature").data)
    np.testing.assert_allclose(bends, -own)
    assert len(points) == len(bends) == 304380
    assert points[pixels[pixels >= 0], 0].min() < -300
    after = sorted(path for path in shipped.rglob("*") if "cache" not in path.parts)
    assert before == after
    assert (store / "S1/overlays.svg").is_file()
    assert not list(store.glob(".unfinished-*"))


def test_hemispheres_lie_on_their_side_of_the_gap():
    points = np.array([[-5.0, 1, 9], [3, -2, 9], [0, 4, 9], [70, 70, 70]])
    faces = np.array([[0, 1, 2]])
    left, right = lay_flat(points, faces, "left"), lay_flat(points, faces, "right")
    assert left[:3, 0].max() == -6.0
    assert right[:3, 0].min() == 6.0
    np.testing.assert_array_equal(left[3], [0, 0, 0])
    np.testing.assert_array_equal(left[:3, 1], points[:3, 1])
    np.testing.assert_array_equal(np.diff(left[:3, 0]), np.diff(points[:3, 0]))


def test_says_how_to_do_without_pycortex(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "has_pycortex", lambda: False)
    with (
        pytest.raises(InputError, match=r"brain2music\[flatmaps\].*renderer="),
        open_cortex(tmp_path),
    ):
        pass


@needs_cortex
def test_a_store_that_cannot_be_written_is_named(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with (
        pytest.raises(InputError, match=r"cannot be written.*file.*Give another"),
        open_cortex(in_the_way / "store"),
    ):
        pass
