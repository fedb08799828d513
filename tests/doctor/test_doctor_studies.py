"""The doctor on whole studies that are known: the demo, and studyforrest."""

import resource
from pathlib import Path

import pytest

from brain2music import load_study
from brain2music.demo import make_demo
from brain2music.doctor.examine import examine

EXAMPLE = Path(__file__).parents[2] / "examples" / "studyforrest.toml"
pytestmark = pytest.mark.slow


def failed(verdict):
    return {one.key: one.found for one in verdict.failed}


def processor_s():
    """Return the seconds that this process and its children have computed for."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(one) for one in who]
    return sum(one.ru_utime + one.ru_stime for one in used)


@pytest.mark.dataset
def test_studyforrest_raises_no_alarm(tmp_path):
    study = load_study(EXAMPLE)
    if not study.root.exists():
        pytest.skip("the recorded data are not here")
    verdict = examine(study, tmp_path, minutes=10)
    assert failed(verdict) == {}
    lags = [one for one in verdict.findings if one.key == "shift-lag"]
    assert {one.status for one in lags} == {"passed"}
    assert not [one for one in verdict.findings if "minutes were over" in one.found]


def test_the_demo_raises_no_alarm_and_keeps_to_its_time(tmp_path):
    result = make_demo(tmp_path)
    study = load_study(tmp_path / "study/study.toml")
    begun = processor_s()
    verdict = examine(study, result.out, minutes=10)
    assert (
        processor_s() - begun < 2 * 120
    )  # as 2 minutes of 2 cores, if others use them
    assert failed(verdict) == {}
    passed = {one.key for one in verdict.findings if one.status == "passed"}
    assert {
        "stale",
        "grid-ends",
        "shift-drift",
        "planted-place",
        "extractor",
    } - passed == {
        "extractor"  # the demo reads no sound
    }
