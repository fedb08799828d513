"""How the probability of a false alarm is shared by the tests of a study."""

from ..study import Study

LEVEL = 0.01  # of a false alarm anywhere in the study
TESTS = (
    *("shift-lag", "shift-run", "swapped-runs", "shift-drift"),
    *("noise-features", "p-values", "permuted-clips", "above-ceiling"),
)


def level_of_test(study: Study) -> float:
    """Return the probability of a false alarm in one test of one subject."""
    return LEVEL / (len(TESTS) * len(study.dataset.subjects))
