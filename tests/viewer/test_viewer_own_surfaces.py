"""Tests of the cortex of a user's own."""

import json
from dataclasses import replace

import matplotlib.pyplot as plt
import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from typer.testing import CliRunner

from brain2music.cli import app
from brain2music.core.checks import InputError
from brain2music.core.saved import save_space
from brain2music.data.surfaces import faces_identity, mesh_space
from brain2music.viewer import OwnSurfaces
from brain2music.viewer.content import study_content
from brain2music.viewer.packed import read_packed
from brain2music.workflow.map_figures import map_figures
from brain2music.workflow.map_pages import map_pages
from brain2music.workflow.paper_maps import _flat_and_inflated
from brain2music.workflow.paper_pages import Print, Results
from brain2music.workflow.result import saved_study
from brain2music.workflow.to_draw import load_saved

SIZES = {"left": (20, 20), "right": (20, 15)}


def sheet(rows, columns):
    """Return points and faces of a sheet, 3 mm apart."""
    y, x = np.mgrid[:rows, :columns]
    points = np.stack([x, y, np.sin(x + y)], axis=-1).reshape(-1, 3) * 3.0
    at = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (
        part.ravel() for part in (at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:])
    )
    return points, np.vstack([np.c_[a, b, c], np.c_[b, d, c]])


