"""Noise, other clips and backward responses: chance is chance, leaks are found."""

import numpy as np
import pandas as pd
import pytest

from brain2music import load_study
from brain2music.analysis.moves import permute_blocks, shift_runs
from brain2music.doctor.chance import against_chance
from brain2music.doctor.nulls import loudness_of
from brain2music.doctor.other_clips import clip_places, less_place, permuted
from brain2music.workflow.opening import open_subject

RUNS = np.repeat(["a", "b", "c"], 120)


def slow(rng, n_voxels, slowness=0.8):
    out = rng.standard_normal((len(RUNS), n_voxels))
    for row in range(1, len(out)):
        out[row] = slowness * out[row - 1] + np.sqrt(1 - slowness**2) * out[row]
    return out


def test_the_mean_is_that_of_plain_correlations():
    rng = np.random.default_rng(0)
    Y, P = slow(rng, 5), slow(rng, 5)
    moves = shift_runs(RUNS, n_permutations=200, seed=0)
    chance = against_chance(Y, [P], moves)
    plain = [np.corrcoef(Y[:, k], P[:, k])[0, 1] for k in range(5)]
    assert chance.r == pytest.approx(np.mean(plain))


def test_one_lucky_draw_is_no_leak_and_a_leak_is_in_every_draw():
    rng = np.random.default_rng(4)
    moves = shift_runs(RUNS, n_permutations=300, seed=0)
    Y = slow(rng, 8)
    lucky = [0.8 * Y + slow(rng, 8), slow(rng, 8), slow(rng, 8)]
    chance = against_chance(Y, lucky, moves)
    assert chance.p_r < 1e-3
    assert not chance.leaks(1e-3)
    chance = against_chance(Y, [0.8 * Y + slow(rng, 8) for _ in range(3)], moves)
    assert chance.leaks(1e-3)
    assert chance.ratio > 2
    assert not against_chance(-Y, [0.8 * Y + slow(rng, 8)] * 3, moves).leaks(1e-3)


def test_p_of_noise_is_evenly_spread_and_of_a_leak_is_small():
    rng = np.random.default_rng(1)
    moves = shift_runs(RUNS, n_permutations=300, seed=0)
    p = [against_chance(slow(rng, 8), [slow(rng, 8)], moves) for _ in range(60)]
    low = np.mean([[one.p_r < 0.1, one.p_spread < 0.1] for one in p], axis=0)
    assert (low < 0.25).all(), low
    Y = slow(rng, 8)
    leak = against_chance(Y, [0.3 * Y + slow(rng, 8)], moves)
    assert leak.p_r < 1e-6


def test_a_null_that_is_a_little_too_narrow_is_not_surely_twice_too_narrow():
    rng = np.random.default_rng(5)
    single = permute_blocks(
        np.arange(len(RUNS)), walls=RUNS, n_permutations=300, seed=0
    )
    Y, P = slow(rng, 60, 0.6), slow(rng, 60, 0.6)
    chance = against_chance(Y, [P], single)
    assert chance.p_spread < 0.01 < 0.1 < chance.p_wide
    Y, P = slow(rng, 60, 0.95), slow(rng, 60, 0.95)
    assert against_chance(Y, [P], single).p_wide < 1e-6


def test_a_null_of_single_rows_is_found_too_narrow_for_slow_data():
    rng = np.random.default_rng(2)
    single = permute_blocks(
        np.arange(len(RUNS)), walls=RUNS, n_permutations=300, seed=0
    )
    turned = shift_runs(RUNS, n_permutations=300, seed=0)
    Y, P = slow(rng, 60, 0.95), slow(rng, 60, 0.95)
    assert against_chance(Y, [P], single).p_spread < 1e-6
    assert against_chance(Y, [P], turned).p_spread > 1e-3


def test_what_is_left_of_position_has_no_mean_at_any_place():
    rng = np.random.default_rng(3)
    left = less_place(rng.standard_normal((24, 3)) + 5, np.tile(np.arange(4), 6))
    assert left.reshape(6, 4, 3).mean(axis=0) == pytest.approx(0, abs=1e-12)


