"""Tests of what a run decodes: the rows, every table, and what is refused."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music import load_study, run
from brain2music.core.checks import InputError
from brain2music.core.selection import Selection
from brain2music.core.store import open_store
from brain2music.decoding.cards import Pool
from brain2music.decoding.contrastive import Contrastive
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.groups import compare_groups
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.random_brain import random_responses
from brain2music.decoding.rows import Pairs
from brain2music.decoding.scores import score_decoding
from brain2music.study_decoding import Decoding
from brain2music.workflow import across_doors
from brain2music.workflow.check import check_study
from brain2music.workflow.decoded_rows import (
    genre_of_clips,
    read_rows_to_decode,
    response_places,
    safe_subsets,
    stretches,
)
from brain2music.workflow.decoding import groups_table
from brain2music.workflow.decoding_across import roi_columns
from brain2music.workflow.decoding_choices import decoder_of
from brain2music.workflow.decoding_targets import dimension_table
from brain2music.workflow.pipeline import table_files
from brain2music.workflow.session import Session
from brain2music.workflow.tables import read_table

DECODING = """
[decoding]
targets = ["music", "genre"]
genres = "genre"
genre_transfer = true
n_folds = 3
lags = [0, 2]
across = "ridge"
control_roi = "noise"
n_permutations = 200
n_resamples = 200
"""
ALPHAS = (1.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6)
MASKS = {"music": range(4), "genre": range(4, 8), "noise": range(8, 12)}


def with_decoding(path, text=DECODING):
    """Add ROIs and what is decoded to a study file; return the study."""
    masks = {n: np.isin(np.arange(12), list(v)) for n, v in MASKS.items()}
    np.savez(path.parent / "rois.npz", **masks)
    whole = path.read_text(encoding="utf-8") + '\n[rois]\nmasks = "rois.npz"\n' + text
    path.write_text(whole, encoding="utf-8")
    return load_study(path)


@pytest.fixture(scope="module")
def decoded(tmp_path_factory, write_study):
    """Return a run of the small study that decodes all that can be."""
    folder = tmp_path_factory.mktemp("decoded")
    study = with_decoding(write_study(folder / "data", clip_samples=12))
    return run(study, folder / "out")


def table(result, name):
    found = read_table(result.out / "tables", name)
    assert found is not None, name
    return found


def rows(text):
    """Return a table of rows from one line each: run, presentation, sample, repeats."""
    found = pd.DataFrame(
        [line.split() for line in text.strip().splitlines()],
        columns=["run_name", "presentation", "sample", "n_repeats"],
    )
    numbers = ["presentation", "sample", "n_repeats"]
    found["clip"] = "clip " + found["presentation"]
    found = found.astype(dict.fromkeys(numbers, int))
    first = found.groupby(["run_name", "presentation"])["sample"].transform("min")
    return found.assign(sample_in_clip=found["sample"] - first)


def test_responses_come_later_in_the_same_run_and_across_no_gap():
    table = rows("a 0 5 1\na 0 6 1\na 0 7 1\na 1 9 1\na 1 10 1\nb 0 5 1\nb 0 6 1")
    kept, places = response_places(table, (1, 2))
    assert_array_equal(kept, [0])
    assert_array_equal(places, [[1, 2]])
    kept, places = response_places(table, (1,))
    assert_array_equal(kept, [0, 1, 3, 5])
    assert_array_equal(places, [[1], [2], [4], [6]])
    kept, places = response_places(table, (2, 3))  # 7 + 2 is 9, and 8 is missing
    assert_array_equal(kept, [2])
    assert_array_equal(places, [[3, 4]])


def test_averaged_repeats_end_with_their_clip():
    table = rows("a 0 5 2\na 0 6 2\na 1 7 2\na 1 8 2")
    kept, places = response_places(table, (1,))
    assert_array_equal(kept, [0, 2])
    assert_array_equal(places, [[1], [3]])


def test_windows_are_decoded_from_their_own_responses():
    table = rows("a 0 5 1\na 0 5 1\na 1 9 1")
    kept, places = response_places(table, (0,))
    assert_array_equal(kept, [0, 1, 2])
    assert_array_equal(places, [[0], [1], [2]])


def by_hand(result, subject):
    """Return pairs of the music space, by loops over rows, targets from its file."""
    store = open_store(result.out / f"responses/sub-{subject}")
    with np.load(result.out.parent / "data/features/music.npz") as saved:
        heard = dict(zip(saved["clips"].tolist(), saved["features"], strict=True))
    pairs = []
    for side in ("train", "test"):
        table = store.train_rows() if side == "train" else store.test_rows()
        Y = (store.train if side == "train" else store.test)()
        found = []
        for k in range(len(table) - 2):
            late = table.iloc[k : k + 3]
            one_run = late["run_name"].nunique() == 1
            one_clip = late["presentation"].nunique() == 1
            if one_run and (one_clip or side == "train"):
                row = table.iloc[k]
                target = heard[row["clip"]][int(row["sample_in_clip"])]
                found.append((Y[k + 1 : k + 3].mean(axis=0), target, row))
        responses, targets, where = zip(*found, strict=True)
        names = [[row["run_name"], row["clip"]] for row in where]
        runs, clips = np.array(names).T
        pairs.append(Pairs(np.array(responses), np.array(targets), runs, clips))
    return pairs


def test_a_run_decodes_what_the_library_does_from_rows_taken_by_hand(decoded):
    train, test = by_hand(decoded, "01")
    decoder = CortexRidge(ALPHAS, choose_by="r")
    expected = decode(decoder, train, test, n_folds=3)
    with np.load(decoded.out / "decoding/sub-01/music.npz") as saved:
        assert_allclose(saved["predicted"], expected.predicted, rtol=1e-4, atol=1e-5)
        random = random_responses(test.Y, test.runs, test.clips, seed=0, name="sub-01")
        guessed = expected.decoder.predict(random)
        assert_allclose(saved["random"], guessed, rtol=1e-3, atol=1e-4)
        assert_allclose(saved["true"], test.T, atol=1e-6)
        assert_array_equal(saved["dimensions"], [0, 1, 2])
        assert_allclose(saved["train_mean"], train.T.mean(axis=0), atol=1e-6)
    pool = Pool(test.clips, n_permutations=200, n_resamples=200)
    genres = np.array([clip.split(".")[0] for clip in test.clips])
    cards = score_decoding(expected.predicted, test, chance=pool, genres=genres)
    mine = table(decoded, "decoding").query("subject == '01' and target == 'music'")
    assert mine["metric"].tolist() == cards["metric"].tolist()
    assert mine["pool"].tolist() == cards["pool"].tolist()
    for name in ("value", "chance", "low", "high", "p"):
        assert_allclose(mine[name], cards[name], atol=1e-3)


def test_planted_features_are_decoded_with_interval_and_p(decoded):
    found = table(decoded, "decoded_dimensions")
    assert len(found) == 12
    assert (found["r_low"] < found["r"]).all()
    assert (found["r"] < found["r_high"]).all()
    assert (found["r"] > 0.4).all()
    assert (found["p"] < 0.05).all()
    genre = found[found["target"] == "genre"]
    assert genre["dimension"].tolist() == ["blues", "jazz", "rock"] * 2
    windows = table(decoded, "decoding").query(
        "pool == 'windows of other clips' and metric == 'identification accuracy'"
    )
    music = windows[windows["target"] == "music"]
    assert (music["value"] > music["chance"] + 0.15).all()
    assert (music["p"] < 0.05).all()
    assert set(table(decoded, "decoding")["source"]) == {"", "made up"}


def test_controls_stand_beside_and_know_nothing(decoded):
    found = table(decoded, "decoding_controls")
    names = set(found["prediction"])
    assert names == {
        "decoder",
        "noise alone",
        "random embedding",
        "shuffled clips",
        "mean embedding",
    }
    r = found[found["metric"] == "correlation per dimension"]
    r = r[r["target"] == "music"].set_index(["prediction", "subject"])["value"]
    assert (r["decoder"] > 0.6).all()
    assert (r["noise alone"] < r["decoder"] - 0.2).all()


def test_test_runs_that_hardly_turn_have_r_and_no_p(rng):
    clips = np.repeat([f"c{k}" for k in range(10)], 3)
    where = pd.DataFrame({"run": "1", "run_name": "run-1", "clip": clips})
    T = rng.standard_normal((30, 2))
    study = SimpleNamespace(
        decoding=SimpleNamespace(n_resamples=50, n_permutations=100, seed=0),
        dataset=SimpleNamespace(tr_s=1.5),
        analysis=SimpleNamespace(block_s=6.0),
        features={"x": None},
    )
    target = SimpleNamespace(
        name="x", test=Pairs(T, T, ["run-1"] * 30, clips), kept=[0, 1], n_dimensions=2
    )
    sides = SimpleNamespace(test=SimpleNamespace(rows=where))
    guess = T + rng.standard_normal(T.shape)
    found, notes = dimension_table(study, None, sides, target, guess)
    assert notes == ["no p: the test runs turn in 30 ways."]
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(T.T, guess.T, strict=True)]
    assert_allclose(found["r"], r)
    assert "p" not in found


def test_controls_stand_in_every_pool_beside_the_decoders_own_cards(decoded):
    keys = ["subject", "target", "metric", "pool"]
    cards = table(decoded, "decoding").set_index(keys).sort_index()
    found = table(decoded, "decoding_controls")
    pools = {"clips", "clips, within genre", "windows", "windows of other clips"}
    assert set(cards.index.get_level_values("pool")) == pools
    for name, part in found.groupby("prediction"):
        assert set(part["pool"]) == pools, name
    own = found[found["prediction"] == "decoder"].set_index(keys).sort_index()
    columns = ["value", "chance", "low", "high", "p", "n", "n_candidates"]
    pd.testing.assert_frame_equal(own[columns], cards[columns])


def test_the_control_roi_is_decoded_alone_and_saved(decoded):
    train, test = by_hand(decoded, "01")
    noise = Selection("noise", np.arange(12) >= 8, "atlas")
    alone = CortexRidge(ALPHAS, inside=noise, choose_by="r")
    expected = decode(alone, train, test, n_folds=3).predicted
    with np.load(decoded.out / "decoding/sub-01/music.npz") as saved:
        assert_allclose(saved["control"], expected, rtol=1e-4, atol=1e-5)
    found = table(decoded, "decoding_controls").query(
        "subject == '01' and target == 'music' and prediction == 'noise alone'"
    )
    found = found[found["metric"] == "identification accuracy"].set_index("pool")
    value = identification_accuracy(expected, test.T).mean()
    assert found.loc["windows", "value"] == pytest.approx(value, abs=0.002)
    chance = found.loc["windows of other clips"]
    assert abs(chance["value"] - chance["chance"]) < 0.12
    assert chance["p"] > 0.01


def test_the_control_roi_has_the_studys_kind_of_decoder():
    roi = Selection("V1", np.arange(9) < 4, "atlas")

    def inside(**settings):
        study = SimpleNamespace(decoding=Decoding(targets=("music",), **settings))
        return decoder_of(study, (), inside=roi)

    whole = inside(choose_by="error")
    assert isinstance(whole, CortexRidge)
    assert (whole.inside, whole.alphas, whole.choose_by) == (roi, ALPHAS, "error")
    assert inside(n_voxels=3).n_voxels == 3
    assert inside(n_voxels=4).n_voxels is None  # there are no more to choose from
    ridge = inside(decoder="rois", n_best=5)
    assert (ridge.rois, ridge.n_best, ridge.choose_by) == ([roi], 1, "r")
    network = inside(decoder="contrastive", n_voxels=2, seed=3)
    assert isinstance(network, Contrastive)
    assert (network.inside, network.n_voxels, network.seed) == (roi, 2, 3)


def test_labels_are_decoded_with_their_confusion(decoded):
    cards = table(decoded, "decoding_labels").set_index(["subject", "metric"])
    assert (cards["value"] == 1).all()
    assert (cards["p"] < 0.05).all()
    confusion = table(decoded, "decoding_confusion").query("subject == '01'")
    square = confusion.pivot(index="true", columns="decoded", values="n")
    assert_array_equal(square, 2 * np.eye(3))


def test_genres_left_out_and_alone_other_subjects_and_times_have_tables(decoded):
    genres = table(decoded, "decoding_genres")
    assert set(genres["target"]) == {"music"}
    assert set(genres["trained"]) == {"all genres", "without it"}
    assert len(genres) == 2 * 3 * 2 * 2
    transfer = table(decoded, "decoding_transfer")
    assert len(transfer) == 2 * 3 * 3 * 2
    lags = table(decoded, "decoding_lags")
    assert set(lags["lag_s"]) == {0.0, 3.0}
    windows = table(decoded, "decoding_windows")
    assert windows.query("subject == '01' and target == 'music'")[
        "window"
    ].tolist() == [*range(10)]
    notes = "\n".join(decoded.notes)
    assert "it is 'genre' itself, so no genre can be left out" in notes


def test_each_subject_is_decoded_by_the_other(decoded):
    found = table(decoded, "decoding_across")
    windows = found.query(
        "pool == 'windows of other clips' and metric == 'identification accuracy'"
    )
    assert windows.query("target == 'music'")["subject"].tolist() == ["01", "02"]
    assert windows.query("target == 'music'")["trained_on"].tolist() == ["02", "01"]
    assert (windows["value"] > windows["chance"]).all()


def test_the_page_has_the_tables(decoded):
    page = decoded.report.read_text(encoding="utf-8")
    for text in ("Decoded from responses", "Decoding of what was not learned"):
        assert text in page


def test_a_second_run_makes_nothing_again_and_leaves_nothing_behind(
    tmp_path, write_study
):
    path = write_study(tmp_path / "data", clip_samples=12)
    text = '[decoding]\ntargets = ["music"]\nn_folds = 3\nn_permutations = 100\n'
    study = with_decoding(path, text)
    first = run(study, tmp_path / "out")
    assert "decoding/sub-01" in first.made
    assert run(study, tmp_path / "out").made == ()
    plain = path.read_text(encoding="utf-8").replace(text, "")
    path.write_text(plain, encoding="utf-8")
    third = run(load_study(path), tmp_path / "out")
    assert not (third.out / "decoding/sub-01").exists()
    assert not (third.out / "tables/decoding.csv").exists()


def test_groups_of_subjects_are_compared_by_a_column_of_participants(
    tmp_path, write_study
):
    path = write_study(tmp_path / "data", clip_samples=12)
    people = "participant_id\texpert\nsub-01\tyes\nsub-02\tno\n"
    (path.parent / "participants.tsv").write_text(people, encoding="utf-8")
    text = '[decoding]\ntargets = ["music"]\ngroups = "expert"\n'
    with pytest.raises(InputError, match=r"decoding.groups: .* no: 1, yes: 1"):
        run(with_decoding(path, text), tmp_path / "out")


def test_a_run_says_how_groups_of_subjects_differ(tmp_path, write_study, rng):
    path = write_study(tmp_path / "data", clip_samples=12)
    path.write_text(path.read_text().replace('["01", "02"]', '["1", "2", "3", "4"]'))
    Y = np.load(path.parent / "npy/sub-01.npy")
    noise = rng.standard_normal((4, *Y.shape)) * Y.std(axis=0)
    for k, share in enumerate((0.1, 0.2, 4, 5)):  # the last two hardly respond
        there = (Y + share * noise[k]).astype(np.float32)
        np.save(path.parent / f"npy/sub-{k + 1}.npy", there)
    people = "participant_id\texpert\n" + "".join(
        f"sub-{k}\t{'yes' if k < 3 else 'no'}\n" for k in range(1, 5)
    )
    (path.parent / "participants.tsv").write_text(people, encoding="utf-8")
    text = """[decoding]
