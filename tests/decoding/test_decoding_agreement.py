"""Tests of the agreement of top classes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.core.checks import InputError
from brain2music.decoding.agreement import (
    Group,
    TiedClassesError,
    class_agreement,
    overlaps,
    paper_groups,
    top_classes,
)

LABELS = [f"class {k}" for k in range(14)]
GROUPS = {
    "first": Group(tuple(LABELS[5:0:-1]), 2),
    "second": Group((*LABELS[6:12], LABELS[0]), 3),
    "one": Group(tuple(LABELS[9:14]), 1),
}


def tagged(rng, n_clips=23):
    """Return probabilities of correlated classes."""
    mixing = rng.standard_normal((14, 14))
    scores = rng.standard_normal((n_clips, 14)) @ mixing
    return 1 / (1 + np.exp(-scores))


def iou_by_hand(a, b, group):
    """Score one clip with Python's own sets."""

    def top(row):
        ranked = sorted(group.classes, key=lambda label: -row[LABELS.index(label)])
        return set(ranked[: group.n])

    return len(top(a) & top(b)) / len(top(a) | top(b))


def test_equals_sets_of_names_clip_by_clip(rng):
    original = tagged(rng)
    made = 0.6 * original + 0.4 * tagged(rng)
    table = class_agreement(
        original, made, LABELS, seed=0, groups=GROUPS, n_permutations=99
    ).set_index("group")
    assert list(table.index) == list(GROUPS)
    for name, group in GROUPS.items():
        pairs = np.array([[iou_by_hand(a, b, group) for b in made] for a in original])
        assert_allclose(table.loc[name, "agreement"], np.diag(pairs).mean())
        apart = pairs[~np.eye(23, dtype=bool)]
        assert_allclose(table.loc[name, "chance"], apart.mean())
        assert table.loc[name, "n_top"] == group.n
    assert (table["n_clips"] == 23).all()


def test_what_sounds_alike_agrees_and_what_is_shuffled_does_not(rng):
    original = tagged(rng, 60)
    made = original + 0.1 * rng.standard_normal(original.shape)
    options = {"seed": 1, "groups": GROUPS, "n_permutations": 99, "n_resamples": 20}
    alike = class_agreement(original, made, LABELS, **options)
    assert (alike["p"] == 0.01).all()
    assert (alike["agreement"] > alike["chance"] + 0.2).all()
    low = []
    for _ in range(40):
        shuffled = class_agreement(original, rng.permutation(made), LABELS, **options)
        low.append(shuffled["p"] <= 0.05)
        assert_allclose(shuffled["agreement"], alike["chance"], atol=0.2)
    assert np.mean(low) < 0.13
    same = class_agreement(original, original, LABELS, **options)
    assert_array_equal(same["agreement"], [1, 1, 1])


def test_the_interval_is_a_bootstrap_over_clips(rng):
    original = tagged(rng, 40)
    made = 0.5 * original + 0.5 * tagged(rng, 40)
    groups = {"first": GROUPS["first"]}
    options = {"seed": 2, "groups": groups, "n_permutations": 99}
    table = class_agreement(original, made, LABELS, n_resamples=4000, **options)
    pairs = zip(original, made, strict=True)
    each = np.array([iou_by_hand(*pair, GROUPS["first"]) for pair in pairs])
    drawn = each[rng.integers(40, size=(4000, 40))].mean(axis=1)
    expected = np.quantile(drawn, [0.025, 0.975])
    assert_allclose(table[["low", "high"]].to_numpy()[0], expected, atol=0.02)
    assert table["n_permutations"].tolist() == [99]
    assert table["p"][0] >= 1 / 100


def test_n_of_two_gives_nothing_a_third_or_all():
    sets = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]], bool)
    expected = [[1, 1 / 3, 0], [1 / 3, 1, 1 / 3], [0, 1 / 3, 1]]
    assert_allclose(overlaps(sets, sets), expected)


