"""Tests of finding music by its embedding."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.decoding.retrieval import (
    best_first,
    build_index,
    open_index,
    save_index,
    unit_rows,
)

WHO = {"identity": "clap-1", "source": "CLAP"}


def correlated(rng, n_items, n_dimensions):
    mixing = rng.standard_normal((n_dimensions, n_dimensions))
    return rng.standard_normal((n_items, n_dimensions)) @ mixing + 0.5


def index_of(table):
    return build_index(table, [f"track {k}" for k in range(len(table))], **WHO)


def by_hand(table, query, k):
    cosines = [
        float(np.dot(row, query) / np.sqrt(np.dot(row, row) * np.dot(query, query)))
        for row in table
    ]
    order = sorted(range(len(table)), key=lambda row: (-cosines[row], row))[:k]
    return order, [cosines[row] for row in order]


@pytest.mark.parametrize("batch", [1, 4, 60])
def test_equals_the_sorted_cosines(rng, batch):
    table, queries = correlated(rng, 83, 7), correlated(rng, 11, 7)
    found = index_of(table).search(queries, 5, identity="clap-1", batch=batch)
    assert found.rows.shape == (11, 5)
    for i, query in enumerate(queries):
        rows, cosines = by_hand(table, query, 5)
        assert found.rows[i].tolist() == rows
        assert_allclose(found.similarity[i], cosines, atol=1e-6)


def test_the_length_of_a_vector_does_not_matter(rng):
    table, queries = correlated(rng, 40, 6), correlated(rng, 9, 6)
    plain = index_of(table).search(queries, 40, identity="clap-1")
    lengths = 2.0 ** rng.integers(-9, 9, (49, 1))  # exact in binary
    found = index_of(table * lengths[:40]).search(
        queries * lengths[40:], 40, identity="clap-1"
    )
    assert_array_equal(found.rows, plain.rows)


@pytest.mark.parametrize("n_queries", [1, 3])
def test_equal_items_tie_and_the_first_comes_first(rng, n_queries):
    table = correlated(rng, 17, 517)[rng.integers(0, 17, 1003)]
    queries = correlated(rng, n_queries, 517)
    found = index_of(table).search(queries, 1003, identity="clap-1")
    for i, query in enumerate(queries):
        _, first = np.unique(table, axis=0, return_inverse=True)
        cosines = (table / np.linalg.norm(table, axis=1, keepdims=True)) @ query
        group = np.array([cosines[first == which].mean() for which in first])
        expected = sorted(range(1003), key=lambda row: (-group[row].round(9), row))
        assert found.rows[i].tolist() == expected
        assert len(set(found.similarity[i].tolist())) <= 17


def test_best_first_is_a_stable_sort(rng):
    for k in (1, 2, 7, 30):
        scores = rng.integers(0, 4, 30).astype(float)
        expected = np.argsort(-scores, kind="stable")[:k]
        assert_array_equal(best_first(scores, k), expected)


def test_an_index_comes_back_from_disk_and_stays_there(rng, tmp_path):
    table = correlated(rng, 30, 4)
    table[21] = table[3]
    index = index_of(table)
    save_index(index, tmp_path / "index")
    again = open_index(tmp_path / "index")
    assert isinstance(again.embeddings, np.memmap)
    assert (again.ids, again.identity, again.source) == (index.ids, "clap-1", "CLAP")
    assert [rows.tolist() for rows in again.copies] == [[21], [3]]
    queries = correlated(rng, 5, 4)
    first = index.search(queries, 30, identity="clap-1")
    second = again.search(queries, 30, identity="clap-1")
    assert_array_equal(first.rows, second.rows)
    assert_array_equal(first.similarity, second.similarity)
    endings = {path.suffix for path in (tmp_path / "index").iterdir()}
    assert endings == {".npy", ".json"}


def test_ids_lead_to_rows(rng):
    index = index_of(correlated(rng, 6, 3))
    assert index.rows_of(["track 4", "track 0"]).tolist() == [4, 0]
    with pytest.raises(InputError, match=r"1 of 2 ids are not in the index.*'nine'"):
        index.rows_of(["track 1", "nine"])


def test_another_encoder_is_refused_though_it_is_as_wide(rng):
    with pytest.raises(InputError, match=r"'muq'.*'clap-1' \(CLAP\).*by the encoder"):
        index_of(correlated(rng, 6, 3)).search(np.ones((1, 3)), identity="muq")


@pytest.mark.parametrize(
    ("queries", "k", "words"),
    [
        (np.ones((2, 4)), 1, "4 dimensions and the index 3"),
        (np.ones((2, 3)), 7, "k is 7; the index has 6"),
        (np.ones((2, 3)), 0, "k is 0"),
        (np.zeros((2, 3)), 1, "row 0 of queries has length 0"),
        (np.full((2, 3), np.nan), 1, "queries has NaN"),
        (np.ones(3), 1, "must be 2D"),
    ],
)
def test_queries_that_do_not_fit_are_refused(rng, queries, k, words):
    with pytest.raises(InputError, match=words):
        index_of(correlated(rng, 6, 3)).search(queries, k, identity="clap-1")


def test_tables_that_do_not_fit_are_refused(rng):
    table = correlated(rng, 3, 4)
    with pytest.raises(InputError, match="3 embeddings and 2 ids"):
        build_index(table, ["a", "b"], **WHO)
    with pytest.raises(InputError, match="only 2 of 3 ids differ"):
        build_index(table, ["a", "b", "a"], **WHO)
    table[2] = 0
    with pytest.raises(InputError, match="row 2 of embeddings has length 0"):
        build_index(table, ["a", "b", "c"], **WHO)


def test_long_tables_are_checked_by_blocks():
    table = np.ones((9000, 2))
    table[8500] = 0
    with pytest.raises(InputError, match="row 8500"):
        unit_rows(table, "embeddings")
    assert_allclose(unit_rows(table[:8500], "embeddings"), np.sqrt(0.5), rtol=1e-7)


def test_a_folder_that_holds_no_index_is_refused(rng, tmp_path):
    with pytest.raises(MissingFileError, match="holds no index"):
        open_index(tmp_path)
    save_index(index_of(correlated(rng, 6, 3)), tmp_path / "index")
    path = tmp_path / "index/items.json"
    items = json.loads(path.read_text())
    twice = [items["ids"][0], *items["ids"][:-1]]
    for wrong in (
        {"ids": items["ids"][1:]},
        {"ids": twice},
        {"ids": [1, *items["ids"][1:]]},
        {"copies": [[0], [3]]},
        {"copies": [[9], [3]]},
        {"copies": [[3, 4], [1]]},
    ):
        path.write_text(json.dumps(items | wrong))
        with pytest.raises(InputError, match="do not fit its 6 rows"):
            open_index(tmp_path / "index")
    for text in ('{"ids": []}', "[]", '{"ids": [], "copies": [["a"], [1]]}'):
        path.write_text(text)
        with pytest.raises(InputError, match="not as they were written"):
            open_index(tmp_path / "index")
    path.write_text("{")
    with pytest.raises(InputError, match=r"cannot be read.*Build it again"):
        open_index(tmp_path / "index")
