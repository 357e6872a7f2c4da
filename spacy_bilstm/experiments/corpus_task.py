"""The task of training and scoring components on a corpus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.training import Corpus, Example
from spacy.training.loop import create_train_batches

from ..training.batchers import make_batch_by_length_v1
from ..training.loop import Batch

SCORES = {"tagger": ("tag_acc",), "morphologizer": ("pos_acc", "morph_acc"), "ner": ("ents_f",)}
"""The components that can be trained, with spaCy's names of their scores."""

_ANNOTATION = {"tagger": ("TAG",), "morphologizer": ("POS", "MORPH"), "ner": ("ENT_IOB",)}

FEATURE_EMBED: dict[str, Any] = {
    "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
    "rows": [5000, 1000, 2500, 2500],
    "identity_dropout": 0.3,
}
"""The config of a corpus's embedding, without its width: the word, its prefix, its suffix and its shape."""


@dataclass(frozen=True)
class CorpusTask:
    """Components are trained on one corpus and scored on another.

    train, dev: `.spacy` files.
    pipes: the components: keys of `SCORES`.
    lang: code of the language.
    dropout: the rate of dropout in training.
    batch_words: number of words in a batch.
    """

    train: Path
    dev: Path
    pipes: Sequence[str]
    lang: str = "en"
    dropout: float = 0.1
    batch_words: int = 500

    name = "corpus"
    embed = FEATURE_EMBED

    @property
    def chances(self) -> dict[str, float]:
        """Empty: a corpus has no accuracy of guessing."""
        return {}

    @property
    def settings(self) -> dict[str, Any]:
        """The files and the components."""
        return {"train": str(self.train), "dev": str(self.dev), "pipes": ",".join(self.pipes)}

    def make_training_examples(self, nlp: Language, seed: int) -> list[Example]:
        """Return the training corpus."""
        return list(Corpus(self.train)(nlp))

    def make_test_examples(self, nlp: Language, seed: int) -> dict[str, list[Example]]:
        """Return the development corpus as the test `"dev"`."""
        return {"dev": list(Corpus(self.dev)(nlp))}

    def iterate_batches(self, nlp: Language, examples: list[Example], steps: int) -> Iterator[Batch]:
        """Yield batches of sentences of similar length, epoch after epoch without an end."""
        batcher: Any = make_batch_by_length_v1(self.batch_words)
        batches: Iterator[Batch] = create_train_batches(nlp, lambda nlp: examples, batcher, max_epochs=0)
        return batches

    def score(self, nlp: Language, tests: dict[str, list[Example]]) -> dict[str, float]:
        """Return the scores of the components, without those that lack annotation."""
        scores = nlp.evaluate(tests["dev"])
        names = [name for pipe in self.pipes for name in SCORES[pipe]]
        return {name: scores[name] for name in names if scores.get(name) is not None}


def make_corpus_task(
    train: Path, dev: Path, pipes: Sequence[str] | None = None, lang: str = "en", dropout: float = 0.1
) -> CorpusTask:
    """Make a task from a corpus, after checking its annotation.

    train, dev: the `.spacy` files to train on and to score on.
    pipes: the components to train, keys of `SCORES`; None trains all for which both files have annotation.
    lang: code of the language.
    dropout: the rate of dropout in training, 0 <= rate < 1.
    RETURNS: the task.
    RAISES: ValueError if a file has no annotation for a component; ImportError if the language needs a missing package.
    """
    annotated = {path: find_pipes(path, lang) for path in (train, dev)}
    for pipe in pipes or []:
        for path, found in annotated.items():
            if pipe not in found:
                raise ValueError(
                    f"{path} has no annotation for '{pipe}'. Choose from the components that it has annotation for: "
                    f"{', '.join(found)}."
                )
    chosen = pipes or [pipe for pipe in annotated[train] if pipe in annotated[dev]]
    if not chosen:
        described = "; ".join(f"{path} for {', '.join(found)}" for path, found in annotated.items())
        raise ValueError(
            f"The two files have annotation for different components: {described}. Use files with the same annotation."
        )
    return CorpusTask(train, dev, list(chosen), lang, dropout)


def find_pipes(path: Path, lang: str) -> list[str]:
    """Find the components that a corpus has annotation for.

    path: a `.spacy` file.
    lang: code of its language.
    RETURNS: keys of `SCORES`.
    RAISES: ValueError if the file has no document, or no annotation for any component.
    """
    docs = [example.reference for example in Corpus(path)(spacy.blank(lang))]
    pipes = [
        pipe for pipe, names in _ANNOTATION.items() if any(doc.has_annotation(name) for doc in docs for name in names)
    ]
    if not pipes:
        raise ValueError(
            f"{path} has no annotation to train on. Add tags, coarse-grained tags, morphology or entities to its docs."
        )
    return pipes
