"""Tests of the approximate search against the exact one."""

import json
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError, MissingFileError
from brain2music.decoding.approximate import (
    MIN_ITEMS,
    build_cells,
    by_cells,
    open_cells,
    recall,
    save_cells,
)
from brain2music.decoding.retrieval import build_index, save_index

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def clustered():
    """Return 4,000 items and 30 queries in 60 groups of 24 dimensions."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((60, 24)) @ rng.standard_normal((24, 24))
    which = rng.integers(0, 60, 4030)
    both = centres[which] + 1.2 * rng.standard_normal((4030, 24))
    both[700] = both[12]
    index = build_index(
        both[:4000], [str(k) for k in range(4000)], identity="x", source="by hand"
    )
    return index, both[4000:]


@pytest.fixture(scope="module")
def cells(clustered):
    return build_cells(clustered[0])


def test_all_cells_give_the_exact_result(clustered, cells):
    index, queries = clustered
    exact = index.search(queries, 9, identity="x")
    found = cells.search(queries, 9, identity="x", n_probed=cells.n_cells)
    assert_array_equal(found.rows, exact.rows)
    assert_allclose(found.similarity, exact.similarity, atol=1e-6)


def test_few_cells_find_nearly_all_and_more_find_more(clustered, cells):
    index, queries = clustered
    exact = index.search(queries, 10, identity="x").rows
    shares = [
        recall(cells.search(queries, 10, identity="x", n_probed=n).rows, exact)
        for n in (1, 8, 32)
    ]
    assert cells.n_cells == 63
    assert shares[0] < shares[1] <= shares[2]
    assert shares[1] >= 0.95


def test_a_part_finds_what_cells_of_its_own_would(clustered, cells, rng):
    index, queries = clustered
    first = rng.random(4000) > 0.2
    second = rng.random(int(first.sum())) > 0.3
    part = by_cells(cells).part(first).part(second)
    kept = np.flatnonzero(first)[second]
    assert part.ids == tuple(index.ids[row] for row in kept)
    exact = part.cells.index.search(queries, 6, identity="x")
    whole = part.cells.search(queries, 6, identity="x", n_probed=cells.n_cells)
    assert_array_equal(whole.rows, exact.rows)
    found = part.search(queries, 6, identity="x")
    assert recall(found.rows, exact.rows) >= 0.95
    by_hand = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    cosines = (by_hand[:, None] * part.embeddings[found.rows]).sum(axis=2)
    assert_allclose(found.similarity, cosines, atol=1e-5)


def test_an_index_by_cells_looks_further_where_these_hold_too_few(clustered, cells):
    index, queries = clustered
    mine = by_cells(cells)
    assert (index.how, mine.how) == ("exact", "approximate, 32 of 63 cells")
    few = mine.search(queries, 5, identity="x")
    assert_array_equal(few.rows, cells.search(queries, 5, identity="x").rows)
    every = mine.search(queries, 3900, identity="x")
    exact = index.search(queries, 3900, identity="x")
    assert (every.rows >= 0).all()
    assert_allclose(every.similarity, exact.similarity, atol=1e-6)
    with pytest.raises(InputError, match="k is 4001; the index has 4000"):
        mine.search(queries, 4001, identity="x")
    with pytest.raises(InputError, match="embedding 'y'"):
        mine.search(queries, identity="y")


def test_items_that_tie_keep_their_order(clustered, cells):
    query = clustered[0].embeddings[[12]]
    found = cells.search(query, 2, identity="x", n_probed=1)
    assert found.rows.tolist() == [[12, 700]]


def test_cells_come_back_from_disk(clustered, cells, tmp_path):
    index, queries = clustered
    save_index(index, tmp_path / "index")
    save_cells(cells, tmp_path / "index")
    again = open_cells(index, tmp_path / "index")
    found = again.search(queries, 5, identity="x")
    assert_array_equal(found.rows, cells.search(queries, 5, identity="x").rows)
    kept = np.arange(4000) % 3 > 0
    part = by_cells(again).part(kept).search(queries, 5, identity="x")
    mine = by_cells(cells).part(kept).search(queries, 5, identity="x")
    assert_array_equal(part.rows, mine.rows)


def test_cells_of_another_index_are_refused(clustered, cells, tmp_path):
    index, _ = clustered
    with pytest.raises(MissingFileError, match="Save the index there first"):
        save_cells(cells, tmp_path)
    with pytest.raises(MissingFileError, match="holds no cells"):
        open_cells(index, tmp_path)
    save_index(index, tmp_path / "index")
    save_cells(cells, tmp_path / "index")
    about = json.loads((tmp_path / "index/cells.json").read_text())
    changed = json.dumps(about | {"embeddings": "0"})
    (tmp_path / "index/cells.json").write_text(changed)
    with pytest.raises(InputError, match="from another index, or are damaged"):
        open_cells(index, tmp_path / "index")
    (tmp_path / "index/cells.json").write_text(json.dumps(about))
    fewer = build_index(
        index.embeddings[:9], list("abcdefghi"), identity="x", source=""
    )
    with pytest.raises(InputError, match="hold 4000 items and the index 9"):
        open_cells(fewer, tmp_path / "index")


def test_wrong_numbers_are_refused(clustered, cells):
    index, queries = clustered
    with pytest.raises(InputError, match="has 63 cells to probe"):
        cells.search(queries, identity="x", n_probed=64)
    with pytest.raises(InputError, match=r"hold fewer than 3000 .*Raise n_probed"):
        cells.search(queries, 3000, identity="x", n_probed=1)
    with pytest.raises(InputError, match="embedding 'y'"):
        cells.search(queries, identity="y")
    with pytest.raises(InputError, match="take between 1 and 102"):
        build_cells(index, n_cells=103)
    small = build_index(np.eye(4), list("abcd"), identity="x", source="")
    with pytest.raises(InputError, match="has 4 items; below 1000"):
        build_cells(small)
    with pytest.raises(InputError, match="ask both searches"):
        recall(np.zeros((2, 3), int), np.zeros((2, 4), int))


def test_without_faiss_the_error_says_what_to_install(clustered, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"brain2music\[retrieval\]'.*search exactly"):
        build_cells(clustered[0])


def test_the_smallest_corpus_has_as_many_cells_as_k_means_allows(rng):
    items = rng.standard_normal((MIN_ITEMS, 5))
    ids = [str(k) for k in range(MIN_ITEMS)]
    index = build_index(items, ids, identity="x", source="")
    assert build_cells(index).n_cells == MIN_ITEMS // 39
