"""How far back language models of different cells look for the word that decides the next one."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import spacy
import srsly
import torch
from spacy.tokens import Doc
from spacy.vocab import Vocab
from torch import Tensor, nn

from ..nn.next_word import NextWordModel
from ..util.docbin import read_docs
from .probes import COUNTRIES, FILLERS
from .results import Comparison, Run
from .running import train_missing
from .variants import Variant

SCENES = {"clouds": "sky", "fish": "sea", "trees": "forest", "cars": "street"}
"""Generated text: the subjects of the short sentences, and where they are."""

MIN_DISTANCE = 4
"""The distance between the two words in a sentence without fillers."""

UNKNOWN = "<unknown>"
ALL = "all"
"""The question that asks for every word of the held-out texts."""


@dataclass(frozen=True)
class Prompt:
    """A text whose words from a position on are to be predicted.

    words: its words.
    position: index of the first word to predict.
    """

    words: tuple[str, ...]
    position: int


@dataclass(frozen=True)
class NextWordTask:
    """Texts to learn from and to be tested on.

    name: the name of the experiment.
    settings: what identifies the texts.
    texts: the words of each text to learn from.
    questions: the prompts of each test by its name.
    dropout: the rate of dropout in training.
    """

    name: str
    settings: dict[str, Any]
    texts: list[tuple[str, ...]]
    questions: dict[str, list[Prompt]]
    dropout: float


def make_generated_task(
    distances: Sequence[int] = (4, 10, 20, 50), n_train: int = 4000, n_test: int = 200
) -> NextWordTask:
    """Make texts whose last word is decided by one word before it.

    "I grew up in France ... and I speak French", at all distances, and "the clouds are in the sky" at the shortest. The
    words in between are random.

    distances: the numbers of words from the deciding word to the last one, each >= 4. One training mixes them, and each
        is a test.
    n_train: number of texts to learn from.
    n_test: number of texts of each test.
    RETURNS: the task. Its test `"all"` asks for every word, the random ones too.
    """
    rng = random.Random("train")
    texts = [_make_text(rng, distance) for distance in islice(cycle(distances), n_train)]
    rng = random.Random("test")
    tests = {str(distance): [_make_text(rng, distance) for _ in range(n_test)] for distance in sorted(distances)}
    questions = {name: [Prompt(text, len(text) - 1) for text in test] for name, test in tests.items()}
    questions[ALL] = [Prompt(text, 0) for test in tests.values() for text in test]
    settings = {"distances": ",".join(map(str, distances)), "n_train": n_train}
    return NextWordTask("next-word", settings, texts, questions, dropout=0.0)


def make_raw_text_task(
    path: Path,
    distances: Sequence[int] = (1, 2, 5, 10, 20, 50),
    *,
    n_words: int = 5000,
    max_length: int = 100,
    n_train: int = 500_000,
    n_test: int = 1000,
    lang: str = "en",
) -> NextWordTask:
    """Make a task of a corpus, with the number of words that a model may read before each word as the distance.

    What a model gains from `n` words to `2 n` is what words at this distance decide (Khandelwal et al. 2018).

    path: the texts: JSONL with a `text` in each line, a `.spacy` file, or any other file with a text in each line.
    distances: the numbers of words to read, each >= 1. Each is a test of the same words.
    n_words: size of the vocabulary: the most frequent words of the training texts. Others are unknown, and nobody is
        asked for them.
    max_length: documents are cut into texts of so many words, more than the largest distance.
    n_train: the largest number of words to learn from, the first of the file. Besides, a tenth of the texts is held
        out.
    n_test: the number of words of each test.
    lang: code of the language of texts that are not tokenized.
    RETURNS: the task.
    RAISES: ValueError if the corpus has no text that is longer than the largest distance.
    """
    texts: list[tuple[str, ...]] = []
    n_read = 0
    for doc in _read_docs(path, lang):
        words = tuple(token.text for token in doc if not token.is_space)
        texts += [words[start : start + max_length] for start in range(0, len(words), max_length)]
        n_read += len(words)
        if n_read > n_train * 10 / 9:
            break
    random.Random(0).shuffle(texts)
    n_held_out = max(1, len(texts) // 10)
    held_out, texts = texts[:n_held_out], texts[n_held_out:]
    known = {word for word, _ in Counter(word for text in texts for word in text).most_common(n_words)}
    places = [(text, i) for text in held_out for i in range(max(distances), len(text)) if text[i] in known]
    if not texts or not places:
        raise ValueError(
            f"{path} has no text of more than {max(distances)} words to hold out. Use smaller distances, or a larger "
            "corpus of whole documents."
        )
    places = random.Random(0).sample(places, min(n_test, len(places)))
    questions = {
        str(distance): [Prompt(text[i - distance : i + 1], distance) for text, i in places]
        for distance in sorted(distances)
    }
    questions[ALL] = [Prompt(text, 0) for text in held_out]
    settings = {"text": path.name, "distances": ",".join(map(str, distances)), "n_words": n_words}
    settings |= {"max_length": max_length, "n_train": sum(map(len, texts))}
    return NextWordTask("next-word", settings, [_hide(text, known) for text in texts], questions, dropout=0.2)


def compare_next_word(
    task: NextWordTask,
    variants: Sequence[Variant],
    *,
    width: int = 64,
    steps: int = 500,
    learn_rate: float = 0.005,
    seeds: Sequence[int] = range(3),
    output: Path | None = None,
    progress: bool = False,
    on_run: Callable[[Run], object] | None = None,
) -> Comparison:
    """Train language models that differ in the encoder only, and test them at each distance.

    task: the texts, of `make_generated_task` or `make_raw_text_task`.
    variants: the encoders, with one direction: the other one would read the word to predict.
    width: width of the word vectors and of the encoder.
    steps: number of batches of each training.
    learn_rate: the learning rate after the warm-up. It then falls linearly to 0 at the last step.
    seeds: the seeds to train each variant with.
    output: the JSON file to continue and to write after each run.
    progress: whether to show a progress bar, if standard error is a terminal.
    on_run: called with each new run.
    RETURNS: the runs. Their scores are the accuracy and the perplexity at each distance: `"accuracy 10"` and
        `"perplexity 10"`.
    RAISES: ValueError for an encoder that reads backward; OtherSettingsError if the file holds other results.
    """
    for variant in variants:
        if variant.directions != 1 or variant.cell == "cnn":
            raise ValueError(f"{variant.name} reads the words that follow. Use recurrent encoders with one direction.")
    settings = {**task.settings, "width": width, "steps": steps, "learn_rate": learn_rate, "dropout": task.dropout}
    comparison = Comparison(task.name, {**settings, "threads": torch.get_num_threads()}, variants, seeds, {}, output)
    comparison.save()

    def train_one(variant: Variant, seed: int, on_step: Callable[[], object]) -> Run:
        return _train(task, variant, width, steps, learn_rate, seed, on_step)

    train_missing(comparison, steps, train_one, progress, on_run)
    return comparison


_BATCH_WORDS = 1600


def _train(
    task: NextWordTask,
    variant: Variant,
    width: int,
    steps: int,
    learn_rate: float,
    seed: int,
    on_step: Callable[[], object],
) -> Run:
    """Train a language model and test it."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    vocabulary = Vocabulary.of(task.texts)
    model = NextWordModel(len(vocabulary), width, variant.cell, variant.depth)
    optimizer = torch.optim.Adam(model.parameters(), lr=learn_rate)
    warm_up = max(1, steps // 20)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, (steps - step) / max(1, steps - warm_up))
    )
    start, n_words = time.perf_counter(), 0
    for _ in range(steps):
        texts: list[tuple[str, ...]] = []
        while sum(map(len, texts)) < _BATCH_WORDS:
            texts.append(rng.choice(task.texts))
        words, lengths = vocabulary.encode(texts)
        loss = nn.functional.cross_entropy(model(words, lengths, task.dropout), words)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        n_words += len(words)
        on_step()
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    scores: dict[str, float] = {}
    n_read = 0
    for name, prompts in task.questions.items():
        accuracy, perplexity = _test(model, vocabulary, prompts)
        scores |= {f"accuracy {name}": accuracy, f"perplexity {name}": perplexity}
        n_read += sum(len(prompt.words) for prompt in prompts)
    return Run(
        variant=variant,
        seed=seed,
        scores=scores,
        train_seconds=seconds,
        train_words_per_second=n_words / seconds,
        predict_words_per_second=n_read / (time.perf_counter() - start),
        parameters=sum(weight.numel() for weight in model.encoder.parameters()),
    )


