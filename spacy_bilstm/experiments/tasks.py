"""What variants are trained on: a probe or a corpus. Examples of the training set and of each test go out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import spacy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example
from spacy.training.loop import create_train_batches
from spacy.vocab import Vocab

from ..training.batchers import make_batch_by_length_v1
from .probes import Sentence, make_sentences

Batches = Iterator[tuple[int, list[Example]]]

SCORES = {"tagger": ("tag_acc",), "morphologizer": ("pos_acc", "morph_acc"), "ner": ("ents_f",)}
"""The scores of each component, by spaCy's names."""


class Task(Protocol):
    """What variants are trained on and scored by."""

    @property
    def pipes(self) -> Sequence[str]:
        """The components that are trained: keys of `SCORES`."""

    def get_train(self, nlp: Language, seed: int) -> list[Example]:
        """Give the training examples."""

    def get_tests(self, nlp: Language, seed: int) -> dict[str, list[Example]]:
        """Give the examples of each test by its name."""

    def get_batches(self, nlp: Language, examples: list[Example], steps: int) -> Batches:
        """Give epochs and batches of the training examples, at least as many as there are steps."""

    def get_scores(self, nlp: Language, tests: dict[str, list[Example]]) -> dict[str, float]:
        """Give the scores of a trained pipeline, from 0 to 1, by their names in the table."""


@dataclass(frozen=True)
class Question:
    """One test of a probe: what is asked, and at which distance.

    make: the probe's function, such as `probes.long_gap`.
    tags: the tags that are asked for.
    distance: the distance of the word that decides.
    """

    make: Callable[[random.Random, str, int], Sentence]
    tags: Sequence[str]
    distance: int

    @property
    def chance(self) -> float:
        """The accuracy of guessing."""
        return 1 / len(self.tags)


@dataclass(frozen=True)
class ProbeTask:
    """A tagger is trained on a mix of a probe's questions and tested on each.

    Only the token that is asked for has a tag, so the loss and spaCy's tag accuracy count no other.

    questions: the questions by name, from the easiest to the hardest.
    n_train, n_test: sentences of each question.
    batch_size: sentences in a batch.
    curriculum: whether training begins with the first question and the others join one after the other.
    """

    questions: Mapping[str, Question]
    n_train: int = 480
    n_test: int = 160
    batch_size: int = 16
    curriculum: bool = False
    pipes: Sequence[str] = ("tagger",)

    def get_train(self, nlp: Language, seed: int) -> list[Example]:
        """Give the training examples, question after question."""
        return [example for part in self._make(nlp.vocab, self.n_train, f"train {seed}").values() for example in part]

    def get_tests(self, nlp: Language, seed: int) -> dict[str, list[Example]]:
        """Give the test examples of each question."""
        return self._make(nlp.vocab, self.n_test, f"test {seed}")

    def get_batches(self, nlp: Language, examples: list[Example], steps: int) -> Batches:
        """Draw batches evenly from all questions, or from those that have joined so far."""
        for step in range(steps):
            n_joined = len(self.questions)
            if self.curriculum:  # The last question joins when three fifths of the steps are done.
                n_joined = min(n_joined, 1 + int(step / steps / 0.6 * n_joined))
            yield 0, random.choices(examples[: n_joined * self.n_train], k=self.batch_size)

    def get_scores(self, nlp: Language, tests: dict[str, list[Example]]) -> dict[str, float]:
        """Give the accuracy on each question's tokens."""
        return {name: nlp.evaluate(examples)["tag_acc"] for name, examples in tests.items()}

    def _make(self, vocab: Vocab, n: int, seed: str) -> dict[str, list[Example]]:
        return {
            name: [
                _make_example(vocab, sentence)
                for sentence in make_sentences(
                    question.make, question.tags, question.distance, n, f"{seed} {name} {question.distance}"
                )
            ]
            for name, question in self.questions.items()
        }


@dataclass(frozen=True)
class CorpusTask:
    """Components are trained on one corpus and tested on another.

    train, dev: `.spacy` files.
    pipes: the components: keys of `SCORES`.
    batch_words: words in a batch.
    """

    train: Path
    dev: Path
    pipes: Sequence[str]
    batch_words: int = 500

    def get_train(self, nlp: Language, seed: int) -> list[Example]:
        """Give the corpus."""
        return list(Corpus(self.train)(nlp))

    def get_tests(self, nlp: Language, seed: int) -> dict[str, list[Example]]:
        """Give the other corpus."""
        return {"dev": list(Corpus(self.dev)(nlp))}

    def get_batches(self, nlp: Language, examples: list[Example], steps: int) -> Batches:
        """Give batches of sentences of like length, epoch after epoch."""
        batcher: Any = make_batch_by_length_v1(self.batch_words)
        batches: Batches = create_train_batches(nlp, lambda nlp: examples, batcher, max_epochs=0)
        return batches

    def get_scores(self, nlp: Language, tests: dict[str, list[Example]]) -> dict[str, float]:
        """Give the scores of each component that has annotation to be scored by."""
        scores = nlp.evaluate(tests["dev"])
        names = [name for pipe in self.pipes for name in SCORES[pipe]]
        return {name: scores[name] for name in names if scores.get(name) is not None}


def find_pipes(path: Path, lang: str) -> list[str]:
    """Find out which components a corpus has annotation for.

    path: a `.spacy` file.
    lang: code of its language.
    RETURNS: keys of `SCORES`.
    RAISES: ValueError if there is no annotation for any of them, or no document.
    """
    attributes = {"tagger": ("TAG",), "morphologizer": ("POS", "MORPH"), "ner": ("ENT_IOB",)}
    docs = [example.reference for example in Corpus(path)(spacy.blank(lang))]
    pipes = [
        pipe for pipe, names in attributes.items() if any(doc.has_annotation(name) for doc in docs for name in names)
    ]
    if not pipes:
        raise ValueError(f"{path} has no annotation to train on: tags, coarse tags, morphology or entities.")
    return pipes


def _make_example(vocab: Vocab, sentence: Sentence) -> Example:
    words = list(sentence.words)
    tags = [sentence.tag if i == sentence.position else "" for i in range(len(words))]
    return Example(Doc(vocab, words=words), Doc(vocab, words=words, tags=tags))
