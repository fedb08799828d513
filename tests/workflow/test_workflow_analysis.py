"""Tests of what a run says of its scores: chance, ceilings, partition, comparisons."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter

from brain2music import load_study, run
from brain2music.analysis.added import Question, what_is_added
from brain2music.analysis.autocorrelation import (
    Memory,
    block_length,
    cut_runs,
    memory_of,
)
from brain2music.analysis.bootstrap import block_of_clip, block_of_row
from brain2music.analysis.moves import (
    moved_rows,
    permute_blocks,
    shift_runs,
    whole_runs,
)
from brain2music.analysis.multiple import false_discovery_q
from brain2music.analysis.permutations import permutation_test
from brain2music.analysis.summaries import best_tenths, bootstrap_summaries
from brain2music.core.checks import InputError
from brain2music.core.saved import load_model
from brain2music.core.stats import correlation, r2_score
from brain2music.core.store import open_store
from brain2music.core.types import Part, Space
from brain2music.study_analysis import Analysis
from brain2music.workflow import tested_tables as tested
from brain2music.workflow.roi_tables import both_sides, sides_of
from brain2music.workflow.scored import Scored
from brain2music.workflow.subsets import read_subsets
from brain2music.workflow.tables import read_table

MUSIC, GENRE, NOISE = range(4), range(4, 8), range(8, 12)


def table(result, name):
    found = read_table(result.out / "tables", name)
    assert found is not None, name
    return found


def there(result):
    return {path.stem for path in (result.out / "tables").glob("*.csv")}


def edited(path, *pairs):
    """Return a study whose file is changed: each (old, new) must be found."""
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return load_study(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, write_study):
    """Return the small study with a partition, a stack and a gradient, and its run."""
    folder = tmp_path_factory.mktemp("whole")
    masks = {"music": MUSIC, "genre": GENRE, "noise": NOISE}
    path = write_study(folder / "data", clip_samples=12)
    arrays = {n: np.isin(np.arange(12), list(v)) for n, v in masks.items()}
    np.savez(folder / "data/rois.npz", **arrays)
    study = edited(
        path,
        ("[analysis]", '[rois]\nmasks = "rois.npz"\n\n[analysis]\npartition = true'),
        ("n_permutations = 200", "n_permutations = 999"),
        (
            "n_resamples",
            'low = ["music"]\nhigh = ["genre"]\n'
            'hierarchy = [["music"], ["genre"]]\nn_resamples',
        ),
    )
    return study, run(study, folder / "out")


def inputs(result, subject="01"):
    """Return test responses, and a function that reads predictions."""
    model = load_model(result.out / f"models/sub-{subject}")
    return np.asarray(model.array("test_responses")), model


def scored_by_joint(result):
    """Return test responses and the joint model's predictions of them."""
    Y, model = inputs(result)
    return Y, np.asarray(model.array("predictions"))


def test_p_is_that_of_runs_turned_against_each_other(whole):
    _, result = whole
    Y, model = inputs(result)
    moves = shift_runs(model.rows["run_name"], n_permutations=999, seed=0)
    expected = permutation_test(Y, np.asarray(model.array("predictions")), moves)
    found = table(result, "voxel_significance")
    joint = found.query("subject == '01' and model == 'joint'")
    assert_allclose(joint["p"], expected.p)
    assert_allclose(joint["r"], expected.r, rtol=1e-7)
    alone = permutation_test(Y, np.asarray(model.array("predictions_alone"))[1], moves)
    genre = found.query("subject == '01' and feature_space == 'genre'")
    assert_allclose(genre["p"], alone.p)
    assert set(found.loc[found["feature_space"] == "music", "source"]) == {"made up"}
    assert_array_equal(found["found"], found["q_bh"] <= 0.05)


