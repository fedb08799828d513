"""Settings of the site: sphinx-build -W docs SITE."""

import importlib.metadata
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import made  # noqa: E402 - lies beside this file

project = "brain2music"
copyright = "the authors of brain2music"
release = importlib.metadata.version("brain2music")
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["README.md"]
html_theme = "furo"
html_title = f"brain2music {release}"
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
autodoc_typehints = "none"
numpydoc_show_class_members = False
copybutton_exclude = ".linenos, .gp, .go"


def setup(app):
    """Write the pages that are made from the code, before any is read."""
    app.connect("builder-inited", lambda _: made.write(HERE / "reference"))
