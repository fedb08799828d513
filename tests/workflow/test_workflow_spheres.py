"""Tests of maps that are turned on spheres, and of subjects on one template."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from nibabel.freesurfer import write_geometry
from numpy.testing import assert_allclose

from brain2music.analysis.spin import spin_test
from brain2music.core.checks import InputError
from brain2music.core.types import Space
from brain2music.data.surfaces import mesh_space
from brain2music.study_analysis import Analysis
from brain2music.workflow.scored import Scored
from brain2music.workflow.spheres import (
    on_template,
    sphere_files,
    spheres_of,
    spin_tables,
    template_spheres,
)

PATTERNS = ("sub-{subject}/lh.sphere.reg", "sub-{subject}/rh.sphere.reg")


def study_of(root, **options):
    return SimpleNamespace(root=root, analysis=Analysis(**options))


def cut(space, index):
    ids = tuple(map(str, index))
    return Space(space.kind, space.name, ids, index, space.shape, parts=space.parts)


@pytest.fixture
def native(tmp_path, rng):
    """Write a subject's spheres: the template's, in another order, and its space."""
    orders = []
    (tmp_path / "sub-01").mkdir()
    for name, points in zip(PATTERNS, template_spheres(), strict=True):
        order = rng.permutation(len(points))
        path = tmp_path / name.format(subject="01")
        faces = np.array([[0, 1, 2]])
        write_geometry(path, points[order].astype("f4"), faces)
        orders.append(order)
    sizes = [len(order) for order in orders]
    return mesh_space("fsnative", sizes), np.r_[orders[0], sizes[0] + orders[1]]


def test_each_vertex_of_the_template_takes_its_own_vertex(tmp_path, native, rng):
    space, order = native
    study = study_of(tmp_path, spheres=PATTERNS)
    (tmp_path / "sub-02").symlink_to(tmp_path / "sub-01")
    template = rng.standard_normal(len(order))
    maps = {"01": template[order], "02": -template[order] + 1}
    table = on_template(study, maps, {"01": space, "02": space})
    assert_allclose(table["sub-01"], template)
    assert_allclose(table["mean"], 0.5, atol=1e-9)
    assert (table["n_subjects"] == 2).all()
    assert sphere_files(study, ["01"]) == [
        "sub-01/lh.sphere.reg",
        "sub-01/rh.sphere.reg",
    ]


def test_columns_are_some_of_the_vertices(tmp_path, native):
    space, order = native
    index = np.array([20_000, 3, 17])
    spheres = spheres_of(study_of(tmp_path, spheres=PATTERNS), cut(space, index), "01")
    assert spheres.is_left.tolist() == [False, True, True]
    whole = np.concatenate(template_spheres())
    assert_allclose(spheres.points, whole[order[index]], atol=1e-4)


def test_spheres_that_do_not_fit_are_refused(tmp_path, native):
    study = study_of(tmp_path, spheres=PATTERNS)
    with pytest.raises(
        InputError, match="has 10242 vertices, the responses of sub-01 8"
    ):
        spheres_of(study, mesh_space("fsnative", [8, 6]), "01")
    path = tmp_path / "sub-01/lh.sphere.reg"
    points = np.random.default_rng(0).standard_normal((10_242, 3)).astype("f4")
    write_geometry(path, points, np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="is no sphere"):
        spheres_of(study, native[0], "01")
    path.write_bytes(b"xx")
    with pytest.raises(InputError, match="no FreeSurfer surface"):
        spheres_of(study, native[0], "01")


def test_gifti_spheres_are_read_too(tmp_path, native):
    space, _ = native
    patterns = ("lh.surf.gii", "rh.surf.gii")
    for name, points in zip(patterns, template_spheres(), strict=True):
        arrays = [
            nib.gifti.GiftiDataArray(points.astype("f4"), "NIFTI_INTENT_POINTSET"),
            nib.gifti.GiftiDataArray(
                np.array([[0, 1, 2]], "i4"), "NIFTI_INTENT_TRIANGLE"
            ),
        ]
        nib.save(nib.GiftiImage(darrays=arrays), tmp_path / name)
    spheres = spheres_of(study_of(tmp_path, spheres=patterns), space, "01")
    assert_allclose(spheres.points, np.concatenate(template_spheres()), atol=1e-4)


def scored_of(names, ids):
    predictions = {("alone", name): np.zeros((2, len(ids))) for name in names}
    empty = dict.fromkeys(
        ("Y", "intercept", "rows", "moved", "blocks", "memory", "rois")
    )
    return Scored(
        subject="01",
        predictions=predictions,
        voxels=np.array(ids),
        train_runs=(),
        test_runs=(),
        sources={name: f"made of {name}" for name in names},
        whole_rois={},
        cv_scores=np.zeros(len(ids)),
        **empty,
    )


def test_like_maps_are_told_from_maps_that_are_only_smooth(tmp_path):
    pytest.importorskip("brainspace")
    rng = np.random.default_rng(1)
    space = mesh_space("fsaverage5", [10_242, 10_242])
    whole = np.concatenate(template_spheres()) / 100
    index = np.flatnonzero(np.abs(whole[:, 0]) > 0.1)  # without a medial wall
    space = cut(space, index)
    points = whole[index]

    def smooth():
        centres = rng.standard_normal((6, 3))
        return np.exp(3 * points @ (centres / np.linalg.norm(centres)).T).sum(axis=1)

    a = smooth()
    scores = {
        ("alone", "a"): {"r": a},
        ("alone", "b"): {"r": a + 0.1 * a.std() * rng.standard_normal(len(a))},
        ("alone", "c"): {"r": smooth()},
    }
    scored = scored_of("abc", space.ids)
    found = spin_tables(study_of(tmp_path, n_spins=39), scored, space, scores)
    table = found.tables["map_correlations"].set_index(["a", "b"])
    assert table.loc[("a", "b"), "p_spin"] == 1 / 40
    assert table.loc[("a", "c"), "p_spin"] > 0.05
    expected = np.corrcoef(a, scores["alone", "c"]["r"])[0, 1]
    assert_allclose(table.loc[("a", "c"), "r_of_maps"], expected)
    assert set(table["source_a"]) == {"made of a", "made of b"}
    assert (table["n_vertices"] == len(index)).all()
    assert set(table["n_spins"]) == {39}
    # What is turned in from outside the columns is left out, and not an edge's value.
    sides = np.full((2, len(whole)), np.nan)
    sides[:, index] = a, scores["alone", "c"]["r"]
    left = np.arange(len(whole)) < 10_242
    test = spin_test(*sides, whole, is_left=left, n_spins=39, seed=0)
    assert table.loc[("a", "c"), "p_spin"] == test.p


def test_maps_of_a_small_patch_are_not_turned(tmp_path):
    pytest.importorskip("brainspace")
    rng = np.random.default_rng(1)
    whole = np.concatenate(template_spheres()) / 100
    index = np.flatnonzero(whole[:, 2] > 0.85)
    space = cut(mesh_space("fsaverage5", [10_242, 10_242]), index)
    scores = {("alone", n): {"r": rng.standard_normal(len(index))} for n in "ab"}
    scored = scored_of("ab", space.ids)
    found = spin_tables(study_of(tmp_path, n_spins=39), scored, space, scores)
    assert found.tables == {}
    (note,) = found.notes
    assert note.startswith("maps are not compared by turning (a and b): the maps are")
    assert "of 39 turns leave a quarter of these" in note


def test_nothing_is_turned_where_spheres_are_not_known(tmp_path):
    labels = Space("labels", "x", ("1", "2"))
    study = study_of(tmp_path)
    assert spheres_of(study, labels, "01") is None
    assert spheres_of(study, mesh_space("fsnative", [8, 6]), "01") is None
    found = spin_tables(study, scored_of("ab", ("1", "2")), labels, {})
    assert found.tables == {}
    assert on_template(study, {"01": np.zeros(2), "02": np.zeros(2)}, {}) is None