def test_planted_voxels_are_found_and_noise_is_not(whole):
    _, result = whole
    found = table(result, "voxel_significance").astype({"voxel": int})
    for subject in ("01", "02"):
        mine = found[found["subject"] == subject].set_index("voxel")
        joint = mine[mine["model"] == "joint"]
        assert joint.loc[[*MUSIC, *GENRE], "found"].all()
        assert joint.loc[[*MUSIC, *GENRE], "p_max"].max() < 0.05
        assert not joint.loc[list(NOISE), "found"].any()
        music = mine[mine["feature_space"] == "music"]
        assert music.loc[list(MUSIC), "found"].all()
        assert not music.loc[[*GENRE, *NOISE], "found"].any()
    rois = table(result, "roi_significance").query("model == 'joint'")
    assert (rois.loc[rois["roi"] != "noise", "p_all"] < 0.05).all()
    assert (rois.loc[rois["roi"] == "noise", "p"] > 0.05).all()
    assert rois["n_found"].tolist() == [4, 4, 0] * 2


def test_what_a_feature_space_adds_is_that_of_one_call(whole):
    _, result = whole
    Y, model = inputs(result)
    blocks = block_of_clip(model.rows, block_of_row(model.rows, 1.5, 30.0))
    expected = what_is_added(
        Y,
        np.asarray(model.array("predictions_alone"))[0],
        np.asarray(model.array("predictions")),
        blocks=blocks,
        rois={"genre": np.isin(np.arange(12), list(GENRE))},
        question=Question("genre", "music", "01", 999, 200),
    )
    rois = table(result, "added").query("subject == '01' and added == 'genre'")
    mine = rois[rois["roi"] == "genre"].iloc[0]
    numbers = ["r2_added", "r2_added_se", "low", "high", "p"]
    theirs = expected.rois.iloc[0][numbers].to_numpy(float)
    assert_allclose(mine[numbers].to_numpy(float), theirs, rtol=1e-7)
    voxels = table(result, "voxel_added").query("subject == '01' and added == 'genre'")
    assert_allclose(voxels["p"], expected.voxels["p"])
    assert (mine["to"], mine["source_to"]) == ("music", "made up")
    noise = rois[rois["roi"] == "noise"].iloc[0]
    assert mine["low_all"] > 0.3
    assert noise["low_all"] < 0.02


def test_the_regions_of_a_partition_sum_to_the_joint_score(whole):
    _, result = whole
    Y, model = inputs(result)
    joint = r2_score(Y, np.asarray(model.array("predictions")))
    voxels = table(result, "voxel_partition").query("subject == '01'")
    sums = voxels.groupby(voxels["voxel"].astype(int))["r2"].sum()
    assert_allclose(sums, joint, atol=1e-8)
    alone = r2_score(Y, np.asarray(model.array("predictions_alone"))[1])
    unique = voxels[voxels["region"] == "music"]["r2"]
    assert_allclose(unique, joint - alone, atol=1e-8)
    rois = table(result, "partition").query("subject == '01'")
    leading = rois.loc[rois.groupby("roi")["r2"].idxmax()].set_index("roi")["region"]
    assert leading["music"] == "music"
    assert leading["genre"] == "genre"


def test_three_views_stand_side_by_side(whole):
    _, result = whole
    views = table(result, "partition_views").query("subject == '01' and roi == 'music'")
    assert views["feature_space"].tolist() == ["music", "genre"]
    assert views["leads"].tolist()[0] == "product, unique, stacked"
    assert_allclose(views["stacking_weight"].sum(), 1)
    parts = result.roi_scores.query(
        "subject == '01' and roi == 'music' and model == 'part'"
    ).set_index("feature_space")
    expected = parts.loc[["music", "genre"], "r2_mean"]
    assert_allclose(views["r2_product"], expected, atol=1e-8)


