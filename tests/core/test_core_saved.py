"""Tests of what is saved beside a model's arrays."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from brain2music.core.checks import MissingFileError
from brain2music.core.saved import (
    load_bands,
    load_model,
    load_space,
    read_rows,
    save_bands,
    save_space,
)
from brain2music.core.types import Band, Part, Space

BANDS = (Band("mel", 3, (2, 3), "librosa"), Band("genre", 10, (1,)))
SPACES = [
    Space("labels", "Shen", ("10", "2")),
    Space("surface", "fsaverage5", ("4", "9", "11"), np.array([4, 9, 11]), (20484,)),
    Space("volume", "T1w", ("0", "5"), np.array([0, 5]), (2, 3, 4), np.eye(4) * 2),
    Space(
        "grayordinates",
        "fsLR",
        ("a", "b", "c", "d", "e"),
        np.arange(5),
        (5,),
        np.eye(4) * 3,
        (
            Part("CIFTI_STRUCTURE_CORTEX_LEFT", (3,), np.arange(3), "faces"),
            Part("CIFTI_STRUCTURE_THALAMUS_LEFT", (2, 3, 4), np.array([7, 5])),
        ),
    ),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.kind)
def test_a_space_comes_back_as_it_was(tmp_path, space):
    save_space(tmp_path, space)
    again = load_space(tmp_path)
    for name in ("kind", "name", "ids", "shape"):
        assert getattr(again, name) == getattr(space, name)
    for name in ("index", "affine"):
        assert_array_equal(getattr(again, name), getattr(space, name))
    assert len(again.parts) == len(space.parts)
    for one, other in zip(again.parts, space.parts, strict=True):
        assert (one.name, one.shape) == (other.name, other.shape)
        assert one.topology == other.topology
        assert_array_equal(one.index, other.index)


def test_bands_come_back_as_they_were(tmp_path):
    save_bands(tmp_path, BANDS)
    assert load_bands(tmp_path) == BANDS
    assert '"columns": [\n    6,\n    16\n   ]' in (tmp_path / "bands.json").read_text()


def test_labels_of_rows_stay_text(tmp_path):
    rows = pd.DataFrame({"session": [""], "task": ["1"], "run": ["01"], "clip": ["7"]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    again = read_rows(tmp_path / "rows.csv")
    assert again.iloc[0].to_list() == ["", "1", "01", "7"]


def test_a_model_folder_says_which_array_it_lacks(tmp_path):
    save_bands(tmp_path, BANDS)
    save_space(tmp_path, SPACES[0])
    np.save(tmp_path / "valid.npy", np.array([True, False]))
    np.save(tmp_path / "weights.npy", np.ones((16, 2)))
    pd.DataFrame({"run": ["1"]}).to_csv(tmp_path / "rows.csv", index=False)
    model = load_model(tmp_path)
    assert model.array("weights").shape == (16, 2)
    with pytest.raises(MissingFileError, match=r"predictions.npy is not there"):
        model.array("predictions")