def test_only_the_order_inside_a_group_matters(rng):
    original, made = tagged(rng), tagged(rng)
    options = {"seed": 0, "groups": GROUPS, "n_permutations": 9}
    plain = class_agreement(original, made, LABELS, **options)
    louder = class_agreement(original**3, np.log(made), LABELS, **options)
    assert plain.equals(louder)
    order = rng.permutation(14)
    moved = class_agreement(
        original[:, order], made[:, order], [LABELS[k] for k in order], **options
    )
    assert plain.equals(moved)


def test_the_groups_of_the_paper_are_whole():
    groups = paper_groups()
    names = [name for group in groups.values() for name in group.classes]
    assert len(names) == len(set(names)) == 25 + 18 + 6
    assert {name: group.n for name, group in groups.items()} == {
        "genres": 2,
        "instruments": 2,
        "moods": 1,
    }
    assert "Wind instrument, woodwind instrument" in groups["instruments"].classes


def test_ties_at_the_border_are_refused_and_others_are_not():
    scores = np.array([[3.0, 3, 1, 0], [3, 2, 2, 0]])
    assert top_classes(scores[:1], 2, "x").tolist() == [[True, True, False, False]]
    with pytest.raises(TiedClassesError, match=r"1 of 2 clips .*place 2 \(x\).*clip 1"):
        top_classes(scores, 2, "x")


def test_what_does_not_fit_is_refused(rng):
    original = tagged(rng)
    with pytest.raises(InputError, match="row i of both must be the same clip"):
        class_agreement(original, original[1:], LABELS, seed=0, groups=GROUPS)
    with pytest.raises(InputError, match="there are 13 labels"):
        class_agreement(original, original, LABELS[1:], seed=0, groups=GROUPS)
    with pytest.raises(InputError, match="Give at least 2"):
        class_agreement(original[:1], original[:1], LABELS, seed=0, groups=GROUPS)
    wrong = {"moods": Group(("clas 3", "class 4"), 1)}
    with pytest.raises(InputError, match="Did you mean 'class 3'"):
        class_agreement(original, original, LABELS, seed=0, groups=wrong)
    with pytest.raises(InputError, match="n is 2 of 2 classes"):
        Group(("a", "b"), 2)


def test_a_tagger_of_random_weights_feeds_it(tmp_path, rng):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from brain2music.decoding.sounds import Sound
    from brain2music.decoding.tagger import open_tagger
    from brain2music.decoding.tiny import write_tiny_tagger

    torch.set_num_threads(1)
    labels = [name for group in paper_groups().values() for name in group.classes]
    write_tiny_tagger(tmp_path / "ast", labels, seed=0)
    tagger = open_tagger(tmp_path / "ast")
    assert tagger.labels == tuple(labels)
    sounds = [
        Sound(rng.standard_normal(n).astype(np.float32), 16_000)
        for n in (40_000, 20_000, 9_000, 16_000)
    ]
    found = tagger(sounds)
    assert found.shape == (4, 49)
    assert (found > 0).all()
    assert (found < 1).all()

    feeder = tagger.feeder
    network = transformers.ASTForAudioClassification.from_pretrained(tmp_path / "ast")
    rows = []
    for first in (0, 19_520):  # 40,000 points in windows of 1.28 s
        part = sounds[0].waveform[first : first + 20_480]
        fed = feeder([part], sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            rows.append(torch.sigmoid(network.eval()(**fed).logits)[0].numpy())
    assert_allclose(found[0], np.mean(rows, axis=0), atol=1e-6)
    table = class_agreement(found, found, tagger.labels, seed=0)
    assert table["agreement"].tolist() == [1, 1, 1]
    again = tagger([sounds[2]])
    assert_allclose(again[0], found[2], atol=1e-6)
    with pytest.raises(InputError, match=r"sound 0 lasts 0\.006 s"):
        tagger([Sound(np.zeros(100, np.float32), 16_000)])
    (tmp_path / "ast/preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="lacks the settings of its feature"):
        open_tagger(tmp_path / "ast")