def test_regions_and_views_have_their_intervals_and_noise_has_no_note(whole):
    _, result = whole
    partition = table(result, "partition")
    known = partition[partition["r2"].notna()]
    assert (known["low"] <= known["r2"]).all()
    assert (known["high"] >= known["r2"]).all()
    music = known.query("roi == 'music' and region == 'music'")
    assert (music["low_all"] > 0).all()
    assert (music["p_all"] < 0.05).all()
    views = table(result, "partition_views")
    unique = known[known["n_spaces"] == 1].rename(columns={"region": "feature_space"})
    both = views.merge(unique, on=["subject", "roi", "feature_space"])
    assert_allclose(both["r2_unique_low"], both["low"])
    assert_allclose(both["r2_unique_p_all"], both["p_all"])
    for view in ("product", "stacked"):
        assert (views[f"r2_{view}_low"] <= views[f"r2_{view}"]).all()
        assert (views[f"r2_{view}_high"] >= views[f"r2_{view}"]).all()
    said = [note for note in result.notes if "the views" in note or "part of" in note]
    assert not any("noise" in note for note in said)


def test_two_bands_have_all_three_views_without_being_asked(finished):
    _, result = finished
    views = table(result, "partition_views")
    assert set(views["feature_space"]) == {"music", "genre"}
    assert_allclose(views.groupby(["subject", "roi"])["stacking_weight"].sum(), 1)
    saved = read_subsets(result.out, "01")
    assert saved.predictions == {}
    assert saved.weights.shape[0] == 2


def test_best_tenths_are_chosen_by_training_scores(whole):
    study, result = whole
    Y, model = inputs(result)
    cv = np.asarray(model.array("cv_scores"))
    rois = {"music": np.isin(np.arange(12), list(MUSIC))}
    best = best_tenths(rois, cv, train_runs=["train"], test_runs=["test"])
    assert best.sum() == 1
    predictions = {("joint", "all"): np.asarray(model.array("predictions"))}
    found = bootstrap_summaries(
        Y,
        predictions,
        np.stack(list(rois.values())),
        block_of_clip(model.rows, block_of_row(model.rows, 1.5, 30.0)),
        best=best,
        n_resamples=study.analysis.n_resamples,
        seed=study.analysis.seed,
    )
    summaries = table(result, "roi_summaries").query(
        "subject == '01' and roi == 'music' and model == 'joint'"
    )
    for row in summaries.itertuples():
        expected = found[("joint", "all"), row.summary]
        assert_allclose(row.r, expected.observed[0])
        assert_allclose(row.r_se, expected.error[0], rtol=1e-7)
    tenth = summaries.set_index("summary").loc["best_tenth"]
    place = int(np.flatnonzero(best[0])[0])
    r = correlation(Y, predictions["joint", "all"])
    assert_allclose(tenth["r"], r[place])


def test_ceilings_are_those_of_the_two_repeats_of_each_moment(whole):
    _, result = whole
    store = open_store(result.out / "responses/sub-01")
    rows, Y = store.repeat_rows(), store.repeats().astype(float)
    groups = rows.groupby("row").groups.values()
    first, second = (np.stack([Y[list(g)[k]] for g in groups]) for k in (0, 1))
    centred = [y - y.mean(axis=0) for y in (first, second)]
    shared = (centred[0] * centred[1]).mean(axis=0)
    ev = shared / np.mean([(y**2).mean(axis=0) for y in centred], axis=0)
    found = table(result, "ceilings").query("subject == '01'").set_index("roi")
    mean = ev[list(MUSIC)].mean()
    assert_allclose(found.loc["music", "explainable_variance"], mean, rtol=1e-5)
    largest = found.loc["music", "largest_r"]
    assert_allclose(largest, np.sqrt(2 * mean / (1 + mean)), atol=0.01)
    r = correlation(*(a[:, list(MUSIC)] for a in scored_by_joint(result)))
    assert_allclose(found.loc["music", "r_rms"], np.sqrt((r**2).mean()), rtol=1e-6)
    assert found.loc["music", "drift_share_se"] > 0
    assert found.loc["music", "n_averaged"] == 2
    assert found.loc["music", "explainable_variance_se"] > 0
    assert not found["exceeds"].any()
    drift = table(result, "drift_ceilings").query("subject == '01'")
    assert drift["cycle_s"].tolist() == [54.0] * 3


