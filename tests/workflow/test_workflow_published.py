"""Tests that music that was found and made has the rows of published numbers."""

import pytest

from brain2music import load_study
from brain2music.reproduction.numbers import Ours, our_number
from brain2music.reproduction.published import literature
from brain2music.reproduction.reproduce import table_of_run
from brain2music.workflow.encoders import encoder_of
from brain2music.workflow.reconstruction import (
    TABLES,
    make_reconstruction,
    read_reconstruction,
)
from brain2music.workflow.retrieval_scores import SIZES

pytest.importorskip("torch")
pytest.importorskip("transformers")

GENERATION = """
[generation]
generator = "musicldm"
weights = "networks/tiny-musicldm"
tagger = "networks/tiny-tagger"
seconds = 10
steps = 2
n_clips = 4
n_permutations = 100
n_resamples = 100

[encoding]
"""


@pytest.fixture
def made(heard_copy, decoded_as, tmp_path):
    """Give the study, and its tables by the names of the paper's spaces."""

    def make(*edits):
        study = load_study(heard_copy(("[encoding]\n", GENERATION), *edits))
        session, aligned, decoded = decoded_as(study, tmp_path)
        make_reconstruction(session, aligned[:1], decoded)
        (tmp_path / "tables").mkdir()
        for name, table in read_reconstruction(tmp_path, ["01"]).items():
            table.to_csv(tmp_path / f"tables/{name}.csv", index=False)
        return study

    return make


def lacking(study, out):
    """Return the numbers of music that have none of ours, by why."""

    def tables(name):
        table = table_of_run(out, name)
        return table.replace({"target": {study.retrieval.target: "mulan-music"}})

    spaces = {"mulan-music": study.retrieval.target}
    spaces |= {"w2v-bert": study.retrieval.checked_by}
    sources = {name: encoder_of(study, one).source for name, one in spaces.items()}
    ours = Ours(tables, sources, ("01",))
    music = {name for names in TABLES.values() for name in names}
    asked = [one for one in literature().numbers if one.table in music]
    found = [(one, *our_number(ours, one)) for one in asked]
    assert all(0 <= each.iloc[0] <= 1 for _, each, why in found if not why)
    return [one for one, _, why in found if why]


@pytest.mark.slow
@pytest.mark.usefixtures("with_generator")
def test_each_number_of_music_finds_its_row(made, tmp_path):
    study = made()
    for one in lacking(study, tmp_path):
        wanted = one.rows
        ten_way = wanted.get("metric") == f"{SIZES['n_ways'][0]}-way accuracy"
        assert ten_way or wanted["candidate"].startswith("most likely of"), one


@pytest.mark.slow
@pytest.mark.usefixtures("with_generator")
def test_tracks_that_stand_for_generated_music_are_none_of_it(made, tmp_path):
    study = made(
        ('"musicldm"\nweights = "networks/tiny-musicldm"\n', '"retrieved"\n'),
        ("steps = 2\n", ""),
    )
    missing = {(one.table, one.item) for one in lacking(study, tmp_path)}
    assert ("generation", "Figure 4a") in missing
    assert ("class_agreement", "Figure 4b") in missing
    assert ("retrieval", "Figure 4a") not in missing
