"""Tests of decoding where volumes are censored and sessions share run numbers."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music import load_study, run
from brain2music.core.checks import InputError
from brain2music.core.store import open_store
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.rows import Pairs
from brain2music.workflow.check import check_study
from brain2music.workflow.tables import read_table

N = 12  # volumes of a clip; presentation p of a run starts at volume 12 p
LAGS, DELAYS = (0, 2, 5), (1, 2)
# Two sessions whose runs have the same numbers.
RUNS = {
    ("Training", "1"): ("A", "Training", "1"),
    ("Training", "2"): ("B", "Training", "1"),
    ("Training", "10"): ("B", "Training", "2"),
    ("Test", "1"): ("A", "Test", "1"),
    ("Test", "2"): ("B", "Test", "1"),
}
# An onset, the middle and the end of clips; in the test: one repeat of a moment, the
# first moment of a clip in its first repeat, both repeats of another moment.
CENSORED = {
    ("B", "Training", "1"): (2 * N, 3 * N + 5, 7 * N - 1),
    ("A", "Test", "1"): (N + 5, 3 * N, 2 * N + 7, 5 * N + 7),
}
DECODING = """
[decoding]
targets = ["music"]
n_folds = 3
lags = [0, 2, 5]
across = "ridge"
n_permutations = 100
n_resamples = 100
"""


@pytest.fixture(scope="module")
def write_censored(write_study, Fmriprep):
    """Give `write_censored(folder, censored)`: the study as scans of two sessions."""

    def write(folder, censored=CENSORED, text=DECODING):
        path = write_study(folder, clip_samples=N)
        writer = Fmriprep(folder)
        rows = pd.read_csv(folder / "runs.csv", dtype=str)
        for (task, label), (session, *run_) in RUNS.items():
            mine = ((rows["task"] == task) & (rows["run"] == label)).to_numpy()
            for subject in ("01", "02"):
                Y = np.load(folder / f"npy/sub-{subject}.npy")[mine]
                writer.write("volume", subject, run_, Y, session=session)
                gone = censored.get((session, *run_), ())
                stem = writer.stem(subject, run_, session)
                writer.write_confounds(stem, len(Y), moved=gone)
            events = folder / f"events/task-{task}_run-{label}_events.tsv"
            name = f"ses-{session}_task-{run_[0]}_run-{run_[1]}_events.tsv"
            (folder / "sessions").mkdir(exist_ok=True)
            events.rename(folder / "sessions" / name)
        edits = [
            ('responses = "npy/sub-{subject}.npy"\n', ""),
            ('runs = "runs.csv"', 'space = "MNI152NLin2009cAsym"'),
            ('"events/task', '"sessions/ses-{session}_task'),
            ('root = "."', 'root = "."\nderivatives = "derivatives/fmriprep"'),
            ("[responses]", '[responses]\ncensor = "scrub"'),
            ("lead_in_s", "confound_options = { scrub = 0 }\nlead_in_s"),
        ]
        whole = path.read_text(encoding="utf-8")
        for old, new in edits:
            assert old in whole
            whole = whole.replace(old, new, 1)
        path.write_text(whole + text, encoding="utf-8")
        return load_study(path)

    return write


@pytest.fixture(scope="module")
def censored(tmp_path_factory, write_censored):
    folder = tmp_path_factory.mktemp("censored")
    return run(write_censored(folder / "data"), folder / "out", stage="tables")


def measured(result, side):
    """Return each response that is left, by session, task, run and volume."""
    store = open_store(result.out / "responses/sub-01")
    rows = store.train_rows() if side == "train" else store.repeat_rows()
    Y = store.train() if side == "train" else store.repeats()
    keys = rows[["session", "task", "run", "sample"]].itertuples(index=False)
    return dict(zip(map(tuple, keys), Y, strict=True))


def played(result, side):
    """Yield each presentation after the lead-in: its run, onset and clip."""
    task = "Training" if side == "train" else "Test"
    for session, name, label in RUNS.values():
        if name == task:
            path = f"sessions/ses-{session}_task-{name}_run-{label}_events.tsv"
            events = pd.read_csv(result.out.parent / "data" / path, sep="\t")
            for p, row in enumerate(events.itertuples()):
                clip = f"{row.genre.strip(chr(39))}.{row.track:05d}"
                if p:
                    yield (session, name, label), N * p, clip


def heard(result):
    with np.load(result.out.parent / "data/features/music.npz") as saved:
        return dict(zip(saved["clips"].tolist(), saved["features"], strict=True))


def training_by_hand(result):
    """Return training pairs, with the clip and moment of each."""
    Y, features, found = measured(result, "train"), heard(result), []
    for run_, onset, clip in played(result, "train"):
        for k in range(N):
            volumes = [(*run_, onset + k + d) for d in (0, *DELAYS)]
            if all(volume in Y for volume in volumes):
                mean = np.mean([Y[volume] for volume in volumes[1:]], axis=0)
                name = "ses-{}_task-{}_run-{}".format(*run_)
                found.append((mean, features[clip][k], name, clip, k, onset))
    return found


def held_by_hand(result):
    """Return test pairs: repeats averaged where they are there, inside the clip."""
    Y, features = measured(result, "test"), heard(result)
    repeats = {}
    for run_, onset, clip in played(result, "test"):
        for k in range(N):
            if (*run_, onset + k) in Y:
                repeats.setdefault((clip, k), []).append(Y[*run_, onset + k])
    means = {moment: np.mean(rows, axis=0) for moment, rows in repeats.items()}
    found = []
    for clip in dict.fromkeys(clip for *_, clip in played(result, "test")):
        for k in range(N):
            moments = [(clip, k + d) for d in (0, *DELAYS)]
            if all(moment in means for moment in moments):
                mean = np.mean([means[moment] for moment in moments[1:]], axis=0)
                found.append((mean, features[clip][k], "test", clip, k, len(repeats)))
    return found, means


def pairs_of(found):
    Y, T, runs, clips, *_ = zip(*found, strict=True)
    return Pairs(np.array(Y), np.array(T), runs, clips)


def decoder():
    return CortexRidge((1.0, 10.0, 1e2, 1e3, 1e4, 1e5, 1e6), choose_by="r")


def test_sessions_and_censored_volumes_are_decoded_as_by_hand(censored):
    train, (test, _) = training_by_hand(censored), held_by_hand(censored)
    expected = decode(decoder(), pairs_of(train), pairs_of(test), n_folds=3)
    rows = pd.read_csv(censored.out / "decoding/sub-01/rows.csv", dtype={"run": str})
    # Each clip together and in time, though some of its moments came later.
    assert list(zip(rows["clip"], rows["sample_in_clip"], strict=True)) == [
        (clip, k) for *_, clip, k, _ in test
    ]
    assert (rows.groupby("clip")["presentation"].nunique() == 1).all()
    assert rows["run_name"].tolist() == sorted(rows["run_name"])
    with np.load(censored.out / "decoding/sub-01/music.npz") as saved:
        assert_allclose(saved["true"], expected.test.T, atol=1e-6)
        assert_allclose(saved["predicted"], expected.predicted, rtol=1e-4, atol=1e-5)
        train_mean = pairs_of(train).T.mean(axis=0)
        assert_allclose(saved["train_mean"], train_mean, atol=1e-6)
    # 6 clips of 12 - 2 moments; moment 7 of the second clip, and those before it, are
    # in no repeat, and moments that one repeat has are whole.
    assert len(rows) == 6 * (N - 2) - 3
    second = list(dict.fromkeys(clip for *_, clip in played(censored, "test")))[1]
    lost = set(range(N - 2)) - set(rows.loc[rows["clip"] == second, "sample_in_clip"])
    assert lost == {5, 6, 7}


def test_what_is_not_decoded_is_counted_and_said(censored):
    found = read_table(censored.out / "tables", "decoding_rows")
    found = found.query("subject == '01'").set_index("side")
    # Of training 3 volumes are gone, and each is a response to the two before it.
    train = found.loc["train"]
    assert train["n_rows"] == 3 * 6 * N
    by_hand = training_by_hand(censored)
    assert train["n_decoded"] == len(by_hand)
    assert (train["n_censored"], train["n_without_response"]) == (3, 2 + 2 + 2)
    assert train["n_beyond"] == 2 * 2  # the end of the other runs
    test = found.loc["test"]
    assert (test["n_rows"], test["n_decoded"]) == (6 * N, 6 * (N - 2) - 3)
    assert (test["n_censored"], test["n_without_response"]) == (1, 2)
    assert (test["n_beyond"], test["n_fewer_repeats"]) == (6 * 2, 2)
    assert (found["n_clips"] == found["n_clips_decoded"]).all()
    text = "3 of 72 test rows are not decoded, since volumes were cut out: 1 are such"
    assert any(text in note for note in censored.notes)


def test_subjects_who_lost_the_same_volumes_are_decoded_by_each_other(censored):
    found = read_table(censored.out / "tables", "decoding_across")
    cards = found[found["metric"] == "correlation per dimension"]
    cards = cards[cards["pool"] == "windows"]
    assert cards["subject"].tolist() == ["01", "02"]
    assert (cards["n"] == 6 * (N - 2) - 3).all()
    assert (cards["value"] > 0.3).all()


def test_subjects_who_lost_other_volumes_are_refused_before_any_work(
    tmp_path, write_censored, Fmriprep
):
    study = write_censored(tmp_path / "data", {})
    writer = Fmriprep(tmp_path / "data")
    stem = writer.stem("02", ("Training", "2"), "B")
    writer.write_confounds(stem, 7 * N, moved=(N + 4,))
    (clip,) = {
        clip
        for folder in [SimpleNamespace(out=tmp_path / "out")]
        for run_, onset, clip in played(folder, "train")
        if (run_, onset) == (("B", "Training", "2"), N)
    }
    words = (
        f"sub-02 and sub-01 are not decoded from the same training clips: 207 and 210 "
        f"rows, which differ in 3 moments, first 2 of clip '{clip}'.*responses.censor"
    )
    (problem,) = check_study(study).problems
    assert re.search(words, problem)
    with pytest.raises(InputError, match=words):
        run(study, tmp_path / "out")
    assert not (tmp_path / "out/responses").exists()


@pytest.mark.slow
def test_a_clip_that_is_censored_whole_is_named(tmp_path, write_censored):
    second = [*range(2 * N, 3 * N), *range(5 * N, 6 * N)]
    study = write_censored(tmp_path / "data", {("B", "Test", "1"): second})
    result = run(study, tmp_path / "out", stage="tables")
    found = read_table(result.out / "tables", "decoding_rows")
    test = found.query("side == 'test'").iloc[0]
    assert (test["n_clips"], test["n_clips_decoded"], test["n_decoded"]) == (6, 5, 50)
    (clip,) = {c for r, at, c in played(result, "test") if r[0] == "B" and at == 2 * N}
    assert any(
        f"1 of 6 test clips are left out whole, with no row to decode: {clip}." in note
        for note in result.notes
    )
    cards = read_table(result.out / "tables", "decoding")
    assert set(cards["n_clips"]) == {5}


def test_a_lag_by_one_volume_is_that_of_rows_by_hand(censored):
    found = read_table(censored.out / "tables", "decoding_lags")
    found = found.query("subject == '01'").set_index("lag")
    train, (test, means) = training_by_hand(censored), held_by_hand(censored)
    Y, n_train = measured(censored, "train"), 3 * 6
    for lag in LAGS:
        fit = []
        for run_, onset, clip in played(censored, "train"):
            name = "ses-{}_task-{}_run-{}".format(*run_)
            targets = [t for _, t, r, _, _, at in train if (r, at) == (name, onset)]
            if (*run_, onset + lag) in Y:
                row = Y[*run_, onset + lag], np.mean(targets, axis=0), name, clip
                fit.append(row)
        held = []
        for clip in dict.fromkeys(clip for *_, clip, _, _ in test):
            targets = [target for _, target, _, c, _, _ in test if c == clip]
            if (clip, lag) in means:
                row = means[clip, lag], np.mean(targets, axis=0), "test", clip
                held.append(row)
        done = decode(decoder(), pairs_of(fit), pairs_of(held), n_folds=3)
        value = identification_accuracy(done.predicted, done.test.T).mean()
        assert found.loc[lag, "value"] == pytest.approx(value, abs=1e-6)
        assert found.loc[lag, "n_train"] == len(fit)
        assert found.loc[lag, "n_cut_out"] == n_train - len(fit)
        assert found.loc[lag, "n"] == len(held) == 6
    assert found["n_cut_out"].tolist() == [1, 0, 1]
    assert (found["n_outside"] == 0).all()
    notes = "\n".join(censored.notes)
    assert "at 2 of 3 lags, up to 1 presentations are left out" in notes


@pytest.mark.slow
def test_without_censoring_no_moment_is_lost(tmp_path, write_censored):
    result = run(
        write_censored(tmp_path / "data", {}), tmp_path / "out", stage="tables"
    )
    rows = pd.read_csv(result.out / "decoding/sub-01/rows.csv")
    assert len(rows) == 6 * (N - 2)
    found = read_table(result.out / "tables", "decoding_lags")
    assert_array_equal(found[["n_train", "n_cut_out", "n_outside"]], [[18, 0, 0]] * 6)
