"""Tests of music that is found by what a study decodes."""

import json
import re
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music import load_study, run
from brain2music.data.stimuli import shape_clip
from brain2music.decoding.approximate import build_cells, by_cells
from brain2music.decoding.chance import clip_permutations
from brain2music.decoding.contours import contours, temporal_agreement
from brain2music.decoding.corpus import find_music
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.retrieval import Index, build_index, save_index
from brain2music.decoding.sounds import Sound
from brain2music.features.pretrained import extract_audio
from brain2music.features.windows import Windows
from brain2music.workflow import corpus
from brain2music.workflow.alignment import align
from brain2music.workflow.corpus import make_corpus, second_identity
from brain2music.workflow.encoders import encoder_of
from brain2music.workflow.excerpts import played_clips, spread, write_excerpt
from brain2music.workflow.networks import network_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.reconstruction import (
    check_reconstruction,
    make_reconstruction,
)
from brain2music.workflow.searched import nearest
from brain2music.workflow.session import Session

pytest.importorskip("torch")
pytest.importorskip("transformers")

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def planted(heard_study, tmp_path_factory, decoded_as):
    """Return the study, its rows and what was found by errorless decoding."""
    study, out = load_study(heard_study), tmp_path_factory.mktemp("planted")
    session, aligned, decoded = decoded_as(study, out)
    make_reconstruction(session, aligned, decoded)
    return study, aligned, out


def value(scores, items, scored_by, metric="identification accuracy"):
    asked = (scores["items"] == items) & (scores["metric"] == metric)
    (row,) = scores[asked & scores["scored_by"].str.contains(scored_by)].to_dict(
        "records"
    )
    return row


# What is found


def test_what_was_decoded_without_error_reaches_the_oracle(
    planted, step_table, nearest_by_hand
):
    study, aligned, out = planted
    for subject in ("01", "02"):
        scores = step_table(out, "retrieval", subject)
        for name in ("CLAP", "w2v"):
            got, best = (value(scores, kind, name) for kind in ("retrieved", "oracle"))
            assert got["value"] == best["value"]
            assert got["n_clips"] == 6
        assert value(scores, "oracle", "CLAP")["value"] > 0.7
        assert set(scores["pool"]) == {"all 6 test clips"}
        assert set(scores["search"]) == {"exact", "none"}
        cards = scores[["chance", "low", "high", "p", "n", "n_permutations"]]
        assert cards.notna().all(axis=None)
        for kind in ("random track", "shuffled clips"):
            assert value(scores, kind, "CLAP")["chance"] == pytest.approx(0.5)
    table_of_first = step_table(out, "retrieval")
    found = step_table(out, "retrieved")
    assert len(found) == 6 * 3
    assert set(found["rank"]) == {1, 2, 3}
    by_hand = nearest_by_hand(study, aligned[0])
    first = found[found["rank"] == 1]
    assert dict(zip(first["clip"], first["track"], strict=True)) == by_hand
    assert (found.groupby("clip")["cosine"].diff().dropna() <= 0).all()
    root = study.folder / "corpus"
    tracks = {t.id: vector_by_hand(study, t.path) for t in find_music(root)}
    clips = {c: vector_by_hand(study, study.root / f"sound/{c}.wav") for c in by_hand}
    every = np.array(
        [[cosine(tracks[by_hand[a]], clips[b]) for b in clips] for a in clips]
    )
    got = value(table_of_first, "retrieved", "CLAP", "mean cosine")
    assert got["value"] == pytest.approx(np.trace(every) / 6, abs=1e-4)
    orders = clip_permutations(list(clips), 100, seed=0)
    null = np.array([[every[order[k], k] for k in range(6)] for order in orders])
    assert got["chance"] == pytest.approx(null.mean(), abs=1e-4)
    n_better = (null.mean(axis=1) >= np.trace(every) / 6 - 1e-9).sum()
    assert got["p"] == pytest.approx((1 + n_better) / 101)


