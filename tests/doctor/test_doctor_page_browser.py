"""Tests of the verdict's page in headless Chromium."""

import pytest

from brain2music.doctor.catalogue import CARDS
from brain2music.doctor.page import write_page
from brain2music.doctor.verdict import ORDER, Curve, Finding, make_verdict

pytestmark = pytest.mark.slow


@pytest.fixture
def page(tmp_path):
    """Write a verdict with every card, in all four states, and with hostile text."""
    said = "sub-01, task-Test_run-01: <script>alert(1)</script> 0.31"
    findings = [
        Finding(key, ORDER[k % len(ORDER)], said, ("sub-01",), {"r": 0.31})
        for k, key in enumerate(CARDS)
    ]
    lags = (-3.0, 0.0, 3.0, 6.0)
    curves = (Curve("run-<1>", lags, (0.0, 0.1, 0.3, 0.2), 3.0),)
    findings += [
        Finding("shift-run", "failed", said, ("run-1",), curves=curves),
        Finding("shift-lag", "passed", said, ("sub-01",), curves=curves),
    ]
    about = {"voxels": "300 of 1200", "seconds": "61"}
    write_page(make_verdict("A <b>study</b>", findings, about), tmp_path / "page.html")
    return tmp_path / "page.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_verdict(chromium, axe, page, scheme):
    chromium.get_log("browser")
    chromium.get(page.as_uri())
    violations, passes = axe(chromium, scheme)
    assert violations == []
    assert "color-contrast" in passes
    assert [one["message"] for one in chromium.get_log("browser")] == []
    text = chromium.find_element("tag name", "body").text
    assert "<script>alert(1)</script>" in text
    assert "A <b>study</b>" in text
    drawn = chromium.find_elements("css selector", ".curves svg")
    assert len(drawn) == 2
    assert all(one.size["width"] > 100 and one.size["height"] > 40 for one in drawn)
