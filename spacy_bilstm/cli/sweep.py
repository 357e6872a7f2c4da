"""The command `spacy bilstm sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import import_code, parse_config_overrides, show_validation_error
from spacy.util import load_config
from wasabi import msg

from ..sweeps import DirectoryLockedError, draw_sweep, read_space, run_sweep
from ..training.resumable import CHECKPOINT_STEPS
from ..util.plots import PlotsMissingError, check_plot_path, save_figure
from .exits import INTERRUPTED
from .progress import ProgressLine
from .sweep_output import describe_sweep, print_sweep


def sweep(
    context: typer.Context,
    config_path: Annotated[Path, typer.Argument(metavar="CONFIG", help="Config file", exists=True, dir_okay=False)],
    space: Annotated[Path, typer.Option(help="TOML file with the settings that vary", exists=True, dir_okay=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder: new, empty, or of an earlier call")],
    trials: Annotated[int, typer.Option("--trials", "-n", help="Number of trials", min=1)] = 20,
    workers: Annotated[int, typer.Option("--workers", "-w", help="Trials at a time, one thread each", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the values that are tried", min=0)] = 0,
    metric: Annotated[str | None, typer.Option(help="Score that counts, such as ents_f [the weighted score]")] = None,
    grace_steps: Annotated[
        int | None, typer.Option(help="Steps before which no trial is stopped [a sixth of training.max_steps]", min=1)
    ] = None,
    reduction_factor: Annotated[float, typer.Option(help="One in this many trials goes on at a comparison")] = 3.0,
    checkpoint_steps: Annotated[int, typer.Option(help="Steps between two checkpoints", min=1)] = CHECKPOINT_STEPS,
    plot: Annotated[Path | None, typer.Option(help="Plot to write, .svg or .png (needs Matplotlib)")] = None,
    code: Annotated[Path | None, typer.Option("--code", "-c", help="Python file to import", exists=True)] = None,
) -> None:
    """Train with many values of the config's settings, stop bad trials early, and show what mattered.

    The space has lines such as "training.dropout" = {uniform = [0.1, 0.5]}. Other distributions are log_uniform,
    randint and choice. Each trial is a training as of spacy bilstm train, in a folder of its own. Killed or stopped at
    any moment, the same command continues. More --trials add trials. Settings of the config can be overridden, as with
    --paths.train. Needs Ray: pip install 'spacy-bilstm[ray]'.
    """
    overrides = parse_config_overrides(context.args)
    import_code(code)
    progress = ProgressLine()
    try:
        if plot is not None:
            check_plot_path(plot)
        with show_validation_error(config_path, hint_fill=False):
            config = load_config(config_path, overrides=overrides, interpolate=False)
            result = run_sweep(
                config,
                read_space(space),
                output,
                n_trials=trials,
                workers=workers,
                seed=seed,
                metric=metric,
                grace_steps=grace_steps,
                reduction_factor=reduction_factor,
                checkpoint_steps=checkpoint_steps,
                code=code,
                progress=lambda state: progress.show(describe_sweep(state)),
            )
    except KeyboardInterrupt:
        progress.close()
        msg.warn("Interrupted.", f"{output} has what was trained so far. Run the same command again to continue.")
        raise typer.Exit(INTERRUPTED) from None
    except (ValueError, OSError, ImportError, DirectoryLockedError, PlotsMissingError) as error:
        progress.close()
        msg.fail("The sweep can't run.", str(error), exits=1)
    progress.close()
    print_sweep(result)
    if plot is not None:
        save_figure(draw_sweep(result), plot)
        msg.good(f"Drew {plot}")