def test_controls_retrieve_by_what_training_clips_are_like(planted, step_table):
    study, aligned, out = planted
    rows = aligned[0].rows
    train, test = (
        rows.loc[rows["side"] == side, "clip"].unique() for side in ("train", "test")
    )
    vectors = [vector_by_hand(study, study.root / f"sound/{c}.wav") for c in train if c]
    clips = [vector_by_hand(study, study.root / f"sound/{clip}.wav") for clip in test]
    tracks = [
        vector_by_hand(study, track.path)
        for track in find_music(study.folder / "corpus")
    ]
    scores = step_table(out, "retrieval")
    rng = np.random.default_rng(0)
    spread_ = np.array(vectors) - np.mean(vectors, axis=0)
    noise = rng.standard_normal((6, len(vectors))) @ spread_
    queries = {
        "mean embedding": np.tile(np.mean(vectors, axis=0), (6, 1)),
        "random embedding": np.mean(vectors, axis=0)
        + noise / np.sqrt(len(vectors) - 1),
    }
    for kind, asked in queries.items():
        found = [max(tracks, key=lambda track: cosine(track, query)) for query in asked]
        expected = np.mean([cosine(a, b) for a, b in zip(found, clips, strict=True)])
        got = value(scores, kind, "CLAP", "mean cosine")
        if kind == "random embedding":
            expected = over_orders(found, clips, test).mean()
            assert (got["n_draws"], got["n_permutations"]) == (200, 200)
        assert got["value"] == pytest.approx(expected, abs=1e-4)
        other = value(scores, kind, "w2v")
        assert other["p"] > 0.05
    assert value(scores, "mean embedding", "CLAP", "mean cosine")["p"] == 1
    drawn = np.random.default_rng(0).integers(0, 14, 6)
    by_order = over_orders([tracks[row] for row in drawn], clips, test)
    got = value(scores, "random track", "CLAP", "mean cosine")
    assert got["value"] == pytest.approx(by_order.mean(), abs=1e-4)
    bounds = np.quantile(by_order, [0.025, 0.975])
    assert [got["low"], got["high"]] == pytest.approx(bounds.tolist(), abs=1e-4)
    first = step_table(out, "retrieved").query("rank == 1")["track"]
    mine = [vector_by_hand(study, study.folder / "corpus" / one) for one in first]
    got = value(scores, "shuffled clips", "CLAP", "mean cosine")
    assert got["value"] == pytest.approx(
        over_orders(mine, clips, test).mean(), abs=1e-4
    )
    assert got["p"] > 0.2


def over_orders(items, clips, names):
    """Return the mean cosine of items and clips in each of 200 orders."""
    table = np.array([[cosine(a, b) for b in clips] for a in items])
    orders = clip_permutations(names, 200, seed=0)
    return table[orders, np.arange(len(clips))].mean(axis=1)


def test_a_control_roi_retrieves_by_what_it_predicts(
    heard_study, tmp_path, decoded_as, step_table, moments
):
    study = load_study(heard_study)
    study = replace(
        study,
        decoding=replace(study.decoding, control_roi="V1"),
        retrieval=replace(study.retrieval, checked_by=None),
    )
    session, aligned, decoded = decoded_as(study, tmp_path, control=True)
    make_reconstruction(session, aligned[:1], decoded)
    scores = step_table(tmp_path, "retrieval")
    assert list(dict.fromkeys(scores["items"])) == [
        "retrieved",
        "oracle",
        "mean embedding",
        "random embedding",
        "V1 alone",
        "shuffled clips",
        "random track",
    ]
    rows = aligned[0].rows[aligned[0].rows["side"] == "test"]
    rows = rows.drop_duplicates(["clip", "sample_in_clip"])
    mean, scale = moments(study, aligned[0], "clap")
    noise = np.random.default_rng(0).standard_normal((len(rows), len(mean)))
    noise = noise * scale + mean
    noise[:, -1] = mean[-1]  # it was not decoded: its training mean stands in
    tracks = [
        vector_by_hand(study, track.path)
        for track in find_music(study.folder / "corpus")
    ]
    clips = rows["clip"].unique()
    truth = [vector_by_hand(study, study.root / f"sound/{clip}.wav") for clip in clips]
    asked = [noise[(rows["clip"] == clip).to_numpy()].mean(axis=0) for clip in clips]
    found = [max(tracks, key=lambda track: cosine(track, query)) for query in asked]
    expected = identification_accuracy(found, truth).mean()
    assert value(scores, "V1 alone", "CLAP")["value"] == pytest.approx(expected)
    assert value(scores, "retrieved", "CLAP")["value"] > expected


