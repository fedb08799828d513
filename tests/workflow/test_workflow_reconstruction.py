"""Tests of what a study file may say of retrieval and generation."""

import pytest

from brain2music import load_study
from brain2music.core.checks import InputError
from brain2music.study import StudyError
from brain2music.workflow.alignment import align
from brain2music.workflow.opening import open_subject
from brain2music.workflow.reconstruction import (
    check_reconstruction,
)

pytest.importorskip("torch")
pytest.importorskip("transformers")


RETRIEVED = 'generator = "retrieved"\n'


MUSICLDM = 'generator = "musicldm"\nweights = "networks"'


GENRE = ('targets = ["clap"]', 'targets = ["clap", "genre"]')


def generates(keys):
    """Return an edit that adds a section on generation."""
    return ("[encoding]\n", f"[generation]\nseed = 3\n{keys}\n\n[encoding]\n")


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([('target = "clap"', 'target = "clop"')], "Did you mean 'clap'"),
        ([('corpus = "corpus"\n', "")], r"retrieval\.corpus is missing"),
        ([('checked_by = "other"', 'checked_by = "clap"')], "is the target itself"),
        ([('target = "clap"\n', "")], r"retrieval\.target names nothing"),
        ([("n_nearest = 3", "n_nearst = 3")], "Did you mean 'n_nearest'"),
        ([generates("")], r"generation\.generator names none"),
        ([generates('generator = "retrieved"\nweights = "x"')], "'retrieved' has none"),
        ([generates('generator = "musicldm"')], "every other generator needs it"),
        (
            [generates('generator = "musicldm"\nweights = "x"\nrank = "likelihood"')],
            "'likelihood' and n_candidates 1: ",
        ),
        (
            [
                generates('generator = "retrieved"\ntarget = "genre"'),
                ('targets = ["clap"]', 'targets = ["clap", "genre"]'),
            ],
            "searched by 'clap'",
        ),
    ],
)
def test_says_what_the_study_file_lacks(heard_copy, edits, message):
    with pytest.raises(StudyError, match=message):
        load_study(heard_copy(*edits))


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([('target = "clap"', 'target = "genre"'), GENRE], "of kind 'category'"),
        (
            [('corpus = "corpus"', 'corpus = "korpus"')],
            "retrieval.corpus: .*no folder.*fma_small.*leave .retr",
        ),
        ([('corpus = "corpus"', 'corpus = "networks"')], "holds no music"),
        ([("n_nearest = 3", "n_nearest = 30")], "has 14 tracks. Ask for fewer"),
        ([("n_nearest = 3", "approximate = true")], "has 14 tracks, and below 1000"),
        ([('checked_by = "other"', 'checked_by = "none"')], r"no \[features\.none\]"),
        ([('checked_by = "other"', 'checked_by = "words"')], "which is of captions"),
        ([("rms = 0.05", "rms = 0.05\nn_components = 4")], "has n_components"),
        ([generates(RETRIEVED + "n_clips = 7")], "n_clips is 7, and there are 6"),
        ([generates(RETRIEVED + "seconds = 16")], "the first 15 s"),
        ([generates(RETRIEVED + "seconds = 4")], "hears windows of 10 s"),
        ([generates(MUSICLDM)], "no model_index.json"),
        ([generates(RETRIEVED + 'tagger = "networks"')], "no config.json"),
    ],
)
def test_says_at_the_door_what_cannot_be_found_or_made(heard_copy, edits, message):
    study = load_study(heard_copy(*edits))
    one = align(study, open_subject(study, "01"))
    with pytest.raises(InputError, match=message):
        check_reconstruction(study, one.opened, one.rows)
