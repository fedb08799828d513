"""Tests of the verdict's page: curves of shifts."""

import json
import re

import pytest

from brain2music.doctor.page import HEIGHT, WIDTH, draw_curves, write_page
from brain2music.doctor.verdict import Curve, Finding, make_verdict, write_json

LAGS = (-3.0, 0.0, 3.0, 6.0, 9.0)
IN_STEP = Curve("task-Training_run-1", LAGS, (0.0, 0.1, 0.4, 0.2, 0.0), 3.0)
OUT = Curve("task-Training_run-<2>", LAGS, (-0.1, 0.0, 0.05, 0.1, 0.3), 3.0)
FINDINGS = [
    Finding("shift-run", "failed", "run 2 is off", curves=(OUT,)),
    Finding("shift-run", "shown", "the others", curves=(IN_STEP,)),
]


def test_curves_have_one_scale_and_their_peak_in_its_place():
    out, in_step = draw_curves(FINDINGS)
    assert (out.off, in_step.off) == (True, False)
    assert in_step.peak == (WIDTH / 2, 0.0)  # the largest r of all is at the top
    assert in_step.lag_x == out.lag_x == WIDTH / 2
    assert out.peak[0] == WIDTH
    assert out.peak[1] == pytest.approx(HEIGHT * 0.1 / 0.5, abs=0.05)
    assert out.zero_y == pytest.approx(HEIGHT * 0.4 / 0.5, abs=0.05)
    assert out.points.split()[0] == f"0.0,{HEIGHT:.1f}"  # the smallest at the bottom
    assert in_step.text == "best at 3 s, r 0.400"
    assert out.text == "best at 9 s, r 0.300; at 3 s, r 0.050"


def test_the_page_draws_each_curve_with_words(tmp_path):
    write_page(make_verdict("A study", FINDINGS, {}), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 2
    assert "out of step: best at 9 s, r 0.300; at 3 s, r 0.050" in page
    assert "run-<2>" not in page
    labels = re.findall(r'aria-label="(task[^"]*)"', page)
    assert labels[1] == "task-Training_run-1: best at 3 s, r 0.400"


def test_without_curves_there_is_no_section_of_them(tmp_path):
    findings = [Finding("folds", "passed", "fine")]
    write_page(make_verdict("A study", findings, {}), tmp_path / "page.html")
    assert "moved against" not in (tmp_path / "page.html").read_text().split("<h2")[1]
    assert list(draw_curves(findings)) == []


def page_of(findings, tmp_path):
    verdict = make_verdict("A study", findings, {})
    write_page(verdict, tmp_path / "page.html")
    return verdict, (tmp_path / "page.html").read_text()


def test_a_title_that_holds_when_a_check_passes_stands_beside_no_other_finding(
    tmp_path,
):
    findings = [
        Finding("repeats", "shown", "unequal numbers of repeats, 3 to 4"),
        Finding("sides", "not made", "no image"),
        Finding("odd-run", "passed", "nothing against it"),
    ]
    verdict, page = page_of(findings, tmp_path)
    assert "Test clips have equal numbers of repeats" not in page
    assert "<td>Numbers of repeats of test clips</td>" in page
    assert "agree on which side is left" not in page + str(verdict)
    assert "<td>Voxels vary about as much in each run</td>" in page
    others = [
        Finding("shift-run", "failed", "run 3 is off"),
        Finding("shift-run", "passed", "none of the other 7 runs is off"),
    ]
    _, page = page_of(others, tmp_path)
    assert "Every run has the best lag of the others" not in page
    assert "<td>The best lag of each run</td>" in page


def test_checks_are_counted_and_not_their_findings(tmp_path):
    runs = [f"task-Test_run-{k}" for k in range(18)]
    findings = [Finding("dead-voxels", "failed", run, (run,)) for run in runs]
    findings += [Finding("folds", "passed", "fine"), Finding("sides", "passed", "a")]
    findings += [Finding("sides", "not made", "b"), Finding("repeats", "shown", "c")]
    verdict, page = page_of(findings, tmp_path)
    said = "1 check failed; 1 passed, 1 could not be made, 1 to be read beside"
    assert said in verdict.summary()
    assert page.count("<article") == 1
    assert all(f"<dd>{run}" in page for run in runs)
    assert page.count("What to do") == 1
    assert str(verdict).count("what to do:") == 1


def test_the_page_claims_only_what_was_done(tmp_path):
    read = [Finding("stale", "passed", "fine")]
    unread = [
        Finding("planted-signal", "not made", "x"),
        Finding("folds", "passed", ""),
    ]
    _, page = page_of(read + unread, tmp_path)
    assert "saved results were read" in page
    assert "signals of known size" not in page
    assert "sound was moved" not in page
    _, page = page_of([Finding("planted-signal", "not made", "x")], tmp_path)
    assert "None of the checks could be made" in page
    moved = [
        Finding("shift-lag", "passed", ""),
        Finding("planted-signal", "passed", ""),
    ]
    _, page = page_of(moved, tmp_path)
    assert "sound was moved against responses; signals of known size" in page


def test_programs_read_which_checks_failed(tmp_path):
    findings = [Finding("dead-voxels", "failed", str(k)) for k in range(3)]
    write_json(make_verdict("A study", findings, {}), tmp_path / "verdict.json")
    whole = json.loads((tmp_path / "verdict.json").read_text())
    assert whole["failed_checks"] == ["dead-voxels"]
    assert whole["failed"] == 3


def test_a_verdict_shows_itself_in_a_notebook_with_text_escaped():
    long = "run <b>2</b> is off " + "and so on " * 20
    findings = [
        Finding("folds", "passed", "whole runs"),
        Finding("repeats", "shown", "3 to 4"),
        Finding("shift-run", "failed", long),
    ]
    page = make_verdict("A <study>", findings, {})._repr_html_()
    assert page.startswith("<p>A &lt;study&gt;: 1 check failed; 1 passed")
    assert "&lt;b&gt;2&lt;/b&gt; is off" in page
    assert page.count("and so on") == 20  # not cut
    assert page.index("failed</td>") < page.index("shown</td>")
    assert findings[2].card.advice in page
    assert "whole runs" not in page
    assert findings[1].card.advice not in page
    passed = make_verdict("A study", findings[:1], {})._repr_html_()
    assert "table" not in passed
