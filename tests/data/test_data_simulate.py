"""Tests of the simulated study: its files, its formulas, and its planted truth."""

import zipfile

import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import compute_regressor
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import lfilter

from brain2music.core.checks import InputError
from brain2music.core.rows import each_run
from brain2music.data import simulate, simulated_cortex, simulated_features
from brain2music.data.events import check_events_fit, clip_ids, read_events
from brain2music.data.recordings import open_recording
from brain2music.data.rois import rois_from_masks

SPACES = ("mulan-music", "mulan-text", "w2v-bert")
ROIS = [disc.name for disc in simulated_cortex.DISCS]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    simulate.simulate_study(folder, seed=3, n_vertices=700)
    return folder


@pytest.fixture(scope="module")
def masks():
    return simulated_cortex.roi_masks()


@pytest.fixture(scope="module")
def regressors():
    design = simulated_features.read_design()
    clips = simulated_features.design_clips(design)
    genres = [simulated_features.genre_of(clip) for clip in clips]
    rng = np.random.default_rng(3)
    spaces = simulated_features.draw_spaces(
        simulated_features.draw_latent(genres, rng), rng
    )
    return simulated_features.convolved_regressors(design, clips, spaces)


def drawn_spaces(rng):
    genres = np.repeat([f"g{k}" for k in range(10)], 54)
    latent = simulated_features.draw_latent(genres, rng)
    return genres, latent, simulated_features.draw_spaces(latent, rng)


def share_explained(X, features):
    """Return R2 of a least-squares fit of all features together."""
    Y = features.reshape(-1, features.shape[-1]) - features.mean(axis=(0, 1))
    residual = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
    return 1 - (residual**2).sum() / (Y**2).sum()


def test_the_study_is_read_like_any_users_data(study):
    recording = open_recording(
        study,
        "02",
        responses="responses/sub-{subject}.npy",
        runs="runs.csv",
        mesh="fsaverage5",
        vertices="vertices/sub-{subject}.npy",
    )
    assert len(recording.runs) == 18
    assert recording.space.n_voxels == 700
    whole = np.load(study / "responses" / "sub-02.npy")
    run = next(r for r in recording.runs if r.task == "Test" and int(r.run) == 2)
    assert_array_equal(recording.read(run), whole[13 * 410 : 14 * 410])
    rois, _ = rois_from_masks(study / "rois.npz", recording.space)
    assert list(rois) == ROIS


def test_runs_stand_in_the_order_of_the_design_with_410_volumes_each(study):
    rows = pd.read_csv(study / "runs.csv", dtype=str)
    names = (rows["task"] + rows["run"]).tolist()
    runs = [names[part.start] for part in each_run(names)]
    train = [f"Training{k:02d}" for k in range(1, 13)]
    assert runs == train + [f"Test{k:02d}" for k in range(1, 7)]
    assert {part.stop - part.start for part in each_run(names)} == {410}
    responses = np.load(study / "responses" / "sub-01.npy")
    assert responses.dtype == np.float32
    assert responses.shape == (len(rows), 700) == (7380, 700)


def test_the_events_fit_the_volumes_and_name_the_clips_of_the_features(study):
    clips = set()
    for path in sorted((study / "events").glob("*.tsv")):
        events, _ = read_events(path)
        check_events_fit(events, n_samples=410, tr_s=1.5, name=path.name)
        clips.update(clip_ids(events, "{genre}.{track:0>5}"))
    assert len(clips) == 540
    for name in SPACES:
        table = np.load(study / "features" / f"{name}.npz")
        assert table["clips"].tolist() == sorted(clips)


def test_features_have_ten_rows_a_clip_but_for_text_that_has_one(study):
    tables = {name: np.load(study / "features" / f"{name}.npz") for name in SPACES}
    shapes = {name: table["features"].shape for name, table in tables.items()}
    assert shapes["mulan-music"] == shapes["w2v-bert"] == (540, 10, 16)
    assert shapes["mulan-text"] == (540, 12)
    assert float(tables["w2v-bert"]["rate_hz"]) == pytest.approx(1 / 1.5)
    assert "rate_hz" not in tables["mulan-text"]