def test_safe_subsets_are_named_in_the_pool(
    heard_study, tmp_path, decoded_as, step_table
):
    study = load_study(heard_study)
    settings = replace(study.retrieval, checked_by=None)
    study = replace(study, retrieval=settings)
    session, aligned, decoded = decoded_as(study, tmp_path, from_truth=False)
    rows = aligned[0].rows
    clips = rows.loc[rows["side"] == "test", "clip"].unique()
    safe = pd.DataFrame({"subject": "01", "test_clip": clips})
    safe["duplicate-safe"] = np.arange(6) > 1
    safe["artist-safe"] = np.arange(6) > 3
    (tmp_path / "stimuli").mkdir()
    safe.to_csv(tmp_path / "stimuli/safe_clips.csv", index=False)
    make_reconstruction(session, aligned[:1], decoded)
    scores = step_table(tmp_path, "retrieval")
    part = scores[scores["pool"] != "all 6 test clips"]
    assert set(part["pool"]) == {"4 duplicate-safe test clips"}  # 2 are too few
    assert set(part["items"]) == {"retrieved", "oracle"}
    assert (part["n_clips"] == 4).all()
    mine = step_table(tmp_path, "retrieved").query("rank == 1").set_index("clip")
    truth = [vector_by_hand(study, study.root / f"sound/{c}.wav") for c in clips[2:]]
    place = study.folder / "corpus"
    items = [vector_by_hand(study, place / mine["track"][c]) for c in clips[2:]]
    expected = identification_accuracy(items, truth).mean()
    (got,) = part.query("items == 'retrieved' and metric == 'identification accuracy'")[
        "value"
    ]
    assert got == pytest.approx(expected)


@pytest.fixture
def nearest_by_hand(moments):
    """Find each test clip's nearest track with the network alone, sound by sound."""

    def find(study, aligned):
        root = study.folder / "corpus"
        tracks = {t.id: vector_by_hand(study, t.path) for t in find_music(root)}
        clips = aligned.rows.loc[aligned.rows["side"] == "test", "clip"].unique()
        mean, _ = moments(study, aligned, "clap")
        best = {}
        for clip in clips:
            query = vector_by_hand(study, study.root / f"sound/{clip}.wav")
            query[-1] = mean[-1]  # it was not decoded: its training mean stands in
            best[clip] = max(tracks, key=lambda name: cosine(tracks[name], query))
        return best

    return find


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def vector_by_hand(study, path):
    wave, rate_hz = soundfile.read(path)
    heard = shape_clip(wave[: 15 * rate_hz], rate_hz, fade_s=1, rms=0.05)
    rows = extract_audio(
        [heard.astype(np.float32)],
        rate_hz,
        network=network_of(study, study.features["clap"]),
        windows=Windows(10, 2.5),
    )
    return rows["embedding"][0].mean(axis=0)


@pytest.mark.slow
def test_noise_finds_no_stimulus_above_chance(
    heard_study, tmp_path, decoded_as, step_table
):
    study = load_study(heard_study)
    values = []
    for seed in range(3):
        session, aligned, decoded = decoded_as(
            study, tmp_path, from_truth=False, seed=seed
        )
        make_reconstruction(session, aligned, decoded)
        for subject in ("01", "02"):
            row = value(step_table(tmp_path, "retrieval", subject), "retrieved", "CLAP")
            assert row["p"] > 0.01
            values.append(row["value"])
    assert np.mean(values) == pytest.approx(0.5, abs=0.15)


def test_a_saved_index_stands_for_its_music(
    heard_study, tmp_path, decoded_as, step_table, nearest_by_hand
):
    study = load_study(heard_study)
    make_corpus(Session(study, tmp_path / "first", lambda *_: None))
    settings = replace(
        study.retrieval, corpus=str(tmp_path / "first/corpus/index"), checked_by=None
    )
    study = replace(study, retrieval=settings)
    session, aligned, decoded = decoded_as(study, tmp_path / "out")
    make_reconstruction(session, aligned, decoded)
    found = step_table(tmp_path / "out", "retrieved").query("rank == 1")
    by_hand = nearest_by_hand(study, aligned[0])
    assert dict(zip(found["clip"], found["track"], strict=True)) == by_hand
    assert not (tmp_path / "out/retrieval/sub-01/players.csv").exists()


