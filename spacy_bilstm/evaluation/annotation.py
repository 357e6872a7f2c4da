"""Annotates a corpus with a pipeline and scores it with spaCy's scorer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from spacy.language import Language
from spacy.scorer import Scorer
from spacy.training import Example
from tqdm import tqdm

from ..pipeline.ner import BiLSTMEntityRecognizer

# The span group for confidences if the pipeline has none.
CONFIDENCES = "report_confidences"


@dataclass(frozen=True)
class PredictedCorpus:
    """A corpus that a pipeline has annotated.

    examples: the predicted and the gold docs, at least one of each.
    scores: the scores that spaCy's scorer returns.
    seconds: the time that the pipeline's components took, without the tokenizer.
    confidences: the span group of the predicted docs that holds the entities and their confidences, or None.
    """

    examples: list[Example]
    scores: dict[str, Any]
    seconds: float
    confidences: str | None

    @property
    def n_words(self) -> int:
        """The number of annotated tokens."""
        return sum(len(example.predicted) for example in self.examples)


def annotate(nlp: Language, examples: list[Example], progress: bool = False) -> PredictedCorpus:
    """Annotate the predicted docs of examples and score them.

    nlp: the pipeline. An entity recogniser that can compute confidences computes them, whatever its settings are.
    examples: the examples, at least one. Their predicted docs are annotated.
    progress: whether to show a progress bar in a terminal.
    """
    n_words = sum(len(example.predicted) for example in examples)
    hidden = None if progress else True  # None hides the bar unless it is written to a terminal.
    with _confidences_switched_on(nlp) as confidences:
        start = time.perf_counter()
        with tqdm(total=n_words, desc="Annotating", unit="word", unit_scale=True, leave=False, disable=hidden) as bar:
            for example, doc in zip(examples, nlp.pipe(example.predicted for example in examples), strict=True):
                example.predicted = doc
                bar.update(len(doc))
        seconds = time.perf_counter() - start
        return PredictedCorpus(examples, Scorer(nlp).score(examples), seconds, confidences)


@contextmanager
def _confidences_switched_on(nlp: Language) -> Iterator[str | None]:
    """Make the first `bilstm_ner` compute confidences. Yields their span group, or None without a `bilstm_ner`."""
    recognizers = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, BiLSTMEntityRecognizer)]
    if not recognizers:
        yield None
        return
    settings = recognizers[0].cfg
    own = settings["confidences"]
    settings["confidences"] = own or CONFIDENCES
    try:
        yield settings["confidences"]
    finally:
        settings["confidences"] = own