def test_hierarchy_gradient_and_group_follow_the_planted_truth(whole):
    _, result = whole
    slopes = table(result, "hierarchy").query("model == 'alone' and summary == 'mean'")
    by_space = slopes.groupby("feature_space")["slope_r_per_level"]
    assert by_space.max()["music"] < -0.3
    assert by_space.min()["genre"] > 0.3
    gradient = table(result, "gradient").groupby("roi")["gradient_index"].mean()
    assert gradient["music"] < -0.8
    assert gradient["genre"] > 0.8
    group = table(result, "group")
    assert set(group["n_subjects"]) == {2}
    scores = group[group["effect"] == "r_mean"]
    assert set(scores["smallest_p_sign"]) == {0.5}
    music = group.query("effect == 'r_mean' and roi == 'music' and model == 'joint'")
    assert music["n_significant"].tolist() == [2]
    both = result.roi_scores.query("roi == 'music' and model == 'joint'")["r_mean"]
    assert_allclose(music["mean"], both.mean(), rtol=1e-7)
    assert set(group["effect"]) == {"r_mean", "r_diff", "r2_added"}
    assert set(group["counted_by"]) == {"p_all"}
    keys = ["effect", "model", "feature_space", "versus"]
    for _, family in group.groupby(keys, dropna=False):
        assert family["roi"].is_unique
        q = false_discovery_q(family["p_mean"])
        assert_allclose(family["q_mean"], q, rtol=1e-6)
        assert (family["q_sign"] >= family["p_sign"]).all()


def test_the_page_opens_its_sections_and_warns_first(whole):
    _, result = whole
    page = result.report.read_text(encoding="utf-8")
    titles = ("More than chance?", "Noise ceilings", "What one adds to another")
    titles += ("Unique and shared variance", "ROIs summed up and compared")
    for title in (*titles, "All subjects together"):
        assert f">{title}</h2>" in page, title
    first = page[page.index("Read first") :]
    assert first.index("cannot give a p below 0.5") < first.index("quote marks")
    assert first.index("share a run and an order") < first.index("quote marks")


def test_one_band_and_one_subject_have_the_tables_that_they_can(study_file, tmp_path):
    study = edited(study_file, ('"music", "genre"]', '"music"]'))
    result = run(study, tmp_path / "out", subjects=["01"])
    expected = {"voxel_significance", "roi_significance", "ceilings", "roi_summaries"}
    assert expected <= there(result)
    assert not {"group", "partition", "added", "density"} & there(result)
    assert any("no group: one subject" in note for note in result.notes)
    assert len(table(result, "roi_differences")) == 0


def test_three_bands_are_partitioned_where_two_are_named(study_file, tmp_path):
    text = study_file.read_text().replace("[encoding]", "[encoding]\nwiden_alphas = 0")
    study_file.write_text(text)
    two = run(load_study(study_file), tmp_path / "two", stage="tables")
    noise = '[features.noise]\nkind = "control"\ncontrol = "noise"\nof = "music"\n\n'
    study_file.write_text(text.replace("[encoding]", f"{noise}[encoding]"))
    study = edited(
        study_file,
        ('"music", "genre"]', '"music", "noise", "genre"]'),
        ("[analysis]", '[analysis]\npartition = ["genre", "music"]'),
    )
    result = run(study, tmp_path / "out", stage="tables")
    assert result.made.count("subsets/sub-01") == 1
    partition = table(result, "partition").query("subject == '01'")
    assert partition["region"].tolist() == ["music", "genre", "music & genre"]
    views = table(result, "partition_views").query("subject == '01'")
    assert views["feature_space"].tolist() == ["music", "genre"]
    # The joint model of the two, and its parts, are those of a study of the two.
    parts = two.roi_scores.query("subject == '01' and model == 'part'")
    expected = parts.set_index("feature_space").loc[["music", "genre"], "r2_mean"]
    assert_allclose(views["r2_product"], expected, atol=1e-8)
    expected = table(two, "partition").query("subject == '01'")
    numbers = ["r2", "r2_positive", "score_bias"]
    assert_allclose(partition[numbers], expected[numbers], atol=1e-8)
    saved = read_subsets(result.out, "01")
    whole = saved.parts.sum(axis=0) + saved.intercept
    assert_allclose(whole, saved.predictions["music", "genre"], atol=1e-10)
    assert "added" not in there(result)
    again = edited(study_file, ('partition = ["genre", "music"]', "partition = false"))
    dropped = run(again, tmp_path / "out", stage="tables")
    assert not (dropped.out / "subsets/sub-01").exists()
    assert "partition" not in there(dropped)


