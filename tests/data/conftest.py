"""What the tests of the data stage share."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def shared_data():
    default = REPOSITORY.parent / "shared" / "data"
    folder = Path(os.environ.get("BRAIN2MUSIC_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no recorded data in {folder}; set BRAIN2MUSIC_DATA")
    return folder


@pytest.fixture
def touch(tmp_path):
    """Make empty files under a folder, which comes back."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make
