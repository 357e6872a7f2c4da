"""Writes an evaluation as a single HTML page that needs no other file."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...util.files import atomic_write
from ..bootstrap import LEVEL, Estimate
from ..evaluation import Evaluation
from . import charts

_N_COLOURS = 8


def write_report(evaluation: Evaluation, path: str | Path) -> None:
    """Write an evaluation as an HTML page.

    evaluation: what `evaluate` returns.
    path: the file to write. If writing fails, an existing file is unchanged.
    RAISES: PlotsMissingError if Matplotlib is not installed; ValueError as `check_report_path` does.
    """
    check_report_path(path)
    page = render_page(evaluation)
    with atomic_write(Path(path)) as draft:
        draft.write_text(page, encoding="utf8")


def check_report_path(path: str | Path) -> None:
    """Check that a report replaces no file of another kind, such as the corpus.

    path: the file to write.
    RAISES: ValueError if it exists and is not an `.html` file.
    """
    path = Path(path)
    if path.is_file() and path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{path} exists and is no .html file. Choose another path for the report.")


def render_page(evaluation: Evaluation) -> str:
    """Return an evaluation as HTML, with all texts of the corpus escaped.

    evaluation: what `evaluate` returns.
    RAISES: PlotsMissingError if Matplotlib is not installed.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"number": "{:,}".format, "percent": _format_percent, "interval": _format_interval}
    environment.globals |= {"charts": charts, "level": LEVEL}
    labels = sorted(row.name for row in evaluation.scores.entities)
    colours = {label: i % _N_COLOURS for i, label in enumerate(labels)}
    return environment.get_template("page.html.jinja").render(evaluation=evaluation, colours=colours)


def _format_percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f}"


def _format_interval(estimate: Estimate) -> str:
    if estimate.lower is None or estimate.upper is None:
        return ""
    return f"{100 * estimate.lower:.1f} to {100 * estimate.upper:.1f}"
