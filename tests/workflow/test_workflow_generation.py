"""Tests of music that is made of what a study decodes."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.testing import assert_allclose

from brain2music import load_study, run
from brain2music.core.checks import InputError
from brain2music.core.store import open_store
from brain2music.data.stimuli import read_clip
from brain2music.decoding.generation import Generated
from brain2music.decoding.retrieval import build_index, open_index, unit_rows
from brain2music.decoding.sounds import Sound
from brain2music.workflow import candidate_ranks
from brain2music.workflow.alignment import align
from brain2music.workflow.candidate_ranks import _held_out, fit_likelihood, target_rows
from brain2music.workflow.corpus import OpenCorpus
from brain2music.workflow.encoders import embed_stimuli, encoder_of, stimuli_of
from brain2music.workflow.generation import CONTROL, PRIOR, RANKED, _Scorer, _scores
from brain2music.workflow.generators import Source, _long_enough
from brain2music.workflow.made_by_genre import read_heard
from brain2music.workflow.making import make_all, maker_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.reconstruction import (
    check_reconstruction,
    make_reconstruction,
)
from brain2music.workflow.same_tracks import HALVES
from brain2music.workflow.session import Session
from brain2music.workflow.tagging import GENERATED, NEAREST, RANDOM, RETRIEVED

pytest.importorskip("torch")
pytest.importorskip("transformers")

RATE_HZ = 16_000


GENERATION = """
[generation]
generator = "musicldm"
weights = "networks/tiny-musicldm"
seconds = 10
steps = 2
n_clips = 4
n_permutations = 100
n_resamples = 100
seed = 5
"""


@pytest.fixture
def generate(heard_copy, decoded_as):
    """Give `generate(out, *edits)`: a study, and the notes of what was made."""

    def make(out, *edits, **options):
        study = load_study(
            heard_copy(("[encoding]\n", GENERATION + "\n[encoding]\n"), *edits)
        )
        session, aligned, decoded = decoded_as(study, out, **options)
        for one in aligned:
            check_reconstruction(study, one.opened, one.rows)
        make_reconstruction(session, aligned[:1], decoded)
        about = json.loads((out / "generation/sub-01/about.json").read_text())
        return study, about["notes"]

    return make


# What is made


@pytest.mark.slow
@pytest.mark.usefixtures("with_generator")
def test_music_is_made_of_each_clip_with_provenance(tmp_path, step_table, generate):
    run_with = "strength = 1.0\nguidance = 3.5"
    edits = [("steps = 2", f'steps = 2\n{run_with}\ntagger = "networks/tiny-tagger"')]
    study, notes = generate(tmp_path, *edits)
    place = tmp_path / "generation/sub-01"
    assert len(list(place.glob("*.wav"))) == 4
    first = (
        step_table(tmp_path, "retrieved").query("rank == 1").set_index("clip")["track"]
    )
    for path in place.glob("*.wav"):
        facts = json.loads(path.with_suffix(".json").read_text())
        assert soundfile.info(path).duration == pytest.approx(10.0)
        assert facts["trained"] is False
        assert facts["responses_simulated"] is True
        assert (facts["strength"], facts["guidance"]) == (1.0, 3.5)
        assert (facts["candidate"], facts["scores"]) == (0, [])
        assert facts["anchor"] == first[facts["clip"]]
        assert facts["target_source"] == "CLAP, tiny-clap"
        assert str(study.folder) not in json.dumps(facts)
    scores = step_table(tmp_path, "generation")
    assert set(scores["generator"]) == {"musicldm, tiny-musicldm (random weights)"}
    prior = scores[scores["metric"].str.contains("prior")].set_index("conditioning")
    assert list(prior.index) == [
        "decoded",
        "decoded of random responses",
        "mean decoded",
    ]
    assert (
        prior.loc[["decoded of random responses", "mean decoded"], "p"] > 0.01
    ).all()
    assert (prior["chance"] == 0.5).all()
    plain = scores[(scores["metric"] == "identification accuracy")]
    mine = plain[plain["scored_by"].str.contains("w2v")]["value"].item()
    assert mine == pytest.approx(prior.loc["decoded", "value"])
    assert any("random weights and was never trained" in note for note in notes)
    agreed = step_table(tmp_path, "class_agreement")
    assert set(agreed["tagger"]) == {"tiny-tagger (random weights)"}
    assert set(agreed["group"]) == {"genres", "instruments", "moods"}
    assert set(agreed["compared"]) == {GENERATED, RETRIEVED, NEAREST, HALVES, RANDOM}
    assert (agreed["low"] <= agreed["agreement"]).all()
    assert (agreed["agreement"] <= agreed["high"]).all()
    assert (agreed.loc[agreed["compared"] == RANDOM, "p"] > 0.01).all()


@pytest.mark.slow
@pytest.mark.usefixtures("with_generator")
def test_another_clap_is_refused_before_anything_is_made(tmp_path, generate):
    with pytest.raises(
        InputError, match=r"is not that of features.clap: one sound has"
    ):
        generate(tmp_path, ("tiny-musicldm", "other-musicldm"))


def test_the_nearest_tracks_are_given_as_they_are(tmp_path, step_table, generate):
    edits = [
        ('"musicldm"\nweights = "networks/tiny-musicldm"\n', '"retrieved"\n'),
        ("n_clips = 4\n", ""),
        ("steps = 2\n", ""),
    ]
    study, _ = generate(tmp_path, *edits)
    first = (
        step_table(tmp_path, "retrieved").query("rank == 1").set_index("clip")["track"]
    )
    for path in (tmp_path / "generation/sub-01").glob("*.wav"):
        facts = json.loads(path.with_suffix(".json").read_text())
        assert facts["items"] == [first[facts["clip"]]]
        own, _ = soundfile.read(study.folder / "corpus" / facts["items"][0])
        wave, _ = soundfile.read(path)
        assert_allclose(wave, own[: 10 * RATE_HZ], atol=1e-6)
    scores = step_table(tmp_path, "generation").query(
        "metric == 'identification accuracy'"
    )
    both = step_table(tmp_path, "retrieval").query(
        "metric == 'identification accuracy' and items == 'retrieved'"
    )
    assert len(scores) == len(both) == 2


@pytest.mark.slow
def test_each_genre_is_identified_beside_its_oracle(tmp_path, step_table, generate):
    edits = [
        ('"musicldm"\nweights = "networks/tiny-musicldm"\n', '"retrieved"\n'),
        ("n_clips = 4\n", ""),
        ("steps = 2\n", ""),
        ('targets = ["clap"]\n', 'targets = ["clap"]\ngenres = "genre"\n'),
    ]
    study, _ = generate(tmp_path, *edits)
    clips, heard = read_heard(tmp_path / "generation/sub-01")
    assert [one.space for one in heard] == ["clap", "other"]
    table = step_table(tmp_path, "generation_genres").query("pool == 'all'")
    assert len(table) == 2 * 2 * 3
    genres = np.array([clip.split(".")[0] for clip in clips])
    opened = open_subject(load_study(study.folder / "study.toml"), "01")
    for one in heard:
        every = stimuli_of(study, opened, one.space)
        named = {clip: every[clip] for clip in clips}
        known = embed_stimuli(study, one.space, named, lambda *_: lambda _n: None)
        assert_allclose(one.stimuli, known, rtol=1e-5, atol=1e-6)
        for items in ("generated", "oracle"):
            n = len(clips)
            C = np.corrcoef(getattr(one, items), one.stimuli)[:n, n:]
            own = (np.diag(C)[:, None] > C).sum(axis=1) / (n - 1)
            rows = table[(table["items"] == items) & (table["scored_by"] == one.source)]
            for genre, value in zip(rows["genre"], rows["accuracy"], strict=True):
                assert value == pytest.approx(own[genres == genre].mean())
            whole = step_table(tmp_path, "generation")
            asked = (whole["metric"] == "identification accuracy") & (
                whole["scored_by"] == one.source
            )
            if items == "generated":
                assert whole.loc[asked, "value"].item() == pytest.approx(own.mean())
    # The oracle is the track that the true target finds.
    index = open_index(tmp_path / "corpus/index")
    rows = index.search(heard[0].stimuli, identity=index.identity).rows[:, 0]
    oracle, found = unit_rows(heard[0].oracle, ""), index.embeddings[rows]
    assert_allclose(oracle, unit_rows(found, ""), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("with_generator")
def test_from_noise_nothing_of_a_corpus_is_needed(
    heard_copy, decoded_as, step_table, tmp_path
):
    path = heard_copy(("[encoding]\n", GENERATION + "\n[encoding]\n"))
    text = path.read_text().replace("n_clips = 4", 'n_clips = 3\nstart = "noise"')
    kept = text[: text.index("[retrieval]")] + text[text.index("[generation]") :]
    path.write_text(kept.replace('"musicldm"\n', '"musicldm"\ntarget = "clap"\n'))
    study = load_study(path)
    session, aligned, decoded = decoded_as(study, tmp_path)
    check_reconstruction(study, aligned[0].opened, aligned[0].rows)
    make_reconstruction(session, aligned[:1], decoded)
    facts = [json.loads(p.read_text()) for p in tmp_path.rglob("clip-*.json")]
    assert [fact["anchor"] for fact in facts] == [None] * 3
    assert not (tmp_path / "corpus").exists()
    clips, heard = read_heard(tmp_path / "generation/sub-01")
    assert len(clips) == 3
    assert [one.oracle for one in heard] == [None]
    assert not (tmp_path / "generation/sub-01/generation_genres.csv").exists()
    scores = step_table(tmp_path, "generation")
    assert set(scores["start"]) == {"noise"}
    assert set(scores["scored_by"]) == {"CLAP, tiny-clap"}
    # Nothing was retrieved: the stimuli that it plays are of this step.
    players = pd.read_csv(tmp_path / "generation/sub-01/players.csv")
    assert list(players["what"]) == ["stimulus", "generated"] * 3
    for file in players["file"]:
        assert (tmp_path / "generation/sub-01" / file).stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.usefixtures("with_generator")
def test_musicgen_goes_on_from_the_nearest_track_alone(generate, step_table, tmp_path):
    edits = [
        ("musicldm", "musicgen"),
        ("n_clips = 4", "n_clips = 3"),
        ("steps = 2\n", ""),
    ]
    _, notes = generate(tmp_path, *edits)
    first = step_table(tmp_path, "retrieved").query("rank == 1")
    first = first.set_index("clip")["track"]
    queries = set()
    for path in (tmp_path / "generation/sub-01").glob("clip-*.json"):
        facts = json.loads(path.read_text())
        assert facts["anchor"] == first[facts["clip"]]
        assert facts["conditioned_by"] == "its anchor alone"
        queries.add(facts["query"])
    assert len(queries) == 3
    assert any("musicgen hears the nearest track alone" in note for note in notes)


@pytest.mark.slow
@pytest.mark.usefixtures("with_generator")
def test_musicgen_from_noise_is_refused_where_it_hears_nothing(generate, tmp_path):
    edits = [
        ("musicldm", "musicgen"),
        ("n_clips = 4", 'start = "noise"'),
        ("steps = 2\n", ""),
    ]
    with pytest.raises(InputError, match="states of its text encoder"):
        generate(tmp_path, *edits)


def test_tracks_that_are_too_short_start_nothing(heard_study, rng):
    ids = list("abcd")
    index = build_index(rng.standard_normal((4, 3)), ids, identity="x", source="")
    seconds = {"a": 15.0, "b": 9.0, "c": 12.0, "d": 5.0}
    corpus = OpenCorpus(index, {}, seconds)
    study = load_study(heard_study)
    opened = open_subject(study, "01")

    def long_enough(**keys):
        settings = replace(study.generation, **keys)
        return _long_enough(SimpleNamespace(generation=settings), corpus, opened)

    kept, (note,) = long_enough(generator="musicldm", seconds=12.0)
    assert kept.index.ids == ("a", "c")
    assert_allclose(kept.index.embeddings, index.embeddings[[0, 2]])
    assert note == "2 tracks shorter than 12 s start nothing."
    assert long_enough(generator="musicgen", seconds=12.0) == (corpus, [])
    kept, (note,) = long_enough(generator="musicgen", seconds=12.0, anchor_s=9.5)
    assert kept.index.ids == ("a", "c")
    assert note == "2 tracks shorter than 9.5 s start nothing."
    with pytest.raises(InputError, match=r"no track of the corpus lasts 15\.5 s"):
        long_enough(generator="musicldm", seconds=15.5)


# Which candidate is taken


def test_the_penalty_is_the_one_that_does_best_on_runs_left_out(rng):
    X = rng.standard_normal((60, 4)) @ rng.standard_normal((4, 4))
    Y = X @ rng.standard_normal((4, 5)) + 8 * rng.standard_normal((60, 5))
    runs = np.repeat(["a", "b", "c"], 20)
    alphas = (0.01, 30.0, 1e7)
    lost = []
    for alpha in alphas:
        held = np.empty_like(Y)
        for run_ in "abc":
            out = runs == run_
            x, y = X[~out], Y[~out]
            mean, centre = x.mean(axis=0), y.mean(axis=0)
            gram = (x - mean).T @ (x - mean) + alpha * np.eye(4)
            weights = np.linalg.solve(gram, (x - mean).T @ (y - centre))
            held[out] = (X[out] - mean) @ weights + centre
        lost.append(((Y - held) ** 2).sum())
        found, _ = _held_out(X, Y, runs, (alpha,))
        assert_allclose(found, held)
    _, best = _held_out(X, Y, runs, alphas)
    assert best == alphas[int(np.argmin(lost))] == 30.0


class Store:
    """Responses of 30 voxels, of which some follow the target, with noise."""

    def __init__(self, X_train, X_test, train, test, *, strength):
        rng = np.random.default_rng(8)
        W = strength * rng.standard_normal((X_train.shape[1], 30))
        W[:, 20:] = 0
        self.Y = [X @ W + rng.standard_normal((len(X), 30)) for X in (X_train, X_test)]
        self.rows, self.valid = (train, test), np.ones(30, bool)

    def train(self, _valid):
        return self.Y[0]

    def test(self, _valid):
        return self.Y[1]

    def train_rows(self):
        return self.rows[0]

    def test_rows(self):
        return self.rows[1]


@pytest.fixture
def follows(heard_study, tmp_path, monkeypatch):
    """Give `follows(strength)`: a subject some of whose voxels follow the target."""

    def make(strength):
        study = load_study(heard_study)
        run(study, tmp_path, stage="features", subjects=["01"])
        aligned = align(study, open_subject(study, "01"))
        session = Session(study, tmp_path, lambda *_: None)
        X = [target_rows(session, "01", "clap", side) for side in ("train", "test")]
        rows = open_store(tmp_path / "responses/sub-01")
        store = Store(*X, rows.train_rows(), rows.test_rows(), strength=strength)
        monkeypatch.setattr(candidate_ranks, "open_store", lambda _folder: store)
        every = stimuli_of(study, aligned.opened, "clap")
        return session, aligned, {clip: every[clip] for clip in store.rows[1]["clip"]}

    return make


@pytest.mark.parametrize(("strength", "fewest"), [(1.0, 5), (0.0, 0)])
def test_the_candidate_that_was_heard_is_the_most_likely(follows, strength, fewest):
    session, aligned, named = follows(strength)
    score = fit_likelihood(session, aligned, "clap")
    vectors = embed_stimuli(session.study, "clap", named, session.ticker)
    best = [int(np.argmax(score(clip, vectors))) for clip in named]
    hits = sum(k == place for place, k in enumerate(best))
    assert hits >= fewest
    if not strength:
        assert hits < 5
    # Rows whose delays all lie in the clip, and no other.
    assert all(len(score.responses[clip]) == 10 - 2 for clip in named)


class Planted:
    """Of three candidates, the one at place `seed` modulo 3 is the clip's own sound.

    It hears nothing of the vector that it is given.
    """

    def __init__(self, named):
        self.sounds = [Sound(*read_clip(source.path)) for source in named.values()]

    def generate(self, _vector, *, seconds, n_candidates, seed):
        n = len(self.sounds)
        own = [(seed + 1 + k) % n for k in range(n_candidates)]
        own[seed % 3] = seed % n
        length = round(seconds * RATE_HZ)
        made = [self.sounds[k].waveform[:length] for k in own]
        return Generated(np.stack(made), RATE_HZ, {"sounds": own})


def test_sound_is_made_of_what_random_responses_are_decoded_as(rng):
    asked = []

    class Maker:
        seed = 3

        def __call__(self, k, vector):
            asked.append((k, *vector))

    vectors, random = rng.standard_normal((2, 4, 3))
    control = rng.standard_normal((4, 3))
    source = SimpleNamespace(
        vectors=vectors,
        random=random,
        control=control,
        opened=SimpleNamespace(name="x"),
        label="y",
    )
    session = SimpleNamespace(ticker=lambda *_: lambda _n: None)
    made = make_all(session, source, Maker())
    assert list(made) == ["real", "random", "mean", "control"]
    given = np.array(asked)[:, 1:]
    assert_allclose(given[12:], control)
    assert_allclose(given[:4], vectors)
    assert_allclose(given[4:8], random)
    assert_allclose(given[8:12], np.tile(vectors.mean(axis=0), (4, 1)))


@pytest.mark.slow
def test_decoded_and_controls_take_the_candidate_that_predicts_the_response(follows):
    session, aligned, named = follows(3.0)
    study, clips = session.study, tuple(dict.fromkeys(named))
    ranked = replace(study.generation, rank="likelihood", n_candidates=3, seconds=15)
    ranked = replace(ranked, generator="musicldm", weights="none", n_permutations=200)
    study = session.study = replace(study, generation=ranked)
    truth = embed_stimuli(study, "clap", named, session.ticker)
    encoder, n = encoder_of(study, "clap"), len(clips)
    vectors = np.random.default_rng(0).standard_normal(truth.shape)
    source = Source(
        opened=aligned.opened,
        target="clap",
        encoder=encoder,
        clips=clips,
        vectors=vectors,
        random=vectors[::-1],
        control=vectors[[1, 0, *range(2, n)]],
        sounds=named,
        corpus=None,
        generator=Planted(named),
        label="planted",
        start="noise",
        notes=[],
    )
    made = make_all(session, source, maker_of(session, aligned, source))
    assert list(made) == ["real", "random", "mean", "control"]
    for taken in made.values():
        assert [one.candidate for one in taken] == [k % 3 for k in range(n)]
        for one in taken:
            assert int(np.argmax(one.scores)) == one.candidate
    table, notes = _scores(study, source, [_Scorer(encoder, truth)], made)
    names = ["decoded", "decoded of random responses", "mean decoded"]
    control = table[table["metric"] == RANKED].set_index("conditioning")
    assert list(control.index) == names
    assert set(control["candidate"]) == {
        "most likely of 3 by the response that is scored"
    }
    assert (control["value"] == 1).all()  # by the ranking alone: vectors are noise
    assert (control["p"] < 0.05).all()
    first = table[table["metric"] == PRIOR].set_index("conditioning")
    assert list(first.index) == names
    assert set(first["candidate"]) == {"first"}
    assert (first["value"] < 1).all()
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    card = table[table["metric"] == "identification accuracy"]
    assert card["value"].item() == 1
    roi = table[table["metric"] == CONTROL]
    assert roi["conditioning"].tolist() == ["decoded of the control ROI alone"]
    assert roi["candidate"].tolist() == card["candidate"].tolist()
    assert roi["value"].item() == 1  # by the ranking, as the others
    assert any("so the ranking identifies, or the ROI" in note for note in notes)
    assert (table[["n_ties", "n_clips"]] == [0, n]).all(axis=None)
    assert any("identify stimuli by 1.000 (p = 0.0" in note for note in notes)


@pytest.mark.slow
def test_ranking_by_the_scored_response_is_said(
    heard_copy, tmp_path, decoded_as, step_table
):
    edits = [
        ('"musicldm"\nweights = "networks/tiny-musicldm"\n', '"retrieved"\n'),
        ("n_clips = 4", 'rank = "likelihood"\nn_candidates = 2'),
        ("steps = 2\n", ""),
    ]
    path = heard_copy(("[encoding]\n", GENERATION + "\n[encoding]\n"), *edits)
    study = load_study(path)
    run(study, tmp_path, stage="features")
    session, aligned, decoded = decoded_as(study, tmp_path)
    make_reconstruction(session, aligned, decoded)
    scores = step_table(tmp_path, "generation")
    real = scores[scores["metric"] == "identification accuracy"]
    assert set(real["candidate"]) == {"most likely of 2 by the response that is scored"}
    about = json.loads((tmp_path / "generation/sub-01/about.json").read_text())
    assert any("the ranking is part of the decoder" in note for note in about["notes"])
    found = step_table(tmp_path, "retrieved").set_index(["clip", "rank"])["track"]
    for made_ in (tmp_path / "generation/sub-01").glob("clip-*.json"):
        facts = json.loads(made_.read_text())
        assert facts["rank"] == "likelihood"
        assert facts["items"] == [found[facts["clip"], k] for k in (1, 2)]