def test_best_spaces_are_mapped_where_each_bands_training_scores_are(whole, tmp_path):
    from brain2music.workflow.map_tables import map_tables
    from brain2music.workflow.scored import read_scored

    study, result = whole
    _, model = inputs(result)
    best = table(result, "best_space").query("subject == '01'")
    alone = np.load(model.folder / "cv_scores_alone.npy")
    names = np.array([band.name for band in model.bands])
    winner = np.where(alone.max(axis=0) > 0, names[alone.argmax(axis=0)], "")
    assert best["best"].fillna("").tolist() == winner.tolist()
    joint = table(result, "voxel_significance").query("model == 'joint'")
    expected = joint.query("subject == '01'")["found"]
    assert best["found"].tolist() == expected.tolist()
    scored, _ = read_scored(study, result.out, "01")
    r = [correlation(scored.Y, scored.predictions["alone", n]) for n in scored.bands]
    scores = {("alone", n): {"r": x} for n, x in zip(scored.bands, r, strict=True)}
    for file in ("weights.npy", "valid.npy"):
        (tmp_path / file).write_bytes((model.folder / file).read_bytes())
    cv = np.tile([[0.1], [0.2]], 12)
    cv[:, :4] = cv[::-1, :4]
    np.save(tmp_path / "cv_scores_alone.npy", cv)
    object.__setattr__(model, "folder", tmp_path)
    found = map_tables(study, scored, model, scores, None).tables["best_space"]
    assert found["best"].tolist() == ["music"] * 4 + ["genre"] * 8
    assert_allclose(found["margin_r"][:4], (r[0] - r[1])[:4])
    assert found["source_best"].tolist()[0] == "made up"


def test_too_few_turns_are_said_and_blocks_that_cannot_be_are_refused(
    study_file, tmp_path
):
    study = edited(
        study_file,
        ('test = { task = "Test" }', 'test = { task = "Training", run = "10" }'),
        (
            'train = { task = "Training" }',
            'train = { task = "Training", run = ["1", "2"] }',
        ),
    )
    result = run(study, tmp_path / "out", stage="tables")
    assert any(
        "there are 48 turns, and a null needs at least 100" in note
        for note in result.notes
    )
    assert "voxel_significance" not in there(result)
    clips = '[analysis]\nnull = "blocks"\nblocks = "clip"'
    study = edited(study_file, ("[analysis]", clips))
    assert "voxel_significance" in there(run(study, tmp_path / "out", stage="tables"))
    study = edited(study_file, ('blocks = "clip"', 'blocks = "run"'))
    with pytest.raises(InputError, match=r"'blocks' cannot be had .* 1 orders"):
        run(study, tmp_path / "out", stage="responses")


def test_blocks_of_few_clips_are_refused_at_the_door(study_file, tmp_path):
    clips = '[analysis]\nnull = "blocks"\nblocks = "clip"'
    study = edited(study_file, ("[analysis]", clips))
    with pytest.raises(
        InputError, match=r"'blocks' cannot be had .* 36 orders.*'auto'"
    ):
        run(study, tmp_path / "out", stage="responses")


def asking(**keys):
    return SimpleNamespace(analysis=Analysis(n_permutations=300, **keys))


