"""Failures of geometry and voxels, planted in a clean study: each is named."""

import nibabel as nib
import numpy as np
import pytest

from brain2music.data import maps
from brain2music.data.cleaning import RunPlan

pytestmark = pytest.mark.slow
QUICK = {"only": ["saved"]}  # what is seen at the door needs no fits


@pytest.mark.plants(18, "inputs")
def test_an_image_that_was_flipped_is_named_with_its_run(made, tools):
    """Mode 18: same shape, left and right changed in the affine."""
    path = tools.as_images(made)
    file = path.parent / "bold/sub-01_task-Test_run-2.nii"
    flipped = np.diag([2.0, 2.0, 2.0, 1.0])
    flipped[0, 3] = -8.0
    tools.write_image(file, made.Y["Test", "2"], flipped)
    _, failed = tools.examined(path, **QUICK)
    assert set(failed) == {"inputs"}
    assert "task-Test_run-2" in failed["inputs"][0].where
    assert file.name in failed["inputs"][0].found
    assert "another affine" in failed["inputs"][0].found


@pytest.mark.plants(18, "inputs")
def test_a_mask_of_another_place_is_named(made, tools):
    """Mode 18."""
    path = tools.as_images(made)
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    affine[1, 3] = 4.0
    mask = nib.Nifti1Image(np.ones((5, 4, 2), np.uint8), affine)
    nib.save(mask, path.parent / "mask.nii.gz")
    _, failed = tools.examined(path, **QUICK)
    assert "mm apart" in failed["inputs"][0].found
    assert failed["inputs"][0].where[-1] == "mask.nii.gz"


@pytest.mark.plants(17, "sides")
def test_headers_that_tell_two_sides_apart_differently_are_named(made, tools):
    """Mode 17: the sform says one side is left, the qform the other."""
    path = tools.as_images(made)
    file = path.parent / "bold/sub-01_task-Test_run-2.nii"
    image = nib.load(file, mmap=False)
    image = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
    image.set_sform(image.affine, 1)
    image.set_qform(image.affine @ np.diag([-1, 1, 1, 1]), 1)
    nib.save(image, file)
    _, failed = tools.examined(path, **QUICK)
    assert set(failed) == {"sides"}
    assert "task-Test_run-2" in failed["sides"][0].where


@pytest.mark.plants(17, "inputs")
def test_hemispheres_that_were_swapped_are_named(made, tools, Fmriprep):
    """Mode 17: one run's files of the two sides have each other's names."""
    path, writer = tools.as_scans(made, Fmriprep, "surface")
    left, right = sorted(writer.folder.rglob("*Test_run-2*.func.gii"))
    texts = left.read_bytes(), right.read_bytes()
    left.write_bytes(texts[1])
    right.write_bytes(texts[0])
    _, failed = tools.examined(path, **QUICK)
    assert set(failed) == {"inputs"}
    assert left.name in failed["inputs"][0].found
    assert "the file says CortexRight" in failed["inputs"][0].found


@pytest.mark.plants(17, "planted-place")
def test_hemispheres_that_change_places_on_the_way_to_a_map_are_found(
    made, tools, Fmriprep, monkeypatch
):
    """Mode 17, a fault of ours."""
    path, _ = tools.as_scans(made, Fmriprep, "surface")

    def write_map(folder, names, values, *more, **options):
        return right(folder, names, values[::-1].copy(), *more, **options)

    right = maps.write_map
    monkeypatch.setattr(maps, "write_map", write_map)
    _, failed = tools.examined(path, only=["oracle"])
    assert set(failed) == {"planted-place"}
    assert failed["planted-place"][0].where == ("sub-01",)


@pytest.mark.plants(19, "inputs")
def test_responses_of_another_mesh_are_refused(made, tools):
    """Mode 19."""
    path = made.write()
    tools.edit(path, ("simulated", 'mesh = "fsaverage5"\nsimulated'))
    _, failed = tools.examined(path, **QUICK)
    assert set(failed) == {"inputs"}
    assert "20484" in failed["inputs"][0].found
    assert failed["inputs"][0].where == ("sub-01", "sub-01_task-Test_run-1.npy")


def write_sided(path, arrays, side, names=()):
    """Write arrays, each with its intent, as a GIFTI of one hemisphere."""
    table = nib.gifti.GiftiLabelTable()
    for key, name in enumerate(names):
        label = nib.gifti.GiftiLabel(key, 0.5, 0.5, 0.5, 1.0)
        label.label = name
        table.labels.append(label)
    structure = {"L": "CortexLeft", "R": "CortexRight"}[side]
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    data = [nib.gifti.GiftiDataArray(values, intent) for values, intent in arrays]
    nib.save(nib.GiftiImage(darrays=data, labeltable=table, meta=meta), path)


