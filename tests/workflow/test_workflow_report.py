"""Tests of the page: complete, safe, and readable without a network."""

import io
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from brain2music.report import write_report
from brain2music.report_parts import packed


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
            assert target.startswith(("#", "data:image/webp;base64,")) or (
                target == "data:,"
            ), (tag, target)


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


def test_a_table_without_rows_has_no_heading(finished, tmp_path):
    study, result = finished
    shutil.copytree(result.out, tmp_path / "out")
    path = tmp_path / "out/tables/ceilings.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    (tmp_path / "out/tables/drift_ceilings.csv").unlink()
    whole = study.part("dataset", "encoding") | {"title": "x"}
    options = {"study": whole, "subjects": ["01"], "notes": []}
    write_report(tmp_path / "out", tmp_path, **options)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Noise ceilings" not in text
    assert "More than chance?" in text


def test_pictures_of_the_page_have_the_colours_of_the_files_and_are_smaller(tmp_path):
    greys = np.add.outer(np.arange(90), np.arange(120)).astype("u1")
    picture = np.stack([greys, greys, greys], axis=-1)
    picture[:20, :20] = np.random.default_rng(0).integers(0, 255, (20, 20, 3))
    path = tmp_path / "map.png"
    Image.fromarray(picture).save(path)
    with Image.open(io.BytesIO(packed(path))) as shown:
        assert shown.format == "WEBP"
        np.testing.assert_array_equal(np.array(shown), picture)
    assert len(packed(path)) < path.stat().st_size


def test_every_table_can_be_copied(page):
    tables = {attrs["id"] for tag, attrs in page.tags if tag == "table"}
    known = {"truth", "roi_scores", "roi_differences", "ceilings", "alignment"}
    known |= {"roi_summary_differences", "roi_summaries", "roi_significance", "group"}
    known |= {"added", "partition", "drift_ceilings", "density", "best_space_counts"}
    known |= {"partition_views"}
    assert tables == {f"table-{name}" for name in known}
    copied = [attrs.get("data-copy") for tag, attrs in page.tags if tag == "button"]
    assert set(copied) - {None} == tables


def test_no_two_things_of_the_page_have_the_same_id(page):
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_what_limits_every_number_comes_before_other_notes(finished, tmp_path):
    study, result = finished
    whole = study.part("dataset", "encoding") | {"title": "x"}
    notes = ["quote marks taken off.", "nothing can be significant in fewer than 9."]
    options = {"study": whole, "subjects": ["01"], "notes": notes}
    write_report(result.out, tmp_path, **options)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    (warnings,) = re.findall(r'<ul class="warnings">(.*?)</ul>', text, re.S)
    assert "nothing can be significant" in warnings
    assert "quote marks" not in warnings
    assert text.index("nothing can be significant") < text.index("quote marks")


def test_tables_hold_the_numbers(page, finished):
    _, result = finished
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
