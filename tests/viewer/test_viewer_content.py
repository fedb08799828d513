"""Tests that what the viewer shows is what the tables and models hold."""

import json

import numpy as np
import pandas as pd
import pytest
from nilearn import datasets
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.core.saved import save_space
from brain2music.core.types import Space
from brain2music.viewer.content import study_content
from brain2music.viewer.packed import read_packed
from brain2music.workflow.result import saved_study

CLIPS = ["blues.00001", "jazz.00002", "rock.00003", "pop.00004", "folk.00005"]


@pytest.fixture(scope="module")
def content(made):
    return study_content(*saved_study_of(made.out))


def saved_study_of(out):
    study, subjects = saved_study(out)
    return study, out, subjects


@pytest.fixture(scope="module")
def read(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("content")
    for name, file in content.files.items():
        (folder / name).write_bytes(file.content)
    return lambda place: read_packed(folder, place)


def subject_of(content, name):
    (found,) = [one for one in content.index["subjects"] if one["name"] == name]
    return found


@pytest.mark.parametrize("subject", ["01", "02"])
def test_every_score_is_that_of_the_table(made, content, read, subject):
    about = subject_of(content, subject)
    assert_array_equal(read(about["vertices"]), made.index[subject])
    seen = 0
    for one in about["maps"]:
        if one["model"] == "ceiling" or one["kind"] == "q":
            continue
        table = made.tables["voxel_scores"]
        keys = {"subject": subject, "model": one["model"], "score": one["kind"]}
        keys["feature_space"] = one["band"]
        kept = np.logical_and.reduce([table[k] == v for k, v in keys.items()])
        assert_allclose(read(one["values"]), table.loc[kept, "value"], rtol=1e-6)
        seen += 1
    assert seen == 12


@pytest.mark.parametrize("subject", ["01", "02"])
def test_q_and_ceilings_are_those_of_the_tables_by_the_name_of_the_voxel(
    made, content, read, subject
):
    about = subject_of(content, subject)
    valid = made.models[subject]["valid"]
    for one in about["maps"]:
        values = read(one["values"])
        if one["kind"] == "q":
            table = made.tables["voxel_significance"]
            keys = {"subject": subject, "model": one["model"]}
            keys["feature_space"] = one["band"]
            kept = np.logical_and.reduce([table[k] == v for k, v in keys.items()])
            assert_allclose(values, table.loc[kept, "q_bh"], rtol=1e-6)
        if one["model"] == "ceiling":
            table = made.tables["voxel_ceilings"]
            expected = table.loc[table["subject"] == subject, one["kind"]]
            assert_allclose(values[valid], expected, rtol=1e-6)
            assert np.isnan(values[~valid]).all()
    assert {"q", "largest_r"} <= {one["kind"] for one in about["maps"]}


def test_the_course_over_delays_is_the_norm_of_the_saved_weights(made, content, read):
    weights = made.models["01"]["weights"].astype(np.float32)
    mel, genre = subject_of(content, "01")["delays"]
    assert (mel["band"], mel["delays"]) == ("mel", [2, 3, 4])
    by_hand = np.linalg.norm(weights[:6].reshape(3, 2, -1), axis=1)
    assert_allclose(read(mel["values"]), by_hand, rtol=2e-3)
    assert_allclose(read(genre["values"]), np.abs(weights[6:]), rtol=2e-3, atol=1e-4)


def test_clips_are_those_of_the_models_own_predictions(made, content, read):
    about, model = subject_of(content, "01"), made.models["01"]
    assert sorted(about["clips"]) == sorted(CLIPS)
    arrays = {
        ("joint", "all"): model["predictions"],
        ("alone", "mel"): model["predictions_alone"][0],
        ("alone", "genre"): model["predictions_alone"][1],
    }
    for one in about["extremes"]:
        predictions = arrays.pop((one["model"], one["band"]))
        names = about["clips"]
        means = [predictions[model["clips"] == name].mean(axis=0) for name in names]
        valid = model["valid"]
        strongest = np.argmax(means, axis=0)
        assert_array_equal(read(one["which"])[0, valid], strongest[valid])
        weakest = np.min(means, axis=0)
        assert_allclose(read(one["values"])[2, valid], weakest[valid], atol=2e-3)
        assert np.isnan(read(one["values"])[:, ~valid]).all()
    assert not arrays


def test_the_mesh_is_that_of_nilearn(content, read):
    about = content.index["meshes"]["fsaverage5"]
    meshes = datasets.load_fsaverage("fsaverage5")
    right = meshes["inflated"].parts["right"]
    n_left = about["n_left"]
    assert_allclose(read(about["inflated"])[n_left:], right.coordinates, atol=1e-4)
    assert_array_equal(read(about["faces"])[-len(right.faces) :] - n_left, right.faces)
    flat = read(about["flat"])
    used = np.unique(read(about["flat_faces"]))
    assert (flat[used[used < n_left], 0] < 0).all()
    assert (flat[used[used >= n_left], 0] > 0).all()


def test_columns_that_are_not_named_by_their_vertex_keep_their_names(copied):
    study, out, subjects = saved_study_of(copied)
    folder = out / "models/sub-01"
    index = np.array(json.loads((folder / "space.json").read_text())["index"])
    ids = tuple(f"v{k}" for k in index)
    save_space(folder, Space("surface", "fsaverage5", ids, index, (20484,)))
    content = study_content(study, out, subjects)
    assert subject_of(content, "01")["ids"][:1] == [f"v{index[0]}"]
    assert subject_of(content, "02")["ids"] == []


def as_labels(folder):
    ids = json.loads((folder / "space.json").read_text())["ids"]
    save_space(folder, Space("labels", "parcels", tuple(ids)))


def test_parcels_by_label_are_refused_and_no_cortex_is_made_up(copied):
    for subject in ("01", "02"):
        as_labels(copied / f"models/sub-{subject}")
    with pytest.raises(InputError, match=r"without a place.*none is made up"):
        study_content(*saved_study_of(copied))


def test_a_subject_that_lies_on_no_cortex_is_named_and_the_others_are_shown(copied):
    as_labels(copied / "models/sub-02")
    content = study_content(*saved_study_of(copied))
    assert [one["name"] for one in content.index["subjects"]] == ["01"]
    assert content.notes == ["sub-02: no map: these labels have no position."]


def test_other_surfaces_are_refused_by_their_name(copied):
    for subject in ("01", "02"):
        folder = copied / f"models/sub-{subject}"
        ids = tuple(json.loads((folder / "space.json").read_text())["ids"])
        index = np.arange(len(ids))
        save_space(folder, Space("surface", "fsnative", ids, index, (900,)))
    with pytest.raises(InputError, match=r"'fsnative' is not known here.*tables/"):
        study_content(*saved_study_of(copied))


def test_a_study_without_repeats_significance_or_clips_is_shown(copied):
    for name in ("voxel_ceilings", "voxel_significance"):
        (copied / f"tables/{name}.csv").unlink()
    for subject in ("01", "02"):
        path = copied / f"models/sub-{subject}/rows.csv"
        rows = pd.read_csv(path, dtype=str)
        rows.assign(clip="").to_csv(path, index=False)
    content = study_content(*saved_study_of(copied))
    kinds = {one["kind"] for one in subject_of(content, "01")["maps"]}
    assert kinds == {"r", "r2"}
    assert subject_of(content, "01")["extremes"] == []
    assert content.clips == []


def test_results_without_scores_are_refused(copied):
    (copied / "tables/voxel_scores.csv").unlink()
    with pytest.raises(InputError, match="Run the study up to its tables"):
        study_content(*saved_study_of(copied))
