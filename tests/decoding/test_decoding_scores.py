"""Tests of all cards of one decoder."""

from dataclasses import asdict

import numpy as np
import pytest
from numpy.testing import assert_allclose

from brain2music.core.checks import InputError
from brain2music.decoding.cards import Pool
from brain2music.decoding.decode import decode
from brain2music.decoding.decoders import CortexRidge
from brain2music.decoding.identify import identification_accuracy
from brain2music.decoding.rows import average_windows, take_rows
from brain2music.decoding.scores import score_decoding

CHANCE = Pool([], n_permutations=100, n_resamples=100)


@pytest.fixture
def decoded(study):
    train, test = study
    return decode(CortexRidge(), train, test).predicted, test


def test_every_pool_has_the_number_made_by_hand(decoded):
    predicted, test = decoded
    genre = np.unique(test.clips, return_inverse=True)[1] % 3
    safe = ~np.isin(test.clips, ["c49", "c55"])
    table = score_decoding(
        predicted, test, chance=CHANCE, genres=genre, subsets={"artist-safe": safe}
    )
    found = table[table["metric"] == "identification accuracy"].set_index("pool")[
        "value"
    ]
    means, clips = average_windows(predicted, test.clips)
    target, _ = average_windows(test.T, test.clips)
    assert_allclose(found["clips"], identification_accuracy(means, target).mean())
    everywhere = identification_accuracy(predicted, test.T).mean()
    assert_allclose(found["windows"], everywhere)
    assert found["windows of other clips"] > everywhere
    inside = ~np.isin(clips, ["c49", "c55"])
    by_hand = identification_accuracy(means[inside], target[inside]).mean()
    assert_allclose(found["clips, artist-safe"], by_hand)
    of_clip = genre[::2]
    within = [
        identification_accuracy(means[of_clip == g], target[of_clip == g])
        for g in range(3)
    ]
    assert_allclose(found["clips, within genre"], np.concatenate(within).mean())
    assert set(table["unit"]) == {"clip", "window"}
    assert (table["p"] >= 1 / 101).all()


def test_one_row_per_clip_has_no_windows(decoded):
    predicted, test = decoded
    table = score_decoding(
        predicted[::2], take_rows(test, np.arange(0, 32, 2)), chance=CHANCE
    )
    assert set(table["pool"]) == {"clips"}
    assert {"correlation per sample", "correlation per dimension"} <= set(
        table["metric"]
    )


def test_a_clip_cannot_be_cut(decoded):
    predicted, test = decoded
    half = np.arange(32) % 2 == 0
    with pytest.raises(InputError, match="'c48' has True and False in artist-safe"):
        score_decoding(predicted, test, chance=CHANCE, subsets={"artist-safe": half})
    with pytest.raises(InputError, match="genres has shape"):
        score_decoding(predicted, test, chance=CHANCE, genres=[1, 2])


def test_the_settings_of_chance_are_not_changed(decoded):
    before = asdict(CHANCE)
    score_decoding(*decoded, chance=CHANCE)
    assert asdict(CHANCE) == before


def test_windows_may_be_some_of_the_rows_and_clips_are_of_all(decoded):
    predicted, test = decoded
    some = np.arange(len(test.clips)) % 5 != 0
    table, whole = (
        score_decoding(predicted, test, chance=CHANCE, windows=windows)
        for windows in (some, None)
    )
    found = table[table["metric"] == "identification accuracy"].set_index("pool")
    by_hand = identification_accuracy(predicted[some], test.T[some]).mean()
    assert_allclose(found["value"]["windows"], by_hand)
    assert found["n"]["windows"] == some.sum()
    clips = [one[one["unit"] == "clip"]["value"] for one in (table, whole)]
    assert_allclose(*clips)
    with pytest.raises(InputError, match="Give one True or False per row"):
        score_decoding(predicted, test, chance=CHANCE, windows=some[:-1])