def test_silence_is_counted_on_from_the_clip_before_it():
    """Run a: silence, a clip of 2, silence of 2, a clip of 1, silence; run b begins."""
    in_clip = [-1, 0, 1, -1, -1, 0, -1, 0, 1, -1]
    rows = pd.DataFrame({"sample_in_clip": in_clip, "sample": [*range(7), *range(3)]})
    rows = rows.assign(run_name=["a"] * 7 + ["b"] * 3, row=[*range(7), 1, 2, 7])
    before, first, second, third, fourth, *rest = clip_places(rows, 0)
    assert len({before, first, second, third, fourth}) == 5
    after_one, after_two = rest[1:]
    assert rest[0] == first
    assert after_one not in {first, second, third, fourth, before}
    assert after_two == third  # the same time after a clip of the same length


def test_what_a_clip_leaves_in_the_next_is_told_by_the_silence_between_them():
    """Clips of 3 after silence of 0, 1 and 2; features reach 2 rows beyond an end."""
    in_clip = [0, 1, 2, 0, 1, 2, -1, 0, 1, 2, -1, -1, 0, 1, 2]
    rows = pd.DataFrame({"sample_in_clip": in_clip, "sample": range(15)})
    rows = rows.assign(run_name="a", row=range(15))
    place = clip_places(rows, 2)
    first, second, third, fourth = place[0:3], place[3:6], place[7:10], place[12:15]
    assert list(first) == list(fourth)  # none reaches into the first, nor the last
    assert [bool(one) for one in first == second] == [False, False, True]
    assert [bool(one) for one in first == third] == [False, True, True]
    assert second[0] != third[0]
    assert [*map(len, map(set, (place[0:3], clip_places(rows, 0)[3:6])))] == [3, 3]


def test_other_clips_keep_times_and_sides_and_no_clip_keeps_its_own(made):
    study = load_study(made.write())
    opened = open_subject(study, "01")
    moved = permuted(opened, 0)
    for run, events in opened.events.items():
        other = moved.events[run]
        assert (other["onset"].to_numpy() == events["onset"].to_numpy()).all()
        assert (other["clip"].to_numpy() != events["clip"].to_numpy()).all()
        assert (other["track"] == [int(c.split(".")[1]) for c in other["clip"]]).all()
    sides = [
        {clip for run in runs for clip in moved.events[run]["clip"]}
        for runs in (opened.split.train, opened.split.test)
    ]
    assert not sides[0] & sides[1]
    again = permuted(opened, 0)
    assert all(again.events[run].equals(moved.events[run]) for run in moved.events)


SOUND = """
[features.loud]
kind = "loudness"
path = "sound/{genre}.{track}"
rms = 0.1

[encoding]
"""


def test_loudness_is_of_what_the_bands_hear(made, tools):
    path = made.write()
    assert loudness_of(load_study(path)) is None
    path = tools.edit(
        path, ("[encoding]\n", SOUND), ('["music", "timbre"]', '["music", "loud"]')
    )
    found = loudness_of(load_study(path))
    assert (found.kind, found.path, found.rms) == (
        "loudness",
        "sound/{genre}.{track}",
        0.1,
    )
    assert found.empty is None


@pytest.mark.slow
def test_loudness_stands_beside_the_scores(made, tools):
    pytest.importorskip("librosa")
    soundfile = pytest.importorskip("soundfile")
    path = tools.edit(
        made.write(),
        ("[encoding]\n", SOUND.replace("rms = 0.1\n", "")),
        ('["music", "timbre"]', '["music", "loud"]'),
    )
    (path.parent / "sound").mkdir()
    rng = np.random.default_rng(0)
    for clip in made.features:
        wave = 0.1 * rng.random() * rng.standard_normal(15_000)
        soundfile.write(path.parent / f"sound/{clip}.wav", wave, 1000)
    verdict, failed = tools.examined(path, only=["null"])
    said = [one for one in verdict.findings if one.key == "controls"]
    assert {one.status for one in said} == {"shown"}
    assert [one.found.split(" alone")[0] for one in said] == [
        "sub-01: clip position",
        "sub-01: loudness",
    ]
    assert failed == {}