def test_each_way_of_moving_blocks_is_that_of_its_name(rng):
    rows = pd.DataFrame({"run_name": np.repeat(list("abcdef"), 60)})
    clips, runs = np.arange(360) // 12, rows["run_name"].to_numpy()
    options = {"n_permutations": 300, "seed": 0}
    Y, P = (
        lfilter([1], [1, -0.4], rng.standard_normal((360, 9)), axis=0) for _ in "ab"
    )
    memory = memory_of(Y, P, runs)
    length = block_length(memory, runs, lost=0.02)
    for blocks, expected in {
        "clip": permute_blocks(clips, walls=runs, **options),
        "run": permute_blocks(whole_runs(runs), **options),
        "auto": permute_blocks(cut_runs(runs, length), **options),
    }.items():
        moves = tested.draw_moves(
            asking(null="blocks", blocks=blocks), rows, clips, memory
        )
        assert_array_equal(moved_rows(moves), moved_rows(expected))
    assert asking(null="blocks").analysis.blocks == "auto"
    turned = tested.draw_moves(asking(), rows, clips)
    assert_array_equal(moved_rows(turned), moved_rows(shift_runs(runs, **options)))
    drifting = Memory(memory.pairs, settles=False)
    for unknown in (None, drifting):
        with pytest.raises(InputError, match="no block of up to half of the shortest"):
            tested.draw_moves(asking(null="blocks"), rows, clips, unknown)


def scored_noise(rng, n_run, level):
    """Return test data of two runs: noise, with a level of each run."""
    rows = pd.DataFrame({"run_name": np.repeat(["a", "b"], n_run), "clip": ""})
    levels = np.repeat([level, -level], n_run)[:, None]
    Y, P = (levels + rng.standard_normal((2 * n_run, 4)) for _ in "ab")
    moved = np.arange(2 * n_run) // 10
    return Scored(
        subject="01",
        Y=Y,
        predictions={("joint", "all"): P},
        intercept=np.zeros(4),
        rows=rows,
        moved=moved,
        blocks=moved,
        memory=memory_of(Y, P, rows["run_name"].to_numpy()),
        voxels=np.array(list("abcd")),
        rois={"all": np.ones(4, dtype=bool)},
        whole_rois={"all": np.ones(4, dtype=bool)},
        cv_scores=np.zeros(4),
        train_runs=(),
        test_runs=("a", "b"),
        sources={"a": "made up"},
    )


def test_data_that_do_not_settle_are_told_of_whatever_the_null(rng):
    part = tested.tested_tables(asking(), scored_noise(rng, 60, 3.0))
    assert any("still resemble themselves after half" in n for n in part.notes)
    assert "voxel_significance" in part.tables
    part = tested.tested_tables(asking(), scored_noise(rng, 400, 0.0))
    assert not any("resemble" in note for note in part.notes)
    part = tested.tested_tables(asking(null="blocks"), scored_noise(rng, 60, 3.0))
    assert part.tables == {}
    assert "no block of up to half" in part.notes[0]
    tail = asking(method="tail")
    part = tested.tested_tables(tail, scored_noise(rng, 400, 0.0))
    assert "move in 300 other ways, and method 'tail' needs 500" in part.notes[0]


@pytest.mark.parametrize("where", ["study", "masks"])
def test_regions_made_from_test_responses_are_refused(tmp_path, write_study, where):
    path = write_study(tmp_path / "data", rois='[rois]\nmasks = "rois.npz"')
    arrays = {"A1": np.arange(12) < 4}
    if where == "masks":
        arrays["runs"] = np.array(["task-Test_run-2"])
    np.savez(path.parent / "rois.npz", **arrays)
    if where == "study":
        edited(path, ("[rois]", '[rois]\nmade_from = ["test"]'))
    with pytest.raises(InputError, match=r"'A1' .* was made from responses of task-Te"):
        run(load_study(path), tmp_path / "out", stage="responses")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("task-Test_run-01", "'A1' .* was made from responses of task-Test_run-01, w"),
        ("Test", r"made from 'Test', which .* Did you mean 'test'"),
        ("task-Tset_run-1", "no run of sub-01: .* Did you mean 'task-Test_run-1'"),
        ("localiser", "not in this study are named 'other: localiser'"),
    ],
)
def test_misspelt_runs_do_not_let_regions_through(tmp_path, write_study, name, words):
    path = write_study(tmp_path / "data", rois='[rois]\nmasks = "rois.npz"')
    np.savez(path.parent / "rois.npz", A1=np.arange(12) < 4)
    edited(path, ("[rois]", f'[rois]\nmade_from = ["{name}"]'))
    with pytest.raises(InputError, match=words):
        run(load_study(path), tmp_path / "out", stage="responses")


