"""Tests of rows by windows, of the lag, and of what training and test share."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal

from brain2music import load_study, run
from brain2music.core.checks import InputError
from brain2music.core.store import open_store
from brain2music.data.cleaning import Cleaning, clean_run
from brain2music.study import StudyError
from brain2music.workflow.alignment import align
from brain2music.workflow.check import check_study
from brain2music.workflow.opening import open_subject
from brain2music.workflow.prepare import build_features
from brain2music.workflow.responses import store_responses

TR_S, CLIP, RATE_HZ = 1.5, 8, 16_000  # a clip lasts 8 volumes, 12 s


def edit(path, *pairs):
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return load_study(path)


def by_windows(path, extra="", *pairs):
    table = f'[alignment]\nrows = "windows"\n{extra}\n\n[encoding]\n'
    without = re.sub(r"\ndelays = .*", "", path.read_text())
    path.write_text(without)
    return edit(path, ("[encoding]\n", table), *pairs)


# Rows by windows


def test_a_response_is_the_mean_of_the_scans_in_its_window_moved_on_by_the_lag(
    study_file, tmp_path
):
    study = by_windows(study_file, "window_s = 6\nstep_s = 3\nlag_s = 4.5")
    opened = open_subject(study, "01")
    store_responses(study, align(study, opened), tmp_path)
    store = open_store(tmp_path)
    run_ = opened.runs[1]
    settings = Cleaning(TR_S, "linear", n_drop_start=CLIP)
    Y, _ = clean_run(opened.recording.read(run_), settings, name="run")
    here = store.train_rows()["run_name"] == str(run_)
    rows, means = store.train_rows()[here], store.train()[here]
    # 6 clips of 3 windows; the last clip loses those that run past the volumes
    assert len(rows) == 6 * 3 - 2
    for row, mean in zip(rows.itertuples(), means, strict=True):
        first = round((row.time_s + 4.5) / TR_S)
        assert row.sample == first
        assert_allclose(
            mean, Y[first - CLIP : first - CLIP + 4].mean(axis=0), atol=1e-5
        )


def test_windows_of_frames_hold_the_mean_of_their_time(study_file):
    study = by_windows(
        study_file,
        "window_s = 6\nstep_s = 3",
        ('"music", "genre"', '"music"'),
        ('per = "clip"\n', 'per = "clip"\nstandardise = "none"\n'),
    )
    opened = open_subject(study, "01")
    X, *_ = build_features(study, align(study, opened))
    with np.load(study.root / "features/music.npz") as saved:
        frames = dict(zip(saved["clips"].tolist(), saved["features"], strict=True))
    clips = opened.events[opened.runs[0]]["clip"][1:]
    expected = [
        frames[clip][start : start + 4].mean(axis=0)
        for clip in clips
        for start in (0, 2, 4)
    ]
    assert_allclose(X[: len(expected)], expected)


WINDOWED = {"window_s": np.array(6.0), "step_s": np.array(3.0)}


def windowed_table(study_file, rng, **more):
    """Turn the table of clips into one of windows of 6 s by 3 s: 3 of a clip."""
    path = study_file.parent / "features/music.npz"
    with np.load(path) as saved:
        clips = saved["clips"]
    values = rng.standard_normal((len(clips), 3, 2))
    np.savez(path, clips=clips, features=values, **WINDOWED, **more)
    return dict(zip(clips.tolist(), values, strict=True))


@pytest.mark.parametrize("ending", ["npz", "zarr"])
def test_a_table_of_windows_serves_both_kinds_of_rows(study_file, rng, ending):
    vectors = windowed_table(study_file, rng, source=np.array("MuQ-MuLan, tiny"))
    edits = [
        ('"music", "genre"', '"music"'),
        ('source = "made up"\n', ""),
        ('per = "clip"\n', 'per = "clip"\nstandardise = "none"\n'),
    ]
    if ending == "zarr":
        edits.append(("music.npz", "music.zarr"))
        zarr = pytest.importorskip("zarr")
        group = zarr.open_group(
            study_file.parent / "features/music.zarr", mode="w", zarr_format=3
        )
        with np.load(study_file.parent / "features/music.npz") as saved:
            texts = saved["clips"].astype(np.dtypes.StringDType())
            group.create_array("clips", data=texts)
            group.create_array("features", data=saved["features"])
            group.attrs.update({name: saved[name].item() for name in WINDOWED})
            group.attrs["source"] = str(saved["source"])
    study = edit(study_file, ("delays = [1, 2]", "delays = [0]"), *edits)
    opened = open_subject(study, "01")
    X, _, (band,), *_ = build_features(study, align(study, opened))
    assert band.source == "MuQ-MuLan, tiny"
    clip = vectors[opened.events[opened.runs[0]]["clip"][1]]
    halves = [clip[0], clip[0], clip[:2].mean(0), clip[:2].mean(0)]
    halves += [clip[1:].mean(0), clip[1:].mean(0), clip[2], clip[2]]
    assert_allclose(X[:CLIP], halves)
    study = by_windows(study_file, "window_s = 6\nstep_s = 3")
    X, *_ = build_features(study, align(study, open_subject(study, "01")))
    assert_allclose(X[:3], clip)


def test_a_source_that_the_table_denies_is_refused_at_the_door(study_file, rng):
    windowed_table(study_file, rng, source=np.array("MuQ-MuLan, tiny"))
    problems = check_study(load_study(study_file)).problems
    assert "'made up', but music.npz says that it was made by 'MuQ-MuLan" in problems[0]


def test_a_window_averages_the_repeats_that_have_it(study_file, tmp_path):
    study = by_windows(study_file, "window_s = 6\nstep_s = 3\nlag_s = 4.5")
    aligned = align(study, open_subject(study, "01"))
    notes = store_responses(study, aligned, tmp_path)
    rows = open_store(tmp_path).test_rows()
    counts = rows.set_index(["run_name", "clip", "sample_in_clip"])["n_repeats"]
    assert len(counts) == 2 * 3 * 3  # every window of every clip has at least one
    assert sorted(set(counts)) == [1, 2]
    assert (counts == 1).sum() == 2 * 2  # the last clip of both runs loses two
    assert any("unequal numbers of repeats" in note for note in notes)
    assert any("run past the volumes" in note for note in aligned.notes)


@pytest.mark.parametrize(
    ("extra", "edits", "message"),
    [
        ("scans = 0", (), "alignment.scans"),
        ("lag_s = -1", (), "alignment.lag_s"),
        ("lag_s = [3, 3]", (), "each only once"),
        (
            "",
            (('precision = "float64"', 'incomplete_rows = "drop"'),),
            "no delays. Leave",
        ),
        ("", (('per = "clip"\n', 'per = "clip"\ndelays = [1]\n'),), "have one lag"),
    ],
)
def test_says_what_windows_cannot_have(study_file, extra, edits, message):
    with pytest.raises(StudyError, match=message):
        by_windows(study_file, extra, *edits)


def test_a_lag_without_windows_is_refused(study_file):
    with pytest.raises(StudyError, match=r"the lags are encoding\.delays"):
        edit(study_file, ("[encoding]\n", "[alignment]\nlag_s = 3\n\n[encoding]\n"))


def test_a_window_that_is_longer_than_a_clip_is_said_at_the_door(study_file):
    study = by_windows(study_file, "window_s = 14")
    assert any(
        "does not fit into a clip of 12 s" in p for p in check_study(study).problems
    )


# The lag


@pytest.fixture
def lagged_file(study_file):
    """Let the responses come 2 TR after the sound, in place of 1."""
    path = study_file.parent / "npy"
    rows = pd.read_csv(study_file.parent / "runs.csv", dtype=str)
    for file in path.iterdir():
        Y = np.load(file)
        groups = rows.groupby(["task", "run"], sort=False).indices.values()
        for place in groups:
            Y[place[1:]] = Y[place[:-1]].copy()
        np.save(file, Y)
    return study_file


LAGS = "window_s = 3\nlag_s = [0, 1.5, 3.0, 4.5]"


def test_the_lag_is_chosen_on_training_runs(lagged_file, tmp_path):
    study = by_windows(lagged_file, LAGS)
    done = run(study, tmp_path / "out")
    table = pd.read_csv(done.out / "tables/lags.csv", dtype={"subject": str})
    assert table.groupby("subject")["chosen"].sum().tolist() == [1, 1]
    assert set(table.loc[table["chosen"], "lag_s"]) == {3.0}
    assert (
        table["n_windows"].nunique() == 1
    )  # all lags are compared on the same windows
    assert any(
        "a lag of 3 s was chosen on training runs among" in n for n in done.notes
    )
    met = pd.read_csv(done.out / "tables/alignment.csv")
    music = met[met["feature_space"] == "music"]
    assert_allclose(music["volumes_from_s"] - music["sound_from_s"], 3.0)
    genre = met[met["feature_space"] == "genre"]  # it holds for the whole clip
    assert set(genre["sound_from_s"]) == {0.0}
    assert set(genre["sound_to_s"]) == {12.0}
    assert "Sound and volumes" in done.report.read_text()


def test_the_test_runs_have_no_part_in_the_choice_of_the_lag(lagged_file, tmp_path):
    study = by_windows(lagged_file, LAGS)
    run(study, tmp_path / "a", stage="responses")
    rows = pd.read_csv(study.root / "runs.csv")
    for file in (study.root / "npy").iterdir():
        Y = np.load(file)
        test = (rows["task"] == "Test").to_numpy()
        Y[test] = Y[test][::-1] * 30
        np.save(file, Y)
    run(study, tmp_path / "b", stage="responses")
    for subject in ("01", "02"):
        tables = [(tmp_path / x / f"lags/sub-{subject}/lags.csv") for x in "ab"]
        assert tables[0].read_text() == tables[1].read_text()


def test_a_study_by_windows_runs_to_its_report_and_finds_what_was_planted(
    study_file, tmp_path
):
    study = by_windows(study_file, "window_s = 3\nlag_s = 1.5")
    done = run(study, tmp_path / "out")
    voxels = done.voxel_scores.query("model == 'part' and score == 'r2'")
    mean = voxels.assign(number=voxels["voxel"].str.extract(r"(\d+)$")[0].astype(int))
    by_space = mean.groupby([mean["number"] // 4, "feature_space"])["value"].mean()
    assert by_space[0, "music"] > 0.2 > by_space[0, "genre"]
    assert by_space[1, "genre"] > 0.2 > by_space[1, "music"]
    assert abs(by_space[2, "music"]) < 0.1


# What training and test share


def test_a_training_clip_in_two_folds_is_refused(study_file):
    for run_ in ("1", "2"):
        path = study_file.parent / f"events/task-Training_run-{run_}_events.tsv"
        events = pd.read_csv(path, sep="\t")
        events.loc[3, ["genre", "track"]] = ["'jazz'", 1]
        events.to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match=r"more than one fold: jazz\.00001"):
        open_subject(load_study(study_file), "01")
    study = edit(
        study_file, ("[encoding]\n", '[encoding]\nclips_over_folds = "allow"\n')
    )
    open_subject(study, "01")


TRACKS = """
[features.level]
kind = "loudness"
path = "sound/{genre}.{track:0>5}"
hop_s = 0.5

