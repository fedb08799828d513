"""Tests of a run's maps and regions, in the space that the responses came from."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from brain2music import load_study, run
from brain2music.core.checks import InputError, MissingFileError
from brain2music.core.saved import load_model
from brain2music.data.maps import read_map
from brain2music.data.surfaces import mesh_space
from brain2music.figures.cortex import add_s1, has_pycortex, open_cortex
from brain2music.workflow.overlays import rois_from_overlays, with_cuts

SPACES = {"volume": "MNI152NLin2009cAsym", "surface": "fsnative", "cifti": "fsLR"}
ENDINGS = {"volume": "nii.gz", "surface": "shape.gii", "cifti": "dscalar.nii"}


@pytest.fixture
def scans(tmp_path, write_study, write_fmriprep):
    """Return a function that writes the small study as fMRIPrep's outputs."""

    def write(kind, *, rois=""):
        return write_fmriprep(write_study(tmp_path / kind, rois=rois), kind)[0]

    return write


@pytest.mark.parametrize("kind", SPACES)
def test_every_score_and_weight_becomes_a_map_of_its_values(scans, tmp_path, kind):
    result = run(load_study(scans(kind)), tmp_path / "out", stage="figures")
    folder = result.out / "maps"
    model = load_model(result.out / "models/sub-01")
    about = json.loads((folder / "dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative"
    assert about["GeneratedBy"][0]["Name"] == "brain2music"
    stems = set()
    for sidecar in (folder / "sub-01/func").glob("*.json"):
        facts = json.loads(sidecar.read_text())
        assert facts["Space"] == SPACES[kind]
        assert facts["NumberOfVoxelsFitted"] == 12
        stems.add(sidecar.stem.replace("hemi-R", "hemi-L"))
    table = result.voxel_scores.query("subject == '01'")
    n_scores = len(table.groupby(["model", "feature_space", "score"]))
    n_weights = 2 + 3 + 3  # a norm for each band, and its three features
    # p and q of 3 models; r2 and q of what is added, both ways; 3 regions; best space;
    # explainable variance, largest r, and r over it.
    n_statistics = 3 * 2 + 2 * 2 + 3 + 2 + 3
    assert len(stems) == n_scores + n_weights + n_statistics
    tested = pd.read_csv(
        result.out / "tables/voxel_significance.csv",
        dtype={"subject": str, "voxel": str},
    ).query("subject == '01' and model == 'alone' and feature_space == 'genre'")
    for stat, column in (("p", "p"), ("q", "q_bh")):
        found = read_map(paths_of(folder, kind, stat, "aloneGenre"), model.space)
        expected = tested.set_index("voxel")[column].reindex(list(model.space.ids))
        assert_array_equal(found, expected.to_numpy(np.float32))
    for (name, space, score), rows in table.groupby(
        ["model", "feature_space", "score"]
    ):
        found = read_map(
            paths_of(folder, kind, score, f"{name}{space.title()}"), model.space
        )
        assert_array_equal(found, rows["value"].to_numpy(np.float32))
    weights = np.asarray(model.array("weights"))
    norm = np.sqrt((weights[:6] ** 2).sum(axis=0)).astype("f4")
    found = read_map(paths_of(folder, kind, "norm", "weightsMusic"), model.space)
    assert_array_equal(found, norm)
    mean = weights[[1, 4]].mean(axis=0).astype("f4")  # of feature 1 at two delays
    found = read_map(paths_of(folder, kind, "mean", "weightsMusic1"), model.space)
    np.testing.assert_allclose(found, mean, rtol=1e-6)


def paths_of(folder, kind, stat, desc):
    paths = sorted(
        (folder / "sub-01/func").glob(f"*stat-{stat}_desc-{desc}_*.{ENDINGS[kind]}")
    )
    assert len(paths) == (2 if kind == "surface" else 1)
    return paths


def test_maps_are_made_once_and_labels_have_none(scans, tmp_path, write_study):
    study = load_study(scans("cifti"))
    first = run(study, tmp_path / "out", stage="figures")
    assert "maps" in first.made
    assert "maps" in run(study, tmp_path / "out", stage="figures").reused
    path = write_study(tmp_path / "labels", road="tables")
    result = run(load_study(path), tmp_path / "none", stage="figures")
    assert any("no map files: these labels" in note for note in result.notes)
    assert not list((result.out / "maps").glob("sub-*"))


def test_regions_of_a_cifti_atlas_have_their_sizes_in_a_table(
    scans, tmp_path, brain_models
):
    path = scans("cifti", rois='[rois]\natlas = "hcp.dlabel.nii"\nkeep = ["A1", "V1"]')
    table = {0: ("???", (0, 0, 0, 0)), 180: ("A1", (1, 0, 0, 1))}
    table |= {3: ("V1", (0, 1, 0, 1)), 4: ("M1", (0, 0, 1, 1))}
    values = np.array([180] * 4 + [3] * 3 + [4] * 5, "f4")
    axes = (nib.cifti2.LabelAxis(["hcp"], [table]), brain_models)
    nib.save(nib.Cifti2Image(values[None], axes), path.parent / "hcp.dlabel.nii")
    result = run(load_study(path), tmp_path / "out", stage="tables")
    sizes = pd.read_csv(result.out / "tables/roi_sizes.csv", dtype={"subject": str})
    expected = [("01", "A1", 4, 4), ("01", "V1", 3, 3)]
    assert list(sizes[sizes["subject"] == "01"].itertuples(index=False, name=None)) == (
        expected
    )
    joint = result.roi_scores.query("model == 'joint' and subject == '01'")
    assert joint["n_voxels"].tolist() == [4, 3]
    # Another atlas under the same name makes the tables again.
    nib.save(nib.Cifti2Image(values[None, ::-1], axes), path.parent / "hcp.dlabel.nii")
    assert run(load_study(path), tmp_path / "out", stage="tables").made == ("tables",)


def test_regions_of_label_files_are_checked_against_the_mesh(scans, tmp_path):
    path = scans(
        "surface",
        rois='[rois]\nleft = "L.label.gii"\nright = "R.label.gii"\nmesh = "fsnative"',
    )
    for side, n in (("L", 8), ("R", 6)):
        values = np.arange(n, dtype="i4") % 3
        table = nib.gifti.GiftiLabelTable()
        for key, name in {2: "belt", 0: "???", 1: "core"}.items():
            label = nib.gifti.GiftiLabel(key)
            label.label = name
            table.labels.append(label)
        array = nib.gifti.GiftiDataArray(values, "NIFTI_INTENT_LABEL")
        image = nib.GiftiImage(darrays=[array], labeltable=table)
        nib.save(image, path.parent / f"{side}.label.gii")
    result = run(load_study(path), tmp_path / "out", stage="tables")
    sizes = pd.read_csv(result.out / "tables/roi_sizes.csv").query("subject == 1")
    assert dict(zip(sizes["roi"], sizes["n_voxels"], strict=True)) == {
        "left core": 3,
        "left belt": 2,
        "right core": 2,
        "right belt": 2,
    }
    assert dict(zip(sizes["roi"], sizes["n_fitted"], strict=True))["right belt"] == 1
    path.write_text(path.read_text().replace('mesh = "fsnative"', 'mesh = "fsaverage"'))
    with pytest.raises(InputError, match="of the mesh 'fsaverage', the responses of"):
        run(load_study(path), tmp_path / "other", stage="responses")


def test_vertices_at_the_cuts_are_taken_in_with_their_neighbours():
    faces = np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]])
    on_map = np.array([True, True, True, False, True])
    mask = np.array([False, True, False, False, False])
    grown, n_added = with_cuts(mask, on_map, faces)
    assert grown.tolist() == [False, True, False, True, False]
    assert n_added == 1