def test_regions_made_from_training_responses_are_taken(tmp_path, write_study):
    path = write_study(tmp_path / "data", rois='[rois]\nmasks = "rois.npz"')
    runs = np.array(["task-Training_run-01", "other: a scan"])
    np.savez(path.parent / "rois.npz", A1=np.arange(12) < 4, runs=runs)
    edited(path, ("[rois]", '[rois]\nmade_from = ["train"]'))
    result = run(load_study(path), tmp_path / "out", stage="tables")
    assert set(table(result, "roi_scores")["roi"]) == {"A1"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("task-Test_run-01", "'A1' .* was made from responses of task-Test_run-01"),
        ("Test", "from 'Test', which is no run of sub-01: .* Did you mean 'test'"),
        ("task-Tets_run-1", "Did you mean 'task-Test_run-1'"),
        ("localiser", "are named 'other: localiser'"),
    ],
)
def test_a_misspelt_run_is_refused(tmp_path, write_study, name, words):
    path = write_study(tmp_path / "data", rois='[rois]\nmasks = "rois.npz"')
    np.savez(path.parent / "rois.npz", A1=np.arange(12) < 4)
    study = edited(path, ("[rois]", f'[rois]\nmade_from = ["{name}"]'))
    with pytest.raises(InputError, match=words):
        run(study, tmp_path / "out", stage="responses")


def test_levels_without_a_region_are_named(study_file, tmp_path):
    levels = '[analysis]\nhierarchy = [["all voxels"], ["A5"]]'
    study = edited(study_file, ("[analysis]", levels))
    with pytest.raises(InputError, match=r"no ROI at the level A5\. ROIs are all vox"):
        run(study, tmp_path / "out", stage="responses")


def test_hemispheres_are_those_of_the_parts_of_a_space():
    parts = (
        Part("left", (5,), np.arange(5)),
        Part("CIFTI_STRUCTURE_CORTEX_RIGHT", (9,), np.array([3, 4])),
        Part("CIFTI_STRUCTURE_BRAIN_STEM", (2, 2, 2), np.array([0])),
    )
    places = np.array([0, 4, 5, 6, 7])
    space = Space("surface", "x", tuple("abcde"), places, (8,), parts=parts)
    sides = sides_of(space)
    assert sides.tolist() == [1, 1, 2, 2, 0]
    assert sides_of(Space("labels", "x", ("a", "b"))).tolist() == [0, 0]
    every = np.ones(5, bool)
    rois = {"left A1": sides == 1, "right A1": sides == 2, "V1 left": sides == 1}
    found = both_sides(rois | {"all": every}, sides)
    assert list(found) == ["A1", "all"]
    assert found["all"].tolist() == [True] * 4 + [False]


@pytest.fixture
def surface(tmp_path, write_study, write_fmriprep):
    path = write_study(tmp_path / "surface")
    return write_fmriprep(path, "surface")[0]


def test_a_surface_has_hemispheres(surface, tmp_path):
    result = run(load_study(surface), tmp_path / "out", stage="tables")
    halves = table(result, "hemispheres")
    assert set(halves["roi"]) == {"all voxels"}
    mean = halves[halves["summary"] == "mean"]
    assert (mean["n_voxels_left"] + mean["n_voxels_right"] == 12).all()
    assert set(halves["model"]) == {"joint", "alone"}
    assert "template_r" not in there(result)  # fsnative is each subject's own