def test_the_files_say_that_all_is_simulated_and_what_was_planted(study):
    assert "SIMULATED" in (study / "README.txt").read_text(encoding="utf-8")
    truth = pd.read_csv(study / "truth.csv", keep_default_na=False)
    assert truth["roi"].tolist() == ROIS
    assert all(name.endswith("(simulated)") for name in truth["roi"])
    planted = ["w2v-bert", "mulan-music", "mulan-text", "genre", "none"]
    assert truth["planted"].tolist() == planted


def test_the_same_seed_gives_the_same_bytes_and_more_subjects_change_none(
    study, tmp_path
):
    simulate.simulate_study(tmp_path, seed=3, n_subjects=1, n_vertices=700)
    for path in sorted(p for p in tmp_path.rglob("*") if p.is_file()):
        assert path.read_bytes() == (study / path.relative_to(tmp_path)).read_bytes()


def test_no_file_holds_the_time_at_which_it_was_written(study):
    for path in study.rglob("*.npz"):
        dates = {i.date_time for i in zipfile.ZipFile(path).infolist()}
        assert dates == {(1980, 1, 1, 0, 0, 0)}


def test_another_seed_gives_other_features_and_responses(study, tmp_path):
    simulate.simulate_study(tmp_path, seed=4, n_subjects=1, n_vertices=700)
    for part in ("features/w2v-bert.npz", "responses/sub-01.npy"):
        assert (tmp_path / part).read_bytes() != (study / part).read_bytes()


def test_subjects_differ_in_responses_and_in_vertices_outside_the_rois(study, masks):
    first, second = (np.load(study / "vertices" / f"sub-0{k}.npy") for k in (1, 2))
    inside = np.flatnonzero(np.any(list(masks.values()), axis=0))
    for vertices in (first, second):
        assert_array_equal(np.unique(vertices), vertices)
        assert np.isin(inside, vertices).all()
        assert 0 <= vertices.min() <= vertices.max() < 20484
    assert not np.isin(np.setdiff1d(first, inside), second).all()


def test_responses_are_in_raw_units_with_a_baseline_in_each_vertex(study):
    responses = np.load(study / "responses" / "sub-01.npy")
    mean, spread = responses.mean(axis=0), responses.std(axis=0)
    assert np.isfinite(responses).all()
    assert 500 < mean.min() < mean.max() < 1500
    assert 7 < spread.min() < spread.max() < 25


