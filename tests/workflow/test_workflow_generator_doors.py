"""Tests of what is refused before a generator is opened, and how it is run."""

import json
from dataclasses import replace

import pytest

from brain2music import load_study
from brain2music.core.checks import InputError
from brain2music.decoding.agreement import paper_groups
from brain2music.decoding.diffusion import Settings
from brain2music.decoding.musicgen import Sampling
from brain2music.study import StudyError
from brain2music.workflow.alignment import align
from brain2music.workflow.generation import _said, make_generation
from brain2music.workflow.generators import settings_of
from brain2music.workflow.opening import open_subject
from brain2music.workflow.reconstruction import check_reconstruction
from brain2music.workflow.session import Session

pytest.importorskip("torch")
pytest.importorskip("transformers")

RETRIEVED = 'generator = "retrieved"'
MUSICLDM = 'generator = "musicldm"\nweights = "networks/tiny-musicldm"\nsteps = 2'
MUSICGEN = 'generator = "musicgen"\nweights = "networks/tiny-musicgen"'
AGAIN = """[features.again]
kind = "network"
model = "clap"
weights = "networks/tiny-clap"
path = "sound/{genre}.{track:0>5}"
window_s = 10
step_s = 2.5

[features.words]"""
RANKED = 'rank = "likelihood"\nn_candidates = '


def tagged(name):
    return f'{RETRIEVED}\ntagger = "networks/{name}"'


@pytest.fixture
def study_of(heard_copy):
    """Give `study_of(keys, *edits)`: a study that generates."""

    def make(keys, *edits, **networks):
        text = f"[generation]\nseed = 3\n{keys}\n\n[encoding]\n"
        path = heard_copy(("[encoding]\n", text), *edits)
        for name, spoil in networks.items():
            spoil(path.parent / "networks" / name)
        return load_study(path)

    return make


def check(study, change=lambda rows: rows):
    one = align(study, open_subject(study, "01"))
    check_reconstruction(study, one.opened, change(one.rows))


def one_training_run(rows):
    train = rows["side"] == "train"
    return rows.assign(run_name=rows["run_name"].where(~train, "the only one"))