def test_subjects_on_one_template_have_a_mean_map():
    from brain2music.workflow.group_tables import template_of

    spaces = {
        "01": Space("surface", "fsaverage5", ("0", "2"), np.array([0, 2]), (4,)),
        "02": Space("surface", "fsaverage5", ("2", "3"), np.array([2, 3]), (4,)),
    }
    maps = {"01": np.array([0.1, 0.2]), "02": np.array([0.4, np.nan])}
    found = template_of(maps, spaces)
    assert found["vertex"].tolist() == [0, 2]
    assert found["n_subjects"].tolist() == [1, 2]
    assert_allclose(found["mean"], [0.1, 0.3])
    other = Space("surface", "fsaverage6", ("2", "3"), np.array([2, 3]), (4,))
    assert template_of(maps, spaces | {"02": other}) is None
    assert template_of({"01": maps["01"]}, {"01": spaces["01"]}) is None


def test_every_table_names_the_source_of_its_feature_spaces(whole):
    _, result = whole
    for path in sorted((result.out / "tables").glob("*.csv")):
        columns = pd.read_csv(path, nrows=1).columns
        if "feature_space" in columns or "region" in columns:
            assert "source" in columns, path.name
        if "added" in columns:
            assert {"source_added", "source_to"} <= set(columns), path.name


def test_the_group_counts_scores_and_gains_above_0_by_corrected_p():
    from brain2music.workflow.group_tables import group_tables

    keys = {"roi": "A1", "model": "joint", "feature_space": "all", "r_se": 0.01}
    subjects = ["01", "02", "03"]
    means = [0.3, 0.2, 0.25]
    summaries = pd.DataFrame(
        {"subject": subjects, "summary": "mean", "r_se": 0.01} | keys
    )
    del keys["r_se"]
    tested_rois = pd.DataFrame(
        {"subject": subjects, "r_mean": means, "p_all": [0.001, 0.02, 0.03]} | keys
    )
    added = pd.DataFrame(
        {
            "subject": subjects,
            "roi": "A1",
            "added": "text",
            "to": "music",
            "r2_added": [-0.1, -0.1, 0.05],
            "r2_added_se": 0.01,
            "p": 0.001,
            "p_all": [0.001, 0.001, 0.02],
        }
    )
    tables = {"roi_summaries": summaries, "roi_significance": tested_rois}
    found, _ = group_tables(tables | {"added": added}, {"text": "made up"})
    found = found.set_index("effect")
    assert found.loc["r_mean", "n_significant"] == 2  # 0.06 for two sides
    assert found.loc["r2_added", "n_significant"] == 1
    added["p_all"] = 0.03  # 0.06 for two sides
    found, _ = group_tables(tables | {"added": added}, {"text": "made up"})
    assert found.set_index("effect").loc["r2_added", "n_significant"] == 0
    tables["roi_significance"] = tested_rois.assign(r_mean=-0.3, p_all=1.0)
    found, _ = group_tables(tables | {"added": added}, {"text": "made up"})
    assert found.set_index("effect").loc["r_mean", "n_significant"] == 0


def test_blocks_are_joined_by_the_memory_of_the_joint_model(whole, monkeypatch):
    from brain2music.workflow import scored

    study, result = whole
    asked = {}

    def blocks(rows, *_given, memory):
        asked["memory"] = memory
        return np.arange(len(rows)) // 40, ["a note of blocks"]

    monkeypatch.setattr(scored, "blocks_to_resample", blocks)
    found, notes = scored.read_scored(study, result.out, "01")
    Y, model = inputs(result)
    runs = model.rows["run_name"].to_numpy()
    expected = memory_of(Y, np.asarray(model.array("predictions")), runs)
    assert_allclose(asked["memory"].pairs, expected.pairs)
    assert notes[-1] == "a note of blocks"
    assert found.n_blocks == 2
    # Some clips, of which joined blocks would leave too few: clips stand alone again.
    some = found.rows["clip"].isin(found.rows["clip"].unique()[:4]).to_numpy()
    assert found.at(some, study).n_blocks == 4
    many = Scored(**{f: getattr(found, f) for f in found.__dataclass_fields__})
    object.__setattr__(many, "blocks", np.arange(len(found.rows)) // 5)
    kept = many.at(some, study)
    assert kept.n_blocks == len(set(many.blocks[some])) >= 10
