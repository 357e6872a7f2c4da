"""Read texts for benchmarks, and join or cut them to a wanted number of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, cycle, islice, pairwise
from pathlib import Path

import spacy
import srsly
from spacy.vocab import Vocab

from ..util.docbin import read_docs
from ..util.lines import split_lines

# The tokens of a text, each with the whitespace that follows it. Joined, they are the text.
Tokens = list[str]


class TextsError(ValueError):
    """A file does not hold texts in the format that its suffix promises."""


def read_texts(path: Path) -> list[str]:
    """Read texts from a file, except those that are only whitespace.

    path: a `.txt` file with one text per line, a `.jsonl` file with one object per line and the text under `text`, or a
        `.spacy` file.
    RETURNS: at least one text.
    RAISES: TextsError if the file has another suffix, is damaged, or holds no text.
    """
    readers = {".txt": _read_lines, ".jsonl": _read_jsonl, ".spacy": _read_docs}
    if path.suffix not in readers:
        raise TextsError(f"Can't read texts from {path}. Give a file that ends in {', '.join(readers)}.")
    texts = [text for text in readers[path.suffix](path) if text.strip()]
    if not texts:
        raise TextsError(f"{path} holds no text.")
    return texts


def _read_lines(path: Path) -> list[str]:
    try:
        return split_lines(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise TextsError(f"{path} is not encoded in UTF-8: {error}") from error


def _read_jsonl(path: Path) -> Iterator[str]:
    for number, line in enumerate(_read_lines(path), start=1):
        if line.strip():
            try:
                row = srsly.json_loads(line)
            except ValueError as error:
                raise TextsError(f"Line {number} of {path} is not JSON: {error}") from error
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise TextsError(f"Line {number} of {path} has no text under 'text'.")
            yield _check_characters(row["text"], number, path)


def _check_characters(text: str, number: int, path: Path) -> str:
    """Return the text, or raise an error if it has an unpaired surrogate, such as \\ud83d alone."""
    try:
        text.encode("utf8")
    except UnicodeEncodeError as error:
        raise TextsError(f"The text in line {number} of {path} has an unpaired surrogate: {error}") from error
    return text


def _read_docs(path: Path) -> list[str]:
    try:
        return [doc.text for doc in read_docs(path, Vocab())]
    except ValueError as error:
        raise TextsError(str(error)) from error


def tokenize(texts: Sequence[str], lang: str, limit_words: int | None) -> list[Tokens]:
    """Split texts into tokens with spaCy's tokenizer for a language.

    texts: the texts.
    lang: code of the language.
    limit_words: number of tokens after which no further text is taken; None takes all texts.
    RETURNS: the tokens of each text.
    """
    tokenizer = spacy.blank(lang).tokenizer
    tokens: list[Tokens] = []
    n_words = 0
    for text in texts:
        if limit_words is not None and n_words >= limit_words:
            break
        tokens.append([token.text_with_ws for token in tokenizer(text)])
        n_words += len(tokens[-1])
    return tokens


def join_tokens(tokens: Sequence[Tokens], n_words: int) -> list[Tokens]:
    """Join neighbouring texts into longer ones.

    tokens: the tokens of each text.
    n_words: least number of words in a joined text; only the last may have fewer.
    RETURNS: the tokens of each joined text.
    """
    joined: list[Tokens] = []
    for text in tokens:
        if not joined or len(joined[-1]) >= n_words:
            joined.append([])
        joined[-1] += _end_with_space(text)
    return joined


def split_texts(tokens: Sequence[Tokens], n_parts: int) -> list[list[Tokens]]:
    """Split texts into parts of about the same number of texts. Neighbouring texts stay together.

    tokens: the tokens of each text.
    n_parts: number of parts, >= 1. If there are fewer texts, some parts are empty.
    RETURNS: the parts, in order.
    """
    bounds = [len(tokens) * i // n_parts for i in range(n_parts + 1)]
    return [list(tokens[start:end]) for start, end in pairwise(bounds)]


def cut_tokens(tokens: Sequence[Tokens], length: int, n_words: int) -> list[Tokens]:
    """Concatenate texts, repeat them as often as needed, and cut them into pieces of equal length.

    tokens: the tokens of each text, at least one token in all.
    length: number of words in each piece, >= 1.
    n_words: total number of words. At least one piece is cut.
    RETURNS: the tokens of each piece.
    """
    stream = cycle(chain.from_iterable(map(_end_with_space, tokens)))
    return [list(islice(stream, length)) for _ in range(max(1, n_words // length))]


def _end_with_space(text: Tokens) -> Tokens:
    return [*text[:-1], text[-1] if text[-1][-1:].isspace() else text[-1] + " "] if text else []