def stereo(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["decoder"]["audio_channels"] = 2
    path.write_text(json.dumps(config))


def without_unet(folder):
    (folder / "unet/diffusion_pytorch_model.safetensors").unlink()


def without(*groups):
    """Return what takes whole groups of classes, but for one, from a tagger."""

    def spoil(folder):
        path = folder / "config.json"
        config = json.loads(path.read_text())
        gone = {one for name in groups for one in paper_groups()[name].classes[1:]}
        for key, label in config["id2label"].items():
            if label in gone:
                config["id2label"][key] = f"not {label}"
        path.write_text(json.dumps(config))

    return spoil


def without_feeder(folder):
    (folder / "preprocessor_config.json").unlink()


# Ranking


def test_ranking_needs_runs_to_hold_out(study_of):
    study = study_of(f"{RETRIEVED}\n{RANKED}2")
    check(study)
    with pytest.raises(InputError, match="holds out training runs, and there is one"):
        check(study, one_training_run)
    first = replace(study.generation, rank="first", n_candidates=1)
    check(replace(study, generation=first), one_training_run)


def test_ranking_needs_clips_that_outlast_the_delays(study_of):
    study = study_of(f"{RETRIEVED}\n{RANKED}2")
    check(replace(study, encoding=replace(study.encoding, delays=(1, 9))))
    longer = replace(study, encoding=replace(study.encoding, delays=(1, 10)))
    with pytest.raises(InputError, match=r"no volume of test clip .* \(up to 10 TRs\)"):
        check(longer)
    first = replace(longer.generation, rank="first", n_candidates=1)
    check(replace(longer, generation=first))


def test_there_are_as_many_tracks_as_candidates_to_give(study_of):
    study = study_of(f"{RETRIEVED}\n{RANKED}14")
    check(study)
    more = replace(study, generation=replace(study.generation, n_candidates=15))
    with pytest.raises(InputError, match="is 15, and corpus has 14 tracks"):
        check(more)


# Weights


@pytest.mark.parametrize(
    ("keys", "networks", "message"),
    [
        (MUSICLDM.replace("tiny", "other"), {}, "is not that of features.clap: one"),
        (MUSICLDM, {"tiny-musicldm": without_unet}, r"has no diffusion_pytorch_model"),
        (f"{MUSICGEN}\nanchor_s = 16", {}, r"anchor_s is 16, and the first 15 s"),
        (f"{MUSICLDM}\nseconds = 16", {}, r"generation\.seconds is 16, and the first"),
        (MUSICGEN, {"tiny-musicgen": stereo}, r"makes 2 channels \(stereo\)"),
        (MUSICGEN.replace("tiny-musicgen", "tiny-clap"), {}, "and musicgen needs a"),
        (tagged("tiny-clap"), {}, "holds a 'clap', and classes are told by"),
        (
            tagged("tiny-tagger"),
            {"tiny-tagger": without("genres", "instruments", "moods")},
            "no agreement of genres: the tagger lacks 24 of 25 classes.* So no classes",
        ),
        (
            tagged("tiny-tagger"),
            {"tiny-tagger": without_feeder},
            "tiny-tagger has no preprocessor_config.json",
        ),
        (
            f'{RETRIEVED}\nchecked_by = "none"',
            {},
            r"generation\.checked_by names 'none'",
        ),
        (f'{RETRIEVED}\nchecked_by = "words"', {}, "which is of captions"),
        (
            f'{RETRIEVED}\nchecked_by = "music"',
            {},
            "embedded by spaces of kind",
        ),
        (f'{RETRIEVED}\nchecked_by = "again"', {}, "again has the weights of clap"),
    ],
)
@pytest.mark.usefixtures("with_generator")
def test_what_cannot_be_used_is_said_at_the_door(study_of, keys, networks, message):
    study = study_of(keys, ("[features.words]", AGAIN), **networks)
    with pytest.raises(InputError, match=message):
        check(study)


@pytest.mark.parametrize(
    ("keys", "networks"),
    [
        (MUSICLDM, {}),
        (MUSICGEN, {}),
        (f"{MUSICGEN}\nseconds = 16\nanchor_s = 15", {}),
        (tagged("tiny-tagger"), {"tiny-tagger": without("genres", "moods")}),
        (f'{RETRIEVED}\nchecked_by = "other"', {}),
    ],
)
@pytest.mark.usefixtures("with_generator")
def test_what_can_be_used_passes(study_of, keys, networks):
    check(study_of(keys, **networks))


# How a generator is run


def test_settings_are_those_of_the_study_file_or_the_usual_ones(study_of):
    study = study_of(f"{MUSICLDM}\nstrength = 0.9\nguidance = 3.5")
    assert settings_of(study) == Settings(steps=2, guidance=3.5, strength=0.9)
    plain = replace(study.generation, strength=None, guidance=None)
    assert settings_of(replace(study, generation=plain)) == Settings(steps=2)
    musicgen = replace(plain, generator="musicgen", steps=200, guidance=1.5)
    assert settings_of(replace(study, generation=musicgen)) == Sampling(guidance=1.5)
    sampled = replace(musicgen, anchor_s=2.5, temperature=0.7)
    assert settings_of(replace(study, generation=sampled)) == Sampling(
        guidance=1.5, anchor_s=2.5, temperature=0.7
    )
    retrieved = replace(plain, generator="retrieved", weights=None, steps=200)
    assert settings_of(replace(study, generation=retrieved)) is None


@pytest.mark.usefixtures("with_generator")
def test_how_it_is_run_is_part_of_the_results_identity(study_of, monkeypatch, tmp_path):
    study = study_of(MUSICLDM)
    aligned = align(study, open_subject(study, "01"))
    monkeypatch.setattr(Session, "make", lambda _self, _place, recipe, _work: recipe)

    def identity(**changes):
        changed = replace(study, generation=replace(study.generation, **changes))
        session = Session(changed, tmp_path, lambda *_: None)
        made = make_generation(session, aligned, None, decoding="a", corpus="b")
        return made.identity

    plain = identity()
    assert identity() == plain
    for change in ({"strength": 0.5}, {"guidance": 4.0}, {"seconds": 11.0}):
        assert identity(**change) != plain
    sung = {"generator": "musicgen", "weights": "networks/tiny-musicgen", "steps": 200}
    plain = identity(**sung)
    for change in ({"anchor_s": 2.0}, {"temperature": 0.5}):
        assert identity(**sung, **change) != plain


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (f"{MUSICLDM}\nstart = 'noise'\nstrength = 0.5", "start = 'noise' has none"),
        (f"{MUSICGEN}\nstrength = 0.5", "'musicgen' takes none"),
        (f"{RETRIEVED}\nguidance = 2", "'retrieved' makes nothing"),
        (f"{MUSICLDM}\nanchor_s = 2", "anchor_s is for 'musicgen', and not 'musicldm'"),
        (f"{RETRIEVED}\ntemperature = 2", "temperature is for 'musicgen'"),
        (f"{MUSICGEN}\nanchor_s = 0.05", "anchor_s"),
        (f"{MUSICGEN}\ntemperature = 0", "temperature"),
        (f"{MUSICLDM}\nstrength = 0.2", r"0\.2 of 2 steps is less than half a step"),
        (f"{MUSICLDM}\nstrength = 1.2", "strength"),
        (f"{MUSICLDM}\nstrength = 0", "strength"),
        (f"{MUSICLDM}\nguidance = 0.5", "guidance"),
        (f'{MUSICLDM}\nchecked_by = "clap"', r"generation\.checked_by is the target"),
    ],
)
def test_keys_that_cannot_be_are_said_of_the_study_file(study_of, keys, message):
    with pytest.raises(StudyError, match=message):
        study_of(keys)


def test_who_judges_is_said_where_nobody_independent_does(study_of):
    study = study_of(RETRIEVED)
    assert _said(study) == []
    alone = replace(study, retrieval=replace(study.retrieval, checked_by=None))
    (note,) = _said(alone)
    assert "no independent space judges it" in note
    judged = replace(alone, generation=replace(alone.generation, checked_by="other"))
    assert _said(judged) == []
