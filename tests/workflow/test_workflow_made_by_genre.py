"""Tests of what is kept of music that was made, and of its worth by genre."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.decoding.cards import Pool
from brain2music.workflow.made_by_genre import (
    Heard,
    genre_table,
    read_heard,
    write_heard,
)

CLIPS = tuple(f"clip {k}" for k in range(18))
GENRES = np.repeat(["jazz", "rock", "folk"], 6)
POOL = Pool(CLIPS, n_permutations=99, n_resamples=50)


@pytest.fixture
def heard(rng):
    """Return what was made of jazz as it is, of the others at random."""
    stimuli = rng.standard_normal((18, 8))
    generated = np.where(
        (GENRES == "jazz")[:, None], stimuli, rng.standard_normal((18, 8))
    )
    near = stimuli + 0.1 * rng.standard_normal((18, 8))
    return [
        Heard("clap", "CLAP, tiny", stimuli, generated, near),
        Heard("other", "w2v", stimuli[:, :5], generated[:, :5]),
    ]


def test_vectors_come_back_as_they_were_written(heard, tmp_path):
    write_heard(tmp_path, CLIPS, heard)
    clips, found = read_heard(tmp_path)
    assert clips == CLIPS
    for one, other in zip(found, heard, strict=True):
        assert (one.space, one.source) == (other.space, other.source)
        assert_allclose(one.stimuli, other.stimuli, rtol=1e-6)
        assert_allclose(one.generated, other.generated, rtol=1e-6)
        assert one.generated.dtype == np.float32
    assert_allclose(found[0].oracle, heard[0].oracle, rtol=1e-6)
    assert found[1].oracle is None


def test_a_planted_genre_is_identified_and_the_others_are_not(heard):
    table = genre_table(heard, GENRES.tolist(), POOL, generator="g", start="noise")
    names = ["generator", "start", "items", "scored_by"]
    assert list(table)[:4] == names
    rows = table.query("pool == 'all'").set_index(["scored_by", "items", "genre"])
    made = rows["accuracy"]["CLAP, tiny", "generated"]
    assert made["jazz"] == 1.0
    assert made[["rock", "folk"]].max() < 0.8
    p = rows["p"]["CLAP, tiny", "generated"]
    assert p["jazz"] <= 0.01 < p[["rock", "folk"]].min()
    assert (rows["accuracy"]["CLAP, tiny", "oracle"] == 1.0).all()
    assert set(rows.loc["w2v"].index.get_level_values("items")) == {"generated"}
    assert (rows["n_clips"] == 6).all()
    assert (rows["n_candidates"] == 17).all()