def test_the_medial_wall_is_not_taken_for_a_cut():
    faces = np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]])
    on_map = np.array([True, True, True, False, False, False])  # 5 lies inside the wall
    mask = np.array([False, True, True, False, False, False])
    grown, n_added = with_cuts(mask, on_map, faces)
    assert n_added == 0
    assert grown.tolist() == mask.tolist()


def test_a_wide_spot_of_a_cut_is_no_medial_wall():
    strip = np.arange(1003)
    faces = np.column_stack([strip[:-2], strip[1:-1], strip[2:]])
    on_map = np.ones(1003, bool)
    on_map[500:505] = False  # 502 is next to nothing on the map
    mask = np.zeros(1003, bool)
    mask[490:500] = True
    grown, n_added = with_cuts(mask, on_map, faces)
    assert n_added == 2
    assert grown[490:502].all()
    on_map[505:520] = False
    assert with_cuts(mask, on_map, faces)[1] == 0


def test_overlays_need_their_drawing_and_their_mesh(tmp_path):
    space = mesh_space("S1", [152893, 151487])
    with pytest.raises(MissingFileError, match=r"no overlays\.svg in"):
        rois_from_overlays(tmp_path / "S1", space)


@pytest.mark.slow
def test_drawn_regions_are_those_of_pycortex(tmp_path):
    if not has_pycortex():
        pytest.skip("pycortex is not installed")
    with open_cortex(tmp_path / "db") as cortex:
        add_s1(cortex)
        expected = cortex.utils.get_roi_verts("S1", roi=["AC", "V1"], mask=True)
        flat = cortex.db.get_surf("S1", "flat", merge=True)[1]
        faces = cortex.db.get_surf("S1", "wm", merge=True)[1]
    edges = np.vstack([faces[:, :2], faces[:, 1:]])
    edges = edges[~np.isin(edges, flat).any(axis=1)]  # between vertices off the map
    n_vertices = int(faces.max()) + 1
    graph = coo_array((np.ones(len(edges)), edges.T), shape=(n_vertices, n_vertices))
    labels = connected_components(graph, directed=False)[1]
    wall = np.bincount(labels)[labels] > 5000  # a cut has at most 52
    before = (tmp_path / "db/S1/overlays.svg").read_bytes()
    space = mesh_space("S1", [152893, 151487])
    rois, notes = rois_from_overlays(tmp_path / "db/S1", space)
    for name, mask in expected.items():
        assert mask.sum() > 100
        assert not (rois[name] & ~mask).any()
        # pycortex takes in the rim of the medial wall as well
        more = np.flatnonzero(mask & ~rois[name])
        assert len(more) <= {"AC": 6, "V1": 0}[name]
        assert wall[more].all()
    assert any("at the flatmap's cuts were taken in" in note for note in notes)
    assert (tmp_path / "db/S1/overlays.svg").read_bytes() == before
    with pytest.raises(InputError, match=r"S1 has \[152893, 151487\] vertices"):
        rois_from_overlays(tmp_path / "db/S1", mesh_space("S1", [151487, 152893]))
    with pytest.raises(InputError, match="overlays are of S1, the responses of the"):
        rois_from_overlays(tmp_path / "db/S1", mesh_space("S2", [152893, 151487]))
    swapped = mesh_space("fsnative", [152893, 151487], ("another", "mesh"))
    with pytest.raises(InputError, match="left hemisphere of S1 has other faces"):
        rois_from_overlays(tmp_path / "db/S1", swapped)
