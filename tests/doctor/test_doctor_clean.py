"""Twenty clean studies, as uneven as real ones are: no check fails in any."""

import numpy as np
import pytest

pytestmark = pytest.mark.slow
GAPS = ((0, 0), (6, 6), (0, 0), (0, 5), (0, 0))  # least and most volumes of silence
BY_CHANCE = ["shift", "null", "oracle"]  # all others give the same for the same study


def unevenly(made, seed):
    """Make a study uneven: runs, noise, features and voxels; its truth stays clean."""
    rng = np.random.default_rng([seed, 1])
    slowness, share, mixed = rng.uniform(0.2, 0.9), rng.uniform(0, 1), rng.uniform(0, 1)
    for run, values in made.Y.items():
        n_lost = int(rng.integers(0, 8)) if run[0] == "Training" else 0
        n_kept = len(made.events[run]) - n_lost
        made.events[run] = made.events[run].iloc[:n_kept]
        made.silences[run] = made.silences[run][:n_kept]
        Y = values[: 10 * n_kept + made.silences[run].sum()]
        Y = np.hstack(
            [Y, Y + slow(rng, Y.shape, slowness), slow(rng, Y.shape, slowness)]
        )
        Y = Y + share * slow(rng, (len(Y), 1), slowness)  # what all voxels share
        t = np.linspace(-1, 1, len(Y))[:, None]
        Y = Y + rng.standard_normal(Y.shape[1]) * t + 0.5 * np.cos(2 * np.pi * t)
        Y[:, [3, 50]] = 0.0  # outside of the brain
        made.Y[run] = Y * rng.uniform(0.8, 1.2)
    made.Y["Training", "2"][:, 7] = 5.0  # one voxel of 120, at the edge of the slab
    for clip, (music, timbre) in made.features.items():
        made.features[clip] = np.stack([music, timbre + mixed * music])


def slow(rng, shape, slowness):
    out = rng.standard_normal(shape)
    for row in range(1, len(out)):
        out[row] = slowness * out[row - 1] + np.sqrt(1 - slowness**2) * out[row]
    return out


@pytest.mark.parametrize("seed", range(20))
def test_a_clean_study_raises_no_alarm(make, tmp_path, tools, seed):
    strength, gap = (0.0, 0.4, 0.7, 1.5)[seed % 4], GAPS[seed % 5]
    made = make(tmp_path / "data", seed=seed, strength=strength, gap=gap)
    unevenly(made, seed)
    kinds = [] if seed == 1 else BY_CHANCE
    path = made.write()
    if seed % 2:
        tools.edit(path, ("[responses]", '[responses]\nrepeats = "keep"'))
    verdict, failed = tools.examined(path, only=kinds)
    assert failed == {}
    (lag,) = [one for one in verdict.findings if one.key == "shift-lag"]
    assert lag.status == ("not made" if seed % 4 == 0 else "passed")
