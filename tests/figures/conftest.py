"""What the tests of figures share."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(scope="session")
def cortex_store(tmp_path_factory):
    """Return one store of pycortex subjects for all: S1 takes long to make."""
    return tmp_path_factory.mktemp("pycortex")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")