[stimuli]
table = "tracks.csv"
column = "id"

[encoding]
"""


@pytest.fixture
def shared_file(study_file):
    """Return a study whose test clips share an artist and a sound with training."""
    folder = study_file.parent
    with np.load(folder / "features/music.npz") as saved:
        clips = saved["clips"].tolist()
    (folder / "sound").mkdir()
    rng = np.random.default_rng(3)
    for clip in clips:
        level = np.repeat(rng.uniform(0.02, 0.2, 24), RATE_HZ // 2)
        sound = level * rng.uniform(-1, 1, len(level))
        soundfile.write(folder / f"sound/{clip}.wav", sound, RATE_HZ)
    train, test = clips[:18], clips[18:]
    shutil.copyfile(folder / f"sound/{train[4]}.wav", folder / f"sound/{test[2]}.wav")
    artists = [f"artist {k}" for k in range(len(clips))]
    artists[clips.index(test[0])] = artists[0]
    table = pd.DataFrame({"id": clips, "artist": artists, "title": "n/a"})
    table.to_csv(folder / "tracks.csv", index=False)
    edit(study_file, ("[encoding]\n", TRACKS), ('["music", ', '["level", "music", '))
    return study_file, train, test


def test_what_training_and_test_share_is_listed_and_left_out_once_more(
    shared_file, tmp_path
):
    path, train, test = shared_file
    done = run(load_study(path), tmp_path / "out")
    pairs = pd.read_csv(done.out / "tables/shared_clips.csv", dtype={"subject": str})
    found = set(zip(pairs["test_clip"], pairs["train_clip"], pairs["why"], strict=True))
    assert found == {
        (test[0], train[0], "artist"),
        (test[2], train[4], "same audio"),
    }
    scores = pd.read_csv(done.out / "tables/subset_scores.csv", dtype={"subject": str})
    counts = scores.groupby("subset")["n_clips"].unique()
    assert counts["artist-safe"].tolist() == [len(test) - 2]
    assert counts["duplicate-safe"].tolist() == [len(test) - 1]
    assert any("share with a training clip: same audio" in n for n in done.notes)
    page = done.report.read_text()
    assert "Clips that training and test share" in page


def test_scores_of_a_subset_are_those_of_its_rows(shared_file, tmp_path):
    path, _, test = shared_file
    done = run(load_study(path), tmp_path / "out")
    model = done.out / "models/sub-01"
    rows = pd.read_csv(model / "rows.csv", dtype=str)
    kept = (rows["clip"] != test[2]).to_numpy()
    Y, P = (
        np.load(model / f"{n}.npy")[kept] for n in ("test_responses", "predictions")
    )
    r = [np.corrcoef(y, p)[0, 1] for y, p in zip(Y.T, P.T, strict=True)]
    scores = pd.read_csv(done.out / "tables/subset_scores.csv", dtype={"subject": str})
    row = scores.query(
        "subject == '01' and subset == 'duplicate-safe' and model == 'joint'"
    ).iloc[0]
    assert_allclose(row["r_mean"], np.mean(r), rtol=1e-6)


def test_every_table_of_spaces_says_what_they_are_made_by(shared_file, tmp_path):
    path, _, _ = shared_file
    done = run(load_study(path), tmp_path / "out")
    for name in ("roi_scores", "voxel_scores", "subset_scores", "alignment"):
        table = pd.read_csv(done.out / f"tables/{name}.csv", keep_default_na=False)
        here = table[table["feature_space"] == "level"]
        assert set(here["source"]) == {"librosa"}, name
    differences = done.roi_differences
    assert set(differences.loc[differences["a"] == "level", "source_a"]) == {"librosa"}


def test_a_table_of_tracks_without_its_column_is_refused_at_the_door(shared_file):
    path, _, _ = shared_file
    study = edit(path, ('column = "id"', 'column = "ID"'))
    problems = check_study(study).problems
    assert "no column 'ID'; it has id, artist, title" in problems[0]


def test_repeats_are_one_row_and_a_ceiling_is_of_whole_repeats(study_file, tmp_path):
    study = by_windows(study_file, "window_s = 6\nstep_s = 3\nlag_s = 4.5")
    done = run(study, tmp_path / "out", stage="tables")
    ceilings = pd.read_csv(done.out / "tables/ceilings.csv")
    assert_array_equal(ceilings["n_repeats"], [2, 2])
    assert any("leaves out 4 of 18 test rows" in note for note in done.notes)


def test_a_window_with_a_censored_volume_is_left_out(
    study_file, tmp_path, write_fmriprep
):
    path, writer = write_fmriprep(study_file)
    text = path.read_text().replace(
        "[responses]", '[responses]\ncensor = "scrub"\nconfound_options = { scrub = 0 }'
    )
    path.write_text(text)
    study = by_windows(path, "window_s = 6\nstep_s = 6\nlag_s = 0")
    whole = align(study, open_subject(study, "01"))
    writer.write_confounds(writer.stem("01", ("Training", "2")), 56, moved=(20,))
    cut = align(study, open_subject(study, "01"))
    gone = len(whole.rows) - len(cut.rows)
    assert gone == 1
    assert any(
        "1 of 12 windows hold a censored or dropped volume" in n for n in cut.notes
    )
    store_responses(study, whole, tmp_path / "whole")
    store_responses(study, cut, tmp_path / "cut")
    one, two = open_store(tmp_path / "whole"), open_store(tmp_path / "cut")
    first = one.train_rows()["run_name"] != "task-Training_run-2"
    same = two.train_rows()["run_name"] != "task-Training_run-2"
    np.testing.assert_array_equal(one.train()[first], two.train()[same])
    assert len(two.run("task-Training_run-2")) == 11


# What a folder of results holds of an earlier study


def test_lags_and_shared_clips_of_an_earlier_study_do_not_stay(shared_file, tmp_path):
    path, _, _ = shared_file
    text = path.read_text()
    study = by_windows(path, LAGS)
    done = run(study, tmp_path / "out", stage="tables")
    assert (done.out / "tables/lags.csv").exists()
    assert (done.out / "tables/subset_scores.csv").exists()
    path.write_text(
        text.replace('table = "tracks.csv"\ncolumn = "id"', "audio = false")
    )
    done = run(load_study(path), tmp_path / "out", stage="tables")
    for name in ("lags", "subset_scores", "shared_clips"):
        assert not (done.out / f"tables/{name}.csv").exists()
    assert not [n for n in done.notes if "lag" in n or "share with a training" in n]


def test_other_excerpts_of_the_same_files_are_compared_anew(shared_file, tmp_path):
    path, _, test = shared_file
    events = path.parent / "events"
    for file in events.iterdir():
        table = pd.read_csv(file, sep="\t").assign(a=0.0, b=12.0)
        table.to_csv(file, sep="\t", index=False)
    for file in (path.parent / "sound").iterdir():
        waveform, _ = soundfile.read(file)
        soundfile.write(file, np.r_[waveform, waveform[::-1]], RATE_HZ)
    study = edit(path, ("hop_s = 0.5", 'hop_s = 0.5\nstart = "a"\nend = "b"'))
    done = run(study, tmp_path / "out", stage="tables")
    pairs = pd.read_csv(done.out / "tables/shared_clips.csv")
    assert (test[2], "same audio") in set(
        zip(pairs["test_clip"], pairs["why"], strict=True)
    )
    for file in events.glob("*Test*"):
        table = pd.read_csv(file, sep="\t").assign(a=6.0, b=18.0)
        table.to_csv(file, sep="\t", index=False)
    done = run(load_study(path), tmp_path / "out", stage="tables")
    pairs = pd.read_csv(done.out / "tables/shared_clips.csv")
    assert "same audio" not in set(pairs["why"])


def test_a_clip_on_both_sides_is_not_safe(study_file, tmp_path):
    train = study_file.parent / "events/task-Training_run-1_events.tsv"
    clip = pd.read_csv(train, sep="\t").loc[2, ["genre", "track"]]
    for file in (study_file.parent / "events").glob("*Test_run-1*"):
        table = pd.read_csv(file, sep="\t")
        table.loc[1, ["genre", "track"]] = clip.to_list()
        table.loc[4, ["genre", "track"]] = clip.to_list()
        table.to_csv(file, sep="\t", index=False)
    clips = [f"{clip['genre'][1:-1]}.{clip['track']:05d}"]
    table = pd.DataFrame({"clip": clips, "track": ["x"]})
    table.to_csv(study_file.parent / "tracks.csv", index=False)
    study = edit(
        study_file,
        ("tr_s = 1.5\n", 'tr_s = 1.5\nshared_clips = "allow"\n'),
        ("[encoding]\n", '[stimuli]\ntable = "tracks.csv"\n\n[encoding]\n'),
    )
    done = run(study, tmp_path / "out", stage="tables")
    pairs = pd.read_csv(done.out / "tables/shared_clips.csv", dtype={"subject": str})
    assert set(pairs["subject"]) == {"01", "02"}
    assert set(zip(pairs["test_clip"], pairs["why"], strict=True)) == {
        (clips[0], "same clip")
    }
    safe = pd.read_csv(done.out / "stimuli/safe_clips.csv")
    assert "artist-safe" not in safe  # no artist is known
    assert not safe.loc[safe["test_clip"] == clips[0], "duplicate-safe"].any()
    assert safe["duplicate-safe"].sum() == 2 * 5


# Tables of clips by windows


def test_a_table_for_each_run_is_read_for_its_own_run(study_file):
    path = study_file.parent / "features"
    for task, offset in (("Training", 10.0), ("Test", 100.0)):
        with np.load(path / "music.npz") as saved:
            arrays = {**saved, "features": saved["features"] + offset}
        np.savez(path / f"music-{task}.npz", **arrays)
    study = by_windows(
        study_file,
        "window_s = 6",
        ("features/music.npz", "features/music-{task}.npz"),
        ('"music", "genre"', '"music"'),
        ('per = "clip"\n', 'per = "clip"\nstandardise = "none"\n'),
    )
    X, X_test, *_ = build_features(study, align(study, open_subject(study, "01")))
    assert abs(X.mean() - 10) < 1
    assert abs(X_test.mean() - 100) < 1


def test_frames_that_last_longer_than_their_clip_are_refused_by_windows_too(
    study_file,
):
    path = study_file.parent / "features/music.npz"
    with np.load(path) as saved:
        arrays = {**saved, "features": np.repeat(saved["features"], 2, axis=1)}
    np.savez(path, **arrays)
    study = by_windows(study_file, "window_s = 6")
    assert "16 frames at 0.666667 Hz last 24 s" in check_study(study).problems[0]


def test_a_table_of_windows_by_itself_takes_its_own_window(study_file, rng):
    windowed_table(study_file, rng)
    edits = ('"music", "genre"', '"music"')
    study = by_windows(study_file, "step_s = 3", edits)
    aligned = align(study, open_subject(study, "01"))
    X, *_ = build_features(study, aligned)
    assert len(X) == 3 * 6 * 3


def test_subjects_whose_tables_name_different_models_are_refused(study_file, tmp_path):
    path = study_file.parent / "features"
    for subject in ("01", "02"):
        with np.load(path / "music.npz") as saved:
            arrays = {**saved, "source": np.array(f"model {subject}")}
        np.savez(path / f"music-{subject}.npz", **arrays)
    study = edit(
        study_file,
        ("features/music.npz", "features/music-{subject}.npz"),
        ('source = "made up"\n', ""),
    )
    with pytest.raises(InputError, match=r"sub-01 'model 01', sub-02 'model 02'"):
        run(study, tmp_path / "out")
    (path / "music-01.npz").unlink()
    done = run(study, tmp_path / "out", subjects=["02"], stage="tables")
    assert set(done.roi_scores.query("feature_space == 'music'")["source"]) == {
        "model 02"
    }


def test_a_clip_that_ends_within_a_frame_keeps_its_last_window(study_file):
    """Frames of 1.5 s over 11.5 s: the last one is cut, and not dropped."""
    for file in (study_file.parent / "events").iterdir():
        table = pd.read_csv(file, sep="\t").assign(duration=11.5)
        table.to_csv(file, sep="\t", index=False)
    study = by_windows(
        study_file, "window_s = 5\nstep_s = 2", ('"music", "genre"', '"music"')
    )
    X, *_ = build_features(study, align(study, open_subject(study, "01")))
    assert len(X) == 3 * 6 * 4
