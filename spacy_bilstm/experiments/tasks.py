"""The tasks that encoders are compared on: a task makes the training and test examples and scores a pipeline."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab

from ..training.loop import Batch
from . import probes
from .probes import MakeSentence, Sentence, make_sentences

WORD_EMBED: dict[str, Any] = {"attrs": ["NORM"], "rows": [500]}
"""The config of the probes' embedding, without its width: the word alone."""


class Task(Protocol):
    """What a variant is trained on and scored by."""

    @property
    def name(self) -> str:
        """The name of the experiment."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What defines the task besides its name, for the JSON file."""

    @property
    def chances(self) -> Mapping[str, float]:
        """The accuracy of guessing for each score that has one."""

    @property
    def pipes(self) -> Sequence[str]:
        """The trained components: any of `"tagger"`, `"morphologizer"` and `"ner"`."""

    @property
    def embed(self) -> Mapping[str, Any]:
        """The config block of the embedding, without its width."""

    @property
    def dropout(self) -> float:
        """The dropout rate in training."""

    @property
    def lang(self) -> str:
        """The code of the language."""

    def make_training_examples(self, nlp: Language, seed: int) -> list[Example]:
        """Return the training examples."""

    def make_test_examples(self, nlp: Language, seed: int) -> dict[str, list[Example]]:
        """Return the examples of each test by its name."""

    def iterate_batches(self, nlp: Language, examples: list[Example], steps: int) -> Iterator[Batch]:
        """Yield batches of the training examples, at least as many as there are steps."""

    def score(self, nlp: Language, tests: dict[str, list[Example]]) -> dict[str, float]:
        """Return the scores of a trained pipeline, each from 0 to 1, by name."""


@dataclass(frozen=True)
class Question:
    """One test of a probe.

    make: the probe, such as `probes.long_gap`.
    tags: the possible answers.
    distance: the distance between the tagged word and those that decide its tag.
    """

    make: MakeSentence
    tags: Sequence[str]
    distance: int

    @property
    def chance(self) -> float:
        """The accuracy of guessing."""
        return 1 / len(self.tags)

    def make_sentences(self, n: int, seed: int | str) -> list[Sentence]:
        """Return n sentences that ask the question."""
        return make_sentences(self.make, self.tags, self.distance, n, seed)


@dataclass(frozen=True)
class ProbeTask:
    """A probe: a tagger is trained on a mix of questions and tested on each.

    One token of a sentence has a tag. The loss and spaCy's tag accuracy ignore all others.

    name: the name of the experiment.
    questions: the questions by name, from the easiest to the hardest.
    settings: what the questions were made from, for the JSON file.
    n_train, n_test: number of sentences for each question.
    batch_size: number of sentences in a batch.
    curriculum: whether training begins with the first question and adds the others one by one.
    """

    name: str
    questions: Mapping[str, Question]
    settings: Mapping[str, Any]
    n_train: int = 480
    n_test: int = 160
    batch_size: int = 16
    curriculum: bool = False

    pipes = ("tagger",)
    embed = WORD_EMBED
    dropout = 0.0
    lang = "en"

    @property
    def chances(self) -> dict[str, float]:
        """The accuracy of guessing for each question."""
        return {name: question.chance for name, question in self.questions.items()}

    def make_training_examples(self, nlp: Language, seed: int) -> list[Example]:
        """Return the training examples, question after question."""
        parts = self._make_examples(nlp.vocab, self.n_train, f"train {seed}")
        return [example for part in parts.values() for example in part]

    def make_test_examples(self, nlp: Language, seed: int) -> dict[str, list[Example]]:
        """Return the test examples of each question."""
        return self._make_examples(nlp.vocab, self.n_test, f"test {seed}")

    def iterate_batches(self, nlp: Language, examples: list[Example], steps: int) -> Iterator[Batch]:
        """Draw batches from all questions or, with a curriculum, from those added so far."""
        for step in range(steps):
            n_questions = len(self.questions)
            if self.curriculum:  # The last question is added after three fifths of the steps.
                n_questions = min(n_questions, 1 + int(step / steps / 0.6 * n_questions))
            yield 0, random.choices(examples[: n_questions * self.n_train], k=self.batch_size)

    def score(self, nlp: Language, tests: dict[str, list[Example]]) -> dict[str, float]:
        """Return the accuracy on each question."""
        return {name: nlp.evaluate(examples)["tag_acc"] for name, examples in tests.items()}

    def _make_examples(self, vocab: Vocab, n: int, seed: str) -> dict[str, list[Example]]:
        return {
            name: [
                _make_example(vocab, sentence)
                for sentence in question.make_sentences(n, f"{seed} {name} {question.distance}")
            ]
            for name, question in self.questions.items()
        }


