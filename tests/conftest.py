"""What every test shares."""

import os

# Before numpy is imported: its threads are set as it loads.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["MPLBACKEND"] = "agg"

import numpy as np  # noqa: E402 - see above
import pytest  # noqa: E402 - see above


@pytest.fixture
def rng():
    return np.random.default_rng(0)