def write_gifti(path, points, faces):
    arrays = [
        nib.gifti.GiftiDataArray(points.astype("f4"), "NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(faces.astype("i4"), "NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(nib.GiftiImage(darrays=arrays), path)


@pytest.fixture
def files(tmp_path):
    """Return paths of inflated and flat surfaces; flat ones lack the last face."""
    for side, size in SIZES.items():
        points, faces = sheet(*size)
        write_gifti(tmp_path / f"{side}.inflated.surf.gii", points, faces)
        write_gifti(tmp_path / f"{side}.flat.surf.gii", points * [1, 1, 0], faces[:-1])
    return [
        tuple(str(tmp_path / f"{side}.{kind}.surf.gii") for side in SIZES)
        for kind in ("inflated", "flat")
    ]


@pytest.fixture
def space():
    faces = [faces_identity(sheet(*size)[1]) for size in SIZES.values()]
    return mesh_space("fsnative", [400, 300], faces)


def test_surfaces_lie_side_by_side_as_they_are_in_the_files(files, space):
    mesh = OwnSurfaces(*files).mesh(space, "01")
    left, right = sheet(20, 20), sheet(20, 15)
    assert mesh.n_left == 400
    assert_allclose(mesh.inflated[400:], right[0], atol=1e-5)
    assert_array_equal(mesh.faces[len(left[1]) :], right[1] + 400)
    assert mesh.flat is not None
    assert len(mesh.flat_faces) == len(mesh.faces) - 2
    assert mesh.flat[:399, 0].max() < 0 < mesh.flat[400:, 0].min() + 1e-9


def test_freesurfers_files_and_their_white_surfaces_give_the_same_cortex(
    files, space, tmp_path
):
    names = {"left": "lh", "right": "rh"}
    for side, size in SIZES.items():
        for kind in ("inflated", "white"):
            path = tmp_path / f"{names[side]}.{kind}"
            nib.freesurfer.write_geometry(path, *sheet(*size))
        write_patch(tmp_path / f"{names[side]}.patch.flat", *sheet(*size))
    inflated, flat, white = (
        tuple(str(tmp_path / f"{name}.{kind}") for name in names.values())
        for kind in ("inflated", "patch.flat", "white")
    )
    given = OwnSurfaces(*files).mesh(space, "01")
    mesh = OwnSurfaces(inflated, flat, white).mesh(space, "01")
    assert_allclose(mesh.inflated, given.inflated, atol=1e-4)
    assert_array_equal(mesh.faces, given.faces)
    assert_allclose(mesh.flat[1:399], given.flat[1:399], atol=1e-4)
    assert not given.curvature.any()
    # The sheet bends up and down: sulci where it is low.
    height = np.concatenate([sheet(*size)[0][:, 2] for size in SIZES.values()])
    assert abs(np.corrcoef(mesh.curvature, height)[0, 1]) > 0.9


def write_patch(path, points, _faces):
    rows = np.zeros(len(points), [("vertex", ">i4"), ("xyz", ">f4", 3)])
    rows["vertex"], rows["xyz"] = np.arange(1, len(points) + 1), points * [1, 1, 0]
    head = np.array([-1, len(points)], ">i4")
    path.write_bytes(head.tobytes() + rows.tobytes())


def test_without_flat_ones_there_is_no_flat_cortex(files, space):
    mesh = OwnSurfaces(files[0]).mesh(space, "01")
    assert mesh.flat is mesh.flat_faces is None


def test_subjects_have_their_own_where_the_path_says_so(files, space):
    assert OwnSurfaces(files[0]).name(space, "01") == "fsnative"
    own = OwnSurfaces(tuple(path.replace("inflated", "{subject}") for path in files[0]))
    assert own.name(space, "inflated") == "fsnative, sub-inflated"
    assert own.mesh(space, "inflated").n_vertices == 700


def test_other_meshes_and_files_that_are_not_there_are_refused(files, space, tmp_path):
    with pytest.raises(InputError, match="has 400 vertices, the data 300"):
        OwnSurfaces((files[0][0], files[0][0])).mesh(space, "01")
    changed = replace(space.parts[0], topology="other")
    with pytest.raises(InputError, match="but other faces"):
        OwnSurfaces(files[0]).mesh(
            replace(space, parts=(changed, space.parts[1])), "01"
        )
    with pytest.raises(InputError, match="is not there"):
        OwnSurfaces((str(tmp_path / "x.gii"), files[0][1])).mesh(space, "01")
    arrays = [nib.gifti.GiftiDataArray(np.zeros(400, "f4"), "NIFTI_INTENT_SHAPE")]
    nib.save(nib.GiftiImage(darrays=arrays), tmp_path / "shape.gii")
    with pytest.raises(InputError, match="holds no surface"):
        OwnSurfaces((str(tmp_path / "shape.gii"), files[0][1])).mesh(space, "01")


@pytest.fixture
def native(copied, space):
    """Return the planted results as if they lay on 'fsnative'."""
    for subject in ("01", "02"):
        folder = copied / f"models/sub-{subject}"
        n = len(json.loads((folder / "space.json").read_text())["ids"])
        index = np.sort(np.random.default_rng(1).choice(700, n, replace=False))
        ids = tuple(json.loads((folder / "space.json").read_text())["ids"])
        save_space(folder, replace(space, ids=ids, index=index))
    return copied


def test_a_study_on_own_surfaces_is_shown_on_them(native, files, tmp_path):
    study, subjects = saved_study(native)
    with pytest.raises(InputError, match="with --inflated"):
        study_content(study, native, subjects)
    own = OwnSurfaces(*files)
    content = study_content(study, native, subjects, surfaces=own)
    assert list(content.index["meshes"]) == ["fsnative"]
    assert {one["mesh"] for one in content.index["subjects"]} == {"fsnative"}
    for name, file in content.files.items():
        (tmp_path / name).write_bytes(file.content)
    place = content.index["meshes"]["fsnative"]["inflated"]
    assert_allclose(read_packed(tmp_path, place)[:400], sheet(20, 20)[0], atol=1e-5)


def test_flatmaps_are_drawn_on_own_surfaces(native, files):
    study, subjects = saved_study(native)
    notes = []
    assert dict(map_figures(load_saved(study, native, subjects), notes)) == {}
    assert "Its own surfaces are given by --inflated and --flat" in notes[0]
    notes = []
    saved = load_saved(study, native, subjects, OwnSurfaces(files[0]))
    assert dict(map_figures(saved, notes)) == {}
    assert notes[0] == "sub-01: no map: --flat is not given."
    saved = load_saved(study, native, subjects, OwnSurfaces(*files))
    drawn = dict(map_figures(saved, []))
    figure = drawn["flatmap_sub-01"]
    ax = next(ax for ax in figure.axes if ax.get_title().strip() == "joint model")
    image = next(one for one in ax.get_images() if one.get_label() == "values")
    flat = saved.flat("01")
    assert flat.name == "fsnative"
    index = saved.models["01"].space.index
    table = saved.tables["voxel_scores"].query(
        "subject == '01' and model == 'joint' and score == 'r'"
    )
    values = np.full(700, np.nan)
    values[index] = table["value"]
    expected = np.where(flat.pixels >= 0, values[flat.pixels], np.nan)
    assert_allclose(np.ma.filled(image.get_array(), np.nan), expected)
    plt.close("all")


def test_the_papers_maps_are_drawn_on_own_surfaces(native, files):
    study, _ = saved_study(native)
    saved = load_saved(study, native, ["01"], OwnSurfaces(*files))
    results = Results(saved, Print())
    page = next(map_pages(results.saved, ["01"]))
    flat, inflated = _flat_and_inflated(results, page)
    (ax, *_) = (ax for ax in flat.figure.axes if ax.get_title())
    assert ax.get_title().strip() == "joint model"
    axes = {ax.get_xlabel(): ax for ax in inflated.figure.axes[::-1]}
    ax = axes["left, lateral"]
    (faces,) = ax.collections
    mesh = results.saved.inflated("01")
    left = mesh.faces[(mesh.faces < 400).all(axis=1)]
    one, two, three = (mesh.inflated[left[:, k]] for k in range(3))
    towards = np.cross(two - one, three - one)[:, 0] < 0  # seen from the left
    assert len(faces.get_paths()) == towards.sum() > 0
    assert results.saved.inflated("01") is mesh  # it is read once
    plt.close("all")


def test_the_command_refuses_flat_surfaces_alone(native, files, tmp_path):
    words = ["figures", str(native), "--out", str(tmp_path / "x")]
    refused = CliRunner().invoke(app, [*words, "--flat", *files[1]])
    assert "--flat needs --inflated" in str(refused.exception)
    assert not (tmp_path / "x").exists()


def test_the_command_takes_own_surfaces(native, files, tmp_path):
    words = ["view", str(native), "--static", str(tmp_path / "viewer"), "--no-sound"]
    result = CliRunner().invoke(app, [*words, "--inflated", *files[0]])
    assert result.exit_code == 0, result.output
    refused = CliRunner().invoke(app, [*words, "--flat", *files[1]])
    assert "--flat needs --inflated" in str(refused.exception)