def write_mesh(path, n, side, first):
    """Write a strip of triangles; its first face tells one mesh from another."""
    rng = np.random.default_rng(0)
    points = rng.random((n, 3)) + np.array([{"L": -2, "R": 1}[side], 0, 0])
    faces = np.array([first, *([k, k + 1, k + 2] for k in range(1, n - 2))])
    arrays = [(points.astype("f4"), "NIFTI_INTENT_POINTSET")]
    write_sided(path, [*arrays, (faces.astype("i4"), "NIFTI_INTENT_TRIANGLE")], side)


@pytest.mark.plants(19, "inputs")
def test_labels_of_another_mesh_of_the_same_size_are_refused(made, tools, Fmriprep):
    """Mode 19: as many vertices, other faces."""
    path, writer = tools.as_scans(made, Fmriprep, "surface")
    anat = writer.folder / "sub-01/anat"
    anat.mkdir()
    for side, n in (("L", 8), ("R", 6)):
        write_mesh(anat / f"sub-01_hemi-{side}_white.surf.gii", n, side, [0, 1, 2])
        write_mesh(path.parent / f"{side}.surf.gii", n, side, [0, 1, 2])
        labels = [(np.ones(n, "i4"), "NIFTI_INTENT_LABEL")]
        write_sided(path.parent / f"{side}.label.gii", labels, side, ("none", "A1"))
    rois = (
        '[rois]\nleft = "L.label.gii"\nright = "R.label.gii"\nmesh = "fsnative"\n'
        'surfaces = ["L.surf.gii", "R.surf.gii"]\n\n[analysis]'
    )
    tools.edit(path, ("[analysis]", rois))
    _, failed = tools.examined(path, **QUICK)
    assert failed == {}
    write_mesh(path.parent / "R.surf.gii", 6, "R", [0, 1, 3])
    _, failed = tools.examined(path, **QUICK)
    assert set(failed) == {"inputs"}
    assert failed["inputs"][0].where[-1].endswith("data/R.label.gii")
    assert "as many vertices but other faces" in failed["inputs"][0].found


@pytest.mark.plants(20, "inputs")
def test_labels_beyond_their_type_are_refused(made, tools):
    """Mode 20."""
    path = tools.as_images(made)
    values = np.arange(40).reshape(5, 4, 2).astype(np.uint8)
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    nib.save(nib.Nifti1Image(values, affine), path.parent / "atlas.nii.gz")
    names = "".join(f"{k}\tregion {k}\n" for k in (1, 2, 300))
    (path.parent / "names.tsv").write_text("index\tname\n" + names)
    rois = '[rois]\natlas = "atlas.nii.gz"\nnames = "names.tsv"\n\n[analysis]'
    tools.edit(path, ("[analysis]", rois))
    _, failed = tools.examined(path, **QUICK)
    assert set(failed) == {"inputs"}
    assert "stored as uint8, up to 255" in failed["inputs"][0].found
    assert failed["inputs"][0].where[-1].endswith("data/atlas.nii.gz")


@pytest.mark.plants(16, "medial-wall")
def test_a_medial_wall_that_holds_values_is_found(made, tools, Fmriprep, write_gifti):
    """Mode 16."""
    path, writer = tools.as_scans(made, Fmriprep, "surface")
    anat = writer.folder / "sub-01/anat"
    anat.mkdir()
    for side, n in (("L", 8), ("R", 6)):
        mask = (np.arange(n) > 0).astype("f4")  # the first vertex is no cortex
        name = f"sub-01_hemi-{side}_desc-cortex_mask.label.gii"
        write_gifti(anat / name, mask[None], side)
    _, failed = tools.examined(path, **QUICK)
    assert set(failed) == {"medial-wall"}
    assert "task-Training_run-1" in failed["medial-wall"][0].where


@pytest.mark.plants(17, "planted-place")
def test_voxels_that_take_each_others_place_are_found(made, tools, monkeypatch):
    """Mode 17, a fault of ours: each voxel is cleaned into its neighbour's column."""

    def clean(self, raw):
        cleaned, varies = right(self, raw)
        return np.roll(cleaned, 1, axis=1), varies

    right = RunPlan.clean
    monkeypatch.setattr(RunPlan, "clean", clean)
    _, failed = tools.examined(made.write(), only=["oracle"])
    assert set(failed) == {"planted-place"}
    assert {one.where for one in failed["planted-place"]} == {("sub-01",)}


def test_voxels_that_are_dead_everywhere_are_shown_and_fail_nothing(made, tools):
    """Columns outside of the brain are no fault of a run."""
    for values in made.Y.values():
        values[:, [1, 5, 9, 30]] = 0.0
    verdict, failed = tools.examined(made.write(), **QUICK)
    assert failed == {}
    (found,) = [one for one in verdict.findings if one.key == "dead-voxels"]
    assert found.status == "shown"
    assert "4 of 40 voxels never vary in any run" in found.found
