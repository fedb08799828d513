"""Mode 26: a network that is not the same again, or hears what is still to come."""

import numpy as np
import pytest
import soundfile

from brain2music import load_study
from brain2music.core.checks import InputError
from brain2music.doctor import extractors
from brain2music.doctor.extractors import check_extractors, judge_extractor
from brain2music.features import pretrained
from brain2music.features.windows import Windows
from brain2music.workflow.opening import open_subject

RATE_HZ = 1000
WINDOWS = Windows(2.0, 1.0, causal=True)
WAVE = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE_HZ)


def levels(wave, rate_hz=RATE_HZ, ahead_s=0):
    """Return two features of each second: of its own sound, or of what comes later."""
    seconds = np.pad(wave, (0, ahead_s * rate_hz)).reshape(-1, rate_hz)
    rows = np.stack([seconds.mean(axis=1), seconds.std(axis=1)], axis=1)
    return rows[ahead_s:]


def judged(extract, kept=None):
    kept = levels(WAVE) if kept is None else kept
    return judge_extractor("clap", extract, WAVE, RATE_HZ, WINDOWS, kept, "rock.1")


def test_an_extractor_that_is_the_same_again_passes():
    found = judged(levels)
    assert found.status == "passed"
    assert "5 windows change with nothing that comes later" in found.found


@pytest.mark.plants(26, "extractor")
def test_dropout_that_is_left_on_is_found():
    rng = np.random.default_rng(1)

    def dropped(wave, rate_hz):
        rows = levels(wave, rate_hz)
        return rows * (rng.random(rows.shape) > 0.1)

    found = judged(dropped)
    assert found.status == "failed"
    assert found.where == ("clap", "rock.1")
    assert "differ when they are made twice" in found.found


@pytest.mark.plants(26, "extractor")
def test_an_extractor_that_hears_the_future_is_found():
    found = judged(
        lambda wave, rate_hz: levels(wave, rate_hz, ahead_s=1), levels(WAVE, ahead_s=1)
    )
    assert found.status == "failed"
    assert "change with sound that comes after their window" in found.found


@pytest.mark.plants(26, "extractor")
def test_a_rate_that_the_extractor_is_not_told_is_found():
    found = judged(lambda wave, _rate_hz: levels(wave))
    assert found.status == "failed"
    assert found.where == ("clap", "rock.1")
    said = "features of rock.1 change with the rate at which the same sound is given."
    assert found.found == f"clap: {said}"


@pytest.mark.parametrize("other", [levels(WAVE)[:-1], levels(WAVE) + 0.01])
@pytest.mark.plants(26, "extractor")
def test_features_that_were_kept_of_something_else_are_found(other):
    found = judged(levels, kept=other)
    assert found.status == "failed"
    assert "differ from those that were kept" in found.found


SPACE = """
[features.clap]
kind = "network"
model = "clap"
weights = "networks/tiny-clap"
path = "sound/{genre}.{track}"
window_s = 10
step_s = 2.5

[machine]
cache = "cache"

[encoding]
"""


@pytest.mark.slow
def test_a_network_of_a_study_is_run_again(made, tools, monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from brain2music.features.tiny import write_tiny_clap

    path = tools.edit(
        made.write(),
        ("[encoding]\n", SPACE),
        ('["music", "timbre"]', '["music", "clap"]'),
    )
    folder = path.parent
    write_tiny_clap(folder / "networks/tiny-clap", ["a song"], seed=0)
    (folder / "sound").mkdir()
    study = load_study(path)
    opened = open_subject(study, "01")
    for clip in sorted({c for one in opened.events.values() for c in one["clip"]}):
        (folder / f"sound/{clip}.wav").touch()
    first = opened.events[opened.runs[0]]["clip"].iloc[0]
    wave = 0.1 * np.random.default_rng(0).standard_normal(15 * 16_000)
    soundfile.write(folder / f"sound/{first}.wav", wave, 16_000)
    judged, said = check_extractors(study, opened)
    assert judged.status == "passed"
    assert judged.where == ("clap", first)
    assert said.status == "shown"
    assert "hold sound up to 10 s later" in said.found

    with monkeypatch.context() as patched:  # the network is fed at the file's rate
        patched.setattr(pretrained, "_resampled", lambda batch, _rate, _wanted: batch)
        judged, _ = check_extractors(study, opened)
    assert judged.status == "failed"
    assert "change with the rate at which the same sound is given" in judged.found

    def dropout(*args, **options):
        made = right(*args, **options)
        noise = rng.standard_normal
        return {k: [v + noise(v.shape) for v in rows] for k, rows in made.items()}

    rng, right = np.random.default_rng(2), extractors.extract_audio
    monkeypatch.setattr(extractors, "extract_audio", dropout)
    assert next(check_extractors(study, opened)).status == "failed"


def test_without_networks_it_says_so(made):
    study = load_study(made.write())
    (found,) = check_extractors(study, open_subject(study, "01"))
    assert found.status == "not made"
    assert "no band is made by a network" in found.found


@pytest.mark.slow
def test_a_sound_that_cannot_be_read_stops_nothing(made, tools, monkeypatch):
    def refuse(*_):
        raise InputError("rock.1 is no sound.")

    path = tools.edit(
        made.write(),
        ("[encoding]\n", SPACE),
        ('["music", "timbre"]', '["music", "clap"]'),
    )
    monkeypatch.setattr(extractors, "sounds_of", refuse)
    study = load_study(path)
    (found,) = check_extractors(study, open_subject(study, "01"))
    assert found.status == "not made"
    assert "rock.1 is no sound" in found.found
