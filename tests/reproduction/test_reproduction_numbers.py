"""Tests of published numbers beside ours."""

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.reproduction.numbers import compare_numbers, our_number
from brain2music.reproduction.published import TAKES, Published, literature
from brain2music.workflow.decoding import TABLES

ACCURACY = {"target": "mulan-music", "metric": "identification accuracy"}
CARDS = pd.DataFrame(
    {
        "subject": ["01", "01", "02", "02"],
        "target": "mulan-music",
        "metric": ["identification accuracy", "top-1"] * 2,
        "pool": "clips",
        "value": [0.8, 0.2, 0.6, 0.1],
    }
)
OTHERS = {
    *("retrieval", "generation", "class_agreement", "voxel_scores", "roi_scores"),
    *("added", "decoding_across"),
}


def tables(**found):
    return lambda name: found.get(name)


def test_every_number_names_what_there_is():
    known = literature()
    assert len(known.numbers) > 40
    assert {one.by for one in known.numbers} == set(known.papers)
    used = {key for one in known.numbers for key in one.differs}
    assert used == set(known.differs)
    for one in known.numbers:
        assert one.table in {*TABLES, *OTHERS}, one
        assert one.take in TAKES
        assert one.value is None or 0 < one.value < 1
        assert one.sd is None or (one.value is not None and 0 < one.sd < 0.1)


def test_numbers_of_the_papers_second_table_are_there():
    of = {
        one.of: (one.value, one.sd)
        for one in literature().numbers
        if one.item == "Table 2" and one.what == "identification accuracy"
    }
    assert of == {
        "mulan-music": (0.876, 0.015),
        "mulan-text": (0.817, 0.014),
        "w2v-bert": (0.837, 0.005),
        "soundstream": (0.674, 0.016),
    }


def test_a_curve_over_lags_is_a_number_for_each_volume():
    lags = [one for one in literature().numbers if one.table == "decoding_lags"]
    by = {one.rows["lag"]: (one.value, one.what) for one in lags}
    assert by[3][0] == 0.726
    assert "4.5 s after the onset" in by[3][1]
    assert max(by, key=lambda lag: by[lag][0]) == 6  # 9 s


def test_ours_is_the_mean_over_subjects_with_its_spread():
    one = Published(
        by="B",
        item="Table 2",
        what="identification accuracy",
        of="mulan-music",
        table="decoding",
        rows={**ACCURACY, "pool": "cl*"},
        value=0.876,
        sd=0.015,
        differs=["mulan"],
    )
    found = compare_numbers(tables(decoding=CARDS), {"mulan-music": "CLAP"}, [one])
    (row,) = found.to_dict("records")
    assert_allclose([row["ours"], row["difference"]], [0.7, 0.7 - 0.876])
    assert_allclose(row["ours_sd"], np.std([0.8, 0.6], ddof=1))
    assert (row["n"], row["each"]) == (2, "0.800 0.600")
    assert row["of"] == "MuLan-music (CLAP)"
    assert "CLAP stands in for MuLan" in row["differs"]
    assert row["not_ours_since"] == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"table": "retrieval"}, "makes no table retrieval"),
        ({"rows": {"target": "w2v-bert"}}, "has no target w2v-bert"),
        ({"rows": {"place": "x"}}, "has no column place"),
    ],
)
def test_what_we_have_not_says_why(change, why):
    about = {"table": "decoding", "rows": ACCURACY} | change
    one = Published(by="B", item="x", what="y", of="mulan-music", **about)
    found = compare_numbers(tables(decoding=CARDS), {}, [one])
    assert why in found["not_ours_since"].item()
    assert found[["ours", "published", "difference"]].isna().all(axis=None)
    assert found["n"].item() == 0


def test_several_rows_are_taken_as_said_and_never_guessed():
    one = Published("B", "x", "y", "z", "decoding", {"target": "mulan-music"})
    with pytest.raises(InputError, match=r"2 rows of decoding fit .* and one must"):
        our_number(tables(decoding=CARDS), one)
    for take, expected in (("mean", [0.5, 0.35]), ("max", [0.8, 0.6])):
        several = Published(
            "B", "x", "y", "z", "decoding", {"target": "mulan-music"}, take=take
        )
        each, _ = our_number(tables(decoding=CARDS), several)
        assert_allclose(each[["01", "02"]], expected)


def test_no_choice_is_left_without_another_reading():
    for choice in literature().choices:
        assert choice.variations, choice.name
        assert re.fullmatch(r"[a-z]+", choice.name)
