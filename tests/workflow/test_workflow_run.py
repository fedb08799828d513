"""Tests of a whole study: what it writes, and that it goes back to plain algebra."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from himalaya.ridge import GroupRidgeCV
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import PredefinedSplit

from brain2music import load_study, run
from brain2music.core.checks import InputError
from brain2music.core.ridge.candidates import structured_candidates
from brain2music.core.saved import read_rows
from brain2music.core.store import open_store
from brain2music.workflow.pipeline import redraw
from brain2music.workflow.result import Result


def saved(result, name, subject="01"):
    return np.load(result.out / f"models/sub-{subject}/{name}.npy")


def test_leaves_every_output_under_its_name(finished):
    _, result = finished
    for name in (
        "tables/roi_scores.csv",
        "tables/roi_differences.csv",
        "tables/voxel_scores.csv",
        "tables/truth.csv",
        "tables/ceilings.csv",
        "models/sub-01/weights.npy",
        "models/sub-02/predictions.npy",
        "models/sub-02/test_responses.npy",
        "models/sub-01/rows.csv",
        "models/sub-01/bands.json",
        "models/sub-01/valid.npy",
        "figures/roi_comparison.png",
        "figures/roi_comparison.pdf",
        "report/index.html",
        "about.json",
    ):
        assert (result.out / name).stat().st_size > 0, name


def test_text_of_figures_stays_text_and_each_says_where_its_numbers_are(finished):
    _, result = finished
    whole = (result.out / "figures/roi_comparison.pdf").read_bytes()
    assert b"/Type3" not in whole
    assert b"/FontFile2" in whole
    drawn = sorted((result.out / "figures").glob("*.png"))
    assert len(drawn) >= 4
    for path in drawn:
        about = json.loads(path.with_suffix(".json").read_text())
        assert about["figure"] == path.stem
        for table in about["numbers"]:
            assert (result.out / table).exists(), (path.stem, table)
        identity = json.loads((result.out / "tables/about.json").read_text())
        assert about["tables"] == identity["identity"]
    ((axes, bar),) = [
        json.loads(path.with_suffix(".json").read_text())["axes"]
        for path in drawn
        if path.stem == "density_sub-01"
    ]
    other = json.loads((result.out / "figures/density_sub-02.json").read_text())
    assert [axes["ends"], bar["ends"]] == [one["ends"] for one in other["axes"]]
    assert bar["ends"]["voxels per bin"][0] == 1


def test_tables_have_the_columns_that_others_lean_on(finished):
    _, result = finished
    assert list(result.roi_scores)[:9] == [
        *("subject", "roi", "model", "feature_space", "n_voxels"),
        *("r_mean", "r2_mean", "r_low", "r_high"),
    ]
    assert set(result.roi_scores["model"]) == {"alone", "joint", "part", "plain"}
    expected = ["subject", "roi", "a", "b", "r_diff", "low", "high"]
    expected += ["source_a", "source_b"]
    expected += ["n_voxels", "r_diff_se", "low_all", "high_all", "p", "p_all"]
    assert list(result.roi_differences) == expected
    expected = ["subject", "voxel", "model", "feature_space", "score", "value"]
    expected.append("source")
    assert list(result.voxel_scores) == expected
    assert list(result.truth)[:4] == ["subject", "roi", "planted", "recovered"]
    music = result.roi_scores["feature_space"] == "music"
    assert set(result.roi_scores.loc[music, "source"]) == {"made up"}


def test_the_planted_truth_comes_back(finished):
    _, result = finished
    assert_array_equal(result.truth["planted"], result.truth["recovered"])
    assert len(result.truth) == 6


def test_scores_are_those_of_the_saved_predictions(finished):
    _, result = finished
    Y, Y_hat = saved(result, "test_responses"), saved(result, "predictions")
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(Y.T, Y_hat.T, strict=True)]
    table = result.voxel_scores.query("subject == '01' and model == 'joint'")
    assert_allclose(table.loc[table["score"] == "r", "value"], r, rtol=1e-6)
    rois = result.roi_scores.query("subject == '01' and model == 'joint'")
    expected = [np.mean(r[:4]), np.mean(r[4:8]), np.mean(r[8:])]
    assert_allclose(rois["r_mean"], expected, rtol=1e-6)
    assert (rois["r_low"] < rois["r_mean"]).all()
    assert (rois["r_mean"] < rois["r_high"]).all()


def test_parts_and_offset_sum_to_the_joint_score(finished):
    _, result = finished
    for score in ("r", "r2"):
        table = result.voxel_scores[result.voxel_scores["score"] == score]
        parts = table.query("model == 'part'").groupby(["subject", "voxel"])["value"]
        joint = table.query("model == 'joint'").set_index(["subject", "voxel"])["value"]
        assert_allclose(parts.sum().reindex(joint.index), joint, atol=1e-7)


def test_weights_and_features_give_the_predictions(finished):
    _, result = finished
    X = np.load(result.out / "features/sub-01/X_test.npy")
    Y_hat = X @ saved(result, "weights") + saved(result, "intercept")
    assert_allclose(saved(result, "predictions"), Y_hat, atol=1e-10)
    bands = json.loads((result.out / "models/sub-01/bands.json").read_text())["bands"]
    parts = saved(result, "predictions_parts")
    for band, part in zip(bands, parts, strict=True):
        columns = slice(*band["columns"])
        assert_allclose(part, X[:, columns] @ saved(result, "weights")[columns])


def test_the_joint_model_is_himalayas_on_the_same_candidates(finished):
    study, result = finished
    X, X_test = (
        np.load(result.out / f"features/sub-01/X_{side}.npy")
        for side in ("train", "test")
    )
    Y = open_store(result.out / "responses/sub-01").train().astype(np.float64)
    rows = read_rows(result.out / "responses/sub-01/train_rows.csv")
    folds = pd.factorize(rows["run_name"])[0]
    candidates = structured_candidates(2, study.encoding.n_candidates, 0)
    inside = (candidates > 0).all(axis=1)
    assert inside.sum() >= 3
    model = GroupRidgeCV(
        groups=np.repeat([0, 1], [6, 6]),
        cv=PredefinedSplit(folds),
        fit_intercept=True,
        solver_params={
            "n_iter": candidates[inside],
            "alphas": np.array(study.encoding.alphas),
            "progress_bar": False,
        },
    ).fit(X, Y)
    # Voxels that dropped a band chose a candidate that himalaya cannot try.
    both = (saved(result, "band_weights") > 0).all(axis=0)
    # Others found a better penalty beyond the grid, where himalaya does not look.
    alphas = saved(result, "alphas")
    both &= (alphas >= min(study.encoding.alphas)) & (
        alphas <= max(study.encoding.alphas)
    )
    assert both.sum() >= 2
    assert_allclose(
        model.predict(X_test)[:, both], saved(result, "predictions")[:, both], rtol=1e-8
    )


def test_nothing_is_made_twice(finished):
    study, result = finished
    again = run(study, result.out)
    assert again.made == ()
    assert set(again.reused) == set(result.made)


def test_what_changed_is_made_again_and_what_leans_on_it(finished, tmp_path):
    study, result = finished
    shutil.copytree(result.out, tmp_path / "out")
    text = (study.folder / "study.toml").read_text()
    path = study.folder / "other.toml"
    path.write_text(text.replace("alphas = [0.1, 1,", "alphas = [0.5, 1,"))
    again = run(load_study(path), tmp_path / "out", stage="tables")
    steps = [
        f"{step}/sub-{one}" for step in ("models", "subsets") for one in ("01", "02")
    ]
    assert set(again.made) == {*steps, "tables"}


def test_a_result_that_was_touched_is_made_again_as_it_was(finished, tmp_path):
    study, result = finished
    shutil.copytree(result.out, tmp_path / "out")
    table = tmp_path / "out/tables/roi_scores.csv"
    before = table.read_bytes()
    table.write_bytes(before[:100])
    assert run(study, tmp_path / "out").made[0] == "tables"
    assert table.read_bytes() == before


def test_the_number_of_threads_and_batches_change_no_score(finished, tmp_path):
    study, result = finished
    text = (study.folder / "study.toml").read_text()
    path = study.folder / "batches.toml"
    path.write_text(text + "\n[machine]\nthreads = 2\nvoxels_per_batch = 5\n")
    again = run(load_study(path), tmp_path / "out", stage="tables")
    columns = ["r_mean", "r2_mean", "r_low", "r_high"]
    assert_allclose(
        again.roi_scores[columns], result.roi_scores[columns], rtol=1e-7, atol=1e-9
    )


@pytest.mark.parametrize("road", ["tables", "images"])
def test_every_road_gives_the_same_scores(finished, tmp_path, road, write_study):
    _, result = finished
    path = write_study(tmp_path / "data", road=road)
    other = run(load_study(path), tmp_path / "out", stage="tables")
    assert_allclose(
        other.voxel_scores["value"], result.voxel_scores["value"], atol=1e-5
    )


def test_the_order_of_runs_in_a_file_changes_nothing(finished, tmp_path, write_study):
    _, result = finished
    names = [("Test", run) for run in ("1", "2")] + [
        ("Training", run) for run in ("1", "2", "10")
    ]
    shuffled = [names[k] for k in (3, 0, 4, 1, 2)]
    path = write_study(tmp_path / "data", runs=shuffled)
    other = run(load_study(path), tmp_path / "out", stage="tables")
    assert_allclose(
        other.voxel_scores["value"], result.voxel_scores["value"], atol=1e-9
    )


def test_repeats_of_test_clips_are_averaged_and_counted(finished):
    _, result = finished
    rows = read_rows(result.out / "models/sub-01/rows.csv")
    assert set(rows["n_repeats"]) == {2}
    assert len(rows) == saved(result, "predictions").shape[0] == 2 * 3 * 8
    repeats = open_store(result.out / "responses/sub-01").repeats()
    table = read_rows(result.out / "responses/sub-01/repeat_rows.csv")
    for row in (0, 17, 47):
        mean = repeats[table["row"] == row].mean(axis=0)
        assert_allclose(saved(result, "test_responses")[row], mean, rtol=1e-6)


def test_repeats_can_be_kept(study_file, tmp_path):
    text = study_file.read_text()
    study_file.write_text(text.replace("lead_in_s", 'repeats = "keep"\nlead_in_s'))
    result = run(load_study(study_file), tmp_path / "out", stage="encoding")
    assert saved(result, "predictions").shape[0] == 2 * 6 * 8


def test_the_lead_in_feeds_the_delays_and_is_not_scored(
    finished, tmp_path, write_study
):
    _, result = finished
    rows = read_rows(result.out / "responses/sub-01/train_rows.csv")
    assert rows["sample"].min() == 8
    assert not any("delay history" in note for note in result.notes)
    path = write_study(tmp_path / "data")
    path.write_text(path.read_text().replace("lead_in_s = 12", "lead_in_s = 0"))
    notes = run(load_study(path), tmp_path / "out", stage="features").notes
    assert any("10 rows at run starts have no whole delay" in note for note in notes)


def test_rows_without_a_whole_history_can_be_dropped(study_file, tmp_path):
    text = study_file.read_text().replace("lead_in_s = 12", "lead_in_s = 0")
    study_file.write_text(
        text.replace("[encoding]", '[encoding]\nincomplete_rows = "drop"')
    )
    result = run(load_study(study_file), tmp_path / "out", stage="encoding")
    rows = read_rows(result.out / "responses/sub-01/train_rows.csv")
    assert rows.groupby("run_name")["sample"].min().tolist() == [2, 2, 2]
    assert any("10 rows without a whole delay" in note for note in result.notes)


def test_test_rows_change_nothing_in_training(finished, tmp_path, write_study):
    _, result = finished
    path = write_study(tmp_path / "data")
    file = tmp_path / "data/npy/sub-01.npy"
    Y = np.load(file)
    Y[-30:] *= -50  # the last test run
    np.save(file, Y)
    features = tmp_path / "data/features/music.npz"
    with np.load(features) as old:
        arrays = dict(old)
    arrays["features"][-3:] += 1000  # its clips
    np.savez(features, **arrays)
    other = run(load_study(path), tmp_path / "out", stage="encoding")
    for name in ("weights", "intercept", "band_weights", "alphas", "cv_scores"):
        assert_array_equal(saved(other, name), saved(result, name))


def test_a_voxel_that_never_varies_is_left_out_and_counted(study_file, tmp_path):
    file = study_file.parent / "npy/sub-02.npy"
    Y = np.load(file)
    Y[:60, 5] = 7.0  # all of the first run
    np.save(file, Y)
    result = run(load_study(study_file), tmp_path / "out")
    assert saved(result, "valid", "02").tolist() == [True] * 5 + [False] + [True] * 6
    assert np.isnan(saved(result, "weights", "02")[:, 5]).all()
    assert any("1 of 12 voxels never vary" in note for note in result.notes)
    whole = result.roi_scores.query("model == 'joint'").set_index("subject")
    assert whole["n_voxels"].tolist() == [12, 11]


def test_a_study_without_regions_scores_all_voxels(study_file, tmp_path):
    result = run(load_study(study_file), tmp_path / "out", stage="tables")
    assert set(result.roi_scores["roi"]) == {"all voxels"}
    with pytest.raises(InputError, match=r"no table 'truth'"):
        result.truth.head()


def test_one_subject_and_one_stage_can_be_asked_for(study_file, tmp_path):
    study = load_study(study_file)
    result = run(study, tmp_path / "out", subjects=["02"], stage="features")
    assert result.made == ("responses/sub-02", "features/sub-02")
    with pytest.raises(InputError, match=r"subject must be '01' or '02', got '2'"):
        run(study, tmp_path / "out", subjects=["2"])
    with pytest.raises(InputError, match=r"Did you mean 'features'"):
        run(study, tmp_path / "out", stage="feature")


def test_labels_have_no_map_and_single_clips_no_ceiling(tmp_path, write_study):
    path = write_study(tmp_path / "data", road="tables")
    text = path.read_text().replace(
        "[analysis]", "[rois]\neach_label = true\n\n[analysis]"
    )
    text = text.replace(
        'test = { task = "Test" }', 'test = { task = "Training", run = "10" }'
    )
    text = text.replace(
        'train = { task = "Training" }',
        'train = { task = "Training", run = ["1", "2"] }',
    )
    path.write_text(text)
    result = run(load_study(path), tmp_path / "out")
    notes = "\n".join(result.notes)
    assert "no map: these labels have no position" in notes
    assert "no ceiling: no repeats" in notes
    assert not list((result.out / "figures").glob("flatmap*"))
    assert len(result.roi_scores.query("model == 'joint'")) == 2 * 12


def test_the_page_is_drawn_again_from_what_is_saved(finished, tmp_path):
    _, result = finished
    shutil.copytree(result.out, tmp_path / "out")
    shutil.rmtree(tmp_path / "out/figures")
    shutil.rmtree(tmp_path / "out/report")
    again = redraw(tmp_path / "out")
    assert again.made == ("figures", "report")
    figures = sorted(path.name for path in (tmp_path / "out/figures").iterdir())
    assert figures == sorted(path.name for path in (result.out / "figures").iterdir())
    with pytest.raises(InputError, match=r"holds no results of a study"):
        redraw(tmp_path)


def test_a_result_shows_itself_in_a_notebook_with_text_escaped(finished, tmp_path):
    result = Result(finished[1].out)
    page = result._repr_html_()
    assert result.report.as_uri() in page
    assert f"{len(result.notes)} notes" in page
    assert "r_mean" in page
    assert str(result.roi_scores["feature_space"].iloc[0]) in page
    empty = Result(tmp_path / "<b>x")
    assert "<b>" not in empty._repr_html_()
    assert "table" not in empty._repr_html_()


def test_any_table_is_read_by_its_name(finished):
    result = Result(finished[1].out)
    assert len(result.table("roi_scores")) == len(result.roi_scores)
    with pytest.raises(InputError, match="has no table 'rio_scores'"):
        result.table("rio_scores")
