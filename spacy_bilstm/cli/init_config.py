"""`spacy bilstm init-config`: a use case on the command line becomes the training config of a recipe."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import COMMAND, string_to_list
from thinc.api import Config
from wasabi import msg

from ..recipes import RecipeError, make_config
from ..util.files import written_whole

STDOUT = Path("-")


class Optimize(str, Enum):
    """The recipes."""

    efficiency = "efficiency"
    accuracy = "accuracy"


def init_config(
    output_path: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT", help="File to save the config to, or - for stdout", allow_dash=True, dir_okay=False
        ),
    ],
    lang: Annotated[str, typer.Option("--lang", "-l", help="Code of the language, such as en")] = "en",
    pipeline: Annotated[
        str,
        typer.Option(
            "--pipeline",
            "-p",
            help="Comma-separated names of components, in any order, from: tagger, morphologizer, senter, parser, ner, "
            "textcat, textcat_multilabel",
        ),
    ] = "tagger,parser,ner",
    optimize: Annotated[
        Optimize,
        typer.Option("--optimize", "-o", help="Recipe: a fast and small pipeline, or a more accurate, slower one"),
    ] = Optimize.efficiency,
    gpu: Annotated[bool, typer.Option("--gpu", "-G", help="Whether to train on a GPU")] = False,
    vectors: Annotated[
        str | None, typer.Option("--vectors", help="Package or path of a pipeline with static vectors to include")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-F", help="Overwrite the output file")] = False,
) -> None:
    """Generate a complete training config for a pipeline on a shared bidirectional LSTM.

    The config is as spaCy's `init fill-config` leaves it. It trains with `spacy train`, given the paths to the data.
    """
    if output_path != STDOUT and output_path.exists() and not force:
        msg.fail(f"{output_path} exists already.", "To overwrite it, add --force or -F.", exits=1)
    try:
        config = make_config(lang, string_to_list(pipeline), optimize.value, gpu=gpu, vectors=vectors)
    except RecipeError as error:
        msg.fail("Can't generate a config.", str(error), exits=1)
    if output_path == STDOUT:
        print(config.to_str())
        return
    try:
        with written_whole(output_path) as draft:
            config.to_disk(draft, interpolate=False)
    except OSError as error:
        msg.fail("Can't save the config.", str(error), exits=1)
    _print_use_case(config, optimize, gpu)
    _print_next_step(output_path, gpu)


def _print_use_case(config: Config, optimize: Optimize, gpu: bool) -> None:
    msg.info("Generated a complete config for your use case")
    use_case = {
        "Language": config["nlp"]["lang"],
        "Pipeline": ", ".join(config["nlp"]["pipeline"]),
        "Optimize for": optimize.value,
        "Hardware": "GPU" if gpu else "CPU",
        "Vectors": config["paths"]["vectors"],
    }
    for label, value in use_case.items():
        msg.text(f"- {label}: {value}")


def _print_next_step(path: Path, gpu: bool) -> None:
    msg.good("Saved config", str(path))
    msg.text("You can now add your data and train your pipeline:")
    device = " --gpu-id 0" if gpu else ""
    print(f"{COMMAND} train {shlex.quote(str(path))} --paths.train ./train.spacy --paths.dev ./dev.spacy{device}")
