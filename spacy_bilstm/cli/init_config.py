"""The command `spacy bilstm init-config`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from spacy.cli._util import COMMAND, string_to_list
from thinc.api import Config
from wasabi import msg

from ..recipes import Recipe, RecipeError, add_pretraining, make_config
from ..recipes.scale import RECIPE_WORDS
from ..util.files import atomic_write

STDOUT = Path("-")
PIPELINE_HELP = (
    "Comma-separated names of components, in any order, from: tagger, morphologizer, trainable_lemmatizer, senter, "
    "parser, ner, entity_linker, spancat, textcat, textcat_multilabel"
)


def init_config(
    output_path: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT", help="File to save the config to, or - for stdout", allow_dash=True, dir_okay=False
        ),
    ],
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language code, such as en")] = "en",
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help=PIPELINE_HELP)] = "tagger,parser,ner",
    optimize: Annotated[
        Recipe, typer.Option("--optimize", "-o", help="Optimize for speed and size, for accuracy, or most for speed")
    ] = Recipe.efficiency,
    gpu: Annotated[bool, typer.Option("--gpu", "-G", help="Train on a GPU")] = False,
    vectors: Annotated[str | None, typer.Option(help="Package or path of a pipeline with static vectors")] = None,
    words: Annotated[int, typer.Option(help="Number of tokens that the pipeline is trained on", min=1)] = RECIPE_WORDS,
    characters: Annotated[
        bool, typer.Option("--characters", help="Make each character a token, such as a base of DNA")
    ] = False,
    pretraining: Annotated[bool, typer.Option("--pretraining", help="Add the settings of spacy pretrain")] = False,
    force: Annotated[bool, typer.Option("--force", "-F", help="Overwrite the output file")] = False,
) -> None:
    """Generate a complete training config for a pipeline that shares one bidirectional LSTM.

    The config needs no `spacy init fill-config`. Train it with `spacy train` and the paths of your data.
    """
    if output_path != STDOUT and output_path.exists() and not force:
        msg.fail(f"{output_path} already exists.", "To overwrite it, add --force or -F.", exits=1)
    settings: dict[str, Any] = {"gpu": gpu, "vectors": vectors, "characters": characters, "n_words": words}
    try:
        config = make_config(lang, string_to_list(pipeline), optimize, **settings)
    except RecipeError as error:
        msg.fail("Can't generate the config.", str(error), exits=1)
    if pretraining:
        config = add_pretraining(config)
    if output_path == STDOUT:
        print(config.to_str())
        return
    try:
        with atomic_write(output_path) as draft:
            config.to_disk(draft, interpolate=False)
    except OSError as error:
        msg.fail("Can't save the config.", str(error), exits=1)
    _print_summary(config, optimize, output_path, gpu)


def _print_summary(config: Config, recipe: Recipe, path: Path, gpu: bool) -> None:
    msg.info("Generated a complete config for your use case")
    use_case = {
        "Language": config["nlp"]["lang"],
        "Pipeline": ", ".join(config["nlp"]["pipeline"]),
        "Optimize for": recipe.value,
        "Hardware": "GPU" if gpu else "CPU",
        "Vectors": config["paths"]["vectors"],
    }
    for label, value in use_case.items():
        msg.text(f"- {label}: {value}")
    msg.good("Saved config", str(path))
    if "entity_linker" in config["components"] and "ner" not in config["components"]:
        msg.warn("entity_linker only links entities that another component finds. Add ner to --pipeline to find some.")
    msg.text("Add your data and train your pipeline:")
    options = "--paths.train ./train.spacy --paths.dev ./dev.spacy --output ./model"
    options += " --paths.kb ./kb" if "entity_linker" in config["components"] else ""
    options += " --gpu-id 0" if gpu else ""
    print(f"{COMMAND} train {shlex.quote(str(path))} {options}")
