"""Tests of responses on meshes: GIFTI and CIFTI, and which hemisphere is which."""

import nibabel as nib
import numpy as np
import pytest
from nilearn import datasets
from numpy.testing import assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.types import Run
from brain2music.data.grayordinates import CiftiRecording, axis_space, space_axis
from brain2music.data.surfaces import (
    GiftiRecording,
    check_sides,
    faces_identity,
    surface_topology,
)

RUN = Run("m", "1")


@pytest.fixture
def pair(tmp_path, rng, write_gifti):
    paths = (tmp_path / "L.func.gii", tmp_path / "R.func.gii")
    for path, n in zip(paths, (5, 7), strict=True):
        write_gifti(path, rng.standard_normal((11, n)).astype("f4"), path.name[0])
    return paths


def write_surface(path, points, faces, side):
    structure = {"left": "CortexLeft", "right": "CortexRight"}[side]
    arrays = [
        nib.gifti.GiftiDataArray(points.astype("f4"), "NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(faces.astype("i4"), "NIFTI_INTENT_TRIANGLE"),
    ]
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    nib.save(nib.GiftiImage(darrays=arrays, meta=meta), path)


def test_left_comes_first_and_parts_say_where_it_ends(pair):
    recording = GiftiRecording("1", {RUN: pair}, name="fsnative")
    left, right = (nib.load(path).agg_data() for path in pair)
    Y = recording.read(RUN)
    assert_array_equal(Y[:, :5], left.T)
    assert_array_equal(Y[:, 5:], right.T)
    assert [part.name for part in recording.space.parts] == ["left", "right"]
    assert [part.shape for part in recording.space.parts] == [(5,), (7,)]
    assert recording.space.shape == (12,)


def test_a_file_of_the_other_hemisphere_is_refused(pair, rng, write_gifti):
    values = rng.standard_normal((11, 5)).astype("f4")
    write_gifti(pair[0], values, "L", structure="CortexRight")
    with pytest.raises(InputError, match="name says left, but the file says CortexRig"):
        GiftiRecording("1", {RUN: pair}, name="fsnative")


def test_hemispheres_and_runs_must_have_the_same_lengths_and_meshes(
    pair, rng, tmp_path, write_gifti
):
    other = (tmp_path / "L2.func.gii", tmp_path / "R2.func.gii")
    for path, n in zip(other, (5, 8), strict=True):
        write_gifti(path, rng.standard_normal((11, n)).astype("f4"), path.name[0])
    with pytest.raises(InputError, match=r"run-2: \[5, 8\] vertices .* has \[5, 7\]"):
        GiftiRecording("1", {RUN: pair, Run("m", "2"): other}, name="fsnative")
    write_gifti(pair[1], rng.standard_normal((10, 7)).astype("f4"), "R")
    with pytest.raises(InputError, match="11 volumes in the left hemisphere, 10 in th"):
        GiftiRecording("1", {RUN: pair}, name="fsnative")


def test_a_template_mesh_has_its_number_of_vertices(pair):
    with pytest.raises(InputError, match="fsaverage5 has 10242 vertices a hemisphere"):
        GiftiRecording("1", {RUN: pair}, name="fsaverage5")


def test_broken_files_are_named(pair):
    pair[0].write_bytes(pair[0].read_bytes()[:300])
    with pytest.raises(InputError, match=r"L\.func\.gii is damaged"):
        GiftiRecording("1", {RUN: pair}, name="fsnative")
    pair[0].unlink()
    with pytest.raises(MissingFileError, match="is not there"):
        GiftiRecording("1", {RUN: pair}, name="fsnative")


def test_swapped_surfaces_are_seen_by_their_place(tmp_path):
    mesh = datasets.load_fsaverage("fsaverage5")["pial"].parts
    points = {side: mesh[side].coordinates for side in ("left", "right")}
    check_sides(points, "pial")
    swapped = {"left": points["right"], "right": points["left"]}
    with pytest.raises(InputError, match="they are swapped"):
        check_sides(swapped, "pial")
    paths = [tmp_path / "lh.surf.gii", tmp_path / "rh.surf.gii"]
    for path, side, other in zip(paths, points, swapped, strict=True):
        write_surface(path, swapped[other], mesh[side].faces, side)
    with pytest.raises(InputError, match="they are swapped"):
        surface_topology(paths, (10242, 10242))


def test_the_identity_of_faces_sees_the_mesh_and_not_its_order(rng):
    faces = datasets.load_fsaverage("fsaverage5")["pial"].parts["left"].faces
    again = faces[rng.permutation(len(faces))][:, [1, 2, 0]]
    assert faces_identity(again) == faces_identity(faces)
    flipped = faces.copy()
    flipped[0, 0] += 1
    assert faces_identity(flipped) != faces_identity(faces)


def test_a_surface_of_another_mesh_is_refused(tmp_path, rng):
    paths = [tmp_path / "l.surf.gii", tmp_path / "r.surf.gii"]
    for path, side, x in zip(paths, ("left", "right"), (-1, 1), strict=True):
        points = rng.random((6, 3)) + np.array([x, 0, 0])
        write_surface(path, points, np.array([[0, 1, 2], [2, 3, 4]]), side)
    assert surface_topology(paths, (6, 6))[0] != ""
    with pytest.raises(InputError, match="has 6 vertices, the data 5"):
        surface_topology(paths, (5, 6))


def test_grayordinates_come_back_as_the_same_brain_models(brain_models):
    space = axis_space(brain_models, "fsLR")
    assert space_axis(space) == brain_models
    assert space.n_voxels == 12
    assert space.ids[0] == "CORTEX_LEFT:0"
    assert space.ids[5] == "CORTEX_RIGHT:0"
    assert space.ids[9].startswith("THALAMUS_LEFT:")


def test_runs_with_other_grayordinates_are_refused(fmriprep, rng, brain_models):
    Y = rng.standard_normal((11, 12)).astype("f4")
    paths = [fmriprep.write("cifti", "1", ("m", k), Y)[0] for k in (1, 2)]
    series = nib.cifti2.SeriesAxis(0, 1.5, 11, "SECOND")
    order = np.r_[5:9, 0:5, 9:12]  # right before left: the same size
    nib.save(nib.Cifti2Image(Y, (series, brain_models[order])), paths[1])
    files = {Run("m", str(k + 1)): path for k, path in enumerate(paths)}
    with pytest.raises(InputError, match=r"run-2: its 12 grayordinates are not those"):
        CiftiRecording("1", files, name="fsLR")


def test_a_scalar_or_shortened_cifti_is_refused(fmriprep, rng, brain_models):
    Y = rng.standard_normal((11, 12)).astype("f4")
    (path,) = fmriprep.write("cifti", "1", ("m", 1), Y)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(InputError, match=f"expected {len(whole)} bytes, found"):
        CiftiRecording("1", {RUN: path}, name="fsLR")
    scalars = nib.cifti2.ScalarAxis([f"map {k}" for k in range(11)])
    nib.save(nib.Cifti2Image(Y, (scalars, brain_models)), path)
    with pytest.raises(InputError, match="is no dense time series"):
        CiftiRecording("1", {RUN: path}, name="fsLR")
