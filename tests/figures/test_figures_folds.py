"""Tests of folds from geometry, and of surfaces as FreeSurfer writes them."""

import nibabel as nib
import numpy as np
import pytest
from nilearn import datasets
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.figures.folds import mean_curvature
from brain2music.figures.freesurfer import is_patch, read_patch, read_surface

PART = datasets.load_fsaverage("fsaverage5")["white_matter"].parts


def test_a_ball_bends_by_one_over_its_radius_and_its_inside_is_a_sulcus():
    sphere = datasets.load_fsaverage("fsaverage5")["sphere"].parts["left"]
    points, faces = 50.0 * sphere.coordinates / 100.0, sphere.faces
    assert_allclose(mean_curvature(points, faces), -1 / 50.0, rtol=0.05)
    assert_allclose(mean_curvature(points, faces[:, ::-1]), 1 / 50.0, rtol=0.05)


@pytest.mark.parametrize("side", ["left", "right"])
def test_folds_are_where_freesurfer_has_them(side):
    bends = mean_curvature(PART[side].coordinates, PART[side].faces)
    data = datasets.load_fsaverage_data("fsaverage5", data_type="curvature").data
    known = np.ravel(data.parts[side])
    assert np.corrcoef(bends, known)[0, 1] > 0.8
    assert ((bends > 0) == (known > 0)).mean() > 0.85


def test_a_vertex_of_no_face_has_no_curvature():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9.0]])
    assert mean_curvature(points, np.array([[0, 1, 2]])).tolist() == [0, 0, 0, 0]


@pytest.fixture
def white(tmp_path):
    path = tmp_path / "lh.white"
    nib.freesurfer.write_geometry(path, PART["left"].coordinates, PART["left"].faces)
    return path


def test_a_surface_of_freesurfer_is_read(white):
    points, faces = read_surface(white, "left", "sub-01")
    assert_allclose(points, PART["left"].coordinates, atol=1e-4)
    assert_array_equal(faces, PART["left"].faces)


def write_patch(path, vertices, xyz):
    rows = np.zeros(len(vertices), [("vertex", ">i4"), ("xyz", ">f4", 3)])
    rows["vertex"], rows["xyz"] = vertices, xyz
    head = np.array([-1, len(vertices)], ">i4")
    path.write_bytes(head.tobytes() + rows.tobytes())


def test_a_patch_has_all_vertices_and_the_faces_that_lie_in_it(tmp_path):
    points, faces = np.ones((5, 3)), np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]])
    xyz = np.array([[1, 2, 0], [3, 4, 0], [5, 6, 0], [7, 8, 0]], float)
    path = tmp_path / "lh.cortex.patch.flat"
    write_patch(path, [-5, 2, 3, 4], xyz)  # counted from 1; below 0 at the border
    assert is_patch(path)
    flat, kept = read_patch(path, "left", "sub-01", (points, faces))
    assert_array_equal(flat, [[0, 0, 0], *xyz[1:], xyz[0]])
    assert_array_equal(kept, [[1, 2, 3], [2, 3, 4]])
    write_patch(path, [9], xyz[:1])
    with pytest.raises(InputError, match=r"vertex 8, and its surface 5 vertices"):
        read_patch(path, "left", "sub-01", (points, faces))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="no patch of FreeSurfer, or is cut off"):
        read_patch(path, "left", "sub-01", (points, faces))


def test_what_is_no_surface_missing_or_of_the_other_side_is_said(white, tmp_path):
    with pytest.raises(InputError, match=r"lh\.white is of the other hemisphere"):
        read_surface(white, "right", "sub-01")
    with pytest.raises(InputError, match=r"rh\.white is not there"):
        read_surface(tmp_path / "rh.white", "right", "sub-01")
    (tmp_path / "lh.text").write_text("no surface")
    with pytest.raises(InputError, match=r"sub-01: .*is no surface"):
        read_surface(tmp_path / "lh.text", "left", "sub-01")
