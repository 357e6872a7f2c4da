"""A pipeline annotates a corpus, once. Its predictions beside the gold, and spaCy's scores, go out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.vocab import Vocab
from thinc.api import Model
from tqdm import tqdm

from ..pipeline.ner import BiLSTMEntityRecognizer
from ..util.model_size import count_parameters

# The span group for confidences where the pipeline does not compute them by itself.
CONFIDENCES = "report_confidences"


class CorpusError(ValueError):
    """A file is no corpus that a report can be made of."""


@dataclass(frozen=True)
class Evaluation:
    """A corpus, annotated by a pipeline.

    examples: the predicted docs beside the gold ones, at least one.
    scores: what spaCy's scorer says.
    seconds: what the pipeline's components took, without the tokenizer.
    confidences: the span group of the predicted docs that has entities and their confidences, or None.
    """

    examples: list[Example]
    scores: dict[str, Any]
    seconds: float
    confidences: str | None

    @property
    def n_words(self) -> int:
        """Number of tokens that were annotated."""
        return sum(len(example.predicted) for example in self.examples)


@dataclass(frozen=True)
class ModelSize:
    """How large a pipeline is.

    parameters: number of its weights.
    bytes_on_disk: size of its files, or None if it does not come from files.
    """

    parameters: int
    bytes_on_disk: int | None


def evaluate(nlp: Language, path: Path) -> Evaluation:
    """Annotate a corpus, with a progress bar.

    nlp: the pipeline. Where it can compute confidences of entities, but does not, this is switched on.
    path: the corpus, a `.spacy` file.
    RETURNS: the annotated corpus and its scores.
    RAISES: CorpusError if the file is no `.spacy` file or has no words.
    """
    examples = _read_examples(nlp, path)
    confidences = _switch_on_confidences(nlp)
    start = time.perf_counter()
    n_words = sum(len(example.predicted) for example in examples)
    with tqdm(total=n_words, desc="Annotating", unit="word", unit_scale=True, leave=False, disable=None) as progress:
        for example, doc in zip(examples, nlp.pipe(example.predicted for example in examples), strict=True):
            example.predicted = doc
            progress.update(len(doc))
    seconds = time.perf_counter() - start
    return Evaluation(examples, Scorer(nlp).score(examples), seconds, confidences)


def read_training_words(path: Path) -> tuple[set[str], set[str]]:
    """Give what a pipeline saw in its training.

    path: the training corpus, a `.spacy` file.
    RETURNS: its words, and the texts of its entities.
    RAISES: CorpusError if the file is no `.spacy` file.
    """
    words: set[str] = set()
    names: set[str] = set()
    for doc in _read_bin(path).get_docs(Vocab()):
        words.update(token.text for token in doc)
        names.update(ent.text for ent in doc.ents)
    return words, names


def measure_size(nlp: Language) -> ModelSize:
    """Give the size of a pipeline."""
    models = [getattr(pipe, "model", None) for _, pipe in nlp.pipeline]
    path = nlp.path
    return ModelSize(
        sum(count_parameters(model) for model in models if isinstance(model, Model)),
        None if path is None else sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
    )


def _read_bin(path: Path) -> DocBin:
    try:
        return DocBin().from_disk(path)
    except Exception as error:  # zlib's, msgpack's and spaCy's own, as what is wrong happens to be met
        raise CorpusError(
            f"{path} is not in spaCy's binary format ({error}). Make such a file with: python -m spacy bilstm corpus"
        ) from error


def _read_examples(nlp: Language, path: Path) -> list[Example]:
    _read_bin(path)  # spaCy's reader takes other files for folders, or fails without their name.
    examples = list(Corpus(path)(nlp))
    if not examples:
        raise CorpusError(f"{path} has no words.")
    return examples


def _switch_on_confidences(nlp: Language) -> str | None:
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, BiLSTMEntityRecognizer):
            pipe.cfg["confidences"] = pipe.cfg["confidences"] or CONFIDENCES
            return str(pipe.cfg["confidences"])
    return None
