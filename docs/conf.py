"""Sphinx configuration of the documentation. Build the site with `python -m sphinx -W docs docs/_build`."""

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from generated import fill_page

project = "spacy-bilstm"
release = metadata.version("spacy-bilstm")
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_show_copyright = False
html_title = f"{project} {release}"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3


def setup(app: Any) -> None:
    """Replace the placeholders of the pages by generated text."""

    def fill(app: Any, docname: str, source: list[str]) -> None:
        source[0] = fill_page(source[0])

    app.connect("source-read", fill)