def test_captions_find_music_by_the_tower_of_sound(
    heard_copy, tmp_path, decoded_as, step_table
):
    path = heard_copy(
        ('["clap", "genre"]', '["clap", "words", "genre"]'),
        ('targets = ["clap"]', 'targets = ["words"]'),
        ('target = "clap"', 'target = "words"'),
    )
    study = load_study(path)
    for subject in ("01", "02"):
        one = align(study, open_subject(study, subject))
        check_reconstruction(study, one.opened, one.rows)
    session, aligned, decoded = decoded_as(study, tmp_path / "out", "words")
    make_reconstruction(session, aligned, decoded)
    scores = step_table(tmp_path / "out", "retrieval")
    got, best = (value(scores, kind, "w2v") for kind in ("retrieved", "oracle"))
    assert got["value"] == best["value"]
    assert set(scores["source"]) == {"CLAP, tiny-clap"}


def test_stimuli_in_the_corpus_are_left_out_by_sound_and_by_name(
    heard_copy, tmp_path, decoded_as, step_table, make_sound
):
    path = heard_copy()
    folder = path.parent
    study = load_study(path)
    test = align(study, open_subject(study, "01")).rows.query("side == 'test'")
    quiet, named, *_ = test["clip"].unique()
    wave, _ = soundfile.read(folder / f"sound/{quiet}.wav")
    soundfile.write(folder / "corpus/unknown.flac", 0.3 * wave, RATE_HZ)
    rng = np.random.default_rng(3)
    soundfile.write(folder / f"corpus/{named}.flac", make_sound(rng), RATE_HZ)
    session, aligned, decoded = decoded_as(study, tmp_path / "out")
    make_reconstruction(session, aligned, decoded)
    notes = json.loads((tmp_path / "out/retrieval/sub-01/about.json").read_text())
    (note,) = [text for text in notes["notes"] if "test stimuli" in text]
    assert "2 tracks of the corpus are test stimuli and were left out" in note
    assert f"unknown.flac has the sound of {quiet}" in note
    assert f"{named}.flac has the name of {named}" in note
    found = step_table(tmp_path / "out", "retrieved")
    assert not set(found["track"]) & {"unknown.flac", f"{named}.flac"}


def test_an_approximate_search_says_how_much_it_misses(heard_study, rng):
    pytest.importorskip("faiss")
    study = load_study(heard_study)
    table_ = rng.standard_normal((9000, 60))
    ids = [str(k) for k in range(9000)]
    index = build_index(table_, ids, identity="x", source="")
    queries = rng.standard_normal((40, 60))
    exact, none = nearest(study, index, queries, 3)
    assert none == []
    found, (note,) = nearest(study, by_cells(build_cells(index)), queries, 3)
    some = np.random.default_rng(0).choice(40, 10, replace=False)
    pairs = zip(found.rows[some], exact.rows[some], strict=True)
    share = np.mean([len(set(a) & set(b)) / 3 for a, b in pairs])
    assert share < 1
    assert f"is approximate, 32 of 95 cells: it found {share:.1%} of the 3" in note
    assert "counted on 10 of 40 test clips" in note


@pytest.fixture
def large_index(heard_study, tmp_path, rng):
    """Return a study whose corpus is a saved index, which is searched by cells."""
    pytest.importorskip("faiss")
    study = load_study(heard_study)
    encoder = encoder_of(study, "clap")
    table_ = rng.standard_normal((1600, encoder.width))
    ids = [f"track {k}" for k in range(1600)]
    index = build_index(table_, ids, identity=encoder.identity, source=encoder.source)
    save_index(index, tmp_path / "saved")
    settings = replace(
        study.retrieval,
        corpus=str(tmp_path / "saved"),
        checked_by=None,
        approximate=True,
    )
    return replace(study, retrieval=settings)


