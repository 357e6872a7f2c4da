"""The command line: `spacy bilstm`, `spacy-bilstm` and `python -m spacy_bilstm`. Each command has its own file."""

import typer
from spacy.cli._util import app as spacy_app

from .annotate import annotate
from .benchmark import benchmark
from .calibrate import calibrate
from .compare import compare
from .corpus import corpus
from .distill import distill
from .fetch import fetch
from .hub import hub
from .info import info
from .init_config import init_config
from .report import report
from .sweep import sweep
from .train import train

app = typer.Typer(name="bilstm", help="Recurrent encoders for spaCy.", no_args_is_help=True, rich_markup_mode=None)
app.command("annotate")(annotate)
app.command("calibrate")(calibrate)
app.command("corpus")(corpus)
app.command("distill", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(distill)
app.command("fetch", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(fetch)
app.command("hub")(hub)
app.command("info")(info)
app.command("init-config")(init_config)
app.command("report")(report)
app.command("sweep", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(sweep)
app.command("train", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(train)
app.add_typer(benchmark, name="benchmark")
app.add_typer(compare, name="compare")


@app.callback()
def callback() -> None:
    """Recurrent encoders for spaCy."""


spacy_app.add_typer(app)


def main() -> None:
    """Run the commands as `spacy-bilstm`."""
    app(prog_name="spacy-bilstm")
