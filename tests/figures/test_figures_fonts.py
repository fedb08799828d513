"""Tests of the fonts inside of an SVG."""

import base64
import re
from io import BytesIO
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from fontTools.ttLib import TTFont

from brain2music.figures.fonts import embed_fonts
from brain2music.figures.style import figure_mm

SVG = {"svg.fonttype": "none", "svg.hashsalt": "x"}


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a figure and returns its SVG."""

    def write(**how):
        figure = figure_mm(60, 40)
        ax = figure.add_subplot()
        ax.set_xlabel("r \N{GREATER-THAN OR EQUAL TO} 0.5", **how)
        ax.set_title("Größe & <b>")
        path = tmp_path / "figure.svg"
        with mpl.rc_context(SVG):
            figure.savefig(path, metadata={"Date": None})
            embed_fonts(path, figure)
        return path.read_text(encoding="utf-8")

    return write


def fonts_in(svg):
    found = re.findall(
        r"font-family:'([^']+)';font-weight:(\w+);.*?base64,([^)]+)", svg
    )
    return {
        (name, weight): TTFont(BytesIO(base64.b64decode(data)))
        for name, weight, data in found
    }


def test_the_letters_that_are_used_are_in_the_file_and_text_stays_text(written):
    svg = written()
    fonts = fonts_in(svg)
    assert list(fonts) == [("DejaVu Sans", "normal")]
    letters = {chr(code) for code in fonts["DejaVu Sans", "normal"].getBestCmap()}
    root = ElementTree.fromstring(svg)
    said = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Größe & <b>" in said
    assert set("".join(said)) <= letters
    assert "\N{GREATER-THAN OR EQUAL TO}" in letters
    assert "q" not in letters
    assert re.search(
        r"font(-family|: [^;]*px):? 'DejaVu Sans'", svg
    )  # the name of the face
    assert len(svg) < 60_000


def test_each_weight_has_its_font_and_a_file_is_the_same_again(written):
    svg = written(weight="bold")
    weights = {weight for _, weight in fonts_in(svg)}
    assert weights == {"normal", "bold"}
    assert written(weight="bold") == svg