def test_cells_are_made_once_for_all_subjects_and_anew_when_stale(
    large_index, tmp_path, decoded_as, step_table, monkeypatch
):
    study, made, asked = large_index, [], []
    build, search = corpus.build_cells, Index.search

    def counted(self, queries, k=1, **options):
        asked.append(len(queries))
        return search(self, queries, k, **options)

    monkeypatch.setattr(
        corpus, "build_cells", lambda *a, **o: made.append(o) or build(*a, **o)
    )
    monkeypatch.setattr(Index, "search", counted)
    out = tmp_path / "out"
    session, aligned, decoded = decoded_as(study, out)
    make_reconstruction(session, aligned, decoded)
    assert made == [{"seed": 0}]
    assert asked == [6, 6]  # of each subject, the sample that recall is counted on
    cells = out / "corpus/index/cells.faiss"
    before = cells.read_bytes()
    for subject in ("01", "02"):
        scores = step_table(out, "retrieval", subject)
        how = scores.groupby("items")["search"].unique().str[0].to_dict()
        assert how.pop("random track") == "none"
        assert set(how.values()) == {"approximate, 32 of 40 cells"}
        found = step_table(out, "retrieved", subject)
        assert set(found["search"]) == {"approximate, 32 of 40 cells"}
        assert found.groupby("clip")["rank"].max().eq(3).all()
    about = json.loads((out / "retrieval/sub-01/about.json").read_text())
    assert any("nearest tracks, counted on 6 of 6" in note for note in about["notes"])
    make_reconstruction(Session(study, out, lambda *_: None), aligned, decoded)
    assert len(made) == 1
    cells.write_bytes(before[:-9])
    make_reconstruction(Session(study, out, lambda *_: None), aligned, decoded)
    assert len(made) == 2
    assert cells.read_bytes() == before
    other = replace(study, retrieval=replace(study.retrieval, seed=4))
    make_corpus(Session(other, out, lambda *_: None))
    assert made[2:] == [{"seed": 4}]


def test_another_folder_of_sound_of_the_second_space_is_scored_anew(
    heard_copy, tmp_path, decoded_as, step_table, make_sound
):
    path = heard_copy()
    folder = path.parent
    study = load_study(path)
    session, aligned, decoded = decoded_as(study, tmp_path / "out")
    make_reconstruction(session, aligned[:1], decoded)
    first = step_table(tmp_path / "out", "retrieval")
    (folder / "other sound").mkdir()
    rng = np.random.default_rng(9)
    for wave in (folder / "sound").glob("*.wav"):
        soundfile.write(folder / "other sound" / wave.name, make_sound(rng), RATE_HZ)
    text = path.read_text()
    start = text.index("[features.other]")
    path.write_text(text[:start] + text[start:].replace("sound/{", "other sound/{", 1))
    changed = load_study(path)
    assert second_identity(changed) != second_identity(study)
    again = Session(changed, tmp_path / "out", lambda *_: None)
    make_reconstruction(again, aligned[:1], decoded)
    assert again.made == ["retrieval/sub-01"]
    second = step_table(tmp_path / "out", "retrieval")
    moved = first["value"] != second["value"]
    assert moved[first["scored_by"].str.contains("w2v")].any()
    assert not moved[first["scored_by"].str.contains("CLAP")].any()


# What can be listened to


def test_excerpts_are_few_short_and_inside_the_folder(planted, step_table):
    study, _, out = planted
    place = out / "retrieval/sub-01"
    players = pd.read_csv(place / "players.csv")
    assert players["clip"].nunique() == 6
    for row in players.itertuples():
        path = (place / row.file).resolve()
        assert path.is_relative_to(place.resolve())
        about = soundfile.info(path)
        assert about.duration == pytest.approx(15.0)
    played = players.query("what == 'stimulus'").iloc[0]
    wave, _ = soundfile.read(place / played["file"])
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(0.05, rel=1e-2)
    first = step_table(out, "retrieved").query("rank == 1").set_index("clip")["track"]
    for row in players.query("what == 'retrieved'").itertuples():
        assert row.track == first[row.clip]
        wave, _ = soundfile.read(place / row.file)
        own, _ = soundfile.read(study.folder / "corpus" / row.track)
        assert_allclose(wave, own[: len(wave)], atol=1e-4)


