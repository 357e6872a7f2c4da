"""How fast a student is, beside its teacher, on texts that are new to both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.vocab import Vocab

from ..util.docbin import read_docs
from .corpus import HELD_OUT, find_parts, is_held_out

_N_WARM_UP = 2000
_N_TURNS = 10


def measure_speed(student: str | Path, teacher: str | Path, annotations: Path, held_out: float) -> tuple[float, float]:
    """Measure the words per second of a student and its teacher.

    Both are loaded anew and warmed up on texts of the training. Then they take turns with the held-out texts, each of
    which comes once.

    student, teacher: names or paths of the pipelines.
    annotations: the annotation directory.
    held_out: the share of the texts that is held out.
    RETURNS: the words per second of the student and of the teacher.
    """
    pipelines = [spacy.load(student), spacy.load(teacher)]
    warm_up = [doc.text for doc in read_docs(find_parts(annotations)[0], Vocab())]
    for nlp in pipelines:
        _annotate(nlp, [text for text in warm_up if not is_held_out(text, held_out)][:_N_WARM_UP])
    texts = [doc.text for doc in read_docs(annotations / HELD_OUT, Vocab())]
    n_words, seconds = [0, 0], [0.0, 0.0]
    for turn in range(_N_TURNS):
        for i, nlp in enumerate(pipelines):
            start = time.perf_counter()
            n_words[i] += _annotate(nlp, texts[turn::_N_TURNS])
            seconds[i] += time.perf_counter() - start
    return n_words[0] / seconds[0], n_words[1] / seconds[1]


def _annotate(nlp: Language, texts: Sequence[str]) -> int:
    return sum(len(doc) for doc in nlp.pipe(texts))
