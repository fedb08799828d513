"""Tests of principal components that are found on training rows alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.features import components as c


def test_components_come_from_training_rows_alone(rng):
    X = rng.standard_normal((60, 9)) @ rng.standard_normal((9, 9)) + 5
    projection = c.fit_pca(X[:45], n_components=4)
    centred = X[:45] - X[:45].mean(axis=0)
    variance, axes = np.linalg.eigh(centred.T @ centred)
    shares = variance[::-1] / variance.sum()
    assert_allclose(projection.shares, shares[:4])
    overlap = np.abs(projection.components @ axes[:, ::-1][:, :4])
    assert_allclose(overlap, np.eye(4), atol=1e-8)
    expected = (X[45:] - X[:45].mean(axis=0)) @ projection.components.T
    assert_allclose(c.project(projection, X[45:]), expected)
    again = c.fit_pca(X[:45], n_components=4)
    assert_array_equal(again.components, projection.components)


def test_all_components_keep_the_distances_between_rows(rng):
    X = rng.standard_normal((30, 6))
    scores = c.project(c.fit_pca(X, n_components=6), X)
    assert_allclose(scores @ scores.T, (X - X.mean(0)) @ (X - X.mean(0)).T)


def test_says_what_components_need(rng):
    X = rng.standard_normal((8, 5))
    with pytest.raises(InputError, match="n_components is 6; 8 rows of 5 features"):
        c.fit_pca(X, n_components=6)
    with pytest.raises(InputError, match="varies: nothing to project"):
        c.fit_pca(np.ones((8, 5)), n_components=2)
    with pytest.raises(InputError, match="rows have 4 features, the components 5"):
        c.project(c.fit_pca(X, n_components=2), X[:, :4])


def test_a_spike_in_test_rows_changes_no_training_row(rng):
    X = rng.standard_normal((50, 7)) @ rng.standard_normal((7, 7))
    runs, spiked = [X[:20], X[20:35], X[35:]], [X[:20], X[20:35], X[35:] * 100]
    training = [np.ones(20, bool), np.r_[np.zeros(5, bool), np.ones(10, bool)]]
    training.append(np.zeros(15, bool))
    options = {"training": training, "n_components": 3, "name": "mtf"}
    scores, share = c.principal_components(runs, **options)
    again, same = c.principal_components(spiked, **options)
    for before, after in zip(scores[:2], again[:2], strict=True):
        assert_array_equal(before, after)
    assert share == same
    rows = np.concatenate([X[:20], X[25:35]])
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
    assert_allclose(share, values[:3].sum() / values.sum())
    kept = np.concatenate([scores[0], scores[1][5:]])
    assert_allclose(kept.mean(axis=0), 0, atol=1e-12)
    assert_allclose((kept**2).sum(axis=0), values[:3])


def test_names_the_key_of_the_study_that_asks_for_too_many(rng):
    runs, training = [rng.standard_normal((6, 4))], [np.ones(6, bool)]
    with pytest.raises(InputError, match=r"features\.mtf\.n_components: .* is 5"):
        c.principal_components(runs, training, n_components=5, name="mtf")