class Vocabulary:
    """The numbers of words: 0 is the start of a text, 1 an unknown word."""

    def __init__(self, words: Sequence[str]) -> None:
        """Number the words, from 2 on."""
        self._numbers = {word: number for number, word in enumerate(words, start=2)}

    @classmethod
    def of(cls, texts: Sequence[Sequence[str]]) -> Vocabulary:
        """Return the vocabulary of some texts."""
        return cls(sorted({word for text in texts for word in text} - {UNKNOWN}))

    def __len__(self) -> int:
        return len(self._numbers) + 2

    def encode(self, texts: Sequence[Sequence[str]]) -> tuple[Tensor, list[int]]:
        """Return the numbers of the words of all texts, and the length of each text."""
        numbers = [self._numbers.get(word, 1) for text in texts for word in text]
        return torch.tensor(numbers), [len(text) for text in texts]


@torch.no_grad()
def _test(model: NextWordModel, vocabulary: Vocabulary, prompts: Sequence[Prompt]) -> tuple[float, float]:
    """Return the accuracy and the perplexity of the words to predict, without unknown ones."""
    n_words, n_correct, loss = 0, 0, 0.0
    for start in range(0, len(prompts), 50):
        batch = prompts[start : start + 50]
        words, lengths = vocabulary.encode([prompt.words for prompt in batch])
        asked = torch.cat([torch.arange(len(prompt.words)) >= prompt.position for prompt in batch]) & (words != 1)
        scores, answers = model(words, lengths)[asked], words[asked]
        n_words += len(answers)
        n_correct += int((scores.argmax(dim=1) == answers).sum())
        loss += float(nn.functional.cross_entropy(scores, answers, reduction="sum")) if len(answers) else 0.0
    mean = torch.tensor(loss / max(n_words, 1))
    return n_correct / max(n_words, 1), float(mean.exp())


def _make_text(rng: random.Random, distance: int) -> tuple[str, ...]:
    if distance == MIN_DISTANCE and rng.random() < 0.5:
        subject, place = rng.choice(list(SCENES.items()))
        return "the", subject, "are", "in", "the", place
    country, language = rng.choice(list(COUNTRIES.items()))
    fillers = rng.choices(FILLERS, k=distance - MIN_DISTANCE)
    return "I", "grew", "up", "in", country, *fillers, "and", "I", "speak", language.capitalize()


def _read_docs(path: Path, lang: str) -> Iterator[Doc]:
    """Yield the docs of a corpus, or of texts that spaCy's tokenizer of a language splits."""
    if path.suffix == ".spacy":
        yield from read_docs(path, Vocab())
        return
    if path.suffix == ".jsonl":
        texts = (str(record["text"]) for record in srsly.read_jsonl(path))
    else:
        texts = (line for line in path.read_text(encoding="utf8").splitlines() if line.strip())
    yield from map(spacy.blank(lang).make_doc, texts)


def _hide(text: tuple[str, ...], known: set[str]) -> tuple[str, ...]:
    return tuple(word if word in known else UNKNOWN for word in text)
