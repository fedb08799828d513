"""Tests of the site's pages that are made from the code."""

import ast
import re
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from brain2music.cli import app
from brain2music.study import Study
from brain2music.study_encoding import Encoding

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import made
    finally:
        sys.path.remove(str(ROOT / "docs"))
    return made


def test_each_key_of_the_study_file_has_its_kind_and_default(made):
    page = made.study_page()
    for part in fields(Study):
        if part.name != "folder":
            assert re.search(rf"^## `\[?{part.name}\b", page, re.M), part.name
    table = page.split("## `[encoding]`")[1].split("\n## ")[0]
    for key in fields(Encoding):
        assert f"| `{key.name}` |" in table
    assert "| `n_candidates` | whole number, at least 1 | `20` |" in table
    assert '| `solver` | `"fold-gram"` or `"himalaya"` | `"fold-gram"` |' in table
    assert "| `bands` | list of text | required |" in table
    assert "### `network`" in page
    assert "value |" not in page  # a kind without words


def test_each_command_has_its_options(made):
    page = made.commands_page()
    for command in app.registered_commands:
        name = command.name or command.callback.__name__.replace("_", "-")
        assert f"## `brain2music {name}`" in page
    assert "--minutes" in page


def test_the_names_that_stay_are_there(made):
    page = made.python_page()
    assert ".. autofunction:: brain2music.load_study" in page
    assert ".. autoclass:: brain2music.encoding.banded_ridge.BandedRidge" in page


def test_guides_import_nothing_but_names_that_stay(made):
    guides = [ROOT / "README.md", ROOT / "docs/notebook.md", ROOT / "docs/doctor.md"]
    guides += ROOT.glob("docs/how-*.md")
    seen = set()
    for guide in guides:
        text = guide.read_text(encoding="utf-8")
        for block in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S):
            for line in ast.walk(ast.parse(block)):
                if isinstance(line, ast.ImportFrom) and "brain2music" in line.module:
                    names = {name.name for name in line.names}
                    known = set(made.INTERFACE.get(line.module, ()))
                    assert names <= known, f"{guide.name}: {line.module}"
                    seen |= names
    assert {"run", "Result", "plot_flatmap", "Band", "examine"} <= seen


def test_pages_are_written_once(made, tmp_path):
    made.write(tmp_path)
    before = (tmp_path / "study.md").stat().st_mtime_ns
    made.write(tmp_path)
    assert (tmp_path / "study.md").stat().st_mtime_ns == before
    drawn = (tmp_path / "layers.svg").read_text()
    for name in ("decoding", "workflow", "core"):
        assert f">{name}<" in drawn
    page = (ROOT / "docs/concepts.md").read_text(encoding="utf-8")
    for picture in re.findall(r"reference/(\w+\.svg)", page):
        assert "<svg" in (tmp_path / picture).read_text(encoding="utf-8")


def test_ci_runs_each_command_and_line_of_python_of_the_guides():
    script = (ROOT / ".ci/run").read_text()
    loops = re.findall(r"^for page in (.*); do (.*); done$", script, re.M)
    commands, lines = (
        {
            Path(page).stem
            for pages, does in loops
            if what in does
            for page in pages.split()
        }
        for what in ("shell ", "lines ")
    )
    page = (ROOT / "docs/start.md").read_text()
    assert len(re.findall(r"^```sh$", page, re.M)) >= 4
    guides = ["start", *(path.stem for path in ROOT.glob("docs/how-*.md"))]
    assert len(guides) >= 4
    for name in guides:
        text = (ROOT / f"docs/{name}.md").read_text()
        assert ("```sh" in text) == (name in commands), name
        assert ("```python" in text) == (name in lines), name