def test_courses_of_what_was_found_are_compared_without_fades(planted, step_table):
    study, _, out = planted
    assert study.features["clap"].fade_s == 1
    found = step_table(out, "retrieval_in_time")
    first = step_table(out, "retrieved").query("rank == 1")
    heard = [study.root / f"sound/{clip}.wav" for clip in first["clip"]]
    made = [study.folder / "corpus" / track for track in first["track"]]
    sides = [
        [contours(*soundfile.read(path, dtype="float32")) for path in paths]
        for paths in (heard, made)
    ]
    expected = temporal_agreement(*sides, n_permutations=100, n_resamples=100)
    for name in ("value", "chance", "low", "high", "p"):
        assert_allclose(found[name], expected[name], rtol=1e-6)
    assert set(found["measure"]) == {
        "tempo distance",
        "onset correlation",
        "loudness correlation",
    }
    assert set(found["compared"]) == {"stimulus and retrieved"}
    assert (found["n"] == 6).all()


def test_a_sound_louder_than_full_scale_is_turned_down_as_a_whole(tmp_path, rng):
    wave = (0.4 * rng.standard_normal(20 * 8000)).astype(np.float32)
    peak = np.abs(wave[: 15 * 8000]).max()
    assert peak > 1
    write_excerpt(tmp_path / "x.flac", Sound(wave, 8000))
    back, rate_hz = soundfile.read(tmp_path / "x.flac")
    assert (len(back), rate_hz) == (15 * 8000, 8000)
    assert_allclose(back * peak, wave[: 15 * 8000], atol=2e-4)


def test_clips_are_spread_and_the_same_are_played_everywhere():
    assert played_clips(60, None) == [0, 11, 23, 35, 47, 59]
    assert played_clips(60, 6) == played_clips(60, None)
    assert played_clips(60, 3) == spread(60, 3) == [0, 29, 59]
    assert set(played_clips(60, 20)) <= set(spread(60, 20))
    assert played_clips(4, 20) == [0, 1, 2, 3]


def test_one_clip_of_each_genre_is_played_of_those_that_music_is_made_of():
    genres = [f"g{k % 10}" for k in range(60)]
    assert played_clips(60, None, genres) == list(range(10))
    made = spread(60, 7)
    played = played_clips(60, 7, genres)
    assert set(played) <= set(made)
    assert sorted({genres[k] for k in made}) == sorted(genres[k] for k in played)
    # Generation counts those that it made, and plays the same.
    inside = played_clips(7, None, [genres[k] for k in made])
    assert [made[k] for k in inside] == played


# In a run


def generates(keys):
    """Return an edit that adds a section on generation."""
    return ("[encoding]\n", f"[generation]\nseed = 3\n{keys}\n\n[encoding]\n")


RETRIEVED = 'generator = "retrieved"\n'


@pytest.mark.slow
def test_a_run_shows_it_and_does_not_make_it_again(heard_copy, tmp_path):
    path = heard_copy(
        ("[encoding]\n", f"[generation]\n{RETRIEVED}\n[encoding]\n"),
    )
    out = tmp_path / "out"
    done = run(load_study(path), out)
    assert {"corpus", "retrieval/sub-01", "generation/sub-02"} <= set(done.made)
    page = done.report.read_text()
    assert "From brain to music" in page
    players = re.findall(r'<audio controls [^>]*src="([^"]+)"', page)
    assert len(players) == 2 * 6 * 3
    for player in players:
        file = (done.report.parent / unquote(player)).resolve()
        assert file.is_file()
        assert file.is_relative_to(out.resolve())
    tables = {path.stem for path in (out / "tables").glob("*.csv")}
    assert {"retrieval", "retrieved", "generation"} <= tables
    assert set(pd.read_csv(out / "tables/retrieval.csv", dtype=str)["subject"]) == {
        "01",
        "02",
    }
    assert run(load_study(path), out).made == ()
    text = path.read_text()
    kept = text[: text.index("[retrieval]")] + text[text.index("\n[encoding]") :]
    path.write_text(kept)
    again = run(load_study(path), out)
    assert not (out / "corpus").exists()
    assert not (out / "retrieval/sub-01").exists()
    assert "From brain to music" not in again.report.read_text()
