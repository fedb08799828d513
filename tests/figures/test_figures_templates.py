"""Tests of finer templates, and of subjects that the user's pycortex has."""

import gzip
import shutil

import nibabel as nib
import numpy as np
import pytest
from nilearn import datasets
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.types import Space
from brain2music.figures import surfaces, templates
from brain2music.figures.cortex import add_fsaverage5, has_pycortex, open_cortex
from brain2music.figures.flatmap import plot_flatmap
from brain2music.figures.solid import cortex_mesh
from brain2music.figures.style import Scale
from brain2music.figures.surfaces import flat_mesh, map_problem
from brain2music.figures.templates import read_template, template_folder

NAME = "fsaverage6"
SIDES = {"left": "lh", "right": "rh"}
needs_cortex = pytest.mark.skipif(not has_pycortex(), reason="pycortex is an extra")


@pytest.fixture(autouse=True)
def _nothing_on_this_machine(monkeypatch, tmp_path):
    """Look for templates in empty folders, and let them have the size of fsaverage5."""
    for name in ("SUBJECTS_DIR", "FREESURFER_HOME", "NILEARN_SHARED_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path / "nilearn"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setitem(templates.TEMPLATES, NAME, 20484)
    monkeypatch.setitem(surfaces.N_VERTICES, NAME, 20484)
    surfaces._loaded.cache_clear()
    yield
    surfaces._loaded.cache_clear()


def parts():
    """Yield side, inflated mesh, flat mesh and curvature of fsaverage5."""
    meshes = datasets.load_fsaverage("fsaverage5")
    bends = datasets.load_fsaverage_data("fsaverage5", data_type="curvature").data
    for side in SIDES:
        inflated, flat = (meshes[key].parts[side] for key in ("inflated", "flat"))
        yield side, inflated, flat, np.ravel(bends.parts[side])


def write_freesurfer(folder):
    folder.mkdir(parents=True)
    for side, inflated, flat, bends in parts():
        start = folder / SIDES[side]
        whole = (inflated.coordinates, inflated.faces)
        nib.freesurfer.write_geometry(f"{start}.inflated", *whole)
        nib.freesurfer.write_morph_data(f"{start}.curv", bends)
        used = np.unique(flat.faces)
        rows = np.zeros(len(used), [("vertex", ">i4"), ("xyz", ">f4", 3)])
        rows["vertex"], rows["xyz"] = used + 1, flat.coordinates[used]
        head = np.array([-1, len(used)], ">i4").tobytes()
        path = folder / f"{SIDES[side]}.cortex.patch.flat"
        path.write_bytes(head + rows.tobytes())


def write_nilearn(folder):
    folder.mkdir(parents=True)
    array, image = nib.gifti.GiftiDataArray, nib.GiftiImage
    for side, inflated, flat, bends in parts():
        given = {"curv": [array(bends.astype("f4"), "NIFTI_INTENT_SHAPE")]}
        for name, mesh in (("infl", inflated), ("flat", flat)):
            points = array(mesh.coordinates.astype("f4"), "NIFTI_INTENT_POINTSET")
            faces = array(mesh.faces.astype("i4"), "NIFTI_INTENT_TRIANGLE")
            given[name] = [points, faces]
        for name, arrays in given.items():
            path = folder / f"{name}_{side}.gii.gz"
            path.write_bytes(gzip.compress(image(darrays=arrays).to_bytes()))


def whole_space(name):
    index = np.arange(20484)
    return Space("surface", name, tuple(map(str, index)), index, (20484,))


@pytest.mark.parametrize("source", ["subjects", "home", "nilearn"])
def test_a_template_is_read_from_what_is_on_the_machine(source, tmp_path, monkeypatch):
    if source == "nilearn":
        write_nilearn(tmp_path / "nilearn" / NAME)
    else:
        write_freesurfer(tmp_path / "fs/subjects" / NAME / "surf")
        where = tmp_path / ("fs" if source == "home" else "fs/subjects")
        name = "FREESURFER_HOME" if source == "home" else "SUBJECTS_DIR"
        monkeypatch.setenv(name, str(where))
    assert map_problem(whole_space(NAME)) is None
    known, mesh = cortex_mesh("fsaverage5"), cortex_mesh(NAME)
    assert_allclose(mesh.inflated, known.inflated, atol=1e-4)
    assert_array_equal(mesh.faces, known.faces)
    assert_allclose(mesh.curvature, known.curvature, atol=1e-6)
    assert_allclose(mesh.flat, known.flat, atol=1e-3)
    assert_array_equal(np.unique(mesh.flat_faces), np.unique(known.flat_faces))
    flat = flat_mesh(NAME, height_px=60)
    assert_array_equal(flat.on_map, flat_mesh("fsaverage5", height_px=60).on_map)
    figure = plot_flatmap(np.zeros(20484), mesh=NAME, scale=Scale(0, 1, "r"))
    said = " ".join(text.get_text() for text in figure.texts)
    assert "fsaverage6: 1,482 of 20,484" in said.replace("\n", " ")


def test_a_template_that_is_not_there_says_how_to_get_it():
    assert template_folder(NAME) is None
    expected = r"fetch_surf_fsaverage\('fsaverage6'\), or give --inflated and --flat"
    with pytest.raises(InputError, match=expected):
        flat_mesh(NAME)
    with pytest.raises(InputError, match=expected):
        cortex_mesh(NAME)
    assert "no surfaces of fsaverage6" in map_problem(whole_space(NAME))


def test_a_template_of_another_size_is_refused(tmp_path, monkeypatch):
    write_nilearn(tmp_path / "nilearn" / NAME)
    monkeypatch.setitem(templates.TEMPLATES, NAME, 81924)
    with pytest.raises(InputError, match="20,484 vertices instead of 81,924"):
        read_template(NAME)


@needs_cortex
def test_a_subject_of_the_users_filestore_is_drawn_by_its_name(tmp_path, cortex_store):
    with open_cortex(cortex_store) as cortex:
        add_fsaverage5(cortex)
    theirs = tmp_path / "filestore"
    shutil.copytree(cortex_store / "fsaverage5", theirs / "me")
    assert "no folder" in map_problem(whole_space("pycortex:me"))
    (tmp_path / "config/pycortex").mkdir(parents=True)
    settings = tmp_path / "config/pycortex/options.cfg"
    settings.write_text(f"[basic]\nfilestore = {theirs}\n")
    assert map_problem(whole_space("pycortex:me")) is None
    known = flat_mesh("fsaverage5", renderer="matplotlib", height_px=60)
    flat = flat_mesh("pycortex:me", store=cortex_store, height_px=60)
    assert_allclose(flat.points, known.points, atol=1e-3)
    assert_array_equal(flat.on_map, known.on_map)
    assert np.corrcoef(flat.curvature, known.curvature)[0, 1] > 0.8
    mesh = cortex_mesh("pycortex:me")
    assert_allclose(mesh.inflated, cortex_mesh("fsaverage5").inflated, atol=1e-3)
    with pytest.raises(InputError, match=r"has no subject 'you' \(looked in"):
        flat_mesh("pycortex:you", store=cortex_store)
