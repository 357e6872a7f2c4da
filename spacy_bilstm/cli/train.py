"""The command `spacy bilstm train`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import import_code, parse_config_overrides, setup_gpu, show_validation_error
from spacy.training.loop import DIR_MODEL_LAST
from spacy.util import load_config, logger
from wasabi import msg

from ..training.checkpoints import CheckpointError
from ..training.divergence import DivergedError
from ..training.recorded_batches import CorpusChangedError
from ..training.resumable import CHECKPOINT_STEPS, train_with_checkpoints
from ..util.lock import DirectoryLockedError
from .exits import INTERRUPTED


def train(
    context: typer.Context,
    config_path: Annotated[Path, typer.Argument(metavar="CONFIG", help="Config file", exists=True, allow_dash=True)],
    output: Annotated[
        Path,
        typer.Option("--output", "--output-path", "-o", help="Folder for model-best, model-last and checkpoints"),
    ],
    checkpoint_steps: Annotated[int, typer.Option(help="Steps between two checkpoints", min=1)] = CHECKPOINT_STEPS,
    restart: Annotated[bool, typer.Option("--restart", help="Begin afresh, without the last checkpoint")] = False,
    repeat: Annotated[bool, typer.Option("--repeat", help="Begin afresh if the training is complete")] = False,
    code: Annotated[
        Path | None, typer.Option("--code", "-c", help="Python file with registered functions to import", exists=True)
    ] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU ID or -1 for CPU", min=-1)] = -1,
    verbose: Annotated[bool, typer.Option("--verbose", "-V", help="Display more information for debugging")] = False,
) -> None:
    """Train a pipeline as spacy train does. If the training was interrupted, the same command continues it.

    A checkpoint holds everything that the training depends on. On a CPU, an interrupted training ends with the same
    bytes in model-best and model-last as one that was not interrupted. Another config or corpus than the checkpoint's
    is refused. Settings of the config can be overridden, as with --paths.train or --training.max_steps. A loss or
    weight that is NaN or infinite ends the training and leaves the best model.
    """
    if verbose:
        logger.setLevel(logging.DEBUG)
    overrides = parse_config_overrides(context.args)
    import_code(code)
    try:
        setup_gpu(gpu_id)
        with show_validation_error(config_path, hint_fill=False):
            config = load_config(config_path, overrides=overrides, interpolate=False)
        with show_validation_error(config_path):
            result = train_with_checkpoints(
                config,
                output,
                checkpoint_steps=checkpoint_steps,
                restart=restart,
                repeat=repeat,
                use_gpu=gpu_id,
                code=[] if code is None else [code],
                stdout=sys.stdout,
                stderr=sys.stderr,
            )
    except KeyboardInterrupt:
        msg.warn("Interrupted.", f"{output} has the best model so far. Run the same command again to continue.")
        raise typer.Exit(INTERRUPTED) from None
    except DivergedError as error:
        msg.fail(
            "Stopped.", f"{error}\nThe best model so far, if there is one, is in {output / 'model-best'}.", exits=1
        )
    except (CheckpointError, CorpusChangedError) as error:
        msg.fail("Can't continue the training.")
        typer.echo(error)  # wasabi would join its lines.
        raise typer.Exit(1) from None
    except (ValueError, OSError, ImportError, DirectoryLockedError) as error:
        if verbose:
            raise
        msg.fail("Can't train.", f"{error}\nTo see where this happened, add --verbose.", exits=1)
    if result.was_complete:
        msg.good(f"The training in {output} is complete.", "To train again, add --repeat.")
    else:
        msg.good("Saved pipeline to output directory", output / DIR_MODEL_LAST)
    msg.info(f"Best score {result.best_score:.4f} after step {result.best_step} of {result.n_steps}")
