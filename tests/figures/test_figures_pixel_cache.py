"""Tests of pixels that are kept between runs."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from brain2music.figures import pixel_cache
from brain2music.figures.pixel_cache import kept_pixels, pixel_folder
from brain2music.figures.solid import cortex_mesh, flat_of
from brain2music.figures.surfaces import nearest_vertices

MESH = cortex_mesh("fsaverage5")


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """Return a finder that counts its calls, with an empty cache for small meshes."""
    monkeypatch.setattr(pixel_cache, "LARGE", 100)
    monkeypatch.setattr(pixel_cache, "pixel_folder", lambda: tmp_path / "pixels")
    calls = []

    def find(*given):
        calls.append(given)
        return nearest_vertices(*given)

    return find, calls


def test_pixels_are_found_once_and_are_the_same_when_read(counted):
    find, calls = counted
    given = (MESH.flat, MESH.flat_faces, 50)
    (pixels, extent), again = (kept_pixels(find, *given) for _ in range(2))
    assert len(calls) == 1
    assert_array_equal(again[0], pixels)
    assert again[0].dtype == pixels.dtype
    assert again[1] == tuple(extent)


@pytest.mark.parametrize("change", ["points", "faces", "height"])
def test_another_surface_or_height_is_found_anew(counted, change):
    find, calls = counted
    points, faces, height = MESH.flat, MESH.flat_faces, 50
    kept_pixels(find, points, faces, height)
    moved = points + (1e-6 if change == "points" else 0)
    faces = faces[1:] if change == "faces" else faces
    kept_pixels(find, moved, faces, height + (change == "height"))
    assert len(calls) == 2


def test_a_broken_file_and_a_folder_that_cannot_be_written_cost_time_alone(
    counted, monkeypatch, tmp_path
):
    find, calls = counted
    given = (MESH.flat, MESH.flat_faces, 50)
    pixels, _ = kept_pixels(find, *given)
    (file,) = (tmp_path / "pixels").iterdir()
    file.write_bytes(file.read_bytes()[:200])
    assert_array_equal(kept_pixels(find, *given)[0], pixels)
    (tmp_path / "a file").write_text("")
    monkeypatch.setattr(pixel_cache, "pixel_folder", lambda: tmp_path / "a file/x")
    assert_array_equal(kept_pixels(find, *given)[0], pixels)
    assert len(calls) == 3


@pytest.mark.usefixtures("counted")
def test_own_surfaces_take_what_is_kept(tmp_path):
    assert pixel_folder().name == "pixels"
    flat = flat_of(MESH, height_px=50)
    (file,) = (tmp_path / "pixels").iterdir()
    with np.load(file) as saved:
        np.savez(file, pixels=np.full_like(saved["pixels"], 7), extent=saved["extent"])
    again = flat_of(MESH, height_px=50)
    assert (again.pixels == 7).all()
    assert again.extent == tuple(flat.extent)
