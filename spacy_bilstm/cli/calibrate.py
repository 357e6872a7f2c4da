"""Room cli: `spacy bilstm calibrate`: a pipeline comes in, and goes out with confidences that can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.cli._util import setup_gpu
from spacy.language import Language
from spacy.training import Corpus, Example
from tqdm import tqdm
from wasabi import msg

from ..pipeline.calibration import Calibration, fit_temperature
from ..pipeline.ner import BiLSTMEntityRecognizer
from .files import directory_written_whole


def calibrate(
    model: Annotated[str, typer.Argument(help="Pipeline with a bilstm_ner: a directory or a package")],
    data_path: Annotated[
        Path, typer.Argument(help="Corpus in .spacy format that it was not trained with", exists=True)
    ],
    output_path: Annotated[Path, typer.Argument(help="Directory to write the calibrated pipeline to", file_okay=False)],
    pipe: Annotated[str, typer.Option("--pipe", "-p", help="Name of the entity recogniser")] = "ner",
    gold_preproc: Annotated[bool, typer.Option("--gold-preproc", "-G", help="Use gold tokens")] = False,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU to use, or -1 for the CPU")] = -1,
) -> None:
    """Fit the temperature of an entity recogniser's confidences.

    Of entities with confidence 0.8, say, four of five are right afterwards, as far as one number can bring it about.
    Which entities are found does not change.
    """
    setup_gpu(gpu_id, silent=True)
    nlp = spacy.load(model)
    recognizer = nlp.get_pipe(pipe) if nlp.has_pipe(pipe) else None
    if not isinstance(recognizer, BiLSTMEntityRecognizer):
        msg.fail(f"{model} has no bilstm_ner '{pipe}'.", f"Its components: {', '.join(nlp.pipe_names)}.", exits=1)
    examples = _prepare(nlp, pipe, list(Corpus(data_path, gold_preproc=gold_preproc)(nlp)))
    try:
        before, after = fit_temperature(recognizer, examples)
    except ValueError as error:
        msg.fail("Nothing was written.", str(error), exits=1)
    _print_fit(before, after)
    with directory_written_whole(output_path) as draft:
        nlp.to_disk(draft)
    msg.good(f"Wrote {output_path}")


def _prepare(nlp: Language, pipe: str, examples: list[Example]) -> list[Example]:
    """Send the predicted docs through the components before the recogniser."""
    before = nlp.pipe_names[: nlp.pipe_names.index(pipe)]
    with nlp.select_pipes(enable=before):
        docs = nlp.pipe(example.predicted for example in examples)
        progress = tqdm(zip(docs, examples, strict=True), total=len(examples), unit="doc", leave=False)
        return [Example(doc, example.reference) for doc, example in progress]


def _print_fit(before: Calibration, after: Calibration) -> None:
    rows = [
        (name, f"{fit.temperature:.2f}", f"{fit.calibration_error:.3f}", f"{fit.log_loss:.3f}")
        for name, fit in (("before", before), ("after", after))
    ]
    msg.info(f"{after.n_entities} entities found")
    header = ("", "temperature", "calibration error", "log loss")
    msg.table(rows, header=header, divider=True, aligns=("l", "r", "r", "r"))
