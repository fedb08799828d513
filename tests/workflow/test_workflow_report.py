"""Tests of the page: complete, safe, and readable without a network."""

import re
from html.parser import HTMLParser

import pytest


class Page(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page(finished):
    _, result = finished
    return Page(result.report.read_text(encoding="utf-8"))


def test_needs_no_network(page):
    for tag, attrs in page.tags:
        for name in ("src", "href"):
            target = attrs.get(name, "#")
            assert target.startswith(("#", "data:image/png;base64,")), (tag, target)


def test_text_from_tables_and_titles_is_escaped(page):
    tags = {tag for tag, _ in page.tags}
    assert not {"music", "study"} & tags
    assert "leads <music>" in page.text
    assert "A small <study> & its truth" in page.text


def test_every_figure_has_words_for_it(page, finished):
    _, result = finished
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == len(list((result.out / "figures").glob("*.png")))
    assert all(attrs["alt"] for attrs in images)


def test_tables_can_be_copied_and_hold_the_numbers(page, finished):
    _, result = finished
    tables = {attrs["id"] for tag, attrs in page.tags if tag == "table"}
    known = {"truth", "roi_scores", "roi_differences", "ceilings", "alignment"}
    known |= {"roi_summary_differences", "roi_summaries", "roi_significance", "group"}
    known |= {"added", "partition", "drift_ceilings", "density"}
    assert tables == known
    buttons = {attrs["data-copy"] for tag, attrs in page.tags if tag == "button"}
    assert buttons == tables
    r = result.roi_scores["r_mean"].dropna()
    assert all(f"{value:.4g}" in page.text for value in r)


def test_says_how_it_was_made(page, finished):
    study, _ = finished
    for words in ("himalaya", "numpy", "models/sub-01", "made up"):
        assert words in page.text
    assert re.search(r"[0-9a-f]{64}", page.text)
    assert str(study.root) not in page.text


def test_says_first_what_was_left_out(page):
    assert page.text.index("Read first") < page.text.index("Feature spaces per ROI")
    assert "quote marks taken off" in page.text
    assert "Simulated data" in page.text
