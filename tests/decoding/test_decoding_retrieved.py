"""Tests of what retrieval is worth."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.decoding.retrieval import build_index
from brain2music.decoding.retrieved import score_retrieval


@pytest.fixture
def corpus(rng):
    """Return an index of 300 items, 40 stimuli, and a second embedding of both."""
    mixing = rng.standard_normal((9, 9))
    hidden = rng.standard_normal((340, 9))
    both = hidden @ mixing + 0.1
    second = hidden @ rng.standard_normal((9, 5)) + rng.standard_normal((340, 5))
    index = build_index(
        both[:300], [str(k) for k in range(300)], identity="x", source=""
    )
    return index, both[300:], (second[:300], second[300:])


def nearest_by_hand(index, query):
    cosines = [float(row @ query) / np.linalg.norm(query) for row in index.embeddings]
    return int(np.argmax(cosines))


def test_equals_the_loop_over_stimuli(corpus, rng):
    index, true, second = corpus
    predicted = true + 2 * rng.standard_normal(true.shape)
    scores = score_retrieval(
        index, predicted, true, identity="x", seed=1, second=second
    ).set_index("kind")
    for kind, queries in {"retrieved": predicted, "oracle": true}.items():
        rows = [nearest_by_hand(index, query) for query in queries]
        assert scores.loc[kind, "n_different"] == len(set(rows))
        for suffix, items, stimuli in (
            ("", np.asarray(index.embeddings), true),
            ("_second", *second),
        ):
            wins, cosines = [], []
            for i, row in enumerate(rows):
                r = [np.corrcoef(items[row], other)[0, 1] for other in stimuli]
                wins += [r[i] > r[j] for j in range(40) if j != i]
                a, b = items[row], stimuli[i]
                cosines.append(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            assert_allclose(scores.loc[kind, f"identification{suffix}"], np.mean(wins))
            assert_allclose(
                scores.loc[kind, f"similarity{suffix}"], np.mean(cosines), rtol=1e-5
            )


def test_planted_structure_lies_between_chance_and_the_oracle(corpus, rng):
    index, true, second = corpus
    predicted = true + 3 * rng.standard_normal(true.shape)
    scores = score_retrieval(
        index, predicted, true, identity="x", seed=1, second=second
    ).set_index("kind")
    for name in ("identification", "identification_second", "similarity"):
        assert (
            scores.loc["chance", name]
            < scores.loc["retrieved", name]
            < scores.loc["oracle", name]
        )
    assert_allclose(scores.loc["chance", "identification"], 0.5, atol=0.02)
    assert scores.loc["oracle", "identification"] > 0.9


def test_predictions_that_know_nothing_score_as_chance(corpus, rng):
    index, true, _ = corpus
    found = []
    for _ in range(30):
        predicted = rng.permutation(true)
        scores = score_retrieval(index, predicted, true, identity="x", seed=1)
        found.append(scores["identification"][0])
    assert_allclose(np.mean(found), 0.5, atol=0.03)


def test_what_does_not_fit_is_refused(corpus):
    index, true, second = corpus
    with pytest.raises(InputError, match="predicted has 39 stimuli and true 40"):
        score_retrieval(index, true[1:], true, identity="x", seed=0)
    with pytest.raises(InputError, match="second has 299 items and 40 stimuli"):
        score_retrieval(
            index, true, true, identity="x", seed=0, second=(second[0][1:], second[1])
        )
