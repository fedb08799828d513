"""Tests of arrays in binary files, and of their scales."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from brain2music.viewer.packed import Packed, read_packed
from brain2music.viewer.scales import Scales


@pytest.mark.parametrize("dtype", ["float32", "uint32", "uint8"])
def test_arrays_come_back_from_where_the_index_says(tmp_path, rng, dtype):
    file = Packed("all.bin")
    arrays = [rng.integers(0, 200, (5, 3)), rng.integers(0, 200, 7)]
    file.add(np.ones(3), "uint8")  # of a length that leaves the next one askew
    places = [file.add(array, dtype) for array in arrays]
    (tmp_path / "all.bin").write_bytes(file.content)
    for place, array in zip(places, arrays, strict=True):
        assert place["offset"] % 4 == 0
        assert_array_equal(read_packed(tmp_path, place), array)
    assert file.n_bytes == len(file.content)


def test_bytes_are_little_endian():
    file = Packed("one.bin")
    file.add([1.0], "float32")
    file.add([2.0, 1.0], "float16")
    assert file.content == bytes.fromhex("0000803f 003c 0038")


def test_small_halves_keep_three_digits_and_nan(tmp_path, rng):
    values = rng.uniform(0.2, 1, 50) * 1e-7
    values[3] = np.nan
    file = Packed("one.bin")
    place = file.add(values, "float16")
    (tmp_path / "one.bin").write_bytes(file.content)
    assert_allclose(read_packed(tmp_path, place), values, rtol=1e-3)


def test_halves_of_nothing_finite_stay_nan(tmp_path):
    file = Packed("one.bin")
    place = file.add(np.full(3, np.nan), "float16")
    (tmp_path / "one.bin").write_bytes(file.content)
    assert np.isnan(read_packed(tmp_path, place)).all()


def test_maps_of_one_kind_have_the_same_limits():
    scales = Scales()
    names = [
        scales.add("r", "joint", np.array([0.1, np.nan])),
        scales.add("r", "alone", np.array([-0.3, 0.62])),
        scales.add("r2", "part", np.array([-0.2, 0.05])),
        scales.add("q", "joint", np.array([0.001, 0.5])),
        scales.add("largest_r", "ceiling", np.array([0.4])),
    ]
    assert names == ["r", "r", "part r2", "q", "largest_r"]
    limits = {k: (one["low"], one["high"]) for k, one in scales.limits().items()}
    assert_allclose(limits["r"], (0, 0.65))
    assert_allclose(limits["part r2"], (-0.2, 0.2))
    assert_allclose(limits["q"], (-np.log10(0.05), 3))
    assert_allclose(limits["largest_r"], (0, 1))
    assert scales.limits()["q"]["transform"] == "-log10"
    assert scales.colour_maps == ["RdBu_r", "inferno", "viridis"]


@pytest.mark.parametrize("kind", ["r", "q", "part r2", "largest_r"])
def test_scales_of_nothing_run_upward(kind):
    model = "part" if kind.startswith("part") else "joint"
    scales = Scales()
    name = scales.add(kind.removeprefix("part "), model, np.array([np.nan]))
    one = scales.limits()[name]
    assert one["low"] < one["high"]
