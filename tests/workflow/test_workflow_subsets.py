"""Tests of how models of subsets are written."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from brain2music.workflow.subsets import Wanted, _empty, _Saved

STATUS = Path("/proc/self/status")


def mapped_bytes():
    return int(STATUS.read_text().split("RssFile:")[1].split()[0]) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="asks Linux")
def test_what_was_written_does_not_stay_in_memory(tmp_path, rng):
    wanted = Wanted((("music", "text"),), ("music", "text"), ())
    n_test, n_voxels, size = 50, 200_000, 20_000
    arrays = _empty(tmp_path, wanted, (n_test, n_voxels), np.dtype("float32"))
    saved = _Saved(arrays, wanted, "music+text")
    # Joint, each space alone, and a row of nothing: the intercept.
    values = rng.standard_normal((3 * n_test + 1, size), dtype=np.float32)
    before = mapped_bytes()
    for first in range(0, n_voxels, size):
        saved[..., slice(first, first + size)] = values
    assert mapped_bytes() - before < 0.2 * sum(a.nbytes for a in arrays.values())
    for first in range(0, n_voxels, size):
        part = slice(first, first + size)
        assert_array_equal(arrays["predictions"][0][:, part], values[:n_test])
        assert_array_equal(arrays["intercept"][part], values[-1])
        parts = values[n_test:-1].reshape(2, n_test, size) - values[-1]
        assert_array_equal(arrays["parts"][:, :, part], parts)
