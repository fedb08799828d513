"""Tests of published numbers beside ours."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.reproduction.numbers import (
    Ours,
    compare_numbers,
    fitting_rows,
    our_number,
    per_subject,
)
from brain2music.reproduction.published import TAKES, Published, literature
from brain2music.workflow.decoding import TABLES
from brain2music.workflow.reconstruction import TABLES as MUSIC
from brain2music.workflow.tagging import GENERATED, NEAREST, RANDOM, RETRIEVED

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
ENCODED = {"voxel_scores", "roi_scores", "voxel_added", "voxel_partition"}
MADE_BY = {"mulan-music": "CLAP, one", "w2v-bert": "w2v-BERT 2.0, layer 7"}


def ours(*, subjects=("01", "02"), sweeps=(), **found):
    return Ours(found.get, MADE_BY, subjects, dict(sweeps))


def number(**about):
    return Published(**({"by": "B", "item": "x", "what": "y", "of": "z"} | about))


def numbers_of(**about):
    return [
        one
        for one in literature().numbers
        if all(getattr(one, key) == value for key, value in about.items())
    ]


# What was published


def test_every_number_names_what_there_is():
    known = literature()
    assert {one.by for one in known.numbers} == set(known.papers)
    used = {key for one in known.numbers for key in one.differs}
    assert used == set(known.differs)
    tables = {*TABLES, *ENCODED, "decoding_across", *sum(MUSIC.values(), ())}
    for one in known.numbers:
        assert bool(one.why) != bool(one.table), one
        assert one.table in tables | {""}, one
        assert one.take in TAKES
        assert one.value is None or 0 < one.value < 1
        assert one.sd is None or (one.value is not None and 0 < one.sd < 0.1)
        words = f"{one.item} {one.what} {list(one.rows.values())}"
        assert "{" not in words.replace("'{source}'", ""), one


def test_no_number_stands_there_twice():
    def told(one):
        return one.by, one.item, one.what, one.of, one.value, str(one.rows)

    found = [told(one) for one in literature().numbers]
    assert len(set(found)) == len(found)


def test_numbers_of_the_papers_second_table_are_there():
    by_what = {}
    for one in numbers_of(by="B"):
        if one.item.startswith("Table 2"):
            by_what.setdefault(one.what, {})[one.of] = (one.value, one.sd)
    assert by_what["identification accuracy"] == {
        "mulan-music": (0.876, 0.015),
        "mulan-text": (0.817, 0.014),
        "w2v-bert": (0.837, 0.005),
        "soundstream": (0.674, 0.016),
    }
    assert by_what["identification accuracy in training"]["w2v-bert"] == (0.941, 0.007)
    assert by_what["correlation in training"]["mulan-music"] == (0.538, 0.023)
    spaces = set(by_what["identification accuracy"])
    assert all(set(values) == spaces for values in by_what.values())
    assert len(by_what) == 5


def test_each_model_of_sound_has_its_five_areas():
    found = {}
    for one in numbers_of(by="I", item="Figure 3"):
        assert one.rows["feature_space"] == one.of
        found.setdefault(one.of, []).append(one.value)
    assert found["mulan-music"] == [0.366, 0.410, 0.429, 0.344, 0.279]
    assert found["mel"] == [0.195, 0.197, 0.156, 0.092, 0.070]
    assert {len(values) for values in found.values()} == {5}
    assert set(found) == {"mulan-music", "hubert", "wav2vec2", "mel"}


def test_a_curve_over_volumes_is_read_from_its_own_run():
    lags = numbers_of(table="decoding_lags")
    by = {one.rows["lag"]: (one.value, one.what) for one in lags}
    assert by[3][0] == 0.726
    assert "4.5 s after the onset" in by[3][1]
    assert max(by, key=lambda lag: by[lag][0]) == 6  # 9 s
    assert {one.sweep for one in lags} == {"volumes"}
    assert len(numbers_of(item="one volume alone")) == 10


@pytest.mark.parametrize("compared", [NEAREST, RETRIEVED, GENERATED, RANDOM])
def test_rows_are_asked_for_by_the_words_of_the_code(compared):
    table = pd.DataFrame({"compared": [compared], "generator": "musicldm, x"})
    table = table.assign(subject="01", group="moods", agreement=0.5)
    asked = numbers_of(table="class_agreement", of="moods")
    found = [our_number(ours(class_agreement=table), one)[0] for one in asked]
    assert sorted(map(len, found)) == [0, 0, 0, 1]


def fits(table, one):
    try:
        return fitting_rows(table, one.table, one.rows).index
    except InputError:
        return []


def test_the_best_of_100_candidates_is_not_that_of_1000():
    (one,) = numbers_of(value=0.823)
    for n, there in ((100, True), (1000, False)):
        label = f"most likely of {n} by the response that is scored"
        assert bool(len(fits(made(candidate=label), one))) == there


def made(**changed):
    row = {
        "subject": "01",
        "metric": "identification accuracy",
        "conditioning": "decoded",
        "generator": "musicldm, musicldm",
        "start": "nearest track",
        "candidate": "first",
        "target": "mulan-music",
        "scored_by": "{source}",
        "value": 0.7,
    }
    return pd.DataFrame([row | changed])


@pytest.mark.parametrize("one", numbers_of(table="generation"))
def test_tracks_that_were_retrieved_are_not_taken_for_generated(one):
    alike = {
        name: str(value).replace("*", "by the response that is scored")
        for name, value in one.rows.items()
    }
    kind = one.rows["generator"].removeprefix("not ").split(",")[0]
    there = alike | {"generator": f"{kind.replace('retrieved', 'audioldm2')}, weights"}
    assert len(fits(made(**there), one))
    assert not len(fits(made(**alike | {"generator": "retrieved"}), one))


def test_both_directions_of_alignment_are_held_against_their_own_kind():
    (by_responses,) = numbers_of(by="C", value=0.914)
    assert by_responses.table == "decoding_across"
    (by_anatomy,) = numbers_of(by="C", value=0.796)
    assert "aligned by their responses here" in by_anatomy.why


# Ours beside them


def test_ours_is_the_mean_over_subjects_with_its_spread():
    one = number(
        of="mulan-music",
        table="decoding",
        rows={**ACCURACY, "pool": "cl*"},
        value=0.876,
        sd=0.015,
        differs=["mulan"],
    )
    found = compare_numbers(ours(decoding=CARDS), [one])
    (row,) = found.to_dict("records")
    assert_allclose([row["ours"], row["difference"]], [0.7, 0.7 - 0.876])
    assert_allclose(row["ours_sd"], np.std([0.8, 0.6], ddof=1))
    assert (row["n"], row["each"]) == (2, "0.800 0.600")
    assert row["of"] == "MuLan-music (CLAP, one)"
    assert "CLAP stands in for MuLan" in row["differs"]
    assert row["not_ours_since"] == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"table": "retrieval"}, "makes no table retrieval"),
        ({"rows": {"target": "w2v-bert"}}, "has no target w2v-bert"),
        ({"rows": {"place": "x"}}, "has no column place"),
        ({"rows": {"target": "mulan-music"}}, "2 rows of a subject fit, and one is"),
        ({"subject": 3}, "this study has no subject 3"),
        ({"sweep": "volumes"}, "read from --sweep volumes, which was not run"),
        ({"table": "", "rows": {}, "why": "nobody listened"}, "nobody listened"),
        ({"rows": {"by": "{source}"}}, "this study has no feature space z"),
        ({"table": "t", "needs": "[x]"}, "this study makes no table t; it needs [x]"),
    ],
)
def test_what_we_have_not_says_why_and_loses_no_other_number(change, why):
    whole = number(table="decoding", rows=ACCURACY)
    one = number(**({"table": "decoding", "rows": ACCURACY} | change))
    found = compare_numbers(ours(decoding=CARDS), [one, whole])
    assert why in found["not_ours_since"].iloc[0]
    assert found[["ours", "difference"]].iloc[0].isna().all()
    assert found["n"].tolist() == [0, 2]


def test_a_number_of_one_subject_is_of_that_one_in_the_study():
    for subject, expected in ((1, 0.6), (2, 0.8)):
        one = number(table="decoding", rows=ACCURACY, subject=subject)
        each, _ = our_number(ours(subjects=("02", "01"), decoding=CARDS), one)
        assert each.tolist() == [expected]
    each, why = our_number(
        ours(subjects=("03", "01"), decoding=CARDS),
        number(table="decoding", rows=ACCURACY, subject=1),
    )
    assert each.empty
    assert "subject 03 was not run" in why


def test_what_hears_the_music_is_the_source_of_the_space_and_not_of_another():
    table = pd.DataFrame(
        {
            "subject": "01",
            "scored_by": ["CLAP, one", "CLAP, two", "w2v-BERT 2.0, layer 7"],
            "value": [0.6, 0.7, 0.8],
        }
    )
    for space, expected in (("mulan-music", 0.6), ("w2v-bert", 0.8)):
        one = number(of=space, table="retrieval", rows={"scored_by": "{source}"})
        each, why = our_number(ours(retrieval=table), one)
        assert (each.tolist(), why) == ([expected], "")


@pytest.mark.parametrize(
    ("names", "sizes", "expected"),
    [
        (["A1", "A4"], [10, 5], 0.2),
        (["left A1", "right A1"], [30, 10], 0.25),
        (["L_A1_ROI", "R_A1_ROI"], [30, 10], 0.25),
    ],
)
def test_an_area_is_found_whatever_its_atlas_calls_it(names, sizes, expected):
    table = pd.DataFrame(
        {"subject": "01", "roi": names, "n_voxels": sizes, "value": [0.2, 0.4]}
    )
    each, why = our_number(
        ours(roi_scores=table), number(table="roi_scores", rows={"roi": "A1"})
    )
    assert why == ""
    assert_allclose(each, [expected])


def test_two_rows_of_a_region_are_not_taken_for_its_sides():
    table = pd.DataFrame({"subject": "01", "roi": ["left A1"] * 2 + ["right A1"] * 2})
    table = table.assign(n_voxels=3, value=0.5)
    with pytest.raises(InputError, match="4 rows of a subject fit"):
        per_subject(table, "value", "one")


def test_several_rows_are_taken_as_said_and_those_without_a_score_left_out():
    table = pd.DataFrame({"subject": ["01"] * 3 + ["02"], "value": [1, 3, None, None]})
    for take, expected in (("mean", 2), ("max", 3), ("sum", 4)):
        assert per_subject(table, "value", take).to_dict() == {"01": expected}
    one = number(table="t", take="mean")
    assert "not a number" in our_number(ours(t=table[table["subject"] == "02"]), one)[1]
