"""Tests of the verdict's page: curves of shifts."""

import re

import pytest

from brain2music.doctor.page import HEIGHT, WIDTH, draw_curves, write_page
from brain2music.doctor.verdict import Curve, Finding, make_verdict

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
