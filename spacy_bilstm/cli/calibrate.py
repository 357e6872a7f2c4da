"""The command `spacy bilstm calibrate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.cli._util import setup_gpu
from wasabi import msg

from ..pipeline.calibration import TemperatureFit, ThresholdFit
from ..pipeline.calibration import calibrate as calibrate_pipeline
from ..util.docbin import count_words
from ..util.files import check_output_directory, replace_directory
from ..util.pipeline_paths import find_pipeline


def calibrate(
    model: Annotated[str, typer.Argument(help="Pipeline with a bilstm_ner: a directory or a package")],
    data_path: Annotated[
        Path, typer.Argument(help="Corpus in .spacy format that it was not trained with", exists=True)
    ],
    output_path: Annotated[Path, typer.Argument(help="Directory to write the calibrated pipeline to", file_okay=False)],
    pipe: Annotated[str, typer.Option("--pipe", "-p", help="Name of the entity recogniser")] = "ner",
    threshold: Annotated[bool, typer.Option("--threshold", help="Also fit the threshold, for the best F")] = False,
    gold_preproc: Annotated[bool, typer.Option("--gold-preproc", "-G", help="Use gold tokens")] = False,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU to use, or -1 for the CPU", min=-1)] = -1,
    force: Annotated[bool, typer.Option("--force", "-F", help="Replace a pipeline in the output directory")] = False,
) -> None:
    """Fit the temperature of an entity recogniser's confidences.

    Afterwards, about 80 of 100 entities with a confidence of 0.8 are correct, as far as one number can achieve that.
    The same entities are found as before. With --threshold, all spans that are probable enough are found instead. The
    output directory must be new or empty. With --force, it may be a pipeline, but not the one to calibrate.
    """
    source = find_pipeline(model)
    try:
        check_output_directory(output_path, inputs=[source, data_path], force=force)
        count_words(data_path)  # spaCy's reader takes other files for empty folders.
        setup_gpu(gpu_id, silent=True)
        nlp = spacy.load(model)
        result = calibrate_pipeline(nlp, data_path, pipe, threshold=threshold, gold_preproc=gold_preproc, progress=True)
    except (ValueError, OSError) as error:
        msg.fail("Nothing was written.", str(error), exits=1)
    _print_temperatures(*result.temperature)
    if result.threshold is not None:
        _print_thresholds(*result.threshold)
    try:
        with replace_directory(output_path) as draft:
            nlp.to_disk(draft)
    except (ValueError, OSError) as error:
        msg.fail("Nothing was written.", str(error), exits=1)
    msg.good(f"Wrote {output_path}")


def _print_temperatures(before: TemperatureFit, after: TemperatureFit) -> None:
    msg.info(f"{after.n_entities} entities found")
    rows = [
        (f"{fit.temperature:.2f}", f"{fit.calibration_error:.3f}", f"{fit.log_loss:.3f}") for fit in (before, after)
    ]
    _print_table(("temperature", "calibration error", "log loss"), rows)


def _print_thresholds(before: ThresholdFit, after: ThresholdFit) -> None:
    rows = [
        (f"{fit.threshold:.3f}", *(f"{100 * value:.1f}" for value in (fit.precision, fit.recall, fit.f_score)))
        for fit in (before, after)
    ]
    _print_table(("threshold", "precision", "recall", "F"), rows)
    if after is before:
        msg.info("No threshold has a better F on this corpus, so it is not changed.")


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a row for before and a row for after."""
    named = [(name, *row) for name, row in zip(("before", "after"), rows, strict=True)]
    msg.table(named, header=("", *header), divider=True, aligns=("l", *"r" * len(header)))
