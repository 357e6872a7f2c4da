"""`spacy bilstm calibrate`: a pipeline comes in, and goes out with confidences that can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.cli._util import setup_gpu
from spacy.language import Language
from spacy.training import Corpus, Example
from tqdm import tqdm
from wasabi import msg

from ..pipeline.calibration import Accuracy, Calibration, fit_temperature, fit_threshold
from ..pipeline.ner import BiLSTMEntityRecognizer
from ..util.files import directory_written_whole


def calibrate(
    model: Annotated[str, typer.Argument(help="Pipeline with a bilstm_ner: a directory or a package")],
    data_path: Annotated[
        Path, typer.Argument(help="Corpus in .spacy format that it was not trained with", exists=True)
    ],
    output_path: Annotated[Path, typer.Argument(help="Directory to write the calibrated pipeline to", file_okay=False)],
    pipe: Annotated[str, typer.Option("--pipe", "-p", help="Name of the entity recogniser")] = "ner",
    threshold: Annotated[bool, typer.Option("--threshold", help="Fit the threshold, too, for the best F")] = False,
    gold_preproc: Annotated[bool, typer.Option("--gold-preproc", "-G", help="Use gold tokens")] = False,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU to use, or -1 for the CPU")] = -1,
) -> None:
    """Fit the temperature of an entity recogniser's confidences.

    Of entities with confidence 0.8, say, four of five are right afterwards, as far as one number can bring it about.
    Which entities are found does not change, but with --threshold: then all spans that are probable enough are found.
    """
    setup_gpu(gpu_id, silent=True)
    nlp = spacy.load(model)
    recognizer = nlp.get_pipe(pipe) if nlp.has_pipe(pipe) else None
    if not isinstance(recognizer, BiLSTMEntityRecognizer):
        msg.fail(f"{model} has no bilstm_ner '{pipe}'.", f"Its components: {', '.join(nlp.pipe_names)}.", exits=1)
    examples = _prepare(nlp, pipe, list(Corpus(data_path, gold_preproc=gold_preproc)(nlp)))
    try:
        _print_calibrations(*fit_temperature(recognizer, examples))
        if threshold:
            _print_accuracies(*fit_threshold(recognizer, examples))
    except ValueError as error:
        msg.fail("Nothing was written.", str(error), exits=1)
    _write_into_config(nlp, pipe, recognizer)
    with directory_written_whole(output_path) as draft:
        nlp.to_disk(draft)
    msg.good(f"Wrote {output_path}")


def _prepare(nlp: Language, pipe: str, examples: list[Example]) -> list[Example]:
    """Send the predicted docs through the components before the recogniser."""
    before = nlp.pipe_names[: nlp.pipe_names.index(pipe)]
    with nlp.select_pipes(enable=before):
        docs = nlp.pipe(example.predicted for example in examples)
        progress = tqdm(zip(docs, examples, strict=True), total=len(examples), unit="doc", leave=False, disable=None)
        return [Example(doc, example.reference) for doc, example in progress]


def _write_into_config(nlp: Language, pipe: str, recognizer: BiLSTMEntityRecognizer) -> None:
    """Let the pipeline's config say what was fitted, so that another value given at loading is known as another."""
    fitted = {name: recognizer.cfg[name] for name in ("temperature", "threshold")}
    nlp.get_pipe_config(pipe).update(fitted)
    recognizer.cfg["configured"] = recognizer.cfg["configured"] | fitted


def _print_calibrations(before: Calibration, after: Calibration) -> None:
    msg.info(f"{after.n_entities} entities found")
    rows = [
        (f"{fit.temperature:.2f}", f"{fit.calibration_error:.3f}", f"{fit.log_loss:.3f}") for fit in (before, after)
    ]
    _print_table(("temperature", "calibration error", "log loss"), rows)


def _print_accuracies(before: Accuracy, after: Accuracy) -> None:
    rows = [
        (f"{fit.threshold:.3f}", *(f"{100 * value:.1f}" for value in (fit.precision, fit.recall, fit.f_score)))
        for fit in (before, after)
    ]
    _print_table(("threshold", "precision", "recall", "F"), rows)
    if after is before:
        msg.info("No threshold has a better F here: it stays as it was.")


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a row for before and one for after."""
    named = [(name, *row) for name, row in zip(("before", "after"), rows, strict=True)]
    msg.table(named, header=("", *header), divider=True, aligns=("l", *"r" * len(header)))
