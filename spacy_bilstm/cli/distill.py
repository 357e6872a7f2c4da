"""The command `spacy bilstm distill`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import parse_config_overrides, setup_gpu
from wasabi import msg

from ..annotation import DirectoryLockedError
from ..distillation import distill as distill_pipelines
from ..recipes import Recipe
from .distillation_output import print_plan, print_progress, print_result
from .exits import INTERRUPTED


def distill(
    ctx: typer.Context,
    teacher: Annotated[str, typer.Argument(help="Name or path of the pipeline to learn from")],
    texts: Annotated[str, typer.Argument(help="Texts: a file, folder or glob of txt, jsonl, csv, parquet or .spacy")],
    output: Annotated[Path, typer.Argument(help="Directory to write the student to", file_okay=False)],
    more: Annotated[list[str] | None, typer.Option("--teacher", help="One more teacher to average with")] = None,
    gold: Annotated[Path | None, typer.Option(help="Annotated .spacy corpus to learn from too", exists=True)] = None,
    gold_share: Annotated[float, typer.Option(help="Share of the words in training from --gold, below 1")] = 0.2,
    dev: Annotated[Path | None, typer.Option(help=".spacy corpus to choose the best student by", exists=True)] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The student's own config", exists=True)] = None,
    optimize: Annotated[Recipe, typer.Option("--optimize", "-o", help="The recipe of the student")] = Recipe.efficiency,
    vectors: Annotated[str | None, typer.Option(help="Pipeline with static vectors for the student")] = None,
    teacher_embedding: Annotated[
        bool, typer.Option("--teacher-embedding", help="Give the student the teacher's word embedding")
    ] = False,
    annotations: Annotated[Path | None, typer.Option(help="Where to keep annotation [OUTPUT-annotations]")] = None,
    roles: Annotated[list[str] | None, typer.Option("--as", help="Learn a component as another: llm=ner")] = None,
    text_column: Annotated[str, typer.Option(help="Column or key of the text")] = "text",
    held_out: Annotated[float, typer.Option(help="Share of the texts that is held out for evaluation")] = 0.02,
    hard: Annotated[bool, typer.Option("--hard", help="Learn best labels instead of probabilities")] = False,
    part_size: Annotated[int, typer.Option(help="Number of texts in a part of the annotation", min=1)] = 2000,
    speed: Annotated[bool, typer.Option("--speed", help="Measure the speed of student and teacher")] = False,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU to use, or -1 for the CPU", min=-1)] = -1,
    force: Annotated[bool, typer.Option("--force", "-F", help="Replace a pipeline in the output directory")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin the training afresh, not the annotation")] = False,
) -> None:
    """Make a slow pipeline fast: a student learns what it annotates on texts without annotation.

    The student has the teacher's components, names and labels. If the annotation or the training is interrupted, the
    same command continues it. Settings of the student's config can be changed as for `spacy train`, such as
    --training.max_steps 500.
    """
    try:
        setup_gpu(gpu_id, silent=gpu_id < 0)
        result = distill_pipelines(
            [teacher, *(more or [])],
            texts,
            output,
            gold=gold,
            gold_share=gold_share,
            dev=dev,
            config=config,
            optimize=optimize.value,
            vectors=vectors,
            teacher_embedding=teacher_embedding,
            annotations=annotations,
            roles=dict(role.partition("=")[::2] for role in roles or []),
            text_column=text_column,
            held_out=held_out,
            soft_targets=not hard,
            part_size=part_size,
            overrides=parse_config_overrides(ctx.args),
            speed=speed,
            gpu_id=gpu_id,
            force=force,
            restart=restart,
            announce=print_plan,
            on_progress=print_progress,
            progress=True,
        )
    except (ValueError, OSError, ImportError, DirectoryLockedError) as error:
        msg.fail("No student was written.", str(error), exits=1)
    except KeyboardInterrupt:
        msg.warn("Stopped. The same command continues.")
        raise typer.Exit(INTERRUPTED) from None
    print_result(result)