targets = ["music"]
groups = "expert"
n_folds = 3
n_permutations = 100
n_resamples = 100
"""
    result = run(with_decoding(path, text), tmp_path / "out")
    (row,) = table(result, "decoding_groups").to_dict("records")
    cards = table(result, "decoding").query(
        "metric == 'identification accuracy' and pool == 'clips'"
    )
    by = cards.set_index("subject")["value"]
    assert (row["groups_a"], row["groups_b"]) == ("no", "yes")
    assert (row["n_a"], row["n_b"]) == (2, 2)
    assert_allclose(row["means_b"], by[["1", "2"]].mean())
    assert_allclose(row["difference"], by[["1", "2"]].mean() - by[["3", "4"]].mean())
    assert row["difference"] > 0.1
    assert row["low"] <= row["difference"] <= row["high"]
    assert_allclose(row["smallest_p"], 1 / 3)
    page = result.report.read_text(encoding="utf-8")
    assert "smallest_p" in page


REFUSED = {
    'targets = ["musik"]': "which is no band.*Did you mean 'music'",
    'targets = ["music", "music"]': "holds a feature space twice",
    'genres = "genre"': "names nothing to decode",
    'targets = ["music"]\ndecoder = "rois"\nn_voxels = 5': "n_voxels is for 'cortex'",
    'targets = ["music"]\ngenre_transfer = true': "decoding.genres names no column",
    'targets = ["music"]\ndecoder = "rois"\nn_best = 2\nacross = "ridge"': "own. Take",
    'targets = ["music"]\nacross_rois = ["noise"]': "is for decoding.across",
    'targets = ["music"]\ndecoder = "rois"': "n_best is 6, and there are 3 ROIs",
    'targets = ["music"]\ncontrol_roi = "V1"': "V1",
    'targets = ["music"]\nacross = "ridge"\nacross_rois = ["V1"]': "V1",
    'targets = ["music"]\ngenres = "mood"': "no column 'mood'",
    'targets = ["music"]\nn_best = 2': "n_best is for 'rois', and .* is 'cortex'",
    'targets = ["music"]\ndecoder = "contrastive"\nalphas = [1]': "alphas is for",
    'targets = ["music"]\nn_voxels = 500': "has 12 voxels",
    'targets = ["music"]\nacross = "ridge"\nacross_rois = ["noise"]\nn_voxels = 5': (
        "chooses from 4 voxels of sub-01 that are aligned"
    ),
    'targets = ["music"]\nlags = [40]': "volume 40 after a clip's onset",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_decoded_is_said_before_anything_is_fitted(
    text, tmp_path, write_study
):
    path = write_study(tmp_path / "data")
    with pytest.raises(InputError, match=REFUSED[text]):
        run(with_decoding(path, f"[decoding]\n{text}\n"), tmp_path / "out")
    assert not (tmp_path / "out/models").exists()


def test_too_many_voxels_to_align_are_said_before_anything_is_fitted(
    tmp_path, write_study, monkeypatch
):
    path = write_study(tmp_path / "data")
    monkeypatch.setattr(across_doors, "MOST_COLUMNS", 23)
    text = '[decoding]\ntargets = ["music"]\nacross = "ridge"\nresponses = "stack"\n'
    study = with_decoding(path, text)
    words = r"sub-01: 24 voxels would be aligned .* 1 to 23 can be.* Name ROIs"
    assert any(re.search(words, problem) for problem in check_study(study).problems)
    with pytest.raises(InputError, match=words):
        run(study, tmp_path / "out")
    assert not (tmp_path / "out/models").exists()
    mean = replace(study.decoding, responses="mean")
    assert check_study(replace(study, decoding=mean)).problems == []


def test_clips_on_both_sides_are_refused_or_told_of(tmp_path, write_study):
    path = write_study(tmp_path / "data")
    events = path.parent / "events"
    heard = pd.read_csv(events / "task-Training_run-1_events.tsv", sep="\t")
    test = pd.read_csv(events / "task-Test_run-1_events.tsv", sep="\t")
    test.loc[test.index[1], ["genre", "track"]] = heard.loc[1, ["genre", "track"]]
    test.to_csv(events / "task-Test_run-1_events.tsv", sep="\t", index=False)
    with_decoding(path, '[decoding]\ntargets = ["music"]\n')
    whole = path.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="heard in training and in test"):
        run(load_study(path), tmp_path / "out")
    allowed = whole.replace("tr_s = 1.5", 'tr_s = 1.5\nshared_clips = "allow"')
    path.write_text(allowed + 'genres = "genre"\n', encoding="utf-8")
    with pytest.raises(
        InputError, match=r"decoding.genres asks of clips that were not"
    ):
        run(load_study(path), tmp_path / "out")
    path.write_text(allowed, encoding="utf-8")
    result = run(load_study(path), tmp_path / "out")
    assert "1 test clips were in training, too" in "\n".join(result.notes)
    assert len(table(result, "decoding"))


def test_the_genre_of_a_clip_is_one():
    events = {
        "run-1": pd.DataFrame({"clip": ["a", "", "b"], "genre": ["x", None, "y"]}),
        "run-2": pd.DataFrame({"clip": ["a"], "genre": ["x"]}),
    }
    opened = SimpleNamespace(name="sub-01", runs=tuple(events), events=events)
    assert genre_of_clips(opened, "genre") == {"a": "x", "b": "y"}
    events["run-2"] = pd.DataFrame({"clip": ["a"], "genre": ["z"]})
    with pytest.raises(InputError, match="clip 'a' is 'z', and 'x' elsewhere"):
        genre_of_clips(opened, "genre")
    events["run-2"] = pd.DataFrame({"clip": ["c"], "genre": [None]})
    with pytest.raises(InputError, match="clip 'c' has no 'genre'"):
        genre_of_clips(opened, "genre")


def test_tables_are_made_again_when_participants_change(study_file):
    """Who belongs to which group is read for tables alone: their recipe has it."""
    study = load_study(study_file)
    assert table_files(study, ["01"]) == []
    asked = replace(study.decoding, targets=("music",), groups="expert")
    with_groups = SimpleNamespace(
        rois=study.rois, analysis=study.analysis, decoding=asked
    )
    assert table_files(with_groups, ["01"]) == ["participants.tsv"]


def test_the_difference_of_groups_is_that_of_the_library(tmp_path):
    people = "participant_id\texpert\nsub-1\tyes\nsub-2\tno\nsub-3\tyes\nsub-4\tno\n"
    (tmp_path / "participants.tsv").write_text(people, encoding="utf-8")
    study = SimpleNamespace(
        root=tmp_path, decoding=SimpleNamespace(groups="expert", seed=0)
    )
    scores = {"1": 0.9, "2": 0.6, "3": 0.8, "4": 0.5}
    cards = [
        (one, "music", "made up", metric, pool, value + extra)
        for one, value in scores.items()
        for metric, pool, extra in (
            ("identification accuracy", "clips", 0),
            ("identification accuracy", "windows", 0.3),
            ("top-1", "clips", 0.2),
        )
    ]
    names = ["subject", "target", "source", "metric", "pool", "value"]
    found = groups_table(study, pd.DataFrame(cards, columns=names))
    participants = pd.read_csv(tmp_path / "participants.tsv", sep="\t", dtype=str)
    expected = compare_groups(scores, participants, "expert", seed=0)
    (row,) = found.to_dict("records")
    assert (row["groups_a"], row["groups_b"]) == ("no", "yes")
    assert_allclose(row["difference"], 0.3)
    assert row["p_permutation"] == row["q_permutation"] == expected.p_permutation
    assert (row["n_a"], row["n_b"], row["smallest_p"]) == (2, 2, expected.smallest_p)


ROIS_STACKED = """
[decoding]
targets = ["music"]
decoder = "rois"
responses = "stack"
n_best = 2
folds = "clip"
n_folds = 3
alphas = [1e9]
control_roi = "noise"
lags = [1]
n_permutations = 100
n_resamples = 100
"""


def test_rois_of_stacked_delays_and_folds_of_clips(tmp_path, write_study):
    path = write_study(tmp_path / "data", clip_samples=12)
    result = run(with_decoding(path, ROIS_STACKED), tmp_path / "out")
    chosen = table(result, "decoding_chosen").query("subject == '01'")
    assert chosen["chosen_by"].iloc[0] == "music"
    assert (chosen["share_largest"] == 1).all()
    assert chosen["cv_r"].is_monotonic_decreasing
    assert set(table(result, "decoding_optimism")["metric"]) == {
        "correlation per dimension",
        "identification accuracy",
    }
    r = table(result, "decoded_dimensions")["r"]
    assert (r > 0.3).all()


def test_subjects_are_aligned_in_named_rois_alone(decoded):
    opened = SimpleNamespace(subject="01")
    study = load_study(decoded.out.parent / "data/study.toml")
    rows = read_rows_to_decode(Session(study, decoded.out, lambda *_: None), opened)
    decoding = replace(study.decoding, across_rois=("music", "noise"))
    found = roi_columns(replace(study, decoding=decoding), rows)
    assert_array_equal(np.flatnonzero(found), [0, 1, 2, 3, 8, 9, 10, 11])
    assert roi_columns(study, rows).all()


def test_single_volumes_reach_no_other_presentation_of_a_mean_of_repeats(
    decoded,
):
    opened = SimpleNamespace(subject="01")
    study = load_study(decoded.out.parent / "data/study.toml")
    rows = read_rows_to_decode(Session(study, decoded.out, lambda *_: None), opened)
    assert len(set(stretches(rows.test.every))) == 6
    assert len(set(stretches(rows.train.every))) == 3


def test_safe_subsets_are_the_clips_that_share_nothing(tmp_path):
    (tmp_path / "stimuli").mkdir()
    table = "subject,test_clip,artist-safe,duplicate-safe\n01,a,True,\n01,b,False,\n"
    path = tmp_path / "stimuli/safe_clips.csv"
    path.write_text(table + "02,a,False,\n", encoding="utf-8")
    found = safe_subsets(tmp_path, "01", np.array(["b", "a", "a", "c"]))
    assert list(found) == ["artist-safe"]
    assert_array_equal(found["artist-safe"], [False, True, True, False])
    assert safe_subsets(tmp_path / "none", "01", np.array(["a"])) == {}


def test_rois_that_are_dead_are_named_before_anything_is_fitted(tmp_path, write_study):
    path = write_study(tmp_path / "data")
    for subject in ("01", "02"):
        file = path.parent / f"npy/sub-{subject}.npy"
        Y = np.load(file)
        Y[:, 8:] = 3.0
        np.save(file, Y)
    text = '[decoding]\ntargets = ["music"]\ncontrol_roi = "noise"\n'
    with pytest.raises(InputError, match="no voxel of ROI 'noise'"):
        run(with_decoding(path, text), tmp_path / "out")
    assert not (tmp_path / "out/models").exists()
    whole = path.read_text(encoding="utf-8")
    few = whole.replace('control_roi = "noise"', 'decoder = "rois"\nn_best = 3')
    path.write_text(few, encoding="utf-8")
    with pytest.raises(InputError, match="n_best is 3, and in 1 of 3 ROIs no voxel"):
        run(load_study(path), tmp_path / "out")