def make_long_gap_task(distances: Sequence[int] = (5, 10, 20, 50, 100, 200), curriculum: bool = False) -> ProbeTask:
    """Make a probe of how far an encoder remembers.

    "I grew up in France ... and I speak its language": the country decides the tag of the last word, one of eight.

    distances: distances from the country to the last word, each >= 5. One training mixes them, and each is a test.
    curriculum: whether training begins with the shortest distance and adds the others one by one.
    RETURNS: the task.
    """
    questions = _ask_at_distances(probes.long_gap, list(probes.COUNTRIES.values()), distances)
    settings = {"distances": ",".join(map(str, distances)), "curriculum": curriculum}
    return ProbeTask("long-gap", questions, settings, curriculum=curriculum)


def make_future_context_task(distances: Sequence[int] = (5, 10, 20)) -> ProbeTask:
    """Make a probe of whether an encoder sees the words that follow.

    "Apple is something ... that we eat" or "... that we sue": the verb decides the tag of the first word, one of two.

    distances: distances from the first word to the verb, each >= 5. One training mixes them, and each is a test.
    RETURNS: the task.
    """
    questions = _ask_at_distances(probes.future_context, list(probes.USES), distances)
    return ProbeTask("future-context", questions, {"distances": ",".join(map(str, distances))})


def make_merge_task(distance: int = 5) -> ProbeTask:
    """Make a probe of what an encoder can compute from its two directions.

    Subject and object decide the tag of the verb between them. "teacher ... met ... drivers" asks for the numbers of
    both, one of four tags. "teacher ... matched ... drivers" asks whether the numbers are the same, one of two tags.

    distance: number of words from the verb to its subject and to its object, >= 1.
    RETURNS: the task, with the questions `"both"` and `"same"`.
    """
    questions = {name: Question(probes.agreement, tags, distance) for name, tags in probes.AGREEMENT_TAGS.items()}
    return ProbeTask("merge", questions, {"distance": distance}, n_train=960)


def make_reading_frame_task(distances: Sequence[int] = (6, 15, 30)) -> ProbeTask:
    """Make a probe of whether an encoder can count, on sequences of single characters.

    "CGTATGCTGCGT": the place of the last base in its codon, counted from the start ATG, is its tag, one of three.

    distances: distances from the start to the last base, each >= 3. One training mixes them, and each is a test.
    RETURNS: the task.
    """
    questions = _ask_at_distances(probes.reading_frame, probes.CODON_PLACES, distances)
    settings = {"distances": ",".join(map(str, distances))}
    return ProbeTask("reading-frame", questions, settings, n_train=960)


def _ask_at_distances(make: MakeSentence, tags: Sequence[str], distances: Sequence[int]) -> dict[str, Question]:
    return {str(distance): Question(make, tags, distance) for distance in sorted(distances)}


def _make_example(vocab: Vocab, sentence: Sentence) -> Example:
    words = list(sentence.words)
    tags = [sentence.tag if i == sentence.position else "" for i in range(len(words))]
    return Example(Doc(vocab, words=words), Doc(vocab, words=words, tags=tags))