def test_moments_are_autocorrelated_inside_a_clip_and_of_unit_variance(rng):
    _, latent, _ = drawn_spaces(rng)
    moment = latent["moment"]
    lagged = (moment[:, 1:] * moment[:, :-1]).mean() / (moment**2).mean()
    assert_allclose(lagged, simulated_features.PERSISTENCE, atol=0.02)
    assert_allclose(moment.var(axis=(0, 2)), 1, atol=0.1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_genre_predicts_a_third_or_more_of_mulan_music_and_not_all(seed):
    genres, _, spaces = drawn_spaces(np.random.default_rng(seed))
    X = np.repeat(simulated_features.one_hot(genres), 10, axis=0)
    assert 0.30 <= share_explained(X, spaces["mulan-music"]) <= 0.55


def test_text_is_genre_and_track_and_something_of_its_own(rng):
    genres, latent, spaces = drawn_spaces(rng)
    genre = simulated_features.one_hot(genres)
    track = np.hstack([genre, latent["track"][:, 0]])
    assert 0.25 < share_explained(genre, spaces["mulan-text"]) < 0.55
    assert 0.55 < share_explained(track, spaces["mulan-text"]) < 0.85


def test_w2v_bert_is_mostly_moment_and_track(rng):
    genres, latent, spaces = drawn_spaces(rng)
    genre = np.repeat(simulated_features.one_hot(genres), 10, axis=0)
    moment = latent["moment"].reshape(5400, -1)
    clip = np.repeat(np.eye(540), 10, axis=0)
    assert share_explained(genre, spaces["w2v-bert"]) < 0.2
    assert_allclose(share_explained(moment, spaces["w2v-bert"]), 0.5, atol=0.07)
    assert 0.35 < share_explained(clip, spaces["w2v-bert"]) < 0.7


def test_spaces_are_correlated_through_the_latent(rng):
    _, _, spaces = drawn_spaces(rng)
    X = spaces["w2v-bert"].reshape(5400, -1)
    assert share_explained(X, spaces["mulan-music"]) > 0.3


def test_the_haemodynamic_response_equals_nilearns_regressor():
    onset, duration, tr_s = 15.0, 15.0, 1.5
    x = np.zeros(60)
    x[10:20] = 1
    ours = lfilter(simulated_features.hrf(tr_s), [1.0], x)
    middles = (np.arange(60) + 0.5) * tr_s
    condition = np.array([[onset], [duration], [1.0]])
    theirs, _ = compute_regressor(condition, "glover", middles, oversampling=60)
    theirs = theirs[:, 0] / theirs[:, 0].max() * ours.max()
    assert_allclose(ours, theirs, atol=0.03)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999


def test_a_run_is_convolved_by_itself():
    # Run 12 is heard before run 1's lead-in repeats its last clip: nothing crosses.
    design = simulated_features.read_design()
    clips = simulated_features.design_clips(design)
    flat = {"w2v-bert": np.zeros((540, 10, 3), np.float32)}
    last = design.query("task == 'Training' and run == '03'")["clip"].iloc[-2]
    flat["w2v-bert"][clips.index(last)] = 1
    convolved = simulated_features.convolved_regressors(design, clips, flat)["w2v-bert"]
    heard = convolved[2, :, 0] - convolved[0, :, 0]
    assert_allclose(heard[:390], 0, atol=1e-12)
    assert heard[395] > 0.1
    assert_array_equal(convolved[3], convolved[0])


def test_rois_are_near_their_points_in_both_hemispheres(masks):
    for mask in masks.values():
        assert mask.shape == (20484,)
        assert mask[:10242].sum() > 30
        assert mask[10242:].sum() > 30


def test_rois_do_not_overlap(masks):
    assert np.sum(list(masks.values()), axis=0).max() == 1


def test_points_lie_left_and_right():
    from nilearn.datasets import fetch_coords_power_2011

    x = fetch_coords_power_2011().rois.set_index("roi")["x"]
    for disc in simulated_cortex.DISCS:
        left, right = disc.nodes
        assert x[left] < 0 < x[right]


def test_smoothing_keeps_the_variance_and_joins_no_hemispheres():
    matrix = simulated_cortex.smoothing(2)
    assert_allclose(matrix.power(2).sum(axis=1), 1)
    assert matrix[:10242, 10242:].nnz == 0
    assert matrix[[0], :].nnz > 10


@pytest.mark.parametrize("n_vertices", [100, 30_000])
def test_says_how_many_vertices_there_may_be(masks, rng, n_vertices):
    with pytest.raises(InputError, match=f"n_vertices is {n_vertices}; the ROIs hold"):
        simulated_cortex.choose_vertices(masks, n_vertices, rng)


def test_noise_has_unit_variance_and_is_smooth_in_time_and_space(rng):
    vertices = np.r_[0:30, 900:960]
    smoother = simulated_cortex.smoothing(simulate.NOISE_STEPS)
    nearby = smoother[vertices].astype(np.float32)
    noise = simulate.draw_noise(nearby, 4000, rng)
    assert noise.shape == (4000, 90)
    assert_allclose(noise.var(axis=0), 1, atol=0.2)
    assert_allclose(noise[0].var(), 1, atol=0.9)
    assert_allclose((noise[1:] * noise[:-1]).mean(), simulate.NOISE_AR, atol=0.03)
    expected = (nearby @ nearby.T).toarray()
    assert expected[~np.eye(90, dtype=bool)].max() > 0.3
    assert_allclose(np.cov(noise.T), expected, atol=0.2)


def test_autoregressive_series_follow_their_formula(rng):
    steps = rng.standard_normal((4, 7))
    expected = steps.copy()
    for k in range(1, 7):
        expected[:, k] = 0.3 * expected[:, k - 1] + np.sqrt(0.91) * steps[:, k]
    untouched = steps.copy()
    series = simulated_features.autoregressive(steps, 0.3, axis=1)
    assert_allclose(series, expected)
    assert_array_equal(steps, untouched)


def test_the_leader_has_three_quarters_of_a_signal_of_unit_variance(regressors, rng):
    leaders = np.repeat(["genre", "mulan-text", "w2v-bert", "none"], 50).tolist()
    W = simulate.draw_weights(leaders, regressors, rng)
    parts = {n: (regressors[n][:, 10:] @ W[n]).reshape(-1, 200) for n in W}
    signal = sum(parts.values())
    assert_allclose(signal[:, :150].var(axis=0, ddof=1), 1)
    assert_array_equal(signal[:, 150:], 0)
    for start, name in ((0, "genre"), (50, "mulan-text"), (100, "w2v-bert")):
        mine = slice(start, start + 50)
        variances = {n: part[:, mine].var(axis=0) for n, part in parts.items()}
        share = variances[name] / sum(variances.values())
        assert_allclose(share, simulate.LEAD, atol=1e-6)


def test_signal_shares_span_the_range_in_each_roi_and_are_0_elsewhere(masks, rng):
    vertices = simulated_cortex.choose_vertices(masks, 800, rng)
    smoother = simulated_cortex.smoothing(simulate.NOISE_STEPS)
    r2 = simulate.draw_r2(masks, vertices, smoother, rng)
    for disc in simulated_cortex.DISCS:
        inside = r2[masks[disc.name][vertices]]
        low, high = (0, 0) if disc.leader == "none" else simulate.R2_RANGE
        assert_allclose([inside.min(), inside.max()], [low, high])
    outside = ~np.any(list(masks.values()), axis=0)[vertices]
    assert_array_equal(r2[outside], 0)


def test_drift_is_slow(rng):
    drift = simulate.draw_drift(400, 300, rng)
    assert_allclose(drift.std(), simulate.DRIFT_SD, rtol=0.1)
    assert np.abs(np.diff(drift, axis=0)).max() < 0.05


def test_repeats_share_their_signal_where_something_is_planted(study, masks):
    responses = np.load(study / "responses" / "sub-01.npy")[12 * 410 :]
    runs = responses.reshape(6, 410, -1)[:, 10:].astype(np.float64)
    repeats = runs.reshape(6, 4, 100, -1) - runs.mean(axis=1)[:, None, None]
    a, b = repeats[:, ::2].mean(axis=1), repeats[:, 1::2].mean(axis=1)
    r = (a * b).sum(axis=(0, 1)) / np.sqrt(
        (a**2).sum(axis=(0, 1)) * (b**2).sum(axis=(0, 1))
    )
    vertices = np.load(study / "vertices" / "sub-01.npy")
    mean_r = {name: r[mask[vertices]].mean() for name, mask in masks.items()}
    null = mean_r.pop("V1 (simulated)")
    assert min(mean_r.values()) > null + 0.05


def test_noise_is_new_in_every_run_repeat_and_subject(study, masks):
    null = []
    for subject in ("sub-01", "sub-02"):
        responses = np.load(study / "responses" / f"{subject}.npy")
        vertices = np.load(study / "vertices" / f"{subject}.npy")
        columns = np.isin(vertices, np.flatnonzero(masks["V1 (simulated)"]))
        null.append(responses[:, columns].astype(np.float64).reshape(18, 410, -1))
    series = np.stack(null)[:, :, 10:].reshape(2 * 18 * 4, 100, -1)
    series = np.diff(series, axis=1)  # without the drift
    series -= series.mean(axis=1, keepdims=True)
    series /= np.linalg.norm(series, axis=1, keepdims=True)
    alike = np.einsum("atv,btv->ab", series, series) / series.shape[2]
    assert np.abs(alike[~np.eye(len(alike), dtype=bool)]).max() < 0.15


# What the tracks are given, and errors


def given_spaces(rng, **changes):
    widths = {"mulan-music": (10, 3), "mulan-text": (1, 4), "w2v-bert": (10, 5)}
    spaces = {n: rng.standard_normal((540, *shape)) for n, shape in widths.items()}
    return {n: s for n, s in (spaces | changes).items() if s is not None}


def test_responses_are_planted_on_the_spaces_that_are_given(tmp_path, rng):
    spaces = given_spaces(rng)
    options = {"seed": 3, "n_subjects": 1, "n_vertices": 650}
    simulate.simulate_study(tmp_path / "a", spaces=spaces, **options)
    simulate.simulate_study(tmp_path / "b", **options)
    assert not list((tmp_path / "a/features").iterdir())
    vertices = np.load(tmp_path / "a/vertices/sub-01.npy")
    with np.load(tmp_path / "a/rois.npz") as masks:
        core = masks["auditory core (simulated)"][vertices]
    design = simulated_features.read_design()
    clips = simulated_features.design_clips(design)
    regressors = simulated_features.convolved_regressors(design, clips, spaces)
    X = np.hstack([x.reshape(18 * 410, -1) for x in regressors.values()])
    shares = []
    for name in ("a", "b"):
        Y = np.load(tmp_path / name / "responses/sub-01.npy")[:, core]
        X_all = np.hstack([X, np.ones((len(X), 1))])
        predicted = X_all @ np.linalg.lstsq(X_all, Y)[0]
        shares.append(1 - (Y - predicted).var(axis=0) / Y.var(axis=0))
    assert shares[0].mean() > 3 * shares[1].mean()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w2v-bert": None}, "expected mulan-music, mulan-text, w2v-bert, each"),
        ({"mulan-text": np.ones((540, 2, 3))}, r"\(540 clips, 1 or 10 frames, feat"),
        ({"mulan-text": np.ones((540, 1, 3))}, "'mulan-text' is not finite or never"),
    ],
)
def test_says_what_given_spaces_must_be(tmp_path, rng, changes, message):
    with pytest.raises(InputError, match=message):
        simulate.simulate_study(tmp_path, seed=0, spaces=given_spaces(rng, **changes))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": 0, "n_subjects": 0}])
def test_says_which_seeds_and_subjects_there_may_be(tmp_path, wrong):
    with pytest.raises(InputError, match="expected a seed of 0 or more and 1 to 99"):
        simulate.simulate_study(tmp_path, **wrong)


def test_too_few_vertices_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="n_vertices is 10"):
        simulate.simulate_study(tmp_path / "new", seed=0, n_vertices=10)
    assert not (tmp_path / "new").exists()


def test_the_design_has_18_runs_of_41_presentations_of_clean_names():
    design = simulated_features.read_design()
    assert len(design) == 18 * 41
    clips = simulated_features.design_clips(design)
    assert all(len(clip.split(".")[1]) == 5 and "'" not in clip for clip in clips)
    assert design.groupby(["task", "run"])["onset_s"].max().eq(600).all()
    assert np.allclose(design["end_s"] - design["start_s"], 15, atol=0.011)
